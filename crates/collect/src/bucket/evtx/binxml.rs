//! Binary XML: tokens, whose names and templates stand anywhere in the chunk, written as text.
//!
//! Hostile chunks are bounded: templates nest so deep, an event has so many tokens, and its text is so
//! long, as the limits here say. What it refers to outside the chunk is an error, and so is a token that
//! is not known: what follows could mean anything.

use std::ops::Range;

use super::{
    chunk::field,
    value::{self, ARRAY, BINXML, NULL, TEXT},
};

/// How deep templates, and values that are binary XML, nest. Windows has two of each.
const NESTING_MAX: u32 = 16;

/// How deep elements nest, all templates together.
const ELEMENTS_MAX: usize = 128;

/// How many tokens an event has, counted as often as their template is used.
const TOKENS_MAX: u32 = 100_000;

/// How long an event's text is. Its record has 64 KiB at most, with texts of two bytes a character.
const TEXT_BYTES_MAX: usize = 2 << 20;

/// How long a name is.
const NAME_UNITS_MAX: usize = 256;

/// The bytes of a template's definition in front of its tokens.
const TEMPLATE_HEAD_BYTES: usize = 24;

/// An element that depends on no value.
const NO_DEPENDENCY: u16 = 0xffff;

type Wrong = String;

/// Writes the event at `at` of a chunk as one line of XML, without its end. What is written when it
/// fails is worth nothing.
pub(super) fn write(chunk: &[u8], at: Range<usize>, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let before = out.len();
    let mut writer = Writer { chunk, out, before, open: Vec::new(), tokens: 0 };
    writer.fragment(at, None, 0)?;
    if !writer.open.is_empty() {
        return Err("an element is not closed".to_owned());
    }
    if writer.out.len() == before {
        return Err("there is nothing in it".to_owned());
    }
    Ok(())
}

struct Writer<'c, 'o> {
    chunk: &'c [u8],
    out: &'o mut Vec<u8>,
    /// How much is in `out` that is not this event's.
    before: usize,
    open: Vec<Element>,
    tokens: u32,
}

/// An element that is open. Places are those in the text.
struct Element {
    /// Its `<`.
    start: usize,
    /// The end of its name.
    name_end: usize,
    /// The name of the attribute that is being written, and whether it has a value.
    attribute: Option<(Range<usize>, AttributeValue)>,
    /// It is not there, because the value that it depends on is not.
    is_absent: bool,
    /// Items of an array, of which the first stands at this place: the element is repeated for each.
    repeat: Option<(Range<usize>, Vec<Vec<u8>>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum AttributeValue {
    None,
    Begun,
    /// There is none, and then the attribute is not there either.
    Absent,
}

/// A value that is put into a template.
struct Value {
    kind: u8,
    at: Range<usize>,
}

/// Reads a chunk on from a place.
struct Cursor<'c> {
    chunk: &'c [u8],
    at: usize,
    end: usize,
}

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let end = self.at + N;
        let bytes = field(self.chunk, self.at).filter(|_| end <= self.end);
        self.at = end;
        bytes.ok_or_else(|| "it ends in the middle of a token".to_owned())
    }

    fn u8(&mut self) -> Result<u8, Wrong> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Wrong> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<usize, Wrong> {
        let number = self.take().map(u32::from_le_bytes)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// So many bytes.
    fn skip(&mut self, count: usize) -> Result<Range<usize>, Wrong> {
        let range = self.at..self.at.saturating_add(count);
        if range.end > self.end {
            return Err("a value is longer than what it stands in".to_owned());
        }
        self.at = range.end;
        Ok(range)
    }

    /// Text with its length in front.
    fn text(&mut self) -> Result<Range<usize>, Wrong> {
        let units = self.u16()?;
        self.skip(2 * usize::from(units))
    }
}

