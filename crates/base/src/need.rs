//! What an event must have for a rule to match: by this a scan leaves events out before anyone asks
//! the rule.

/// A test of one field: simpler than what the rule asks, and passed wherever the rule matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// The field, by its name in the event.
    pub field: String,
    /// What it must hold. Of a list, one of its members.
    pub holds: Holds,
}

/// What a field must hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holds {
    /// Anything but null.
    Anything,
    /// A text, or a number or truth value as it is spelled, in which this stands. It is ASCII, in
    /// lower case, without control characters, quotes and backslashes. Letters of the event's text
    /// count in lower case, by the rules of Unicode.
    Part(String),
    /// This number, or a text that spells it in any way.
    Number(i64),
}

/// Needs of which one is met.
pub type Clause = Vec<Need>;

impl Holds {
    /// The longest part of a text that a [`Holds::Part`] can have.
    #[must_use]
    pub fn part_of(text: &str) -> Self {
        let is_other = |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '\\');
        let longest = text.split(is_other).max_by_key(|part| part.len()).unwrap_or_default();
        if longest.is_empty() { Self::Anything } else { Self::Part(longest.to_ascii_lowercase()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_spelled_alike_everywhere() {
        for (text, expected) in [
            ("\\Windows\\LSASS.exe", Some("lsass.exe")),
            ("say \"hello\"", Some("hello")),
            ("caf\u{e9} noir", Some(" noir")),
            ("\\\u{e9}\n", None),
            ("", None),
        ] {
            let expected = expected.map_or(Holds::Anything, |part| Holds::Part(part.to_owned()));
            assert_eq!(Holds::part_of(text), expected, "{text}");
        }
    }
}
