//! Records out of a stream of bytes.
//!
//! A framer looks at structure only: line ends, or the brackets and quotes of JSON. So one bad
//! record is one reject, and those after it are found all the same; an array of a million records
//! is never held as a whole. It can go on from any record boundary, given [`Framer::state`] and
//! [`Framer::offset`].

mod json;

use base::limits::RECORD_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::{Format, Layout, Reject, RejectKind};
use json::{Scan, Search};

/// Where a framer stands at a record boundary: stored in checkpoints. The default is the start of
/// an object, and between the lines or values of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameState {
    /// Between values at the top, or between lines.
    #[default]
    Top,
    /// Inside the array of records, between its elements; it stands inside this many objects.
    Array(u32),
    /// Behind the array of records, still inside this many objects.
    Behind(u32),
}

/// Cuts a stream of bytes into records.
#[derive(Debug)]
pub struct Framer {
    layout: Layout,
    state: FrameState,
    offset: u64,
    /// A record longer than the limit, while its pieces come.
    oversize: Option<Oversize>,
}

#[derive(Debug)]
struct Oversize {
    record_offset: u64,
    until: Until,
}

/// Where a record ends.
#[derive(Debug)]
enum Until {
    LineEnd,
    ValueEnd(Scan),
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

impl Framer {
    /// A framer that goes on from `state`. `offset`: the offset in the decompressed object of the
    /// first byte it will be given.
    #[must_use]
    pub fn new(format: &Format, state: FrameState, offset: u64) -> Self {
        Self { layout: format.layout.clone(), state, offset, oversize: None }
    }

