//! A folder or bucket prefix on its way into the lake.

mod announced;
mod sorted;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{ObjectHash, Problem, Report, limits};
use collect::{
    AnnounceQueue, Announcement, BucketSettings, BucketSource, Chunk, End, Heard, Location,
    ObjectKey, OidcVerifier, receive_announcements,
};
use lake::batch::Manifest;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

pub(crate) use self::announced::Inbox;
pub(crate) use self::sorted::Sorted;
use crate::{
    ServeError,
    batcher::{Batcher, ObjectName, Session, frame_state_json, framer},
    happening::Happening,
    lane::{Lane, NotCommitted, Stages, blocking},
    sorting::SortingRoute,
};

/// How new objects are announced.
#[derive(Debug, Clone)]
pub enum Announced {
    /// In a queue.
    Queue(Arc<dyn AnnounceQueue>),
    /// By requests to the HTTP server, from whom the verifier knows.
    Push(Arc<OidcVerifier>),
}

/// What a bucket source is told.
#[derive(Debug, Clone)]
pub struct BucketSpec {
    /// The source's name.
    pub name: String,
    /// The log source that decodes it, or what no route is for.
    pub log_source: String,
    /// Which records are for other log sources.
    pub routes: Vec<Arc<SortingRoute>>,
    /// Where it reads.
    pub location: Location,
    /// What it reads there.
    pub settings: BucketSettings,
    /// The time between two listings.
    pub poll: Duration,
    /// How new objects are announced between them; `None`: they are not.
    pub announced: Option<Announced>,
    /// How long events may wait for their commit.
    pub commit_every: Duration,
}

#[derive(Debug)]
pub(crate) struct BucketLane {
    lane: Lane,
    spec: BucketSpec,
    source: BucketSource,
    session: Option<Session>,
    batcher: Option<Batcher>,
    /// When the batch in the making was begun, on the monotonic clock.
    begun: Duration,
    /// The troubles of the last round, by what has them.
    standing: BTreeMap<String, Report>,
    inbox: Option<Inbox>,
    /// The lanes that its records are sorted into, if they are.
    sorted: Option<Sorted>,
    /// When the location is listed next, on the monotonic clock.
    list_at: Duration,
}

/// How soon a location is listed again that could not be listed.
const LIST_AGAIN: Duration = Duration::from_secs(30);

/// Where announcements come in.
pub(crate) fn inbox() -> (mpsc::Sender<Announcement>, Inbox) {
    let (sender, receiver) = mpsc::channel(limits::ANNOUNCED_MAX);
    (sender, Inbox::new(receiver))
}

/// Receives from a queue until the lane ends.
pub(crate) async fn receive(
    stages: Arc<Stages>,
    source: String,
    queue: Arc<dyn AnnounceQueue>,
    inbox: mpsc::Sender<Announcement>,
) -> Result<(), Problem> {
    let tell = move |report: Report| {
        tracing::warn!(source, problem = %report, "a queue of announcements has a problem");
        stages.observer.happened(&Happening::Trouble { source: &source, report: &report });
        stages.board.trouble(&source, report);
    };
    receive_announcements(queue, inbox, Arc::new(tell)).await;
    Ok(())
}

/// Reads the source until the pipeline stops; in a one-shot run, until all is read.
pub(crate) async fn run(
    lane: Lane,
    last: Option<Manifest>,
    spec: BucketSpec,
    (inbox, sorted): (Option<Inbox>, Option<Sorted>),
) -> Result<(), Problem> {
    let mut this = BucketLane::new(lane, last.as_ref(), spec)?;
    (this.inbox, this.sorted) = (inbox, sorted);
    if let Some(sorted) = &mut this.sorted {
        sorted.resume(last.as_ref()).await?;
    }
    let mut stop = this.lane.stages.stop.clone();
    let mut tries = 0;
    loop {
        match this.round().await {
            Ok(()) => tries = 0,
            // Another source of the same table was faster. One of them always goes on, so that this
            // ends, and a one-shot run has nobody who would come back to it.
            Err(NotCommitted::MakeAgain) => {
                this.start_over(&mut tries).await?;
                if !stop.is_stopped() {
                    continue;
                }
            }
            Err(NotCommitted::Problem(problem)) => {
                this.lane.wait_for_store(&mut tries, problem).await?;
                this.start_over(&mut tries).await?;
                continue;
            }
        }
        if this.lane.stages.once || stop.is_stopped() {
            return Ok(());
        }
        let wait = this.wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = this.announcement() => {}
            () = stop.stopped() => {}
        }
    }
}

