//! Finds which of many literals a text contains, in one pass that looks at four bytes at a time.
//!
//! Of each literal, four bytes in a row (its *gram*) are kept in a table. For each place of the
//! text, a small bitmap tells that no literal has its gram there, as is nearly always so; else the
//! literals with this gram are compared. Against an automaton this reads one bit for a byte, from
//! tables that stay in the first cache, and no byte waits for the one before. Of a literal, the
//! gram that the fewest others have is kept: what many rules ask for is what logs are full of.
//!
//! If all literals are long, only every so many places are looked at, and the literals' grams at
//! each offset are kept.
//!
//! Grams are compared without the bit that tells upper from lower case in ASCII; that may look at
//! a literal in vain, and overlooks none.

use std::collections::HashMap;

/// Up to so many bytes of a literal are its gram.
const GRAM_BYTES: usize = 4;

/// There is none for single bytes.
const TABLES: usize = GRAM_BYTES - 1;

/// The room of a set of all pairs of bytes.
const PAIR_WORDS: usize = (1 << 16) / 64;

/// How many places of the text are skipped at most. Each needs another gram of each literal.
const STRIDE_MAX: usize = 8;

/// How many grams the skipping may cost; more than that no longer stays in the first cache.
const STRIDE_GRAMS_MAX: usize = 2048;

/// The bits of a bitmap: so many for each gram, as long as there is a bitmap of that size.
const BITS_PER_GRAM: usize = 16;

static NO_PAIRS: [u64; PAIR_WORDS] = [0; PAIR_WORDS];

/// Literals, made ready to be looked for at once.
#[derive(Debug, Default)]
pub(super) struct Grams {
    /// For grams of two, three and four bytes.
    tables: [Table; TABLES],
    /// Literals of one byte, each looked for by itself, with their ids.
    bytes: Vec<(u8, u32)>,
    /// Which two bytes a gram of fewer than four ends with, as a set.
    short: Option<Box<[u64; PAIR_WORDS]>>,
    stride: usize,
    /// All literals, one behind the other.
    literals: Vec<u8>,
}

/// The hashes of grams, as a set of a size that is known when it is asked: the bit's place needs no
/// check then.
#[derive(Debug)]
enum Bitmap {
    Small(Box<[u64; 64]>),
    Middle(Box<[u64; 512]>),
    Large(Box<[u64; 4096]>),
}

/// The grams of one length.
#[derive(Debug, Default)]
struct Table {
    bitmap: Bitmap,
    /// By hash, with free slots: a gram and its range of `places`.
    slots: Vec<Slot>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    gram: u32,
    start: u32,
    end: u32,
}

/// Where in which literal a gram stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    literal_start: u32,
    literal_end: u32,
    /// From the literal's start to the gram's end.
    offset: u32,
    id: u32,
}

/// How the bytes of a text are compared with those of a literal, which is in lower case.
pub(super) trait Comparison {
    fn is_equal(text: &[u8], literal: &[u8]) -> bool;
}

/// For text in lower case.
pub(super) struct Lower;

/// For ASCII text in any case.
pub(super) struct AsciiAnyCase;

impl Comparison for Lower {
    fn is_equal(text: &[u8], literal: &[u8]) -> bool {
        text == literal
    }
}

impl Comparison for AsciiAnyCase {
    fn is_equal(text: &[u8], literal: &[u8]) -> bool {
        text.eq_ignore_ascii_case(literal)
    }
}

impl Grams {
    /// Prepares literals in lower case, none of them empty, with their ids.
    pub(super) fn new(literals: &[(String, u32)]) -> Self {
        let shortest = literals.iter().map(|(literal, _)| literal.len()).min().unwrap_or(0);
        let room = (STRIDE_GRAMS_MAX / literals.len().max(1)).clamp(1, STRIDE_MAX);
        let stride = (shortest + 1).saturating_sub(GRAM_BYTES).clamp(1, room);
        let mut all = Vec::new();
        let mut drafts: [Vec<(u32, Place)>; TABLES] = Default::default();
        let mut single = Vec::new();
        let counts = count_grams(literals);
        for (literal, id) in literals {
            let bytes = literal.as_bytes();
            if let [byte] = bytes {
                single.push((*byte, *id));
                continue;
            }
            let start = all.len();
            all.extend_from_slice(bytes);
            let width = bytes.len().min(GRAM_BYTES);
            let Some(draft) = width.checked_sub(2).and_then(|table| drafts.get_mut(table)) else {
                continue;
            };
            let rarest = || rarest_offset(bytes, width, &counts);
            let offsets = if stride > 1 { 0..stride } else { rarest() };
            for offset in offsets {
                let Some(gram) = bytes.get(offset..offset + width) else { continue };
                let place = Place {
                    literal_start: to_u32(start),
                    literal_end: to_u32(start + bytes.len()),
                    offset: to_u32(offset + width),
                    id: *id,
                };
                draft.push((gram_of(gram), place));
            }
        }
        let short = pairs(&drafts);
        Self { tables: drafts.map(Table::new), bytes: single, short, stride, literals: all }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.bytes.is_empty()
    }

