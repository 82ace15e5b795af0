//! An event's own time: found, read, and not believed when it is absurd.

use base::{Object, Timestamp, Value, limits};
use chrono::{
    Datelike as _, NaiveDate, NaiveDateTime, Timelike as _,
    format::{Item, Parsed, StrftimeItems, parse},
};

use crate::{Reject, RejectKind, TimeFormat, TimeRule, reject::excerpt};

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
            TimeFormat::Rfc3339 | TimeFormat::Unix { .. } => Vec::new(),
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
        let mut found = rule.fields.iter().filter_map(|path| {
            let value = fields.get_path(path).filter(|value| !matches!(value, Value::Null))?;
            Some((path.as_str(), value))
        });
        let Some((name, value)) = found.next() else {
            return if rule.missing_is_ingest_time { Ok(ingest_time) } else { Err(missing(rule)) };
        };
        let time = self.read(value, ingest_time);
        check(rule, name, time.ok_or_else(|| unreadable(name, value, &rule.format))?, ingest_time)
    }

    fn read(&self, value: &Value<'_>, ingest_time: Timestamp) -> Option<Timestamp> {
        match (&self.rule.format, value) {
            (TimeFormat::Rfc3339, Value::Text(text)) => match self.rule.zone_seconds {
                Some(zone) => Timestamp::parse_local(text, zone),
                None => Timestamp::parse(text),
            },
            (TimeFormat::Unix { per_second }, value) => unix(*per_second, value),
            // RFC 3339 with a zone can be mistaken for nothing else: a source that has changed over
            // to it (as syslog daemons do) is read on.
            (TimeFormat::Pattern(_), Value::Text(text)) => {
                self.by_pattern(text, ingest_time).or_else(|| Timestamp::parse(text))
            }
            _ => None,
        }
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
        let zone = i64::from(parsed.offset().or(self.rule.zone_seconds)?);
        let zoned = |local: NaiveDateTime| Some(from_naive(local)?.plus_micros(-zone * 1_000_000));
        if parsed.hour_mod_12().is_none() {
            parsed.set_hour(0).ok()?;
        }
        if parsed.minute().is_none() {
            parsed.set_minute(0).ok()?;
        }
        let clock = parsed.to_naive_time().ok()?;
        if parsed.year().is_some() || parsed.year_mod_100().is_some() {
            return zoned(parsed.to_naive_date().ok()?.and_time(clock));
        }
        let (month, day) = (parsed.month()?, parsed.day()?);
        let latest = ingest_time.plus_micros(86_400_000_000);
        let (year, ..) = latest.day().to_civil();
        // 29 February may be up to eight years back (1896 to 1904).
        (0..9).find_map(|back| {
            let date = NaiveDate::from_ymd_opt(year - back, month, day)?;
            zoned(date.and_time(clock)).filter(|time| *time <= latest)
        })
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
        Value::Text(text) => match text.trim().parse::<i64>() {
            Ok(number) => micros(number).map(Timestamp::from_micros),
            Err(_) => float_micros(text.trim().parse().ok()?, per_second),
        },
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
    let message = format!("the event has no time: no {}", names.join(" or "));
    Reject::new(RejectKind::TimeMissing, message).help(
        "name the right field under `time` in the log source, or write `missing: ingest_time` there",
    )
}

