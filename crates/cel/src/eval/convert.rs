//! Conversions between types: `int(x)`, `string(x)` and the like.

use std::borrow::Cow;

use super::Evaluated;
use crate::{
    error::EvalError,
    net::{self, Network},
    time::{CelDuration, CelTimestamp},
    value::{CelType, CelValue},
};

/// Converts `value` to type `to`.
pub(crate) fn convert(to: CelType, value: CelValue<'_>) -> Evaluated<'_> {
    if value.kind() == to {
        return Ok(value);
    }
    match to {
        CelType::Bool => bool(&value),
        CelType::Int => int(&value),
        CelType::Uint => uint(&value),
        CelType::Double => double(&value),
        CelType::Text => text(value),
        CelType::Bytes => match value {
            CelValue::Text(Cow::Borrowed(text)) => {
                Ok(CelValue::Bytes(Cow::Borrowed(text.as_bytes())))
            }
            CelValue::Text(Cow::Owned(text)) => Ok(CelValue::Bytes(Cow::Owned(text.into_bytes()))),
            other => Err(EvalError::overload("bytes", &[other.kind()])),
        },
        CelType::Timestamp => timestamp(&value),
        CelType::Duration => duration(&value),
        CelType::Ip => match value {
            CelValue::Text(text) => net::parse_ip(&text).map(CelValue::Ip).map_err(complaint),
            other => Err(EvalError::overload("ip", &[other.kind()])),
        },
        CelType::Cidr => match value {
            CelValue::Text(text) => {
                Network::parse_strictly(&text).map(CelValue::Cidr).map_err(complaint)
            }
            other => Err(EvalError::overload("cidr", &[other.kind()])),
        },
        CelType::Null | CelType::List | CelType::Map | CelType::Type | CelType::Optional => {
            Err(EvalError::overload(to.name(), &[value.kind()]))
        }
    }
}

/// A short form of `value` for messages.
pub(crate) fn display(value: &CelValue<'_>) -> String {
    match text(value.clone()) {
        Ok(CelValue::Text(text)) => text.into_owned(),
        _ => value.kind().name().to_owned(),
    }
}

fn complaint(message: String) -> EvalError {
    EvalError::Text(message.into())
}

fn failed<'a>(to: CelType, reason: impl Into<Cow<'static, str>>) -> Evaluated<'a> {
    Err(EvalError::Convert { to, reason: reason.into() })
}

fn bool<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    let CelValue::Text(text) = value else {
        return Err(EvalError::overload("bool", &[value.kind()]));
    };
    match text.as_ref() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(CelValue::Bool(true)),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(CelValue::Bool(false)),
        other => failed(CelType::Bool, format!("`{other}` is not `true` or `false`")),
    }
}

fn int<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Uint(number) => match i64::try_from(*number) {
            Ok(number) => Ok(CelValue::Int(number)),
            Err(_) => Err(EvalError::Overflow("int")),
        },
        CelValue::Double(number) => {
            // -2^63 itself is out of range too, as in the reference implementation.
            if *number > -TWO_TO_THE_63 && *number < TWO_TO_THE_63 {
                Ok(CelValue::Int(truncate(*number)))
            } else {
                Err(EvalError::Overflow("int"))
            }
        }
        CelValue::Text(text) => match text.parse() {
            Ok(number) => Ok(CelValue::Int(number)),
            Err(_) => failed(CelType::Int, format!("`{text}` is no whole number")),
        },
        CelValue::Timestamp(time) => Ok(CelValue::Int(time.as_seconds())),
        CelValue::Duration(span) => Ok(CelValue::Int(span.as_nanos() / 1_000_000_000)),
        other => Err(EvalError::overload("int", &[other.kind()])),
    }
}

const TWO_TO_THE_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_TO_THE_64: f64 = 18_446_744_073_709_551_616.0;

