//! Numbers that are added up and compared: exact, whatever the order they come in.
//!
//! A running sum of floats depends on the order of its terms and drifts as terms leave again. So
//! amounts are whole numbers of billionths, which add and subtract without loss.

use std::fmt;

const UNIT: i128 = 1_000_000_000;

/// The largest number taken: 10¹⁸. A window of [`base::limits::CORRELATION_GROUP_EVENTS_MAX`] of
/// them adds up within 128 bits.
const LARGEST: f64 = 1e18;

/// A number with nine digits behind the point.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Amount(pub(crate) i128);

impl Amount {
    pub(crate) fn of_count(count: usize) -> Self {
        Self(i128::try_from(count).unwrap_or(i128::MAX / UNIT).saturating_mul(UNIT))
    }

    /// Reads a decimal number, with or without exponent; what is no number or larger than any
    /// amount is `None`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        // `inf` and `nan` are floats to Rust and words to everyone else.
        let is_number =
            text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        if !is_number {
            return None;
        }
        if let Ok(whole) = text.parse::<i64>() {
            return Some(Self(i128::from(whole) * UNIT)).filter(|amount| amount.is_taken());
        }
        let number = text.parse::<f64>().ok().filter(|number| number.abs() <= LARGEST)?;
        #[expect(clippy::cast_possible_truncation, reason = "its bounds were looked at")]
        Some(Self((number * 1e9).round() as i128))
    }

    const fn is_taken(self) -> bool {
        self.0.unsigned_abs() <= 1_000_000_000_000_000_000 * UNIT.unsigned_abs()
    }

    /// So many times as much; for comparing an average without dividing.
    pub(crate) fn times(self, count: usize) -> Self {
        Self(self.0.saturating_mul(i128::try_from(count).unwrap_or(i128::MAX)))
    }

    pub(crate) fn divided(self, count: usize) -> Self {
        Self(self.0.checked_div(i128::try_from(count).unwrap_or(i128::MAX)).unwrap_or(0))
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub(crate) const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The value at a percentile of sorted amounts, between neighbors in proportion (as
    /// spreadsheets' PERCENTILE.INC does). `thousandths` counts thousandths of a percent.
    pub(crate) fn percentile(sorted: &[Self], thousandths: u32) -> Option<Self> {
        const WHOLE: u64 = 100_000;
        let last = u64::try_from(sorted.len()).ok()?.checked_sub(1)?;
        let rank = last.checked_mul(u64::from(thousandths))?;
        let at = |index: u64| usize::try_from(index).ok().and_then(|index| sorted.get(index));
        let low = *at(rank / WHOLE)?;
        let high = at(rank / WHOLE + 1).copied().unwrap_or(low);
        let part = high.0.checked_sub(low.0)?.checked_mul(i128::from(rank % WHOLE))?;
        Some(Self(low.0 + part / i128::from(WHOLE)))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, fraction) = (
            self.0.unsigned_abs() / UNIT.unsigned_abs(),
            self.0.unsigned_abs() % UNIT.unsigned_abs(),
        );
        write!(f, "{sign}{whole}")?;
        if fraction == 0 {
            return Ok(());
        }
        let digits = format!("{fraction:09}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written_exactly() {
        for (text, expected) in [
            ("0", "0"),
            ("-7", "-7"),
            (" 12.50 ", "12.5"),
            ("0.1", "0.1"),
            ("1e3", "1000"),
            ("-0.000000001", "-0.000000001"),
            ("1000000000000000000", "1000000000000000000"),
        ] {
            assert_eq!(
                Amount::parse(text).map(|amount| amount.to_string()).as_deref(),
                Some(expected)
            );
        }
        for bad in ["", "x", "inf", "nan", "1e19", "9223372036854775807", "1x", "0x10", "--1"] {
            assert_eq!(Amount::parse(bad), None, "{bad}");
        }
        let third = Amount::parse("0.1").unwrap().plus(Amount::parse("0.2").unwrap());
        assert_eq!(third, Amount::parse("0.3").unwrap());
    }

    #[test]
    fn percentiles_lie_between_neighbors_in_proportion() {
        let sorted = ["1", "2", "4", "8"].map(|text| Amount::parse(text).unwrap());
        for (thousandths, expected) in
            [(0, "1"), (50_000, "3"), (100_000, "8"), (90_000, "6.8"), (33_333, "1.99999")]
        {
            assert_eq!(Amount::percentile(&sorted, thousandths).unwrap().to_string(), expected);
        }
        assert_eq!(Amount::percentile(&[], 50_000), None);
    }
}
