//! Points and spans of time, to the nanosecond, with the ranges of the CEL language definition.

use std::fmt;

use base::{Day, Timestamp};
use chrono::{DateTime, Offset as _, TimeZone as _};

const NANOS_PER_SECOND: i64 = 1_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// 0001-01-01T00:00:00Z.
const SECONDS_MIN: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59Z.
const SECONDS_MAX: i64 = 253_402_300_799;

/// A point in time between the years 1 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CelTimestamp {
    seconds: i64,
    nanos: i64,
}

/// A span of time in nanoseconds: up to 292 years either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CelDuration(i64);

/// A part of a point in time, as the `get…` functions answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimePart {
    FullYear,
    /// From 0.
    Month,
    /// From 1.
    Date,
    /// From 0.
    DayOfMonth,
    /// From 0, which is Sunday.
    DayOfWeek,
    /// From 0.
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl CelTimestamp {
    /// From seconds since 1970; `None` outside the range.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        Self::new(seconds, 0)
    }

    fn new(seconds: i64, nanos: i64) -> Option<Self> {
        (SECONDS_MIN..=SECONDS_MAX).contains(&seconds).then_some(Self { seconds, nanos })
    }

    /// Reads RFC 3339, leniently as [`Timestamp::parse`] does, with nanoseconds.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let micros = Timestamp::parse(text)?.as_micros();
        // What follows the six digits that a `Timestamp` keeps.
        let fraction = text.split(['.', ',']).nth(1).unwrap_or_default();
        let mut below_micro = 0;
        let mut scale = 100;
        for digit in fraction.bytes().take_while(u8::is_ascii_digit).skip(6).take(3) {
            below_micro += i64::from(digit - b'0') * scale;
            scale /= 10;
        }
        Self::new(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000) * 1000 + below_micro)
    }

    /// Seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.seconds
    }

    pub(crate) fn plus(self, duration: CelDuration) -> Option<Self> {
        let nanos = self.nanos + duration.0.rem_euclid(NANOS_PER_SECOND);
        let seconds = self.seconds.checked_add(duration.0.div_euclid(NANOS_PER_SECOND))?;
        Self::new(seconds + nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND)
    }

    pub(crate) fn minus(self, duration: CelDuration) -> Option<Self> {
        self.plus(CelDuration(duration.0.checked_neg()?))
    }

    pub(crate) fn since(self, earlier: Self) -> Option<CelDuration> {
        let seconds = self.seconds.checked_sub(earlier.seconds)?;
        let nanos = seconds.checked_mul(NANOS_PER_SECOND)?;
        Some(CelDuration(nanos.checked_add(self.nanos - earlier.nanos)?))
    }

    /// Whether it is the beginning of 1970.
    pub(crate) const fn is_epoch(self) -> bool {
        self.seconds == 0 && self.nanos == 0
    }

    /// A part of the local time in `zone`.
    pub(crate) fn part(self, part: TimePart, zone: Zone) -> i64 {
        let local = self.seconds + zone.offset_at(self.seconds);
        let days = local.div_euclid(SECONDS_PER_DAY);
        let second_of_day = local.rem_euclid(SECONDS_PER_DAY);
        // In range: the offset moves the ends of the range by less than a day.
        let day = Day::from_days(i32::try_from(days).unwrap_or_default());
        let (year, month, of_month) = day.to_civil();
        match part {
            TimePart::FullYear => i64::from(year),
            TimePart::Month => i64::from(month) - 1,
            TimePart::Date => i64::from(of_month),
            TimePart::DayOfMonth => i64::from(of_month) - 1,
            // 1970-01-01 was a Thursday.
            TimePart::DayOfWeek => (days + 4).rem_euclid(7),
            TimePart::DayOfYear => {
                let new_year = Day::from_civil(year, 1, 1).map_or(days, |day| day.as_days().into());
                days - new_year
            }
            TimePart::Hours => second_of_day / 3600,
            TimePart::Minutes => second_of_day / 60 % 60,
            TimePart::Seconds => second_of_day % 60,
            TimePart::Milliseconds => self.nanos / 1_000_000,
        }
    }
}

impl fmt::Display for CelTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Timestamp::from_seconds(self.seconds).to_string();
        write!(f, "{}", text.trim_end_matches('Z'))?;
        write_fraction(f, self.nanos.unsigned_abs())?;
        f.write_str("Z")
    }
}

