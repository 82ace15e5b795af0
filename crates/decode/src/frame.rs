//! Records out of a stream of bytes.
//!
//! A framer looks at structure only: line ends, the brackets and quotes of JSON, or the tags of XML.
//! So one bad record is one reject, and those after it are found all the same; an array of a million
//! records is never held as a whole. It can go on from any record boundary, given [`Framer::state`]
//! and [`Framer::offset`]. Headers are no records: they come with every record below them.

mod element;
mod header;
mod json;
mod row;

use base::{ABOUT_MARK, DAMAGE_MARK, SyslogFrame, limits::RECORD_BYTES_MAX};
use serde::{Deserialize, Serialize};

use crate::{Format, Grammar, Layout, Reject, RejectKind};
use element::ElementScan;
pub use header::Header;
use json::{Scan, Search};
use row::RowScan;

/// Where a framer stands at a record boundary: stored in checkpoints. The default is the start of
/// an object, and between the lines or values of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameState(Stored);

/// The stored form: a new one gets a new variant, and the old ones are read for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    V1(Position),
    /// Between records below this header.
    Headed(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Position {
    /// Between values at the top, or between lines.
    Top,
    /// Further on than the start of an object, and still in front of its header.
    Unheaded,
    /// Inside the array of records, between its elements; it stands inside this many objects.
    Array(u32),
    /// Right behind the array of records, still inside this many objects.
    Closed(u32),
    /// Further behind it.
    Behind(u32),
}

impl Default for FrameState {
    fn default() -> Self {
        Self(Stored::V1(Position::Top))
    }
}

/// Cuts a stream of bytes into records.
#[derive(Debug)]
pub struct Framer {
    format: Format,
    position: Position,
    offset: u64,
    /// The header of the records that follow.
    header: Option<Header>,
    /// Whether no record and no header came yet.
    is_first: bool,
    /// What was seen of a record whose end has not come yet, so that it is not looked at again.
    begun: Option<Begun>,
    /// A record longer than the limit, while its pieces come.
    oversize: Option<Oversize>,
}

#[derive(Debug)]
struct Begun {
    /// How many bytes were looked at.
    seen: usize,
    until: Until,
}

#[derive(Debug)]
struct Oversize {
    record_offset: u64,
    until: Until,
    /// Where the framer stands when it has ended.
    then: Position,
}

/// Where a record ends.
#[derive(Debug, Clone)]
enum Until {
    Line,
    Row(RowScan),
    Value(Scan),
    Element(ElementScan),
}

/// What a [`Framer`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A record.
    Record {
        /// The offset of its first byte in the decompressed object.
        offset: u64,
        /// Its bytes, without the line end.
        bytes: &'a [u8],
        /// The header that it stands below.
        header: Option<Header>,
    },
    /// Bytes that belong to no record, to be quarantined.
    Malformed {
        /// The offset of their first byte.
        offset: u64,
        /// The bytes.
        bytes: &'a [u8],
        /// Why they are no record.
        problem: Reject,
    },
    /// A piece of a record longer than [`base::limits::RECORD_BYTES_MAX`]. Pieces come in order.
    Oversize {
        /// The offset of the record's first byte.
        record_offset: u64,
        /// The piece.
        bytes: &'a [u8],
        /// Whether it is the record's last piece.
        last: bool,
    },
}

