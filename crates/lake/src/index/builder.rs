//! Makes the index of a file while its rows are written.

use std::ops::Range;

use arrow::{
    array::{Array as _, ArrayRef, AsArray, Int64Array, StringArray},
    datatypes::{Float64Type, Int64Type, Schema},
    record_batch::RecordBatch,
};
use base::{Value, limits};
use bytes::Bytes;

use super::{
    form::{self, EncodedBlock},
    text::number_key,
    tokens::{GRAMS, Sink, digits_key, scan, scan_in, word},
};
use crate::{
    query::{Shape, any_scalar, parse_json, shapes, value_at},
    schema,
};

/// How many texts of a column are remembered, so that what repeats is not scanned again.
const TEXTS_KNOWN: usize = 1024;
/// How many numbers of a column are.
const NUMBERS_KNOWN: usize = 256;
/// How many tokens of a block are remembered, for the same reason.
const TOKENS_KNOWN: usize = 1 << 14;
const WORDS: usize = (GRAMS as usize).div_ceil(64);

/// Gathers the tokens and grams of a file's rows, block by block. Memory: the open block's, some
/// hundred KiB, and the encoded blocks, about a hundredth of the text.
#[derive(Debug)]
pub(crate) struct IndexBuilder {
    columns: Vec<(String, Shape)>,
    block_rows: usize,
    block_bytes: usize,
    open: Open,
    blocks: Vec<EncodedBlock>,
}

impl IndexBuilder {
    /// For rows of this schema, in blocks of so many rows, fewer where these have more text than
    /// `block_bytes`.
    pub(crate) fn new(schema: &Schema, block_rows: usize, block_bytes: usize) -> Self {
        let is_indexed = |(name, _): &(String, Shape)| {
            // What a word is not looked for in, and the event's id, which is.
            let is_envelope = schema::RESERVED.contains(&name.as_str());
            !is_envelope || [schema::EVENT_ID, schema::REST].contains(&name.as_str())
        };
        let columns = shapes(schema).into_iter().filter(is_indexed).collect();
        let block_rows = block_rows.max(1);
        Self { columns, block_rows, block_bytes, open: Open::default(), blocks: Vec::new() }
    }

    /// For files whose pages end anywhere.
    pub(crate) fn for_new_file(schema: &Schema) -> Self {
        Self::new(schema, limits::INDEX_BLOCK_ROWS, limits::INDEX_BLOCK_BYTES)
    }

    /// Adds rows, in the order of the file.
    pub(crate) fn add(&mut self, rows: &RecordBatch) {
        /// Between two looks at how much text the block has.
        const ROWS_AT_ONCE: usize = 2048;
        let mut from = 0;
        while from < rows.num_rows() {
            let left = self.block_rows - self.open.rows;
            let count = left.min(ROWS_AT_ONCE).min(rows.num_rows() - from);
            let part = rows.slice(from, count);
            for (name, shape) in &self.columns {
                if let Some(column) = part.column_by_name(name) {
                    self.open.column(column, shape);
                }
            }
            self.open.rows += count;
            from += count;
            if self.open.rows >= self.block_rows || self.open.bytes >= self.block_bytes {
                self.close_block();
            }
        }
    }

    fn close_block(&mut self) {
        if self.open.rows > 0 {
            self.blocks.push(self.open.close());
        }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(EncodedBlock::memory).sum();
        blocks + self.open.memory()
    }

    /// The index of the file, which has so many bytes; `None` if these are so few that reading them
    /// is as good.
    pub(crate) fn finish(self, data_bytes: u64) -> Option<Bytes> {
        (data_bytes >= limits::INDEX_FILE_BYTES_MIN).then(|| self.whole(data_bytes))
    }

    /// The index of the file, however small that is.
    pub(crate) fn whole(mut self, data_bytes: u64) -> Bytes {
        self.close_block();
        form::file(&self.blocks, data_bytes)
    }
}

/// The block that rows are added to.
#[derive(Default)]
struct Open {
    rows: usize,
    bytes: usize,
    /// Tokens as they came; those just before are known, others may be there twice.
    tokens: Vec<u64>,
    known: Vec<u64>,
    /// One bit for each gram.
    grams: Vec<u64>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Sink for Open {
    #[inline]
    fn token(&mut self, hash: u64) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "only the lowest bits are needed")]
        let slot = hash as usize % TOKENS_KNOWN;
        if let Some(known) = self.known.get_mut(slot) {
            if *known == hash {
                return false;
            }
            *known = hash;
        }
        self.tokens.push(hash);
        true
    }

    #[inline]
    fn gram(&mut self, gram: u32) {
        if let Some(word) = self.grams.get_mut((gram / 64) as usize) {
            *word |= 1 << (gram % 64);
        }
    }
}

impl Open {
    fn memory(&self) -> usize {
        8 * (self.tokens.capacity() + self.known.capacity() + self.grams.capacity())
    }

