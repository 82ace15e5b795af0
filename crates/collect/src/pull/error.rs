//! What can go wrong while an API is pulled, named for what to do about it.

use std::time::Duration;

use base::{Code, Explain, Place, limits};

/// Why something could not be pulled. No message holds a secret, a query, or an event.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PullError {
    /// The file of a pull is not written as it should be.
    #[error("{message}")]
    Form {
        /// What is wrong.
        message: String,
        /// What to write.
        help: Option<String>,
        /// Where.
        place: Place,
    },
    /// A value in the file of a pull makes no sense.
    #[error("{message}")]
    Value {
        /// What is wrong.
        message: String,
        /// What to write.
        help: String,
        /// The file.
        file: String,
    },
    /// There is no pull of this name.
    #[error("there is no pull `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// What the settings say of a pull is not what its file asks for.
    #[error("the pull `{name}`: {message}")]
    Settings {
        /// The pull.
        name: String,
        /// What is wrong.
        message: String,
        /// What to write.
        help: String,
    },
    /// There is no answer. Try again later.
    #[error("{request}: {reason}")]
    NoAnswer {
        /// The request, without its query.
        request: String,
        /// Why.
        reason: String,
    },
    /// The server does not know us, or does not let us.
    #[error("{request}: the server answered {status}{answer}")]
    Forbidden {
        /// The request, without its query.
        request: String,
        /// 401 or 403.
        status: u16,
        /// What the server says, behind `: `.
        answer: String,
    },
    /// The server asks for a pause.
    #[error("{request}: the server asks to wait for {} s", wait.as_secs())]
    Limited {
        /// The request, without its query.
        request: String,
        /// For how long.
        wait: Duration,
    },
    /// The server does not take the request.
    #[error("{request}: the server answered {status}{answer}")]
    Refused {
        /// The request, without its query.
        request: String,
        /// The status.
        status: u16,
        /// What the server says, behind `: `.
        answer: String,
    },
    /// The server has a problem. Try again later.
    #[error("{request}: the server answered {status}{answer}")]
    Broken {
        /// The request, without its query.
        request: String,
        /// The status.
        status: u16,
        /// What the server says, behind `: `.
        answer: String,
    },
    /// The answer is not what the file of the pull says.
    #[error("{request}: the answer is not understood: {reason}")]
    Answer {
        /// The request, without its query.
        request: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer is too large.
    #[error("{request}: the answer has more than {} bytes", limits::PULL_REPLY_BYTES_MAX)]
    TooLarge {
        /// The request, without its query.
        request: String,
    },
    /// The place in the pages is no longer known to the server.
    #[error("{request}: the server no longer knows how far it was read")]
    Expired {
        /// The request, without its query.
        request: String,
    },
    /// The pages don't come to an end.
    #[error("{request}: the pages don't end: {reason}")]
    Endless {
        /// The request, without its query.
        request: String,
        /// How that shows.
        reason: String,
    },
    /// No token was given.
    #[error("{request}: no token was given: {reason}")]
    NoToken {
        /// The request, without its query.
        request: String,
        /// What the server says.
        reason: String,
    },
    /// A private key can't be used.
    #[error("the key `{input}` can't be used: {reason}")]
    Key {
        /// What the key is called in the file of the pull.
        input: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored checkpoint can't be read.
    #[error("the checkpoint of the pull `{name}` can't be read: {reason}")]
    Checkpoint {
        /// The pull.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More events in the overlap than are remembered.
    #[error("the pull `{name}` has more than {} events in its overlap", limits::PULL_IDS_MAX)]
    TooManyIds {
        /// The pull.
        name: String,
    },
    /// This machine's clock and the server's differ.
    #[error("this machine's clock is {seconds} s {direction} the server's")]
    Clock {
        /// By how much.
        seconds: u64,
        /// `ahead of` or `behind`.
        direction: &'static str,
    },
    /// Events that were stored already would be stored again.
    #[error("the pull `{name}` can't tell which events before {began} are stored already")]
    NoIds {
        /// The pull.
        name: String,
        /// From when on it has pulled.
        began: String,
    },
    /// The API no longer has events that were not pulled.
    #[error("the pull `{name}` was away for too long: the API has no events from {from} to {to}")]
    Gone {
        /// The pull.
        name: String,
        /// From when on.
        from: String,
        /// Up to when.
        to: String,
    },
    /// Not every partition that the API names is asked.
    #[error(
        "the pull `{name}` asks {asked} of the partitions that the API names; {left_out} are left out"
    )]
    Partitions {
        /// The pull.
        name: String,
        /// How many are asked.
        asked: usize,
        /// How many are not.
        left_out: usize,
    },
    /// A credential ends soon.
    #[error("the credential of the pull `{name}` ends on {ends}")]
    CredentialEnds {
        /// The pull.
        name: String,
        /// When.
        ends: String,
    },
}

