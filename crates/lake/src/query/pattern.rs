//! A text to look for: words bounded by anything that is no letter or digit, or whole values, with
//! `*` for any run of characters. ASCII letters match in either case.

use memchr::memchr2;

/// A text with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    /// The text between the wildcards: one more than there are wildcards.
    parts: Vec<Needle>,
}

impl Pattern {
    /// From the texts between the wildcards.
    pub(crate) fn new(parts: &[String]) -> Self {
        Self { parts: parts.iter().map(|part| Needle::new(part)).collect() }
    }

    /// Without wildcards.
    #[cfg(test)]
    pub(crate) fn plain(text: &str) -> Self {
        Self { parts: vec![Needle::new(text)] }
    }

    /// Whether it is nothing but wildcards.
    pub(crate) fn is_anything(&self) -> bool {
        self.parts.len() > 1 && self.parts.iter().all(Needle::is_empty)
    }

    /// The longest text that whatever matches must contain.
    pub(crate) fn longest(&self) -> Option<&Needle> {
        self.parts.iter().filter(|part| !part.is_empty()).max_by_key(|part| part.lower.len())
    }

    /// The texts between the wildcards, in lower case.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| part.lower.as_slice())
    }

    /// Whether the whole text matches.
    pub(crate) fn matches_whole(&self, text: &str) -> bool {
        let text = text.as_bytes();
        match self.parts.as_slice() {
            [] => false,
            [only] => only.lower.eq_ignore_ascii_case(text),
            [first, middle @ .., last] => {
                let Some(end) = text.len().checked_sub(last.lower.len()) else { return false };
                let starts = text.get(..first.lower.len()).is_some_and(|head| first.equals(head));
                let ends = text.get(end..).is_some_and(|tail| last.equals(tail));
                starts
                    && ends
                    && in_order(middle, text, first.lower.len()).is_some_and(|at| at <= end)
            }
        }
    }

    /// Whether the text contains it as a word: where it begins or ends with a letter or digit and
    /// not with a wildcard, no letter or digit stands beside it.
    pub(crate) fn matches_word(&self, text: &str) -> bool {
        match self.parts.as_slice() {
            [] => false,
            [only] => any_occurrence(only, text, 0, |start, end| {
                is_left_bound(text, start) && is_right_bound(text, end)
            })
            .is_some(),
            [first, middle @ .., last] => {
                let Some(after) =
                    any_occurrence(first, text, 0, |start, _| is_left_bound(text, start))
                else {
                    return false;
                };
                let Some(after) = in_order(middle, text.as_bytes(), after) else { return false };
                any_occurrence(last, text, after, |_, end| is_right_bound(text, end)).is_some()
            }
        }
    }
}

/// The end of the leftmost places where all needles stand one after the other.
fn in_order(needles: &[Needle], text: &[u8], from: usize) -> Option<usize> {
    needles.iter().try_fold(from, |at, needle| Some(needle.find(text, at)? + needle.lower.len()))
}

/// The end of the first occurrence that `accept` takes. An empty needle (beside a wildcard) is
/// everywhere.
fn any_occurrence(
    needle: &Needle,
    text: &str,
    from: usize,
    accept: impl Fn(usize, usize) -> bool,
) -> Option<usize> {
    if needle.is_empty() {
        return Some(from);
    }
    let mut at = from;
    while let Some(start) = needle.find(text.as_bytes(), at) {
        let end = start + needle.lower.len();
        if accept(start, end) {
            return Some(end);
        }
        at = start + 1;
    }
    None
}

fn is_left_bound(text: &str, at: usize) -> bool {
    let (Some(before), Some(after)) = (text.get(..at), text.get(at..)) else { return true };
    !(before.ends_with(char::is_alphanumeric) && after.starts_with(char::is_alphanumeric))
}

fn is_right_bound(text: &str, at: usize) -> bool {
    is_left_bound(text, at)
}

/// A text to find, whatever the case of its ASCII letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Needle {
    lower: Vec<u8>,
    /// The place of the byte that is probably rarest, and that byte in both cases.
    rare_at: usize,
    rare: (u8, u8),
}

