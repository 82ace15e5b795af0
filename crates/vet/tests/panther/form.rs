//! The form in which Panther shows logs to its rules, and the product's own.

use serde_json::{Map, Value, json};

/// A record as its product writes it.
pub(crate) struct Form {
    /// The log source that reads it.
    pub(crate) log_source: &'static str,
    /// The record.
    pub(crate) record: Value,
}

/// Names at the top of a record that some of the tests have in lower case.
const NAMES: &[&str] = &[
    "additionalEventData",
    "authenticationContext",
    "awsRegion",
    "debugContext",
    "displayMessage",
    "errorCode",
    "errorMessage",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "insertId",
    "legacyEventType",
    "logName",
    "objectRef",
    "protoPayload",
    "receiveTimestamp",
    "recipientAccountId",
    "requestObject",
    "requestParameters",
    "requestURI",
    "responseElements",
    "responseStatus",
    "securityContext",
    "sourceIPAddress",
    "userAgent",
    "userIdentity",
];

impl Form {
    /// Puts back what Panther changed, for a detection in the file `path`:
    ///
    /// - Fields that it adds, which begin with `p_`, go.
    /// - Names that it spells otherwise are the product's again: `eventtype` at the top of a record
    ///   is `eventType`, `at_sign_type` is `@type`, `callerIP` is `callerIp`.
    /// - The time, which many tests lack or write in Panther's own way, becomes one that the product
    ///   could have written. No detection here looks at it.
    /// - What it has taken out of Workspace's `events` goes back into them.
    /// - An audit event of Kubernetes is taken out of the envelope that Azure Monitor puts around it.
    pub(crate) fn of(log: &Value, path: &str) -> Self {
        let mut record = spelled(log);
        let (group, _) = path.split_once('/').unwrap_or_default();
        let (log_source, time) = match group {
            "aws" => ("aws_cloudtrail", "eventTime"),
            "okta" => ("okta_system", "published"),
            "github" => ("github_audit", "@timestamp"),
            "google_workspace" => {
                return Self { log_source: "google_workspace", record: activity(&record) };
            }
            "kubernetes" if record["protoPayload"].is_null() => {
                if let Some(inner) = record["properties"]["log"].as_str() {
                    record = serde_json::from_str(inner).unwrap_or_default();
                }
                ("kubernetes_audit", "requestReceivedTimestamp")
            }
            _ => ("gcp_audit", "timestamp"),
        };
        record[time] = match log_source {
            "github_audit" => json!(1_795_521_600_000_u64),
            _ => json!("2026-11-24T12:00:00Z"),
        };
        Self { log_source, record }
    }
}

fn spelled(log: &Value) -> Value {
    let mut record = Map::new();
    for (key, value) in log.as_object().into_iter().flatten() {
        let name = NAMES.iter().find(|name| name.eq_ignore_ascii_case(key)).copied();
        if !key.starts_with("p_") {
            record.insert(name.unwrap_or(key).to_owned(), inner(value));
        }
    }
    Value::Object(record)
}

fn inner(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (unescaped(key), inner(value))).collect()
        }
        Value::Array(members) => members.iter().map(inner).collect(),
        other => other.clone(),
    }
}

fn unescaped(key: &str) -> String {
    match key {
        "callerIP" => "callerIp".to_owned(),
        _ => key.replacen("at_sign_", "@", 1),
    }
}

/// An activity as Workspace's Reports API lists it: parameters are a list, and each holds its value
/// under a name that tells its type.
fn activity(record: &Value) -> Value {
    let parameter = |(name, value): (&String, &Value)| match value {
        Value::Null => json!({"name": name}),
        Value::Bool(_) => json!({"name": name, "boolValue": value}),
        Value::Number(_) => json!({"name": name, "intValue": value.to_string()}),
        Value::Array(_) => json!({"name": name, "multiValue": value}),
        _ => json!({"name": name, "value": value}),
    };
    let parameters = record["parameters"].as_object();
    let parameters: Vec<Value> = parameters.into_iter().flatten().map(parameter).collect();
    let mut record = record.clone();
    record["events"] =
        json!([{"type": record["type"], "name": record["name"], "parameters": parameters}]);
    if record["id"].is_null() {
        record["id"] = json!({});
    }
    record["id"]["time"] = json!("2026-11-24T12:00:00Z");
    if let Some(fields) = record.as_object_mut() {
        for gone in ["type", "name", "parameters"] {
            fields.remove(gone);
        }
    }
    record
}
