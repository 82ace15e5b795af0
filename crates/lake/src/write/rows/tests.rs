//! What becomes a column, what goes to `_rest`, and that nothing is lost between them.

use std::collections::BTreeMap;

use arrow::{array::AsArray as _, util::display::array_value_to_string};
use base::{EventId, ObjectHash, Origin, Timestamp};
use serde_json::json;

use super::*;

fn value(json: &serde_json::Value) -> Value<'static> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map_or_else(|| number.as_f64().map_or(Value::Null, Value::Float), Value::Int),
        serde_json::Value::String(text) => Value::text(text.clone()),
        serde_json::Value::Array(members) => Value::List(members.iter().map(value).collect()),
        serde_json::Value::Object(entries) => Value::Object(
            entries.iter().map(|(key, inner)| (key.clone().into(), value(inner))).collect(),
        ),
    }
}

fn event(json: &serde_json::Value) -> Event<'static> {
    let Value::Object(fields) = value(json) else { panic!("an event is an object") };
    Event {
        time: Timestamp::from_seconds(1_764_000_000),
        ingest_time: Timestamp::from_seconds(1_764_000_001),
        id: EventId { object: ObjectHash::of(&["o"]), offset: 16 },
        log_source: "test",
        origin: Origin { object: "file:o".into(), offset: 16 },
        fields,
        normalized: Object::new(),
        json: None,
    }
}

fn batch(columns_max: usize, events: &[serde_json::Value]) -> (RecordBatch, BTreeMap<String, u64>) {
    let mut rows = Rows::new([], columns_max);
    for json in events {
        rows.append(&event(json));
    }
    let conflicts = rows.conflicts().clone();
    (rows.finish().unwrap(), conflicts)
}

/// A column as text, `-` for null; members of structs by their path.
fn column(batch: &RecordBatch, path: &str) -> Vec<String> {
    let mut parts = path.split('/');
    let mut array = Arc::clone(batch.column_by_name(parts.next().unwrap()).unwrap());
    for part in parts {
        array = Arc::clone(array.as_struct().column_by_name(part).unwrap());
    }
    let text = |row| match array.is_null(row) {
        true => "-".to_owned(),
        false => array_value_to_string(&array, row).unwrap(),
    };
    (0..array.len()).map(text).collect()
}

#[test]
fn fields_become_typed_columns_and_late_ones_are_null_before() {
    let (batch, _) = batch(
        200,
        &[
            json!({"s": "x", "n": 1, "f": 1.5, "b": true}),
            json!({"s": "y", "tags": ["p", "q"], "o": {"deep": {"z": 1}}}),
            json!({"f": 2, "o": {"more": "m"}, "items": [{"a": 1}], "s": null}),
        ],
    );
    assert_eq!(column(&batch, "s"), ["x", "y", "-"]);
    assert_eq!(column(&batch, "n"), ["1", "-", "-"]);
    assert_eq!(column(&batch, "f"), ["1.5", "-", "2.0"], "a whole number fits a column of floats");
    assert_eq!(column(&batch, "b"), ["true", "-", "-"]);
    assert_eq!(column(&batch, "tags"), ["-", "[p, q]", "-"]);
    assert_eq!(column(&batch, "o/deep/z"), ["-", "1", "-"]);
    assert_eq!(column(&batch, "o/more"), ["-", "-", "m"]);
    assert_eq!(column(&batch, "items"), ["-", "-", r#"[{"a":1}]"#]);
    assert_eq!(column(&batch, "_rest"), ["-", "-", "-"]);
    assert_eq!(column(&batch, "event_id").first().unwrap().len(), 23);
    assert!(is_json(batch.schema().field_with_name("items").unwrap()));
}

#[test]
fn a_value_of_another_type_is_kept_and_counted() {
    let (batch, conflicts) = batch(
        200,
        &[
            json!({"port": 22, "user": {"name": "a"}}),
            json!({"port": "ssh", "user": "b"}),
            json!({"port": 2.5, "user": {"name": {"first": "c"}}}),
        ],
    );
    assert_eq!(column(&batch, "port"), ["22", "-", "-"]);
    assert_eq!(
        column(&batch, "_rest"),
        ["-", r#"{"port":"ssh","user":"b"}"#, r#"{"port":2.5,"user":{"name":{"first":"c"}}}"#]
    );
    let expected = [("name", 1), ("port", 2), ("user", 1)];
    assert_eq!(conflicts, expected.map(|(key, count)| (key.to_owned(), count)).into());
}

#[test]
fn what_can_be_no_column_is_in_rest() {
    let (batch, _) = batch(
        2,
        &[json!({
            "a": 1, "A": 2, "time": "own", "x y": 3, "empty": [], "none": {}, "b": {"c": 4, "d": 5},
        })],
    );
    assert_eq!(column(&batch, "A"), ["2"], "serde_json sorts: `A` came first");
    assert_eq!(column(&batch, "b/c"), ["4"]);
    let rest = r#"{"a":1,"b":{"d":5},"empty":[],"none":{},"time":"own","x y":3}"#;
    assert_eq!(column(&batch, "_rest"), [rest]);
}

#[test]
fn a_repeated_key_keeps_both_values() {
    let mut repeated = event(&json!({}));
    repeated.fields.push("k", Value::Int(1));
    repeated.fields.push("k", Value::Int(2));
    let mut rows = Rows::new([], 10);
    rows.append(&repeated);
    let batch = rows.finish().unwrap();
    assert_eq!(column(&batch, "k"), ["1"]);
    assert_eq!(column(&batch, "_rest"), [r#"{"k":2}"#]);
}

#[test]
fn normalized_fields_have_the_first_say_about_a_name() {
    let mut both = event(&json!({"user": "own"}));
    both.normalized.set_path(&base::FieldPath::new("user.name"), Value::text("alice"));
    let mut rows = Rows::new([], 10);
    rows.append(&both);
    let batch = rows.finish().unwrap();
    assert_eq!(column(&batch, "user/name"), ["alice"]);
    assert_eq!(column(&batch, "_rest"), [r#"{"user":"own"}"#]);
}

#[test]
fn a_builder_can_be_used_again() {
    let mut rows = Rows::new([], 10);
    rows.append(&event(&json!({"o": {"a": 1}, "l": ["x"]})));
    rows.finish().unwrap();
    assert!(rows.is_empty());
    rows.append(&event(&json!({"b": 2})));
    rows.append(&event(&json!({"o": {"a": 3}})));
    let batch = rows.finish().unwrap();
    assert_eq!(column(&batch, "o/a"), ["-", "3"]);
    assert_eq!(column(&batch, "b"), ["2", "-"]);
    assert_eq!(column(&batch, "l"), ["-", "-"]);
}
