//! An API on its way into the lake: asked on its schedule, what is new is committed along with how far
//! it is.
//!
//! Data and checkpoint are one commit, as with buckets. What a round finds out without finding events
//! (an API's token moved on) is kept in the state store, and counts for as long as no later batch is
//! committed.

mod credential;
mod known;

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::{BuildHasher as _, Hasher as _},
    sync::Arc,
    time::Duration,
};

use base::{ObjectHash, Problem, Report, StateStore, Timestamp, limits};
use collect::{
    EventKey, Piece, PullApi, PullError, PullPlan, Puller, Restoring, Step, pull_first_wait,
    pull_wait,
};
use decode::{Decoder, Format, FrameState, Framer, Layout};
use lake::batch::{Body, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::credential::{keep_credential, kept_credential};
use crate::{
    ServeError,
    batcher::{Batcher, ObjectName, Session},
    lane::{Lane, NotCommitted, blocking},
};

/// How long events of a round that goes on may wait for their commit.
const COMMIT_EVERY: Duration = Duration::from_secs(10);

/// How long a pause is before which what there is is committed.
const LONG_PAUSE: Duration = Duration::from_secs(5);

/// The version of what is kept in the state store.
const STORED_VERSION: u32 = 1;

/// What a pull is told.
#[derive(Debug)]
pub struct PullSpec {
    /// The log source that decodes its events.
    pub log_source: String,
    /// How often it asks.
    pub every: Duration,
    /// Whether its records are rows of CSV.
    pub is_csv: bool,
    /// Who is asked.
    pub api: Box<dyn PullApi>,
    /// How it is asked; the source's name is in it.
    pub plan: PullPlan,
    /// A stretch of time that is asked for again, in a one-shot run.
    pub range: Option<PullRange>,
}

/// A stretch of time that is asked for again.
#[derive(Debug, Clone, Copy)]
pub struct PullRange {
    /// From when on.
    pub from: Timestamp,
    /// Up to when.
    pub to: Timestamp,
}

/// What a round found out without finding events.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The batch after which it counts.
    batch: u64,
    places: Box<RawValue>,
}

#[derive(Debug)]
pub(crate) struct PullLane {
    lane: Lane,
    puller: Puller,
    every: Duration,
    range: Option<PullRange>,
    state: Arc<dyn StateStore>,
    format: Format,
    body: Option<Body>,
    batcher: Option<Batcher>,
    /// When the batch in the making was begun, on the monotonic clock.
    begun: Duration,
    /// The last trouble that was told, so that one that stands is told of once.
    standing: Option<Report>,
    /// How many failures were told that are being tried again.
    recovering: u64,
}

/// Asks the API until the pipeline stops; in a one-shot run, once.
pub(crate) async fn run(
    lane: Lane,
    last: Option<Manifest>,
    spec: PullSpec,
    state: Arc<dyn StateStore>,
) -> Result<(), Problem> {
    let mut this = PullLane::open(lane, last, spec, state).await?;
    let mut stop = this.lane.stages.stop.clone();
    if !this.lane.stages.once {
        tokio::select! {
            () = tokio::time::sleep(pull_first_wait(this.every, random())) => {}
            () = stop.stopped() => return Ok(()),
        }
    }
    let mut tries = 0;
    loop {
        let began = this.lane.stages.clock.monotonic();
        match this.round().await {
            Ok(()) => tries = 0,
            // Another source of the same table was faster: from the last checkpoint, at once.
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
        let took = this.lane.stages.clock.monotonic().saturating_sub(began);
        let wait = pull_wait(this.every, random()).saturating_sub(took);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.stopped() => return Ok(()),
        }
    }
}

/// A number that differs from process to process and from call to call: the standard library seeds each
/// hasher anew.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn state_key(source: &str) -> String {
    format!("pull/{source}")
}

