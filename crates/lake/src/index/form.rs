//! The form of an index file. `docs/reference/search_index.md` describes it for others.
//!
//! A header, then segments: of tokens, by the first bits of their hash, and of grams, by their first
//! letter. Each segment has the sets of all blocks, one after the other, so that a token is looked up
//! by reading one segment, however many blocks there are.

use bytes::Bytes;
use object_store::path::Path;

use super::{
    coding::{put_set, take_set},
    text::Key,
    tokens::GRAMS,
};

/// The version of the form that is written. Others are not read: their files are read as a whole.
pub(super) const VERSION: u32 = 2;
const MAGIC: &[u8; 8] = b"dabindex";
/// How many segments the tokens have.
pub(super) const TOKEN_SEGMENTS: usize = 256;
/// How many segments the grams have: one for each first letter.
pub(super) const GRAM_SEGMENTS: usize = 26;
const SEGMENTS: usize = TOKEN_SEGMENTS + GRAM_SEGMENTS;
/// How many grams begin with one letter.
const GRAMS_PER_SEGMENT: u32 = GRAMS / 26;
/// A block passes for a token that it does not have once in `2^TOKEN_BITS`.
const TOKEN_BITS: u32 = 8;
/// Magic, version, length of the header, bytes and rows of the data file, number of blocks, and a
/// number that is zero.
const FIXED_BYTES: usize = 8 + 4 + 4 + 8 + 8 + 4 + 4;
const SUM_BYTES: usize = 8;
/// The most blocks that a file may have: with the rows of a block, more than any data file has.
const BLOCKS_MAX: usize = 1 << 18;

/// The folder of a table's index files: engines that know Delta leave it alone, for the `_`.
pub(super) const FOLDER: &str = "_index";
const ENDING: &str = ".idx";

/// Where the index of a data file is; both relative to the table's folder.
pub(crate) fn path_of(data: &Path) -> Path {
    // A path that is one stays one.
    Path::parse(format!("{FOLDER}/{data}{ENDING}")).unwrap_or_default()
}

/// Of which data file an index is; `None` if it is none.
pub(crate) fn path_of_data(path: &Path) -> Option<Path> {
    let inside = path.as_ref().strip_prefix(FOLDER)?.strip_prefix('/')?;
    inside.strip_suffix(ENDING).and_then(|data| Path::parse(data).ok())
}

/// A block, encoded: the sets of all segments, one after the other.
#[derive(Debug, Default)]
pub(super) struct EncodedBlock {
    pub(super) rows: u32,
    sets: Vec<u8>,
    /// Where each segment's set ends.
    ends: Vec<u32>,
}

impl EncodedBlock {
    /// `tokens` are hashes, sorted; `grams` are sorted too. Neither has any twice.
    pub(super) fn new(rows: u32, tokens: &[u64], grams: &[u32]) -> Self {
        let mut block = Self { rows, sets: Vec::new(), ends: Vec::with_capacity(SEGMENTS) };
        let mut numbers = Vec::new();
        let mut rest = tokens;
        for segment in 0..TOKEN_SEGMENTS {
            let count = rest.partition_point(|hash| token_segment(*hash) <= segment);
            let (these, others) = rest.split_at(count);
            rest = others;
            let size = u32::try_from(count).unwrap_or(u32::MAX);
            numbers.clear();
            numbers.extend(these.iter().map(|hash| token_number(*hash, size)));
            // Two hashes that are near one another have one number.
            numbers.dedup();
            block.put(&numbers, size, TOKEN_BITS);
        }
        let mut rest = grams;
        for segment in 0..GRAM_SEGMENTS {
            let count = rest.partition_point(|gram| gram_segment(*gram) <= segment);
            let (these, others) = rest.split_at(count);
            rest = others;
            numbers.clear();
            numbers.extend(these.iter().map(|gram| gram % GRAMS_PER_SEGMENT));
            let size = u32::try_from(count).unwrap_or(u32::MAX);
            block.put(&numbers, size, gram_bits(size));
        }
        block
    }

