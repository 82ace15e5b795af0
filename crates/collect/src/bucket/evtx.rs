//! Windows event logs (`.evtx`) as a stream that is unpacked into XML, one `<Event>` a line.
//!
//! A file is a header and chunks of 64 KiB, each of which stands for itself: so files are read from
//! front to back, with one chunk and the text of one record in memory. What can be read of a damaged
//! file is; what can't leaves a note ([`base::write_damage`]) in its place. Chunks of zeros, which
//! Windows allocates ahead, are nothing.
//!
//! The formats are those of [MS-EVEN6] and of [libevtx's documentation].
//!
//! [MS-EVEN6]: https://learn.microsoft.com/openspecs/windows_protocols/ms-even6
//! [libevtx's documentation]: https://github.com/libyal/libevtx/tree/main/documentation

mod binxml;
mod chunk;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
mod value;

use base::write_damage;

use self::chunk::Chunk;
use super::decompress::Progress;

/// What a file begins with.
pub(crate) const MAGIC: &[u8] = b"ElfFile\0";

/// How many bytes in front of the first chunk.
const HEADER_BYTES: usize = 4096;

/// The flag of a file that was not closed.
const IS_DIRTY: u32 = 1;

/// The length of a chunk.
const CHUNK_BYTES: usize = 64 << 10;

/// A file being unpacked.
#[derive(Debug)]
pub(crate) struct Evtx {
    /// The header or chunk, as far as it came.
    block: Vec<u8>,
    /// Nothing came before it.
    is_header: bool,
    /// A chunk whose records are being written.
    chunk: Option<Chunk>,
    /// How many chunks were begun.
    chunks: u64,
    /// How many there are, if the header says so and can be trusted.
    chunks_said: u64,
    /// What is written and not handed out yet.
    text: Vec<u8>,
    text_at: usize,
    /// What there was of the last chunk is taken for all of it.
    is_cut: bool,
}

impl Default for Evtx {
    fn default() -> Self {
        Self {
            block: Vec::with_capacity(CHUNK_BYTES),
            is_header: true,
            chunk: None,
            chunks: 0,
            chunks_said: 0,
            text: Vec::new(),
            text_at: 0,
            is_cut: false,
        }
    }
}

impl Evtx {
    pub(crate) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Progress {
        let mut progress = Progress::default();
        loop {
            let room = output.get_mut(progress.written..).unwrap_or_default();
            progress.written += self.pour(room);
            if self.text_at < self.text.len() {
                return progress;
            }
            if self.write_more() {
                continue;
            }
            let rest = input.get(progress.read..).unwrap_or_default();
            let wanted = if self.is_header { HEADER_BYTES } else { CHUNK_BYTES };
            let taken = rest.get(..wanted - self.block.len()).unwrap_or(rest);
            progress.read += taken.len();
            self.block.extend_from_slice(taken);
            if self.block.len() < wanted {
                return progress;
            }
            self.block_ends();
        }
    }

    /// Whether what was taken so far ends where a chunk does, and may be all.
    pub(crate) fn is_between(&self) -> bool {
        !self.is_header
            && !self.is_cut
            && self.chunks >= self.chunks_said
            && self.block.is_empty()
            && self.chunk.is_none()
            && self.text_at == self.text.len()
    }

    /// Nothing more comes: takes what there is of the last chunk. Answers whether that is anything.
    pub(crate) fn finish(&mut self) -> bool {
        if self.is_header || self.block.is_empty() {
            return false;
        }
        self.is_cut = true;
        self.block_ends();
        true
    }

    /// Hands out what is written, as far as there is room.
    fn pour(&mut self, room: &mut [u8]) -> usize {
        let rest = self.text.get(self.text_at..).unwrap_or_default();
        let count = rest.len().min(room.len());
        for (to, from) in room.iter_mut().zip(rest) {
            *to = *from;
        }
        self.text_at += count;
        if self.text_at == self.text.len() {
            self.text.clear();
            self.text_at = 0;
        }
        count
    }

    /// Writes the next record. Answers whether there is any.
    fn write_more(&mut self) -> bool {
        let Some(chunk) = &mut self.chunk else { return false };
        let has_more = chunk.write_next(&mut self.text);
        if !has_more {
            self.chunk = None;
        }
        has_more
    }

    fn block_ends(&mut self) {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(CHUNK_BYTES));
        if std::mem::take(&mut self.is_header) {
            self.chunks_said = chunks_said(&block).unwrap_or(0);
            return;
        }
        let number = self.chunks;
        self.chunks += 1;
        // A chunk that is cut inside of its header has nothing to read yet.
        let is_begun = self.is_cut && block.len() < chunk::RECORDS_AT;
        if is_begun || block.iter().all(|byte| *byte == 0) {
            return;
        }
        match Chunk::new(number, block, self.is_cut) {
            Ok(chunk) => self.chunk = Some(chunk),
            Err(block) => {
                let reason =
                    format!("chunk {number} of the file is none: it does not begin as one");
                write_damage(&reason, &block, &mut self.text);
            }
        }
    }
}

/// How many chunks a file's header says there are; `None` if it is not as it was written, or the file was
/// not closed and it may be behind.
fn chunks_said(header: &[u8]) -> Option<u64> {
    let sum = chunk::field(header, 124).map(u32::from_le_bytes)?;
    let flags = chunk::field(header, 120).map(u32::from_le_bytes)?;
    let count = chunk::field(header, 42).map(u16::from_le_bytes)?;
    let is_sound = sum == chunk::sum_of(&[header.get(..120)?]);
    (is_sound && flags & IS_DIRTY == 0).then_some(u64::from(count))
}

/// All of a file as XML, with notes in the place of what can't be read, as long as `each` wants more.
/// Answers whether the file ends where a chunk does.
pub(crate) fn to_xml(file: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> bool {
    let mut evtx = Evtx::default();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut rest = file;
    loop {
        let progress = evtx.run(rest, &mut buffer);
        rest = rest.get(progress.read..).unwrap_or_default();
        let is_wanted = each(buffer.get(..progress.written).unwrap_or_default());
        if !is_wanted || (progress.written < buffer.len() && !evtx.finish()) {
            return evtx.is_between();
        }
    }
}
