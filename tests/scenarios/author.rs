//! What authors of detections are told: rules of others taken in, rules tried on what is stored.

use std::fs;

use serde_json::Value;

use crate::harness::Project;

const LARGE: &str = "\
title: Large transfer
id: large
log_source: plain
cel: int(amount) > limit()
dedup: [who]
";

const SHARED: &str = "\
macros:
  - {name: limit, body: '1000'}
";

fn transfers() -> Project {
    let project = Project::ndjson("detections: [./detections]");
    project.write("detections/large.yml", LARGE.as_bytes());
    project.write("detections/shared.yml", SHARED.as_bytes());
    let events = [("mira", "2000"), ("mira", "5"), ("bob", "n/a"), ("mira", "3000")];
    let mut log = String::new();
    for (minute, (who, amount)) in events.iter().enumerate() {
        log.push_str(&format!(
            "{{\"t\":\"2026-11-24T08:0{minute}:00Z\",\"who\":\"{who}\",\"amount\":\"{amount}\"}}\n"
        ));
    }
    project.write("in/log.json", log.as_bytes());
    project
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_rule_is_tried_on_what_is_stored() {
    let project = transfers();
    let none = project.run(&["backtest"]);
    assert_eq!(none.status.code(), Some(2), "nothing is stored yet");
    assert!(String::from_utf8_lossy(&none.stderr).contains("DAB0522"));
    project.ok(&["run", "--once"]);

    // What the stream made of it, and that one event was beyond the rule.
    let alerts = lines(&project.ok(&["alerts", "--output", "json"]));
    let status = project.ok(&["status"]);
    assert!(status.contains("could not be evaluated") && status.contains("n/a"), "{status}");

    let told = project.run(&["backtest", "--output", "json"]);
    assert_eq!(told.status.code(), Some(1), "the rule failed on an event");
    let told = lines(&String::from_utf8_lossy(&told.stdout));
    let raised = told.iter().filter(|line| line["raises"] == true).count();
    assert_eq!((raised, alerts.len()), (1, 1));
    let summary = told.last().unwrap();
    assert_eq!((&summary["matches"], &summary["events"]), (&2.into(), &4.into()));

    // A candidate beside the project has its macros, and takes the place of its rule.
    let better = LARGE.replace("int(amount)", "amount.matches('^[0-9]+$') && int(amount)");
    project.write("better.yml", better.as_bytes());
    let text = project.ok(&["backtest", "better.yml"]);
    assert!(text.contains("2 matches, 1 alerts"), "{text}");
    let text = project.ok(&["backtest", "better.yml", "--from", "2026-11-24T08:01:00Z"]);
    assert!(text.contains("1 matches, 1 alerts"), "{text}");

    for (args, code, told) in [
        (&["backtest", "--from", "2026-11-25", "--to", "2026-11-24"][..], 3, "DAB0530"),
        (&["backtest", "gone.yml"], 2, "DAB0220"),
        (&["backtest", "in"], 2, "no detections"),
    ] {
        let output = project.run(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(errors.contains(told), "{args:?}: {errors}");
    }
}

#[test]
fn rules_of_others_are_taken_in() {
    let project = transfers();
    let sigma = |id: &str, product: &str| {
        format!(
            "title: {id}\nid: {id}\nlogsource: {{product: {product}}}\ndetection: {{s: {{a: b}}, \
             condition: s}}\n"
        )
    };
    project.write("others/a/windows.yml", sigma("runs", "windows").as_bytes());
    project.write("others/moon.yml", sigma("waits", "moon").as_bytes());
    project.write("others/broken.yml", b"title: [\n");
    let text = project.ok(&["rules", "import", "others", "--all"]);
    for told in ["others/moon.yml:1: waits", "others/broken.yml:1:", "1  windows_events"] {
        assert!(text.contains(told), "{told} in {text}");
    }
    let json = lines(&project.ok(&["rules", "import", "others", "--output", "json"]));
    assert_eq!(json[0]["unrouted"][0]["rules"][0]["id"], "waits");
    let sources = json[0]["running"][0]["log_sources"].as_array().unwrap();
    assert!(sources.iter().any(|source| source == "windows_events"), "{sources:?}");

    let into = ["rules", "import", "others", "--into", "detections/others"];
    project.ok(&into);
    let copied = project.path().join("detections/others/a/windows.yml");
    assert_eq!(fs::read_to_string(&copied).unwrap(), sigma("runs", "windows"));
    fs::write(&copied, "title: mine\n").unwrap();
    let output = project.run(&into);
    assert_eq!(output.status.code(), Some(1), "one of mine is left alone");
    assert_eq!(fs::read_to_string(&copied).unwrap(), "title: mine\n");
    project.ok(&[&into[..], &["--force"]].concat());
    project.ok(&["rules", "check"]);
}
