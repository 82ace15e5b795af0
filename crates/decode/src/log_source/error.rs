//! Mistakes in a log source's file.

use base::{Code, Explain, Place};

/// A mistake in a log source's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The file is not YAML.
    #[error("{message}")]
    Yaml {
        /// What the YAML parser says.
        message: String,
        /// Where.
        place: Place,
    },
    /// A key that does not exist.
    #[error("unknown key `{key}`{context}")]
    UnknownKey {
        /// The key.
        key: String,
        /// Where keys are looked for, such as " in time"; empty at the top.
        context: String,
        /// The most similar key that exists, or all of them.
        help: String,
        /// Where.
        place: Place,
    },
    /// A value that is missing, of the wrong kind or out of range.
    #[error("{message}")]
    Value {
        /// What is wrong with it.
        message: String,
        /// What to write.
        help: Option<String>,
        /// Where.
        place: Place,
    },
    /// A regular expression that does not compile.
    #[error("{message}")]
    Pattern {
        /// What is wrong with it.
        message: String,
        /// What to write.
        help: Option<String>,
        /// Where.
        place: Place,
    },
}

impl DecodeError {
    pub(crate) fn pattern(error: &regex::Error, place: Place) -> Self {
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        let message = format!("the regular expression does not compile: {last}");
        let help = "look-around and back-references are not supported".to_owned();
        let looks = text.contains("look-around") || text.contains("backreference");
        Self::Pattern { message, help: looks.then_some(help), place }
    }
}

impl Explain for DecodeError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Yaml { .. } => "DAB0301",
            Self::UnknownKey { .. } => "DAB0302",
            Self::Value { .. } => "DAB0303",
            Self::Pattern { .. } => "DAB0304",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Yaml { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::Value { place, .. }
            | Self::Pattern { place, .. } => Some(place.clone()),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Yaml { .. } => None,
            Self::UnknownKey { help, .. } => Some(help.clone()),
            Self::Value { help, .. } | Self::Pattern { help, .. } => help.clone(),
        }
    }
}
