//! What can be wrong with a lookup table.

use base::{Code, Explain, Place, limits};

/// A lookup table that is not there, or is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupError {
    /// Where: in the declaration, or in the table's file.
    pub place: Option<Place>,
    /// What is wrong.
    pub kind: LookupErrorKind,
}

/// The kinds of mistakes with lookup tables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupErrorKind {
    /// The file can't be read.
    #[error("the lookup table `{table}` can't be read: {reason}")]
    Unreadable {
        /// The table.
        table: String,
        /// Why.
        reason: String,
    },
    /// The file is not what it should be.
    #[error("the lookup table `{table}` is malformed: {reason}")]
    Malformed {
        /// The table.
        table: String,
        /// Why.
        reason: String,
    },
    /// The file is larger than allowed.
    #[error("the lookup table `{table}` has too many {what}")]
    TooLarge {
        /// The table.
        table: String,
        /// What there is too much of.
        what: &'static str,
    },
    /// The declaration is wrong.
    #[error("{0}")]
    Declaration(String),
    /// Two declarations have one name.
    #[error("two lookup tables are named `{0}`")]
    Duplicate(String),
}

impl std::fmt::Display for LookupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for LookupError {}

impl Explain for LookupError {
    fn code(&self) -> Code {
        Code(match self.kind {
            LookupErrorKind::Unreadable { .. } => "DAB0281",
            LookupErrorKind::Malformed { .. } => "DAB0282",
            LookupErrorKind::TooLarge { .. } => "DAB0283",
            LookupErrorKind::Declaration(_) => "DAB0284",
            LookupErrorKind::Duplicate(_) => "DAB0285",
        })
    }

    fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    fn help(&self) -> Option<String> {
        Some(match &self.kind {
            LookupErrorKind::Unreadable { .. } => {
                "correct `file`, which is relative to the file that declares the table".to_owned()
            }
            LookupErrorKind::Malformed { .. } => "correct the file".to_owned(),
            LookupErrorKind::TooLarge { .. } => format!(
                "keep to {} MiB and {} rows",
                limits::LOOKUP_FILE_BYTES_MAX >> 20,
                limits::LOOKUP_ROWS_MAX
            ),
            LookupErrorKind::Declaration(_) => {
                "see `docs/reference/lookups.md` for the keys of a table".to_owned()
            }
            LookupErrorKind::Duplicate(_) => "rename one of them".to_owned(),
        })
    }
}
