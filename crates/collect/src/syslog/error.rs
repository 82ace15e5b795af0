//! What goes wrong with a listener for syslog and its senders.

use std::{fmt, io};

use base::{Code, Explain};

/// What goes wrong with a listener for syslog and its senders.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// The address can't be listened on.
    #[error("syslog can't be taken in on `{address}`")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What TLS needs is not there, or is not good.
    #[error("TLS can't be spoken on `{address}`: {reason}")]
    Tls {
        /// The address.
        address: String,
        /// What is wrong.
        reason: String,
    },
    /// A sender's connection can't be used, or broke.
    #[error("the connection from {sender} failed: {reason}")]
    Connection {
        /// Its address.
        sender: String,
        /// How.
        reason: String,
    },
    /// All connections that may be are open.
    #[error("{connections_max} senders are connected: others wait")]
    Full {
        /// The limit.
        connections_max: usize,
    },
    /// A sender sends more than it may, over UDP.
    #[error("{sender} sends more than it may: what is too much was dropped")]
    Rate {
        /// Its address.
        sender: String,
    },
    /// A message is too long.
    #[error("a message from {sender} is longer than {bytes_max} bytes, and is stored in pieces")]
    TooLong {
        /// Its address.
        sender: String,
        /// The limit.
        bytes_max: usize,
    },
    /// A connection ended inside a message.
    #[error("the connection from {sender} ended inside a message: its beginning is stored")]
    CutOff {
        /// Its address.
        sender: String,
    },
    /// Messages could not be stored before the end.
    #[error("{bytes} bytes of messages could not be stored, and are lost: {reason}")]
    Lost {
        /// How many bytes.
        bytes: usize,
        /// Why.
        reason: String,
    },
}

impl Explain for SyslogError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Listen { .. } => "DAB0327",
            Self::Tls { .. } => "DAB0328",
            Self::Connection { .. } => "DAB0329",
            Self::Full { .. } => "DAB0330",
            Self::Rate { .. } => "DAB0331",
            Self::TooLong { .. } => "DAB0332",
            Self::CutOff { .. } => "DAB0333",
            Self::Lost { .. } => "DAB0334",
        })
    }

    fn help(&self) -> Option<String> {
        Some(
            match self {
                Self::Listen { .. } => {
                    "choose another address for `listen`; ports below 1024 need a privilege"
                }
                Self::Tls { .. } => "see `certificate`, `key` and `client_ca` of the listener",
                Self::Connection { .. } => {
                    "see that the sender speaks what `listen` says (`tcp` or `tls`), and trusts its \
                     certificate"
                }
                Self::Full { .. } => "raise `connections_max` of the listener, or find who connects",
                Self::Rate { .. } => {
                    "raise the listener's limits, or let it send over TCP, which can wait"
                }
                Self::TooLong { .. } => "raise `message_bytes_max` of the listener",
                Self::CutOff { .. } => "see why the sender or the network ended the connection",
                Self::Lost { .. } => {
                    "see what kept the lake from being written; a sender can't be asked again"
                }
            }
            .to_owned(),
        )
    }
}

/// A trouble, and how often there was one of its kind since they were last asked for.
#[derive(Debug)]
pub struct SyslogTrouble {
    /// The latest.
    pub error: SyslogError,
    /// How many of its kind.
    pub times: u64,
}

impl fmt::Display for SyslogTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if self.times > 1 { write!(f, " ({} times of late)", self.times) } else { Ok(()) }
    }
}

impl std::error::Error for SyslogTrouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl Explain for SyslogTrouble {
    fn code(&self) -> Code {
        self.error.code()
    }

    fn help(&self) -> Option<String> {
        self.error.help()
    }
}
