//! JSON strings: where they end, and what their escapes stand for.
//!
//! Windows' logs are full of `\\`, so that unescaping is most of the work of parsing them. Both jobs
//! go from one special byte to the next: where these are, is found before all else, for the whole
//! record at once.

use std::{borrow::Cow, ops::Range};

use wide::u8x16;

use super::{Parsed, Parser, Reject};

/// How many bytes are copied at a time.
const BLOCK: usize = 32;

/// What the character behind a backslash stands for; 0: it is no simple escape.
const SIMPLE: [u8; 256] = {
    let mut table = [0; 256];
    let pairs = [
        (b'"', b'"'),
        (b'\\', b'\\'),
        (b'/', b'/'),
        (b'b', 8),
        (b'f', 12),
        (b'n', b'\n'),
        (b'r', b'\r'),
        (b't', b'\t'),
    ];
    let mut at = 0;
    while at < pairs.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, in range")]
        let (letter, meaning) = pairs[at];
        #[expect(clippy::indexing_slicing, reason = "a byte is in range")]
        {
            table[letter as usize] = meaning;
        }
        at += 1;
    }
    table
};

/// Memory for one record after another: an event borrows what was escaped from here, as it borrows
/// everything else from its record.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) specials: Specials,
    pub(super) text: Vec<u8>,
}

/// Where strings are unescaped. No string is longer unescaped, so that room as long as the record
/// is room for all of them; there is a block more, so that blocks are copied whole.
pub(super) enum Room<'a> {
    /// What is left of a [`Scratch`].
    Lent(&'a mut [u8]),
    /// Memory of its own, for one string after another.
    Own(Vec<u8>),
}

impl<'a> Room<'a> {
    pub(super) fn lent(memory: &'a mut Vec<u8>, record_bytes: usize) -> Self {
        let wanted = record_bytes + BLOCK;
        if memory.len() < wanted {
            memory.resize(wanted, 0);
        }
        Self::Lent(memory)
    }
}

/// Where a record's quotes, backslashes and control characters are: one bit for each byte of it,
/// the first in the lowest.
#[derive(Debug, Default)]
pub(super) struct Specials {
    words: Vec<u64>,
    /// How long the record is.
    length: usize,
}

impl Specials {
    pub(super) fn find(&mut self, bytes: &[u8]) {
        self.words.clear();
        self.length = bytes.len();
        let (blocks, rest) = bytes.as_chunks::<64>();
        self.words.extend(blocks.iter().map(specials));
        if !rest.is_empty() {
            let mut last = [b' '; 64];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            self.words.push(specials(&last));
        }
    }

    /// Where the next of them is, from `from` on; the record's end if there is none.
    #[inline]
    pub(super) fn next(&self, from: usize) -> usize {
        let mut word = from / 64;
        let Some(found) = self.words.get(word) else { return self.length };
        let found = found >> (from % 64);
        if found != 0 {
            return from + found.trailing_zeros() as usize;
        }
        loop {
            word += 1;
            match self.words.get(word) {
                None => return self.length,
                Some(0) => {}
                Some(found) => return word * 64 + found.trailing_zeros() as usize,
            }
        }
    }
}

/// Which of 64 bytes are quotes, backslashes or control characters, the first in the lowest bit.
#[inline]
fn specials(block: &[u8; 64]) -> u64 {
    let (quarters, _) = block.as_chunks::<16>();
    let mut found = 0;
    for quarter in quarters.iter().rev() {
        let quarter = u8x16::new(*quarter);
        let quote = quarter.simd_eq(u8x16::splat(b'"'));
        let backslash = quarter.simd_eq(u8x16::splat(b'\\'));
        let control = quarter.min(u8x16::splat(0x1f)).simd_eq(quarter);
        found = found << 16 | u64::from((quote | backslash | control).to_bitmask());
    }
    found
}

