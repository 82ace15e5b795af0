//! A Delta table: its snapshot, and commits that happen exactly once.
//!
//! This is the only module that knows Delta. A commit carries an application transaction (a name
//! and a number): the table remembers the highest number of each name, so that a batch that is
//! committed again after a crash is recognized and skipped. The protocol is kept at reader 1 and
//! writer 2, without deletion vectors or column mapping: every engine reads that.
//!
//! What several tasks of a process commit at the same time becomes one commit ([`door`]); what several
//! processes do, too, once they get in each other's way ([`staging`]). [`log`] writes it.

mod door;
mod log;
mod staging;
mod upkeep;

pub(crate) use upkeep::Replaced;

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{Fields, Schema, SchemaRef};
use base::{Clock, Day, StateStore, Timestamp, fault};
use deltalake_core::{
    DeltaTable, DeltaTableError, TableProperty,
    kernel::{
        Action, Add, LogicalFileView, MetadataExt as _, StructType,
        engine::arrow_conversion::{TryIntoArrow as _, TryIntoKernel as _},
    },
    logstore::{LogStoreRef, StorageConfig, default_logstore},
    operations::create::CreateBuilder,
};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path, prefix::PrefixStore};
use serde_json::json;
use tokio::sync::Mutex;
use url::Url;

use self::{door::Door, log::Log, staging::Staging};
use crate::{
    LakeError, index,
    schema::{DAY, TIME, event_schema},
    snapshot::{DataFile, TableSnapshot},
    write::WrittenFile,
};

/// After how many commits a checkpoint of the log is written: opening a table reads the last
/// checkpoint and the commits after it.
const CHECKPOINT_EVERY_COMMITS: u64 = 50;

/// A table of the lake, open in this process.
#[derive(Debug)]
pub struct Table {
    name: String,
    root: Path,
    store: Arc<dyn ObjectStore>,
    log_store: LogStoreRef,
    clock: Arc<dyn Clock>,
    log: Mutex<Log>,
    door: Door,
    /// `None` where one process alone writes.
    staging: Option<Staging>,
}

/// Files to become part of a table, in one step.
#[derive(Debug)]
pub struct Commit {
    /// Who commits: the name of the application transaction.
    pub app: String,
    /// The number of this commit of `app`'s: one more than its last.
    pub number: i64,
    /// The columns of the source, those of `files` included.
    pub own: Fields,
    /// The files.
    pub files: Vec<WrittenFile>,
}

/// A commit whose files are stored.
#[derive(Debug, Clone, PartialEq)]
struct Ready {
    app: String,
    number: i64,
    own: Fields,
    adds: Vec<Add>,
    /// A version of the log as of which the name's last number is the one before this; `None`: it was not looked.
    free_at: Option<u64>,
}

/// A file that is stored, and about to become part of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// Where it is, relative to the table's folder.
    pub(crate) path: String,
    pub(crate) day: Day,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) time_min: Timestamp,
    pub(crate) time_max: Timestamp,
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is part of the table, as of this version.
    Committed(u64),
    /// Its number was part of the table already.
    Skipped,
    /// Its number became part of the table while this was tried: by a try whose answer was lost, if nobody
    /// else commits under this name.
    Found,
}

impl Table {
    pub(crate) fn new(
        name: &str,
        root: Path,
        url: &Url,
        store: Arc<dyn ObjectStore>,
        clock: Arc<dyn Clock>,
        shared: Option<Arc<dyn StateStore>>,
    ) -> Self {
        let prefixed: Arc<dyn ObjectStore> =
            Arc::new(PrefixStore::new(Arc::clone(&store), root.clone()));
        let log_store =
            default_logstore(prefixed, Arc::clone(&store), url, &StorageConfig::default());
        let staging = shared.map(|state| Staging::new(name, state, Arc::clone(&clock)));
        let (name, log, door) = (name.to_owned(), Mutex::default(), Door::default());
        Self { name, root, store, log_store, clock, log, door, staging }
    }

    /// Behaves for a while as if others had been met.
    pub(crate) fn expect_others(&self) {
        if let Some(staging) = &self.staging {
            staging.is_busy_now();
        }
    }

    /// The table's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source's columns; empty while the table does not exist.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if the table can't be read.
    pub async fn own_fields(&self) -> Result<Fields, LakeError> {
        let mut log = self.log.lock().await;
        self.advance(&mut log, 1).await?;
        Ok(log.own().cloned().unwrap_or_else(Fields::empty))
    }

    /// The source's columns as far as this process knows, which costs no request where it has committed
    /// before. A commit tells if others made columns that do not go with them.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if the table can't be read.
    pub async fn known_fields(&self) -> Result<Fields, LakeError> {
        let mut log = self.log.lock().await;
        if log.own().is_none() {
            self.look(&mut log).await?;
        }
        Ok(log.own().cloned().unwrap_or_else(Fields::empty))
    }

    /// The number of the last commit of `app`'s; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if the table can't be read.
    pub async fn last_commit_of(&self, app: &str) -> Result<Option<i64>, LakeError> {
        let mut log = self.log.lock().await;
        self.advance(&mut log, 1).await?;
        self.check_newest(&log).await?;
        self.number_of(&mut log, app).await
    }

