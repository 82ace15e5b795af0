//! Real logs and real rules by others: exact counts, and alerts for the attacks.

use std::{collections::BTreeSet, fs, io::Read as _, path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Project, corpora, tool};

/// How many events of the Mordor collection are read.
const MORDOR_EVENTS: usize = 50_000;

/// Rules of SigmaHQ that must raise an alert, found by evaluating the plain ones among them with
/// another program over the same events.
const CLOUDTRAIL_RULES: [&str; 11] = [
    "0a5177f4-6ca9-44c2-aacf-d3f3d8b6e4d2",
    "38e7f511-3f74-41d4-836e-f57dfa18eead",
    "39c9f26d-6e3b-4dbb-9c7a-4154b0281112",
    "4db60cc0-36fb-42b7-9b58-a5b53019fb74",
    "6fb77778-040f-4015-9440-572aa9b6b580",
    "77caf516-34e5-4df9-b4db-20744fea0a60",
    "905d389b-b853-46d0-9d3d-dea0d3a3cd49",
    "abae8fec-57bd-4f87-aff6-6e3db989843d",
    "c803b2ce-c4a2-4836-beae-b112010390b1",
    "e386b9b5-af12-450e-afff-761730fb8a98",
    "f305fd62-beca-47da-ad95-7690a0620084",
];

/// The same for the Windows events; of those, the rules of level high and critical.
const WINDOWS_RULES: [&str; 18] = [
    "03cc0c25-389f-4bf8-b48d-11878079f1ca",
    "1a4bd6af-99ac-4466-b5b2-7b72b4a05462",
    "24e3e58a-646b-4b50-adef-02ef935b9fc8",
    "52d8b0c6-53d6-439a-9e41-52ad442ad9ad",
    "754ed792-634f-40ae-b3bc-e0448d33f695",
    "7c0dcd3d-acf8-4f71-9570-f448b0034f94",
    "8839e550-52d7-4958-9f2f-e13c1e736838",
    "919f2ef0-be2d-4a7a-b635-eb2b41fde044",
    "93d94efc-d7ad-4161-ad7d-1638c4f908d8",
    "9bd012ee-0dff-44d7-84a0-aa698cfd87a3",
    "9f5c1d59-33be-4e60-bcab-85d2f566effd",
    "a642964e-bead-4bed-8910-1bb4d63e3b4d",
    "aa1697b7-d611-4f9a-9cb2-5125b4ccfd5c",
    "af77cf95-c469-471c-b6a0-946c685c4798",
    "c260b6db-48ba-4b4a-a76f-2f67644e99d2",
    "cc7abbd0-762b-41e3-8a26-57ad50d2eea3",
    "e81528db-fc02-45e8-8e98-4e84aba1f10b",
    "fd877b94-9bb5-4191-bb25-d79cbd93c167",
];

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
            let json: Value = serde_json::from_str(&unpack(&bytes)).unwrap();
            // As AWS delivers them, or as its API answers.
            records += json.get("Records").unwrap_or(&json).as_array().unwrap().len();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            project.write(&format!("in/cloudtrail/{folder}/{name}"), &bytes);
        }
    }
    records
}

