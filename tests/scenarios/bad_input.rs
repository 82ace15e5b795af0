//! Bad input: each gives a clear error, loses nothing, and does not stop the rest.

use std::{fs, io::Write as _};

use crate::harness::{Project, Running, events, gzip};

/// However large the input: the most memory that a run may take.
const MEMORY_BYTES_MAX: u64 = 1_000_000_000;

/// Everything the quarantine says, as text.
fn reasons(project: &Project) -> String {
    project.quarantined().iter().map(|record| format!("{record}\n")).collect()
}

#[test]
fn bad_records_go_to_quarantine_and_the_rest_goes_on() {
    let project = Project::ndjson("");
    let deep = format!(
        "{{\"t\":\"2026-11-20T08:00:00Z\",\"d\":{}1{}}}\n",
        "[".repeat(900),
        "]".repeat(900)
    );
    let mut file = events(0, 3);
    for line in [
        &b"{\"t\":\"2026-11-20T08:00:00Z\",\"broken\":\n"[..],
        b"{\"t\":\"2026-11-20T08:00:00Z\",\"name\":\"caf\xe9\"}\n",
        b"{\"n\":1}\n",
        b"{\"t\":\"1970-01-01T00:00:00Z\"}\n",
        b"{\"t\":\"2999-01-01T00:00:00Z\"}\n",
        b"[1]\n",
        deep.as_bytes(),
    ] {
        file.extend_from_slice(line);
    }
    file.extend(events(3, 2));
    project.write("in/a.ndjson", &file);
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 5);
    assert_eq!(project.quarantined().len(), 7);
    let reasons = reasons(&project);
    for (code, words) in [
        ("DAB0311", "byte"),
        ("DAB0310", "0xe9"),
        ("DAB0316", "no `t`"),
        ("DAB0318", "1970-01-01"),
        ("DAB0318", "2999-01-01"),
        ("DAB0313", "an array"),
        ("DAB0312", "64"),
    ] {
        assert!(reasons.contains(code) && reasons.contains(words), "{code} {words}\n{reasons}");
    }
    assert!(reasons.contains("a.ndjson, byte "), "the place is named\n{reasons}");
    project.ledger_adds_up();
}

#[test]
fn the_quarantine_is_replayed_once() {
    let project = Project::ndjson("");
    project.write("in/a.ndjson", b"{\"t\":\"2026-11-20T08:00:00Z\",\"n\":1}\n{\"when\":\"2026-11-20T09:00:00Z\",\"n\":2}\n{\n");
    project.ok(&["run", "--once"]);
    assert_eq!((project.rows("plain"), project.quarantined().len()), (1, 2));
    let shown =
        project.ok(&["quarantine", "show", project.quarantined()[0]["id"].as_str().unwrap()]);
    assert!(shown.contains("\"when\"") && shown.contains("help:"), "{shown}");
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: [t, when]}\n");
    let replay = project.run(&["quarantine", "replay", "--all"]);
    assert_eq!(replay.status.code(), Some(1), "one is still bad: a finding");
    assert_eq!((project.rows("plain"), project.quarantined().len()), (2, 1));
    project.run(&["quarantine", "replay", "--all"]);
    assert_eq!((project.rows("plain"), project.quarantined().len()), (2, 1));
    let unknown = project.run(&["quarantine", "replay", "nope"]);
    assert_eq!(unknown.status.code(), Some(3));
}

#[test]
fn a_truncated_gzip_gives_what_it_has() {
    let project = Project::ndjson("");
    let whole = gzip(&events(0, 20_000));
    project.write("in/cut.gz", &whole[..whole.len() * 3 / 4]);
    project.write("in/good.ndjson", &events(0, 10));
    let told = project.ok(&["run", "--once"]);
    assert!(told.contains("DAB0406") && told.contains("cut.gz"), "{told}");
    let rows = project.rows("plain");
    assert!(rows > 5_000, "what came before the cut is there: {rows}");
    assert!(reasons(&project).contains("DAB0406"));
    project.ledger_adds_up();
}

