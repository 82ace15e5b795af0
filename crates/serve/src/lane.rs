//! One source on its way into the lake: batches, in order, each exactly once.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use arrow::datatypes::{DataType, Fields};
use base::{Clock, Problem, Report, fault, limits};
use decode::Decoder;
use detect::Reloadable;
use lake::{
    Lake, LakeError,
    batch::{Batch, Cold, MANIFEST_VERSION, Manifest, RuleHour},
    layout,
    schema::{declared_fields, with_declared},
    table::{Commit, Outcome, Table},
};
use serde_json::value::RawValue;

use crate::{
    ServeError, Stop,
    alerts::Alerts,
    batcher::{Batcher, Finished, Recipe},
    budget::Budget,
    claims::Claims,
    happening::{Happening, Observer},
    ledger,
    reload::CurrentTables,
    rule_limit::{RuleLimit, note_held_back},
    status::Board,
};

pub(crate) use lake::batch::app;

/// How often a one-shot run tries to write before it gives up: some ten seconds in all. A running
/// pipeline never gives up.
const ONE_SHOT_TRIES: u32 = 6;
/// The first wait after a failed write; it doubles up to [`RETRY_PAUSE_MAX`].
const RETRY_PAUSE: Duration = Duration::from_millis(200);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// What all lanes share.
#[derive(Debug)]
pub(crate) struct Stages {
    pub(crate) lake: Arc<Lake>,
    /// Which sources this process alone writes.
    pub(crate) claims: Arc<Claims>,
    /// Its name among several.
    pub(crate) writer: Option<String>,
    pub(crate) matcher: Arc<Reloadable>,
    pub(crate) lookups: Arc<CurrentTables>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) board: Arc<Board>,
    pub(crate) budget: Arc<Budget>,
    /// How many matches of a rule become alerts, for each source and hour of event time.
    pub(crate) rule_matches_per_hour_max: u64,
    /// How many bytes the query of a lookup table may read.
    pub(crate) rule_query_bytes_max: u64,
    pub(crate) stop: Stop,
    /// Read what is there, then end.
    pub(crate) once: bool,
    /// Decode only, for measuring.
    pub(crate) decode_only: bool,
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum NotCommitted {
    /// The table's columns changed: make the batch again, from the last checkpoint.
    MakeAgain,
    /// It can't be done, or was given up.
    Problem(Problem),
}

impl<P: Into<Problem>> From<P> for NotCommitted {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// A source's place in the lake.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) stages: Arc<Stages>,
    pub(crate) source: String,
    pub(crate) decoder: Arc<Decoder>,
    table: Arc<Table>,
    /// The last batch that is committed; 0 before the first.
    number: u64,
    /// How often rules matched lately, up to that batch.
    rule_hours: Vec<RuleHour>,
}

impl Lane {
    /// Finds out how far the source is, and finishes what a crash left undone. Answers the manifest
    /// of the last batch too.
    pub(crate) async fn open(
        stages: Arc<Stages>,
        source: &str,
        decoder: Arc<Decoder>,
    ) -> Result<(Self, Option<Manifest>), Problem> {
        let log_source = decoder.log_source();
        let table = stages.lake.table(&log_source.table).await?;
        stages.board.source(source, |status| {
            status.log_source.clone_from(&log_source.name);
            status.table.clone_from(&log_source.table);
        });
        let (source, rule_hours) = (source.to_owned(), Vec::new());
        let mut lane = Self { stages, source, decoder, table, number: 0, rule_hours };
        let manifest = lane.resume().await?;
        Ok((lane, manifest))
    }

