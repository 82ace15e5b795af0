//! Functions: which part computes what, and the general ones.

mod format;
mod list;
mod math;
mod network;
mod optional;
mod regex;
mod text;

use std::borrow::Cow;

use ::regex::Regex;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

use super::{Evaluated, Evaluation, convert};
use crate::{
    error::EvalError,
    functions::Function,
    node::Node,
    time::{TimePart, Zone},
    value::{CelType, CelValue},
};

impl<'a> Evaluation<'a> {
    pub(super) fn call(&mut self, function: Function, args: &'a [Node]) -> Evaluated<'a> {
        match args {
            [] => self.apply(function, &[]),
            [first] => {
                let first = self.eval(first)?;
                self.apply(function, &[first])
            }
            [first, second] => {
                let values = [self.eval(first)?, self.eval(second)?];
                self.apply(function, &values)
            }
            args => {
                let values: Result<Vec<_>, _> = args.iter().map(|arg| self.eval(arg)).collect();
                self.apply(function, &values?)
            }
        }
    }

    fn apply(&mut self, function: Function, values: &[CelValue<'a>]) -> Evaluated<'a> {
        match (function, values) {
            (Function::Size, [value]) => self.size(value),
            (Function::To(to), [CelValue::Text(text)]) => {
                self.steps.take_bytes(text.len())?;
                convert::convert(to, CelValue::Text(text.clone()))
            }
            (Function::To(to), [value]) => convert::convert(to, value.clone()),
            (Function::TypeOf, [value]) => Ok(CelValue::Type(value.kind())),
            (Function::Dyn, [value]) => Ok(value.clone()),
            (Function::Part(part), [value, zone @ ..]) => time_part(part, value, zone),
            (Function::Clock(part), [time, zone @ ..]) => clock(part, time, zone),
            (Function::Reverse, [CelValue::List(list)]) => self.reverse_list(list),
            (Function::Join, [CelValue::List(list), separator @ ..]) => self.join(list, separator),
            (Function::Base64Encode, [CelValue::Bytes(bytes)]) => {
                self.steps.take_bytes(bytes.len())?;
                Ok(CelValue::owned(STANDARD.encode(bytes)))
            }
            (Function::Math(function), values) => math::apply(function, values),
            (Function::Net(function), values) => network::apply(function, values),
            (Function::Optional(function), values) => self.optional(function, values),
            (Function::List(function), values) => self.list_function(function, values),
            (Function::Lookup(function), values) => self.lookup(function, values),
            (Function::InCidr, [address, network]) => network::in_cidr(address, network),
            (
                Function::Regex(function),
                [CelValue::Text(text), CelValue::Text(pattern), rest @ ..],
            ) => self.regex_function(function, text, pattern, rest),
            (_, [CelValue::Text(text), rest @ ..]) => {
                self.steps.take_bytes(text.len())?;
                self.on_text(function, text, rest)
            }
            (function, values) => Err(overload(function, values)),
        }
    }

    fn size(&mut self, value: &CelValue<'a>) -> Evaluated<'a> {
        let size = match value {
            CelValue::Text(text) => {
                self.steps.take_bytes(text.len())?;
                text.chars().count()
            }
            CelValue::Bytes(bytes) => bytes.len(),
            CelValue::List(list) => list.len(),
            CelValue::Map(map) => map.len(),
            other => return Err(EvalError::overload("size", &[other.kind()])),
        };
        i64::try_from(size).map(CelValue::Int).map_err(|_| EvalError::Overflow("size"))
    }

    /// The functions whose first argument is text.
    fn on_text(
        &mut self,
        function: Function,
        text: &Cow<'a, str>,
        rest: &[CelValue<'a>],
    ) -> Evaluated<'a> {
        let truth = |value| Ok(CelValue::Bool(value));
        match (function, rest) {
            (Function::Contains, [CelValue::Text(part)]) => truth(text.contains(part.as_ref())),
            (Function::StartsWith, [CelValue::Text(part)]) => {
                truth(text.starts_with(part.as_ref()))
            }
            (Function::EndsWith, [CelValue::Text(part)]) => truth(text.ends_with(part.as_ref())),
            (Function::Matches, [CelValue::Text(pattern)]) => {
                truth(self.regex(pattern)?.is_match(text))
            }
            (Function::Reverse, []) => Ok(CelValue::owned(text.chars().rev().collect())),
            (Function::Quote, []) => Ok(CelValue::owned(text::quote(text))),
            (Function::Base64Decode, []) => decode_base64(text),
            (Function::Text(of_text), rest) => match self.text_function(of_text, text, rest) {
                Some(value) => value,
                None => Err(overload_of_text(function, text, rest)),
            },
            (function, rest) => Err(overload_of_text(function, text, rest)),
        }
    }

    pub(super) fn matches(&mut self, text: &CelValue<'a>, regex: &Regex) -> Evaluated<'a> {
        let CelValue::Text(text) = text else {
            return Err(EvalError::overload("matches", &[text.kind()]));
        };
        self.steps.take_bytes(text.len())?;
        Ok(CelValue::Bool(regex.is_match(text)))
    }
}

fn overload(function: Function, values: &[CelValue<'_>]) -> EvalError {
    let types: Vec<_> = values.iter().map(CelValue::kind).collect();
    EvalError::overload(function.name(), &types)
}

fn overload_of_text(function: Function, text: &str, rest: &[CelValue<'_>]) -> EvalError {
    let mut values = vec![CelValue::Text(Cow::Borrowed(text))];
    values.extend(rest.iter().map(CelValue::reborrow));
    overload(function, &values)
}

/// Decodes with padding or without.
fn decode_base64<'a>(text: &str) -> Evaluated<'a> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    match LENIENT.decode(text) {
        Ok(bytes) => Ok(CelValue::Bytes(Cow::Owned(bytes))),
        Err(error) => {
            Err(EvalError::Convert { to: CelType::Bytes, reason: error.to_string().into() })
        }
    }
}

fn zone(value: &CelValue<'_>) -> Result<Zone, EvalError> {
    match value {
        CelValue::Text(zone) => Zone::parse(zone).ok_or_else(|| EvalError::Argument {
            what: "the time zone",
            reason: format!(
                "`{zone}` is neither a zone such as `Europe/Berlin` nor an offset such as `+02:00`"
            ),
        }),
        other => Err(EvalError::overload("time zone", &[other.kind()])),
    }
}

fn time_part<'a>(part: TimePart, value: &CelValue<'a>, zones: &[CelValue<'a>]) -> Evaluated<'a> {
    let in_zone = match zones {
        [] => Zone::UTC,
        [name] => zone(name)?,
        _ => return Err(overload(Function::Part(part), zones)),
    };
    match (value, zones) {
        (CelValue::Timestamp(time), _) => Ok(CelValue::Int(time.part(part, in_zone))),
        (CelValue::Duration(span), []) => span
            .part(part)
            .map(CelValue::Int)
            .ok_or_else(|| overload(Function::Part(part), std::slice::from_ref(value))),
        _ => Err(overload(Function::Part(part), std::slice::from_ref(value))),
    }
}

/// Our own `time.…`: of text too, and counting as people do.
fn clock<'a>(part: TimePart, value: &CelValue<'a>, zones: &[CelValue<'a>]) -> Evaluated<'a> {
    let in_zone = match zones {
        [] => Zone::UTC,
        [name] => zone(name)?,
        _ => return Err(overload(Function::Clock(part), zones)),
    };
    let CelValue::Timestamp(time) = convert::convert(CelType::Timestamp, value.clone())? else {
        return Err(overload(Function::Clock(part), std::slice::from_ref(value)));
    };
    let number = time.part(part, in_zone);
    Ok(CelValue::Int(match part {
        TimePart::Month => number + 1,
        // Sunday is the seventh day.
        TimePart::DayOfWeek if number == 0 => 7,
        _ => number,
    }))
}
