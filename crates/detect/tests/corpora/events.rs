//! Events from JSON, and Windows records as collectors flatten them.

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
    }
}

/// A JSON object as it is.
pub(crate) fn object(json: &Json) -> Object<'_> {
    let entries = json.as_object().unwrap().iter();
    entries.map(|(key, value)| (Cow::Borrowed(key.as_str()), to_value(value))).collect()
}

/// `Event.System` and `Event.EventData` side by side: `{"#attributes": {"Name": …}}` under
/// `Provider` becomes `Provider_Name`, and an element's `#text` its value.
pub(crate) fn flat(record: &Json) -> Object<'_> {
    let mut fields = Object::new();
    for part in ["System", "EventData"] {
        flatten(&record["Event"][part], "", &mut fields);
    }
    // `UserData` has one element, named for the kind of event, around the fields.
    for wrapped in
        record["Event"]["UserData"].as_object().into_iter().flat_map(|data| data.values())
    {
        flatten(wrapped, "", &mut fields);
    }
    fields
}

fn flatten<'a>(json: &'a Json, prefix: &str, fields: &mut Object<'a>) {
    for (key, value) in json.as_object().into_iter().flatten() {
        let name = match (key.as_str(), prefix) {
            ("#attributes" | "#text", _) => prefix.to_owned(),
            (key, "") => key.to_owned(),
            (key, prefix) => format!("{prefix}_{key}"),
        };
        match value {
            Json::Object(_) => flatten(value, &name, fields),
            value => fields.push(name, to_value(value)),
        }
    }
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
