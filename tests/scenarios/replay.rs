//! What came in is what is stored: reconciled, and made anew from the bytes as received.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{
    harness::{Project, Running, events, gzip},
    http,
    lake::cold_objects,
};

/// A project whose files were taken in by three runs, each a batch or more.
fn grown() -> Project {
    let project = Project::ndjson("");
    project.write("in/b.ndjson.gz", &gzip(&events(5_000, 300)));
    for part in 0..3 {
        if part == 0 {
            project.write("in/a.ndjson", &events(0, 100));
        } else {
            project.append("in/a.ndjson", &events(part * 100, 100));
        }
        project.append("in/a.ndjson", b"not json\n");
        project.ok(&["run", "--once"]);
    }
    project
}

fn reconcile(project: &Project) -> (Option<i32>, Vec<Value>) {
    let done = project.run(&["lake", "reconcile", "--unpack", "--output", "json"]);
    let text = String::from_utf8(done.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (done.status.code(), lines)
}

fn findings(project: &Project) -> Vec<String> {
    let (code, lines) = reconcile(project);
    let of =
        |line: &Value| Some(format!("{} {}", line["code"].as_str()?, line["message"].as_str()?));
    let findings: Vec<String> = lines.iter().filter_map(of).collect();
    assert_eq!(code, Some(i32::from(!findings.is_empty())), "{lines:?}");
    findings
}

/// What `dab lake replay` says of the one log source.
fn replay(project: &Project, args: &[&str]) -> (Option<i32>, Value) {
    let args = [&["lake", "replay"], args, &["--output", "json"]].concat();
    let done = project.run(&args);
    let text = String::from_utf8(done.stdout).unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    let line = text.lines().next().unwrap_or_else(|| panic!("{said}"));
    (done.status.code(), serde_json::from_str(line).unwrap())
}

/// The counts of a replay, in the order of its table.
fn counts(line: &Value) -> [u64; 7] {
    ["records", "renewed", "restored", "kept", "quarantined", "dropped", "left"]
        .map(|key| line[key].as_u64().unwrap_or_else(|| panic!("{key}: {line}")))
}

/// The newest commit of the table.
fn newest_commit(project: &Project) -> PathBuf {
    let log = project.path().join("lake/tables/plain/_delta_log");
    let entries = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let mut commits: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "json")).collect();
    commits.sort();
    commits.pop().unwrap()
}

#[test]
fn what_came_in_is_what_is_stored() {
    let project = grown();
    assert_eq!(findings(&project), [""; 0]);
    let shown = project.ok(&["lake", "reconcile"]);
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let table = cells(shown.lines().nth(1).unwrap());
    assert_eq!(table[..7], ["plain", "3", "603", "600", "3", "600", "0"], "{shown}");
    assert_eq!(table[7], table[8], "all raw bytes are in the cold tier: {shown}");
    assert!(shown.ends_with("3 batches: no findings\n"), "{shown}");
    // What is asked for is when it was taken in, not when it happened.
    let none = project.ok(&["lake", "reconcile", "--to", "2026-01-01"]);
    assert!(none.ends_with("0 batches: no findings\n"), "{none}");
    let day = project.ok(&["lake", "reconcile", "--last", "1d"]);
    assert!(day.ends_with("3 batches: no findings\n"), "{day}");

    // Neither compaction nor a replay of the quarantine changes what adds up.
    project.ok(&["lake", "compact"]);
    project.append("in/a.ndjson", b"{\"when\":\"2026-11-20T09:00:00Z\"}\n");
    project.ok(&["run", "--once"]);
    assert_eq!(project.quarantined().len(), 4);
    let mended = b"format: {type: ndjson}\ntime: {field: [t, when]}\n";
    project.write("sources/plain.yml", mended);
    project.run(&["quarantine", "replay", "--all"]);
    assert_eq!((project.quarantined().len(), project.rows("plain")), (3, 601));
    assert_eq!(findings(&project), [""; 0]);
}

