//! What rules would have found in events that are stored already, and the alerts they would have
//! raised.
//!
//! The matcher is the one that runs in the stream, and so is deduplication. Does no I/O: whoever
//! has the events hands them over, in any order.

mod report;
mod tables;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::ControlFlow,
    sync::Arc,
};

use base::{Clause, Event, FieldPath, Match, RuleInfo, Timestamp, limits};
use decode::{DecodeError, Decoder};
use detect::{Correlation, Correlator, Engine, Matcher, Rule};
use notify::{BatchKey, Decision};

use crate::Project;

pub use report::{Outcome, RuleOutcome, Spent};

/// Rules on trial.
#[derive(Debug)]
pub struct Backtest {
    matcher: Engine,
    /// All of the project: they know each other by their places.
    correlations: Vec<Arc<Correlation>>,
    /// The rules and correlations whose matches are told.
    told: Vec<RuleInfo>,
    sources: BTreeMap<String, Source>,
    tables: Vec<TableReads>,
    found: Vec<Match>,
}

/// A log source whose events are looked at.
#[derive(Debug)]
struct Source {
    decoder: Decoder,
    normalized: Vec<FieldPath>,
}

/// What must be read of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReads {
    /// The table; `None`: every table that holds events.
    pub table: Option<String>,
    /// The fields that decide, by their names; `None`: all of them.
    pub fields: Option<BTreeSet<String>>,
    /// What the events have that a rule may match: one of these ways, each of which is met if all
    /// its clauses are. `None`: nothing is known.
    pub ways: Option<Vec<Vec<Clause>>>,
}

impl Backtest {
    /// Puts the rules and correlations of a [part](Project::part) of a project on trial, over the
    /// project's log sources; and, for the correlations, the rules that they stand on.
    ///
    /// # Errors
    /// If a log source can't be compiled, which loading it has ruled out.
    pub fn new(project: &Project, part: &Project) -> Result<Self, Vec<DecodeError>> {
        let rules = on_trial(project, part);
        let told = part.rules.iter().map(|rule| &rule.info);
        let told = told.chain(part.correlations.iter().map(|one| &one.info)).cloned().collect();
        let routes = project
            .log_sources
            .iter()
            .map(|source| (source.name.clone(), source.sigma.clone()))
            .collect::<BTreeMap<_, _>>();
        let mut sources = BTreeMap::new();
        for source in &project.log_sources {
            let normalized = source.normalized_columns().into_iter().map(|(path, _)| path);
            let normalized = normalized.collect();
            let decoder = Decoder::new(source.clone())?;
            sources.insert(source.name.clone(), Source { decoder, normalized });
        }
        Ok(Self {
            tables: tables::tables(&project.log_sources, &rules),
            matcher: Engine::new(rules, &routes),
            correlations: project.correlations.clone(),
            told,
            sources,
            found: Vec::new(),
        })
    }

    /// What must be read.
    #[must_use]
    pub fn tables(&self) -> &[TableReads] {
        &self.tables
    }

    /// The paths that a log source normalizes to.
    #[must_use]
    pub fn normalized(&self, log_source: &str) -> &[FieldPath] {
        self.sources.get(log_source).map(|source| source.normalized.as_slice()).unwrap_or_default()
    }

    /// Looks at an event. `is_whole`: all its fields are there, not only those that were asked for.
    /// Breaks off when there are more matches than are kept.
    pub fn take(&mut self, mut event: Event<'_>, is_whole: bool) -> ControlFlow<()> {
        if is_whole && let Some(source) = self.sources.get(event.log_source) {
            give_back(&mut event, source);
        }
        let before = self.found.len();
        self.matcher.evaluate(&event, &mut self.found);
        for found in self.found.iter_mut().skip(before) {
            // The lake has the event; a million of them would not fit.
            found.event = "".into();
        }
        if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_full(&self) -> bool {
        self.found.len() >= limits::BACKTEST_MATCHES_MAX
    }

    /// What was found until `now`, and the alerts that it would have raised.
    #[must_use]
    pub fn finish(mut self, now: Timestamp) -> Outcome {
        let is_cut = self.is_full();
        self.found.sort_by(order);
        // An event that was stored twice is one event.
        self.found.dedup_by(|a, b| a.event_id == b.event_id && a.rule.id == b.rule.id);
        let mut correlator = Correlator::new(&self.correlations);
        // Stored events have no clock but their own times.
        let mut correlated = correlator.process(&self.found, Timestamp::MAX);
        correlated.extend(correlator.settle());
        let ids: HashSet<&str> = self.told.iter().map(|info| info.id.as_str()).collect();
        let found = self.found.into_iter().chain(correlated);
        let found = found.filter(|found| ids.contains(found.rule.id.as_str()));
        let (silent, mut loud): (Vec<_>, Vec<_>) = found.partition(Match::is_silent);
        loud.sort_by(order);
        let decisions = decide(&loud, now);
        let mut outcome =
            Outcome::new(self.told, &silent, loud.into_iter().zip(decisions).collect());
        outcome.add_errors(self.matcher.errors());
        outcome.is_cut = is_cut;
        outcome
    }
}

/// The rules of the part, and those that its correlations stand on, in the order of the project.
fn on_trial(project: &Project, part: &Project) -> Vec<Arc<Rule>> {
    let mut wanted: HashSet<&str> = part.rules.iter().map(|rule| rule.info.id.as_str()).collect();
    wanted.extend(part.correlations.iter().map(|one| one.info.id.as_str()));
    // Those that others stand on come first.
    for correlation in project.correlations.iter().rev() {
        if wanted.contains(correlation.info.id.as_str()) {
            wanted.extend(correlation.rules());
        }
    }
    let rules = project.rules.iter().filter(|rule| wanted.contains(rule.info.id.as_str()));
    rules.map(Arc::clone).collect()
}

fn order(a: &Match, b: &Match) -> std::cmp::Ordering {
    (a.time, &a.event_id, &a.rule.id).cmp(&(b.time, &b.event_id, &b.rule.id))
}

/// A field of the source's own may stand in the column of a normalized one that has no value: what
/// normalizing does not give is the source's own.
fn give_back(event: &mut Event<'_>, source: &Source) {
    let normalized = source.decoder.normalize(&event.fields);
    for path in &source.normalized {
        if normalized.get_path(path).is_some() {
            continue;
        }
        if let Some(value) = event.normalized.get_path(path).cloned() {
            event.fields.set_path(path, value);
        }
    }
}

/// What deduplication makes of the matches, each in its turn.
fn decide(found: &[Match], now: Timestamp) -> Vec<Decision> {
    let batch = BatchKey { source: "backtest".to_owned(), number: 1 };
    let mut keys: BTreeMap<(&str, &[String]), Vec<usize>> = BTreeMap::new();
    for (index, hit) in found.iter().enumerate() {
        keys.entry((&hit.rule.id, &hit.dedup_values)).or_default().push(index);
    }
    let mut decisions = vec![None; found.len()];
    for members in keys.values() {
        let hits: Vec<&Match> = members.iter().filter_map(|index| found.get(*index)).collect();
        let (decided, _) = notify::decide(None, &hits, &batch, now);
        for (index, decision) in members.iter().zip(decided) {
            if let Some(slot) = decisions.get_mut(*index) {
                *slot = Some(decision);
            }
        }
    }
    decisions.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
