//! The `format` of a log source.

use base::{ColumnType, FieldPath};
use serde_saphyr::Location;

use super::{
    super::{
        Dialect, Encoding, Escapes, Format, Grammar, KeyValue, Layout, Lines, Table, Text,
        yaml::{Content, Node},
    },
    one_of, read_type,
    shape::{Keys, Report, similar_or_all},
};

pub(super) const LAYOUTS: &[&str] =
    &["ndjson", "json", "lines", "kv", "logfmt", "csv", "tsv", "w3c", "zeek", "vpc_flow"];

/// The types that are text with a structure of its own.
const TEXTS: &[&str] = &["kv", "logfmt", "csv", "tsv", "w3c", "zeek", "vpc_flow"];

/// The keys of `format`, and the types for which they have a meaning; none: all.
const KEYS: &[(&str, &[&str])] = &[
    ("type", &[]),
    ("encoding", &[]),
    ("records", &["json"]),
    ("patterns", &["lines"]),
    ("unmatched", &["lines"]),
    ("types", &["lines", "kv", "logfmt", "csv", "tsv", "w3c", "zeek", "vpc_flow"]),
    ("pair_separator", &["kv", "logfmt"]),
    ("value_separator", &["kv", "logfmt"]),
    ("quote", &["kv", "logfmt"]),
    ("escapes", &["kv", "logfmt"]),
    ("delimiter", &["csv", "tsv"]),
    ("quotes", &["csv", "tsv"]),
    ("nulls", &["csv", "tsv"]),
    ("comment", &["csv", "tsv"]),
    ("columns", &["csv", "tsv", "w3c", "zeek", "vpc_flow"]),
];

pub(super) fn read_format(node: &Node, report: &mut Report<'_>) -> Option<Format> {
    if let Content::Scalar(kind) = &node.content {
        let kind = report.choose(node.at, "`format`", kind, LAYOUTS)?;
        let keys = Keys::none();
        let layout = read_layout(kind, node.at, &keys, report);
        return Some(Format { layout, encoding: Encoding::default() });
    }
    let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let keys = Keys::of(node, "`format`", &known, report)?;
    let encoding = match keys.choice("encoding", &["utf8", "latin1"], report) {
        Some("latin1") => Encoding::Latin1,
        _ => Encoding::Utf8,
    };
    let Some((at, kind)) = keys.text("type", report) else {
        if keys.get("type").is_none() {
            report.wrong(node.at, "`format` has no `type`", one_of(LAYOUTS));
        }
        return None;
    };
    let kind = report.choose(at, "`type`", kind, LAYOUTS)?;
    for (key, kinds) in KEYS.iter().filter(|(_, kinds)| !kinds.is_empty()) {
        if let Some(at) = keys.place_of(key).filter(|_| !kinds.contains(&kind)) {
            let message = format!("`{key}` has no meaning for this `type`");
            report.wrong(
                at,
                message,
                format!("remove it, or write `type: {}`", kinds.join("`, `")),
            );
        }
    }
    Some(Format { layout: read_layout(kind, at, &keys, report), encoding })
}

fn read_layout(kind: &str, at: Location, keys: &Keys<'_>, report: &mut Report<'_>) -> Layout {
    match kind {
        "ndjson" => Layout::Ndjson,
        "json" => Layout::Json {
            records: keys.text("records", report).map(|(_, path)| FieldPath::new(path)),
        },
        kind if TEXTS.contains(&kind) => {
            let grammar = read_grammar(kind, at, keys, report);
            Layout::Text(Box::new(Text { grammar, types: read_types(keys, report) }))
        }
        _ => Layout::Lines(read_lines(keys, report)),
    }
}

fn read_grammar(kind: &str, at: Location, keys: &Keys<'_>, report: &mut Report<'_>) -> Grammar {
    let table = |dialect| Table::new(dialect);
    let delimited = |delimiter, is_quoted| table(Dialect::Delimited { delimiter, is_quoted });
    match kind {
        "kv" | "logfmt" => Grammar::KeyValue(read_key_value(kind, at, keys, report)),
        "tsv" => Grammar::Table(read_table(delimited(b'\t', false), keys, report)),
        "w3c" => Grammar::Table(read_table(table(Dialect::W3c), keys, report)),
        "zeek" => Grammar::Table(read_table(table(Dialect::Zeek), keys, report)),
        "vpc_flow" => Grammar::Table(read_table(table(Dialect::VpcFlow), keys, report)),
        _ => Grammar::Table(read_table(delimited(b',', true), keys, report)),
    }
}

