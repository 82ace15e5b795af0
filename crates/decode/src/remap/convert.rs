//! Events to what VRL computes with, and back.
//!
//! VRL knows no repeated keys, no order of keys, and no numbers beyond 64 bits. So what a program did not
//! change is not taken back from it: the event keeps its own.

use std::borrow::Cow;

use base::{Object, Value, limits::RECORD_BYTES_MAX};
use chrono::SecondsFormat;
use ordered_float::NotNan;
use vrl::value::{ObjectMap, Value as Vrl};

use crate::{Reject, RejectKind};

/// Of a repeated key, the first value counts, as everywhere.
pub(super) fn to_vrl(object: &Object<'_>) -> ObjectMap {
    let mut map = ObjectMap::new();
    for (key, value) in object {
        map.entry(key.as_ref().into()).or_insert_with(|| value_to_vrl(value));
    }
    map
}

fn value_to_vrl(value: &Value<'_>) -> Vrl {
    match value {
        Value::Null => Vrl::Null,
        Value::Bool(value) => Vrl::Boolean(*value),
        Value::Int(number) => Vrl::Integer(*number),
        Value::Float(number) => NotNan::new(*number).map_or(Vrl::Null, Vrl::Float),
        Value::Number(text) | Value::Text(text) => Vrl::from(text.as_ref()),
        Value::List(members) => Vrl::Array(members.iter().map(value_to_vrl).collect()),
        Value::Object(object) => Vrl::Object(to_vrl(object)),
    }
}

/// The event's fields, as the program left them.
pub(super) fn from_vrl<'a>(fields: Object<'a>, left: Vrl) -> Result<Object<'a>, Reject> {
    match left {
        Vrl::Object(map) => Made::default().merged(fields, map),
        other => Err(wrong(format!(
            "the program `vrl` leaves `.` as {}, not as an object",
            other.kind_str()
        ))),
    }
}

fn wrong(message: String) -> Reject {
    Reject::new(RejectKind::Remap, message).help("correct the program, then replay")
}

/// What a program made, by now.
#[derive(Debug, Default)]
struct Made {
    bytes: usize,
}

impl Made {
    /// What is in `map`, in the order of `object`, then what is new.
    fn merged<'a>(&mut self, object: Object<'a>, mut map: ObjectMap) -> Result<Object<'a>, Reject> {
        let mut merged = Object::with_capacity(object.len() + map.len());
        for (key, value) in object {
            match map.remove(key.as_ref()) {
                Some(left) => merged.push(key, self.merged_value(value, left)?),
                // The program did not see that a key is repeated.
                None if merged.get(&key).is_some() => merged.push(key, value),
                None => {}
            }
        }
        for (key, value) in map {
            let key = self.counted(String::from(key))?;
            merged.push(key, self.made(value)?);
        }
        Ok(merged)
    }

    fn merged_value<'a>(&mut self, value: Value<'a>, left: Vrl) -> Result<Value<'a>, Reject> {
        match (value, left) {
            (Value::Object(object), Vrl::Object(map)) => {
                self.merged(object, map).map(Value::Object)
            }
            (Value::List(members), Vrl::Array(left)) => {
                let mut members = members.into_iter();
                let merged = left.into_iter().map(|left| match members.next() {
                    Some(member) => self.merged_value(member, left),
                    None => self.made(left),
                });
                merged.collect::<Result<_, _>>().map(Value::List)
            }
            (value, left) if is_same(&value, &left) => Ok(value),
            (_, left) => self.made(left),
        }
    }

    /// A value that the program made.
    fn made<'a>(&mut self, value: Vrl) -> Result<Value<'a>, Reject> {
        Ok(match value {
            Vrl::Null => Value::Null,
            Vrl::Boolean(value) => Value::Bool(value),
            Vrl::Integer(number) => Value::Int(number),
            Vrl::Float(number) if number.is_finite() => Value::Float(number.into_inner()),
            Vrl::Float(_) => {
                return Err(wrong("the program `vrl` made an infinite number".to_owned()));
            }
            Vrl::String(text) => self.text(text.to_string())?,
            Vrl::Bytes(bytes) => self.text(String::from_utf8(bytes.to_vec()).map_err(|_| {
                wrong("the program `vrl` made a text that is not UTF-8".to_owned())
            })?)?,
            Vrl::Timestamp(time) => self.text(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))?,
            Vrl::Regex(regex) => self.text(regex.as_str().to_owned())?,
            Vrl::Array(members) => {
                let members = members.into_iter().map(|member| self.made(member));
                Value::List(members.collect::<Result<_, _>>()?)
            }
            Vrl::Object(map) => {
                let mut object = Object::with_capacity(map.len());
                for (key, value) in map {
                    let key = self.counted(String::from(key))?;
                    object.push(key, self.made(value)?);
                }
                Value::Object(object)
            }
        })
    }

    fn text<'a>(&mut self, text: String) -> Result<Value<'a>, Reject> {
        self.counted(text).map(|text| Value::Text(Cow::Owned(text)))
    }

    /// An event is no longer than a record may be.
    fn counted(&mut self, text: String) -> Result<String, Reject> {
        self.bytes += text.len();
        if self.bytes > RECORD_BYTES_MAX {
            let limit = RECORD_BYTES_MAX >> 20;
            return Err(wrong(format!("the program `vrl` made more than {limit} MiB of text")));
        }
        Ok(text)
    }
}

fn is_same(value: &Value<'_>, left: &Vrl) -> bool {
    match (value, left) {
        (Value::Null, Vrl::Null) => true,
        (Value::Bool(value), Vrl::Boolean(left)) => value == left,
        (Value::Int(value), Vrl::Integer(left)) => value == left,
        (Value::Float(value), Vrl::Float(left)) => value.to_bits() == left.into_inner().to_bits(),
        (Value::Number(text) | Value::Text(text), left) => {
            left.as_bytes().is_some_and(|left| left == text.as_bytes())
        }
        _ => false,
    }
}
