//! Rows made anew in the place of old ones, through the public interface.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on is to stop there")]

#[path = "fixture/table.rs"]
mod fixture;

use std::collections::HashSet;

use base::{Day, EventId, Object, Timestamp, Value, limits};
use dab_lake::{
    Lake,
    compact::{CompactOptions, compact},
    exchange::{Exchanged, Known, exchange, known},
    write::{TableWriter, Written},
};
use fixture::{append, csv, event, files, filled};

/// All that the table's events fall on.
fn always() -> (Timestamp, Timestamp) {
    let start = |day: &str| Day::parse(day).unwrap().start();
    (start("2026-11-22"), start("2026-11-24"))
}

/// New rows of these numbers, with another value, a column more, and a day later for every seventh.
async fn anew(lake: &Lake, numbers: &[u64]) -> (HashSet<EventId>, Written) {
    let own = lake.table("test").await.unwrap().own_fields().await.unwrap();
    let mut writer = TableWriter::new("test", own.iter(), limits::TABLE_COLUMNS_MAX);
    let mut fresh = HashSet::new();
    for number in numbers {
        let mut event = event(*number);
        let mut fields: Vec<_> = event.fields.into_iter().collect();
        fields.retain(|(name, _)| name != "n");
        fields.push(("n".into(), Value::Int(i64::try_from(number + 1_000_000).unwrap())));
        fields.push(("anew".into(), Value::text("yes")));
        event.fields = fields.into_iter().collect::<Object<'_>>();
        if number % 7 == 0 {
            event.time = event.time.plus_micros(86_400_000_000);
        }
        fresh.insert(event.id);
        writer.append(&event, 100).unwrap();
    }
    (fresh, writer.finish().unwrap())
}

async fn all_known(lake: &Lake) -> Known {
    let table = lake.table("test").await.unwrap();
    known(&table, always(), &|_| true).await.unwrap()
}

async fn put(lake: &Lake, known: &Known, numbers: &[u64]) -> Option<Exchanged> {
    let (fresh, written) = anew(lake, numbers).await;
    let table = lake.table("test").await.unwrap();
    exchange(&table, known, &fresh, &written).await.unwrap()
}

/// How many rows, how many ids, how many of them anew, and the sum of the numbers without what is added.
async fn sums(lake: &std::sync::Arc<Lake>) -> String {
    let sql = "SELECT count(*) AS a, count(DISTINCT event_id) AS b, count(anew) AS c, \
        sum(n % 1000000) AS d FROM test";
    csv(lake, sql).await.lines().nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn rows_take_the_place_of_those_with_the_same_ids() {
    for is_compacted in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let lake = filled(folder.path()).await;
        if is_compacted {
            compact(&lake, "test", &CompactOptions::default()).await.unwrap();
        }
        let sum: u64 = (0..1000).sum();
        let numbers: Vec<u64> = (0..1000).filter(|number| number % 3 == 0).collect();
        let known = all_known(&lake).await;
        assert_eq!(known.rows.len(), 1000);
        let done = put(&lake, &known, &numbers).await;
        assert_eq!(done, Some(Exchanged { removed: 334, added: 334 }));
        assert_eq!(sums(&lake).await, format!("1000,1000,334,{sum}"));
        // Again, and with all of them: it comes to the same.
        let all: Vec<u64> = (0..1000).collect();
        for expected in [334, 1000] {
            let numbers = if expected == 334 { &numbers } else { &all };
            // Some are a day later now.
            let (from, to) = always();
            let table = lake.table("test").await.unwrap();
            let later = (from, to.plus_micros(86_400_000_000));
            let known = known_in(&table, later).await;
            put(&lake, &known, numbers).await.unwrap();
            assert_eq!(sums(&lake).await, format!("1000,1000,{expected},{sum}"));
        }
    }
}

async fn known_in(table: &dab_lake::table::Table, range: (Timestamp, Timestamp)) -> Known {
    known(table, range, &|_| true).await.unwrap()
}

#[tokio::test]
async fn missing_rows_come_back_and_doubled_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    // The first fifty once more, and others that were never there.
    append(&lake, "dab/other", 1, 0..50).await;
    let known = all_known(&lake).await;
    let numbers: Vec<u64> = (0..60).chain(2000..2010).collect();
    let done = put(&lake, &known, &numbers).await;
    assert_eq!(done, Some(Exchanged { removed: 110, added: 70 }));
    let sum: u64 = (0..1000).chain(2000..2010).sum();
    assert_eq!(sums(&lake).await, format!("1010,1010,70,{sum}"));
}

#[tokio::test]
async fn writers_go_on_and_what_upkeep_changed_is_looked_at_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let known = all_known(&lake).await;
    append(&lake, "dab/s", 21, 1000..1100).await;
    let numbers: Vec<u64> = (0..10).collect();
    assert!(put(&lake, &known, &numbers).await.is_some());
    let sum: u64 = (0..1100).sum();
    assert_eq!(sums(&lake).await, format!("1100,1100,10,{sum}"));

    let known = all_known(&lake).await;
    compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    let before = files(&lake).await;
    let stored = walk(&folder.path().join("tables/test"));
    assert_eq!(put(&lake, &known, &(20..30).collect::<Vec<_>>()).await, None);
    assert_eq!(files(&lake).await, before);
    assert_eq!(walk(&folder.path().join("tables/test")), stored, "nothing is left over");
    assert_eq!(sums(&lake).await, format!("1100,1100,10,{sum}"));
}

/// The names of all files below a folder, in order.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(walk(&path));
        } else {
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    names
}

#[tokio::test]
async fn only_wanted_rows_of_the_range_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let table = lake.table("test").await.unwrap();
    let wanted = |id: EventId| id.offset < 100;
    let some = known(&table, always(), &wanted).await.unwrap();
    assert_eq!(some.rows.len(), 100);
    let ingest_time = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
    assert!(some.rows.values().all(|time| *time == ingest_time));
    let late = Day::parse("2026-12-24").unwrap().start();
    assert_eq!(known(&table, (late, late), &wanted).await.unwrap().rows.len(), 0);
    let none = lake.table("nothing").await.unwrap();
    assert_eq!(known(&none, always(), &wanted).await.unwrap().rows.len(), 0);
}
