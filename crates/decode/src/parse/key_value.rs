//! Keys with values: logfmt and its many relatives.
//!
//! Values are borrowed from the record unless an escape in them stands for another character. A word
//! without a value is a field that is true; keys that repeat have lists.

use std::borrow::Cow;

use base::{ColumnType, Object, Value};

use super::{
    gather::{Gather, typed},
    quoted::{closing_quote, unescape},
};
use crate::{KeyValue, Reject, RejectKind};

/// Room for the pairs of most records.
const PAIRS_EXPECTED: usize = 24;

/// Reads the pairs of a record.
pub(crate) fn parse<'t>(
    rule: &KeyValue,
    types: &[(String, ColumnType)],
    text: &'t str,
) -> Result<Object<'t>, Reject> {
    let mut gather = Gather::with_capacity(PAIRS_EXPECTED);
    let mut at = 0;
    while let Some(begin) = rule.next_pair(text, at) {
        at = rule.pair(types, text, begin, &mut gather)?;
    }
    Ok(gather.into_object())
}

impl KeyValue {
    /// Where the next pair begins, from `at` on.
    fn next_pair(&self, text: &str, mut at: usize) -> Option<usize> {
        loop {
            let rest = text.get(at..)?;
            let blank = rest.len() - rest.trim_ascii_start().len();
            at += blank;
            match &self.pair_separator {
                Some(separator) if rest.get(blank..)?.starts_with(separator.as_str()) => {
                    at += separator.len();
                }
                _ if at < text.len() => return Some(at),
                _ => return None,
            }
        }
    }

    /// Where the pair that goes through `at` ends, if it has no quotes.
    fn pair_end(&self, text: &str, at: usize) -> usize {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let found = match &self.pair_separator {
            None => memchr::memchr2(b' ', b'\t', rest),
            Some(separator) => memchr::memmem::find(rest, separator.as_bytes()),
        };
        found.map_or(text.len(), |found| at + found)
    }

    /// Reads the pair at `begin`. Answers where it ends.
    fn pair<'t>(
        &self,
        types: &[(String, ColumnType)],
        text: &'t str,
        begin: usize,
        gather: &mut Gather<'t>,
    ) -> Result<usize, Reject> {
        let end = self.pair_end(text, begin);
        let pair = text.get(begin..end).unwrap_or_default();
        let separator = match self.value_separator.as_bytes() {
            [byte] => memchr::memchr(*byte, pair.as_bytes()),
            _ => pair.find(&self.value_separator),
        };
        let Some((separator, key)) = separator.and_then(|separator| {
            let key = pair.get(..separator)?.trim_ascii_end();
            (!key.is_empty()).then_some((separator, key))
        }) else {
            gather.add(pair.trim_ascii_end(), Value::Bool(true));
            return Ok(end);
        };
        let begin = begin + separator + self.value_separator.len();
        if text.as_bytes().get(begin) == Some(&self.quote) {
            let closing = closing_quote(text, begin, self.quote, self.escapes);
            let Some(closing) = closing else { return Err(unclosed(text, begin, key)) };
            let behind = text.get(closing + 1..).unwrap_or_default();
            if self.ends(behind) {
                let value = text.get(begin + 1..closing).unwrap_or_default();
                gather.add(key, typed(types, key, unescape(value, self.quote, self.escapes)));
                return Ok(closing + 1);
            }
        }
        // More behind the closing quote: the quotes are part of the value.
        let value = text.get(begin..end).unwrap_or_default();
        let value = if self.pair_separator.is_some() { value.trim_ascii() } else { value };
        gather.add(key, typed(types, key, Cow::Borrowed(value)));
        Ok(end.max(begin))
    }

    /// Whether a pair may end in front of `rest`.
    fn ends(&self, rest: &str) -> bool {
        match &self.pair_separator {
            None => rest.is_empty() || rest.starts_with([' ', '\t']),
            Some(separator) => {
                let rest = rest.trim_ascii_start();
                rest.is_empty() || rest.starts_with(separator.trim_ascii_start())
            }
        }
    }
}

fn unclosed(text: &str, at: usize, key: &str) -> Reject {
    let message = format!("the quote around the value of `{}` is not closed", super::excerpt(key));
    Reject::new(RejectKind::Syntax, message)
        .at(text.as_bytes(), at)
        .help("check whether the source cuts long records off, or `escapes` in `format`")
}

#[cfg(test)]
mod tests;