impl PullError {
    /// How long to wait before the same is tried again, at the `tries`-th failure in a row; `None` if
    /// trying the same again is no use.
    #[must_use]
    pub fn wait(&self, tries: u32) -> Option<Duration> {
        match self {
            Self::Limited { wait, .. } => Some(*wait),
            Self::NoAnswer { .. } | Self::Broken { .. } => {
                Some(Duration::from_secs(1_u64 << tries.min(6)))
            }
            _ => None,
        }
    }
}

impl Explain for PullError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Form { .. } => "DAB0350",
            Self::Value { .. } => "DAB0351",
            Self::Unknown { .. } => "DAB0352",
            Self::Settings { .. } => "DAB0353",
            Self::NoAnswer { .. } => "DAB0354",
            Self::Forbidden { .. } => "DAB0355",
            Self::Limited { .. } => "DAB0356",
            Self::Refused { .. } => "DAB0357",
            Self::Broken { .. } => "DAB0358",
            Self::Answer { .. } => "DAB0359",
            Self::TooLarge { .. } => "DAB0360",
            Self::Expired { .. } => "DAB0361",
            Self::Endless { .. } => "DAB0362",
            Self::NoToken { .. } => "DAB0363",
            Self::Key { .. } => "DAB0364",
            Self::Checkpoint { .. } => "DAB0365",
            Self::TooManyIds { .. } => "DAB0366",
            Self::Clock { .. } => "DAB0367",
            Self::NoIds { .. } => "DAB0368",
            Self::CredentialEnds { .. } => "DAB0369",
            Self::Gone { .. } => "DAB0370",
            Self::Partitions { .. } => "DAB0371",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Form { place, .. } => Some(place.clone()),
            Self::Value { file, .. } => Some(Place::Object(file.clone())),
            _ => None,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Form { help, .. } => return help.clone(),
            Self::Value { help, .. } | Self::Settings { help, .. } => help,
            Self::Unknown { known, .. } => return Some(format!("use one of: {known}")),
            Self::NoAnswer { .. } => "see that the address is right and can be reached from here",
            Self::Forbidden { status: 401, .. } => {
                "see that the credential is right and has not ended; `dab pull check` tries it"
            }
            Self::Forbidden { .. } => "give the credential the permissions that the guide names",
            Self::Limited { .. } => {
                "let it ask less often (`every`) if this happens again and again"
            }
            Self::Refused { .. } => "see what the server says; `dab pull check` asks again",
            Self::Broken { .. } => "it is tried again by itself",
            Self::Answer { .. } => {
                "compare `records` in the file of the pull with what the API answers"
            }
            Self::TooLarge { .. } => "ask for fewer events on a page, or a shorter `window.max`",
            Self::Expired { .. } => {
                "it goes on by time by itself, and drops what it has already; let it ask more often"
            }
            Self::Endless { .. } => {
                "compare `paging` in the file of the pull with the API's manual"
            }
            Self::NoToken { .. } => {
                "see that the client, its secret or key and its scopes are right"
            }
            Self::Key { .. } => {
                "give an RSA key as PEM (PKCS #8 or PKCS #1), or the whole JSON file"
            }
            Self::Checkpoint { .. } => {
                "use the dab that wrote it or a newer one, or give the source another name"
            }
            Self::TooManyIds { .. } => {
                "shorten `window.overlap`, or split the pull by its partitions"
            }
            Self::Clock { .. } => "let this machine's clock be set by NTP",
            Self::NoIds { .. } => {
                "end the range before that time; this API gives its events no ids"
            }
            Self::Gone { .. } => "see whether the vendor's console can export them",
            Self::Partitions { .. } => {
                "name the partitions under `partitions` in the settings, in several pulls"
            }
            Self::CredentialEnds { .. } => "make a new one, and put it where the settings say",
        };
        Some(help.to_owned())
    }
}
