//! JSON strings: where they end, and what their escapes stand for.
//!
//! Windows' logs are full of `\\`, so that unescaping is most of the work of parsing them. Both jobs
//! look at whole blocks of bytes at a time.

use std::borrow::Cow;

use wide::u8x16;

use super::{Parsed, Parser, Reject};

/// How many bytes are unescaped at a time.
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

/// Memory for the text of one record after another: an event borrows what was escaped from here, as
/// it borrows everything else from its record.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

/// Where strings are unescaped. No string is longer unescaped, so that room as long as the record
/// is room for all of them; there is a block more, so that blocks are copied whole.
pub(super) enum Room<'a> {
    /// What is left of a [`Scratch`].
    Lent(&'a mut [u8]),
    /// Memory of its own, for one string after another.
    Own(Vec<u8>),
}

impl<'a> Room<'a> {
    pub(super) fn new(record_bytes: usize, scratch: Option<&'a mut Scratch>) -> Self {
        let Some(Scratch(memory)) = scratch else { return Self::Own(Vec::new()) };
        let wanted = record_bytes + 2 * BLOCK;
        if memory.len() < wanted {
            memory.resize(wanted, 0);
        }
        Self::Lent(memory)
    }
}

/// Which of 16 bytes are quotes, backslashes or control characters, the first in the lowest bit.
#[inline]
fn specials(block: [u8; 16]) -> u32 {
    let block = u8x16::new(block);
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let backslash = block.simd_eq(u8x16::splat(b'\\'));
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    (quote | backslash | control).to_bitmask()
}

const fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Where the next quote, backslash or control character is, from `from` on; the end if there is
/// none.
#[inline]
pub(super) fn find_special(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = specials(*block);
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 16;
    }
    let tail = bytes.get(at..).unwrap_or_default();
    at + tail.iter().position(|byte| is_special(*byte)).unwrap_or(tail.len())
}

impl<'a> Parser<'a> {
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
                memory.resize(self.bytes.len() + 2 * BLOCK, 0);
                let length = self.unescape_all(first, &mut memory)?;
                let text = as_text(memory.get(..length).unwrap_or_default()).to_owned();
                self.room = Room::Own(memory);
                Ok(Cow::Owned(text))
            }
        }
    }

    /// Answers how long the text in `out` is.
    fn unescape_all(&mut self, first: usize, out: &mut [u8]) -> Parsed<usize> {
        let start = self.at;
        let mut length = 0;
        copy(self.bytes.get(start..first).unwrap_or_default(), out, &mut length);
        self.at = first;
        self.unescape_into(out, length, start)
    }

    /// Answers how long `out` is at the string's end. `start` is that of the string.
    fn unescape_into(&mut self, out: &mut [u8], mut length: usize, start: usize) -> Parsed<usize> {
        loop {
            match self.block(out, length) {
                Some(Stop::Quote(length)) => return Ok(length),
                Some(Stop::Goes(further)) => length = further,
                Some(Stop::Special(further)) => {
                    length = further;
                    if self.special(out, &mut length, start)? {
                        return Ok(length);
                    }
                }
                None => {
                    let end = find_special(self.bytes, self.at);
                    copy(self.bytes.get(self.at..end).unwrap_or_default(), out, &mut length);
                    self.at = end;
                    if self.special(out, &mut length, start)? {
                        return Ok(length);
                    }
                }
            }
        }
    }

    /// Unescapes one block. `None` if the record ends too soon for it.
    #[inline]
    fn block(&mut self, out: &mut [u8], mut length: usize) -> Option<Stop> {
        // All reads below are in this: a copy begins in the first half and is as long as half.
        let source = self.bytes.get(self.at..)?.first_chunk::<{ 2 * BLOCK }>()?;
        let mut found =
            specials(*source.first_chunk()?) | specials(*source.get(16..)?.first_chunk()?) << 16;
        let mut done = 0;
        loop {
            let piece: &[u8; BLOCK] = source.get(done..)?.first_chunk()?;
            *out.get_mut(length..)?.first_chunk_mut()? = *piece;
            if found == 0 {
                self.at += BLOCK;
                return Some(Stop::Goes(length + BLOCK - done));
            }
            let special = found.trailing_zeros() as usize;
            length += special - done;
            let escaped = *source.get(special + 1)?;
            let meaning = *SIMPLE.get(usize::from(escaped))?;
            if source.get(special) != Some(&b'\\') || meaning == 0 {
                let is_quote = source.get(special) == Some(&b'"');
                self.at += special + usize::from(is_quote);
                return Some(if is_quote { Stop::Quote(length) } else { Stop::Special(length) });
            }
            *out.get_mut(length)? = meaning;
            length += 1;
            done = special + 2;
            if done >= BLOCK {
                self.at += done;
                return Some(Stop::Goes(length));
            }
            found &= !(3 << special);
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
                copy(character.encode_utf8(&mut [0; 4]).as_bytes(), out, length);
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

/// What was put together of characters is text again, so that nothing gets lost here.
fn as_text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// How far a block went, and how long the text is then.
enum Stop {
    /// Behind the closing quote.
    Quote(usize),
    /// Through the block.
    Goes(usize),
    /// To a special byte that is no simple escape.
    Special(usize),
}

fn copy(from: &[u8], out: &mut [u8], length: &mut usize) {
    if let Some(target) = out.get_mut(*length..*length + from.len()) {
        target.copy_from_slice(from);
        *length += from.len();
    }
}
