//! The event: one decoded record, borrowed from the bytes it was read from.
//!
//! Decoding, detecting and encoding happen in one pass over one buffer, so an [`Event`] borrows its
//! text and is never sent anywhere: what must outlive the buffer (a match, a row) is copied out of
//! it. Values keep everything that JSON can say: numbers that neither `i64` nor `f64` hold exactly
//! stay as text, repeated keys stay repeated, and the order of keys is kept.

use std::{borrow::Cow, fmt::Write as _, ops::Range, sync::Arc};

use crate::{EventId, Timestamp};

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number that fits 64 bits with sign.
    Int(i64),
    /// A number with a fraction or exponent that `f64` holds without loss.
    Float(f64),
    /// Any other number, in its JSON spelling.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array.
    List(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// An object: keys with values, in the order of the source, repeats kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

/// Where a record began: the object (or request) it came in and the place inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The address of the object, such as `file:incoming/okta.ndjson`.
    pub object: Cow<'a, str>,
    /// The offset of the record's first byte in the decompressed object.
    pub offset: u64,
}

/// One decoded record with its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// When it happened, by its own account.
    pub time: Timestamp,
    /// When dab took it in.
    pub ingest_time: Timestamp,
    /// The same for the same record, however often it is read.
    pub id: EventId,
    /// The name of its log source.
    pub log_source: &'a str,
    /// Where it was read.
    pub origin: Origin<'a>,
    /// The source's own fields, under their own names.
    pub fields: Object<'a>,
    /// Fields in ECS names, nested (`source.ip` is `ip` inside `source`).
    pub normalized: Object<'a>,
    /// The record as its source wrote it, if it is JSON.
    pub json: Option<RecordJson<'a>>,
}

/// A record's own text, which is JSON, beside the fields that were read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordJson<'a> {
    /// The text. Every string of the fields stands in it.
    pub text: &'a str,
    /// Whether it says what the fields say, no more and no less; else they were laid flat, and have
    /// other names and places.
    pub is_same: bool,
}

impl<'a> Event<'a> {
    /// Finds the value at `path`: the source's own field, or else the normalized one.
    #[must_use]
    pub fn get(&self, path: &FieldPath) -> Option<&Value<'a>> {
        self.fields.get_path(path).or_else(|| self.normalized.get_path(path))
    }

    /// Calls `found` for every value at `path`, members of lists one by one, until it answers
    /// true. The source's own fields come before the normalized ones. Answers whether it stopped.
    pub fn any<'s>(
        &'s self,
        path: &FieldPath,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        self.fields.any(path, found) || self.normalized.any(path, found)
    }

    /// The source's own fields as JSON, on one line: as the source wrote them, where it wrote JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let same = self.json.filter(|json| json.is_same).map(|json| json.text.trim_ascii());
        if let Some(json) = same.filter(|json| is_one_line(json)) {
            return json.to_owned();
        }
        let mut out = String::with_capacity(2048);
        self.fields.write_json(&mut out);
        out
    }
}

impl<'a> Object<'a> {
    /// An empty object.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// An empty object with room for `count` entries.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Adds an entry at the end, whether or not the key is there already.
    pub fn push(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.0.push((key.into(), value));
    }

