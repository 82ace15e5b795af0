//! What both evaluators do with a rule that they have come to: decide it, and make its match.

use base::{Event, Match, limits};
use cel::Verdict;

use super::{
    evaluate::{Answers, Evaluation, Plainly},
    failures::Failures,
    fields::Fields,
    plan::Bound,
};
use crate::rule::{Body, Rule, Shared};

/// Evaluates one rule plainly. A failure is counted.
pub(crate) fn holds(
    rule: &Rule,
    bound: &Bound,
    fields: &mut Fields<'_>,
    failures: &Failures,
) -> bool {
    program_holds(rule, bound, fields.event(), failures) && detection_holds(rule, bound, fields)
}

/// Evaluates the rule's expression, if it has one. A failure is counted.
pub(crate) fn program_holds(
    rule: &Rule,
    bound: &Bound,
    event: &Event<'_>,
    failures: &Failures,
) -> bool {
    let Body::Cel(program) = &rule.body else { return true };
    match program.judge(event) {
        Verdict::True => true,
        // A field that the event lacks is no mistake of the rule's.
        Verdict::False | Verdict::Absent => false,
        Verdict::Failed => {
            if let Err(error) = program.matches(event) {
                failures.add(bound.rule, event.id, error.to_string());
            }
            false
        }
    }
}

/// Evaluates the rule's detection, if it has one.
pub(crate) fn detection_holds(rule: &Rule, bound: &Bound, fields: &mut Fields<'_>) -> bool {
    let detection = rule.detection();
    detection
        .is_none_or(|detection| Evaluation::new(detection, &bound.paths, fields, Plainly).holds())
}

/// The match of a rule that holds; `answers` tell which of its tests do.
pub(crate) fn found(
    rule: &Rule,
    bound: &Bound,
    fields: &mut Fields<'_>,
    shared: &mut Shared,
    answers: impl Answers,
) -> Match {
    let event = fields.event();
    rule.matched(event, &bound.asked, shared, || match &rule.body {
        Body::Sigma(detection) => {
            Evaluation::new(detection, &bound.paths, fields, answers).reasons()
        }
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
