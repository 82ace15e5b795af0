//! An event's own time: found, read, and not believed when it is absurd.

mod forms;

use std::borrow::Cow;

use base::{Object, Timestamp, Value, limits};
use chrono::{
    Datelike as _, NaiveDateTime, Timelike as _,
    format::{Item, Parsed, StrftimeItems, parse},
};

use crate::{Reject, RejectKind, TimeFormat, TimeRule, reject::excerpt};
use forms::Written;
pub(crate) use forms::length;

/// A log source's rule for times, compiled.
#[derive(Debug)]
pub(crate) struct EventTime {
    rule: TimeRule,
    /// The parts of a `strftime` pattern.
    items: Vec<Item<'static>>,
}

impl EventTime {
    pub(crate) fn new(rule: TimeRule) -> Self {
        let items = match &rule.format {
            // A pattern with mistakes in it has been ruled out when the log source was read.
            TimeFormat::Pattern(pattern) => {
                StrftimeItems::new(pattern).parse_to_owned().unwrap_or_default()
            }
            _ => Vec::new(),
        };
        Self { rule, items }
    }

    /// The event's time by the log source's rule.
    pub(crate) fn of(
        &self,
        fields: &Object<'_>,
        ingest_time: Timestamp,
    ) -> Result<Timestamp, Reject> {
        let rule = &self.rule;
        let Some((name, value)) = rule.find(fields) else {
            return if rule.missing_is_ingest_time { Ok(ingest_time) } else { Err(missing(rule)) };
        };
        let time = self.read(&value, ingest_time);
        check(rule, name, time.ok_or_else(|| unreadable(name, &value, &rule.format))?, ingest_time)
    }

    fn read(&self, value: &Value<'_>, ingest_time: Timestamp) -> Option<Timestamp> {
        match (&self.rule.format, value) {
            (TimeFormat::Rfc3339, Value::Text(text)) => match self.rule.zone_seconds {
                Some(zone) => Timestamp::parse_local(text, zone),
                None => Timestamp::parse(text),
            },
            (TimeFormat::Unix { per_second }, value) => {
                let rfc_3339 = || Timestamp::parse(value.as_str()?);
                unix(*per_second, value).or_else(rfc_3339)
            }
            (TimeFormat::Filetime, Value::Int(ticks)) => forms::filetime(*ticks),
            (TimeFormat::Filetime, Value::Text(text)) => forms::filetime(text.parse().ok()?),
            (TimeFormat::Clf, Value::Text(text)) => {
                let written = forms::clf(text)?;
                written.at(written.year?, self.rule.zone_seconds)
            }
            (TimeFormat::Syslog, Value::Text(text)) => self.syslog(text, ingest_time),
            // RFC 3339 with a zone can be mistaken for nothing else: a source that has changed over
            // to it (as syslog daemons do) is read on. So are numbers above.
            (TimeFormat::Pattern(_), Value::Text(text)) => {
                self.by_pattern(text, ingest_time).or_else(|| Timestamp::parse(text))
            }
            _ => None,
        }
    }

    /// Reads a time as syslog has it, traditional or RFC 3339.
    fn syslog(&self, text: &str, ingest_time: Timestamp) -> Option<Timestamp> {
        if let Some(written) = forms::syslog(text) {
            return match written.year {
                Some(year) => written.at(year, self.rule.zone_seconds),
                None => self.yearless(&written, ingest_time),
            };
        }
        match self.rule.zone_seconds {
            Some(zone) => Timestamp::parse_local(text, zone),
            None => Timestamp::parse(text),
        }
    }

    /// A time without a year: in the year that the log source says, or else in the latest one in
    /// which it is not more than a day ahead of `ingest_time`.
    fn yearless(&self, written: &Written, ingest_time: Timestamp) -> Option<Timestamp> {
        if let Some(year) = self.rule.year {
            return written.at(year, self.rule.zone_seconds);
        }
        let latest = ingest_time.plus_micros(86_400_000_000);
        let (year, ..) = latest.day().to_civil();
        // 29 February may be up to eight years back (1896 to 1904). The local year may be the next.
        (-1..9).find_map(|back| {
            written.at(year - back, self.rule.zone_seconds).filter(|time| *time <= latest)
        })
    }

    /// Reads a `strftime` pattern. A pattern without a clock means midnight; one without a year
    /// (BSD syslog) gets the latest year in which the time is not more than a day ahead of
    /// `ingest_time`.
    fn by_pattern(&self, text: &str, ingest_time: Timestamp) -> Option<Timestamp> {
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, self.items.iter()).ok()?;
        if let Some(seconds) = parsed.timestamp() {
            return Some(Timestamp::from_seconds(seconds));
        }
        let zone = parsed.offset().or(self.rule.zone_seconds)?;
        if parsed.hour_mod_12().is_none() {
            parsed.set_hour(0).ok()?;
        }
        if parsed.minute().is_none() {
            parsed.set_minute(0).ok()?;
        }
        let clock = parsed.to_naive_time().ok()?;
        if parsed.year().is_some() || parsed.year_mod_100().is_some() {
            let local = from_naive(parsed.to_naive_date().ok()?.and_time(clock))?;
            return Some(local.plus_micros(-i64::from(zone) * 1_000_000));
        }
        let written = Written {
            year: None,
            date: (parsed.month()?, parsed.day()?),
            clock: (clock.hour(), clock.minute(), clock.second()),
            micros: (clock.nanosecond() / 1000).min(999_999),
            zone: Some(zone),
        };
        self.yearless(&written, ingest_time)
    }
}