fn unreadable(name: &str, value: &Value<'_>, format: &TimeFormat) -> Reject {
    let form = match format {
        TimeFormat::Rfc3339 => "an RFC 3339 time with its zone".to_owned(),
        TimeFormat::Unix { .. } => "a number since 1970".to_owned(),
        TimeFormat::Pattern(pattern) => format!("a time of the form `{pattern}`"),
    };
    let shown = value.display().unwrap_or_default();
    let message = format!("`{name}` is `{}`, which is not {form}", excerpt(&shown));
    Reject::new(RejectKind::TimeUnreadable, message)
        .help("correct `time.format` or `time.timezone` in the log source, then replay the record")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(
        format: TimeFormat,
        zone_seconds: Option<i32>,
        value: Value<'_>,
    ) -> Result<String, String> {
        let rule = TimeRule {
            fields: vec![base::FieldPath::new("a.t"), base::FieldPath::new("u")],
            format,
            zone_seconds,
            missing_is_ingest_time: false,
            earliest_seconds: limits::EVENT_TIME_SECONDS_MIN,
        };
        let mut fields = Object::new();
        fields.push("u", value);
        let now = Timestamp::parse("2026-01-01T12:00:00Z").unwrap();
        EventTime::new(rule).of(&fields, now).map(|t| t.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn reads_every_form() {
        let pattern = |text: &str| TimeFormat::Pattern(text.into());
        let unix = |per_second| TimeFormat::Unix { per_second };
        let text = Value::text;
        for (format, zone, value, expected) in [
            (
                TimeFormat::Rfc3339,
                None,
                text("2025-06-01T00:00:00.5+02:00"),
                "2025-05-31T22:00:00.500Z",
            ),
            (TimeFormat::Rfc3339, Some(3600), text("2025-06-01 00:00:00"), "2025-05-31T23:00:00Z"),
            (unix(1), None, Value::Int(1_750_000_000), "2025-06-15T15:06:40Z"),
            (unix(1), None, Value::Float(1_750_000_000.25), "2025-06-15T15:06:40.250Z"),
            (unix(1_000), None, text("1750000000123"), "2025-06-15T15:06:40.123Z"),
            (
                unix(1_000_000_000),
                None,
                Value::Int(1_750_000_000_123_456_789),
                "2025-06-15T15:06:40.123456Z",
            ),
            (
                pattern("%d/%b/%Y:%H:%M:%S %z"),
                None,
                text("24/Nov/2025:08:00:00 +0100"),
                "2025-11-24T07:00:00Z",
            ),
            (pattern("%Y%m%d"), Some(0), text("20251124"), "2025-11-24T00:00:00Z"),
            (pattern("%s"), None, text("1750000000"), "2025-06-15T15:06:40Z"),
            (
                pattern("%d.%m.%y %H:%M:%S%.f"),
                Some(0),
                text("24.11.25 08:00:00.25"),
                "2025-11-24T08:00:00.250Z",
            ),
            (
                pattern("%m/%d/%Y %I:%M %p"),
                Some(-3600),
                text("11/24/2025 01:05 PM"),
                "2025-11-24T14:05:00Z",
            ),
            (
                pattern("%b %e %H:%M:%S"),
                Some(0),
                text("2025-06-01T00:00:00Z"),
                "2025-06-01T00:00:00Z",
            ),
            (pattern("%b %e %H:%M:%S"), Some(0), text("Dec 31 23:59:59"), "2025-12-31T23:59:59Z"),
            (pattern("%b %e %H:%M:%S"), Some(0), text("Jan  2 11:00:00"), "2026-01-02T11:00:00Z"),
            (pattern("%b %e %H:%M:%S"), Some(0), text("Jan  3 11:00:00"), "2025-01-03T11:00:00Z"),
            (pattern("%b %e %H:%M:%S"), Some(0), text("Feb 29 00:00:00"), "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(at(format, zone, value.clone()).as_deref(), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn what_cannot_be_right_is_said_plainly() {
        let wrong = |value| at(TimeFormat::Rfc3339, None, value).unwrap_err();
        assert_eq!(wrong(Value::Null), "the event has no time: no `a.t` or `u`");
        let expected = "`u` is `yesterday`, which is not an RFC 3339 time with its zone";
        assert_eq!(wrong(Value::text("yesterday")), expected);
        let expected = "`u` says 1970-01-01T00:00:00Z, before 2000-01-01T00:00:00Z";
        assert_eq!(wrong(Value::text("1970-01-01T00:00:00Z")), expected);
        let expected = "`u` says 9999-01-01T00:00:00Z, more than a day after it was received";
        assert_eq!(wrong(Value::text("9999-01-01T00:00:00Z")), expected);
    }
}
