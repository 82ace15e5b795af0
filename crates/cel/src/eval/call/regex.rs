//! Functions of regular expressions, and the cache of those that expressions compute.

use std::{borrow::Cow, sync::PoisonError};

use base::limits;
use regex::{Captures, Regex, RegexBuilder};

use super::{Evaluated, Evaluation, overload};
use crate::{
    error::EvalError,
    functions::{Function, RegexFunction},
    value::CelValue,
};

impl<'a> Evaluation<'a> {
    /// Compiles a pattern that was computed, or finds it compiled.
    pub(super) fn regex(&mut self, pattern: &str) -> Result<Regex, EvalError> {
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

    pub(super) fn regex_function(
        &mut self,
        function: RegexFunction,
        text: &Cow<'a, str>,
        pattern: &Cow<'a, str>,
        rest: &[CelValue<'a>],
    ) -> Evaluated<'a> {
        self.steps.take_bytes(text.len())?;
        let regex = self.regex(pattern)?;
        match (function, rest) {
            (RegexFunction::Extract, []) => {
                one_group(&regex)?;
                let found = regex.captures(text).and_then(|found| captured(&found));
                Ok(found.map_or(CelValue::Optional(None), CelValue::some))
            }
            (RegexFunction::ExtractAll, []) => {
                one_group(&regex)?;
                let mut parts = Vec::new();
                for found in regex.captures_iter(text) {
                    self.steps.take(1)?;
                    parts.extend(captured(&found));
                }
                Ok(CelValue::list(parts))
            }
            (RegexFunction::Replace, [CelValue::Text(new)]) => {
                self.regex_replace(text, &regex, new, usize::MAX)
            }
            (RegexFunction::Replace, [CelValue::Text(new), CelValue::Int(most)]) => {
                self.regex_replace(text, &regex, new, usize::try_from(*most).unwrap_or(usize::MAX))
            }
            (_, rest) => Err(overload(Function::Regex(function), rest)),
        }
    }

    /// Replaces the first `most` matches; `\1` to `\9` in `new` are groups, `\0` the whole match.
    fn regex_replace(
        &mut self,
        text: &str,
        regex: &Regex,
        new: &str,
        most: usize,
    ) -> Evaluated<'a> {
        let mut out = String::new();
        let mut end = 0;
        for found in regex.captures_iter(text).take(most) {
            let Some(whole) = found.get(0) else { continue };
            self.steps.take(1)?;
            out.push_str(text.get(end..whole.start()).unwrap_or_default());
            expand(&found, new, &mut out)?;
            self.steps.take_bytes(out.len())?;
            end = whole.end();
        }
        out.push_str(text.get(end..).unwrap_or_default());
        Ok(CelValue::owned(out))
    }
}

fn expand(found: &Captures<'_>, new: &str, out: &mut String) -> Result<(), EvalError> {
    let mut chars = new.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('\\') => out.push('\\'),
            Some(digit @ '0'..='9') => {
                let group = usize::try_from(u32::from(digit) - u32::from('0')).unwrap_or(0);
                if group >= found.len() {
                    let reason = format!("there is no group {group}");
                    return Err(EvalError::Argument { what: "the replacement", reason });
                }
                out.push_str(found.get(group).map_or("", |part| part.as_str()));
            }
            _ => {
                let reason = "a `\\` is followed by a digit or another `\\`".to_owned();
                return Err(EvalError::Argument { what: "the replacement", reason });
            }
        }
    }
    Ok(())
}

/// With several groups it would not be clear which is meant.
fn one_group(regex: &Regex) -> Result<(), EvalError> {
    if regex.captures_len() > 2 {
        let reason = "it has more than one capturing group".to_owned();
        return Err(EvalError::Argument { what: "the regular expression", reason });
    }
    Ok(())
}

/// The group, or the whole match of an expression without groups.
fn captured<'a>(found: &Captures<'_>) -> Option<CelValue<'a>> {
    let part = if found.len() > 1 { found.get(1) } else { found.get(0) };
    part.map(|part| CelValue::owned(part.as_str().to_owned()))
}
