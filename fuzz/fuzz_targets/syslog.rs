//! Whatever a sender of syslog sends: cutting it does not panic, consumes all of it, and writes the same
//! however the stream is cut into pieces; and a log source in syslog's format finds the same messages
//! in what is written.

#![no_main]

use dab_collect::{SyslogCutter, SyslogForm};
use dab_decode::{Frame, FrameState, Framer, LogSource};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [size, stream @ ..] = bytes else { return };
    let cutter = || SyslogCutter::new(SyslogForm::Messages, "192.0.2.1", usize::from(*size) + 1);
    let mut whole = Vec::new();
    let cut = cutter().cut(stream, true, &mut whole);
    assert_eq!(cut.consumed, stream.len());

    let (mut pieces, mut one_by_one, mut consumed) = (cutter(), Vec::new(), 0);
    for end in 0..=stream.len() {
        let last = end == stream.len();
        consumed += pieces.cut(&stream[consumed..end], last, &mut one_by_one).consumed;
    }
    assert_eq!(whole, one_by_one);

    let source = "format: syslog\ntime: {field: t, missing: ingest_time}\n";
    let source = LogSource::parse("s.yml", source).expect("a log source");
    let mut framer = Framer::new(&source.format, FrameState::default(), 0);
    let mut messages = 0;
    framer.frame(&whole, true, &mut |frame| {
        assert!(matches!(frame, Frame::Record { .. }), "{frame:?}");
        messages += 1;
    });
    assert_eq!(messages, cut.messages);
});
