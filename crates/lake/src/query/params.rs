//! The values that a saved search is asked with: what stands for `${name}` in its line or SQL.
//!
//! A value is taken in where words are read, never as text that is read again: it can't become
//! another condition, another command or another statement. In SQL it becomes a literal.

use std::{collections::BTreeMap, net::IpAddr};

use base::Timestamp;
use serde::{Deserialize, Serialize};

use super::{network::Network, search::ast::Number};

/// What a value must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// Any text: it is looked for as it is, wildcards and all.
    #[default]
    Text,
    /// Text in which `*` stands for any run of characters.
    Pattern,
    /// A number.
    Number,
    /// A time in RFC 3339, or a day.
    Time,
    /// An address.
    Ip,
    /// A network, or an address.
    Network,
    /// The name of a field or a table: letters, digits and `_ . @ - /`.
    Name,
}

impl ParameterType {
    /// Why a value is none of this type.
    pub(super) fn refuses(self, value: &str) -> Option<&'static str> {
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '@' | '-' | '/');
        let fits = match self {
            Self::Text | Self::Pattern => !value.contains('\0'),
            Self::Number => Number::parse(value).is_some(),
            Self::Time => {
                Timestamp::parse_local(value, 0).is_some()
                    || Timestamp::parse_local(&format!("{value}T00:00:00"), 0).is_some()
            }
            Self::Ip => value.parse::<IpAddr>().is_ok(),
            Self::Network => Network::parse(value).is_ok(),
            Self::Name => !value.is_empty() && value.chars().all(is_name),
        };
        let expected = match self {
            Self::Text | Self::Pattern => "text without NUL",
            Self::Number => "a number",
            Self::Time => "a time such as `2026-11-24T08:00:00Z`, or a day",
            Self::Ip => "an address",
            Self::Network => "a network such as `10.0.0.0/8`",
            Self::Name => "a name",
        };
        (!fits).then_some(expected)
    }
}

/// Values by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(pub(super) BTreeMap<String, (ParameterType, String)>);

impl Values {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a text begins with, as `${name}`, and how long that is.
    pub(crate) fn at(&self, text: &str) -> Option<(ParameterType, &str, usize)> {
        let (name, _) = text.strip_prefix("${")?.split_once('}')?;
        let (kind, value) = self.0.get(name)?;
        Some((*kind, value, name.len() + 3))
    }

    /// The text with every value as a literal of SQL, or as a part of the one that it stands in.
    /// Answers what is wrong with the text, and at which byte.
    pub(crate) fn in_sql(&self, text: &str) -> Result<String, (String, usize)> {
        let mut out = String::with_capacity(text.len());
        let mut quote: Option<char> = None;
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let at = text.len() - rest.len();
            if let Some((kind, value, length)) = self.at(rest) {
                let literal = literal(kind, value, quote)
                    .ok_or_else(|| ("a value can't stand in these quotes".to_owned(), at))?;
                out.push_str(&literal);
                rest = rest.get(length..).unwrap_or_default();
                continue;
            }
            match quote {
                Some(open) if open == next => quote = None,
                Some(_) => {}
                // What can hide the end of a text, and with it the begin of a value.
                None if ["--", "/*", "$$"].iter().any(|mark| rest.starts_with(mark)) => {
                    let message = "no comment and no `$$` may stand beside values";
                    return Err((message.to_owned(), at));
                }
                None if matches!(next, '\'' | '"' | '`') => {
                    if next == '\'' && out.ends_with(|c: char| c.is_alphanumeric() || c == '&') {
                        let message = "no prefix may stand before a text beside values";
                        return Err((message.to_owned(), at));
                    }
                    quote = Some(next);
                }
                None => {}
            }
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        Ok(out)
    }
}

fn literal(kind: ParameterType, value: &str, quote: Option<char>) -> Option<String> {
    match (quote, kind) {
        (Some('`'), _) => None,
        (Some(quote), _) => Some(value.replace(quote, &format!("{quote}{quote}"))),
        (None, ParameterType::Number) => Some(format!("({value})")),
        (None, ParameterType::Name) => Some(format!("\"{value}\"")),
        (None, _) => Some(format!("'{}'", value.replace('\'', "''"))),
    }
}

