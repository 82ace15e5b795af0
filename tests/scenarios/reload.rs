//! Rules, macros and tables that change while `dab run` runs.

use serde_json::Value;

use crate::harness::{Project, Running, until};

const SHARED: &str = "macros:\n  - {name: is_guest, parameters: [{name: u}], body: u == 'u1'}\n\
    lookups:\n  - {name: watched, file: watched.csv, key: user, refresh_seconds: 1}\n";

fn rule(id: &str, expression: &str) -> String {
    format!("title: {id}\nid: {id}\nlog_source: plain\ncel: {expression}\ndedup: [n]\n")
}

fn event(n: u32, user: &str) -> Vec<u8> {
    format!("{{\"t\":\"2026-11-20T08:00:00Z\",\"n\":{n},\"user\":\"{user}\"}}\n").into_bytes()
}

/// The ids of the rules that raised an alert for the event with this number.
fn raised(project: &Project, n: u32) -> Vec<String> {
    let output = project.run(&["alerts", "--limit", "1000", "--output", "json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let alerts = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_event = alerts.filter(|alert| alert["dedup"][0] == format!("n={n}"));
    let mut ids: Vec<_> =
        of_event.map(|alert| alert["rule_id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

/// Sends events of a user until one raises an alert by these rules: newer rules take their place
/// between two of them.
fn until_raised(project: &Project, next: &mut u32, user: &str, ids: &[&str]) {
    until(&format!("{ids:?} for {user}"), || {
        *next += 1;
        project.append("in/a.ndjson", &event(*next, user));
        until("the event", || {
            // The first event makes the table.
            let query = format!("SELECT n FROM plain WHERE n = {next}");
            let found = project.run(&["sql", &query, "--output", "json"]);
            (!found.stdout.is_empty()).then_some(())
        });
        // Its alerts may come a moment later: then the next event will tell.
        let found = raised(project, *next);
        (found == ids).then_some(())
    });
}

#[test]
fn what_changes_in_the_rules_folder_is_in_force_soon_and_no_event_is_lost() {
    let settings = "log_sources: [./sources]\ndetections: [./rules]\n\
        collect: [{name: s, log_source: plain, from: ./in, settle_seconds: 0, commit_seconds: 0}]\n";
    let project = Project::new(settings);
    project.write("sources/plain.yml", b"format: {type: ndjson}\ntime: {field: t}\n");
    project.write("in/a.ndjson", b"");
    project.write("rules/shared.yml", SHARED.as_bytes());
    project.write("rules/watched.csv", b"user\nu2\n");
    project.write("rules/guest.yml", rule("guest", "is_guest(user)").as_bytes());
    project
        .write("rules/watched.yml", rule("watched", "list.contains('watched', user)").as_bytes());
    let mut running = Running::start(&project, &[]);
    let mut next = 0;
    until_raised(&project, &mut next, "u1", &["guest"]);
    until_raised(&project, &mut next, "u2", &["watched"]);
    // A macro changes, and with it the rule that calls it; a table; a rule is added, one broken.
    project.write("rules/shared.yml", SHARED.replace("'u1'", "'u3'").as_bytes());
    until_raised(&project, &mut next, "u3", &["guest"]);
    project.write("rules/watched.csv", b"user\nu4\n");
    until_raised(&project, &mut next, "u4", &["watched"]);
    project.write("rules/broken.yml", b"title: B\ncel: '1 +'\n");
    project.write("rules/more.yml", rule("more", "user == 'u4'").as_bytes());
    until_raised(&project, &mut next, "u4", &["more", "watched"]);
    until("the status", || {
        let status = &project.json(&["status"])[0];
        (status["detections"] == 3 && status["project_problems"] == 1).then_some(())
    });
    running.kill();
    project.ok(&["run", "--once"]);
    assert_eq!(project.rows("plain"), u64::from(next));
}
