//! Retention through the public interface: whole days go, and only what nothing names.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on is to stop there")]

#[path = "fixture/table.rs"]
mod fixture;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use base::{Day, Quarantined, Report, Timestamp};
use dab_lake::{
    Lake, LakeError,
    compact::{CompactOptions, compact},
    layout,
    retain::{Dropped, Keep, Retention, Tier, retain},
};
use fixture::{append, csv, files, filled, open, open_in, try_append};

const COUNTS: &str = "SELECT day, count(*) AS n FROM test GROUP BY day ORDER BY day";

/// So many days that `first` is the first that is kept.
fn keep_from(lake: &Lake, first: &str) -> Option<u32> {
    let first = Day::parse(first).unwrap();
    u32::try_from(lake.now().day().as_days() - first.as_days()).ok()
}

fn warm(lake: &Lake, first: &str) -> Retention {
    let all = Keep { warm_days: keep_from(lake, first), ..Keep::default() };
    Retention { all, ..Retention::default() }
}

async fn done(lake: &Lake, retention: &Retention) -> Vec<Dropped> {
    let would = retain(lake, retention, true).await.unwrap();
    assert_eq!(retain(lake, retention, true).await.unwrap(), would, "it changed something");
    let dropped = retain(lake, retention, false).await.unwrap();
    assert_eq!(dropped, would, "what is done is what was announced");
    dropped
}

fn stored(folder: &Path, day: &str) -> usize {
    let day = folder.join(format!("tables/test/day={day}"));
    std::fs::read_dir(day).map_or(0, Iterator::count)
}

async fn version(lake: &Lake) -> i64 {
    lake.table("test").await.unwrap().snapshot().await.unwrap().unwrap().version
}

#[tokio::test]
async fn whole_days_go_at_once_and_their_files_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let before = version(&lake).await;
    let dropped = done(&lake, &warm(&lake, "2026-11-23")).await;
    let [one] = dropped.as_slice() else { panic!("{dropped:?}") };
    assert_eq!(
        (one.tier, one.name.as_str(), one.files, one.rows),
        (Tier::Warm, "test", 20, Some(100))
    );
    assert_eq!((one.first_day, one.last_day), (Day::parse("2026-11-22"), Day::parse("2026-11-22")));
    assert_eq!(version(&lake).await, before + 1, "one commit");
    assert_eq!(csv(&lake, COUNTS).await, "day,n\r\n2026-11-23,900\r\n");
    assert_eq!(stored(folder.path(), "2026-11-22"), 20, "queries may still read them");
    assert_eq!(done(&lake, &warm(&lake, "2026-11-23")).await, []);

    let later = open_in(folder.path(), 25);
    let dropped = done(&later, &Retention::default()).await;
    let [one] = dropped.as_slice() else { panic!("{dropped:?}") };
    assert_eq!((one.tier, one.files), (Tier::Unused, 20));
    let gone = folder.path().join("tables/test/day=2026-11-22");
    assert!(!gone.try_exists().unwrap(), "its folder went too");
    assert_eq!(csv(&later, COUNTS).await, "day,n\r\n2026-11-23,900\r\n");
    append(&later, "dab/s", 21, 1000..1100).await;
    assert_eq!(csv(&later, COUNTS).await, "day,n\r\n2026-11-22,10\r\n2026-11-23,990\r\n");
}

#[tokio::test]
async fn grace_begins_when_a_file_was_dropped_not_when_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    // For three days the files were part of the table.
    let lake = open_in(folder.path(), 72);
    compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    assert_eq!(done(&open_in(folder.path(), 72 + 23), &Retention::default()).await, []);
    let dropped = done(&open_in(folder.path(), 72 + 25), &Retention::default()).await;
    assert_eq!(dropped.iter().map(|one| one.files).sum::<usize>(), 40);
    assert_eq!(files(&lake).await.len(), 2);
    assert_eq!(csv(&lake, "SELECT count(*) AS n FROM test").await, "n\r\n1000\r\n");
}

#[tokio::test]
async fn what_a_writer_has_just_put_stays() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let key = "tables/test/day=2026-11-23/not-committed.parquet";
    lake.put(key, "PAR1".into()).await.unwrap();
    std::fs::write(folder.path().join(format!("{key}#1")), "PA").unwrap();
    assert_eq!(done(&lake, &Retention::default()).await, []);
    let later = open_in(folder.path(), 25);
    let dropped = done(&later, &Retention::default()).await;
    let shown: Vec<_> =
        dropped.iter().map(|one| (one.name.as_str(), one.files, one.bytes)).collect();
    assert_eq!(shown, [("test", 1, 4), ("parts of files", 1, 2)]);
    assert_eq!(later.get(key).await.unwrap(), None);
    assert_eq!(stored(folder.path(), "2026-11-23"), 20);
}

