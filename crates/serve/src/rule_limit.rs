//! How often one rule may match: of a rule that matches everything, so many matches in an hour raise
//! alerts, and one alert more says that the others were held back.
//!
//! # What is promised
//!
//! Matches are counted for each rule and source, in the hour of their events' own time, so that history
//! that is read in one go is not taken for a flood. What one batch hands on to the next is stored in its
//! manifest and is all that is remembered: a process that died goes on as one that did not, and a batch
//! that is made again holds back the same. Correlations are still told of every match.
//!
//! # What is not
//!
//! Only the latest hours are remembered, [`limits::RULE_HOURS_MAX`] of them over all rules: of events
//! from far more hours, in no order, more get through.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use base::{Level, Match, Problem, Reason, Report, RuleInfo, Timestamp, limits};
use lake::batch::RuleHour;
use serde_json::json;

use crate::{
    ServeError,
    happening::{Happening, Observer},
    status::Board,
};

/// The id of the alert's rule. No rule of a project is likely to have it.
pub(crate) const RULE_ID: &str = "dab.rule_limit";

/// For how long what is held back of one rule joins the same alert, in seconds of event time: a day.
const ALERT_WINDOW_SECONDS: u64 = 86_400;

const HOUR_MICROS: i64 = 3_600_000_000;

/// Counts the matches of one source, and holds back what is too much.
#[derive(Debug, Clone)]
pub(crate) struct RuleLimit {
    source: String,
    per_hour: u64,
    /// How often a rule matched, by its id and the hour.
    counts: HashMap<String, BTreeMap<i64, u64>>,
    held: BTreeMap<String, HeldBack>,
}

/// What was held back of one rule in one batch.
#[derive(Debug, Clone)]
pub(crate) struct HeldBack {
    pub(crate) rule: Arc<RuleInfo>,
    pub(crate) source: String,
    per_hour: u64,
    pub(crate) count: u64,
    /// Whether nothing was held back in one of its hours before.
    is_new: bool,
    /// The first of the matches, without what it says.
    first: Match,
    from: Timestamp,
    pub(crate) to: Timestamp,
}

/// What a batch hands on to the next, and what it held back.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    pub(crate) rule_hours: Vec<RuleHour>,
    pub(crate) held_back: Vec<HeldBack>,
}

impl RuleLimit {
    /// Goes on from what the last batch of the source handed on.
    pub(crate) fn new(source: &str, per_hour: u64, rule_hours: &[RuleHour]) -> Self {
        let mut counts: HashMap<String, BTreeMap<i64, u64>> = HashMap::new();
        for known in rule_hours {
            let hours = counts.entry(known.rule.clone()).or_default();
            hours.insert(hour_of(known.hour), known.matches);
        }
        Self { source: source.to_owned(), per_hour, counts, held: BTreeMap::new() }
    }

    /// Goes through the matches from a place on: of those that are too many, only what correlations
    /// ask for is left.
    pub(crate) fn apply(&mut self, matches: &mut Vec<Match>, from: usize) {
        if matches.len() <= from {
            return;
        }
        let found = matches.split_off(from);
        matches.extend(found.into_iter().filter_map(|found| self.admit(found)));
    }

    fn admit(&mut self, found: Match) -> Option<Match> {
        if found.is_silent() {
            return Some(found);
        }
        let count = self.count(&found);
        if count <= self.per_hour {
            return Some(found);
        }
        let is_first = count == self.per_hour + 1;
        match self.held.get_mut(&found.rule.id) {
            Some(held) => held.add(found.time, is_first),
            None => {
                let held = HeldBack::new(self, &found, is_first);
                self.held.insert(found.rule.id.clone(), held);
            }
        }
        found.silenced()
    }