    /// The number of the last batch that is committed; 0 before the first.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Goes back to the last committed batch.
    pub(crate) async fn resume(&mut self) -> Result<Option<Manifest>, Problem> {
        // Whoever has lost the source does not take it back.
        self.stages.claims.ensure().await?;
        let last = self.table.take_over(&app(&self.source)).await?;
        self.number = last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0);
        self.rule_hours.clear();
        // What a batch that never happened left in the quarantine is no part of it.
        let log_source = &self.decoder.log_source().name;
        let never = layout::quarantine(log_source, &self.source, self.number + 1);
        self.stages.lake.delete(&never).await?;
        if self.number == 0 {
            return Ok(None);
        }
        let lake = &self.stages.lake;
        let manifest = lake.manifest(&self.source, self.number).await?;
        self.rule_hours.clone_from(&manifest.rule_hours);
        let alerts = &self.stages.alerts;
        if manifest.matches > 0 && !alerts.has(&self.source, self.number).await? {
            let matches = lake.matches(&self.source, self.number).await?;
            alerts.process(&self.source, self.number, &matches).await?;
        }
        Ok(Some(manifest))
    }

    /// An empty batch, with the table's columns as they are now.
    pub(crate) async fn batcher(&self) -> Result<Batcher, Problem> {
        let declared = declared_fields(&self.decoder.log_source().normalized_columns());
        let stored = self.table.known_fields().await?;
        let own: Fields = with_declared(&stored, &declared);
        let recipe = Recipe {
            decoder: Arc::clone(&self.decoder),
            matcher: Arc::clone(&self.stages.matcher) as _,
            own,
            stored,
            budget: Arc::clone(&self.stages.budget),
            limit: RuleLimit::new(
                &self.source,
                self.stages.rule_matches_per_hour_max,
                &self.rule_hours,
            ),
            decode_only: self.stages.decode_only,
        };
        Ok(Batcher::new(recipe).map_err(|error| ServeError::Task {
            task: self.source.clone(),
            reason: error.to_string(),
        })?)
    }

    /// Makes a batch part of the lake, and its matches alerts. Tries until it is done, the process
    /// is stopped, or (in a one-shot run) it is given up.
    pub(crate) async fn commit(
        &mut self,
        batcher: Batcher,
        checkpoint: Option<Box<RawValue>>,
        replayed: Vec<String>,
    ) -> Result<Manifest, NotCommitted> {
        fault::reach(fault::Point::Begin);
        let stored = batcher.stored();
        let mut finished = blocking(&self.source, move || batcher.finish()).await??;
        let held_back = std::mem::take(&mut finished.held_back);
        let number = self.number + 1;
        let (mut batch, own, files, spills) = self.assemble(number, finished, checkpoint, replayed);
        batch.manifest.held_back = held_back.iter().map(|held| held.count).sum();
        let address = self.stages.lake.address(&layout::manifest(&self.source, number));
        batch.matches.extend(ledger::mismatch(&batch.manifest, address));
        batch.manifest.matches = batch.matches.len() as u64;
        for spill in spills {
            let uploaded = self.upload(spill).await;
            uploaded?;
        }
        let new_fields = new_fields(&stored, &own);
        let commit = Commit {
            app: app(&self.source),
            number: i64::try_from(number).unwrap_or(i64::MAX),
            own,
            files,
        };
        self.write(&mut batch, commit).await?;
        self.number = number;
        fault::reach(fault::Point::Committed);
        let now = self.stages.clock.now();
        self.stages.board.new_fields(&self.source, &new_fields, now);
        let Batch { manifest, quarantined, matches, .. } = batch;
        self.rule_hours.clone_from(&manifest.rule_hours);
        note_held_back(&self.stages.board, self.stages.observer.as_ref(), &held_back);
        self.tell(&manifest, quarantined.first().map(|record| &record.problem));
        let alerts = self.alert(number, &matches).await?;
        fault::reach(fault::Point::Done);
        self.stages.board.committed(&manifest, alerts, self.stages.clock.now());
        let enriched = self.decoder.enriched();
        self.stages.board.source(&self.source, |status| status.lookups = enriched.into());
        Ok(manifest)
    }

    fn assemble(
        &self,
        number: u64,
        finished: Finished,
        checkpoint: Option<Box<RawValue>>,
        replayed: Vec<String>,
    ) -> (Batch, Fields, Vec<lake::write::WrittenFile>, Vec<crate::spill::Spill>) {
        let now = self.stages.clock.now();
        let log_source = self.decoder.log_source();
        let key = layout::cold(&log_source.name, now, &self.source, number);
        let (cold, segments) = finished.cold.unzip();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            source: self.source.clone(),
            number,
            log_source: log_source.name.clone(),
            table: log_source.table.clone(),
            written: now,
            records: finished.records,
            rows: finished.rows,
            quarantined: finished.quarantined.len() as u64,
            bytes: finished.cold_bytes,
            matches: finished.matches.len() as u64,
            held_back: 0,
            rule_hours: finished.rule_hours,
            spans: finished.spans,
            time_min: finished.time_min,
            time_max: finished.time_max,
            cold: segments.map(|segments| Cold { key, bytes_stored: 0, segments }),
            quarantine: None,
            replayed,
            conflicts: finished.written.conflicts,
            checkpoint,
        };
        let (quarantined, matches) = (finished.quarantined, finished.matches);
        let batch = Batch { manifest, cold, quarantined, matches };
        (batch, finished.written.own, finished.written.files, finished.spills)
    }

    /// Stages and commits, again and again while the store is away.
    async fn write(&self, batch: &mut Batch, commit: Commit) -> Result<(), NotCommitted> {
        let mut tries = 0;
        // Once: a commit that seemed to fail may have gone through, and what it made true is not written
        // over, as a write that is torn would then break it.
        let mut is_staged = false;
        loop {
            self.alone(false).await?;
            let staged = if is_staged { Ok(()) } else { self.stages.lake.stage(batch).await };
            is_staged = staged.is_ok();
            let done = match staged {
                Ok(()) => {
                    self.alone(false).await?;
                    self.table.commit(&commit).await
                }
                Err(error) => Err(error),
            };
            match done {
                Ok(Outcome::Committed(_)) => return Ok(()),
                // A try that seemed to fail may have gone through, if nobody else has the source now.
                Ok(Outcome::Found) => return self.alone(true).await,
                Ok(Outcome::Skipped) if tries > 0 => return self.alone(true).await,
                Ok(Outcome::Skipped) => {
                    let source_name = self.source.clone();
                    return Err(ServeError::TwoWriters { source_name }.into());
                }
                Err(LakeError::Conflict { .. }) => return Err(NotCommitted::MakeAgain),
                Err(error @ LakeError::Unavailable { .. }) => self.pause(&mut tries, error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until it is certain that no other process writes this source now; with `has_been`, that none has
    /// until now either.
    async fn alone(&self, has_been: bool) -> Result<(), NotCommitted> {
        let (claims, mut tries) = (&self.stages.claims, 0);
        loop {
            let asked = if has_been { claims.confirm().await } else { claims.ensure().await };
            match asked {
                Ok(()) => return Ok(()),
                Err(problem) if problem.report().code == crate::claims::LOST.0 => {
                    return Err(problem.into());
                }
                Err(problem) => self.pause(&mut tries, problem).await?,
            }
        }
    }

    async fn upload(&self, spill: crate::spill::Spill) -> Result<(), NotCommitted> {
        let (key, file) = spill.into_file().map_err(|error| ServeError::Task {
            task: self.source.clone(),
            reason: error.to_string(),
        })?;
        let mut tries = 0;
        loop {
            let again = file.try_clone().map_err(|error| ServeError::Task {
                task: self.source.clone(),
                reason: error.to_string(),
            })?;
            match self.stages.lake.put_file(&key, again).await {
                Ok(()) => return Ok(()),
                Err(error) => self.pause(&mut tries, error).await?,
            }
        }
    }

    async fn alert(&self, number: u64, matches: &[base::Match]) -> Result<usize, NotCommitted> {
        let mut tries = 0;
        loop {
            match self.stages.alerts.process(&self.source, number, matches).await {
                Ok(raised) => return Ok(raised),
                Err(problem) => self.pause(&mut tries, problem).await?,
            }
        }
    }

    /// Reports a failed try and waits before the next; gives up where that is due.
    async fn pause(
        &self,
        tries: &mut u32,
        problem: impl Into<Problem>,
    ) -> Result<(), NotCommitted> {
        let problem = problem.into();
        *tries += 1;
        self.trouble(problem.report());
        let mut stop = self.stages.stop.clone();
        if stop.is_stopped() || (self.stages.once && *tries >= ONE_SHOT_TRIES) {
            return Err(NotCommitted::Problem(problem));
        }
        let pause = RETRY_PAUSE.saturating_mul(1 << (*tries - 1).min(8)).min(RETRY_PAUSE_MAX);
        // Half of it by chance: many sources do not all come back at once.
        let jitter = RandomState::new().build_hasher().finish() % 1000;
        let pause = pause.mul_f64(0.5 + 0.0005 * f64::from(u32::try_from(jitter).unwrap_or(0)));
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = stop.stopped() => Err(NotCommitted::Problem(problem)),
        }
    }

    /// Waits where the store is away, however it was met: what was begun is to be begun again from the last
    /// checkpoint. Any other problem ends the source.
    pub(crate) async fn wait_for_store(
        &self,
        tries: &mut u32,
        problem: Problem,
    ) -> Result<(), Problem> {
        if problem.report().code != lake::UNAVAILABLE.0 {
            return Err(problem);
        }
        match self.pause(tries, problem).await {
            Ok(()) => Ok(()),
            Err(NotCommitted::Problem(problem)) => Err(problem),
            Err(NotCommitted::MakeAgain) => Ok(()),
        }
    }

    /// Reports a problem that the source goes on from.
    pub(crate) fn trouble(&self, report: Report) {
        tracing::warn!(source = self.source, problem = %report, "a source has a problem");
        let happening = Happening::Trouble { source: &self.source, report: &report };
        self.stages.observer.happened(&happening);
        self.stages.board.trouble(&self.source, report);
    }

    fn tell(&self, manifest: &Manifest, first_problem: Option<&Report>) {
        let observer = &self.stages.observer;
        observer.happened(&Happening::Committed {
            source: &self.source,
            table: &manifest.table,
            rows: manifest.rows,
            quarantined: manifest.quarantined,
            bytes: manifest.bytes,
        });
        if let Some(report) = first_problem {
            observer.happened(&Happening::Quarantined {
                source: &self.source,
                count: manifest.quarantined,
                report,
            });
        }
    }
}

/// The names of fields that a table gets by a batch. What its first batch has is not news, nor is what the log
/// source declares.
fn new_fields(stored: &Fields, own: &Fields) -> Vec<String> {
    if stored.is_empty() {
        return Vec::new();
    }
    let mut before = BTreeSet::new();
    names(stored, "", &mut |name| before.extend([name]));
    let mut new = Vec::new();
    names(own, "", &mut |name| new.extend((!before.contains(&name)).then_some(name)));
    new
}

/// The names of columns that hold values, with dots between the parts of those in structs.
fn names(fields: &Fields, parent: &str, each: &mut impl FnMut(String)) {
    for field in fields {
        let name = format!("{parent}{}", field.name());
        match field.data_type() {
            DataType::Struct(inner) => names(inner, &format!("{name}."), each),
            _ => each(name),
        }
    }
}

/// Runs what costs CPU away from the tasks that wait for the network.
pub(crate) async fn blocking<T: Send + 'static>(
    task: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done
        .map_err(|error| ServeError::Task { task: task.to_owned(), reason: error.to_string() })?)
}

/// How many bytes of requests are taken into one commit.
pub(crate) const PUSH_BATCH_BYTES: usize = limits::BATCH_BYTES_MAX;
