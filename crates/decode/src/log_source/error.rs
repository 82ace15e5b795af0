//! Mistakes in a log source's file.

use base::{Code, Explain, Place};

use crate::remap::Mistake;

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
    /// A lookup table or a column of it that is not there.
    #[error("{}", unknown_lookup(table, column.as_deref()))]
    UnknownLookup {
        /// The table.
        table: String,
        /// The column, if the table is there.
        column: Option<String>,
        /// The tables that are there, or the columns.
        known: Vec<String>,
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

fn unknown_lookup(table: &str, column: Option<&str>) -> String {
    match column {
        None => format!("there is no lookup table `{table}`"),
        Some(column) => format!("the lookup table `{table}` has no column `{column}`"),
    }
}

impl DecodeError {
    pub(crate) fn program(mistakes: Vec<Mistake>, log_source: &str) -> Vec<Self> {
        let place = || Place::Object(format!("log source {log_source}"));
        let error = |Mistake { message, help, .. }| Self::Value { message, help, place: place() };
        mistakes.into_iter().map(error).collect()
    }

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
            Self::UnknownLookup { .. } => "DAB0414",
        })
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Yaml { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::Value { place, .. }
            | Self::Pattern { place, .. }
            | Self::UnknownLookup { place, .. } => Some(place.clone()),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Yaml { .. } => None,
            Self::UnknownKey { help, .. } => Some(help.clone()),
            Self::UnknownLookup { table, column: None, known, .. } => {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let similar = super::read::similar(table, &known);
                let declare = "declare it under `lookups` in a file beside the rules";
                Some(similar.unwrap_or_else(|| declare.to_owned()))
            }
            Self::UnknownLookup { known, .. } => {
                Some(format!("its columns are {}", known.join(", ")))
            }
            Self::Value { help, .. } | Self::Pattern { help, .. } => help.clone(),
        }
    }
}