#[test]
fn what_does_not_add_up_is_found() {
    let project = grown();
    let quarantine = project.path().join("lake/quarantine/plain/s-000000000002.ndjson");
    fs::remove_file(quarantine).unwrap();
    let record = project.path().join("lake/batches/s/000000000001.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"records\":401", "\"records\":402")).unwrap();
    let object =
        cold_objects(&project).into_iter().find(|path| path.ends_with("s-000000000003.zst"));
    let object = object.unwrap();
    let mut bytes = fs::read(&object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&object, bytes).unwrap();
    let found = findings(&project);
    assert_eq!(found.len(), 3, "{found:?}");
    let expected = "DAB0545 batch 1 of the source `s` is not accounted for: 402 records came in, \
        and became 400 rows and 1 quarantined";
    assert_eq!(found[0], expected);
    let expected = "DAB0548 of batch 2 of the source `s`, 0 records are in the quarantine or were \
        replayed; the ledger says 1";
    assert_eq!(found[1], expected);
    let expected = "DAB0546 the raw bytes of batch 3 of the source `s` can't be used: ";
    assert!(found[2].starts_with(expected), "{found:?}");
}

#[test]
fn lost_and_doubled_rows_are_found_and_mended() {
    for is_lost in [true, false] {
        let project = grown();
        let commit = newest_commit(&project);
        let text = fs::read_to_string(&commit).unwrap();
        let add = text.lines().find(|line| line.contains("\"add\"")).unwrap();
        let changed = if is_lost {
            text.replace(&format!("{add}\n"), "")
        } else {
            // The same file under another name.
            let action: Value = serde_json::from_str(add).unwrap();
            let path = action["add"]["path"].as_str().unwrap();
            let folder = project.path().join("lake/tables/plain");
            let twice = path.replace(".parquet", "-twice.parquet");
            fs::copy(folder.join(path.replace("%3D", "=")), folder.join(twice.replace("%3D", "=")))
                .unwrap();
            format!("{}\n{}\n", text.trim_end(), add.replace(path, &twice))
        };
        fs::write(&commit, changed).unwrap();
        let found = if is_lost { 0 } else { 200 };
        let expected = format!(
            "DAB0547 of batch 3 of the source `s`, the table `plain` has {found} rows; the ledger says 100"
        );
        assert_eq!(findings(&project), [expected]);
        let (code, dry) = replay(&project, &["--dry-run"]);
        let (renewed, restored) = if is_lost { (500, 100) } else { (600, 0) };
        assert_eq!((code, counts(&dry)), (Some(0), [603, renewed, restored, 0, 3, 0, 0]));
        assert_eq!(findings(&project).len(), 1, "nothing was changed");
        let (code, done) = replay(&project, &[]);
        assert_eq!((code, done), (Some(0), dry));
        assert_eq!(findings(&project), [""; 0]);
        assert_eq!(project.rows("plain"), 600);
    }
}

/// A log source that has a normalized field more, and takes the later time where there is one.
const MENDED: &[u8] = b"format: {type: ndjson}\ntime: {field: [later, t]}\n\
    fields:\n  process.name: user\n";

#[test]
fn a_corrected_log_source_is_applied_wherever_it_dies() {
    for compacted in [false, true] {
        for point in ["rewritten", "exchanged"] {
            let project = grown();
            if compacted {
                project.ok(&["lake", "compact"]);
            }
            let sum = "SELECT sum(n) AS n FROM plain";
            let (before, rows) = (project.number(sum), project.rows("plain"));
            project.write("sources/plain.yml", MENDED);
            let died = project.run(&["lake", "replay", "--crash-at", point]);
            assert_eq!(died.status.code(), None, "{point}: it died by a signal");
            assert_eq!((project.number(sum), project.rows("plain")), (before, rows), "{point}");
            let (code, done) = replay(&project, &["plain"]);
            assert_eq!((code, counts(&done)), (Some(0), [603, 600, 0, 0, 3, 0, 0]), "{point}");
            let users = "SELECT count(*) AS n FROM plain WHERE process.name LIKE 'u%'";
            assert_eq!(project.number(users), 600, "{point}");
            assert_eq!((project.number(sum), project.rows("plain")), (before, rows), "{point}");
            assert_eq!(findings(&project), [""; 0], "{point}");
            // The source goes on as if nothing had happened.
            project.append("in/a.ndjson", &events(900, 10));
            project.ok(&["run", "--once"]);
            assert_eq!(project.rows("plain"), 610);
            assert_eq!(project.quarantined().len(), 3, "what is there is not replayed");
        }
    }
}

