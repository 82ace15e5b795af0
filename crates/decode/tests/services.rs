//! Records of services, as others recorded or wrote them, get the normalized fields that people ask
//! for. The records are those of `DAB_CORPORA`.
//!
//! Where the folder is absent the test says so and passes, except on a build server (`CI=true`).

#![cfg(test)]

use std::{collections::BTreeMap, fs::File, io::Read as _, path::PathBuf};

use base::{FieldPath, ObjectHash, Timestamp};
use dab_decode::{At, Decoder, LogSource, shipped};
use serde_json::Value;

/// Fields, and in how many of a hundred records each is to be had.
type Fields = &'static [(&'static str, usize)];

/// The log type in the corpus, our log source, and the fields that its records are to get: many tests of
/// others leave out what they do not look at.
const EXPECTED: &[(&str, &str, Fields)] = &[
    (
        "Slack.AuditLogs",
        "slack_audit",
        &[("event.action", 100), ("source.ip", 90), ("user.name", 100)],
    ),
    (
        "Crowdstrike.FDREvent",
        "crowdstrike_fdr",
        &[("event.action", 95), ("process.command_line", 95), ("process.parent.name", 95)],
    ),
    ("Azure.Audit", "entra_id", &[("event.action", 80), ("source.ip", 85), ("user.name", 85)]),
    (
        "Azure.MonitorActivity",
        "azure_activity",
        &[("event.action", 100), ("source.ip", 90), ("event.outcome", 90)],
    ),
    ("Duo.Administrator", "duo", &[("event.action", 100), ("user.name", 100)]),
    ("Duo.Authentication", "duo", &[("event.action", 100), ("source.ip", 100), ("user.name", 100)]),
    ("Osquery.Differential", "osquery", &[("event.action", 100), ("event.provider", 100)]),
    ("AWS.GuardDuty", "aws_guardduty", &[("rule.name", 100), ("event.severity", 100)]),
    (
        "Microsoft365.Audit.Exchange",
        "m365_audit",
        &[("event.action", 100), ("user.name", 100), ("source.ip", 90)],
    ),
    ("Cloudflare.Firewall", "cloudflare_http", &[("source.ip", 100), ("event.action", 100)]),
    ("Zoom.Operation", "zoom_operations", &[("user.name", 100), ("event.action", 100)]),
];

fn decoder(name: &str) -> Decoder {
    let file = format!("{name}.yml");
    let (_, text) = shipped().iter().find(|(known, _)| *known == file).unwrap();
    let mut source = LogSource::parse(&file, text).unwrap();
    // Many records were written for tests: they have no time, or one in another form.
    source.time.fields.clear();
    source.time.missing_is_ingest_time = true;
    Decoder::new(source).unwrap()
}

#[test]
fn records_of_services_get_their_normalized_fields() {
    let folder = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "DAB_CORPORA names no folder");
        println!("skipped: DAB_CORPORA names no folder");
        return;
    }
    let file = File::open(folder.join("panther/panther.dev.ndjson.gz")).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        if let Some([Value::String(kind)]) = case["log_types"].as_array().map(Vec::as_slice) {
            records.entry(kind.clone()).or_default().push(case["log"].clone());
        }
    }
    for (kind, source, fields) in EXPECTED {
        check(kind, &decoder(source), &records[*kind], fields);
    }
}

fn check(kind: &str, decoder: &Decoder, records: &[Value], fields: Fields) {
    let at = At {
        object: "o",
        object_hash: ObjectHash::of(&["o"]),
        offset: 0,
        ingest_time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        header: None,
    };
    let mut counts = vec![0; fields.len()];
    let (mut decoded, mut rejected) = (0, 0);
    for record in records {
        let record = record.to_string();
        match decoder.decode(record.as_bytes(), &at) {
            Err(reject) => {
                println!("{kind}: {reject}");
                rejected += 1;
            }
            Ok(event) => {
                decoded += 1;
                for (count, (name, _)) in counts.iter_mut().zip(fields) {
                    let path = FieldPath::new(*name);
                    *count += usize::from(event.normalized.get_path(&path).is_some());
                }
            }
        }
    }
    println!("{kind}: {decoded} decoded, {rejected} rejected, {fields:?}: {counts:?}");
    assert!(
        decoded >= 5 && decoded > rejected * 3,
        "{kind}: {decoded} decoded, {rejected} rejected"
    );
    for (count, (name, percent)) in counts.iter().zip(fields) {
        assert!(count * 100 >= decoded * percent, "{kind}: `{name}` in {count} of {decoded}");
    }
}
