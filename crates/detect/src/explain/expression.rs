//! The parts of a CEL expression.

use base::Event;
use cel::{EvalError, Given, Part, PartKind, Program};

use super::{Outcome, Seen, Step, shown};

/// Explains an expression, part by part.
pub(super) fn explain(program: &Program, event: &Event<'_>) -> Step {
    let mut whole = match program.parts() {
        Ok(part) => step(&part, event),
        Err(_) => leaf("the expression"),
    };
    // As the evaluator has it: a field that the event lacks is no mistake of the rule's.
    whole.outcome = match program.matches(event) {
        Ok(holds) => holds.into(),
        Err(EvalError::NoSuchField { .. } | EvalError::NoSuchKey(_)) => Outcome::Fails,
        Err(error) => Outcome::Error(error.to_string()),
    };
    whole
}

fn leaf(label: &str) -> Step {
    Step {
        label: label.to_owned(),
        outcome: Outcome::Value,
        seen: Seen::Nothing,
        steps: Vec::new(),
    }
}

fn step(part: &Part, event: &Event<'_>) -> Step {
    let label = match part.kind {
        PartKind::All => "all of",
        PartKind::Any => "any of",
        PartKind::Not => "not",
        PartKind::Conditional => "if, then, else",
        PartKind::Test | PartKind::Value => &part.text,
    };
    let mut step = leaf(label);
    let is_value = part.kind == PartKind::Value;
    match part.evaluate(event) {
        Ok(Given::Truth(truth)) if is_value => step.seen = Seen::Values(vec![truth.to_string()]),
        Ok(Given::Truth(truth)) => step.outcome = truth.into(),
        Ok(Given::Value(value)) => step.seen = Seen::Values(vec![shown(&value)]),
        Err(EvalError::NoSuchField { field }) if is_value && *field == *part.text => {
            step.seen = Seen::Absent;
        }
        Err(EvalError::NoSuchField { .. } | EvalError::NoSuchKey(_)) if !is_value => {
            step.outcome = Outcome::Fails;
        }
        Err(error) => step.outcome = Outcome::Error(error.to_string()),
    }
    step.steps = part.parts.iter().map(|part| self::step(part, event)).collect();
    step
}