#[test]
fn events_that_move_to_another_day_are_found_the_next_time() {
    let project = Project::ndjson("");
    let line = |n: u32| {
        format!("{{\"t\":\"2026-11-20T08:00:00Z\",\"later\":\"2026-11-22T08:00:00Z\",\"n\":{n}}}\n")
    };
    project.write("in/a.ndjson", (0..50).map(line).collect::<String>().as_bytes());
    project.ok(&["run", "--once"]);
    let on = |day: &str| {
        project.number(&format!("SELECT count(*) AS n FROM plain WHERE day = DATE '{day}'"))
    };
    assert_eq!((on("2026-11-20"), on("2026-11-22")), (50, 0));
    project.write("sources/plain.yml", MENDED);
    for _ in 0..2 {
        let (code, done) = replay(&project, &[]);
        assert_eq!((code, counts(&done)), (Some(0), [50, 50, 0, 0, 0, 0, 0]));
        assert_eq!((on("2026-11-20"), on("2026-11-22")), (0, 50));
        assert_eq!(findings(&project), [""; 0]);
    }
}

#[test]
fn what_can_not_be_replayed_stays_as_it_is() {
    let project = grown();
    // A time that no event has.
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: when}\n");
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)), (Some(1), [603, 0, 0, 600, 3, 0, 0]), "{done}");
    assert!(done["first_problem"]["code"].is_string(), "{done}");
    assert_eq!(project.rows("plain"), 600);

    // A format that cuts the bytes into other records.
    project.write("sources/plain.yml", b"format: {type: csv}\ntime: {field: t}\n");
    let (code, done) = replay(&project, &[]);
    // The first line of a file would be its header: the batch that has it is left alone.
    assert_eq!((code, counts(&done)), (Some(1), [603, 0, 0, 200, 2, 0, 1]), "{done}");
    assert_eq!(done["first_problem"]["code"], "DAB0721", "{done}");
    assert_eq!(project.rows("plain"), 600);

    // Raw bytes that are gone.
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    fs::remove_dir_all(project.path().join("lake/cold")).unwrap();
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)[1], counts(&done)[6]), (Some(1), 0, 3), "{done}");
    assert_eq!(done["first_problem"]["code"], "DAB0720", "{done}");
    assert_eq!(project.rows("plain"), 600);
    let unknown = project.run(&["lake", "replay", "nothing"]);
    assert_eq!(unknown.status.code(), Some(3), "{}", String::from_utf8_lossy(&unknown.stderr));
}

#[test]
fn dropped_days_come_back_only_if_asked_for() {
    let project = grown();
    let config = fs::read_to_string(project.path().join("dab.yaml")).unwrap();
    project.write("dab.yaml", format!("{config}\nretention: {{warm_days: 1}}\n").as_bytes());
    project.ok(&["lake", "retain"]);
    assert_eq!(project.rows("plain"), 0);
    assert_eq!(findings(&project), [""; 0], "what was dropped is not missing");
    let dropped = &reconcile(&project).1[0];
    assert_eq!((&dropped["found"], &dropped["dropped"]), (&0.into(), &600.into()), "{dropped}");
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)), (Some(0), [603, 0, 0, 0, 3, 600, 0]));
    let (code, done) = replay(&project, &["--dropped"]);
    assert_eq!((code, counts(&done)), (Some(0), [603, 0, 600, 0, 3, 0, 0]));
    assert_eq!(project.rows("plain"), 600);
    assert_eq!(findings(&project), [""; 0]);
}

/// The objects of the quarantine.
fn quarantine_objects(project: &Project) -> Vec<PathBuf> {
    let folder = project.path().join("lake/quarantine/plain");
    fs::read_dir(folder).map_or(Vec::new(), |found| found.map(|it| it.unwrap().path()).collect())
}

#[test]
fn what_retention_drops_from_the_quarantine_is_not_lost() {
    let project = grown();
    let config = fs::read_to_string(project.path().join("dab.yaml")).unwrap();
    let config = format!("{config}\nretention: {{quarantine_days: 1}}\n");
    project.write("dab.yaml", config.as_bytes());
    assert_eq!(project.ok(&["lake", "retain"]), "nothing is too old, or unused\n");
    // As it is when the days have passed.
    let objects = quarantine_objects(&project);
    assert_eq!(objects.len(), 3);
    for path in &objects {
        let mut record: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        record["time"] = "2026-01-01T08:00:00Z".into();
        fs::write(path, format!("{record}\n")).unwrap();
    }
    let would = project.json(&["lake", "retain", "--dry-run"]);
    assert_eq!(quarantine_objects(&project).len(), 3, "a dry run changes nothing");
    assert_eq!(project.json(&["lake", "retain"]), would);
    assert_eq!(
        (&would[0]["tier"], &would[0]["files"], &would[0]["rows"], &would[0]["first_day"]),
        (&"quarantine".into(), &3.into(), &3.into(), &"2026-01-01".into())
    );
    assert_eq!((quarantine_objects(&project).len(), project.quarantined().len()), (0, 0));
    assert_eq!(findings(&project), [""; 0], "what was dropped is not missing");
    let table = &reconcile(&project).1[0];
    assert_eq!((&table["quarantined"], &table["quarantine_dropped"]), (&3.into(), &3.into()));

    // Nor is it taken for rows that are missing.
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)), (Some(0), [603, 600, 0, 0, 3, 0, 0]), "{done}");
    assert_eq!(project.rows("plain"), 600);
    assert_eq!(findings(&project), [""; 0]);
}

