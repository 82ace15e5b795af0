//! Which rules run on which log source: one plan for each that routes or rules name.

use std::{collections::BTreeMap, sync::Arc};

use base::SigmaRoute;

use super::plan::Plan;
use crate::rule::Rule;

/// What each log source runs, by its name, and what all others run: rules that ask for nothing.
#[derive(Debug)]
pub(crate) struct Plans<P> {
    pub(crate) named: BTreeMap<String, P>,
    pub(crate) other: P,
}

impl Plans<Plan> {
    /// Plans rules for the log sources with their routes.
    pub(crate) fn new(rules: &[Arc<Rule>], routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        let named = rules.iter().flat_map(|rule| rule.log_source.names.iter());
        let names = routes.keys().chain(named).cloned().collect::<Vec<_>>();
        let named = names
            .into_iter()
            .map(|name| {
                let routes = routes.get(&name).map(Vec::as_slice).unwrap_or_default();
                let plan = Plan::new(rules, &name, routes);
                (name, plan)
            })
            .collect();
        Self { named, other: Plan::of_unselective(rules) }
    }

    /// The rules that no plan runs.
    pub(crate) fn unrouted(&self, rules: &[Arc<Rule>]) -> Vec<Arc<Rule>> {
        let mut is_routed = vec![false; rules.len()];
        for rule in self.named.values().chain([&self.other]).flat_map(Plan::rules) {
            is_routed.get_mut(rule).map(|routed| *routed = true).unwrap_or_default();
        }
        let unrouted = rules.iter().zip(is_routed).filter(|(_, is_routed)| !is_routed);
        unrouted.map(|(rule, _)| Arc::clone(rule)).collect()
    }
}

impl<P> Plans<P> {
    pub(crate) fn get(&self, log_source: &str) -> &P {
        self.named.get(log_source).unwrap_or(&self.other)
    }

    /// The same with each plan made into something else.
    pub(crate) fn map<Q>(self, mut make: impl FnMut(P) -> Q) -> Plans<Q> {
        let other = make(self.other);
        let named = self.named.into_iter().map(|(name, plan)| (name, make(plan))).collect();
        Plans { named, other }
    }
}
