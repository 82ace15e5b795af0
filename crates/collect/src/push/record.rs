//! What clients push, protocol by protocol, brought into one form.

use std::{borrow::Cow, fmt};

use base::{Code, Explain, Place, limits};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// One record as a client pushed it, before anybody knows which log source it is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pushed<'a> {
    /// What the client calls records of this kind, the most telling name first: a sourcetype, an index,
    /// the name of a service.
    pub names: Vec<String>,
    /// What the client says beside the record: members of a JSON object, without its braces.
    pub about: String,
    /// The record itself.
    pub record: Record<'a>,
}

/// The record itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Record<'a> {
    /// There is none: all that the client has to say is beside it.
    #[default]
    None,
    /// Text, unescaped. It may have several lines.
    Text(Cow<'a, str>),
    /// A JSON value, as it was written.
    Json(Cow<'a, str>),
}

/// Why a request can't be understood. Nothing of it is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// It is not what its protocol says.
    #[error("the request is no {protocol}: {reason}")]
    Malformed {
        /// The protocol.
        protocol: &'static str,
        /// What is wrong.
        reason: String,
        /// Which of its records is wrong, counting from 0.
        record: usize,
    },
    /// A record that has to be there is not, or is blank.
    #[error("the event {} is {}", .record, if *.is_blank { "blank" } else { "missing" })]
    NoEvent {
        /// Which of its records, counting from 0.
        record: usize,
        /// It is there, but says nothing.
        is_blank: bool,
    },
    /// It holds no record.
    #[error("the {protocol} holds no record")]
    NoData {
        /// The protocol.
        protocol: &'static str,
    },
    /// It holds too many records.
    #[error("the request holds more than {records_max} records")]
    TooMany {
        /// The limit.
        records_max: usize,
    },
}

impl Explain for PushError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Malformed { .. } | Self::NoEvent { .. } | Self::NoData { .. } => "DAB0323",
            Self::TooMany { .. } => "DAB0324",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Malformed { record, .. } | Self::NoEvent { record, .. } => {
                Some(Place::Object(format!("request body, record {record}")))
            }
            Self::NoData { .. } | Self::TooMany { .. } => None,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Malformed { .. } => {
                "nothing of the request was stored: mend the client, and send it again".to_owned()
            }
            Self::NoEvent { .. } => "give every record an `event` that says something".to_owned(),
            Self::NoData { .. } => "send at least one record".to_owned(),
            Self::TooMany { .. } => "send smaller batches".to_owned(),
        })
    }
}

impl PushError {
    pub(super) fn malformed(
        protocol: &'static str,
        record: usize,
        reason: impl fmt::Display,
    ) -> Self {
        Self::Malformed { protocol, reason: reason.to_string(), record }
    }
}

/// # Errors
/// If the request holds more records than one may.
pub(super) fn check_count(records: usize) -> Result<(), PushError> {
    let records_max = limits::PUSH_RECORDS_MAX;
    if records > records_max { Err(PushError::TooMany { records_max }) } else { Ok(()) }
}

/// The members of a JSON object, in order, repeats kept, each value as it was written.
#[derive(Debug)]
pub struct Members<'a>(pub Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Members<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(entry) = entries.next_entry::<String, &'de RawValue>()? {
            members.push(entry);
        }
        Ok(Members(members))
    }
}

/// Adds a member to those of an object.
pub(super) fn add_member(members: &mut String, key: &str, json: &str) {
    if !members.is_empty() {
        members.push(',');
    }
    members.push_str(&quoted(key));
    members.push(':');
    members.push_str(json);
}

/// Text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    // Text always serializes.
    serde_json::to_string(text).unwrap_or_default()
}

/// The text of a JSON string.
pub(super) fn text_of(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}
