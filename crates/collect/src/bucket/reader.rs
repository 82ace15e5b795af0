//! One reading of one object: ranged requests for its raw bytes, decompressed chunk by chunk.
//!
//! In memory are at most one chunk of raw bytes, one of decompressed bytes, and the window of the
//! decompressor, or what a Parquet file needs ([`super::parquet`]), however large the object is. A reading goes as far as the object was when it was
//! listed: one that grows all the time does not keep the others waiting.

use std::sync::Arc;

use base::limits;
use bytes::{Buf as _, Bytes};
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, path::Path};
use serde_json::Value;

use super::{
    checkpoint::{Entry, PRINT_BYTES, Print, Version},
    decompress::{Decompressor, Format, MAGIC_BYTES, MAGIC_BYTES_MIN, UnpackLimits},
    list::Listed,
    parquet::{Ranges, Rows},
};
use crate::{Chunk, CollectError, End, Fault, ObjectKey};

/// What all readings of a source have in common.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Files change in place, so that a changed tag says nothing; objects in a bucket don't.
    pub(crate) is_folder: bool,
    pub(crate) chunk_bytes: usize,
    pub(crate) unpack: UnpackLimits,
}

/// Why a reading ends before its time.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The object is gone.
    Gone,
    /// It is not as it was listed: what it is now, the next listing tells.
    Changed,
    /// It has other content than was read before.
    Replaced,
    /// It can't be read now.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// An object being read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) key: ObjectKey,
    pub(crate) listed: Listed,
    pub(crate) format: Option<Format>,
    pub(crate) head: Print,
    pub(crate) tail: Print,
    /// A chunk was handed out.
    pub(crate) has_begun: bool,
    /// The object is longer than it was listed: it is still written to.
    has_grown: bool,
    /// The next raw byte to fetch.
    raw_at: u64,
    /// The decompressed offset of the next byte to hand out.
    at: u64,
    resume: Option<Value>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The format is not known.
    Start,
    Plain,
    Compressed(Unpacking),
    /// A Parquet file; once it is opened, its rows.
    Rows(Option<Box<RowReading>>),
    /// Everything is known: this is the end.
    AtEnd,
}

/// A decompressor with its surroundings, to be moved to a thread and back.
#[derive(Debug)]
struct Unpacking {
    format: Format,
    decompressor: Decompressor,
    /// Raw bytes that are fetched and not yet unpacked.
    input: Bytes,
    /// The decompressed offset of the next byte to unpack.
    at: u64,
}

/// The rows of a Parquet file, to be moved to a thread and back.
#[derive(Debug)]
struct RowReading {
    rows: Rows,
    ranges: Ranges,
    /// The offset of the next row, as JSON.
    at: u64,
}

/// What one step of unpacking gave.
struct Unpacked {
    bytes: Bytes,
    /// The offset of `bytes[0]`.
    offset: u64,
    damage: Option<Damage>,
    /// All input is used up.
    is_drained: bool,
}

enum Damage {
    Damaged(String),
    Bomb,
}

impl Reader {
    /// Begins to read at the entry's offset. The entry is of this content.
    pub(crate) fn new(
        reading: &Reading,
        key: ObjectKey,
        listed: Listed,
        entry: &Entry,
    ) -> Result<Self, Stop> {
        let resume = Some(entry.frame.clone()).filter(|frame| !frame.is_null());
        let is_known = entry.version.is_same(&listed.version) && entry.end == Some(entry.offset);
        let mut raw_at = 0;
        let stage = match entry.format.filter(|_| entry.offset > 0) {
            _ if is_known || (listed.version.size == 0 && entry.offset == 0) => Stage::AtEnd,
            None => Stage::Start,
            Some(Format::Plain) => {
                raw_at = entry.offset;
                Stage::Plain
            }
            Some(Format::Parquet) => Stage::Rows(None),
            Some(format) => Stage::Compressed(Unpacking::new(format)?),
        };
        // A file that is now shorter than what was framed of it has lost content.
        if raw_at > listed.version.size {
            return Err(Stop::Replaced);
        }
        debug_assert!(reading.chunk_bytes >= MAGIC_BYTES_MIN, "checked with the settings");
        Ok(Self {
            key,
            listed,
            format: entry.format,
            head: entry.head,
            tail: entry.tail,
            has_begun: false,
            has_grown: false,
            raw_at,
            at: entry.offset,
            resume,
            stage,
        })
    }