    /// The same, for who goes on from there: what another process has staged under the name becomes part of
    /// the table, and nothing that it stages later does.
    ///
    /// # Errors
    ///
    /// As [`Self::last_commit_of`].
    pub async fn take_over(&self, app: &str) -> Result<Option<i64>, LakeError> {
        loop {
            let last = self.last_commit_of(app).await?;
            let Some(staging) = &self.staging else { return Ok(last) };
            let Some(staged) = staging.seal(app, last.unwrap_or(0) + 1).await? else {
                return Ok(last);
            };
            let mut log = self.log.lock().await;
            let (outcomes, _) = self.append(&mut log, &[&staged.ready]).await;
            for outcome in outcomes {
                match outcome {
                    Err(LakeError::Conflict { .. }) => staging.refuse(&staged).await?,
                    outcome => _ = outcome?,
                }
            }
        }
    }

    /// Uploads the files and makes them part of the table, once.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: nothing was changed (files may be left over; they are no part of
    /// the table), try again. [`LakeError::Conflict`]: the columns changed meanwhile, make the
    /// batch again. [`LakeError::TakenOver`]: another process goes on under this name.
    pub async fn commit(&self, commit: &Commit) -> Result<Outcome, LakeError> {
        let adds = self.upload_all(commit).await?;
        fault::reach(fault::Point::Uploaded);
        let (app, own) = (commit.app.clone(), commit.own.clone());
        self.enter(Ready { app, number: commit.number, own, adds, free_at: None }).await
    }

    /// The table as it is now, for reading; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if it can't be read, [`LakeError::Corrupt`] if it is no table of
    /// dab's.
    pub async fn snapshot(&self) -> Result<Option<TableSnapshot>, LakeError> {
        let mut log = self.log.lock().await;
        self.look(&mut log).await?;
        let Some(table) = log.table.as_ref() else { return Ok(None) };
        let schema = self.arrow_schema(table)?;
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        Ok(Some(TableSnapshot {
            name: self.name.clone(),
            version: i64::try_from(snapshot.version()).unwrap_or(i64::MAX),
            schema,
            files: self.data_files(table)?,
            store: Arc::clone(&self.store),
            root: self.root.clone(),
        }))
    }

    fn data_files(&self, table: &DeltaTable) -> Result<Vec<DataFile>, LakeError> {
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        snapshot.log_data().iter().map(|file| self.data_file(&file)).collect()
    }

    fn data_file(&self, file: &LogicalFileView) -> Result<DataFile, LakeError> {
        let partition = file.partition_values_map();
        let day = partition.get(DAY).and_then(Option::as_deref).and_then(Day::parse);
        let day = day.ok_or_else(|| {
            LakeError::corrupt(&self.root, format!("file `{}` has no `day`", file.path()))
        })?;
        let stats: serde_json::Value =
            file.stats().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let time = |bound: &str| stats.get(bound)?.get(TIME)?.as_str().and_then(stat_bound);
        Ok(DataFile {
            path: file.object_store_path(),
            bytes: u64::try_from(file.size()).unwrap_or(0),
            rows: stats.get("numRecords").and_then(serde_json::Value::as_u64),
            day,
            time_min: time("minValues").map(|(time, _)| time),
            // Other writers cut maxima to milliseconds: look a little further.
            time_max: time("maxValues")
                .map(|(time, is_exact)| if is_exact { time } else { time.plus_micros(999) }),
        })
    }

    fn arrow_schema(&self, table: &DeltaTable) -> Result<SchemaRef, LakeError> {
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let schema: Schema = snapshot
            .schema()
            .as_ref()
            .try_into_arrow()
            .map_err(|error| LakeError::corrupt(&self.root, error))?;
        Ok(Arc::new(schema))
    }

    /// Brings the state up to the table's last version, opening it if it exists by now.
    async fn refresh(&self, state: &mut Option<DeltaTable>) -> Result<(), LakeError> {
        if let Some(table) = state {
            return table.update_state().await.map_err(|error| self.read_error(error));
        }
        let mut table = DeltaTable::new(Arc::clone(&self.log_store));
        let mut was_there = false;
        while let Err(error) = table.load().await {
            // The library's error for a table that is not there differs by version and store,
            // so the store itself is asked.
            if !self.exists().await? {
                return Ok(());
            }
            // One that was made in the meantime is read the second time.
            if was_there {
                return Err(self.read_error(error));
            }
            was_there = true;
        }
        *state = Some(table);
        Ok(())
    }

    async fn exists(&self) -> Result<bool, LakeError> {
        use futures::StreamExt as _;
        let log = self.root.clone().join("_delta_log");
        match self.store.list(Some(&log)).next().await {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(LakeError::read(&self.root, error)),
        }
    }

