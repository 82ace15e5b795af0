//! A folder or bucket as a log source, by polling lists.
//!
//! # Promise
//!
//! The delivery promise of [`crate::source`], and these:
//!
//! - Files that grow are read on from where they were framed; of plain files only the new bytes are
//!   fetched, compressed ones are unpacked again from their start.
//! - An object that was replaced (it is shorter than what was read of it, or its first or last
//!   bytes read so far have changed) is read whole, as a new generation.
//! - An unterminated last record counts only once the object has been unchanged for
//!   [`BucketSettings::settle`], or when the caller says that nothing more comes. An object that
//!   still grows after that is read on from its end: a line cut by that long a pause is two records.
//! - Parquet files and Windows event logs are told by their first bytes, as what is compressed is, and
//!   read as lines: JSON and XML.
//! - An object that is announced ([`BucketSource::hear`]) is read without listing the location.
//! - What can't be read now is reported ([`BucketSource::troubles`]), does not keep the others
//!   waiting, and is tried again at the next poll.
//!
//! # Limits
//!
//! An object that is changed in place, in the middle only, is not read again. Objects that are gone
//! from the listing are remembered up to [`limits::OBJECTS_GONE_MAX`]. After a commit that failed,
//! build the source anew from the last committed checkpoint.

mod address;
mod checkpoint;
mod decompress;
mod evtx;
mod list;
mod parquet;
mod reader;
mod utf16;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Clock, Problem, Report, Timestamp, limits};
use futures::StreamExt as _;
use object_store::ObjectStoreExt as _;

pub use address::Location;
pub(crate) use decompress::{Decompressor, Format};
pub(crate) use evtx::to_xml;
pub(crate) use parquet::to_json;

use self::{
    checkpoint::{Ended, Entry, Version},
    decompress::{MAGIC_BYTES_MIN, UnpackLimits},
    list::{Filter, Listed},
    reader::{Reader, Reading, Stop},
};
use crate::{Chunk, CollectError, End, ObjectKey};

/// How a [`BucketSource`] reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// The log source's name, for messages.
    pub name: String,
    /// Which objects are read: patterns over the path below the location, such as `**/*.gz`. `*`
    /// and `?` stop at `/`, `**` as a whole part stands for any number of folders. Empty: all.
    pub include: Vec<String>,
    /// Which of these are not.
    pub exclude: Vec<String>,
    /// How long an object must be unchanged before its unterminated last record is one.
    pub settle: Duration,
    /// How many bytes a chunk has at most.
    pub chunk_bytes: usize,
    /// How many times larger than its compressed form an object may become.
    pub decompression_ratio_max: u64,
    /// Up to how many bytes that ratio does not count.
    pub decompressed_bytes_free: u64,
    /// How many bytes an object may unpack to.
    pub decompressed_bytes_max: u64,
}

impl BucketSettings {
    /// The defaults, for the log source called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            include: Vec::new(),
            exclude: Vec::new(),
            settle: Duration::from_secs(limits::OBJECT_SETTLE_SECONDS_DEFAULT),
            chunk_bytes: limits::CHUNK_BYTES,
            decompression_ratio_max: limits::DECOMPRESSION_RATIO_MAX,
            decompressed_bytes_free: limits::DECOMPRESSED_BYTES_FREE,
            decompressed_bytes_max: limits::DECOMPRESSED_BYTES_MAX,
        }
    }
}

/// What is known of an object that was announced.
#[derive(Debug)]
pub enum Heard {
    /// It waits to be read, or is being read, or may still grow.
    Waiting,
    /// All of it was read.
    Read,
    /// The source does not read objects of its name.
    Left,
    /// It is not there.
    Gone,
    /// It can't be read: the store refuses.
    Refused(String),
    /// It is not known: the store does not answer.
    Unknown(CollectError),
}

/// A folder or a prefix of a bucket, read object by object.
#[derive(Debug)]
pub struct BucketSource {
    location: Location,
    name: String,
    settle: Duration,
    filter: Arc<Filter>,
    clock: Arc<dyn Clock>,
    reading: Reading,
    /// By the path below the location.
    entries: BTreeMap<Arc<str>, Entry>,
    /// Oldest first.
    waiting: BTreeMap<(Timestamp, Arc<str>), Listed>,
    reader: Option<Reader>,
    polls: u64,
    listing_troubles: Vec<(String, Report)>,
    object_troubles: BTreeMap<String, Report>,
    /// Objects that the store refused to give, and what it said.
    refused: BTreeMap<Arc<str>, String>,
}

