//! From YAML to a validated log source.

mod enrich;
mod fields;
mod format;
mod lift;
mod shape;

use base::{FieldPath, SigmaRoute, Timestamp, limits};
use regex::Regex;
use serde_saphyr::Location;

use super::{
    ColumnType, DecodeError, Format, Layout, LogSource, TimeFormat, TimeRule,
    yaml::{self, Node},
};
use crate::remap::Program;
use format::{LAYOUTS, read_format};
pub(super) use shape::similar;
use shape::{Keys, Report};

const TOP_KEYS: &[&str] = &[
    "name",
    "description",
    "table",
    "format",
    "lift",
    "vrl",
    "time",
    "fields",
    "related",
    "enrich",
    "sigma",
];
const TIME_KEYS: &[&str] = &["field", "join", "year", "format", "timezone", "missing", "earliest"];
const ROUTE_KEYS: &[&str] = &["product", "category", "service", "when", "fields"];

const TYPES: &[&str] = &["text", "int", "float", "bool", "text_list"];
const TIME_FORMATS: &[&str] = &[
    "rfc3339",
    "unix_seconds",
    "unix_millis",
    "unix_micros",
    "unix_nanos",
    "clf",
    "syslog",
    "filetime",
];

/// How long the name of a log source or table may be: it is a folder's name in the lake.
const NAME_CHARS_MAX: usize = 64;

pub(super) fn log_source(path: &str, text: &str) -> Result<LogSource, Vec<DecodeError>> {
    let node = yaml::read(text).map_err(|error| vec![not_yaml(path, &error)])?;
    let mut report = Report::new(path, text);
    let source = read(path, &node, &mut report);
    match (source, report.errors.is_empty()) {
        (Some(source), true) => Ok(source),
        _ => Err(report.errors),
    }
}

fn not_yaml(path: &str, error: &serde_saphyr::Error) -> DecodeError {
    let place = yaml::place(path, error.location().unwrap_or(Location::UNKNOWN));
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default();
    // The place is shown by itself.
    let first = first.split(" at line ").next().unwrap_or(first);
    let first = first.strip_prefix("error: ").unwrap_or(first);
    DecodeError::Yaml { message: format!("the file is not valid YAML: {first}"), place }
}

fn read(path: &str, node: &Node, report: &mut Report<'_>) -> Option<LogSource> {
    let keys = Keys::of(node, "the log source", TOP_KEYS, report)?;
    let stem = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = stem.strip_suffix(".yml").or_else(|| stem.strip_suffix(".yaml")).unwrap_or(stem);
    let name = match keys.text("name", report) {
        Some((at, name)) => table_name("`name`", at, name, report),
        None => table_name("the file's name", node.at, stem, report),
    };
    let table = match keys.text("table", report) {
        Some((at, table)) => table_name("`table`", at, table, report),
        None => name.clone(),
    };
    let format = match keys.get("format") {
        Some(format) => read_format(format, report),
        None => {
            report.wrong(node.at, "`format` is missing", one_of(LAYOUTS));
            None
        }
    };
    let has_patterns = matches!(&format,
        Some(Format { layout: Layout::Lines(lines), .. }) if !lines.patterns.is_empty());
    let is_plain =
        matches!(&format, Some(Format { layout: Layout::Lines(_), .. })) && !has_patterns;
    let time = match keys.get("time") {
        Some(time) => read_time(time, report),
        // Plain lines have no field that could hold a time.
        None if is_plain => Some(TimeRule { missing_is_ingest_time: true, ..TimeRule::default() }),
        None => {
            let help =
                "write `time: {field: …}`, or `time: {missing: ingest_time}` if events have none";
            report.wrong(node.at, "`time` is missing", help);
            None
        }
    };
    let description = keys.text("description", report).map(|(_, text)| text.to_owned());
    let lift = lift::read_lifts(keys.get("lift"), report);
    let vrl = read_program(&keys, report);
    let fields = fields::read_fields(keys.get("fields"), report);
    let related = fields::read_related(keys.get("related"), report);
    let enrich = enrich::read_enrich(keys.get("enrich"), &fields, report);
    let sigma = read_routes(keys.get("sigma"), report);
    // Only now, when everything was looked at, may a mistake end it.
    let (format, time) = (format?, time?);
    Some(LogSource {
        name,
        description,
        table,
        format,
        lift,
        vrl,
        time,
        fields,
        related,
        enrich,
        sigma,
    })
}

