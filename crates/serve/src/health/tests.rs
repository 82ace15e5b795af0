//! Sources in made-up time, looked at each minute.

use std::time::Duration;

use base::Timestamp;

use super::{
    history::{History, Seen},
    judge::{Expected, Finding, Kind, Silence, judge, silent_after},
};
use crate::status::{NewField, SourceStatus};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: u32 = 24 * 60;

/// A source under watch.
struct Bed {
    history: History,
    expected: Expected,
    status: SourceStatus,
    now: Timestamp,
    began: Timestamp,
}

impl Bed {
    fn new() -> Self {
        let now = Timestamp::parse("2026-11-02T00:00:00Z").unwrap();
        let (history, expected, status) = Default::default();
        Self { history, expected, status, now, began: now }
    }

    /// A minute in which so many records came, so many of them for the quarantine.
    fn minute(&mut self, records: u64, quarantined: u64) -> Vec<Finding> {
        self.now = self.now.plus(MINUTE);
        if records > 0 {
            self.status.last_commit = Some(self.now);
        }
        let seen = Seen { records, rows: records - quarantined, quarantined, errors: 0 };
        self.history.note(seen, self.status.last_commit, self.now, false);
        self.findings()
    }

    fn findings(&self) -> Vec<Finding> {
        judge(&self.history, &self.expected, &self.status, self.now, Some(self.began))
    }

    /// Minutes of a source that brings something each so many minutes, at night less often.
    fn days(&mut self, count: u32, every: u32, records: u64) {
        for minute in 0..count * DAY {
            let is_night = minute % DAY < 6 * 60;
            let is_due = minute % (if is_night { every * 4 } else { every }) == 0;
            let found = self.minute(if is_due { records } else { 0 }, 0);
            assert_eq!(found, [], "at minute {minute}");
        }
    }

    /// Another process goes on, so much later.
    fn restart(&mut self, later: Duration) {
        let json = serde_json::to_string(&self.history).unwrap();
        self.history = serde_json::from_str(&json).unwrap();
        self.now = self.now.plus(later);
        self.began = self.now;
        self.status = SourceStatus::default();
    }
}

#[test]
fn what_a_source_does_is_learned_and_silence_is_told_of_once_for_each() {
    let mut bed = Bed::new();
    bed.days(3, 10, 50);
    // Forty minutes passed between two batches at night; silence is three times as long.
    assert_eq!(silent_after(&bed.history, &bed.expected, bed.now), Some(120 * MINUTE));
    let mut keys = Vec::new();
    for minute in 0..400 {
        let found = bed.minute(0, 0);
        let silent: Vec<_> = found.iter().filter(|found| found.kind == Kind::Silent).collect();
        assert_eq!(silent.len(), usize::from(minute >= 111), "at minute {minute}");
        keys.extend(silent.iter().map(|found| found.key()));
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "{keys:?}");
    let found = bed.findings();
    let silent = found.iter().find(|found| found.kind == Kind::Silent).unwrap();
    let message = "brought nothing for 6 h 49 min, and is expected to after 2 h at most";
    assert_eq!(silent.message, message);
    // It is back: nothing is wrong with it but the hours before.
    assert!(bed.minute(50, 0).iter().all(|found| found.kind == Kind::Dropped));
}

#[test]
fn a_source_that_is_new_or_quiet_by_nature_is_left_alone() {
    let mut bed = Bed::new();
    for _ in 0..23 * 60 {
        assert_eq!(bed.minute(0, 0), []);
    }
    bed.minute(10, 0);
    for _ in 0..3 * DAY {
        assert_eq!(bed.minute(0, 0), [], "it brought something in one hour only");
    }
    bed.expected.silence = Silence::After(10 * MINUTE);
    assert_eq!(bed.findings()[0].kind, Kind::Silent);
    bed.expected.silence = Silence::Never;
    assert_eq!(bed.findings(), []);
}

#[test]
fn the_time_that_nobody_looked_is_no_silence_and_teaches_nothing() {
    let mut bed = Bed::new();
    bed.days(2, 10, 50);
    let before = silent_after(&bed.history, &bed.expected, bed.now);
    bed.restart(Duration::from_secs(30 * 3600));
    for _ in 0..30 {
        assert_eq!(bed.minute(0, 0), []);
    }
    assert_eq!(bed.minute(50, 0), []);
    assert_eq!(silent_after(&bed.history, &bed.expected, bed.now), before);
    let hours = bed.history.since(bed.now.minus(60 * MINUTE));
    assert!(hours.map(|hour| hour.watched_seconds).sum::<u64>() <= 31 * 60);
}

