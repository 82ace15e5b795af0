//! Where commits of several processes meet: staged, then committed by one of them for all.
//!
//! Each commit of a table takes the next version of its log, so processes that commit at the same time get in
//! each other's way: one wins, the others look again and try again. Once that happened to a process, it *stages*
//! its commits for a while ([`BUSY_FOR`]): it writes what is to be committed into a *slot* in the state store,
//! one for each name and number. Whoever then has the table's *lease* is the committer: it reads all slots and
//! puts them into one commit. The others see in the log that theirs is there.
//!
//! What makes it exact:
//! - Only the log counts. A slot whose number the log has is done with, whoever sees it; two committers at once
//!   meet at the log's version. So the lease need not be safe, and nobody waits for it longer than
//!   [`WAIT_MAX`]: then one commits by oneself.
//! - A slot is written with compare-and-set. Who takes over a name ([`Staging::seal`]) finds what was staged
//!   under its next number and commits that, or finds nothing and writes a *seal* there: then the process that
//!   had the name can't stage its batch any longer, however late it is.
//! - What can't be committed since the table's columns are of other types can never be: columns only come.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::{Clock, StateError, StateStore, limits};
use deltalake_core::kernel::{
    Add, StructType,
    engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _},
};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};

use super::{Outcome, Ready, Table, door::Waiting};
use crate::{LakeError, schema::merge};

/// For how long commits are staged after others were seen.
const BUSY_FOR: Duration = Duration::from_secs(30);
/// For how long a staged commit waits for a committer.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// For how long a lease is seen unchanged before its committer is taken to be gone.
const LEASE_GONE: Duration = Duration::from_secs(2);
/// The shortest wait between two looks at the log; by chance up to twice that.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const VERSION: u32 = 1;

/// The staged commits of a table, as one process sees them.
#[derive(Debug)]
pub(super) struct Staging {
    table: String,
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    /// What this process is called.
    session: String,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Until when, by the monotonic clock, commits are staged.
    busy_until: Option<Duration>,
    /// The versions of this process' own slots.
    slots: HashMap<String, String>,
    /// The version of another's lease as it was seen last, and since when it is that.
    lease: Option<(String, Duration)>,
}

/// A slot as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Slot {
    version: u32,
    session: String,
    /// `None`: a seal.
    staged: Option<StoredReady>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredReady {
    app: String,
    number: i64,
    columns: StructType,
    adds: Vec<Add>,
    /// See [`Ready::free_at`].
    free_at: Option<u64>,
}

/// A lease as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    version: u32,
    session: String,
}

/// A staged commit.
#[derive(Debug)]
pub(super) struct Staged {
    key: String,
    version: String,
    pub(super) ready: Ready,
}

/// What came of staging.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Done,
    /// Another process has staged this number: it is that which will be committed.
    ByAnother,
    /// Another process has taken over.
    Sealed,
}