impl<'a> Parser<'a, '_> {
    /// The text of the string that the parser is in, the first of whose special bytes is at
    /// `first`; the parser stands behind its closing quote then.
    #[inline(never)]
    pub(super) fn unescape(&mut self, first: usize) -> Parsed<Cow<'a, str>> {
        match std::mem::replace(&mut self.room, Room::Own(Vec::new())) {
            Room::Lent(memory) => {
                let length = self.unescape_all(first, memory)?;
                let (text, rest) = memory.split_at_mut_checked(length).unwrap_or_default();
                self.room = Room::Lent(rest);
                Ok(Cow::Borrowed(as_text(text)))
            }
            Room::Own(mut memory) => {
                memory.resize(self.bytes.len() + BLOCK, 0);
                let length = self.unescape_all(first, &mut memory)?;
                let text = as_text(memory.get(..length).unwrap_or_default()).to_owned();
                self.room = Room::Own(memory);
                Ok(Cow::Owned(text))
            }
        }
    }

    /// Answers how long the text in `out` is.
    fn unescape_all(&mut self, first: usize, out: &mut [u8]) -> Parsed<usize> {
        let Self { bytes, specials, at: start, .. } = *self;
        let (mut from, mut special, mut length) = (start, first, 0);
        loop {
            copy(bytes, from..special, out, &mut length);
            if let Some(meaning) = simple_escape(bytes, special)
                && let Some(byte) = out.get_mut(length)
            {
                *byte = meaning;
                length += 1;
                from = special + 2;
            } else {
                self.at = special;
                if self.special(out, &mut length, start)? {
                    return Ok(length);
                }
                from = self.at;
            }
            special = specials.next(from);
        }
    }

    /// The special byte that the parser stands at, if any. Answers whether it ended the string.
    fn special(&mut self, out: &mut [u8], length: &mut usize, start: usize) -> Parsed<bool> {
        let at = self.at;
        self.at += 1;
        match self.bytes.get(at) {
            Some(b'"') => return Ok(true),
            Some(b'\\') => {
                let character = self.escape()?;
                let mut bytes = [0; 4];
                let count = character.encode_utf8(&mut bytes).len();
                copy(&bytes, 0..count, out, length);
            }
            Some(control) => {
                let message =
                    format!("a string holds the control character 0x{control:02x} unescaped");
                return Err(self.error(message, at));
            }
            None => {
                let help = "check whether the source cuts long records off";
                let at = start.saturating_sub(1);
                return Err(self.helpful("a string has no closing quote", at, help));
            }
        }
        Ok(false)
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Parsed<char> {
        let byte = self.peek();
        self.at += 1;
        let simple = byte.and_then(|byte| SIMPLE.get(usize::from(byte))).copied();
        match (byte, simple) {
            (Some(b'u'), _) => self.unicode_escape(),
            (_, Some(meaning)) if meaning != 0 => Ok(char::from(meaning)),
            _ => {
                let help = "have the source write a backslash as `\\\\`";
                Err(self.helpful("`\\` begins no JSON escape", self.at - 2, help))
            }
        }
    }

    /// What follows `\u`: a character, or the first half of one whose second half follows.
    fn unicode_escape(&mut self) -> Parsed<char> {
        let start = self.at - 2;
        let first = self.hex4()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if first < 0xdc00 && self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
            self.at += 2;
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return char::from_u32(code).ok_or_else(|| self.half_pair(first, start));
            }
        }
        Err(self.half_pair(first, start))
    }

    fn half_pair(&self, code: u32, at: usize) -> Box<Reject> {
        let message = format!("`\\u{code:04x}` is half of a surrogate pair, which is no character");
        let help = "have the source write the whole character, or its bytes in another encoding";
        self.helpful(message, at, help)
    }

    fn hex4(&mut self) -> Parsed<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let code = digits.iter().try_fold(0_u32, |code, digit| {
            char::from(*digit).to_digit(16).map(|digit| code << 4 | digit)
        });
        match code {
            Some(code) if digits.len() == 4 => {
                self.at += 4;
                Ok(code)
            }
            _ => Err(self.error("`\\u` is not followed by four hex digits", self.at - 2)),
        }
    }
}

/// What the two bytes at `at` stand for, if they are a simple escape.
#[inline]
fn simple_escape(bytes: &[u8], at: usize) -> Option<u8> {
    let [b'\\', letter] = bytes.get(at..)?.first_chunk()? else { return None };
    SIMPLE.get(usize::from(*letter)).copied().filter(|meaning| *meaning != 0)
}

/// What was put together of characters is text again, so that nothing gets lost here.
fn as_text(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}

/// Appends a part of `from` to the first `length` bytes of `out`.
#[inline]
fn copy(from: &[u8], part: Range<usize>, out: &mut [u8], length: &mut usize) {
    let count = part.len();
    let block = from.get(part.start..).and_then(<[u8]>::first_chunk::<BLOCK>);
    let target = out.get_mut(*length..).and_then(<[u8]>::first_chunk_mut::<BLOCK>);
    // Pieces are short: a block is copied at once, and what is too much is written over.
    if let (true, Some(block), Some(target)) = (count <= BLOCK, block, target) {
        *target = *block;
    } else if let (Some(part), Some(target)) =
        (from.get(part), out.get_mut(*length..*length + count))
    {
        target.copy_from_slice(part);
    }
    *length += count;
}
