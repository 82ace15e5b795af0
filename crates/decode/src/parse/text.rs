//! Records of text, by their grammar.

use std::borrow::Cow;

use base::{ColumnType, Object};

use super::{key_value, table::Rows};
use crate::{Grammar, Header, KeyValue, Reject, Text};

/// A grammar, compiled.
#[derive(Debug)]
pub(crate) struct TextParser {
    grammar: Compiled,
    types: Vec<(String, ColumnType)>,
}

#[derive(Debug)]
enum Compiled {
    KeyValue(KeyValue),
    Table(Rows),
}

impl TextParser {
    pub(crate) fn new(text: &Text) -> Self {
        let grammar = match &text.grammar {
            Grammar::KeyValue(rule) => Compiled::KeyValue(rule.clone()),
            Grammar::Table(table) => Compiled::Table(Rows::new(table, text)),
        };
        Self { grammar, types: text.types.clone() }
    }

    /// Reads a record.
    pub(crate) fn parse<'a>(
        &'a self,
        text: Cow<'a, str>,
        header: Option<&'a Header>,
    ) -> Result<Object<'a>, Reject> {
        match text {
            Cow::Borrowed(text) => self.parse_borrowed(text, header),
            Cow::Owned(text) => self.parse_borrowed(&text, header).map(Object::into_owned),
        }
    }

    fn parse_borrowed<'t>(
        &'t self,
        text: &'t str,
        header: Option<&'t Header>,
    ) -> Result<Object<'t>, Reject> {
        match &self.grammar {
            Compiled::KeyValue(rule) => key_value::parse(rule, &self.types, text),
            Compiled::Table(rows) => rows.parse(text, header),
        }
    }
}