/// How its records are written once they are in the lake's hands.
pub(crate) fn form(
    decoder: &Decoder,
    is_csv: bool,
    name: &str,
) -> Result<(Format, Option<Body>), PullError> {
    let own = &decoder.log_source().format;
    let name = name.to_owned();
    let log_source = &decoder.log_source().name;
    match (is_csv, own.layout.is_text()) {
        (true, true) => Ok((own.clone(), None)),
        (false, false) => {
            let format = Format { layout: Layout::Ndjson, encoding: own.encoding };
            Ok((format, Some(Body::Ndjson)))
        }
        (true, false) => Err(PullError::Settings {
            name,
            message: format!("it brings CSV, and the log source `{log_source}` reads JSON"),
            help: "name a log source whose format is `csv`".into(),
        }),
        (false, true) => Err(PullError::Settings {
            name,
            message: format!("it brings JSON, and the log source `{log_source}` reads text"),
            help: "name a log source whose format is `json` or `ndjson`".into(),
        }),
    }
}

impl PullLane {
    async fn open(
        lane: Lane,
        last: Option<Manifest>,
        spec: PullSpec,
        state: Arc<dyn StateStore>,
    ) -> Result<Self, Problem> {
        let PullSpec { every, is_csv, api, plan, range, .. } = spec;
        let (format, body) = form(&lane.decoder, is_csv, &plan.name)?;
        let puller = Puller::new(api, plan, Arc::clone(&lane.stages.clock));
        let (batcher, begun, standing, recovering) = (None, Duration::ZERO, None, 0);
        let mut this = Self {
            lane,
            puller,
            every,
            range,
            state,
            format,
            body,
            batcher,
            begun,
            standing,
            recovering,
        };
        this.restore(last).await?;
        if let Some(sealed) = kept_credential(this.state.as_ref(), &this.lane.source).await? {
            this.puller.restore_renewed(&sealed);
        }
        Ok(this)
    }

    /// Goes back to what is stored.
    async fn restore(&mut self, last: Option<Manifest>) -> Result<(), Problem> {
        let number = last.as_ref().map_or(0, |manifest| manifest.number);
        match last {
            None => self.puller.restore_nothing(),
            Some(manifest) => {
                let restoring =
                    restoring(&self.lane.stages.lake, self.puller.plan(), &manifest).await?;
                self.puller.restore(restoring);
            }
        }
        if let Some(places) = kept(self.state.as_ref(), &self.lane.source, number).await? {
            self.puller.restore_places(&places)?;
        }
        Ok(())
    }

    /// Goes back to the last checkpoint, as soon as the store is there.
    async fn start_over(&mut self, tries: &mut u32) -> Result<(), Problem> {
        self.batcher = None;
        loop {
            let begun = match self.lane.resume().await {
                Ok(last) => self.restore(last).await,
                Err(problem) => Err(problem),
            };
            match begun {
                Ok(()) => return Ok(()),
                Err(problem) => self.lane.wait_for_store(tries, problem).await?,
            }
        }
    }

    async fn round(&mut self) -> Result<(), NotCommitted> {
        self.begin().await?;
        let mut stop = self.lane.stages.stop.clone();
        let mut tries = 0;
        let (mut is_well, mut is_whole) = (true, true);
        loop {
            let step = tokio::select! {
                step = self.puller.step() => step,
                () = stop.stopped() => break,
            };
            self.tell_notices();
            self.keep_credential().await;
            match step {
                Ok(step) => {
                    self.recovered();
                    match step {
                        Step::Piece(piece) => {
                            tries = 0;
                            self.piece(piece).await?;
                        }
                        Step::Window => {}
                        Step::Idle => break,
                    }
                }
                Err(error) => {
                    is_well = false;
                    tries += u32::from(!matches!(error, PullError::Limited { .. }));
                    is_whole &= self.failed(error, tries).await?;
                }
            }
            if self.is_due() {
                self.commit().await?;
            }
        }
        if is_well {
            self.standing = None;
        }
        if let Some(range) = self.range.filter(|_| is_whole && !stop.is_stopped()) {
            self.puller.end_range(range.from);
        }
        self.commit().await?;
        let ends = self.puller.credential_ends();
        self.lane.stages.board.source(&self.lane.source, |status| {
            status.credential_ends = ends.or(status.credential_ends);
        });
        // Without it, the next process asks for a little more than it must.
        if let Err(problem) = self.keep().await {
            self.lane.trouble(problem.report());
        }
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), Problem> {
        let Some(PullRange { from, to }) = self.range else {
            self.puller.begin_round();
            return Ok(());
        };
        // The first round of all: the range is where it begins.
        let Some(began) = self.puller.began() else {
            self.puller.begin_until(from, to);
            return Ok(());
        };
        let table = &self.lane.decoder.log_source().table;
        let lake = &self.lane.stages.lake;
        let known = stored(lake, table, self.puller.plan(), began, PullRange { from, to }).await?;
        self.puller.begin_range(from, to, known);
        Ok(())
    }

