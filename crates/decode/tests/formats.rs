//! Lines of real logs, read by the formats that come with dab and by another's patterns: what both
//! make of them agrees. The logs are those of `DAB_CORPORA`.
//!
//! Where the folder is absent the tests say so and pass, except on a build server (`CI=true`).

#![cfg(test)]

use std::{fs::File, io::Read as _, path::PathBuf};

use base::{ObjectHash, Timestamp};
use dab_decode::{At, Decoder, Frame, FrameState, Framer, LogSource};
use serde_json::Value;

/// The cases of the crowdsec corpus whose logs are of these types.
fn cases(log_types: &[&str]) -> Vec<Value> {
    let folder = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    if !folder.is_dir() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!is_ci, "DAB_CORPORA names no folder");
        println!("skipped: DAB_CORPORA names no folder");
        return Vec::new();
    }
    let file = File::open(folder.join("crowdsec/crowdsec.dev.ndjson.gz")).unwrap();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
    let cases = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    cases.filter(|case| log_types.contains(&case["log_type"].as_str().unwrap())).collect()
}

/// Where and when a record was read.
fn at<'a>(offset: u64) -> At<'a> {
    At {
        object: "o",
        object_hash: ObjectHash::of(&["o"]),
        offset,
        ingest_time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        header: None,
    }
}

/// The events' fields, and the reasons against those that are none.
fn decoded(format: &str, log: &str) -> (Vec<Value>, Vec<String>) {
    let yaml = format!("format: {format}\ntime: {{missing: ingest_time}}");
    let decoder = Decoder::new(LogSource::parse("test.yml", &yaml).unwrap()).unwrap();
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let (mut events, mut rejects) = (Vec::new(), Vec::new());
    framer.frame(log.as_bytes(), true, &mut |frame| match frame {
        Frame::Record { offset, bytes, header } => {
            let at = At { header: header.as_ref(), ..at(offset) };
            match decoder.decode(bytes, &at) {
                Ok(event) => events.push(serde_json::from_str(&event.to_json()).unwrap()),
                Err(reject) => rejects.push(reject.to_string()),
            }
        }
        Frame::Malformed { problem, .. } => rejects.push(problem.to_string()),
        Frame::Oversize { .. } => panic!("no line is that long"),
    });
    (events, rejects)
}

/// What the other made of the lines in a stage of its parsing, where it found this.
fn expected(case: &Value, (stage, known): (&str, &str)) -> Vec<Value> {
    let Some(stages) = case["parser_expected"].as_object() else { return Vec::new() };
    let mut found: Vec<Value> = stages
        .iter()
        .filter(|(name, value)| name.contains(stage) && !parsed(value, known).is_empty())
        .map(|(_, value)| value.clone())
        .collect();
    found.sort_by_key(ToString::to_string);
    found
}

fn parsed<'v>(value: &'v Value, name: &str) -> &'v str {
    value[format!("Evt.Parsed[\"{name}\"]")].as_str().unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Counts the expectations that an event fulfills, prints the others, and answers `(agree, all)`.
fn agreement(
    cases: &[Value],
    format: &str,
    stage: (&str, &str),
    agrees: &dyn Fn(&Value, &Value) -> bool,
) -> (usize, usize) {
    let (mut agree, mut all) = (0, 0);
    for case in cases {
        let (events, _) = decoded(format, case["log"].as_str().unwrap());
        for expected in expected(case, stage) {
            all += 1;
            if events.iter().any(|event| agrees(&expected, event)) {
                agree += 1;
            } else {
                println!("{}: {expected}", case["test"]);
            }
        }
    }
    println!("{format}: {agree} of {all} agree");
    (agree, all)
}