impl Staging {
    pub(super) fn new(table: &str, state: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        let session = uuid::Uuid::new_v4().simple().to_string();
        let memory = Mutex::default();
        Self { table: table.to_owned(), state, clock, session, memory }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether others have got in our way lately.
    pub(super) fn is_busy(&self) -> bool {
        self.memory().busy_until.is_some_and(|until| self.clock.monotonic() < until)
    }

    /// Others are in our way.
    pub(super) fn is_busy_now(&self) {
        self.memory().busy_until = Some(self.clock.monotonic() + BUSY_FOR);
    }

    fn folder(&self) -> String {
        format!("staged/{}/", self.table)
    }

    fn key(&self, app: &str, number: i64) -> String {
        format!("{}{app}/{number:012}", self.folder())
    }

    fn lease_key(&self) -> String {
        format!("committers/{}", self.table)
    }

    /// Writes a slot if it is still as we left it.
    async fn write(&self, key: &str, staged: Option<&Ready>) -> Result<Stage, LakeError> {
        let staged = staged.map(StoredReady::of).transpose()?;
        let slot = Slot { version: VERSION, session: self.session.clone(), staged };
        let value =
            serde_json::to_vec(&slot).map_err(|error| LakeError::encode(&self.table, &error))?;
        loop {
            let expected = self.memory().slots.get(key).cloned();
            match self.state.compare_and_set(key, expected.as_deref(), &value).await {
                Ok(version) => {
                    self.memory().slots.insert(key.to_owned(), version);
                    return Ok(Stage::Done);
                }
                Err(StateError::Conflict { .. }) => {}
                Err(error) => return Err(LakeError::write(key, error)),
            }
            // A write whose answer was lost, or another process.
            let Some(found) = self.read(key).await? else {
                self.memory().slots.remove(key);
                continue;
            };
            match found.slot {
                slot if slot.session != self.session => {
                    let is_staged = slot.staged.is_some();
                    return Ok(if is_staged { Stage::ByAnother } else { Stage::Sealed });
                }
                _ if found.value == value => {
                    self.memory().slots.insert(key.to_owned(), found.version);
                    return Ok(Stage::Done);
                }
                _ => {
                    self.memory().slots.insert(key.to_owned(), found.version);
                }
            }
        }
    }

    async fn read(&self, key: &str) -> Result<Option<Found>, LakeError> {
        let found = self.state.get(key).await.map_err(|error| LakeError::read(key, error))?;
        let Some(found) = found else { return Ok(None) };
        let slot: Slot = serde_json::from_slice(&found.value)
            .map_err(|error| LakeError::corrupt(format!("state/{key}"), error))?;
        if slot.version > VERSION {
            let reason = format!("its version is {}: it is of a newer dab", slot.version);
            return Err(LakeError::corrupt(format!("state/{key}"), reason));
        }
        Ok(Some(Found { slot, value: found.value, version: found.version }))
    }

    async fn read_staged(&self, key: String) -> Result<Option<Staged>, LakeError> {
        let Some(Found { slot, version, .. }) = self.read(&key).await? else { return Ok(None) };
        let ready = slot.staged.map(|staged| staged.ready(&key)).transpose()?;
        Ok(ready.map(|ready| Staged { key, version, ready }))
    }

    /// All that is staged.
    pub(super) async fn staged(&self) -> Result<Vec<Staged>, LakeError> {
        let folder = self.folder();
        let keys = self.state.list(&folder).await;
        let keys = keys.map_err(|error| LakeError::read(&folder, error))?;
        let reads = keys.into_iter().map(|key| self.read_staged(key));
        let reads = futures::stream::iter(reads).buffered(limits::STAGED_CONCURRENCY);
        reads.try_filter_map(|staged| std::future::ready(Ok(staged))).try_collect().await
    }

    /// Makes sure that no other process can stage this number of a name. Answers what one has staged already.
    pub(super) async fn seal(&self, app: &str, number: i64) -> Result<Option<Staged>, LakeError> {
        let key = self.key(app, number);
        loop {
            let found = self.read(&key).await?;
            if let Some(Found { slot: Slot { staged: Some(staged), .. }, version, .. }) = found {
                let ready = staged.ready(&key)?;
                return Ok(Some(Staged { key, version, ready }));
            }
            match found {
                Some(found) => self.memory().slots.insert(key.clone(), found.version),
                None => self.memory().slots.remove(&key),
            };
            if self.write(&key, None).await? == Stage::Done {
                return Ok(None);
            }
        }
    }

    /// Seals over what was staged and can't be committed.
    pub(super) async fn refuse(&self, staged: &Staged) -> Result<(), LakeError> {
        self.memory().slots.insert(staged.key.clone(), staged.version.clone());
        self.write(&staged.key, None).await.map(drop)
    }

    /// Removes our own slots of commits that are done with. Where that fails, a committer does it.
    pub(super) async fn forget<'r>(
        &self,
        group: impl Iterator<Item = (&'r &'r Ready, &'r Option<Result<Outcome, LakeError>>)>,
    ) {
        let done = group.filter(|(_, outcome)| matches!(outcome, Some(Ok(_))));
        let keys = done.map(|(ready, _)| self.key(&ready.app, ready.number));
        let keys = keys.filter(|key| self.memory().slots.contains_key(key)).collect();
        self.remove(keys).await;
    }

    async fn remove(&self, keys: Vec<String>) {
        let removals = keys.into_iter().map(|key| async move {
            self.memory().slots.remove(&key);
            if let Err(error) = self.state.delete(&key).await {
                tracing::debug!(key, %error, "a slot stays until the next committer sees it");
            }
        });
        futures::stream::iter(removals)
            .buffer_unordered(limits::STAGED_CONCURRENCY)
            .collect::<()>()
            .await;
    }

    /// Becomes the committer, if there is none.
    async fn lease(&self) -> Result<bool, LakeError> {
        let key = self.lease_key();
        let has_seen_another = self.memory().lease.is_some();
        if !has_seen_another {
            return self.take_lease(&key, None).await;
        }
        let failed = |error| LakeError::read(&key, error);
        let found = self.state.get(&key).await.map_err(failed)?;
        let version = found.as_ref().map(|found| found.version.as_str());
        let is_free = version.is_none_or(|version| self.is_gone(version));
        if is_free { self.take_lease(&key, version).await } else { Ok(false) }
    }

    /// Whether a lease is as it was for so long that its committer is gone.
    fn is_gone(&self, version: &str) -> bool {
        let now = self.clock.monotonic();
        let mut memory = self.memory();
        match &memory.lease {
            Some((seen, since)) if seen == version => now.saturating_sub(*since) >= LEASE_GONE,
            _ => {
                memory.lease = Some((version.to_owned(), now));
                false
            }
        }
    }

    async fn take_lease(&self, key: &str, version: Option<&str>) -> Result<bool, LakeError> {
        let lease = Lease { version: VERSION, session: self.session.clone() };
        let value =
            serde_json::to_vec(&lease).map_err(|error| LakeError::encode(&self.table, &error))?;
        match self.state.compare_and_set(key, version, &value).await {
            Ok(_) => {
                self.memory().lease = None;
                Ok(true)
            }
            Err(StateError::Conflict { .. }) => {
                // Whose it is, is seen at the next look.
                self.memory().lease.get_or_insert_with(|| (String::new(), Duration::ZERO));
                Ok(false)
            }
            Err(error) => Err(LakeError::write(key, error)),
        }
    }

    async fn release(&self) {
        let key = self.lease_key();
        if let Err(error) = self.state.delete(&key).await {
            tracing::debug!(key, %error, "a lease stays until others see that it is old");
        }
    }
}

/// A slot as it was read.
struct Found {
    slot: Slot,
    value: Vec<u8>,
    version: String,
}

impl StoredReady {
    fn of(ready: &Ready) -> Result<Self, LakeError> {
        let schema = arrow::datatypes::Schema::new(ready.own.clone());
        let columns =
            (&schema).try_into_kernel().map_err(|error| LakeError::encode(&ready.app, &error))?;
        let Ready { app, number, adds, free_at, .. } = ready.clone();
        Ok(Self { app, number, columns, adds, free_at })
    }