/// As small as gzip can: some thousand to one.
fn tight(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_zip_bomb_is_stopped() {
    let settings = "collect: [{name: s, log_source: plain, from: ./in, settle_seconds: 0}]\n\
        log_sources: [./sources]\n";
    let project = Project::new(settings);
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    project.write("in/bomb.gz", &tight(&vec![b'\n'; 300 << 20]));
    project.write("in/good.ndjson", &events(0, 10));
    let told = project.ok(&["run", "--once"]);
    assert!(told.contains("DAB0408") && told.contains("decompression_ratio_max"), "{told}");
    assert_eq!(project.rows("plain"), 10);
}

#[test]
fn a_very_long_line_is_kept_whole_outside_memory() {
    let project = Project::ndjson("");
    let path = project.write("in/a.ndjson", &events(0, 2));
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\n").unwrap();
    file.write_all(&events(2, 2)).unwrap();
    drop(file);
    let peak = project.run_once_measured();
    assert!(peak < MEMORY_BYTES_MAX, "{peak} bytes");
    assert_eq!(project.rows("plain"), 4);
    let records = project.quarantined();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["bytes"], 200 << 20);
    assert_eq!(records[0]["code"], "DAB0315");
    let id = records[0]["id"].as_str().unwrap();
    let spill = project.path().join(format!("lake/quarantine/plain/spill/{id}.zst"));
    let kept = zstd::stream::copy_decode(fs::File::open(spill).unwrap(), std::io::sink());
    kept.unwrap();
}

/// 2,000 records of a megabyte each: two gigabytes, packed to next to nothing.
#[test]
fn a_file_larger_than_memory_flows_through() {
    let project = Project::new(
        "collect: [{name: s, log_source: plain, from: ./in, settle_seconds: 0, \
         decompression_ratio_max: 1000000}]\nlog_sources: [./sources]\n",
    );
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    let path = project.write("in/large.ndjson.zst", b"");
    let mut file = zstd::Encoder::new(fs::File::create(path).unwrap(), 1).unwrap();
    let filling = "x".repeat(1 << 20);
    for n in 0..2_000 {
        writeln!(file, r#"{{"t":"2026-11-20T08:00:00Z","n":{n},"filling":"{filling}"}}"#).unwrap();
    }
    file.finish().unwrap();
    let peak = project.run_once_measured();
    assert!(peak < MEMORY_BYTES_MAX, "{peak} bytes");
    assert_eq!(project.rows("plain"), 2_000);
    project.ledger_adds_up();
}

#[test]
fn files_that_grow_shrink_or_are_replaced_are_read_rightly() {
    let project = Project::ndjson("");
    project.write("in/a.ndjson", &events(0, 100));
    project.ok(&["run", "--once"]);
    project.append("in/a.ndjson", &events(100, 50));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 150, "only the new bytes");
    project.write("in/a.ndjson", &events(1000, 10));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 160, "a shrunk file is a new one");
    project.write("in/a.ndjson", &events(2000, 300));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 460, "so is one with another beginning");
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 460);
}

#[test]
fn odd_fields_lose_nothing() {
    let project = Project::ndjson("");
    let lines = "{\"t\":\"2026-11-20T08:00:00Z\",\"user\":\"a\",\"User\":\"b\",\"port\":22}\n\
        {\"t\":\"2026-11-20T08:00:01Z\",\"user\":\"c\",\"port\":\"ssh\"}\n";
    project.write("in/a.ndjson", lines.as_bytes());
    project.ok(&["run", "--once"]);
    let rows = project.json(&["search", "index:plain"]);
    assert_eq!(rows[1]["user"], "a");
    assert_eq!(rows[1]["User"], "b");
    assert_eq!(rows[1]["port"], 22);
    assert_eq!(rows[0]["port"], "ssh");
    assert_eq!(project.json(&["search", "port:ssh"]).len(), 1, "found in `_rest`");
    assert_eq!(project.json(&["search", "User:b"]).len(), 1);
}