impl Writer<'_, '_> {
    /// Writes the tokens at `at`; `values` are those of their template, if they stand in one.
    fn fragment(
        &mut self,
        at: Range<usize>,
        values: Option<&[Value]>,
        nesting: u32,
    ) -> Result<(), Wrong> {
        if nesting > NESTING_MAX {
            return Err("templates nest too deep".to_owned());
        }
        let mut cursor = Cursor { chunk: self.chunk, at: at.start, end: at.end };
        while cursor.at < cursor.end {
            self.count()?;
            match cursor.u8()? {
                0x00 => return Ok(()),
                token @ (0x01 | 0x41) => self.start(&mut cursor, token, values)?,
                0x02 => self.content()?,
                0x03 => self.close(true)?,
                0x04 => self.close(false)?,
                0x05 | 0x45 => self.text(&mut cursor)?,
                0x06 | 0x46 => self.attribute(&mut cursor)?,
                0x07 | 0x47 => {
                    let text = cursor.text()?;
                    self.put(TEXT, text)?;
                }
                0x08 | 0x48 => {
                    let unit = cursor.u16()?.to_le_bytes();
                    self.begin_value()?;
                    value::utf16(&unit, self.out);
                }
                0x09 | 0x49 => self.entity(&mut cursor)?,
                // Instructions to programs say nothing about the event.
                0x0a => {
                    self.name(&mut cursor)?;
                }
                0x0b => {
                    cursor.text()?;
                }
                0x0c => self.template(&mut cursor, nesting)?,
                token @ (0x0d | 0x0e) => {
                    let number = usize::from(cursor.u16()?);
                    cursor.u8()?;
                    let value = values.and_then(|values| values.get(number));
                    self.substitute(value, token == 0x0e, nesting)?;
                }
                0x0f => {
                    cursor.skip(3)?;
                }
                token => return Err(format!("token 0x{token:02x} is not known")),
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Wrong> {
        self.tokens += 1;
        if self.tokens > TOKENS_MAX || self.out.len() - self.before > TEXT_BYTES_MAX {
            return Err("the event is too long".to_owned());
        }
        Ok(())
    }

    /// Whether a value is there.
    fn is_null(values: Option<&[Value]>, number: u16) -> bool {
        let value = values.and_then(|values| values.get(usize::from(number)));
        value.is_none_or(|value| value.kind == NULL)
    }

    fn start(
        &mut self,
        cursor: &mut Cursor<'_>,
        token: u8,
        values: Option<&[Value]>,
    ) -> Result<(), Wrong> {
        // Only the elements of templates say which value they depend on.
        let dependency = if values.is_some() { cursor.u16()? } else { NO_DEPENDENCY };
        cursor.u32()?;
        let name = self.name(cursor)?;
        if token == 0x41 {
            cursor.u32()?;
        }
        if self.open.len() >= ELEMENTS_MAX {
            return Err("elements nest too deep".to_owned());
        }
        if self.open.last().is_some_and(|around| around.attribute.is_some()) {
            return Err("an element in an attribute".to_owned());
        }
        let start = self.out.len();
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        self.open.push(Element {
            start,
            name_end: self.out.len(),
            attribute: None,
            is_absent: dependency != NO_DEPENDENCY && Self::is_null(values, dependency),
            repeat: None,
        });
        Ok(())
    }

    /// A name, which stands here or elsewhere.
    fn name(&self, cursor: &mut Cursor<'_>) -> Result<String, Wrong> {
        let at = cursor.u32()?;
        let end = if at == cursor.at { cursor.end } else { self.chunk.len() };
        let mut there = Cursor { chunk: self.chunk, at, end };
        // The place of another name with the same hash, and the hash.
        there.skip(6)?;
        let text = there.text()?;
        if at == cursor.at {
            // A zero is behind it.
            there.skip(2)?;
            cursor.at = there.at;
        }
        let (units, _) = self.chunk.get(text).unwrap_or_default().as_chunks::<2>();
        if units.len() > NAME_UNITS_MAX {
            return Err("a name is too long".to_owned());
        }
        let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
        let name: Result<String, _> = char::decode_utf16(units).collect();
        name.ok().filter(|name| is_name(name)).ok_or_else(|| "a name is none".to_owned())
    }

    fn element(&mut self) -> Result<&mut Element, Wrong> {
        self.open.last_mut().ok_or_else(|| "something outside of any element".to_owned())
    }

    fn attribute(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Wrong> {
        let name = self.name(cursor)?;
        self.end_attribute()?;
        let from = self.out.len();
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        let name = from..self.out.len();
        self.element()?.attribute = Some((name, AttributeValue::None));
        Ok(())
    }

    fn end_attribute(&mut self) -> Result<(), Wrong> {
        match self.element()?.attribute.take() {
            None => {}
            Some((_, AttributeValue::Begun)) => self.out.push(b'"'),
            Some((_, AttributeValue::None)) => self.out.extend_from_slice(b"=\"\""),
            Some((name, AttributeValue::Absent)) => self.out.truncate(name.start),
        }
        Ok(())
    }

    /// A value follows: in the attribute that is being written, or in the element.
    fn begin_value(&mut self) -> Result<(), Wrong> {
        let element = self.element()?;
        if let Some((_, value)) = &mut element.attribute
            && *value != AttributeValue::Begun
        {
            *value = AttributeValue::Begun;
            self.out.extend_from_slice(b"=\"");
        }
        Ok(())
    }

    /// The start tag ends.
    fn content(&mut self) -> Result<(), Wrong> {
        self.end_attribute()?;
        self.out.push(b'>');
        Ok(())
    }

    fn close(&mut self, is_empty: bool) -> Result<(), Wrong> {
        if is_empty {
            self.end_attribute()?;
            self.out.extend_from_slice(b"/>");
        }
        let Some(element) = self.open.pop() else {
            return Err("an element ends that did not begin".to_owned());
        };
        if element.is_absent {
            self.out.truncate(element.start);
            return Ok(());
        }
        if !is_empty {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(element.start + 1..element.name_end);
            self.out.push(b'>');
        }
        let Some((first, items)) = element.repeat else { return Ok(()) };
        let end = self.out.len();
        for item in items {
            self.out.extend_from_within(element.start..first.start);
            self.out.extend_from_slice(&item);
            self.out.extend_from_within(first.end..end);
            self.count()?;
        }
        Ok(())
    }

    fn text(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Wrong> {
        let kind = cursor.u8()?;
        if kind != TEXT {
            return Err(format!("a value of type 0x{kind:02x} stands among the tokens"));
        }
        let text = cursor.text()?;
        self.put(kind, text)
    }

    fn put(&mut self, kind: u8, at: Range<usize>) -> Result<(), Wrong> {
        self.begin_value()?;
        value::write(kind, self.chunk.get(at).unwrap_or_default(), self.out)
    }

    /// One of the five that XML has by itself.
    fn entity(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Wrong> {
        let name = self.name(cursor)?;
        if !matches!(name.as_str(), "amp" | "lt" | "gt" | "quot" | "apos") {
            return Err(format!("the entity `{name}` is not known"));
        }
        self.begin_value()?;
        self.out.push(b'&');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b';');
        Ok(())
    }

    /// A template, which is defined here or elsewhere, with values for it.
    fn template(&mut self, cursor: &mut Cursor<'_>, nesting: u32) -> Result<(), Wrong> {
        cursor.skip(5)?;
        let at = cursor.u32()?;
        let mut definition = Cursor { chunk: self.chunk, at, end: self.chunk.len() };
        definition.skip(TEMPLATE_HEAD_BYTES - 4)?;
        let length = definition.u32()?;
        let tokens = definition.skip(length)?;
        if at == cursor.at {
            cursor.skip(TEMPLATE_HEAD_BYTES + length)?;
        }
        let count = cursor.u32()?;
        let mut kinds = Cursor { end: cursor.end, ..*cursor };
        cursor.skip(count.saturating_mul(4))?;
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let size = usize::from(kinds.u16()?);
            let kind = kinds.u8()?;
            kinds.u8()?;
            values.push(Value { kind, at: cursor.skip(size)? });
        }
        self.fragment(tokens, Some(&values), nesting + 1)
    }

    fn substitute(
        &mut self,
        value: Option<&Value>,
        is_optional: bool,
        nesting: u32,
    ) -> Result<(), Wrong> {
        let Some(Value { kind, at }) = value.filter(|value| value.kind != NULL) else {
            if let Some((_, value)) = &mut self.element()?.attribute
                && *value == AttributeValue::None
                && is_optional
            {
                *value = AttributeValue::Absent;
            }
            return Ok(());
        };
        match *kind {
            BINXML if self.element()?.attribute.is_some() => {
                Err("elements in an attribute".to_owned())
            }
            BINXML => {
                let depth = self.open.len();
                self.fragment(at.clone(), None, nesting + 1)?;
                if self.open.len() == depth { Ok(()) } else { Err("tags don't match".to_owned()) }
            }
            kind if kind & ARRAY != 0 => self.array(kind, at.clone()),
            kind => self.put(kind, at.clone()),
        }
    }

    fn array(&mut self, kind: u8, at: Range<usize>) -> Result<(), Wrong> {
        let items = value::items(kind, self.chunk.get(at).unwrap_or_default())?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            let mut text = Vec::new();
            value::write(kind & !ARRAY, item, &mut text)?;
            texts.push(text);
        }
        self.begin_value()?;
        let from = self.out.len();
        let is_second = self.element()?.repeat.is_some();
        if is_second {
            self.out.extend_from_slice(&texts.join(&b", "[..]));
            return Ok(());
        }
        let mut texts = texts.into_iter();
        self.out.extend_from_slice(&texts.next().unwrap_or_default());
        let rest: Vec<Vec<u8>> = texts.collect();
        let first = from..self.out.len();
        self.element()?.repeat = (!rest.is_empty()).then_some((first, rest));
        Ok(())
    }
}

/// Whether this may be the name of an element or attribute.
fn is_name(name: &str) -> bool {
    let is_part =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':') || !c.is_ascii();
    name.starts_with(|c: char| c.is_alphabetic() || c == '_' || !c.is_ascii())
        && name.chars().all(|c| is_part(c) && !c.is_whitespace() && !c.is_control())
}
