//! A JSON parser for log records: RFC 8259 to the letter, nothing lost.
//!
//! Strings without escapes are borrowed from the record, so that a typical record costs one
//! allocation for each object and array. Repeated keys stay repeated; numbers that neither `i64` nor
//! `f64` hold exactly stay as text. Nesting is bounded by [`JSON_DEPTH_MAX`], and so is the stack.
//!
//! An escape that names half of a surrogate pair (`\ud800`) is no character and has no UTF-8. RFC
//! 8259 leaves its meaning open; replacing it would lose what was there, so the record is rejected
//! and the quarantine keeps its bytes.

use std::borrow::Cow;

use base::{Object, Value, limits::JSON_DEPTH_MAX};

use super::text_of;
use crate::{Encoding, Reject, RejectKind, reject::excerpt};

/// Reads one JSON value (RFC 8259) that fills `bytes` but for white space.
///
/// # Errors
/// Says at which byte the text stops being JSON, and why.
pub fn parse_json(bytes: &[u8]) -> Result<Value<'_>, Reject> {
    match text_of(bytes, Encoding::Utf8)? {
        Cow::Borrowed(text) => parse_text(text),
        Cow::Owned(text) => parse_text(&text).map(Value::into_owned),
    }
}

/// As [`parse_json`], for what is text already.
pub(crate) fn parse_text(text: &str) -> Result<Value<'_>, Reject> {
    let bytes = text.as_bytes();
    let mut parser = Parser { text, bytes, at: 0, entries: Vec::new(), members: Vec::new() };
    parser.skip_space();
    let value = parser.value(0)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(parser.unexpected("the end of the record")),
    }
}

type Entry<'a> = (Cow<'a, str>, Value<'a>);

struct Parser<'a> {
    text: &'a str,
    /// The same as `text`.
    bytes: &'a [u8],
    at: usize,
    /// The entries of all open objects, innermost last: objects are cut off its end when they
    /// close, so that each is allocated once and in its exact size.
    entries: Vec<Entry<'a>>,
    /// Likewise the members of open arrays.
    members: Vec<Value<'a>>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Reject> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Value::Text(self.string()?))
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.unexpected("a JSON value")),
        }
    }

    /// Enters an object or array: skips its bracket and the space behind.
    fn enter(&mut self, depth: usize) -> Result<(), Reject> {
        if depth >= JSON_DEPTH_MAX {
            let message = format!("the JSON nests deeper than {JSON_DEPTH_MAX} levels");
            return Err(Reject::new(RejectKind::Depth, message)
                .at(self.bytes, self.at)
                .help("have the source send deep structures as text in one field"));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Reject> {
        self.enter(depth)?;
        let base = self.entries.len();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::new()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotes"));
            }
            self.at += 1;
            let key = self.string()?;
            self.skip_space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("`:` after a key"));
            }
            self.at += 1;
            self.skip_space();
            let value = self.value(depth + 1)?;
            self.entries.push((key, value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.unexpected("`,` or `}` after a value")),
            }
            self.skip_space();
        }
        self.at += 1;
        Ok(Value::Object(self.entries.drain(base..).collect()))
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, Reject> {
        self.enter(depth)?;
        let base = self.members.len();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(Vec::new()));
        }
        loop {
            let value = self.value(depth + 1)?;
            self.members.push(value);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.unexpected("`,` or `]` after a value")),
            }
            self.skip_space();
        }
        self.at += 1;
        Ok(Value::List(self.members.drain(base..).collect()))
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Reject> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.unexpected("a JSON value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// The string whose opening quote was just passed.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Reject> {
        let start = self.at;
        let end = find_special(self.bytes, start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(self.text.get(start..end).unwrap_or_default()));
        }
        self.string_with_escapes(end).map(Cow::Owned)
    }

    /// The rest of a string from its first special byte on.
    fn string_with_escapes(&mut self, mut end: usize) -> Result<String, Reject> {
        let start = self.at;
        // The plain part, and room for as much again: most such strings are short paths.
        let mut out = String::with_capacity((end - start) * 2 + 64);
        loop {
            out.push_str(self.text.get(self.at..end).unwrap_or_default());
            self.at = end + 1;
            match self.bytes.get(end) {
                Some(b'"') => return Ok(out),
                Some(b'\\') => self.escape(&mut out)?,
                Some(control) => {
                    let message =
                        format!("a string holds the control character 0x{control:02x} unescaped");
                    return Err(self.error(message, end));
                }
                None => {
                    return Err(self
                        .error("a string has no closing quote", start.saturating_sub(1))
                        .help("check whether the source cuts long records off"));
                }
            }
            end = find_special(self.bytes, self.at);
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, out: &mut String) -> Result<(), Reject> {
        let byte = self.peek();
        self.at += 1;
        out.push(match byte {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode_escape()?,
            _ => {
                let help = "have the source write a backslash as `\\\\`";
                return Err(self.error("`\\` begins no JSON escape", self.at - 2).help(help));
            }
        });
        Ok(())
    }

    /// What follows `\u`: a character, or the first half of one whose second half follows.
    fn unicode_escape(&mut self) -> Result<char, Reject> {
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

    fn half_pair(&self, code: u32, at: usize) -> Reject {
        let message = format!("`\\u{code:04x}` is half of a surrogate pair, which is no character");
        self.error(message, at)
            .help("have the source write the whole character, or its bytes in another encoding")
    }

    fn hex4(&mut self) -> Result<u32, Reject> {
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

    fn number(&mut self) -> Result<Value<'a>, Reject> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let digits = self.digits();
        let leading_zero = self.bytes.get(self.at - digits) == Some(&b'0');
        if digits == 0 || (leading_zero && digits > 1) {
            return Err(self.error("a number begins wrong", start));
        }
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.unexpected("a digit after the decimal point"));
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.unexpected("a digit in the exponent"));
            }
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        Ok(if self.at == whole { whole_number(text) } else { fraction(text) })
    }

    /// Skips digits and counts them.
    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    #[cold]
    fn error(&self, message: impl Into<String>, at: usize) -> Reject {
        Reject::new(RejectKind::Json, message).at(self.bytes, at)
    }

    #[cold]
    fn unexpected(&self, expected: &str) -> Reject {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = match found {
            None => "the record's end".to_owned(),
            Some(character) if character.is_control() => format!("`{}`", character.escape_debug()),
            Some(character) => format!("`{}`", excerpt(character.encode_utf8(&mut [0; 4]))),
        };
        self.error(format!("expected {expected}, found {found}"), self.at)
    }
}