    /// The next chunk. `is_final`: what is there is taken as complete.
    pub(crate) async fn next(&mut self, reading: &Reading, is_final: bool) -> Result<Chunk, Stop> {
        if matches!(self.stage, Stage::Start)
            && let Some(chunk) = self.start(reading, is_final).await?
        {
            return Ok(chunk);
        }
        match std::mem::replace(&mut self.stage, Stage::AtEnd) {
            Stage::Start | Stage::AtEnd => {
                let end = self.end(is_final);
                Ok(self.chunk(self.at, Bytes::new(), end))
            }
            Stage::Plain => {
                let bytes = self.fetch(reading).await?;
                self.stage = Stage::Plain;
                let end = if self.raw_at < self.size() { End::More } else { self.end(is_final) };
                Ok(self.chunk(self.at, bytes, end))
            }
            Stage::Compressed(unpacking) => self.unpack(reading, unpacking, is_final).await,
            Stage::Rows(rows) => self.rows(reading, rows, is_final).await,
        }
    }

    /// Finds out the format. A chunk if that already is all there is.
    async fn start(&mut self, reading: &Reading, is_final: bool) -> Result<Option<Chunk>, Stop> {
        let bytes = self.fetch(reading).await?;
        let is_short = self.raw_at == self.size() && bytes.len() < MAGIC_BYTES;
        let format = match Format::of(&bytes) {
            None if is_short && !is_final => {
                self.raw_at = 0;
                return Ok(Some(self.chunk(self.at, Bytes::new(), End::Pause)));
            }
            format => format.unwrap_or(Format::Plain),
        };
        self.format = Some(format);
        if format == Format::Plain {
            self.stage = Stage::Plain;
            let end = if self.raw_at < self.size() { End::More } else { self.end(is_final) };
            return Ok(Some(self.chunk(self.at, bytes, end)));
        }
        if format == Format::Parquet {
            // It is read when all its rows are.
            self.raw_at = 0;
            self.stage = Stage::Rows(None);
            return Ok(None);
        }
        self.stage = Stage::Compressed(Unpacking { input: bytes, ..Unpacking::new(format)? });
        Ok(None)
    }

    /// Opens a Parquet file, or goes on with its rows.
    async fn rows(
        &mut self,
        reading: &Reading,
        rows: Option<Box<RowReading>>,
        is_final: bool,
    ) -> Result<Chunk, Stop> {
        let mut rows = match rows {
            Some(rows) => rows,
            None => match RowReading::open(reading, &self.listed).await? {
                Ok(rows) => {
                    self.tail = self.last_print(reading).await?;
                    rows
                }
                // It may still be written to: what it holds is written at its end.
                Err(_) if !is_final => {
                    self.stage = Stage::Rows(None);
                    return Ok(self.chunk(self.at, Bytes::new(), End::Pause));
                }
                Err(reason) => {
                    let (format, address) = (Format::Parquet.name(), self.address());
                    let error = CollectError::Damaged { format, reason, address };
                    self.raw_at = self.size();
                    let end = End::Broken(Fault::new(error, self.size()));
                    return Ok(self.chunk(self.at, Bytes::new(), end));
                }
            },
        };
        loop {
            let from = rows.at;
            let (back, bytes, is_end) = rows.step(reading.chunk_bytes).await?;
            rows = back;
            let size = self.size();
            let end = if !reading.unpack.allow(size, rows.at) {
                let (format, address, unpacked) = (Format::Parquet.name(), self.address(), rows.at);
                let error = CollectError::Bomb { format, raw: size, unpacked, address };
                End::Broken(Fault::new(error, size))
            } else if !is_end && rows.at <= self.at {
                continue;
            } else if is_end && rows.at < self.at {
                return Err(Stop::Replaced);
            } else if is_end {
                self.raw_at = size;
                self.end(is_final)
            } else {
                End::More
            };
            // What was framed before is not handed out again.
            let offset = from.max(self.at.min(rows.at));
            let skipped = usize::try_from(offset - from).unwrap_or(usize::MAX).min(bytes.len());
            self.stage = Stage::Rows(Some(rows));
            return Ok(self.chunk(offset, bytes.slice(skipped..), end));
        }
    }

