//! What goes wrong with announcements.

use base::{Code, Explain, HttpFailure, HttpReply, Place, limits};

/// Why an announcement could not be had, or used.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// The queue does not answer, or is broken. It is tried again.
    #[error("the queue gives no announcements: {reason}")]
    Unavailable {
        /// The queue.
        queue: String,
        /// What happened.
        reason: String,
    },
    /// The queue refuses.
    #[error("the queue refuses with {status}{answer}")]
    Refused {
        /// The queue.
        queue: String,
        /// The status.
        status: u16,
        /// What it says.
        answer: String,
    },
    /// A message is none that is known.
    #[error("the message announces no object: {reason}")]
    Malformed {
        /// Where it came from.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An object is announced that the source does not read.
    #[error("an object is announced that is not below {location}")]
    Elsewhere {
        /// The object.
        object: String,
        /// What the source reads.
        location: String,
    },
    /// An announced object is not there any more.
    #[error("an announced object is gone")]
    Gone {
        /// The object.
        object: String,
    },
    /// An announced object can't be read, again and again.
    #[error(
        "an announced object can't be read, after {} tries: {reason}",
        limits::ANNOUNCED_TRIES_MAX
    )]
    Unreadable {
        /// The object.
        object: String,
        /// What the store says.
        reason: String,
    },
    /// A pushed announcement does not prove who sent it.
    #[error("the request does not prove that it comes from Pub/Sub: {reason}")]
    Unproven {
        /// What is wrong with its token.
        reason: String,
    },
    /// The keys that tokens are signed with can't be had now.
    #[error("the keys of tokens can't be fetched: {reason}")]
    NoKeys {
        /// What happened.
        reason: String,
    },
}

impl AnnounceError {
    pub(super) fn no_answer(queue: &str, failure: &HttpFailure) -> Self {
        Self::Unavailable { queue: queue.to_owned(), reason: failure.to_string() }
    }

    /// What an answer that is none of success means.
    pub(super) fn of_reply(queue: &str, reply: &HttpReply) -> Self {
        let said = String::from_utf8_lossy(&reply.body);
        let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = said.chars().take(limits::PULL_ANSWER_CHARS_MAX).collect();
        let answer = if said.is_empty() { String::new() } else { format!(": {said}") };
        let (queue, status) = (queue.to_owned(), reply.status);
        if status == 429 || status >= 500 {
            return Self::Unavailable { queue, reason: format!("it answered {status}{answer}") };
        }
        Self::Refused { queue, status, answer }
    }
}

impl Explain for AnnounceError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Unavailable { .. } => "DAB0336",
            Self::Refused { .. } => "DAB0337",
            Self::Malformed { .. } => "DAB0338",
            Self::Elsewhere { .. } => "DAB0339",
            Self::Gone { .. } => "DAB0340",
            Self::Unreadable { .. } => "DAB0341",
            Self::Unproven { .. } => "DAB0342",
            Self::NoKeys { .. } => "DAB0343",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Unavailable { queue: at, .. }
            | Self::Refused { queue: at, .. }
            | Self::Malformed { origin: at, .. }
            | Self::Elsewhere { object: at, .. }
            | Self::Gone { object: at }
            | Self::Unreadable { object: at, .. } => Some(Place::Object(at.clone())),
            Self::Unproven { .. } | Self::NoKeys { .. } => None,
        }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Unavailable { .. } => {
                "it is tried again by itself; until then, listing finds objects"
            }
            Self::Refused { .. } => {
                "see that the queue exists, and that dab may receive and delete there"
            }
            Self::Malformed { .. } => "let only the bucket's own notifications into this queue",
            Self::Elsewhere { .. } => {
                "give each source a queue of its own, with the prefix that it reads"
            }
            Self::Gone { .. } => "keep objects for longer than dab may be away",
            Self::Unreadable { .. } => {
                "see that dab may read it; listing reads it once it can be read"
            }
            Self::Unproven { .. } => "compare `audience` and `email` with the subscription's own",
            Self::NoKeys { .. } => "see that `keys_url` can be reached from here",
        };
        Some(help.to_owned())
    }
}
