//! CEF and LEEF: a header of parts between bars, and keys with values.
//!
//! Values are borrowed from the record unless an escape in them stands for another character.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use base::{ColumnType, Object, Value};

use super::{
    excerpt,
    gather::{Gather, cast, typed},
};
use crate::{Cef, Reject, RejectKind};

/// Room for the keys of most records.
const PAIRS_EXPECTED: usize = 24;

/// The parts of CEF's header, as ArcSight names them ("Micro Focus Security ArcSight Common Event
/// Format, Version 25", chapter 1).
const CEF_HEADER: [&str; 7] = [
    "cefVersion",
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "deviceEventClassId",
    "name",
    "severity",
];

/// The parts of LEEF's header ("IBM QRadar Log Event Extended Format (LEEF)", "LEEF event
/// components").
const LEEF_HEADER: [&str; 5] = ["leefVersion", "vendor", "product", "version", "eventId"];

/// The keys whose values are whole numbers by CEF's dictionary.
const CEF_NUMBERS: &[&str] = &[
    "cn1",
    "cn2",
    "cn3",
    "cnt",
    "destinationTranslatedPort",
    "dpid",
    "dpt",
    "dvcpid",
    "fsize",
    "in",
    "oldFileSize",
    "out",
    "sourceTranslatedPort",
    "spid",
    "spt",
    "type",
];

/// And those that are fractions.
const CEF_FRACTIONS: &[&str] = &["cfp1", "cfp2", "cfp3", "cfp4", "dlat", "dlong", "slat", "slong"];

/// The keys whose values are whole numbers by LEEF's list of predefined attributes.
const LEEF_NUMBERS: &[&str] = &[
    "dstBytes",
    "dstPackets",
    "dstPort",
    "dstPostNATPort",
    "dstPreNATPort",
    "sev",
    "srcBytes",
    "srcPackets",
    "srcPort",
    "srcPostNATPort",
    "srcPreNATPort",
    "totalPackets",
];

type Types = [(String, ColumnType)];

/// Reads a record of CEF.
pub(crate) fn cef<'t>(rule: Cef, types: &Types, text: &'t str) -> Result<Object<'t>, Reject> {
    let mut rest = begin(text, "CEF:")?;
    let mut gather = Gather::with_capacity(PAIRS_EXPECTED);
    for (number, name) in CEF_HEADER.iter().enumerate() {
        let is_last = number + 1 == CEF_HEADER.len();
        let (part, behind) = match cef_part(rest) {
            Some((part, behind)) => (part, behind),
            // Nothing but the header: some leave out the last bar.
            None if is_last => (unescape(rest, Part::Header), ""),
            None => return Err(too_short(text, number + 1, CEF_HEADER.len())),
        };
        gather.add(*name, typed(types, name, part));
        rest = behind;
    }
    let labels = if rule.labels { labels(rest) } else { HashMap::new() };
    for_each_pair(rest, |key, value| {
        let (name, is_label) = labelled(&labels, key);
        if !is_label {
            let value = unescape(value, Part::Value);
            gather.add(name, builtin(types, key, value, CEF_NUMBERS, CEF_FRACTIONS));
        }
    });
    Ok(gather.into_object())
}

/// Reads a record of LEEF.
pub(crate) fn leef<'t>(types: &Types, text: &'t str) -> Result<Object<'t>, Reject> {
    let mut rest = begin(text, "LEEF:")?;
    let mut gather = Gather::with_capacity(PAIRS_EXPECTED);
    let mut is_second = false;
    for (number, name) in LEEF_HEADER.iter().enumerate() {
        let (part, behind) = match rest.split_once('|') {
            Some(split) => split,
            None if number + 1 == LEEF_HEADER.len() => (rest, ""),
            None => return Err(too_short(text, number + 1, LEEF_HEADER.len())),
        };
        is_second |= number == 0 && part.trim_ascii().starts_with('2');
        gather.add(*name, typed(types, name, part.into()));
        rest = behind;
    }
    let mut delimiter = Cow::Borrowed("\t");
    if is_second && let Some((written, behind)) = leef_delimiter(rest) {
        delimiter = written;
        rest = behind;
    }
    let is_tab = delimiter == "\t" && !rest.contains('\t');
    if is_tab && rest.contains("#011") {
        // What rsyslog makes of tabs.
        delimiter = Cow::Borrowed("#011");
    } else if is_tab {
        // A relay has made spaces of them, or there is one pair at most.
        for_each_pair(rest, |key, value| {
            gather.add(key, builtin(types, key, value.into(), LEEF_NUMBERS, &[]));
        });
        return Ok(gather.into_object());
    }
    for pair in rest.split(delimiter.as_ref()).map(str::trim_ascii).filter(|pair| !pair.is_empty())
    {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                gather.add(key, builtin(types, key, value.into(), LEEF_NUMBERS, &[]));
            }
            _ => gather.add(pair, Value::Bool(true)),
        }
    }
    Ok(gather.into_object())
}

/// The delimiter that a header of version 2 names: a character, or its number as `x5E` or `0x5E`.
fn leef_delimiter(rest: &str) -> Option<(Cow<'_, str>, &str)> {
    let (written, behind) = rest.split_once('|')?;
    let mut characters = written.chars();
    match (characters.next(), characters.next()) {
        (None, _) => return Some((Cow::Borrowed("\t"), behind)),
        (Some(_), None) => return Some((Cow::Borrowed(written), behind)),
        _ => {}
    }
    let digits = written.strip_prefix("0x").or_else(|| written.strip_prefix(['x', 'X']))?;
    let is_number = (1..=4).contains(&digits.len());
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_number)?;
    Some((char::from_u32(number)?.to_string().into(), behind))
}