fn unpack(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

/// The lines that `CrowdSec`'s tests feed to its parsers of nginx and sshd: well-formed ones, other
/// formats, and what attackers make of them. Answers how many there are of each.
fn lines(corpora: &Path, project: &Project) -> (usize, usize) {
    let packed = fs::read(corpora.join("crowdsec/crowdsec.dev.ndjson.gz")).unwrap();
    let (mut nginx, mut sshd) = (Vec::new(), Vec::new());
    for test in unpack(&packed).lines() {
        let test: Value = serde_json::from_str(test).unwrap();
        let log = test["log"].as_str().unwrap().lines().filter(|line| !line.trim().is_empty());
        for line in log {
            if test["log_type"] == "nginx" {
                nginx.push(line.to_owned());
            } else if line.contains(" sshd[") {
                sshd.push(line.to_owned());
            }
        }
    }
    project.write("in/nginx/access.log", (nginx.join("\n") + "\n").as_bytes());
    project.write("in/sshd/auth.log", (sshd.join("\n") + "\n").as_bytes());
    (nginx.len(), sshd.len())
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
         - {name: windows, log_source: windows_events, from: ./in/windows}\n  \
         - {name: nginx, log_source: nginx_access, from: ./in/nginx}\n  \
         - {name: sshd, log_source: linux_sshd, from: ./in/sshd}",
    );
    unpack_rules(&corpora, &project);
    let records = cloudtrail(&corpora, &project);
    mordor(&corpora, &project);
    let (nginx, sshd) = lines(&corpora, &project);
    assert!(records >= 2_900 && nginx > 500 && sshd > 80, "{records} {nginx} {sshd}");
    project.ok(&["run", "--once"]);
    let expected = [
        ("aws_cloudtrail", records),
        ("windows_events", MORDOR_EVENTS),
        ("nginx_access", nginx),
        ("linux_sshd", sshd),
    ];
    for (table, count) in expected {
        assert_eq!(project.rows(table), count as u64, "{table}");
    }
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();

    for (table, rules) in
        [("aws_cloudtrail", &CLOUDTRAIL_RULES[..]), ("windows_events", &WINDOWS_RULES[..])]
    {
        let sql = format!("SELECT DISTINCT rule_id FROM alerts WHERE log_source = '{table}'");
        let fired = project.json(&["sql", &sql]);
        let fired: BTreeSet<&str> =
            fired.iter().map(|row| row["rule_id"].as_str().unwrap()).collect();
        for rule in rules {
            assert!(fired.contains(rule), "{rule} raised no alert from {table}");
        }
    }
    every_rule_loads_or_is_reported(&project);
    others_count_the_same(&project, &expected);
    compaction_changes_nothing(&project);
    others_count_the_same(&project, &expected);
}

/// Every column of every event, before and after.
fn compaction_changes_nothing(project: &Project) {
    let tables = ["windows_events", "alerts", "matches"];
    let rows = |table: &str| {
        project.json(&["sql", &format!("SELECT * FROM {table} ORDER BY event_id, alert_id")])
    };
    let all = || tables.map(rows);
    let before = all();
    let done = project.json(&["lake", "compact"]);
    // How many files the small tables have depends on how the work was cut into commits; that many
    // events never come in one.
    let table = done.iter().find(|table| table["table"] == "windows_events").unwrap();
    assert!(table["rows"].as_u64().unwrap() > 0, "{table}");
    assert!(all() == before, "something was changed");
    project.ok(&["lake", "check"]);
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
fn others_count_the_same(project: &Project, expected: &[(&str, usize)]) {
    let Some(python) = tool("python") else { return };
    let script = project.write("count.py", READERS.as_bytes());
    let tables = project.path().join("lake/tables");
    let names = expected.iter().map(|(table, _)| table);
    let output = Command::new(&python).arg(script).arg(tables).args(names).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let counts: Value = serde_json::from_slice(&output.stdout).unwrap();
    for reader in ["deltalake", "duckdb", "chdb"] {
        for (table, count) in expected {
            assert_eq!(counts[reader][table], *count, "{reader}: {counts}");
        }
    }
}

/// The list of live files is deltalake's; DuckDB and `ClickHouse` then read them with readers of
/// their own.
const READERS: &str = r#"
import json, sys
import chdb, deltalake, duckdb
folder, names = sys.argv[1], sys.argv[2:]
found = {"deltalake": {}, "duckdb": {}, "chdb": {}}
for name in names:
    table = deltalake.DeltaTable(f"{folder}/{name}")
    batches = table.to_pyarrow_dataset().scanner(columns=["event_id"]).to_batches()
    found["deltalake"][name] = sum(batch.num_rows for batch in batches)
    files = [uri.removeprefix("file://") for uri in table.file_uris()]
    query = "select count(distinct event_id) from read_parquet(?, union_by_name=true)"
    found["duckdb"][name] = duckdb.execute(query, [files]).fetchone()[0]
    query = "select count(event_id) from file('{}', Parquet, 'event_id String')"
    found["chdb"][name] = sum(int(str(chdb.query(query.format(file), "CSV"))) for file in files)
print(json.dumps(found))
"#;
