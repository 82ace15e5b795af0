//! Text in quotes: where it ends, and what its escapes stand for.

use std::borrow::Cow;

use crate::Escapes;

/// Where the quote that opens at `open` is closed.
pub(crate) fn closing_quote(text: &str, open: usize, quote: u8, escapes: Escapes) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = open + 1;
    loop {
        let rest = bytes.get(at..)?;
        if escapes == Escapes::None {
            return memchr::memchr(quote, rest).map(|found| at + found);
        }
        let found = at + memchr::memchr2(quote, b'\\', rest)?;
        if bytes.get(found) == Some(&quote) {
            return Some(found);
        }
        at = found + 2;
    }
}

/// What stands between quotes, with its escapes replaced. What is no escape stays as it is.
pub(crate) fn unescape(text: &str, quote: u8, escapes: Escapes) -> Cow<'_, str> {
    if escapes == Escapes::None || memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.push_str(before);
        let (character, length) = escaped(behind, quote, escapes).unwrap_or(('\\', 0));
        out.push(character);
        rest = behind.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that `text`, behind a backslash, stands for, and how many bytes say so.
fn escaped(text: &str, quote: u8, escapes: Escapes) -> Option<(char, usize)> {
    let first = *text.as_bytes().first()?;
    if first == quote || first == b'\\' {
        return Some((char::from(first), 1));
    }
    if escapes != Escapes::All {
        return None;
    }
    let simple = |character| Some((character, 1));
    match first {
        b'n' => simple('\n'),
        b't' => simple('\t'),
        b'r' => simple('\r'),
        b'a' => simple('\u{7}'),
        b'b' => simple('\u{8}'),
        b'v' => simple('\u{b}'),
        b'f' => simple('\u{c}'),
        b'/' | b'"' | b'\'' => simple(char::from(first)),
        // Go writes bytes that are no UTF-8 so; those above 0x7f are no characters by themselves.
        b'x' => hex(text, 2).filter(char::is_ascii).map(|character| (character, 3)),
        b'u' => match hex(text, 4) {
            Some(character) => Some((character, 5)),
            None => surrogates(text).map(|character| (character, 11)),
        },
        b'U' => hex(text, 8).map(|character| (character, 9)),
        _ => None,
    }
}

fn digits(text: &str, from: usize, count: usize) -> Option<u32> {
    let digits = text.get(from..from + count)?;
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    are_digits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// The character whose number is `count` hex digits behind a letter.
fn hex(text: &str, count: usize) -> Option<char> {
    char::from_u32(digits(text, 1, count)?)
}

/// JSON's pair of halves: `\ud83d\ude00`.
fn surrogates(text: &str) -> Option<char> {
    if text.get(5..7) != Some("\\u") {
        return None;
    }
    let (high, low) = (digits(text, 1, 4)?, digits(text, 7, 4)?);
    let is_pair = (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low);
    is_pair.then(|| char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_characters() {
        let all = |text| unescape(text, b'"', Escapes::All).into_owned();
        assert_eq!(all(r#"a\"b\\c\n\t\x41\u00e9\U0001f600"#), "a\"b\\c\n\tA\u{e9}\u{1f600}");
        assert_eq!(all(r"\ud83d\ude00"), "\u{1f600}");
        // What is none stays: half a pair, a byte that is no character, an unknown letter, an end.
        for kept in [r"\ud83d", r"\ud83d\u0041x", r"\xff", r"\q", r"\x4", "a\\", r"\u12"] {
            assert_eq!(all(kept).replace('A', "\\u0041"), kept);
        }
        let quotes = |text| unescape(text, b'"', Escapes::Quotes).into_owned();
        assert_eq!(quotes(r#"C:\new\\x \"y\""#), r#"C:\new\x "y""#);
        assert_eq!(unescape(r"\\", b'"', Escapes::None), r"\\");
    }

    #[test]
    fn quotes_are_closed_by_the_first_that_is_not_escaped() {
        let close = |text, escapes| closing_quote(text, 0, b'"', escapes);
        assert_eq!(close(r#""a\"b" c"#, Escapes::Quotes), Some(5));
        assert_eq!(close(r#""a\"b" c"#, Escapes::None), Some(3));
        assert_eq!(close(r#""a\\" c"#, Escapes::All), Some(4));
        assert_eq!(close(r#""a\"#, Escapes::All), None);
        assert_eq!(close("\"a", Escapes::None), None);
    }
}
