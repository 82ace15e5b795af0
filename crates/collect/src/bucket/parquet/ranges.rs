//! The bytes of an object, fetched where they are asked for.
//!
//! Columns are read side by side, each from front to back: of each, some bytes are fetched ahead and kept
//! until they are read.

use std::{
    collections::VecDeque,
    io::{self, BufReader, Read},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use base::limits;
use bytes::Bytes;
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};

use super::super::reader::Stop;

/// Fetches a range. Blocks.
type Fetch = Box<dyn Fn(Range<u64>) -> Result<Bytes, Stop> + Send + Sync>;

/// How many bytes of a page's header are looked at in advance: type and sizes.
const HEADER_BYTES: usize = 32;

/// An object's bytes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ranges(Arc<Inner>);

struct Inner {
    size: u64,
    fetch: Fetch,
    state: Mutex<State>,
}

struct State {
    /// Pieces with their offsets, the oldest first.
    pieces: VecDeque<(u64, Bytes)>,
    /// How many bytes are fetched at least.
    ahead: u64,
    /// Why nothing more can be fetched.
    stop: Option<Stop>,
}

impl std::fmt::Debug for Ranges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranges").field("size", &self.0.size).finish_non_exhaustive()
    }
}

impl Ranges {
    /// `fetch` is asked for what lies below `size`.
    pub(crate) fn new(
        size: u64,
        fetch: impl Fn(Range<u64>) -> Result<Bytes, Stop> + Send + Sync + 'static,
    ) -> Self {
        let state = State { pieces: VecDeque::new(), ahead: AHEAD_BYTES_MIN, stop: None };
        Self(Arc::new(Inner { size, fetch: Box::new(fetch), state: Mutex::new(state) }))
    }

    /// Those of a file in memory.
    pub(crate) fn of(file: Bytes) -> Self {
        let size = file.len() as u64;
        Self::new(size, move |range| {
            let part = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let range = part(range.start)..part(range.end);
            if range.end > file.len() { Err(Stop::Changed) } else { Ok(file.slice(range)) }
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.size
    }

    /// So many columns are read side by side.
    pub(super) fn expect_columns(&self, columns: usize) {
        let share = limits::PARQUET_AHEAD_BYTES / (columns as u64).max(1);
        self.state().ahead = share.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
    }

    /// Whether the store failed, not the file.
    pub(super) fn has_stopped(&self) -> bool {
        self.state().stop.is_some()
    }

    /// Why the store failed, if it did.
    pub(crate) fn take_stop(&self) -> Option<Stop> {
        self.state().stop.take()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Exactly these bytes.
    pub(super) fn get(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.0.size);
        let Some(end) = end else {
            return Err(ParquetError::EOF(format!("it has no {length} bytes at {start}")));
        };
        let mut state = self.state();
        if let Some(found) = state.find(start, length) {
            return Ok(found);
        }
        let until = self.0.size.min(end.max(start + state.ahead));
        match (self.0.fetch)(start..until) {
            Ok(piece) => {
                state.keep(start, piece.clone());
                Ok(piece.slice(..length.min(piece.len())))
            }
            Err(stop) => {
                state.stop = Some(stop);
                Err(ParquetError::General("the object can't be read now".to_owned()))
            }
        }
    }
}

/// How many bytes are fetched ahead of a column.
const AHEAD_BYTES_MIN: u64 = 64 << 10;
const AHEAD_BYTES_MAX: u64 = 4 << 20;

impl State {
    fn find(&self, start: u64, length: usize) -> Option<Bytes> {
        self.pieces.iter().rev().find_map(|(from, piece)| {
            let begin = usize::try_from(start.checked_sub(*from)?).ok()?;
            let end = begin.checked_add(length).filter(|end| *end <= piece.len())?;
            Some(piece.slice(begin..end))
        })
    }

    fn keep(&mut self, start: u64, piece: Bytes) {
        // What the column that goes on here had before.
        self.pieces.retain(|(from, old)| {
            let end = *from + old.len() as u64;
            start < *from || start > end
        });
        self.pieces.push_back((start, piece));
        let bytes = |pieces: &VecDeque<(u64, Bytes)>| -> usize {
            pieces.iter().map(|(_, piece)| piece.len()).sum()
        };
        let bytes_max = usize::try_from(limits::PARQUET_AHEAD_BYTES).unwrap_or(usize::MAX);
        while self.pieces.len() > 1 && bytes(&self.pieces) > bytes_max {
            self.pieces.pop_front();
        }
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl ChunkReader for Ranges {
    type T = BufReader<RangeRead>;

    /// Asked for where a page begins: one that is too large is refused before there is room made for it.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let there = usize::try_from(self.0.size.saturating_sub(start)).unwrap_or(usize::MAX);
        let header = self.get(start, there.min(HEADER_BYTES))?;
        let bytes_max = limits::PARQUET_PAGE_BYTES_MAX;
        if let Some(bytes) = page_bytes(&header).filter(|bytes| *bytes > bytes_max) {
            let message = format!("a page of {bytes} bytes, more than {bytes_max}");
            return Err(ParquetError::General(message));
        }
        let reader = RangeRead { ranges: self.clone(), at: start };
        Ok(BufReader::with_capacity(limits::PARQUET_HEADER_READ_BYTES, reader))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.get(start, length)
    }
}

/// How many bytes a page says it unpacks to: its header begins with its type and this, as Thrift's compact
/// protocol writes them.
fn page_bytes(header: &[u8]) -> Option<u64> {
    const NEXT_INT: u8 = 0x15;
    let (_, rest) = varint(header.strip_prefix(&[NEXT_INT])?)?;
    let (zigzag, _) = varint(rest.strip_prefix(&[NEXT_INT])?)?;
    (zigzag & 1 == 0).then_some(zigzag >> 1)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// Reads an object on from a place.
pub(crate) struct RangeRead {
    ranges: Ranges,
    at: u64,
}

impl Read for RangeRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.ranges.size().saturating_sub(self.at);
        let length = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let bytes = self.ranges.get(self.at, length).map_err(io::Error::other)?;
        for (to, from) in buffer.iter_mut().zip(&bytes) {
            *to = *from;
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}