/// The step `vrl`. Its mistakes are at their own lines.
fn read_program(keys: &Keys<'_>, report: &mut Report<'_>) -> Option<String> {
    let (at, text) = keys.text("vrl", report)?;
    if text.len() > limits::VRL_BYTES_MAX {
        let message = format!("the program has {} bytes", text.len());
        let help =
            format!("it may have {}: say with `fields:` what that can say", limits::VRL_BYTES_MAX);
        report.wrong(at, message, help);
        return None;
    }
    for mistake in Program::new(text).err().into_iter().flatten() {
        let place = report.inside(at, text, mistake.at);
        let (message, help) = (mistake.message, mistake.help);
        report.errors.push(DecodeError::Value { message, help, place });
    }
    Some(text.to_owned())
}

/// Names are folders in the lake and tables in SQL.
fn table_name(what: &str, at: Location, name: &str, report: &mut Report<'_>) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(allowed) {
        let help = format!("use 1 to {NAME_CHARS_MAX} of the characters `a-z`, `0-9` and `_`");
        report.wrong(at, format!("{what} is `{name}`, which can't name a table"), help);
    }
    name.to_owned()
}

fn read_type(node: &Node, what: &str, report: &mut Report<'_>) -> Option<ColumnType> {
    let text = report.text(node, what)?;
    Some(match report.choose(node.at, what, text, TYPES)? {
        "int" => ColumnType::Int,
        "float" => ColumnType::Float,
        "bool" => ColumnType::Bool,
        "text_list" => ColumnType::TextList,
        _ => ColumnType::Text,
    })
}

fn read_time(node: &Node, report: &mut Report<'_>) -> Option<TimeRule> {
    if let yaml::Content::Scalar(field) = &node.content {
        return Some(TimeRule {
            fields: vec![FieldPath::new(field.as_str())],
            ..TimeRule::default()
        });
    }
    let keys = Keys::of(node, "`time`", TIME_KEYS, report)?;
    let missing = keys.choice("missing", &["quarantine", "ingest_time"], report);
    let mut fields = keys.one_or_many("field", report);
    let parts = keys.one_or_many("join", report);
    if let Some(at) = keys.place_of("join").filter(|_| !fields.is_empty()) {
        report.wrong(at, "`time` has both `field` and `join`", "remove one of them");
    }
    let is_joined = !parts.is_empty();
    if is_joined {
        fields = parts;
    }
    let mut rule = TimeRule {
        is_joined,
        fields: fields.into_iter().map(FieldPath::new).collect(),
        missing_is_ingest_time: missing == Some("ingest_time"),
        ..TimeRule::default()
    };
    if rule.fields.is_empty() && !rule.missing_is_ingest_time {
        let help = "name the field that holds the time, or write `missing: ingest_time`";
        report.wrong(node.at, "`time` names no field", help);
    }
    if let Some((at, format)) = keys.text("format", report) {
        rule.format = read_time_format(at, format, report);
    }
    if let Some((at, zone)) = keys.text("timezone", report) {
        rule.zone_seconds = zone_seconds(zone);
        if rule.zone_seconds.is_none() {
            let help = "write an offset such as `+01:00`, or `UTC`";
            report.wrong(at, format!("`timezone` is `{zone}`"), help);
        }
    }
    if let Some((at, text)) = keys.text("year", report) {
        rule.year = text.parse().ok().filter(|year| (1970..=9999).contains(year));
        if rule.year.is_none() {
            report.wrong(at, format!("`year` is `{text}`"), "write a year such as `2025`");
        }
    }
    if let Some((at, earliest)) = keys.text("earliest", report) {
        match Timestamp::parse(&format!("{earliest}T00:00:00Z")) {
            Some(time) => rule.earliest_seconds = time.as_micros() / 1_000_000,
            None => {
                let help = "write a day such as `1990-01-01`";
                report.wrong(at, format!("`earliest` is `{earliest}`"), help);
            }
        }
    }
    Some(rule)
}

