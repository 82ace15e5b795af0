//! Which format a sample is in: the first that reads it and makes something of it.

use base::limits;

use super::{Reading, Sample, fields::Field, read};

/// How many percent of the records a format must read.
const PERCENT_MIN: usize = 90;

/// What the records of a format must have, beyond being read.
type Test = fn(&Reading) -> bool;

/// The formats in question, the most particular first.
const FORMATS: &[(&str, Test)] = &[
    ("winevent_xml", |reading| has(reading, "Event.System.EventID") || has_any(reading, "Event.")),
    ("zeek", |reading| has(reading, "ts") && has_any(reading, "_path")),
    ("w3c", |reading| has_several(reading)),
    ("auditd", |reading| has(reading, "type") && has(reading, "serial")),
    ("cef", |reading| has(reading, "deviceVendor")),
    ("leef", |reading| has(reading, "vendor") && has(reading, "eventId")),
    ("combined", |reading| has(reading, "remote_addr") && has(reading, "status")),
    ("ndjson", |_| true),
    ("{type: syslog, payload: cef, unmatched: quarantine}", |reading| has(reading, "deviceVendor")),
    ("{type: syslog, payload: leef, unmatched: quarantine}", |reading| has(reading, "eventId")),
    (
        "{type: syslog, payload: {match: '^\\s*(?:@cee:)?\\s*\\{', type: json}, unmatched: quarantine}",
        |reading| has(reading, "syslog.") && !has_any(reading, "message"),
    ),
    ("syslog", |reading| has(reading, "syslog.timestamp") || has(reading, "syslog.priority")),
    ("csv", is_table),
    ("tsv", is_table),
    ("{type: csv, delimiter: ';'}", is_table),
    ("{type: csv, delimiter: '|'}", is_table),
    ("logfmt", is_pairs),
    ("{type: kv, pair_separator: ','}", is_pairs),
    ("{type: kv, pair_separator: ';'}", is_pairs),
    ("json", |_| true),
];

/// The format, as it is written, and what it makes of the sample.
pub(super) fn find(sample: Sample<'_>) -> Option<(String, Reading)> {
    let first = sample.bytes.trim_ascii_start().first().copied();
    let documents = matches!(first, Some(b'{' | b'['));
    if documents && let Some(found) = document(sample) {
        return Some(found);
    }
    for (format, test) in FORMATS {
        if let Some(reading) = fitting(format, sample, *test) {
            return Some(((*format).to_owned(), reading));
        }
    }
    fitting("lines", sample, |_| true).map(|reading| ("lines".to_owned(), reading))
}

fn fitting(format: &str, sample: Sample<'_>, test: Test) -> Option<Reading> {
    let reading = read(&format!("format: {format}\ntime: {{missing: ingest_time}}\n"), sample)?;
    let fits = !reading.records.is_empty() && reading.percent() >= PERCENT_MIN && test(&reading);
    fits.then_some(reading)
}

/// A document whose records are in an array: there is but one object, or each has such an array.
fn document(sample: Sample<'_>) -> Option<(String, Reading)> {
    let mut values = serde_json::Deserializer::from_slice(sample.bytes).into_iter();
    let first: serde_json::Value = values.next()?.ok()?;
    let path = array_of_objects(&first, 0)?;
    let format = format!("{{type: json, records: {path}}}");
    let reading = fitting(&format, sample, |_| true)?;
    let whole = fitting("ndjson", sample, |_| true).map_or(0, |whole| whole.records.len());
    (reading.records.len() > whole.max(1)).then_some((format, reading))
}

/// The path of an array of objects, the only one that a document has.
fn array_of_objects(value: &serde_json::Value, depth: usize) -> Option<String> {
    const DEPTH_MAX: usize = 3;
    let members = value.as_object().filter(|_| depth < DEPTH_MAX)?;
    let is_plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let mut found = Vec::new();
    for (name, member) in members.iter().filter(|(name, _)| is_plain(name)) {
        match member {
            serde_json::Value::Array(list)
                if list.first().is_some_and(serde_json::Value::is_object) =>
            {
                found.push(name.clone());
            }
            serde_json::Value::Object(_) => {
                let below = array_of_objects(member, depth + 1);
                found.extend(below.map(|path| format!("{name}.{path}")));
            }
            _ => {}
        }
    }
    if found.len() == 1 { found.pop() } else { None }
}

/// Whether nearly all records have a field; one that ends in `.` is any field below.
fn has(reading: &Reading, path: &str) -> bool {
    let count = reading.records.iter().filter(|record| is_in(record, path)).count();
    count * 100 >= reading.records.len() * PERCENT_MIN
}

fn has_any(reading: &Reading, path: &str) -> bool {
    reading.records.iter().any(|record| is_in(record, path))
}

fn is_in(record: &[Field], path: &str) -> bool {
    record
        .iter()
        .any(|field| field.path == path || (path.ends_with('.') && field.path.starts_with(path)))
}

fn has_several(reading: &Reading) -> bool {
    reading.records.iter().all(|record| record.len() > 1)
}

/// A table has columns with names: no number or address, no two words that are a sentence.
fn is_table(reading: &Reading) -> bool {
    let Some(first) = reading.records.first() else { return false };
    let is_name = |name: &str| {
        let starts = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '@');
        starts && name.len() <= limits::CEL_MACRO_NAME_BYTES_MAX && !name.starts_with("column_")
    };
    first.len() > 1 && first.iter().all(|field| is_name(&field.path))
}

/// Pairs are most of what a record is: few words have no value.
fn is_pairs(reading: &Reading) -> bool {
    let mut pairs = 0;
    let mut words = 0;
    for field in reading.records.iter().flatten() {
        if field.text == "true" { words += 1 } else { pairs += 1 }
    }
    pairs >= 2 * reading.records.len() && pairs > 4 * words
}