/// A value in the type that the log source says, or else the format's dictionary.
fn builtin<'t>(
    types: &Types,
    key: &str,
    text: Cow<'t, str>,
    numbers: &[&str],
    fractions: &[&str],
) -> Value<'t> {
    if types.iter().any(|(name, _)| name == key) {
        typed(types, key, text)
    } else if numbers.contains(&key) {
        cast(text, ColumnType::Int)
    } else if fractions.contains(&key) {
        cast(text, ColumnType::Float)
    } else {
        Value::Text(text)
    }
}

fn begin<'t>(text: &'t str, word: &str) -> Result<&'t str, Reject> {
    let rest = text.trim_ascii_start().strip_prefix(word).ok_or_else(|| {
        let message = format!("the record does not begin with `{word}`: `{}`", excerpt(text));
        Reject::new(RejectKind::Syntax, message).at(text.as_bytes(), 0).help(
            "where a syslog header is in front, write `type: syslog` with this format as `payload`",
        )
    })?;
    Ok(rest.trim_ascii_start())
}

fn too_short(text: &str, parts: usize, expected: usize) -> Reject {
    let message = format!("the header ends in its part {parts} of {expected}");
    Reject::new(RejectKind::Syntax, message)
        .at(text.as_bytes(), text.len())
        .help("check whether the source cuts records off, or has another format")
}

/// One part of CEF's header and what follows its bar.
fn cef_part(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut at = 0;
    loop {
        let found = at + memchr::memchr2(b'|', b'\\', text.as_bytes().get(at..)?)?;
        if text.as_bytes().get(found) == Some(&b'|') {
            return Some((unescape(text.get(..found)?, Part::Header), text.get(found + 1..)?));
        }
        at = found + 2;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Header,
    Value,
}

/// What CEF's escapes stand for. A backslash that escapes nothing stays.
fn unescape(text: &str, part: Part) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let next = characters.as_str().chars().next();
        let stands_for = match (character, next) {
            ('\\', Some(next @ ('\\' | '|' | '='))) => Some(next),
            ('\\', Some('n')) if part == Part::Value => Some('\n'),
            ('\\', Some('r')) if part == Part::Value => Some('\r'),
            _ => None,
        };
        if stands_for.is_some() {
            characters.next();
        }
        out.push(stands_for.unwrap_or(character));
    }
    Cow::Owned(out)
}

/// Calls `each` with the keys and values of an extension. A value goes up to the space in front of
/// the next key; an `=` that no key stands in front of is part of the value, escaped or not.
fn for_each_pair<'t>(text: &'t str, mut each: impl FnMut(&'t str, &'t str)) {
    let mut open: Option<(&str, usize)> = None;
    for equals in memchr::memchr_iter(b'=', text.as_bytes()) {
        let Some(begin) = key_before(text, equals) else { continue };
        let Some(key) = text.get(begin..equals) else { continue };
        if let Some((key, from)) = open {
            each(key, text.get(from..begin).unwrap_or_default().trim_ascii());
        } else if let Some(word) = text.get(..begin).map(str::trim_ascii).filter(|w| !w.is_empty())
        {
            // What no key stands in front of is kept under a name that can be no key.
            each("=", word);
        }
        open = Some((key, equals + 1));
    }
    match open {
        Some((key, from)) => each(key, text.get(from..).unwrap_or_default().trim_ascii()),
        None if text.trim_ascii().is_empty() => {}
        None => each("=", text.trim_ascii()),
    }
}

/// Where the key begins that ends in front of `end`: behind a space or at the start.
fn key_before(text: &str, end: usize) -> Option<usize> {
    let bytes = text.as_bytes().get(..end)?;
    let is_of_key = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']')
    };
    let length = bytes.iter().rev().take_while(|byte| is_of_key(byte)).count();
    let begin = end.checked_sub(length).filter(|_| length > 0)?;
    let before = begin.checked_sub(1).and_then(|before| bytes.get(before));
    before.is_none_or(|byte| matches!(byte, b' ' | b'\t')).then_some(begin)
}

/// What `cs1Label` and the like say: the key, and the name that its value gets.
fn labels(text: &str) -> HashMap<&str, Cow<'_, str>> {
    let mut labels = HashMap::new();
    let mut keys = HashSet::new();
    for_each_pair(text, |key, value| {
        keys.insert(key);
        if let Some(key) = key.strip_suffix("Label").filter(|_| !value.is_empty()) {
            labels.entry(key).or_insert_with(|| unescape(value, Part::Value));
        }
    });
    // A name that is taken is not given twice.
    let is_free = |name: &str| !keys.contains(name) && !CEF_HEADER.contains(&name);
    labels.retain(|key, name| keys.contains(key) && is_free(name));
    labels
}

/// The name of a key's value, and whether the value is but a label that was made use of.
fn labelled<'t>(labels: &HashMap<&'t str, Cow<'t, str>>, key: &'t str) -> (Cow<'t, str>, bool) {
    let is_label = key.strip_suffix("Label").is_some_and(|key| labels.contains_key(key));
    (labels.get(key).cloned().unwrap_or(Cow::Borrowed(key)), is_label)
}

#[cfg(test)]
mod tests;
