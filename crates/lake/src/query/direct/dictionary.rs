//! The dictionary of a column: each text that it has, once.
//!
//! A column of which all pages are numbers into its dictionary has no other text, so what is not in the
//! dictionary is in none of its rows, and they need not be read.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, StringArray},
    buffer::{Buffer, OffsetBuffer},
};
use bytes::{Buf as _, Bytes, buf::Reader};
use parquet::{
    basic::{Encoding, Type},
    column::page::{Page, PageReader as _},
    errors::{ParquetError, Result},
    file::{
        metadata::ColumnChunkMetaData,
        reader::{ChunkReader, Length},
        serialized_reader::SerializedPageReader,
    },
};

/// Where the dictionary of a column is, if all its pages are numbers into it.
pub(super) fn range_of(chunk: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let is_whole = chunk.page_encoding_stats_mask().is_some_and(|mask| {
        mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY)
    });
    if !is_whole || chunk.column_type() != Type::BYTE_ARRAY {
        return None;
    }
    let start = u64::try_from(chunk.dictionary_page_offset()?).ok()?;
    let end = u64::try_from(chunk.data_page_offset()).ok()?;
    (start < end).then_some(start..end)
}

/// The texts of a dictionary whose page is at `range` of its file.
pub(super) fn texts(
    chunk: &ColumnChunkMetaData,
    range: &Range<u64>,
    bytes: Bytes,
) -> Result<ArrayRef> {
    let piece = Arc::new(Piece { start: range.start, bytes });
    let mut pages = SerializedPageReader::new(piece, chunk, 0, None)?;
    let Some(Page::DictionaryPage { buf, num_values, .. }) = pages.get_next_page()? else {
        return Err(malformed());
    };
    let count = usize::try_from(num_values).map_err(|_| malformed())?;
    let mut rest: &[u8] = &buf;
    let mut offsets = Vec::with_capacity(count + 1);
    let mut texts = Vec::with_capacity(rest.len());
    offsets.push(0_i32);
    for _ in 0..count {
        let (length, tail) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| malformed())?;
        let (text, tail) = tail.split_at_checked(length).ok_or_else(malformed)?;
        texts.extend_from_slice(text);
        offsets.push(i32::try_from(texts.len()).map_err(|_| malformed())?);
        rest = tail;
    }
    let offsets = OffsetBuffer::new(offsets.into());
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(texts), None)?))
}

fn malformed() -> ParquetError {
    ParquetError::General("a dictionary is damaged".to_owned())
}

/// A part of a file, which is read as if the whole were there.
struct Piece {
    start: u64,
    bytes: Bytes,
}

impl Piece {
    fn from(&self, start: u64) -> Result<Bytes> {
        let at = start.checked_sub(self.start).and_then(|at| usize::try_from(at).ok());
        let at = at.filter(|at| *at <= self.bytes.len()).ok_or_else(malformed)?;
        Ok(self.bytes.slice(at..))
    }
}

impl Length for Piece {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Piece {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(malformed());
        }
        Ok(bytes.slice(..length))
    }
}
