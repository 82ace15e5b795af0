//! Searches that are kept under a name, with what they can be asked with.
//!
//! Files of a project hold them as YAML, the lake as JSON: both have this form, which says its
//! version.

use std::collections::BTreeMap;

use base::{Code, Explain, Place, StateError};
use serde::{Deserialize, Serialize};

use super::{
    error::{QueryError, nearest},
    params::{ParameterType, Values, asked},
    search,
};

/// How many characters a name has at most, and how many parameters a search.
const NAME_CHARS_MAX: usize = 64;

/// A search, or a query in SQL, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedSearch {
    /// The version of this form: 1.
    #[serde(default = "one")]
    pub version: u32,
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
    /// What it can be asked with, by the names that stand in it as `${name}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// The search line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// The SQL, where it is no search line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
}

const fn one() -> u32 {
    1
}

/// A value that a saved search is asked with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// What it must be.
    #[serde(rename = "type", default)]
    pub kind: ParameterType,
    /// What it means.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What it is where nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

/// What is wrong with a saved search, or with how it is asked.
#[derive(Debug, thiserror::Error)]
pub enum SavedSearchError {
    /// It is not as it should be.
    #[error("the saved search `{name}` can't be used: {message}")]
    Wrong {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// A value is missing, unknown, or not of its type.
    #[error("`@{name}` can't be asked so: {message}")]
    Asked {
        /// Its name.
        name: String,
        /// What is wrong.
        message: String,
        /// What to write.
        help: String,
    },
    /// There is none of that name.
    #[error("there is no saved search `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// The name that was perhaps meant.
        near: Option<String>,
    },
    /// The lake does not say what it has.
    #[error("the searches that the lake keeps can't be read or written")]
    Unreachable(#[from] StateError),
    /// There is one of that name, and it was not said that it may be replaced.
    #[error("there is a saved search `{name}` already")]
    Taken {
        /// The name.
        name: String,
    },
}

impl Explain for SavedSearchError {
    fn code(&self) -> Code {
        Code(match self {
            Self::Wrong { .. } => "DAB0550",
            Self::Asked { .. } => "DAB0551",
            Self::Unknown { .. } => "DAB0552",
            Self::Taken { .. } => "DAB0553",
            Self::Unreachable(_) => "DAB0554",
        })
    }

    fn place(&self) -> Option<Place> {
        None
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Wrong { .. } => None,
            Self::Asked { help, .. } => Some(help.clone()),
            Self::Unknown { near: Some(near), .. } => Some(format!("did you mean `{near}`?")),
            Self::Unknown { near: None, .. } => {
                Some("run `dab searches list` to see which there are".to_owned())
            }
            Self::Unreachable(_) => Some("try again in a while".to_owned()),
            Self::Taken { .. } => Some("take another name, or add `--replace`".to_owned()),
        }
    }
}

impl SavedSearchError {
    /// That there is no search of this name among these.
    #[must_use]
    pub fn unknown<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let near = nearest(name, names).map(str::to_owned);
        Self::Unknown { name: name.to_owned(), near }
    }
}

impl SavedSearch {
    /// Whether it can be used: its name, its parameters, and the line itself.
    ///
    /// # Errors
    ///
    /// Says what is wrong.
    pub fn check(&self) -> Result<(), SavedSearchError> {
        let wrong = |message: String| SavedSearchError::Wrong { name: self.name.clone(), message };
        if self.version != 1 {
            return Err(wrong(format!("its `version` is {}, and this dab knows 1", self.version)));
        }
        if !is_search_name(&self.name) {
            return Err(wrong("a name has 1 to 64 letters, digits, `_` and `-`".to_owned()));
        }
        let text = match (&self.search, &self.sql) {
            (Some(text), None) | (None, Some(text)) => text,
            _ => return Err(wrong("it needs either `search` or `sql`".to_owned())),
        };
        let asked = asked(text);
        if let Some(name) = asked.iter().find(|name| !self.parameters.contains_key(**name)) {
            return Err(wrong(format!("`${{{name}}}` is not among its `parameters`")));
        }
        for (name, parameter) in &self.parameters {
            if !asked.contains(&name.as_str()) {
                return Err(wrong(format!("the parameter `{name}` does not stand in it")));
            }
            if let Some(expected) =
                parameter.default.as_deref().and_then(|value| parameter.kind.refuses(value))
            {
                return Err(wrong(format!("the default of `{name}` is not {expected}")));
            }
        }
        let example = |kind: ParameterType| match kind {
            ParameterType::Text | ParameterType::Pattern | ParameterType::Name => "x",
            ParameterType::Number => "1",
            ParameterType::Time => "2026-01-01",
            ParameterType::Ip => "10.0.0.1",
            ParameterType::Network => "10.0.0.0/8",
        };
        let values = self.parameters.iter().map(|(name, parameter)| {
            let value = parameter.default.clone();
            let value = value.unwrap_or_else(|| example(parameter.kind).to_owned());
            (name.clone(), (parameter.kind, value))
        });
        let values = Values(values.collect());
        let checked = match &self.search {
            Some(line) => search::parse_with(line, &values).map(|_| ()),
            None => values.in_sql(text).map(|_| ()).map_err(|(message, _)| QueryError::Plan {
                message,
                at: None,
                help: None,
            }),
        };
        checked.map_err(|error| wrong(error.to_string()))
    }

    /// The values that it is asked with, as `name=value`.
    ///
    /// # Errors
    ///
    /// If one is missing, unknown, said twice or not of its type.
    pub fn values(&self, said: &[String]) -> Result<Values, SavedSearchError> {
        let wrong = |message: String| {
            let usage = self.parameters.keys().map(|name| format!(" {name}=…"));
            let help = format!("write `dab search @{}{}`", self.name, usage.collect::<String>());
            SavedSearchError::Asked { name: self.name.clone(), message, help }
        };
        let mut values = BTreeMap::new();
        for one in said {
            let Some((name, value)) = one.split_once('=') else {
                return Err(wrong(format!("`{one}` is no `name=value`")));
            };
            let Some(parameter) = self.parameters.get(name) else {
                let near = nearest(name, self.parameters.keys().map(String::as_str));
                let near = near.map(|near| format!("; did you mean `{near}`?"));
                return Err(wrong(format!(
                    "it has no parameter `{name}`{}",
                    near.unwrap_or_default()
                )));
            };
            if let Some(expected) = parameter.kind.refuses(value) {
                return Err(wrong(format!("`{name}` must be {expected}, not `{value}`")));
            }
            let value = (parameter.kind, value.to_owned());
            if values.insert(name.to_owned(), value).is_some() {
                return Err(wrong(format!("`{name}` is said twice")));
            }
        }
        for (name, parameter) in &self.parameters {
            if values.contains_key(name) {
                continue;
            }
            let Some(default) = &parameter.default else {
                return Err(wrong(format!("`{name}` is missing")));
            };
            values.insert(name.clone(), (parameter.kind, default.clone()));
        }
        Ok(Values(values))
    }
}

/// Whether a text can name a saved search.
#[must_use]
pub fn is_search_name(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_word)
}
