//! Tables through the public interface: commits that happen once, columns that appear, snapshots.

#![expect(clippy::unwrap_used, reason = "a test that can't go on is to stop there")]

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use base::{Event, EventId, FixedClock, Object, ObjectHash, Origin, Timestamp, Value, limits};
use dab_lake::{
    Lake, LakeError,
    table::{Commit, Outcome},
    write::TableWriter,
};

#[path = "fixture/repeating.rs"]
mod repeating;

use repeating::Repeating;

fn open(folder: &Path) -> Lake {
    let now = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
    Lake::in_folder(folder, Arc::new(FixedClock::new(now))).unwrap()
}

fn event(time: &str, offset: u64, fields: &[(&'static str, Value<'static>)]) -> Event<'static> {
    Event {
        time: Timestamp::parse(time).unwrap(),
        ingest_time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        id: EventId { object: ObjectHash::of(&["o"]), offset },
        log_source: "test",
        origin: Origin { object: "file:o".into(), offset },
        fields: fields
            .iter()
            .map(|(key, value)| ((*key).into(), value.clone()))
            .collect::<Object<'_>>(),
        normalized: Object::new(),
        json: None,
    }
}

async fn commit(lake: &Lake, number: i64, events: &[Event<'_>]) -> Result<Outcome, LakeError> {
    let table = lake.table("test").await.unwrap();
    let own = table.own_fields().await.unwrap();
    let mut writer = TableWriter::new("test", own.iter(), limits::TABLE_COLUMNS_MAX);
    for event in events {
        writer.append(event, 100).unwrap();
    }
    let written = writer.finish().unwrap();
    let commit = Commit { app: "dab/s".into(), number, own: written.own, files: written.files };
    table.commit(&commit).await
}

#[tokio::test]
async fn a_batch_is_committed_once_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let first = event("2026-11-24T07:00:00Z", 0, &[("a", Value::Int(1))]);
    let late = event("2026-11-23T23:59:59.5Z", 8, &[("b", Value::text("x"))]);
    {
        let lake = open(folder.path());
        assert_eq!(lake.table("test").await.unwrap().last_commit_of("dab/s").await.unwrap(), None);
        let done = commit(&lake, 1, &[first.clone(), late.clone()]).await.unwrap();
        assert_eq!(done, Outcome::Committed(1));
        let again = commit(&lake, 1, &[first.clone(), late.clone()]).await.unwrap();
        assert_eq!(again, Outcome::Skipped);
    }
    let lake = open(folder.path());
    let table = lake.table("test").await.unwrap();
    assert_eq!(table.last_commit_of("dab/s").await.unwrap(), Some(1));
    assert_eq!(commit(&lake, 1, &[first]).await.unwrap(), Outcome::Skipped);
    assert_eq!(commit(&lake, 2, &[late]).await.unwrap(), Outcome::Committed(2));

    let snapshot = table.snapshot().await.unwrap().unwrap();
    let mut files: Vec<String> = snapshot
        .files
        .iter()
        .map(|file| format!("{} {:?} {}", file.day, file.rows.unwrap(), file.time_min.unwrap()))
        .collect();
    files.sort_unstable();
    assert_eq!(
        files,
        [
            "2026-11-23 1 2026-11-23T23:59:59.500Z",
            "2026-11-23 1 2026-11-23T23:59:59.500Z",
            "2026-11-24 1 2026-11-24T07:00:00Z",
        ]
    );
    let names: Vec<_> =
        snapshot.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let expected = "time ingest_time event_id log_source origin a b _rest day";
    assert_eq!(names.join(" "), expected);
}

#[tokio::test]
async fn two_writers_that_disagree_about_a_type_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    let table = two.table("test").await.unwrap();
    let mut writer = TableWriter::new("test", [], limits::TABLE_COLUMNS_MAX);
    writer.append(&event("2026-11-24T07:00:00Z", 0, &[("a", Value::text("x"))]), 10).unwrap();
    let written = writer.finish().unwrap();
    commit(&one, 1, &[event("2026-11-24T07:00:00Z", 0, &[("a", Value::Int(1))])]).await.unwrap();
    let late = Commit { app: "dab/t".into(), number: 1, own: written.own, files: written.files };
    let error = table.commit(&late).await.unwrap_err();
    assert!(matches!(error, LakeError::Conflict { .. }), "{error}");
    assert_eq!(table.snapshot().await.unwrap().unwrap().files.len(), 1);
}

#[tokio::test]
async fn one_process_writes_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    let lock = one.lock().unwrap();
    assert!(matches!(two.lock(), Err(LakeError::InUse { .. })));
    drop(lock);
    assert!(two.lock().unwrap().is_some());
}

/// It meets what it has written, and must not take that for somebody else's.
#[tokio::test]
async fn what_went_through_is_not_taken_for_somebody_else_s() {
    let store = Arc::new(Repeating::default());
    let clock = FixedClock::new(Timestamp::parse("2026-11-24T08:00:00Z").unwrap());
    let rows = |number| [event("2026-11-24T07:00:00Z", number, &[("a", Value::Int(1))])];
    let url = url::Url::parse("memory:///lake").unwrap();
    let lake = Lake::on_store(
        Arc::clone(&store) as _,
        object_store::path::Path::from("lake"),
        url,
        Arc::new(clock),
    );
    assert!(matches!(commit(&lake, 1, &rows(1)).await.unwrap(), Outcome::Committed(_)));
    store.is_next.store(true, Ordering::Relaxed);
    // Not a conflict, upon which the batch would be made again under the next number.
    assert_eq!(commit(&lake, 2, &rows(2)).await.unwrap(), Outcome::Found);
    assert!(!store.is_next.load(Ordering::Relaxed), "the log was not written");
    assert_eq!(commit(&lake, 2, &rows(2)).await.unwrap(), Outcome::Skipped);
    assert!(matches!(commit(&lake, 3, &rows(3)).await.unwrap(), Outcome::Committed(_)));
    let table = lake.table("test").await.unwrap();
    let snapshot = table.snapshot().await.unwrap().unwrap();
    let rows: u64 = snapshot.files.iter().map(|file| file.rows.unwrap()).sum();
    assert_eq!(rows, 3);
}
