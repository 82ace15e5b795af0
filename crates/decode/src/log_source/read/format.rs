//! The `format` of a log source.

use base::{ColumnType, FieldPath};
use serde_saphyr::Location;

use super::{
    super::{
        Cef, Dialect, Encoding, Escapes, Format, Grammar, KeyValue, Layout, Lines, Payload, Syslog,
        Table, Text, Xml, grok,
        yaml::{Content, Node},
    },
    one_of, read_type,
    shape::{Keys, Report, similar_or_all},
};

/// How long the name of the elements that are records may be.
const NAME_BYTES_MAX: usize = 128;

pub(super) const LAYOUTS: &[&str] = &[
    "ndjson",
    "json",
    "lines",
    "grok",
    "kv",
    "logfmt",
    "csv",
    "tsv",
    "w3c",
    "zeek",
    "vpc_flow",
    "syslog",
    "cef",
    "leef",
    "auditd",
    "common",
    "combined",
    "xml",
    "winevent_xml",
];

/// The types that the messages of syslog may have: what needs no other records around it.
const PAYLOADS: &[&str] = &[
    "json",
    "lines",
    "grok",
    "kv",
    "logfmt",
    "csv",
    "tsv",
    "cef",
    "leef",
    "auditd",
    "common",
    "combined",
    "xml",
    "winevent_xml",
];

/// The types that are text with a structure of its own.
const TEXTS: &[&str] = &[
    "kv",
    "logfmt",
    "csv",
    "tsv",
    "w3c",
    "zeek",
    "vpc_flow",
    "syslog",
    "cef",
    "leef",
    "auditd",
    "common",
    "combined",
    "xml",
    "winevent_xml",
];

/// The keys of `format`, and the types for which they have a meaning; none: all.
const KEYS: &[(&str, &[&str])] = &[
    ("type", &[]),
    ("encoding", &[]),
    ("records", &["json"]),
    ("patterns", &["lines", "grok"]),
    ("definitions", &["grok"]),
    ("unmatched", &["lines", "grok", "syslog"]),
    ("types", TYPED),
    ("pair_separator", &["kv", "logfmt"]),
    ("value_separator", &["kv", "logfmt"]),
    ("quote", &["kv", "logfmt"]),
    ("escapes", &["kv", "logfmt"]),
    ("delimiter", &["csv", "tsv"]),
    ("quotes", &["csv", "tsv"]),
    ("nulls", &["csv", "tsv"]),
    ("comment", &["csv", "tsv"]),
    ("ragged", &["csv", "tsv"]),
    ("columns", &["csv", "tsv", "w3c", "zeek", "vpc_flow"]),
    ("payload", &["syslog"]),
    ("original", &["syslog"]),
    ("labels", &["cef"]),
    ("record", &["xml"]),
];

/// The types whose fields may be said to have a type.
const TYPED: &[&str] = &[
    "lines",
    "grok",
    "kv",
    "logfmt",
    "csv",
    "tsv",
    "w3c",
    "zeek",
    "vpc_flow",
    "cef",
    "leef",
    "auditd",
    "common",
    "combined",
    "xml",
    "winevent_xml",
];

/// The keys of a payload that say whose messages are meant.
const PAYLOAD_KEYS: &[&str] = &["appname", "match"];

/// The keys that say something about all records.
const NOT_OF_PAYLOADS: &[&str] = &["encoding", "records", "unmatched", "payload", "original"];

pub(super) fn read_format(node: &Node, report: &mut Report<'_>) -> Option<Format> {
    if let Content::Scalar(kind) = &node.content {
        let layout = read_named(node.at, "`format`", kind, LAYOUTS, report)?;
        return Some(Format { layout, encoding: Encoding::default() });
    }
    let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    let keys = Keys::of(node, "`format`", &known, report)?;
    let encoding = match keys.choice("encoding", &["utf8", "latin1"], report) {
        Some("latin1") => Encoding::Latin1,
        _ => Encoding::Utf8,
    };
    let layout = read_typed(node.at, "`format`", &keys, LAYOUTS, report)?;
    Some(Format { layout, encoding })
}

