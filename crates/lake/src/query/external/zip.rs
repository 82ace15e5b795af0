//! The parts of a ZIP archive in memory: as much of the format as workbooks use.
//!
//! The list of parts at the archive's end counts, as the specification (APPNOTE 4.3) has it. A part is
//! plain or deflated, and becomes no larger than the caller lets it.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

/// Why a part can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ZipError {
    /// It becomes larger than it may.
    TooLarge,
    /// The archive is broken, or uses what is not read here.
    Malformed(&'static str),
}

/// An archive.
#[derive(Debug)]
pub(super) struct Zip<'z> {
    bytes: &'z [u8],
    parts: Vec<Part<'z>>,
}

#[derive(Debug)]
struct Part<'z> {
    name: &'z [u8],
    method: u16,
    is_encrypted: bool,
    packed: usize,
    offset: usize,
}

const END: [u8; 4] = *b"PK\x05\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// The record at the end without its comment.
const END_BYTES: usize = 22;
/// What the size or the offset of a part is where it is too large for its field.
const ELSEWHERE: usize = 0xFFFF_FFFF;

impl<'z> Zip<'z> {
    /// Reads the list of parts.
    pub(super) fn open(bytes: &'z [u8]) -> Result<Self, ZipError> {
        let broken = ZipError::Malformed("it is no ZIP archive");
        let from = bytes.len().saturating_sub(END_BYTES + usize::from(u16::MAX));
        let tail = bytes.get(from..).unwrap_or_default();
        let end = memchr::memmem::rfind(tail, &END).and_then(|at| tail.get(at..));
        let end = end.ok_or_else(|| broken.clone())?;
        let (count, offset) = (u16_at(end, 10), u32_at(end, 16));
        let (Some(count), Some(mut at)) = (count, offset) else { return Err(broken) };
        let mut parts = Vec::new();
        for _ in 0..count {
            let entry = bytes.get(at..).filter(|entry| entry.starts_with(&ENTRY));
            let entry = entry.ok_or(ZipError::Malformed("the list of its parts is broken"))?;
            let (part, length) =
                Part::read(entry).ok_or(ZipError::Malformed("the list of its parts is cut off"))?;
            parts.push(part);
            at = at.saturating_add(length);
        }
        Ok(Self { bytes, parts })
    }

    /// A part, unpacked, of `bytes_max` at most; `None` if there is none of that name.
    pub(super) fn part(&self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, ZipError> {
        let Some(part) = self.parts.iter().find(|part| part.name == name.as_bytes()) else {
            return Ok(None);
        };
        if part.is_encrypted {
            return Err(ZipError::Malformed("it is encrypted"));
        }
        if part.packed == ELSEWHERE || part.offset == ELSEWHERE {
            return Err(ZipError::Malformed("it is of the 64-bit kind"));
        }
        let cut = ZipError::Malformed("a part is cut off");
        let local = self.bytes.get(part.offset..).filter(|local| local.starts_with(&LOCAL));
        let local = local.ok_or_else(|| cut.clone())?;
        let names = u16_at(local, 26).zip(u16_at(local, 28));
        let data = names.map(|(name, extra)| 30 + usize::from(name) + usize::from(extra));
        let packed = data.and_then(|data| local.get(data..data.checked_add(part.packed)?));
        let packed = packed.ok_or(cut)?;
        match part.method {
            0 if packed.len() > bytes_max => Err(ZipError::TooLarge),
            0 => Ok(Some(packed.to_vec())),
            8 => inflate(packed, bytes_max).map(Some),
            _ => Err(ZipError::Malformed("a part is packed by another method than deflate")),
        }
    }
}

impl<'z> Part<'z> {
    /// An entry of the list, and how long it is.
    fn read(entry: &'z [u8]) -> Option<(Self, usize)> {
        let [name, extra, comment] = [28, 30, 32].map(|at| u16_at(entry, at).map(usize::from));
        let name_end = 46 + name?;
        let part = Self {
            name: entry.get(46..name_end)?,
            method: u16_at(entry, 10)?,
            is_encrypted: u16_at(entry, 8)? & 1 == 1,
            packed: u32_at(entry, 20)?,
            offset: u32_at(entry, 42)?,
        };
        Some((part, name_end + extra? + comment?))
    }
}

fn inflate(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, ZipError> {
    let mut bytes = Vec::new();
    let most = (bytes_max as u64).saturating_add(1);
    let read = DeflateDecoder::new(packed).take(most).read_to_end(&mut bytes);
    match read {
        Err(_) => Err(ZipError::Malformed("a part can't be unpacked")),
        Ok(_) if bytes.len() > bytes_max => Err(ZipError::TooLarge),
        Ok(_) => Ok(bytes),
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::DeflateEncoder};
    use proptest::prelude::*;

    use super::*;

    /// An archive of deflated parts.
    pub(in super::super) fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
        let (mut bytes, mut list) = (Vec::new(), Vec::new());
        for (name, text) in parts {
            let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
            deflate.write_all(text.as_bytes()).unwrap();
            let packed = deflate.finish().unwrap();
            let size = |size: usize| u32::try_from(size).unwrap().to_le_bytes();
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let mut common = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
            common.extend([0; 4]);
            common.extend(size(packed.len()));
            common.extend(size(text.len()));
            common.extend(length);
            common.extend([0, 0]);
            list.extend(ENTRY);
            list.extend([20, 0]);
            list.extend(&common);
            list.extend([0; 10]);
            list.extend(size(bytes.len()));
            list.extend(name.as_bytes());
            bytes.extend(LOCAL);
            bytes.extend(&common);
            bytes.extend(name.as_bytes());
            bytes.extend(packed);
        }
        let (count, at) = (u16::try_from(parts.len()).unwrap().to_le_bytes(), bytes.len());
        let size = u32::try_from(list.len()).unwrap().to_le_bytes();
        bytes.extend(list);
        bytes.extend(END);
        bytes.extend([0; 4]);
        bytes.extend([count, count].concat());
        bytes.extend(size);
        bytes.extend(u32::try_from(at).unwrap().to_le_bytes());
        bytes.extend([0, 0]);
        bytes
    }

    #[test]
    fn parts_are_found_and_kept_small() {
        let long = "long ".repeat(1000);
        let bytes = archive(&[("a/b.xml", "<b/>"), ("c", &long)]);
        let zip = Zip::open(&bytes).unwrap();
        assert_eq!(zip.part("a/b.xml", 4).unwrap().unwrap(), b"<b/>");
        assert_eq!(zip.part("a/b.xml", 3), Err(ZipError::TooLarge));
        assert_eq!(zip.part("c", 5000).unwrap().unwrap(), long.as_bytes());
        assert_eq!(zip.part("b", 5000), Ok(None));
        assert!(matches!(Zip::open(b"PK"), Err(ZipError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_or_cut_off_no_reader_falls(
            at in 0_usize..400, to in any::<u8>(), end in 0_usize..400,
        ) {
            let mut bytes = archive(&[("a", "text"), ("bc", "more text")]);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = to;
            }
            bytes.truncate(end.max(60));
            if let Ok(zip) = Zip::open(&bytes) {
                let read = zip.part("bc", 100);
                prop_assert!(read.is_err() || read.unwrap().is_none_or(|part| part.len() <= 100));
            }
        }
    }
}