#[test]
fn syslog_is_read_as_another_reads_it() {
    let cases = cases(&["syslog"]);
    if cases.is_empty() {
        return;
    }
    let (agree, all) =
        agreement(&cases, "syslog", ("syslog-logs|", "program"), &|expected, event| {
            let header = &event["syslog"];
            let same = |name: &str, ours: &str| parsed(expected, name) == text(&header[ours]);
            // Not all expectations say it.
            let machine = expected["Evt.Meta[\"machine\"]"].as_str();
            same("program", "appname")
                && same("pid", "procid")
                && machine.is_none_or(|machine| machine == text(&header["hostname"]))
                && parsed(expected, "message").trim() == text(&event["message"]).trim()
        });
    assert!(all > 250 && agree == all, "{agree} of {all}");
}

#[test]
fn access_logs_are_read_as_another_reads_them() {
    let cases = cases(&["apache2", "nginx"]);
    if cases.is_empty() {
        return;
    }
    // Nginx Proxy Manager has a format of its own, which the other reads by the same name.
    let is_npm = |case: &Value| case["test"].as_str().is_some_and(|test| test.contains("-npm"));
    let cases: Vec<Value> = cases.into_iter().filter(|case| !is_npm(case)).collect();
    for (stage, address, status) in
        [("apache2-logs|", "clientip", "response"), ("nginx-logs|", "remote_addr", "status")]
    {
        let (agree, all) = agreement(&cases, "combined", (stage, status), &|expected, event| {
            let same = |theirs: &str, ours: &str| parsed(expected, theirs) == text(&event[ours]);
            same("verb", "method") && same(address, "remote_addr") && same(status, "status")
        });
        assert!(all > 5 && agree == all, "{agree} of {all}");
    }
    let (mut lines, mut read) = (0, 0);
    for case in &cases {
        let (events, rejects) = decoded("combined", case["log"].as_str().unwrap());
        lines += events.len() + rejects.len();
        read += events.len();
        rejects.iter().for_each(|reject| println!("{}: {reject}", case["test"]));
    }
    println!("{read} of {lines} lines are in the common or combined format");
    assert!(lines > 500 && read * 100 >= lines * 90, "{read} of {lines}");
}

#[test]
fn cef_auditd_and_windows_xml_are_read() {
    for (log_type, format, least) in [
        ("cef", "{type: syslog, payload: cef, unmatched: quarantine}", 3),
        ("auditd", "auditd", 20),
        ("wineventlog", "winevent_xml", 5),
        ("iis", "{type: xml, record: Event}", 1),
        ("suricata-evelogs", "ndjson", 5),
        ("fortinet", "kv", 5),
    ] {
        let cases = cases(&[log_type]);
        let (mut read, mut wrong) = (0, 0);
        for case in &cases {
            let (events, rejects) = decoded(format, case["log"].as_str().unwrap());
            read += events.len();
            wrong += rejects.len();
            rejects.iter().for_each(|reject| println!("{}: {reject}", case["test"]));
            events.iter().take(1).for_each(|event| println!("{event}"));
        }
        println!("{log_type} as {format}: {read} events, {wrong} rejects");
        assert!(cases.is_empty() || read >= least, "{log_type}: {read} events");
    }
}

/// What an event says of itself as JSON.
fn json_of(yaml: &str, record: &str) -> String {
    let decoder = Decoder::new(LogSource::parse("test.yml", yaml).unwrap()).unwrap();
    decoder.decode(record.as_bytes(), &at(0)).unwrap().to_json()
}

#[test]
fn an_event_is_told_as_its_source_wrote_it_unless_it_was_changed() {
    let plain = "format: ndjson\ntime: {missing: ingest_time}";
    let record = r#" {"a": 1.0, "b": "\u00e9\/", "a": 1e2}"#;
    assert_eq!(json_of(plain, record), record.trim());
    // A line of output is to stay one.
    assert_eq!(json_of(plain, "{\"a\":\n\t1.0}"), r#"{"a":1.0}"#);
    let lifting = "format: ndjson\nlift: [inner]\ntime: {missing: ingest_time}";
    assert_eq!(json_of(lifting, r#"{"inner": {"a": 1}}"#), r#"{"a":1}"#);
    assert_eq!(json_of(lifting, r#"{"outer": {"a": 1}}"#), r#"{"outer": {"a": 1}}"#);
}
