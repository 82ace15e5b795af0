//! Text with `{names}` in it, and what the names stand for.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de::Error as _};

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PullSecret(String);

impl PullSecret {
    /// Wraps a secret.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, to be sent where it belongs.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullSecret(…)")
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullValue {
    /// Text that may be shown.
    Plain(String),
    /// Text that may not.
    Secret(PullSecret),
}

impl PullValue {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }
}

/// Names and what they stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(BTreeMap<String, PullValue>);

impl Names {
    pub(super) const fn new(values: BTreeMap<String, PullValue>) -> Self {
        Self(values)
    }

    pub(super) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), PullValue::Plain(value));
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", PullValue::text)
    }

    /// Takes every secret out of a text that is to be shown.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in self.0.values() {
            if let PullValue::Secret(secret) = value {
                text = without(&text, secret.reveal());
            }
        }
        text
    }
}

/// The text without the secret, whole or percent-encoded. Very short ones are in any text.
pub(super) fn without(text: &str, secret: &str) -> String {
    if secret.len() < 4 {
        return text.to_owned();
    }
    text.replace(secret, "…").replace(&encode(secret), "…")
}

/// Text with `{names}` in it; `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Name(String),
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                plain.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                plain.push('}');
                rest = after;
            } else if let Some((name, after)) =
                from.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@');
                if name.is_empty() || !name.chars().all(is_name) {
                    return Err(format!("`{{{name}}}` is no name"));
                }
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Name(name.to_owned()));
                rest = after;
            } else {
                return Err("a brace stands alone; write `{{` or `}}` for the brace itself".into());
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// The name that it begins with.
    pub(super) fn first_name(&self) -> Option<&str> {
        match self.pieces.first() {
            Some(Piece::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// The names in it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    pub(super) fn fill(&self, names: &Names) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.as_str(),
                Piece::Name(name) => names.get(name),
            })
            .collect()
    }

    /// As an address: what stands for a name is encoded, but for a name at the beginning, which is an
    /// address itself.
    pub(super) fn fill_url(&self, names: &Names) -> String {
        let mut url = String::new();
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Text(text) => url.push_str(text),
                Piece::Name(name) if index == 0 => {
                    url.push_str(names.get(name).trim_end_matches('/'));
                }
                Piece::Name(name) => url.push_str(&encode(names.get(name))),
            }
        }
        url
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986, as OAuth 1.0 (RFC 5849, 3.6) does:
/// what several signatures ask for, and right in any part of an address.
pub(super) fn encode(text: &str) -> String {
    use fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_encoded_where_they_must_be() {
        let mut names = Names::default();
        names.set("url", "https://a.example/".into());
        names.set("org", "a/b c".into());
        let template = Template::parse("{url}/orgs/{org}/{{log}}").unwrap();
        assert_eq!(template.fill_url(&names), "https://a.example/orgs/a%2Fb%20c/{log}");
        assert_eq!(template.names().collect::<Vec<_>>(), ["url", "org"]);
        let phrase = Template::parse("created:>={from} {nothing}").unwrap();
        names.set("from", "2026".into());
        assert_eq!(phrase.fill(&names), "created:>=2026 ");
        for bad in ["{", "}", "a{b", "{a b}", "{}", "{{}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_never_shown() {
        let secret = PullValue::Secret(PullSecret::new("hush/hush".into()));
        assert!(!format!("{secret:?}").contains("hush"));
        let names = Names::new(BTreeMap::from([("token".to_owned(), secret)]));
        assert!(!format!("{names:?}").contains("hush"));
        let shown = names.redact("bad token hush/hush at /x?t=hush%2Fhush");
        assert_eq!(shown, "bad token … at /x?t=…");
    }
}
