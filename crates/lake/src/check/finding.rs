//! What a check of the lake can find.

use base::{Code, Explain, Place};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A table's log can't be read.
    #[error("the table `{table}` can't be opened: {reason}")]
    Table {
        /// The table.
        table: String,
        /// Why.
        reason: String,
        /// Its folder.
        address: String,
    },
    /// A file that is part of a table is not there.
    #[error("a file of the table `{table}` is missing")]
    MissingFile {
        /// The table.
        table: String,
        /// The file.
        address: String,
    },
    /// A file that is part of a table has another size than the log says.
    #[error("a file of the table `{table}` has {stored} bytes; the log says {logged}")]
    FileSize {
        /// The table.
        table: String,
        /// The file.
        address: String,
        /// How many bytes the log says.
        logged: u64,
        /// How many it has.
        stored: u64,
    },
    /// A file's own account of itself can't be read, or is not what the log says.
    #[error("a file of the table `{table}` is not what the log says: {reason}")]
    FileContent {
        /// The table.
        table: String,
        /// The file.
        address: String,
        /// What is different.
        reason: String,
    },
    /// The search index of a file is damaged, or not of this file.
    #[error("the search index of a file of the table `{table}` is not used: {reason}")]
    Index {
        /// The table.
        table: String,
        /// The index.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Objects that are part of nothing.
    #[error("{files} objects, {bytes} bytes, are part of nothing")]
    Unused {
        /// Where they are.
        address: String,
        /// How many.
        files: usize,
        /// How many bytes they have.
        bytes: u64,
    },
    /// The record of a batch that was committed is missing, can't be read, or does not add up.
    #[error("batch {number} of the source `{origin}` is not accounted for: {reason}")]
    Ledger {
        /// The source.
        origin: String,
        /// The batch.
        number: u64,
        /// What is wrong.
        reason: String,
        /// The record.
        address: String,
    },
    /// A table does not have the rows of a batch, each once.
    #[error("of batch {number} of the source `{origin}`, the table `{table}` has {what}")]
    Rows {
        /// The source.
        origin: String,
        /// The batch.
        number: u64,
        /// The table.
        table: String,
        /// What it has, and should have.
        what: String,
        /// The table's folder.
        address: String,
    },
    /// The quarantine does not have the records that a batch quarantined.
    #[error(
        "of batch {number} of the source `{origin}`, {found} records are in the quarantine or were \
         replayed; the ledger says {ledger}"
    )]
    Quarantine {
        /// The source.
        origin: String,
        /// The batch.
        number: u64,
        /// How many were found.
        found: u64,
        /// How many there should be.
        ledger: u64,
        /// The object they should be in.
        address: String,
    },
    /// The raw bytes of a batch are missing, or are not as many as were written.
    #[error("the raw bytes of batch {number} of the source `{origin}` {what}")]
    Cold {
        /// The source.
        origin: String,
        /// The batch.
        number: u64,
        /// What is wrong.
        what: String,
        /// The object.
        address: String,
    },
}

impl Explain for Finding {
    fn code(&self) -> Code {
        Code(match self {
            Self::Table { .. } => "DAB0540",
            Self::MissingFile { .. } => "DAB0541",
            Self::FileSize { .. } => "DAB0542",
            Self::FileContent { .. } => "DAB0543",
            Self::Unused { .. } => "DAB0544",
            Self::Ledger { .. } => "DAB0545",
            Self::Cold { .. } => "DAB0546",
            Self::Rows { .. } => "DAB0547",
            Self::Quarantine { .. } => "DAB0548",
            Self::Index { .. } => "DAB0549",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Table { address, .. }
            | Self::MissingFile { address, .. }
            | Self::FileSize { address, .. }
            | Self::FileContent { address, .. }
            | Self::Index { address, .. }
            | Self::Unused { address, .. }
            | Self::Ledger { address, .. }
            | Self::Rows { address, .. }
            | Self::Quarantine { address, .. }
            | Self::Cold { address, .. } => Some(Place::Object(address.clone())),
        }
    }

    fn help(&self) -> Option<String> {
        Some(
            match self {
                Self::Table { .. } => "restore the table's `_delta_log` from a backup",
                Self::MissingFile { .. } | Self::FileSize { .. } | Self::FileContent { .. } => {
                    "restore the file from a backup; queries that need it fail until then"
                }
                Self::Index { .. } => {
                    "run `dab lake index build`, which makes it anew; until then its file is read as a whole"
                }
                Self::Unused { .. } => "run `dab lake check --repair`, which removes them",
                Self::Ledger { .. } => "restore the record from a backup",
                Self::Rows { .. } => {
                    "`dab lake replay` makes the rows anew from the raw bytes, each once"
                }
                Self::Quarantine { .. } => "restore the object from a backup",
                Self::Cold { .. } => {
                    "restore the object from a backup; the events are in their table all the same"
                }
            }
            .to_owned(),
        )
    }
}