impl TimeRule {
    /// The time as the event has it, and its name for messages.
    fn find<'f, 'a>(&'f self, fields: &'f Object<'a>) -> Option<(&'f str, Cow<'f, Value<'a>>)> {
        let there = |path| fields.get_path(path).filter(|value| !matches!(value, Value::Null));
        if !self.is_joined {
            return self
                .fields
                .iter()
                .find_map(|path| Some((path.as_str(), Cow::Borrowed(there(path)?))));
        }
        let mut joined = String::with_capacity(32);
        for path in &self.fields {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(&there(path)?.display()?);
        }
        let name = self.fields.last().map_or("", |path| path.as_str());
        Some((name, Cow::Owned(Value::Text(Cow::Owned(joined)))))
    }
}

fn unix(per_second: i64, value: &Value<'_>) -> Option<Timestamp> {
    let micros = |number: i64| match 1_000_000 / per_second {
        0 => Some(number / (per_second / 1_000_000)),
        factor => number.checked_mul(factor),
    };
    match value {
        Value::Int(number) => micros(*number).map(Timestamp::from_micros),
        Value::Float(number) => float_micros(*number, per_second),
        Value::Text(text) | Value::Number(text) => {
            let text = text.trim_ascii();
            match forms::decimal(text, per_second) {
                Some(time) => Some(time),
                None => float_micros(text.parse().ok()?, per_second),
            }
        }
        _ => None,
    }
}

fn float_micros(number: f64, per_second: i64) -> Option<Timestamp> {
    #[expect(clippy::cast_precision_loss, reason = "a power of ten up to 10⁹ is exact")]
    let micros = (number / per_second as f64 * 1e6).round();
    if !micros.is_finite() || micros.abs() > 9e17 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2⁶³")]
    Some(Timestamp::from_micros(micros as i64))
}

fn from_naive(local: NaiveDateTime) -> Option<Timestamp> {
    let date = (local.year(), local.month(), local.day());
    let clock = (local.hour(), local.minute(), local.second());
    Timestamp::from_civil(date, clock, (local.nanosecond() / 1000).min(999_999))
}

fn check(
    rule: &TimeRule,
    name: &str,
    time: Timestamp,
    ingest_time: Timestamp,
) -> Result<Timestamp, Reject> {
    let seconds = i64::try_from(limits::EVENT_FUTURE_SECONDS_MAX).unwrap_or(i64::MAX);
    if time < Timestamp::from_seconds(rule.earliest_seconds) {
        let earliest = Timestamp::from_seconds(rule.earliest_seconds);
        let message = format!("`{name}` says {time}, before {earliest}");
        return Err(Reject::new(RejectKind::TimeAbsurd, message)
            .help("write an earlier `time.earliest` in the log source if it is right"));
    }
    if time > ingest_time.plus_micros(seconds.saturating_mul(1_000_000)) {
        let message = format!("`{name}` says {time}, more than a day after it was received");
        return Err(Reject::new(RejectKind::TimeAbsurd, message)
            .help("check the source's clock and `time.timezone`, then replay the record"));
    }
    Ok(time)
}

fn missing(rule: &TimeRule) -> Reject {
    let names: Vec<String> =
        rule.fields.iter().map(|path| format!("`{}`", path.as_str())).collect();
    let and = if rule.is_joined { " and " } else { " or " };
    let message = format!("the event has no time: no {}", names.join(and));
    Reject::new(RejectKind::TimeMissing, message).help(
        "name the right field under `time` in the log source, or write `missing: ingest_time` there",
    )
}

fn unreadable(name: &str, value: &Value<'_>, format: &TimeFormat) -> Reject {
    let form = match format {
        TimeFormat::Rfc3339 => "an RFC 3339 time with its zone".to_owned(),
        TimeFormat::Unix { .. } => "a number since 1970".to_owned(),
        TimeFormat::Filetime => "a FILETIME".to_owned(),
        TimeFormat::Clf => "a time such as `24/Nov/2026:08:00:00 +0000`".to_owned(),
        TimeFormat::Syslog => "a time as syslog has it".to_owned(),
        TimeFormat::Pattern(pattern) => format!("a time of the form `{pattern}`"),
    };
    let shown = value.display().unwrap_or_default();
    let message = format!("`{name}` is `{}`, which is not {form}", excerpt(&shown));
    Reject::new(RejectKind::TimeUnreadable, message)
        .help("correct `time.format` or `time.timezone` in the log source, then replay the record")
}

#[cfg(test)]
mod tests;
