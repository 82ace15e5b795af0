//! Functions of text. Positions count characters.

use std::{borrow::Cow, sync::Arc};

use super::super::{Evaluated, Evaluation};
use crate::{
    error::EvalError,
    functions::TextFunction,
    value::{CelList, CelValue},
};

impl<'a> Evaluation<'a> {
    /// Applies a function of text; `None` if it does not take such arguments.
    pub(super) fn text_function(
        &mut self,
        function: TextFunction,
        text: &Cow<'a, str>,
        rest: &[CelValue<'a>],
    ) -> Option<Evaluated<'a>> {
        use CelValue::{Int, Text};
        Some(match (function, rest) {
            (TextFunction::LowerAscii, []) => Ok(Text(changed(text, str::to_ascii_lowercase))),
            (TextFunction::UpperAscii, []) => Ok(Text(changed(text, str::to_ascii_uppercase))),
            (TextFunction::Trim, []) => Ok(Text(match text {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            })),
            (TextFunction::Split, [Text(separator)]) => self.split(text, separator, usize::MAX),
            (TextFunction::Split, [Text(separator), Int(most)]) => {
                self.split(text, separator, usize::try_from(*most).unwrap_or(usize::MAX))
            }
            (TextFunction::Replace, [Text(old), Text(new)]) => {
                self.replace(text, old, new, usize::MAX)
            }
            (TextFunction::Replace, [Text(old), Text(new), Int(most)]) => {
                self.replace(text, old, new, usize::try_from(*most).unwrap_or(usize::MAX))
            }
            (TextFunction::CharAt, [Int(at)]) => char_at(text, *at),
            (TextFunction::IndexOf, [Text(part)]) => index_of(text, part, 0),
            (TextFunction::IndexOf, [Text(part), Int(from)]) => index_of(text, part, *from),
            (TextFunction::LastIndexOf, [Text(part)]) => last_index_of(text, part, None),
            (TextFunction::LastIndexOf, [Text(part), Int(until)]) => {
                last_index_of(text, part, Some(*until))
            }
            (TextFunction::Substring, [Int(start)]) => substring(text, *start, None),
            (TextFunction::Substring, [Int(start), Int(end)]) => {
                substring(text, *start, Some(*end))
            }
            (TextFunction::Format, [CelValue::List(values)]) => self.format(text, values),
            _ => return None,
        })
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
                for part in characters(text, most) {
                    add(Cow::Borrowed(part))?;
                }
            }
            Cow::Owned(text) if separator.is_empty() => {
                for part in characters(text, most) {
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
        Ok(CelValue::owned(text.replacen(old, new, count)))
    }

    pub(super) fn join(&mut self, list: &CelList<'a>, separator: &[CelValue<'a>]) -> Evaluated<'a> {
        let separator = match separator {
            [] => "",
            [CelValue::Text(separator)] => separator.as_ref(),
            [other, ..] => return Err(EvalError::overload("join", &[other.kind()])),
        };
        let mut joined = String::new();
        for (index, member) in list.iter().enumerate() {
            let CelValue::Text(member) = &member else {
                return Err(EvalError::overload("join", &[member.kind()]));
            };
            self.steps.take(1)?;
            self.steps.take_bytes(member.len() + separator.len())?;
            if index > 0 {
                joined.push_str(separator);
            }
            joined.push_str(member);
        }
        Ok(CelValue::owned(joined))
    }
}

/// The text changed, or itself if nothing changes.
fn changed<'a>(text: &Cow<'a, str>, change: fn(&str) -> String) -> Cow<'a, str> {
    let after = change(text);
    if after == **text { text.clone() } else { Cow::Owned(after) }
}

/// The characters of `text`, the last of at most `most` parts holding the rest.
fn characters(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut begin = 0;
    let starts = text.char_indices().map(|(at, _)| at);
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

fn out_of_range<'a>(index: i64) -> Evaluated<'a> {
    Err(EvalError::Text(format!("index out of range: {index}").into()))
}

/// Where the character at `index` begins, in bytes; the end counts as a place too.
fn byte_at(text: &str, index: i64) -> Option<usize> {
    let index = usize::try_from(index).ok()?;
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(index)
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn char_at<'a>(text: &str, index: i64) -> Evaluated<'a> {
    let Some(at) = byte_at(text, index) else { return out_of_range(index) };
    let found = text.get(at..).and_then(|rest| rest.chars().next());
    Ok(CelValue::owned(found.map(String::from).unwrap_or_default()))
}

fn index_of<'a>(text: &str, part: &str, from: i64) -> Evaluated<'a> {
    if part.is_empty() {
        return Ok(CelValue::Int(from));
    }
    let start = match byte_at(text, from) {
        Some(start) if start < text.len() || from == 0 => start,
        _ => return out_of_range(from),
    };
    let rest = text.get(start..).unwrap_or_default();
    let found = rest.find(part).and_then(|at| rest.get(..at));
    Ok(CelValue::Int(found.map_or(-1, |before| from + count(before))))
}

/// The last place of `part` that begins at `until` or before.
fn last_index_of<'a>(text: &str, part: &str, until: Option<i64>) -> Evaluated<'a> {
    if part.is_empty() {
        return Ok(CelValue::Int(until.unwrap_or_else(|| count(text))));
    }
    let end = match until {
        None => text.len(),
        Some(until) => match byte_at(text, until) {
            Some(at) if at < text.len() => at.saturating_add(part.len()).min(text.len()),
            _ => return out_of_range(until),
        },
    };
    // `end` may lie inside a character; then `part` does not match there.
    let end = text.floor_char_boundary(end);
    let before = text.get(..end).unwrap_or_default();
    let found = before.rfind(part).and_then(|at| text.get(..at));
    Ok(CelValue::Int(found.map_or(-1, count)))
}

fn substring<'a>(text: &Cow<'a, str>, start: i64, end: Option<i64>) -> Evaluated<'a> {
    if let Some(end) = end
        && start > end
    {
        let message = format!("invalid substring range. start: {start}, end: {end}");
        return Err(EvalError::Text(message.into()));
    }
    let Some(from) = byte_at(text, start) else { return out_of_range(start) };
    let until = match end {
        None => text.len(),
        Some(end) => match byte_at(text, end) {
            Some(until) => until,
            None => return out_of_range(end),
        },
    };
    Ok(CelValue::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(from..until).unwrap_or_default()),
        Cow::Owned(text) => Cow::Owned(text.get(from..until).unwrap_or_default().to_owned()),
    }))
}

/// The text as a literal between double quotes.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