    /// Waits where that helps, or leaves the rest of the partition for the next round. Whether it goes on.
    async fn failed(&mut self, error: PullError, tries: u32) -> Result<bool, NotCommitted> {
        let wait = error.wait(tries).filter(|_| tries < limits::PULL_TRIES_MAX);
        let is_new = self.tell(Problem::from(error).report());
        let Some(wait) = wait else {
            self.recovering = 0;
            self.puller.give_up();
            return Ok(false);
        };
        self.recovering += u64::from(is_new);
        if wait >= LONG_PAUSE {
            self.commit().await?;
        }
        let mut stop = self.lane.stages.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.stopped() => {}
        }
        Ok(true)
    }

    fn tell_notices(&mut self) {
        for report in self.puller.notices() {
            self.lane.trouble(report);
        }
    }

    /// Tells of a trouble; whether it was not told yet.
    fn tell(&mut self, report: Report) -> bool {
        let is_new = self.standing.as_ref() != Some(&report);
        if is_new {
            self.lane.trouble(report.clone());
            self.standing = Some(report);
        }
        is_new
    }

    /// Keeps what the server gave in place of a credential.
    async fn keep_credential(&mut self) {
        let Some(sealed) = self.puller.renewed() else { return };
        if let Err(problem) = keep_credential(self.state.as_ref(), &self.lane.source, &sealed).await
        {
            self.lane.trouble(problem.report());
        }
    }

    /// What failed went on.
    fn recovered(&mut self) {
        let recovered = std::mem::take(&mut self.recovering);
        if recovered > 0 {
            self.lane
                .stages
                .board
                .source(&self.lane.source, |status| status.recovered += recovered);
        }
    }

    fn is_due(&self) -> bool {
        let age = self.lane.stages.clock.monotonic().saturating_sub(self.begun);
        self.batcher.as_ref().is_some_and(|batcher| {
            batcher.is_full() || (!batcher.is_empty() && age >= COMMIT_EVERY)
        })
    }

    async fn piece(&mut self, piece: Piece) -> Result<(), NotCommitted> {
        let count = piece.records.len();
        if count == 0 {
            self.puller.took(0);
            return Ok(());
        }
        let (bytes, starts) = laid_out(&piece);
        let mut session = self.session(&piece.object);
        let mut input = Some(bytes);
        let now = self.lane.stages.clock.now();
        loop {
            let mut batcher = self.take_batcher().await?;
            let input = input.take();
            let worked = blocking(&self.lane.source, move || {
                if let Some(bytes) = input {
                    batcher.receive(&mut session, 0, &bytes)?;
                }
                let done = batcher.work(&mut session, true, now)?;
                Ok::<_, Problem>((batcher, session, done))
            });
            let (back, forth, done) = worked.await??;
            (self.batcher, session) = (Some(back), forth);
            if done {
                self.puller.took(count);
                return Ok(());
            }
            let boundary = session.boundary();
            self.puller.took(starts.iter().take_while(|start| **start < boundary).count());
            self.commit().await?;
        }
    }

    fn session(&self, object: &str) -> Session {
        let address = format!("pull/{object}");
        let hash = ObjectHash::of(&[&address, "0"]);
        let object = ObjectName { address: Arc::from(address), generation: 0, hash };
        let framer = Framer::new(&self.format, FrameState::default(), 0);
        Session::new(object, framer).with_body(self.body)
    }

    async fn take_batcher(&mut self) -> Result<Batcher, Problem> {
        match self.batcher.take() {
            Some(batcher) => Ok(batcher),
            None => {
                self.begun = self.lane.stages.clock.monotonic();
                self.lane.batcher().await
            }
        }
    }

    async fn commit(&mut self) -> Result<(), NotCommitted> {
        let Some(batcher) = self.batcher.take().filter(|batcher| !batcher.is_empty()) else {
            return Ok(());
        };
        let number = self.lane.number() + 1;
        let is_whole = number.is_multiple_of(limits::PULL_BATCHES_BACK_MAX);
        let checkpoint = RawValue::from_string(self.puller.checkpoint(is_whole))
            .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
        self.lane.commit(batcher, Some(checkpoint), Vec::new()).await?;
        self.puller.stored();
        Ok(())
    }

    /// Keeps how far it is beside the last batch.
    async fn keep(&mut self) -> Result<(), Problem> {
        let places = RawValue::from_string(self.puller.places())
            .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
        let kept = Kept { version: STORED_VERSION, batch: self.lane.number(), places };
        let json = serde_json::to_vec(&kept)
            .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
        let key = state_key(&self.lane.source);
        let stored = self.state.get(&key).await.map_err(state_error)?;
        let version = stored.as_ref().map(|stored| stored.version.as_str());
        if stored.as_ref().is_some_and(|stored| stored.value == json) {
            return Ok(());
        }
        self.state.compare_and_set(&key, version, &json).await.map_err(state_error)?;
        Ok(())
    }
}

