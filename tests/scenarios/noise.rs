//! A rule that matches everything beside one that does not.

use serde_json::Value;

use crate::harness::{Project, events};

const SETTINGS: &str = "detections: [./rules]\nrule_matches_per_hour_max: 50\n";

/// Everything, each event an alert of its own; and every hundredth event, which must be heard.
const RULES: &str = "title: Everything\nid: everything\nlog_source: plain\ncel: n >= 0\nlevel: low\n\
    dedup: [n]\n---\ntitle: Every hundredth\nid: hundredth\nlog_source: plain\n\
    cel: n % 100 == 0\nlevel: high\ndedup: [n]\n---\n\
    title: All of one user\nid: all\ngenerate: true\ncorrelation: {type: event_count, \
    rules: [everything], group-by: [user], timespan: 5m, condition: {gte: 250}}\n";

fn project() -> Project {
    let project = Project::ndjson(SETTINGS);
    project.write("rules/noise.yml", RULES.as_bytes());
    project
}

/// The alerts that a rule raised.
fn alerts(project: &Project, rule: &str) -> Vec<Value> {
    let all = project.json(&["alerts", "--limit", "10000"]);
    all.into_iter().filter(|alert| alert["rule_id"] == rule).collect()
}

/// What holds of the first two thousand events, however they were taken in.
fn noise_is_bounded(project: &Project, context: &str) {
    assert_eq!(project.rows("plain"), 2_000, "{context}: every event is stored");
    assert_eq!(alerts(project, "hundredth").len(), 20, "{context}");
    assert_eq!(alerts(project, "everything").len(), 50, "{context}");
    assert_eq!(alerts(project, "all").len(), 7, "{context}: correlations count all of them");
    let limited = alerts(project, "dab.rule_limit");
    let [alert] = limited.as_slice() else { panic!("{context}: {limited:?}") };
    assert_eq!(alert["title"], "A rule matches too much: Everything", "{context}");
    assert_eq!(alert["level"], "medium", "{context}");
    let told = project.json(&["sql", "SELECT why FROM matches WHERE rule_id = 'dab.rule_limit'"]);
    let held_back = told.iter().map(|told| {
        let why = told["why"][0].as_str().unwrap();
        let (_, count) = why.split_once('(').unwrap();
        count.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(held_back.sum::<u64>(), 1_950, "{context}: what was held back is told of: {told:?}");
}

#[test]
fn a_rule_that_matches_everything_is_bounded_and_the_others_are_heard() {
    let project = project();
    project.write("in/a.ndjson", &events(0, 2_000));
    let said = project.ok(&["run", "--once"]);
    noise_is_bounded(&project, "one run");
    let problem = "rules: error[DAB0709]: `Everything` matches more than 50 events of `s` in an hour: \
        1950 matches were held back so far";
    assert!(said.contains(problem), "{said}");
    let status = &project.json(&["status"])[0];
    assert_eq!(status["sources"]["s"]["held_back"], 1950, "{status}");
    assert_eq!(status["held_back"][0]["rule"], "everything", "{status}");
    assert_eq!(status["held_back"][0]["count"], 1950, "{status}");
    let shown = project.ok(&["status"]);
    let row = shown.lines().find(|line| line.starts_with("Everything")).unwrap();
    let row = row.split_whitespace().collect::<Vec<_>>();
    assert_eq!(row[..3], ["Everything", "1950", "2026-11-20T08:00:00Z"]);
    assert!(row[3].ends_with("rules/noise.yml"), "{row:?}");

    // The hour is known to the next process; another hour begins anew.
    project.append("in/a.ndjson", &events(2_000, 10));
    let later = String::from_utf8(events(3_000, 10)).unwrap().replace("T08:", "T09:");
    project.append("in/a.ndjson", later.as_bytes());
    let said = project.ok(&["run", "--once"]);
    assert!(!said.contains("DAB0709"), "it goes on as before: {said}");
    assert_eq!(alerts(&project, "everything").len(), 60);
    assert_eq!(alerts(&project, "dab.rule_limit")[0]["matches"], 2);
}

#[test]
fn dying_at_every_point_lets_no_more_through() {
    for point in
        ["begin", "staged", "uploaded", "committed", "noted", "enqueued", "alerted", "done"]
    {
        let project = project();
        project.write("in/a.ndjson", &events(0, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: it died by a signal");
        project.append("in/a.ndjson", &events(1_000, 1_000));
        let crashed = project.run(&["run", "--once", "--crash-at", point]);
        assert_eq!(crashed.status.code(), None, "{point}: and again");
        project.ok(&["run", "--once"]);
        noise_is_bounded(&project, point);
        project.ledger_adds_up();
    }
}
