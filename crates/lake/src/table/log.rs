//! The end of a table's log, and how it grows.
//!
//! A commit costs one request: an object that must not exist yet, named after the version that follows the
//! newest one known. Only where another process has written that version are the commits after it read, by their
//! names. So the newest commit is remembered beside the library's own state, which is brought up to it when it is
//! needed: to be read, for a checkpoint, and for the number of a name that was not asked for before.
//!
//! What was known long ago is not gone on from: upkeep removes old commits from the log, and one that is written
//! in the place of such a one would be lost.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arrow::datatypes::Fields;
use base::{Timestamp, limits};
use bytes::Bytes;
use deltalake_core::{
    DeltaTable,
    kernel::{
        Action, Transaction,
        transaction::{CommitData, PROTOCOL, TransactionError},
    },
    logstore::{CommitOrBytes, get_actions},
    protocol::{DeltaOperation, SaveMode, checkpoints::create_checkpoint},
};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;

use super::{Outcome, Ready, Table, upkeep::pause};
use crate::{
    LakeError,
    schema::{DAY, event_schema, merge, own_fields},
};

/// For how long after a look at the log its newest commit is gone on from: far less than upkeep keeps commits.
const FRESH_FOR: Duration = Duration::from_secs(900);

/// What is known of a table's log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The table as of the library's last look, which may be behind by commits of our own; `None` until it
    /// exists.
    pub(super) table: Option<DeltaTable>,
    /// The newest commit that is known.
    tip: Option<Tip>,
}

/// A commit, and what the next one must know of all before it.
#[derive(Debug)]
struct Tip {
    version: u64,
    /// The source's columns.
    own: Fields,
    /// The last numbers of names; of those that are missing nothing is known, but that no commit after
    /// `known_after` has them.
    numbers: HashMap<String, Option<i64>>,
    known_after: u64,
    /// When it was the newest, by both clocks: one stands still while a machine sleeps, the other may be set.
    seen: (Timestamp, Duration),
}

impl Log {
    /// The source's columns, as far as is known; `None` if nothing is, or there is no table.
    pub(super) fn own(&self) -> Option<&Fields> {
        self.tip.as_ref().map(|tip| &tip.own)
    }

    /// The last number of a name, as far as is known.
    pub(super) fn last(&self, app: &str) -> Option<i64> {
        self.tip.as_ref().and_then(|tip| *tip.numbers.get(app)?)
    }

    /// The version after the newest that is known.
    fn next(&self) -> u64 {
        self.tip.as_ref().map_or(0, |tip| tip.version + 1)
    }
}

impl Table {
    /// Looks at the log as the library does: it lists it.
    pub(super) async fn look(&self, log: &mut Log) -> Result<(), LakeError> {
        let seen = self.now();
        self.refresh(&mut log.table).await?;
        let Some(table) = &log.table else { return Ok(()) };
        let version = self.version(table)?;
        match &mut log.tip {
            Some(tip) if tip.version == version => tip.seen = seen,
            // A list without the newest.
            Some(tip) if tip.version > version => {}
            tip => {
                let schema = self.arrow_schema(table)?;
                let own = own_fields(&schema).map(Arc::clone).collect();
                let numbers = HashMap::new();
                *tip = Some(Tip { version, own, numbers, known_after: version, seen });
            }
        }
        Ok(())
    }

    /// Goes on from what is known to the newest commit. Those in between are asked for by their names, so many
    /// at once; only what was known too long ago is listed.
    pub(super) async fn advance(&self, log: &mut Log, width: u64) -> Result<(), LakeError> {
        let Some(tip) = log.tip.as_mut().filter(|tip| self.is_fresh(tip)) else {
            return self.look(log).await;
        };
        let mut width = width;
        loop {
            let seen = self.now();
            let next = tip.version + 1;
            let read: Vec<_> = self.read_commits(next..next + width).try_collect().await?;
            for (version, commit) in read {
                let Some(commit) = commit else {
                    tip.seen = seen;
                    return Ok(());
                };
                if !self.note(&commit, version, tip)? {
                    return self.look(log).await;
                }
            }
            width = (width * 2).min(limits::COMMITS_READ_AT_ONCE_MAX as u64);
        }
    }

