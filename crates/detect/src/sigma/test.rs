//! The tests that a value of an event passes or fails.

use std::{net::IpAddr, sync::Arc};

use base::{Day, Timestamp, Value};

use super::{expression::Expression, text::TextTest};
use crate::stream::fields::Leaf;

/// A test of one value.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Text(TextTest),
    Number(NumberTest),
    Bool(bool),
    /// The field is absent or null.
    Null,
    Regex(Arc<Expression>),
    Network(Network),
    Compare(Comparison, Number),
    TimePart(TimePart, Comparison, i64),
    /// The field is there, whatever its value.
    Exists(bool),
    /// Compared with the values of another field, by its index.
    Field(usize, FieldComparison),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How the values of two fields are compared: by default for equality.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FieldComparison {
    /// Anything may stand before the other field's value.
    pub(crate) open_start: bool,
    /// Anything may stand behind it.
    pub(crate) open_end: bool,
    pub(crate) is_cased: bool,
}

/// A number, kept whole where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

/// A number that a rule asks for: matches numbers and text that spells it.
#[derive(Debug, Clone)]
pub(crate) struct NumberTest {
    pub(crate) number: Number,
    /// As the rule spells it, in lower case.
    pub(crate) spelled: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimePart {
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// Addresses with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Number {
    /// Reads a decimal number, or a whole one in hex (`0x1f`) or octal (`0o17`).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let radix = |digits: &str, radix| i64::from_str_radix(digits, radix).ok().map(Self::Int);
        if let Some(hex) = text.strip_prefix("0x") {
            return radix(hex, 16);
        }
        if let Some(octal) = text.strip_prefix("0o") {
            return radix(octal, 8);
        }
        Self::parse_decimal(text)
    }

    /// Reads a decimal number, the only form that numbers in logs are taken for.
    fn parse_decimal(text: &str) -> Option<Self> {
        // `inf` and `nan` are floats to Rust and words to everyone else.
        let begins = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.');
        let is_decimal = text.as_bytes().first().is_some_and(begins)
            && text.as_bytes().last().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
        if !is_decimal {
            return None;
        }
        if let Ok(whole) = text.parse() {
            return Some(Self::Int(whole));
        }
        text.parse().ok().map(Self::Float)
    }

    /// The number that a value is or spells.
    pub(crate) fn of(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::Int(number) => Some(Self::Int(*number)),
            Value::Float(number) => Some(Self::Float(*number)),
            Value::Number(text) | Value::Text(text) => Self::parse_decimal(text),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "one side is a float, which is not exact")]
    const fn to_float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }

    /// Whether it stands in this relation to another.
    pub(crate) fn is(self, comparison: Comparison, other: Self) -> bool {
        let order = match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (left, right) => left.to_float().partial_cmp(&right.to_float()),
        };
        order.is_some_and(|order| match comparison {
            Comparison::Equal => order.is_eq(),
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        })
    }
}

impl Test {
    /// What it costs, in units of a comparison of two short texts.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Text(test) => test.cost(),
            Self::Bool(_) | Self::Null | Self::Exists(_) => 1,
            Self::Number(_) | Self::Compare(..) | Self::Field(..) => 2,
            Self::Network(_) | Self::TimePart(..) => 4,
            Self::Regex(_) => 50,
        }
    }

    /// Whether a value passes. What needs more than one value is decided by the evaluator:
    /// absence, presence, and comparison with other fields.
    #[inline]
    pub(crate) fn holds(&self, leaf: &Leaf<'_>) -> bool {
        match self {
            Self::Text(test) => test.holds(leaf),
            Self::Regex(regex) => leaf.text().is_some_and(|text| regex.is_match(text)),
            Self::Number(test) => test.holds(leaf),
            Self::Bool(expected) => match leaf.value {
                Value::Bool(value) => value == expected,
                Value::Text(_) => leaf.lower() == if *expected { "true" } else { "false" },
                _ => false,
            },
            Self::Null => matches!(leaf.value, Value::Null),
            Self::Network(network) => {
                leaf.value.as_str().is_some_and(|text| network.contains_text(text))
            }
            Self::Compare(comparison, number) => {
                Number::of(leaf.value).is_some_and(|value| value.is(*comparison, *number))
            }
            Self::TimePart(part, comparison, number) => part
                .of(leaf.value)
                .is_some_and(|value| Number::Int(value).is(*comparison, Number::Int(*number))),
            Self::Exists(_) | Self::Field(..) => false,
        }
    }
}

impl NumberTest {
    fn holds(&self, leaf: &Leaf<'_>) -> bool {
        // Equal spelling covers what neither number type holds.
        let is_spelled = !leaf.value_is_int() && leaf.lower() == self.spelled;
        is_spelled
            || Number::of(leaf.value).is_some_and(|value| value.is(Comparison::Equal, self.number))
    }
}

impl FieldComparison {
    pub(crate) fn holds(self, left: &Leaf<'_>, right: &Leaf<'_>) -> bool {
        let (Some(left_text), Some(right_text)) = (left.text(), right.text()) else { return false };
        let (left, right) =
            if self.is_cased { (left_text, right_text) } else { (left.lower(), right.lower()) };
        match (self.open_start, self.open_end) {
            (false, false) => left == right,
            (false, true) => left.starts_with(right),
            (true, false) => left.ends_with(right),
            (true, true) => left.contains(right),
        }
    }
}