/// The keys of what is stored of a range.
pub(crate) async fn stored(
    lake: &Arc<lake::Lake>,
    table: &str,
    plan: &PullPlan,
    began: Timestamp,
    range: PullRange,
) -> Result<HashSet<EventKey>, Problem> {
    let PullRange { from, to } = range;
    if !plan.ids.is_empty() {
        return known::keys(lake, table, plan, (from, to)).await;
    }
    if to > began {
        let name = plan.name.clone();
        return Err(PullError::NoIds { name, began: began.to_string() }.into());
    }
    Ok(HashSet::new())
}

/// The checkpoint of a batch, with the ids of those before it.
pub(crate) async fn restoring(
    lake: &lake::Lake,
    plan: &PullPlan,
    last: &Manifest,
) -> Result<Restoring, Problem> {
    let text = |manifest: &Manifest| {
        let checkpoint = manifest.checkpoint.as_ref();
        checkpoint.map(|checkpoint| checkpoint.get().to_owned()).unwrap_or_default()
    };
    let mut restoring = Restoring::new(plan, &text(last))?;
    let mut number = last.number;
    while restoring.is_partial() && number > 1 {
        number -= 1;
        restoring.earlier(plan, &text(&lake.manifest(&last.source, number).await?))?;
    }
    Ok(restoring)
}

/// What was kept beside the last batch, if that is still the last.
pub(crate) async fn kept(
    state: &dyn StateStore,
    source: &str,
    number: u64,
) -> Result<Option<String>, Problem> {
    let Some(stored) = state.get(&state_key(source)).await.map_err(state_error)? else {
        return Ok(None);
    };
    let kept: Kept = serde_json::from_slice(&stored.value)
        .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
    if kept.version != STORED_VERSION {
        let reason = format!("version {} is newer than this dab", kept.version);
        return Err(ServeError::Checkpoint { reason }.into());
    }
    Ok((kept.batch == number).then(|| kept.places.get().to_owned()))
}

/// The records one a line, below their header, and where each begins.
pub(crate) fn laid_out(piece: &Piece) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = Vec::new();
    let mut starts = Vec::with_capacity(piece.records.len());
    if let Some(header) = &piece.header {
        bytes.extend_from_slice(header);
        bytes.push(b'\n');
    }
    for record in &piece.records {
        starts.push(bytes.len() as u64);
        bytes.extend_from_slice(&record.bytes);
        bytes.push(b'\n');
    }
    (bytes, starts)
}

pub(crate) fn state_error(error: base::StateError) -> Problem {
    notify::NotifyError::from(error).into()
}
