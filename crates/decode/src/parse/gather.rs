//! Fields on their way into an event: names that repeat get lists, and values their types.

use std::{borrow::Cow, collections::HashMap};

use base::{ColumnType, Object, Value};

use super::cast_text;

/// The fields of one record, as they come.
pub(crate) struct Gather<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// A bit for each name, so that names are compared only where they may be the same.
    seen: u64,
    /// Where each name stands, once there are so many that comparing them takes long.
    places: HashMap<Cow<'a, str>, usize>,
}

/// From how many names on they are looked up.
const LOOKED_UP_FROM: usize = 64;

impl<'a> Gather<'a> {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { fields: Vec::with_capacity(count), seen: 0, places: HashMap::new() }
    }

    /// Adds a field; the values of a name that repeats become a list.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        match self.find(&name) {
            Some(Value::List(members)) => members.push(value),
            Some(before) => {
                let first = std::mem::replace(before, Value::Null);
                *before = Value::List(vec![first, value]);
            }
            None => self.push(name, value),
        }
    }

    /// Adds to the text of a field that came before, behind `between`, or a new field.
    pub(crate) fn append(&mut self, name: &'a str, between: &str, text: Cow<'a, str>) {
        match self.find(name) {
            Some(Value::Text(before)) => {
                let before = before.to_mut();
                before.push_str(between);
                before.push_str(&text);
            }
            _ => self.add(name, Value::Text(text)),
        }
    }

    fn find(&mut self, name: &str) -> Option<&mut Value<'a>> {
        if self.seen & bit(name) == 0 {
            return None;
        }
        let place = match self.places.is_empty() {
            true => self.fields.iter().position(|(other, _)| other == name)?,
            false => *self.places.get(name)?,
        };
        self.fields.get_mut(place).map(|(_, value)| value)
    }

    fn push(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        self.seen |= bit(&name);
        let count = self.fields.len();
        if count == LOOKED_UP_FROM {
            let places = self.fields.iter().enumerate();
            self.places = places.map(|(place, (name, _))| (name.clone(), place)).collect();
        }
        if count >= LOOKED_UP_FROM {
            self.places.insert(name.clone(), count);
        }
        self.fields.push((name, value));
    }

    pub(crate) fn into_object(self) -> Object<'a> {
        self.fields.into_iter().collect()
    }
}

fn bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or_default());
    let length = bytes.len();
    let last = byte(length.wrapping_sub(1));
    let hash = byte(0) * 5 + byte(length / 2) * 7 + last * 11 + length as u64 * 3;
    1 << (hash % 64)
}

/// A text in the type that `types` says for `name`; what is not of the type stays text, and an empty
/// text that should be a number is null.
pub(crate) fn typed<'a>(
    types: &[(String, ColumnType)],
    name: &str,
    text: Cow<'a, str>,
) -> Value<'a> {
    match types.iter().find(|(other, _)| other == name) {
        Some((_, column)) => cast(text, *column),
        None => Value::Text(text),
    }
}

pub(crate) fn cast(text: Cow<'_, str>, column: ColumnType) -> Value<'_> {
    match (column, text) {
        (ColumnType::Text, text) => Value::Text(text),
        (ColumnType::Int | ColumnType::Float | ColumnType::Bool, text) if text.is_empty() => {
            Value::Null
        }
        (column, Cow::Borrowed(text)) => cast_text(text, column).unwrap_or(Value::text(text)),
        (column, Cow::Owned(text)) => {
            cast_text(&text, column).map(Value::into_owned).unwrap_or(Value::Text(text.into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_repeat_get_lists() {
        let mut gather = Gather::with_capacity(0);
        for (name, value) in [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("aXa", 5), ("aYa", 6)] {
            gather.add(name, Value::Int(value));
        }
        let mut json = String::new();
        gather.into_object().write_json(&mut json);
        assert_eq!(json, r#"{"a":[1,3,4],"b":2,"aXa":5,"aYa":6}"#);
    }

    #[test]
    fn any_number_of_names_is_told_apart() {
        let mut gather = Gather::with_capacity(0);
        for round in 0..2 {
            for number in 0..500 {
                gather.add(format!("n{number}"), Value::Int(round));
            }
        }
        gather.add("n3", Value::Int(2));
        gather.append("text", ", ", "a".into());
        gather.append("text", ", ", "b".into());
        let fields = gather.into_object();
        assert_eq!(fields.len(), 501);
        let list = |numbers: &[i64]| Value::List(numbers.iter().copied().map(Value::Int).collect());
        assert_eq!(fields.get("n3"), Some(&list(&[0, 1, 2])));
        assert_eq!(fields.get("n499"), Some(&list(&[0, 1])));
        assert_eq!(fields.get("text"), Some(&Value::text("a, b")));
    }
}
