//! What a column holds, and how a row becomes the event again.

use std::borrow::Cow;

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{
        DataType, Field, Float64Type, Int32Type, Int64Type, Schema, TimeUnit,
        TimestampMicrosecondType,
    },
    util::display::array_value_to_string,
};
use base::{Object, Timestamp, Value};

use super::json;
use crate::schema;

/// What a column holds. Unlike Arrow's type it tells JSON from text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    Text,
    /// Text that holds JSON.
    Json,
    Int,
    Float,
    Bool,
    /// Microseconds UTC.
    Time,
    List(Box<Self>),
    Struct(Vec<(String, Self)>),
    /// Anything else: shown and matched as text.
    Other,
}

impl Shape {
    pub(crate) fn of(field: &Field) -> Self {
        match field.data_type() {
            DataType::Utf8 if schema::is_json(field) => Self::Json,
            DataType::Utf8 => Self::Text,
            DataType::Int64 => Self::Int,
            DataType::Float64 => Self::Float,
            DataType::Boolean => Self::Bool,
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Time,
            DataType::List(member) => Self::List(Box::new(Self::of(member))),
            DataType::Struct(members) => Self::Struct(
                members.iter().map(|member| (member.name().clone(), Self::of(member))).collect(),
            ),
            _ => Self::Other,
        }
    }
}

/// The columns of a table with their shapes.
pub(crate) fn shapes(schema: &Schema) -> Vec<(String, Shape)> {
    schema.fields().iter().map(|field| (field.name().clone(), Shape::of(field))).collect()
}

/// A cell's value; `None` for null. Nulls inside structs are left out, those in lists are kept.
pub(crate) fn value_at<'a>(array: &'a ArrayRef, shape: &Shape, row: usize) -> Option<Value<'a>> {
    if array.is_null(row) {
        return None;
    }
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let key = usize::try_from(dictionary.keys().value(row)).ok()?;
        return value_at(dictionary.values(), shape, key);
    }
    let value = match shape {
        Shape::Text => Value::text(array.as_string_opt::<i32>()?.value(row)),
        Shape::Json => {
            let text = array.as_string_opt::<i32>()?.value(row);
            json::parse(text).unwrap_or(Value::Text(Cow::Borrowed(text)))
        }
        Shape::Int => Value::Int(array.as_primitive_opt::<Int64Type>()?.value(row)),
        Shape::Float => Value::Float(array.as_primitive_opt::<Float64Type>()?.value(row)),
        Shape::Bool => Value::Bool(array.as_boolean_opt()?.value(row)),
        Shape::Time => {
            let micros = array.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
            Value::text(Timestamp::from_micros(micros).to_string())
        }
        Shape::List(member) => {
            let list = array.as_list_opt::<i32>()?;
            let offsets = list.value_offsets();
            let start = usize::try_from(*offsets.get(row)?).ok()?;
            let end = usize::try_from(*offsets.get(row + 1)?).ok()?;
            let at = |slot| value_at(list.values(), member, slot).unwrap_or(Value::Null);
            Value::List((start..end).map(at).collect())
        }
        Shape::Struct(members) => {
            let columns = array.as_struct_opt()?.columns();
            let mut object = Object::with_capacity(members.len());
            for ((name, shape), column) in members.iter().zip(columns) {
                if let Some(value) = value_at(column, shape, row) {
                    object.push(name.clone(), value);
                }
            }
            Value::Object(object)
        }
        Shape::Other => Value::text(array_value_to_string(array, row).ok()?),
    };
    Some(value)
}

/// Makes rows into events again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Rebuild {
    /// The columns, in the order in which their arrays come.
    columns: Vec<(String, Shape)>,
}

impl Rebuild {
    pub(crate) const fn new(columns: Vec<(String, Shape)>) -> Self {
        Self { columns }
    }

