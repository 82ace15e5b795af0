//! An object store that fails, from a seed: what a store far away does, and what a process that dies does
//! to its requests.
//!
//! Each process has one of its own over the same objects. Its faults: a request that is refused (429, 5xx),
//! one that is done and whose answer is lost, the same with the client's own second try, a write that is
//! torn, a list without the newest objects, a full disk, and death at a request, before or after it is done.
//! Writes that have a condition, and those to a table's log, are whole or nothing, as every store promises.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, memory::InMemory, path::Path,
};
use tokio::sync::Notify;

/// Numbers that look as if by chance (`SplitMix64`, Steele et al. 2014).
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Whether it comes true, so many times of a thousand.
    pub(crate) fn of_thousand(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }
}

/// The objects that all processes share.
#[derive(Debug, Default)]
pub(super) struct Objects {
    store: InMemory,
    /// What was put lately, in order: what a stale list leaves out.
    recent: Mutex<Vec<Path>>,
}

/// How often of a thousand requests what happens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) refused: u64,
    pub(super) lost: u64,
    pub(super) torn: u64,
    pub(super) stale: u64,
    /// At which request the process dies.
    pub(super) dies_at: Option<u64>,
    /// From which request on, and for how many, the disk is full.
    pub(super) full: Option<(u64, u64)>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    Full,
    /// Done, but nobody hears of it.
    Lost,
    /// Done, not heard of, and done again by the client.
    Twice,
    Torn,
    Stale,
    /// The process dies, before it or after.
    Dies {
        after: bool,
    },
}

/// The store as one process sees it.
#[derive(Debug)]
pub(super) struct Faulty {
    objects: Arc<Objects>,
    faults: Faults,
    chance: Mutex<Chance>,
    requests: AtomicU64,
    died: Notify,
}

impl Faulty {
    pub(super) fn new(objects: &Arc<Objects>, seed: u64, faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            objects: Arc::clone(objects),
            faults,
            chance: Mutex::new(Chance::new(seed)),
            requests: AtomicU64::new(0),
            died: Notify::new(),
        })
    }

    /// Waits until the process dies.
    pub(super) async fn death(&self) {
        self.died.notified().await;
    }

    fn fate(&self, is_write: bool) -> Fate {
        let at = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let Faults { refused, lost, torn, stale, dies_at, full } = self.faults;
        if self.is_dead() {
            return Fate::Dies { after: false };
        }
        let mut chance = self.chance.lock().unwrap();
        if dies_at == Some(at) {
            return Fate::Dies { after: chance.of_thousand(500) };
        }
        if is_write && full.is_some_and(|(from, count)| (from..from + count).contains(&at)) {
            return Fate::Full;
        }
        match chance.below(1000) {
            luck if luck < refused => Fate::Refused,
            luck if luck < refused + lost && chance.of_thousand(500) => Fate::Lost,
            luck if luck < refused + lost => Fate::Twice,
            luck if luck < refused + lost + torn => Fate::Torn,
            _ if !is_write && chance.of_thousand(stale) => Fate::Stale,
            _ => Fate::Done,
        }
    }

    /// Whether the process has died, or does so at this request.
    fn is_dead(&self) -> bool {
        let at = self.requests.load(Ordering::SeqCst);
        self.faults.dies_at.is_some_and(|dies_at| at > dies_at)
    }

    /// Of a dead process nothing reaches the store any longer. That is an error rather than a wait without
    /// end, as the library for tables waits for some requests on a thread of its own.
    fn dead(&self) -> Error {
        self.died.notify_one();
        failure("the process is dead")
    }

    fn note(&self, path: &Path) {
        let mut recent = self.objects.recent.lock().unwrap();
        recent.push(path.clone());
        let more = recent.len().saturating_sub(6);
        recent.drain(..more);
    }

    async fn put_whole(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let done = self.objects.store.put_opts(location, payload, options).await?;
        self.note(location);
        Ok(done)
    }

    /// What a list shows that does not know of the newest objects yet.
    fn hidden(&self, fate: Fate) -> Vec<Path> {
        let recent = self.objects.recent.lock().unwrap();
        if fate == Fate::Stale { recent.clone() } else { Vec::new() }
    }
}

fn failure(what: &str) -> Error {
    Error::Generic { store: "faulty", source: what.into() }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that fails")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let may_tear = matches!(options.mode, PutMode::Overwrite)
            && !location.parts().any(|part| part.as_ref() == "_delta_log");
        match self.fate(true) {
            Fate::Done | Fate::Stale => self.put_whole(location, payload, options).await,
            Fate::Refused => Err(failure("503 Slow Down")),
            Fate::Full => Err(failure("No space left on device")),
            Fate::Torn if may_tear => {
                let bytes = Bytes::from(payload);
                let half = bytes.slice(..bytes.len() / 2);
                self.put_whole(location, half.into(), options).await?;
                Err(failure("connection reset"))
            }
            Fate::Lost | Fate::Torn => {
                self.put_whole(location, payload, options).await?;
                Err(failure("timed out"))
            }
            Fate::Twice => {
                self.put_whole(location, payload.clone(), options.clone()).await?;
                self.put_whole(location, payload, options).await
            }
            Fate::Dies { after } => {
                if after {
                    self.put_whole(location, payload, options).await?;
                }
                Err(self.dead())
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        match self.fate(true) {
            Fate::Done | Fate::Stale | Fate::Twice => {
                self.note(location);
                self.objects.store.put_multipart_opts(location, options).await
            }
            Fate::Dies { .. } => Err(self.dead()),
            _ => Err(failure("503 Slow Down")),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.fate(false) {
            Fate::Done | Fate::Stale | Fate::Twice => {
                self.objects.store.get_opts(location, options).await
            }
            Fate::Dies { .. } => Err(self.dead()),
            _ => Err(failure("503 Slow Down")),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut found = Vec::new();
        for range in ranges {
            found.push(self.get_range(location, range.clone()).await?);
        }
        Ok(found)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        if matches!(self.fate(true), Fate::Dies { .. }) {
            return futures::stream::iter([Err(self.dead())]).boxed();
        }
        self.objects.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_with_offset(prefix, &Path::default())
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let fate = self.fate(false);
        let hidden = self.hidden(fate);
        match fate {
            Fate::Dies { .. } => return futures::stream::iter([Err(self.dead())]).boxed(),
            Fate::Done | Fate::Stale | Fate::Twice => {}
            _ => return futures::stream::iter([Err(failure("503 Slow Down"))]).boxed(),
        }
        let listed = if offset.as_ref().is_empty() {
            self.objects.store.list(prefix)
        } else {
            self.objects.store.list_with_offset(prefix, offset)
        };
        let is_shown = move |meta: &Result<ObjectMeta>| {
            let shown = meta.as_ref().is_ok_and(|meta| !hidden.contains(&meta.location));
            std::future::ready(shown || meta.is_err())
        };
        listed.filter(is_shown).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fate = self.fate(false);
        match fate {
            Fate::Dies { .. } => Err(self.dead()),
            Fate::Done | Fate::Stale | Fate::Twice => {
                let hidden = self.hidden(fate);
                let mut listed = self.objects.store.list_with_delimiter(prefix).await?;
                listed.objects.retain(|meta| !hidden.contains(&meta.location));
                Ok(listed)
            }
            _ => Err(failure("503 Slow Down")),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        match self.fate(true) {
            Fate::Done | Fate::Stale => {
                self.objects.store.copy_opts(from, to, options).await?;
                self.note(to);
                Ok(())
            }
            Fate::Dies { .. } => Err(self.dead()),
            _ => Err(failure("503 Slow Down")),
        }
    }
}