    /// The print of the object's last bytes.
    async fn last_print(&self, reading: &Reading) -> Result<Print, Stop> {
        let start = self.size().saturating_sub(PRINT_BYTES);
        let (bytes, _) = get(reading, &self.listed.path, start..self.size(), None).await?;
        Ok(Print::of(start, &bytes))
    }

    async fn unpack(
        &mut self,
        reading: &Reading,
        mut unpacking: Unpacking,
        is_final: bool,
    ) -> Result<Chunk, Stop> {
        loop {
            let (back, step) = unpacking.step(reading, self.raw_at, self.at).await?;
            unpacking = back;
            let raw_used = self.raw_at - unpacking.input.len() as u64;
            let is_at_end = step.is_drained && self.raw_at >= self.size();
            let end = match step.damage {
                Some(damage) => self.broken(&unpacking, raw_used, damage),
                None if !is_at_end && step.bytes.is_empty() => {
                    if step.is_drained {
                        unpacking.input = self.fetch(reading).await?;
                    }
                    continue;
                }
                None if !is_at_end => End::More,
                // The content is another, if it unpacks to less than it once did.
                None if unpacking.at < self.at => return Err(Stop::Replaced),
                None if unpacking.decompressor.is_between() => self.end(is_final),
                None if is_final && unpacking.decompressor.finish() => End::More,
                None if is_final && !self.has_grown => {
                    let (format, address) = (unpacking.format.name(), self.address());
                    End::Broken(Fault::new(CollectError::EndsEarly { format, address }, raw_used))
                }
                None => End::Pause,
            };
            let offset = if step.bytes.is_empty() { self.at } else { step.offset };
            self.stage = Stage::Compressed(unpacking);
            return Ok(self.chunk(offset, step.bytes, end));
        }
    }

    fn broken(&self, unpacking: &Unpacking, raw: u64, damage: Damage) -> End {
        let (format, address) = (unpacking.format.name(), self.address());
        let error = match damage {
            Damage::Damaged(reason) => CollectError::Damaged { format, reason, address },
            Damage::Bomb => CollectError::Bomb { format, raw, unpacked: unpacking.at, address },
        };
        End::Broken(Fault::new(error, raw))
    }

    fn address(&self) -> String {
        self.key.address().to_owned()
    }

    /// How far this reading goes.
    fn size(&self) -> u64 {
        self.listed.version.size
    }

    /// How a reading ends that came to the end of the object.
    const fn end(&self, is_final: bool) -> End {
        if is_final && !self.has_grown { End::Complete } else { End::Pause }
    }

    fn chunk(&mut self, offset: u64, bytes: Bytes, end: End) -> Chunk {
        self.at = offset + bytes.len() as u64;
        let first = !std::mem::replace(&mut self.has_begun, true);
        Chunk { object: self.key.clone(), offset, bytes, resume: self.resume.take(), first, end }
    }

    /// The chunk that ends this reading before its time.
    pub(crate) fn abandon(mut self) -> Chunk {
        self.chunk(self.at, Bytes::new(), End::Pause)
    }

    /// The decompressed size, if this reading came to the end of something whole.
    pub(crate) fn whole_size(&self) -> Option<u64> {
        let is_whole = match &self.stage {
            Stage::Start => false,
            Stage::Plain => self.raw_at == self.size(),
            Stage::Compressed(unpacking) => {
                self.raw_at == self.size()
                    && unpacking.input.is_empty()
                    && unpacking.decompressor.is_between()
            }
            Stage::Rows(_) => self.raw_at == self.size(),
            Stage::AtEnd => true,
        };
        Some(self.at).filter(|_| is_whole && !self.has_grown)
    }