    /// The event of one row: its time and log source, its own fields with what `_rest` holds at its
    /// place, then the rest of the envelope. Own fields that have the name of an envelope's member
    /// stay inside `_rest`, so that neither hides the other.
    pub(crate) fn event<'a>(&self, arrays: &'a [ArrayRef], row: usize) -> Object<'a> {
        let mut own = Vec::with_capacity(self.columns.len());
        let mut envelope = Vec::new();
        let mut rest = None;
        for ((name, shape), array) in self.columns.iter().zip(arrays) {
            let Some(value) = value_at(array, shape, row) else { continue };
            match name.as_str() {
                schema::DAY => {}
                schema::REST => rest = Some(value),
                reserved if schema::RESERVED.contains(&reserved) => {
                    envelope.push((Cow::Owned(name.clone()), value));
                }
                _ => own.push((Cow::Owned(name.clone()), value)),
            }
        }
        if let Some(Value::Object(rest)) = rest {
            let (hidden, open): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|(key, _)| schema::RESERVED.contains(&key.as_ref()));
            merge(&mut own, open);
            if !hidden.is_empty() {
                let hidden = Value::Object(hidden.into_iter().collect());
                envelope.push((Cow::Borrowed(schema::REST), hidden));
            }
        }
        let (first, last): (Vec<_>, Vec<_>) = envelope
            .into_iter()
            .partition(|(key, _)| matches!(key.as_ref(), schema::TIME | schema::LOG_SOURCE));
        first.into_iter().chain(own).chain(last).collect()
    }

    /// The event as compact JSON.
    pub(crate) fn json(&self, arrays: &[ArrayRef], row: usize) -> String {
        let mut out = String::with_capacity(512);
        self.event(arrays, row).write_json(&mut out);
        out
    }
}

pub(crate) type Entries<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

/// Adds entries at their place: into the object of the same name, or at the end.
pub(crate) fn merge<'a>(into: &mut Entries<'a>, entries: Entries<'a>) {
    for (key, value) in entries {
        let place = into.iter_mut().find(|(name, _)| *name == key).map(|(_, place)| place);
        match (place, value) {
            (Some(Value::Object(inner)), Value::Object(more)) => {
                let mut merged: Entries<'a> = std::mem::take(inner).into_iter().collect();
                merge(&mut merged, more.into_iter().collect());
                *inner = merged.into_iter().collect();
            }
            // A repeated key: the event had it twice, and both are kept.
            (_, value) => into.push((key, value)),
        }
    }
}

/// A change to the fields of events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Edit {
    /// Leaves these out.
    Remove(Vec<String>),
    /// Gives fields other names, all at once.
    Rename(Vec<(String, String)>),
}

impl Edit {
    pub(crate) fn apply<'a>(&self, event: Object<'a>) -> Object<'a> {
        match self {
            Self::Remove(names) => names.iter().fold(event, |event, name| remove(event, name)),
            Self::Rename(pairs) => {
                let whole = Value::Object(event.clone());
                let names = pairs.iter().flat_map(|(from, to)| [from, to]);
                let mut event = names.fold(event, |event, name| remove(event, name));
                for (from, to) in pairs {
                    let path: Vec<&str> = from.split('.').collect();
                    if let Some(value) = json::get(&whole, &path) {
                        event.push(to.clone(), value.into_owned());
                    }
                }
                event
            }
        }
    }
}

/// The event with other values of fields, and without those that have none.
pub(crate) fn with_fields<'a, 'n>(
    event: Object<'a>,
    fields: impl Iterator<Item = (&'n str, Option<Value<'a>>)>,
) -> Object<'a> {
    fields.fold(event, |event, (name, value)| {
        let mut event = remove(event, name);
        if let Some(value) = value {
            event.push(name.to_owned(), value);
        }
        event
    })
}

/// The object without a field: a key of that whole name, or nested by its dots, in members of lists
/// too.
fn remove<'a>(object: Object<'a>, field: &str) -> Object<'a> {
    let nested = field.split_once('.');
    object
        .into_iter()
        .filter(|(key, _)| key != field)
        .map(|(key, value)| match nested {
            Some((first, rest)) if key == first => (key, remove_inside(value, rest)),
            _ => (key, value),
        })
        .collect()
}

fn remove_inside<'a>(value: Value<'a>, field: &str) -> Value<'a> {
    match value {
        Value::Object(inner) => Value::Object(remove(inner, field)),
        Value::List(members) => {
            Value::List(members.into_iter().map(|member| remove_inside(member, field)).collect())
        }
        other => other,
    }
}
