//! The values of binary XML, as the text that Windows has for them ([MS-EVEN6], 2.2.18 and 3.1.4.7.3).
//!
//! [MS-EVEN6]: https://learn.microsoft.com/openspecs/windows_protocols/ms-even6

use std::fmt::Write as _;

use base::Timestamp;

use super::chunk::field;

pub(super) const NULL: u8 = 0x00;
pub(super) const TEXT: u8 = 0x01;
pub(super) const BINXML: u8 = 0x21;
/// An array of the type that the other bits are.
pub(super) const ARRAY: u8 = 0x80;

const ANSI: u8 = 0x02;
const SID: u8 = 0x13;

/// Between 1601, from which Windows counts, and 1970, in seconds.
const SECONDS_TO_1970: i64 = 11_644_473_600;

/// The most digits and letters a value without text takes.
const SHORT_BYTES: usize = 40;

/// Writes a value, escaped.
pub(super) fn write(kind: u8, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        // 0x23: XML as text.
        TEXT | 0x23 => utf16(without_end(bytes), out),
        ANSI => ansi(bytes, out),
        0x0e => out.extend(bytes.iter().flat_map(|byte| hex(*byte))),
        kind => {
            let text = short(kind, bytes).ok_or_else(|| {
                format!("a value of type 0x{kind:02x} and {} bytes can't be read", bytes.len())
            })?;
            out.extend_from_slice(text.as_bytes());
        }
    }
    Ok(())
}

/// The items of an array.
pub(super) fn items(kind: u8, bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let kind = kind & !ARRAY;
    let wrong = || format!("an array of type 0x{kind:02x} and {} bytes can't be read", bytes.len());
    let size = match kind {
        TEXT => return Ok(texts(bytes)),
        ANSI => return Ok(bytes.strip_suffix(&[0]).unwrap_or(bytes).split(|b| *b == 0).collect()),
        SID => return sids(bytes).ok_or_else(wrong),
        0x03 | 0x04 => 1,
        0x05 | 0x06 => 2,
        0x07 | 0x08 | 0x0b | 0x0d | 0x14 => 4,
        0x09 | 0x0a | 0x0c | 0x10 | 0x11 | 0x15 => 8,
        0x0f | 0x12 => 16,
        _ => return Err(wrong()),
    };
    let items = bytes.chunks_exact(size);
    if items.remainder().is_empty() { Ok(items.collect()) } else { Err(wrong()) }
}

/// Texts, each with a zero at its end.
fn texts(bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    let mut begin = 0;
    for (number, unit) in bytes.chunks_exact(2).enumerate() {
        if unit == [0, 0] {
            all.push(bytes.get(begin..2 * number).unwrap_or_default());
            begin = 2 * number + 2;
        }
    }
    let rest = bytes.get(begin..).unwrap_or_default();
    if !rest.is_empty() {
        all.push(rest);
    }
    all
}

fn sids(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut all = Vec::new();
    let mut rest = bytes;
    while let Some(parts) = rest.get(1) {
        let (sid, behind) = rest.split_at_checked(8 + 4 * usize::from(*parts))?;
        all.push(sid);
        rest = behind;
    }
    rest.is_empty().then_some(all)
}

/// What is of a known size.
fn short(kind: u8, bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(SHORT_BYTES);
    let out = &mut text;
    // Into a text, which always succeeds.
    let written = match (kind, bytes) {
        (0x03, [byte]) => write!(out, "{}", byte.cast_signed()),
        (0x04, [byte]) => write!(out, "{byte}"),
        (0x05, _) => write!(out, "{}", i16::from_le_bytes(whole(bytes)?)),
        (0x06, _) => write!(out, "{}", u16::from_le_bytes(whole(bytes)?)),
        (0x07, _) => write!(out, "{}", i32::from_le_bytes(whole(bytes)?)),
        (0x08, _) => write!(out, "{}", u32::from_le_bytes(whole(bytes)?)),
        (0x09, _) => write!(out, "{}", i64::from_le_bytes(whole(bytes)?)),
        (0x0a, _) => write!(out, "{}", u64::from_le_bytes(whole(bytes)?)),
        (0x0b, _) => write!(out, "{}", f32::from_le_bytes(whole(bytes)?)),
        (0x0c, _) => write!(out, "{}", f64::from_le_bytes(whole(bytes)?)),
        (0x0d, _) => write!(out, "{}", u32::from_le_bytes(whole(bytes)?) != 0),
        (0x0f, _) => return guid(whole(bytes)?),
        (0x10 | 0x14, [_, _, _, _]) => write!(out, "0x{:x}", u32::from_le_bytes(whole(bytes)?)),
        (0x10 | 0x15, _) => write!(out, "0x{:x}", u64::from_le_bytes(whole(bytes)?)),
        (0x11, _) => return Some(file_time(u64::from_le_bytes(whole(bytes)?))),
        (0x12, _) => return system_time(bytes),
        (SID, _) => return sid(bytes),
        _ => return None,
    };
    written.ok()?;
    Some(text)
}

