//! What of a text is indexed, and what a text that is looked for needs.
//!
//! A *token* is a run of ASCII letters and digits, as long as it goes, in lower case; and four decimal
//! numbers with dots between, an address, are one more. A *gram* is four letters in a row. Whoever
//! looks for a text knows tokens of it only where its ends are known to be ends of words; its grams are
//! known whatever stands around it.

use super::tokens::{GRAM_LETTERS, digits_key, hash, hash_in, runs};

/// How many tokens, and how many grams, of one text are looked up: more would hardly rule out more.
const KEYS_PER_TEXT_MAX: usize = 6;
/// How many grams are looked up of a text that has one token: a token passes once in 256 blocks that lack
/// it, the grams of a rare word hardly ever.
const GRAMS_BESIDE_TOKEN: usize = 2;
/// Integers up to here are exact as floats.
const FLOAT_EXACT: f64 = 9_007_199_254_740_992.0;

/// Something that a block has or has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A token, by its hash.
    Token(u64),
    /// Four letters: a number in base 26, the first letter counting most.
    Gram(u32),
}

/// What a block must have to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing is known: every block is read.
    Anything,
    /// This key.
    Key(Key),
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
}

impl Wanted {
    /// All of these parts, without those that say nothing.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept: Vec<Self> =
            parts.into_iter().filter(|part| *part != Self::Anything).collect();
        match kept.len() {
            0 => Self::Anything,
            1 => kept.pop().unwrap_or(Self::Anything),
            _ => Self::All(kept),
        }
    }

    /// One of these parts: says nothing if one of them does.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Self> = parts.into_iter().collect();
        if parts.contains(&Self::Anything) {
            return Self::Anything;
        }
        if parts.len() == 1 { parts.pop().unwrap_or(Self::Anything) } else { Self::Any(parts) }
    }

    /// A text that stands inside a value, in any case. `left` and `right`: whether no letter or digit
    /// stands beside it on that side, if it ends with one.
    pub(crate) fn text(text: impl AsRef<[u8]>, left: bool, right: bool) -> Self {
        let bytes = text.as_ref();
        let mut tokens: Vec<(usize, u64)> = Vec::new();
        let (mut grams, mut grams_of_tokens): (Vec<u32>, Vec<u32>) = Default::default();
        runs(bytes, 0, bytes.len(), |run| {
            let is_whole = |from: usize| (from > 0 || left) && (run.to < bytes.len() || right);
            if is_whole(run.from) && run.is_token() {
                tokens.push((run.to - run.from, hash_in(bytes, run.from, run.to)));
            }
            let grams = if is_whole(run.from) { &mut grams_of_tokens } else { &mut grams };
            run.grams(bytes, |gram| grams.push(gram));
            if let Some(from) = run.address.filter(|from| is_whole(*from)) {
                // First of all: its numbers say little.
                tokens.push((usize::MAX, hash_in(bytes, from, run.to)));
            }
        });
        // Long tokens are rare ones.
        tokens.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
        tokens.truncate(KEYS_PER_TEXT_MAX);
        keep_rarest(&mut grams, KEYS_PER_TEXT_MAX);
        if tokens.len() == 1 && grams.is_empty() {
            grams = grams_of_tokens;
            keep_rarest(&mut grams, GRAMS_BESIDE_TOKEN);
        }
        let tokens = tokens.into_iter().map(|(_, hash)| Self::Key(Key::Token(hash)));
        Self::all(tokens.chain(grams.into_iter().map(|gram| Self::Key(Key::Gram(gram)))))
    }

    /// As [`Self::text`], of a part of a value: numbers are indexed as a whole, so a text that one may
    /// be spelled with says nothing.
    pub(crate) fn part(text: impl AsRef<[u8]>, left: bool, right: bool) -> Self {
        let bytes = text.as_ref();
        let spells = |byte: &u8| byte.is_ascii_digit() || b".+-eE".contains(byte);
        let dots = bytes.iter().filter(|byte| **byte == b'.').count();
        if dots < 2 && bytes.iter().all(spells) {
            return Self::Anything;
        }
        Self::text(bytes, left, right)
    }

    /// Whether a text has what is wanted.
    #[cfg(test)]
    pub(crate) fn is_met_by(&self, text: &[u8]) -> bool {
        use super::tokens::{Sink, scan};
        #[derive(Default)]
        struct Found(std::collections::HashSet<Key>);
        impl Sink for Found {
            fn token(&mut self, hash: u64) -> bool {
                self.0.insert(Key::Token(hash))
            }
            fn gram(&mut self, gram: u32) {
                self.0.insert(Key::Gram(gram));
            }
        }
        let mut found = Found::default();
        scan(text, &mut found);
        self.holds(&|key| found.0.contains(&key))
    }

    /// A number, however it is written.
    pub(crate) fn number(number: f64) -> Self {
        number_key(number).map_or(Self::Anything, |hash| Self::Key(Key::Token(hash)))
    }

    /// All keys in it.
    pub(super) fn keys(&self, found: &mut Vec<Key>) {
        match self {
            Self::Anything => {}
            Self::Key(key) => found.push(*key),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.keys(found)),
        }
    }

    /// Whether a block may hold it, which has the keys that `has` says.
    pub(super) fn holds(&self, has: &impl Fn(Key) -> bool) -> bool {
        match self {
            Self::Anything => true,
            Self::Key(key) => has(*key),
            Self::All(parts) => parts.iter().all(|part| part.holds(has)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(has)),
        }
    }
}

