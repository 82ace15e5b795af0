//! Whatever clients of others push: taking it apart does not panic, and what is said beside a record is
//! always the members of a JSON object.
//!
//! The first byte chooses the protocol.

use ::collect::{JournalReader, Pushed, bulk, hec_events, hec_raw, otlp_json, otlp_protobuf};

/// Takes one input.
pub fn push(bytes: &[u8]) {
    let [choice, body @ ..] = bytes else { return };
    let records = match choice % 6 {
        0 => hec_events(body).unwrap_or_default(),
        1 => hec_raw(body, &[]).unwrap_or_default(),
        2 => {
            let items = bulk(body, Some("index")).unwrap_or_default();
            items.into_iter().filter_map(|item| item.document).collect()
        }
        3 => otlp_protobuf(body).unwrap_or_default(),
        4 => otlp_json(body).unwrap_or_default(),
        _ => journal(body),
    };
    for record in records {
        let about = format!("{{{}}}", record.about);
        let about: Result<serde_json::Value, _> = serde_json::from_str(&about);
        assert!(about.is_ok_and(|about| about.is_object()), "{record:?}");
    }
}

/// Entries are the same however the stream is cut.
fn journal(body: &[u8]) -> Vec<Pushed<'static>> {
    let whole = JournalReader::default().read(body);
    let mut reader = JournalReader::default();
    let mut found = Vec::new();
    for byte in body {
        match reader.read(std::slice::from_ref(byte)) {
            Ok(entries) => found.extend(entries),
            Err(_) => return Vec::new(),
        }
    }
    if let Ok(whole) = whole {
        assert_eq!(whole, found);
    }
    found
}
