//! The demo keeps its word: it ends by itself, notices the attack, and leaves nothing running.

use std::{collections::BTreeSet, fs};

use crate::harness::Project;

/// Detections that must fire, one for each log source: the titles are what a person sees.
const NOTICED: [(&str, &str); 5] = [
    ("aws_cloudtrail", "aws/trail_stopped.yml"),
    ("linux_sshd", "linux/ssh_root_login.yml"),
    ("nginx_access", "web/path_traversal.yml"),
    ("okta_system", "okta/super_administrator_granted.yml"),
    ("windows_events", "windows/lsass_read.yml"),
];

#[test]
fn the_demo_notices_the_attack_and_ends() {
    let project = Project::new("");
    let folder = project.path().join("demo");
    let output = project.run(&["demo", "--once", "--folder", &folder.to_string_lossy()]);
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("panicked") && !errors.contains("stack backtrace"), "{errors}");
    assert!(told.contains("to try"), "{told}");

    // What was made is a project like any other.
    let config = folder.join("dab.yaml").to_string_lossy().into_owned();
    let of_demo = |args: &[&str]| project.json_of(&config, args);
    let fired: BTreeSet<(String, String)> =
        of_demo(&["sql", "SELECT log_source, rule_id FROM alerts"])
            .iter()
            .map(|row| (row["log_source"].to_string(), row["rule_id"].to_string()))
            .collect();
    for (log_source, file) in NOTICED {
        let rule = fs::read_to_string(folder.join("detections").join(file)).unwrap();
        let id = rule.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().trim();
        let expected = (format!("\"{log_source}\""), format!("\"{id}\""));
        assert!(fired.contains(&expected), "{file} did not fire; these did: {fired:?}");
    }
    assert!(of_demo(&["quarantine", "list"]).is_empty());

    // Nothing holds the lake any more: another run can write to it.
    let status = of_demo(&["status"]);
    assert!(!status[0]["stopped"].is_null(), "{status:?}");
    let again = project.command_of(&config, &["run", "--once"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
}
