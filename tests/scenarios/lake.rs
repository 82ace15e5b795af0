//! Looking after the lake: compaction, retention, checks, wherever they die and whoever writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::harness::{Project, Running, events, until};

/// A project whose table `plain` has a file for each of `batches` batches of a hundred events.
fn with_small_files(batches: usize) -> Project {
    let project = Project::ndjson("");
    for batch in 0..batches {
        project.write(&format!("in/{batch}.ndjson"), &events(batch * 100, 100));
        project.ok(&["run", "--once"]);
    }
    project
}

fn table(project: &Project, name: &str) -> Value {
    let tables = project.json(&["tables"]);
    tables.into_iter().find(|table| table["table"] == name).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A table's words, whatever is between them.
fn shown(text: &str) -> String {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect::<Vec<_>>().join("\n")
}

#[test]
fn small_files_become_one() {
    let project = with_small_files(4);
    let all = "SELECT event_id, n, time, ingest_time, \"user\" FROM plain ORDER BY n";
    let before = project.json(&["sql", all]);
    let done = project.run(&["lake", "compact"]);
    let bytes = table(&project, "plain")["bytes"].to_string();
    let text = shown(&stdout(&done));
    let (head, row) = text.split_once('\n').unwrap();
    assert_eq!(head, "TABLE DAYS FILES FILES NOW ROWS BYTES BYTES NOW");
    assert!(row.starts_with("plain 1 4 1 400 ") && row.ends_with(&bytes), "{text}");
    assert_eq!(project.json(&["sql", all]), before);
    assert_eq!(project.ok(&["lake", "compact", "plain"]), "there was nothing to compact\n");

    let json = project.json(&["lake", "compact", "plain", "--day", "2026-11-20"]);
    assert_eq!(json.len(), 1);
    assert_eq!((&json[0]["table"], &json[0]["files_before"]), (&"plain".into(), &0.into()));
    let unknown = project.run(&["lake", "compact", "nowhere"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert_eq!(
        String::from_utf8_lossy(&unknown.stderr),
        "error[DAB0507]: there is no table `nowhere`\n  help: choose one that `dab tables` lists\n"
    );
}

#[test]
fn compaction_may_die_anywhere() {
    for point in ["rewritten", "compacted"] {
        let project = with_small_files(3);
        let crashed = project.run(&["lake", "compact", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: it died by a signal");
        assert_eq!(project.rows("plain"), 300, "{point}");
        project.write("in/more.ndjson", &events(300, 100));
        project.ok(&["run", "--once"]);
        assert_eq!(project.rows("plain"), 400, "{point}");
        project.ok(&["lake", "compact"]);
        assert_eq!(project.rows("plain"), 400, "{point}");
        assert_eq!(table(&project, "plain")["files"], 1, "{point}");
        project.ledger_adds_up();
    }
}

#[test]
fn compaction_beside_a_running_pipeline_loses_and_doubles_nothing() {
    let project = with_small_files(1);
    let running = Running::start(&project, &[]);
    for batch in 1..12 {
        project.write(&format!("in/{batch}.ndjson"), &events(batch * 100, 100));
        project.ok(&["lake", "compact"]);
    }
    let count = || project.number("SELECT count(*) FROM plain");
    until("all batches", || (count() == 1_200).then_some(()));
    project.ok(&["lake", "compact"]);
    drop(running);
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 1_200);
    project.ledger_adds_up();
}

/// Lets a file be as old as that.
fn backdate(path: &Path, days: u64) {
    let file = fs::OpenOptions::new().append(true).open(path).unwrap();
    let age = Duration::from_secs(days * 86_400);
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn compacted_files(project: &Project) -> Vec<PathBuf> {
    let day = project.path().join("lake/tables/plain/day=2026-11-20");
    let files = fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_string_lossy().contains("compacted-")).collect()
}

#[test]
fn what_a_killed_compaction_left_is_removed_when_it_is_old() {
    let project = with_small_files(3);
    for _ in 0..3 {
        project.run(&["lake", "compact", "--crash-at", "rewritten"]);
    }
    assert_eq!(compacted_files(&project).len(), 3);
    assert_eq!(project.ok(&["lake", "retain"]), "nothing is too old, or unused\n");
    for path in compacted_files(&project) {
        backdate(&path, 2);
    }
    let dry = project.run(&["lake", "retain", "--dry-run"]);
    let bytes = fs::metadata(&compacted_files(&project)[0]).unwrap().len() * 3;
    assert_eq!(
        shown(&stdout(&dry)),
        format!("TIER OF FIRST DAY LAST DAY FILES ROWS BYTES\nunused plain - - 3 - {bytes}")
    );
    assert_eq!(compacted_files(&project).len(), 3);
    let crashed = project.run(&["lake", "retain", "--crash-at", "vacuumed"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    let left = compacted_files(&project).len();
    assert!(left < 3, "it had begun");
    let removed = project.json(&["lake", "retain"]);
    assert_eq!(removed.first().map_or(0, |one| one["files"].as_u64().unwrap()), left as u64);
    assert!(compacted_files(&project).is_empty());
    assert_eq!(project.rows("plain"), 300);
}

#[test]
fn retention_drops_what_the_settings_say() {
    let project = Project::ndjson("retention: {tables: {plain: {warm_days: 1, cold_days: 1}}}");
    project.write("in/a.ndjson", &events(0, 100));
    project.write("in/b.ndjson", b"{\"t\":\"2999-01-01T00:00:00Z\"}\n");
    let today = base::Clock::now(&base::SystemClock);
    let today = format!("{{\"t\":\"{today}\",\"n\":7}}\n");
    project.write("in/c.ndjson", today.as_bytes());
    project.ok(&["run", "--once"]);
    let crashed = project.run(&["lake", "retain", "--crash-at", "dropped"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    assert_eq!(project.rows("plain"), 1, "today stays");
    assert_eq!(project.ok(&["lake", "retain"]), "nothing is too old, or unused\n");
    // What was dropped does not come back.
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 1);
    assert_eq!(project.quarantined().len(), 1, "the quarantine is not touched");

    let wrong = Project::ndjson("retention: {warm_days: 0}");
    let wrong = wrong.run(&["lake", "retain"]);
    assert_eq!(wrong.status.code(), Some(3));
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        said.starts_with(
            "error[DAB0103]: `warm_days`, `cold_days` and `quarantine_days` can't be 0\n"
        ),
        "{said}"
    );
}

pub(crate) fn cold_objects(project: &Project) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![project.path().join("lake/cold")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Events of which each has a token of its own.
fn events_with_ids(count: u64) -> Vec<u8> {
    let line = |n: u64| {
        let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) | 1 << 63;
        let odd = id.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        format!(
            "{{\"t\":\"2026-11-20T08:00:00Z\",\"id\":\"{id:016x}\",\"odd\":\"{odd:016x}\",\"n\":{n}}}\n"
        )
    };
    (0..count).map(line).collect::<String>().into_bytes()
}

#[test]
fn a_search_reads_what_the_index_leaves() {
    let project = Project::ndjson("");
    project.write("in/a.ndjson", &events_with_ids(30_000));
    project.ok(&["run", "--once"]);
    let check = |sound: u64, missing: u64, exit: i32| {
        let done = project.run(&["--output", "json", "lake", "index", "check"]);
        assert_eq!(done.status.code(), Some(exit));
        let line: Value = serde_json::from_str(&stdout(&done)).unwrap();
        assert_eq!((&line["sound"], &line["missing"]), (&sound.into(), &missing.into()), "{line}");
    };
    check(1, 0, 0);
    let explained = |args: &[&str]| {
        let done = project.run(&[&["--output", "json", "search", "--explain"], args].concat());
        assert_eq!(done.status.code(), Some(0));
        let found: Value = serde_json::from_str(stdout(&done).lines().next().unwrap()).unwrap();
        let report = String::from_utf8_lossy(&done.stderr).into_owned();
        (found["n"].clone(), serde_json::from_str::<Value>(report.trim()).unwrap())
    };
    let id = project.json(&["sql", "SELECT id FROM plain WHERE n = 12345"]);
    let line = id[0]["id"].as_str().unwrap();
    let (found, with) = explained(&[line]);
    assert_eq!((&found, &with["blocks"]), (&12_345.into(), &1.into()), "{with}");
    let (found, without) = explained(&["--no-index", line]);
    assert_eq!((&found, &without["blocks_total"]), (&12_345.into(), &0.into()), "{without}");
    let bytes = |report: &Value| report["bytes_estimated"].as_u64().unwrap();
    assert!(bytes(&with) * 2 < bytes(&without), "{with} {without}");

    let dropped = project.ok(&["lake", "index", "drop", "plain"]);
    assert_eq!(
        shown(&dropped),
        "TABLE FILES SMALL MISSING DAMAGED BUILT DROPPED SOUND BYTES\nplain 1 0 0 0 0 1 0 0"
    );
    check(0, 1, 1);
    project.ok(&["lake", "index", "build", "--day", "2026-11-20"]);
    check(1, 0, 0);
    assert_eq!(explained(&[line]).0, Value::from(12_345));
    let stats = project.json(&["lake", "stats"]);
    assert!(stats[0]["index_bytes"].as_u64().unwrap() > 10_000, "{}", stats[0]);
}

#[test]
fn a_check_finds_what_is_not_as_the_ledger_says() {
    let project = with_small_files(3);
    let check = || {
        let done = project.run(&["lake", "check"]);
        (done.status.code(), stdout(&done))
    };
    let fine =
        "1 tables with 3 files and 0 search indexes, 3 batches, 3 cold objects: no findings\n";
    assert_eq!(check(), (Some(0), fine.to_owned()));
    project.ok(&["lake", "compact"]);
    assert_eq!(check(), (Some(0), fine.replace("3 files", "1 files")));

    let cold = cold_objects(&project);
    fs::remove_file(&cold[1]).unwrap();
    let address = fs::canonicalize(&cold[0]).unwrap().with_file_name(cold[1].file_name().unwrap());
    let expected = format!(
        "error[DAB0546]: the raw bytes of batch 2 of the source `s` are missing\n  \
         --> file://{}\n  \
         help: restore the object from a backup; the events are in their table all the same\n\
         1 tables with 1 files and 0 search indexes, 3 batches, 2 cold objects: 1 findings\n",
        address.display(),
    );
    assert_eq!(check(), (Some(1), expected));
    // Nothing of that can be repaired.
    assert_eq!(project.run(&["lake", "check", "--repair"]).status.code(), Some(1));

    let record = project.path().join("lake/batches/s/000000000003.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"rows\":100", "\"rows\":99")).unwrap();
    fs::remove_file(project.path().join("lake/batches/s/000000000001.json")).unwrap();
    let done = project.run(&["lake", "check", "--output", "json"]);
    let lines: Vec<Value> =
        stdout(&done).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = lines.iter().filter_map(|line| line["message"].as_str()).collect();
    assert_eq!(
        said,
        [
            "batch 1 of the source `s` is not accounted for: it is missing",
            "batch 3 of the source `s` is not accounted for: \
             100 records came in, and became 99 rows and 0 quarantined",
            "the raw bytes of batch 2 of the source `s` are missing",
        ]
    );
    assert_eq!(lines[3]["findings"], 3);
}

#[test]
fn what_retention_dropped_is_not_missing_and_what_never_happened_is_removed() {
    let project = with_small_files(2);
    let first = cold_objects(&project).swap_remove(0);
    let elsewhere = project.path().join("lake/cold/plain/day=2026-11-01/hour=08");
    fs::create_dir_all(&elsewhere).unwrap();
    // As if the first try at this batch had been written some hours before it was committed.
    let twice = elsewhere.join(first.file_name().unwrap());
    fs::copy(&first, &twice).unwrap();
    project.ok(&["lake", "check"]);
    backdate(&twice, 2);
    let done = project.run(&["lake", "check"]);
    assert_eq!(done.status.code(), Some(1), "{}", stdout(&done));
    let done = project.run(&["lake", "check", "--repair"]);
    let bytes = fs::metadata(&first).unwrap().len();
    let removed = format!("removed: 1 objects, {bytes} bytes, are part of nothing (file://");
    assert!(stdout(&done).starts_with(&removed), "{}", stdout(&done));
    assert_eq!((done.status.code(), twice.try_exists().unwrap()), (Some(0), false));

    let note = "{\"version\":1,\"log_source\":\"plain\",\"before\":\"2999-01-01\"}";
    project.write("lake/upkeep/cold/plain.json", note.as_bytes());
    for path in cold_objects(&project) {
        fs::remove_file(path).unwrap();
    }
    assert!(project.ok(&["lake", "check"]).contains("0 cold objects: no findings"));
}

#[test]
fn what_is_stored_is_counted_and_priced() {
    let project = with_small_files(2);
    project.write("in/bad.ndjson", b"{\n");
    project.ok(&["run", "--once"]);
    let raw = (events(0, 200).len() + 2) as u64;
    let cold: u64 = cold_objects(&project).iter().map(|it| fs::metadata(it).unwrap().len()).sum();
    let warm = table(&project, "plain")["bytes"].as_u64().unwrap();
    let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/prices-s3.yaml");
    let args = ["lake", "stats", "--prices", prices.to_str().unwrap()];
    let lines = project.json(&args);
    assert_eq!(lines[0]["table"], "plain");
    assert_eq!(lines.last().unwrap()["table"], "total");
    for line in &lines {
        let count = |key: &str| line[key].as_u64().unwrap();
        assert_eq!((count("records"), count("raw_bytes"), count("rows")), (201, raw, 200));
        assert_eq!((count("warm_bytes"), count("cold_bytes")), (warm, cold));
        assert_eq!((count("files"), count("batches"), count("cold_raw_bytes")), (2, 3, raw));
        let number = |key: &str| line[key].as_f64().unwrap();
        let left = count("warm_raw_bytes") as f64;
        assert!((left - raw as f64 * 200.0 / 201.0).abs() <= 0.5, "{line}");
        let year = 12.0 * 0.023 * (warm as f64 / left + cold as f64 / raw as f64);
        assert!((number("gb_year") - year).abs() < 1e-9, "{line}");
        let month = 0.023 * (warm + cold) as f64 / 1e9;
        assert!((number("month") - month).abs() < 1e-12, "{line}");
    }
    let requests = &lines[1]["requests"];
    assert_eq!(requests, &project.json(&["status"])[0]["requests"]);
    let count = |key: &str| requests["lake"][key].as_u64().unwrap_or_else(|| panic!("{requests}"));
    // Raw bytes, the quarantine, the manifest, and the table's log at least; and what is there is read.
    assert!(count("writes") >= 4 && count("reads") >= 3 && count("lists") >= 1, "{requests}");
    assert!(count("bytes_written") > 0 && count("bytes_read") > 0, "{requests}");
    assert_eq!(count("errors"), 0, "{requests}");
    assert_eq!(requests.as_object().unwrap().len(), 1, "the source is a folder: {requests}");
    // Those of all processes that write to the lake.
    let mut other = fs::read_to_string(project.path().join("lake/status.json")).unwrap();
    other.insert_str(1, "\"writer\":\"b\",");
    project.write("lake/status/b.json", other.as_bytes());
    let both = &project.json(&args)[1]["requests"]["lake"];
    assert_eq!(both["writes"].as_u64(), Some(2 * count("writes")), "{both}");
    let said = project.run(&args).stderr;
    assert!(String::from_utf8_lossy(&said).contains("read, by `dab run` as `b` from "));
    fs::remove_file(project.path().join("lake/status/b.json")).unwrap();
    let text = project.ok(&args);
    let (head, rest) = text.split_once('\n').unwrap();
    assert_eq!(
        shown(head),
        "TABLE RECORDS RAW BYTES ROWS FILES COMMITS WARM BYTES WARM % INDEX BYTES INDEX % COLD BYTES \
         COLD % A MONTH A GB YEAR"
    );
    assert!(
        rest.ends_with(
            "USD for storage alone, as of 2025-09 (https://aws.amazon.com/s3/pricing/)\n"
        )
    );
    let wrong = project.write("prices.yaml", b"version: 1\nprice: 3\n");
    let wrong = project.run(&["lake", "stats", "--prices", wrong.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&wrong.stderr).starts_with("error[DAB0507]: "));
}

#[test]
fn a_running_pipeline_looks_after_its_lake() {
    let project = Project::new(
        "log_sources: [./sources]\n\
         collect: [{name: s, log_source: plain, from: ./in, settle_seconds: 0, commit_seconds: 1}]\n\
         retention: {tables: {plain: {cold_days: 1}}}\n\
         maintenance: {look_seconds: 1, small_files_max: 3}",
    );
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    let old = "lake/cold/plain/day=2026-01-01/hour=08/gone-000000000001.zst";
    let old = project.write(old, b"old");
    project.write("in/0.ndjson", &events(0, 100));
    project.ok(&["run", "--once"]);
    let running = Running::start(&project, &[]);
    for batch in 1..8_usize {
        project.write(&format!("in/{batch}.ndjson"), &events(batch * 100, 100));
        let count = || project.number("SELECT count(*) FROM plain");
        until("the batch", || (count() == (batch as u64 + 1) * 100).then_some(()));
    }
    let files = || table(&project, "plain")["files"].as_u64().unwrap();
    until("compaction", || (files() <= 3).then_some(()));
    until("retention", || (!old.try_exists().unwrap()).then_some(()));
    drop(running);
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 800);
    project.ok(&["lake", "check"]);
}
