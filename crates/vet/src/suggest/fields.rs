//! What the fields of a sample's records mean, as far as their names and values say.

use std::{collections::BTreeMap, net::IpAddr};

use base::{Object, Value};

use super::{Sample, read};

/// How many percent of the records must have a time.
const TIME_PERCENT_MIN: usize = 95;
/// How deep objects are looked into.
const DEPTH_MAX: usize = 5;
/// How many fields are tried as the time.
const TIMES_TRIED_MAX: usize = 12;

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Its path.
    pub(super) path: String,
    /// Its value as text.
    pub(super) text: String,
}

/// A field of the sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    path: String,
    /// In how many records it is.
    count: usize,
    /// In how many of them it is an address.
    addresses: usize,
    /// In how many of them it is a number.
    numbers: usize,
}

/// The leaves of a record.
pub(super) fn leaves(record: &Object<'_>) -> Vec<Field> {
    let mut found = Vec::new();
    gather(record, "", 0, &mut found);
    found
}

fn gather(object: &Object<'_>, above: &str, depth: usize, found: &mut Vec<Field>) {
    for (name, value) in object {
        let path = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        match value {
            Value::Object(object) if depth < DEPTH_MAX => gather(object, &path, depth + 1, found),
            Value::Null | Value::List(_) | Value::Object(_) => {}
            value => {
                if let Some(text) = value.display() {
                    found.push(Field { path, text: text.into_owned() });
                }
            }
        }
    }
}

/// The fields of all records, those of more records first.
pub(super) fn columns(records: &[Vec<Field>]) -> Vec<Column> {
    let mut columns: BTreeMap<&str, Column> = BTreeMap::new();
    for field in records.iter().flatten() {
        let column = columns.entry(&field.path).or_insert_with(|| Column {
            path: field.path.clone(),
            count: 0,
            addresses: 0,
            numbers: 0,
        });
        column.count += 1;
        column.addresses += usize::from(field.text.parse::<IpAddr>().is_ok());
        column.numbers += usize::from(field.text.parse::<f64>().is_ok());
    }
    let mut columns: Vec<Column> = columns.into_values().collect();
    columns.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.path.cmp(&b.path)));
    columns
}

/// Where the time is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Time {
    /// As a log source has it.
    pub(super) yaml: String,
    /// Whether the zone is not known.
    pub(super) is_without_zone: bool,
}

/// How times are written, those that can't be taken for another first; and whether a zone has to be
/// added.
const TIME_FORMATS: &[(&str, bool)] = &[
    ("rfc3339", false),
    ("clf", false),
    ("syslog", false),
    ("rfc3339", true),
    ("syslog", true),
    ("unix_seconds", false),
    ("unix_millis", false),
    ("unix_micros", false),
    ("unix_nanos", false),
    ("filetime", false),
];

/// Finds the field that is a time in nearly all records: what is called like one first.
pub(super) fn time(sample: Sample<'_>, format: &str, columns: &[Column]) -> Time {
    let most = columns.first().map_or(0, |column| column.count);
    let mut candidates: Vec<(usize, &Column)> = columns
        .iter()
        .filter(|column| column.count * 100 >= most * TIME_PERCENT_MIN)
        .map(|column| (rank(&column.path), column))
        .collect();
    candidates.sort_by_key(|(rank, column)| (*rank, column.path.matches('.').count()));
    let tries = |yaml: &str| {
        let log_source = format!("format: {format}\ntime: {yaml}\n");
        read(&log_source, sample).is_some_and(|reading| {
            !reading.records.is_empty() && reading.percent() >= TIME_PERCENT_MIN
        })
    };
    let has = |name: &str| columns.iter().any(|column| column.path == name);
    if has("date") && has("time") {
        let yaml = "{join: [date, time], timezone: UTC}";
        if tries(yaml) {
            // W3C's are UTC by its specification.
            return Time { yaml: yaml.to_owned(), is_without_zone: format != "w3c" };
        }
    }
    candidates.truncate(TIMES_TRIED_MAX);
    // A time with its zone says more than one without, and a name more than a number that may be one.
    for (sounds, zoned) in [(true, false), (true, true), (false, false), (false, true)] {
        let zone = if zoned { ", timezone: UTC" } else { "" };
        let named = candidates.iter().filter(|(rank, _)| (*rank < NO_TIME) == sounds);
        let mut tried = named.flat_map(|(_, column)| {
            let forms = TIME_FORMATS.iter().filter(move |(_, needs_zone)| *needs_zone == zoned);
            let field = quoted(&column.path);
            forms.map(move |(form, _)| format!("{{field: {field}, format: {form}{zone}}}"))
        });
        if let Some(yaml) = tried.find(|yaml| tries(yaml)) {
            return Time { yaml, is_without_zone: zoned };
        }
    }
    Time { yaml: "{missing: ingest_time}".to_owned(), is_without_zone: false }
}

