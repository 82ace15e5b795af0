//! Normalized fields come from where they should.

use crate::fixture::{at, decoder};

/// What `fields` and `related`, as YAML, make of an event.
fn normalized(rules: &str, event: &str) -> String {
    let yaml = format!("format: ndjson\ntime: {{missing: ingest_time}}\n{rules}");
    let decoder = decoder(&yaml);
    let event = decoder.decode(event.as_bytes(), &at()).unwrap();
    let mut out = String::new();
    event.normalized.write_json(&mut out);
    out
}

#[test]
fn the_first_field_that_says_something_counts() {
    let rules = "fields: {user.name: [a, b.c, d]}";
    for (event, expected) in [
        (r#"{"a":"x","d":"y"}"#, r#"{"user":{"name":"x"}}"#),
        (r#"{"a":null,"b":{"c":"-"},"d":"y"}"#, r#"{"user":{"name":"y"}}"#),
        (r#"{"a":"","b.c":5}"#, r#"{"user":{"name":"5"}}"#),
        (r#"{"b":[{"x":1},{"c":"in a list"}]}"#, r#"{"user":{"name":"in a list"}}"#),
        (r#"{"a":[null,"second","third"]}"#, r#"{"user":{"name":"second"}}"#),
        (r#"{"a":{"x":1}}"#, "{}"),
        ("{}", "{}"),
    ] {
        assert_eq!(normalized(rules, event), expected, "{event}");
    }
}

#[test]
fn values_are_shaped_in_a_fixed_order() {
    let rules = r"
fields:
  user.name: {from: who, capture: '^(?:.*\\)?([^@]+)', lower: true}
  event.outcome: {from: code, capture: '^(.)', values: {'2': success, '*': failure}, default: unknown}
  event.kind: {default: event}
";
    for (event, expected) in [
        (
            r#"{"who":"EXAMPLE\\Eve@x","code":204}"#,
            r#"{"user":{"name":"eve"},"event":{"outcome":"success","kind":"event"}}"#,
        ),
        (r#"{"who":"@","code":"503"}"#, r#"{"event":{"outcome":"failure","kind":"event"}}"#),
        ("{}", r#"{"event":{"outcome":"unknown","kind":"event"}}"#),
    ] {
        assert_eq!(normalized(rules, event), expected, "{event}");
    }
    let listed = "fields: {event.outcome: {from: a, values: {x: y}}}";
    assert_eq!(normalized(listed, r#"{"a":"z"}"#), "{}", "a value that is not listed is left out");
}

#[test]
fn columns_hold_one_type_only() {
    let rules =
        "fields: {process.pid: a, event.code: a, event.risk_score: a, tls.established: a, tags: a}";
    for (event, expected) in [
        (
            r#"{"a":7}"#,
            r#"{"process":{"pid":7},"event":{"code":"7","risk_score":7.0},"tags":["7"]}"#,
        ),
        (r#"{"a":"0x1F"}"#, r#"{"process":{"pid":31},"event":{"code":"0x1F"},"tags":["0x1F"]}"#),
        (
            r#"{"a":true}"#,
            r#"{"event":{"code":"true"},"tls":{"established":true},"tags":["true"]}"#,
        ),
        (r#"{"a":"1.5"}"#, r#"{"event":{"code":"1.5","risk_score":1.5},"tags":["1.5"]}"#),
        (
            r#"{"a":99999999999999999999}"#,
            r#"{"event":{"code":"99999999999999999999","risk_score":1e20},"tags":["99999999999999999999"]}"#,
        ),
        (r#"{"a":["x",null,1]}"#, r#"{"event":{"code":"x"},"tags":["x","1"]}"#),
    ] {
        assert_eq!(normalized(rules, event), expected, "{event}");
    }
}

#[test]
fn addresses_are_addresses() {
    let rules = "fields: {source.ip: a}\nrelated: {ip: [a, b]}";
    for (event, expected) in [
        (r#"{"a":"AWS Internal","b":"x"}"#, "{}"),
        (
            r#"{"a":"::ffff:192.0.2.1","b":["192.0.2.1","2001:db8::1","192.0.2.1",""]}"#,
            r#"{"source":{"ip":"192.0.2.1"},"related":{"ip":["192.0.2.1","2001:db8::1"]}}"#,
        ),
        (r#"{"a":"fe80::1%eth0"}"#, r#"{"source":{"ip":"fe80::1"},"related":{"ip":["fe80::1"]}}"#),
        (r#"{"a":"192.0.2.1:80"}"#, "{}"),
    ] {
        assert_eq!(normalized(rules, event), expected, "{event}");
    }
}

#[test]
fn related_values_are_distinct_and_bounded() {
    let rules = "fields: {user.name: {from: a, lower: true}}\nrelated: {user: [a, user.name, l.u]}";
    let event = r#"{"a":"Eve","l":[{"u":"bob"},{"u":["eve","-",3]}]}"#;
    let expected = r#"{"user":{"name":"eve"},"related":{"user":["Eve","eve","bob","3"]}}"#;
    assert_eq!(normalized(rules, event), expected);

    let many: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    let event = serde_json::json!({ "a": many }).to_string();
    let found: serde_json::Value =
        serde_json::from_str(&normalized("related: {user: a}", &event)).unwrap();
    assert_eq!(found["related"]["user"].as_array().unwrap().len(), super::RELATED_VALUES_MAX);
}
