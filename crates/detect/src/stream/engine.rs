//! The fast evaluator: the same matches as [`FullScan`](super::FullScan), for a fraction of the
//! work.
//!
//! `docs/reference/engine.md` describes it. In short: what rules ask of a field is answered for all
//! rules at once ([`column`]), a rule is evaluated only if something it can't hold without was
//! found ([`necessary`]), and evaluating it is asking for bits ([`program`]), which also tell the
//! reasons. An expression in CEL is ruled out in the same way, and then decides by itself.

mod bits;
mod column;
mod compile;
mod evaluate;
mod few;
mod grams;
mod keys;
mod memo;
mod necessary;
mod program;
mod regex_literals;
mod route;
mod scratch;
mod source;
mod sums;
mod view;
mod watch;

use std::{collections::BTreeMap, sync::Arc};

use base::{Event, Match, SigmaRoute};

pub use self::memo::Remembering;
use self::source::Source;
use super::{Matcher, RuleFailures, failures::Failures, plans::Plans};
use crate::rule::Rule;

/// Evaluates the rules that are routed to an event's log source, all at once.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<[Arc<Rule>]>,
    sources: Plans<Source>,
    unrouted: Vec<Arc<Rule>>,
    failures: Failures,
}

impl Engine {
    /// Prepares rules for the log sources with their routes.
    #[must_use]
    pub fn new(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        let plans = Plans::new(&rules, routes);
        let unrouted = plans.unrouted(&rules);
        let sources = plans.map(|plan| Source::new(plan, &rules));
        let failures = Failures::new(rules.len());
        Self { rules: rules.into(), sources, unrouted, failures }
    }

    /// Rules that no log source routes to, for diagnosis.
    #[must_use]
    pub fn unrouted(&self) -> Vec<Arc<Rule>> {
        self.unrouted.clone()
    }

    /// How often the texts repeated that this thread looked at in events of a log source.
    #[must_use]
    pub fn remembering(&self, log_source: &str) -> Remembering {
        self.sources.get(log_source).remembering()
    }
}

impl Matcher for Engine {
    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) {
        if self.rules.is_empty() {
            return;
        }
        let source = self.sources.get(event.log_source);
        source.evaluate(event, &self.rules, &self.failures, matches);
    }

    fn rules(&self) -> Arc<[Arc<Rule>]> {
        Arc::clone(&self.rules)
    }

    fn errors(&self) -> Vec<RuleFailures> {
        self.failures.list(&self.rules)
    }
}