    fn ready(self, key: &str) -> Result<Ready, LakeError> {
        let schema: arrow::datatypes::Schema = (&self.columns)
            .try_into_arrow()
            .map_err(|error| LakeError::corrupt(format!("state/{key}"), error))?;
        let Self { app, number, adds, free_at, .. } = self;
        Ok(Ready { app, number, own: schema.fields, adds, free_at })
    }
}

impl Table {
    /// Stages commits and sees that they become part of the table, by our own hand or another's.
    pub(super) async fn commit_staged(&self, staging: &Staging, mut group: Vec<Waiting>) {
        let mut log = self.log.lock().await;
        for entry in &mut group {
            if let Err(error) = self.say_free(&mut log, &mut entry.ready).await {
                tracing::debug!(table = self.name, %error, "the committer has to find out more");
            }
        }
        let is_known = |entry: &Waiting| log.last(&entry.ready.app) >= Some(entry.ready.number);
        let (known, group): (Vec<_>, Vec<_>) = group.into_iter().partition(is_known);
        drop(log);
        for entry in known {
            entry.answer(Ok(Outcome::Skipped));
        }
        let mut waiting = Vec::with_capacity(group.len());
        let stages = group.into_iter().map(|entry| async move {
            let key = staging.key(&entry.ready.app, entry.ready.number);
            let staged = staging.write(&key, Some(&entry.ready)).await;
            (entry, staged)
        });
        let stages = futures::stream::iter(stages).buffered(limits::STAGED_CONCURRENCY);
        for (entry, staged) in stages.collect::<Vec<_>>().await {
            match staged {
                Ok(Stage::Done | Stage::ByAnother) => waiting.push(entry),
                Ok(Stage::Sealed) => {
                    entry.answer(Err(LakeError::TakenOver { table: self.name.clone() }));
                }
                Err(error) => entry.answer(Err(error)),
            }
        }
        let begun = staging.clock.monotonic();
        while !waiting.is_empty() {
            match staging.lease().await {
                Ok(true) => return self.commit_round(staging, waiting).await,
                Ok(false) => {}
                Err(error) => {
                    tracing::debug!(table = self.name, %error, "the committer can't be seen");
                }
            }
            if staging.clock.monotonic().saturating_sub(begun) >= WAIT_MAX {
                // Without a committer.
                let done = self.commit_with(staging, waiting, &[]).await;
                return staging.remove(done).await;
            }
            waiting = self.answer_committed(staging, waiting).await;
            if !waiting.is_empty() {
                let chance = uuid::Uuid::new_v4().as_u128() & 0xff;
                let more = f64::from(u8::try_from(chance).unwrap_or(0)) / 255.0;
                tokio::time::sleep(LOOK_EVERY.mul_f64(1.0 + more)).await;
            }
        }
    }

