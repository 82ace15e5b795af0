//! YAML as a tree whose every part knows its place, so that all mistakes of a file can be reported
//! at once, each where it is.

use std::fmt;

use base::Place;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Location,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    Null,
    /// Text, or a number or truth value in its usual spelling.
    Scalar(String),
    Bool(bool),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: Location,
    pub(super) text: String,
}

impl Node {
    /// What kind of value it is, for messages.
    pub(super) const fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar(_) => "a text",
            Content::Bool(_) => "a truth value",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, serde_saphyr::Error> {
    // As YAML 1.2 has it, `y`, `no` and `on` are texts, and so is what only looks like a number.
    let options = serde_saphyr::options! {
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let spanned: Spanned<Content> = serde_saphyr::from_str_with_options(text, options)?;
    Ok(spanned.into())
}

/// A location as a place in the file `path`.
pub(super) fn place(path: &str, at: Location) -> Place {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Place::File { path: path.to_owned(), line: number(at.line()), column: number(at.column()) }
}

impl From<Spanned<Content>> for Node {
    fn from(spanned: Spanned<Content>) -> Self {
        Self { at: spanned.referenced, content: spanned.value }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_element::<Spanned<Content>>()? {
            list.push(member.into());
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<Content>>()? {
            let text = match key.value {
                Content::Scalar(text) => text,
                Content::Bool(value) => value.to_string(),
                Content::Null | Content::List(_) | Content::Map(_) => String::new(),
            };
            let value = entries.next_value::<Spanned<Content>>()?;
            map.push((Key { at: key.referenced, text }, value.into()));
        }
        Ok(Content::Map(map))
    }
}
