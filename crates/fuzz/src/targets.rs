//! The targets, one a file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a target panics where something is wrong: that is what it is for"
)]

mod announce;
mod binary;
mod cel;
mod decode;
mod frame;
#[cfg(feature = "lake")]
mod index;
mod json;
mod log_source;
mod lookup;
mod push;
mod rule;
#[cfg(feature = "lake")]
mod search;
mod syslog;
mod text;

use std::borrow::Cow;

use ::base::{Event, EventId, Object, ObjectHash, Origin, Timestamp, Value};
use ::decode::{At, Decoder, Header, parse_json};

pub use announce::announce;
pub use binary::binary;
pub use cel::cel;
pub use decode::decode;
pub use frame::frame;
#[cfg(feature = "lake")]
pub use index::index;
#[cfg(feature = "lake")]
pub(crate) use index::input as index_input;
pub use json::json;
pub use log_source::log_source;
pub use lookup::lookup;
pub use push::push;
pub use rule::rule;
#[cfg(feature = "lake")]
pub use search::search;
pub use syslog::syslog;
pub use text::text;

/// An event with these fields.
fn event(fields: Object<'_>) -> Event<'_> {
    Event {
        time: Timestamp::default(),
        ingest_time: Timestamp::default(),
        id: EventId { object: ObjectHash::of(&["fuzz"]), offset: 0 },
        log_source: "fuzz",
        origin: Origin { object: Cow::Borrowed("fuzz"), offset: 0 },
        fields,
        normalized: Object::new(),
        json: None,
    }
}

/// Decodes a record: what is refused is refused at one of its bytes, and an event's JSON is read as the same
/// fields. Answers the JSON, or the reason.
fn decoded(
    decoder: &Decoder,
    (offset, bytes): (u64, &[u8]),
    header: Option<&Header>,
) -> Result<String, String> {
    let at = At {
        object: "fuzz",
        object_hash: ObjectHash::of(&["fuzz"]),
        offset,
        ingest_time: Timestamp::from_seconds(1_795_507_200),
        header,
    };
    match decoder.decode(bytes, &at) {
        Err(reject) => {
            assert!(reject.byte().is_none_or(|byte| byte <= bytes.len()));
            Err(reject.to_string())
        }
        Ok(event) => {
            let json = event.to_json();
            assert_eq!(parse_json(json.as_bytes()), Ok(Value::Object(event.fields)));
            Ok(json)
        }
    }
}
