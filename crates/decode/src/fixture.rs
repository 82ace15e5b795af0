//! What tests decode with.

use crate::{At, Decoder, LogSource};

/// The decoder of a log source that is written as YAML.
pub(crate) fn decoder(yaml: &str) -> Decoder {
    let source = LogSource::parse("test.yml", yaml).unwrap_or_else(|errors| panic!("{errors:#?}"));
    Decoder::new(source).unwrap()
}

/// A place and a time that stay the same.
pub(crate) fn at() -> At<'static> {
    At {
        object: "o",
        object_hash: base::ObjectHash::of(&["o"]),
        offset: 0,
        ingest_time: base::Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
    }
}
