//! All that rules ask of one field, answered for a value at once.
//!
//! A predicate is a number; [`Column::scan`] names those that hold. Tests of whole texts are one
//! look-up, tests of ends one or two, tests of what lies between one pass ([`super::grams`]).

use std::collections::HashMap;

use base::Value;
use foldhash::fast::FixedState;

use super::{
    few::Few,
    grams::{AsciiAnyCase, Grams, Lower},
};
use crate::sigma::{
    test::{Comparison, Number, NumberTest},
    text::lower_into,
};

/// The rules' texts are the keys, so nobody who writes logs can make them collide.
type Map<K, V> = HashMap<K, V, FixedState>;

/// A predicate's number.
pub(super) type Predicate = u32;

/// What rules ask of one field.
#[derive(Debug, Default)]
pub(super) struct Column {
    /// The value is not null.
    has_value: Option<Predicate>,
    is_object: Option<Predicate>,
    exact: Map<Box<str>, Predicate>,
    prefixes: Affixes,
    suffixes: Affixes,
    contains: Literals,
    numbers: Numbers,
    is_true: Option<Predicate>,
    is_false: Option<Predicate>,
    /// The text holds a long s, which regular expressions take for an s.
    has_long_s: Option<Predicate>,
    /// Whether anything but `contains`, numbers and `has_value` is asked.
    needs_lower: bool,
    needs_text: bool,
    /// Whether nothing is asked but a few literals that do not have [`BETWEEN`].
    is_few: bool,
    /// These literals as JSON has them, if it has them in one way.
    in_json: Option<Few>,
}

/// What a value may contain.
#[derive(Debug)]
enum Literals {
    /// Looked for in lower case.
    Few(Few),
    Many(Box<Grams>),
}

/// What rules ask of one field, as it is gathered.
#[derive(Debug, Default)]
pub(super) struct Draft {
    has_value: Option<Predicate>,
    is_object: Option<Predicate>,
    exact: Map<Box<str>, Predicate>,
    prefixes: Map<Box<str>, Predicate>,
    suffixes: Map<Box<str>, Predicate>,
    contains: Map<Box<str>, Predicate>,
    numbers: Map<String, (NumberTest, Predicate)>,
    is_true: Option<Predicate>,
    is_false: Option<Predicate>,
    has_long_s: Option<Predicate>,
}

