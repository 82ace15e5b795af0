//! The parts of a CEL expression.

use base::{Event, FieldPath};
use cel::EvalError;

use super::{Outcome, Seen, Step, seen};

/// Explains an expression: what it gives, and what the fields it reads are.
pub(super) fn explain(program: &cel::Program, event: &Event<'_>) -> Step {
    let outcome = match program.matches(event) {
        Ok(holds) => holds.into(),
        // As the evaluator has it: a field that the event lacks is no mistake of the rule's.
        Err(EvalError::NoSuchField { .. } | EvalError::NoSuchKey(_)) => Outcome::Fails,
        Err(error) => Outcome::Error(error.to_string()),
    };
    let field = |name: &String| Step {
        label: name.clone(),
        outcome: Outcome::Value,
        seen: seen(event, &FieldPath::new(name.as_str())),
        steps: Vec::new(),
    };
    let steps = program.fields().iter().map(field).collect();
    Step { label: "the expression".to_owned(), outcome, seen: Seen::Nothing, steps }
}
