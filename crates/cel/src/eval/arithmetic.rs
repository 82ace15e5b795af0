//! Arithmetic: checked, and only between values of one type.

use std::{borrow::Cow, sync::Arc};

use super::Evaluated;
use crate::{
    error::EvalError,
    node::Operator,
    steps::Steps,
    value::{CelList, CelValue},
};

/// `-x`.
pub(super) fn negate<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Int(number) => {
            number.checked_neg().map(CelValue::Int).ok_or(EvalError::Overflow("-"))
        }
        CelValue::Double(number) => Ok(CelValue::Double(-number)),
        CelValue::Duration(span) => {
            span.negated().map(CelValue::Duration).ok_or(EvalError::Overflow("-"))
        }
        other => Err(EvalError::overload("-", &[other.kind()])),
    }
}

/// An arithmetic operator.
pub(super) fn apply<'a>(
    operator: Operator,
    left: CelValue<'a>,
    right: CelValue<'a>,
    steps: &mut Steps,
) -> Evaluated<'a> {
    match (left, right) {
        (CelValue::Int(left), CelValue::Int(right)) => int(operator, left, right),
        (CelValue::Uint(left), CelValue::Uint(right)) => uint(operator, left, right),
        (CelValue::Double(left), CelValue::Double(right)) => double(operator, left, right),
        (left, right) if operator == Operator::Add => add(left, right, steps),
        (left, right) if operator == Operator::Subtract => subtract(&left, &right),
        (left, right) => Err(EvalError::overload(sign(operator), &[left.kind(), right.kind()])),
    }
}

const fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Modulo => "%",
        _ => "+",
    }
}

fn int<'a>(operator: Operator, left: i64, right: i64) -> Evaluated<'a> {
    let result = match operator {
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Modulo if right == 0 => return Err(EvalError::DivideByZero),
        Operator::Divide => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        _ => left.checked_add(right),
    };
    result.map(CelValue::Int).ok_or(EvalError::Overflow(sign(operator)))
}

fn uint<'a>(operator: Operator, left: u64, right: u64) -> Evaluated<'a> {
    let result = match operator {
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Divide | Operator::Modulo if right == 0 => return Err(EvalError::DivideByZero),
        Operator::Divide => left.checked_div(right),
        Operator::Modulo => left.checked_rem(right),
        _ => left.checked_add(right),
    };
    result.map(CelValue::Uint).ok_or(EvalError::Overflow(sign(operator)))
}

fn double<'a>(operator: Operator, left: f64, right: f64) -> Evaluated<'a> {
    Ok(CelValue::Double(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => {
            let types = [CelValue::Double(left).kind(), CelValue::Double(right).kind()];
            return Err(EvalError::overload(sign(operator), &types));
        }
    }))
}

fn add<'a>(left: CelValue<'a>, right: CelValue<'a>, steps: &mut Steps) -> Evaluated<'a> {
    match (left, right) {
        (CelValue::Text(left), CelValue::Text(right)) => {
            steps.take_bytes(left.len() + right.len())?;
            let mut text = left.into_owned();
            text.push_str(&right);
            Ok(CelValue::Text(Cow::Owned(text)))
        }
        (CelValue::Bytes(left), CelValue::Bytes(right)) => {
            steps.take_bytes(left.len() + right.len())?;
            let mut bytes = left.into_owned();
            bytes.extend_from_slice(&right);
            Ok(CelValue::Bytes(Cow::Owned(bytes)))
        }
        (CelValue::List(left), CelValue::List(right)) => {
            steps.take_many(left.len() + right.len())?;
            let members: Vec<_> = left.iter().chain(right.iter()).collect();
            Ok(CelValue::List(CelList::Built(Arc::new(members))))
        }
        (CelValue::Timestamp(time), CelValue::Duration(span))
        | (CelValue::Duration(span), CelValue::Timestamp(time)) => {
            time.plus(span).map(CelValue::Timestamp).ok_or(EvalError::Overflow("+"))
        }
        (CelValue::Duration(left), CelValue::Duration(right)) => {
            left.plus(right).map(CelValue::Duration).ok_or(EvalError::Overflow("+"))
        }
        (left, right) => Err(EvalError::overload("+", &[left.kind(), right.kind()])),
    }
}

fn subtract<'a>(left: &CelValue<'a>, right: &CelValue<'a>) -> Evaluated<'a> {
    match (left, right) {
        (CelValue::Timestamp(left), CelValue::Timestamp(right)) => {
            left.since(*right).map(CelValue::Duration)
        }
        (CelValue::Timestamp(time), CelValue::Duration(span)) => {
            time.minus(*span).map(CelValue::Timestamp)
        }
        (CelValue::Duration(left), CelValue::Duration(right)) => {
            left.minus(*right).map(CelValue::Duration)
        }
        (left, right) => return Err(EvalError::overload("-", &[left.kind(), right.kind()])),
    }
    .ok_or(EvalError::Overflow("-"))
}
