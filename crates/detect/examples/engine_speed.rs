//! What an event costs under 100, 1,000 and all public rules, evaluated plainly and by the engine.
//!
//! `cargo run --release -p dab-detect --example engine_speed -- [events of a lane] [lane] [rounds]`
//!
//! With many rounds, a profiler sees the engine alone.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that can't go on is to stop there"
)]

#[path = "../tests/corpora/events.rs"]
mod events;
#[path = "../tests/corpora/files.rs"]
mod files;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    sync::Arc,
    time::Duration,
};

use base::{Clock, Event, SystemClock};
use dab_detect::{Engine, FullScan, Matcher, Rule};
use serde_json::Value as Json;

const LOG_SOURCE: &str = "windows_events";

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(20_000, |count| count.parse().unwrap());
    let only = arguments.next();
    let rounds = arguments.next().map_or(200_000, |rounds| rounds.parse().unwrap());
    let (Some(files), Some(logs)) =
        (files::rule_files(), files::corpus("mordor/windows-attacks.ndjson.zst"))
    else {
        return;
    };
    let before = SystemClock.monotonic();
    let rules = files::load(&files).0;
    println!("{} rules read in {:?}", rules.len(), SystemClock.monotonic() - before);
    let lines = zstd::decode_all(fs::File::open(logs).unwrap()).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let records = lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let records = records.collect::<Vec<_>>();
    let without_message = records.iter().map(|record| {
        let mut record = record.clone();
        record.as_object_mut().unwrap().remove("Message");
        record
    });
    let flat = without_message.collect::<Vec<_>>();
    let proc = flat.iter().filter(|record| record["EventID"] == 1).cloned().collect::<Vec<_>>();
    for (lane, records) in [("mordor", &records), ("flat", &flat), ("proc", &proc)] {
        if only.as_ref().is_some_and(|only| only != lane) {
            continue;
        }
        let events = records
            .iter()
            .take(count)
            .map(|record| events::event(LOG_SOURCE, events::object(record)))
            .collect::<Vec<_>>();
        for limit in [100, 1000, rules.len()] {
            let step = rules.len() / limit;
            let some = rules.iter().step_by(step).take(limit).cloned().collect::<Vec<_>>();
            measure(lane, some, &events, rounds);
        }
    }
}

fn measure(lane: &str, rules: Vec<Arc<Rule>>, events: &[Event<'_>], rounds: usize) {
    let routes: BTreeMap<_, _> = files::routes(LOG_SOURCE);
    let count = rules.len();
    let before = SystemClock.monotonic();
    let engine = Engine::new(rules.clone(), &routes);
    let built = SystemClock.monotonic() - before;
    let plain = FullScan::new(rules, &routes);
    let (fast, matches) = median(&engine, events, rounds);
    let (slow, expected) = median(&plain, events, 2_000);
    assert_eq!(matches, expected);
    println!(
        "{lane}, {count} rules: {} events, {} matches; built in {built:?}; engine {fast:?}, plain {slow:?} an event",
        events.len(),
        matches.values().sum::<usize>(),
    );
}

/// What this thread has computed, which a busy machine does not stretch as it does the clock.
fn cpu_time() -> Duration {
    let Ok(text) = fs::read_to_string("/proc/thread-self/schedstat") else {
        return SystemClock.monotonic();
    };
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The median time of an event over five runs, and the matches of the first events by rule.
fn median(
    matcher: &dyn Matcher,
    events: &[Event<'_>],
    rounds: usize,
) -> (Duration, HashMap<String, usize>) {
    let mut counts = HashMap::new();
    let mut matches = Vec::new();
    for event in events.iter().take(2_000) {
        matcher.evaluate(event, &mut matches);
    }
    for found in matches.drain(..) {
        *counts.entry(found.rule.id.clone()).or_default() += 1;
    }
    let mut times = (0..5)
        .map(|_| {
            let before = cpu_time();
            for event in events.iter().cycle().take(rounds / 5) {
                matches.clear();
                matcher.evaluate(event, &mut matches);
            }
            (cpu_time() - before) / u32::try_from(rounds / 5).unwrap()
        })
        .collect::<Vec<_>>();
    times.sort_unstable();
    (times[times.len() / 2], counts)
}