    /// The first value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Cow<'a, str>, Value<'a>)> {
        self.0.iter()
    }

    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value at `path`, without looking into lists.
    #[must_use]
    pub fn get_path(&self, path: &FieldPath) -> Option<&Value<'a>> {
        self.get_from(path, 0)
    }

    fn get_from(&self, path: &FieldPath, part: usize) -> Option<&Value<'a>> {
        // A key may itself contain dots, so the whole remainder is tried first.
        if let Some(value) = self.get(path.remainder(part)?) {
            return Some(value);
        }
        match self.get(path.part(part)?)? {
            Value::Object(inner) => inner.get_from(path, part + 1),
            _ => None,
        }
    }

    /// Calls `found` for every value at `path`, members of lists one by one, until it answers
    /// true. Answers whether it did.
    pub fn any<'s>(
        &'s self,
        path: &FieldPath,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        self.any_from(path, 0, found)
    }

    fn any_from<'s>(
        &'s self,
        path: &FieldPath,
        part: usize,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        let Some(remainder) = path.remainder(part) else { return false };
        if let Some(value) = self.get(remainder) {
            return value.any_leaf(found);
        }
        if part + 1 >= path.len() {
            return false;
        }
        let inner = path.part(part).and_then(|key| self.get(key));
        inner.is_some_and(|value| value.any_below(path, part + 1, found))
    }

    /// As [`Self::any`], for a path that may be spelt in any way: each run of its parts may be one
    /// key with dots, keys may be repeated, and all that is found so counts, empty lists too.
    pub fn any_spelling<'s>(
        &'s self,
        path: &FieldPath,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        self.any_spelling_from(path, 0, found)
    }

    fn any_spelling_from<'s>(
        &'s self,
        path: &FieldPath,
        part: usize,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        (part + 1..=path.len()).any(|end| {
            let Some(key) = path.run(part..end) else { return false };
            let mut values = self.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
            values.any(|value| value.any_spelling_inner(path, end, found))
        })
    }

    /// Sets the value at a nested path, making the objects on the way. A value already there, or a
    /// scalar in the way, stays: answers whether it was set.
    pub fn set_path(&mut self, path: &FieldPath, value: Value<'a>) -> bool {
        self.set_from(path, 0, value)
    }

    fn set_from(&mut self, path: &FieldPath, part: usize, value: Value<'a>) -> bool {
        let Some(key) = path.part(part) else { return false };
        let last = part + 1 == path.len();
        let slot = self.0.iter_mut().find(|(name, _)| name == key).map(|(_, slot)| slot);
        match (slot, last) {
            (None, true) => {
                self.push(key.to_owned(), value);
                true
            }
            (None, false) => {
                let mut inner = Self::new();
                let set = inner.set_from(path, part + 1, value);
                self.push(key.to_owned(), Value::Object(inner));
                set
            }
            (Some(Value::Object(inner)), false) => inner.set_from(path, part + 1, value),
            (Some(_), _) => false,
        }
    }

    /// Takes out the value at `path`, and the objects on the way that are empty then. Does not look
    /// into lists.
    pub fn take_path(&mut self, path: &FieldPath) -> Option<Value<'a>> {
        self.take_from(path, 0)
    }

    fn take_from(&mut self, path: &FieldPath, part: usize) -> Option<Value<'a>> {
        let remainder = path.remainder(part)?;
        if let Some(at) = self.0.iter().position(|(key, _)| key == remainder) {
            return Some(self.0.remove(at).1);
        }
        let key = path.part(part)?;
        let at = self.0.iter().position(|(name, _)| name == key)?;
        let Some((_, Value::Object(inner))) = self.0.get_mut(at) else { return None };
        let taken = inner.take_from(path, part + 1)?;
        if inner.is_empty() {
            self.0.remove(at);
        }
        Some(taken)
    }

    /// Writes the object as compact JSON.
    pub fn write_json(&self, out: &mut String) {
        out.push('{');
        for (index, (key, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_json_text(key, out);
            out.push(':');
            value.write_json(out);
        }
        out.push('}');
    }
}

