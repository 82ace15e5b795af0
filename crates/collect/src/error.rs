//! What goes wrong while bytes are collected.

use base::{Code, Explain, Place};

/// Why bytes could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The text that should say where to read does not.
    #[error("`{text}` is no location to read from: {reason}")]
    Location {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An option of a location, or a pattern, is not understood.
    #[error("{what} `{value}` is not understood: {reason}")]
    Setting {
        /// Such as `the option` or `the pattern`.
        what: &'static str,
        /// What was given: the name of an option, never its value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored checkpoint can't be read.
    #[error("the checkpoint of log source `{name}` can't be read: {reason}")]
    Checkpoint {
        /// The log source.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The location can't be listed now. Try again later.
    #[error("the objects at this place can't be listed")]
    Unlisted {
        /// The location's address.
        address: String,
        /// The store's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object can't be read now. It is tried again at the next poll.
    #[error("the object can't be read")]
    Unreadable {
        /// The object's address.
        address: String,
        /// The store's own error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A compressed stream stops before its end.
    #[error("{format} stream ends early")]
    EndsEarly {
        /// `gzip`, `zstd` or `UTF-16`.
        format: &'static str,
        /// The object's address.
        address: String,
    },
    /// A compressed stream is damaged.
    #[error("{format} stream is damaged: {reason}")]
    Damaged {
        /// `gzip`, `zstd` or `UTF-16`.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
        /// The object's address.
        address: String,
    },
    /// A compressed stream grows out of proportion.
    #[error("{format} stream of {raw} bytes unpacks to more than {unpacked} bytes")]
    Bomb {
        /// `gzip`, `zstd` or `UTF-16`.
        format: &'static str,
        /// How many compressed bytes were read.
        raw: u64,
        /// How many bytes they gave.
        unpacked: u64,
        /// The object's address.
        address: String,
    },
    /// The `Content-Encoding` of a request is none that is known.
    #[error("content encoding `{encoding}` is not known: use `identity`, `gzip` or `zstd`")]
    Encoding {
        /// What the request says.
        encoding: String,
    },
    /// A request's body is too large.
    #[error("the body is larger than {bytes_max} bytes{}", if *.unpacked { " unpacked" } else { "" })]
    BodyTooLarge {
        /// The limit.
        bytes_max: usize,
        /// It is the unpacked size that is too large.
        unpacked: bool,
    },
    /// A file has a name that can't be read.
    #[error("the file's name can't be used: {reason}")]
    Name {
        /// The file, as well as it can be shown.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are more objects than are looked at.
    #[error("there are more than {objects_max} objects; the rest is not read")]
    TooMany {
        /// The location's address.
        address: String,
        /// The limit.
        objects_max: usize,
    },
}

impl Explain for CollectError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Location { .. } => "DAB0401",
            Self::Setting { .. } => "DAB0402",
            Self::Checkpoint { .. } => "DAB0403",
            Self::Unlisted { .. } => "DAB0404",
            Self::Unreadable { .. } => "DAB0405",
            Self::EndsEarly { .. } => "DAB0406",
            Self::Damaged { .. } => "DAB0407",
            Self::Bomb { .. } => "DAB0408",
            Self::Encoding { .. } => "DAB0409",
            Self::BodyTooLarge { .. } => "DAB0410",
            Self::Name { .. } => "DAB0411",
            Self::TooMany { .. } => "DAB0412",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Unlisted { address, .. }
            | Self::Unreadable { address, .. }
            | Self::EndsEarly { address, .. }
            | Self::Damaged { address, .. }
            | Self::Bomb { address, .. }
            | Self::Name { address, .. }
            | Self::TooMany { address, .. } => Some(Place::Object(address.clone())),
            Self::Location { .. }
            | Self::Setting { .. }
            | Self::Checkpoint { .. }
            | Self::Encoding { .. }
            | Self::BodyTooLarge { .. } => None,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Location { .. } => {
                "write a folder (`./incoming/okta`, `/var/log/okta`) or a bucket (`s3://logs/okta`)"
            }
            Self::Setting { .. } => return None,
            Self::Checkpoint { .. } => {
                "use the dab that wrote it or a newer one, or give the source another name to read \
                 everything again"
            }
            Self::Unlisted { .. } => {
                "see that the folder or bucket exists and that dab may list it"
            }
            Self::Unreadable { .. } => {
                "see that dab may read it; it is tried again at the next poll"
            }
            Self::EndsEarly { .. } => "upload it again, whole",
            Self::Damaged { .. } => "see whether its writer can still read it, and upload it again",
            Self::Bomb { .. } => {
                "if you trust it, raise `decompression_ratio_max` or `decompressed_bytes_max` of the \
                 source, and deliver it again"
            }
            Self::Encoding { .. } => "send the body with one of these encodings, or with none",
            Self::BodyTooLarge { .. } => "send it in several requests",
            Self::Name { .. } => "rename the file",
            Self::TooMany { .. } => {
                "read narrower prefixes as several log sources, or expire old objects"
            }
        };
        Some(help.to_owned())
    }
}
