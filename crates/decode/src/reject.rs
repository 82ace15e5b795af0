//! Why a record could not become an event.
//!
//! A reject says what is wrong, where inside the record, and what to do. It never shows more of the
//! record than the few characters at fault.

use std::fmt;

use base::{Code, Explain, Place, Problem, Report, limits};

/// Why one record could not be decoded: its code, what was found and where inside the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    kind: RejectKind,
    message: String,
    at: Option<At>,
    help: Option<String>,
}

/// A place inside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    /// From 0.
    byte: usize,
    /// Line and column from 1, where the record has several lines. Columns count bytes.
    line_column: Option<(usize, usize)>,
}

/// What kind of mistake a [`Reject`] reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectKind {
    /// The bytes are not UTF-8.
    Encoding,
    /// The record is not JSON as RFC 8259 defines it.
    Json,
    /// JSON nests deeper than [`limits::JSON_DEPTH_MAX`].
    Depth,
    /// The record is JSON, but not an object.
    NotAnObject,
    /// Bytes that belong to no record.
    Structure,
    /// The record is longer than [`limits::RECORD_BYTES_MAX`].
    Oversize,
    /// None of the time fields is there.
    TimeMissing,
    /// The time is not in the log source's format.
    TimeUnreadable,
    /// The time cannot be right.
    TimeAbsurd,
    /// The line matches none of the patterns.
    Unmatched,
    /// The text is not in the log source's format.
    Syntax,
    /// The row has more or fewer values than there are columns.
    Ragged,
    /// The header is missing, or is none.
    Header,
    /// A part of a file in a binary format can't be read.
    Unreadable,
    /// The log source's program (`vrl`) failed, or gave the record up.
    Remap,
}

impl Reject {
    pub(crate) fn new(kind: RejectKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), at: None, help: None }))
    }

    /// Says where in `record` it is.
    pub(crate) fn at(mut self, record: &[u8], byte: usize) -> Self {
        let before = record.get(..byte).unwrap_or(record);
        let several = memchr::memchr(b'\n', record).is_some();
        let line_column = several.then(|| {
            let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
            (memchr::memchr_iter(b'\n', before).count() + 1, before.len() - start + 1)
        });
        self.0.at = Some(At { byte, line_column });
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The same for a record of which `before` bytes stand in front of what was looked at.
    pub(crate) fn behind(self, record: &str, before: usize) -> Self {
        match self.byte() {
            Some(byte) => self.at(record.as_bytes(), before + byte),
            None => self,
        }
    }

    /// The reason for a record that came in [`crate::Frame::Oversize`] pieces.
    #[must_use]
    pub fn oversize() -> Self {
        let limit = limits::RECORD_BYTES_MAX >> 20;
        Self::new(RejectKind::Oversize, format!("the record is longer than {limit} MiB"))
            .help("check the log source's `format`: where records end is decided by it")
    }

    /// What a note says that stands in the place of what could not be read.
    pub(crate) fn of_damage(line: &[u8]) -> Option<Self> {
        let reason = base::read_damage(line)?;
        let help = "see whether its writer can still read the file, and deliver it again under another \
                    name; what is around this is in the table";
        Some(Self::new(RejectKind::Unreadable, reason).help(help))
    }

    /// What kind of mistake it is.
    #[must_use]
    pub fn kind(&self) -> RejectKind {
        self.0.kind
    }

    /// The byte inside the record, from 0, if it is at one.
    #[must_use]
    pub fn byte(&self) -> Option<usize> {
        self.0.at.map(|at| at.byte)
    }

    /// The problem as data, at the object's `place`.
    #[must_use]
    pub fn report(&self, place: Place) -> Report {
        Report { place: Some(place), ..Problem::from(self.clone()).report() }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match self.0.at {
            None => Ok(()),
            Some(At { byte, line_column: None }) => write!(f, ", at byte {byte} of the record"),
            Some(At { byte, line_column: Some((line, column)) }) => {
                write!(f, ", at byte {byte} of the record (its line {line}, column {column})")
            }
        }
    }
}

impl std::error::Error for Reject {}

impl Explain for Reject {
    fn code(&self) -> Code {
        Code(match self.kind() {
            RejectKind::Encoding => "DAB0310",
            RejectKind::Json => "DAB0311",
            RejectKind::Depth => "DAB0312",
            RejectKind::NotAnObject => "DAB0313",
            RejectKind::Structure => "DAB0314",
            RejectKind::Oversize => "DAB0315",
            RejectKind::TimeMissing => "DAB0316",
            RejectKind::TimeUnreadable => "DAB0317",
            RejectKind::TimeAbsurd => "DAB0318",
            RejectKind::Unmatched => "DAB0319",
            RejectKind::Syntax => "DAB0320",
            RejectKind::Ragged => "DAB0321",
            RejectKind::Header => "DAB0322",
            RejectKind::Unreadable => "DAB0413",
            RejectKind::Remap => "DAB0372",
        })
    }

    fn help(&self) -> Option<String> {
        self.0.help.clone()
    }
}

/// The first characters of `text`, for a message.
pub(crate) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_in_the_record() {
        let reject = Reject::new(RejectKind::Json, "expected `,`").at(b"{\n  x", 4);
        let place = Place::Object("file:a.json".into());
        let expected = "error[DAB0311]: expected `,`, at byte 4 of the record (its line 2, column 3)\n  \
                        --> file:a.json";
        assert_eq!(reject.report(place).to_string(), expected);
        let one_line = Reject::new(RejectKind::Json, "expected `,`").at(b"{ x", 2);
        assert_eq!(one_line.to_string(), "expected `,`, at byte 2 of the record");
    }
}
