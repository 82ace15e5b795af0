//! A text that others are compared with: most comparisons fail, and none calls a function.

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
        let (own, other) = (self.0.as_bytes(), other.as_bytes());
        if own.len() != other.len() {
            return false;
        }
        // The first and the last bytes overlap, and are together the whole text.
        match own.len() {
            4..=7 => {
                own.first_chunk::<4>() == other.first_chunk::<4>()
                    && own.last_chunk::<4>() == other.last_chunk::<4>()
            }
            8..=16 => {
                own.first_chunk::<8>() == other.first_chunk::<8>()
                    && own.last_chunk::<8>() == other.last_chunk::<8>()
            }
            17..=32 => {
                own.first_chunk::<16>() == other.first_chunk::<16>()
                    && own.last_chunk::<16>() == other.last_chunk::<16>()
            }
            _ => own == other,
        }
    }
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
            for at in 0..length {
                let mut other = text.clone();
                other.replace_range(at..=at, "y");
                assert!(!word.is(&other), "{length} {at}");
            }
        }
    }
}
