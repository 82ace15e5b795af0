//! Records as they are decoded in earnest, nested as they are.

use base::{Event, ObjectHash, Timestamp};
use decode::{At, Decoder, LogSource};

/// The decoder of a log source that dab ships.
pub(crate) fn decoder(log_source: &str) -> Decoder {
    let (path, text) =
        decode::shipped().iter().find(|(path, _)| path.starts_with(log_source)).unwrap();
    Decoder::new(LogSource::parse(path, text).unwrap()).unwrap()
}

/// A record's event.
pub(crate) fn event<'a>(decoder: &'a Decoder, record: &'a str) -> Event<'a> {
    let at = At {
        object: "test",
        object_hash: ObjectHash::of(&["test"]),
        offset: 0,
        ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
        header: None,
    };
    decoder.decode(record.as_bytes(), &at).unwrap()
}
