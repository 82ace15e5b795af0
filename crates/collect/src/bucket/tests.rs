//! A consumer that frames lines, and what it must see of files that come, grow and change.

mod announced;
mod binary;
mod checkpoint;
mod compressed;
mod growth;
mod replaced;
mod stores;

use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base::{FixedClock, Timestamp};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::*;

/// When the tests' files are written; the clock shows the same until it is moved.
const START: i64 = 1_760_000_000;

/// A record as framed: object, generation, offset, text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record(pub(super) String, pub(super) u32, pub(super) u64, pub(super) String);

/// A folder, a clock, and a consumer's view of them.
pub(super) struct Rig {
    pub(super) dir: tempfile::TempDir,
    pub(super) clock: Arc<FixedClock>,
    pub(super) settings: BucketSettings,
    /// Writes so far: each has its own time of modification.
    writes: std::cell::Cell<u64>,
}

impl Rig {
    pub(super) fn new() -> Self {
        let mut settings = BucketSettings::new("test");
        settings.settle = Duration::from_secs(30);
        Self {
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(FixedClock::new(Timestamp::from_seconds(START))),
            settings,
            writes: std::cell::Cell::new(0),
        }
    }

    pub(super) fn chunks_of(mut self, bytes: usize) -> Self {
        self.settings.chunk_bytes = bytes;
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("in").join(name)
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        self.stamp(name);
    }

    pub(super) fn append(&self, name: &str, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.write_all(bytes).unwrap();
        drop(file);
        self.stamp(name);
    }

    /// Gives a file the time of a clock that ticks with every write.
    fn stamp(&self, name: &str) {
        self.writes.set(self.writes.get() + 1);
        let start = Duration::from_secs(START.unsigned_abs());
        let time = SystemTime::UNIX_EPOCH + start + Duration::from_millis(self.writes.get());
        let file = fs::OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.set_modified(time).unwrap();
    }

    /// Lets so much time pass that everything counts as settled.
    pub(super) fn settle(&self) {
        self.clock.advance(Duration::from_secs(3600));
    }

    pub(super) fn location(&self) -> Location {
        fs::create_dir_all(self.dir.path().join("in")).unwrap();
        Location::parse("in", self.dir.path(), &[]).unwrap()
    }

    pub(super) fn source(&self, checkpoint: Option<&[u8]>) -> BucketSource {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        BucketSource::new(self.location(), self.settings.clone(), checkpoint, clock).unwrap()
    }
}

/// Frames lines the way that `decode` does: only whole ones count, until the object is complete.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    pub(super) records: Vec<Record>,
    /// Messages of the faults that were met.
    pub(super) faults: Vec<String>,
    /// The bytes not framed yet, and the offset of the first.
    tail: Vec<u8>,
    tail_offset: u64,
}

impl Consumer {
    pub(super) fn take(&mut self, source: &mut BucketSource, chunk: &Chunk) {
        if chunk.first {
            let resume = chunk.resume.clone().unwrap_or(json!({"at": 0}));
            assert_eq!(resume["at"], chunk.offset, "reading resumes where it was advanced to");
            self.tail.clear();
            self.tail_offset = chunk.offset;
        }
        let expected = self.tail_offset + self.tail.len() as u64;
        assert_eq!(chunk.offset, expected, "chunks follow each other without gaps");
        self.tail.extend_from_slice(&chunk.bytes);
        while let Some(newline) = self.tail.iter().position(|byte| *byte == b'\n') {
            self.frame(&chunk.object, newline + 1);
        }
        match &chunk.end {
            End::Complete if !self.tail.is_empty() => self.frame(&chunk.object, self.tail.len()),
            End::Broken(fault) => {
                self.faults.push(fault.report.to_string());
                self.tail_offset += self.tail.len() as u64;
                self.tail.clear();
            }
            End::Complete | End::More | End::Pause => {}
        }
        source.advance(&chunk.object, self.tail_offset, json!({"at": self.tail_offset}));
    }

    fn frame(&mut self, object: &ObjectKey, length: usize) {
        let record = self.tail.drain(..length).collect::<Vec<_>>();
        let text = String::from_utf8_lossy(&record).trim_end_matches('\n').to_owned();
        let (address, offset) = (object.address().to_owned(), self.tail_offset);
        self.records.push(Record(address, object.generation(), offset, text));
        self.tail_offset += length as u64;
    }

    /// Polls once and takes everything that waits.
    pub(super) async fn round(&mut self, source: &mut BucketSource, finish: bool) {
        source.poll().await.unwrap();
        self.drain(source, finish).await;
    }

    /// Takes the next chunk, if there is one.
    pub(super) async fn step(&mut self, source: &mut BucketSource) {
        if let Some(chunk) = source.next(true).await.unwrap() {
            self.take(source, &chunk);
        }
    }

    pub(super) async fn drain(&mut self, source: &mut BucketSource, finish: bool) {
        while let Some(chunk) = source.next(finish).await.unwrap() {
            self.take(source, &chunk);
        }
    }

    /// The records are the lines of `content`. (Not to be compared where a failure would print it.)
    pub(super) fn has(&self, content: &str) -> bool {
        self.texts().iter().copied().eq(content.lines())
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.3.as_str()).collect()
    }
}

/// One round over all that is there, finished.
pub(super) async fn read_all(rig: &Rig) -> Consumer {
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    consumer
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Reads all that is there, two chunks a process. Answers how many processes it took.
pub(super) async fn read_by_restarts(rig: &Rig) -> (Consumer, u32) {
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    let mut processes = 0;
    while source.poll().await.unwrap() > 0 {
        consumer.step(&mut source).await;
        consumer.step(&mut source).await;
        source = rig.source(Some(&source.checkpoint()));
        processes += 1;
    }
    (consumer, processes)
}

pub(super) fn stored(source: &BucketSource) -> Value {
    serde_json::from_slice(&source.checkpoint()).unwrap()
}
