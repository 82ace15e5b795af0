//! `kill -9` at any moment loses nothing and doubles nothing.

use crate::{
    harness::{Project, Running, events, until},
    http,
};

const RULE: &str = "title: Every hundredth\nid: hundredth\nlog_source: plain\n\
    cel: n % 100 == 0\nlevel: high\ndedup: [n]\n";

fn project() -> Project {
    let project = Project::ndjson("detections: [./rules]");
    project.write("rules/hundredth.yml", RULE.as_bytes());
    project
}

#[test]
fn dying_at_every_point_of_a_commit_is_survived() {
    for point in ["begin", "staged", "uploaded", "committed", "enqueued", "alerted", "done"] {
        let project = project();
        project.write("in/a.ndjson", &events(0, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: it died by a signal");
        project.append("in/a.ndjson", &events(1_000, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: and again");
        project.ok(&["run", "--once"]);
        assert_eq!(project.rows("plain"), 2_000, "{point}");
        let alerts = project.json(&["alerts"]);
        assert_eq!(alerts.len(), 20, "{point}: each alert once");
        assert!(alerts.iter().all(|alert| alert["matches"] == 1), "{point}: {alerts:?}");
        project.ledger_adds_up();
    }
}

/// Every tenth event, which nobody hears of, and who has twenty of them.
const COUNTED: &str = "title: Every tenth\nid: tenth\nlog_source: plain\ncel: n % 10 == 0\n---\n\
    title: Twenty tenths\nid: twenty\ncorrelation: {type: event_count, rules: [tenth], \
    group-by: [user], timespan: 5m, condition: {gte: 20}}\n---\n\
    title: Ten tenths\nid: ten\ncorrelation: {type: event_count, rules: [tenth], \
    group-by: [user], timespan: 5m, condition: {gte: 10}}\n";

/// Each user has fourteen or fifteen tenths in the first thousand events, and as many in the second.
#[test]
fn dying_at_every_point_neither_loses_nor_doubles_what_correlations_count() {
    let points = [
        "begin",
        "staged",
        "uploaded",
        "committed",
        "noted",
        "noted:2",
        "enqueued",
        "alerted",
        "done",
    ];
    for point in points {
        let project = Project::ndjson("detections: [./rules]");
        project.write("rules/counted.yml", COUNTED.as_bytes());
        project.write("in/a.ndjson", &events(0, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: it died by a signal");
        project.append("in/a.ndjson", &events(1_000, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: and again");
        project.ok(&["run", "--once"]);
        project.ok(&["run", "--once"]);
        assert_eq!(project.rows("plain"), 2_000, "{point}");
        let alerts = project.json(&["alerts"]);
        assert_eq!(alerts.len(), 14, "{point}: one for each user and correlation: {alerts:?}");
        assert!(alerts.iter().all(|alert| alert["matches"] == 1), "{point}: {alerts:?}");
        let rules = alerts.iter().filter(|alert| alert["rule_id"] == "twenty").count();
        assert_eq!(rules, 7, "{point}");
        project.ledger_adds_up();
    }
}

#[test]
fn kill_9_while_files_grow_loses_and_doubles_nothing() {
    let project = project();
    project.write("in/a.ndjson", b"");
    for round in 0..6_usize {
        let mut running = Running::start(&project, &[]);
        for part in 0..4 {
            let from = round * 4_000 + part * 1_000;
            project.append("in/a.ndjson", &events(from, 1_000));
            project.write(&format!("in/{round}-{part}.ndjson"), &events(from, 100));
        }
        running.kill();
    }
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), 24_000 + 2_400);
    project.ledger_adds_up();
}

/// Posts batch after batch until the process is killed under them: what was acknowledged is there,
/// and of what was not, all of a batch or nothing.
#[test]
fn what_http_acknowledged_survives_kill_9() {
    let project = http::project();
    for round in 0..4_usize {
        let mut running = Running::start(&project, &[]);
        let address = running.address.clone();
        let posting = std::thread::spawn(move || {
            let batches = (0..40).map(|batch| round * 4_000 + batch * 100);
            let acknowledged = |first: &usize| {
                let body = events(*first, 100);
                http::try_post(&address, "/ingest/plain", http::BEARER, &body) == Some(200)
            };
            batches.take_while(acknowledged).collect::<Vec<usize>>()
        });
        let table = project.path().join("lake/batches/http.plain");
        let wanted = 3 * (round + 1);
        until("a few batches", || {
            let written = std::fs::read_dir(&table).map_or(0, Iterator::count);
            (written >= wanted || posting.is_finished()).then_some(())
        });
        running.kill();
        for first in posting.join().unwrap() {
            let sql =
                format!("SELECT count(*) FROM plain WHERE n >= {first} AND n < {}", first + 100);
            assert_eq!(project.number(&sql), 100, "round {round}, the batch from {first}");
        }
    }
    assert_eq!(project.rows("plain") % 100, 0, "a batch is stored whole or not at all");
}
