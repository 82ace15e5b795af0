//! What a detection says: a match, and the alert that matches raise.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// How bad it is if it is true: Sigma's five levels.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth recording, nobody needs to look.
    Informational,
    /// Rarely worth a look.
    Low,
    /// To be looked at when there is time. What a rule without a level has.
    #[default]
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl Level {
    /// The word that rules use for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What a match tells of the detection that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// The rule's `id`, or its file name where it has none.
    pub id: String,
    /// Its `title`.
    pub title: String,
    /// Its `level`.
    pub level: Level,
    /// Its `tags`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The fields whose values tell one alert from the next.
    #[serde(default)]
    pub dedup: Vec<String>,
    /// For how long a repeat joins the alert instead of raising another, in seconds.
    pub dedup_window_seconds: u64,
    /// The file it was loaded from, relative to the rules folder.
    #[serde(default)]
    pub file: String,
}

/// A test that held, and the value it held for: why a rule matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The field's name; empty for a search in all fields.
    pub field: Arc<str>,
    /// The test in a reader's words, such as `endswith '\lsass.exe'`.
    pub test: Arc<str>,
    /// The event's value, cut at [`crate::limits::REASON_VALUE_CHARS_MAX`].
    pub value: String,
}

/// One detection holding for one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Match {
    /// The detection. All its matches share this.
    pub rule: Arc<RuleInfo>,
    /// The event's time.
    pub time: Timestamp,
    /// The event's id. All its matches share this, as its other texts.
    pub event_id: Arc<str>,
    /// The event's log source, which is also the name of its table.
    pub log_source: Arc<str>,
    /// Why it matched.
    pub reasons: Vec<Reason>,
    /// The values of the rule's `dedup` fields, in the rule's order; absent fields are empty.
    pub dedup_values: Vec<String>,
    /// The source's own fields as JSON.
    pub event: Arc<str>,
    /// What correlations ask of it; `None` if none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Box<Facts>>,
}

impl Match {
    /// Whether it is there for correlations alone: it raises no alert and is no row of a table, and
    /// has neither reasons nor the event.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.facts.as_ref().is_some_and(|facts| facts.is_silent)
    }

    /// Leaves of it what correlations ask for: see [`Match::is_silent`]. `None` if they ask for
    /// nothing.
    #[must_use]
    pub fn silenced(mut self) -> Option<Self> {
        self.facts.as_mut()?.is_silent = true;
        (self.reasons, self.dedup_values, self.event) = (Vec::new(), Vec::new(), "".into());
        Some(self)
    }
}

/// What correlations ask of a match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// See [`Match::is_silent`].
    #[serde(default)]
    pub is_silent: bool,
    /// The fields asked for that the event has.
    #[serde(default)]
    pub fields: Vec<Fact>,
}

/// A field that a correlation asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Its name, as the correlation calls it.
    pub name: String,
    /// Its values as text: one, or the members of a list.
    pub values: Vec<String>,
}

/// What matches raise: one for each rule and each set of `dedup` values within a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The same for all matches that belong to it.
    pub id: String,
    /// When it was raised.
    pub raised_time: Timestamp,
    /// The first match.
    pub first_match: Match,
}
