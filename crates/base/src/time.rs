//! Time: a point in time in microseconds UTC, its day, and the clock that tests own.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A point in time: microseconds since 1970-01-01 UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// A day of the proleptic Gregorian calendar in UTC, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(i32);

impl Timestamp {
    /// The first microsecond of the year 1.
    pub const MIN: Self = Self(-62_135_596_800 * MICROS_PER_SECOND);
    /// The last microsecond of the year 9999: what RFC 3339 can write.
    pub const MAX: Self = Self(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// From microseconds since 1970; values outside [`Self::MIN`]..=[`Self::MAX`] are clamped.
    #[must_use]
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// From seconds since 1970, clamped likewise.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The day it falls on, in UTC.
    #[must_use]
    pub fn day(self) -> Day {
        // In range: MAX is day 2,932,896.
        Day(i32::try_from(self.0.div_euclid(MICROS_PER_DAY)).unwrap_or_default())
    }

    /// The hour of the day in UTC, 0 to 23.
    #[must_use]
    pub const fn hour(self) -> i64 {
        self.0.rem_euclid(MICROS_PER_DAY) / (3600 * MICROS_PER_SECOND)
    }

    /// This much later (earlier when negative), clamped to the range.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This much later, clamped to the range.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        self.plus_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }

    /// This much earlier, clamped to the range.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        self.plus_micros(-i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }

    /// How long ago `earlier` was; zero if it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Builds a time from its parts in UTC. `None` if a part is out of range.
    #[must_use]
    pub fn from_civil(date: (i32, u32, u32), clock: (u32, u32, u32), micros: u32) -> Option<Self> {
        let day = Day::from_civil(date.0, date.1, date.2)?;
        let (hour, minute, second) = clock;
        // A leap second (60) counts as the next minute's first.
        if hour > 23 || minute > 59 || second > 60 || micros > 999_999 {
            return None;
        }
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let at = i64::from(day.0) * MICROS_PER_DAY + seconds * MICROS_PER_SECOND;
        Some(Self::from_micros(at + i64::from(micros)))
    }

    /// Reads RFC 3339 / ISO 8601: `2026-11-24T08:00:00Z`, with any number of fraction digits (past
    /// six are cut), `T` or a space between, and `Z`, `UTC`, `±hh:mm`, `±hhmm` or `±hh` as the
    /// zone, behind a space or none. `None` for anything else, a missing zone included: see
    /// [`Self::parse_local`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, zone) = parse_date_time(text.as_bytes())?;
        let offset = parse_zone(zone)?;
        Some(local.plus_micros(-offset * MICROS_PER_SECOND))
    }

    /// As [`Self::parse`], but a missing zone means `offset_seconds` east of UTC.
    #[must_use]
    pub fn parse_local(text: &str, offset_seconds: i32) -> Option<Self> {
        let (local, zone) = parse_date_time(text.as_bytes())?;
        let offset = if zone.is_empty() { i64::from(offset_seconds) } else { parse_zone(zone)? };
        Some(local.plus_micros(-offset * MICROS_PER_SECOND))
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The days of the week; 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

impl Timestamp {
    /// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that RFC 9110 (5.6.7) allows to send; `None`
    /// for anything else.
    #[must_use]
    pub fn parse_http_date(text: &str) -> Option<Self> {
        let (_, rest) = text.trim().split_once(", ")?;
        let mut words = rest.split(' ');
        let day: u32 = words.next()?.parse().ok()?;
        let name = words.next()?;
        let month = (1..).zip(MONTHS).find(|(_, known)| *known == name)?.0;
        let year: i32 = words.next()?.parse().ok()?;
        let mut clock = words.next()?.split(':').map(str::parse::<u32>);
        let clock = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
        (words.next()? == "GMT").then(|| Self::from_civil((year, month, day), clock, 0))?
    }

    /// As `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7), or with another word for the zone.
    #[must_use]
    pub fn http_date(self, zone: &str) -> String {
        let day = self.day();
        let (year, month, of_month) = day.to_civil();
        let at = |names: &[&'static str], index: i32| {
            usize::try_from(index).ok().and_then(|index| names.get(index).copied()).unwrap_or("")
        };
        let weekday = at(&WEEKDAYS, day.as_days().rem_euclid(7));
        let month = at(&MONTHS, month - 1);
        let seconds = self.0.rem_euclid(MICROS_PER_DAY) / MICROS_PER_SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!(
            "{weekday}, {of_month:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} {zone}"
        )
    }
}

/// `dddd-dd-ddTdd:dd:dd[.d*]`, and what follows.
fn parse_date_time(text: &[u8]) -> Option<(Timestamp, &[u8])> {
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        sep,
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        ref rest @ ..,
    ] = text
    else {
        return None;
    };
    if !matches!(sep, b'T' | b't' | b' ') {
        return None;
    }
    let year = i32::try_from(digits(&[y1, y2, y3, y4])?).ok()?;
    let date = (year, digits(&[m1, m2])?, digits(&[d1, d2])?);
    let clock = (digits(&[h1, h2])?, digits(&[n1, n2])?, digits(&[s1, s2])?);
    let (micros, zone) = match rest {
        [b'.' | b',', fraction @ ..] => {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, zone) = fraction.split_at(length);
            let kept = fraction.get(..6).unwrap_or(fraction);
            let scale = 10_u32.pow(6 - u32::try_from(kept.len()).ok()?);
            (if length == 0 { return None } else { digits(kept)? * scale }, zone)
        }
        zone => (0, zone),
    };
    Some((Timestamp::from_civil(date, clock, micros)?, zone))
}

