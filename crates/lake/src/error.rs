//! What can go wrong in the lake, by what the caller can do about it.

use base::{Code, Explain, Place};

/// The code of [`LakeError::Unavailable`]: what may go well the next time.
pub const UNAVAILABLE: Code = Code("DAB0501");

/// An error of the lake.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// The store can't be reached, or is full, or answered with an error: nothing was changed, try
    /// again later.
    #[error("the lake can't be {action}: {reason}")]
    Unavailable {
        /// `read` or `written`.
        action: &'static str,
        /// The cause in words.
        reason: String,
        /// The object.
        address: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another writer changed the table since the batch was begun: make the batch again.
    #[error("table `{table}` was changed by another writer")]
    Conflict {
        /// The table.
        table: String,
    },
    /// Another process goes on in the place of this one.
    #[error("another process commits to table `{table}` in the place of this one")]
    TakenOver {
        /// The table.
        table: String,
    },
    /// What is stored is not what dab wrote.
    #[error("`{address}` can't be understood: {reason}")]
    Corrupt {
        /// The object.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has the lake open for writing.
    #[error("the lake is in use by another `dab run`")]
    InUse {
        /// The lock file.
        address: String,
    },
    /// There is too little memory or local disk to sort what is to be compacted.
    #[error("the files of `{address}` can't be sorted on this machine: {reason}")]
    Workspace {
        /// The table or partition.
        address: String,
        /// What is short.
        reason: String,
    },
    /// What is asked for can't be a day, a table or a file of prices.
    #[error("{message}")]
    Asked {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// The events could not be encoded: a defect in dab.
    #[error("the batch for table `{table}` can't be encoded: {reason}")]
    Encode {
        /// The table.
        table: String,
        /// What the encoder said.
        reason: String,
    },
}

impl LakeError {
    pub(crate) fn read(address: impl ToString, source: impl Into<BoxError>) -> Self {
        Self::unavailable("read", address, source)
    }

    pub(crate) fn write(address: impl ToString, source: impl Into<BoxError>) -> Self {
        Self::unavailable("written", address, source)
    }

    fn unavailable(
        action: &'static str,
        address: impl ToString,
        source: impl Into<BoxError>,
    ) -> Self {
        let source = source.into();
        let reason = root_cause(source.as_ref());
        Self::Unavailable { action, reason, address: address.to_string(), source }
    }

    pub(crate) fn corrupt(address: impl ToString, reason: impl ToString) -> Self {
        Self::Corrupt { address: address.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn encode(table: &str, reason: &impl ToString) -> Self {
        Self::Encode { table: table.to_owned(), reason: reason.to_string() }
    }
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The innermost error's words: the layers above say the same with more names.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl Explain for LakeError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Unavailable { .. } => UNAVAILABLE.0,
            Self::Conflict { .. } => "DAB0502",
            Self::Corrupt { .. } => "DAB0503",
            Self::InUse { .. } => "DAB0504",
            Self::Encode { .. } => "DAB0505",
            Self::Workspace { .. } => "DAB0506",
            Self::Asked { .. } => "DAB0507",
            Self::TakenOver { .. } => "DAB0508",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Unavailable { address, .. }
            | Self::Corrupt { address, .. }
            | Self::Workspace { address, .. }
            | Self::InUse { address } => Some(Place::Object(address.clone())),
            Self::Conflict { .. }
            | Self::TakenOver { .. }
            | Self::Encode { .. }
            | Self::Asked { .. } => None,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Unavailable { reason, .. } if reason.contains("No space left") => Some(
                "free some disk space: dab goes on from where it stopped, nothing is lost".into(),
            ),
            Self::Unavailable { .. } => {
                Some("check that the lake's folder or bucket exists and may be used".into())
            }
            Self::Conflict { .. } => None,
            Self::TakenOver { .. } => Some(
                "see that this process has the time and the network to write: it was given up"
                    .into(),
            ),
            Self::Corrupt { .. } => {
                Some("restore it from a backup, or remove it if it is not dab's".into())
            }
            Self::InUse { .. } => {
                Some("stop the other `dab run`, or give this one a `lake` of its own".into())
            }
            Self::Workspace { .. } => {
                Some("free memory or space in the folder for temporary files, and try again".into())
            }
            Self::Asked { help, .. } => Some(help.clone()),
            Self::Encode { .. } => Some("report this, with the table's schema".into()),
        }
    }
}