fn whole_number(text: &str) -> Value<'_> {
    match text.parse() {
        // JSON's `-0` is a float's: an integer would lose its sign.
        Ok(0) if text.starts_with('-') => Value::Float(-0.0),
        Ok(number) => Value::Int(number),
        Err(_) => Value::Number(Cow::Borrowed(text)),
    }
}

/// A number with a point or an exponent: a float if the float's shortest spelling is the same
/// number, or else its own text.
fn fraction(text: &str) -> Value<'_> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && holds_exactly(number, text) => Value::Float(number),
        _ => Value::Number(Cow::Borrowed(text)),
    }
}

fn holds_exactly(number: f64, text: &str) -> bool {
    // Any decimal of up to 15 digits survives the way through a double (DBL_DIG), unless it is
    // nearly zero or nearly infinite.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if digits <= 15 && (number == 0.0 || (1e-300..1e300).contains(&number.abs())) {
        // Zero is only right if no digit before the exponent says otherwise.
        return number != 0.0 || decimal(text).is_some_and(|(digits, _)| digits.is_empty());
    }
    match (decimal(&format!("{number:e}")), decimal(text)) {
        (Some(shortest), Some(written)) => shortest == written,
        _ => false,
    }
}

/// A number's significant digits and the exponent of the first of them.
fn decimal(text: &str) -> Option<(String, i64)> {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let zeros = i64::try_from(all.len() - significant.len()).ok()?;
    let digits = significant.trim_end_matches('0').to_owned();
    if digits.is_empty() {
        return Some((digits, 0));
    }
    let point = i64::try_from(whole.len()).ok()?;
    Some((digits, exponent.checked_add(point)?.checked_sub(zeros)?))
}

/// Where the next quote, backslash or control character is, from `from` on; the end if there is
/// none.
///
/// Eight bytes at a time (see "Bit Twiddling Hacks", Sean Eron Anderson: "Determine if a word has a
/// byte less than n"): the lowest flagged byte is always right, since borrows go upward only.
#[inline]
fn find_special(bytes: &[u8], from: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    let rest = bytes.get(from..).unwrap_or_default();
    let (words, tail) = rest.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = word ^ (ONES * 0x22);
        let backslash = word ^ (ONES * 0x5c);
        let flags = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        if flags & HIGHS != 0 {
            return from + index * 8 + ((flags & HIGHS).trailing_zeros() / 8) as usize;
        }
    }
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes.len() - tail.len() + tail.iter().position(special).unwrap_or(tail.len())
}

#[cfg(test)]
mod tests;