    /// The size that numbers were made for stands before the set, which may be smaller.
    fn put(&mut self, numbers: &[u32], size: u32, bits: u32) {
        super::coding::put_varint(&mut self.sets, size);
        put_set(&mut self.sets, numbers, bits);
        self.ends.push(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
    }

    /// What it takes in memory.
    pub(super) fn memory(&self) -> usize {
        self.sets.capacity() + 4 * self.ends.capacity()
    }

    fn segment(&self, segment: usize) -> &[u8] {
        let place = |at: usize| self.ends.get(at).and_then(|end| usize::try_from(*end).ok());
        let from = segment.checked_sub(1).and_then(place).unwrap_or(0);
        let to = place(segment).unwrap_or(from);
        self.sets.get(from..to).unwrap_or_default()
    }
}

const fn token_segment(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// A number below `size << TOKEN_BITS` that grows with the hash.
fn token_number(hash: u64, size: u32) -> u32 {
    let fraction = u128::from(hash << 8);
    let range = u128::from(size) << TOKEN_BITS;
    u32::try_from((fraction * range) >> 64).unwrap_or(u32::MAX)
}

fn gram_segment(gram: u32) -> usize {
    usize::try_from(gram / GRAMS_PER_SEGMENT).unwrap_or(usize::MAX)
}

/// The gaps between so many grams are about so many bits long.
const fn gram_bits(size: u32) -> u32 {
    match (GRAMS_PER_SEGMENT).checked_div(size) {
        Some(gap) if gap > 0 => gap.ilog2(),
        _ => 0,
    }
}

/// The segment that a key is in.
pub(super) fn segment_of(key: Key) -> usize {
    match key {
        Key::Token(hash) => token_segment(hash),
        Key::Gram(gram) => TOKEN_SEGMENTS + gram_segment(gram),
    }
}

/// A whole index file of these blocks.
pub(super) fn file(blocks: &[EncodedBlock], data_bytes: u64) -> Bytes {
    let rows: Vec<u32> = blocks.iter().map(|block| block.rows).collect();
    assemble(&rows, data_bytes, |segment, body| {
        for block in blocks {
            body.extend_from_slice(block.segment(segment));
        }
    })
}

/// A whole index file, whose segments `put` writes, without their sums.
pub(super) fn assemble(rows: &[u32], data_bytes: u64, put: impl Fn(usize, &mut Vec<u8>)) -> Bytes {
    let header_bytes = FIXED_BYTES + 4 * (rows.len() + SEGMENTS) + SUM_BYTES;
    let mut body = Vec::new();
    let mut lengths = Vec::with_capacity(SEGMENTS);
    for segment in 0..SEGMENTS {
        let start = body.len();
        put(segment, &mut body);
        let sum = sum(body.get(start..).unwrap_or_default());
        body.extend_from_slice(&sum.to_le_bytes());
        lengths.push(u32::try_from(body.len() - start).unwrap_or(u32::MAX));
    }
    let mut out = Vec::with_capacity(header_bytes + body.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&u32::try_from(header_bytes).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&data_bytes.to_le_bytes());
    let rows_total: u64 = rows.iter().map(|rows| u64::from(*rows)).sum();
    out.extend_from_slice(&rows_total.to_le_bytes());
    out.extend_from_slice(&u32::try_from(rows.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    for number in rows.iter().copied().chain(lengths) {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let header_sum = sum(&out);
    out.extend_from_slice(&header_sum.to_le_bytes());
    out.extend_from_slice(&body);
    out.into()
}

/// FNV-1a over eight bytes at a time: against damage, not against malice.
fn sum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        for (slot, byte) in word.iter_mut().zip(chunk) {
            *slot = *byte;
        }
        sum = (sum ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^= sum >> 29;
    }
    sum
}

/// The first part of an index file, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) data_bytes: u64,
    /// How many rows each block has.
    pub(super) rows: Vec<u32>,
    /// Where each segment begins, and where the last ends.
    places: Vec<u64>,
}

/// Why a header was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// It has so many bytes, and these are not all.
    Short(usize),
    /// What is wrong with it.
    Damaged(&'static str),
}

impl Header {
    /// Reads the header that `bytes` begin with.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, NoHeader> {
        let damaged = NoHeader::Damaged;
        let mut at = Cursor(bytes.get(..FIXED_BYTES).ok_or(damaged("it is too short"))?);
        if at.take::<8>() != Some(*MAGIC) {
            return Err(damaged("it is no index"));
        }
        let numbers = (at.u32(), at.u32(), at.u64(), at.u64(), at.u32());
        let (Some(version), Some(header), Some(data_bytes), Some(rows_total), Some(blocks)) =
            numbers
        else {
            return Err(damaged("it is too short"));
        };
        if version != VERSION {
            return Err(damaged("it is of another version"));
        }
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
        let header = usize::try_from(header).unwrap_or(usize::MAX);
        if blocks > BLOCKS_MAX || header != FIXED_BYTES + 4 * (blocks + SEGMENTS) + SUM_BYTES {
            return Err(damaged("its header is not as long as it says"));
        }
        let whole = bytes.get(..header).ok_or(NoHeader::Short(header))?;
        let (before, after) = whole.split_at(header - SUM_BYTES);
        if Cursor(after).u64() != Some(sum(before)) {
            return Err(damaged("its header is damaged"));
        }
        let mut at = Cursor(before.get(FIXED_BYTES..).unwrap_or_default());
        let rows: Vec<u32> = (0..blocks).filter_map(|_| at.u32()).collect();
        if rows.iter().map(|rows| u64::from(*rows)).sum::<u64>() != rows_total {
            return Err(damaged("its blocks have other rows than it says"));
        }
        let mut place = header as u64;
        let mut places = vec![place];
        for _ in 0..SEGMENTS {
            place += u64::from(at.u32().unwrap_or(0));
            places.push(place);
        }
        Ok(Self { data_bytes, rows, places })
    }

    /// How many rows all blocks have.
    pub(super) fn rows_total(&self) -> u64 {
        self.rows.iter().map(|rows| u64::from(*rows)).sum()
    }

    /// How long the whole file is.
    pub(super) fn file_bytes(&self) -> u64 {
        self.places.last().copied().unwrap_or(0)
    }

    /// Where a segment is.
    pub(super) fn place(&self, segment: usize) -> Option<std::ops::Range<u64>> {
        Some(*self.places.get(segment)?..*self.places.get(segment + 1)?)
    }

    /// What is wrong with the segments of a whole file; `None` if nothing is.
    pub(super) fn damage(&self, file: &[u8]) -> Option<String> {
        let is_sound = |segment: usize| {
            let place = self.place(segment)?;
            let (from, to) = (usize::try_from(place.start).ok()?, usize::try_from(place.end).ok()?);
            checked(file.get(from..to)?)
        };
        (0..SEGMENTS)
            .find(|segment| is_sound(*segment).is_none())
            .map(|segment| format!("segment {segment} is damaged"))
    }

    /// Which blocks may have a key, whose segment is `bytes`; `None` if it is damaged.
    pub(super) fn look_up(&self, key: Key, bytes: &[u8]) -> Option<Vec<bool>> {
        let mut sets = checked(bytes)?;
        let mut found = Vec::with_capacity(self.rows.len());
        for _ in &self.rows {
            let size = super::coding::take_varint(&mut sets)?;
            let set = take_set(&mut sets)?;
            let (number, bits) = match key {
                Key::Token(hash) => (token_number(hash, size), TOKEN_BITS),
                Key::Gram(gram) => (gram % GRAMS_PER_SEGMENT, gram_bits(size)),
            };
            found.push(set.contains(number, bits)?);
        }
        Some(found)
    }
}

/// A segment without its sum; `None` if it is damaged.
fn checked(segment: &[u8]) -> Option<&[u8]> {
    let (sets, after) = segment.split_at_checked(segment.len().checked_sub(SUM_BYTES)?)?;
    (Cursor(after).u64()? == sum(sets)).then_some(sets)
}

struct Cursor<'b>(&'b [u8]);

impl Cursor<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(of: &[(Vec<u64>, Vec<u32>)]) -> Bytes {
        let blocks: Vec<_> = of
            .iter()
            .map(|(tokens, grams)| {
                let (mut tokens, mut grams) = (tokens.clone(), grams.clone());
                tokens.sort_unstable();
                tokens.dedup();
                grams.sort_unstable();
                grams.dedup();
                EncodedBlock::new(10, &tokens, &grams)
            })
            .collect();
        file(&blocks, 4711)
    }