/// Seconds east of UTC.
fn parse_zone(zone: &[u8]) -> Option<i64> {
    let zone = zone.strip_prefix(b" ").unwrap_or(zone);
    let (sign, hours, minutes) = match zone {
        b"Z" | b"z" | b"UTC" => return Some(0),
        [sign, h1, h2] => (sign, [*h1, *h2], [b'0', b'0']),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => (sign, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    match sign {
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 { Some(number * 10 + u32::from(digit)) } else { None }
    })
}

impl Day {
    /// From days since 1970-01-01.
    #[must_use]
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn as_days(self) -> i32 {
        self.0
    }

    /// Reads a day as `2026-11-24`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Timestamp::parse(&format!("{text}T00:00:00Z")).map(Timestamp::day)
    }

    /// Its first microsecond.
    #[must_use]
    pub fn start(self) -> Timestamp {
        Timestamp::from_micros(i64::from(self.0) * MICROS_PER_DAY)
    }

    /// From year (1 to 9999), month and day of month; `None` if there is no such day.
    ///
    /// The algorithm is `days_from_civil` of Howard Hinnant's "chrono-Compatible Low-Level Date
    /// Algorithms".
    #[must_use]
    pub fn from_civil(year: i32, month: u32, day: u32) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = match month {
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u32::from(leap),
            1..=12 => 31,
            _ => return None,
        };
        if !(1..=9999).contains(&year) || day == 0 || day > length {
            return None;
        }
        let (month, day) = (i32::try_from(month).ok()?, i32::try_from(day).ok()?);
        let year = year - i32::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Some(Self(era * 146_097 + day_of_era - 719_468))
    }

    /// Year, month and day of month: `civil_from_days` of the same source.
    #[must_use]
    pub const fn to_civil(self) -> (i32, i32, i32) {
        let days = self.0 + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + (month <= 2) as i32;
        (year, month, day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.to_civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many fraction digits (0, 3 or 6) as it needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.rem_euclid(MICROS_PER_DAY);
        let seconds = micros / MICROS_PER_SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}", self.day())?;
        match micros % MICROS_PER_SECOND {
            0 => f.write_str("Z"),
            fraction if fraction % 1000 == 0 => write!(f, ".{:03}Z", fraction / 1000),
            fraction => write!(f, ".{fraction:06}Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is no RFC 3339 time")))
    }
}

/// Tells the time, so that tests can own it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point, never going back: for measuring durations.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the clock that the rest of the code takes")]
mod machine {
    use std::{
        sync::OnceLock,
        time::{Duration, Instant, SystemTime},
    };

    pub(super) fn since_epoch() -> Duration {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    pub(super) fn monotonic() -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::default().plus(machine::since_epoch())
    }

    fn monotonic(&self) -> Duration {
        machine::monotonic()
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock(std::sync::atomic::AtomicI64);

impl FixedClock {
    /// A clock that shows `at`.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self(std::sync::atomic::AtomicI64::new(at.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Timestamp::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        for (text, expected) in [
            ("2026-11-24T08:00:00Z", "2026-11-24T08:00:00Z"),
            ("2026-11-24 08:00:00.5+01:30", "2026-11-24T06:30:00.500Z"),
            ("2026-11-24T08:00:00.1234567-0500", "2026-11-24T13:00:00.123456Z"),
            ("2000-02-29T23:59:59+00", "2000-02-29T23:59:59Z"),
            ("2026-11-24 08:00:00 +0100", "2026-11-24T07:00:00Z"),
            ("2026-11-24 08:00:00 UTC", "2026-11-24T08:00:00Z"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            let time = Timestamp::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(time.to_string(), expected);
        }
        for bad in [
            "",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00 ",
            "2026-01-01T00:00:00  Z",
            "2026-01-01T00:00:00+25:00",
            "2026-01-01X00:00:00Z",
            "２026-01-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
        let local = Timestamp::parse_local("2026-01-01T01:00:00", 3600).unwrap();
        assert_eq!(local.to_string(), "2026-01-01T00:00:00Z");
    }

    #[test]
    fn reads_and_writes_the_dates_of_http() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"] {
            let time = Timestamp::parse_http_date(text).unwrap();
            assert_eq!(time.http_date("GMT"), text);
        }
        let time = Timestamp::parse("2012-12-07T17:18:00.9Z").unwrap();
        assert_eq!(time.http_date("-0000"), "Fri, 07 Dec 2012 17:18:00 -0000");
        for bad in
            ["", "Sun, 06 Nov 1994", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 1:2:3 GMT"]
        {
            assert_eq!(Timestamp::parse_http_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_and_dates_agree_over_ten_thousand_years() {
        let mut day = Day::from_civil(1, 1, 1).unwrap();
        while day < Day::from_civil(9999, 12, 31).unwrap() {
            let (year, month, of_month) = day.to_civil();
            let (month, of_month) = (month.unsigned_abs(), of_month.unsigned_abs());
            assert_eq!(Day::from_civil(year, month, of_month), Some(day));
            assert_eq!(day.start().day(), day);
            day = Day(day.0 + 13);
        }
        assert_eq!(Day(0).to_string(), "1970-01-01");
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00Z");
    }
}
