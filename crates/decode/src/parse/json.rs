//! A JSON parser for log records: RFC 8259 to the letter, nothing lost.
//!
//! Strings without escapes are borrowed from the record, so that a typical record costs one
//! allocation for each object and array. Repeated keys stay repeated; numbers that neither `i64` nor
//! `f64` hold exactly stay as text. Nesting is bounded by [`JSON_DEPTH_MAX`], and so is the stack.
//!
//! An escape that names half of a surrogate pair (`\ud800`) is no character and has no UTF-8. RFC
//! 8259 leaves its meaning open; replacing it would lose what was there, so the record is rejected
//! and the quarantine keeps its bytes.

mod text;

use std::borrow::Cow;

use base::{Object, Value, limits::JSON_DEPTH_MAX};

use super::text_of;
use crate::{Encoding, Reject, RejectKind, reject::excerpt};
pub use text::Scratch;
use text::{Room, Specials};

/// Reads one JSON value (RFC 8259) that fills `bytes` but for white space.
///
/// # Errors
/// Says at which byte the text stops being JSON, and why.
pub fn parse_json(bytes: &[u8]) -> Result<Value<'_>, Reject> {
    match text_of(bytes, Encoding::Utf8)? {
        Cow::Borrowed(text) => parse_text(text, None),
        Cow::Owned(text) => parse_text(&text, None).map(Value::into_owned),
    }
}

/// As [`parse_json`], with memory for strings with escapes, which are borrowed then as well.
///
/// # Errors
/// As [`parse_json`].
pub fn parse_json_in<'a>(bytes: &'a [u8], scratch: &'a mut Scratch) -> Result<Value<'a>, Reject> {
    match text_of(bytes, Encoding::Utf8)? {
        Cow::Borrowed(text) => parse_text(text, Some(scratch)),
        Cow::Owned(text) => parse_text(&text, None).map(Value::into_owned),
    }
}

/// As [`parse_json`], for what is text already. Strings with escapes are put into `scratch` if
/// there is one, so that they are borrowed too.
pub(crate) fn parse_text<'a>(
    text: &'a str,
    scratch: Option<&'a mut Scratch>,
) -> Result<Value<'a>, Reject> {
    let bytes = text.as_bytes();
    let mut own = Specials::default();
    let (specials, room) = match scratch {
        Some(Scratch { specials, text }) => (specials, Room::lent(text, bytes.len())),
        None => (&mut own, Room::Own(Vec::new())),
    };
    specials.find(bytes);
    let mut parser = Parser {
        text,
        bytes,
        specials,
        at: 0,
        entries: Vec::with_capacity(ENTRIES_EXPECTED),
        members: Vec::new(),
        room,
    };
    parser.skip_space();
    let value = parser.value(0).map_err(|reject| *reject)?;
    parser.skip_space();
    match parser.peek() {
        None => Ok(value),
        Some(_) => Err(*parser.unexpected("the end of the record")),
    }
}

/// Room for the entries of most records, so that it need not grow.
const ENTRIES_EXPECTED: usize = 48;

type Entry<'a> = (Cow<'a, str>, Value<'a>);

/// What becomes of a part of a record. A problem is kept out of the way: all that is read is moved
/// with the room for one.
type Parsed<T> = Result<T, Box<Reject>>;

struct Parser<'a, 's> {
    text: &'a str,
    /// The same as `text`.
    bytes: &'a [u8],
    /// Where the quotes and backslashes are.
    specials: &'s Specials,
    at: usize,
    /// The entries of all open objects, innermost last: objects are cut off its end when they
    /// close, so that each is allocated once and in its exact size.
    entries: Vec<Entry<'a>>,
    /// Likewise the members of open arrays.
    members: Vec<Value<'a>>,
    room: Room<'a>,
}

