//! Forms of times that logs have by convention: read without a pattern, and faster than by one.

use base::Timestamp;

/// Seconds from 1601-01-01, where FILETIME begins, to 1970-01-01.
const FILETIME_EPOCH_SECONDS: i64 = 11_644_473_600;

/// A time as it is written: what it leaves open is for the log source to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) year: Option<i32>,
    /// Month and day.
    pub(super) date: (u32, u32),
    pub(super) clock: (u32, u32, u32),
    pub(super) micros: u32,
    /// Seconds east of UTC.
    pub(super) zone: Option<i32>,
}

impl Written {
    /// The time, in `year` if it names none and in `zone_seconds` if it names none.
    pub(super) fn at(&self, year: i32, zone_seconds: Option<i32>) -> Option<Timestamp> {
        let zone = i64::from(self.zone.or(zone_seconds)?);
        let (month, day) = self.date;
        let local = Timestamp::from_civil((year, month, day), self.clock, self.micros)?;
        Some(local.plus_micros(-zone * 1_000_000))
    }
}

/// What is left of a time's text.
struct Rest<'t>(&'t [u8]);

impl Rest<'_> {
    fn eat(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// A number of up to four digits, and how many they are.
    fn number(&mut self) -> Option<(u32, usize)> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = self.0.get(..length).filter(|_| (1..=4).contains(&length))?;
        self.0 = self.0.get(length..)?;
        Some((digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), length))
    }

    fn year(&mut self) -> Option<i32> {
        let (year, length) = self.number()?;
        (length == 4).then_some(())?;
        i32::try_from(year).ok()
    }

    fn day(&mut self) -> Option<u32> {
        self.number().filter(|(_, length)| *length <= 2).map(|(day, _)| day)
    }

    fn month(&mut self) -> Option<u32> {
        const MONTHS: &[u8; 36] = b"janfebmaraprmayjunjulaugsepoctnovdec";
        let (name, rest) = self.0.split_at_checked(3)?;
        let number = MONTHS.chunks_exact(3).position(|month| month.eq_ignore_ascii_case(name))?;
        self.0 = rest;
        u32::try_from(number + 1).ok()
    }

    fn skip_weekday(&mut self) {
        const DAYS: &[u8; 21] = b"montuewedthufrisatsun";
        if let Some((name, rest)) = self.0.split_at_checked(3)
            && DAYS.chunks_exact(3).any(|day| day.eq_ignore_ascii_case(name))
        {
            self.0 = rest.strip_prefix(b",").unwrap_or(rest);
            self.skip_spaces();
        }
    }

    /// `08:00:00`, with a fraction or without: what is past microseconds is cut off.
    fn clock(&mut self) -> Option<((u32, u32, u32), u32)> {
        let hour = self.day()?;
        self.eat(b':')?;
        let minute = self.day()?;
        self.eat(b':')?;
        let second = self.day()?;
        let mut micros = 0;
        if let Some(fraction) = self.0.strip_prefix(b".").or_else(|| self.0.strip_prefix(b",")) {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (length > 0).then_some(())?;
            let digits = fraction.iter().take(length).chain(std::iter::repeat(&b'0')).take(6);
            micros = digits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            self.0 = fraction.get(length..)?;
        }
        Some(((hour, minute, second), micros))
    }
}

/// Seconds east of UTC: an offset, or one of the names that mean one thing only (those of RFC 822,
/// and Europe's).
fn zone(text: &[u8]) -> Option<i32> {
    let hours = match text {
        b"Z" | b"UTC" | b"GMT" | b"UT" | b"WET" => 0,
        b"EST" | b"CDT" => -5,
        b"EDT" => -4,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        b"CET" | b"WEST" => 1,
        b"CEST" | b"EET" => 2,
        b"EEST" => 3,
        _ => {
            let (sign, digits) = match text {
                [b'+', digits @ ..] => (1, digits),
                [b'-', digits @ ..] => (-1, digits),
                _ => return None,
            };
            let [h1, h2, rest @ ..] = digits else { return None };
            let (m1, m2) = match rest {
                [] => (&b'0', &b'0'),
                [b':', m1, m2] | [m1, m2] => (m1, m2),
                _ => return None,
            };
            let digit = |byte: &u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
            let hours = digit(h1)? * 10 + digit(h2)?;
            let minutes = digit(m1)? * 10 + digit(m2)?;
            (hours < 24 && minutes < 60).then_some(())?;
            return Some(sign * (hours * 3600 + minutes * 60));
        }
    };
    Some(hours * 3600)
}

/// The time of the common log format: `24/Nov/2026:08:00:00 +0100`, in brackets or not, with a
/// fraction or not.
pub(super) fn clf(text: &str) -> Option<Written> {
    let text = text.trim_ascii();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let mut rest = Rest(text.as_bytes());
    let day = rest.day()?;
    rest.eat(b'/')?;
    let month = rest.month()?;
    rest.eat(b'/')?;
    let year = rest.year()?;
    rest.eat(b':')?;
    let (clock, micros) = rest.clock()?;
    rest.skip_spaces();
    let zone = if rest.0.is_empty() { None } else { Some(zone(rest.0)?) };
    Some(Written { year: Some(year), date: (month, day), clock, micros, zone })
}

