//! Windows records as collectors flatten them.

use base::Object;
use serde_json::Value as Json;

use super::events::to_value;

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