#[tokio::test]
async fn cold_bytes_go_by_the_day_they_came_in() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let mut keys = Vec::new();
    for (log_source, time) in [
        ("okta", "2026-11-20T23:59:59Z"),
        ("okta", "2026-11-21T00:00:00Z"),
        ("nginx", "2026-11-20T08:00:00Z"),
        ("sshd", "2026-11-20T08:00:00Z"),
    ] {
        let key = layout::cold(log_source, Timestamp::parse(time).unwrap(), "s", 1);
        lake.put(&key, "bytes".into()).await.unwrap();
        keys.push(key);
    }
    let cold = |first| Keep { cold_days: keep_from(&lake, first), ..Keep::default() };
    let some = BTreeMap::from([("nginx".to_owned(), cold("2026-11-19"))]);
    let retention = Retention { all: cold("2026-11-21"), some, ..Retention::default() };
    let dropped = done(&lake, &retention).await;
    let shown: Vec<_> =
        dropped.iter().map(|one| (one.tier, one.name.as_str(), one.bytes)).collect();
    assert_eq!(shown, [(Tier::Cold, "okta", 5), (Tier::Cold, "sshd", 5)]);
    let mut left = Vec::new();
    for key in &keys {
        left.push(lake.get(key).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, true, false]);
    let note = lake.get("upkeep/cold/okta.json").await.unwrap().unwrap();
    assert_eq!(&note[..], br#"{"version":1,"log_source":"okta","before":"2026-11-21"}"#);
}

fn quarantined(id: &str, time: &str, spill: Option<String>) -> Quarantined {
    let problem = Report {
        code: "DAB0301".into(),
        message: "no JSON".into(),
        place: None,
        causes: Vec::new(),
        help: None,
    };
    Quarantined {
        id: id.to_owned(),
        time: Timestamp::parse(time).unwrap(),
        log_source: "okta".into(),
        object: "file:a".into(),
        offset: 0,
        length: 1,
        header: None,
        problem,
        bytes: b"x".to_vec(),
        spill,
    }
}

#[tokio::test]
async fn the_quarantine_goes_by_the_day_its_records_were_put_there() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    let spill = layout::spill("okta", "b-0");
    lake.put(&spill, "whole".into()).await.unwrap();
    let records = [
        ("okta", 1, vec![quarantined("a-0", "2026-11-20T08:00:00Z", None)]),
        // One of them is younger: all stay.
        (
            "okta",
            2,
            vec![
                quarantined("b-0", "2026-11-20T23:59:59Z", Some(spill.clone())),
                quarantined("b-1", "2026-11-21T00:00:00Z", None),
            ],
        ),
        ("nginx", 1, vec![quarantined("c-0", "2026-11-20T08:00:00Z", None)]),
    ];
    for (log_source, number, records) in &records {
        let key = layout::quarantine(log_source, "s", *number);
        lake.replace_quarantined(&key, records).await.unwrap();
    }
    let keep = Keep { quarantine_days: keep_from(&lake, "2026-11-21"), ..Keep::default() };
    let for_ever = Keep { quarantine_days: Some(100_000), ..Keep::default() };
    let some = BTreeMap::from([("nginx".to_owned(), for_ever)]);
    let retention = Retention { all: keep, some, ..Retention::default() };
    let dropped = done(&lake, &retention).await;
    let [one] = dropped.as_slice() else { panic!("{dropped:?}") };
    assert_eq!((one.tier, one.name.as_str(), one.rows), (Tier::Quarantine, "okta", Some(1)));
    assert_eq!((one.first_day, one.last_day), (Day::parse("2026-11-20"), Day::parse("2026-11-20")));
    let mut left = Vec::new();
    for (log_source, number, _) in &records {
        let key = layout::quarantine(log_source, "s", *number);
        left.push(lake.quarantined(&key).await.unwrap().len());
    }
    assert_eq!(left, [0, 2, 1]);
    assert!(lake.get(&spill).await.unwrap().is_some(), "a record that is left names it");
    let note = lake.get("upkeep/quarantine/okta/s-000000000001.json").await.unwrap().unwrap();
    assert_eq!(&note[..], br#"{"version":1,"ids":["a-0"]}"#);
    assert_eq!(done(&lake, &retention).await, [], "there is nothing more to drop");
    let none = retain(&lake, &Retention::default(), false).await.unwrap();
    assert_eq!(none, [], "nothing goes that is not asked for");
}

/// Retention drops a day while late events for it arrive, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_go_on_while_days_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let path = folder.path().to_owned();
    let lake = open(&path);
    let writer = tokio::spawn(async move {
        for number in 21..50 {
            let from = u64::try_from(number).unwrap() * 50;
            // As a writer does: made again where someone else has changed what the table is.
            while let Err(error) = try_append(&lake, "dab/s", number, from..from + 50).await {
                assert!(matches!(error, LakeError::Conflict { .. }), "{error}");
            }
        }
    });
    let lake: Arc<Lake> = open(&path);
    while !writer.is_finished() {
        retain(&lake, &warm(&lake, "2026-11-23"), false).await.unwrap();
    }
    writer.await.unwrap();
    retain(&lake, &warm(&lake, "2026-11-23"), false).await.unwrap();
    let expected = (20 + 29) * 45;
    assert_eq!(csv(&lake, COUNTS).await, format!("day,n\r\n2026-11-23,{expected}\r\n"));
}
