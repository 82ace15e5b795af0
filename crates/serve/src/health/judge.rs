//! Decides whether a source is as it should be. Pure: takes the time, and says why.

use std::time::Duration;

use base::{Timestamp, limits};

use super::history::{History, Hour, hour_of, hours};
use crate::status::{NewField, SourceStatus};

/// What is learned is learned over this time: a week has one of each day.
const LEARNED_OVER: Duration = hours(7 * 24);

/// A source is known for so long before anything is learned of it.
const KNOWN_AFTER: Duration = hours(24);

/// In how many hours of the time it is learned over a source must have brought something.
const BUSY_HOURS_MIN: usize = 6;

/// Silence is so many times the longest that was seen.
const SILENCE_FACTOR: u32 = 3;

/// What is learned is no shorter than this: sources are late now and then.
const SILENCE_MIN: Duration = Duration::from_secs(15 * 60);

/// So many times more or fewer events than in the same hour of other days are news.
const VOLUME_FACTOR: u64 = 5;

/// Fewer events than these are no volume that could drop.
const VOLUME_MIN: u64 = 100;

/// On so many other days the same hour must have been watched.
const VOLUME_DAYS_MIN: usize = 3;

/// An hour was watched if it was for so many seconds: the process may have been restarted in it.
const HOUR_WATCHED_SECONDS: u64 = 3300;

/// So many problems of a source in two hours are news.
const ERRORS_MIN: u64 = 5;

/// Of fewer records, one bad one would be news.
const RECORDS_MIN: u64 = 20;

/// So many percent of the records in the quarantine are news, where nothing else is said.
const QUARANTINED_PERCENT_MAX: u8 = 10;

/// What is expected of a source. What is left out is learned, or has a default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expected {
    /// How long it may bring nothing.
    pub silence: Silence,
    /// How long after their time its events may be committed; any time if it is left out.
    pub lag_max: Option<Duration>,
    /// How many percent of its records may go to the quarantine.
    pub quarantined_percent_max: Option<u8>,
    /// Whether fields that it never had are news.
    pub tells_new_fields: bool,
}

/// How long a source may bring nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Silence {
    /// As it did before.
    #[default]
    Learned,
    /// So long.
    After(Duration),
    /// As long as it likes.
    Never,
}

/// What is wrong with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Silent,
    Dropped,
    Rose,
    Late,
    Quarantined,
    Failing,
    Grown,
    Ending,
}

/// Something that is wrong with a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: Kind,
    /// Since when, as far as it is known.
    pub(super) since: Timestamp,
    pub(super) message: String,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Dropped => "volume_drop",
            Self::Rose => "volume_spike",
            Self::Late => "late",
            Self::Quarantined => "quarantined",
            Self::Failing => "failing",
            Self::Grown => "new_fields",
            Self::Ending => "credential",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Silent => "A source is silent",
            Self::Dropped => "A source brings far fewer events than usual",
            Self::Rose => "A source brings far more events than usual",
            Self::Late => "A source is late",
            Self::Quarantined => "Many records of a source can't be decoded",
            Self::Failing => "A source has problems again and again",
            Self::Grown => "A source has fields that it never had",
            Self::Ending => "A credential of a source ends soon",
        }
    }

    pub(super) const fn help(self) -> &'static str {
        match self {
            Self::Silent => {
                "look whether it still writes, and whether dab may still read it (`dab status`); if it \
                 is quiet by nature, set `health.sources.<name>.silent_after`"
            }
            Self::Dropped | Self::Rose => {
                "look at what it brings: `dab search '* | timechart count'` over its table"
            }
            Self::Late => "look at the lag in `dab status`: is the source late, or dab behind?",
            Self::Quarantined => {
                "`dab quarantine list` has the reasons; mend the log source, then replay"
            }
            Self::Failing => "`dab status` has the last problem, and its page how to mend it",
            Self::Grown => "see whether detections or the log source's `fields` should know them",
            Self::Ending => "make a new one, and put it where the settings say",
        }
    }
}

impl Finding {
    /// The same for as long as the same trouble lasts.
    pub(super) fn key(&self) -> String {
        match self.kind {
            Kind::Silent => format!("silent since {}", self.since),
            Kind::Grown | Kind::Ending => format!("{} since {}", self.kind.name(), self.since),
            Kind::Dropped | Kind::Rose => format!("{} on {}", self.kind.name(), self.since.day()),
            kind => kind.name().to_owned(),
        }
    }
}

/// What is wrong with a source now. `began`: since when the process looks at it; `None` if it does
/// not matter.
pub(super) fn judge(
    history: &History,
    expected: &Expected,
    status: &SourceStatus,
    now: Timestamp,
    began: Option<Timestamp>,
) -> Vec<Finding> {
    let found = [
        silent(history, expected, status, now, began),
        volume(history, now),
        late(expected, status, now),
        quarantined(history, expected, now),
        failing(history, status, now),
        grown(expected, status, now),
        ending(status, now),
    ];
    found.into_iter().flatten().collect()
}

/// How long a source may bring nothing; `None`: any time, or it isn't known yet.
pub(super) fn silent_after(
    history: &History,
    expected: &Expected,
    now: Timestamp,
) -> Option<Duration> {
    match expected.silence {
        Silence::After(limit) => Some(limit),
        Silence::Never => None,
        Silence::Learned => {
            let is_known = history.first.is_some_and(|first| now.since(first) >= KNOWN_AFTER);
            let week = || history.since(now.minus(LEARNED_OVER));
            let busy = week().filter(|hour| hour.records > 0).count();
            let longest = week().map(|hour| hour.longest_gap_seconds).max().unwrap_or(0);
            let learned = Duration::from_secs(longest).saturating_mul(SILENCE_FACTOR);
            (is_known && busy >= BUSY_HOURS_MIN).then(|| learned.max(SILENCE_MIN))
        }
    }
}

