//! What a source brought, by the hour, for a week.

use std::{collections::VecDeque, time::Duration};

use base::Timestamp;
use serde::{Deserialize, Serialize};

const HOUR_MICROS: i64 = 3_600_000_000;

/// So many hours are remembered: those of a week and of the day at hand.
const HOURS_MAX: usize = 8 * 24;

/// What a source counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) quarantined: u64,
    pub(super) errors: u64,
}

/// What was seen of a source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    /// When it was first looked at.
    pub(super) first: Option<Timestamp>,
    /// When it was last looked at.
    pub(super) last: Option<Timestamp>,
    /// When it last brought something.
    pub(super) last_brought: Option<Timestamp>,
    /// The oldest first.
    pub(super) hours: VecDeque<Hour>,
    /// Whether this process looked at it before.
    #[serde(skip)]
    is_looked_at: bool,
    /// Whether it brought something since this process looks at it: how long the first took says
    /// nothing of the source.
    #[serde(skip)]
    has_brought: bool,
}

/// An hour of a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hour {
    /// When it began.
    pub(super) start: Timestamp,
    pub(super) records: u64,
    pub(super) rows: u64,
    pub(super) quarantined: u64,
    pub(super) errors: u64,
    /// For how many seconds of it the source was looked at.
    pub(super) watched_seconds: u64,
    /// The longest time without anything that ended in it, in seconds.
    pub(super) longest_gap_seconds: u64,
}

impl Seen {
    /// What was counted since.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            records: self.records.saturating_sub(before.records),
            rows: self.rows.saturating_sub(before.rows),
            quarantined: self.quarantined.saturating_sub(before.quarantined),
            errors: self.errors.saturating_sub(before.errors),
        }
    }
}

impl History {
    /// Notes what the source brought since it was last looked at. `is_whole`: whether it was looked
    /// at before this process began as well, as by processes that run once and end.
    pub(super) fn note(
        &mut self,
        seen: Seen,
        last_commit: Option<Timestamp>,
        now: Timestamp,
        is_whole: bool,
    ) {
        self.is_looked_at |= is_whole;
        self.has_brought |= is_whole;
        let last = self.last.filter(|_| self.is_looked_at);
        let watched = last.map_or(0, |last| now.since(last).as_secs());
        let gap = match last_commit.filter(|_| seen.records > 0) {
            Some(at) => {
                let last = self.last_brought.filter(|_| self.has_brought);
                self.last_brought = self.last_brought.max(Some(at));
                self.has_brought = true;
                last.map_or(0, |last| at.since(last).as_secs())
            }
            None => 0,
        };
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.is_looked_at = true;
        let start = hour_of(now);
        if self.hours.back().is_none_or(|hour| hour.start < start) {
            self.hours.push_back(Hour { start, ..Hour::default() });
        }
        if self.hours.len() > HOURS_MAX {
            self.hours.pop_front();
        }
        if let Some(hour) = self.hours.back_mut() {
            hour.records += seen.records;
            hour.rows += seen.rows;
            hour.quarantined += seen.quarantined;
            hour.errors += seen.errors;
            hour.watched_seconds += watched;
            hour.longest_gap_seconds = hour.longest_gap_seconds.max(gap);
        }
    }

    /// An hour, by when it began.
    pub(super) fn hour(&self, start: Timestamp) -> Option<&Hour> {
        let at = self.hours.binary_search_by_key(&start, |hour| hour.start).ok()?;
        self.hours.get(at)
    }

    /// The hours since a time, the latest first.
    pub(super) fn since(&self, from: Timestamp) -> impl Iterator<Item = &Hour> {
        self.hours.iter().rev().take_while(move |hour| hour.start >= from)
    }
}

/// When the hour of a time began.
pub(super) fn hour_of(time: Timestamp) -> Timestamp {
    let hour = time.as_micros().div_euclid(HOUR_MICROS);
    Timestamp::from_micros(hour.saturating_mul(HOUR_MICROS))
}

/// So many hours.
pub(super) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}
