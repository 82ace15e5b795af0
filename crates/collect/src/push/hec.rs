//! Splunk's HTTP Event Collector: what the bodies of its requests hold.
//!
//! The form is that of "Format events for HTTP Event Collector" in Splunk's documentation: JSON objects
//! one after another (or in an array), each with an `event`; and raw lines whose metadata stand in the
//! query.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::record::{Members, PushError, Pushed, Record, add_member, check_count, quoted, text_of};

const PROTOCOL: &str = "HEC event";

/// The events of a body of `/services/collector/event`.
///
/// # Errors
/// If the body is not events, or holds too many.
pub fn hec_events(body: &[u8]) -> Result<Vec<Pushed<'_>>, PushError> {
    let mut events = Vec::new();
    for value in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let value = value.map_err(|error| malformed(events.len(), error))?;
        if value.get().starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(value.get())
                .map_err(|error| malformed(events.len(), error))?;
            for value in list {
                events.push(event(value, events.len())?);
                check_count(events.len())?;
            }
        } else {
            events.push(event(value, events.len())?);
            check_count(events.len())?;
        }
    }
    Ok(events)
}

fn malformed(record: usize, reason: serde_json::Error) -> PushError {
    PushError::malformed(PROTOCOL, record, reason)
}

fn event(value: &RawValue, number: usize) -> Result<Pushed<'_>, PushError> {
    let Members(members) =
        serde_json::from_str(value.get()).map_err(|error| malformed(number, error))?;
    let mut pushed = Pushed::default();
    let mut is_blank = false;
    let (mut names, mut index) = (Vec::new(), None);
    for (key, value) in members {
        match key.as_str() {
            "event" => match value.get() {
                "null" | "\"\"" => is_blank = true,
                text if text.starts_with('"') => {
                    let text = text_of(value).unwrap_or_default();
                    pushed.record = Record::Text(Cow::Owned(text));
                }
                json => pushed.record = Record::Json(Cow::Borrowed(json)),
            },
            _ => {
                match key.as_str() {
                    "sourcetype" => names.extend(text_of(value)),
                    "index" => index = text_of(value),
                    _ => {}
                }
                add_member(&mut pushed.about, &key, value.get());
            }
        }
    }
    if pushed.record == Record::None {
        return Err(PushError::NoEvent { record: number, is_blank });
    }
    names.extend(index);
    pushed.names = names;
    Ok(pushed)
}

/// The lines of a body of `/services/collector/raw`. `about`: what the query says of all of them.
///
/// # Errors
/// If the body is not UTF-8, or holds too many lines.
pub fn hec_raw<'a>(
    body: &'a [u8],
    about: &[(String, String)],
) -> Result<Vec<Pushed<'a>>, PushError> {
    let text = std::str::from_utf8(body)
        .map_err(|error| PushError::malformed("HEC raw event", 0, error))?;
    let value = |name: &str| about.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let names = [value("sourcetype"), value("index")].into_iter().flatten().cloned();
    let names: Vec<String> = names.collect();
    let mut members = String::new();
    for name in ["host", "source", "sourcetype", "index", "time"] {
        if let Some(value) = value(name) {
            add_member(&mut members, name, &quoted(value));
        }
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let events: Vec<_> = lines
        .map(|line| Pushed {
            names: names.clone(),
            about: members.clone(),
            record: Record::Text(Cow::Borrowed(line)),
        })
        .collect();
    check_count(events.len())?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn events_come_one_after_another_or_in_arrays() {
        let one = r#"{"event":{"a": 1},"sourcetype":"okta","index":"main","time":1.5}"#;
        let two = r#"{"event":"tw\to","host":"h"}"#;
        let joined = format!("{one}{two}");
        let events = hec_events(joined.as_bytes()).unwrap();
        assert_eq!(events[0].names, ["okta", "main"]);
        assert_eq!(events[0].about, r#""sourcetype":"okta","index":"main","time":1.5"#);
        assert_eq!(events[0].record, Record::Json(r#"{"a": 1}"#.into()));
        assert_eq!(events[1].record, Record::Text("tw\to".into()));
        for body in [format!("{one}\n\n{two}\n"), format!("[{one},{two}]"), format!("{one}[{two}]")]
        {
            assert_eq!(hec_events(body.as_bytes()).unwrap(), events, "{body}");
        }
        assert_eq!(hec_events(b" \n").unwrap(), []);
    }

    #[test]
    fn what_is_no_event_is_told_with_its_number() {
        for (body, expected) in [
            (
                r#"{"event":1}{"event":"#,
                "DAB0323 the request is no HEC event: EOF while parsing a value at line 1 column 20",
            ),
            (r#"{"event":1}{"host":"h"}"#, "DAB0323 the event 1 is missing"),
            (r#"{"event":""}"#, "DAB0323 the event 0 is blank"),
            (r#"{"event":null}"#, "DAB0323 the event 0 is blank"),
            ("text", "DAB0323 the request is no HEC event: expected ident at line 1 column 2"),
            (
                "7",
                "DAB0323 the request is no HEC event: invalid type: integer `7`, expected a JSON object at line 1 column 1",
            ),
        ] {
            let error = hec_events(body.as_bytes()).unwrap_err();
            assert_eq!(format!("{} {error}", base::Explain::code(&error).0), expected);
        }
    }

    #[test]
    fn raw_lines_have_what_the_query_says() {
        let about =
            [("sourcetype".to_owned(), "x\"y".to_owned()), ("z".to_owned(), "1".to_owned())];
        let events = hec_raw(b"one\r\n\ntwo", &about).unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].about, r#""sourcetype":"x\"y""#);
        assert_eq!(events[0].record, Record::Text("one".into()));
        assert!(hec_raw(b"\xff", &about).is_err());
    }

    proptest! {
        #[test]
        fn nothing_of_an_event_is_lost(
            texts in proptest::collection::vec("\\PC+", 0..6),
            host in "\\PC*",
        ) {
            let body: String = texts
                .iter()
                .map(|text| serde_json::json!({"event": text, "host": host}).to_string())
                .collect();
            let events = hec_events(body.as_bytes()).unwrap();
            let found: Vec<_> = events.iter().map(|event| event.record.clone()).collect();
            let expected: Vec<_> = texts.iter().map(|text| Record::Text(text.into())).collect();
            prop_assert_eq!(found, expected);
            for event in events {
                let about: serde_json::Value =
                    serde_json::from_str(&format!("{{{}}}", event.about)).unwrap();
                prop_assert_eq!(&about["host"], &host);
            }
        }

        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(hec_events(&body));
            drop(hec_raw(&body, &[]));
        }
    }
}