/// What can be asked of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ask<'t> {
    HasValue,
    IsObject,
    HasLongS,
    /// In lower case, as the following.
    Exact(&'t str),
    Prefix(&'t str),
    Suffix(&'t str),
    Contains(&'t str),
    Number(&'t NumberTest),
    Bool(bool),
}

/// Room for the texts of values, used again and again.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) text: String,
    pub(super) lower: String,
    /// All texts of an event, for [`Column::search_all`].
    pub(super) all: String,
    /// The event's JSON, for [`Column::may_hold_in`].
    pub(super) json: Vec<u8>,
}

/// Stands behind each of many texts. What is looked for in many at once does not have it.
pub(super) const BETWEEN: char = '\u{1f}';

impl Draft {
    /// The predicate for a question; `next` makes a number for a new one.
    pub(super) fn predicate(
        &mut self,
        ask: Ask<'_>,
        next: &mut impl FnMut() -> Predicate,
    ) -> Predicate {
        let mut in_map = |map: &mut Map<Box<str>, Predicate>, text: &str| match map.get(text) {
            Some(known) => *known,
            None => {
                let new = next();
                map.insert(text.into(), new);
                new
            }
        };
        match ask {
            Ask::Exact(text) => in_map(&mut self.exact, text),
            Ask::Prefix(text) => in_map(&mut self.prefixes, text),
            Ask::Suffix(text) => in_map(&mut self.suffixes, text),
            Ask::Contains(text) => in_map(&mut self.contains, text),
            Ask::HasValue => *self.has_value.get_or_insert_with(next),
            Ask::IsObject => *self.is_object.get_or_insert_with(next),
            Ask::HasLongS => *self.has_long_s.get_or_insert_with(next),
            Ask::Bool(true) => *self.is_true.get_or_insert_with(next),
            Ask::Bool(false) => *self.is_false.get_or_insert_with(next),
            Ask::Number(test) => {
                let known = self.numbers.entry(test.spelled.clone());
                known.or_insert_with(|| (test.clone(), next())).1
            }
        }
    }

    pub(super) fn build(self) -> Column {
        let contains = self.contains.into_iter().map(|(text, id)| (text.into(), id));
        let mut literals = contains.collect::<Vec<(String, Predicate)>>();
        // The order of a map is no order; the table is the same for the same rules.
        literals.sort_unstable();
        let contains = Literals::new(&literals);
        let asks_whole = !self.exact.is_empty()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
            || self.is_true.or(self.is_false).is_some();
        let is_few = matches!(&contains, Literals::Few(few) if !few.has(BETWEEN))
            && !asks_whole
            && self.numbers.is_empty()
            && self.has_value.or(self.is_object).or(self.has_long_s).is_none();
        let in_json = if is_few { Few::in_json(&literals) } else { None };
        let needs_lower = asks_whole || matches!(contains, Literals::Few(_));
        Column {
            has_value: self.has_value,
            is_object: self.is_object,
            prefixes: Affixes::new(self.prefixes, End::Start),
            suffixes: Affixes::new(self.suffixes, End::End),
            numbers: Numbers::new(self.numbers.into_values()),
            is_true: self.is_true,
            is_false: self.is_false,
            has_long_s: self.has_long_s,
            needs_lower,
            needs_text: needs_lower || !contains.is_empty() || self.has_long_s.is_some(),
            exact: self.exact,
            contains,
            is_few,
            in_json,
        }
    }
}

impl Default for Literals {
    fn default() -> Self {
        Self::Many(Box::default())
    }
}

impl Literals {
    fn new(literals: &[(String, Predicate)]) -> Self {
        Few::new(literals).map_or_else(|| Self::Many(Box::new(Grams::new(literals))), Self::Few)
    }

    const fn is_empty(&self) -> bool {
        match self {
            Self::Few(_) => false,
            Self::Many(grams) => grams.is_empty(),
        }
    }

    fn scan(&self, lower: &str, found: &mut impl FnMut(Predicate)) {
        match self {
            Self::Few(few) => few.scan(lower.as_bytes(), found),
            Self::Many(grams) => grams.scan::<Lower>(lower.as_bytes(), found),
        }
    }
}

impl Column {
    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        !self.needs_text && self.has_value.or(self.is_object).is_none() && self.numbers.is_empty()
    }

    /// Whether what holds of a text is worth remembering: a single look-up costs no more.
    pub(super) fn is_remembered(&self) -> bool {
        !self.contains.is_empty() || !self.prefixes.is_empty() || !self.suffixes.is_empty()
    }

    /// Names the predicates that hold for a value, which is no list.
    pub(super) fn scan(
        &self,
        value: &Value<'_>,
        texts: &mut Texts,
        found: &mut impl FnMut(Predicate),
    ) {
        if matches!(value, Value::Null) {
            return;
        }
        found_if(self.has_value, true, found);
        found_if(self.is_object, matches!(value, Value::Object(_)), found);
        let Texts { text, lower, .. } = texts;
        let text = match value {
            Value::Text(text) | Value::Number(text) => text.as_ref(),
            other if self.needs_text || !self.numbers.is_empty() => {
                spell(other, text);
                text.as_str()
            }
            _ => return,
        };
        if !self.numbers.is_empty() {
            self.numbers.scan(value, text, lower, found);
        }
        if self.needs_text {
            self.scan_text(text, lower, found);
            if self.needs_lower {
                let is_bool = match value {
                    Value::Bool(value) => Some(*value),
                    Value::Text(_) => match lower.as_str() {
                        "true" => Some(true),
                        "false" => Some(false),
                        _ => None,
                    },
                    _ => None,
                };
                found_if(self.is_true, is_bool == Some(true), found);
                found_if(self.is_false, is_bool == Some(false), found);
            }
        }
    }

    /// Whether a text is only looked into for a few literals, so that many texts can be looked
    /// into at once, [`Self::search_all`].
    pub(super) const fn is_few(&self) -> bool {
        self.is_few
    }

    /// Whether any predicate may hold for a text of an event whose JSON this is, made ready by
    /// [`fold_json`](super::few::fold_json).
    pub(super) fn may_hold_in(&self, json: &[u8]) -> bool {
        let Some(in_json) = &self.in_json else { return true };
        let mut may_hold = false;
        in_json.scan(json, &mut |_| may_hold = true);
        may_hold
    }

    /// Names the predicates that hold for any text, all of them in lower case with [`BETWEEN`]
    /// behind each.
    pub(super) fn search_all(&self, texts: &str, found: &mut impl FnMut(Predicate)) {
        if let Literals::Few(few) = &self.contains {
            few.scan(texts.as_bytes(), found);
        }
    }

    /// As [`Self::scan`], for a column of all strings: only a number is also compared with numbers.
    pub(super) fn search(
        &self,
        value: &Value<'_>,
        texts: &mut Texts,
        found: &mut impl FnMut(Predicate),
    ) {
        if matches!(value, Value::Text(_)) {
            self.scan(value, texts, found);
        } else if !self.numbers.is_empty() {
            let Texts { text, lower, .. } = texts;
            spell(value, text);
            self.numbers.scan(value, text, lower, found);
        }
    }

    /// Leaves the text in lower case in `lower`, if that is needed.
    fn scan_text(&self, text: &str, lower: &mut String, found: &mut impl FnMut(Predicate)) {
        let is_ascii = text.is_ascii();
        if let Literals::Many(grams) = &self.contains
            && !self.needs_lower
            && is_ascii
        {
            grams.scan::<AsciiAnyCase>(text.as_bytes(), found);
            return;
        }
        lower.clear();
        lower_into(text, lower);
        if let Some(predicate) = self.exact.get(lower.as_str()) {
            found(*predicate);
        }
        self.prefixes.scan(lower, found);
        self.suffixes.scan(lower, found);
        self.contains.scan(lower, found);
        found_if(self.has_long_s, !is_ascii && text.contains('ſ'), found);
    }
}

/// Writes what a value that is no text is displayed as.
pub(super) fn spell(value: &Value<'_>, text: &mut String) {
    text.clear();
    value.write_json(text);
}

fn found_if(predicate: Option<Predicate>, holds: bool, found: &mut impl FnMut(Predicate)) {
    if let Some(predicate) = predicate.filter(|_| holds) {
        found(predicate);
    }
}

/// Texts that begin or end alike, with their predicates.
type Alike = Vec<(Box<str>, Predicate)>;

/// Texts that a value begins or ends with.
#[derive(Debug, Default)]
struct Affixes {
    end: End,
    /// By the last part of a path, with its separator: nearly all suffixes are `\name.exe`.
    parts: Map<Box<str>, Alike>,
    /// By their outermost bytes, up to four, and how many those are.
    edges: Map<(usize, u32), Alike>,
    /// Which lengths of edges there are.
    widths: Vec<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Start,
    End,
}

const EDGE_BYTES_MAX: usize = 4;

impl Affixes {
    fn new(texts: Map<Box<str>, Predicate>, end: End) -> Self {
        let mut affixes = Self { end, ..Self::default() };
        for (text, id) in texts {
            let part = last_part(&text).filter(|_| end == End::End);
            if let Some(part) = part {
                affixes.parts.entry(part.into()).or_default().push((text, id));
                continue;
            }
            let width = text.len().min(EDGE_BYTES_MAX);
            let edge = edge(text.as_bytes(), width, end).unwrap_or(0);
            affixes.edges.entry((width, edge)).or_default().push((text, id));
            if !affixes.widths.contains(&width) {
                affixes.widths.push(width);
            }
        }
        affixes
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.edges.is_empty()
    }

    fn scan(&self, text: &str, found: &mut impl FnMut(Predicate)) {
        if self.is_empty() {
            return;
        }
        if !self.parts.is_empty()
            && let Some(same) = last_part(text).and_then(|part| self.parts.get(part))
        {
            self.compare(same, text, found);
        }
        for width in &self.widths {
            let edge = edge(text.as_bytes(), *width, self.end);
            if let Some(same) = edge.and_then(|edge| self.edges.get(&(*width, edge))) {
                self.compare(same, text, found);
            }
        }
    }

    fn compare(
        &self,
        affixes: &[(Box<str>, Predicate)],
        text: &str,
        found: &mut impl FnMut(Predicate),
    ) {
        for (affix, id) in affixes {
            let holds = match self.end {
                End::Start => text.as_bytes().starts_with(affix.as_bytes()),
                End::End => text.as_bytes().ends_with(affix.as_bytes()),
            };
            if holds {
                found(*id);
            }
        }
    }
}

/// What stands behind the last separator of a path, with it.
fn last_part(text: &str) -> Option<&str> {
    let at = memchr::memrchr2(b'\\', b'/', text.as_bytes())?;
    text.get(at..)
}

fn edge(text: &[u8], width: usize, end: End) -> Option<u32> {
    let bytes = match end {
        End::Start => text.get(..width)?,
        End::End => text.get(text.len().checked_sub(width)?..)?,
    };
    Some(bytes.iter().fold(0, |edge, byte| edge << 8 | u32::from(*byte)))
}

/// Numbers that a value may equal.
#[derive(Debug, Default)]
struct Numbers {
    spelled: Map<Box<str>, Predicate>,
    whole: Map<i64, Vec<Predicate>>,
    all: Vec<(Number, Predicate)>,
    has_fractions: bool,
}

impl Numbers {
    fn new(tests: impl Iterator<Item = (NumberTest, Predicate)>) -> Self {
        let mut numbers = Self::default();
        for (test, id) in tests {
            match test.number {
                Number::Int(number) => numbers.whole.entry(number).or_default().push(id),
                Number::Float(_) => numbers.has_fractions = true,
            }
            numbers.all.push((test.number, id));
            numbers.spelled.insert(test.spelled.into(), id);
        }
        numbers
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn scan(
        &self,
        value: &Value<'_>,
        text: &str,
        lower: &mut String,
        found: &mut impl FnMut(Predicate),
    ) {
        if !matches!(value, Value::Int(_)) {
            lower.clear();
            lower_into(text, lower);
            if let Some(predicate) = self.spelled.get(lower.as_str()) {
                found(*predicate);
            }
        }
        match Number::of(value) {
            None => {}
            Some(Number::Int(whole)) if !self.has_fractions => {
                self.whole.get(&whole).into_iter().flatten().for_each(|id| found(*id));
            }
            Some(number) => {
                let equal = self.all.iter().filter(|(n, _)| number.is(Comparison::Equal, *n));
                equal.for_each(|(_, id)| found(*id));
            }
        }
    }
}
