//! The CEL specification's own conformance tests: the judge of what an expression means.
//!
//! The tests are read from `$DAB_CORPORA/cel/`. `conformance/known_failures.txt` names the cases
//! that fail; it must neither miss one nor name one that passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says on stderr what it skips"
)]

use std::{borrow::Cow, collections::BTreeSet, path::PathBuf};

use base::{Object, Value};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dab_cel::{CelValue, Program};
use serde_json::Value as Json;

const SECTIONS: [&str; 14] = [
    "basic",
    "comparisons",
    "conversions",
    "fields",
    "fp_math",
    "integer_math",
    "lists",
    "logic",
    "macros",
    "macros2",
    "parse",
    "plumbing",
    "string",
    "timestamps",
];

const KNOWN_FAILURES: &str = include_str!("conformance/known_failures.txt");

#[test]
fn conforms_except_for_the_known_failures() {
    let Some(cases) = cases() else { return };
    let mut failures = BTreeSet::new();
    let mut count = 0;
    for case in cases.as_array().unwrap() {
        let part = |key: &str| case[key].as_str().unwrap();
        if !SECTIONS.contains(&part("file")) || case.get("check_only").is_some() {
            continue;
        }
        count += 1;
        if let Err(why) = run(case) {
            let name = format!("{}/{}/{}", part("file"), part("section"), part("name"));
            eprintln!("{name}: {}: {why}", part("expr"));
            failures.insert(name);
        }
    }
    assert!(count > 500, "only {count} cases were found");
    let known: BTreeSet<String> = KNOWN_FAILURES.lines().map(str::to_owned).collect();
    let new: Vec<_> = failures.difference(&known).collect();
    let fixed: Vec<_> = known.difference(&failures).collect();
    assert!(new.is_empty(), "{} of {count} fail; not known: {new:#?}", failures.len());
    assert!(fixed.is_empty(), "these pass: take them off the list: {fixed:#?}");
}

fn cases() -> Option<Json> {
    let root = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let file = root.join("cel/cel-conformance.dev.json");
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(error) => {
            let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "{}: {error}", file.display());
            eprintln!("skipped: {}: {error}", file.display());
            None
        }
    }
}

fn run(case: &Json) -> Result<(), String> {
    let source = case["expr"].as_str().unwrap();
    let unchecked = case.get("disable_check").is_some_and(|value| value == true);
    let compile = if unchecked { Program::compile_unchecked } else { Program::compile };
    let expected = &case["expect"];
    let program = match compile(source) {
        Ok(program) => program,
        Err(_) if expected.get("error").is_some() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let mut bindings = Object::new();
    if let Some(given) = case.get("bindings").and_then(Json::as_object) {
        for (name, value) in given {
            bindings.push(name.clone(), binding(value));
        }
    }
    match (program.evaluate(&bindings), expected.get("value"), expected.get("error")) {
        (Ok(found), Some(value), _) if same(&found, value) => Ok(()),
        (Ok(found), ..) => Err(format!("gave {found:?}")),
        (Err(_), _, Some(_)) => Ok(()),
        (Err(error), ..) => Err(error.to_string()),
    }
}

/// A bound value; a uint as a number in its JSON spelling, which is how an event holds it.
fn binding(value: &Json) -> Value<'static> {
    let inner = &value["v"];
    match value["t"].as_str().unwrap() {
        "null" => Value::Null,
        "bool" => Value::Bool(inner.as_bool().unwrap()),
        "int" => Value::Int(inner.as_i64().unwrap()),
        "uint" => Value::Number(Cow::Owned(inner.to_string())),
        "double" => Value::Float(inner.as_f64().unwrap()),
        "string" => Value::text(inner.as_str().unwrap().to_owned()),
        "list" => Value::List(inner.as_array().unwrap().iter().map(binding).collect()),
        "map" => {
            let entries = inner.as_array().unwrap().iter();
            let keyed = entries.map(|entry| {
                let key = entry[0]["v"].as_str().unwrap().to_owned();
                (Cow::Owned(key), binding(&entry[1]))
            });
            Value::Object(keyed.collect())
        }
        other => panic!("a binding of type {other}"),
    }
}

/// Whether a value is the expected one, its type included.
fn same(found: &CelValue<'_>, expected: &Json) -> bool {
    let value = &expected["v"];
    match (found, expected["t"].as_str().unwrap()) {
        (CelValue::Null, "null") => true,
        (CelValue::Bool(found), "bool") => value.as_bool() == Some(*found),
        (CelValue::Int(found), "int") => value.as_i64() == Some(*found),
        (CelValue::Uint(found), "uint") => value.as_u64() == Some(*found),
        (CelValue::Double(found), "double") => match value.as_str() {
            Some("NaN") => found.is_nan(),
            Some(text) => text.parse() == Ok(*found),
            // The JSON reader may be off by one in the last place.
            None => value.as_f64().is_some_and(|value| {
                value.is_sign_negative() == found.is_sign_negative()
                    && (value - found).abs() <= value.abs() * f64::EPSILON
            }),
        },
        (CelValue::Text(found), "string") => value.as_str() == Some(found),
        (CelValue::Bytes(found), "bytes") => {
            STANDARD.decode(value.as_str().unwrap()).is_ok_and(|value| value == **found)
        }
        (CelValue::Type(found), "type") => value.as_str() == Some(found.name()),
        (CelValue::List(found), "list") => {
            let value = value.as_array().unwrap();
            found.len() == value.len()
                && found.iter().zip(value).all(|(found, value)| same(&found, value))
        }
        (CelValue::Map(found), "map") => {
            let value = value.as_array().unwrap();
            found.len() == value.len()
                && value.iter().all(|entry| {
                    let entry = entry.as_array().unwrap();
                    found
                        .iter()
                        .any(|(key, value)| same(&key, &entry[0]) && same(&value, &entry[1]))
                })
        }
        _ => false,
    }
}
