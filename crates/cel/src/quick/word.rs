//! A text that others are compared with: most comparisons fail, and none calls a function.

use base::{Object, Value};

/// A text to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word(Box<str>);

impl Word {
    pub(super) fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same text.
    #[inline]
    pub(super) fn is(&self, other: &str) -> bool {
        self.0.len() == other.len() && self.has(other.as_bytes())
    }

    /// Whether `other` begins with it.
    #[inline]
    pub(super) fn begins(&self, other: &str) -> bool {
        other.as_bytes().get(..self.0.len()).is_some_and(|part| self.has(part))
    }

    /// Whether `other` ends with it.
    #[inline]
    pub(super) fn ends(&self, other: &str) -> bool {
        let from = other.len().checked_sub(self.0.len());
        let part = from.and_then(|from| other.as_bytes().get(from..));
        part.is_some_and(|part| self.has(part))
    }

    /// Whether as many bytes are the same.
    #[inline]
    fn has(&self, other: &[u8]) -> bool {
        let own = self.0.as_bytes();
        match own.len() {
            4..=7 => ends::<4>(own) == ends::<4>(other),
            8..=16 => ends::<8>(own) == ends::<8>(other),
            17..=32 => ends::<16>(own) == ends::<16>(other),
            _ => own == other,
        }
    }

    /// The first value of an object under this key. How keys are compared is settled before the first.
    #[inline(never)]
    pub(super) fn find<'a>(&self, object: &'a Object<'a>) -> Option<&'a Value<'a>> {
        let own = self.0.as_bytes();
        match own.len() {
            4..=7 => find(object, own.len(), |key| ends::<4>(key) == ends::<4>(own)),
            8..=16 => find(object, own.len(), |key| ends::<8>(key) == ends::<8>(own)),
            17..=32 => find(object, own.len(), |key| ends::<16>(key) == ends::<16>(own)),
            _ => find(object, own.len(), |key| key == own),
        }
    }
}

/// The first and the last bytes of a text, which overlap where they are together the whole text.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a few instructions")]
fn ends<const N: usize>(text: &[u8]) -> (Option<&[u8; N]>, Option<&[u8; N]>) {
    (text.first_chunk(), text.last_chunk())
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "measured: what is compared stays in registers")]
fn find<'a>(
    object: &'a Object<'a>,
    length: usize,
    is_same: impl Fn(&[u8]) -> bool,
) -> Option<&'a Value<'a>> {
    let mut entries = object.iter();
    let is_it = |key: &str| key.len() == length && is_same(key.as_bytes());
    entries.find(|(key, _)| is_it(key)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_every_length_counts() {
        for length in 0..70 {
            let text = "x".repeat(length);
            let word = Word::new(&text);
            assert!(word.is(&text) && !word.is(&format!("{text}x")));
            assert!(word.begins(&format!("{text}y")) && word.ends(&format!("y{text}")));
            for at in 0..length {
                let mut other = text.clone();
                other.replace_range(at..=at, "y");
                assert!(!word.is(&other), "{length} {at}");
                assert!(!word.begins(&other) && !word.ends(&other), "{length} {at}");
                let shorter = text.get(1..).unwrap();
                assert!(!word.begins(shorter) && !word.ends(shorter), "{length}");
            }
        }
    }
}
