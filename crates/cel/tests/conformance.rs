//! The CEL specification's own conformance tests: the judge of what an expression means.
//!
//! The tests are read from `$DAB_CORPORA/cel/`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says on stderr what it skips"
)]

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dab_cel::{
    CelDuration, CelList, CelMap, CelTimestamp, CelType, CelValue, Declarations, Program, Schema,
    Type, check,
};
use serde_json::Value as Json;

#[test]
fn conforms() {
    let Some(cases) = cases() else { return };
    let mut failures = BTreeSet::new();
    let mut count = 0;
    for case in cases.as_array().unwrap() {
        let part = |key: &str| case[key].as_str().unwrap();
        count += 1;
        if let Err(why) = run(case) {
            let name = format!("{}/{}/{}", part("file"), part("section"), part("name"));
            eprintln!("{name}: {}: {why}", part("expr"));
            failures.insert(name);
        }
    }
    assert!(count > 800, "only {count} cases were found");
    assert!(failures.is_empty(), "{} of {count} fail: {failures:#?}", failures.len());
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
    let is_checked = case.get("disable_check").is_none_or(|value| value != true);
    let container = case.get("container").and_then(Json::as_str).unwrap_or_default();
    let expected = &case["expect"];
    if let Some(kind) = expected.get("type") {
        let checked = check(source, &declarations(case));
        if !checked.problems.is_empty() || checked.kind.to_string() != kind.as_str().unwrap() {
            return Err(format!("is of type {}: {:?}", checked.kind, checked.problems));
        }
        if case.get("check_only").is_some() {
            return Ok(());
        }
    }
    let program = match Program::compile_in(container, source, is_checked) {
        Ok(program) => program,
        Err(_) if expected.get("error").is_some() => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let given = case.get("bindings").and_then(Json::as_object).into_iter().flatten();
    let bindings: Vec<_> =
        given.map(|(name, value)| (CelValue::Text(name.into()), binding(value))).collect();
    match (program.evaluate_with(&bindings), expected.get("value"), expected.get("error")) {
        (Ok(found), Some(value), _) if same(&found, value) => Ok(()),
        (Ok(found), ..) => Err(format!("gave {found:?}")),
        (Err(_), _, Some(_)) => Ok(()),
        (Err(error), ..) => Err(error.to_string()),
    }
}

/// The names and functions that a case declares.
fn declarations(case: &Json) -> Declarations {
    let mut declarations = Declarations::of(Schema::closed());
    for declared in case.get("type_env").and_then(Json::as_array).into_iter().flatten() {
        let name = declared["name"].as_str().unwrap();
        if let Some(kind) = declared.get("type").and_then(Json::as_str) {
            declarations = declarations.with_variable(name, Type::parse(kind).unwrap());
        }
        for overload in declared.get("function").and_then(Json::as_array).into_iter().flatten() {
            let parameters = overload["params"].as_array().unwrap().iter();
            let parameters: Vec<&str> = parameters.map(|kind| kind.as_str().unwrap()).collect();
            let dot = if overload["member"] == true { "." } else { "" };
            let result = overload["result"].as_str().unwrap();
            let text = format!("{dot}({}) -> {result}", parameters.join(", "));
            declarations = declarations.with_function(name, &text);
        }
    }
    declarations
}

/// A bound value.
fn binding(value: &Json) -> CelValue<'static> {
    let inner = &value["v"];
    match value["t"].as_str().unwrap() {
        "null" => CelValue::Null,
        "bool" => CelValue::Bool(inner.as_bool().unwrap()),
        "int" => CelValue::Int(inner.as_i64().unwrap()),
        "uint" => CelValue::Uint(inner.as_u64().unwrap()),
        "double" => CelValue::Double(double(inner).unwrap()),
        "string" => CelValue::Text(inner.as_str().unwrap().to_owned().into()),
        "bytes" => CelValue::Bytes(STANDARD.decode(inner.as_str().unwrap()).unwrap().into()),
        "timestamp" => CelValue::Timestamp(CelTimestamp::parse(inner.as_str().unwrap()).unwrap()),
        "duration" => CelValue::Duration(CelDuration::parse(inner.as_str().unwrap()).unwrap()),
        "type" => CelValue::Type(CelType::named(inner.as_str().unwrap()).unwrap()),
        "list" => {
            let members = inner.as_array().unwrap().iter().map(binding);
            CelValue::List(CelList::Built(Arc::new(members.collect())))
        }
        "map" => {
            let entries = inner.as_array().unwrap().iter();
            let keyed = entries.map(|entry| (binding(&entry[0]), binding(&entry[1])));
            CelValue::Map(CelMap::Built(Arc::new(keyed.collect())))
        }
        other => panic!("a binding of type {other}"),
    }
}

fn double(value: &Json) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
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
        (CelValue::Timestamp(found), "timestamp") => {
            value.as_str().and_then(CelTimestamp::parse) == Some(*found)
        }
        (CelValue::Duration(found), "duration") => {
            value.as_str().and_then(CelDuration::parse) == Some(*found)
        }
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
