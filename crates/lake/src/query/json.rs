//! Reads JSON text into [`base::Value`], borrowing from the text, and keeps everything that the text
//! says: numbers that neither `i64` nor `f64` hold keep their spelling, repeated keys stay repeated.
//!
//! Unlike the decoder's parser this one reads text that is already in the lake, so it has nobody to
//! report a mistake to: what is no JSON is `None`.

use std::borrow::Cow;

use base::{FieldPath, Object, Value};

/// Deeper than anything the decoder lets in, and shallow enough for any stack.
const DEPTH_MAX: usize = base::limits::JSON_DEPTH_MAX * 2;

/// Reads one JSON value; `None` if the text is anything else.
pub(crate) fn parse(text: &str) -> Option<Value<'_>> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    (reader.at == text.len()).then_some(value)
}

/// Reads a JSON object; empty if the text is anything else.
pub(crate) fn parse_object(text: &str) -> Option<Object<'_>> {
    match parse(text)? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Calls `found` for the value at `path` inside `value` (the value itself without a path), members
/// of lists one by one, until it answers true.
pub(crate) fn any(
    value: &Value<'_>,
    path: Option<&FieldPath>,
    found: &mut dyn FnMut(&Value<'_>) -> bool,
) -> bool {
    match (value, path) {
        (Value::List(members), _) => members.iter().any(|member| any(member, path, found)),
        (Value::Object(object), Some(path)) => object.any(path, &mut |inner| found(inner)),
        (_, Some(_)) => false,
        (value, None) => found(value),
    }
}

/// The value at `path`; where a list is in the way, the list of what its members hold there.
pub(crate) fn get<'v, 't>(value: &'v Value<'t>, path: &[&str]) -> Option<Cow<'v, Value<'t>>> {
    let Some((first, rest)) = path.split_first() else { return Some(Cow::Borrowed(value)) };
    match value {
        Value::Object(object) => {
            // A key may itself contain dots, so the whole remainder is tried first.
            if !rest.is_empty()
                && let Some(value) = object.get(&path.join("."))
            {
                return Some(Cow::Borrowed(value));
            }
            get(object.get(first)?, rest)
        }
        Value::List(members) => {
            if let Ok(index) = first.parse::<usize>() {
                return get(members.get(index)?, rest);
            }
            let mut inner: Vec<Value<'t>> = members
                .iter()
                .filter_map(|member| get(member, path).map(Cow::into_owned))
                .filter(|value| *value != Value::Null)
                .collect();
            if inner.len() > 1 {
                Some(Cow::Owned(Value::List(inner)))
            } else {
                inner.pop().map(Cow::Owned)
            }
        }
        _ => None,
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Value<'t>> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.skip_space();
        match self.peek()? {
            b'{' => self.object(depth).map(Value::Object),
            b'[' => self.list(depth).map(Value::List),
            b'"' => self.string().map(Value::Text),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Option<Value<'t>> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn object(&mut self, depth: usize) -> Option<Object<'t>> {
        self.at += 1;
        let mut object = Object::new();
        if self.eat(b'}') {
            return Some(object);
        }
        loop {
            self.skip_space();
            let key = if self.peek() == Some(b'"') { self.string()? } else { return None };
            if !self.eat(b':') {
                return None;
            }
            object.push(key, self.value(depth + 1)?);
            if self.eat(b'}') {
                return Some(object);
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Value<'t>>> {
        self.at += 1;
        let mut members = Vec::new();
        if self.eat(b']') {
            return Some(members);
        }
        loop {
            members.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Some(members);
            }
            if !self.eat(b',') {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        self.at += 1;
        let plain = self.until_special()?;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Owned(text));
                }
                b'\\' => text.push(self.escape()?),
                _ => text.push_str(self.until_special()?),
            }
        }
    }

    /// The text up to the next quote or backslash.
    fn until_special(&mut self) -> Option<&'t str> {
        let rest = self.text.get(self.at..)?;
        let length = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
        self.at += length;
        rest.get(..length)
    }

    fn escape(&mut self) -> Option<char> {
        let kind = *self.text.as_bytes().get(self.at + 1)?;
        self.at += 2;
        Some(match kind {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            // A lone low surrogate has no character of its own.
            return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text.get(self.at..)?.starts_with("\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    }

    fn number(&mut self) -> Option<Value<'t>> {
        let rest = self.text.get(self.at..)?;
        let length = rest
            .bytes()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .count();
        let spelt = rest.get(..length)?;
        self.at += length;
        number(spelt)
    }
}

/// A number as it is spelt: `Int` and `Float` only where they are spelt back the same.
fn number(spelt: &str) -> Option<Value<'_>> {
    if let Ok(int) = spelt.parse::<i64>()
        && !spelt.starts_with('+')
        && spelt != "-0"
        && !has_leading_zero(spelt)
    {
        return Some(Value::Int(int));
    }
    let float = spelt.parse::<f64>().ok()?;
    let starts_well = spelt.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
    if !starts_well || has_leading_zero(spelt) || spelt.ends_with('.') {
        return None;
    }
    let exact = float.is_finite() && format!("{float:?}") == spelt;
    Some(if exact { Value::Float(float) } else { Value::Number(Cow::Borrowed(spelt)) })
}

fn has_leading_zero(spelt: &str) -> bool {
    let digits = spelt.trim_start_matches('-').as_bytes();
    matches!(digits, [b'0', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_the_text_says() {
        for text in [
            r#"{"a":1,"a":2,"b":[true,null,-0.5,1e999,123456789012345678901234567890]}"#,
            r#"["","\"\\\n\u0001é😀"]"#,
            "-0",
            "1.50",
            "[]",
            "{}",
        ] {
            let value = parse(text).unwrap_or_else(|| panic!("{text}"));
            let mut written = String::new();
            value.write_json(&mut written);
            assert_eq!(written, text);
        }
        assert_eq!(parse(r#" "\ud83d\ude00\u00e9\/" "#), Some(Value::text("😀é/")));
        assert_eq!(parse(r#""\ud83dx""#), Some(Value::text("\u{fffd}x")));
    }

    #[test]
    fn refuses_what_is_no_json() {
        for text in ["", "{", "[1,]", "{\"a\"}", "01", "1 2", "nul", "\"\\x\"", "+1", "1.", "{a:1}"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse(&"[".repeat(100_000)), None);
    }

    #[test]
    fn looks_through_lists() {
        let value = parse(r#"{"r":[{"id":1},{"id":"x"},{"no":0}],"a.b":{"c":2},"one":[{"k":3}]}"#);
        let value = value.unwrap();
        let text = |path: &[&str]| get(&value, path).and_then(|v| v.display().map(Cow::into_owned));
        assert_eq!(text(&["r", "id"]).as_deref(), Some(r#"[1,"x"]"#));
        assert_eq!(text(&["r", "1", "id"]).as_deref(), Some("x"));
        assert_eq!(text(&["one", "k"]).as_deref(), Some("3"));
        assert_eq!(text(&["a", "b"]).as_deref(), Some(r#"{"c":2}"#));
        assert_eq!(text(&["r", "none"]), None);
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-z\\\\ .-]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).ok();
            if let Some(theirs) = theirs {
                let ours = parse(&text).expect("serde_json reads it");
                let mut written = String::new();
                ours.write_json(&mut written);
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).ok(), Some(theirs));
            }
        }
    }
}
