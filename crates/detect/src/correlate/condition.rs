//! The condition of a correlation: limits on a number, or an expression over its rules.

use std::fmt::Write as _;

use super::{CorrelationKind, amount::Amount};
use crate::sigma::condition::Condition as Expression;

/// When a correlation matches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    /// All must hold.
    pub(crate) limits: Vec<(Operator, Amount)>,
    /// The fields whose values count.
    pub(crate) fields: Vec<String>,
    /// In thousandths of a percent.
    pub(crate) percentile: u32,
    /// Over the rules that matched, by their places.
    pub(crate) expression: Option<Expression>,
    /// The expression as it is written.
    pub(crate) expression_words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Operator {
    pub(super) const ALL: [(&'static str, Self); 6] = [
        ("lt", Self::Less),
        ("lte", Self::LessOrEqual),
        ("gt", Self::Greater),
        ("gte", Self::GreaterOrEqual),
        ("eq", Self::Equal),
        ("neq", Self::NotEqual),
    ];

    fn holds(self, left: Amount, right: Amount) -> bool {
        match self {
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
            Self::Equal => left == right,
            Self::NotEqual => left != right,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "≤",
            Self::Greater => ">",
            Self::GreaterOrEqual => "≥",
            Self::Equal => "=",
            Self::NotEqual => "≠",
        }
    }
}

/// What a window comes to: a total, and by how many it is to be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) total: Amount,
    pub(crate) divisor: usize,
}

impl Outcome {
    pub(crate) const fn of(total: Amount) -> Self {
        Self { total, divisor: 1 }
    }

    pub(crate) fn of_count(count: usize) -> Self {
        Self::of(Amount::of_count(count))
    }

    /// Rounded to nine digits behind the point.
    pub(crate) fn amount(self) -> Amount {
        self.total.divided(self.divisor)
    }
}

impl Condition {
    /// Whether a number lies within the limits.
    pub(crate) fn accepts(&self, outcome: Outcome) -> bool {
        self.limits
            .iter()
            .all(|(operator, limit)| operator.holds(outcome.total, limit.times(outcome.divisor)))
    }

    /// The limits, or the expression, in a reader's words.
    pub(crate) fn words(&self) -> String {
        if self.expression.is_some() {
            return self.expression_words.clone();
        }
        let mut words = String::new();
        for (at, (operator, limit)) in self.limits.iter().enumerate() {
            let and = if at == 0 { "" } else { " and " };
            // Writing to a string cannot fail.
            write!(words, "{and}{} {limit}", operator.sign()).unwrap_or_default();
        }
        words
    }

    /// What the number is, in a reader's words.
    pub(crate) fn subject(&self, kind: CorrelationKind, outcome: Outcome) -> String {
        let (amount, field) = (outcome.amount(), self.fields.join(", "));
        let plural = if amount == Amount::of_count(1) { "" } else { "s" };
        match kind {
            CorrelationKind::EventCount => format!("{amount} event{plural}"),
            CorrelationKind::ValueCount => format!("{amount} value{plural} of {field}"),
            CorrelationKind::ValueSum => format!("sum {amount} of {field}"),
            CorrelationKind::ValueAvg => format!("average {amount} of {field}"),
            CorrelationKind::ValueMedian => format!("median {amount} of {field}"),
            CorrelationKind::ValuePercentile => {
                let percent = Amount(i128::from(self.percentile) * 1_000_000);
                format!("percentile {percent} of {field} is {amount},")
            }
            CorrelationKind::Temporal => format!("{amount} rule{plural}"),
            CorrelationKind::TemporalOrdered => format!("{amount} rule{plural} in order"),
        }
    }
}

/// Whether an expression holds. Rules that it wants are looked up in `held`, those that it rules out
/// under `not` in `seen`; they differ where only some of those that matched are considered.
pub(crate) fn holds(expression: &Expression, held: u64, seen: u64) -> bool {
    match expression {
        Expression::Selection(member) => has(held, *member),
        Expression::And(all) => all.iter().all(|inner| holds(inner, held, seen)),
        Expression::Or(all) => all.iter().any(|inner| holds(inner, held, seen)),
        Expression::Not(inner) => !holds(inner, seen, held),
        Expression::AtLeast(least, members) => {
            members.iter().filter(|member| has(held, **member)).count() >= *least
        }
    }
}

/// Whether a set of members, a bit each, has one.
pub(crate) fn has(set: u64, member: usize) -> bool {
    u32::try_from(member).ok().and_then(|member| set.checked_shr(member)).unwrap_or(0) & 1 == 1
}
