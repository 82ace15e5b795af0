//! Regular expressions, as rules have them.

use std::sync::OnceLock;

use base::limits;
use regex::{Regex, RegexBuilder, bytes};

/// A regular expression of a rule.
///
/// Nearly all text of logs is ASCII, on which an expression means the same whether it knows
/// Unicode or not. The one that does not is a fraction of the size and quicker for it, so it is
/// used where it does; it is made when the first text comes, as most expressions are never asked.
#[derive(Debug)]
pub(crate) struct Expression {
    regex: Regex,
    flags: Flags,
    /// `None` for an expression that may not do without Unicode.
    ascii: OnceLock<Option<bytes::Regex>>,
}

/// What the modifiers behind `re` ask for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) ignore_case: bool,
    pub(crate) multi_line: bool,
    pub(crate) dot_all: bool,
}

impl Expression {
    pub(crate) fn new(source: &str, flags: Flags) -> Result<Self, regex::Error> {
        let regex = RegexBuilder::new(source)
            .case_insensitive(flags.ignore_case)
            .multi_line(flags.multi_line)
            .dot_matches_new_line(flags.dot_all)
            .size_limit(limits::RULE_REGEX_BYTES_MAX)
            .build()?;
        Ok(Self { regex, flags, ascii: OnceLock::new() })
    }

    pub(crate) fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        if text.is_ascii()
            && let Some(ascii) = self.ascii()
        {
            return ascii.is_match(text.as_bytes());
        }
        self.regex.is_match(text)
    }

    fn ascii(&self) -> Option<&bytes::Regex> {
        let make = || {
            // A long s equals an s if case is ignored, to the one that knows Unicode.
            let names_other = |escape| self.as_str().contains(escape);
            if !self.as_str().is_ascii()
                || ["\\x", "\\u", "\\U", "\\p", "\\P"].into_iter().any(names_other)
            {
                return None;
            }
            bytes::RegexBuilder::new(self.as_str())
                .case_insensitive(self.flags.ignore_case)
                .multi_line(self.flags.multi_line)
                .dot_matches_new_line(self.flags.dot_all)
                .unicode(false)
                .size_limit(limits::RULE_REGEX_BYTES_MAX)
                .build()
                .ok()
        };
        self.ascii.get_or_init(make).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expressions with all that differs between Unicode and ASCII.
    fn source() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[a-zK.\\-]{1,3}",
            Just("\\w+".to_owned()),
            Just("\\b".to_owned()),
            Just("\\B".to_owned()),
            Just("\\W".to_owned()),
            Just("\\s".to_owned()),
            Just("\\d*".to_owned()),
            Just("[^a-f]".to_owned()),
            Just("[[:^alpha:]]".to_owned()),
            Just("é?".to_owned()),
            Just("[ks]".to_owned()),
            Just(".".to_owned()),
            Just("(?i:sk)".to_owned()),
            Just("\\x{17f}|".to_owned()),
            Just("\\p{L}".to_owned()),
            Just("(?-u:\\xe9)?".to_owned()),
            Just("^".to_owned()),
            Just("$".to_owned()),
        ];
        proptest::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn on_ascii_both_mean_the_same(
            source in source(),
            texts in proptest::collection::vec("[a-zKS0-9 \n\r._\\\\-]{0,12}", 8),
            bits in 0_u8..8,
        ) {
            let flags = Flags {
                ignore_case: bits & 1 != 0,
                multi_line: bits & 2 != 0,
                dot_all: bits & 4 != 0,
            };
            let Ok(expression) = Expression::new(&source, flags) else { return Ok(()) };
            for text in texts {
                prop_assert_eq!(expression.is_match(&text), expression.regex.is_match(&text));
            }
        }
    }

    #[test]
    fn unicode_stays_unicode() {
        let flags = Flags { ignore_case: true, ..Flags::default() };
        let expression = Expression::new("^s\\w$", flags).unwrap();
        assert!(expression.is_match("ſé"));
        assert!(expression.is_match("Sa"));
        assert!(!expression.is_match("é"));
    }
}