    /// Fetches the next raw bytes.
    async fn fetch(&mut self, reading: &Reading) -> Result<Bytes, Stop> {
        let end = self.size().min(self.raw_at.saturating_add(reading.chunk_bytes as u64));
        if self.raw_at >= end {
            return Ok(Bytes::new());
        }
        let version = &self.listed.version;
        let must_match = version.etag.clone().filter(|_| !reading.is_folder);
        let (bytes, now) = get(reading, &self.listed.path, self.raw_at..end, must_match).await?;
        if now.size < version.size {
            return Err(Stop::Changed);
        }
        if !now.is_same(version) {
            // A file that changed while it was read: still the same one, with more in it?
            let prints = (self.head, self.tail);
            if verify(reading, &self.listed.path, now.size, prints).await?.is_none() {
                return Err(Stop::Changed);
            }
            self.has_grown = true;
        }
        if self.raw_at == 0 {
            self.head = Print::of(0, first_bytes(&bytes));
        }
        let last = bytes.len().saturating_sub(first_bytes(&bytes).len());
        self.tail = Print::of(self.raw_at + last as u64, bytes.get(last..).unwrap_or_default());
        self.raw_at = end;
        Ok(bytes)
    }
}

fn first_bytes(bytes: &Bytes) -> &[u8] {
    let length = usize::try_from(PRINT_BYTES).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(..length).unwrap_or_default()
}

