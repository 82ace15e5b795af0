//! Whatever a sender of syslog sends: cutting it does not panic, consumes all of it, and writes the same
//! however the stream is cut into pieces; and a log source in syslog's format finds the same messages
//! in what is written.

use std::sync::LazyLock;

use ::collect::{SyslogCutter, SyslogForm};
use ::decode::{Frame, FrameState, Framer, LogSource};

static SOURCE: LazyLock<LogSource> = LazyLock::new(|| {
    let source = "format: syslog\ntime: {field: t, missing: ingest_time}\n";
    LogSource::parse("s.yml", source).expect("a log source")
});

/// Takes one input.
pub fn syslog(bytes: &[u8]) {
    let [size, stream @ ..] = bytes else { return };
    let cutter = || SyslogCutter::new(SyslogForm::Messages, "192.0.2.1", usize::from(*size) + 1);
    let mut whole = Vec::new();
    let cut = cutter().cut(stream, true, &mut whole);
    assert_eq!(cut.consumed, stream.len());

    let (mut pieces, mut one_by_one, mut consumed) = (cutter(), Vec::new(), 0);
    // Byte by byte, where that does not take too long.
    let ends = (0..stream.len()).step_by(1 + stream.len() / 128);
    for end in ends.chain([stream.len()]) {
        let last = end == stream.len();
        consumed += pieces.cut(&stream[consumed..end], last, &mut one_by_one).consumed;
    }
    assert_eq!(whole, one_by_one);

    let mut framer = Framer::new(&SOURCE.format, FrameState::default(), 0);
    let mut messages = 0;
    framer.frame(&whole, true, &mut |frame| {
        assert!(matches!(frame, Frame::Record { .. }), "{frame:?}");
        messages += 1;
    });
    assert_eq!(messages, cut.messages);
}
