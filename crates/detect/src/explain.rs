//! Why a rule matches an event, or why it does not: every test with its outcome, and the value it
//! looked at.
//!
//! The outcomes are those of the evaluator itself, asked about each part of the rule by itself:
//! unlike the evaluator, which stops as soon as the answer is known, an explanation visits all
//! parts. It is for people, and is made for one event at a time.

mod expression;
mod selection;

use base::{Event, FieldPath, SigmaRoute, limits};

use crate::{
    rule::{Body, LogSourceSelector, Rule},
    sigma::text::lower,
};

/// How a rule fares with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it matches.
    pub holds: bool,
    /// Whether the rule runs on the event at all.
    pub reach: Reach,
    /// The rule's condition. Without a value if the rule does not run on the event.
    pub step: Option<Step>,
}

/// Whether a rule runs on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Open,
    /// The rule names other log sources.
    OtherLogSource,
    /// No route of the log source has what the rule's `logsource` asks for.
    NoRoute,
    /// There are such routes, but the event takes none of them: for each, the tests of its `when`.
    Closed(Vec<Step>),
}

/// A part of a rule: an operator over other parts, or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The operator, the selection's name or the test, in a reader's words.
    pub label: String,
    /// What came out.
    pub outcome: Outcome,
    /// What it looked at.
    pub seen: Seen,
    /// What it is made of, in the order of the rule.
    pub steps: Vec<Self>,
}

/// What came out of a part of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Holds,
    /// It does not.
    Fails,
    /// It has no truth value: why.
    Error(String),
    /// It is a value, not a test.
    Value,
}

/// What a part of a rule looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing by itself.
    Nothing,
    /// A field that the event does not have.
    Absent,
    /// These values, each cut at [`limits::REASON_VALUE_CHARS_MAX`] characters.
    Values(Vec<String>),
}

/// How many values of a list are shown.
const VALUES_SHOWN_MAX: usize = 10;

/// Explains what `rule` makes of `event`, given the routes of the event's log source.
#[must_use]
pub fn explain(rule: &Rule, routes: &[SigmaRoute], event: &Event<'_>) -> Explanation {
    let selector = &rule.log_source;
    let unreached = |reach| Explanation { holds: false, reach, step: None };
    if !selector.accepts_name(event.log_source) {
        return unreached(Reach::OtherLogSource);
    }
    let direct = [SigmaRoute::default()];
    let ways = match selector.needs_route() {
        true => accepted(selector, routes),
        false => direct.iter().collect(),
    };
    if ways.is_empty() {
        return unreached(Reach::NoRoute);
    }
    let mut first = None;
    let mut closed = Vec::new();
    for route in ways {
        let when = when(route, event);
        if when.outcome != Outcome::Holds {
            closed.push(when);
            continue;
        }
        let mut step = match &rule.body {
            Body::Sigma(detection) => selection::explain(detection, route, event),
            Body::Cel(program) => expression::explain(program, event),
        };
        if let Some(guard) = &rule.guard {
            step = both(step, selection::explain(guard, route, event));
        }
        let holds = step.outcome == Outcome::Holds;
        let explanation = Explanation { holds, reach: Reach::Open, step: Some(step) };
        if holds {
            return explanation;
        }
        first.get_or_insert(explanation);
    }
    first.unwrap_or_else(|| unreached(Reach::Closed(closed)))
}

fn accepted<'r>(selector: &LogSourceSelector, routes: &'r [SigmaRoute]) -> Vec<&'r SigmaRoute> {
    routes.iter().filter(|route| selector.accepts(route)).collect()
}

/// The rule itself, and what filters ask besides.
fn both(rule: Step, guard: Step) -> Step {
    let decides = if rule.outcome == Outcome::Holds { &guard } else { &rule };
    let outcome = decides.outcome.clone();
    Step { label: "all of".to_owned(), outcome, seen: Seen::Nothing, steps: vec![rule, guard] }
}

/// Whether the event takes the route.
fn when(route: &SigmaRoute, event: &Event<'_>) -> Step {
    let mut steps = Vec::with_capacity(route.when.len());
    for (field, values) in &route.when {
        let path = FieldPath::new(field.as_str());
        let holds = event.any(&path, &mut |value| {
            value.display().is_some_and(|text| {
                let text = lower(&text);
                values.iter().any(|value| lower(value) == text)
            })
        });
        let label = format!("{field} is {}", quoted(values).join(" or "));
        let seen = seen(event, &path);
        steps.push(Step { label, outcome: holds.into(), seen, steps: Vec::new() });
    }
    let keys =
        [("product", &route.product), ("category", &route.category), ("service", &route.service)];
    let words = keys
        .into_iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key}: {value}")))
        .collect::<Vec<_>>();
    let holds = steps.iter().all(|step| step.outcome == Outcome::Holds);
    Step { label: words.join(", "), outcome: holds.into(), seen: Seen::Nothing, steps }
}

fn quoted(values: &[String]) -> Vec<String> {
    values.iter().map(|value| format!("'{value}'")).collect()
}

/// What the event has at `path`.
fn seen(event: &Event<'_>, path: &FieldPath) -> Seen {
    let mut values = Vec::new();
    event.any(path, &mut |value| {
        values.push(shown(value.display().as_deref().unwrap_or("null")));
        values.len() == VALUES_SHOWN_MAX
    });
    if values.is_empty() && event.get(path).is_none() { Seen::Absent } else { Seen::Values(values) }
}

fn shown(text: &str) -> String {
    text.chars().take(limits::REASON_VALUE_CHARS_MAX).collect()
}

impl From<bool> for Outcome {
    fn from(holds: bool) -> Self {
        if holds { Self::Holds } else { Self::Fails }
    }
}

#[cfg(test)]
mod tests;