#[test]
fn far_less_or_more_than_on_other_days_is_told_of() {
    for (records, kind) in
        [(1, Some(Kind::Dropped)), (49, None), (60, None), (600, Some(Kind::Rose))]
    {
        let mut bed = Bed::new();
        for _ in 0..4 * DAY {
            bed.minute(50, 0);
        }
        let mut kinds = Vec::new();
        for _ in 0..61 {
            kinds.extend(bed.minute(records, 0).into_iter().map(|found| found.kind));
        }
        assert_eq!(kinds.last().copied(), kind, "{records}");
        assert!(kinds.len() <= 2, "the hour is whole before it is judged: {kinds:?}");
    }
}

#[test]
fn bad_records_problems_and_lag_are_told_of() {
    let mut bed = Bed::new();
    bed.days(1, 10, 50);
    assert_eq!(bed.minute(50, 0), []);
    let found = bed.minute(100, 60);
    assert_eq!(found.iter().map(|found| found.kind).collect::<Vec<_>>(), [Kind::Quarantined]);
    bed.expected.quarantined_percent_max = Some(50);
    assert_eq!(bed.findings(), []);
    bed.status.lag_seconds = Some(7300.0);
    assert_eq!(bed.findings(), []);
    bed.expected.lag_max = Some(60 * MINUTE);
    assert_eq!(bed.findings()[0].kind, Kind::Late);
    bed.expected.lag_max = None;
    let seen = Seen { errors: 5, ..Seen::default() };
    bed.history.note(seen, None, bed.now, false);
    assert_eq!(bed.findings()[0].kind, Kind::Failing);
}

#[test]
fn what_was_stored_can_be_read() {
    let mut bed = Bed::new();
    bed.minute(50, 1);
    let stored = super::Stored {
        version: super::STORED_VERSION,
        history: bed.history.clone(),
        told: ["failing".to_owned()].into(),
    };
    let sample = include_str!("../../tests/samples/health-v1.json");
    assert_eq!(serde_json::to_string_pretty(&stored).unwrap(), sample.trim_end());
    let read: super::Stored = serde_json::from_str(sample).unwrap();
    assert_eq!((read.history.hours, read.told), (bed.history.hours, stored.told));
}

#[test]
fn a_credential_that_ends_is_told_of_two_weeks_before_and_once() {
    let mut bed = Bed::new();
    bed.status.credential_ends = Some(bed.now.plus(15 * DAY * MINUTE));
    assert_eq!(bed.findings(), []);
    bed.now = bed.now.plus(DAY * MINUTE);
    let found = bed.findings();
    let [first] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(first.kind, Kind::Ending);
    assert_eq!(first.message, "has a credential that ends on 2026-11-17T00:00:00Z");
    let key = first.key();
    bed.now = bed.now.plus(20 * DAY * MINUTE);
    let found = bed.findings();
    assert_eq!(found[0].message, "has a credential that ended on 2026-11-17T00:00:00Z");
    assert_eq!(found[0].key(), key, "the same trouble");
    // Another one has another end.
    bed.status.credential_ends = Some(bed.now.plus(90 * DAY * MINUTE));
    assert_eq!(bed.findings(), []);
}

#[test]
fn new_fields_are_news_for_an_hour_where_that_is_wanted() {
    let mut bed = Bed::new();
    let field = |name: &str| NewField { name: name.to_owned(), since: bed.now };
    bed.status.new_field_names = vec![field("actor.id"), field("risk")];
    assert_eq!(bed.findings(), [], "nobody asked for it");
    bed.expected.tells_new_fields = true;
    let found = bed.findings();
    assert_eq!(found[0].message, "has fields that it never had: `actor.id`, `risk`");
    let key = found[0].key();
    bed.now = bed.now.plus(30 * MINUTE);
    assert_eq!(bed.findings()[0].key(), key);
    bed.status.new_field_names.push(NewField { name: "later".into(), since: bed.now });
    assert_ne!(bed.findings()[0].key(), key, "others are told of anew");
    bed.now = bed.now.plus(61 * MINUTE);
    assert_eq!(bed.findings(), []);
}
