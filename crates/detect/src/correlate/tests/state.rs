//! Waiting, lateness, limits, and state that outlives a process.

use std::time::Duration;

use base::{Match, Timestamp, limits};

use super::fixture::{at, correlator, document, hit, shown};
use crate::RestoreError;

const COUNT: &str =
    "type: event_count, rules: [a], group-by: [u], timespan: 1m, condition: {gte: 3}";

fn hits(times: &[f64]) -> Vec<Match> {
    (0_u64..).zip(times).map(|(id, time)| hit("a", *time, id, "u=m")).collect()
}

#[test]
fn matches_wait_for_those_that_may_be_late() {
    let mut correlator = correlator(&document("x", COUNT));
    let found = correlator.process(&hits(&[0.0, 1.0, 2.0, 62.0]), Timestamp::MAX);
    assert!(found.is_empty(), "one minute after the third is not more than the lateness");
    let found = correlator.process(&[hit("b", 62.5, 9, "")], Timestamp::MAX);
    assert!(found.is_empty(), "a rule that no correlation names moves nothing");
    let found = correlator.process(&[hit("a", 62.1, 9, "")], Timestamp::MAX);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["x@2 m"]);
    assert_eq!(correlator.waiting(), 1);
}

#[test]
fn the_lateness_is_the_rules_own() {
    let text = format!("lateness: 5s\n{}", document("x", COUNT));
    let mut correlator = correlator(&text);
    let found = correlator.process(&hits(&[0.0, 1.0, 2.0, 7.5]), Timestamp::MAX);
    assert_eq!(found.len(), 1);
}

#[test]
fn quiet_ends_the_wait_by_the_clock() {
    let mut correlator = correlator(&document("x", COUNT));
    let clock = |seconds: u64| at(1000.0).plus(Duration::from_secs(seconds));
    assert!(correlator.tick(clock(0)).is_empty());
    correlator.process(&hits(&[0.0, 1.0]), clock(0));
    assert!(correlator.tick(clock(1)).is_empty(), "the first call starts the clock");
    assert!(correlator.tick(clock(50)).is_empty());
    correlator.process(&[hit("a", 2.0, 7, "u=m")], clock(55));
    assert!(correlator.tick(clock(61)).is_empty(), "something came: it starts again");
    assert!(correlator.tick(clock(120)).is_empty());
    assert_eq!(correlator.tick(clock(121)).len(), 1);
    assert_eq!(correlator.waiting(), 0);
}

#[test]
fn what_is_later_still_counts_as_long_as_the_window_reaches_it() {
    let mut correlator = correlator(&document("x", COUNT));
    let mut found = correlator.process(&hits(&[100.0, 101.0, 300.0]), Timestamp::MAX);
    assert!(found.is_empty());
    // 100 and 101 are decided; 99 belongs to their window and completes it.
    found.extend(correlator.process(&[hit("a", 99.0, 50, "u=m")], Timestamp::MAX));
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["x@99 m"]);
    found.extend(
        correlator.process(&[hit("a", 1.0, 51, "u=m"), hit("a", 1.0, 52, "u=n")], Timestamp::MAX),
    );
    let counts = correlator.counts().next().unwrap().1;
    assert_eq!((counts.late, counts.too_late), (1, 1), "a group of its own has no order to break");
    assert!(counts.is_lossy());
}

#[test]
fn an_event_from_the_future_does_not_make_the_others_late() {
    let mut correlator = correlator(&document("x", COUNT));
    let now = at(10.0);
    correlator.process(&[hit("a", 80_000.0, 77, "u=m")], now);
    let found = correlator.process(&hits(&[0.0, 2.0, 1.0]), now);
    assert!(found.is_empty());
    let found = correlator.settle();
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["x@2 m"]);
    assert_eq!(correlator.counts().next().unwrap().1.late, 0);
}

#[test]
fn a_group_holds_so_many_events_and_counts_what_it_drops() {
    let text = "lateness: 0s\ntitle: x\nid: x\ncorrelation: {type: value_sum, rules: [a], group-by: [u], timespan: 1d, condition: {field: n, gte: 10000}}\n";
    let mut correlator = correlator(text);
    let max = limits::CORRELATION_GROUP_EVENTS_MAX as u64;
    let all = (0..max + 5).map(|id| hit("a", id as f64 / 10.0, id, "u=m n=1")).collect::<Vec<_>>();
    assert_eq!(correlator.process(&all, Timestamp::MAX).len(), 1);
    correlator.settle();
    assert_eq!(correlator.counts().next().unwrap().1.evicted, 5);
}

