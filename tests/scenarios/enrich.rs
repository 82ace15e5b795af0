//! Fields from lookup tables, added as events come in: in tables, to rules, by the time of the event.

use crate::harness::{Project, Running, until};

const SETTINGS: &str = "log_sources: [./sources]\ndetections: [./rules]\n\
    collect: [{name: s, log_source: web, from: ./in, settle_seconds: 0}]\n";
const SOURCE: &str = "format: ndjson\ntime: {field: t}\nfields: {source.ip: ip}\nenrich:\n  \
    - {lookup: countries, key: source.ip, fields: {source.geo.country_iso_code: country, source.as.number: asn}}\n  \
    - {lookup: listed, key: source.ip, fields: {threat.indicator.name: name}}\n";
const LOOKUPS: &str = "lookups:\n  \
    - {name: countries, file: countries.csv, key: network, kind: network, refresh_seconds: 1}\n  \
    - {name: listed, file: listed.csv, key: ip, valid_until: until}\n";
const RULE: &str = "title: Listed\nid: listed\nlog_source: web\ncel: threat.indicator.name == \"botnet\"\n\
    level: high\ndedup: [source.ip]\ntests:\n  - {name: fires, log_source: web, \
    event: {t: '2026-11-20T08:00:00Z', ip: 192.0.2.9}, match: true}\n";

fn project() -> Project {
    let project = Project::new(SETTINGS);
    project.write("sources/web.yml", SOURCE.as_bytes());
    project.write("rules/lookups.yml", LOOKUPS.as_bytes());
    project.write("rules/listed.yml", RULE.as_bytes());
    project.write("rules/countries.csv", b"network,country,asn\n192.0.2.0/24,DE,64500\n");
    project.write("rules/listed.csv", b"ip,name,until\n192.0.2.9,botnet,2026-11-21T00:00:00Z\n");
    project
}

fn event(ip: &str, day: u32) -> String {
    format!("{{\"t\":\"2026-11-{day}T08:00:00Z\",\"ip\":\"{ip}\"}}\n")
}

#[test]
fn fields_of_tables_are_in_the_lake_and_rules_see_them() {
    let project = project();
    let file = event("192.0.2.9", 20) + &event("192.0.2.9", 22) + &event("203.0.113.1", 20);
    project.write("in/a.ndjson", file.as_bytes());
    project.ok(&["run", "--once"]);
    let sql = "SELECT source.geo.country_iso_code AS c, source.as.number AS n, \
        threat.indicator.name AS i FROM web ORDER BY source.ip, time";
    let expected = serde_json::json!([
        {"c": "DE", "n": 64500, "i": "botnet"}, {"c": "DE", "n": 64500}, {},
    ]);
    let mut rows = project.json(&["sql", sql]);
    for row in &mut rows {
        row.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    assert_eq!(serde_json::json!(rows), expected);
    assert_eq!(project.json(&["alerts"]).len(), 1, "only while the address was listed");
    project.ledger_adds_up();
    let tested = project.run(&["rules", "test"]);
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}

#[test]
fn a_table_that_is_gone_or_changes_does_not_hold_up_events() {
    let project = project();
    std::fs::remove_file(project.path().join("rules/listed.csv")).unwrap();
    let told = project.run(&["rules"]);
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&told.stdout),
        String::from_utf8_lossy(&told.stderr)
    );
    assert!(
        told.contains("DAB0414") && told.contains("there is no lookup table `listed`"),
        "{told}"
    );
    project.write("in/a.ndjson", event("192.0.2.9", 20).as_bytes());
    let running = Running::start(&project, &[]);
    let has_table = || project.json(&["tables"]).iter().any(|table| table["table"] == "web");
    until("the first event", || has_table().then_some(()));
    project.write("rules/countries.csv", b"network,country,asn\n192.0.2.0/24,FR,64501\n");
    let mut files = 0;
    let sql = "SELECT count(*) AS n FROM web WHERE source.geo.country_iso_code = 'FR'";
    until("the new rows", || {
        files += 1;
        project.write(&format!("in/{files}.ndjson"), event("192.0.2.9", 20).as_bytes());
        (project.number(sql) > 0).then_some(())
    });
    running.end();
    let status = project.ok(&["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let counts = &status["sources"]["s"]["lookups"];
    assert!(counts["found"].as_u64() >= Some(2), "{status}");
    assert_eq!(counts["found"], counts["without_table"]);
}
