//! Functions of values that may be absent.

use std::sync::Arc;

use super::{Evaluated, Evaluation, overload};
use crate::{
    error::EvalError,
    functions::{Function, OptionalFunction},
    value::CelValue,
};

impl<'a> Evaluation<'a> {
    pub(super) fn optional(
        &mut self,
        function: OptionalFunction,
        values: &[CelValue<'a>],
    ) -> Evaluated<'a> {
        use CelValue::{Bool, List, Optional};
        Ok(match (function, values) {
            (OptionalFunction::None, []) => Optional(None),
            (OptionalFunction::Of, [value]) => CelValue::some(value.clone()),
            (OptionalFunction::OfNonZero, [value]) if is_zero(value) => Optional(None),
            (OptionalFunction::OfNonZero, [value]) => CelValue::some(value.clone()),
            (OptionalFunction::HasValue, [Optional(value)]) => Bool(value.is_some()),
            (OptionalFunction::Value, [Optional(Some(value))]) => value.as_ref().clone(),
            (OptionalFunction::Value, [Optional(None)]) => {
                return Err(EvalError::Text("optional.none() dereference".into()));
            }
            (OptionalFunction::Or, [Optional(Some(value)), Optional(_)]) => {
                Optional(Some(Arc::clone(value)))
            }
            (OptionalFunction::Or, [Optional(None), other @ Optional(_)]) => other.clone(),
            (OptionalFunction::OrValue, [Optional(Some(value)), _]) => value.as_ref().clone(),
            (OptionalFunction::OrValue, [Optional(None), other]) => other.clone(),
            (OptionalFunction::First, [List(list)]) => {
                list.get(0).map_or(Optional(None), CelValue::some)
            }
            (OptionalFunction::Last, [List(list)]) => list
                .len()
                .checked_sub(1)
                .and_then(|last| list.get(last))
                .map_or(Optional(None), CelValue::some),
            (OptionalFunction::Unwrap, [List(list)]) => {
                self.steps.take_many(list.len())?;
                let mut members = Vec::new();
                for member in list.iter() {
                    match member {
                        Optional(Some(value)) => members.push(value.as_ref().clone()),
                        Optional(None) => {}
                        _ => return Err(overload(Function::Optional(function), values)),
                    }
                }
                CelValue::list(members)
            }
            (_, values) => return Err(overload(Function::Optional(function), values)),
        })
    }
}

/// Whether it is what a field of its type holds before it is set.
fn is_zero(value: &CelValue<'_>) -> bool {
    match value {
        CelValue::Null | CelValue::Optional(None) => true,
        CelValue::Bool(value) => !value,
        CelValue::Int(number) => *number == 0,
        CelValue::Uint(number) => *number == 0,
        CelValue::Double(number) => *number == 0.0,
        CelValue::Text(text) => text.is_empty(),
        CelValue::Bytes(bytes) => bytes.is_empty(),
        CelValue::List(list) => list.is_empty(),
        CelValue::Map(map) => map.is_empty(),
        CelValue::Duration(span) => span.as_nanos() == 0,
        CelValue::Timestamp(time) => time.is_epoch(),
        CelValue::Ip(address) => address.is_unspecified(),
        CelValue::Cidr(_) | CelValue::Type(_) | CelValue::Optional(Some(_)) => false,
    }
}
