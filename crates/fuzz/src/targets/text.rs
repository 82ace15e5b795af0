//! Whatever the bytes and however they are cut, every format of text makes the same events or rejects
//! of them, and an event's JSON is read as the same fields.
//!
//! The first byte chooses the format, the second where the input is cut.

use std::sync::LazyLock;

use ::decode::{Decoder, Frame, FrameState, Framer, LogSource};

use super::decoded;

const FORMATS: &[&str] = &[
    "syslog",
    "{type: syslog, payload: [{match: '^[^{]', type: cef, labels: true}, json, auditd, kv]}",
    "{type: syslog, unmatched: quarantine, payload: {type: csv, columns: [a, b], ragged: keep}}",
    "cef",
    "leef",
    "auditd",
    "combined",
    "{type: grok, patterns: ['%{SYSLOGLINE}', '%{COMBINEDAPACHELOG}', '%{IP:ip}']}",
    "{type: xml, record: r}",
    "winevent_xml",
    "kv",
    "logfmt",
    "csv",
    "tsv",
    "w3c",
    "zeek",
    "vpc_flow",
];

static DECODERS: LazyLock<Vec<Decoder>> = LazyLock::new(|| {
    let yaml = |format| format!("format: {format}\ntime: {{missing: ingest_time}}");
    let sources = FORMATS.iter().map(|format| LogSource::parse("fuzz.yml", &yaml(format)));
    sources.map(|source| Decoder::new(source.expect("valid")).expect("valid")).collect()
});

/// Takes one input.
pub fn text(bytes: &[u8]) {
    let [choice, cut, object @ ..] = bytes else { return };
    let decoder = &DECODERS[usize::from(*choice) % DECODERS.len()];
    let cut = object.len() * usize::from(*cut) / 256;
    let mut whole = Vec::new();
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let consumed = framer.frame(object, true, &mut |frame| take(decoder, frame, &mut whole));
    assert_eq!(consumed, object.len());

    let mut pieces = Vec::new();
    let mut first = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let piece = object.get(..cut).unwrap_or_default();
    let boundary = first.frame(piece, false, &mut |frame| take(decoder, frame, &mut pieces));
    let format = &decoder.log_source().format;
    let mut second = Framer::new(format, first.state(), boundary as u64);
    let rest = object.get(boundary..).unwrap_or_default();
    second.frame(rest, true, &mut |frame| take(decoder, frame, &mut pieces));
    assert_eq!(pieces, whole);
}

/// Notes what becomes of a record; what is malformed may be cut differently.
fn take(decoder: &Decoder, frame: Frame<'_>, found: &mut Vec<(u64, String)>) {
    let Frame::Record { offset, bytes, header } = frame else { return };
    let (Ok(said) | Err(said)) = decoded(decoder, (offset, bytes), header.as_ref());
    found.push((offset, said));
}
