//! What tests decode with.

use crate::{At, Decoder, Frame, FrameState, Framer, LogSource};

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
        header: None,
    }
}

/// What becomes of an object in this format: the events' fields as JSON, or the reasons against them.
pub(crate) fn decoded(format: &str, object: &str) -> Vec<String> {
    let decoder = decoder(&format!("format: {format}\ntime: {{missing: ingest_time}}"));
    decoded_by(&decoder, object.as_bytes(), &[])
}

/// As [`decoded`], in pieces, with a new framer from the stored state before each.
pub(crate) fn decoded_by(decoder: &Decoder, object: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    let mut stored = serde_json::to_string(&FrameState::default()).unwrap();
    let mut boundary = 0_usize;
    for end in cuts.iter().copied().chain([object.len()]) {
        let state = serde_json::from_str(&stored).unwrap();
        let mut framer = Framer::new(&decoder.log_source().format, state, boundary as u64);
        let buffer = &object[boundary..end.max(boundary)];
        let last = end == object.len();
        boundary += framer.frame(buffer, last, &mut |frame| match frame {
            Frame::Record { offset, bytes, header } => {
                let at = At { offset, header: header.as_ref(), ..at() };
                found.push(match decoder.decode(bytes, &at) {
                    Ok(event) => event.to_json(),
                    Err(reject) => format!("!! {reject}"),
                });
            }
            Frame::Malformed { problem, .. } => found.push(format!("!! {problem}")),
            Frame::Oversize { .. } => found.push("!! oversize".to_owned()),
        });
        stored = serde_json::to_string(&framer.state()).unwrap();
        if last {
            break;
        }
    }
    found
}
