//! Commits that change how a table is stored, or drop what is too old.
//!
//! The library's own check for conflicts is not relied on here: it lets two compactions of the same
//! files both pass, which would double their rows, since removals that change no data count as
//! harmless. So a commit of upkeep is tried at exactly the version after the one that was looked at.
//! If someone was faster it looks again, and goes on only if every file that it removes is still
//! part of the table.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arrow::datatypes::Fields;
use base::{Day, Timestamp, limits};
use deltalake_core::{
    DeltaTable, DeltaTableError,
    kernel::{
        Action,
        transaction::{CommitBuilder, CommitProperties, TableReference, TransactionError},
    },
    protocol::{
        DeltaOperation, SaveMode,
        checkpoints::{cleanup_expired_logs_for, create_checkpoint},
    },
};
use futures::TryStreamExt as _;
use object_store::path::Path;

use super::{NewFile, Table};
use crate::{
    LakeError,
    schema::{DAY, merge, own_fields},
    snapshot::DataFile,
    write::WrittenFile,
};

/// What came of replacing files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replaced {
    /// The new files are the table's, as of this version.
    Committed(u64),
    /// Someone else has removed some of the old files: the new ones are no part of the table.
    Gone,
}

/// What a commit that replaces files says of their rows.
enum Swap<'f> {
    /// They are the same.
    SameRows,
    /// They are others, and may have these columns beside the table's.
    OtherRows(&'f Fields),
}

/// Files that a table's log names, relative to its folder.
#[derive(Debug)]
pub(crate) struct Named {
    /// Those that are part of it, or staged to become so.
    pub(crate) live: HashSet<Path>,
    /// Those that no longer are, and since when.
    pub(crate) removed: HashMap<Path, Timestamp>,
}

impl Table {
    /// Puts `new` files with the same rows in the place of `old` ones, in one commit, while others
    /// write.
    ///
    /// # Errors
    ///
    /// [`LakeError::Conflict`] if others were faster again and again, [`LakeError::Unavailable`] if
    /// it is not known whether it was done: leave the new files where they are.
    pub(crate) async fn replace(
        &self,
        old: &[DataFile],
        new: &[NewFile],
    ) -> Result<Replaced, LakeError> {
        self.swap(old, new, &Swap::SameRows).await
    }

    /// One commit that takes `old` files out and puts `new` ones in: tried until nobody was faster, or one
    /// of the old ones is gone.
    async fn swap(
        &self,
        old: &[DataFile],
        new: &[NewFile],
        swap: &Swap<'_>,
    ) -> Result<Replaced, LakeError> {
        for attempt in 0..limits::REWRITE_ATTEMPTS_MAX {
            let mut log = self.log.lock().await;
            self.look(&mut log).await?;
            let Some(table) = log.table.as_ref() else { return Ok(Replaced::Gone) };
            let live = self.live(table)?;
            // An answer that was lost on its way: the commit is there all the same.
            let is_done = new.iter().all(|file| live.contains(&Path::from(file.path.as_str())));
            if is_done && !new.is_empty() {
                return Ok(Replaced::Committed(self.version(table)?));
            }
            if !old.iter().all(|file| live.contains(&file.path)) {
                return Ok(Replaced::Gone);
            }
            let (actions, operation) = self.swapping(table, old, new, swap)?;
            if let Some(version) = self.at_next_version(table, actions, operation).await? {
                self.look(&mut log).await?;
                return Ok(Replaced::Committed(version));
            }
            drop(log);
            pause(attempt).await;
        }
        Err(LakeError::Conflict { table: self.name.clone() })
    }

    fn swapping(
        &self,
        table: &DeltaTable,
        old: &[DataFile],
        new: &[NewFile],
        swap: &Swap<'_>,
    ) -> Result<(Vec<Action>, DeltaOperation), LakeError> {
        let changes_rows = matches!(swap, Swap::OtherRows(_));
        let leaving = old.iter().map(|file| &file.path).collect();
        let mut actions = self.removals(table, &leaving, changes_rows)?;
        actions.extend(new.iter().map(|file| Action::Add(self.add_action(file, changes_rows))));
        let operation = match swap {
            Swap::SameRows => {
                let target_size = i64::try_from(limits::COMPACT_TARGET_BYTES).unwrap_or(i64::MAX);
                DeltaOperation::Optimize { predicate: None, target_size }
            }
            Swap::OtherRows(own) => {
                let current = self.arrow_schema(table)?;
                let before: Fields = own_fields(&current).map(Arc::clone).collect();
                let after = merge(&before, own)
                    .ok_or_else(|| LakeError::Conflict { table: self.name.clone() })?;
                if after != before {
                    actions.push(self.metadata(table, &after)?);
                }
                DeltaOperation::Write {
                    mode: SaveMode::Append,
                    partition_by: Some(vec![DAY.to_owned()]),
                    predicate: None,
                }
            }
        };
        Ok((actions, operation))
    }

    /// Stores files that are to become part of the table by [`Self::exchange`].
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: what was stored is no part of the table; try again.
    pub(crate) async fn upload_new(
        &self,
        files: &[WrittenFile],
    ) -> Result<Vec<NewFile>, LakeError> {
        let mut new = Vec::with_capacity(files.len());
        for file in files {
            match self.upload_as("replayed", file).await {
                Ok(file) => new.push(file),
                Err(error) => {
                    self.discard(&new).await;
                    return Err(error);
                }
            }
        }
        Ok(new)
    }

    /// Removes files that did not become part of the table, as far as that is possible.
    pub(crate) async fn discard(&self, files: &[NewFile]) {
        for file in files {
            self.remove_file(&file.path).await;
        }
    }

