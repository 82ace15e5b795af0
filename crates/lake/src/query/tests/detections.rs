//! Forty detections in SQL, each over events that it must find and events that it must leave alone.
//!
//! They ask what published detections for other engines ask, in words and data of our own. Each runs
//! twice: over a table whose fields have columns, and over one that keeps them all in `_rest`. What is
//! found must not depend on it.

use std::collections::BTreeMap;

use arrow::datatypes::Field;
use base::Timestamp;
use serde_json::{Map, Value};

use super::{Tables, csv, int, object, text, texts};
use crate::{query::Engine, schema};

/// A detection with its events, which are in `detections/*.json`.
#[derive(serde::Deserialize)]
struct Case {
    name: String,
    sql: String,
    /// What it finds, as CSV without the names of the columns.
    finds: Vec<String>,
    /// By table: what it must find something in, together with `good`.
    bad: BTreeMap<String, Vec<Map<String, Value>>>,
    /// By table: what it must find nothing in.
    good: BTreeMap<String, Vec<Map<String, Value>>>,
}

/// The columns that fit the events: those of one type throughout.
fn columns(events: &[Value]) -> Vec<Field> {
    let mut names: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (name, value) in events.iter().filter_map(Value::as_object).flatten() {
        if !["time", "event_id"].contains(&name.as_str()) && !value.is_null() {
            names.entry(name).or_default().push(value);
        }
    }
    let field = |(name, values): (&str, Vec<&Value>)| {
        let all = |test: fn(&Value) -> bool| values.iter().all(|value| test(value));
        let is_texts = |value: &Value| {
            value
                .as_array()
                .is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_string))
        };
        if all(Value::is_string) {
            Some(text(name))
        } else if all(Value::is_i64) {
            Some(int(name))
        } else if all(Value::is_object) {
            let inner: Vec<Value> = values.into_iter().cloned().collect();
            let members = columns(&inner);
            Some(if members.is_empty() { schema::json_field(name) } else { object(name, members) })
        } else if all(is_texts) {
            Some(texts(name))
        } else if all(Value::is_array) {
            Some(schema::json_field(name))
        } else {
            None
        }
    };
    names.into_iter().filter_map(field).collect()
}

/// Events with their envelope: `at` is a day and time of November 2026.
fn enveloped(events: &[Map<String, Value>], prefix: &str) -> Vec<Value> {
    let enveloped = events.iter().enumerate().map(|(number, event)| {
        let mut event = event.clone();
        let at = event.remove("at").and_then(|at| at.as_str().map(str::to_owned));
        let time = format!("2026-11-{}Z", at.as_deref().unwrap_or("02T10:00:00"));
        event.insert("time".to_owned(), Value::from(time));
        event.insert("event_id".to_owned(), Value::from(format!("{prefix}{number}")));
        Value::Object(event)
    });
    enveloped.collect()
}

async fn engine(case: &Case, with_bad: bool, with_columns: bool) -> Engine {
    let mut tables = Tables::default();
    let names = case.good.keys().chain(case.bad.keys());
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let of = |from: &BTreeMap<String, Vec<Map<String, Value>>>, prefix: &str| {
            enveloped(from.get(name).map(Vec::as_slice).unwrap_or_default(), prefix)
        };
        let all = [of(&case.bad, "bad"), of(&case.good, "good")].concat();
        let columns = if with_columns { columns(&all) } else { Vec::new() };
        let shown = if with_bad { all } else { of(&case.good, "good") };
        let mut days: BTreeMap<_, Vec<Value>> = BTreeMap::new();
        for event in shown {
            let time = event["time"].as_str().and_then(Timestamp::parse).expect("a time");
            days.entry(time.day()).or_default().push(event);
        }
        let files: Vec<_> = days.into_values().map(|events| (columns.clone(), events)).collect();
        tables.add(name, &files).await;
    }
    tables.engine()
}

fn cases() -> Vec<Case> {
    [
        include_str!("detections/cloud.json"),
        include_str!("detections/identity.json"),
        include_str!("detections/workloads.json"),
    ]
    .into_iter()
    .flat_map(|text| serde_json::from_str::<Vec<Case>>(text).expect("cases"))
    .collect()
}

/// What a detection finds, or why it finds nothing.
async fn found(case: &Case, with_bad: bool, with_columns: bool) -> Vec<String> {
    match engine(case, with_bad, with_columns).await.sql(&case.sql).await {
        Ok(rows) => csv(&rows).lines().skip(1).map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[tokio::test]
async fn detections_find_what_is_bad_and_nothing_else() {
    let cases = cases();
    assert!(cases.len() >= 40, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        assert!(!case.finds.is_empty(), "{}", case.name);
        for with_columns in [true, false] {
            let bad = found(case, true, with_columns).await;
            let good = found(case, false, with_columns).await;
            if bad != case.finds || !good.is_empty() {
                let Case { name, finds, .. } = case;
                wrong.push(format!(
                    "{name} (columns: {with_columns}): {bad:#?}, not {finds:#?}; good: {good:#?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
