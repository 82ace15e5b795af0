//! Rows of values, whose names stand in a header or in the log source: CSV and TSV (RFC 4180 and its
//! relatives), the W3C extended log file format, Zeek's tables, VPC flow logs.
//!
//! A row costs one allocation and one search for each delimiter; names are borrowed from the header.
//! A row with more or fewer values than there are columns is rejected: which value is whose can't be
//! known.

mod columns;

use std::borrow::Cow;

use base::{ColumnType, Object, Value};

use super::{cast_text, parse_text};
use crate::{Dialect, Header, Reject, RejectKind, Table, Text};
use columns::{Column, Kind};
pub(crate) use columns::{Columns, is_flow_header};

/// A table, compiled.
#[derive(Debug)]
pub(crate) struct Rows {
    table: Table,
    types: Vec<(String, ColumnType)>,
    /// The columns of rows without a header.
    fixed: Option<Columns>,
}

impl Rows {
    pub(crate) fn new(table: &Table, text: &Text) -> Self {
        let types = text.types.clone();
        let fixed = Columns::fixed(table, &types);
        Self { table: table.clone(), types, fixed }
    }

    /// Reads one row.
    pub(crate) fn parse<'t>(
        &'t self,
        text: &'t str,
        header: Option<&'t Header>,
    ) -> Result<Object<'t>, Reject> {
        // Zeek writes JSON instead if it is told to, under the same names.
        let is_json = self.table.dialect == Dialect::Zeek && text.starts_with('{');
        if is_json && let Value::Object(fields) = parse_text(text, None)? {
            return Ok(fields);
        }
        let columns = match (header, &self.fixed) {
            (Some(header), _) => {
                header.columns(|text| Columns::read(&self.table, &self.types, text))?
            }
            (None, Some(fixed)) => fixed,
            (None, None) => return Err(headless(&self.table)),
        };
        let mut values = Values::new(&self.table, columns, text);
        let mut row = Object::with_capacity(columns.columns.len() + columns.constants.len());
        for (name, value) in &columns.constants {
            row.push(*name, Value::text(value));
        }
        for (number, column) in columns.columns.iter().enumerate() {
            match values.next()? {
                Some(value) => row.push(column.name.as_str(), self.value(columns, column, value)),
                None if self.table.is_ragged => return Ok(row),
                None => return Err(ragged(text, number, columns.columns.len(), text.len())),
            }
        }
        match values.extra() {
            None => Ok(row),
            Some(_) if self.table.is_ragged => {
                let mut number = columns.columns.len();
                while let Some(Found { text, .. }) = values.next()? {
                    number += 1;
                    row.push(format!("column_{number}"), Value::Text(text));
                }
                Ok(row)
            }
            Some(at) => {
                let mut count = columns.columns.len();
                while values.next()?.is_some() {
                    count += 1;
                }
                Err(ragged(text, count, columns.columns.len(), at))
            }
        }
    }

    fn value<'t>(&self, columns: &Columns, column: &Column, found: Found<'t>) -> Value<'t> {
        let Found { text, is_quoted } = found;
        let is_null = !is_quoted
            && match self.table.dialect {
                Dialect::Zeek => text == columns.unset,
                Dialect::W3c | Dialect::VpcFlow if text == "-" => true,
                _ => self.table.nulls.iter().any(|null| *null == text),
            };
        if is_null {
            return Value::Null;
        }
        match (self.table.dialect, &column.kind) {
            (Dialect::Zeek, Kind::One(ColumnType::Text)) if text == columns.empty => {
                Value::text("")
            }
            (Dialect::Zeek, kind) => columns::zeek_value(columns, kind, text),
            (_, Kind::One(ColumnType::Text) | Kind::Many(_)) => Value::Text(text),
            (_, Kind::One(column)) => match text {
                Cow::Borrowed("") => Value::Null,
                Cow::Borrowed(text) => cast_text(text, *column).unwrap_or(Value::text(text)),
                text @ Cow::Owned(_) => super::gather::cast(text, *column),
            },
        }
    }
}

/// A value as it stands in its row.
struct Found<'t> {
    text: Cow<'t, str>,
    is_quoted: bool,
}

/// The values of a row, one after another.
struct Values<'t> {
    text: &'t str,
    /// Where the next value begins; `None`: there is none.
    at: Option<usize>,
    delimiter: u8,
    quotes: bool,
    /// Whether delimiters repeat.
    are_padded: bool,
}

