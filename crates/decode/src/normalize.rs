//! Normalized fields: what the source says, under the names that all sources share.
//!
//! Compiled once into the tree that the result has, so that an event costs one allocation for each
//! object in it. Text is borrowed from the event wherever it is taken over unchanged.

use std::{borrow::Cow, net::IpAddr};

use base::{ColumnType, FieldPath, Object, Value, limits::RELATED_VALUES_MAX};
use regex::Regex;

use crate::{FieldRule, LogSource, names::Names, parse::cast_text};

/// A log source's normalization, compiled.
#[derive(Debug)]
pub(crate) struct Normalizer {
    names: Names,
    tree: Vec<(String, Node)>,
    related: Vec<Gather>,
}

/// Where a rule finds a value.
#[derive(Debug)]
enum From {
    /// Under the name with this number.
    Name(usize),
    /// Deeper inside.
    Path(FieldPath),
}

/// An event, prepared for look-ups.
struct Fields<'s, 'a> {
    object: &'s Object<'a>,
    /// By number of name.
    found: Vec<Option<&'s Value<'a>>>,
}

#[derive(Debug)]
enum Node {
    Value(Box<Rule>),
    Object(Vec<(String, Self)>),
}

#[derive(Debug)]
struct Rule {
    rule: FieldRule,
    from: Vec<From>,
    capture: Option<Regex>,
    /// Whether only IP addresses are valid: ECS defines all fields that end in `ip` as addresses.
    is_ip: bool,
}

/// One list of `related`.
#[derive(Debug)]
struct Gather {
    name: String,
    from: Vec<(From, Option<FieldPath>)>,
    is_ip: bool,
}

impl Normalizer {
    pub(crate) fn new(source: &LogSource) -> Result<Self, regex::Error> {
        let mut names = Names::default();
        let mut tree = Vec::new();
        for rule in &source.fields {
            let parts: Vec<&str> = rule.name.parts().collect();
            let node = Node::Value(Box::new(Rule {
                rule: rule.clone(),
                from: rule.from.iter().map(|path| From::new(path, &mut names)).collect(),
                capture: rule.capture.as_deref().map(Regex::new).transpose()?,
                is_ip: parts.last() == Some(&"ip"),
            }));
            insert(&mut tree, &parts, node);
        }
        let is_normalized =
            |path: &&FieldPath| source.fields.iter().any(|rule| rule.name == **path);
        let mut related = Vec::new();
        for (name, paths) in &source.related {
            let from = paths
                .iter()
                .map(|path| {
                    (From::new(path, &mut names), Some(path).filter(is_normalized).cloned())
                })
                .collect();
            related.push(Gather { name: name.clone(), from, is_ip: name == "ip" });
        }
        Ok(Self { names, tree, related })
    }

    /// The normalized fields of an event, nested.
    pub(crate) fn apply<'a>(&'a self, fields: &Object<'a>) -> Object<'a> {
        let fields = Fields::new(fields, &self.names);
        let mut normalized = object(&self.tree, &fields);
        let mut related = Object::new();
        for gather in &self.related {
            let values = gather.values(&fields, &normalized);
            if !values.is_empty() {
                related.push(gather.name.as_str(), Value::List(values));
            }
        }
        if !related.is_empty() {
            normalized.push("related", Value::Object(related));
        }
        normalized
    }
}

impl From {
    fn new(path: &FieldPath, names: &mut Names) -> Self {
        if path.len() > 1 { Self::Path(path.clone()) } else { Self::Name(names.add(path.as_str())) }
    }
}

impl<'s, 'a> Fields<'s, 'a> {
    fn new(object: &'s Object<'a>, names: &Names) -> Self {
        let mut found = vec![None; names.len()];
        for (key, value) in object {
            let slot = names.find(key).and_then(|number| found.get_mut(number));
            // Of repeated keys the first counts, as it does for `Object::get`.
            if let Some(slot @ None) = slot {
                *slot = Some(value);
            }
        }
        Self { object, found }
    }
}