fn open(lane: &Lane, spec: &BucketSpec, last: Option<&Manifest>) -> Result<BucketSource, Problem> {
    let checkpoint = last.and_then(|manifest| manifest.checkpoint.as_ref());
    let checkpoint = checkpoint.and_then(|checkpoint| sorted::source_checkpoint(checkpoint));
    let checkpoint = checkpoint.as_ref().map(|checkpoint| checkpoint.get().as_bytes());
    let clock = Arc::clone(&lane.stages.clock);
    let settings = spec.settings.clone();
    Ok(BucketSource::new(spec.location.clone(), settings, checkpoint, clock)?)
}

impl BucketLane {
    pub(crate) fn new(
        lane: Lane,
        last: Option<&Manifest>,
        spec: BucketSpec,
    ) -> Result<Self, Problem> {
        let source = open(&lane, &spec, last)?;
        Ok(Self {
            lane,
            spec,
            source,
            session: None,
            batcher: None,
            begun: Duration::ZERO,
            standing: BTreeMap::new(),
            inbox: None,
            sorted: None,
            list_at: Duration::ZERO,
        })
    }

    /// How long nothing is to be done, unless something is announced.
    fn wait(&self) -> Duration {
        let Some(inbox) = &self.inbox else { return self.spec.poll };
        let due = (!self.is_nothing_open()).then(|| self.begun + self.spec.commit_every);
        let next = inbox.next().into_iter().chain(due).min();
        let at = next.map_or(self.list_at, |next| next.min(self.list_at));
        at.saturating_sub(self.lane.stages.clock.monotonic())
    }

    async fn announcement(&mut self) {
        match &mut self.inbox {
            Some(inbox) => inbox.wait(&self.spec.location).await,
            None => std::future::pending().await,
        }
    }

    /// Goes back to the last checkpoint, as soon as the store is there.
    async fn start_over(&mut self, tries: &mut u32) -> Result<(), Problem> {
        loop {
            match self.restore().await {
                Ok(()) => return Ok(()),
                Err(problem) => self.lane.wait_for_store(tries, problem).await?,
            }
        }
    }

    async fn restore(&mut self) -> Result<(), Problem> {
        (self.session, self.batcher) = (None, None);
        let last = self.lane.resume().await?;
        self.source = open(&self.lane, &self.spec, last.as_ref())?;
        self.list_at = Duration::ZERO;
        if let Some(sorted) = &mut self.sorted {
            sorted.resume(last.as_ref()).await?;
        }
        if let Some(inbox) = &mut self.inbox {
            inbox.start_over(&self.spec.location);
        }
        Ok(())
    }

    /// Lists if that is due, looks at what is announced, reads all there is to read, and commits what is due.
    pub(crate) async fn round(&mut self) -> Result<(), NotCommitted> {
        let mut troubles = self.list().await;
        self.hear(&mut troubles).await?;
        let (once, stop) = (self.lane.stages.once, self.lane.stages.stop.clone());
        while !stop.is_stopped() {
            match self.source.next(once).await {
                Ok(Some(chunk)) => self.chunk(chunk).await?,
                Ok(None) => break,
                Err(error) => {
                    let report = Problem::from(error).report();
                    troubles.insert(self.spec.location.address().to_owned(), report);
                    break;
                }
            }
            if self.is_due() {
                self.commit().await?;
            }
            self.show_waiting();
        }
        troubles.extend(self.source.troubles());
        self.tell_new(troubles);
        if once || stop.is_stopped() || self.is_due() {
            self.commit().await?;
        }
        self.settle();
        self.show_waiting();
        Ok(())
    }