    /// Puts `new` files in the place of `old` ones, in one commit, while others write. They may have other
    /// rows and, as `own` says, other columns.
    ///
    /// # Errors
    ///
    /// As [`Self::replace`]; [`LakeError::Conflict`] also if others have made columns of another type.
    pub(crate) async fn exchange(
        &self,
        old: &[DataFile],
        new: &[NewFile],
        own: &Fields,
    ) -> Result<Replaced, LakeError> {
        self.swap(old, new, &Swap::OtherRows(own)).await
    }

    /// Drops all days before `before` from the table, in one commit. Answers the files that were
    /// dropped; their bytes are still there.
    ///
    /// # Errors
    ///
    /// As [`Self::replace`].
    pub(crate) async fn drop_days(&self, before: Day) -> Result<Vec<DataFile>, LakeError> {
        for attempt in 0..limits::REWRITE_ATTEMPTS_MAX {
            let mut log = self.log.lock().await;
            self.look(&mut log).await?;
            let Some(table) = log.table.as_ref() else { return Ok(Vec::new()) };
            let mut old = self.data_files(table)?;
            old.retain(|file| file.day < before);
            if old.is_empty() {
                return Ok(old);
            }
            let leaving = old.iter().map(|file| &file.path).collect();
            let actions = self.removals(table, &leaving, true)?;
            let predicate = Some(format!("day < '{before}'"));
            let operation = DeltaOperation::Delete { predicate };
            if self.at_next_version(table, actions, operation).await?.is_some() {
                self.look(&mut log).await?;
                return Ok(old);
            }
            drop(log);
            pause(attempt).await;
        }
        Err(LakeError::Conflict { table: self.name.clone() })
    }

    /// Writes a checkpoint of the log, and removes the part of the log that lies before a checkpoint
    /// and was written before `expired`. Answers how many files that were.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: the table is as it was, try again.
    pub(crate) async fn tidy_log(&self, expired: Timestamp) -> Result<usize, LakeError> {
        let mut log = self.log.lock().await;
        self.look(&mut log).await?;
        let Some(table) = log.table.as_ref() else { return Ok(0) };
        let failed = |error| LakeError::write(&self.root, error);
        create_checkpoint(table, None).await.map_err(failed)?;
        let version = self.version(table)?;
        let cutoff = expired.as_micros() / 1000;
        cleanup_expired_logs_for(version, self.log_store.as_ref(), cutoff, None)
            .await
            .map_err(failed)
    }

    /// All files that the log names, or that are staged; `None` if there is no log.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if it can't be read.
    pub(crate) async fn named(&self) -> Result<Option<Named>, LakeError> {
        // Before the log: what is committed in between is seen there.
        let staged = match &self.staging {
            Some(staging) => staging.staged().await?,
            None => Vec::new(),
        };
        let mut log = self.log.lock().await;
        self.look(&mut log).await?;
        let Some(table) = log.table.as_ref() else { return Ok(None) };
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let removed = snapshot
            .all_tombstones(&self.log_store)
            .map_ok(|removed| {
                let millis = removed.deletion_timestamp().unwrap_or(0);
                let time = Timestamp::from_micros(millis.saturating_mul(1000));
                (Path::from(removed.path().as_ref()), time)
            })
            .try_collect()
            .await
            .map_err(|error| self.read_error(error))?;
        let mut live = self.live(table)?;
        let adds = staged.iter().flat_map(|staged| &staged.ready.adds);
        live.extend(adds.map(|add| Path::from(add.path.as_str())));
        Ok(Some(Named { live, removed }))
    }

    fn live(&self, table: &DeltaTable) -> Result<HashSet<Path>, LakeError> {
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        Ok(snapshot.log_data().iter().map(|file| file.object_store_path()).collect())
    }

    pub(super) fn version(&self, table: &DeltaTable) -> Result<u64, LakeError> {
        Ok(table.snapshot().map_err(|error| self.read_error(error))?.version())
    }

    fn removals(
        &self,
        table: &DeltaTable,
        leaving: &HashSet<&Path>,
        data_change: bool,
    ) -> Result<Vec<Action>, LakeError> {
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let now = self.clock.now().as_micros() / 1000;
        let log = snapshot.log_data();
        let leaving = log.iter().filter(|file| leaving.contains(&file.object_store_path()));
        let removal = |file: deltalake_core::kernel::LogicalFileView| {
            let mut removal = file.remove_action(data_change);
            removal.deletion_timestamp = Some(now);
            Action::Remove(removal)
        };
        Ok(leaving.map(removal).collect())
    }

    /// Commits at the version after the table's; `None` if someone else has.
    async fn at_next_version(
        &self,
        table: &DeltaTable,
        actions: Vec<Action>,
        operation: DeltaOperation,
    ) -> Result<Option<u64>, LakeError> {
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_create_checkpoint(false)
            .with_cleanup_expired_logs(Some(false));
        let done = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(
                Some(snapshot.snapshot() as &dyn TableReference),
                Arc::clone(&self.log_store),
                operation,
            )
            .await;
        match done {
            Ok(done) => Ok(Some(done.version())),
            Err(DeltaTableError::Transaction {
                source:
                    TransactionError::MaxCommitAttempts(_)
                    | TransactionError::CommitConflict(_)
                    | TransactionError::VersionAlreadyExists(_),
            }) => Ok(None),
            Err(error) => Err(LakeError::write(&self.root, error)),
        }
    }
}

/// Waits before the next try: twice as long each time, and not exactly as long as another that lost.
pub(super) async fn pause(attempt: u32) {
    let millis = 10_u64 << attempt.min(6);
    let jitter = uuid::Uuid::new_v4().as_u128() % u128::from(millis);
    let jitter = u64::try_from(jitter).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(millis + jitter)).await;
}
