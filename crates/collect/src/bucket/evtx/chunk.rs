//! One chunk: a header with checksums, and records one behind the other.

use base::write_damage;
use flate2::Crc;
use memchr::memmem;

use super::{CHUNK_BYTES, binxml};

/// What a chunk begins with.
const MAGIC: &[u8] = b"ElfChnk\0";

/// Where its records begin.
pub(super) const RECORDS_AT: usize = 512;

/// What a record begins with.
const RECORD_MAGIC: [u8; 4] = [0x2a, 0x2a, 0, 0];

/// The bytes around a record's event: what it begins with, its length, number and time, and its
/// length again.
const RECORD_HEAD_BYTES: usize = 24;
const RECORD_BYTES_MIN: usize = RECORD_HEAD_BYTES + 4;

/// A chunk whose records are written one by one.
#[derive(Debug)]
pub(super) struct Chunk {
    number: u64,
    bytes: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    /// Where the last one ends, as the header has it.
    end: usize,
    /// The header is as it was written. If not, nothing it says counts.
    is_sound: bool,
    /// The file ends inside it.
    is_cut: bool,
    /// The number of the last record.
    last_id: Option<u64>,
    records: u64,
    is_done: bool,
}

/// A record's place in its chunk.
struct Found {
    from: usize,
    to: usize,
    id: u64,
}

impl Chunk {
    /// `bytes`, which are a whole chunk unless it `is_cut`; they are given back if they are none.
    pub(super) fn new(number: u64, bytes: Vec<u8>, is_cut: bool) -> Result<Self, Vec<u8>> {
        if !bytes.starts_with(MAGIC) || bytes.len() < RECORDS_AT {
            return Err(bytes);
        }
        let end = field(&bytes, 48).and_then(|end| usize::try_from(u32::from_le_bytes(end)).ok());
        let end = end.filter(|end| (RECORDS_AT..=CHUNK_BYTES).contains(end));
        let is_sound = field(&bytes, 124).map(u32::from_le_bytes) == Some(header_sum(&bytes));
        Ok(Self {
            number,
            end: end.filter(|_| is_sound).unwrap_or(CHUNK_BYTES).min(bytes.len()),
            is_sound: is_sound && end.is_some(),
            bytes,
            at: RECORDS_AT,
            is_cut,
            last_id: None,
            records: 0,
            is_done: false,
        })
    }

    /// Writes the next record, or a note in its place. Answers whether there was anything.
    pub(super) fn write_next(&mut self, out: &mut Vec<u8>) -> bool {
        if self.is_done {
            return false;
        }
        if let Some(found) = self.record_at(self.at) {
            self.write(&found, out);
            return true;
        }
        let lost = self.at;
        let rest = self.bytes.get(lost + 1..self.end).unwrap_or_default();
        let next = memmem::find_iter(rest, &RECORD_MAGIC)
            .map(|at| lost + 1 + at)
            .find(|at| self.record_at(*at).is_some());
        self.at = next.unwrap_or(self.end);
        let bytes = self.bytes.get(lost..self.at).unwrap_or_default();
        let is_nothing = bytes.iter().all(|byte| *byte == 0) || (self.is_cut && next.is_none());
        if !is_nothing && (self.is_sound || next.is_some()) {
            let number = self.number;
            let reason = format!("bytes {lost} to {} of chunk {number} are no record", self.at);
            write_damage(&reason, bytes, out);
        }
        if next.is_none() {
            self.is_done = true;
            self.write_unsound(out);
        }
        true
    }

    /// The record that begins at `at`. Where the header can't be trusted, records that are left of a
    /// former use of the chunk are told by their numbers.
    fn record_at(&self, at: usize) -> Option<Found> {
        let rest = self.bytes.get(at..self.end)?;
        if !rest.starts_with(&RECORD_MAGIC) {
            return None;
        }
        let size = usize::try_from(u32::from_le_bytes(field(rest, 4)?)).ok()?;
        let again = field(rest, size.checked_sub(4)?).map(u32::from_le_bytes)?;
        if size < RECORD_BYTES_MIN || usize::try_from(again).ok()? != size {
            return None;
        }
        let id = u64::from_le_bytes(field(rest, 8)?);
        let follows = self.last_id.is_none_or(|last| id > last);
        (self.is_sound || follows).then_some(Found { from: at, to: at + size, id })
    }

    fn write(&mut self, found: &Found, out: &mut Vec<u8>) {
        let Found { from, to, id } = *found;
        self.at = to;
        self.last_id = Some(id);
        let start = out.len();
        let event = from + RECORD_HEAD_BYTES..to - 4;
        match binxml::write(&self.bytes, event, out) {
            Ok(()) => {
                self.records += 1;
                out.push(b'\n');
            }
            Err(wrong) => {
                out.truncate(start);
                let reason = format!("record {id} in chunk {}: {wrong}", self.number);
                write_damage(&reason, self.bytes.get(from..to).unwrap_or_default(), out);
            }
        }
    }

    /// Says that a checksum is wrong: what was read may be other than what was written.
    fn write_unsound(&self, out: &mut Vec<u8>) {
        let written = self.bytes.get(RECORDS_AT..self.end).unwrap_or_default();
        let has_sum = |sum: u32| field(&self.bytes, 52).map(u32::from_le_bytes) == Some(sum);
        let of = match (self.is_sound, self.is_cut) {
            (false, _) => "its header",
            (true, false) if !has_sum(sum_of(&[written])) => "its records",
            _ => return,
        };
        let (number, records) = (self.number, self.records);
        let reason = format!(
            "chunk {number}: the checksum of {of} does not match; {records} records were read all the same"
        );
        write_damage(&reason, &[], out);
    }
}

/// The checksum of a chunk's header: all of it but the checksum itself.
fn header_sum(bytes: &[u8]) -> u32 {
    sum_of(&[bytes.get(..120).unwrap_or_default(), bytes.get(128..512).unwrap_or_default()])
}

pub(super) fn sum_of(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    for part in parts {
        crc.update(part);
    }
    crc.sum()
}

/// The bytes at `at`.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