    fn look(bytes: &[u8], header: &Header, key: Key) -> Option<Vec<bool>> {
        let place = header.place(segment_of(key))?;
        let place = usize::try_from(place.start).ok()?..usize::try_from(place.end).ok()?;
        header.look_up(key, bytes.get(place)?)
    }

    #[test]
    fn paths_go_both_ways() {
        let data = Path::from("day=2026-11-24/a-1.parquet");
        assert_eq!(path_of(&data).as_ref(), "_index/day=2026-11-24/a-1.parquet.idx");
        assert_eq!(path_of_data(&path_of(&data)), Some(data.clone()));
        assert_eq!(path_of_data(&data), None);
    }

    proptest! {
        #[test]
        fn what_is_in_a_block_is_found_in_it(
            of in prop::collection::vec(
                (prop::collection::vec(any::<u64>(), 0..400), prop::collection::vec(0..GRAMS, 0..400)), 0..4
            ),
        ) {
            let bytes = blocks(&of);
            let header = Header::read(&bytes).unwrap();
            prop_assert_eq!(header.data_bytes, 4711);
            prop_assert_eq!(header.file_bytes(), bytes.len() as u64);
            for (at, (tokens, grams)) in of.iter().enumerate() {
                for hash in tokens {
                    prop_assert!(look(&bytes, &header, Key::Token(*hash)).unwrap()[at]);
                }
                for gram in grams {
                    let found = look(&bytes, &header, Key::Gram(*gram)).unwrap();
                    // Grams are exact.
                    for (found, (_, grams)) in found.iter().zip(&of) {
                        prop_assert_eq!(*found, grams.contains(gram));
                    }
                }
            }
        }

        #[test]
        fn damage_is_noticed(at in any::<prop::sample::Index>(), bit in 0_u32..8) {
            let bytes = blocks(&[(vec![1 << 60, 7, u64::MAX], vec![5, 99, 400_000])]);
            let mut damaged = bytes.to_vec();
            let at = at.index(damaged.len());
            damaged[at] ^= 1 << bit;
            // No part of the file is without its sum.
            let noticed = match Header::read(&damaged) {
                Err(_) => true,
                Ok(header) => (0..SEGMENTS).any(|segment| {
                    let place = header.place(segment).unwrap();
                    let place = usize::try_from(place.start).unwrap()
                        ..usize::try_from(place.end).unwrap();
                    let key = if segment < TOKEN_SEGMENTS {
                        Key::Token((segment as u64) << 56)
                    } else {
                        Key::Gram(u32::try_from(segment - TOKEN_SEGMENTS).unwrap() * 17_576)
                    };
                    damaged.get(place).is_none_or(|bytes| header.look_up(key, bytes).is_none())
                }),
            };
            prop_assert!(noticed, "byte {} bit {}", at, bit);
        }

        #[test]
        fn any_bytes_are_read_without_panicking(
            bytes in prop::collection::vec(any::<u8>(), 0..3000), keep in any::<bool>(),
        ) {
            let mut bytes = bytes;
            if keep {
                let sample = blocks(&[(vec![1, 2, 3], vec![4])]);
                for (slot, byte) in bytes.iter_mut().zip(sample.iter().take(FIXED_BYTES)) {
                    *slot = *byte;
                }
            }
            if let Ok(header) = Header::read(&bytes) {
                look(&bytes, &header, Key::Token(1));
            }
        }
    }

    /// A form that changes gets a new version: what is written now is what was written then.
    #[test]
    fn a_file_of_this_version_is_read() {
        let sample: &[u8] = include_bytes!("../../tests/samples/index-v2.idx");
        let header = Header::read(sample).unwrap();
        assert_eq!((header.data_bytes, header.rows.as_slice()), (4711, [10, 10].as_slice()));
        let token = |text: &str| Key::Token(crate::index::tokens::hash(text.as_bytes()));
        assert_eq!(look(sample, &header, token("lsass")), Some(vec![true, false]));
        assert_eq!(look(sample, &header, token("10.0.0.1")), Some(vec![false, true]));
        assert_eq!(look(sample, &header, Key::Gram(4)), Some(vec![true, true]));
        let sample_now = blocks(&[
            (vec![crate::index::tokens::hash(b"lsass")], vec![4, 100_000]),
            (vec![crate::index::tokens::hash(b"10.0.0.1")], vec![4]),
        ]);
        assert_eq!(sample_now, sample, "the form has changed: give it a new version");
    }
}