    /// Takes in a commit of another process. `false`: it changes columns, or something that other engines do,
    /// which the library reads.
    fn note(&self, commit: &Bytes, version: u64, tip: &mut Tip) -> Result<bool, LakeError> {
        let actions = get_actions(version, commit).map_err(|error| self.read_error(error))?;
        if actions.iter().any(|action| matches!(action, Action::Metadata(_) | Action::Protocol(_)))
        {
            return Ok(false);
        }
        for Transaction { app_id, version, .. } in transactions(actions) {
            tip.numbers.insert(app_id, Some(version));
        }
        tip.version = version;
        Ok(true)
    }

    fn now(&self) -> (Timestamp, Duration) {
        (self.clock.now(), self.clock.monotonic())
    }

    fn is_fresh(&self, tip: &Tip) -> bool {
        let (time, monotonic) = self.now();
        let by_clock = time.since(tip.seen.0).max(tip.seen.0.since(time));
        by_clock < FRESH_FOR && monotonic.saturating_sub(tip.seen.1) < FRESH_FOR
    }

    /// Makes sure that the log was not listed without its newest commit: whoever goes on from an older one
    /// would write a batch anew that is committed already. The commit is asked for by its name, which no
    /// list is needed for.
    pub(super) async fn check_newest(&self, log: &Log) -> Result<(), LakeError> {
        let next = log.next();
        let commit = self.root.clone().join("_delta_log").join(format!("{next:020}.json"));
        match self.store.head(&commit).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            Ok(_) => Err(self.stale()),
            Err(error) => Err(LakeError::read(&commit, error)),
        }
    }

    fn stale(&self) -> LakeError {
        LakeError::read(&self.root, "the store lists a table's log without its newest commit")
    }

    /// The last number of a name.
    pub(super) async fn number_of(
        &self,
        log: &mut Log,
        app: &str,
    ) -> Result<Option<i64>, LakeError> {
        let Some(tip) = &log.tip else { return Ok(None) };
        if let Some(number) = tip.numbers.get(app) {
            return Ok(*number);
        }
        // The library looks it up in the log, as far as it has seen that.
        let is_behind = |log: &Log| {
            let seen = log.table.as_ref().map(|table| self.version(table)).transpose()?;
            Ok::<_, LakeError>(seen.map_or(0, |seen| seen + 1) < log.next())
        };
        if is_behind(log)? {
            self.look(log).await?;
            if is_behind(log)? {
                return Err(self.stale());
            }
        }
        let (Some(table), Some(tip)) = (&log.table, &mut log.tip) else { return Ok(None) };
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let number = snapshot.transaction_version(self.log_store.as_ref(), app).await;
        let number = number.map_err(|error| self.read_error(error))?;
        tip.numbers.insert(app.to_owned(), number);
        Ok(number)
    }

    /// The last number of a commit's name, or any smaller one.
    async fn last_before(&self, log: &mut Log, ready: &Ready) -> Result<Option<i64>, LakeError> {
        if let (Some(tip), Some(free_at)) = (&mut log.tip, ready.free_at)
            && !tip.numbers.contains_key(&ready.app)
            && self.know_since(tip, free_at).await?
            && !tip.numbers.contains_key(&ready.app)
        {
            return Ok(Some(ready.number - 1));
        }
        self.number_of(log, &ready.app).await
    }

    /// Reads the commits after a version that were not read yet, for the numbers that they gave out. `false`:
    /// they are many, or gone.
    async fn know_since(&self, tip: &mut Tip, version: u64) -> Result<bool, LakeError> {
        let unread = version + 1..tip.known_after + 1;
        if unread.end.saturating_sub(unread.start) > limits::COMMITS_READ_BACK_MAX {
            return Ok(false);
        }
        // The newest first: what is noted is not overwritten.
        let mut reads = self.read_commits(unread.rev());
        while let Some((version, commit)) = reads.try_next().await? {
            let Some(commit) = commit else { return Ok(false) };
            let actions = get_actions(version, &commit).map_err(|error| self.read_error(error))?;
            for Transaction { app_id, version, .. } in transactions(actions) {
                tip.numbers.entry(app_id).or_insert(Some(version));
            }
            tip.known_after = version - 1;
        }
        Ok(true)
    }

    /// Commits by their versions, some at a time; `None` for those that are not there.
    fn read_commits(
        &self,
        versions: impl Iterator<Item = u64> + Send,
    ) -> impl Stream<Item = Result<(u64, Option<Bytes>), LakeError>> + Unpin {
        let reads = versions.map(move |version| async move {
            let read = self.log_store.read_commit_entry(version).await;
            Ok((version, read.map_err(|error| self.read_error(error))?))
        });
        futures::stream::iter(reads).buffered(limits::COMMITS_READ_AT_ONCE_MAX)
    }

    /// Says of a commit as of which version its number is free, if it is.
    pub(super) async fn say_free(&self, log: &mut Log, ready: &mut Ready) -> Result<(), LakeError> {
        let last = self.number_of(log, &ready.app).await?.unwrap_or(0);
        let version = log.tip.as_ref().map(|tip| tip.version);
        ready.free_at = version.filter(|_| last + 1 == ready.number);
        Ok(())
    }

    /// Makes a group part of the table, in one commit. Answers what came of each, and whether another process
    /// was faster at some time.
    pub(super) async fn append(
        &self,
        log: &mut Log,
        group: &[&Ready],
    ) -> (Vec<Result<Outcome, LakeError>>, bool) {
        let (outcomes, was_late) =
            self.append_within(log, group, limits::COMMIT_ATTEMPTS_MAX).await;
        let failed = || Err(LakeError::write(&self.root, "others commit to it all the time"));
        let outcomes = outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(failed));
        (outcomes.collect(), was_late)
    }

    /// The same, until others were faster so many times: nothing came of those without an answer.
    pub(super) async fn append_within(
        &self,
        log: &mut Log,
        group: &[&Ready],
        patience: u32,
    ) -> (Vec<Option<Result<Outcome, LakeError>>>, bool) {
        let mut outcomes = Vec::new();
        outcomes.resize_with(group.len(), || None);
        let mut attempt = 0;
        let ended = loop {
            match self.append_once(log, group, &mut outcomes, attempt > 0).await {
                Ok(false) if attempt < patience => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
            if attempt > 0 {
                pause(attempt).await;
            }
            attempt += 1;
            if let Err(error) = self.advance(log, 2).await {
                break Err(error);
            }
        };
        if let Err(error) = ended {
            for outcome in outcomes.iter_mut().filter(|outcome| outcome.is_none()) {
                *outcome = Some(Err(self.failed_as(&error)));
            }
        }
        (outcomes, attempt > 0)
    }

    /// The error of a commit of several, for each of them.
    fn failed_as(&self, error: &LakeError) -> LakeError {
        match error {
            LakeError::Corrupt { address, reason } => LakeError::corrupt(address, reason),
            LakeError::Encode { table, reason } => LakeError::encode(table, reason),
            error => {
                let reason = match error {
                    LakeError::Unavailable { reason, .. } => reason.clone(),
                    error => error.to_string(),
                };
                LakeError::write(&self.root, reason)
            }
        }
    }

    /// Tries it at the version after the newest that is known. `false`: another process was faster.
    async fn append_once(
        &self,
        log: &mut Log,
        group: &[&Ready],
        outcomes: &mut [Option<Result<Outcome, LakeError>>],
        is_late: bool,
    ) -> Result<bool, LakeError> {
        if !log.tip.as_ref().is_some_and(|tip| self.is_fresh(tip)) {
            self.look(log).await?;
        }
        for (ready, outcome) in group.iter().zip(outcomes.iter_mut()) {
            let last = self.last_before(log, ready).await?;
            if outcome.is_none() && last.is_some_and(|last| last >= ready.number) {
                *outcome = Some(Ok(if is_late { Outcome::Found } else { Outcome::Skipped }));
            }
        }
        if log.table.is_none() {
            let Some(first) = group.first() else { return Ok(true) };
            if !self.begin(log, &first.own).await? {
                return Ok(false);
            }
        }
        let (Some(table), Some(tip)) = (&log.table, &mut log.tip) else { return Ok(false) };
        let mut own = tip.own.clone();
        let (mut actions, mut transactions, mut taken) = (Vec::new(), Vec::new(), Vec::new());
        for (index, ready) in group.iter().enumerate() {
            let Some(outcome @ None) = outcomes.get_mut(index) else { continue };
            match merge(&own, &ready.own) {
                // In turn: where two of them disagree, the first is right.
                Some(merged) => own = merged,
                None => {
                    *outcome = Some(Err(LakeError::Conflict { table: self.name.clone() }));
                    continue;
                }
            }
            // One name twice: the second waits for the next commit.
            if transactions.iter().any(|txn: &Transaction| txn.app_id == ready.app) {
                continue;
            }
            actions.extend(ready.adds.iter().cloned().map(Action::Add));
            transactions.push(Transaction::new(&ready.app, ready.number));
            taken.push(index);
        }
        if taken.is_empty() {
            return Ok(true);
        }
        if own != tip.own {
            actions.push(self.metadata(table, &own)?);
        }
        let (version, sent) = (tip.version + 1, self.now());
        if !self.write_entry(table, version, actions, transactions.clone()).await? {
            return Ok(false);
        }
        (tip.version, tip.own, tip.seen) = (version, own, sent);
        for transaction in transactions {
            tip.numbers.insert(transaction.app_id, Some(transaction.version));
        }
        for index in taken {
            if let Some(outcome) = outcomes.get_mut(index) {
                *outcome = Some(Ok(Outcome::Committed(version)));
            }
        }
        self.checkpoint_if_due(log, version).await;
        Ok(outcomes.iter().all(Option::is_some))
    }

    /// Makes the table. `false`: another process has.
    async fn begin(&self, log: &mut Log, own: &Fields) -> Result<bool, LakeError> {
        match self.create(&event_schema(own.iter().map(Arc::clone))).await {
            Ok(table) => {
                let version = self.version(&table)?;
                let (own, numbers) = (own.clone(), HashMap::new());
                log.tip =
                    Some(Tip { version, own, numbers, known_after: version, seen: self.now() });
                log.table = Some(table);
                Ok(true)
            }
            Err(error) => {
                self.look(log).await?;
                if log.table.is_some() { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Writes a version of the log. `false`: it exists.
    async fn write_entry(
        &self,
        table: &DeltaTable,
        version: u64,
        actions: Vec<Action>,
        transactions: Vec<Transaction>,
    ) -> Result<bool, LakeError> {
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![DAY.to_owned()]),
            predicate: None,
        };
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        // Another engine may have given the table abilities that we do not write.
        PROTOCOL
            .can_commit(snapshot.snapshot(), &actions, &operation)
            .map_err(|error| LakeError::write(&self.root, error))?;
        let commit = CommitData::new(actions, operation, HashMap::new(), transactions);
        let bytes = commit.get_bytes().map_err(|error| LakeError::encode(&self.name, &error))?;
        let entry = CommitOrBytes::LogBytes(bytes);
        match self.log_store.write_commit_entry(version, entry, uuid::Uuid::new_v4()).await {
            Ok(()) => Ok(true),
            Err(TransactionError::VersionAlreadyExists(_)) => Ok(false),
            Err(error) => Err(LakeError::write(&self.root, error)),
        }
    }

    /// Writes a checkpoint where it is time for one. That it can't is no failure: the log is longer to read
    /// until upkeep or a later commit writes one.
    async fn checkpoint_if_due(&self, log: &mut Log, version: u64) {
        if !(version + 1).is_multiple_of(super::CHECKPOINT_EVERY_COMMITS) {
            return;
        }
        let done = match self.look(log).await {
            Ok(()) => match &log.table {
                Some(table) => create_checkpoint(table, None).await.map_err(|e| e.to_string()),
                None => Ok(()),
            },
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = done {
            tracing::warn!(
                table = self.name,
                error,
                "a checkpoint of the log could not be written"
            );
        }
    }
}

/// The numbers that a commit gives out.
fn transactions(actions: Vec<Action>) -> impl Iterator<Item = Transaction> {
    actions.into_iter().filter_map(|action| match action {
        Action::Txn(transaction) => Some(transaction),
        _ => None,
    })
}
