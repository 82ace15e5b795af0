//! UTF-16 as a stream that is unpacked into UTF-8, as Windows' tools write their files.
//!
//! A surrogate without its other half becomes U+FFFD, as readers of Windows' texts have it.

use super::decompress::Progress;

/// What replaces half a character.
const REPLACEMENT: u16 = 0xfffd;
const MARK: u16 = 0xfeff;

/// A stream of UTF-16 that begins with a byte order mark.
#[derive(Debug, Default)]
pub(crate) struct Utf16 {
    is_big_endian: bool,
    has_begun: bool,
    /// The first byte of a unit.
    half: Option<u8>,
    /// The first unit of a character of two.
    high: Option<u16>,
    /// A character, or two, of which so many bytes are not written yet.
    held: [u8; 8],
    held_from: usize,
    held_to: usize,
}

impl Utf16 {
    pub(crate) fn new(is_big_endian: bool) -> Self {
        Self { is_big_endian, ..Self::default() }
    }

    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            let room = output.get_mut(progress.written..).unwrap_or_default();
            progress.written += self.pour(room);
            if self.held_from < self.held_to {
                return progress;
            }
            let Some(byte) = input.get(progress.read) else { return progress };
            progress.read += 1;
            let Some(half) = self.half.take() else {
                self.half = Some(*byte);
                continue;
            };
            let unit = [half, *byte];
            self.unit(if self.is_big_endian {
                u16::from_be_bytes(unit)
            } else {
                u16::from_le_bytes(unit)
            });
        }
    }

    /// Whether what was taken so far is whole characters.
    pub(crate) const fn is_between(&self) -> bool {
        self.half.is_none() && self.high.is_none() && self.held_from == self.held_to
    }

    fn unit(&mut self, unit: u16) {
        if !std::mem::replace(&mut self.has_begun, true) && unit == MARK {
            return;
        }
        (self.held_from, self.held_to) = (0, 0);
        let is_high = (0xd800..0xdc00).contains(&unit);
        let pair = self.high.take();
        if is_high {
            if pair.is_some() {
                self.hold(&[REPLACEMENT]);
            }
            self.high = Some(unit);
            return;
        }
        match pair {
            Some(high) if (0xdc00..0xe000).contains(&unit) => self.hold(&[high, unit]),
            Some(_) => {
                self.hold(&[REPLACEMENT]);
                self.hold(&[unit]);
            }
            None => self.hold(&[unit]),
        }
    }

    fn hold(&mut self, units: &[u16]) {
        for character in char::decode_utf16(units.iter().copied()) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                if let Some(slot) = self.held.get_mut(self.held_to) {
                    *slot = byte;
                    self.held_to += 1;
                }
            }
        }
    }

    /// Writes what is held, as far as there is room.
    fn pour(&mut self, room: &mut [u8]) -> usize {
        let held = self.held.get(self.held_from..self.held_to).unwrap_or_default();
        let count = held.len().min(room.len());
        for (to, from) in room.iter_mut().zip(held) {
            *to = *from;
        }
        self.held_from += count;
        count
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(units: &[u16], is_big_endian: bool) -> Vec<u8> {
        let of = |unit: &u16| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        units.iter().flat_map(of).collect()
    }

    /// Unpacks in pieces of so many bytes, into buffers of so many.
    fn unpacked(input: &[u8], is_big_endian: bool, piece: usize, room: usize) -> (Vec<u8>, bool) {
        let (mut stream, mut out) = (Utf16::new(is_big_endian), Vec::new());
        for mut rest in input.chunks(piece) {
            loop {
                let mut buffer = vec![0; room];
                let progress = stream.run(rest, &mut buffer);
                out.extend_from_slice(&buffer[..progress.written]);
                rest = &rest[progress.read..];
                if progress.written < room {
                    assert!(rest.is_empty(), "with room left, all is taken");
                    break;
                }
            }
        }
        (out, stream.is_between())
    }

    #[test]
    fn the_mark_is_dropped_and_halves_are_replaced() {
        let units =
            [MARK, 0x61, 0xd83d, 0xde00, 0xd83d, 0x62, 0xdc00, MARK, 0xd83d, 0xd83d, 0xde00];
        let expected = "a😀\u{fffd}b\u{fffd}\u{feff}\u{fffd}😀";
        for is_big_endian in [false, true] {
            let (out, whole) = unpacked(&bytes(&units, is_big_endian), is_big_endian, 3, 5);
            assert_eq!((String::from_utf8(out).unwrap().as_str(), whole), (expected, true));
        }
        assert!(!unpacked(b"\xff\xfea", false, 8, 8).1);
        assert!(!unpacked(&bytes(&[MARK, 0xd83d], false), false, 8, 8).1);
    }

    proptest! {
        #[test]
        fn any_text_comes_out_as_it_was(
            text in "\\PC{0,40}", is_big_endian: bool, piece in 1_usize..9, room in 1_usize..9,
        ) {
            let units: Vec<u16> = std::iter::once(MARK).chain(text.encode_utf16()).collect();
            let (out, whole) = unpacked(&bytes(&units, is_big_endian), is_big_endian, piece, room);
            prop_assert_eq!((String::from_utf8(out).unwrap(), whole), (text, true));
        }

        #[test]
        fn any_bytes_become_text(input in prop::collection::vec(any::<u8>(), 0..60)) {
            let (out, _) = unpacked(&input, false, 7, 3);
            prop_assert!(String::from_utf8(out).is_ok());
        }
    }
}