    /// Calls `found` with the id of each literal that the text contains, perhaps repeatedly.
    pub(super) fn scan<C: Comparison>(&self, text: &[u8], found: &mut impl FnMut(u32)) {
        for (byte, id) in &self.bytes {
            let upper = byte.to_ascii_uppercase();
            if memchr::memchr2(*byte, upper, text).is_some() {
                found(*id);
            }
        }
        if self.literals.is_empty() {
            return;
        }
        let [.., four] = &self.tables;
        if self.stride > 1 {
            return self.scan_strides::<C>(text, found);
        }
        match &four.bitmap {
            Bitmap::Small(set) => self.scan_in::<C, _>(text, set, found),
            Bitmap::Middle(set) => self.scan_in::<C, _>(text, set, found),
            Bitmap::Large(set) => self.scan_in::<C, _>(text, set, found),
        }
    }

    fn scan_in<C: Comparison, const WORDS: usize>(
        &self,
        text: &[u8],
        set: &[u64; WORDS],
        found: &mut impl FnMut(u32),
    ) {
        match &self.short {
            Some(short) => self.scan_all::<C, _, true>(text, set, short, found),
            None => self.scan_all::<C, _, false>(text, set, &NO_PAIRS, found),
        }
    }

    fn scan_all<C: Comparison, const WORDS: usize, const SHORT: bool>(
        &self,
        text: &[u8],
        set: &[u64; WORDS],
        short: &[u64; PAIR_WORDS],
        found: &mut impl FnMut(u32),
    ) {
        let [.., four] = &self.tables;
        // Too short a window has zeros in front, which no gram has.
        let mut window = 0_u32;
        for (at, byte) in text.iter().enumerate() {
            window = window << 8 | fold(*byte);
            if may_have(set, window) {
                self.compare::<C>(four, window, at + 1, text, found);
            }
            if SHORT && has_pair(short, window) {
                self.compare_short::<C>(window, at + 1, text, found);
            }
        }
    }

    /// Compares the literals of two and three bytes that may end at `end`.
    #[inline(never)]
    fn compare_short<C: Comparison>(
        &self,
        window: u32,
        end: usize,
        text: &[u8],
        found: &mut impl FnMut(u32),
    ) {
        let [two, three, _] = &self.tables;
        for (table, gram) in [(two, window & 0xffff), (three, window & 0xff_ffff)] {
            if table.may_have(gram) {
                self.compare::<C>(table, gram, end, text, found);
            }
        }
    }

    fn scan_strides<C: Comparison>(&self, text: &[u8], found: &mut impl FnMut(u32)) {
        let [.., four] = &self.tables;
        let mut at = 0;
        while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<GRAM_BYTES>) {
            let gram = u32::from_be_bytes(*bytes) | 0x2020_2020;
            if four.may_have(gram) {
                self.compare::<C>(four, gram, at + GRAM_BYTES, text, found);
            }
            at += self.stride;
        }
    }

    /// Compares the literals that have the gram which ends at `end`.
    #[inline(never)]
    fn compare<C: Comparison>(
        &self,
        table: &Table,
        gram: u32,
        end: usize,
        text: &[u8],
        found: &mut impl FnMut(u32),
    ) {
        for place in table.places_of(gram) {
            let literal =
                self.literals.get(to_usize(place.literal_start)..to_usize(place.literal_end));
            let (Some(literal), Some(start)) = (literal, end.checked_sub(to_usize(place.offset)))
            else {
                continue;
            };
            let part = text.get(start..start + literal.len());
            if part.is_some_and(|part| C::is_equal(part, literal)) {
                found(place.id);
            }
        }
    }
}

impl Table {
    fn new(mut draft: Vec<(u32, Place)>) -> Self {
        draft.sort_by_key(|(gram, _)| *gram);
        let mut table = Self {
            bitmap: Bitmap::with_room_for(draft.len()),
            slots: vec![Slot::default(); (draft.len() * 2).next_power_of_two()],
            places: Vec::with_capacity(draft.len()),
        };
        for same in draft.chunk_by(|(left, _), (right, _)| left == right) {
            let Some((gram, _)) = same.first() else { continue };
            let start = to_u32(table.places.len());
            table.places.extend(same.iter().map(|(_, place)| *place));
            table.bitmap.add(*gram);
            let slot = Slot { gram: *gram, start, end: to_u32(table.places.len()) };
            let mut at = table.slot_of(*gram);
            while table.slots.get(at).is_some_and(|slot| slot.end > 0) {
                at = (at + 1) & (table.slots.len() - 1);
            }
            if let Some(free) = table.slots.get_mut(at) {
                *free = slot;
            }
        }
        table
    }