impl<'s, 'a> Fields<'s, 'a> {
    /// The value, or the first one inside lists on the way, that says something.
    fn get(&self, from: &From) -> Option<&'s Value<'a>> {
        match from {
            From::Name(number) => said((*self.found.get(*number)?)?),
            From::Path(path) => match self.object.get_path(path) {
                Some(value) => said(value),
                None => first_in_lists(self.object, path),
            },
        }
    }

    /// Calls `add` for every value, members of lists one by one, until it answers true. Answers
    /// whether it did.
    fn any(&self, from: &From, add: &mut dyn FnMut(&'s Value<'a>) -> bool) -> bool {
        match from {
            From::Name(number) => {
                self.found.get(*number).copied().flatten().is_some_and(|value| any_leaf(value, add))
            }
            From::Path(path) => self.object.any(path, add),
        }
    }
}

fn any_leaf<'s, 'a>(value: &'s Value<'a>, add: &mut dyn FnMut(&'s Value<'a>) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| any_leaf(member, add)),
        value => add(value),
    }
}

fn first_in_lists<'s, 'a>(object: &'s Object<'a>, path: &FieldPath) -> Option<&'s Value<'a>> {
    let mut first = None;
    object.any(path, &mut |value| {
        first = said(value);
        first.is_some()
    });
    first
}

fn insert(tree: &mut Vec<(String, Node)>, parts: &[&str], node: Node) {
    let [first, rest @ ..] = parts else { return };
    if rest.is_empty() {
        tree.push(((*first).to_owned(), node));
        return;
    }
    // A value in the way has been ruled out when the log source was read.
    let inner = tree.iter_mut().find_map(|(name, node)| match node {
        Node::Object(inner) if name == first => Some(inner),
        _ => None,
    });
    match inner {
        Some(inner) => insert(inner, rest, node),
        None => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, node);
            tree.push(((*first).to_owned(), Node::Object(inner)));
        }
    }
}

fn object<'a>(tree: &'a [(String, Node)], fields: &Fields<'_, 'a>) -> Object<'a> {
    let mut made = Object::with_capacity(tree.len());
    for (name, node) in tree {
        let value = match node {
            Node::Value(rule) => rule.value(fields),
            Node::Object(inner) => {
                Some(object(inner, fields)).filter(|inner| !inner.is_empty()).map(Value::Object)
            }
        };
        if let Some(value) = value {
            made.push(name.as_str(), value);
        }
    }
    made
}

impl Rule {
    fn value<'a>(&'a self, fields: &Fields<'_, 'a>) -> Option<Value<'a>> {
        let found = self.from.iter().find_map(|from| fields.get(from));
        found
            .and_then(|value| self.take(value))
            .or_else(|| cast_text(self.rule.default.as_deref()?, self.rule.column_type))
    }

    /// What becomes of a value that was found.
    fn take<'a>(&'a self, value: &Value<'a>) -> Option<Value<'a>> {
        let column = self.rule.column_type;
        let as_it_is = self.capture.is_none() && !self.rule.lower && self.rule.values.is_empty();
        if as_it_is && !self.is_ip {
            return cast(value, column);
        }
        let mut text = as_text(value)?;
        if let Some(regex) = &self.capture {
            text = captured(regex, text).filter(|text| !matches!(text.as_ref(), "" | "-"))?;
        }
        if self.rule.lower && text.chars().any(char::is_uppercase) {
            text = Cow::Owned(text.to_lowercase());
        }
        if !self.rule.values.is_empty() {
            text = Cow::Borrowed(self.listed(&text)?);
        }
        if self.is_ip {
            text = address(text)?;
        }
        cast(&Value::Text(text), column)
    }

    /// What the value table says for `text`.
    fn listed(&self, text: &str) -> Option<&str> {
        let values = &self.rule.values;
        let exact = values.iter().find(|(from, _)| from == text);
        let entry = exact.or_else(|| values.iter().find(|(from, _)| from == "*"));
        entry.map(|(_, to)| to.as_str())
    }
}