impl BucketSource {
    /// A source that continues where `checkpoint` ends, or begins at the beginning. Connects to
    /// nothing. A checkpoint of another location is not used.
    ///
    /// # Errors
    ///
    /// [`CollectError::Setting`] if a pattern is malformed or the chunks are too small,
    /// [`CollectError::Checkpoint`] if the checkpoint can't be read.
    pub fn new(
        location: Location,
        settings: BucketSettings,
        checkpoint: Option<&[u8]>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CollectError> {
        if settings.chunk_bytes < MAGIC_BYTES_MIN {
            return Err(CollectError::Setting {
                what: "the chunk size",
                value: settings.chunk_bytes.to_string(),
                reason: format!("it must be {MAGIC_BYTES_MIN} bytes or more"),
            });
        }
        let filter = Arc::new(Filter::new(&settings.include, &settings.exclude)?);
        let mut entries = BTreeMap::new();
        if let Some(bytes) = checkpoint {
            let (address, stored) = checkpoint::read(bytes).map_err(|reason| {
                CollectError::Checkpoint { name: settings.name.clone(), reason }
            })?;
            if address == location.address() {
                entries = stored;
            } else {
                tracing::warn!(
                    log_source = settings.name,
                    was = address,
                    is = location.address(),
                    "the log source reads another location now; reading all of it"
                );
            }
        }
        let reading = Reading {
            store: location.store(),
            is_folder: location.folder_path().is_some(),
            chunk_bytes: settings.chunk_bytes,
            unpack: UnpackLimits {
                ratio_max: settings.decompression_ratio_max,
                bytes_free: settings.decompressed_bytes_free,
                bytes_max: settings.decompressed_bytes_max,
            },
        };
        Ok(Self {
            location,
            name: settings.name,
            settle: settings.settle,
            filter,
            clock,
            reading,
            entries,
            waiting: BTreeMap::new(),
            reader: None,
            polls: 0,
            listing_troubles: Vec::new(),
            object_troubles: BTreeMap::new(),
            refused: BTreeMap::new(),
        })
    }

    /// Lists the location once and notes which objects are new or changed. Answers how many wait,
    /// the one being read not counted.
    ///
    /// # Errors
    ///
    /// [`CollectError::Unlisted`]: what was noted before still waits; poll again later.
    pub async fn poll(&mut self) -> Result<usize, CollectError> {
        let listing = match list::list(&self.location, &self.filter).await {
            Ok(listing) => listing,
            Err(error) => {
                let (address, report) = self.report_listing(&error);
                self.listing_troubles = vec![(address, report)];
                return Err(error);
            }
        };
        let now = self.clock.now();
        self.polls += 1;
        let is_whole = listing.troubles.is_empty();
        let mut waiting = BTreeMap::new();
        for listed in listing.objects {
            if self.note(&listed, now) {
                waiting.insert((listed.version.modified(), Arc::clone(&listed.name)), listed);
            }
        }
        let before = std::mem::replace(&mut self.waiting, waiting);
        if is_whole {
            self.forget_gone(&before);
        }
        self.listing_troubles =
            listing.troubles.iter().map(|error| self.report_listing(error)).collect();
        self.listing_troubles.truncate(limits::TROUBLES_MAX);
        Ok(self.waiting.len())
    }

    /// Notes a version of an object. Answers whether it is to be read.
    fn note(&mut self, listed: &Listed, now: Timestamp) -> bool {
        let entry = self.entries.entry(Arc::clone(&listed.name)).or_default();
        entry.live.poll = self.polls;
        if !matches!(&entry.live.listed, Some((version, _)) if version.is_same(&listed.version)) {
            entry.live.listed = Some((listed.version.clone(), now));
        }
        let reader = self.reader.as_ref();
        let is_open = reader.is_some_and(|reader| reader.key.path() == listed.name.as_ref());
        !is_open && is_wanted(entry, listed, is_settled(entry, listed, now, self.settle))
    }

    /// Looks at objects that were announced, by their names below the location, without listing it. What is new of
    /// them waits to be read, as after [`Self::poll`].
    pub async fn hear(&mut self, names: &[String]) -> Vec<Heard> {
        let looks = names.iter().map(|name| self.look(name)).collect::<Vec<_>>();
        let looked: Vec<_> =
            futures::stream::iter(looks).buffered(limits::ANNOUNCED_LOOKS).collect().await;
        let now = self.clock.now();
        let mut heard = Vec::with_capacity(names.len());
        for looked in looked {
            heard.push(match looked {
                Err(heard) => heard,
                Ok(listed) => self.heard(listed, now),
            });
        }
        heard
    }

    fn heard(&mut self, listed: Listed, now: Timestamp) -> Heard {
        let name = Arc::clone(&listed.name);
        let before = self.entries.get(&name).and_then(|entry| entry.live.listed.as_ref());
        if let Some(before) = before.map(|(version, _)| version.modified()) {
            self.waiting.remove(&(before, Arc::clone(&name)));
        }
        if self.note(&listed, now) {
            self.waiting.insert((listed.version.modified(), Arc::clone(&name)), listed);
        }
        match self.refused.get(&name) {
            Some(reason) => Heard::Refused(reason.clone()),
            None if self.is_read(&name) => Heard::Read,
            None => Heard::Waiting,
        }
    }

    /// What the store tells of an object.
    fn look<'l>(&self, name: &str) -> futures::future::BoxFuture<'l, Result<Listed, Heard>> {
        let address = self.location.object_address(name);
        let path = self.location.object_path(name).filter(|_| self.filter.admits(name));
        let (store, name) = (self.location.store(), Arc::<str>::from(name));
        Box::pin(async move {
            let path = path.ok_or(Heard::Left)?;
            match store.head(&path).await {
                Ok(meta) => Ok(Listed { name, path, version: Version::of(&meta) }),
                Err(object_store::Error::NotFound { .. }) => Err(Heard::Gone),
                Err(error) => Err(match refusal(&error) {
                    Some(reason) => Heard::Refused(reason),
                    None => {
                        Heard::Unknown(CollectError::Unreadable { address, source: error.into() })
                    }
                }),
            }
        })
    }

    /// Whether all of an object was read that was there when it was last looked at.
    #[must_use]
    pub fn is_read(&self, name: &str) -> bool {
        let Some(entry) = self.entries.get(name) else { return false };
        let Some((listed, _)) = &entry.live.listed else { return false };
        let is_open = self.reader.as_ref().is_some_and(|reader| reader.key.path() == name);
        let is_waiting = self.waiting.contains_key(&(listed.modified(), Arc::from(name)));
        entry.done && entry.version.is_same(listed) && !is_open && !is_waiting
    }

    /// How many objects wait to be read.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len() + usize::from(self.reader.is_some())
    }

