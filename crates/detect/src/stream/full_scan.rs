//! The plain evaluator: every rule that is routed to an event, one after the other.
//!
//! It is the authority that faster evaluators are compared with, so it shares nothing between rules
//! but the look-up of fields. What can be decided before the first event is: which rules run on
//! which log source under which conditions, and where each finds its fields.

use std::{collections::BTreeMap, sync::Arc};

use base::{Event, Match, SigmaRoute};

use crate::{
    rule::{Rule, Shared},
    stream::{
        Matcher, RuleFailures, decide, evaluate::Plainly, failures::Failures, fields::Fields,
        plan::Plan, plans::Plans,
    },
};

/// Evaluates every rule that is routed to an event's log source, plainly.
#[derive(Debug)]
pub struct FullScan {
    rules: Arc<[Arc<Rule>]>,
    plans: Plans<Plan>,
    failures: Failures,
}

impl FullScan {
    /// Prepares rules for the log sources with their routes.
    #[must_use]
    pub fn new(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        let plans = Plans::new(&rules, routes);
        let failures = Failures::new(rules.len());
        Self { rules: rules.into(), plans, failures }
    }

    /// Rules that no log source routes to, for diagnosis.
    #[must_use]
    pub fn unrouted(&self) -> Vec<Arc<Rule>> {
        self.plans.unrouted(&self.rules)
    }
}

impl Matcher for FullScan {
    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) {
        let plan = self.plans.get(event.log_source);
        let mut fields = Fields::new(event, plan.paths());
        let first = matches.len();
        let mut matched = Vec::new();
        let mut shared = Shared::default();
        for group in plan.groups_for(&mut fields) {
            for bound in group {
                if bound.has_twin && matched.contains(&bound.rule) {
                    continue;
                }
                let Some(rule) = self.rules.get(bound.rule) else { continue };
                if decide::holds(rule, bound, &mut fields, &self.failures) {
                    matched.push(bound.rule);
                    matches.push(decide::found(rule, bound, &mut fields, &mut shared, Plainly));
                }
            }
        }
        decide::order(matched, matches, first);
    }

    fn rules(&self) -> Arc<[Arc<Rule>]> {
        Arc::clone(&self.rules)
    }

    fn errors(&self) -> Vec<RuleFailures> {
        self.failures.list(&self.rules)
    }
}

#[cfg(test)]
mod tests;