impl Gather {
    /// The distinct texts at the paths, in order: of the source's own fields, and of the
    /// normalized ones.
    fn values<'a>(&self, fields: &Fields<'_, 'a>, normalized: &Object<'a>) -> Vec<Value<'a>> {
        let mut values: Vec<Value<'a>> = Vec::new();
        for (from, normalized_path) in &self.from {
            let mut add = |value: &Value<'a>| {
                let text = said(value).and_then(|value| self.text(value));
                let is_known = |text: &str| values.iter().any(|other| other.as_str() == Some(text));
                if let Some(text) = text.filter(|text| !is_known(text)) {
                    values.push(Value::Text(text));
                }
                values.len() >= RELATED_VALUES_MAX
            };
            let is_full = fields.any(from, &mut add)
                || normalized_path.as_ref().is_some_and(|path| normalized.any(path, &mut add));
            if is_full {
                break;
            }
        }
        values
    }

    fn text<'a>(&self, value: &Value<'a>) -> Option<Cow<'a, str>> {
        let text = as_text(value)?;
        if self.is_ip { address(text) } else { Some(text) }
    }
}

/// The value, unless it is one of the many spellings of nothing: `-` is what nginx and Windows
/// write for it.
pub(crate) fn said<'s, 'a>(value: &'s Value<'a>) -> Option<&'s Value<'a>> {
    match value {
        Value::Null => None,
        Value::Text(text) if matches!(text.as_ref(), "" | "-") => None,
        Value::List(members) => {
            members.iter().any(|member| said(member).is_some()).then_some(value)
        }
        Value::Object(object) => (!object.is_empty()).then_some(value),
        _ => Some(value),
    }
}

/// A scalar as text; of a list, the first member that is one.
fn as_text<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    match value {
        Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::List(members) => members.iter().filter_map(said).find_map(as_text),
        Value::Null | Value::Object(_) => None,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            value.display().map(|text| Cow::Owned(text.into_owned()))
        }
    }
}

fn captured<'a>(regex: &Regex, text: Cow<'a, str>) -> Option<Cow<'a, str>> {
    match text {
        Cow::Borrowed(text) => {
            regex.captures(text)?.get(1).map(|group| Cow::Borrowed(group.as_str()))
        }
        Cow::Owned(text) => {
            regex.captures(&text)?.get(1).map(|group| Cow::Owned(group.as_str().to_owned()))
        }
    }
}

/// The text if it is an IP address; an IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) in
/// its own form, so that it is found under either.
fn address(text: Cow<'_, str>) -> Option<Cow<'_, str>> {
    // `fe80::1%eth0`: the zone has a meaning on that host only.
    let end = text.find('%').unwrap_or(text.len());
    match text.get(..end)?.parse().ok()? {
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => {
            v6.to_ipv4_mapped().map(|v4| Cow::Owned(v4.to_string()))
        }
        _ if end == text.len() => Some(text),
        _ => text.get(..end).map(|text| Cow::Owned(text.to_owned())),
    }
}

/// The value in the column's type, if it can be had without loss.
pub(crate) fn cast<'a>(value: &Value<'a>, column: ColumnType) -> Option<Value<'a>> {
    match (column, value) {
        (ColumnType::Int, Value::Int(_))
        | (ColumnType::Float, Value::Float(_))
        | (ColumnType::Bool, Value::Bool(_)) => Some(value.clone()),
        (ColumnType::TextList, Value::List(members)) => {
            let texts = members.iter().filter_map(said).filter_map(as_text).map(Value::Text);
            Some(Value::List(texts.collect()))
        }
        (ColumnType::TextList, value) => Some(Value::List(vec![Value::Text(as_text(value)?)])),
        (ColumnType::Text, value) => as_text(value).map(Value::Text),
        (column, value) => cast_text(&as_text(value)?, column).map(Value::into_owned),
    }
}

#[cfg(test)]
mod tests;