    /// The next chunk of the object being read, or of the one that waits longest; `None` when
    /// nothing waits. `finish`: take what is there as final, nothing will be appended. An object
    /// that is seen to grow all the same is paused, not completed.
    ///
    /// Dropping the future is safe: the object is read again from where it was advanced to, after
    /// the next poll.
    ///
    /// # Errors
    ///
    /// None at present: an object that can't be read is skipped and reported by
    /// [`Self::troubles`].
    pub async fn next(&mut self, finish: bool) -> Result<Option<Chunk>, CollectError> {
        loop {
            let Some(mut reader) = self.take_reader(finish).await else { return Ok(None) };
            let name = reader.key.shared_path();
            let is_final = finish
                || self.entries.get(&name).is_some_and(|entry| {
                    is_settled(entry, &reader.listed, self.clock.now(), self.settle)
                });
            match reader.next(&self.reading, is_final).await {
                Ok(chunk) => {
                    self.note_chunk(&reader, &chunk, finish);
                    if !chunk.end.is_last() {
                        self.reader = Some(reader);
                    }
                    return Ok(Some(chunk));
                }
                Err(stop) => {
                    self.note_stop(&name, reader.key.address(), stop);
                    if reader.has_begun {
                        return Ok(Some(reader.abandon()));
                    }
                }
            }
        }
    }

