//! Evaluations that failed, counted for each rule.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rule::Rule;

/// How often each rule failed, and how it failed last. The locks are taken for failures only.
#[derive(Debug)]
pub(crate) struct Failures(Vec<Mutex<Failure>>);

#[derive(Debug, Default)]
struct Failure {
    count: u64,
    message: String,
}

impl Failures {
    pub(crate) fn new(rules: usize) -> Self {
        Self((0..rules).map(|_| Mutex::default()).collect())
    }

    pub(crate) fn add(&self, rule: usize, message: String) {
        let Some(failure) = self.0.get(rule) else { return };
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.count += 1;
        failure.message = message;
    }

    /// For each rule that failed: its id, how often, and the last message.
    pub(crate) fn list(&self, rules: &[Arc<Rule>]) -> Vec<(String, u64, String)> {
        let mut errors = Vec::new();
        for (rule, failure) in rules.iter().zip(&self.0) {
            let failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
            if failure.count > 0 {
                errors.push((rule.info.id.clone(), failure.count, failure.message.clone()));
            }
        }
        errors
    }
}
