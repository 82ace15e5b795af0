//! How fast several processes commit to one table, on a store whose every request takes a while.
//!
//! `cargo run -p dab-lake --example writers -- [processes] [commits] [milliseconds]`: each process is a handle
//! of its own that commits one row after another. The store is in memory, so what is measured is requests, not
//! bandwidth, and a build without optimizations will do.

#![expect(clippy::print_stdout, reason = "a program that tells figures")]

use std::{error::Error, sync::Arc, time::Duration};

use base::{
    Clock as _, Event, EventId, Object, ObjectHash, Origin, SystemClock, Timestamp, Value, limits,
};
use dab_lake::{Lake, table::Commit, write::TableWriter};
use object_store::{
    memory::InMemory,
    path::Path,
    throttle::{ThrottleConfig, ThrottledStore},
};

type Failure = Box<dyn Error>;

async fn commit(lake: &Lake, app: &str, number: i64) -> Result<(), Failure> {
    let table = lake.table("events").await?;
    let own = table.known_fields().await?;
    let mut writer = TableWriter::new("events", own.iter(), limits::TABLE_COLUMNS_MAX);
    let time = Timestamp::from_seconds(1_790_000_000 + number);
    writer.append(
        &Event {
            time,
            ingest_time: time,
            id: EventId { object: ObjectHash::of(&[app]), offset: number.unsigned_abs() },
            log_source: "test",
            origin: Origin { object: "memory".into(), offset: 0 },
            fields: [("n".into(), Value::Int(number))].into_iter().collect::<Object<'_>>(),
            normalized: Object::new(),
            json: None,
        },
        100,
    )?;
    let written = writer.finish()?;
    let commit = Commit { app: app.to_owned(), number, own: written.own, files: written.files };
    while let Err(error) = table.commit(&commit).await {
        println!("{app} {number}: {error}");
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let processes = words.next().transpose()?.unwrap_or(50);
    let commits = i64::try_from(words.next().transpose()?.unwrap_or(10))?;
    let wait = Duration::from_millis(words.next().transpose()?.unwrap_or(30));
    let far_away = ThrottleConfig {
        wait_delete_per_call: wait,
        wait_get_per_call: wait,
        wait_list_per_call: wait,
        wait_list_with_delimiter_per_call: wait,
        wait_put_per_call: wait,
        ..ThrottleConfig::default()
    };
    let store = Arc::new(ThrottledStore::new(InMemory::new(), far_away));
    let url = "memory:///lake".parse()?;
    let lake = Lake::on_store(store, Path::from("lake"), url, Arc::new(SystemClock));
    commit(&lake, "first", 1).await?;
    let before = lake.requests();
    let begun = SystemClock.monotonic();
    let work = (0..processes).map(|process| {
        let lake = lake.another_handle();
        async move {
            let mut times = Vec::new();
            for number in 1..=commits {
                let begun = SystemClock.monotonic();
                commit(&lake, &format!("p{process}"), number).await?;
                times.push(SystemClock.monotonic().saturating_sub(begun));
            }
            Ok::<_, Failure>(times)
        }
    });
    let times = futures::future::try_join_all(work).await?;
    let (took, after) = (SystemClock.monotonic() - begun, lake.requests());
    let mut times: Vec<Duration> = times.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    let count = f64::from(u32::try_from(times.len())?);
    let per =
        |after: u64, before: u64| f64::from(u32::try_from(after - before).unwrap_or(0)) / count;
    let version = lake.another_handle().table("events").await?.snapshot().await?;
    println!(
        "{processes} processes, {commits} commits each, {wait:?} a request: {:.0} commits/s in {} versions; \
         half within {:?}, 99 of 100 within {:?}; requests a commit: {:.1} writes, {:.1} reads, {:.1} lists",
        count / took.as_secs_f64(),
        version.map_or(0, |found| found.version),
        at(50),
        at(99),
        per(after.writes, before.writes),
        per(after.reads, before.reads),
        per(after.lists, before.lists),
    );
    Ok(())
}
