//! Whatever the bytes, every shipped log source makes events or rejects of them, and an event's
//! JSON is read as the same fields.
//!
//! The first byte chooses the log source.

use std::sync::LazyLock;

use ::decode::{Decoder, Frame, FrameState, Framer, LogSource, shipped};

use super::decoded;

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
        drop(decoded(decoder, (offset, bytes), header.as_ref()));
    });
}