#[test]
fn raw_bytes_that_retention_dropped_are_not_lost() {
    let project = grown();
    fs::remove_dir_all(project.path().join("lake/cold")).unwrap();
    assert_eq!(findings(&project).len(), 3, "they are missing");
    // As retention leaves it when the days have passed.
    let note = b"{\"version\":1,\"log_source\":\"plain\",\"before\":\"2999-01-01\"}";
    project.write("lake/upkeep/cold/plain.json", note);
    assert_eq!(findings(&project), [""; 0]);
    let table = &reconcile(&project).1[0];
    assert_eq!((&table["cold"], &table["cold_dropped"]), (&0.into(), &table["bytes"]), "{table}");
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)[6], &done["raw_dropped"]), (Some(0), 0, &3.into()), "{done}");
    let shown = project.run(&["lake", "replay"]);
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    let expected = "3 batches stay as they are: retention has dropped their raw bytes\n";
    assert!(said.ends_with(expected), "{said}");
    assert_eq!(project.rows("plain"), 600);
}

#[test]
fn bodies_in_every_form_and_rows_below_a_header_are_replayed() {
    let project = http::project();
    let mut running = Running::start(&project, &[]);
    let address = running.address.clone();
    let array =
        b"[{\"t\":\"2026-11-20T08:00:00Z\",\"n\":1}, {\"t\":\"2026-11-20T08:00:00Z\",\"n\":2}]";
    for body in [&array[..], &events(10, 5)] {
        assert_eq!(http::try_post(&address, "/ingest/plain", http::BEARER, body), Some(200));
    }
    running.kill();
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)), (Some(0), [7, 7, 0, 0, 0, 0, 0]), "{done}");
    assert_eq!((project.rows("plain"), findings(&project).len()), (7, 0));

    let project = Project::ndjson("");
    project.write("sources/plain.yml", b"format: {type: csv}\ntime: {field: t}\n");
    project.write("in/a.csv", b"t,n\n2026-11-20T08:00:00Z,1\n");
    project.ok(&["run", "--once"]);
    project.append("in/a.csv", b"2026-11-20T08:00:00Z,2\nonce\n2026-11-20T08:00:00Z,3\n");
    project.ok(&["run", "--once"]);
    let rows = project.rows("plain");
    let (code, done) = replay(&project, &[]);
    assert_eq!((code, counts(&done)[1]), (Some(0), rows), "{done}");
    assert_eq!((project.rows("plain"), findings(&project).len()), (rows, 0));
}

#[test]
fn what_a_client_said_beside_a_record_is_made_anew_too() {
    let project = http::project();
    let running = Running::start(&project, &[]);
    let headers = "Authorization: Splunk secret\r\n";
    let body = br#"{"host": "web-1", "sourcetype": "plain", "event": {"t": "2026-11-20T08:00:00Z", "n": 1}}
        {"host": "web-2", "sourcetype": "plain", "event": {"t": "2026-11-20T08:00:00Z", "n": 2}}"#;
    let (status, reply) = http::post(&running.address, "/services/collector/event", headers, body);
    assert_eq!(status, 200, "{reply}");
    running.end();
    let hosts = |field: &str| {
        let sql = format!("SELECT {field} AS host FROM plain ORDER BY n");
        let rows = project.json(&["sql", &sql]).into_iter();
        rows.map(|row| row["host"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hosts("hec.host"), ["web-1", "web-2"]);
    // The log source learns later what to make of it.
    let source = b"format: {type: ndjson}\ntime: {field: t}\nfields: {host.name: hec.host}\n";
    project.write("sources/plain.yml", source);
    let (code, line) = replay(&project, &[]);
    assert_eq!((code, counts(&line)), (Some(0), [2, 2, 0, 0, 0, 0, 0]), "{line}");
    assert_eq!(hosts("host.name"), ["web-1", "web-2"]);
    assert_eq!(hosts("hec.host"), ["web-1", "web-2"]);
    assert_eq!(findings(&project), [""; 0]);
}