fn keep_rarest(grams: &mut Vec<u32>, most: usize) {
    grams.sort_by_key(|gram| (commonness(*gram), *gram));
    grams.dedup();
    grams.truncate(most);
}

/// The token of a number: that of its digits if it is whole, so that it is the one that the number has
/// as text. `None` for one too short to be indexed.
pub(crate) fn number_key(number: f64) -> Option<u64> {
    if number.fract() == 0.0 && number.abs() < FLOAT_EXACT {
        let digits = format!("{:.0}", number.abs());
        return digits_key(digits.as_bytes(), 0, digits.len());
    }
    Some(hash(format!("#{:016x}", number.to_bits()).as_bytes()))
}

/// Common grams say little: those of common letters are looked up last.
fn commonness(gram: u32) -> u32 {
    const COMMON: [u32; 26] =
        [8, 2, 5, 5, 12, 3, 3, 3, 9, 1, 1, 6, 4, 8, 8, 4, 1, 8, 8, 9, 4, 2, 2, 1, 2, 1];
    let mut rest = gram;
    (0..GRAM_LETTERS)
        .map(|_| {
            let letter = usize::try_from(rest % 26).unwrap_or(0);
            rest /= 26;
            COMMON.get(letter).copied().unwrap_or(0)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(text: &str, wanted: &Wanted) -> bool {
        wanted.is_met_by(text.as_bytes())
    }

    #[test]
    fn what_is_looked_for_is_found_and_what_differs_is_not() {
        for (needle, left, right, text, expected) in [
            ("root", true, true, "user=ROOT;", true),
            ("root", true, true, "chroot", false),
            ("root", false, true, "chroot", true),
            ("10.0.0.1", true, true, "to 10.0.0.1:443", true),
            ("10.0.0.1", true, true, "1.10.0.0.1.7", true),
            ("10.0.0.1", true, true, "10.0.0.2 and 1.0.0.1", false),
            ("0.0.1", false, true, "10.0.0.1", true),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", true, true, "3f2504e0-4f89-11d3", false),
            ("lsass", false, false, "c:\\LSASS.exe", true),
            ("lsass", false, false, "lsas", false),
            ("é", true, true, "nothing", true),
            ("caf", true, false, "caf\u{e9}", true),
        ] {
            let wanted = Wanted::text(needle, left, right);
            assert_eq!(holds(text, &wanted), expected, "{needle} in {text}");
        }
    }

    #[test]
    fn numbers_have_one_token_however_they_are_written() {
        assert_eq!(number_key(404.0), Some(hash(b"404")));
        assert_eq!(number_key(-404.0), number_key(404.0));
        assert_eq!(number_key(7.0), None);
        assert_ne!(number_key(1.5), number_key(2.5));
        assert_eq!(number_key(1e300), number_key(1e300));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Whatever is cut out of a text is not ruled out by the text's keys.
        #[test]
        fn a_part_of_a_text_is_never_ruled_out(
            text in "[a-cA-C0-2. é-]{0,40}", from in 0_usize..40, length in 0_usize..40,
        ) {
            let chars: Vec<char> = text.chars().collect();
            let from = from.min(chars.len());
            let to = (from + length).min(chars.len());
            let needle: String = chars[from..to].iter().collect();
            let edge = |a: Option<&char>, b: Option<&char>| {
                !(a.is_some_and(|c| c.is_alphanumeric()) && b.is_some_and(|c| c.is_alphanumeric()))
            };
            let left = edge(from.checked_sub(1).and_then(|at| chars.get(at)), chars.get(from));
            let right = edge(to.checked_sub(1).and_then(|at| chars.get(at)), chars.get(to));
            for (left, right) in [(left, right), (false, right), (left, false), (false, false)] {
                prop_assert!(holds(&text, &Wanted::text(&needle, left, right)));
                let other: String = needle.to_uppercase().to_lowercase();
                if other.eq_ignore_ascii_case(&needle) {
                    prop_assert!(holds(&text, &Wanted::text(&other, left, right)));
                }
            }
        }
    }
}