impl<'a> Parser<'a, '_> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        // One comparison, where there is none.
        while let Some(byte) = self.peek().filter(|byte| *byte <= b' ') {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return;
            }
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Parsed<Value<'a>> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(Value::Text)
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
    fn enter(&mut self, depth: usize) -> Parsed<()> {
        if depth >= JSON_DEPTH_MAX {
            let message = format!("the JSON nests deeper than {JSON_DEPTH_MAX} levels");
            return Err(Box::new(
                Reject::new(RejectKind::Depth, message)
                    .at(self.bytes, self.at)
                    .help("have the source send deep structures as text in one field"),
            ));
        }
        self.at += 1;
        self.skip_space();
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Parsed<Value<'a>> {
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
            // Most values are strings, which need no call of `value`.
            let value = if self.peek() == Some(b'"') {
                self.at += 1;
                Value::Text(self.string()?)
            } else {
                self.value(depth + 1)?
            };
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
        Ok(Value::Object(cut_off(&mut self.entries, base, depth).into()))
    }

    fn array(&mut self, depth: usize) -> Parsed<Value<'a>> {
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
        Ok(Value::List(cut_off(&mut self.members, base, depth)))
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Parsed<Value<'a>> {
        if self.bytes.get(self.at..self.at + word.len()) != Some(word.as_bytes()) {
            return Err(self.unexpected("a JSON value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// The string whose opening quote was just passed.
    #[inline]
    fn string(&mut self) -> Parsed<Cow<'a, str>> {
        let start = self.at;
        let end = self.specials.next(start);
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Cow::Borrowed(self.text.get(start..end).unwrap_or_default()));
        }
        self.unescape(end)
    }

    fn number(&mut self) -> Parsed<Value<'a>> {
        let start = self.at;
        let is_negative = self.peek() == Some(b'-');
        self.at += usize::from(is_negative);
        let first = self.at;
        // Up to 18 digits can't overflow.
        let mut number = 0_i64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        let digits = self.at - first;
        if digits == 0 || (digits > 1 && self.bytes.get(first) == Some(&b'0')) {
            return Err(self.error("a number begins wrong", start));
        }
        if !matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            // JSON's `-0` is a float's: an integer would lose its sign.
            return Ok(match (is_negative, number) {
                (true, 0) if digits == 1 => Value::Float(-0.0),
                (true, number) if digits <= 18 => Value::Int(-number),
                (false, number) if digits <= 18 => Value::Int(number),
                _ => whole_number(self.text.get(start..self.at).unwrap_or_default()),
            });
        }
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
        Ok(fraction(self.text.get(start..self.at).unwrap_or_default()))
    }

    /// Skips digits and counts them.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    #[cold]
    fn error(&self, message: impl Into<String>, at: usize) -> Box<Reject> {
        Box::new(Reject::new(RejectKind::Json, message).at(self.bytes, at))
    }

    #[cold]
    fn helpful(&self, message: impl Into<String>, at: usize, help: &str) -> Box<Reject> {
        let reject = Reject::new(RejectKind::Json, message).at(self.bytes, at);
        Box::new(reject.help(help))
    }

    #[cold]
    fn unexpected(&self, expected: &str) -> Box<Reject> {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let found = match found {
            None => "the record's end".to_owned(),
            Some(character) if character.is_control() => format!("`{}`", character.escape_debug()),
            Some(character) => format!("`{}`", excerpt(character.encode_utf8(&mut [0; 4]))),
        };
        self.error(format!("expected {expected}, found {found}"), self.at)
    }
}

/// What was put on a stack since it was `base` long: of the outermost value, the stack itself.
fn cut_off<T>(stack: &mut Vec<T>, base: usize, depth: usize) -> Vec<T> {
    if depth == 0 { std::mem::take(stack) } else { stack.split_off(base) }
}

fn whole_number(text: &str) -> Value<'_> {
    match text.parse() {
        Ok(number) => Value::Int(number),
        Err(_) => Value::Number(Cow::Borrowed(text)),
    }
}

/// A number with a point or an exponent: a float if the float's shortest spelling is the same
/// number, or else its own text.
pub(super) fn fraction(text: &str) -> Value<'_> {
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
    if is_sparse(number, text) {
        return true;
    }
    match (decimal(&format!("{number:e}")), decimal(text)) {
        (Some(shortest), Some(written)) => shortest == written,
        _ => false,
    }
}

/// Whether decimals with as many places as the text has lie further apart than doubles do there: then no
/// other one is as short and has the same double, and the double's shortest spelling is this one. Times
/// in seconds with microseconds are such. `false` if it is not known.
fn is_sparse(number: f64, text: &str) -> bool {
    let Some((_, places)) = text.split_once('.') else { return false };
    let places = places.trim_end_matches('0');
    if places.is_empty() || places.len() > 15 || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // The gap to the next double is this much at most; a tenth more pays for the rounding here.
    let gap = number.abs() * f64::EPSILON * 1.1;
    i32::try_from(places.len()).is_ok_and(|places| gap < 10_f64.powi(-places))
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

#[cfg(test)]
mod tests;
