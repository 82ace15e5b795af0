//! Nested records, laid flat.

use base::{Object, Value};

use crate::{
    LogSource,
    fixture::{at, decoder},
    parse_json,
};

/// The event's own fields, as JSON.
fn lifted(lift: &str, record: &str) -> String {
    let yaml = format!("format: json\ntime: {{missing: ingest_time}}\nlift: {lift}\n");
    let decoder = decoder(&yaml);
    let event = decoder.decode(record.as_bytes(), &at()).unwrap();
    // Whoever looks for a text anywhere may look into the record instead.
    let (own, mut all, mut lifted) = (event.json.unwrap(), Vec::new(), Vec::new());
    strings(&parse_json(own.text.as_bytes()).unwrap(), &mut all);
    strings(&Value::Object(event.fields.clone()), &mut lifted);
    assert!(lifted.iter().all(|text| all.contains(text)), "{lifted:?}");
    event.to_json()
}

fn strings(value: &Value<'_>, all: &mut Vec<String>) {
    match value {
        Value::Text(text) => all.push(text.to_string()),
        Value::List(members) => members.iter().for_each(|member| strings(member, all)),
        Value::Object(object) => object.iter().for_each(|(_, value)| strings(value, all)),
        _ => {}
    }
}

#[test]
fn members_move_to_the_top_unless_their_name_is_taken() {
    for (lift, record, expected) in [
        ("[a.b]", r#"{"x":1,"a":{"b":{"y":2},"c":3}}"#, r#"{"x":1,"a":{"c":3},"y":2}"#),
        ("[a.b]", r#"{"x":1,"a":{"b":{"y":2}}}"#, r#"{"x":1,"y":2}"#),
        // Taken: it stays.
        ("[a.b]", r#"{"x":1,"a":{"b":{"x":2,"y":3}}}"#, r#"{"x":1,"y":3,"a":{"b":{"x":2}}}"#),
        ("[a, b]", r#"{"b":{"x":1},"a":{"x":2}}"#, r#"{"x":2,"b":{"x":1}}"#),
        ("[a.b]", r#"{"a":{"b":{"a":1,"K":{"a":2}}}}"#, r#"{"a":1,"K_a":2}"#),
        ("[a.b]", r#"{"T":0,"a":{"b":{"a":1,"T":2}}}"#, r#"{"T":0,"a":1,"a.b":{"T":2}}"#),
        // A key that is spelt with the dot.
        ("[a.b]", r#"{"a.b":{"y":2}}"#, r#"{"y":2}"#),
        ("[{from: a, inner: true}]", r#"{"a":{"K":{"y":2},"z":1}}"#, r#"{"y":2,"a":{"z":1}}"#),
        // Not there, or no object.
        ("[a.b]", r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":[1]}}"#),
        ("[a.b]", r#"{"a":null}"#, r#"{"a":null}"#),
    ] {
        assert_eq!(lifted(lift, record), expected, "{record}");
    }
}

#[test]
fn what_would_be_too_many_fields_stays_where_it_was() {
    const MEMBERS: usize = 50_000;
    let members: Vec<String> = (0..MEMBERS).map(|n| format!("\"k{n}\":{n}")).collect();
    let object = members.join(",");
    let limit = base::limits::LIFT_FIELDS_MAX;
    let found = lifted("[a.b]", &format!(r#"{{"a":{{"b":{{{object}}}}}}}"#));
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found.as_object().unwrap().len(), limit + 1);
    assert_eq!(found["a"]["b"].as_object().unwrap().len(), MEMBERS - limit);
    assert_eq!((&found["k0"], &found["a"]["b"]["k49999"]), (&0.into(), &49_999.into()));
    let pairs: Vec<String> = (0..MEMBERS).map(|n| format!(r#"{{"n":"k{n}","v":{n}}}"#)).collect();
    let record = format!(r#"{{"a":[{}]}}"#, pairs.join(","));
    assert_eq!(lifted("[{from: a, pairs: {name: n, value: v}}]", &record), record);
    let spaced = format!("{{{}}}", object.replace("\"k", "\"k "));
    assert_eq!(lifted("[a]", &spaced), spaced);
}

#[test]
fn xml_in_json_gets_the_names_that_rules_use() {
    let record = r##"{"E":{"#attributes":{"xmlns":"http://x"},"System":{"Provider":{"#attributes":
        {"Name":"P","Guid":"G"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":7},
        "Time_attributes":{"SystemTime":"T"}},"Data":{"Threat Name":"t","Data":["a","b"]}}}"##;
    assert_eq!(
        lifted("[E.System, E.Data, 'E.#attributes']", record),
        r#"{"Provider_Name":"P","Provider_Guid":"G","EventID_Qualifiers":0,"EventID":7,"Time_SystemTime":"T","ThreatName":"t","Data":["a","b"]}"#
    );
}

#[test]
fn one_value_gets_another_name() {
    for (lift, record, expected) in [
        ("[{from: [a.b, c], to: T}]", r#"{"c":1,"a":{"b":2}}"#, r#"{"c":1,"T":2}"#),
        ("[{from: [a.b, c], to: T}]", r#"{"c":1,"a":{"b":null}}"#, r#"{"a":{"b":null},"T":1}"#),
        ("[{from: c, to: T, keep: true}]", r#"{"c":"x"}"#, r#"{"c":"x","T":"x"}"#),
        ("[{from: c, to: T}]", r#"{"c":1,"T":2}"#, r#"{"c":1,"T":2}"#),
        // An object is no value.
        ("[{from: c, to: T}]", r#"{"c":{"T":2}}"#, r#"{"c":{"T":2}}"#),
    ] {
        assert_eq!(lifted(lift, record), expected, "{record}");
    }
}

#[test]
fn pairs_become_fields() {
    let named = "[{from: a.p, pairs: {name: [n, '@N'], value: [v, w]}}]";
    let kept = "[{from: e.p, pairs: {name: n, value: v}, to: q, keep: true}]";
    for (lift, record, expected) in [
        (named, r#"{"a":{"p":[{"n":"x","v":1},{"@N":"y z","w":[2]}]}}"#, r#"{"x":1,"yz":[2]}"#),
        (named, r#"{"a":{"p":{"n":"x","v":1}}}"#, r#"{"x":1}"#),
        // The same name twice: a list.
        (named, r#"{"a":{"p":[{"n":"x","v":1},{"n":"x","v":2}]}}"#, r#"{"x":[1,2]}"#),
        // What is no pair keeps all of them in their place, too.
        (
            named,
            r#"{"a":{"p":[{"n":"x","v":1},"s"]}}"#,
            r#"{"a":{"p":[{"n":"x","v":1},"s"]},"x":1}"#,
        ),
        ("[{from: p, pairs: {}}]", r#"{"p":[{"x":1},{"y":2}]}"#, r#"{"x":1,"y":2}"#),
        (
            kept,
            r#"{"e":[{"p":[{"n":"x","v":1}]},{"p":[{"n":"y"}]}]}"#,
            r#"{"e":[{"p":[{"n":"x","v":1}]},{"p":[{"n":"y"}]}],"q":{"x":1,"y":null}}"#,
        ),
    ] {
        assert_eq!(lifted(lift, record), expected, "{record}");
    }
}

#[test]
fn spaces_in_names_are_removed() {
    assert_eq!(
        lifted("[z]", r#"{"Threat Name":1,"a b":2,"ab":3}"#),
        r#"{"ab":3,"ThreatName":1,"a b":2}"#
    );
    assert_eq!(lifted("[]", r#"{"a b":2}"#), r#"{"a b":2}"#);
}

#[test]
fn mistakes_are_told() {
    let wrong = |lift: &str| {
        let yaml = format!("format: json\ntime: t\nlift: {lift}\n");
        LogSource::parse("test.yml", &yaml).unwrap_err().first().unwrap().to_string()
    };
    assert_eq!(wrong("[{to: x}]"), "`from` is missing");
    assert_eq!(wrong("[{from: [a, b]}]"), "`from` is a list");
    assert_eq!(wrong("[{from: a, to: b, inner: true}]"), "`inner` has no meaning here");
    assert_eq!(wrong("[{from: a, keep: true}]"), "`keep` has no meaning here");
    assert_eq!(wrong("[{form: a}]"), "unknown key `form` in a member of `lift`");
}

/// Every leaf of a record: its value, once for each time it stands there.
fn leaves(object: &Object<'_>, out: &mut Vec<String>) {
    for (key, value) in object {
        match value {
            base::Value::Object(inner) => leaves(inner, out),
            _ if key == "xmlns" => {}
            value => out.push(value.display().unwrap_or_default().into_owned()),
        }
    }
}

proptest::proptest! {
    /// Whatever the record: lifting loses no value and invents none.
    #[test]
    fn nothing_is_lost(record in record(3)) {
        let text = record.to_string();
        let all = |lift: &str| {
            let yaml = format!("format: json\ntime: {{missing: ingest_time}}\nlift: {lift}\n");
            let mut out = Vec::new();
            leaves(&decoder(&yaml).decode(text.as_bytes(), &at()).unwrap().fields, &mut out);
            out.sort();
            out
        };
        let lifted = all("[a.b, {from: b, inner: true}, {from: [c.a, b.c], to: T}, a]");
        proptest::prop_assert_eq!(lifted, all("[]"));
    }
}

fn record(depth: u32) -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![Just(serde_json::Value::Null), (0..9_i64).prop_map(Into::into)];
    let key = r"a|b|c|d e|#text|#attributes|a_attributes";
    let value = leaf.prop_recursive(depth, 24, 5, move |inner| {
        prop::collection::vec((key, inner), 1..5)
            .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect()))
    });
    prop::collection::vec((key, value), 1..5)
        .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect()))
}
