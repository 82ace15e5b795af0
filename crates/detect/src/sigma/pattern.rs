//! Sigma's strings: wildcards, escapes, encodings, and matching them against text.
//!
//! `*` stands for any text, `?` for one character; a backslash makes a following `*`, `?` or
//! backslash plain and is otherwise a backslash itself (Sigma specification 2.1, "Escaping").

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::text::{Atom, DASHES, TextTest, lower};

/// How many dashes of one value are spelled out where an encoding follows: 5⁴ = 625 needles.
const DASHES_SPELLED_MAX: usize = 4;

/// A string of a rule, read but not yet made fit for matching.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Bytes, because an encoding may leave UTF-8.
    Plain(Vec<u8>),
    /// `*`.
    Many,
    /// `?`.
    One,
    /// One of [`DASHES`].
    Dash,
}

/// Which encoding a modifier asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Utf16 {
    LittleEndian,
    BigEndian,
    /// Little-endian with a byte order mark in front.
    WithMark,
}

impl Pattern {
    /// Reads a string with wildcards and escapes.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut chars = text.chars().peekable();
        while let Some(char) = chars.next() {
            let special = match char {
                '\\' => {
                    let escaped = chars.next_if(|next| matches!(next, '*' | '?' | '\\'));
                    plain.push(escaped.unwrap_or('\\'));
                    continue;
                }
                '*' => Part::Many,
                '?' => Part::One,
                other => {
                    plain.push(other);
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain).into_bytes()));
            }
            parts.push(special);
        }
        if !plain.is_empty() {
            parts.push(Part::Plain(plain.into_bytes()));
        }
        Self { parts }
    }

    /// Lets anything stand before.
    pub(crate) fn open_start(&mut self) {
        if self.parts.first() != Some(&Part::Many) {
            self.parts.insert(0, Part::Many);
        }
    }

    /// Lets anything stand behind.
    pub(crate) fn open_end(&mut self) {
        if self.parts.last() != Some(&Part::Many) {
            self.parts.push(Part::Many);
        }
    }

    /// Lets every dash that begins a word stand for all of them: pySigma's `\B[-/]\b`, with the three
    /// longer dashes that the specification 2.1 names besides.
    pub(crate) fn dash(&mut self) {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in self.parts.drain(..) {
            match part {
                Part::Plain(bytes) => dash_text(&bytes, &mut parts),
                other => parts.push(other),
            }
        }
        self.parts = parts;
    }

    /// Encodes the plain parts as UTF-16.
    pub(crate) fn encode_utf16(&mut self, encoding: Utf16) -> Result<(), &'static str> {
        let mut is_first = true;
        for part in &mut self.parts {
            match part {
                Part::Plain(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| ENCODED_TWICE)?;
                    let units = text.encode_utf16();
                    let encoded = match encoding {
                        Utf16::BigEndian => units.flat_map(u16::to_be_bytes).collect(),
                        Utf16::WithMark if is_first => std::iter::once(0xfeff)
                            .chain(units)
                            .flat_map(u16::to_le_bytes)
                            .collect(),
                        Utf16::LittleEndian | Utf16::WithMark => {
                            units.flat_map(u16::to_le_bytes).collect()
                        }
                    };
                    *bytes = encoded;
                    is_first = false;
                }
                Part::Dash => return Err("`windash` must stand behind the encoding"),
                Part::Many | Part::One => {}
            }
        }
        Ok(())
    }

    /// Base64 of the bytes.
    pub(crate) fn base64(&self) -> Result<Self, &'static str> {
        Ok(Self::plain(STANDARD.encode(self.bytes()?).into_bytes()))
    }

    /// The three forms that the bytes take inside a longer Base64 text, by their offset modulo 3;
    /// the characters that also depend on neighbors are cut.
    pub(crate) fn base64_offsets(&self) -> Result<[Self; 3], &'static str> {
        let bytes = self.bytes()?;
        Ok([0, 1, 2].map(|offset| {
            let mut padded = vec![b' '; offset];
            padded.extend_from_slice(&bytes);
            let mut encoded = STANDARD.encode(&padded).into_bytes();
            let cut_end = [0, 3, 2].get(padded.len() % 3).copied().unwrap_or(0);
            let cut_start = [0, 2, 3].get(offset).copied().unwrap_or(0);
            encoded.truncate(encoded.len().saturating_sub(cut_end));
            Self::plain(encoded.split_off(cut_start.min(encoded.len())))
        }))
    }

    /// The same value with each dash spelled out, for what can't match dashes by itself.
    pub(crate) fn spell_dashes(self) -> Result<Vec<Self>, &'static str> {
        let dashes = self.parts.iter().filter(|part| **part == Part::Dash).count();
        if dashes > DASHES_SPELLED_MAX {
            return Err("more than four dashes can't be encoded");
        }
        let mut all = vec![Vec::new()];
        for part in self.parts {
            let spellings = match part {
                Part::Dash => DASHES.map(|dash| Part::Plain(dash.to_string().into_bytes())).into(),
                part => vec![part],
            };
            let with_each = |parts: &Vec<Part>| {
                spellings.iter().map(|part| [parts, [part.clone()].as_slice()].concat()).collect()
            };
            all = all.iter().flat_map::<Vec<_>, _>(with_each).collect();
        }
        Ok(all.into_iter().map(|parts| Self { parts }).collect())
    }

    const fn empty() -> Self {
        Self { parts: Vec::new() }
    }

    fn plain(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::empty() } else { Self { parts: vec![Part::Plain(bytes)] } }
    }

    /// The text as it stands, without wildcards.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, &'static str> {
        let mut bytes = Vec::new();
        for part in &self.parts {
            match part {
                Part::Plain(plain) => bytes.extend_from_slice(plain),
                Part::Many | Part::One => return Err("a value with wildcards can't be encoded"),
                Part::Dash => return Err("a value with interchangeable dashes can't be encoded"),
            }
        }
        Ok(bytes)
    }

    /// Makes it fit for matching.
    pub(crate) fn compile(&self, is_cased: bool) -> Result<TextTest, &'static str> {
        let mut segments = vec![Vec::new()];
        for part in &self.parts {
            let atom = match part {
                Part::Many => {
                    segments.push(Vec::new());
                    continue;
                }
                Part::One => Atom::One,
                Part::Dash => Atom::Dash,
                Part::Plain(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| NOT_TEXT)?;
                    Atom::Plain(if is_cased { text.to_owned() } else { lower(text) })
                }
            };
            if let Some(segment) = segments.last_mut() {
                push_atom(segment, atom);
            }
        }
        Ok(TextTest::new(segments, is_cased))
    }
}

const ENCODED_TWICE: &str = "the value is already encoded and no text any more";
const NOT_TEXT: &str = "the encoded value is no text: add `base64` or `base64offset`";

fn dash_text(bytes: &[u8], parts: &mut Vec<Part>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        parts.push(Part::Plain(bytes.to_vec()));
        return;
    };
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let mut plain = String::new();
    let mut previous = None;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let begins_word = DASHES.contains(&char)
            && !previous.is_some_and(is_word)
            && chars.peek().copied().is_some_and(is_word);
        if begins_word {
            if !plain.is_empty() {
                parts.push(Part::Plain(std::mem::take(&mut plain).into_bytes()));
            }
            parts.push(Part::Dash);
        } else {
            plain.push(char);
        }
        previous = Some(char);
    }
    if !plain.is_empty() {
        parts.push(Part::Plain(plain.into_bytes()));
    }
}

fn push_atom(segment: &mut Vec<Atom>, atom: Atom) {
    match (segment.last_mut(), atom) {
        (Some(Atom::Plain(text)), Atom::Plain(more)) => text.push_str(&more),
        (_, atom) => segment.push(atom),
    }
}

#[cfg(test)]
mod tests;
