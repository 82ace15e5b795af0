//! What can go wrong between a match and a person, named for what to do about it.

use std::time::Duration;

use base::{Code, Explain, StateError};

/// Why deduplicating or delivering did not get done.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The state store can't be reached: hand the same batch again later.
    #[error("alerts can't be deduplicated or sent while the state store is away")]
    Unavailable(#[source] StateError),
    /// Other writers kept changing the same value: hand the same batch again later.
    #[error("the state of `{key}` was changed by other writers {attempts} times in a row")]
    Contended {
        /// The key in the state store.
        key: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A later version of dab wrote the value: nothing is changed until dab is updated.
    #[error("the state of `{key}` has version {version}, this dab reads up to version 1")]
    Newer {
        /// The key in the state store.
        key: String,
        /// Its version.
        version: u32,
    },
    /// The stored value is no JSON of ours.
    #[error("the state of `{key}` can't be read")]
    Malformed {
        /// The key in the state store.
        key: String,
        /// What the parser says.
        #[source]
        cause: serde_json::Error,
    },
    /// A receiver's settings are wrong: put them right, then start again.
    #[error("receiver `{receiver}`: {message}")]
    Settings {
        /// The receiver's name.
        receiver: String,
        /// What is wrong with which setting.
        message: String,
    },
    /// The HTTP client can't be set up on this machine.
    #[error("the HTTP client can't be set up: {message}")]
    Client {
        /// What the library says.
        message: String,
    },
    /// A notification was given up and moved to `dead/`.
    #[error("receiver `{receiver}` did not take alert `{alert_id}` in {attempts} attempts: {last}")]
    GivenUp {
        /// The receiver's name.
        receiver: String,
        /// The alert.
        alert_id: String,
        /// How often it was tried.
        attempts: u32,
        /// The last failure.
        last: String,
    },
}

impl From<StateError> for NotifyError {
    fn from(error: StateError) -> Self {
        Self::Unavailable(error)
    }
}

impl Explain for NotifyError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Unavailable(_) => "DAB0601",
            Self::Contended { .. } => "DAB0602",
            Self::Newer { .. } => "DAB0603",
            Self::Malformed { .. } => "DAB0604",
            Self::Settings { .. } => "DAB0605",
            Self::Client { .. } => "DAB0606",
            Self::GivenUp { .. } => "DAB0607",
        })
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => Some("run the dab version that wrote it, or a later one".into()),
            Self::Client { .. } => {
                Some("install the system's root certificates (`ca-certificates`)".into())
            }
            Self::Unavailable(_)
            | Self::Contended { .. }
            | Self::Malformed { .. }
            | Self::Settings { .. }
            | Self::GivenUp { .. } => None,
        }
    }
}

/// Why a receiver did not take a notification. The message never holds a secret or a URL's path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may work later: try again, not before `after` if that is given.
    #[error("{message}")]
    Retry {
        /// What happened.
        message: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// It will not work later either: a person must act.
    #[error("{message}")]
    Refused {
        /// What happened.
        message: String,
    },
}