    /// As the committer: commits what waits here and all that others have staged.
    async fn commit_round(&self, staging: &Staging, waiting: Vec<Waiting>) {
        let mut staged = staging.staged().await.unwrap_or_else(|error| {
            // What can't be read stops nobody but its own process.
            tracing::warn!(table = self.name, %error, "what others have staged can't be read");
            Vec::new()
        });
        let is_ours =
            |staged: &Staged| waiting.iter().any(|entry| entry.ready.is_same(&staged.ready));
        staged.retain(|staged| !is_ours(staged));
        staged.truncate(limits::STAGED_ROUND_MAX);
        if !staged.is_empty() {
            staging.is_busy_now();
        }
        let done = self.commit_with(staging, waiting, &staged).await;
        // The next committer need not wait for what is only tidying.
        futures::join!(staging.release(), staging.remove(done));
    }

    /// Commits what waits here along with what others have staged, and answers. Tells which slots are done with.
    async fn commit_with(
        &self,
        staging: &Staging,
        waiting: Vec<Waiting>,
        staged: &[Staged],
    ) -> Vec<String> {
        let others = staged.iter().map(|staged| &staged.ready);
        let readies = waiting.iter().map(|entry| &entry.ready).chain(others).collect::<Vec<_>>();
        let mut log = self.log.lock().await;
        let (mut outcomes, was_late) = self.append(&mut log, &readies).await;
        drop(log);
        if was_late {
            staging.is_busy_now();
        }
        let done = readies.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
        let done = done.map(|(ready, _)| staging.key(&ready.app, ready.number)).collect();
        outcomes.truncate(waiting.len());
        for (entry, outcome) in waiting.into_iter().zip(outcomes) {
            entry.answer(outcome.map(Outcome::after_staging));
        }
        done
    }

    /// Answers those whose commit is in the log by now, or can never be.
    async fn answer_committed(&self, staging: &Staging, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let mut log = self.log.lock().await;
        if let Err(error) = self.advance(&mut log, 1).await {
            tracing::debug!(table = self.name, %error, "the log can't be read");
            return waiting;
        }
        let mut left = Vec::with_capacity(waiting.len());
        for entry in waiting {
            let Ready { app, number, own, .. } = &entry.ready;
            let last = self.number_of(&mut log, app).await;
            if last.is_ok_and(|last| last.is_some_and(|last| last >= *number)) {
                // Its slot is removed by who committed it.
                staging.memory().slots.remove(&staging.key(app, *number));
                entry.answer(Ok(Outcome::Found));
            } else if log.own().is_some_and(|known| merge(known, own).is_none()) {
                entry.answer(Err(LakeError::Conflict { table: self.name.clone() }));
            } else {
                left.push(entry);
            }
        }
        left
    }
}

impl Ready {
    /// Whether it is the same commit, whatever its files are called.
    fn is_same(&self, other: &Self) -> bool {
        self.app == other.app && self.number == other.number
    }
}

impl Outcome {
    /// What it is for a commit that was not there when it was staged.
    const fn after_staging(self) -> Self {
        match self {
            Self::Skipped => Self::Found,
            Self::Committed(_) | Self::Found => self,
        }
    }
}
