//! Fields on their way into an event: names that repeat get lists, and values their types.

use std::borrow::Cow;

use base::{ColumnType, Object, Value};

use super::cast_text;

/// The fields of one record, as they come.
pub(crate) struct Gather<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
    /// A bit for each name, so that names are compared only where they may be the same.
    seen: u64,
}

impl<'a> Gather<'a> {
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self { fields: Vec::with_capacity(count), seen: 0 }
    }

    /// Adds a field; the values of a name that repeats become a list.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        let bit = bit(&name);
        if self.seen & bit != 0 {
            let found = self.fields.iter_mut().find(|(other, _)| *other == name);
            if let Some((_, before)) = found {
                match before {
                    Value::List(members) => members.push(value),
                    before => {
                        let first = std::mem::replace(before, Value::Null);
                        *before = Value::List(vec![first, value]);
                    }
                }
                return;
            }
        }
        self.seen |= bit;
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
}