/// The rank of a name that does not sound like that of a time.
const NO_TIME: usize = usize::MAX;

/// How much a name sounds like that of an event's time; less is more.
fn rank(path: &str) -> usize {
    const NAMES: &[&str] = &[
        "@timestamp",
        "timestamp",
        "eventtime",
        "time",
        "ts",
        "datetime",
        "published",
        "when",
        "at",
        "date",
    ];
    let name = path.rsplit('.').next().unwrap_or(path).to_ascii_lowercase().replace(['_', '-'], "");
    if let Some(at) = NAMES.iter().position(|known| *known == name) {
        return at;
    }
    let sounds = ["time", "date", "stamp", "created"].iter().any(|part| name.contains(part));
    if sounds { NAMES.len() } else { NO_TIME }
}

/// Normalized fields with the words that names of such fields end in.
const NORMALIZED: &[(&str, &[&str])] = &[
    ("event.action", &["action", "eventname", "eventtype", "event", "operation", "activity"]),
    ("user.name", &["username", "user", "login", "account", "principal", "actor", "useremail"]),
    ("host.name", &["hostname", "host", "computer", "computername", "devicename", "server"]),
    ("process.name", &["processname", "process", "program", "appname"]),
    ("user_agent.original", &["useragent"]),
    ("url.original", &["url", "uri"]),
    ("file.path", &["filepath", "filename"]),
];

/// The words in which names of addresses that something came from, or went to, have a part.
const SOURCES: &[&str] = &["src", "source", "client", "remote", "peer", "caller", "sender"];
const DESTINATIONS: &[&str] = &["dst", "dest", "server", "target"];

/// What fields are normalized to: names with paths.
pub(super) fn normalized(columns: &[Column]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (name, words) in NORMALIZED {
        // The first word says more than the second.
        let named = words.iter().find_map(|word| {
            columns.iter().find(|column| {
                last_word(&column.path) == *word && column.numbers + column.addresses == 0
            })
        });
        found.extend(named.map(|column| (*name, column.path.clone())));
    }
    let addresses: Vec<&Column> = columns.iter().filter(|column| column.is_address()).collect();
    let of = |words: &[&str]| {
        let has = |column: &&&Column| {
            let path = column.path.to_ascii_lowercase();
            words.iter().any(|word| path.contains(word))
        };
        addresses.iter().find(has).map(|column| column.path.clone())
    };
    let source = of(SOURCES).or_else(|| match addresses.as_slice() {
        [only] => Some(only.path.clone()),
        _ => None,
    });
    found.extend(source.map(|path| ("source.ip", path)));
    found.extend(of(DESTINATIONS).map(|path| ("destination.ip", path)));
    found.sort_unstable();
    found
}

/// What to pivot on: the names of lists with paths.
pub(super) fn related(columns: &[Column]) -> Vec<(&'static str, Vec<String>)> {
    let addresses: Vec<String> =
        columns.iter().filter(|column| column.is_address()).map(|c| c.path.clone()).collect();
    let named = |of: &str| {
        let mut paths = normalized(columns).into_iter().filter(|(name, _)| *name == of);
        paths.next().map(|(_, path)| vec![path]).unwrap_or_default()
    };
    let all = [("ip", addresses), ("user", named("user.name")), ("hosts", named("host.name"))];
    all.into_iter().filter(|(_, paths)| !paths.is_empty()).collect()
}

impl Column {
    /// Whether it is an address wherever it says anything.
    fn is_address(&self) -> bool {
        self.addresses * 10 >= self.count * 9
    }
}

/// A field's own name, in small letters and without separators; `name`, `id` and the like alone say
/// nothing, so that what stands above comes with them.
fn last_word(path: &str) -> String {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let mut parts = path.rsplit('.').map(plain);
    let last = parts.next().unwrap_or_default();
    if matches!(last.as_str(), "name" | "email" | "original") {
        return parts.next().unwrap_or_default();
    }
    last
}

/// A path as YAML has it.
pub(super) fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let starts = path.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && path.chars().all(is_plain) && !matches!(path, "true" | "false" | "null") {
        return path.to_owned();
    }
    serde_json::to_string(path).unwrap_or_default()
}