#[expect(
    clippy::cast_possible_truncation,
    reason = "cutting off the fraction is what is asked for"
)]
const fn truncate(number: f64) -> i64 {
    number as i64
}

/// The double as a whole number, if it is one.
pub(super) fn whole(number: f64) -> Option<i64> {
    let fits = number.fract() == 0.0 && number.abs() < TWO_TO_THE_63;
    fits.then(|| truncate(number))
}

fn uint<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Int(number) => match u64::try_from(*number) {
            Ok(number) => Ok(CelValue::Uint(number)),
            Err(_) => Err(EvalError::Overflow("uint")),
        },
        CelValue::Double(number) => {
            if *number > -1.0 && *number < TWO_TO_THE_64 {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the range is checked, and cutting off the fraction is asked for"
                )]
                let number = *number as u64;
                Ok(CelValue::Uint(number))
            } else {
                Err(EvalError::Overflow("uint"))
            }
        }
        CelValue::Text(text) => match text.parse() {
            Ok(number) => Ok(CelValue::Uint(number)),
            Err(_) => failed(CelType::Uint, format!("`{text}` is no whole number without sign")),
        },
        other => Err(EvalError::overload("uint", &[other.kind()])),
    }
}

fn double<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Text(text) => match text.parse() {
            Ok(number) => Ok(CelValue::Double(number)),
            Err(_) => failed(CelType::Double, format!("`{text}` is no number")),
        },
        other => match other.as_double() {
            Some(number) => Ok(CelValue::Double(number)),
            None => Err(EvalError::overload("double", &[other.kind()])),
        },
    }
}

fn text(value: CelValue<'_>) -> Evaluated<'_> {
    let text = match value {
        CelValue::Text(text) => return Ok(CelValue::Text(text)),
        CelValue::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
        CelValue::Int(number) => Cow::Owned(number.to_string()),
        CelValue::Uint(number) => Cow::Owned(number.to_string()),
        CelValue::Double(number) => Cow::Owned(double_text(number)),
        CelValue::Timestamp(time) => Cow::Owned(time.to_string()),
        CelValue::Duration(span) => Cow::Owned(span.to_string()),
        CelValue::Bytes(bytes) => match String::from_utf8(bytes.into_owned()) {
            Ok(text) => Cow::Owned(text),
            Err(_) => return failed(CelType::Text, "the bytes are invalid UTF-8"),
        },
        CelValue::Type(kind) => Cow::Borrowed(kind.name()),
        CelValue::Ip(address) => Cow::Owned(address.to_string()),
        CelValue::Cidr(network) => Cow::Owned(network.to_string()),
        other => return Err(EvalError::overload("string", &[other.kind()])),
    };
    Ok(CelValue::Text(text))
}

/// The shortest form that reads back the same, with an exponent only where zeros would be many.
fn double_text(number: f64) -> String {
    let magnitude = number.abs();
    if magnitude == 0.0 || !number.is_finite() || (1e-5..1e21).contains(&magnitude) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

fn timestamp<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Int(seconds) => CelTimestamp::from_seconds(*seconds)
            .map(CelValue::Timestamp)
            .ok_or(EvalError::Overflow("timestamp")),
        CelValue::Text(text) => match CelTimestamp::parse(text) {
            Some(time) => Ok(CelValue::Timestamp(time)),
            None => failed(CelType::Timestamp, format!("`{text}` is no RFC 3339 time")),
        },
        other => Err(EvalError::overload("timestamp", &[other.kind()])),
    }
}

fn duration<'a>(value: &CelValue<'a>) -> Evaluated<'a> {
    match value {
        CelValue::Text(text) => match CelDuration::parse(text) {
            Some(span) => Ok(CelValue::Duration(span)),
            None => failed(
                CelType::Duration,
                format!("`{text}` is no number with a unit, or too large"),
            ),
        },
        other => Err(EvalError::overload("duration", &[other.kind()])),
    }
}
