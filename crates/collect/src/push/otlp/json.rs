//! OTLP's JSON: names in camel case, numbers of 64 bits as numbers or texts, ids in hexadecimal.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::{
    super::record::{PushError, Pushed, check_count},
    Any, LogRecord, PROTOCOL, Resource, Scope,
};

/// The log records of an `ExportLogsServiceRequest` in JSON.
///
/// # Errors
/// If the body is none, or holds too many records.
pub fn otlp_json(body: &[u8]) -> Result<Vec<Pushed<'static>>, PushError> {
    let request: Request =
        serde_json::from_slice(body).map_err(|error| PushError::malformed(PROTOCOL, 0, error))?;
    let mut found = Vec::new();
    for logs in request.resource_logs {
        let resource = Resource {
            attributes: attributes(logs.resource.attributes),
            dropped: logs.resource.dropped_attributes_count,
            schema_url: logs.schema_url,
        };
        for logs in logs.scope_logs {
            let scope = Scope {
                name: logs.scope.name,
                version: logs.scope.version,
                attributes: attributes(logs.scope.attributes),
                schema_url: logs.schema_url,
            };
            for record in logs.log_records {
                found.push(LogRecord::from(record).push(&resource, &scope));
                check_count(found.len())?;
            }
        }
    }
    Ok(found)
}

// What these stand for is said in `logs.proto`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request {
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceLogs {
    resource: JsonResource,
    scope_logs: Vec<ScopeLogs>,
    schema_url: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonResource {
    attributes: Vec<KeyValue>,
    dropped_attributes_count: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScopeLogs {
    scope: JsonScope,
    log_records: Vec<JsonRecord>,
    schema_url: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonScope {
    name: String,
    version: String,
    attributes: Vec<KeyValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonRecord {
    time_unix_nano: Number,
    observed_time_unix_nano: Number,
    severity_number: Number,
    severity_text: String,
    body: Option<AnyValue>,
    attributes: Vec<KeyValue>,
    dropped_attributes_count: u32,
    flags: u32,
    trace_id: String,
    span_id: String,
    event_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValue {
    key: String,
    value: Option<AnyValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the protocol's own names")]
enum AnyValue {
    StringValue(String),
    BoolValue(bool),
    IntValue(Number),
    DoubleValue(Double),
    BytesValue(String),
    ArrayValue(Values<AnyValue>),
    KvlistValue(Values<KeyValue>),
}

#[derive(Deserialize)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

/// A whole number, or the text of one.
#[derive(Default)]
struct Number(i128);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let number =
            text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no whole number")));
        number.map(Self)
    }
}

/// A number, or the text of one that JSON does not have.
struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As it is written: `serde_json` reads numbers less exactly than the library of Rust.
        let value = Box::<RawValue>::deserialize(deserializer)?;
        let text = value.get().trim_matches('"');
        let number = text.parse().map_err(|_| D::Error::custom(format!("`{text}` is no number")));
        number.map(Self)
    }
}

fn attributes(attributes: Vec<KeyValue>) -> super::Attributes {
    let value = |value: Option<AnyValue>| value.map_or(Any::Nothing, Any::from);
    attributes.into_iter().map(|attribute| (attribute.key, value(attribute.value))).collect()
}

impl From<AnyValue> for Any {
    fn from(value: AnyValue) -> Self {
        match value {
            AnyValue::StringValue(text) => Self::Text(text),
            AnyValue::BoolValue(value) => Self::Bool(value),
            AnyValue::IntValue(Number(number)) => {
                i64::try_from(number).map_or_else(|_| Self::Text(number.to_string()), Self::Int)
            }
            AnyValue::DoubleValue(Double(number)) => Self::Double(number),
            AnyValue::BytesValue(text) => Self::Bytes(text),
            AnyValue::ArrayValue(list) => {
                Self::List(list.values.into_iter().map(Self::from).collect())
            }
            AnyValue::KvlistValue(list) => Self::Map(attributes(list.values)),
        }
    }
}

impl From<JsonRecord> for LogRecord {
    fn from(record: JsonRecord) -> Self {
        Self {
            time: u64::try_from(record.time_unix_nano.0).unwrap_or_default(),
            observed_time: u64::try_from(record.observed_time_unix_nano.0).unwrap_or_default(),
            severity_number: i64::try_from(record.severity_number.0).unwrap_or_default(),
            severity_text: record.severity_text,
            body: record.body.map_or(Any::Nothing, Any::from),
            attributes: attributes(record.attributes),
            dropped: record.dropped_attributes_count,
            flags: record.flags,
            trace_id: record.trace_id.to_ascii_lowercase(),
            span_id: record.span_id.to_ascii_lowercase(),
            event_name: record.event_name,
        }
    }
}