/// Looks whether an object still has the bytes that its prints (head and tail) were taken of. If
/// so, answers a print of its head that covers as much as there is now; `None` if not.
pub(crate) async fn verify(
    reading: &Reading,
    path: &Path,
    size: u64,
    prints: (Print, Print),
) -> Result<Option<Print>, Stop> {
    let (head, tail) = prints;
    if size < head.end().max(tail.end()) {
        return Ok(None);
    }
    let same = |print: Print, bytes: &[u8]| Print::of(print.start(), bytes) == print;
    let head_bytes = get_if_there(reading, path, 0..size.min(PRINT_BYTES)).await?;
    let Some(head_bytes) = head_bytes else { return Ok(None) };
    let covered = usize::try_from(head.end()).ok().and_then(|end| head_bytes.get(..end));
    if !covered.is_some_and(|bytes| head.is_empty() || same(head, bytes)) {
        return Ok(None);
    }
    if !tail.is_empty() {
        match get_if_there(reading, path, tail.start()..tail.end()).await? {
            Some(bytes) if same(tail, &bytes) => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(Print::of(0, &head_bytes)))
}

/// As [`get`]; `None` if the object has no such bytes.
async fn get_if_there(
    reading: &Reading,
    path: &Path,
    range: std::ops::Range<u64>,
) -> Result<Option<Bytes>, Stop> {
    if range.is_empty() {
        return Ok(Some(Bytes::new()));
    }
    match get(reading, path, range, None).await {
        Ok((bytes, _)) => Ok(Some(bytes)),
        Err(Stop::Changed) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Exactly the bytes of `range`, and the version they are of.
async fn get(
    reading: &Reading,
    path: &Path,
    range: std::ops::Range<u64>,
    must_match: Option<String>,
) -> Result<(Bytes, Version), Stop> {
    let wanted = range.end - range.start;
    let end = range.end;
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: must_match,
        ..GetOptions::default()
    };
    let error = match reading.store.get_opts(path, options).await {
        Ok(result) => {
            let version = Version::of(&result.meta);
            match result.bytes().await {
                Ok(bytes) if bytes.len() as u64 == wanted => return Ok((bytes, version)),
                Ok(_) => return Err(Stop::Changed),
                Err(error) => error,
            }
        }
        Err(error) => error,
    };
    match error {
        object_store::Error::NotFound { .. } => Err(Stop::Gone),
        object_store::Error::Precondition { .. } => Err(Stop::Changed),
        error => match reading.store.head(path).await {
            // Stores have no common error for a range past the end.
            Ok(meta) if meta.size < end => Err(Stop::Changed),
            Err(object_store::Error::NotFound { .. }) => Err(Stop::Gone),
            Ok(_) | Err(_) => Err(Stop::Failed(error.into())),
        },
    }
}

impl RowReading {
    /// Fetches what a file says about itself, away from the async threads; or the reason why that can't be
    /// read.
    async fn open(reading: &Reading, listed: &Listed) -> Result<Result<Box<Self>, String>, Stop> {
        let (reading, version) = (reading.clone(), listed.version.clone());
        let (path, size) = (listed.path.clone(), version.size);
        let runtime = tokio::runtime::Handle::current();
        let must_match = version.etag.clone().filter(|_| !reading.is_folder);
        let ranges = Ranges::new(size, move |range| {
            let (bytes, now) = runtime.block_on(get(&reading, &path, range, must_match.clone()))?;
            if now.is_same(&version) { Ok(bytes) } else { Err(Stop::Changed) }
        });
        let opened = {
            let ranges = ranges.clone();
            tokio::task::spawn_blocking(move || Rows::open(ranges)).await
        };
        let opened = opened.map_err(|error| Stop::Failed(error.into()))?;
        match ranges.take_stop() {
            Some(stop) => Err(stop),
            None => Ok(opened.map(|rows| Box::new(Self { rows, ranges, at: 0 }))),
        }
    }

    /// Writes about so many bytes of rows. Answers with them, and whether there are no more.
    async fn step(self: Box<Self>, bytes: usize) -> Result<(Box<Self>, Bytes, bool), Stop> {
        let mut this = self;
        let written = tokio::task::spawn_blocking(move || {
            let mut out = Vec::with_capacity(bytes);
            let is_end = this.rows.write(bytes, &mut out);
            this.at += out.len() as u64;
            (this, Bytes::from(out), is_end)
        });
        let (this, bytes, is_end) = written.await.map_err(|error| Stop::Failed(error.into()))?;
        match this.ranges.take_stop() {
            Some(stop) => Err(stop),
            None => Ok((this, bytes, is_end)),
        }
    }
}

impl Unpacking {
    fn new(format: Format) -> Result<Self, Stop> {
        let decompressor = match format {
            Format::Zstd => Decompressor::zstd(limits::ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| Stop::Failed(error.into()))?,
            Format::Utf16le => Decompressor::utf16(false),
            Format::Utf16be => Decompressor::utf16(true),
            Format::Evtx => Decompressor::evtx(),
            Format::Gzip | Format::Plain | Format::Parquet => Decompressor::gzip(),
        };
        let decompressor = match format {
            Format::Gzip | Format::Zstd => decompressor.with_evtx(),
            _ => decompressor,
        };
        Ok(Self { format, decompressor, input: Bytes::new(), at: 0 })
    }

    /// Unpacks up to a chunk, away from the async threads. What lies before `skip_to` was framed
    /// before and is discarded.
    async fn step(
        self,
        reading: &Reading,
        raw_at: u64,
        skip_to: u64,
    ) -> Result<(Self, Unpacked), Stop> {
        let (limits, chunk_bytes) = (reading.unpack, reading.chunk_bytes);
        let mut this = self;
        tokio::task::spawn_blocking(move || {
            let unpacked = this.run(&limits, chunk_bytes, raw_at, skip_to);
            (this, unpacked)
        })
        .await
        .map_err(|error| Stop::Failed(error.into()))
    }

    fn run(
        &mut self,
        limits: &UnpackLimits,
        chunk_bytes: usize,
        raw_at: u64,
        skip_to: u64,
    ) -> Unpacked {
        let mut out = vec![0; chunk_bytes];
        loop {
            let progress = self.decompressor.run(&self.input, &mut out);
            self.input.advance(progress.read);
            let from = self.at;
            self.at += progress.written as u64;
            let raw_used = raw_at - self.input.len() as u64;
            let damage = progress
                .damage
                .map(Damage::Damaged)
                .or_else(|| (!limits.allow(raw_used, self.at)).then_some(Damage::Bomb));
            let is_full = progress.written == out.len();
            if self.at > skip_to || damage.is_some() || !is_full {
                out.truncate(progress.written);
                let offset = from.max(skip_to.min(self.at));
                let skipped = usize::try_from(offset - from).unwrap_or(usize::MAX);
                out.shrink_to_fit();
                let mut bytes = Bytes::from(out);
                bytes.advance(skipped.min(bytes.len()));
                return Unpacked { bytes, offset, damage, is_drained: !is_full };
            }
        }
    }
}
