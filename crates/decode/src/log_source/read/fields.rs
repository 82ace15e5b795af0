//! The `fields` and `related` of a log source.

use base::{ColumnType, FieldPath};
use serde_saphyr::Location;

use super::{
    super::{
        FieldRule, ecs,
        yaml::{Content, Node},
    },
    read_type,
    shape::{Keys, Report, free_entries, similar_or_all},
};

const RULE_KEYS: &[&str] = &["from", "capture", "lower", "values", "default", "type"];
/// The lists that ECS defines, and `domain`, by which people pivot just as often.
const RELATED_KEYS: &[&str] = &["ip", "user", "hosts", "hash", "domain"];

pub(super) fn read_fields(node: Option<&Node>, report: &mut Report<'_>) -> Vec<FieldRule> {
    let Some(node) = node else { return Vec::new() };
    let mut rules: Vec<FieldRule> = Vec::new();
    for (key, value) in free_entries(node, "`fields`", report) {
        let others: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        check_name(key.at, &key.text, &others, report);
        if let Some(rule) = read_rule(&key.text, value, report) {
            rules.push(rule);
        }
    }
    rules
}

/// A field is either a value or an object of others, and its name has no empty part.
pub(super) fn check_name(at: Location, name: &str, others: &[&str], report: &mut Report<'_>) {
    if name.split('.').any(str::is_empty) {
        let message = format!("`{name}` is no field's name");
        report.wrong(at, message, "write names joined by single dots, such as `source.ip`");
    }
    if name.starts_with("related.") {
        report.wrong(at, format!("`{name}` is a list"), "gather it under `related:`");
    }
    let inside = |outer: &str, inner: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('.'))
    };
    for other in others {
        if inside(other, name) || inside(name, other) {
            let message = format!("`{name}` and `{other}` can't both be fields");
            report.wrong(at, message, "rename one: a field can't be a value and hold others");
        }
    }
}

fn read_rule(name: &str, node: &Node, report: &mut Report<'_>) -> Option<FieldRule> {
    let mut rule = FieldRule {
        name: FieldPath::new(name),
        from: Vec::new(),
        capture: None,
        lower: false,
        values: Vec::new(),
        default: None,
        column_type: ecs::column_type(name),
    };
    if !matches!(node.content, Content::Map(_)) {
        let from = report.one_or_many(node, &format!("`{name}`"));
        rule.from = from.into_iter().map(FieldPath::new).collect();
        return Some(rule);
    }
    let keys = Keys::of(node, &format!("field `{name}`"), RULE_KEYS, report)?;
    rule.from = keys.one_or_many("from", report).into_iter().map(FieldPath::new).collect();
    rule.lower = keys.bool("lower", report);
    if let Some((at, text)) = keys.text("capture", report) {
        check_capture(at, text, report);
        rule.capture = Some(text.to_owned());
    }
    for (key, value) in keys.entries("values", report) {
        if let Some(text) = report.text(value, "a value of `values`") {
            rule.values.push((key.text.clone(), text.to_owned()));
        }
    }
    if let Some(column) = keys.get("type") {
        rule.column_type = read_type(column, "`type`", report).unwrap_or(ColumnType::Text);
    }
    if let Some((at, text)) = keys.text("default", report) {
        if crate::parse::cast_text(text, rule.column_type).is_none() {
            let message = format!("`default` is `{text}`, which is not of the field's type");
            report.wrong(at, message, "write a value of the type, or another `type`");
        }
        rule.default = Some(text.to_owned());
    }
    if rule.from.is_empty() && rule.default.is_none() {
        let message = format!("`{name}` gets its value from nowhere");
        report.wrong(node.at, message, "write `from:` with the source's field, or `default:`");
    }
    let unused = ["capture", "lower", "values"].into_iter().find_map(|key| keys.place_of(key));
    if let Some(at) = unused.filter(|_| rule.from.is_empty()) {
        report.wrong(at, "there is no `from` for this to work on", "write `from:`, or remove it");
    }
    Some(rule)
}

fn check_capture(at: Location, text: &str, report: &mut Report<'_>) {
    if report.regex(at, text).is_some_and(|regex| regex.captures_len() != 2) {
        let help = "put the part to take in parentheses; write `(?:…)` for all others";
        report.wrong(at, "`capture` needs exactly one group", help);
    }
}

pub(super) fn read_related(
    node: Option<&Node>,
    report: &mut Report<'_>,
) -> Vec<(String, Vec<FieldPath>)> {
    let Some(node) = node else { return Vec::new() };
    let mut related = Vec::new();
    for (key, value) in free_entries(node, "`related`", report) {
        if !RELATED_KEYS.contains(&key.text.as_str()) {
            let message = format!("there is no list `related.{}`", key.text);
            report.wrong(key.at, message, similar_or_all(&key.text, RELATED_KEYS));
        }
        let paths = report.one_or_many(value, "a field's name");
        related.push((key.text.clone(), paths.into_iter().map(FieldPath::new).collect()));
    }
    related
}