impl Network {
    /// Reads `10.0.0.0/8`, `2001:db8::/32` or a lone address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= bits_max)?,
            None => bits_max,
        };
        Some(Self { address, bits })
    }

    fn contains_text(&self, text: &str) -> bool {
        text.trim().parse().is_ok_and(|address: IpAddr| self.contains(address))
    }

    /// An IPv4 address that is written as IPv6 (`::ffff:10.0.0.1`) counts as IPv4.
    fn contains(&self, address: IpAddr) -> bool {
        let address = if self.address.is_ipv4() { address.to_canonical() } else { address };
        let differs = match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u128::from(network.to_bits() ^ address.to_bits()) << 96
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => network.to_bits() ^ address.to_bits(),
            _ => return false,
        };
        differs.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
    }
}

impl TimePart {
    /// The part of a date as it is written, whatever its zone; of a number, seconds or
    /// milliseconds since 1970 in UTC.
    fn of(self, value: &Value<'_>) -> Option<i64> {
        let time = match value {
            Value::Int(number) => from_unix(*number)?,
            Value::Text(text) => written(text)?,
            _ => return None,
        };
        let micros = time.as_micros().rem_euclid(86_400_000_000);
        let (year, month, day) = time.day().to_civil();
        Some(match self {
            Self::Minute => micros / 60_000_000 % 60,
            Self::Hour => micros / 3_600_000_000,
            Self::Day => i64::from(day),
            Self::Week => i64::from(week(time.day())),
            Self::Month => i64::from(month),
            Self::Year => i64::from(year),
        })
    }
}

fn from_unix(number: i64) -> Option<Timestamp> {
    // Seconds until the year 5138 are below the milliseconds of 1973.
    let micros = if number.unsigned_abs() < 100_000_000_000 {
        number.checked_mul(1_000_000)
    } else {
        number.checked_mul(1000)
    };
    micros.map(Timestamp::from_micros)
}

/// A date or date and time, read without regard to the zone behind it.
fn written(text: &str) -> Option<Timestamp> {
    const DATE: usize = "2026-11-24".len();
    const SECONDS: usize = "2026-11-24T08:00:00".len();
    let text = text.trim();
    match text.get(..SECONDS) {
        Some(local) => Timestamp::parse_local(local, 0),
        None if text.len() == DATE => Timestamp::parse_local(&format!("{text}T00:00:00"), 0),
        None => None,
    }
}

/// The week by ISO 8601: the one that holds the year's first Thursday is the first.
fn week(day: Day) -> i32 {
    // 1970-01-01 was a Thursday.
    let days = day.as_days();
    let weekday = (days + 3).rem_euclid(7);
    let thursday = Day::from_days(days - weekday + 3);
    let (year, ..) = thursday.to_civil();
    let new_year = Day::from_civil(year, 1, 1).map_or(0, Day::as_days);
    (thursday.as_days() - new_year) / 7 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("192.168.1.77/24", "192.168.1.1", true),
            ("2001:db8::/32", "2001:DB8:1::7", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("::/0", "::1", true),
            ("::1/128", "::2", false),
            ("10.0.0.0/8", "host", false),
        ];
        for (network, address, expected) in table {
            let parsed = Network::parse(network).unwrap();
            assert_eq!(parsed.contains_text(address), expected, "{network} {address}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "a/8", "10.0.0.*"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn weeks_follow_iso_8601() {
        for (date, expected) in [
            ("2026-01-01", 1),
            ("2025-12-29", 1),
            ("2025-12-28", 52),
            ("2021-01-03", 53),
            ("2021-01-04", 1),
            ("2024-12-30", 1),
        ] {
            assert_eq!(TimePart::Week.of(&Value::text(date)), Some(expected), "{date}");
        }
    }

    #[test]
    fn time_parts_are_read_as_written() {
        let at = "2026-11-24T08:05:59.123+09:00";
        for (part, expected) in [
            (TimePart::Minute, 5),
            (TimePart::Hour, 8),
            (TimePart::Day, 24),
            (TimePart::Month, 11),
            (TimePart::Year, 2026),
        ] {
            assert_eq!(part.of(&Value::text(at)), Some(expected), "{part:?}");
        }
        assert_eq!(TimePart::Year.of(&Value::Int(0)), Some(1970));
        assert_eq!(TimePart::Year.of(&Value::Int(1_600_000_000)), Some(2020));
        assert_eq!(TimePart::Year.of(&Value::Int(1_600_000_000_000)), Some(2020));
        assert_eq!(TimePart::Hour.of(&Value::text("noon")), None);
        assert_eq!(TimePart::Hour.of(&Value::text("ééééééééééééé")), None);
    }

    #[test]
    fn numbers_are_compared_exactly_where_both_are_whole() {
        let big = Number::Int(9_007_199_254_740_993);
        assert!(!big.is(Comparison::Equal, Number::Int(9_007_199_254_740_992)));
        assert!(Number::Int(1).is(Comparison::Equal, Number::Float(1.0)));
        assert_eq!(Number::parse("0x1F"), Some(Number::Int(31)));
        assert_eq!(Number::parse("1e3"), Some(Number::Float(1000.0)));
        for word in ["inf", "nan", "", "-", "1x", "x1", "infinity"] {
            assert_eq!(Number::parse(word), None, "{word}");
        }
    }
}
