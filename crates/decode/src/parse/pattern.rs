//! Lines of text: the first pattern that matches names the parts of a line.

use std::borrow::Cow;

use base::{ColumnType, Object, Value};
use regex::Regex;

use crate::{Lines, Reject, RejectKind, reject::excerpt};

/// A log source's patterns, compiled.
#[derive(Debug)]
pub(crate) struct Patterns {
    patterns: Vec<Pattern>,
    quarantine_unmatched: bool,
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    /// The number, name and type of each named group.
    groups: Vec<(usize, String, ColumnType)>,
}

/// A line's fields.
pub(crate) struct Line<'a> {
    pub(crate) fields: Object<'a>,
    /// Whether a pattern matched, or there are none.
    pub(crate) matched: bool,
}

impl Patterns {
    /// Compiles the patterns of a validated log source.
    pub(crate) fn new(lines: &Lines) -> Result<Self, regex::Error> {
        let compile = |text: &String| Ok(Pattern::new(Regex::new(text)?, lines));
        let patterns = lines.patterns.iter().map(compile).collect::<Result<_, regex::Error>>()?;
        Ok(Self { patterns, quarantine_unmatched: lines.quarantine_unmatched })
    }

    /// Reads one line.
    pub(crate) fn parse<'a>(&'a self, text: Cow<'a, str>) -> Result<Line<'a>, Reject> {
        match text {
            Cow::Borrowed(text) => self.parse_borrowed(text),
            Cow::Owned(text) => {
                let line = self.parse_borrowed(&text)?;
                Ok(Line { fields: line.fields.into_owned(), matched: line.matched })
            }
        }
    }

    fn parse_borrowed<'t>(&'t self, text: &'t str) -> Result<Line<'t>, Reject> {
        for pattern in &self.patterns {
            if let Some(fields) = pattern.parse(text) {
                return Ok(Line { fields, matched: true });
            }
        }
        if self.quarantine_unmatched && !self.patterns.is_empty() {
            return Err(unmatched(text));
        }
        let mut fields = Object::with_capacity(1);
        fields.push("message", Value::text(text));
        Ok(Line { fields, matched: self.patterns.is_empty() })
    }
}

fn unmatched(text: &str) -> Reject {
    let message = format!("the line matches none of the patterns: `{}`", excerpt(text));
    Reject::new(RejectKind::Unmatched, message)
        .help("add a pattern for it, or remove `unmatched: quarantine` from `format`")
}

impl Pattern {
    fn new(regex: Regex, lines: &Lines) -> Self {
        let names = regex.capture_names().enumerate();
        let named = names.filter_map(|(index, name)| name.map(|name| (index, name.to_owned())));
        let groups = named
            .map(|(index, name)| {
                let declared = lines.types.iter().find(|(field, _)| *field == name);
                (index, name, declared.map_or(ColumnType::Text, |(_, column)| *column))
            })
            .collect();
        Self { regex, groups }
    }

    fn parse<'t>(&'t self, text: &'t str) -> Option<Object<'t>> {
        let captures = self.regex.captures(text)?;
        let mut fields = Object::with_capacity(self.groups.len() + 1);
        fields.push("message", Value::text(text));
        for (index, name, column) in &self.groups {
            if let Some(group) = captures.get(*index) {
                let value = cast_text(group.as_str(), *column);
                let value = value.unwrap_or(Value::text(group.as_str()));
                fields.push(name.as_str(), value);
            }
        }
        Some(fields)
    }
}

/// The text as a value of another type, if it is one.
pub(crate) fn cast_text(text: &str, column: ColumnType) -> Option<Value<'_>> {
    match column {
        ColumnType::Text => Some(Value::text(text)),
        ColumnType::Int => whole_number(text.trim()).map(Value::Int),
        ColumnType::Float => {
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            number.map(Value::Float)
        }
        ColumnType::Bool => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Some(Value::Bool(true)),
            "false" | "no" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        ColumnType::TextList => Some(Value::List(vec![Value::text(text)])),
    }
}

/// Decimal, or hexadecimal with `0x`, as Windows writes process ids.
fn whole_number(text: &str) -> Option<i64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => {
            i64::from_str_radix(digits, 16).ok()
        }
        Some(_) => None,
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;
