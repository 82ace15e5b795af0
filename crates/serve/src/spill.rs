//! Records too long to keep in memory, on their way to the quarantine.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
};

use base::limits::QUARANTINE_INLINE_BYTES_MAX;

/// The bytes of one record, compressed into a temporary file as they come. The file has no name:
/// it is gone when the process is.
pub(crate) struct Spill {
    record_offset: u64,
    length: u64,
    head: Vec<u8>,
    encoder: zstd::stream::write::Encoder<'static, File>,
    key: String,
}

impl std::fmt::Debug for Spill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spill").field("length", &self.length).field("key", &self.key).finish()
    }
}

impl Spill {
    /// An empty one, for the record at this offset of its object.
    pub(crate) fn new(record_offset: u64) -> io::Result<Self> {
        let encoder = zstd::stream::write::Encoder::new(tempfile::tempfile()?, 1)?;
        Ok(Self { record_offset, length: 0, head: Vec::new(), encoder, key: String::new() })
    }

    /// One that has all its bytes.
    pub(crate) fn whole(record_offset: u64, bytes: &[u8]) -> io::Result<Self> {
        let mut spill = Self::new(record_offset)?;
        spill.add(bytes)?;
        Ok(spill)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let missing = QUARANTINE_INLINE_BYTES_MAX.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
        self.length += bytes.len() as u64;
        self.encoder.write_all(bytes)
    }

    pub(crate) const fn record_offset(&self) -> u64 {
        self.record_offset
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// The first bytes, up to the quarantine's limit for one line.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn set_key(&mut self, key: String) {
        self.key = key;
    }

    /// Ends the file and rewinds it: the key it goes to, and its bytes.
    pub(crate) fn into_file(self) -> io::Result<(String, File)> {
        let mut file = self.encoder.finish()?;
        file.rewind()?;
        Ok((self.key, file))
    }
}
