//! Functions of numbers.

use std::cmp::Ordering;

use super::{Evaluated, overload};
use crate::{
    error::EvalError,
    functions::{Function, MathFunction},
    value::CelValue,
};

/// Applies a function of numbers.
pub(super) fn apply<'a>(function: MathFunction, values: &[CelValue<'a>]) -> Evaluated<'a> {
    use CelValue::{Bool, Double, Int, Uint};
    match (function, values) {
        (MathFunction::Greatest, values) => extreme(function, values, Ordering::Greater),
        (MathFunction::Least, values) => extreme(function, values, Ordering::Less),
        (MathFunction::Ceil, [Double(number)]) => Ok(Double(number.ceil())),
        (MathFunction::Floor, [Double(number)]) => Ok(Double(number.floor())),
        (MathFunction::Round, [Double(number)]) => Ok(Double(number.round())),
        (MathFunction::Trunc, [Double(number)]) => Ok(Double(number.trunc())),
        (MathFunction::Abs, [Int(number)]) => {
            number.checked_abs().map(Int).ok_or(EvalError::Overflow("math.abs"))
        }
        (MathFunction::Abs, [Uint(number)]) => Ok(Uint(*number)),
        (MathFunction::Abs, [Double(number)]) => Ok(Double(number.abs())),
        (MathFunction::Sign, [Int(number)]) => Ok(Int(number.signum())),
        (MathFunction::Sign, [Uint(number)]) => Ok(Uint(u64::from(*number > 0))),
        (MathFunction::Sign, [Double(number)]) => {
            let is_plain = number.is_nan() || *number == 0.0;
            Ok(Double(if is_plain { *number } else { number.signum() }))
        }
        (MathFunction::Sqrt, [number]) => match number.as_double() {
            Some(number) => Ok(Double(number.sqrt())),
            None => Err(overload(Function::Math(function), values)),
        },
        (MathFunction::IsNaN, [Double(number)]) => Ok(Bool(number.is_nan())),
        (MathFunction::IsInf, [Double(number)]) => Ok(Bool(number.is_infinite())),
        (MathFunction::IsFinite, [Double(number)]) => Ok(Bool(number.is_finite())),
        (_, values) => bits(function, values),
    }
}

fn bits<'a>(function: MathFunction, values: &[CelValue<'a>]) -> Evaluated<'a> {
    use CelValue::{Int, Uint};
    Ok(match (function, values) {
        (MathFunction::BitAnd, [Int(a), Int(b)]) => Int(a & b),
        (MathFunction::BitAnd, [Uint(a), Uint(b)]) => Uint(a & b),
        (MathFunction::BitOr, [Int(a), Int(b)]) => Int(a | b),
        (MathFunction::BitOr, [Uint(a), Uint(b)]) => Uint(a | b),
        (MathFunction::BitXor, [Int(a), Int(b)]) => Int(a ^ b),
        (MathFunction::BitXor, [Uint(a), Uint(b)]) => Uint(a ^ b),
        (MathFunction::BitNot, [Int(a)]) => Int(!a),
        (MathFunction::BitNot, [Uint(a)]) => Uint(!a),
        (MathFunction::BitShiftLeft, [Int(a), Int(by)]) => {
            Int(a.checked_shl(offset(function, *by)?).unwrap_or(0))
        }
        (MathFunction::BitShiftLeft, [Uint(a), Int(by)]) => {
            Uint(a.checked_shl(offset(function, *by)?).unwrap_or(0))
        }
        // The sign is a bit like any other.
        (MathFunction::BitShiftRight, [Int(a), Int(by)]) => {
            Int(a.cast_unsigned().checked_shr(offset(function, *by)?).unwrap_or(0).cast_signed())
        }
        (MathFunction::BitShiftRight, [Uint(a), Int(by)]) => {
            Uint(a.checked_shr(offset(function, *by)?).unwrap_or(0))
        }
        (_, values) => return Err(overload(Function::Math(function), values)),
    })
}

fn offset(function: MathFunction, by: i64) -> Result<u32, EvalError> {
    if by < 0 {
        let name = Function::Math(function).name();
        return Err(EvalError::Text(format!("{name}() negative offset: {by}").into()));
    }
    Ok(u32::try_from(by).unwrap_or(u32::MAX))
}

/// The first number that no other is beyond; of one list, its first such member.
fn extreme<'a>(function: MathFunction, values: &[CelValue<'a>], beyond: Ordering) -> Evaluated<'a> {
    let wrong = || overload(Function::Math(function), values);
    let members: Vec<CelValue<'a>> = match values {
        [CelValue::List(list)] => list.iter().collect(),
        values => values.to_vec(),
    };
    let mut members = members.into_iter();
    let Some(mut best) = members.next() else {
        let name = Function::Math(function).name();
        return Err(EvalError::Text(format!("{name}(list) argument must not be empty").into()));
    };
    if !best.is_number() {
        return Err(wrong());
    }
    for member in members {
        if !member.is_number() {
            return Err(wrong());
        }
        if member.order(&best) == Some(beyond) {
            best = member;
        }
    }
    Ok(best)
}
