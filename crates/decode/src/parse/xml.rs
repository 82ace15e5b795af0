//! An element of XML, as fields.
//!
//! Of an element, what has a name becomes a field of an object: its attributes, inside `#attributes`,
//! and the elements in it; those that repeat are a list. Its text is the value, or `#text` beside
//! others. Entities are the five of XML and characters by number: declarations are not followed, so
//! that nothing expands.

use std::borrow::Cow;

use base::{ColumnType, Object, Value, limits::JSON_DEPTH_MAX};
use quick_xml::{
    Reader,
    events::{BytesRef, BytesStart, Event},
};

use super::gather::{Gather, cast};
use crate::{Reject, RejectKind, Xml};

/// What of a Windows event is a number. The values of its data are text, as they are written.
const WINDOWS_NUMBERS: &[&str] = &[
    "EventID",
    "EventRecordID",
    "Level",
    "Opcode",
    "ProcessID",
    "Qualifiers",
    "Task",
    "ThreadID",
    "Version",
];

type Types = [(String, ColumnType)];

/// Reads an element.
pub(crate) fn parse<'t>(rule: &Xml, types: &Types, text: &'t str) -> Result<Object<'t>, Reject> {
    let mut tree = Tree { text, types, is_windows: rule.is_windows, open: Vec::new() };
    let mut reader = Reader::from_str(text);
    let root = loop {
        let at = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(at);
            tree.wrong(error.to_string(), at)
        })?;
        if let Some(root) = tree.take(event, at)? {
            break root;
        }
    };
    let (name, value) = root;
    match value {
        Value::Object(fields) if !rule.is_windows => Ok(fields),
        value => Ok(std::iter::once((name, value)).collect()),
    }
}

/// The elements that are open.
struct Tree<'t, 'r> {
    text: &'t str,
    types: &'r Types,
    is_windows: bool,
    open: Vec<Element<'t>>,
}

struct Element<'t> {
    name: Cow<'t, str>,
    members: Gather<'t>,
    text: Cow<'t, str>,
}

type Named<'t> = (Cow<'t, str>, Value<'t>);

impl<'t> Tree<'t, '_> {
    /// Takes in what was read at `at`. Answers with the root when it is closed.
    fn take(&mut self, event: Event<'t>, at: usize) -> Result<Option<Named<'t>>, Reject> {
        match event {
            Event::Start(tag) => {
                let element = self.element(&tag, at)?;
                self.open.push(element);
                Ok(None)
            }
            Event::Empty(tag) => {
                let element = self.element(&tag, at)?;
                Ok(self.close(element))
            }
            Event::End(_) => Ok(self.open.pop().and_then(|element| self.close(element))),
            Event::Text(text) => {
                let text = text.decode().map_err(|error| self.wrong(error.to_string(), at))?;
                self.append(text);
                Ok(None)
            }
            Event::CData(text) => {
                let text = text.decode().map_err(|error| self.wrong(error.to_string(), at))?;
                self.append(text);
                Ok(None)
            }
            Event::GeneralRef(reference) => {
                let character = character(&reference)
                    .ok_or_else(|| self.wrong("an entity that XML does not have by itself", at))?;
                self.append(character.to_string().into());
                Ok(None)
            }
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => Ok(None),
            Event::DocType(_) => Err(self.wrong("a declaration inside of a record", at)),
            Event::Eof => Err(self.wrong("the element is not closed", self.text.len())),
        }
    }

    fn element(&self, tag: &BytesStart<'_>, at: usize) -> Result<Element<'t>, Reject> {
        if self.open.len() >= JSON_DEPTH_MAX {
            let message = format!("elements nest deeper than {JSON_DEPTH_MAX}");
            return Err(Reject::new(RejectKind::Depth, message).at(self.text.as_bytes(), at));
        }
        let mut members = Gather::with_capacity(4);
        let mut attributes = Gather::with_capacity(4);
        // One that repeats is a list, as everything that does; to look for it would take long.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.wrong(error.to_string(), at))?;
            let name = self.own(attribute.key.as_ref());
            let value =
                attribute.unescape_value().map_err(|error| self.wrong(error.to_string(), at))?;
            let value = match value {
                Cow::Borrowed(text) => self.own(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text),
            };
            let value = self.typed(&name, value);
            attributes.add(name, value);
        }
        let attributes = attributes.into_object();
        if !attributes.is_empty() {
            members.add("#attributes", Value::Object(attributes));
        }
        let name = self.own(tag.local_name().as_ref());
        Ok(Element { name, members, text: Cow::Borrowed("") })
    }

    /// A part of the record's text, borrowed from it.
    fn own(&self, part: &[u8]) -> Cow<'t, str> {
        let begin = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        let found = begin.and_then(|begin| self.text.get(begin..begin.checked_add(part.len())?));
        match found.filter(|found| found.as_bytes() == part) {
            Some(found) => Cow::Borrowed(found),
            None => Cow::Owned(String::from_utf8_lossy(part).into_owned()),
        }
    }

    fn append(&mut self, text: Cow<'t, str>) {
        let Some(element) = self.open.last_mut() else { return };
        if element.text.is_empty() {
            element.text = text;
        } else {
            element.text.to_mut().push_str(&text);
        }
    }

    /// Gives an element to the one around it. Answers with the root.
    fn close(&mut self, element: Element<'t>) -> Option<Named<'t>> {
        let Element { name, members, text } = element;
        let mut members = members.into_object();
        let is_blank = text.trim_ascii().is_empty();
        let value = match (members.is_empty(), is_blank) {
            // Spaces may be what an element without others is about.
            (true, _) if text.is_empty() => Value::Null,
            (true, _) => self.typed(&name, text),
            (false, true) => Value::Object(members),
            (false, false) => {
                members.push("#text", self.typed(&name, text));
                Value::Object(members)
            }
        };
        match self.open.last_mut() {
            Some(around) => {
                around.members.add(name, value);
                None
            }
            None => Some((name, value)),
        }
    }

    fn typed(&self, name: &str, text: Cow<'t, str>) -> Value<'t> {
        match self.types.iter().find(|(other, _)| other == name) {
            Some((_, column)) => cast(text, *column),
            None if self.is_windows && WINDOWS_NUMBERS.contains(&name) => {
                cast(text, ColumnType::Int)
            }
            None => Value::Text(text),
        }
    }

    fn wrong(&self, message: impl Into<String>, at: usize) -> Reject {
        Reject::new(
            RejectKind::Syntax,
            format!("the record is not well-formed: {}", message.into()),
        )
        .at(self.text.as_bytes(), at.min(self.text.len()))
        .help("check what wrote the record, or cut it off")
    }
}

/// The character that `&name;` or `&#number;` stands for.
fn character(reference: &BytesRef<'_>) -> Option<char> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Some(character);
    }
    match reference.as_ref() {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