    async fn create(&self, schema: &SchemaRef) -> Result<DeltaTable, LakeError> {
        let columns: StructType = schema
            .as_ref()
            .try_into_kernel()
            .map_err(|error| LakeError::encode(&self.name, &error))?;
        CreateBuilder::new()
            .with_log_store(Arc::clone(&self.log_store))
            .with_table_name(&self.name)
            .with_columns(columns.fields().cloned())
            .with_partition_columns([DAY])
            .with_configuration_property(TableProperty::DataSkippingStatsColumns, Some(TIME))
            .with_configuration_property(
                TableProperty::CheckpointInterval,
                Some(CHECKPOINT_EVERY_COMMITS.to_string()),
            )
            .await
            .map_err(|error| LakeError::write(&self.root, error))
    }

    /// The action that gives the table these columns.
    fn metadata(&self, table: &DeltaTable, own: &Fields) -> Result<Action, LakeError> {
        let schema: StructType = event_schema(own.iter().map(Arc::clone))
            .as_ref()
            .try_into_kernel()
            .map_err(|error| LakeError::encode(&self.name, &error))?;
        let snapshot = table.snapshot().map_err(|error| self.read_error(error))?;
        let metadata = snapshot.metadata().clone().with_schema(&schema);
        metadata.map(Action::Metadata).map_err(|error| LakeError::encode(&self.name, &error))
    }

    /// Uploads all files, or none: on a full disk, what is left of a failed try must not fill it
    /// further.
    async fn upload_all(&self, commit: &Commit) -> Result<Vec<Add>, LakeError> {
        let mut adds = Vec::with_capacity(commit.files.len());
        for (part, file) in commit.files.iter().enumerate() {
            match self.upload(commit, part, file).await {
                Ok(add) => adds.push(add),
                Err(error) => {
                    for add in &adds {
                        self.remove_file(&add.path).await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(adds)
    }

    /// Removes a file that did not become part of the table, and its index, as far as that is possible.
    async fn remove_file(&self, path: &str) {
        let data = Path::from(path);
        for path in [index::path_of(&data), data] {
            let address = self.address(&path);
            match self.store.delete(&address).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::debug!(%address, %error, "a file that came to nothing is left over");
                }
            }
        }
    }

    /// Where a path of the table's folder is in the store.
    fn address(&self, path: &Path) -> Path {
        Path::from_iter(self.root.parts().chain(path.parts()))
    }

    /// Stores the index of a data file. That it can't is no failure: the file is read as a whole then.
    pub(crate) async fn put_index(&self, data: &str, index: bytes::Bytes) {
        let address = self.address(&index::path_of(&Path::from(data)));
        if let Err(error) = self.store.put(&address, PutPayload::from_bytes(index)).await {
            tracing::warn!(%address, %error, "an index could not be stored");
        }
    }

    async fn upload(
        &self,
        commit: &Commit,
        part: usize,
        file: &WrittenFile,
    ) -> Result<Add, LakeError> {
        let app = commit.app.replace('/', "-");
        let name = format!("{app}-{:012}-{part:03}", commit.number);
        let new = self.upload_as(&name, file).await?;
        Ok(self.add_action(&new, true))
    }

    /// Stores a file under a name of its own for every try: a file that is part of the table is never
    /// overwritten.
    async fn upload_as(&self, name: &str, file: &WrittenFile) -> Result<NewFile, LakeError> {
        let unique = uuid::Uuid::new_v4().simple();
        let path = format!("{DAY}={}/{name}-{unique}.parquet", file.day);
        let address = Path::from(format!("{}/{path}", self.root));
        let payload = PutPayload::from_bytes(file.bytes.clone());
        self.store
            .put(&address, payload)
            .await
            .map_err(|error| LakeError::write(&address, error))?;
        if let Some(index) = &file.index {
            self.put_index(&path, index.clone()).await;
        }
        Ok(NewFile {
            path,
            day: file.day,
            bytes: file.bytes.len() as u64,
            rows: file.rows,
            time_min: file.time_min,
            time_max: file.time_max,
        })
    }

    fn add_action(&self, file: &NewFile, data_change: bool) -> Add {
        Add {
            path: file.path.clone(),
            partition_values: HashMap::from([(DAY.to_owned(), Some(file.day.to_string()))]),
            size: i64::try_from(file.bytes).unwrap_or(i64::MAX),
            modification_time: self.clock.now().as_micros() / 1000,
            data_change,
            stats: Some(
                json!({
                    "numRecords": file.rows,
                    "minValues": {TIME: stat_time(file.time_min)},
                    "maxValues": {TIME: stat_time(file.time_max)},
                    "nullCount": {TIME: 0},
                })
                .to_string(),
            ),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        }
    }

    fn read_error(&self, error: DeltaTableError) -> LakeError {
        LakeError::read(&self.root, error)
    }
}

/// A time as our statistics hold it: ISO 8601 with microseconds.
fn stat_time(time: Timestamp) -> String {
    let fraction = time.as_micros().rem_euclid(1_000_000);
    let seconds = time.plus_micros(-fraction).to_string();
    format!("{}.{fraction:06}Z", seconds.trim_end_matches('Z'))
}

/// A time from anybody's statistics, and whether it has microseconds.
fn stat_bound(text: &str) -> Option<(Timestamp, bool)> {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    Some((Timestamp::parse(text)?, digits >= 6))
}