    async fn list(&mut self) -> BTreeMap<String, Report> {
        let now = self.lane.stages.clock.monotonic();
        if self.inbox.is_some() && now < self.list_at {
            // What stood at the last listing stands until the next.
            return self.standing.clone();
        }
        self.list_at = now + self.spec.poll;
        let mut troubles = BTreeMap::new();
        if let Err(error) = self.source.poll().await {
            troubles.insert(self.spec.location.address().to_owned(), Problem::from(error).report());
            self.list_at = now + self.spec.poll.min(LIST_AGAIN);
        }
        troubles
    }

    /// Looks at what is announced.
    async fn hear(&mut self, troubles: &mut BTreeMap<String, Report>) -> Result<(), Problem> {
        let Some(inbox) = &mut self.inbox else { return Ok(()) };
        let location = &self.spec.location;
        inbox.drain(location);
        let now = self.lane.stages.clock.monotonic();
        let names = inbox.due(now);
        let heard = self.source.hear(&names).await;
        let told = inbox.heard(&names, &heard, location, now);
        let rejected = inbox.rejected();
        for (name, heard) in names.iter().zip(heard) {
            let address = format!("{}/{name}", location.address());
            match heard {
                Heard::Unknown(error) => {
                    troubles.insert(address, Problem::from(error).report());
                }
                _ => drop(troubles.remove(&address)),
            }
        }
        for report in told {
            self.lane.trouble(report);
        }
        if rejected.is_empty() {
            return Ok(());
        }
        let now = self.lane.stages.clock.now();
        let mut batcher = self.take_batcher().await?;
        for one in rejected {
            self.lane.trouble(one.report.clone());
            let hash = ObjectHash::of(&[self.spec.location.address(), "announced", &one.id]);
            let object = ObjectName { address: Arc::from(one.origin), generation: 0, hash };
            batcher.reject_announcement(&object, one.report, one.body, now);
        }
        self.batcher = Some(batcher);
        Ok(())
    }

    /// Answers what is announced and dealt with, where nothing is left to commit.
    fn settle(&mut self) {
        let is_committed = self.is_nothing_open();
        if let Some(inbox) = self.inbox.as_mut().filter(|_| is_committed) {
            inbox.settle(|name| self.source.is_read(name));
        }
    }

    fn show_waiting(&self) {
        let waiting = self.source.waiting() as u64;
        let announced = self.inbox.as_ref().map(|inbox| inbox.len() as u64);
        self.lane.stages.board.waiting(&self.spec.name, waiting, announced);
    }

    /// Tells of the troubles that the last round did not have: one that stands is told of once.
    fn tell_new(&mut self, troubles: BTreeMap<String, Report>) {
        for (what, report) in &troubles {
            if self.standing.get(what) != Some(report) {
                self.lane.trouble(report.clone());
            }
        }
        self.standing = troubles;
    }

    fn batchers(&self) -> impl Iterator<Item = &Batcher> {
        let sorted = self.sorted.iter().flat_map(Sorted::batchers);
        self.batcher.iter().chain(sorted).filter(|batcher| !batcher.is_empty())
    }

    fn is_nothing_open(&self) -> bool {
        let is_ahead = self.sorted.as_ref().is_some_and(Sorted::is_ahead);
        !is_ahead && self.batchers().next().is_none()
    }

    fn is_due(&self) -> bool {
        let age = self.lane.stages.clock.monotonic().saturating_sub(self.begun);
        self.batchers().any(Batcher::is_full)
            || (!self.is_nothing_open() && age >= self.spec.commit_every)
    }

