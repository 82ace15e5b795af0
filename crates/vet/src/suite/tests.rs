//! Tests of rules: read, run, and told.

use std::{fs, path::Path};

use base::{Clock as _, SystemClock, Timestamp};

use super::*;
use crate::{load, trace::Layout};

const SOURCES: [(&str, &str); 2] = [
    (
        "log_sources/shop.yml",
        "format: ndjson\ntime: at\nfields: {user.name: who}\nsigma:\n  - product: shop\n  - {product: \
         shop, service: web, when: {channel: [web]}, fields: {Client: ip}}\n",
    ),
    (
        "log_sources/door.yml",
        "format: {type: lines, patterns: ['^(?<at>\\S+) (?<who>\\w+) (?<what>\\w+)$']}\ntime: at\n\
         sigma:\n  - product: door\n",
    ),
];

const RULE: &str = r"title: Web login from a bad client
id: bad-client
logsource: {product: shop, service: web}
detection:
  login: {action: login, Client|cidr: 203.0.113.0/24}
  known: {who: [ops, ci]}
  condition: login and not known
dedup: [Client, who]
tests:
  - name: a stranger from there
    event: {at: 2026-11-24T08:00:00Z, channel: web, action: login, ip: 203.0.113.9, who: mira}
    match: true
    title: Web login from a bad client
    dedup: [203.0.113.9, mira]
  - name: operations may, whenever
    event: {channel: web, action: login, ip: 203.0.113.9, who: ops}
    match: false
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in SOURCES.iter().chain(files) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn suite(&self) -> (Project, Suite) {
        let roots = [self.0.path().join("detections")];
        let project = load(&roots, &[self.0.path().join("log_sources")], false);
        let suite = Suite::load(&project, &roots);
        (project, suite)
    }

    /// The text without the folder's own path.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    /// Everything that `dab rules test` prints: for people, as JSON lines, as values.
    fn told(&self) -> [String; 3] {
        let (project, suite) = self.suite();
        assert_eq!(project.problems, []);
        let runner = Runner::new(&project).unwrap();
        let now = Timestamp::parse("2026-11-24T09:00:00Z").unwrap();
        let mut out = [String::new(), String::new(), Case::HEADER.join(",") + "\n"];
        let mut failed = 0;
        for case in &suite.cases {
            let verdict = runner.run(case, now);
            if let Some(failure) = &verdict.failure {
                failed += 1;
                out[0].push_str(&case.failure_text(failure, &Layout::default()));
                out[0].push('\n');
            }
            out[1].push_str(&format!("{}\n", case.json(&verdict)));
            out[2].push_str(&format!("{}\n", case.row(&verdict).join(",")));
        }
        for report in &suite.problems {
            out[0].push_str(&format!("{report}\n"));
        }
        let summary = Summary::new(&suite, failed, 0);
        out[0].push_str(&format!("{}\n", summary.text()));
        out[1].push_str(&format!("{}\n", summary.json()));
        out.map(|text| self.plain(&text))
    }
}

/// Compares with a file in `tests/golden`; `UPDATE_EXPECTED=1` writes it anew, to be proofread.
fn check_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap(), "{}", path.display());
}

#[test]
fn tests_inline_and_beside_pass() {
    let beside = "- name: two lines\n  event: |\n    2026-11-24T08:00:00Z mira open\n    \
                  2026-11-24T08:00:01Z bob open\n  match: true\n- name: closing\n  events: \
                  ['2026-11-24T08:00:00Z mira close']\n  match: false\n";
    let door = "title: Door opened\nid: door\nlogsource: {product: door}\ndetection:\n  s: {what: \
                open}\n  condition: s\n";
    let folder = Folder::new(&[
        ("detections/bad_client.yml", RULE),
        ("detections/door.yaml", door),
        ("detections/door.tests.yml", beside),
        ("detections/untested.yml", &door.replace("id: door", "id: other")),
    ]);
    let (_, suite) = folder.suite();
    assert_eq!(suite.problems, []);
    assert_eq!(suite.cases.len(), 4);
    let untested = suite.untested.iter().map(|rule| rule.info.id.as_str()).collect::<Vec<_>>();
    assert_eq!(untested, ["other"]);
    let [text, ..] = folder.told();
    assert_eq!(text, "4 tests of 2 rules: 4 passed, 0 failed; 1 rule has no test\n");
}

/// Rules whose tests fail in every way there is.
const FAILING: &str = r"title: Web login from a bad client
id: bad-client
logsource: {product: shop, service: web}
detection:
  login: {action: login, Client|cidr: 203.0.113.0/24}
  known: {who: [ops, ci]}
  condition: login and not known
