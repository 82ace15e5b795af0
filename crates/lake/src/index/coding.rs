//! Sorted sets of numbers in few bits: Golomb-Rice coding of the gaps between them (S. W. Golomb, "Run-
//! length encodings", 1966; R. F. Rice, 1979).
//!
//! Reading never panics, and never takes more than the bytes that are there, whatever they are.

/// Appends a number in groups of seven bits, lowest first (LEB128).
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Reads what [`put_varint`] wrote and moves on; `None` if it is none.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
    }
    None
}

/// Appends a set: how many numbers, and if there are any, how many bytes they take, and their gaps.
/// `bits` of each gap are written as they are; the rest of it in ones, closed by a zero.
pub(super) fn put_set(out: &mut Vec<u8>, sorted: &[u32], bits: u32) {
    put_varint(out, u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    if sorted.is_empty() {
        return;
    }
    let mut writer = BitWriter::default();
    let mut last = 0;
    for &number in sorted {
        writer.put_gap(number - last, bits);
        last = number;
    }
    let bytes = writer.finish();
    put_varint(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(&bytes);
}

/// A set as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredSet<'b> {
    /// How many numbers it has.
    pub(super) count: u32,
    gaps: &'b [u8],
}

/// Reads what [`put_set`] wrote and moves on; `None` if it is none.
pub(super) fn take_set<'b>(bytes: &mut &'b [u8]) -> Option<StoredSet<'b>> {
    let count = take_varint(bytes)?;
    if count == 0 {
        return Some(StoredSet { count, gaps: &[] });
    }
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (gaps, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(StoredSet { count, gaps })
}

impl StoredSet<'_> {
    /// Whether the set has a number; `None` if it can't be read.
    pub(super) fn contains(&self, wanted: u32, bits: u32) -> Option<bool> {
        let mut reader = BitReader { bytes: self.gaps, at: 0 };
        let mut number = 0_u32;
        for _ in 0..self.count {
            number = number.checked_add(reader.gap(bits)?)?;
            if number >= wanted {
                return Some(number == wanted);
            }
        }
        Some(false)
    }
}

#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`, the first of them lowest.
    pending: u64,
    count: u32,
}

impl BitWriter {
    fn put_gap(&mut self, gap: u32, bits: u32) {
        for _ in 0..gap >> bits {
            self.put(1, 1);
        }
        self.put(0, 1);
        self.put(gap & ((1 << bits) - 1), bits);
    }

    /// At most 32 bits.
    fn put(&mut self, value: u32, bits: u32) {
        self.pending |= u64::from(value) << self.count;
        self.count += bits;
        while self.count >= 8 {
            self.bytes.push((self.pending & 0xff) as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push((self.pending & 0xff) as u8);
        }
        self.bytes
    }
}

struct BitReader<'b> {
    bytes: &'b [u8],
    /// In bits.
    at: usize,
}

impl BitReader<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = (byte >> (self.at % 8)) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    fn gap(&mut self, bits: u32) -> Option<u32> {
        let mut high = 0_u32;
        while self.bit()? == 1 {
            high += 1;
        }
        let mut low = 0;
        for place in 0..bits {
            low |= self.bit()? << place;
        }
        high.checked_mul(1 << bits)?.checked_add(low)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_come_back(
            numbers in prop::collection::btree_set(0_u32..5000, 0..300),
            asked in prop::collection::vec(0_u32..5000, 20),
            bits in 0_u32..13,
        ) {
            let sorted: Vec<u32> = numbers.iter().copied().collect();
            let mut out = Vec::new();
            put_set(&mut out, &sorted, bits);
            put_varint(&mut out, 77);
            let mut rest = out.as_slice();
            let set = take_set(&mut rest).unwrap();
            prop_assert_eq!(take_varint(&mut rest), Some(77));
            for number in asked.into_iter().chain(numbers.iter().copied()) {
                prop_assert_eq!(set.contains(number, bits), Some(numbers.contains(&number)));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panicking(
            bytes in prop::collection::vec(any::<u8>(), 0..60), wanted in any::<u32>(), bits in 0_u32..13,
        ) {
            let mut rest = bytes.as_slice();
            while let Some(set) = take_set(&mut rest) {
                set.contains(wanted, bits);
            }
        }

        #[test]
        fn numbers_of_any_size_come_back(number in any::<u32>()) {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            prop_assert_eq!(take_varint(&mut out.as_slice()), Some(number));
        }
    }

    #[test]
    fn an_empty_set_takes_a_byte() {
        let mut out = Vec::new();
        put_set(&mut out, &[], 8);
        assert_eq!(out, [0]);
    }
}
