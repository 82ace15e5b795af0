//! The modifiers of Sigma 2.1, and the three longer names that pySigma knows besides.

use super::{
    node::Node,
    pattern::Utf16,
    test::{Comparison, TimePart},
};
use crate::error::{RuleError, RuleErrorKind};

/// What a modifier does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifier {
    All,
    Neq,
    Cased,
    Contains,
    StartsWith,
    EndsWith,
    Exists,
    Expand,
    Windash,
    Base64,
    Base64Offset,
    Utf16(Utf16),
    Regex,
    IgnoreCase,
    MultiLine,
    DotAll,
    Cidr,
    FieldRef,
    Compare(Comparison),
    Time(TimePart),
}

const MODIFIERS: [(&str, Modifier); 34] = [
    ("all", Modifier::All),
    ("base64", Modifier::Base64),
    ("base64offset", Modifier::Base64Offset),
    ("cased", Modifier::Cased),
    ("cidr", Modifier::Cidr),
    ("contains", Modifier::Contains),
    ("day", Modifier::Time(TimePart::Day)),
    ("dotall", Modifier::DotAll),
    ("endswith", Modifier::EndsWith),
    ("exists", Modifier::Exists),
    ("expand", Modifier::Expand),
    ("fieldref", Modifier::FieldRef),
    ("gt", Modifier::Compare(Comparison::Greater)),
    ("gte", Modifier::Compare(Comparison::GreaterOrEqual)),
    ("hour", Modifier::Time(TimePart::Hour)),
    ("i", Modifier::IgnoreCase),
    ("ignorecase", Modifier::IgnoreCase),
    ("lt", Modifier::Compare(Comparison::Less)),
    ("lte", Modifier::Compare(Comparison::LessOrEqual)),
    ("m", Modifier::MultiLine),
    ("minute", Modifier::Time(TimePart::Minute)),
    ("month", Modifier::Time(TimePart::Month)),
    ("multiline", Modifier::MultiLine),
    ("neq", Modifier::Neq),
    ("re", Modifier::Regex),
    ("s", Modifier::DotAll),
    ("startswith", Modifier::StartsWith),
    ("utf16", Modifier::Utf16(Utf16::WithMark)),
    ("utf16be", Modifier::Utf16(Utf16::BigEndian)),
    ("utf16le", Modifier::Utf16(Utf16::LittleEndian)),
    ("week", Modifier::Time(TimePart::Week)),
    ("wide", Modifier::Utf16(Utf16::LittleEndian)),
    ("windash", Modifier::Windash),
    ("year", Modifier::Time(TimePart::Year)),
];

impl Modifier {
    /// Reads a modifier of the key.
    pub(super) fn read(key: &Node, word: &str) -> Result<Self, RuleError> {
        if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            return Ok(*modifier);
        }
        let error = key.error(RuleErrorKind::Modifier(format!("there is no modifier `{word}`")));
        let names = MODIFIERS.map(|(name, _)| name).join(", ");
        Err(error.with_help(format!("use one of {names}")))
    }

    /// Its name; the first by the alphabet if it has several.
    pub(super) fn name(self) -> &'static str {
        MODIFIERS.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}
