//! Evaluation of rules over events as they pass.

mod decide;
mod engine;
pub(crate) mod evaluate;
mod failures;
pub(crate) mod fields;
mod full_scan;
mod plan;
mod plans;
mod reloadable;

use std::sync::Arc;

pub use engine::{Engine, Remembering};
pub use failures::RuleFailures;
pub use full_scan::FullScan;
pub use reloadable::Reloadable;

use crate::rule::Rule;

/// Evaluates rules over one event at a time.
///
/// All implementations find the same matches for the same rules, routes and event; their order is
/// the order of [`Matcher::rules`].
pub trait Matcher: Send + Sync + std::fmt::Debug {
    /// Evaluates every rule that is routed to the event's log source and appends what matched, one
    /// match for each rule. An error in one rule never disturbs another: it is counted.
    fn evaluate(&self, event: &base::Event<'_>, matches: &mut Vec<base::Match>);

    /// The rules, in order.
    fn rules(&self) -> Arc<[Arc<Rule>]>;

    /// The rules whose evaluation failed, in order.
    fn errors(&self) -> Vec<RuleFailures>;
}