impl<'a> FromIterator<(Cow<'a, str>, Value<'a>)> for Object<'a> {
    fn from_iter<I: IntoIterator<Item = (Cow<'a, str>, Value<'a>)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl<'a> From<Vec<(Cow<'a, str>, Value<'a>)>> for Object<'a> {
    fn from(entries: Vec<(Cow<'a, str>, Value<'a>)>) -> Self {
        Self(entries)
    }
}

impl<'a> IntoIterator for Object<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'s, 'a> IntoIterator for &'s Object<'a> {
    type Item = &'s (Cow<'a, str>, Value<'a>);
    type IntoIter = std::slice::Iter<'s, (Cow<'a, str>, Value<'a>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> Value<'a> {
    /// A text value.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a person would write it: text without quotes, anything else as JSON. `None`
    /// for null.
    #[must_use]
    pub fn display(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) | Self::Number(text) => Some(Cow::Borrowed(text)),
            other => {
                let mut out = String::new();
                other.write_json(&mut out);
                Some(Cow::Owned(out))
            }
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) | Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    fn any_leaf<'s>(&'s self, found: &mut dyn FnMut(&'s Value<'a>) -> bool) -> bool {
        match self {
            Self::List(members) => members.iter().any(|member| member.any_leaf(found)),
            value => found(value),
        }
    }

    /// As [`Object::any`], for a value that stands where the parts before `part` lead to.
    pub fn any_below<'s>(
        &'s self,
        path: &FieldPath,
        part: usize,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        match self {
            Self::Object(inner) => inner.any_from(path, part, found),
            Self::List(members) => members.iter().any(|member| member.any_below(path, part, found)),
            _ => false,
        }
    }

    fn any_spelling_inner<'s>(
        &'s self,
        path: &FieldPath,
        part: usize,
        found: &mut dyn FnMut(&'s Value<'a>) -> bool,
    ) -> bool {
        match self {
            Self::List(members) if !members.is_empty() => {
                members.iter().any(|member| member.any_spelling_inner(path, part, found))
            }
            value if part == path.len() => found(value),
            Self::Object(inner) => inner.any_spelling_from(path, part, found),
            _ => false,
        }
    }

    /// Writes the value as compact JSON.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Int(number) => write_int(*number, out),
            // Rust prints the shortest form that reads back the same, but drops the `.0` that
            // keeps a float a float; `{:?}` keeps it. JSON has no infinities: the parser never
            // makes one.
            Self::Float(number) if number.is_finite() => {
                // Writing to a string cannot fail.
                write!(out, "{number:?}").unwrap_or_default();
            }
            Self::Float(_) => out.push_str("null"),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => write_json_text(text, out),
            Self::List(members) => {
                out.push('[');
                for (index, member) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    member.write_json(out);
                }
                out.push(']');
            }
            Self::Object(object) => object.write_json(out),
        }
    }

    /// The same value, owning all its text.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Float(value) => Value::Float(value),
            Self::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::List(members) => {
                Value::List(members.into_iter().map(Value::into_owned).collect())
            }
            Self::Object(object) => Value::Object(object.into_owned()),
        }
    }
}

impl Object<'_> {
    /// The same object, owning all its text.
    #[must_use]
    pub fn into_owned(self) -> Object<'static> {
        self.into_iter()
            .map(|(key, value)| (Cow::Owned(key.into_owned()), value.into_owned()))
            .collect()
    }
}

/// JSON has line breaks between values only: within texts they are escaped.
fn is_one_line(json: &str) -> bool {
    // Without an early end, so that compilers look at many bytes together.
    !json.bytes().fold(false, |any, byte| any | (byte == b'\n'))
}

fn write_display(out: &mut String, value: &dyn std::fmt::Display) {
    // Writing to a string cannot fail.
    write!(out, "{value}").unwrap_or_default();
}

/// Writes a whole number in decimal.
pub fn write_int(number: i64, out: &mut String) {
    // The digits from the last to the first, and the sign: `i64::MIN` has 20 characters.
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        start = at;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    let digits = digits.get(start..).and_then(|digits| std::str::from_utf8(digits).ok());
    out.push_str(digits.unwrap_or_default());
}

/// Writes `text` as a JSON string, with its quotes.
pub fn write_json_text(text: &str, out: &mut String) {
    out.reserve(text.len() + 2);
    out.push('"');
    let mut rest = text;
    while let Some(at) = special(rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let mut chars = special.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => write_display(out, &format_args!("\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Where the first byte is that JSON writes otherwise.
fn special(text: &[u8]) -> Option<usize> {
    /// So many bytes are looked at together, which compilers turn into a few instructions.
    const TOGETHER: usize = 16;
    let Some(last) = text.last_chunk::<TOGETHER>() else { return special_of_short(text) };
    let (chunks, _) = text.as_chunks::<TOGETHER>();
    for (index, chunk) in chunks.iter().enumerate() {
        if has_special(chunk) {
            return chunk.iter().position(is_special).map(|at| index * TOGETHER + at);
        }
    }
    // The last bytes again: a loop over what is left would cost more than all of a short text.
    let at = if has_special(last) { last.iter().position(is_special) } else { None };
    at.map(|at| text.len() - TOGETHER + at)
}

fn has_special<const TOGETHER: usize>(bytes: &[u8; TOGETHER]) -> bool {
    bytes.iter().fold(false, |any, byte| any | is_special(byte))
}

/// As [`special`], of fewer than sixteen bytes: all of them in one number or two, overlapping.
fn special_of_short(text: &[u8]) -> Option<usize> {
    let (first, last, width) = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last), 8),
        _ => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => {
                (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into(), 4)
            }
            _ => return text.iter().position(is_special),
        },
    };
    // Of four bytes, the others are nothing special.
    let blank = if width == 4 { u64::from(u32::MAX) << 32 } else { 0 };
    let (first, last) = (special_bits(first | blank), special_bits(last | blank));
    match (first, last) {
        (0, 0) => None,
        (0, last) => Some(text.len() - width + first_byte(last)),
        (first, _) => Some(first_byte(first)),
    }
}

