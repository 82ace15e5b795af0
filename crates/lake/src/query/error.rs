//! What can go wrong with a query, with the place in its text.

use std::fmt;

use base::{Code, Explain, Place, Timestamp};

use crate::error::LakeError;

/// A query that gave no answer, and why.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The text is not SQL.
    #[error("{message}{}", excerpt(at.as_ref()))]
    Syntax {
        /// What the parser said.
        message: String,
        /// Where.
        at: Option<Excerpt>,
    },
    /// The statement would change something, or is more than one.
    #[error("{what}{}", excerpt(at.as_ref()))]
    NotReadOnly {
        /// What was refused.
        what: String,
        /// Where.
        at: Option<Excerpt>,
    },
    /// There is no such table.
    #[error("there is no table `{name}`{}", excerpt(at.as_ref()))]
    UnknownTable {
        /// The name that was asked for.
        name: String,
        /// Where.
        at: Option<Excerpt>,
        /// The name that was perhaps meant.
        near: Option<String>,
    },
    /// The SQL is well-formed but means nothing for these tables.
    #[error("{message}{}", excerpt(at.as_ref()))]
    Plan {
        /// What is wrong.
        message: String,
        /// Where, if that is known.
        at: Option<Excerpt>,
        /// What to try.
        help: Option<String>,
    },
    /// The search line can't be understood.
    #[error("{message}{}", excerpt(Some(at)))]
    Search {
        /// What is wrong.
        message: String,
        /// Where.
        at: Excerpt,
        /// What to try.
        help: Option<String>,
    },
    /// There is no such pipe command.
    #[error("there is no pipe command `{name}`{}", excerpt(Some(at)))]
    UnknownPipe {
        /// The word that stands where a command was expected.
        name: String,
        /// Where.
        at: Excerpt,
        /// The command that was perhaps meant.
        near: Option<String>,
    },
    /// A pipe command's arguments can't be understood, or don't fit what comes before.
    #[error("{message}{}", excerpt(Some(at)))]
    Pipe {
        /// What is wrong.
        message: String,
        /// Where.
        at: Excerpt,
        /// What to try.
        help: Option<String>,
    },
    /// The text is longer or deeper than any sensible query.
    #[error("the query {what}, the limit is {limit}")]
    TooLarge {
        /// Such as `has 300000 bytes`.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// The query needs more memory than it may have.
    #[error("the query needs more than its {limit_bytes} bytes of memory")]
    Memory {
        /// The limit.
        limit_bytes: usize,
    },
    /// The query has read as much as it may.
    #[error("the query has read {bytes} bytes; it may read {limit}")]
    TooManyBytes {
        /// How many it has read.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The query may read more than it may, so it was not begun.
    #[error("the query would read up to {bytes} bytes; it may read {limit}")]
    Estimated {
        /// How many it may read, all columns of what is left by time, day and index.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The query has taken as long as it may.
    #[error("the query has run for {seconds} seconds, which is as long as it may")]
    TooLong {
        /// The limit.
        seconds: u64,
    },
    /// The query reads a large table from its beginning to its end.
    #[error("the table `{table}` has {bytes} bytes, and the query does not say of which time")]
    Unbounded {
        /// The table.
        table: String,
        /// How large it is.
        bytes: u64,
    },
    /// The files of an external table are not there, or can't be read.
    #[error("the external table `{table}` can't be read: {reason}")]
    ExternalUnreadable {
        /// The table.
        table: String,
        /// Where it is declared to be.
        address: String,
        /// Why.
        reason: String,
    },
    /// The files of an external table are not what its declaration says.
    #[error("the external table `{table}` can't be understood: {reason}")]
    ExternalMalformed {
        /// The table.
        table: String,
        /// Where it is.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An external table is larger than its kind may be.
    #[error("the external table `{table}` {what}")]
    ExternalTooLarge {
        /// The table.
        table: String,
        /// Where it is.
        address: String,
        /// How large it is, and the limit.
        what: String,
    },
    /// A table of the lake has the name of an external one.
    #[error("the external table `{table}` has the name of a table of the lake")]
    ExternalClash {
        /// The name.
        table: String,
    },
    /// The query began but did not end: a value that can't be cast, a file that can't be read.
    #[error("the query failed: {message}")]
    Failed {
        /// What was said.
        message: String,
    },
    /// The range of time ends before it begins.
    #[error("the range of time is empty: it begins at {from} and ends at {to}")]
    EmptyRange {
        /// Its begin.
        from: Timestamp,
        /// Its end, which is no longer part of it.
        to: Timestamp,
    },
    /// The lake itself can't be read.
    #[error(transparent)]
    Lake(#[from] LakeError),
}

impl Explain for QueryError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Syntax { .. } => "DAB0520",
            Self::NotReadOnly { .. } => "DAB0521",
            Self::UnknownTable { .. } => "DAB0522",
            Self::Plan { .. } => "DAB0523",
            Self::Search { .. } => "DAB0524",
            Self::UnknownPipe { .. } => "DAB0525",
            Self::Pipe { .. } => "DAB0526",
            Self::TooLarge { .. } => "DAB0527",
            Self::Memory { .. } => "DAB0528",
            Self::Failed { .. } => "DAB0529",
            Self::EmptyRange { .. } => "DAB0530",
            Self::TooManyBytes { .. } => "DAB0531",
            Self::TooLong { .. } => "DAB0532",
            Self::Unbounded { .. } => "DAB0533",
            Self::Estimated { .. } => "DAB0538",
            Self::ExternalUnreadable { .. } => "DAB0534",
            Self::ExternalMalformed { .. } => "DAB0535",
            Self::ExternalTooLarge { .. } => "DAB0536",
            Self::ExternalClash { .. } => "DAB0537",
            Self::Lake(error) => return error.code(),
        })
    }

    fn place(&self) -> Option<Place> {
        let at = match self {
            Self::Syntax { at, .. }
            | Self::NotReadOnly { at, .. }
            | Self::UnknownTable { at, .. }
            | Self::Plan { at, .. } => at.as_ref()?,
            Self::Search { at, .. } | Self::UnknownPipe { at, .. } | Self::Pipe { at, .. } => at,
            Self::Lake(error) => return error.place(),
            Self::ExternalUnreadable { address, .. }
            | Self::ExternalMalformed { address, .. }
            | Self::ExternalTooLarge { address, .. } => {
                return Some(Place::Object(address.clone()));
            }
            Self::TooLarge { .. }
            | Self::Memory { .. }
            | Self::TooManyBytes { .. }
            | Self::TooLong { .. }
            | Self::Unbounded { .. }
            | Self::ExternalClash { .. }
            | Self::Estimated { .. }
            | Self::Failed { .. }
            | Self::EmptyRange { .. } => return None,
        };
        Some(Place::File { path: "query".to_owned(), line: at.line, column: at.column })
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Syntax { .. } | Self::Failed { .. } => None,
            Self::TooManyBytes { .. } => Some(
                "ask for a shorter time or fewer columns, or give it more with `--bytes-max`".into(),
            ),
            Self::Estimated { .. } => {
                Some("narrow its time, or raise `rule_query_bytes_max` in the settings".into())
            }
            Self::TooLong { .. } => {
                Some("ask for a shorter time, or give it more with `--seconds-max`".into())
            }
            Self::Unbounded { .. } => Some(
                "say of which time: `WHERE time > now() - INTERVAL '1 day'`, or `day = '2026-11-24'`; \
                 `time > '1970-01-01'` is all of it"
                    .into(),
            ),
            Self::ExternalUnreadable { .. } => {
                Some("correct its `from` in the settings, or make it readable".into())
            }
            Self::ExternalMalformed { .. } => {
                Some("correct the file, or how `external_tables` in the settings declares it".into())
            }
            Self::ExternalTooLarge { .. } => Some("make Parquet of it, in few files: those may have any size".into()),
            Self::ExternalClash { .. } => {
                Some("give it another `name` under `external_tables` in the settings".into())
            }
            Self::EmptyRange { .. } => Some("give it an end that is later than its begin".into()),
            Self::NotReadOnly { .. } => {
                Some("write one `SELECT`, `WITH … SELECT` or `EXPLAIN` statement".into())
            }
            Self::UnknownTable { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::UnknownTable { near: None, .. } => {
                Some("run `dab tables` to see which there are".into())
            }
            Self::Plan { help, .. } | Self::Search { help, .. } | Self::Pipe { help, .. } => {
                help.clone()
            }
            Self::UnknownPipe { near, .. } => {
                let guess = near.as_ref().map(|near| format!("did you mean `{near}`? "));
                let commands = super::search::COMMANDS.join(", ");
                Some(format!("{}the commands are {commands}", guess.unwrap_or_default()))
            }
            Self::TooLarge { .. } => Some("cut the query into several".into()),
            Self::Memory { .. } => Some(
                "narrow the time range or the columns, or raise the memory a query may have".into(),
            ),
            Self::Lake(error) => error.help(),
        }
    }
}

