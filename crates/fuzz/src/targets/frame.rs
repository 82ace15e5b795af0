//! Whatever the bytes and however they are cut, framing loses no byte of a record and gives the
//! same records.
//!
//! The first byte chooses the format, the second where the input is cut.

use ::base::FieldPath;
use ::decode::{Encoding, Format, Frame, FrameState, Framer, Layout, Lines};

/// Takes one input.
pub fn frame(bytes: &[u8]) {
    let [choice, cut, object @ ..] = bytes else { return };
    let layout = match choice % 4 {
        0 => Layout::Ndjson,
        1 => Layout::Lines(Lines::default()),
        2 => Layout::Json { records: None },
        _ => Layout::Json { records: Some(FieldPath::new("a.R")) },
    };
    let format = Format { layout, encoding: Encoding::Utf8 };
    let cut = object.len() * usize::from(*cut) / 256;
    let mut whole = Vec::new();
    let mut framer = Framer::new(&format, FrameState::default(), 0);
    let consumed = framer.frame(object, true, &mut |frame| note(frame, object, &mut whole));
    assert_eq!(consumed, object.len());

    let mut pieces = Vec::new();
    let mut first = Framer::new(&format, FrameState::default(), 0);
    let piece = object.get(..cut).unwrap_or_default();
    let boundary = first.frame(piece, false, &mut |frame| note(frame, object, &mut pieces));
    assert_eq!(first.offset(), boundary as u64);
    let mut second = Framer::new(&format, first.state(), boundary as u64);
    let rest = object.get(boundary..).unwrap_or_default();
    let consumed = second.frame(rest, true, &mut |frame| note(frame, object, &mut pieces));
    assert_eq!(boundary + consumed, object.len());
    assert_eq!(pieces, whole);
}

/// Notes a record; what is malformed may be cut differently.
fn note(frame: Frame<'_>, object: &[u8], records: &mut Vec<(u64, usize)>) {
    let (offset, bytes) = match frame {
        Frame::Record { offset, bytes, .. } => {
            records.push((offset, bytes.len()));
            (offset, bytes)
        }
        Frame::Malformed { offset, bytes, .. } => (offset, bytes),
        Frame::Oversize { record_offset, bytes, .. } => (record_offset, bytes),
    };
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    assert_eq!(object.get(start..start + bytes.len()), Some(bytes), "the offset is right");
}