#[test]
fn a_broken_rule_is_reported_and_the_others_run() {
    let project = Project::ndjson("detections: [./rules]");
    project.write("rules/broken.yml", b"title: x\ndetection: [\n");
    let good = "title: Seven\nid: 7\nlog_source: plain\ncel: n == 7\nlevel: high\n";
    project.write("rules/good.yml", good.as_bytes());
    project.write("in/a.ndjson", &events(0, 10));
    let told = project.ok(&["run", "--once"]);
    assert!(told.contains("broken.yml:"), "{told}");
    let alerts = project.json(&["alerts"]);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["title"], "Seven");
    let rules = project.run(&["rules"]);
    assert_eq!(rules.status.code(), Some(2));
}

#[test]
fn an_unknown_key_in_the_settings_is_named() {
    let project = Project::new("lisen: 127.0.0.1:0");
    let output = project.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("unknown key `lisen`") && told.contains("dab.yaml:3:1"), "{told}");
    assert!(told.contains("listen, "), "the known keys are named: {told}");
}

/// Needs root, for a small file system of its own.
#[test]
fn a_key_that_is_missing_from_the_settings_is_named_with_what_to_write() {
    let project = Project::ndjson("");
    project.write("dab.yaml", b"lake: ./lake\n");
    let output = project.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("DAB0102") && told.contains("`version`"), "{told}");
    assert!(told.contains("help: begin the file with `version: 1`"), "{told}");
}

#[test]
fn a_full_disk_stops_nothing_for_good() {
    let project = Project::ndjson("");
    let lake = project.path().join("lake");
    fs::create_dir_all(&lake).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(&lake)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a small file system can't be mounted here");
        return;
    }
    project.write("in/a.ndjson", &events(0, 60_000));
    let output = project.run(&["run", "--once"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    std::process::Command::new("mount")
        .args(["-o", "remount,size=64m"])
        .arg(&lake)
        .status()
        .unwrap();
    let again = project.run(&["run", "--once"]);
    let rows = project.rows("plain");
    std::process::Command::new("umount").arg("-l").arg(&lake).status().unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("DAB0501") && told.contains("free some disk space"), "{told}");
    assert!(again.status.success(), "{again:?}");
    assert_eq!(rows, 60_000);
}

#[test]
fn two_processes_do_not_write_at_once() {
    let project = Project::ndjson("");
    project.write("in/a.ndjson", &events(0, 1));
    let _running = Running::start(&project, &[]);
    let second = project.run(&["run", "--once"]);
    assert_eq!(second.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&second.stderr).contains("DAB0504"));
}

#[test]
fn utf_16_is_read_by_its_byte_order_mark_and_goes_on_when_it_grows() {
    let project = Project::new(
        "collect: [{name: win, log_source: windows_events_xml, from: ./in, settle_seconds: 0}]\n",
    );
    let event = |n: usize| {
        format!(
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
             <Provider Name='P'/><EventID>{n}</EventID><TimeCreated SystemTime='2026-11-24T08:00:00Z'/>\
             <Channel>Security</Channel><Computer>zürich-😀</Computer></System></Event>\r\n"
        )
    };
    let utf16 =
        |text: String| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let text =
        format!("\u{feff}<?xml version='1.0' encoding='UTF-16'?>\r\n{}{}", event(1), event(2));
    project.write("in/events.xml", &utf16(text));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("windows_events"), 2);
    project.append("in/events.xml", &utf16(event(3)));
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("windows_events"), 3);
    let sql = "SELECT count(*) AS n FROM windows_events WHERE Computer = 'zürich-😀'";
    assert_eq!(project.number(sql), 3);
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();
}
