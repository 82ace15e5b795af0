//! Tests of one value against literals, prepared.

use std::cmp::Ordering;

use base::Value;
use memchr::memmem::Finder;
use regex::Regex;

use super::{evaluate::Answer, word::Word};
use crate::{
    net::Network,
    node::Operator,
    steps::Steps,
    value::{CelList, CelValue},
};

/// A test of one value.
#[derive(Debug)]
pub(crate) enum Check {
    /// It is `true`.
    IsTrue,
    /// A test of a text.
    Text {
        test: TextTest,
        /// What the test must answer.
        wanted: bool,
        /// Whether other types fail the test, and are no error.
        is_equality: bool,
    },
    /// A test of a text with its letters changed.
    Changed { test: TextTest, wanted: bool },
    /// It equals a literal that is not text, or does not.
    Equals { literal: CelValue<'static>, wanted: bool },
    /// It equals a member of a list that holds not only texts.
    Among(CelList<'static>),
    /// A number's order to a literal.
    Order(Operator, CelValue<'static>),
    /// The order of its size to a literal.
    Size(Operator, i64),
    /// It is an address in a network.
    InNetwork(Network),
}

/// What is done to the letters A to Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Lower,
    Upper,
}

/// A test of a text.
#[derive(Debug)]
pub(crate) enum TextTest {
    Equals(Word),
    StartsWith(Word),
    EndsWith(Word),
    Contains(Box<Finder<'static>>),
    Matches(Regex),
    /// One of these, in order of length and bytes; bit n of `lengths` is set if one is n bytes
    /// long, and the last for all that are longer.
    Among {
        texts: Box<[Word]>,
        lengths: u64,
    },
    /// None, whatever the text.
    Never,
}

impl TextTest {
    pub(super) fn contains(part: &str) -> Self {
        Self::Contains(Box::new(Finder::new(part).into_owned()))
    }

    pub(super) fn among(mut texts: Vec<Word>) -> Self {
        texts.sort_unstable_by(|a, b| order(a.as_str(), b.as_str()));
        texts.dedup();
        let lengths = texts.iter().fold(0, |lengths, text| lengths | length_bit(text.as_str()));
        Self::Among { texts: texts.into(), lengths }
    }

    /// The test of a changed text as a test of the text itself, where the literal's letters can
    /// come out of the change at all.
    pub(super) fn folded(self, change: Change) -> Option<Self> {
        let possible = |text: &str| {
            !text.bytes().any(|byte| match change {
                Change::Lower => byte.is_ascii_uppercase(),
                Change::Upper => byte.is_ascii_lowercase(),
            })
        };
        match &self {
            Self::Equals(text) | Self::StartsWith(text) | Self::EndsWith(text) => {
                Some(if possible(text.as_str()) { self } else { Self::Never })
            }
            Self::Contains(finder) => {
                let is_possible = std::str::from_utf8(finder.needle()).is_ok_and(possible);
                Some(if is_possible { self } else { Self::Never })
            }
            Self::Among { texts, .. } => {
                let left = texts.iter().filter(|text| possible(text.as_str())).cloned().collect();
                Some(Self::among(left))
            }
            Self::Matches(_) | Self::Never => None,
        }
    }

    #[inline]
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(literal) => literal.is(text),
            Self::StartsWith(literal) => literal.begins(text),
            Self::EndsWith(literal) => literal.ends(text),
            Self::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Self::Matches(regex) => regex.is_match(text),
            Self::Among { texts, lengths } => lengths & length_bit(text) != 0 && among(texts, text),
            Self::Never => false,
        }
    }

    /// As [`Self::holds`], with letters equal in both cases.
    #[inline(never)]
    fn holds_folded(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let equal = |part: Option<&[u8]>, literal: &str| {
            part.is_some_and(|part| part.eq_ignore_ascii_case(literal.as_bytes()))
        };
        match self {
            Self::Equals(literal) => text.eq_ignore_ascii_case(literal.as_str()),
            Self::StartsWith(literal) => {
                let literal = literal.as_str();
                equal(bytes.get(..literal.len()), literal)
            }
            Self::EndsWith(literal) => {
                let literal = literal.as_str();
                let start = bytes.len().checked_sub(literal.len());
                equal(start.and_then(|start| bytes.get(start..)), literal)
            }
            Self::Contains(finder) => contains_folded(bytes, finder.needle()),
            Self::Among { texts, lengths } => {
                lengths & length_bit(text) != 0
                    && texts.iter().any(|literal| literal.as_str().eq_ignore_ascii_case(text))
            }
            Self::Matches(_) | Self::Never => false,
        }
    }
}

const fn length_bit(text: &str) -> u64 {
    1 << if text.len() < 63 { text.len() } else { 63 }
}

fn order(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Few are compared one by one, many by halving.
fn among(texts: &[Word], text: &str) -> bool {
    if texts.len() <= 8 {
        return texts.iter().any(|literal| literal.is(text));
    }
    texts.binary_search_by(|literal| order(literal.as_str(), text)).is_ok()
}

fn contains_folded(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let begins = memchr::memchr2_iter(lower, upper, text);
    let mut ends = begins.map(|at| text.get(at + 1..at + part.len()));
    ends.any(|found| found.is_some_and(|found| found.eq_ignore_ascii_case(rest)))
}

impl Check {
    /// Tests a value.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: a call costs as much as the test")]
    pub(super) fn of(&self, value: &Value<'_>, steps: &mut Steps) -> Answer {
        match (self, value) {
            (Self::Text { test, wanted, .. }, Value::Text(text)) => {
                if !steps.spend_bytes(text.len()) {
                    return Answer::Exhausted;
                }
                Answer::from(test.holds(text) == *wanted)
            }
            (Self::Text { wanted, is_equality: true, .. }, _) => Answer::from(!wanted),
            (Self::Changed { test, wanted, .. }, Value::Text(text)) => {
                if !steps.spend_bytes(text.len()) {
                    return Answer::Exhausted;
                }
                Answer::from(test.holds_folded(text) == *wanted)
            }
            (Self::IsTrue, Value::Bool(value)) => Answer::from(*value),
            (Self::Order(operator, CelValue::Int(literal)), Value::Int(number)) => {
                Answer::from(is_in_order(*operator, number.cmp(literal)))
            }
            (Self::InNetwork(network), Value::Text(text)) => Answer::from(network.contains(text)),
            (check, value) => check.of_other(value, steps),
        }
    }

    /// The rarer types.
    #[inline(never)]
    fn of_other(&self, value: &Value<'_>, steps: &mut Steps) -> Answer {
        match self {
            Self::Equals { literal, wanted } => {
                match CelValue::of(value).equals(&literal.reborrow(), steps) {
                    Ok(equal) => Answer::from(equal == *wanted),
                    Err(_) => Answer::Exhausted,
                }
            }
            Self::Among(list) => {
                let value = CelValue::of(value);
                for member in list.iter() {
                    match steps.take(1).and_then(|()| value.equals(&member, steps)) {
                        Ok(false) => {}
                        Ok(true) => return Answer::Yes,
                        Err(_) => return Answer::Exhausted,
                    }
                }
                Answer::No
            }
            Self::Order(operator, literal) => {
                let value = CelValue::of(value);
                match value.order(&literal.reborrow()) {
                    Some(order) => Answer::from(is_in_order(*operator, order)),
                    None if value.is_number() => Answer::No,
                    None => Answer::Failed,
                }
            }
            Self::Size(operator, literal) => match size(value, steps) {
                Ok(size) => Answer::from(is_in_order(*operator, size.cmp(literal))),
                Err(answer) => answer,
            },
            _ => Answer::Failed,
        }
    }
}

fn size(value: &Value<'_>, steps: &mut Steps) -> Result<i64, Answer> {
    let size = match value {
        Value::Text(text) => {
            steps.take_bytes(text.len()).map_err(|_| Answer::Exhausted)?;
            text.chars().count()
        }
        Value::List(members) => members.len(),
        Value::Object(object) => object.len(),
        _ => return Err(Answer::Failed),
    };
    i64::try_from(size).map_err(|_| Answer::Failed)
}

const fn is_in_order(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}