impl<'t> Values<'t> {
    fn new(table: &Table, columns: &Columns, text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let (delimiter, quotes, are_padded) = match table.dialect {
            Dialect::Delimited { delimiter, is_quoted } => (delimiter, is_quoted, false),
            Dialect::Zeek => (columns.delimiter, false, false),
            // CloudFront and others separate by tabs what W3C separates by spaces.
            Dialect::W3c if memchr::memchr(b'\t', bytes).is_some() => (b'\t', false, false),
            Dialect::W3c => (b' ', true, true),
            Dialect::VpcFlow => (b' ', false, true),
        };
        let text = if are_padded { text.trim_matches(' ') } else { text };
        Self { text, at: Some(0), delimiter, quotes, are_padded }
    }

    /// Where a further value begins, if there is one.
    const fn extra(&self) -> Option<usize> {
        self.at
    }

    fn next(&mut self) -> Result<Option<Found<'t>>, Reject> {
        let Some(at) = self.at else { return Ok(None) };
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        if self.quotes
            && rest.first() == Some(&b'"')
            && let Some(found) = self.quoted(at)?
        {
            return Ok(Some(found));
        }
        let length = memchr::memchr(self.delimiter, rest);
        let end = length.map_or(self.text.len(), |length| at + length);
        self.pass(length.map(|_| end));
        let text = Cow::Borrowed(self.text.get(at..end).unwrap_or_default());
        Ok(Some(Found { text, is_quoted: false }))
    }

    /// Goes on behind the delimiter at `end`.
    fn pass(&mut self, end: Option<usize>) {
        self.at = end.map(|end| end + 1);
        while self.are_padded
            && let Some(at) = self.at
            && self.text.as_bytes().get(at) == Some(&self.delimiter)
        {
            self.at = Some(at + 1);
        }
    }

    /// The value in quotes at `open`; a doubled quote in it is one. W3C's values may begin with a
    /// quote and not be in quotes: `None` then.
    fn quoted(&mut self, open: usize) -> Result<Option<Found<'t>>, Reject> {
        let bytes = self.text.as_bytes();
        let mut from = open + 1;
        let mut is_doubled = false;
        let close = loop {
            let rest = bytes.get(from..).unwrap_or_default();
            match memchr::memchr(b'"', rest) {
                Some(quote) if rest.get(quote + 1) == Some(&b'"') => {
                    is_doubled = true;
                    from += quote + 2;
                }
                Some(quote) => break from + quote,
                None if self.are_padded => return Ok(None),
                None => return Err(unclosed(self.text, open)),
            }
        };
        match bytes.get(close + 1) {
            None => self.at = None,
            Some(byte) if *byte == self.delimiter => self.pass(Some(close + 1)),
            Some(_) if self.are_padded => return Ok(None),
            Some(_) => return Err(behind(self.text, close + 1)),
        }
        let text = self.text.get(open + 1..close).unwrap_or_default();
        let text = if is_doubled { Cow::Owned(text.replace("\"\"", "\"")) } else { text.into() };
        Ok(Some(Found { text, is_quoted: true }))
    }
}

fn unclosed(text: &str, at: usize) -> Reject {
    Reject::new(RejectKind::Syntax, "the quote that opens here is not closed")
        .at(text.as_bytes(), at)
        .help("write `quotes: false` under `format` if quotes are part of the values")
}

fn behind(text: &str, at: usize) -> Reject {
    Reject::new(RejectKind::Syntax, "a value goes on behind its closing quote")
        .at(text.as_bytes(), at)
        .help("have the source double quotes inside of quotes, or write `quotes: false`")
}

fn ragged(text: &str, values: usize, columns: usize, at: usize) -> Reject {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let message = format!(
        "the row has {values} value{}, and there are {columns} column{}",
        plural(values),
        plural(columns)
    );
    Reject::new(RejectKind::Ragged, message)
        .at(text.as_bytes(), at.min(text.len()))
        .help("correct `columns` in the log source's `format`, or check what cuts the row off")
}

#[cold]
fn headless(table: &Table) -> Reject {
    let header = match table.dialect {
        Dialect::Delimited { .. } => "row of column names",
        Dialect::W3c => "`#Fields` directive",
        Dialect::Zeek => "`#fields` line",
        Dialect::VpcFlow => "line of field names",
    };
    Reject::new(RejectKind::Header, format!("no {header} stands above this row")).help(
        "name the columns under `columns` in the log source's `format`, then replay the record",
    )
}

#[cfg(test)]
mod tests;