    async fn chunk(&mut self, chunk: Chunk) -> Result<(), NotCommitted> {
        if self.sorted.is_some() {
            return self.sort(chunk).await;
        }
        if chunk.first {
            self.session = Some(self.begin(&chunk)?);
        }
        let Some(mut session) = self.session.take() else {
            return Err(ServeError::Task {
                task: self.spec.name.clone(),
                reason: format!("a chunk of {:?} came without its beginning", chunk.object),
            }
            .into());
        };
        let last = matches!(chunk.end, End::Complete | End::Broken(_));
        let end_offset = chunk.offset + chunk.bytes.len() as u64;
        let mut bytes = Some((chunk.offset, chunk.bytes));
        loop {
            let mut batcher = self.take_batcher().await?;
            let now = self.lane.stages.clock.now();
            let input = bytes.take();
            let worked = blocking(&self.spec.name, move || {
                if let Some((offset, bytes)) = input {
                    batcher.receive(&mut session, offset, &bytes)?;
                }
                let done = batcher.work(&mut session, last, now)?;
                Ok::<_, Problem>((batcher, session, done))
            });
            let (back, forth, done) = worked.await??;
            (self.batcher, session) = (Some(back), forth);
            self.advance(&chunk.object, &session, None);
            if done {
                break;
            }
            self.commit().await?;
        }
        if let End::Broken(fault) = &chunk.end {
            self.broken(&session, fault.report.clone());
        }
        if last {
            self.advance(&chunk.object, &session, Some(end_offset));
        }
        self.session = matches!(chunk.end, End::More).then_some(session);
        Ok(())
    }

    fn begin(&self, chunk: &Chunk) -> Result<Session, Problem> {
        let object = ObjectName {
            address: Arc::from(chunk.object.address()),
            generation: u64::from(chunk.object.generation()),
            hash: chunk.object.hash(),
        };
        let framer = framer(&self.lane.decoder, chunk.resume.as_ref(), chunk.offset)?;
        Ok(Session::new(object, framer))
    }

    fn advance(&mut self, object: &ObjectKey, session: &Session, end: Option<u64>) {
        let offset = end.unwrap_or_else(|| session.boundary());
        self.source.advance(object, offset, frame_state_json(&session.frame_state()));
    }

    /// Keeps the reason why an object can't be read further as a quarantined record.
    fn broken(&mut self, session: &Session, report: Report) {
        self.lane.trouble(report.clone());
        let now = self.lane.stages.clock.now();
        if let Some(batcher) = &mut self.batcher {
            batcher.reject_object(session, report, now);
        }
    }

    async fn take_batcher(&mut self) -> Result<Batcher, Problem> {
        match self.batcher.take() {
            Some(batcher) => Ok(batcher),
            None => {
                if self.is_nothing_open() {
                    self.begun = self.lane.stages.clock.monotonic();
                }
                self.lane.batcher().await
            }
        }
    }

    async fn commit(&mut self) -> Result<(), NotCommitted> {
        if self.sorted.is_some() {
            self.commit_sorted().await?;
            self.settle();
            return Ok(());
        }
        let Some(batcher) = self.batcher.take().filter(|batcher| !batcher.is_empty()) else {
            return Ok(());
        };
        if self.lane.stages.decode_only {
            count_decoded(&self.lane, &batcher);
            return Ok(());
        }
        let checkpoint = checkpoint_json(&self.source)?;
        self.lane.commit(batcher, Some(checkpoint), Vec::new()).await?;
        self.settle();
        Ok(())
    }
}

/// Counts what was decoded only.
fn count_decoded(lane: &Lane, batcher: &Batcher) {
    lane.stages.board.source(&lane.source, |status| {
        status.records += batcher.records;
        status.rows += batcher.decoded;
        status.quarantined += batcher.quarantined.len() as u64;
    });
}

/// How far the bucket is read.
fn checkpoint_json(source: &BucketSource) -> Result<Box<RawValue>, Problem> {
    let checkpoint = String::from_utf8(source.checkpoint())
        .ok()
        .and_then(|text| RawValue::from_string(text).ok());
    let reason = || "the source's checkpoint is not JSON".to_owned();
    Ok(checkpoint.ok_or_else(|| ServeError::Checkpoint { reason: reason() })?)
}
