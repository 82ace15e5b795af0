//! Whatever the text, reading a log source answers with a decoder that works or with mistakes that
//! have places.

use ::base::{Explain as _, ObjectHash, Place, Timestamp};
use ::decode::{At, Decoder, LogSource};

/// Takes one input.
pub fn log_source(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    match LogSource::parse("fuzz.yml", text) {
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in mistakes {
                let Some(Place::File { line, column, .. }) = mistake.place() else { panic!() };
                assert!(line > 0 && column > 0);
            }
        }
        Ok(source) => {
            let decoder = Decoder::new(source).expect("what was read compiles");
            let at = At {
                object: "fuzz",
                object_hash: ObjectHash::of(&["fuzz"]),
                offset: 0,
                ingest_time: Timestamp::from_seconds(1_795_507_200),
                header: None,
            };
            // Events or rejects, never a panic.
            drop(decoder.decode(text.as_bytes(), &at));
            drop(decoder.decode(br#"{"a":[{"b":"1"}],"t":"2026-11-24T08:00:00Z"}"#, &at));
        }
    }
}