    /// The consumer framed everything up to `offset` of the object, a record boundary. The
    /// framer's state is handed back on the first chunk of the object's next reading.
    ///
    /// Offsets never move back, and those of a generation that was replaced meanwhile are ignored.
    pub fn advance(&mut self, object: &ObjectKey, offset: u64, frame_state: serde_json::Value) {
        let Some(entry) = self.entries.get_mut(object.path()) else { return };
        if entry.generation != object.generation() || offset < entry.offset {
            return;
        }
        entry.offset = offset;
        entry.frame = frame_state;
        if let Some(ended) = &entry.live.ended {
            entry.done = ended.is_final
                && offset >= ended.at
                && entry.version.is_same(&ended.listed.version);
            entry.end = entry.end.filter(|_| !entry.done);
        }
    }

    /// Everything advanced so far, to be committed together with the data: JSON with a version.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        checkpoint::write(self.location.address(), &self.entries)
    }

    /// What can't be read or listed now, by address, up to [`limits::TROUBLES_MAX`] of each.
    #[must_use]
    pub fn troubles(&self) -> Vec<(String, Report)> {
        let objects = self.object_troubles.iter();
        let objects = objects.map(|(address, report)| (address.clone(), report.clone()));
        self.listing_troubles.iter().cloned().chain(objects).collect()
    }

    /// The reader at work, or one for the next object that waits and can be opened.
    async fn take_reader(&mut self, finish: bool) -> Option<Reader> {
        if let Some(reader) = self.reader.take() {
            return Some(reader);
        }
        if finish && self.waiting.is_empty() {
            self.recall_paused();
        }
        while let Some((_, listed)) = self.waiting.pop_first() {
            let name = Arc::clone(&listed.name);
            match self.open(listed).await {
                Ok(reader) => return Some(reader),
                Err(stop) => {
                    let address = self.location.object_address(&name);
                    self.note_stop(&name, &address, stop);
                }
            }
        }
        None
    }

    /// Lets objects wait again that were paused, for a caller who wants them finished.
    fn recall_paused(&mut self) {
        for entry in self.entries.values_mut() {
            if let Some(ended) = entry.live.ended.take_if(|ended| !ended.is_final && !ended.finish)
            {
                let key = (ended.listed.version.modified(), Arc::clone(&ended.listed.name));
                self.waiting.insert(key, ended.listed);
            }
        }
    }

    async fn open(&mut self, listed: Listed) -> Result<Reader, Stop> {
        let address = self.location.object_address(&listed.name);
        let entry = self.entries.entry(Arc::clone(&listed.name)).or_default();
        if !entry.live.is_replaced && !entry.version.is_same(&listed.version) {
            let prints = (entry.head, entry.tail);
            if entry.head.is_empty() && entry.offset == 0 {
                // Nothing was read of it yet.
            } else if let Some(head) =
                reader::verify(&self.reading, &listed.path, listed.version.size, prints).await?
            {
                entry.head = head;
            } else {
                entry.live.is_replaced = true;
            }
        }
        if entry.live.is_replaced {
            entry.replace();
            tracing::warn!(
                log_source = self.name,
                object = address,
                generation = entry.generation,
                "the object was replaced; reading it anew"
            );
        }
        entry.live.ended = None;
        let key = ObjectKey::new(address, Arc::clone(&listed.name), entry.generation);
        Reader::new(&self.reading, key, listed, entry)
    }

    fn note_chunk(&mut self, reader: &Reader, chunk: &Chunk, finish: bool) {
        self.object_troubles.remove(chunk.object.address());
        self.refused.remove(chunk.object.path());
        let Some(entry) = self.entries.get_mut(chunk.object.path()) else { return };
        entry.learn(reader);
        entry.end = if chunk.end.is_last() { reader.whole_size() } else { None };
        if chunk.end.is_last() {
            entry.live.ended = Some(Ended {
                listed: reader.listed.clone(),
                at: chunk.offset + chunk.bytes.len() as u64,
                is_final: !matches!(chunk.end, End::Pause),
                finish,
            });
        }
        if let End::Broken(fault) = &chunk.end {
            tracing::warn!(
                log_source = self.name,
                object = chunk.object.address(),
                code = fault.report.code,
                raw_offset = fault.raw_offset,
                "the object can't be read further"
            );
        }
    }

    fn note_stop(&mut self, name: &Arc<str>, address: &str, stop: Stop) {
        let log_source = &self.name;
        match stop {
            Stop::Gone => {
                tracing::warn!(log_source, object = address, "the object is gone");
                self.object_troubles.remove(address);
            }
            Stop::Changed => {
                tracing::warn!(
                    log_source,
                    object = address,
                    "the object changed while it was read"
                );
            }
            Stop::Replaced => {
                if let Some(entry) = self.entries.get_mut(name) {
                    entry.live.is_replaced = true;
                }
            }
            Stop::Failed(source) => {
                if let Some(reason) = source.downcast_ref().and_then(refusal)
                    && self.refused.len() < limits::TROUBLES_MAX
                {
                    self.refused.insert(Arc::clone(name), reason);
                }
                let error = CollectError::Unreadable { address: address.to_owned(), source };
                if !self.object_troubles.contains_key(address) {
                    tracing::warn!(log_source, object = address, %error, "an object can't be read");
                }
                if self.object_troubles.len() < limits::TROUBLES_MAX {
                    let report = Problem::from(error).report();
                    self.object_troubles.insert(address.to_owned(), report);
                }
            }
        }
    }

    fn report_listing(&self, error: &CollectError) -> (String, Report) {
        let report = report(error);
        let address = match &report.place {
            Some(base::Place::Object(address)) => address.clone(),
            _ => self.location.address().to_owned(),
        };
        (address, report)
    }

    /// Drops what is known of objects that are not listed any more, the oldest first, down to what
    /// is kept of them.
    fn forget_gone(&mut self, waited: &BTreeMap<(Timestamp, Arc<str>), Listed>) {
        let mut gone = BTreeSet::new();
        for (name, entry) in &self.entries {
            if entry.live.poll != self.polls {
                gone.insert((entry.is_worth_storing(), entry.version.modified, Arc::clone(name)));
            }
        }
        for (_, name) in waited.keys() {
            if self.entries.get(name).is_some_and(|entry| entry.live.poll != self.polls) {
                let object = self.location.object_address(name);
                tracing::warn!(log_source = self.name, object, "the object is gone");
            }
        }
        for (_, _, name) in &gone {
            self.object_troubles.remove(&self.location.object_address(name));
        }
        while let Some((is_worth_storing, _, name)) = gone.pop_first() {
            if is_worth_storing && gone.len() < limits::OBJECTS_GONE_MAX {
                return;
            }
            self.entries.remove(&name);
        }
    }
}

