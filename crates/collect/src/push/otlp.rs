//! OpenTelemetry's logs, as OTLP sends them: protobuf or JSON.
//!
//! The messages are those of `opentelemetry/proto/logs/v1/logs.proto` (v1.9). Only what they hold is
//! read; fields that are not known are passed over, as protobuf asks. A log record becomes an object
//! with the names of the protocol, whose attributes are objects as well.

mod json;
mod proto;

use std::borrow::Cow;

use base::limits;

pub use self::{json::otlp_json, proto::otlp_protobuf};
use super::record::{Pushed, Record, add_member, quoted};

const PROTOCOL: &str = "OTLP log export";

/// A value of an attribute or a body.
#[derive(Debug, Clone, PartialEq, Default)]
enum Any {
    #[default]
    Nothing,
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// In base64.
    Bytes(String),
    List(Vec<Any>),
    Map(Attributes),
}

type Attributes = Vec<(String, Any)>;

#[derive(Debug, Default)]
struct Resource {
    attributes: Attributes,
    dropped: u32,
    schema_url: String,
}

#[derive(Debug, Default)]
struct Scope {
    name: String,
    version: String,
    attributes: Attributes,
    schema_url: String,
}

#[derive(Debug, Default)]
struct LogRecord {
    time: u64,
    observed_time: u64,
    severity_number: i64,
    severity_text: String,
    body: Any,
    attributes: Attributes,
    dropped: u32,
    flags: u32,
    /// In hexadecimal.
    trace_id: String,
    span_id: String,
    event_name: String,
}

impl LogRecord {
    fn push(self, resource: &Resource, scope: &Scope) -> Pushed<'static> {
        let mut about = String::new();
        let number = |about: &mut String, key: &str, number: u64| {
            if number > 0 {
                add_member(about, key, &number.to_string());
            }
        };
        let text = |about: &mut String, key: &str, text: &str| {
            if !text.is_empty() {
                add_member(about, key, &quoted(text));
            }
        };
        number(&mut about, "time_unix_nano", self.time);
        number(&mut about, "observed_time_unix_nano", self.observed_time);
        if self.severity_number != 0 {
            add_member(&mut about, "severity_number", &self.severity_number.to_string());
        }
        text(&mut about, "severity_text", &self.severity_text);
        text(&mut about, "event_name", &self.event_name);
        text(&mut about, "trace_id", &self.trace_id);
        text(&mut about, "span_id", &self.span_id);
        number(&mut about, "flags", self.flags.into());
        number(&mut about, "dropped_attributes_count", self.dropped.into());
        map(&mut about, "attributes", &self.attributes);
        map(&mut about, "resource", &resource.attributes);
        number(&mut about, "resource_dropped_attributes_count", resource.dropped.into());
        text(&mut about, "resource_schema_url", &resource.schema_url);
        let mut in_scope = String::new();
        text(&mut in_scope, "name", &scope.name);
        text(&mut in_scope, "version", &scope.version);
        map(&mut in_scope, "attributes", &scope.attributes);
        text(&mut in_scope, "schema_url", &scope.schema_url);
        if !in_scope.is_empty() {
            add_member(&mut about, "scope", &format!("{{{in_scope}}}"));
        }
        let names = ["service.name"].into_iter().filter_map(|name| {
            let (_, value) = resource.attributes.iter().find(|(key, _)| key == name)?;
            if let Any::Text(text) = value { Some(text.clone()) } else { None }
        });
        let record = match self.body {
            Any::Nothing => Record::None,
            Any::Text(text) => Record::Text(Cow::Owned(text)),
            other => Record::Json(Cow::Owned(json_of(&other))),
        };
        Pushed { names: names.collect(), about, record }
    }
}

fn map(about: &mut String, key: &str, attributes: &Attributes) {
    if !attributes.is_empty() {
        add_member(about, key, &object(attributes));
    }
}

fn object(attributes: &Attributes) -> String {
    let mut members = String::new();
    for (key, value) in attributes {
        add_member(&mut members, key, &json_of(value));
    }
    format!("{{{members}}}")
}

/// The value as JSON; numbers that JSON does not have are texts, as in protobuf's own mapping.
fn json_of(value: &Any) -> String {
    match value {
        Any::Nothing => "null".to_owned(),
        Any::Text(text) | Any::Bytes(text) => quoted(text),
        Any::Bool(value) => value.to_string(),
        Any::Int(number) => number.to_string(),
        Any::Double(number) if number.is_nan() => "\"NaN\"".to_owned(),
        Any::Double(number) if number.is_infinite() => {
            (if *number > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }).to_owned()
        }
        Any::Double(number) => format!("{number:?}"),
        Any::List(values) => {
            let values: Vec<String> = values.iter().map(json_of).collect();
            format!("[{}]", values.join(","))
        }
        Any::Map(attributes) => object(attributes),
    }
}

/// How deeply values may stand inside one another.
const DEPTH_MAX: usize = limits::JSON_DEPTH_MAX;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |n: usize| group.get(n).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let digit = (bits >> (18 - 6 * n)) & 63;
            let digit = usize::try_from(digit).ok().and_then(|digit| BASE64.get(digit).copied());
            out.push(if n > group.len() { '=' } else { digit.map_or('=', char::from) });
        }
    }
    out
}

#[cfg(test)]
mod tests;