type Each<'f, 'a> = &'f mut dyn FnMut(Frame<'a>);

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Framer {
    /// A framer that goes on from `state`. `offset`: the offset in the decompressed object of the
    /// first byte it will be given.
    #[must_use]
    pub fn new(format: &Format, state: FrameState, offset: u64) -> Self {
        let (position, header) = match state {
            FrameState(Stored::V1(position)) => (position, None),
            FrameState(Stored::Headed(header)) => (Position::Top, Some(Header::new(header))),
        };
        Self {
            format: format.clone(),
            offset,
            is_first: header.is_none() && (offset == 0 || position == Position::Unheaded),
            position: if position == Position::Unheaded { Position::Top } else { position },
            header,
            begun: None,
            oversize: None,
        }
    }

    /// Calls `each` for what is found in `buffer`, which follows on what was consumed before;
    /// `last`: nothing will follow. Answers how many bytes are consumed: the rest is to be given
    /// again, with more behind it. With `last`, all bytes are consumed.
    pub fn frame<'a>(&mut self, buffer: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let start = self.offset;
        let mut at = 0;
        while let Some(rest) = buffer.get(at..).filter(|rest| !rest.is_empty()) {
            let consumed = if self.oversize.is_some() {
                self.go_on(rest, last, each)
            } else {
                self.next(rest, last, each)
            };
            if consumed == 0 {
                break;
            }
            self.begun = None;
            at += consumed;
            self.offset = start + at as u64;
        }
        if last && at == buffer.len() {
            self.end(each);
        }
        at
    }

    /// Where the framer stands; while the pieces of an oversized record come, where that began.
    #[must_use]
    pub fn state(&self) -> FrameState {
        let is_unheaded = self.is_first && self.offset > 0 && self.format.layout.is_headed();
        FrameState(match &self.header {
            None if is_unheaded => Stored::V1(Position::Unheaded),
            None => Stored::V1(self.position),
            Some(header) => Stored::Headed(header.text().to_owned()),
        })
    }

    /// The offset of the next byte that [`Self::frame`] is to be given.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Deals with what `rest` begins with; 0 if that is not complete yet.
    fn next<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        if self.offset == 0 {
            if rest.starts_with(BYTE_ORDER_MARK) {
                return BYTE_ORDER_MARK.len();
            }
            if !last && BYTE_ORDER_MARK.starts_with(rest) {
                return 0;
            }
        }
        if self.begun.is_none()
            && let Some(consumed) = self.damage(rest, last, each)
        {
            return consumed;
        }
        match (&self.format.layout, self.position) {
            (Layout::Ndjson | Layout::Lines(_), _) => self.line(rest, last, each),
            (Layout::Text(text), _) => match (&text.grammar, text.quoted_delimiter()) {
                (_, Some(delimiter)) => self.row(rest, last, delimiter, each),
                (Grammar::Xml(xml), None) => {
                    let name = xml.record.clone();
                    self.markup(rest, last, &name, each)
                }
                (Grammar::Syslog(_), None) => self.syslog(rest, last, each),
                (_, None) => self.line(rest, last, each),
            },
            (Layout::Json { .. }, Position::Top | Position::Unheaded) => self.top(rest, last, each),
            (Layout::Json { .. }, Position::Array(depth)) => self.element(rest, last, depth, each),
            (Layout::Json { .. }, Position::Closed(depth)) => self.closed(rest, last, depth, each),
            (Layout::Json { .. }, Position::Behind(depth)) => self.behind(rest, last, depth, each),
        }
    }

    /// A line that stands in the place of what could not be read of a file in a binary format.
    fn damage<'a>(&self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> Option<usize> {
        if rest.first() != Some(&ABOUT_MARK) {
            return None;
        }
        if !rest.starts_with(&DAMAGE_MARK) {
            return (!last && DAMAGE_MARK.starts_with(rest)).then_some(0);
        }
        let Some(end) = memchr::memchr(b'\n', rest) else {
            return (!last && rest.len() <= RECORD_BYTES_MAX).then_some(0);
        };
        let line = rest.get(..end)?;
        self.malformed(line, Reject::of_damage(line)?, each);
        Some(end + 1)
    }

    fn line<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let seen = self.begun.take().map_or(0, |begun| begun.seen);
        let end = memchr::memchr(b'\n', rest.get(seen..).unwrap_or_default());
        let Some(end) = end.map(|end| seen + end) else {
            if !last {
                self.begun = Some(Begun { seen: rest.len(), until: Until::Line });
                return self.too_long(rest, Until::Line, self.position, each);
            }
            self.record(rest, each);
            return rest.len();
        };
        self.record(rest.get(..end).unwrap_or(rest), each);
        end + 1
    }

    /// A line, or a message with its length in front.
    fn syslog<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        if self.begun.is_some() {
            return self.line(rest, last, each);
        }
        match SyslogFrame::of(rest) {
            SyslogFrame::Unknown if !last => 0,
            SyslogFrame::Counted { begin, end } => match rest.get(begin..end) {
                Some(message) => {
                    let ends = message.iter().rev().take_while(|byte| matches!(byte, b'\n' | 0));
                    let length = message.len() - ends.count();
                    self.record(message.get(..length).unwrap_or(message), each);
                    end
                }
                None if last => {
                    let problem =
                        Reject::new(RejectKind::Structure, "the object ends inside a message")
                            .help("send the whole object again; what came before is in the table");
                    self.malformed(rest, problem, each);
                    rest.len()
                }
                None => 0,
            },
            SyslogFrame::Line | SyslogFrame::Unknown => self.line(rest, last, each),
        }
    }

    /// A line, but for line ends in quotes.
    fn row<'a>(&mut self, rest: &'a [u8], last: bool, delimiter: u8, each: Each<'_, 'a>) -> usize {
        let (seen, mut scan) = match self.begun.take() {
            Some(Begun { seen, until: Until::Row(scan) }) => (seen, scan),
            _ => (0, RowScan::new(delimiter)),
        };
        match scan.find_end(rest.get(seen..).unwrap_or_default()) {
            Some(end) => {
                let end = seen + end;
                self.record(rest.get(..end).unwrap_or(rest), each);
                end + 1
            }
            None if last => {
                self.record(rest, each);
                rest.len()
            }
            None => {
                let until = Until::Row(scan);
                self.begun = Some(Begun { seen: rest.len(), until: until.clone() });
                self.too_long(rest, until, self.position, each)
            }
        }
    }

    /// An element that is a record, or what stands between such elements.
    fn markup<'a>(&mut self, rest: &'a [u8], last: bool, name: &str, each: Each<'_, 'a>) -> usize {
        let outside = match rest.first() {
            Some(&ABOUT_MARK) => memchr::memchr(b'<', rest),
            // What stands in the place of something unreadable is looked at by itself.
            _ => memchr::memchr2(b'<', ABOUT_MARK, rest),
        };
        let outside = outside.unwrap_or(rest.len());
        if outside > 0 {
            let text = rest.get(..outside).unwrap_or_default();
            if !text.trim_ascii().is_empty() {
                let problem = Reject::new(RejectKind::Structure, "text outside of any record")
                    .help("check `record` in the log source's `format`, or what wrote the file");
                self.malformed(text, problem, each);
            }
            return outside;
        }
        let (seen, mut scan) = match self.begun.take() {
            Some(Begun { seen, until: Until::Element(scan) }) => (seen, scan),
            _ => (0, ElementScan::new(name)),
        };
        match scan.find_end(rest.get(seen..).unwrap_or_default()) {
            Some(end) => {
                let element = rest.get(..seen + end).unwrap_or(rest);
                if element::is_start(element, name) {
                    self.record(element, each);
                }
                seen + end
            }
            None if last && element::is_start(rest, name) => {
                let problem =
                    Reject::new(RejectKind::Structure, "the object ends inside an element")
                        .help("send the whole object again; what came before is in the table");
                self.malformed(rest, problem, each);
                rest.len()
            }
            None if last => {
                let problem = Reject::new(RejectKind::Structure, "the object ends inside markup")
                    .help("check whether the object is XML");
                self.malformed(rest, problem, each);
                rest.len()
            }
            None => {
                let until = Until::Element(scan);
                self.begun = Some(Begun { seen: rest.len(), until: until.clone() });
                self.too_long(rest, until, self.position, each)
            }
        }
    }

    /// Hands out a complete record, if there is more to it than white space.
    fn record<'a>(&mut self, bytes: &'a [u8], each: Each<'_, 'a>) {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        // A row of nothing but tabs is one without values.
        if bytes.trim_ascii().is_empty() && (bytes.is_empty() || !self.format.layout.is_tabbed()) {
            return;
        }
        if self.is_header(bytes, each) {
            return;
        }
        each(if bytes.len() > RECORD_BYTES_MAX {
            Frame::Oversize { record_offset: self.offset, bytes, last: true }
        } else {
            Frame::Record { offset: self.offset, bytes, header: self.header.clone() }
        });
    }

    /// Whether a line is no record, but says something about those that follow.
    fn is_header<'a>(&mut self, bytes: &'a [u8], each: Each<'_, 'a>) -> bool {
        let Layout::Text(text) = &self.format.layout else { return false };
        let Grammar::Table(table) = &text.grammar else { return false };
        let encoding = self.format.encoding;
        match header::line(table, encoding, self.header.as_ref(), self.is_first, bytes) {
            header::Line::Row => {
                self.is_first = false;
                return false;
            }
            header::Line::Nothing => {}
            header::Line::Header(header) => {
                self.header = Some(header);
                self.is_first = false;
            }
            header::Line::Wrong(problem) => {
                self.is_first = false;
                self.malformed(bytes, problem, each);
            }
        }
        true
    }

    /// Nothing ends here yet: if it is too long to wait for, its pieces are handed out from now on.
    fn too_long<'a>(
        &mut self,
        rest: &'a [u8],
        until: Until,
        then: Position,
        each: Each<'_, 'a>,
    ) -> usize {
        if rest.len() <= RECORD_BYTES_MAX {
            return 0;
        }
        self.oversize = Some(Oversize { record_offset: self.offset, until, then });
        each(Frame::Oversize { record_offset: self.offset, bytes: rest, last: false });
        rest.len()
    }

    fn go_on<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let Some(mut oversize) = self.oversize.take() else { return 0 };
        let (end, skip) = match &mut oversize.until {
            Until::Line => (memchr::memchr(b'\n', rest), 1),
            Until::Row(scan) => (scan.find_end(rest), 1),
            Until::Value(scan) => (scan.find_end(rest), 0),
            Until::Element(scan) => (scan.find_end(rest), 0),
        };
        let bytes = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        let done = last || end.is_some();
        each(Frame::Oversize { record_offset: oversize.record_offset, bytes, last: done });
        if done {
            self.position = oversize.then;
        } else {
            self.oversize = Some(oversize);
        }
        end.map_or(rest.len(), |end| end + skip)
    }

    fn top<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let Layout::Json { records } = &self.format.layout else { return 0 };
        match (rest.first(), records) {
            (Some(b' ' | b'\t' | b'\r' | b'\n' | b','), _) => space(rest),
            (Some(b'['), _) => {
                self.position = Position::Array(0);
                1
            }
            (Some(b'{'), Some(path)) => match json::find_array(rest, path) {
                Search::Found { start, depth } => {
                    self.position = Position::Array(depth);
                    start
                }
                Search::Absent { end } => {
                    let problem = without_records(path.as_str());
                    self.malformed(rest.get(..end).unwrap_or(rest), problem, each);
                    end
                }
                Search::Incomplete if last => self.cut_short(rest, each),
                Search::Incomplete if rest.len() <= RECORD_BYTES_MAX => 0,
                Search::Incomplete => {
                    let until = Until::Value(Scan::over(rest));
                    self.too_long(rest, until, Position::Top, each)
                }
            },
            (Some(b'{'), None) => self.value(rest, last, each),
            // Anything else is no event: the line it is on is one reject, and those after it are
            // looked at afresh.
            _ => self.line(rest, last, each),
        }
    }

    fn element<'a>(&mut self, rest: &'a [u8], last: bool, depth: u32, each: Each<'_, 'a>) -> usize {
        match rest.first() {
            Some(b' ' | b'\t' | b'\r' | b'\n' | b',') => space(rest),
            Some(b']') => {
                self.position = outside(depth);
                1
            }
            Some(found @ (b'}' | b':')) => {
                let mut end = rest.iter().take_while(|byte| *byte == found).count();
                if *found == b'}' && depth > 0 {
                    // More likely than a bracket too many: the array was not closed, but what is
                    // around it is.
                    self.position = outside(depth - 1);
                    end = 1;
                }
                let message =
                    format!("`{}` where an element of the array should begin", char::from(*found));
                let problem = Reject::new(RejectKind::Structure, message)
                    .help("mend the document and send it again: its records are in the table");
                self.malformed(rest.get(..end).unwrap_or(rest), problem, each);
                end
            }
            _ => self.value(rest, last, each),
        }
    }

    /// One JSON value, or what stands in the place of one.
    fn value<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let (seen, mut scan) = match self.begun.take() {
            Some(Begun { seen, until: Until::Value(scan) }) => (seen, scan),
            _ => (0, Scan::default()),
        };
        match scan.find_end(rest.get(seen..).unwrap_or_default()) {
            Some(end) => {
                let end = seen + end;
                self.record(rest.get(..end).unwrap_or(rest), each);
                end
            }
            None if last && scan.is_bare() => {
                self.record(rest, each);
                rest.len()
            }
            None if last => self.cut_short(rest, each),
            None => {
                let until = Until::Value(scan);
                self.begun = Some(Begun { seen: rest.len(), until: until.clone() });
                self.too_long(rest, until, self.position, each)
            }
        }
    }

    fn closed<'a>(&mut self, rest: &'a [u8], last: bool, depth: u32, each: Each<'_, 'a>) -> usize {
        match rest.first() {
            Some(b' ' | b'\t' | b'\r' | b'\n') => 1,
            Some(b'}') => {
                self.position = outside(depth.saturating_sub(1));
                1
            }
            Some(b',') => {
                self.position = Position::Behind(depth);
                1
            }
            _ => {
                // The brackets around the array are missing. What follows may be a document of its
                // own, so it is looked at afresh.
                self.position = Position::Top;
                let message = "the object is not closed behind the array";
                let problem = Reject::new(RejectKind::Structure, message)
                    .help("mend the document and send it again: its records are in the table");
                self.malformed(&[], problem, each);
                self.top(rest, last, each)
            }
        }
    }

    fn behind<'a>(&mut self, rest: &'a [u8], last: bool, depth: u32, each: Each<'_, 'a>) -> usize {
        let mut scan = Scan::inside(depth);
        if let Some(end) = scan.find_end(rest) {
            self.position = Position::Top;
            return end;
        }
        if last {
            return self.cut_short(rest, each);
        }
        // A string that is cut in two is left for the next look, so that the state is the depth
        // alone.
        let whole = scan.outside_strings_until();
        if whole == 0 {
            return self.too_long(rest, Until::Value(scan), Position::Top, each);
        }
        self.position = Position::Behind(scan.depth_at_string());
        whole
    }

    fn cut_short<'a>(&mut self, rest: &'a [u8], each: Each<'_, 'a>) -> usize {
        self.position = Position::Top;
        let problem = Reject::new(RejectKind::Structure, "the object ends inside a JSON value")
            .help("send the whole object again; what came before is in the table");
        self.malformed(rest, problem, each);
        rest.len()
    }

    fn malformed<'a>(&self, bytes: &'a [u8], problem: Reject, each: Each<'_, 'a>) {
        each(Frame::Malformed { offset: self.offset, bytes, problem });
    }

    /// The object ends: an array that is still open was cut short between two records.
    fn end(&mut self, each: Each<'_, '_>) {
        if let Some(Oversize { record_offset, then, .. }) = self.oversize.take() {
            each(Frame::Oversize { record_offset, bytes: &[], last: true });
            self.position = then;
        }
        if self.position != Position::Top {
            self.cut_short(&[], each);
        }
    }
}

/// Behind an array that stands inside `depth` objects.
const fn outside(depth: u32) -> Position {
    if depth == 0 { Position::Top } else { Position::Closed(depth) }
}

fn space(rest: &[u8]) -> usize {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',');
    rest.iter().position(|byte| !is_space(byte)).unwrap_or(rest.len())
}

fn without_records(path: &str) -> Reject {
    Reject::new(RejectKind::Structure, format!("the object has no array `{path}`")).help(
        "keep other files out with `exclude`, or correct `records` in the log source's `format`",
    )
}

#[cfg(test)]
mod tests;