dedup: [Client, who]
tests:
  - name: not from there
    event: {at: 2026-11-24T08:00:00Z, channel: web, action: login, ip: 198.51.100.7, who: mira}
    match: true
  - name: through another channel
    event: {at: 2026-11-24T08:00:00Z, channel: mail, action: login, ip: 203.0.113.9, who: mira}
    match: true
  - name: matches all the same
    events:
      - {at: 2026-11-24T08:00:00Z, channel: web, action: logout}
      - {at: 2026-11-24T08:00:00Z, channel: web, action: login, ip: 203.0.113.9, who: mira}
    match: false
  - name: with a time that is none
    event: {at: soon, channel: web, action: login, ip: 203.0.113.9, who: mira}
    match: true
  - name: another alert
    event: {at: 2026-11-24T08:00:00Z, channel: web, action: login, ip: 203.0.113.9, who: mira}
    match: true
    dedup: [203.0.113.9, bob]
  - name: another title
    event: {at: 2026-11-24T08:00:00Z, channel: web, action: login, ip: 203.0.113.9, who: mira}
    match: true
    title: Login
---
title: Large export
id: export
log_source: shop
cel: action == 'export' && rows > 1000
tests:
  - name: a small one
    event: {at: 2026-11-24T08:00:00Z, action: export, rows: 10}
    match: true
  - name: no rows at all
    event: {at: 2026-11-24T08:00:00Z, action: export}
    match: true
  - name: a mapping for lines
    log_source: door
    event: {what: open}
    match: false
  - name: a large one
    event: {at: 2026-11-24T08:00:00Z, action: export, rows: 4000}
    match: true
";

#[test]
fn failures_say_why() {
    let folder = Folder::new(&[("detections/rules.yml", FAILING)]);
    let [text, json, csv] = folder.told();
    check_golden("rules_test.txt", &text);
    check_golden("rules_test.ndjson", &json);
    check_golden("rules_test.csv", &csv);
}

#[test]
fn mistakes_in_tests_have_places() {
    let tests = r"title: T
id: t
logsource: {product: shop}
detection: {s: {a: b}, condition: s}
tests:
  - {nmae: x, event: {}, match: true}
  - {name: x, event: {}}
  - {name: x, event: {}, match: maybe}
  - {name: x, event: 12, match: true}
  - {name: x, match: true}
  - {name: x, events: [], match: true}
  - {name: x, event: {}, events: [{}], match: true}
  - {name: x, event: {}, match: false, title: T}
  - {name: x, event: {}, match: true, dedup: [a]}
  - {name: x, event: {}, match: true, log_source: shpo}
  - {name: x, event: {}, match: true, rule: other}
  - just text
---
title: Two
id: two
detection: {s: {a: b}, condition: s}
tests:
  - {name: x, event: {}, match: true}
---
title: None
id: none
logsource: {product: moon}
detection: {s: {a: b}, condition: s}
tests: {name: x}
---
title: Twice
id: twice
correlation: {type: event_count, rules: [t], timespan: 1m, condition: {gte: 2}}
tests:
  - {name: x, event: {}, match: true}
";
    let folder = Folder::new(&[
        ("detections/rules.yml", tests),
        ("detections/gone.tests.yml", "- {name: x, event: {}, match: true}\n"),
        ("detections/rules.tests.yml", "- {name: x, event: {}, match: true}\n"),
        ("detections/broken.tests.yml", "- [\n"),
        ("detections/broken.yml", "title: B\nid: b\ndetection: {s: {a: b}, condition: s}\n"),
    ]);
    let (project, suite) = folder.suite();
    assert_eq!(project.problems, []);
    assert!(suite.cases.is_empty(), "{:?}", suite.cases);
    let text: String = suite.problems.iter().map(|report| format!("{report}\n")).collect();
    check_golden("test_mistakes.txt", &folder.plain(&text));
}

#[test]
fn a_file_of_tests_may_be_named_itself() {
    let rule = RULE.split("tests:").next().unwrap();
    let folder = Folder::new(&[
        ("detections/a.yml", rule),
        ("detections/a.tests.yml", &format!("tests:{}", RULE.split("tests:").nth(1).unwrap())),
    ]);
    let roots = [folder.0.path().join("detections/a.tests.yml")];
    let project = load(&roots, &[folder.0.path().join("log_sources")], false);
    let suite = Suite::load(&project, &roots);
    assert_eq!((project.problems.len(), suite.problems.len(), suite.cases.len()), (0, 0, 2));
    let runner = Runner::new(&project).unwrap();
    assert!(suite.cases.iter().all(|c| runner.run(c, SystemClock.now()).failure.is_none()));
}