impl CelDuration {
    /// Reads a sequence of numbers with units, such as `1h30m`, `-1.5s` or `100ms`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        let mut total = 0_i128;
        loop {
            let (nanos, after) = parse_term(rest)?;
            total = total.checked_add(nanos)?;
            if after.is_empty() {
                break;
            }
            rest = after;
        }
        i64::try_from(if negative { -total } else { total }).ok().map(Self)
    }

    /// Nanoseconds.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    pub(crate) fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub(crate) fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(crate) fn negated(self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }

    /// The whole span in the unit of `part`; `None` for parts that a span does not have.
    pub(crate) const fn part(self, part: TimePart) -> Option<i64> {
        match part {
            TimePart::Hours => Some(self.0 / (3600 * NANOS_PER_SECOND)),
            TimePart::Minutes => Some(self.0 / (60 * NANOS_PER_SECOND)),
            TimePart::Seconds => Some(self.0 / NANOS_PER_SECOND),
            TimePart::Milliseconds => Some(self.0 / 1_000_000 % 1000),
            _ => None,
        }
    }
}

impl fmt::Display for CelDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let per_second = NANOS_PER_SECOND.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", nanos / per_second)?;
        write_fraction(f, nanos % per_second)?;
        f.write_str("s")
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, nanos: u64) -> fmt::Result {
    if nanos == 0 {
        return Ok(());
    }
    let digits = format!("{nanos:09}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// One number with its unit, in nanoseconds, and what follows.
fn parse_term(text: &str) -> Option<(i128, &str)> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(unit_at);
    let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(unit_end);
    let scale: i128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanos = whole.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        place /= 10;
        nanos += i128::from(digit - b'0') * place;
    }
    Some((nanos, rest))
}

/// A time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Seconds east of UTC.
    Offset(i32),
    /// With the rules of the IANA time zone database.
    Named(chrono_tz::Tz),
}

impl Zone {
    pub(crate) const UTC: Self = Self::Offset(0);

    /// Reads `Europe/Berlin`, `UTC`, `+05:30`, `-08:00` or `02:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "UTC" | "Z" | "" => Some(Self::UTC),
            _ => {
                parse_offset(text).map(Self::Offset).or_else(|| text.parse().ok().map(Self::Named))
            }
        }
    }

    /// How many seconds east of UTC it is at a point in time.
    fn offset_at(self, seconds: i64) -> i64 {
        match self {
            Self::Offset(offset) => offset.into(),
            Self::Named(zone) => DateTime::from_timestamp(seconds, 0).map_or(0, |time| {
                zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc().into()
            }),
        }
    }
}

fn parse_offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    Some(sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, expected) in [
            ("0", "0s"),
            ("1h30m", "5400s"),
            ("-1.5s", "-1.5s"),
            ("100ms", "0.1s"),
            ("1us", "0.000001s"),
            ("+2µs", "0.000002s"),
            ("-999999999ns", "-0.999999999s"),
        ] {
            let duration = CelDuration::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(duration.to_string(), expected);
            assert_eq!(CelDuration::parse(expected), Some(duration));
        }
        for bad in ["", "-", "1", "s", "1d", "1.2.3s", ".s", "1s2", "1 s", "320000000000s"] {
            assert_eq!(CelDuration::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn timestamps_keep_nanoseconds() {
        for text in [
            "2009-02-13T23:31:30Z",
            "9999-12-31T23:59:59.999999999Z",
            "0001-01-01T00:00:00.000000001Z",
            "1969-12-31T23:59:59.5Z",
        ] {
            assert_eq!(CelTimestamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(CelTimestamp::parse("yesterday"), None);
        assert_eq!(CelTimestamp::from_seconds(SECONDS_MAX + 1), None);
    }

    #[test]
    fn zones_are_offsets_or_names() {
        assert_eq!(Zone::parse("+11:00"), Some(Zone::Offset(39_600)));
        assert_eq!(Zone::parse("-08:30"), Some(Zone::Offset(-30_600)));
        assert_eq!(Zone::parse("02:00"), Some(Zone::Offset(7200)));
        for bad in ["Mars/Olympus", "+24:00", "1", "+1:60", "+:"] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        for (text, hour) in [("2026-01-15T12:00:00Z", 13), ("2026-07-15T12:00:00Z", 14)] {
            assert_eq!(CelTimestamp::parse(text).unwrap().part(TimePart::Hours, berlin), hour);
        }
    }
}
