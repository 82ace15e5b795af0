//! What both evaluators do with a rule that they have come to: decide it, and make its match.

use base::{Match, limits};
use cel::EvalError;

use super::{evaluate::Evaluation, failures::Failures, fields::Fields, plan::Bound};
use crate::rule::{Body, Rule, Shared};

/// Evaluates one rule plainly. A failure is counted.
pub(crate) fn holds(
    rule: &Rule,
    bound: &Bound,
    fields: &mut Fields<'_>,
    failures: &Failures,
) -> bool {
    if let Body::Cel(program) = &rule.body {
        match program.matches(fields.event()) {
            Ok(true) => {}
            // A field that the event lacks is no mistake of the rule's.
            Ok(false) | Err(EvalError::NoSuchField { .. } | EvalError::NoSuchKey(_)) => {
                return false;
            }
            Err(error) => {
                failures.add(bound.rule, fields.event().id, error.to_string());
                return false;
            }
        }
    }
    let detection = rule.detection();
    detection.is_none_or(|detection| Evaluation::new(detection, &bound.paths, fields).holds())
}

/// The match of a rule that holds.
pub(crate) fn found(
    rule: &Rule,
    bound: &Bound,
    fields: &mut Fields<'_>,
    shared: &mut Shared,
) -> Match {
    let event = fields.event();
    rule.matched(event, &bound.asked, shared, || match &rule.body {
        Body::Sigma(detection) => Evaluation::new(detection, &bound.paths, fields).reasons(),
        Body::Cel(program) => {
            let mut reasons = program.explain(event).map_or(Vec::new(), |(_, why)| why);
            reasons.truncate(limits::MATCH_REASONS_MAX);
            reasons
        }
    })
}

/// Puts the matches from `first` on into the order of their rules, which are `matched`.
pub(crate) fn order(matched: Vec<usize>, matches: &mut Vec<Match>, first: usize) {
    if matched.is_sorted() {
        return;
    }
    let found = matches.split_off(first);
    let mut ordered = matched.into_iter().zip(found).collect::<Vec<_>>();
    ordered.sort_by_key(|(rule, _)| *rule);
    matches.extend(ordered.into_iter().map(|(_, found)| found));
}