fn silent(
    history: &History,
    expected: &Expected,
    status: &SourceStatus,
    now: Timestamp,
    began: Option<Timestamp>,
) -> Option<Finding> {
    let limit = silent_after(history, expected, now)?;
    let since = history.last_brought.or(history.first)?;
    // Before the process began, nobody looked.
    let silent = now.since(since.max(began.unwrap_or(since)));
    (silent > limit).then(|| {
        let error = status.last_error.as_ref();
        let error = error.map(|error| format!("; last problem: {}", error.message));
        let message = format!(
            "brought nothing for {}, and is expected to after {} at most{}",
            spoken(now.since(since)),
            spoken(limit),
            error.unwrap_or_default()
        );
        Finding { kind: Kind::Silent, since, message }
    })
}

/// Compares the last whole hour with the same hour of other days.
fn volume(history: &History, now: Timestamp) -> Option<Finding> {
    let start = hour_of(now).minus(hours(1));
    let is_watched = |hour: &&Hour| hour.watched_seconds >= HOUR_WATCHED_SECONDS;
    let hour = history.hour(start).filter(is_watched)?;
    let days = (1..=7).filter_map(|day| history.hour(start.minus(hours(24 * day))));
    let mut others: Vec<u64> = days.filter(is_watched).map(|hour| hour.rows).collect();
    others.sort_unstable();
    let usual = *others.get(others.len() / 2).filter(|_| others.len() >= VOLUME_DAYS_MIN)?;
    let kind = match hour.rows {
        rows if usual >= VOLUME_MIN && rows.saturating_mul(VOLUME_FACTOR) < usual => Kind::Dropped,
        rows if rows > usual.max(VOLUME_MIN).saturating_mul(VOLUME_FACTOR) => Kind::Rose,
        _ => return None,
    };
    let message = format!(
        "brought {} events in the hour from {start}, and {usual} in that hour of other days",
        hour.rows
    );
    Some(Finding { kind, since: start, message })
}

fn late(expected: &Expected, status: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let (limit, at) = (expected.lag_max?, status.last_commit?);
    let lag = Duration::try_from_secs_f64(status.lag_seconds?).ok()?;
    let is_recent = now.since(at) < hours(1);
    (is_recent && lag > limit).then(|| {
        let message = format!(
            "is late: its last events were committed {} after their time, and {} at most is expected",
            spoken(lag),
            spoken(limit)
        );
        Finding { kind: Kind::Late, since: at, message }
    })
}

/// The hour at hand and the one before: troubles do not end with the clock's.
fn recent(history: &History, now: Timestamp) -> impl Iterator<Item = &Hour> {
    history.since(hour_of(now).minus(hours(1)))
}

fn quarantined(history: &History, expected: &Expected, now: Timestamp) -> Option<Finding> {
    let limit = expected.quarantined_percent_max.unwrap_or(QUARANTINED_PERCENT_MAX);
    let sum = |of: fn(&Hour) -> u64| recent(history, now).map(of).sum::<u64>();
    let (records, bad) = (sum(|hour| hour.records), sum(|hour| hour.quarantined));
    let is_much = bad.saturating_mul(100) > records.saturating_mul(limit.into());
    (records >= RECORDS_MIN && is_much).then(|| {
        let message = format!(
            "sent {bad} of {records} records to the quarantine since {}, more than {limit} %",
            hour_of(now).minus(hours(1))
        );
        Finding { kind: Kind::Quarantined, since: hour_of(now), message }
    })
}

fn failing(history: &History, status: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let errors = recent(history, now).map(|hour| hour.errors).sum::<u64>();
    (errors >= ERRORS_MIN).then(|| {
        let last = status.last_error.as_ref().map_or("", |error| error.message.as_str());
        let message = format!(
            "had {errors} problems since {}, the last: {last}",
            hour_of(now).minus(hours(1))
        );
        Finding { kind: Kind::Failing, since: hour_of(now), message }
    })
}

/// Fields that came in the last hour.
fn grown(expected: &Expected, status: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let is_recent = |field: &&NewField| now.since(field.since) < hours(1);
    let fields: Vec<_> = status.new_field_names.iter().filter(is_recent).collect();
    let since = fields.iter().map(|field| field.since).max()?;
    expected.tells_new_fields.then(|| {
        let names = fields.iter().map(|field| format!("`{}`", field.name)).collect::<Vec<_>>();
        let message = format!("has fields that it never had: {}", names.join(", "));
        Finding { kind: Kind::Grown, since, message }
    })
}

fn ending(status: &SourceStatus, now: Timestamp) -> Option<Finding> {
    let ends = status.credential_ends?;
    let since = ends.minus(hours(24 * limits::PULL_CREDENTIAL_DAYS_LEFT));
    (since <= now).then(|| {
        let verb = if ends <= now { "ended" } else { "ends" };
        let message = format!("has a credential that {verb} on {ends}");
        Finding { kind: Kind::Ending, since, message }
    })
}

/// A duration in words: `45 s`, `23 min`, `3 h 5 min`, `2 d 4 h`.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = |large: u64, name: &str, small: u64, small_name: &str| match small {
        0 => format!("{large} {name}"),
        small => format!("{large} {name} {small} {small_name}"),
    };
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => parts(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => parts(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}