const fn is_special(byte: &u8) -> bool {
    *byte < 0x20 || *byte == b'"' || *byte == b'\\'
}

/// Of eight bytes, the upper bit of the first special one, and perhaps of others behind it.
const fn special_bits(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const UPPER: u64 = ONES * 0x80;
    let is_below_space = word.wrapping_sub(ONES * 0x20) & !word;
    let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (is_below_space | is_quote | is_backslash) & UPPER
}

/// Which byte the lowest bit is in.
const fn first_byte(bits: u64) -> usize {
    (bits.trailing_zeros() / u8::BITS) as usize
}

/// A field's name, prepared for look-up: `userIdentity.arn` is `arn` inside `userIdentity`, or a
/// key that is spelt with the dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    name: Arc<str>,
    /// Where each part begins in `name`.
    starts: Vec<usize>,
}

impl FieldPath {
    /// Prepares a name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        let name: Arc<str> = name.into();
        let dots = name.bytes().enumerate().filter(|(_, byte)| *byte == b'.');
        let starts = std::iter::once(0).chain(dots.map(|(at, _)| at + 1)).collect();
        Self { name, starts }
    }

    /// The whole name, shared.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// How many parts it has: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a path has at least one part")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// One part, without dots.
    #[must_use]
    pub fn part(&self, part: usize) -> Option<&str> {
        self.run(part..part + 1)
    }

    /// The parts from `part` on, with their dots.
    #[must_use]
    pub fn remainder(&self, part: usize) -> Option<&str> {
        self.run(part..self.len())
    }

    /// Some parts in a row, with the dots between them.
    #[must_use]
    pub fn run(&self, parts: Range<usize>) -> Option<&str> {
        let start = *self.starts.get(parts.start)?;
        let end = self.starts.get(parts.end).map_or(self.name.len(), |next| next - 1);
        self.name.get(start..end)
    }

    /// The parts in order.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|part| self.part(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Object<'static> {
        let mut inner = Object::new();
        inner.push("arn", Value::text("a:1"));
        let mut member = Object::new();
        member.push("ARN", Value::List(vec![Value::text("x"), Value::text("y")]));
        let mut object = Object::new();
        object.push("userIdentity", Value::Object(inner));
        object.push("log.file", Value::Int(7));
        object.push("resources", Value::List(vec![Value::Object(member), Value::Null]));
        object
    }

    #[test]
    fn finds_nested_and_dotted_names() {
        let object = sample();
        let arn = object.get_path(&FieldPath::new("userIdentity.arn"));
        assert_eq!(arn, Some(&Value::text("a:1")));
        assert_eq!(object.get_path(&FieldPath::new("log.file")), Some(&Value::Int(7)));
        assert_eq!(object.get_path(&FieldPath::new("log")), None);
        assert_eq!(object.get_path(&FieldPath::new("userIdentity.arn.x")), None);
        assert_eq!(object.get_path(&FieldPath::new("")), None);
    }

    #[test]
    fn visits_the_members_of_lists() {
        let object = sample();
        let mut seen = Vec::new();
        let stopped = object.any(&FieldPath::new("resources.ARN"), &mut |value| {
            seen.push(value.display().map(Cow::into_owned));
            false
        });
        assert!(!stopped);
        assert_eq!(seen, [Some("x".to_owned()), Some("y".to_owned())]);
    }

    #[test]
    fn visits_every_spelling() {
        let inner = |key: &str, value: i64| {
            let mut object = Object::new();
            object.push(key.to_owned(), Value::List(vec![Value::Int(value), Value::Null]));
            Value::Object(object)
        };
        let mut object = Object::new();
        object.push("a", inner("b.c", 1));
        object.push("a.b", Value::List(vec![inner("c", 2), Value::Int(0), inner("c", 3)]));
        object.push("a.b.c", Value::Int(4));
        object.push("a.b.c", Value::Int(5));
        object.push("a", inner("b", 6));
        object.push("a.b.c.d", Value::Int(7));
        object.push("a.b.c", Value::List(Vec::new()));
        let mut seen = Vec::new();
        object.any_spelling(&FieldPath::new("a.b.c"), &mut |value| {
            seen.extend(value.display().map(Cow::into_owned));
            false
        });
        assert_eq!(seen, ["1", "2", "3", "4", "5", "[]"]);
        assert!(object.any_spelling(&FieldPath::new("a"), &mut |value| *value != Value::Null));
        assert!(!object.any_spelling(&FieldPath::new("b"), &mut |_| true));
    }

    #[test]
    fn sets_nested_paths_without_overwriting() {
        let mut object = Object::new();
        assert!(object.set_path(&FieldPath::new("source.ip"), Value::text("10.0.0.1")));
        assert!(object.set_path(&FieldPath::new("source.port"), Value::Int(22)));
        assert!(!object.set_path(&FieldPath::new("source.ip"), Value::text("other")));
        assert!(!object.set_path(&FieldPath::new("source.ip.x"), Value::Null));
        let mut json = String::new();
        object.write_json(&mut json);
        assert_eq!(json, r#"{"source":{"ip":"10.0.0.1","port":22}}"#);
    }

    #[test]
    fn takes_values_out_and_leaves_no_empty_objects() {
        let mut object = sample();
        assert_eq!(object.take_path(&FieldPath::new("userIdentity.name")), None);
        let arn = object.take_path(&FieldPath::new("userIdentity.arn"));
        assert_eq!(arn, Some(Value::text("a:1")));
        assert_eq!(object.take_path(&FieldPath::new("log.file")), Some(Value::Int(7)));
        assert_eq!(object.take_path(&FieldPath::new("resources.ARN")), None);
        let left: Vec<&str> = object.iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(left, ["resources"]);
    }

    /// Each special byte at each place of texts of each length, and beside each other byte.
    #[test]
    fn finds_what_json_writes_otherwise() {
        let places = (0..40).flat_map(|length| (0..length).map(move |at| (length, at)));
        for ((length, at), byte) in
            places.flat_map(|place| (0..=u8::MAX).map(move |byte| (place, byte)))
        {
            for filler in [b'a', b'!', b'#', b'[', b']', b' ', 0x7f, 0x80, 0xff] {
                let mut text = vec![filler; length];
                text[at] = byte;
                text[length - 1] |= byte & 0x20;
                assert_eq!(special(&text), text.iter().position(is_special), "{text:?}");
            }
        }
    }

    #[test]
    fn writes_whole_numbers() {
        let mut numbers = vec![i64::MIN, i64::MAX, 0];
        let powers = (0..19).map(|power| 10_i64.pow(power));
        numbers.extend(powers.flat_map(|power| [power - 1, power, -power, 1 - power, power + 7]));
        for number in numbers {
            let mut out = String::new();
            write_int(number, &mut out);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn writes_json_that_reads_back_the_same() {
        let mut object = Object::new();
        object.push("text", Value::text("a\"b\\c\n\u{1}é\u{7f}"));
        object.push("float", Value::Float(1.0));
        object.push("big", Value::Number("123456789012345678901234567890".into()));
        object.push("list", Value::List(vec![Value::Bool(true), Value::Null, Value::Int(-1)]));
        let mut json = String::new();
        object.write_json(&mut json);
        let expected = "{\"text\":\"a\\\"b\\\\c\\n\\u0001é\u{7f}\",\"float\":1.0,\
                        \"big\":123456789012345678901234567890,\"list\":[true,null,-1]}";
        assert_eq!(json, expected);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["text"], "a\"b\\c\n\u{1}é\u{7f}");
    }
}
