//! The plain evaluator: every rule that is routed to an event, one after the other.
//!
//! It is the authority that faster evaluators are compared with, so it shares nothing between rules
//! but the look-up of fields. What can be decided before the first event is: which rules run on
//! which log source under which conditions, and where each finds its fields.

pub(crate) mod evaluate;
mod plan;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use base::{Event, Match, SigmaRoute, limits};
use cel::EvalError;

use self::{
    evaluate::Evaluation,
    plan::{Bound, Plan},
};
use crate::{
    rule::{Body, Rule},
    stream::{Matcher, fields::Fields},
};

/// Evaluates every rule that is routed to an event's log source, plainly.
#[derive(Debug)]
pub struct FullScan {
    rules: Vec<Arc<Rule>>,
    /// For each log source that routes or rules name.
    plans: BTreeMap<String, Plan>,
    /// For events of any other log source: rules that ask for nothing.
    other: Plan,
    unrouted: Vec<usize>,
    failures: Vec<Mutex<Failure>>,
}

#[derive(Debug, Default)]
struct Failure {
    count: u64,
    message: String,
}

impl FullScan {
    /// Prepares rules for the log sources with their routes.
    #[must_use]
    pub fn new(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        let named = rules.iter().flat_map(|rule| rule.log_source.names.iter());
        let names = routes.keys().chain(named).cloned().collect::<Vec<_>>();
        let plans = names
            .into_iter()
            .map(|name| {
                let routes = routes.get(&name).map(Vec::as_slice).unwrap_or_default();
                let plan = Plan::new(&rules, &name, routes);
                (name, plan)
            })
            .collect::<BTreeMap<_, _>>();
        let other = Plan::of_unselective(&rules);
        let mut is_routed = vec![false; rules.len()];
        for rule in plans.values().chain([&other]).flat_map(Plan::rules) {
            is_routed.get_mut(rule).map(|routed| *routed = true).unwrap_or_default();
        }
        let unrouted = (0..rules.len()).filter(|rule| is_routed.get(*rule) == Some(&false));
        let unrouted = unrouted.collect();
        let failures = rules.iter().map(|_| Mutex::default()).collect();
        Self { rules, plans, other, unrouted, failures }
    }

    /// Rules that no log source routes to, for diagnosis.
    #[must_use]
    pub fn unrouted(&self) -> Vec<Arc<Rule>> {
        self.unrouted.iter().filter_map(|rule| self.rules.get(*rule)).map(Arc::clone).collect()
    }

    fn fail(&self, rule: usize, message: String) {
        let Some(failure) = self.failures.get(rule) else { return };
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.count += 1;
        failure.message = message;
    }

    /// Evaluates one rule.
    fn run(&self, bound: &Bound, fields: &mut Fields<'_>, event: &Event<'_>) -> Option<Match> {
        let rule = self.rules.get(bound.rule)?;
        if let Body::Cel(program) = &rule.body {
            match program.matches(event) {
                Ok(true) => {}
                // A field that the event lacks is no mistake of the rule's.
                Ok(false) | Err(EvalError::NoSuchField { .. } | EvalError::NoSuchKey(_)) => {
                    return None;
                }
                Err(error) => {
                    self.fail(bound.rule, error.to_string());
                    return None;
                }
            }
        }
        if let Some(detection) = rule.detection()
            && !Evaluation::new(detection, &bound.paths, fields).holds()
        {
            return None;
        }
        Some(rule.matched(event, &bound.asked, || match &rule.body {
            Body::Sigma(detection) => Evaluation::new(detection, &bound.paths, fields).reasons(),
            Body::Cel(program) => {
                let mut reasons = program.explain(event).map_or(Vec::new(), |(_, why)| why);
                reasons.truncate(limits::MATCH_REASONS_MAX);
                reasons
            }
        }))
    }
}

impl Matcher for FullScan {
    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) {
        let plan = self.plans.get(event.log_source).unwrap_or(&self.other);
        let mut fields = Fields::new(event, plan.paths());
        let first = matches.len();
        let mut matched = Vec::new();
        for group in plan.groups_for(&mut fields) {
            for bound in group {
                if bound.has_twin && matched.contains(&bound.rule) {
                    continue;
                }
                if let Some(found) = self.run(bound, &mut fields, event) {
                    matched.push(bound.rule);
                    matches.push(found);
                }
            }
        }
        if matched.is_sorted() {
            return;
        }
        let found = matches.split_off(first);
        let mut ordered = matched.into_iter().zip(found).collect::<Vec<_>>();
        ordered.sort_by_key(|(rule, _)| *rule);
        matches.extend(ordered.into_iter().map(|(_, found)| found));
    }

    fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    fn errors(&self) -> Vec<(String, u64, String)> {
        let mut errors = Vec::new();
        for (rule, failure) in self.rules.iter().zip(&self.failures) {
            let failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.count > 0 {
                errors.push((rule.info.id.clone(), failure.count, failure.message.clone()));
            }
        }
        errors
    }
}

#[cfg(test)]
mod tests;
