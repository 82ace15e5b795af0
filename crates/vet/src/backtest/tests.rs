//! Which tables are read, what is found, and what is told of it.

use std::fs;

use base::{EventId, Holds, Need, Object, ObjectHash, Origin, Timestamp, Value};

use super::*;

fn project(rules: &str) -> Project {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    fs::write(&path, rules).unwrap();
    let project = crate::load(&[path], &[], true);
    assert_eq!(project.problems, []);
    project
}

const RULES: &str = "\
title: Root
id: root
logsource: {product: aws, service: cloudtrail}
detection: {s: {userIdentity.type: Root}, condition: s}
dedup: [sourceIPAddress]
dedup_window: 1h
---
title: Everywhere
id: everywhere
cel: user.name == 'mira'
";

/// The rules and correlations with these ids.
fn of(project: &Project, ids: &[&str]) -> Project {
    let is_of_it = |info: &RuleInfo| ids.contains(&info.id.as_str());
    let rules = project.rules.iter().filter(|rule| is_of_it(&rule.info));
    let correlations = project.correlations.iter().filter(|one| is_of_it(&one.info));
    Project {
        rules: rules.map(Arc::clone).collect(),
        correlations: correlations.map(Arc::clone).collect(),
        ..Project::default()
    }
}

#[test]
fn only_what_decides_is_read() {
    let project = project(RULES);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let backtest = Backtest::new(&project, &of(&project, &["root"])).unwrap();
    let reads = TableReads {
        table: Some("aws_cloudtrail".into()),
        fields: Some(names(&["sourceIPAddress", "userIdentity.type"])),
        ways: Some(vec![vec![vec![part("userIdentity.type", "root")]]]),
    };
    assert_eq!(backtest.tables(), [reads]);
    let backtest = Backtest::new(&project, &of(&project, &["everywhere"])).unwrap();
    assert_eq!(
        backtest.tables(),
        [TableReads {
            table: None,
            fields: Some(names(&["user.name"])),
            ways: Some(vec![vec![vec![part("user.name", "mira")]]]),
        }]
    );
    let both = Backtest::new(&project, &project).unwrap();
    let [TableReads { table: None, fields: Some(fields), ways: Some(ways) }] = both.tables() else {
        panic!("{:?}", both.tables());
    };
    assert_eq!((fields.len(), ways.len()), (3, 2));
}

fn part(field: &str, text: &str) -> Need {
    Need { field: field.to_owned(), holds: Holds::Part(text.to_owned()) }
}

#[test]
fn a_rule_of_which_nothing_is_known_is_asked_about_everything() {
    let rules = format!(
        "{RULES}---\ntitle: Not\nid: not\nlogsource: {{product: aws, service: cloudtrail}}\n\
         detection: {{s: {{a: b}}, condition: not s}}\n"
    );
    let project = project(&rules);
    let backtest = Backtest::new(&project, &of(&project, &["root", "not"])).unwrap();
    assert_eq!(backtest.tables()[0].ways, None);
}

fn event(minute: u64, ip: &'static str, kind: &'static str) -> Event<'static> {
    let mut identity = Object::new();
    identity.push("type", Value::text(kind));
    let mut fields = Object::new();
    fields.push("userIdentity", Value::Object(identity));
    fields.push("sourceIPAddress", Value::text(ip));
    let start = Timestamp::parse("2026-11-23T22:30:00Z").unwrap();
    Event {
        time: start.plus_micros(i64::try_from(minute).unwrap() * 60_000_000),
        ingest_time: start,
        id: EventId { object: ObjectHash::of(&["x"]), offset: minute },
        log_source: "aws_cloudtrail",
        origin: Origin { object: "x".into(), offset: minute },
        fields,
        normalized: Object::new(),
        json: None,
    }
}