impl Needle {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase().into_bytes();
        let rarest = lower.iter().copied().enumerate().min_by_key(|(_, byte)| commonness(*byte));
        let (rare_at, byte) = rarest.unwrap_or_default();
        Self { rare: (byte, byte.to_ascii_uppercase()), rare_at, lower }
    }

    const fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.lower.len()
    }

    /// The longest part of it that JSON never writes with an escape of one letter; `None` if all of it may
    /// be.
    pub(crate) fn unescaped(&self) -> Option<Self> {
        let may_be = |byte: &u8| matches!(byte, b'"' | b'\\' | b'/') || byte.is_ascii_control();
        let longest = self.lower.split(may_be).max_by_key(|part| part.len())?;
        let text = std::str::from_utf8(longest).ok().filter(|text| !text.is_empty())?;
        Some(Self::new(text))
    }

    fn equals(&self, text: &[u8]) -> bool {
        self.lower.eq_ignore_ascii_case(text)
    }

    /// Where it first begins at or after `from`.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        if self.is_empty() {
            return (from <= text.len()).then_some(from);
        }
        let mut at = from + self.rare_at;
        loop {
            at += memchr2(self.rare.0, self.rare.1, text.get(at..)?)?;
            let start = at - self.rare_at;
            let found = text.get(start..start + self.lower.len())?;
            if self.equals(found) {
                return Some(start);
            }
            at += 1;
        }
    }
}

/// How common a byte is in logs, by class: measured ranks would gain little over this.
fn commonness(byte: u8) -> u8 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 9,
        b'0' | b'1' | b'2' | b'.' | b'-' | b'/' | b' ' | b':' => 8,
        b'3'..=b'9' | b'c' | b'd' | b'l' | b'u' | b'm' | b'p' => 7,
        b'f' | b'g' | b'h' | b'b' | b'w' | b'y' | b'_' | b',' | b'"' => 5,
        b'v' | b'k' => 4,
        b'j' | b'q' | b'x' | b'z' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(&text.split('*').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn words_are_bounded() {
        for (word, text, expected) in [
            ("root", "user=ROOT;", true),
            ("root", "chroot", false),
            ("root", "chroot root", true),
            ("root", "roots", false),
            ("root*", "roots", true),
            ("*root", "chroot", true),
            ("*oo*", "root", true),
            ("/etc/passwd", "cat /etc/passwd", true),
            ("/etc/passwd", "cat/etc/passwd", true),
            ("fail*admin", "failed for admin", true),
            ("fail*admin", "failed for admins", false),
            ("fail*admin*", "failed for admins", true),
            ("é", "caf\u{e9}", false),
            ("10.0.0.1", "10.0.0.10", false),
            ("10.0.0.1", "ip 10.0.0.1:443", true),
        ] {
            assert_eq!(pattern(word).matches_word(text), expected, "{word} in {text}");
        }
    }

    #[test]
    fn whole_values_match_with_wildcards() {
        for (glob, text, expected) in [
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("a*c", "abbc", true),
            ("a*a", "a", false),
            ("*\\lsass.exe", "C:\\Windows\\LSASS.exe", true),
            ("a*b*c", "acb", false),
            ("*", "", true),
            ("", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(pattern(glob).matches_whole(text), expected, "{glob} on {text}");
        }
    }

    /// The plain way: try every split.
    fn glob(parts: &[&str], text: &str) -> bool {
        match parts {
            [] => false,
            [only] => text.eq_ignore_ascii_case(only),
            [first, rest @ ..] => {
                text.get(..first.len()).is_some_and(|head| head.eq_ignore_ascii_case(first))
                    && (first.len()..=text.len())
                        .filter_map(|at| text.get(at..))
                        .any(|tail| glob(rest, tail))
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_way(glob_text in "[aAb*]{0,6}", text in "[aAbB]{0,8}") {
            let parts: Vec<&str> = glob_text.split('*').collect();
            prop_assert_eq!(pattern(&glob_text).matches_whole(&text), glob(&parts, &text));
        }

        #[test]
        fn words_agree_with_the_plain_way(word in "[ab1 é]{1,4}", text in "[abAB1 é.]{0,12}") {
            let naive = text.char_indices().any(|(at, _)| {
                text.get(at..at + word.len()).is_some_and(|here| {
                    here.eq_ignore_ascii_case(&word)
                        && is_left_bound(&text, at)
                        && is_right_bound(&text, at + word.len())
                })
            });
            prop_assert_eq!(Pattern::plain(&word).matches_word(&text), naive);
        }
    }
}
