//! Identifiers that are the same for the same thing, however often it is seen.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The identity of an event: a hash of where it was read, and the place inside.
///
/// Two reads of the same bytes of the same object give the same id, so that a repeat can be
/// recognized. It is written as 20 hex digits of the object's hash, a dash, and the offset in hex:
/// neighbors in a file differ only at the end, which columnar compression likes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// The object it was read from.
    pub object: ObjectHash,
    /// The offset of its first byte in the decompressed object.
    pub offset: u64,
}

/// 80 bits of hash over an object's address and generation.
///
/// With 10⁸ objects, the odds that any two share a hash are below 10⁻⁸.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectHash([u8; 10]);

impl ObjectHash {
    /// Hashes the parts that name an object, such as its address and its generation.
    ///
    /// The function is part of the stored format: the same parts give the same hash for ever.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        // FNV-1a with 128 bits (draft-eastlake-fnv), parts closed by a byte that UTF-8 never has.
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        let mut hash = BASIS;
        for part in parts {
            for byte in part.bytes().chain(std::iter::once(0xff)) {
                hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
            }
        }
        // FNV's high bits are its weak ones for short inputs: fold them in.
        let [_, _, _, _, _, _, rest @ ..] = (hash ^ (hash >> 67)).to_be_bytes();
        Self(rest)
    }
}

impl EventId {
    /// Reads what [`fmt::Display`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, offset) = text.split_once('-')?;
        let mut object = [0; 10];
        for (index, byte) in object.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hash.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        let id = Self { object: ObjectHash(object), offset: u64::from_str_radix(offset, 16).ok()? };
        (id.to_string() == text).then_some(id)
    }
}

impl EventId {
    /// 64 bits of the id, spread evenly: their sum, whatever the order, tells one set of ids from another.
    ///
    /// The function is part of the stored format: the same id gives the same number for ever.
    #[must_use]
    pub fn fingerprint(self) -> u64 {
        let number = self.object.number();
        let [high, low] = [number >> 64, number].map(|half| {
            let [.., a, b, c, d, e, f, g, h] = half.to_be_bytes();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        });
        mix(mix(mix(high) ^ low) ^ self.offset)
    }
}

/// The mixer of `SplitMix64` (Steele, Lea and Flood, OOPSLA 2014).
const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Room for an id's text: 20 digits, a dash, 16 digits.
const ID_CHARS: usize = 37;

/// Writes the lowest `count` hex digits of a number into the first bytes of `out`.
fn write_hex(number: u128, count: usize, out: &mut [u8]) {
    for (place, digit) in out.iter_mut().take(count).enumerate() {
        let nibble = u8::try_from((number >> (4 * (count - 1 - place))) & 0xf).unwrap_or(0);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
}

impl ObjectHash {
    /// The number that it is written as.
    fn number(self) -> u128 {
        self.0.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte))
    }
}

// An id is written for every event: its digits are put together before they are handed on.

impl fmt::Display for ObjectHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 20];
        write_hex(self.number(), 20, &mut text);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; ID_CHARS];
        let (hash, rest) = text.split_at_mut(20);
        write_hex(self.object.number(), 20, hash);
        let digits = (u64::BITS - self.offset.leading_zeros()).div_ceil(4).max(1) as usize;
        write_hex(self.offset.into(), digits, rest.get_mut(1..).unwrap_or_default());
        let written = text.get(..21 + digits).unwrap_or_default();
        f.write_str(std::str::from_utf8(written).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_tell_parts_apart() {
        let hash = ObjectHash::of(&["file:incoming/a.ndjson", "0"]);
        assert_eq!(
            EventId { object: hash, offset: 4096 }.to_string(),
            format!("{hash}-1000"),
            "the offset is in hex"
        );
        assert_eq!(EventId { object: hash, offset: 0 }.to_string(), format!("{hash}-0"));
        let bytes = [0, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff];
        assert_eq!(ObjectHash(bytes).to_string(), "000123456789abcdefff");
        let id = EventId { object: hash, offset: u64::MAX };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        for bad in ["", "x-1", "00112233445566778899", "+0112233445566778899-1"] {
            assert_eq!(EventId::parse(bad), None, "{bad}");
        }
        assert_ne!(ObjectHash::of(&["ab", "c"]), ObjectHash::of(&["a", "bc"]));
        // Stored formats: these values must never change.
        assert_eq!(ObjectHash::of(&["x"]).to_string(), "1be95bb0619b3fd1a025");
        let id = EventId { object: ObjectHash::of(&["x"]), offset: 4096 };
        assert_eq!(id.fingerprint(), 1_033_347_819_510_567_134);
        let next = EventId { offset: 4097, ..id };
        let other = EventId { object: ObjectHash::of(&["y"]), ..id };
        assert!(id.fingerprint() != next.fingerprint() && id.fingerprint() != other.fingerprint());
    }
}
