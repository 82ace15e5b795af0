//! Records of several log sources in one file, or in one request, sorted by conditions.

use crate::{
    harness::{Project, Running, gzip},
    http,
};

const ROUTES: &str = "[{when: 'kind == \"door\"', log_source: doors}, \
    {when: 'syslog.appname == \"gate\"', log_source: gates}]";

/// Some records: in four, one of a door, one of a gate, and two of what nobody knows.
fn mixed(from: usize, count: usize) -> Vec<u8> {
    let line = |n: usize| match n % 4 {
        0 => format!("{{\"t\":\"2026-11-20T08:00:00Z\",\"kind\":\"door\",\"n\":{n}}}\n"),
        1 => format!("<38>Nov 20 08:00:00 h gate[1]: n={n}\n"),
        2 => format!("<38>Nov 20 08:00:00 h other[1]: n={n}\n"),
        _ => format!("what nobody knows, number {n}\n"),
    };
    (from..from + count).map(line).collect::<String>().into_bytes()
}

fn project(settings: &str) -> Project {
    let project = Project::new(&format!("log_sources: [./sources]\n{settings}"));
    project.write("sources/doors.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    let gates = b"format: {type: syslog}\ntime: {missing: ingest_time}\n";
    project.write("sources/gates.yml", gates);
    project
}

fn of_files() -> Project {
    project(&format!("collect: [{{name: s, from: ./in, settle_seconds: 0, route: {ROUTES}}}]\n"))
}

/// Every record is in its table, once.
fn stored(project: &Project, count: u64) {
    assert_eq!(project.rows("doors"), count / 4);
    assert_eq!(project.number("SELECT count(DISTINCT n) FROM doors"), count / 4);
    assert_eq!(project.rows("gates"), count / 4);
    assert_eq!(project.number("SELECT count(DISTINCT message) FROM gates"), count / 4);
    assert_eq!(project.rows("unclassified"), count / 2);
    assert_eq!(project.number("SELECT count(DISTINCT original) FROM unclassified"), count / 2);
}

#[test]
fn records_in_files_are_sorted_once_however_files_grow() {
    let project = of_files();
    project.write("in/a.log", &mixed(0, 400));
    project.write("in/b.log.gz", &gzip(&mixed(400, 400)));
    project.ok(&["run", "--once"]);
    stored(&project, 800);
    project.append("in/a.log", &mixed(800, 200));
    project.ok(&["run", "--once"]);
    project.ok(&["run", "--once"]);
    stored(&project, 1000);
    assert!(project.quarantined().is_empty());
    project.ledger_adds_up();
    // What is stored can be made anew from the raw bytes.
    let replayed = project.json(&["lake", "replay"]);
    let renewed: u64 = replayed.iter().map(|one| one["renewed"].as_u64().unwrap()).sum();
    let left: u64 = replayed.iter().map(|one| one["left"].as_u64().unwrap()).sum();
    assert_eq!((renewed, left), (1000, 0), "{replayed:?}");
    stored(&project, 1000);
    let status = &project.json(&["status"])[0];
    let names: Vec<&String> = status["sources"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["s", "s.doors", "s.gates"]);
    // A route that is gone: the rest goes on where all were.
    project.write(
        "dab.yaml",
        b"version: 1\nlake: ./lake\nlog_sources: [./sources]\n\
          collect: [{name: s, log_source: unclassified, from: ./in, settle_seconds: 0}]\n",
    );
    project.append("in/a.log", &mixed(1000, 4));
    project.ok(&["run", "--once"]);
    assert_eq!((project.rows("doors"), project.rows("unclassified")), (250, 504));
}

#[test]
fn dying_while_records_are_sorted_loses_and_doubles_nothing() {
    for point in ["begin", "staged", "uploaded", "committed", "done"] {
        for times in 1..=3 {
            let project = of_files();
            let at = format!("{point}:{times}");
            project.write("in/a.log", &mixed(0, 400));
            let crashed = project.run(&["run", "--once", "--crash-at", &at]);
            assert_eq!(crashed.status.code(), None, "{at}: it died by a signal");
            // Other records come between: they are read in other pieces than before.
            project.append("in/a.log", &mixed(400, 200));
            let crashed = project.run(&["run", "--once", "--crash-at", &at]);
            assert_eq!(crashed.status.code(), None, "{at}: and again");
            project.append("in/a.log", &mixed(600, 200));
            project.ok(&["run", "--once"]);
            stored(&project, 800);
            project.ledger_adds_up();
        }
    }
}

#[test]
fn a_lane_whose_batch_is_full_commits_before_the_others() {
    let project = of_files();
    // More records that can't be decoded than a batch may have.
    let line = "{\"kind\":\"door\"}\n<38>Nov 20 08:00:00 h gate[1]: x\n";
    project.write("in/a.log", line.repeat(50_000).as_bytes());
    let crashed = project.run(&["run", "--once", "--crash-at", "committed:2"]);
    assert_eq!(crashed.status.code(), None, "it died by a signal");
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("gates"), 50_000);
    assert_eq!(project.quarantined().len(), 50_000);
    let sql = "SELECT count(*) FROM unclassified";
    assert!(!project.run(&["sql", sql]).status.success() || project.number(sql) == 0);
    project.ledger_adds_up();
}

#[test]
fn records_of_one_request_are_sorted_and_answered_together() {
    let project = project(&format!(
        "listen: 127.0.0.1:0\ningest:\n  tokens:\n    - {{name: all, token: {{file: ./token}}}}\n    \
         - {{name: edge, token: {{file: ./edge}}, log_sources: [edge]}}\n  \
         mixed: [{{name: edge, route: {ROUTES}}}]\n"
    ));
    project.write("token", b"sesame");
    project.write("edge", b"edge");
    let running = Running::start(&project, &[]);
    let post = |path: &str, token: &str, body: &[u8]| {
        let authorization = format!("Authorization: Bearer {token}\r\n");
        http::post(&running.address, path, &authorization, body)
    };
    let (status, body) = post("/ingest/edge", "edge", &mixed(0, 40));
    assert_eq!((status, body["accepted"].as_u64()), (200, Some(40)), "{body}");
    stored(&project, 40);
    let array = br#"[{"kind": "door",
        "t": "2026-11-20T08:00:00Z", "n": 40}, {"kind": "door"}, {"kind": "dog"}]"#;
    let (status, body) = post("/ingest/edge", "sesame", array);
    assert_eq!(status, 200);
    assert_eq!((body["accepted"].as_u64(), body["quarantined"].as_u64()), (Some(2), Some(1)));
    assert_eq!((project.rows("doors"), project.rows("unclassified")), (11, 21));
    assert_eq!(post("/ingest/doors", "edge", &mixed(0, 1)).0, 403);
    assert_eq!(post("/ingest/none", "sesame", &mixed(0, 1)).0, 404);
    running.end();
    project.ledger_adds_up();
}