/// Reads a format that is its type alone.
fn read_named(
    at: Location,
    what: &str,
    kind: &str,
    kinds: &[&'static str],
    report: &mut Report<'_>,
) -> Option<Layout> {
    let kind = report.choose(at, what, kind, kinds)?;
    Some(read_layout(kind, at, &Keys::none(), report))
}

/// Reads a format that is a map.
fn read_typed(
    at: Location,
    what: &str,
    keys: &Keys<'_>,
    kinds: &[&'static str],
    report: &mut Report<'_>,
) -> Option<Layout> {
    let Some((at, kind)) = keys.text("type", report) else {
        if keys.get("type").is_none() {
            report.wrong(at, format!("{what} has no `type`"), one_of(kinds));
        }
        return None;
    };
    let kind = report.choose(at, "`type`", kind, kinds)?;
    // Of a payload, these are no keys at all, which was said.
    let is_key = |key: &str| what == "`format`" || !NOT_OF_PAYLOADS.contains(&key);
    for (key, kinds) in KEYS.iter().filter(|(key, kinds)| !kinds.is_empty() && is_key(key)) {
        if let Some(at) = keys.place_of(key).filter(|_| !kinds.contains(&kind)) {
            let message = format!("`{key}` has no meaning for this `type`");
            report.wrong(
                at,
                message,
                format!("remove it, or write `type: {}`", kinds.join("`, `")),
            );
        }
    }
    Some(read_layout(kind, at, keys, report))
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
        _ => Layout::Lines(read_lines(kind == "grok", at, keys, report)),
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
        "syslog" => Grammar::Syslog(read_syslog(keys, report)),
        "cef" => Grammar::Cef(Cef { labels: keys.bool("labels", report) }),
        "leef" => Grammar::Leef,
        "auditd" => Grammar::Auditd,
        "common" | "combined" => Grammar::Access,
        "xml" => Grammar::Xml(read_xml(at, keys, report)),
        "winevent_xml" => Grammar::Xml(Xml { record: "Event".to_owned(), is_windows: true }),
        _ => Grammar::Table(read_table(delimited(b',', true), keys, report)),
    }
}

fn read_syslog(keys: &Keys<'_>, report: &mut Report<'_>) -> Syslog {
    let payloads = match keys.get("payload") {
        None => Vec::new(),
        Some(Node { content: Content::List(members), .. }) => {
            members.iter().filter_map(|member| read_payload(member, report)).collect()
        }
        Some(node) => read_payload(node, report).into_iter().collect(),
    };
    let unmatched = keys.choice("unmatched", &["keep", "quarantine"], report);
    Syslog {
        payloads,
        quarantine_unmatched: unmatched == Some("quarantine"),
        keep_original: keys.bool("original", report),
    }
}

fn read_payload(node: &Node, report: &mut Report<'_>) -> Option<Payload> {
    let mistakes = report.errors.len();
    let (layout, keys) = if let Content::Scalar(kind) = &node.content {
        (read_named(node.at, "`payload`", kind, PAYLOADS, report)?, Keys::none())
    } else {
        let known = KEYS.iter().map(|(key, _)| *key).chain(PAYLOAD_KEYS.iter().copied());
        let known: Vec<&str> = known.filter(|key| !NOT_OF_PAYLOADS.contains(key)).collect();
        let keys = Keys::of(node, "`payload`", &known, report)?;
        (read_typed(node.at, "`payload`", &keys, PAYLOADS, report)?, keys)
    };
    let is_bare = matches!(&layout, Layout::Lines(lines) if lines.patterns.is_empty());
    if is_bare && report.errors.len() == mistakes {
        report.wrong(node.at, "there are no `patterns`", "write some, or leave `payload` out");
    }
    if let Layout::Text(text) = &layout
        && let Grammar::Table(table) = &text.grammar
        && table.columns.is_empty()
    {
        let help = "name them under `columns`: a message has no header above it";
        report.wrong(node.at, "the columns of the message have no names", help);
    }
    let matching = keys.text("match", report).and_then(|(at, text)| {
        let compiled = report.regex(at, text);
        compiled.map(|_| text.to_owned())
    });
    let appnames = keys.one_or_many("appname", report).into_iter().map(str::to_owned).collect();
    Some(Payload { appnames, matching, layout })
}

fn read_xml(at: Location, keys: &Keys<'_>, report: &mut Report<'_>) -> Xml {
    let Some((at, record)) = keys.text("record", report) else {
        if keys.get("record").is_none() {
            let help = "name the element that is one record: `record: Event`";
            report.wrong(at, "`record` is missing", help);
        }
        return Xml { record: String::new(), is_windows: false };
    };
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if record.is_empty() || record.len() > NAME_BYTES_MAX || !record.chars().all(is_allowed) {
        let help = "write it without its namespace and without `<` and `>`: `record: Event`";
        report.wrong(at, format!("`record` is `{record}`, which names no element"), help);
    }
    Xml { record: record.to_owned(), is_windows: false }
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
    table.is_ragged = keys.choice("ragged", &["quarantine", "keep"], report) == Some("keep");
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

fn read_lines(is_grok: bool, at: Location, keys: &Keys<'_>, report: &mut Report<'_>) -> Lines {
    let mut lines = Lines::default();
    let mut groups: Vec<String> = Vec::new();
    let definitions = read_definitions(keys, report);
    let patterns = keys.texts("patterns", report);
    if is_grok && patterns.is_empty() {
        report.wrong(at, "there are no `patterns`", "write some: `patterns: ['%{IP:client} …']`");
    }
    for (at, pattern) in patterns {
        let regex = if is_grok {
            let Some(expanded) = read_grok(at, pattern, &definitions, report) else { continue };
            lines.types.extend(expanded.types);
            expanded.regex
        } else {
            pattern.to_owned()
        };
        if let Some(compiled) = report.regex(at, &regex) {
            let names: Vec<String> =
                compiled.capture_names().flatten().map(str::to_owned).collect();
            if names.is_empty() {
                let help = if is_grok {
                    "name the parts of the line: `%{NUMBER:status}`"
                } else {
                    "name the parts of the line: `(?P<status>\\d+)`"
                };
                report.wrong(at, "the pattern has no named group", help);
            }
            groups.extend(names);
        }
        lines.patterns.push(regex);
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

fn read_definitions(keys: &Keys<'_>, report: &mut Report<'_>) -> Vec<(String, String)> {
    let entries = keys.entries("definitions", report);
    let text = |node, report: &mut Report<'_>| report.text(node, "a pattern").map(str::to_owned);
    entries.iter().filter_map(|(key, node)| Some((key.text.clone(), text(node, report)?))).collect()
}

fn read_grok(
    at: Location,
    pattern: &str,
    definitions: &[(String, String)],
    report: &mut Report<'_>,
) -> Option<grok::Expanded> {
    match grok::expand(pattern, definitions) {
        Ok(expanded) => Some(expanded),
        Err((message, help)) => {
            report.wrong(at, message, help);
            None
        }
    }
}
