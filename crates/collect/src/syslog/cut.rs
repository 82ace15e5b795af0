//! Messages out of a stream of syslog, written as their log source reads them.
//!
//! Both framings of RFC 6587 are understood, message by message ([`SyslogFrame`]). Nothing of a stream
//! is dropped but line ends and blank messages: one that is too long becomes several records.

use base::{ABOUT_MARK, SyslogFrame};

/// How a log source reads the messages of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyslogForm {
    /// As syslog: a message that has line ends is stored with its length in front.
    Messages,
    /// As lines of text: each line of a message is a record.
    Lines {
        /// Whether something may be said in front of a record.
        is_by_line: bool,
    },
    /// As JSON, one object a line: line ends can only stand between its parts.
    Json,
}

/// Cuts the stream of one sender.
#[derive(Debug)]
pub struct SyslogCutter {
    form: SyslogForm,
    /// What is said beside each record, with its marks.
    about: Vec<u8>,
    bytes_max: usize,
    state: State,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A new message.
    Between,
    /// A line of which so many bytes were looked at.
    Line { seen: usize },
    /// A message of which so many bytes are to come: those before were a piece already.
    Counted { left: usize },
}

/// What was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes of the buffer are done with.
    pub consumed: usize,
    /// How many messages they hold.
    pub messages: u64,
    /// How many messages were too long.
    pub too_long: u64,
    /// The stream ended inside a message that its sender had announced as longer.
    pub is_cut_off: bool,
}

