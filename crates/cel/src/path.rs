//! A field's name, prepared for look-up.

use std::{ops::Range, sync::Arc};

use base::{Event, Object, Value};

use crate::value::{CelMap, CelValue};

/// The parts of `a.b.c`. Each run of neighboring parts may also be one key spelt with dots.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    name: Arc<str>,
    parts: Vec<Range<usize>>,
}

impl Path {
    pub(crate) fn new(parts: &[&str]) -> Self {
        let mut name = String::new();
        let mut ranges = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                name.push('.');
            }
            ranges.push(name.len()..name.len() + part.len());
            name.push_str(part);
        }
        Self { name: name.into(), parts: ranges }
    }

    /// The whole name, with dots.
    pub(crate) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) fn in_event<'a>(&self, event: &'a Event<'a>) -> Option<&'a Value<'a>> {
        self.in_object(&event.fields).or_else(|| self.in_object(&event.normalized))
    }

    /// The value at the path; the longest key wins, as for CEL's qualified names.
    pub(crate) fn in_object<'a>(&self, object: &'a Object<'a>) -> Option<&'a Value<'a>> {
        self.find(object, 0)
    }

    fn find<'a>(&self, object: &'a Object<'a>, from: usize) -> Option<&'a Value<'a>> {
        let start = self.parts.get(from)?.start;
        // Each object of the tree is visited at most once, so that trying the shorter keys after
        // a longer one failed costs no more than the event is large.
        for (last, part) in self.parts.iter().enumerate().skip(from).rev() {
            let Some(value) = self.name.get(start..part.end).and_then(|key| object.get(key)) else {
                continue;
            };
            if last + 1 == self.parts.len() {
                return Some(value);
            }
            if let Value::Object(inner) = value
                && let Some(found) = self.find(inner, last + 1)
            {
                return Some(found);
            }
        }
        None
    }
}

impl Path {
    /// As [`Self::in_object`], in a map that an expression built.
    pub(crate) fn in_entries<'a>(
        &self,
        entries: &[(CelValue<'a>, CelValue<'a>)],
    ) -> Option<CelValue<'a>> {
        self.find_entry(entries, 0)
    }

    fn find_entry<'a>(
        &self,
        entries: &[(CelValue<'a>, CelValue<'a>)],
        from: usize,
    ) -> Option<CelValue<'a>> {
        let start = self.parts.get(from)?.start;
        for (last, part) in self.parts.iter().enumerate().skip(from).rev() {
            let key = self.name.get(start..part.end)?;
            let found = entries.iter().find(|(known, _)| match known {
                CelValue::Text(known) => known == key,
                _ => false,
            });
            let Some((_, value)) = found else { continue };
            if last + 1 == self.parts.len() {
                return Some(value.clone());
            }
            let inner = match value {
                CelValue::Map(CelMap::Built(inner)) => self.find_entry(inner, last + 1),
                CelValue::Map(CelMap::Event(inner)) => self.find(inner, last + 1).map(CelValue::of),
                CelValue::Optional(inner) => Some(self.find_optional(inner.as_deref(), last + 1)),
                _ => None,
            };
            if inner.is_some() {
                return inner;
            }
        }
        None
    }
}

impl Path {
    /// How many parts it has.
    pub(crate) const fn len(&self) -> usize {
        self.parts.len()
    }

    /// One of its parts.
    pub(crate) fn part(&self, at: usize) -> Option<&str> {
        self.name.get(self.parts.get(at)?.clone())
    }

    /// What an optional value on the way makes of the rest: an optional value.
    fn find_optional<'a>(&self, value: Option<&CelValue<'a>>, from: usize) -> CelValue<'a> {
        let found = match value {
            Some(CelValue::Map(CelMap::Built(inner))) => self.find_entry(inner, from),
            Some(CelValue::Map(CelMap::Event(inner))) => self.find(inner, from).map(CelValue::of),
            _ => None,
        };
        found.map_or(CelValue::Optional(None), CelValue::some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_nested_and_dotted_keys() {
        let mut inner = Object::new();
        inner.push("c", Value::Int(1));
        inner.push("c.d", Value::Int(2));
        let mut object = Object::new();
        object.push("a.b", Value::Object(inner));
        object.push("a.b.c.e", Value::Int(3));
        object.push("a", Value::Int(4));
        let get = |parts: &[&str]| Path::new(parts).in_object(&object).cloned();
        assert_eq!(get(&["a", "b", "c"]), Some(Value::Int(1)));
        assert_eq!(get(&["a", "b", "c", "d"]), Some(Value::Int(2)));
        assert_eq!(get(&["a", "b", "c", "e"]), Some(Value::Int(3)));
        assert_eq!(get(&["a"]), Some(Value::Int(4)));
        assert_eq!(get(&["a.b", "c"]), Some(Value::Int(1)));
        assert_eq!(get(&["a", "x"]), None);
        assert_eq!(get(&["a", "b", "c", "f"]), None);
        assert_eq!(Path::new(&["a", "b"]).name().as_ref(), "a.b");
    }
}
