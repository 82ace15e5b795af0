//! What a backtest says: for people, and as JSON lines.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use base::{Day, Match, RuleInfo};
use detect::RuleFailures;
use notify::Decision;
use serde_json::{Value as Json, json};

use crate::trace::cut;

/// What rules found in stored events.
#[derive(Debug)]
pub struct Outcome {
    /// The matches in the order of their times, each with what deduplication made of it.
    pub matches: Vec<(Match, Decision)>,
    /// What each rule found, in the order of the rules.
    pub rules: Vec<RuleOutcome>,
    /// Whether there are more matches than are kept.
    pub is_cut: bool,
}

/// What one rule found.
#[derive(Debug, Clone)]
pub struct RuleOutcome {
    /// The rule.
    pub info: RuleInfo,
    /// How many matches it has that may raise alerts.
    pub matches: u64,
    /// How many it has for correlations alone.
    pub silent: u64,
    /// How many alerts these would have raised.
    pub alerts: u64,
    /// Its matches and alerts by day.
    pub days: BTreeMap<Day, (u64, u64)>,
    /// On what it could not be evaluated.
    pub errors: Option<RuleFailures>,
}

/// What a backtest cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spent {
    /// The tables that were to be read and are not there: nothing was ever taken in for them.
    pub missing: Vec<String>,
    /// How many events of the range were read.
    pub events: u64,
    /// How many of them the rules were asked about: the others lack what every match has.
    pub asked: u64,
    /// How many files the tables have.
    pub files_total: usize,
    /// How many of them were read.
    pub files: usize,
    /// How many bytes were read.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    pub(super) fn new(
        infos: Vec<RuleInfo>,
        silent: &[Match],
        matches: Vec<(Match, Decision)>,
    ) -> Self {
        let rules = infos.into_iter().map(|info| RuleOutcome {
            info,
            matches: 0,
            silent: 0,
            alerts: 0,
            days: BTreeMap::new(),
            errors: None,
        });
        let mut outcome = Self { matches: Vec::new(), rules: rules.collect(), is_cut: false };
        let places = outcome.rules.iter().enumerate().map(|(at, rule)| (rule.info.id.clone(), at));
        let places: HashMap<String, usize> = places.collect();
        let place = |hit: &Match| places.get(&hit.rule.id).copied().unwrap_or(usize::MAX);
        for hit in silent {
            if let Some(rule) = outcome.rules.get_mut(place(hit)) {
                rule.silent += 1;
            }
        }
        for (hit, decision) in &matches {
            let Some(rule) = outcome.rules.get_mut(place(hit)) else { continue };
            let raised = u64::from(decision.is_raise());
            rule.matches += 1;
            rule.alerts += raised;
            let day = rule.days.entry(hit.time.day()).or_default();
            day.0 += 1;
            day.1 += raised;
        }
        outcome.matches = matches;
        outcome
    }

    /// Whether it is all that the rules find: none of the matches is left out, and every rule could
    /// be evaluated on every event.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.is_cut && self.rules.iter().all(|rule| rule.errors.is_none())
    }

    /// Adds what rules could not be evaluated on.
    pub(super) fn add_errors(&mut self, errors: Vec<RuleFailures>) {
        for failures in errors {
            if let Some(rule) = self.rules.iter_mut().find(|one| one.info.id == failures.rule) {
                rule.errors = Some(failures);
            }
        }
    }

    /// The matches that raise an alert, each with how many matches the alert has.
    fn alerts(&self) -> Vec<(&Match, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (_, decision) in &self.matches {
            *counts.entry(decision.alert_id()).or_default() += 1;
        }
        let mut seen = BTreeSet::new();
        self.matches
            .iter()
            .filter(|(_, decision)| decision.is_raise() && seen.insert(decision.alert_id()))
            .map(|(hit, decision)| (hit, counts.get(decision.alert_id()).copied().unwrap_or(1)))
            .collect()
    }

    /// For people: what each rule found by day, the alerts, and what it cost. `alerts_max`: how
    /// many alerts are listed.
    #[must_use]
    pub fn text(&self, spent: &Spent, width: usize, alerts_max: usize) -> String {
        let mut out = String::new();
        for rule in self.rules.iter().filter(|rule| rule.is_told()) {
            out.push_str(&format!(
                "{:13} {}\n",
                rule.info.level.as_str().to_uppercase(),
                cut(&rule.info.title, width.saturating_sub(14))
            ));
            if rule.silent > 0 {
                out.push_str(&format!("  {} matches for correlations alone\n", rule.silent));
            }
            if rule.matches > 0 {
                let RuleOutcome { matches, alerts, .. } = rule;
                out.push_str(&format!("  {matches} matches, {alerts} alerts\n"));
            }
            for (day, (matches, alerts)) in &rule.days {
                out.push_str(&format!("    {day}  {matches:>8} matches  {alerts:>6} alerts\n"));
            }
            if let Some(RuleFailures { count, event_id, message, .. }) = &rule.errors {
                out.push_str(&format!(
                    "  can't be evaluated on {count} events, such as {event_id}: {message}\n"
                ));
            }
        }
        let alerts = self.alerts();
        if !alerts.is_empty() {
            out.push_str("\nthe alerts:\n");
        }
        for (hit, count) in alerts.iter().take(alerts_max) {
            let values = hit.rule.dedup.iter().zip(&hit.dedup_values);
            let values = values.map(|(field, value)| format!("{field}={value}"));
            let line = format!(
                "  {}  {}  {}  {count} matches  {}",
                hit.time,
                hit.event_id,
                hit.rule.title,
                values.collect::<Vec<_>>().join(" ")
            );
            out.push_str(cut(&line, width).trim_end());
            out.push('\n');
        }
        if alerts.len() > alerts_max {
            let more = alerts.len() - alerts_max;
            out.push_str(&format!("  …and {more} more: `--output json` lists every match\n"));
        }
        out.push_str(&self.summary(spent));
        out
    }

    fn summary(&self, spent: &Spent) -> String {
        let nothing = self.rules.iter().filter(|rule| rule.matches + rule.silent == 0).count();
        let alerts: u64 = self.rules.iter().map(|rule| rule.alerts).sum();
        let mut out = format!(
            "\n{} events: {} matches, {alerts} alerts; {nothing} of {} rules found nothing\n\
             read {} in {} of {} files, asked the rules about {} events, {:.1} s\n",
            spent.events,
            self.matches.len(),
            self.rules.len(),
            bytes(spent.bytes),
            spent.files,
            spent.files_total,
            spent.asked,
            spent.took.as_secs_f64(),
        );
        if !spent.missing.is_empty() {
            let missing = spent.missing.join("`, `");
            out.push_str(&format!("there are no tables `{missing}`: nothing was taken in yet\n"));
        }
        if self.is_cut {
            out.push_str("there are more matches than are kept: name fewer rules or less time\n");
        }
        out
    }

    /// As JSON: a line for each match, one for each rule, and the summary.
    pub fn json(&self, spent: &Spent, each: &mut dyn FnMut(Json)) {
        for (hit, decision) in &self.matches {
            each(json!({
                "match": hit.event_id,
                "rule": hit.rule.id,
                "time": hit.time.to_string(),
                "log_source": hit.log_source,
                "dedup": hit.dedup_values,
                "alert": decision.alert_id(),
                "raises": decision.is_raise(),
                "why": hit.reasons,
            }));
        }
        for rule in &self.rules {
            let days = rule.days.iter().map(|(day, (matches, alerts))| {
                json!({ "day": day.to_string(), "matches": matches, "alerts": alerts })
            });
            let errors = rule.errors.as_ref();
            each(json!({
                "rule": rule.info.id,
                "title": rule.info.title,
                "matches": rule.matches,
                "silent_matches": rule.silent,
                "alerts": rule.alerts,
                "days": days.collect::<Vec<_>>(),
                "errors": errors.map(|failures| failures.count),
                "error": errors.map(|failures| &failures.message),
                "error_event": errors.map(|failures| failures.event_id.to_string()),
            }));
        }
        each(json!({
            "events": spent.events,
            "asked": spent.asked,
            "matches": self.matches.len(),
            "alerts": self.rules.iter().map(|rule| rule.alerts).sum::<u64>(),
            "is_cut": self.is_cut,
            "missing_tables": spent.missing,
            "files": spent.files,
            "files_total": spent.files_total,
            "bytes": spent.bytes,
            "seconds": spent.took.as_secs_f64(),
        }));
    }
}

impl RuleOutcome {
    /// Whether there is something to tell of it.
    const fn is_told(&self) -> bool {
        self.matches > 0 || self.silent > 0 || self.errors.is_some()
    }
}

/// A size in the largest unit that leaves a whole part.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
fn bytes(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.into_iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{:.1} {unit}", count as f64 / size as f64),
        None => format!("{count} bytes"),
    }
}