    fn may_have(&self, gram: u32) -> bool {
        match &self.bitmap {
            Bitmap::Small(set) => may_have(set, gram),
            Bitmap::Middle(set) => may_have(set, gram),
            Bitmap::Large(set) => may_have(set, gram),
        }
    }

    fn slot_of(&self, gram: u32) -> usize {
        // Other bits than those of the bitmap, so that what fools one does not fool the other.
        to_usize(hash(gram) ^ gram >> 15) & self.slots.len().saturating_sub(1)
    }

    fn places_of(&self, gram: u32) -> &[Place] {
        let mut at = self.slot_of(gram);
        while let Some(slot) = self.slots.get(at).filter(|slot| slot.end > 0) {
            if slot.gram == gram {
                let places = self.places.get(to_usize(slot.start)..to_usize(slot.end));
                return places.unwrap_or_default();
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        &[]
    }
}

impl Default for Bitmap {
    fn default() -> Self {
        Self::Small(Box::new([0; _]))
    }
}

impl Bitmap {
    fn with_room_for(grams: usize) -> Self {
        match grams * BITS_PER_GRAM {
            0..=4_096 => Self::Small(Box::new([0; _])),
            4_097..=32_768 => Self::Middle(Box::new([0; _])),
            _ => Self::Large(Box::new([0; _])),
        }
    }

    fn add(&mut self, gram: u32) {
        match self {
            Self::Small(set) => add(set, gram),
            Self::Middle(set) => add(set, gram),
            Self::Large(set) => add(set, gram),
        }
    }
}

/// Which word of a set and which bit of it stand for a gram.
#[inline]
const fn place_of<const WORDS: usize>(gram: u32) -> (u32, u32) {
    let hash = hash(gram) >> (u32::BITS - u64::BITS.ilog2() - WORDS.ilog2());
    (hash >> u64::BITS.ilog2(), hash & (u64::BITS - 1))
}

fn add<const WORDS: usize>(set: &mut [u64; WORDS], gram: u32) {
    let (word, bit) = place_of::<WORDS>(gram);
    if let Some(word) = set.get_mut(to_usize(word)) {
        *word |= 1 << bit;
    }
}

#[inline]
fn may_have<const WORDS: usize>(set: &[u64; WORDS], gram: u32) -> bool {
    let (word, bit) = place_of::<WORDS>(gram);
    set.get(to_usize(word)).is_some_and(|word| word >> bit & 1 != 0)
}

#[inline]
fn has_pair(short: &[u64; PAIR_WORDS], window: u32) -> bool {
    let pair = window & 0xffff;
    short.get(to_usize(pair >> 6)).is_some_and(|word| word >> (pair & 63) & 1 != 0)
}

/// The last two bytes of all grams of fewer than four.
fn pairs(drafts: &[Vec<(u32, Place)>; TABLES]) -> Option<Box<[u64; PAIR_WORDS]>> {
    let [two, three, _] = drafts;
    if two.is_empty() && three.is_empty() {
        return None;
    }
    let mut pairs = Box::new(NO_PAIRS);
    for (gram, _) in two.iter().chain(three) {
        let pair = gram & 0xffff;
        if let Some(word) = pairs.get_mut(to_usize(pair >> 6)) {
            *word |= 1 << (pair & 63);
        }
    }
    Some(pairs)
}

/// How many literals have each gram of four bytes.
fn count_grams(literals: &[(String, u32)]) -> HashMap<u32, u32> {
    let mut counts = HashMap::new();
    for (literal, _) in literals {
        for gram in literal.as_bytes().windows(GRAM_BYTES) {
            *counts.entry(gram_of(gram)).or_insert(0) += 1;
        }
    }
    counts
}

/// Where the literal's rarest gram begins, as a range of one.
fn rarest_offset(bytes: &[u8], width: usize, counts: &HashMap<u32, u32>) -> std::ops::Range<usize> {
    let grams = bytes.windows(width).enumerate();
    let rarest = grams.min_by_key(|(_, gram)| counts.get(&gram_of(gram)).copied().unwrap_or(0));
    let offset = rarest.map_or(0, |(offset, _)| offset);
    offset..offset + 1
}

fn gram_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |gram, byte| gram << 8 | fold(*byte))
}

fn fold(byte: u8) -> u32 {
    u32::from(byte | 0x20)
}

const fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