/// The names that a text asks for as `${name}`.
pub(super) fn asked(text: &str) -> Vec<&str> {
    let parts = text.split("${").skip(1).filter_map(|part| part.split_once('}'));
    let is_name = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    parts.map(|(name, _)| name).filter(is_name).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::search::{self, Search};

    fn values(kind: ParameterType, value: &str) -> Values {
        Values([("v".to_owned(), (kind, value.to_owned()))].into())
    }

    /// Whatever a value holds, the line means the same as with that value written by hand.
    #[test]
    fn values_are_words() {
        use ParameterType::{Ip, Name, Network, Number, Pattern, Text, Time};
        for (line, kind, value, meant) in [
            ("user:${v}", Text, "a b", "user:\"a b\""),
            ("user:${v}", Text, "a* OR b", "user:\"a\\* OR b\""),
            ("user:${v}", Pattern, "adm*", "user:adm*"),
            ("user:pre${v}*", Text, "x", "user:prex*"),
            ("${v}", Text, "a | stats count", "\"a | stats count\""),
            ("user:(${v} x)", Text, ") OR (", "user:(\") OR (\" x)"),
            ("n:>${v}", Number, "-1.5", "n:>-1.5"),
            ("n:[${v} TO 9]", Number, "3", "n:[3 TO 9]"),
            ("time:[${v} TO *]", Time, "2026-11-01", "time:[2026-11-01 TO *]"),
            ("ip:${v}", Network, "10.0.0.0/8", "ip:10.0.0.0/8"),
            ("ip:${v}", Text, "10.0.0.0/8", "ip:\"10.0.0.0/8\""),
            ("ip:[${v} TO 10.0.0.9]", Ip, "10.0.0.1", "ip:[10.0.0.1 TO 10.0.0.9]"),
            ("u:/^${v}$/", Text, "a.b/c", "u:/^a\\.b\\/c$/"),
            ("* | head ${v}", Number, "3", "* | head 3"),
            ("* | stats count by ${v}", Name, "user.name", "* | stats count by user.name"),
            ("index:${v} x", Name, "web", "index:web x"),
            (
                "* | where a has \"${v}\"",
                Text,
                "x\" | head 1",
                "* | where a has \"x\\\" | head 1\"",
            ),
            ("* | eval a = b || ${v}", Text, "x' || y", "* | eval a = b || 'x'' || y'"),
            ("* | eval a = \"p${v}\"", Text, "\" || y", "* | eval a = \"p\"\" || y\""),
            (
                "* | sql SELECT ${v} AS x FROM events",
                Text,
                "'; DROP",
                "* | sql SELECT '''; DROP' AS x FROM events",
            ),
        ] {
            let shape = |search: Search| {
                let Search { tables, condition, pipes } = search;
                let tables = tables
                    .map(|all| all.into_iter().map(|(p, name, _)| (p, name)).collect::<Vec<_>>());
                let pipes: Vec<_> = pipes.into_iter().map(|pipe| pipe.command).collect();
                format!("{tables:?} {condition:?} {pipes:?}")
            };
            // Places differ; everything else is the same.
            let plain = |text: String| {
                let mut out = String::new();
                for part in text.split("at: ") {
                    out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
                }
                let mut spans = out.split("span: Span(");
                let mut kept = spans.next().unwrap_or_default().to_owned();
                for part in spans {
                    kept.push_str(part.split_once("))").map_or(part, |(_, rest)| rest));
                }
                kept
            };
            let found = search::parse_with(line, &values(kind, value))
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            let expected = search::parse(meant).unwrap_or_else(|error| panic!("{meant}: {error}"));
            assert_eq!(plain(shape(found)), plain(shape(expected)), "{line} with {value}");
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        use ParameterType::{Ip, Name, Network, Number, Time};
        for (kind, good, bad) in [
            (Number, "1e3", "1 OR 1"),
            (Time, "2026-11-01T08:00:00Z", "yesterday"),
            (Ip, "::1", "10.0.0.1/8"),
            (Network, "10.0.0.0/8", "10.0.0.0/99"),
            (Name, "user.name", "a b"),
        ] {
            assert_eq!(kind.refuses(good), None, "{good}");
            assert!(kind.refuses(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn sql_that_could_hide_a_value_is_refused() {
        let values = values(ParameterType::Text, "x");
        for text in ["SELECT 1 -- ${v}", "SELECT /* ${v} */ 1", "SELECT E'\\${v}'", "SELECT `${v}`"]
        {
            assert!(values.in_sql(text).is_err(), "{text}");
        }
        let filled = values.in_sql("SELECT '%${v}%', \"${v}\", ${v}, '--'").unwrap();
        assert_eq!(filled, "SELECT '%x%', \"x\", 'x', '--'");
    }

    proptest! {
        /// A value never changes how many conditions and commands a line has.
        #[test]
        fn no_value_becomes_anything_else(value in "[ -~é]{0,24}") {
            for line in ["a:${v} b", "\"${v}\" | head 2", "a:(${v}, c)", "x OR ${v}", "a:\"p${v}s\""] {
                let found = search::parse_with(line, &values(ParameterType::Text, &value));
                let Ok(found) = found else {
                    // Only an empty value leaves nothing to look for.
                    prop_assert!(value.trim().is_empty(), "{} with {}", line, value);
                    continue;
                };
                let plain = search::parse_with(line, &values(ParameterType::Text, "x")).unwrap();
                prop_assert_eq!(found.pipes.len(), plain.pipes.len());
                let count = |search: &Search| format!("{:?}", search.condition).matches("Pattern").count();
                prop_assert_eq!(count(&found), count(&plain), "{} with {}", line, value);
            }
        }

        #[test]
        fn a_literal_is_one_value(value in "[ -~é]{0,24}") {
            use datafusion::sql::sqlparser::{dialect::GenericDialect, tokenizer::{Token, Tokenizer}};
            let values = values(ParameterType::Text, &value);
            for (text, expected) in [("${v}", value.clone()), ("'p${v}s'", format!("p{value}s"))] {
                let sql = values.in_sql(text).unwrap();
                let tokens = Tokenizer::new(&GenericDialect {}, &sql).tokenize().unwrap();
                prop_assert_eq!(tokens, vec![Token::SingleQuotedString(expected)]);
            }
        }
    }
}
