//! Several processes that commit to one table: each a handle of its own on the same store.

#![expect(clippy::unwrap_used, reason = "a test that can't go on is to stop there")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use base::{Clock, Event, EventId, Object, ObjectHash, Origin, Timestamp, Value, limits};
use dab_lake::{
    Lake, LakeError,
    retain::{Retention, retain},
    table::{Commit, Outcome},
    write::TableWriter,
};
use object_store::{
    ObjectStore,
    memory::InMemory,
    path::Path,
    throttle::{ThrottleConfig, ThrottledStore},
};
use tokio::time::Instant;

/// Tokio's time, which stands still while anybody works.
#[derive(Debug)]
struct Idle(Instant);

impl Clock for Idle {
    fn now(&self) -> Timestamp {
        // What a store in memory says of its objects is the machine's time.
        base::SystemClock.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

fn lake() -> Lake {
    lake_on(Arc::new(InMemory::new()))
}

fn lake_on(store: Arc<dyn ObjectStore>) -> Lake {
    let url = url::Url::parse("s3://bucket/lake").unwrap();
    let clock = Arc::new(Idle(Instant::now()));
    Lake::on_store(store, Path::from("lake"), url, clock)
}

/// Another process on the same lake, which knows that there are others.
fn process(lake: &Lake) -> Arc<Lake> {
    Arc::new(lake.another_handle().expecting_others())
}

fn event(app: &str, number: i64, value: Value<'static>) -> Event<'static> {
    let time = Timestamp::parse("2026-11-24T07:00:00Z").unwrap();
    let offset = u64::try_from(number).unwrap();
    Event {
        time,
        ingest_time: time,
        id: EventId { object: ObjectHash::of(&[app]), offset },
        log_source: "test",
        origin: Origin { object: "file:o".into(), offset },
        fields: [("a".into(), value)].into_iter().collect::<Object<'_>>(),
        normalized: Object::new(),
        json: None,
    }
}

async fn commit(
    lake: &Lake,
    app: &str,
    number: i64,
    value: Value<'static>,
) -> Result<Outcome, LakeError> {
    let table = lake.table("test").await.unwrap();
    let mut writer = TableWriter::new("test", [], limits::TABLE_COLUMNS_MAX);
    writer.append(&event(app, number, value), 100).unwrap();
    let written = writer.finish().unwrap();
    let commit = Commit { app: app.to_owned(), number, own: written.own, files: written.files };
    table.commit(&commit).await
}

async fn rows(lake: &Lake) -> u64 {
    let table = lake.another_handle().table("test").await.unwrap();
    let snapshot = table.snapshot().await.unwrap();
    snapshot.map_or(0, |found| found.files.iter().filter_map(|file| file.rows).sum())
}

async fn keys(lake: &Lake, prefix: &str) -> Vec<String> {
    lake.state().unwrap().list(prefix).await.unwrap()
}

/// Makes as if another process were the committer.
async fn appoint_another(lake: &Lake) {
    let state = lake.state().unwrap();
    let lease = br#"{"version":1,"session":"another"}"#;
    state.compare_and_set("committers/test", None, lease).await.unwrap();
}

/// A process that dies when it has staged its batch.
async fn stage_and_die(lake: &Lake, app: &'static str, value: Value<'static>) {
    appoint_another(lake).await;
    let process = process(lake);
    let commits = async { commit(&process, app, 1, value).await.unwrap() };
    let is_staged = async {
        while keys(lake, "staged/").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        outcome = commits => panic!("{outcome:?} before it died"),
        () = is_staged => {}
    }
    lake.state().unwrap().delete("committers/test").await.unwrap();
}

/// A lake whose every request takes a while, so that others come meanwhile.
fn lake_far_away() -> Lake {
    let wait = Duration::from_millis(5);
    let far_away = ThrottleConfig {
        wait_delete_per_call: wait,
        wait_get_per_call: wait,
        wait_list_per_call: wait,
        wait_list_with_delimiter_per_call: wait,
        wait_put_per_call: wait,
        ..ThrottleConfig::default()
    };
    lake_on(Arc::new(ThrottledStore::new(InMemory::new(), far_away)))
}

#[tokio::test(start_paused = true)]
async fn what_tasks_of_one_process_commit_at_the_same_time_is_one_commit() {
    const TASKS: i64 = 20;
    let lake = lake_far_away();
    commit(&lake, "dab/first", 1, Value::Int(1)).await.unwrap();
    let commits = (0..TASKS).map(|task| {
        let lake = &lake;
        async move { commit(lake, &format!("dab/s{task}"), 1, Value::Int(task)).await.unwrap() }
    });
    let outcomes = futures::future::join_all(commits).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Committed(_))));
    assert_eq!(rows(&lake).await, 1 + u64::try_from(TASKS).unwrap());
    let table = lake.table("test").await.unwrap();
    let version = table.snapshot().await.unwrap().unwrap().version;
    assert!(version < 5, "{version} versions");
    assert_eq!(keys(&lake, "").await, [""; 0], "and nothing is staged for it");
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_before_its_turn_is_not_committed() {
    let lake = lake_far_away();
    commit(&lake, "dab/first", 1, Value::Int(1)).await.unwrap();
    let first = commit(&lake, "dab/s1", 1, Value::Int(1));
    let given_up = async {
        let second = commit(&lake, "dab/s2", 1, Value::Int(1));
        // Long enough to store its file and to queue, not to have its turn.
        tokio::time::timeout(Duration::from_millis(7), second).await.unwrap_err();
    };
    let (first, ()) = futures::join!(first, given_up);
    first.unwrap();
    commit(&lake, "dab/s3", 1, Value::Int(1)).await.unwrap();
    let table = lake.table("test").await.unwrap();
    assert_eq!(table.last_commit_of("dab/s2").await.unwrap(), None);
    assert_eq!(rows(&lake).await, 3);
}

#[tokio::test(start_paused = true)]
async fn one_commits_for_all() {
    const PROCESSES: i64 = 8;
    const COMMITS: i64 = 4;
    let lake = lake_far_away();
    assert_eq!(commit(&lake, "dab/first", 1, Value::Int(1)).await.unwrap(), Outcome::Committed(1));
    let work = (0..PROCESSES).map(|index| {
        let process = process(&lake);
        async move {
            let app = format!("dab/s{index}");
            for number in 1..=COMMITS {
                let done = commit(&process, &app, number, Value::Int(number)).await.unwrap();
                assert!(matches!(done, Outcome::Committed(_) | Outcome::Found), "{done:?}");
            }
        }
    });
    futures::future::join_all(work).await;
    assert_eq!(rows(&lake).await, 1 + u64::try_from(PROCESSES * COMMITS).unwrap());
    let table = lake.another_handle().table("test").await.unwrap();
    for index in 0..PROCESSES {
        let last = table.last_commit_of(&format!("dab/s{index}")).await.unwrap();
        assert_eq!(last, Some(COMMITS), "process {index}");
    }
    let version = table.snapshot().await.unwrap().unwrap().version;
    assert!(
        version < PROCESSES * COMMITS / 2,
        "{version} versions: they are not committed together"
    );
    assert_eq!(keys(&lake, "staged/").await, [""; 0], "what is done with is removed");
    assert_eq!(keys(&lake, "committers/").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_loses_a_race_stages_from_then_on() {
    let lake = lake();
    let (one, two) = (lake.another_handle(), lake.another_handle());
    commit(&one, "dab/s1", 1, Value::Int(1)).await.unwrap();
    commit(&two, "dab/s2", 1, Value::Int(1)).await.unwrap();
    let before = lake.requests();
    assert_eq!(commit(&two, "dab/s2", 2, Value::Int(1)).await.unwrap(), Outcome::Committed(3));
    let after = lake.requests();
    let alone =
        (after.writes - before.writes, after.reads - before.reads, after.lists - before.lists);
    assert_eq!(alone, (2, 0, 0), "a file and the log, and nothing is read");
    // The first one knows nothing of that yet.
    assert_eq!(commit(&one, "dab/s1", 2, Value::Int(1)).await.unwrap(), Outcome::Committed(4));
    let before = lake.requests();
    assert_eq!(commit(&one, "dab/s1", 3, Value::Int(1)).await.unwrap(), Outcome::Committed(5));
    assert!(lake.requests().deletes > before.deletes, "it was staged");
    assert_eq!(keys(&lake, "").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_committer_that_died_is_followed_by_another() {
    let lake = lake();
    appoint_another(&lake).await;
    let done = commit(&process(&lake), "dab/s", 1, Value::Int(1)).await.unwrap();
    assert_eq!((done, rows(&lake).await), (Outcome::Committed(1), 1));
    assert_eq!(keys(&lake, "").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_had_staged_when_it_died_is_committed_by_who_takes_over() {
    let lake = lake();
    stage_and_die(&lake, "dab/s", Value::Int(7)).await;
    assert_eq!(rows(&lake).await, 0, "it is not part of the table yet");
    let next = process(&lake);
    let table = next.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), Some(1));
    assert_eq!(rows(&lake).await, 1);
    assert!(matches!(
        commit(&next, "dab/s", 2, Value::Int(8)).await.unwrap(),
        Outcome::Committed(_)
    ));
    assert_eq!(rows(&lake).await, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_process_had_staged_when_it_died_is_committed_along_with_what_others_commit() {
    let lake = lake();
    stage_and_die(&lake, "dab/s", Value::Int(7)).await;
    commit(&process(&lake), "dab/other", 1, Value::Int(8)).await.unwrap();
    assert_eq!(rows(&lake).await, 2);
    let table = lake.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_given_up_stages_nothing_any_longer() {
    let lake = lake();
    let (late, next) = (process(&lake), process(&lake));
    let table = late.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), None);
    let table = next.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), None);
    // It has been asleep.
    let error = commit(&late, "dab/s", 1, Value::Int(1)).await.unwrap_err();
    assert!(matches!(error, LakeError::TakenOver { .. }), "{error:?}");
    assert_eq!(rows(&lake).await, 0);
    commit(&next, "dab/s", 1, Value::Int(2)).await.unwrap();
    assert_eq!(rows(&lake).await, 1);
    // Nor does it later, under a number that is done with.
    let late = commit(&late, "dab/s", 1, Value::Int(1)).await.unwrap();
    assert!(matches!(late, Outcome::Found | Outcome::Skipped), "{late:?}");
    assert_eq!(rows(&lake).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_committed_is_refused() {
    let lake = lake();
    stage_and_die(&lake, "dab/s", Value::text("no number")).await;
    commit(&lake, "dab/other", 1, Value::Int(1)).await.unwrap();
    let next = process(&lake);
    let table = next.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), None);
    commit(&next, "dab/s", 1, Value::Int(2)).await.unwrap();
    assert_eq!(rows(&lake).await, 2);
    // The same, of a process that is alive: in one commit, the first is right.
    let (one, two) = (process(&lake), process(&lake));
    let disagree = |lake: Arc<Lake>, app: &'static str, value: Value<'static>| async move {
        let table = lake.table("test").await.unwrap();
        let mut writer = TableWriter::new("test", [], limits::TABLE_COLUMNS_MAX);
        let fields = [("new".into(), value)].into_iter().collect::<Object<'_>>();
        writer.append(&Event { fields, ..event(app, 1, Value::Null) }, 100).unwrap();
        let written = writer.finish().unwrap();
        let (app, files) = (app.to_owned(), written.files);
        table.commit(&Commit { app, number: 1, own: written.own, files }).await
    };
    let (one, two) = futures::join!(
        disagree(one, "dab/one", Value::Int(1)),
        disagree(two, "dab/two", Value::text("x")),
    );
    let conflicts =
        [&one, &two].iter().filter(|done| matches!(done, Err(LakeError::Conflict { .. }))).count();
    assert_eq!((conflicts, rows(&lake).await), (1, 3), "{one:?} {two:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_is_not_taken_for_unused() {
    let lake = lake();
    commit(&lake, "dab/other", 1, Value::Int(1)).await.unwrap();
    stage_and_die(&lake, "dab/s", Value::Int(7)).await;
    let retention = Retention { grace: Duration::ZERO, ..Retention::default() };
    retain(&lake, &retention, false).await.unwrap();
    let table = lake.table("test").await.unwrap();
    assert_eq!(table.take_over("dab/s").await.unwrap(), Some(1));
    let snapshot = table.snapshot().await.unwrap().unwrap();
    let listed = lake.list("tables/test").await.unwrap();
    let stored: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    for file in &snapshot.files {
        assert!(stored.contains(format!("tables/test/{}", file.path).as_str()), "{}", file.path);
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_slept_for_long_does_not_write_into_what_was_removed_from_the_log() {
    const COMMITS: i64 = 60;
    let lake = lake();
    let (sleeper, other) = (lake.another_handle(), lake.another_handle());
    commit(&sleeper, "dab/sleeper", 1, Value::Int(1)).await.unwrap();
    for number in 1..=COMMITS {
        commit(&other, "dab/other", number, Value::Int(1)).await.unwrap();
    }
    // As upkeep does a week later: there is a checkpoint.
    for version in 0..40 {
        lake.delete(&format!("tables/test/_delta_log/{version:020}.json")).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(7 * 86_400)).await;
    let done = commit(&sleeper, "dab/sleeper", 2, Value::Int(2)).await.unwrap();
    assert_eq!(done, Outcome::Committed(u64::try_from(COMMITS).unwrap() + 2));
    assert_eq!(rows(&lake).await, u64::try_from(COMMITS).unwrap() + 2);
}