#[test]
fn groups_that_were_not_touched_for_longest_go_first() {
    let text = format!("lateness: 0s\n{}", document("x", COUNT).replace("1m", "1d"));
    let mut correlator = correlator(&text);
    let max = limits::CORRELATION_GROUPS_MAX as u64;
    let all = (0..=max).map(|id| hit("a", 1.0 + id as f64 / 1000.0, id, &format!("u={id}")));
    correlator.process(&all.collect::<Vec<_>>(), Timestamp::MAX);
    correlator.settle();
    let counts = correlator.counts().next().unwrap().1;
    assert_eq!(counts.evicted, max / 10 + 1);
    assert!(correlator.state().len() < 10 << 20);
    let more = |group: u64| {
        [
            hit("a", 60.0, 1_000_000, &format!("u={group}")),
            hit("a", 61.0, 1_000_001, &format!("u={group}")),
        ]
    };
    correlator.process(&more(0), Timestamp::MAX);
    assert!(correlator.settle().is_empty(), "the first group was forgotten");
    correlator.process(&more(max), Timestamp::MAX);
    assert_eq!(correlator.settle().len(), 1, "the last was not");
}

#[test]
fn too_many_that_wait_are_decided_at_once() {
    let mut correlator = correlator(&document("x", COUNT));
    let max = limits::CORRELATION_WAITING_MAX as u64;
    let all = (0..max + 7).map(|id| hit("a", id as f64 / 1e6, id, "u=m")).collect::<Vec<_>>();
    correlator.process(&all, Timestamp::MAX);
    assert_eq!(correlator.waiting(), limits::CORRELATION_WAITING_MAX);
    assert_eq!(correlator.counts().next().unwrap().1.hurried, 7);
}

#[test]
fn groups_whose_windows_have_long_ended_are_forgotten() {
    let text = format!("lateness: 0s\n{}", document("x", COUNT));
    let mut correlator = correlator(&text);
    let old = (0..500).map(|id| hit("a", 0.0, id, &format!("u=old{id}"))).collect::<Vec<_>>();
    correlator.process(&old, Timestamp::MAX);
    let size = correlator.state().len();
    let new = (0..limits::CORRELATION_KEEP_EVENTS + 2000)
        .map(|id| hit("a", 7200.0 + id as f64, 1000 + id, "u=m"));
    correlator.process(&new.collect::<Vec<_>>(), Timestamp::MAX);
    assert!(correlator.state().len() < size / 2, "{} of {size}", correlator.state().len());
    assert_eq!(correlator.counts().next().unwrap().1.evicted, 0);
}

#[test]
fn long_values_are_told_apart_by_a_hash() {
    let mut correlator = correlator(&document("x", COUNT));
    let long = "ä".repeat(1000);
    let hit = |id: u64, end: &str| hit("a", id as f64, id, &format!("u={long}{end}"));
    correlator.process(&[hit(1, "x"), hit(2, "y"), hit(3, "x"), hit(4, "x")], Timestamp::MAX);
    let found = correlator.settle();
    assert_eq!(found.len(), 1);
    assert!(found[0].dedup_values[0].len() <= limits::CORRELATION_VALUE_BYTES_MAX);
}

#[test]
fn state_of_unchanged_rules_outlives_a_change_of_others() {
    let two = |second: &str| format!("{}---\n{}", document("x", COUNT), document("y", second));
    let mut first =
        correlator(&two("type: event_count, rules: [a], timespan: 1m, condition: {gte: 4}"));
    first.process(&hits(&[0.0, 1.0]), Timestamp::MAX);
    let state = first.state();
    let changed = "type: event_count, rules: [a], timespan: 1m, condition: {gte: 3}";
    let mut second = correlator(&two(changed));
    second.restore(&state).unwrap();
    second.process(&[hit("a", 2.0, 9, "u=m")], Timestamp::MAX);
    assert_eq!(second.settle().iter().map(shown).collect::<Vec<_>>(), ["x@2 m"], "y began anew");
    // Texts for people are no change.
    let text = two(changed).replace("title: x", "title: Other\nlevel: high");
    let mut third = correlator(&text);
    third.restore(&state).unwrap();
    assert_eq!(third.waiting(), 2);
}

#[test]
fn an_old_sample_of_the_state_is_read_and_a_newer_one_is_not() {
    let mut one = correlator(&document("x", COUNT));
    one.process(&hits(&[0.0, 1.0]), Timestamp::MAX);
    one.process(&[hit("a", 61.5, 5, "u=m")], Timestamp::MAX);
    let sample = include_str!("state/version_1.json").trim_end();
    assert_eq!(String::from_utf8(one.state()).unwrap(), sample);
    let mut other = correlator(&document("x", COUNT));
    other.restore(sample.as_bytes()).unwrap();
    other.process(&[hit("a", 2.0, 6, "u=m")], Timestamp::MAX);
    assert_eq!(other.settle().len(), 1);
    let newer = sample.replace("\"version\":1", "\"version\":2");
    assert!(matches!(other.restore(newer.as_bytes()), Err(RestoreError::Newer(2))));
    assert!(matches!(other.restore(b"{"), Err(RestoreError::Malformed(_))));
}
