//! Normalized fields: what the source says, under the names that all sources share.

use std::borrow::Cow;

use base::{ColumnType, FieldPath, Object, Value};
use regex::Regex;

use crate::{FieldRule, LogSource, parse::cast_text};

/// A log source's normalization, compiled.
#[derive(Debug)]
pub(crate) struct Normalizer {
    rules: Vec<(FieldRule, Option<Regex>)>,
    /// `related.…`, and the fields whose values it gathers.
    related: Vec<(FieldPath, Vec<FieldPath>)>,
}

impl Normalizer {
    pub(crate) fn new(source: &LogSource) -> Result<Self, regex::Error> {
        let compile = |rule: &FieldRule| {
            let capture = rule.capture.as_deref().map(Regex::new).transpose()?;
            Ok((rule.clone(), capture))
        };
        let related = source
            .related
            .iter()
            .map(|(name, paths)| (FieldPath::new(format!("related.{name}")), paths.clone()));
        Ok(Self {
            rules: source.fields.iter().map(compile).collect::<Result<_, regex::Error>>()?,
            related: related.collect(),
        })
    }

    /// The normalized fields of an event, nested.
    pub(crate) fn apply<'a>(&self, fields: &Object<'a>) -> Object<'a> {
        let mut normalized = Object::with_capacity(self.rules.len());
        for (rule, capture) in &self.rules {
            if let Some(value) = value(rule, capture.as_ref(), fields) {
                normalized.set_path(&rule.name, value);
            }
        }
        for (name, paths) in &self.related {
            let values = related(paths, fields);
            if !values.is_empty() {
                normalized.set_path(name, Value::List(values));
            }
        }
        normalized
    }
}

fn value<'a>(rule: &FieldRule, capture: Option<&Regex>, fields: &Object<'a>) -> Option<Value<'a>> {
    let found = rule.from.iter().find_map(|path| fields.get_path(path).filter(|v| is_said(v)));
    let constant =
        || rule.default.as_deref().and_then(|text| own(cast_text(text, rule.column_type)?));
    let Some(found) = found else { return constant() };
    if capture.is_none() && !rule.lower && rule.values.is_empty() {
        return cast(found, rule.column_type).or_else(constant);
    }
    let text = found.display()?;
    let text = match capture {
        None => text,
        Some(regex) => match regex.captures(&text).and_then(|groups| groups.get(1)) {
            Some(group) => Cow::Owned(group.as_str().to_owned()),
            None => return constant(),
        },
    };
    let text = if rule.lower { Cow::Owned(text.to_lowercase()) } else { text };
    let text = match listed(&rule.values, &text) {
        Some(text) => text,
        None => return constant(),
    };
    own(cast_text(&text, rule.column_type)?)
}

/// What the value table says for `text`; the text itself where there is no table.
fn listed<'t>(values: &'t [(String, String)], text: &'t str) -> Option<Cow<'t, str>> {
    if values.is_empty() {
        return Some(Cow::Borrowed(text));
    }
    let exact = values.iter().find(|(from, _)| from == text);
    let entry = exact.or_else(|| values.iter().find(|(from, _)| from == "*"));
    entry.map(|(_, to)| Cow::Borrowed(to.as_str()))
}

fn is_said(value: &Value<'_>) -> bool {
    // `-` is what nginx and Windows write for nothing.
    !matches!(value, Value::Null) && !matches!(value.as_str(), Some("" | "-"))
}

/// The value in the column's type, if it can be had without loss.
fn cast<'a>(value: &Value<'a>, column: ColumnType) -> Option<Value<'a>> {
    match (column, value) {
        (ColumnType::Text, Value::Text(_))
        | (ColumnType::Int, Value::Int(_))
        | (ColumnType::Float, Value::Float(_) | Value::Int(_))
        | (ColumnType::Bool, Value::Bool(_)) => Some(value.clone()),
        (ColumnType::TextList, Value::List(members)) => {
            members.iter().all(|member| member.as_str().is_some()).then(|| value.clone())
        }
        (ColumnType::TextList, Value::Text(_)) => Some(Value::List(vec![value.clone()])),
        (ColumnType::Text, Value::List(_) | Value::Object(_)) | (ColumnType::TextList, _) => None,
        (column, value) => own(cast_text(&value.display()?, column)?),
    }
}

fn own(value: Value<'_>) -> Option<Value<'static>> {
    Some(value.into_owned())
}

/// The distinct texts at `paths`, in order.
fn related<'a>(paths: &[FieldPath], fields: &Object<'a>) -> Vec<Value<'a>> {
    let mut values: Vec<Value<'a>> = Vec::new();
    for path in paths {
        fields.any(path, &mut |value| {
            if value.as_str().is_some() && is_said(value) && !values.contains(value) {
                values.push(value.clone());
            }
            false
        });
    }
    values
}
