//! Whatever the bytes, every shipped log source makes events or rejects of them, and an event's
//! JSON is read as the same fields.
//!
//! The first byte chooses the log source.

use std::sync::LazyLock;

use ::base::{ObjectHash, Timestamp, Value};
use ::decode::{At, Decoder, Frame, FrameState, Framer, LogSource, parse_json, shipped};

static DECODERS: LazyLock<Vec<Decoder>> = LazyLock::new(|| {
    let sources = shipped().iter().map(|(file, text)| LogSource::parse(file, text));
    sources.map(|source| Decoder::new(source.expect("valid")).expect("valid")).collect()
});

/// Takes one input.
pub fn decode(bytes: &[u8]) {
    let [choice, object @ ..] = bytes else { return };
    let decoder = &DECODERS[usize::from(*choice) % DECODERS.len()];
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    framer.frame(object, true, &mut |frame| {
        let Frame::Record { offset, bytes, header } = frame else { return };
        let at = At {
            object: "fuzz",
            object_hash: ObjectHash::of(&["fuzz"]),
            offset,
            ingest_time: Timestamp::from_seconds(1_795_507_200),
            header: header.as_ref(),
        };
        match decoder.decode(bytes, &at) {
            Err(reject) => assert!(reject.byte().is_none_or(|byte| byte <= bytes.len())),
            Ok(event) => {
                let json = event.to_json();
                assert_eq!(parse_json(json.as_bytes()), Ok(Value::Object(event.fields)));
            }
        }
    });
}