#[test]
fn matches_become_the_alerts_that_they_would_have_raised() {
    let project = project(RULES);
    let mut backtest = Backtest::new(&project, &of(&project, &["root"])).unwrap();
    // Out of order, and one of them twice.
    for (minute, ip, kind) in [
        (40, "203.0.113.9", "Root"),
        (0, "203.0.113.9", "Root"),
        (100, "203.0.113.9", "Root"),
        (5, "198.51.100.7", "Root"),
        (7, "198.51.100.7", "IAMUser"),
        (40, "203.0.113.9", "Root"),
    ] {
        assert!(backtest.take(event(minute, ip, kind), true).is_continue());
    }
    let outcome = backtest.finish(Timestamp::parse("2026-11-24T09:00:00Z").unwrap());
    assert_eq!((outcome.matches.len(), outcome.is_whole()), (4, true));
    let spent = Spent {
        missing: vec!["nginx".into()],
        events: 70,
        asked: 6,
        files_total: 7,
        files: 2,
        bytes: 5 << 20,
        took: std::time::Duration::from_millis(1250),
    };
    let text = outcome.text(&spent, 100, 2);
    let id = |minute: u64| event(minute, "", "").id.to_string();
    let expected = format!(
        "\
MEDIUM        Root
  4 matches, 3 alerts
    2026-11-23         3 matches       2 alerts
    2026-11-24         1 matches       1 alerts

the alerts:
  2026-11-23T22:30:00Z  {}  Root  2 matches  sourceIPAddress=203.0.113.9
  2026-11-23T22:35:00Z  {}  Root  1 matches  sourceIPAddress=198.51.100.7
  …and 1 more: `--output json` lists every match

70 events: 4 matches, 3 alerts; 0 of 1 rules found nothing
read 5.0 MiB in 2 of 7 files, asked the rules about 6 events, 1.2 s
there are no tables `nginx`: nothing was taken in yet
",
        id(0),
        id(5)
    );
    assert_eq!(text, expected, "\n{text}");
    let mut lines = Vec::new();
    outcome.json(&spent, &mut |json| lines.push(json));
    assert_eq!(lines.len(), 4 + 1 + 1);
    assert_eq!(lines[0]["match"], id(0));
    assert_eq!(lines[0]["raises"], true);
    assert_eq!(lines[2]["alert"], lines[0]["alert"], "joins it");
    assert_eq!(lines[5]["alerts"], 3);
}

#[test]
fn correlations_are_run_over_the_matches() {
    let rules = format!(
        "{RULES}---\ntitle: Root twice\nid: twice\ncorrelation: {{type: event_count, rules: [root], \
         group-by: [sourceIPAddress], timespan: 10m, condition: {{gte: 2}}}}\nlevel: high\n"
    );
    let project = project(&rules);
    let counts = |part: &[&str], id: &str| {
        let mut backtest = Backtest::new(&project, &of(&project, part)).unwrap();
        for (minute, ip) in [(8, "203.0.113.9"), (1, "203.0.113.9"), (5, "198.51.100.7")] {
            assert!(backtest.take(event(minute, ip, "Root"), true).is_continue());
        }
        let outcome = backtest.finish(Timestamp::parse("2026-11-24T09:00:00Z").unwrap());
        let rule = outcome.rules.iter().find(|rule| rule.info.id == id);
        assert_eq!(outcome.rules.len(), part.len(), "only what is asked for is told");
        let text = outcome.text(&Spent::default(), 100, 5);
        rule.map(|rule| (rule.matches, rule.silent, rule.alerts)).map(|counts| (counts, text))
    };
    let both = ["root", "twice"];
    let (root, text) = counts(&both, "root").unwrap();
    assert_eq!(root, (0, 3, 0));
    assert!(text.contains("3 matches for correlations alone\n"), "{text}");
    assert_eq!(counts(&both, "twice").unwrap().0, (1, 0, 1));
    assert_eq!(counts(&["twice"], "twice").unwrap().0, (1, 0, 1), "with the rule it stands on");
    assert_eq!(counts(&["root"], "root").unwrap().0, (0, 3, 0));
}
