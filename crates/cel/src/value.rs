//! What an expression computes with: values that borrow from the event wherever they can.
//!
//! Equality and ordering are those of the CEL language definition ("Equality", "Ordering"):
//! numbers compare across their three types, values of different types are never equal, and
//! ordering values of different types is an error of the caller's.

use std::{borrow::Cow, cmp::Ordering, fmt, net::IpAddr, sync::Arc};

use base::{Object, Value};

use crate::{
    error::EvalError,
    net::Network,
    steps::Steps,
    time::{CelDuration, CelTimestamp},
};

/// A value of the expression language.
#[derive(Debug, Clone)]
pub enum CelValue<'a> {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer with sign.
    Int(i64),
    /// A 64-bit integer without sign.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
    /// A list.
    List(CelList<'a>),
    /// A map.
    Map(CelMap<'a>),
    /// A point in time.
    Timestamp(CelTimestamp),
    /// A span of time.
    Duration(CelDuration),
    /// A type, as `type(x)` answers it.
    Type(CelType),
    /// A value that may be absent.
    Optional(Option<Arc<CelValue<'a>>>),
    /// An IP address.
    Ip(IpAddr),
    /// A network in CIDR notation.
    Cidr(Network),
}

/// A list: an event's, untouched, or one that the expression built.
#[derive(Debug, Clone)]
pub enum CelList<'a> {
    /// Borrowed from an event.
    Event(&'a [Value<'a>]),
    /// Built by the expression.
    Built(Arc<Vec<CelValue<'a>>>),
}

/// A map: an event's object, untouched, or one that the expression built.
#[derive(Debug, Clone)]
pub enum CelMap<'a> {
    /// Borrowed from an event.
    Event(&'a Object<'a>),
    /// Built by the expression; the keys are distinct.
    Built(Arc<Vec<(CelValue<'a>, CelValue<'a>)>>),
}

/// A type of the expression language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after the type it stands for")]
pub enum CelType {
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    List,
    Map,
    Timestamp,
    Duration,
    Type,
    Optional,
    Ip,
    Cidr,
}

impl CelType {
    const NAMES: [(Self, &'static str); 15] = [
        (Self::Null, "null_type"),
        (Self::Bool, "bool"),
        (Self::Int, "int"),
        (Self::Uint, "uint"),
        (Self::Double, "double"),
        (Self::Text, "string"),
        (Self::Bytes, "bytes"),
        (Self::List, "list"),
        (Self::Map, "map"),
        (Self::Timestamp, "google.protobuf.Timestamp"),
        (Self::Duration, "google.protobuf.Duration"),
        (Self::Type, "type"),
        (Self::Optional, "optional_type"),
        (Self::Ip, "net.IP"),
        (Self::Cidr, "net.CIDR"),
    ];

    /// The type that `name` denotes in an expression.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind)
    }

    /// Its name in expressions.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(kind, _)| *kind == self).map_or("type", |(_, name)| name)
    }
}

