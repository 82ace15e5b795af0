//! Real logs and real rules by others: exact counts, and alerts for the attacks.

use std::{collections::BTreeSet, fs, io::Read as _, path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Project, corpora};

/// How many events of the Mordor collection are read.
const MORDOR_EVENTS: usize = 50_000;

fn unpack_rules(corpora: &Path, project: &Project) {
    let target = project.path().join("rules");
    fs::create_dir_all(&target).unwrap();
    let archive = corpora.join("sigmahq-rules.tar.zst");
    let tar = zstd::decode_all(fs::File::open(archive).unwrap()).unwrap();
    let plain = project.write("rules.tar", &tar);
    let done = Command::new("tar").arg("-xf").arg(plain).arg("-C").arg(target).status().unwrap();
    assert!(done.success());
}

fn cloudtrail(corpora: &Path, project: &Project) -> usize {
    let mut records = 0;
    for folder in ["cloudtrail/aws_dataset", "cloudtrail/stratus"] {
        for file in fs::read_dir(corpora.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let mut text = String::new();
            if flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).is_err() {
                continue;
            }
            let Ok(json) = serde_json::from_str::<Value>(&text) else { continue };
            let Some(array) = json["Records"].as_array() else { continue };
            records += array.len();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            project.write(&format!("in/cloudtrail/{folder}/{name}"), &bytes);
        }
    }
    records
}

fn mordor(corpora: &Path, project: &Project) {
    let file = fs::File::open(corpora.join("mordor/windows-attacks.ndjson.zst")).unwrap();
    let bytes = zstd::decode_all(file).unwrap();
    let end = memchr(&bytes, MORDOR_EVENTS);
    project.write("in/windows/mordor.ndjson.zst", &zstd::encode_all(&bytes[..end], 1).unwrap());
}

/// Where the `lines`-th line ends.
fn memchr(bytes: &[u8], lines: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap()
}

#[test]
fn real_logs_against_all_of_sigmahq() {
    let Some(corpora) = corpora() else { return };
    let project = Project::new(
        "detections: [./rules]\ncollect:\n  \
         - {name: cloudtrail, log_source: aws_cloudtrail, from: ./in/cloudtrail}\n  \
         - {name: windows, log_source: windows_events, from: ./in/windows}",
    );
    unpack_rules(&corpora, &project);
    let records = cloudtrail(&corpora, &project);
    mordor(&corpora, &project);
    assert!(records >= 2_900, "{records}");
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("aws_cloudtrail"), records as u64);
    assert_eq!(project.rows("windows_events"), MORDOR_EVENTS as u64);
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();

    let alerts = project.json(&["sql", "SELECT title, log_source FROM alerts"]);
    let text = |alert: &Value, key: &str| alert[key].as_str().unwrap().to_owned();
    let of = |name: &str| -> BTreeSet<String> {
        let hits = alerts.iter().filter(|alert| text(alert, "log_source") == name);
        hits.map(|alert| text(alert, "title")).collect()
    };
    let (windows, cloud) = (of("windows_events"), of("aws_cloudtrail"));
    assert!(windows.len() > 50 && cloud.len() > 3, "{} {}", windows.len(), cloud.len());
    every_rule_loads_or_is_reported(&project);
    others_count_the_same(&project, records);
}

/// Every file is loaded or named in a problem with its reason.
fn every_rule_loads_or_is_reported(project: &Project) {
    let output = project.run(&["rules", "--output", "json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sum = lines.last().unwrap();
    let count = |key: &str| sum[key].as_u64().unwrap();
    assert!(count("files") >= 3_780, "{sum}");
    assert!(count("detections") + count("problems") >= count("files"), "{sum}");
    assert!(count("detections") > 3_700, "{sum}");
    let problems = lines.iter().filter(|line| line["problem"].is_object());
    for problem in problems.map(|line| &line["problem"]) {
        assert!(problem["place"]["file"]["path"].is_string(), "{problem}");
    }
}

/// Readers that share no code with dab: where they are installed, they see the same rows.
fn others_count_the_same(project: &Project, records: usize) {
    let Some(tools) = std::env::var_os("DAB_TOOLS") else {
        eprintln!("skipped: no other readers (set DAB_TOOLS, as `cargo xtask test` does)");
        return;
    };
    let python = Path::new(&tools).join("python/bin/python");
    let script = project.write("count.py", READERS.as_bytes());
    let tables = project.path().join("lake/tables");
    let output = Command::new(&python).arg(script).arg(tables).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    for reader in ["deltalake", "duckdb"] {
        assert_eq!(counts[reader]["aws_cloudtrail"], records, "{reader}: {counts}");
        assert_eq!(counts[reader]["windows_events"], MORDOR_EVENTS, "{reader}: {counts}");
    }
}

const READERS: &str = r#"
import json, sys
import deltalake, duckdb
found = {"deltalake": {}, "duckdb": {}}
for name in ["aws_cloudtrail", "windows_events"]:
    table = deltalake.DeltaTable(f"{sys.argv[1]}/{name}")
    found["deltalake"][name] = deltalake.QueryBuilder().register("t", table).execute("select count(time) from t").read_all()[0][0].as_py() if hasattr(deltalake, "QueryBuilder") else table.to_pyarrow_table(columns=["time"]).num_rows
    files = [uri.removeprefix("file://") for uri in table.file_uris()]
    query = "select count(*) from read_parquet(?, union_by_name=true, hive_partitioning=true) where event_id is not null"
    found["duckdb"][name] = duckdb.execute(query, [files]).fetchone()[0]
print(json.dumps(found))
"#;
