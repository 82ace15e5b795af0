//! Windows event logs and Parquet files: read as they are, and the same as others read them.

use std::process::Command;

use crate::{
    harness::{Project, Running, tool},
    http::post,
};

/// An event log of twelve events in three chunks, as the tests of the reader write it.
const SAMPLE: &[u8] = include_bytes!("sample.evtx.zst");

/// Where a file's chunks begin, and how long they are.
const CHUNKS: usize = 4096;
const CHUNK: usize = 65536;

const EVENTS: &str =
    "collect: [{name: s, log_source: windows_events_xml, from: ./in, settle_seconds: 0}]\n";

/// Reads an event log with the reader that most tools are built on.
const READ_BY_ANOTHER: &str = "
import json, sys
from evtx import PyEvtxParser
for record in PyEvtxParser(sys.argv[1]).records_json():
    event = json.loads(record['data'])['Event']
    data = event['EventData']
    print(json.dumps([event['System']['EventRecordID'], data['SubjectUserName'],
                      data['CommandLine'], data['SubjectUserSid'], data['Binary']]))
";

/// Writes a Parquet file by a program of others.
const WRITE_BY_ANOTHER: &str = "
import sys, duckdb
duckdb.sql(f\"\"\"COPY (
    SELECT TIMESTAMPTZ '2026-11-20 08:00:00Z' + to_seconds(n) AS t, n::INTEGER AS n,
           'user ' || n AS who, {{'ip': '192.0.2.' || (n % 250), 'ports': [n % 100, 443]}} AS src,
           (n * 1.25)::DECIMAL(9, 2) AS cost, MAP {{'k': 'v' || n}} AS tags,
           NULL::VARCHAR AS nothing, encode('b' || n) AS raw
    FROM range(30000) r(n)) TO '{sys.argv[1]}' (FORMAT parquet, CODEC snappy, ROW_GROUP_SIZE 4096)\"\"\")
";

#[test]
fn event_logs_are_read_by_the_log_source_of_xml_and_as_others_read_them() {
    let project = Project::new(EVENTS);
    let whole = zstd::decode_all(SAMPLE).unwrap();
    let path = project.write("in/security.evtx", &whole);
    project.ok(&["run", "--once"]);
    let columns = "SELECT EventRecordID, SubjectUserName, CommandLine, SubjectUserSid, Binary \
        FROM windows_events ORDER BY EventRecordID";
    let found = project.json(&["sql", columns]);
    assert_eq!(found.len(), 12);
    assert_eq!(found[3]["CommandLine"], "cmd /c \"echo <é> & 3\"\r\nsecond line");
    let sql = "SELECT count(*) AS n FROM windows_events WHERE event.code = '4688' \
        AND time = '2026-11-25T00:00:03.123456Z' AND user.name = 'user3' AND event.outcome = 'success'";
    assert_eq!(project.number(sql), 1);
    project.ledger_adds_up();

    let Some(python) = tool("python") else { return };
    let read = Command::new(python).args(["-c", READ_BY_ANOTHER]).arg(path).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let ours: Vec<String> = found
        .iter()
        .map(|row| {
            let of = |name: &str| row[name].clone();
            let names =
                ["EventRecordID", "SubjectUserName", "CommandLine", "SubjectUserSid", "Binary"];
            serde_json::Value::from_iter(names.map(of)).to_string()
        })
        .collect();
    let theirs: Vec<String> = String::from_utf8_lossy(&read.stdout)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap().to_string())
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn what_is_damaged_of_an_event_log_is_quarantined_and_the_rest_is_read() {
    let project = Project::new(EVENTS);
    let mut damaged = zstd::decode_all(SAMPLE).unwrap();
    damaged[CHUNKS + CHUNK] = b'x';
    project.write("in/damaged.evtx", &damaged);
    damaged.truncate(CHUNKS + 2 * CHUNK + 100);
    project.write("in/packed.evtx.zst", &zstd::encode_all(damaged.as_slice(), 3).unwrap());
    let told = project.ok(&["run", "--once"]);
    assert!(told.contains("DAB0406") && told.contains("packed.evtx.zst"), "{told}");
    assert_eq!(project.rows("windows_events"), 7 + 5);
    let quarantined = project.quarantined();
    let notes = quarantined.iter().filter(|record| record["code"] == "DAB0413");
    assert_eq!(notes.count(), 2, "{quarantined:?}");
    let text = format!("{quarantined:?}");
    assert!(text.contains("chunk 1 of the file is none"), "{text}");
    project.ledger_adds_up();
    // What is lost stays where it is, with its reason.
    project.run(&["quarantine", "replay", "--all"]);
    let again = project.quarantined();
    assert_eq!(again.len(), quarantined.len());
    assert_eq!(project.rows("windows_events"), 7 + 5);
}

#[test]
fn rows_of_parquet_files_are_events() {
    let Some(python) = tool("python") else { return };
    let project = Project::ndjson("");
    let path = project.write("in/a.parquet", b"");
    let wrote = Command::new(python).args(["-c", WRITE_BY_ANOTHER]).arg(&path).output().unwrap();
    assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 30_000);
    assert_eq!(project.quarantined().len(), 0);
    let sql = "SELECT n, who, src.ip AS ip, src.ports AS ports, cost, tags.k AS k, raw, time \
        FROM plain WHERE n = 20001";
    let rows = project.json(&["sql", sql]);
    let expected = serde_json::json!({
        "n": 20_001, "who": "user 20001", "ip": "192.0.2.1", "ports": "[1,443]",
        "cost": 25_001.25, "k": "v20001", "raw": "b20001", "time": "2026-11-20T13:33:21Z",
    });
    assert_eq!(serde_json::json!(rows), serde_json::json!([expected]));
    project.ledger_adds_up();
    // The same content touched again is not read again.
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 30_000);
}

#[test]
fn both_may_be_posted() {
    let project = crate::http::project();
    let log = zstd::decode_all(SAMPLE).unwrap();
    let running = Running::start(&project, &[]);
    let headers = "Authorization: Bearer secret\r\n";
    let (status, answer) = post(&running.address, "/ingest/windows_events_xml", headers, &log);
    assert_eq!((status, &answer["accepted"]), (200, &12.into()), "{answer}");
    let cut = &log[..log.len() - 9];
    let (status, answer) = post(&running.address, "/ingest/windows_events_xml", headers, cut);
    assert_eq!((status, &answer["code"]), (400, &"DAB0406".into()), "{answer}");
    let (status, answer) = post(&running.address, "/ingest/plain", headers, b"PAR1 and no more");
    assert_eq!((status, &answer["code"]), (400, &"DAB0407".into()), "{answer}");
    running.end();
    assert_eq!(project.rows("windows_events"), 12);
}