impl fmt::Display for CelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<'a> CelValue<'a> {
    /// Views a value of an event. Copies no text and no members.
    ///
    /// A number that neither `i64` nor `f64` holds exactly is a uint if it is a whole number that
    /// fits, and else the nearest double.
    #[must_use]
    pub fn of(value: &'a Value<'a>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Double(*value),
            Value::Number(text) => text.parse().map_or_else(
                // JSON's grammar of numbers is part of Rust's, so the fallback is never taken.
                |_| Self::Double(text.parse().unwrap_or(f64::NAN)),
                Self::Uint,
            ),
            Value::Text(text) => Self::Text(Cow::Borrowed(text)),
            Value::List(members) => Self::List(CelList::Event(members)),
            Value::Object(object) => Self::Map(CelMap::Event(object)),
        }
    }

    /// The same value without copying its text.
    pub(crate) fn reborrow(&'a self) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Borrowed(text)),
            Self::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
            other => other.clone(),
        }
    }

    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> CelType {
        match self {
            Self::Null => CelType::Null,
            Self::Bool(_) => CelType::Bool,
            Self::Int(_) => CelType::Int,
            Self::Uint(_) => CelType::Uint,
            Self::Double(_) => CelType::Double,
            Self::Text(_) => CelType::Text,
            Self::Bytes(_) => CelType::Bytes,
            Self::List(_) => CelType::List,
            Self::Map(_) => CelType::Map,
            Self::Timestamp(_) => CelType::Timestamp,
            Self::Duration(_) => CelType::Duration,
            Self::Type(_) => CelType::Type,
            Self::Optional(_) => CelType::Optional,
            Self::Ip(_) => CelType::Ip,
            Self::Cidr(_) => CelType::Cidr,
        }
    }

    /// Orders two values of one type, or two numbers. `None` if they have no order: different
    /// types, a type without order, or a NaN.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (a, b) => a.order_number(b),
        }
    }

    /// Whole numbers compare exactly; a whole number and a double compare as doubles, as in the
    /// reference implementation.
    fn order_number(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Some(a.cmp(b)),
            (Self::Uint(a), Self::Uint(b)) => Some(a.cmp(b)),
            (Self::Int(a), Self::Uint(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Self::Uint(a), Self::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (a, b) => a.as_double()?.partial_cmp(&b.as_double()?),
        }
    }

    /// The number as a double, rounded to the nearest; `None` if it is no number.
    pub(crate) const fn as_double(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Uint(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// CEL's `==`, with its steps counted.
    pub(crate) fn equals(&self, other: &Self, steps: &mut Steps) -> Result<bool, EvalError> {
        Ok(match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Cidr(a), Self::Cidr(b)) => a == b,
            (Self::Optional(None), Self::Optional(None)) => true,
            (Self::Optional(Some(a)), Self::Optional(Some(b))) => {
                steps.take(1)?;
                a.equals(b, steps)?
            }
            (Self::Text(a), Self::Text(b)) if a.len() == b.len() => {
                steps.take_bytes(a.len())?;
                a == b
            }
            (Self::Text(_), Self::Text(_)) => false,
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.equals(b, steps)?,
            (Self::Map(a), Self::Map(b)) => a.len() == b.len() && a.equals(b, steps)?,
            (a, b) => a.order(b) == Some(Ordering::Equal),
        })
    }

    /// The same value, owning all that it holds.
    pub(crate) fn into_owned(self) -> CelValue<'static> {
        match self {
            Self::Null => CelValue::Null,
            Self::Bool(value) => CelValue::Bool(value),
            Self::Int(number) => CelValue::Int(number),
            Self::Uint(number) => CelValue::Uint(number),
            Self::Double(number) => CelValue::Double(number),
            Self::Text(text) => CelValue::owned(text.into_owned()),
            Self::Bytes(bytes) => CelValue::Bytes(Cow::Owned(bytes.into_owned())),
            Self::List(list) => CelValue::list(list.iter().map(Self::into_owned).collect()),
            Self::Map(map) => {
                let entries = map.iter().map(|(key, value)| (key.into_owned(), value.into_owned()));
                CelValue::Map(CelMap::Built(Arc::new(entries.collect())))
            }
            Self::Timestamp(time) => CelValue::Timestamp(time),
            Self::Duration(span) => CelValue::Duration(span),
            Self::Type(kind) => CelValue::Type(kind),
            Self::Optional(value) => {
                CelValue::Optional(value.map(|value| Arc::new((*value).clone().into_owned())))
            }
            Self::Ip(address) => CelValue::Ip(address),
            Self::Cidr(network) => CelValue::Cidr(network),
        }
    }

    /// An optional value that is there.
    pub(crate) fn some(value: Self) -> Self {
        Self::Optional(Some(Arc::new(value)))
    }

    /// A list that an expression built.
    pub(crate) fn list(members: Vec<Self>) -> Self {
        Self::List(CelList::Built(Arc::new(members)))
    }

    /// A text that an expression built.
    pub(crate) fn owned(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    pub(crate) const fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Uint(_) | Self::Double(_))
    }
}

impl PartialEq for CelValue<'_> {
    /// CEL's `==`: recursive, numbers across types, NaN unequal to itself.
    fn eq(&self, other: &Self) -> bool {
        self.equals(other, &mut Steps::new(u32::MAX)).unwrap_or(false)
    }
}

impl<'a> CelList<'a> {
    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Event(members) => members.len(),
            Self::Built(members) => members.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The member at `index`, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<CelValue<'a>> {
        match self {
            Self::Event(members) => members.get(index).map(CelValue::of),
            Self::Built(members) => members.get(index).cloned(),
        }
    }

    fn equals(&self, other: &Self, steps: &mut Steps) -> Result<bool, EvalError> {
        for (member, other) in self.iter().zip(other.iter()) {
            steps.take(1)?;
            if !member.equals(&other, steps)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = CelValue<'a>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

impl<'a> CelMap<'a> {
    /// How many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Event(object) => object.len(),
            Self::Built(entries) => entries.len(),
        }
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under `key`; a number finds an equal number of another type.
    #[must_use]
    pub fn get(&self, key: &CelValue<'a>) -> Option<CelValue<'a>> {
        self.find(key, &mut Steps::new(u32::MAX)).unwrap_or(None)
    }

    /// As [`Self::get`], with its steps counted.
    pub(crate) fn find(
        &self,
        key: &CelValue<'a>,
        steps: &mut Steps,
    ) -> Result<Option<CelValue<'a>>, EvalError> {
        match (self, key) {
            (Self::Event(object), CelValue::Text(key)) => Ok(object.get(key).map(CelValue::of)),
            (Self::Event(_), _) => Ok(None),
            (Self::Built(entries), key) => {
                for (known, value) in entries.iter() {
                    steps.take(1)?;
                    if known.equals(key, steps)? {
                        return Ok(Some(value.clone()));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Whether every entry of this map is in `other`, which is as large.
    fn equals(&self, other: &Self, steps: &mut Steps) -> Result<bool, EvalError> {
        for (key, value) in self.iter() {
            steps.take(1)?;
            match other.find(&key, steps)? {
                Some(other) if value.equals(&other, steps)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (CelValue<'a>, CelValue<'a>)> {
        (0..self.len()).filter_map(|index| self.entry(index))
    }

    /// The entry at `index`.
    pub(crate) fn entry(&self, index: usize) -> Option<(CelValue<'a>, CelValue<'a>)> {
        match self {
            Self::Event(object) => {
                let (key, value) = object.iter().as_slice().get(index)?;
                Some((CelValue::Text(Cow::Borrowed(key)), CelValue::of(value)))
            }
            Self::Built(entries) => entries.get(index).cloned(),
        }
    }
}
