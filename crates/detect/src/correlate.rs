//! Correlations: what many matches mean together.
//!
//! A [`Correlation`] is a document of a rule file (Sigma correlation rules specification 2.0, with
//! the statistics and boolean conditions that pySigma 1 added); the [`Correlator`] runs those of a
//! [`crate::RuleSet`] over the matches of the rules they name. `docs/reference/correlations.md`
//! states their semantics.

mod amount;
mod condition;
mod correlator;
mod group;
mod read;
mod resolve;
mod stored;
mod told;

use base::RuleInfo;

pub use correlator::{Correlator, Counts};
pub(crate) use resolve::resolve;
pub use stored::RestoreError;

use self::condition::Condition;
use crate::rule::Reference;

/// A rule about matches of other rules.
#[derive(Debug)]
pub struct Correlation {
    /// What its matches tell of it.
    pub info: RuleInfo,
    /// Its `name`, by which other correlations may call it.
    pub name: Option<String>,
    /// Its `description`, empty where it has none.
    pub description: String,
    /// Its `status`; empty where it has none.
    pub status: String,
    /// The line it begins on, from 1.
    pub line: u32,
    /// What it looks for.
    pub kind: CorrelationKind,
    /// Its matches are for other correlations alone: they raise no alert.
    pub is_silent: bool,
    /// The rules it names, as it calls them.
    pub(crate) references: Vec<Reference>,
    /// The rules that it names raise alerts of their own too.
    pub(crate) generate: bool,
    pub(crate) group_by: Vec<String>,
    /// Microseconds.
    pub(crate) timespan: i64,
    /// As the document spells it.
    pub(crate) timespan_words: String,
    /// Microseconds.
    pub(crate) lateness: i64,
    pub(crate) condition: Condition,
    pub(crate) aliases: Vec<Alias>,
    /// The rules it names, found. Empty until [`resolve`] has run.
    pub(crate) members: Vec<Member>,
    /// The fields that its matches carry beside those it groups by, from the event that completed
    /// them: other correlations, or its `dedup`, ask for them.
    pub(crate) passed: Vec<String>,
    /// Other correlations are told of its matches.
    pub(crate) is_correlated: bool,
}

/// What a correlation looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrelationKind {
    /// How many events there are.
    EventCount,
    /// How many distinct values a field has.
    ValueCount,
    /// What the values of a field add up to.
    ValueSum,
    /// Their average.
    ValueAvg,
    /// Their median.
    ValueMedian,
    /// The value below which so many percent of them lie.
    ValuePercentile,
    /// Whether all rules matched.
    Temporal,
    /// Whether all rules matched in their order.
    TemporalOrdered,
}

/// A name for fields that different rules call differently.
#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// For each rule, the field.
    pub(crate) fields: Vec<(Reference, String)>,
}

/// A rule that a correlation names.
#[derive(Debug)]
pub(crate) struct Member {
    /// The rule's id.
    pub(crate) id: String,
    pub(crate) title: String,
    /// If it is a correlation, its place in the rule set.
    pub(crate) correlation: Option<usize>,
    /// What it calls the aliases.
    pub(crate) aliases: Vec<(String, String)>,
    /// What it calls the fields of `group_by`, of the condition, and of `passed`.
    pub(crate) group_by: Vec<String>,
    pub(crate) fields: Vec<String>,
    pub(crate) passed: Vec<String>,
}

impl Correlation {
    /// The ids of the rules that it stands on, which may be correlations themselves.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.id.as_str())
    }
}

impl CorrelationKind {
    const ALL: [Self; 8] = [
        Self::EventCount,
        Self::ValueCount,
        Self::ValueSum,
        Self::ValueAvg,
        Self::ValueMedian,
        Self::ValuePercentile,
        Self::Temporal,
        Self::TemporalOrdered,
    ];

    /// The word that rules use for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventCount => "event_count",
            Self::ValueCount => "value_count",
            Self::ValueSum => "value_sum",
            Self::ValueAvg => "value_avg",
            Self::ValueMedian => "value_median",
            Self::ValuePercentile => "value_percentile",
            Self::Temporal => "temporal",
            Self::TemporalOrdered => "temporal_ordered",
        }
    }

    const fn is_temporal(self) -> bool {
        matches!(self, Self::Temporal | Self::TemporalOrdered)
    }

    const fn needs_field(self) -> bool {
        !self.is_temporal() && !matches!(self, Self::EventCount)
    }
}

#[cfg(test)]
mod tests;