    fn column(&mut self, array: &ArrayRef, shape: &Shape) {
        self.known.resize(TOKENS_KNOWN, 0);
        self.grams.resize(WORDS, 0);
        match shape {
            Shape::Text => match array.as_string_opt::<i32>() {
                Some(texts) => self.texts(texts, |open, place, texts| {
                    scan_in(texts.value_data(), place.start, place.end, open);
                }),
                None => self.values(array, shape),
            },
            // Keys are not searched, and escapes are not text.
            Shape::Json => match array.as_string_opt::<i32>() {
                Some(texts) => self.texts(texts, |open, place, texts| {
                    let text = texts.value_data().get(place).unwrap_or_default();
                    open.json(str::from_utf8(text).unwrap_or_default());
                }),
                None => self.values(array, shape),
            },
            Shape::Int => match array.as_primitive_opt::<Int64Type>() {
                Some(numbers) => self.ints(numbers),
                None => self.values(array, shape),
            },
            Shape::Float => match array.as_primitive_opt::<Float64Type>() {
                Some(numbers) => numbers.iter().flatten().for_each(|number| self.float(number)),
                None => self.values(array, shape),
            },
            Shape::List(member) => match array.as_list_opt::<i32>() {
                Some(list) => {
                    let place = |offset: Option<&i32>| {
                        offset.and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0)
                    };
                    let offsets = list.value_offsets();
                    let (from, to) = (place(offsets.first()), place(offsets.last()));
                    self.column(&list.values().slice(from, to.saturating_sub(from)), member);
                }
                None => self.values(array, shape),
            },
            Shape::Struct(members) => match array.as_struct_opt() {
                Some(object) if object.columns().len() == members.len() => {
                    for ((_, member), column) in members.iter().zip(object.columns()) {
                        self.column(column, member);
                    }
                }
                _ => self.values(array, shape),
            },
            Shape::Bool | Shape::Time | Shape::Other => self.values(array, shape),
        }
    }

    /// The values of a column that has no way of its own.
    fn values(&mut self, array: &ArrayRef, shape: &Shape) {
        for row in 0..array.len() {
            if let Some(value) = value_at(array, shape, row) {
                self.value(&value);
            }
        }
    }

    /// Hands over the place of each text that was not seen just before.
    fn texts(&mut self, texts: &StringArray, each: impl Fn(&mut Self, Range<usize>, &StringArray)) {
        let (data, offsets) = (texts.value_data(), texts.value_offsets());
        let mut known = [(0_usize, 0_usize); TEXTS_KNOWN];
        for (row, ends) in offsets.windows(2).enumerate() {
            let (&[from, to], true) = (ends, texts.is_valid(row)) else { continue };
            let place = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
            // As much text as if it were scanned: blocks are alike in size, whatever repeats.
            self.bytes += place.len();
            let Some(slot) = known.get_mut(slot_of(data, &place) % TEXTS_KNOWN) else { continue };
            let before = slot.0..slot.1;
            if before.len() == place.len() && data.get(before) == data.get(place.clone()) {
                continue;
            }
            *slot = (place.start, place.end);
            each(self, place, texts);
        }
    }

    fn ints(&mut self, numbers: &Int64Array) {
        let mut known = [None; NUMBERS_KNOWN];
        for number in numbers.iter().flatten() {
            let slot = number.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            match usize::try_from(slot).ok().and_then(|slot| known.get_mut(slot)) {
                Some(slot) if *slot == Some(number) => self.bytes += digits_of(number),
                Some(slot) => {
                    *slot = Some(number);
                    self.int(number);
                }
                None => self.int(number),
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes += text.len();
        scan(text.as_bytes(), self);
    }

    fn json(&mut self, text: &str) {
        match parse_json(text) {
            Some(value) => self.value(&value),
            None => self.text(text),
        }
    }

    fn value(&mut self, value: &Value<'_>) {
        any_scalar(value, &mut |scalar| {
            match scalar {
                Value::Text(text) => self.text(text),
                Value::Int(number) => self.int(*number),
                Value::Float(number) => self.float(*number),
                Value::Number(text) => {
                    self.text(text);
                    if let Ok(number) = text.parse::<f64>() {
                        self.number(number);
                    }
                }
                other => {
                    if let Some(text) = other.display() {
                        self.text(&text);
                    }
                }
            }
            false
        });
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are looked for as floats")]
    fn int(&mut self, number: i64) {
        // Longer than the digits, so that a word that is read of them never ends behind it.
        let mut spelled = [0_u8; 32];
        let to = digits_of(number);
        let mut rest = number.unsigned_abs();
        for slot in spelled.iter_mut().take(to).rev() {
            *slot = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        self.bytes += to;
        if let Some(hash) = digits_key(&spelled, 0, to) {
            self.token(hash);
        }
        if number.unsigned_abs() >= 1 << 53 {
            self.number(number as f64);
        }
    }

    fn float(&mut self, number: f64) {
        if let Some(text) = Value::Float(number).display() {
            self.text(&text);
        }
        self.number(number);
    }

    fn number(&mut self, number: f64) {
        if let Some(hash) = number_key(number) {
            self.token(hash);
        }
    }

    fn close(&mut self) -> EncodedBlock {
        self.tokens.sort_unstable();
        self.tokens.dedup();
        let mut grams = Vec::new();
        for (at, word) in (0_u32..).zip(&self.grams) {
            let mut word = *word;
            while word != 0 {
                grams.push(at * 64 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        let rows = u32::try_from(self.rows).unwrap_or(u32::MAX);
        let block = EncodedBlock::new(rows, &self.tokens, &grams);
        (self.rows, self.bytes) = (0, 0);
        self.tokens.clear();
        self.known.fill(0);
        self.grams.fill(0);
        block
    }
}

/// How many decimal digits a number has.
fn digits_of(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
    usize::try_from(digits).unwrap_or(0)
}

/// Where a text is remembered: by its length, and its first and last bytes.
fn slot_of(data: &[u8], place: &Range<usize>) -> usize {
    let first = word(data, place.start, place.len());
    let last = word(data, place.end.saturating_sub(8).max(place.start), place.len());
    let mixed = first ^ last.rotate_left(29) ^ place.len() as u64;
    usize::try_from(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap_or(0)
}