    /// Counts a match. Answers how many there are in its hour.
    fn count(&mut self, found: &Match) -> u64 {
        if !self.counts.contains_key(&found.rule.id) {
            self.counts.insert(found.rule.id.clone(), BTreeMap::new());
        }
        let Some(hours) = self.counts.get_mut(&found.rule.id) else { return 1 };
        let count = hours.entry(hour_of(found.time)).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// Ends a batch, and goes on with what it hands on.
    pub(crate) fn close(&mut self) -> Closed {
        let mut rule_hours = Vec::new();
        for (rule, hours) in &self.counts {
            rule_hours.extend(hours.iter().map(|(hour, matches)| RuleHour {
                rule: rule.clone(),
                hour: Timestamp::from_micros(hour.saturating_mul(HOUR_MICROS)),
                matches: *matches,
            }));
        }
        rule_hours.sort_by(|a, b| {
            let by_use = (b.hour, b.matches).cmp(&(a.hour, a.matches));
            by_use.then_with(|| a.rule.cmp(&b.rule))
        });
        rule_hours.truncate(limits::RULE_HOURS_MAX);
        let held_back = std::mem::take(&mut self.held).into_values().collect();
        *self = Self::new(&self.source, self.per_hour, &rule_hours);
        Closed { rule_hours, held_back }
    }
}

impl HeldBack {
    fn new(limit: &RuleLimit, found: &Match, is_new: bool) -> Self {
        Self {
            rule: Arc::clone(&found.rule),
            source: limit.source.clone(),
            per_hour: limit.per_hour,
            count: 1,
            is_new,
            first: Match {
                rule: Arc::clone(&found.rule),
                time: found.time,
                event_id: Arc::clone(&found.event_id),
                log_source: Arc::clone(&found.log_source),
                reasons: Vec::new(),
                dedup_values: Vec::new(),
                event: "".into(),
                facts: None,
            },
            from: found.time,
            to: found.time,
        }
    }

    fn add(&mut self, time: Timestamp, is_new: bool) {
        self.count += 1;
        self.is_new |= is_new;
        (self.from, self.to) = (self.from.min(time), self.to.max(time));
    }

    fn report(&self) -> Report {
        let limit = ServeError::RuleLimit {
            title: self.rule.title.clone(),
            file: self.rule.file.clone(),
            source_name: self.source.clone(),
            held_back: self.count,
            per_hour: self.per_hour,
        };
        Problem::from(limit).report()
    }

    /// The match that raises an alert about it, or joins one: its batches are told apart by their first
    /// event.
    pub(crate) fn alert(&self) -> Match {
        let (from, to) = (self.from.to_string(), self.to.to_string());
        let reason = |field: &str, test: String, value: String| Reason {
            field: field.into(),
            test: test.into(),
            value,
        };
        Match {
            rule: Arc::new(RuleInfo {
                id: RULE_ID.to_owned(),
                title: format!("A rule matches too much: {}", self.rule.title),
                // Whoever floods a rule may hide behind it.
                level: self.rule.level.max(Level::Medium),
                tags: Vec::new(),
                dedup: vec!["rule".to_owned()],
                dedup_window_seconds: ALERT_WINDOW_SECONDS,
                file: self.rule.file.clone(),
            }),
            reasons: vec![
                reason(
                    "matches in an hour",
                    format!("more than {}", self.per_hour),
                    format!("{} held back, of events from {from} to {to}", self.count),
                ),
                reason(
                    "what to do",
                    "make the rule narrower".to_owned(),
                    "until then it raises so many alerts an hour; `dab backtest` shows all matches"
                        .to_owned(),
                ),
            ],
            dedup_values: vec![self.rule.id.clone()],
            event: json!({
                "rule": self.rule.id,
                "title": self.rule.title,
                "source": self.source,
                "held_back": self.count,
                "matches_per_hour_max": self.per_hour,
                "first_time": from,
                "last_time": to,
            })
            .to_string()
            .into(),
            ..self.first.clone()
        }
    }
}

/// Counts on the board what a committed batch held back, and tells of what is new.
pub(crate) fn note_held_back(board: &Board, observer: &dyn Observer, held_back: &[HeldBack]) {
    for held in held_back {
        board.held_back(held);
        if held.is_new {
            let report = held.report();
            tracing::warn!(source = held.source, problem = %report, "a rule matches too much");
            observer.happened(&Happening::Trouble { source: "rules", report: &report });
        }
    }
}

const fn hour_of(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(HOUR_MICROS)
}

#[cfg(test)]
mod tests;
