//! Events from JSON.

use std::borrow::Cow;

use base::{Event, EventId, Object, ObjectHash, Origin, Timestamp, Value};
use serde_json::Value as Json;

/// An event with these fields.
pub(crate) fn event<'a>(log_source: &'a str, fields: Object<'a>) -> Event<'a> {
    Event {
        time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
        id: EventId { object: ObjectHash::of(&["test"]), offset: 0 },
        log_source,
        origin: Origin { object: Cow::Borrowed("test"), offset: 0 },
        fields,
        normalized: Object::new(),
        json: None,
    }
}

/// A JSON object as it is.
pub(crate) fn object(json: &Json) -> Object<'_> {
    let entries = json.as_object().unwrap().iter();
    entries.map(|(key, value)| (Cow::Borrowed(key.as_str()), to_value(value))).collect()
}

fn to_value(json: &Json) -> Value<'_> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => number.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::text(text.as_str()),
        Json::Array(members) => Value::List(members.iter().map(to_value).collect()),
        Json::Object(_) => Value::Object(object(json)),
    }
}
