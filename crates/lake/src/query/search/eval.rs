//! Decides plainly whether an event passes a condition: the meaning of the search language, and the
//! authority that the tests hold the column-wise evaluation against.

use std::net::IpAddr;

use base::{FieldPath, Object, Timestamp, Value};

use super::ast::{Comparison, FieldTest, Node, Number, Operand, Test, ValueTest, Word};
use crate::{
    query::{json, network::address},
    schema,
};

/// The members of an event that a word is not looked for in: they say where the event came from,
/// not what happened, and `index:` chooses by them.
pub(crate) const UNSEARCHED: [&str; 5] =
    [schema::TIME, schema::INGEST_TIME, schema::LOG_SOURCE, schema::ORIGIN, schema::DAY];

/// Whether an event passes.
pub(crate) fn matches(node: &Node, event: &Object<'_>) -> bool {
    match node {
        Node::All => true,
        Node::And(parts) => parts.iter().all(|part| matches(part, event)),
        Node::Or(parts) => parts.iter().any(|part| matches(part, event)),
        Node::Not(inner) => !matches(inner, event),
        Node::Word(word) => event
            .iter()
            .filter(|(key, _)| !UNSEARCHED.contains(&key.as_ref()))
            .any(|(_, value)| any_scalar(value, &mut |scalar| word_passes(word, scalar))),
        Node::AnyField(test) => event
            .iter()
            .filter(|(key, _)| !UNSEARCHED.contains(&key.as_ref()))
            .any(|(_, value)| any_scalar(value, &mut |scalar| passes(test, scalar))),
        Node::Field(FieldTest { field, test }) => {
            let path = FieldPath::new(field.as_str());
            let mut found = |value: &Value<'_>| passes(test, value);
            // A source's own field that has an envelope member's name is inside `_rest`.
            let own = event.get(schema::REST);
            event.any(&path, &mut found)
                || own.is_some_and(|own| json::any(own, Some(&path), &mut found))
        }
    }
}

/// Whether one value passes a field's test. Lists are the caller's to take apart.
pub(crate) fn passes(test: &Test, value: &Value<'_>) -> bool {
    match test {
        Test::Exists => !matches!(value, Value::Null),
        Test::Any(tests) => tests.iter().any(|test| value_passes(test, value)),
    }
}

fn value_passes(test: &ValueTest, value: &Value<'_>) -> bool {
    match (test, value) {
        (ValueTest::Is(pattern, _), Value::Text(text)) => pattern.matches_whole(text),
        (ValueTest::Is(pattern, number), scalar) => {
            let equal = number
                .is_some_and(|number| number_of(scalar).is_some_and(|value| value.equals(number)));
            equal || spelling(scalar).is_some_and(|text| pattern.matches_whole(&text))
        }
        (ValueTest::Compare(comparison, operand), value) => compares(*comparison, operand, value),
        (ValueTest::Range(low, high), value) => [low, high]
            .into_iter()
            .flatten()
            .all(|(comparison, operand)| compares(*comparison, operand, value)),
        (ValueTest::Regexp(regexp), Value::Text(text)) => regexp.is_match(text),
        (ValueTest::Regexp(regexp), scalar) => {
            spelling(scalar).is_some_and(|text| regexp.is_match(&text))
        }
        (ValueTest::Network(network, spelled), Value::Text(text)) => {
            address(text).is_some_and(|address| network.contains(address))
                || spelled.matches_whole(text)
        }
        (ValueTest::Network(..), _) => false,
        (ValueTest::Word(word), scalar) => word_passes(word, scalar),
    }
}

/// Whether a value is that much larger or smaller.
fn compares(comparison: Comparison, operand: &Operand, value: &Value<'_>) -> bool {
    let order = match (operand, value) {
        (Operand::Number(number), Value::Text(text)) => {
            Number::parse(text.trim()).and_then(|value| value.compare(*number))
        }
        (Operand::Number(number), scalar) => {
            number_of(scalar).and_then(|value| value.compare(*number))
        }
        (Operand::Time(time), Value::Text(text)) => {
            Timestamp::parse(text).map(|value| value.cmp(time))
        }
        (Operand::Address(bound), Value::Text(text)) => {
            // Addresses of different kinds have no order.
            let same = |value: &IpAddr| value.is_ipv4() == bound.is_ipv4();
            address(text).filter(same).map(|value| value.cmp(bound))
        }
        (Operand::Time(_) | Operand::Address(_), _) => None,
    };
    order.is_some_and(|order| comparison.holds(order))
}

/// Whether a word is in one scalar.
pub(crate) fn word_passes(word: &Word, scalar: &Value<'_>) -> bool {
    match scalar {
        Value::Text(text) => word.pattern.matches_word(text),
        other => {
            let value = if word.number.is_some() { number_of(other) } else { None };
            value.zip(word.number).is_some_and(|(value, number)| value.equals(number))
        }
    }
}

fn number_of(value: &Value<'_>) -> Option<Number> {
    match value {
        Value::Int(int) => Some(Number::Int(*int)),
        Value::Float(float) => Some(Number::Float(*float)),
        Value::Number(text) => Number::parse(text),
        _ => None,
    }
}

/// Numbers and booleans as JSON spells them.
fn spelling(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Int(_) | Value::Float(_) | Value::Number(_) | Value::Bool(_) => {
            value.display().map(std::borrow::Cow::into_owned)
        }
        _ => None,
    }
}

/// Calls `found` for every scalar inside a value until it answers true.
pub(crate) fn any_scalar(value: &Value<'_>, found: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| any_scalar(member, found)),
        Value::Object(object) => object.iter().any(|(_, inner)| any_scalar(inner, found)),
        scalar => found(scalar),
    }
}
