//! From YAML to a validated log source.

use std::collections::BTreeMap;

use base::{ColumnType, FieldPath, Place, SigmaRoute, Timestamp, limits};
use regex::Regex;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{
    DecodeError, Encoding, FieldRule, Format, Layout, Lines, LogSource, TimeFormat, TimeRule,
};

/// The file's form. `docs/reference/log_sources.md` describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    description: Option<String>,
    table: Option<Spanned<String>>,
    format: Spanned<FormatFile>,
    time: Spanned<TimeFile>,
    #[serde(default)]
    fields: BTreeMap<String, Spanned<FieldFile>>,
    #[serde(default)]
    related: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    sigma: Vec<SigmaRoute>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormatFile {
    r#type: TypeFile,
    records: Option<String>,
    #[serde(default)]
    encoding: EncodingFile,
    #[serde(default)]
    patterns: Vec<Spanned<String>>,
    #[serde(default)]
    types: BTreeMap<String, ColumnType>,
    #[serde(default)]
    unmatched: UnmatchedFile,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum TypeFile {
    Ndjson,
    Json,
    Lines,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum EncodingFile {
    #[default]
    Utf8,
    Latin1,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum UnmatchedFile {
    #[default]
    Keep,
    Quarantine,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeFile {
    field: OneOrMany,
    #[serde(default = "rfc3339")]
    format: String,
    timezone: Option<String>,
    #[serde(default)]
    missing: MissingFile,
    earliest: Option<String>,
}

fn rfc3339() -> String {
    "rfc3339".to_owned()
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum MissingFile {
    #[default]
    Quarantine,
    IngestTime,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn paths(self) -> Vec<FieldPath> {
        match self {
            Self::One(name) => vec![FieldPath::new(name)],
            Self::Many(names) => names.into_iter().map(FieldPath::new).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FieldFile {
    From(OneOrMany),
    Rule(RuleFile),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    from: Option<OneOrMany>,
    capture: Option<String>,
    #[serde(default)]
    lower: bool,
    #[serde(default)]
    values: BTreeMap<String, String>,
    default: Option<String>,
    #[serde(default = "text")]
    r#type: ColumnType,
}

const fn text() -> ColumnType {
    ColumnType::Text
}

pub(super) fn log_source(path: &str, text: &str) -> Result<LogSource, Vec<DecodeError>> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| vec![yaml(path, &error)])?;
    let mut check = Check { path, errors: Vec::new() };
    let stem = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let stem = stem.strip_suffix(".yml").or_else(|| stem.strip_suffix(".yaml")).unwrap_or(stem);
    let name = match file.name {
        Some(name) => check.name("name", name),
        None => check.name(
            "the file's name",
            Spanned::new(stem.to_owned(), Location::UNKNOWN, Location::UNKNOWN),
        ),
    };
    let source = LogSource {
        table: file.table.map_or_else(|| name.clone(), |table| check.name("table", table)),
        name,
        description: file.description,
        format: check.format(file.format),
        time: check.time(file.time),
        fields: file.fields.into_iter().map(|(name, rule)| check.field(name, rule)).collect(),
        related: file
            .related
            .into_iter()
            .map(|(name, paths)| (name, paths.into_iter().map(FieldPath::new).collect()))
            .collect(),
        sigma: file.sigma,
    };
    if check.errors.is_empty() { Ok(source) } else { Err(check.errors) }
}

/// Gathers all mistakes of one file.
struct Check<'p> {
    path: &'p str,
    errors: Vec<DecodeError>,
}

impl Check<'_> {
    fn place(&self, at: Location) -> Place {
        place(self.path, at)
    }

    fn wrong(&mut self, at: Location, message: impl Into<String>, help: impl Into<String>) {
        let (message, help) = (message.into(), Some(help.into()));
        self.errors.push(DecodeError::Value { message, help, place: self.place(at) });
    }

    /// Names are folders in the lake and tables in SQL.
    fn name(&mut self, key: &str, name: Spanned<String>) -> String {
        let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let text = &name.value;
        if text.is_empty() || text.len() > 64 || !text.chars().all(ok) {
            let message = format!("{key} `{text}` can't name a table");
            self.wrong(name.referenced, message, "use 1 to 64 of the characters `a-z 0-9 _`");
        }
        name.value
    }

    fn format(&mut self, file: Spanned<FormatFile>) -> Format {
        let (at, file) = (file.referenced, file.value);
        let lines_only = !file.patterns.is_empty()
            || !file.types.is_empty()
            || file.unmatched == UnmatchedFile::Quarantine;
        if file.records.is_some() && file.r#type != TypeFile::Json {
            self.wrong(at, "`records` is for `type: json` only", "remove `records`");
        }
        if lines_only && file.r#type != TypeFile::Lines {
            let message = "`patterns`, `types` and `unmatched` are for `type: lines` only";
            self.wrong(at, message, "remove them");
        }
        let encoding = match file.encoding {
            EncodingFile::Utf8 => Encoding::Utf8,
            EncodingFile::Latin1 => Encoding::Latin1,
        };
        let layout = match file.r#type {
            TypeFile::Ndjson => Layout::Ndjson,
            TypeFile::Json => Layout::Json { records: file.records.map(FieldPath::new) },
            TypeFile::Lines => Layout::Lines(Lines {
                patterns: file.patterns.into_iter().map(|text| self.pattern(text)).collect(),
                types: file.types.into_iter().collect(),
                quarantine_unmatched: file.unmatched == UnmatchedFile::Quarantine,
            }),
        };
        Format { layout, encoding }
    }

    fn pattern(&mut self, text: Spanned<String>) -> String {
        if let Err(error) = Regex::new(&text.value) {
            self.bad_pattern(text.referenced, &error);
        }
        text.value
    }

    fn bad_pattern(&mut self, at: Location, error: &regex::Error) {
        let place = self.place(at);
        self.errors.push(DecodeError::pattern(error, place));
    }

    fn time(&mut self, file: Spanned<TimeFile>) -> TimeRule {
        let (at, file) = (file.referenced, file.value);
        let fields = file.field.paths();
        if fields.is_empty() {
            self.wrong(at, "`time.field` names no field", "name the field that holds the time");
        }
        let zone_seconds = file.timezone.and_then(|zone| {
            let seconds = zone_seconds(&zone);
            if seconds.is_none() {
                let message = format!("`time.timezone` is `{zone}`");
                self.wrong(at, message, "write an offset such as `+01:00`, or `UTC`");
            }
            seconds
        });
        let earliest = file.earliest.map(|text| {
            let time = Timestamp::parse(&format!("{text}T00:00:00Z"));
            time.unwrap_or_else(|| {
                self.wrong(at, format!("`time.earliest` is `{text}`"), "write a day: `2000-01-01`");
                Timestamp::default()
            })
        });
        TimeRule {
            fields,
            format: self.time_format(at, file.format),
            zone_seconds,
            missing_is_ingest_time: file.missing == MissingFile::IngestTime,
            earliest_seconds: earliest
                .map_or(limits::EVENT_TIME_SECONDS_MIN, |time| time.as_micros() / 1_000_000),
        }
    }

    fn time_format(&mut self, at: Location, text: String) -> TimeFormat {
        let unix = |per_second| TimeFormat::Unix { per_second };
        match text.as_str() {
            "rfc3339" => TimeFormat::Rfc3339,
            "unix_seconds" => unix(1),
            "unix_millis" => unix(1_000),
            "unix_micros" => unix(1_000_000),
            "unix_nanos" => unix(1_000_000_000),
            pattern => {
                let items = chrono::format::StrftimeItems::new(pattern);
                if !pattern.contains('%')
                    || items.into_iter().any(|item| item == chrono::format::Item::Error)
                {
                    let help = "use `rfc3339`, `unix_seconds`, `unix_millis`, `unix_micros`, \
                                `unix_nanos`, or a strftime pattern such as `%d/%b/%Y:%H:%M:%S %z`";
                    self.wrong(at, format!("`time.format` is `{pattern}`"), help);
                }
                TimeFormat::Pattern(text)
            }
        }
    }

    fn field(&mut self, name: String, file: Spanned<FieldFile>) -> FieldRule {
        let at = file.referenced;
        let rule = match file.value {
            FieldFile::From(from) => RuleFile {
                from: Some(from),
                capture: None,
                lower: false,
                values: BTreeMap::new(),
                default: None,
                r#type: ColumnType::Text,
            },
            FieldFile::Rule(rule) => rule,
        };
        if rule.from.is_none() && rule.default.is_none() {
            let message = format!("field `{name}` gets its value from nowhere");
            self.wrong(at, message, "write `from:` with the source's field, or `default:`");
        }
        if let Some(text) = &rule.capture {
            match Regex::new(text) {
                Err(error) => self.bad_pattern(at, &error),
                Ok(regex) if regex.captures_len() != 2 => {
                    let message = format!("`capture` of field `{name}` needs exactly one group");
                    self.wrong(at, message, "put the part to take in one pair of brackets");
                }
                Ok(_) => {}
            }
        }
        FieldRule {
            name: FieldPath::new(name),
            from: rule.from.map(OneOrMany::paths).unwrap_or_default(),
            capture: rule.capture,
            lower: rule.lower,
            values: rule.values.into_iter().collect(),
            default: rule.default,
            column_type: rule.r#type,
        }
    }
}

fn zone_seconds(zone: &str) -> Option<i32> {
    let epoch = Timestamp::parse(&format!("1970-01-02T00:00:00{zone}"))?;
    i32::try_from(86_400 - epoch.as_micros() / 1_000_000).ok()
}

fn place(path: &str, at: Location) -> Place {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    Place::File { path: path.to_owned(), line: number(at.line()), column: number(at.column()) }
}

fn yaml(path: &str, error: &serde_saphyr::Error) -> DecodeError {
    let place = place(path, error.location().unwrap_or(Location::UNKNOWN));
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default().to_owned();
    match first.split_once("unknown field `").and_then(|(_, rest)| rest.split_once('`')) {
        Some((key, rest)) => DecodeError::UnknownKey {
            key: key.to_owned(),
            context: String::new(),
            help: known_keys(rest),
            place,
        },
        None => DecodeError::Yaml { message: first, place },
    }
}

fn known_keys(rest: &str) -> String {
    let (_, keys) = rest.split_once("expected ").unwrap_or(("", rest));
    let keys = keys.trim_start_matches("one of ");
    let keys = keys.rsplit_once(" at line").map_or(keys, |(keys, _)| keys);
    format!("use one of: {keys}")
}

#[cfg(test)]
mod tests;
