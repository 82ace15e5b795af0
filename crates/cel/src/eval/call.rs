//! Functions.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError},
};

use base::limits;
use regex::{Regex, RegexBuilder};

use super::{Evaluated, Evaluation, convert};
use crate::{
    error::EvalError,
    functions::Function,
    net::Network,
    node::Node,
    time::{TimePart, parse_zone},
    value::{CelList, CelValue},
};

impl<'a> Evaluation<'a> {
    pub(super) fn call(&mut self, function: Function, args: &'a [Node]) -> Evaluated<'a> {
        let values: Result<Vec<_>, _> = args.iter().map(|arg| self.eval(arg)).collect();
        let values = values?;
        match (function, values.as_slice()) {
            (Function::Size, [value]) => self.size(value),
            (Function::To(to), [CelValue::Text(text)]) => {
                self.steps.take_bytes(text.len())?;
                convert::convert(to, CelValue::Text(text.clone()))
            }
            (Function::To(to), [value]) => convert::convert(to, value.clone()),
            (Function::TypeOf, [value]) => Ok(CelValue::Type(value.kind())),
            (Function::Dyn, [value]) => Ok(value.clone()),
            (Function::Part(part), [value, zone @ ..]) => time_part(part, value, zone),
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
            (Function::InCidr, [CelValue::Text(network)]) => {
                let network = Network::parse(network)
                    .map_err(|reason| EvalError::Argument { what: "the network", reason })?;
                truth(network.contains(text))
            }
            (Function::LowerAscii, []) => {
                Ok(CelValue::Text(changed(text, str::to_ascii_lowercase)))
            }
            (Function::UpperAscii, []) => {
                Ok(CelValue::Text(changed(text, str::to_ascii_uppercase)))
            }
            (Function::Trim, []) => Ok(CelValue::Text(match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            })),
            (Function::Split, [CelValue::Text(separator)]) => {
                self.split(text, separator, usize::MAX)
            }
            (Function::Split, [CelValue::Text(separator), CelValue::Int(most)]) => {
                self.split(text, separator, usize::try_from(*most).unwrap_or(usize::MAX))
            }
            (Function::Replace, [CelValue::Text(old), CelValue::Text(new)]) => {
                self.replace(text, old, new, usize::MAX)
            }
            (
                Function::Replace,
                [CelValue::Text(old), CelValue::Text(new), CelValue::Int(most)],
            ) => self.replace(text, old, new, usize::try_from(*most).unwrap_or(usize::MAX)),
            (function, rest) => {
                let mut values = vec![CelValue::Text(text.clone())];
                values.extend_from_slice(rest);
                Err(overload(function, &values))
            }
        }
    }

    pub(super) fn matches(&mut self, text: &CelValue<'a>, regex: &Regex) -> Evaluated<'a> {
        let CelValue::Text(text) = text else {
            return Err(EvalError::overload("matches", &[text.kind()]));
        };
        self.steps.take_bytes(text.len())?;
        Ok(CelValue::Bool(regex.is_match(text)))
    }

    /// Compiles a pattern that was computed, or finds it compiled.
    fn regex(&mut self, pattern: &str) -> Result<Regex, EvalError> {
        let mut cache = self.regexes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = cache.get(pattern) {
            return Ok(regex.clone());
        }
        // Compiling takes about as long as a hundred operators, and more for a longer pattern.
        self.steps.take(100)?;
        self.steps.take_many(pattern.len())?;
        let regex = RegexBuilder::new(pattern)
            .size_limit(limits::CEL_COMPUTED_REGEX_BYTES_MAX)
            .dfa_size_limit(limits::CEL_COMPUTED_REGEX_BYTES_MAX)
            .build()
            .map_err(|error| EvalError::Argument {
                what: "the regular expression",
                reason: error.to_string(),
            })?;
        if cache.len() >= limits::CEL_REGEX_CACHE_MAX {
            cache.clear();
        }
        cache.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }

    /// At most `most` parts, the last of which holds the rest.
    fn split(&mut self, text: &Cow<'a, str>, separator: &str, most: usize) -> Evaluated<'a> {
        let mut parts = Vec::new();
        let mut add = |part: Cow<'a, str>| {
            self.steps.take(1)?;
            parts.push(CelValue::Text(part));
            Ok::<_, EvalError>(())
        };
        match text {
            // Each character is a part when the separator is empty, without empty ends.
            _ if most == 0 => {}
            Cow::Borrowed(text) if separator.is_empty() => {
                let starts = text.char_indices().map(|(at, _)| at);
                for part in characters(text, starts, most) {
                    add(Cow::Borrowed(part))?;
                }
            }
            Cow::Owned(text) if separator.is_empty() => {
                let starts = text.char_indices().map(|(at, _)| at);
                for part in characters(text, starts, most) {
                    add(Cow::Owned(part.to_owned()))?;
                }
            }
            Cow::Borrowed(text) => {
                for part in text.splitn(most, separator) {
                    add(Cow::Borrowed(part))?;
                }
            }
            Cow::Owned(text) => {
                for part in text.splitn(most, separator) {
                    add(Cow::Owned(part.to_owned()))?;
                }
            }
        }
        Ok(CelValue::List(CelList::Built(Arc::new(parts))))
    }

    fn replace(&mut self, text: &Cow<'a, str>, old: &str, new: &str, most: usize) -> Evaluated<'a> {
        // The size of the result is known, and paid for, before it is built.
        let count = text.matches(old).take(most).count();
        if count == 0 {
            return Ok(CelValue::Text(text.clone()));
        }
        self.steps.take_many(count)?;
        self.steps.take_bytes(count.saturating_mul(new.len()))?;
        Ok(CelValue::Text(Cow::Owned(text.replacen(old, new, count))))
    }
}

fn overload(function: Function, values: &[CelValue<'_>]) -> EvalError {
    let types: Vec<_> = values.iter().map(CelValue::kind).collect();
    EvalError::overload(function.name(), &types)
}

/// The text changed, or itself if nothing changes.
fn changed<'a>(text: &Cow<'a, str>, change: fn(&str) -> String) -> Cow<'a, str> {
    let after = change(text);
    if after == **text { text.clone() } else { Cow::Owned(after) }
}

/// The characters of `text`, the last of at most `most` parts holding the rest.
fn characters(text: &str, starts: impl Iterator<Item = usize>, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut begin = 0;
    for start in starts.skip(1).take(most.saturating_sub(1)) {
        let Some((part, after)) = rest.split_at_checked(start - begin) else { break };
        parts.push(part);
        rest = after;
        begin = start;
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

fn time_part<'a>(part: TimePart, value: &CelValue<'a>, zone: &[CelValue<'a>]) -> Evaluated<'a> {
    let offset = match zone {
        [] => 0,
        [CelValue::Text(zone)] => parse_zone(zone).ok_or_else(|| EvalError::Argument {
            what: "the time zone",
            reason: format!("`{zone}` is neither `UTC` nor an offset such as `+02:00`"),
        })?,
        _ => return Err(overload(Function::Part(part), zone)),
    };
    match (value, zone) {
        (CelValue::Timestamp(time), _) => Ok(CelValue::Int(time.part(part, offset))),
        (CelValue::Duration(span), []) => span
            .part(part)
            .map(CelValue::Int)
            .ok_or_else(|| overload(Function::Part(part), std::slice::from_ref(value))),
        _ => Err(overload(Function::Part(part), std::slice::from_ref(value))),
    }
}