impl SyslogCutter {
    /// For a stream from `sender`, an address.
    #[must_use]
    pub fn new(form: SyslogForm, sender: &str, bytes_max: usize) -> Self {
        let mut about = Vec::new();
        if form != (SyslogForm::Lines { is_by_line: false }) {
            about.push(ABOUT_MARK);
            about.extend_from_slice(br#"{"syslog_sender":""#);
            // An address has nothing that is to be escaped.
            about.extend(sender.bytes().filter(|b| !matches!(b, b'"' | b'\\' | ..0x20)));
            about.extend_from_slice(&[b'"', b'}', ABOUT_MARK]);
        }
        Self { form, about, bytes_max: bytes_max.max(1), state: State::Between }
    }

    /// Writes the messages that are complete in `buffer`, which goes on where the last one's
    /// consumed bytes ended; `last`: nothing will follow, and all bytes are consumed.
    pub fn cut(&mut self, buffer: &[u8], last: bool, out: &mut Vec<u8>) -> Cut {
        let mut cut = Cut::default();
        while let Some(rest) = buffer.get(cut.consumed..).filter(|rest| !rest.is_empty()) {
            let consumed = self.next(rest, last, out, &mut cut);
            if consumed == 0 {
                break;
            }
            cut.consumed += consumed;
        }
        if last && matches!(self.state, State::Counted { .. }) {
            cut.is_cut_off = true;
            self.state = State::Between;
        }
        cut
    }

    /// Writes the one message of a datagram.
    pub fn datagram(&self, datagram: &[u8], out: &mut Vec<u8>) -> u64 {
        let message = match SyslogFrame::of(datagram) {
            SyslogFrame::Counted { begin, end } if datagram.trim_ascii_end().len() == end => {
                datagram.get(begin..end).unwrap_or(datagram)
            }
            _ => datagram,
        };
        u64::from(self.write(message, out))
    }

    fn next(&mut self, rest: &[u8], last: bool, out: &mut Vec<u8>, cut: &mut Cut) -> usize {
        match self.state {
            State::Line { seen } => self.line(rest, seen, last, out, cut),
            State::Counted { left } => {
                let piece = rest.get(..left).unwrap_or(rest);
                if piece.len() < left && piece.len() < self.bytes_max && !last {
                    return 0;
                }
                let piece = piece.get(..self.bytes_max).unwrap_or(piece);
                cut.messages += u64::from(self.write(piece, out));
                let left = left - piece.len();
                self.state = if left == 0 { State::Between } else { State::Counted { left } };
                piece.len()
            }
            State::Between => match SyslogFrame::of(rest) {
                SyslogFrame::Unknown if !last => 0,
                SyslogFrame::Counted { begin, end } => {
                    self.counted(rest, (begin, end), last, out, cut)
                }
                SyslogFrame::Line | SyslogFrame::Unknown => self.line(rest, 0, last, out, cut),
            },
        }
    }

    fn counted(
        &mut self,
        rest: &[u8],
        (begin, end): (usize, usize),
        last: bool,
        out: &mut Vec<u8>,
        cut: &mut Cut,
    ) -> usize {
        let length = end - begin;
        if length > self.bytes_max {
            cut.too_long += 1;
            self.state = State::Counted { left: length };
            return begin;
        }
        match rest.get(begin..end) {
            Some(message) => {
                cut.messages += u64::from(self.write(message, out));
                end
            }
            None if last => {
                cut.is_cut_off = true;
                let begun = rest.get(begin..).unwrap_or_default();
                cut.messages += u64::from(self.write(begun, out));
                rest.len()
            }
            None => 0,
        }
    }

    fn line(
        &mut self,
        rest: &[u8],
        seen: usize,
        last: bool,
        out: &mut Vec<u8>,
        cut: &mut Cut,
    ) -> usize {
        let end = memchr::memchr(b'\n', rest.get(seen..).unwrap_or_default());
        let (line, consumed) = match end.map(|end| seen + end) {
            Some(end) => (rest.get(..end).unwrap_or(rest), end + 1),
            None => (rest, rest.len()),
        };
        if line.len() > self.bytes_max {
            cut.too_long += 1;
            let piece = line.get(..self.bytes_max).unwrap_or(line);
            cut.messages += u64::from(self.write(piece, out));
            self.state = State::Line { seen: 0 };
            return piece.len();
        }
        if end.is_none() && !last {
            self.state = State::Line { seen: rest.len() };
            return 0;
        }
        self.state = State::Between;
        cut.messages += u64::from(self.write(line, out));
        consumed
    }

    /// Writes one message; a blank one is none.
    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> bool {
        self.form.write(&self.about, message, out)
    }
}

impl SyslogForm {
    /// Writes one message as its log source reads it, with what is said beside it (`about`, with its
    /// marks). A blank message is none.
    pub fn write(self, about: &[u8], message: &[u8], out: &mut Vec<u8>) -> bool {
        let is_end = |byte: &&u8| matches!(byte, b'\n' | b'\r' | 0);
        let length = message.len() - message.iter().rev().take_while(is_end).count();
        let message = message.get(..length).unwrap_or(message);
        if message.trim_ascii().is_empty() {
            return false;
        }
        match self {
            Self::Messages => {
                if memchr::memchr(b'\n', message).is_some() {
                    let length = about.len() + message.len();
                    out.extend_from_slice(format!("{length} ").as_bytes());
                }
                record(about, message, out);
            }
            Self::Lines { is_by_line } => {
                let about = if is_by_line { about } else { &[] };
                for line in message.split(|byte| *byte == b'\n') {
                    if !line.trim_ascii().is_empty() {
                        record(about, line, out);
                    }
                }
            }
            Self::Json => {
                let begin = out.len();
                record(about, message, out);
                let end = out.len() - 1;
                for byte in out.get_mut(begin..end).unwrap_or_default() {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
            }
        }
        true
    }
}

fn record(about: &[u8], record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(about);
    out.extend_from_slice(record);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 20;

    fn cutter(form: SyslogForm) -> SyslogCutter {
        SyslogCutter::new(form, "192.0.2.1", BYTES_MAX)
    }

    fn text(out: &[u8]) -> String {
        let text = String::from_utf8_lossy(out).into_owned();
        text.replace("\u{1e}{\"syslog_sender\":\"192.0.2.1\"}\u{1e}", "|")
    }

    /// What a stream becomes, in pieces that end at `cuts`.
    fn written(form: SyslogForm, stream: &[u8], cuts: &[usize]) -> (String, Cut) {
        let (mut cutter, mut out, mut sum) = (cutter(form), Vec::new(), Cut::default());
        for end in cuts.iter().copied().chain([stream.len()]) {
            let last = end == stream.len();
            let rest = &stream[sum.consumed..end.max(sum.consumed)];
            let cut = cutter.cut(rest, last, &mut out);
            sum.consumed += cut.consumed;
            sum.messages += cut.messages;
            sum.too_long += cut.too_long;
            sum.is_cut_off |= cut.is_cut_off;
            if last {
                break;
            }
        }
        (text(&out), sum)
    }

    fn whole(stream: &[u8]) -> (String, u64) {
        let (text, cut) = written(SyslogForm::Messages, stream, &[]);
        assert_eq!((cut.consumed, cut.too_long, cut.is_cut_off), (stream.len(), 0, false));
        (text, cut.messages)
    }

    #[test]
    fn both_framings_are_understood_in_one_stream() {
        let stream = b"<34>one\r\n\n6 <1>two8 <2>thr\r\n\n<3>end of input";
        let expected = "|<34>one\n|<1>two\n|<2>thr\n|<3>end of input\n";
        assert_eq!(whole(stream), (expected.to_owned(), 4));
        assert_eq!(whole(b"7 users\n"), ("|7 users\n".to_owned(), 1), "a line, not a count");
        assert_eq!(whole(b"12"), ("|12\n".to_owned(), 1));
        let several = b"8 <1>a\nb\n\n9 <1>c\0\0\0\n\n";
        assert_eq!(whole(several), ("37 |<1>a\nb\n|<1>c\n".to_owned(), 2));
    }

    #[test]
    fn what_is_too_long_comes_in_pieces() {
        let (out, cut) = written(SyslogForm::Messages, b"<1>345678901234567890tail\n<2>b\n", &[]);
        assert_eq!(out, "|<1>34567890123456789\n|0tail\n|<2>b\n");
        assert_eq!((cut.messages, cut.too_long), (3, 1));
        let (out, cut) =
            written(SyslogForm::Messages, b"25 <1>345678901234567890tail5 <2>b\n", &[]);
        assert_eq!(out, "|<1>34567890123456789\n|0tail\n|<2>b\n");
        assert_eq!((cut.messages, cut.too_long, cut.is_cut_off), (3, 1, false));
    }

    #[test]
    fn a_message_that_is_cut_off_is_kept_and_told() {
        for stream in [&b"15 <34>beginning"[..], b"30 <34>beginning"] {
            let stream = &stream[..12];
            let (out, cut) = written(SyslogForm::Messages, stream, &[]);
            assert_eq!((out.as_str(), cut.is_cut_off), ("|<34>begin\n", true));
        }
    }

    #[test]
    fn messages_are_written_as_their_log_source_reads_them() {
        let stream = b"9 {\"a\":\n1}\n";
        let lines = |is_by_line| SyslogForm::Lines { is_by_line };
        assert_eq!(written(lines(true), b"8 <1>a\n\nb", &[]).0, "|<1>a\n|b\n");
        assert_eq!(written(lines(false), b"<r/>\n", &[]).0, "<r/>\n");
        assert_eq!(written(SyslogForm::Json, stream, &[]).0, "|9 {\"a\":\n|1}\n".to_owned());
        assert_eq!(written(SyslogForm::Json, b"9 <1>{\"a\n}", &[]).0, "|<1>{\"a }\n");
    }

    #[test]
    fn a_datagram_is_a_message() {
        for (datagram, expected) in [
            (&b"<34>one\n"[..], "|<34>one\n"),
            (b"<34>a\nb\0", "38 |<34>a\nb\n"),
            (b"7 <34>one", "|<34>one\n"),
            (b"9 <34>one", "|9 <34>one\n"),
            (b"\r\n", ""),
        ] {
            let mut out = Vec::new();
            cutter(SyslogForm::Messages).datagram(datagram, &mut out);
            assert_eq!(text(&out), expected, "{datagram:?}");
        }
    }

    fn soup() -> impl Strategy<Value = Vec<u8>> {
        let token = prop::sample::select(vec![
            "<34>", "<1>", "7 <34>", "12 ", "30 <1>", "1", "0", " ", "\n", "\r\n", "\0", "text",
            "é",
        ]);
        prop::collection::vec(token, 0..30).prop_map(|tokens| tokens.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn pieces_give_the_same_messages(
            stream in prop_oneof![soup(), prop::collection::vec(any::<u8>(), 0..80)],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            let whole = written(SyslogForm::Messages, &stream, &[]);
            prop_assert_eq!(whole.1.consumed, stream.len());
            prop_assert_eq!(written(SyslogForm::Messages, &stream, &cuts), whole);
        }

        #[test]
        fn messages_come_out_as_they_went_in(
            messages in prop::collection::vec("<[0-9]{1,3}>[ -~é]{0,6}[!-~]", 0..8),
            counted in prop::collection::vec(any::<bool>(), 8),
        ) {
            let (mut stream, mut expected) = (Vec::new(), String::new());
            for (message, counted) in messages.iter().zip(counted) {
                let message = message.replace("\u{1e}", "");
                let frame = if counted {
                    format!("{} {message}", message.len())
                } else {
                    format!("{message}\n")
                };
                stream.extend(frame.bytes());
                expected += &format!("|{message}\n");
            }
            let (out, cut) = written(SyslogForm::Messages, &stream, &[]);
            prop_assert_eq!((out, cut.messages), (expected, messages.len() as u64));
        }
    }
}