/// The times that syslog's senders write, but for RFC 3339: `Nov 24 08:00:00` and what Cisco and
/// others make of it: a year in front, behind the day or at the end, a day of the week, a fraction,
/// a zone, `*` or `.` in front where the clock is not synchronized.
pub(super) fn syslog(text: &str) -> Option<Written> {
    let text = text.trim_ascii().trim_end_matches(':');
    let mut rest = Rest(text.as_bytes());
    while let Some(b'*' | b'.' | b'[' | b':') = rest.0.first() {
        rest.0 = rest.0.get(1..)?;
    }
    rest.0 = rest.0.strip_suffix(b"]").unwrap_or(rest.0);
    rest.skip_weekday();
    let mut year = None;
    if rest.0.first()?.is_ascii_digit() {
        year = Some(rest.year()?);
        rest.skip_spaces();
    }
    let month = rest.month()?;
    rest.skip_spaces();
    let day = rest.day()?;
    rest.0.first().filter(|byte| **byte == b' ')?;
    rest.skip_spaces();
    if rest.0.get(4) == Some(&b' ') && year.is_none() {
        year = Some(rest.year()?);
        rest.skip_spaces();
    }
    let (clock, micros) = rest.clock()?;
    rest.skip_spaces();
    if year.is_none() && rest.0.len() >= 4 && rest.0.iter().take(4).all(u8::is_ascii_digit) {
        year = Some(rest.year()?);
        rest.skip_spaces();
    }
    let zone = if rest.0.is_empty() { None } else { Some(zone(rest.0)?) };
    Some(Written { year, date: (month, day), clock, micros, zone })
}

/// How many bytes of `text` are the time that it begins with: one that [`syslog`] reads, an ISO 8601
/// time, or seconds since 1970.
pub(crate) fn length(text: &str) -> Option<usize> {
    let mut rest = Rest(text.as_bytes());
    while let Some(b'*' | b'.' | b':') = rest.0.first() {
        rest.0 = rest.0.get(1..)?;
    }
    let begin = text.len() - rest.0.len();
    let length = match rest.0.first()? {
        b'0'..=b'9' => iso_length(rest.0).or_else(|| seconds_length(rest.0)),
        _ => None,
    };
    match length {
        Some(length) => Some(begin + length),
        None => Some(text.len() - traditional_rest(rest)?.len()),
    }
}

/// `2026-11-24T08:00:00Z`, or with a space in the middle: all that is not a space.
fn iso_length(text: &[u8]) -> Option<usize> {
    let is_date = text.iter().zip(b"dddd-dd-dd").all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        form => byte == form,
    });
    let between = text.get(10).filter(|_| is_date)?;
    if !matches!(between, b'T' | b't' | b' ') || !text.get(11)?.is_ascii_digit() {
        return None;
    }
    let clock = text.get(11..)?;
    let end = clock.iter().position(|byte| *byte == b' ').unwrap_or(clock.len());
    let clock = clock.get(..end)?;
    Some(11 + clock.strip_suffix(b":").unwrap_or(clock).len())
}

/// `1795507200.25`: seconds since 1970 have had ten digits since 2001.
fn seconds_length(text: &[u8]) -> Option<usize> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let length = text.iter().take_while(|byte| is_number(byte)).count();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits == 10 && matches!(text.get(length), None | Some(b' '))).then_some(length)
}

/// What follows a time such as `Nov 24 08:00:00` and its relatives.
fn traditional_rest(mut rest: Rest<'_>) -> Option<&[u8]> {
    rest.skip_weekday();
    if rest.0.first()?.is_ascii_digit() {
        rest.year()?;
        rest.skip_spaces();
    }
    rest.month()?;
    rest.0.first().filter(|byte| **byte == b' ')?;
    rest.skip_spaces();
    rest.day()?;
    rest.0.first().filter(|byte| **byte == b' ')?;
    rest.skip_spaces();
    if rest.0.get(4) == Some(&b' ') {
        rest.year()?;
        rest.skip_spaces();
    }
    rest.clock()?;
    // A year or a zone may follow. What might as well be a host is none of the time.
    let mut end = rest.0;
    while let [b' ', word @ ..] = end {
        let length = word.iter().position(|byte| matches!(byte, b' ' | b':')).unwrap_or(word.len());
        let (word, behind) = word.split_at_checked(length)?;
        let is_year = length == 4 && word.iter().all(u8::is_ascii_digit);
        let offset = matches!(word.first(), Some(b'+' | b'-'))
            .then(|| end.get(1..)?.split(|byte| *byte == b' ').next())
            .flatten();
        if let Some(offset) = offset.filter(|offset| zone(offset).is_some()) {
            return end.get(1 + offset.len()..);
        }
        let is_zone = zone(word).is_some() && matches!(behind.first(), None | Some(b':'));
        if !is_year && !is_zone {
            break;
        }
        end = behind;
    }
    Some(end)
}

/// Windows' FILETIME: tenths of microseconds since 1601-01-01 UTC.
pub(super) fn filetime(ticks: i64) -> Option<Timestamp> {
    let micros = ticks.checked_div(10)?.checked_sub(FILETIME_EPOCH_SECONDS * 1_000_000)?;
    (ticks > 0).then(|| Timestamp::from_micros(micros))
}

/// A decimal number of which `per_second` make a second, in microseconds since 1970; what is past
/// them is cut off. `None` if it is no plain decimal number.
pub(super) fn decimal(text: &str, per_second: i64) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (is_negative, digits) = match whole.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, whole),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || digits.len() > 19 || !is_number(digits) || !is_number(fraction) {
        return None;
    }
    let whole: i128 = digits.parse().ok()?;
    let fraction = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let billionths = fraction.fold(0_i128, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let micros = (whole * 1_000_000_000 + billionths) / (i128::from(per_second) * 1_000);
    let micros = i64::try_from(micros).ok()?;
    Some(Timestamp::from_micros(if is_negative { -micros } else { micros }))
}