/// What a store says that refuses to give an object, as distinct from one that does not answer.
fn refusal(error: &object_store::Error) -> Option<String> {
    matches!(error, object_store::Error::PermissionDenied { .. }).then(|| error.to_string())
}

/// There may be something to read of `listed`.
fn is_wanted(entry: &Entry, listed: &Listed, is_settled: bool) -> bool {
    if entry.live.is_replaced {
        return true;
    }
    match &entry.live.ended {
        Some(ended) if ended.listed.version.is_same(&listed.version) => {
            !ended.is_final && is_settled
        }
        _ => !(entry.done && entry.version.is_same(&listed.version)),
    }
}

/// The object has been unchanged for long: by the store's clock, or, where that one is ahead of
/// ours, by our own.
fn is_settled(entry: &Entry, listed: &Listed, now: Timestamp, settle: Duration) -> bool {
    let noted = match &entry.live.listed {
        Some((version, noted)) if version.is_same(&listed.version) => *noted,
        _ => now,
    };
    now.since(listed.version.modified()) >= settle || now.since(noted) >= settle
}

/// As [`Problem::report`], of an error that is still needed.
fn report(error: &CollectError) -> Report {
    use std::error::Error as _;

    use base::Explain as _;

    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    Report {
        code: error.code().0.to_owned(),
        message: error.to_string(),
        place: error.place(),
        causes,
        help: error.help(),
    }
}

#[cfg(test)]
mod tests;