    /// Calls `each` for what is found in `buffer`, which follows on what was consumed before;
    /// `last`: nothing will follow. Answers how many bytes are consumed: the rest is to be given
    /// again, with more behind it.
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
            at += consumed;
            self.offset = start + at as u64;
        }
        if last && at == buffer.len() {
            self.end(each);
        }
        at
    }

    /// Where the framer stands.
    #[must_use]
    pub const fn state(&self) -> FrameState {
        self.state
    }

    /// The offset of the next byte that [`Self::frame`] is to be given.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Deals with what `rest` begins with; 0 if that is not complete yet.
    fn next<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        if self.offset == 0 && rest.starts_with(b"\xef\xbb\xbf") {
            return 3;
        }
        match (&self.layout, self.state) {
            (Layout::Ndjson | Layout::Lines(_), _) => self.line(rest, last, each),
            (Layout::Json { .. }, FrameState::Top) => self.top(rest, last, each),
            (Layout::Json { .. }, FrameState::Array(depth)) => {
                self.element(rest, last, depth, each)
            }
            (Layout::Json { .. }, FrameState::Behind(depth)) => self.behind(rest, depth, each),
        }
    }

    fn line<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            if !last {
                return self.too_long(rest, Until::LineEnd, each);
            }
            self.record(rest, each);
            return rest.len();
        };
        self.record(rest.get(..end).unwrap_or(rest), each);
        end + 1
    }

    /// Hands out a complete record, if there is more to it than white space.
    fn record<'a>(&self, bytes: &'a [u8], each: Each<'_, 'a>) {
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return;
        }
        each(if bytes.len() > RECORD_BYTES_MAX {
            Frame::Oversize { record_offset: self.offset, bytes, last: true }
        } else {
            Frame::Record { offset: self.offset, bytes }
        });
    }

    /// Nothing ends here yet: if it is too long to wait for, its pieces are handed out from now on.
    fn too_long<'a>(&mut self, rest: &'a [u8], until: Until, each: Each<'_, 'a>) -> usize {
        if rest.len() <= RECORD_BYTES_MAX {
            return 0;
        }
        self.oversize = Some(Oversize { record_offset: self.offset, until });
        each(Frame::Oversize { record_offset: self.offset, bytes: rest, last: false });
        rest.len()
    }

    fn go_on<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let Some(mut oversize) = self.oversize.take() else { return 0 };
        let (end, skip) = match &mut oversize.until {
            Until::LineEnd => (memchr::memchr(b'\n', rest), 1),
            Until::ValueEnd(scan) => (scan.find_end(rest), 0),
        };
        let bytes = end.and_then(|end| rest.get(..end)).unwrap_or(rest);
        let done = last || end.is_some();
        each(Frame::Oversize { record_offset: oversize.record_offset, bytes, last: done });
        if !done {
            self.oversize = Some(oversize);
        }
        end.map_or(rest.len(), |end| end + skip)
    }

    fn top<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let Layout::Json { records } = &self.layout else { return 0 };
        match (rest.first(), records) {
            (Some(b' ' | b'\t' | b'\r' | b'\n'), _) => space(rest),
            (Some(b'['), _) => {
                self.state = FrameState::Array(0);
                1
            }
            (Some(b'{'), Some(path)) => match json::find_array(rest, path) {
                Search::Found { start, depth } => {
                    self.state = FrameState::Array(depth);
                    start
                }
                Search::Absent { end } => {
                    let problem = without_records(path.as_str());
                    self.malformed(rest.get(..end).unwrap_or(rest), problem, each);
                    end
                }
                Search::Incomplete if last => self.cut_short(rest, each),
                Search::Incomplete => self.too_long(rest, Until::ValueEnd(Scan::over(rest)), each),
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
                self.state = if depth == 0 { FrameState::Top } else { FrameState::Behind(depth) };
                1
            }
            Some(b'}' | b':') => {
                let found = char::from(rest.first().copied().unwrap_or_default());
                let message = format!("`{found}` where an element of the array should begin");
                self.state = FrameState::Top;
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                let problem = Reject::new(RejectKind::Structure, message)
                    .help("mend the document and replay it; what came before is in the table");
                self.malformed(rest.get(..end).unwrap_or(rest), problem, each);
                end
            }
            _ => self.value(rest, last, each),
        }
    }

    /// One JSON value, or what stands in the place of one.
    fn value<'a>(&mut self, rest: &'a [u8], last: bool, each: Each<'_, 'a>) -> usize {
        let mut scan = Scan::default();
        match scan.find_end(rest) {
            Some(end) => {
                self.record(rest.get(..end).unwrap_or(rest), each);
                end
            }
            None if last => self.cut_short(rest, each),
            None => self.too_long(rest, Until::ValueEnd(scan), each),
        }
    }

    fn behind<'a>(&mut self, rest: &'a [u8], depth: u32, each: Each<'_, 'a>) -> usize {
        let mut scan = Scan::inside(depth);
        if let Some(end) = scan.find_end(rest) {
            self.state = FrameState::Top;
            return end;
        }
        // A string that is cut in two is left for the next look, so that the state is the depth
        // alone.
        let whole = scan.outside_strings_until();
        if whole == 0 && rest.len() > RECORD_BYTES_MAX {
            self.state = FrameState::Top;
            return self.too_long(rest, Until::ValueEnd(scan), each);
        }
        self.state = FrameState::Behind(scan.depth_at_string());
        whole
    }

    fn cut_short<'a>(&mut self, rest: &'a [u8], each: Each<'_, 'a>) -> usize {
        self.state = FrameState::Top;
        let problem = Reject::new(RejectKind::Structure, "the object ends inside a JSON value")
            .help("send the rest: an object that grows is read on from here");
        self.malformed(rest, problem, each);
        rest.len()
    }

    fn malformed<'a>(&self, bytes: &'a [u8], problem: Reject, each: Each<'_, 'a>) {
        each(Frame::Malformed { offset: self.offset, bytes, problem });
    }

    /// The object ends: an array that is still open was cut short between two records.
    fn end(&mut self, each: Each<'_, '_>) {
        if !matches!(self.state, FrameState::Top) {
            self.cut_short(&[], each);
        }
    }
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
