//! Nested records, laid flat: what rules name stands at the top, whoever collected the record.
//!
//! Nothing is lost but XML's namespace declarations: a value whose name is taken stays where it was, and
//! so does what would be more than [`LIFT_FIELDS_MAX`] fields, because names are compared with all others.
//! A record that is flat already costs one look at each of its keys.

use std::borrow::Cow;

use base::{FieldPath, Object, Value, limits::LIFT_FIELDS_MAX};

use crate::{Lift, names::Names};

/// A log source's `lift`, compiled.
#[derive(Debug)]
pub(crate) struct Lifter {
    steps: Vec<Step>,
    /// The keys that steps begin with.
    roots: Names,
}

#[derive(Debug)]
struct Step {
    lift: Lift,
    /// The numbers of the keys that it begins with.
    roots: Vec<usize>,
}

impl Lifter {
    pub(crate) fn new(lifts: &[Lift]) -> Self {
        let mut roots = Names::default();
        let mut steps = Vec::new();
        for lift in lifts {
            let paths = match lift {
                Lift::Members { from, .. } | Lift::Pairs { from, .. } => std::slice::from_ref(from),
                Lift::Value { from, .. } => from.as_slice(),
            };
            // A key may be spelt with the dots of the path.
            let keys = paths.iter().flat_map(|path| [path.as_str(), path.part(0).unwrap_or("")]);
            steps
                .push(Step { lift: lift.clone(), roots: keys.map(|key| roots.add(key)).collect() });
        }
        Self { steps, roots }
    }

    /// The record, laid flat, and whether that may have changed it.
    pub(crate) fn apply<'a>(&'a self, mut record: Object<'a>) -> (Object<'a>, bool) {
        if self.steps.is_empty() {
            return (record, false);
        }
        let mut has_spaces = false;
        let mut found = vec![false; self.roots.len()];
        for (key, _) in &record {
            has_spaces |= key.as_bytes().contains(&b' ');
            let slot = self.roots.find(key).and_then(|number| found.get_mut(number));
            if let Some(slot) = slot {
                *slot = true;
            }
        }
        if has_spaces {
            record = without_spaces(record);
        }
        for step in &self.steps {
            if step.roots.iter().any(|root| found.get(*root) == Some(&true)) {
                step.lift.apply(&mut record);
            }
        }
        (record, has_spaces || found.contains(&true))
    }
}

impl Lift {
    fn apply<'a>(&'a self, record: &mut Object<'a>) {
        match self {
            Self::Members { from, inner } => members(record, from, *inner),
            Self::Value { from, to, keep } => value(record, from, to, *keep),
            Self::Pairs { from, name, value, to, keep } => {
                let found = pairs(record, from, name, value, *keep);
                for (key, value) in found {
                    match to {
                        Some(to) => nest(record, to, key, value),
                        None => push_free(record, key, value),
                    }
                }
            }
        }
    }
}

/// Lays the members of the object at `from` flat at the top.
fn members<'a>(record: &mut Object<'a>, from: &FieldPath, inner: bool) {
    if !matches!(record.get_path(from), Some(Value::Object(_))) {
        return;
    }
    let Some(Value::Object(found)) = record.take_path(from) else { return };
    let mut left = Object::new();
    if inner {
        for (key, member) in found {
            match member {
                Value::Object(member) => {
                    let mut left_inside = Object::new();
                    spread(record, "", member, &mut left_inside);
                    if !left_inside.is_empty() {
                        left.push(key, Value::Object(left_inside));
                    }
                }
                member => left.push(key, member),
            }
        }
    } else {
        spread(record, "", found, &mut left);
    }
    if !left.is_empty() {
        put_back(record, from, Value::Object(left));
    }
}

/// Puts a value where it was. If something lifted is in the way by now, the place is spelt as one
/// key, under which it is found all the same.
fn put_back<'a>(record: &mut Object<'a>, path: &FieldPath, value: Value<'a>) {
    if is_free(record, path) {
        record.set_path(path, value);
    } else {
        record.push(path.as_str().to_owned(), value);
    }
}

fn is_free(record: &Object<'_>, path: &FieldPath) -> bool {
    let mut object = record;
    for (number, part) in path.parts().enumerate() {
        match object.get(part) {
            None => return true,
            Some(Value::Object(inner)) if number + 1 < path.len() => object = inner,
            Some(_) => return false,
        }
    }
    false
}

/// Adds the members of `object` to the record, those of objects in it under names joined by `_`.
/// What can't be added goes to `left`.
fn spread<'a>(record: &mut Object<'a>, prefix: &str, object: Object<'a>, left: &mut Object<'a>) {
    for (key, value) in object {
        if key == "xmlns" || key.starts_with("xmlns:") {
            continue;
        }
        let name = joined(prefix, &key);
        match value {
            Value::Object(inner) => {
                let mut left_inside = Object::new();
                spread(record, &name, inner, &mut left_inside);
                if !left_inside.is_empty() {
                    left.push(key, Value::Object(left_inside));
                }
            }
            value if name.is_empty() || !has_room(record, &name) => left.push(key, value),
            value => record.push(name, value),
        }
    }
}

