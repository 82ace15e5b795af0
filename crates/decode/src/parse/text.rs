//! Records of text, by their grammar.

use std::borrow::Cow;

use base::{ColumnType, Object};

use super::{access, auditd, extension, key_value, syslog::SyslogParser, table::Rows, xml};
use crate::{Cef, Grammar, Header, KeyValue, Reject, Text, Xml};

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
    Syslog(SyslogParser),
    Cef(Cef),
    Leef,
    Auditd,
    Access,
    Xml(Xml),
}

impl TextParser {
    /// Compiles a validated grammar.
    pub(crate) fn new(text: &Text) -> Result<Self, regex::Error> {
        let grammar = match &text.grammar {
            Grammar::KeyValue(rule) => Compiled::KeyValue(rule.clone()),
            Grammar::Table(table) => Compiled::Table(Rows::new(table, text)),
            Grammar::Syslog(rule) => Compiled::Syslog(SyslogParser::new(rule)?),
            Grammar::Cef(rule) => Compiled::Cef(*rule),
            Grammar::Leef => Compiled::Leef,
            Grammar::Auditd => Compiled::Auditd,
            Grammar::Access => Compiled::Access,
            Grammar::Xml(rule) => Compiled::Xml(rule.clone()),
        };
        Ok(Self { grammar, types: text.types.clone() })
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
            Compiled::Syslog(parser) => parser.parse(text),
            Compiled::Cef(rule) => extension::cef(*rule, &self.types, text),
            Compiled::Leef => extension::leef(&self.types, text),
            Compiled::Auditd => auditd::parse(&self.types, text),
            Compiled::Access => access::parse(&self.types, text),
            Compiled::Xml(rule) => xml::parse(rule, &self.types, text),
        }
    }
}
