//! Evaluations that failed, counted for each rule.

use std::sync::{Arc, Mutex, PoisonError};

use base::EventId;

use crate::rule::Rule;

/// A rule whose evaluation failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFailures {
    /// Its id.
    pub rule: String,
    /// On how many events it failed.
    pub count: u64,
    /// The last of them.
    pub event_id: EventId,
    /// How it failed there, in at most 300 characters.
    pub message: String,
}

/// A message may quote a value of the event, however long.
const MESSAGE_CHARS_MAX: usize = 300;

/// How often each rule failed, and how it failed last. The locks are taken for failures only.
#[derive(Debug)]
pub(crate) struct Failures(Vec<Mutex<Option<Failure>>>);

#[derive(Debug)]
struct Failure {
    count: u64,
    event_id: EventId,
    message: String,
}

impl Failures {
    pub(crate) fn new(rules: usize) -> Self {
        Self((0..rules).map(|_| Mutex::default()).collect())
    }

    pub(crate) fn add(&self, rule: usize, event_id: EventId, mut message: String) {
        let Some(failure) = self.0.get(rule) else { return };
        if let Some((end, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(end);
        }
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failure.as_ref().map_or(0, |failure| failure.count) + 1;
        *failure = Some(Failure { count, event_id, message });
    }

    /// The rules that failed, in their order.
    pub(crate) fn list(&self, rules: &[Arc<Rule>]) -> Vec<RuleFailures> {
        let mut failed = Vec::new();
        for (rule, failure) in rules.iter().zip(&self.0) {
            let failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            failed.extend(failure.as_ref().map(|failure| RuleFailures {
                rule: rule.info.id.clone(),
                count: failure.count,
                event_id: failure.event_id,
                message: failure.message.clone(),
            }));
        }
        failed
    }
}