/// A place in the text of a query, with the line that it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The line's text.
    pub text: String,
}

/// How many characters of a long line are shown on each side of the caret.
const CONTEXT_CHARS: usize = 60;

impl Excerpt {
    /// The place at a byte of `text`.
    pub(crate) fn at_byte(text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = text.get(..byte).unwrap_or_default();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self::new(text, line, column)
    }

    /// The place at a line and column, both from 1, as SQL's parser counts them.
    pub(crate) fn at_position(text: &str, line: u64, column: u64) -> Option<Self> {
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        let column = usize::try_from(column).ok()?.checked_sub(1)?;
        Some(Self::new(text, line, column))
    }

    fn new(text: &str, line: usize, column: usize) -> Self {
        Self {
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            text: text.lines().nth(line).unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = usize::try_from(self.column).unwrap_or(usize::MAX).saturating_sub(1);
        let skipped = column.saturating_sub(CONTEXT_CHARS);
        let shown: String =
            self.text.chars().skip(skipped).take(2 * CONTEXT_CHARS).map(printable).collect();
        write!(f, "\n  | {shown}\n  | {:1$}^", "", column - skipped)
    }
}

/// One column wide, whatever it is.
fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn excerpt(at: Option<&Excerpt>) -> String {
    at.map(ToString::to_string).unwrap_or_default()
}

/// The candidate that differs least from `word`, if any is near enough to be a slip of the finger.
pub(crate) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let wanted: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let limit = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters are wrong, missing, too many or swapped with their neighbor ("optimal string
/// alignment"), in lower case.
fn distance(wanted: &[char], candidate: &str) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=wanted.len()).collect();
    let mut last = None;
    for (line, c) in candidate.to_lowercase().chars().take(64).enumerate() {
        let mut next = vec![line + 1];
        let mut left = line + 1;
        for (column, w) in wanted.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX);
            let changed = at(&row, column) + usize::from(*w != c);
            let mut best = changed.min(left + 1).min(at(&row, column + 1) + 1);
            let previous = column.checked_sub(1);
            let swapped = previous
                .is_some_and(|previous| wanted.get(previous) == Some(&c) && last == Some(*w));
            if let (true, Some(previous)) = (swapped, previous) {
                best = best.min(at(&before, previous).saturating_add(1));
            }
            next.push(best);
            left = best;
        }
        before = std::mem::replace(&mut row, next);
        last = Some(c);
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place() {
        let text = "index:x\n  größe:(1 2";
        let at = Excerpt::at_byte(text, text.find(":(").unwrap());
        assert_eq!((at.line, at.column), (2, 8));
        assert_eq!(at.to_string(), "\n  |   größe:(1 2\n  |        ^");
        assert_eq!(Excerpt::at_byte("", 9).to_string(), "\n  | \n  | ^");
    }

    #[test]
    fn knows_a_slip_of_the_finger() {
        let names = ["eventName", "eventSource", "userAgent"];
        assert_eq!(nearest("eventNmae", names), Some("eventName"));
        assert_eq!(nearest("EVENTNAME", names), Some("eventName"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(distance(&['a', 'b', 'c'], "abc"), 0);
        assert_eq!(distance(&['a', 'b', 'c'], "axc"), 1);
        assert_eq!(distance(&[], "ab"), 2);
        assert_eq!(distance(&['a', 'b', 'c'], "acb"), 1);
        assert_eq!(distance(&['a', 'b', 'c'], ""), 3);
    }
}