/// Exactly these bytes.
fn whole<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'A' + value - 10 };
    [digit(byte >> 4), digit(byte & 15)]
}

fn guid(bytes: [u8; 16]) -> Option<String> {
    let first = u32::from_le_bytes(field(&bytes, 0)?);
    let (second, third) =
        (u16::from_le_bytes(field(&bytes, 4)?), u16::from_le_bytes(field(&bytes, 6)?));
    let fourth = u16::from_be_bytes(field(&bytes, 8)?);
    let mut text = format!("{{{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-");
    for byte in bytes.get(10..)? {
        write!(text, "{byte:02x}").ok()?;
    }
    text.push('}');
    Some(text)
}

/// Ticks of 100 ns since 1601.
fn file_time(ticks: u64) -> String {
    let seconds = i64::try_from(ticks / 10_000_000).unwrap_or(i64::MAX);
    let second = Timestamp::from_seconds(seconds - SECONDS_TO_1970).to_string();
    // `…:07Z`, or `…:07.000000Z`.
    let second = second.trim_end_matches('Z').split('.').next().unwrap_or_default();
    format!("{second}.{:07}Z", ticks % 10_000_000)
}

fn system_time(bytes: &[u8]) -> Option<String> {
    let [year, month, _, day, hour, minute, second, milli] = whole::<16>(bytes).map(|bytes| {
        let mut parts = [0_u16; 8];
        for (part, pair) in parts.iter_mut().zip(bytes.chunks_exact(2)) {
            *part = pair.first_chunk().map_or(0, |pair| u16::from_le_bytes(*pair));
        }
        parts
    })?;
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// A security identifier, such as `S-1-5-18`.
fn sid(bytes: &[u8]) -> Option<String> {
    let (head, parts) = bytes.split_first_chunk::<8>()?;
    let [revision, count, authority @ ..] = *head;
    let (parts, rest) = parts.as_chunks::<4>();
    if parts.len() != usize::from(count) || !rest.is_empty() {
        return None;
    }
    let authority = authority.iter().fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    let mut text = format!("S-{revision}-{authority}");
    for part in parts {
        write!(text, "-{}", u32::from_le_bytes(*part)).ok()?;
    }
    Some(text)
}

/// Without the zeros at its end.
fn without_end(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_suffix(&[0, 0]).filter(|rest| rest.len() % 2 == 0) {
        bytes = rest;
    }
    bytes
}

/// Writes UTF-16 as escaped UTF-8. Half a character alone becomes U+FFFD, and so does a zero, which XML
/// can't have.
pub(super) fn utf16(bytes: &[u8], out: &mut Vec<u8>) {
    let (units, rest) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    for character in char::decode_utf16(units) {
        escaped(character.unwrap_or(char::REPLACEMENT_CHARACTER), out);
    }
    if !rest.is_empty() {
        escaped(char::REPLACEMENT_CHARACTER, out);
    }
}

/// Text in the code page of who wrote it, of which nothing is known: what is no UTF-8 is taken as
/// ISO 8859-1.
fn ansi(bytes: &[u8], out: &mut Vec<u8>) {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let bytes = bytes.get(..end).unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.chars().for_each(|character| escaped(character, out)),
        Err(_) => bytes.iter().for_each(|byte| escaped(char::from(*byte), out)),
    }
}

/// A character as XML has it on one line.
fn escaped(character: char, out: &mut Vec<u8>) {
    let reference: &[u8] = match character {
        '&' => b"&amp;",
        '<' => b"&lt;",
        '>' => b"&gt;",
        '"' => b"&quot;",
        '\0' => "\u{fffd}".as_bytes(),
        '\u{1}'..='\u{1f}' => {
            out.extend_from_slice(format!("&#{};", u32::from(character)).as_bytes());
            return;
        }
        character => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
    };
    out.extend_from_slice(reference);
}