/// Whether a field of this name may be added.
fn has_room(record: &Object<'_>, name: &str) -> bool {
    record.len() < LIFT_FIELDS_MAX && record.get(name).is_none()
}

/// The name of a member of an object. `#attributes` and `#text`, as XML is written in JSON, and the
/// ending `_attributes` are no part of it.
fn joined<'a>(prefix: &str, key: &Cow<'a, str>) -> Cow<'a, str> {
    let is_silent = matches!(key.as_ref(), "#attributes" | "#text" | "#value");
    let key = if is_silent { Cow::Borrowed("") } else { key.clone() };
    let key = match key.strip_suffix("_attributes") {
        Some(name) => Cow::Owned(name.to_owned()),
        None => spaceless(key),
    };
    match (prefix, key.as_ref()) {
        ("", _) => key,
        (prefix, "") => Cow::Owned(prefix.to_owned()),
        (prefix, key) => Cow::Owned(format!("{prefix}_{key}")),
    }
}

/// As the Sigma specification has it ("Field Usage"): spaces in the names of fields are removed.
fn spaceless(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.as_bytes().contains(&b' ') { Cow::Owned(name.replace(' ', "")) } else { name }
}

fn without_spaces(record: Object<'_>) -> Object<'_> {
    if record.len() > LIFT_FIELDS_MAX {
        return record;
    }
    let mut renamed = Object::with_capacity(record.len());
    let mut taken = Vec::new();
    for (key, value) in record {
        let is_plain = !key.as_bytes().contains(&b' ');
        if is_plain { renamed.push(key, value) } else { taken.push((key, value)) }
    }
    for (key, value) in taken {
        let name = spaceless(key.clone());
        let is_free = renamed.get(&name).is_none();
        renamed.push(if is_free { name } else { key }, value);
    }
    renamed
}

/// Gives the first value of `from` the name `to`, unless that is taken.
fn value<'a>(record: &mut Object<'a>, from: &[FieldPath], to: &'a str, keep: bool) {
    if record.get(to).is_some() {
        return;
    }
    for path in from {
        match record.get_path(path) {
            None | Some(Value::Null | Value::Object(_)) => {}
            Some(value) => {
                let value = if keep { Some(value.clone()) } else { record.take_path(path) };
                record.push(to, value.unwrap_or(Value::Null));
                return;
            }
        }
    }
}

/// What the objects at `from` say: each names a field and has its value, or has one member.
fn pairs<'a>(
    record: &mut Object<'a>,
    from: &FieldPath,
    name: &[FieldPath],
    value: &[FieldPath],
    keep: bool,
) -> Vec<(Cow<'a, str>, Value<'a>)> {
    let mut found = Vec::new();
    let mut all_are_pairs = true;
    record.any(from, &mut |member| {
        let pair = pair(member, name, value);
        all_are_pairs &= pair.is_some();
        found.extend(pair);
        false
    });
    if found.len().saturating_add(record.len()) > LIFT_FIELDS_MAX {
        return Vec::new();
    }
    if !keep && all_are_pairs && !found.is_empty() {
        record.take_path(from);
    }
    found
}

fn pair<'a>(
    member: &Value<'a>,
    name: &[FieldPath],
    value: &[FieldPath],
) -> Option<(Cow<'a, str>, Value<'a>)> {
    let Value::Object(member) = member else { return None };
    let named = name.iter().find_map(|path| match member.get_path(path)? {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    });
    let found = match named {
        Some(name) => {
            let value = value.iter().find_map(|path| member.get_path(path));
            (name, value.cloned().unwrap_or(Value::Null))
        }
        None if name.is_empty() && member.len() == 1 => member.iter().next().cloned()?,
        None => return None,
    };
    (!found.0.is_empty()).then_some(found)
}

/// Adds a field at the top; where the name is taken, the value joins what is there.
fn push_free<'a>(record: &mut Object<'a>, key: Cow<'a, str>, value: Value<'a>) {
    let key = spaceless(key);
    let value = match record.take_path(&FieldPath::new(key.as_ref())) {
        None => value,
        Some(Value::List(mut members)) => {
            members.push(value);
            Value::List(members)
        }
        Some(first) => Value::List(vec![first, value]),
    };
    record.push(key, value);
}

/// As [`push_free`], inside the object `to`.
fn nest<'a>(record: &mut Object<'a>, to: &FieldPath, key: Cow<'a, str>, value: Value<'a>) {
    let mut inside = match record.take_path(to) {
        Some(Value::Object(inside)) => inside,
        None => Object::new(),
        Some(other) => {
            put_back(record, to, other);
            return push_free(record, key, value);
        }
    };
    push_free(&mut inside, key, value);
    put_back(record, to, Value::Object(inside));
}

#[cfg(test)]
mod tests;