fn read_time_format(at: Location, text: &str, report: &mut Report<'_>) -> TimeFormat {
    let unix = |per_second| TimeFormat::Unix { per_second };
    match text {
        "rfc3339" => TimeFormat::Rfc3339,
        "unix_seconds" => unix(1),
        "unix_millis" => unix(1_000),
        "unix_micros" => unix(1_000_000),
        "unix_nanos" => unix(1_000_000_000),
        "clf" => TimeFormat::Clf,
        "syslog" => TimeFormat::Syslog,
        "filetime" => TimeFormat::Filetime,
        pattern => {
            let mut items = chrono::format::StrftimeItems::new(pattern);
            let is_pattern = pattern.contains('%');
            if !is_pattern {
                let mut help = shape::similar_or_all(text, TIME_FORMATS);
                help.push_str(", or write a strftime pattern such as `%d/%b/%Y:%H:%M:%S %z`");
                report.wrong(at, format!("`format` of `time` is `{text}`"), help);
            } else if items.any(|item| item == chrono::format::Item::Error) {
                let help = "see the list of `%` letters in the reference of log sources";
                report.wrong(at, format!("`{text}` is no strftime pattern"), help);
            }
            TimeFormat::Pattern(text.to_owned())
        }
    }
}

fn zone_seconds(zone: &str) -> Option<i32> {
    let epoch = Timestamp::parse(&format!("1970-01-02T00:00:00{zone}"))?;
    i32::try_from(86_400 - epoch.as_micros() / 1_000_000).ok()
}

fn read_routes(node: Option<&Node>, report: &mut Report<'_>) -> Vec<SigmaRoute> {
    let Some(node) = node else { return Vec::new() };
    let members = report.list(node, "`sigma`").unwrap_or_default();
    members.iter().filter_map(|member| read_route(member, report)).collect()
}

fn read_route(node: &Node, report: &mut Report<'_>) -> Option<SigmaRoute> {
    let keys = Keys::of(node, "a route of `sigma`", ROUTE_KEYS, report)?;
    let mut part = |key| keys.text(key, report).map(|(_, text)| text.to_owned());
    let mut route = SigmaRoute {
        product: part("product"),
        category: part("category"),
        service: part("service"),
        ..SigmaRoute::default()
    };
    if route.product.is_none() && route.category.is_none() && route.service.is_none() {
        let help = "write at least one of `product`, `category` and `service`";
        report.wrong(node.at, "the route names no Sigma log source", help);
    }
    for (key, value) in keys.entries("when", report) {
        let values = report.one_or_many(value, "values in `when`");
        route.when.insert(key.text.clone(), values.into_iter().map(str::to_owned).collect());
    }
    for (key, value) in keys.entries("fields", report) {
        if let Some(field) = report.text(value, "a field's name") {
            route.fields.insert(key.text.clone(), field.to_owned());
        }
    }
    Some(route)
}

fn one_of(choices: &[&str]) -> String {
    let quoted: Vec<String> = choices.iter().map(|choice| format!("`{choice}`")).collect();
    format!("use one of {}", quoted.join(", "))
}

impl Default for TimeRule {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            is_joined: false,
            format: TimeFormat::Rfc3339,
            zone_seconds: None,
            year: None,
            missing_is_ingest_time: false,
            earliest_seconds: limits::EVENT_TIME_SECONDS_MIN,
        }
    }
}

impl Report<'_> {
    /// Compiles a regular expression, or reports why it can't be.
    fn regex(&mut self, at: Location, text: &str) -> Option<Regex> {
        match Regex::new(text) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let place = yaml::place(self.path, at);
                self.errors.push(DecodeError::pattern(&error, place));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