fn read_types(keys: &Keys<'_>, report: &mut Report<'_>) -> Vec<(String, ColumnType)> {
    let entries = keys.entries("types", report);
    entries
        .iter()
        .filter_map(|(key, value)| {
            Some((key.text.clone(), read_type(value, "a field's type", report)?))
        })
        .collect()
}

fn read_key_value(kind: &str, at: Location, keys: &Keys<'_>, report: &mut Report<'_>) -> KeyValue {
    let mut rule = KeyValue::default();
    if let Some((at, text)) = keys.text("pair_separator", report) {
        if text.is_empty() {
            report.wrong(at, "`pair_separator` is empty", "write the text between pairs: `\", \"`");
        }
        // Spaces and tabs is what it is by default.
        rule.pair_separator = Some(text.to_owned()).filter(|text| text != " ");
    }
    if let Some((_, text)) = keys.text("value_separator", report) {
        rule.value_separator = text.to_owned();
    }
    let is_blank = rule.pair_separator.is_none() && rule.value_separator.contains([' ', '\t']);
    let is_same = rule.pair_separator.as_ref() == Some(&rule.value_separator);
    if rule.value_separator.is_empty() || is_blank || is_same {
        let at = keys.place_of("value_separator").unwrap_or(at);
        let message = "a key can't be told from its value";
        report.wrong(at, message, "write another `value_separator` than `pair_separator`");
    }
    if let Some(quote) = ascii(keys, "quote", report) {
        rule.quote = quote;
    }
    rule.escapes = match keys.choice("escapes", &["none", "quotes", "all"], report) {
        Some("none") => Escapes::None,
        Some("all") => Escapes::All,
        Some(_) => Escapes::Quotes,
        None if kind == "logfmt" => Escapes::All,
        None => Escapes::Quotes,
    };
    rule
}

fn read_table(mut table: Table, keys: &Keys<'_>, report: &mut Report<'_>) -> Table {
    if let Dialect::Delimited { delimiter, is_quoted } = &mut table.dialect {
        if let Some(byte) = ascii(keys, "delimiter", report) {
            *delimiter = byte;
        }
        if keys.get("quotes").is_some() {
            *is_quoted = keys.bool("quotes", report);
        }
    }
    let columns = keys.texts("columns", report);
    for (number, (at, column)) in columns.iter().enumerate() {
        if column.is_empty() {
            report.wrong(*at, "a column has no name", "write a name for each column");
        }
        if columns.iter().take(number).any(|(_, other)| other == column) {
            report.wrong(*at, format!("there are two columns `{column}`"), "rename one of them");
        }
    }
    table.columns = columns.into_iter().map(|(_, column)| column.to_owned()).collect();
    table.nulls = keys.one_or_many("nulls", report).into_iter().map(str::to_owned).collect();
    if let Some((at, text)) = keys.text("comment", report) {
        if text.is_empty() {
            report.wrong(at, "`comment` is empty", "write what lines begin with that are no rows");
        }
        table.comment = Some(text.to_owned()).filter(|text| !text.is_empty());
    }
    table
}

/// A character of ASCII that can stand between values.
fn ascii(keys: &Keys<'_>, key: &str, report: &mut Report<'_>) -> Option<u8> {
    let (at, text) = keys.text(key, report)?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => {
            if key == "delimiter" && *byte == b'"' {
                report.wrong(at, "`delimiter` is a quote", "write the character between values");
            }
            Some(*byte)
        }
        _ => {
            let message = format!("`{key}` is `{text}`, not one character of ASCII");
            report.wrong(at, message, "write one such as `;`, or `\"\\t\"` for a tab");
            None
        }
    }
}

fn read_lines(keys: &Keys<'_>, report: &mut Report<'_>) -> Lines {
    let mut lines = Lines::default();
    let mut groups: Vec<String> = Vec::new();
    for (at, pattern) in keys.texts("patterns", report) {
        if let Some(regex) = report.regex(at, pattern) {
            let names: Vec<String> = regex.capture_names().flatten().map(str::to_owned).collect();
            if names.is_empty() {
                let help = "name the parts of the line: `(?P<status>\\d+)`";
                report.wrong(at, "the pattern has no named group", help);
            }
            groups.extend(names);
        }
        lines.patterns.push(pattern.to_owned());
    }
    for (key, value) in keys.entries("types", report) {
        if !groups.contains(&key.text) {
            let names: Vec<&str> = groups.iter().map(String::as_str).collect();
            let message = format!("no pattern has a group `{}`", key.text);
            report.wrong(key.at, message, similar_or_all(&key.text, &names));
        }
        if let Some(column) = read_type(value, "a group's type", report) {
            lines.types.push((key.text.clone(), column));
        }
    }
    lines.quarantine_unmatched =
        keys.choice("unmatched", &["keep", "quarantine"], report) == Some("quarantine");
    lines
}
