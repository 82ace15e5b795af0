//! The lake as a whole: a prefix on an object store, with its tables and batches.

mod cold;
mod listing;

use std::{
    collections::HashMap,
    fs::{File, TryLockError},
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use base::{Clock, Match, Quarantined, StateStore, fault};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    ObjectStore, ObjectStoreExt as _, PutPayload, WriteMultipart, local::LocalFileSystem,
    path::Path,
};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use url::Url;

use crate::{
    LakeError,
    batch::{Batch, Manifest},
    counted::{Counted, RequestCounts, Requests},
    layout,
    query::ExternalTable,
    snapshot::{Catalog, TableSnapshot},
    state::{LocalState, ObjectState},
    table::Table,
};

/// A lake: everything dab stores, under one prefix.
#[derive(Debug)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    /// The requests to the store.
    requests: Arc<RequestCounts>,
    root: Path,
    url: Url,
    /// The folder, where the lake is one.
    folder: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    tables: Mutex<HashMap<String, Arc<Table>>>,
    /// Whether other processes are expected to commit to the same tables.
    expects_others: bool,
    external: Arc<[ExternalTable]>,
}

/// Held while a process writes to a lake that is a folder; the lock goes with the process.
#[derive(Debug)]
pub struct WriteLock(
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")] File,
);

impl Lake {
    /// A lake in a folder, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if the folder can't be made or used.
    pub fn in_folder(folder: &FilePath, clock: Arc<dyn Clock>) -> Result<Self, LakeError> {
        let address = folder.display();
        std::fs::create_dir_all(folder).map_err(|error| LakeError::write(&address, error))?;
        let folder = folder.canonicalize().map_err(|error| LakeError::read(&address, error))?;
        let root =
            Path::from_absolute_path(&folder).map_err(|error| LakeError::read(&address, error))?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| LakeError::corrupt(&address, "not an absolute path"))?;
        let store = Counted::local(Arc::new(LocalFileSystem::new()));
        Ok(Self { folder: Some(folder), ..Self::on_counted(store, root, url, clock) })
    }

    /// A lake under `root` on an object store; `url` is the address of `root`.
    #[must_use]
    pub fn on_store(
        store: Arc<dyn ObjectStore>,
        root: Path,
        url: Url,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::on_counted(Counted::new(store), root, url, clock)
    }

    fn on_counted(store: Counted, root: Path, url: Url, clock: Arc<dyn Clock>) -> Self {
        let requests = store.counts();
        let (store, tables) = (Arc::new(store), Mutex::new(HashMap::new()));
        let (external, expects_others) = (Arc::from([]), false);
        Self { store, requests, root, url, folder: None, clock, tables, expects_others, external }
    }

    /// The same lake, as if it were opened by another process: its tables are opened anew.
    #[must_use]
    pub fn another_handle(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            requests: Arc::clone(&self.requests),
            root: self.root.clone(),
            url: self.url.clone(),
            folder: self.folder.clone(),
            clock: Arc::clone(&self.clock),
            tables: Mutex::new(HashMap::new()),
            expects_others: self.expects_others,
            external: Arc::clone(&self.external),
        }
    }

    /// The same lake, whose queries may read these files of others as well.
    #[must_use]
    pub fn with_external_tables(self, tables: Vec<ExternalTable>) -> Self {
        Self { external: tables.into(), ..self }
    }

    /// The same lake, as if this process had met others that commit to the same tables: its commits are staged
    /// from the first one on.
    #[must_use]
    pub fn expecting_others(self) -> Self {
        Self { expects_others: true, ..self }
    }

    /// The folder, where the lake is one.
    #[must_use]
    pub fn folder(&self) -> Option<&FilePath> {
        self.folder.as_deref()
    }

    /// The store for small state that lies beside the tables.
    ///
    /// # Errors
    ///
    /// Those of [`LocalState::open`].
    pub fn state(&self) -> Result<Arc<dyn StateStore>, LakeError> {
        Ok(match &self.folder {
            Some(folder) => Arc::new(LocalState::open(&folder.join(layout::STATE))?),
            None => Arc::new(ObjectState::new(Arc::clone(&self.store), self.path(layout::STATE))),
        })
    }

    /// The searches that are saved in the lake. Apart from other state, so that they may be written
    /// while a pipeline runs.
    ///
    /// # Errors
    ///
    /// If the folder can't be used.
    pub fn saved_searches(&self) -> Result<Arc<dyn StateStore>, LakeError> {
        let place = layout::SAVED_SEARCHES;
        Ok(match &self.folder {
            Some(folder) => Arc::new(LocalState::open(&folder.join(place))?),
            None => Arc::new(ObjectState::new(Arc::clone(&self.store), self.path(place))),
        })
    }

    /// How many requests this process has sent to its store, by all handles.
    #[must_use]
    pub fn requests(&self) -> Requests {
        self.requests.now()
    }

    /// The clock that it goes by.
    #[must_use]
    pub const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The time, as this lake has it.
    #[must_use]
    pub fn now(&self) -> base::Timestamp {
        self.clock.now()
    }

    /// The address of an object, for messages.
    #[must_use]
    pub fn address(&self, key: &str) -> String {
        format!("{}/{key}", self.url.as_str().trim_end_matches('/'))
    }

    /// Makes this process the only one that writes, where the lake is a folder. On a bucket there
    /// is nothing to lock: writers claim their sources in its state.
    ///
    /// # Errors
    ///
    /// [`LakeError::InUse`] if another process writes.
    pub fn lock(&self) -> Result<Option<WriteLock>, LakeError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let path = folder.join("dab.lock");
        let address = path.display();
        let file = File::create(&path).map_err(|error| LakeError::write(&address, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(WriteLock(file))),
            Err(TryLockError::WouldBlock) => Err(LakeError::InUse { address: address.to_string() }),
            Err(TryLockError::Error(error)) => Err(LakeError::write(&address, error)),
        }
    }

    /// The table of that name, whether it exists yet or not.
    ///
    /// # Errors
    ///
    /// [`LakeError::Corrupt`] if there can be no table of that name.
    pub async fn table(&self, name: &str) -> Result<Arc<Table>, LakeError> {
        let mut tables = self.tables.lock().await;
        if let Some(table) = tables.get(name) {
            return Ok(Arc::clone(table));
        }
        let key = layout::table(name);
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| LakeError::corrupt(&self.url, "an address that has no path"))?
            .pop_if_empty()
            .extend(key.split('/'))
            .push("");
        // A folder is one process' at a time.
        let shared = if self.folder.is_some() { None } else { Some(self.state()?) };
        let table = Arc::new(Table::new(
            name,
            self.path(&key),
            &url,
            Arc::clone(&self.store),
            Arc::clone(&self.clock),
            shared,
        ));
        if self.expects_others {
            table.expect_others();
        }
        tables.insert(name.to_owned(), Arc::clone(&table));
        Ok(table)
    }

    /// The tables of these names; all there are if `names` is empty.
    ///
    /// # Errors
    ///
    /// [`LakeError::Asked`] if there is no such table, [`LakeError::Unavailable`] if they can't be
    /// listed.
    pub async fn tables(&self, names: &[String]) -> Result<Vec<String>, LakeError> {
        let mut known = self.table_names().await?;
        known.sort_unstable();
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            return Err(LakeError::Asked {
                message: format!("there is no table `{name}`"),
                help: "choose one that `dab tables` lists".into(),
            });
        }
        known.retain(|name| names.is_empty() || names.contains(name));
        Ok(known)
    }

    /// Writes all of a batch but its files. It counts only once the table has its number.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn stage(&self, batch: &mut Batch) -> Result<(), LakeError> {
        let manifest = &mut batch.manifest;
        if let (Some(cold), Some(bytes)) = (&mut manifest.cold, &batch.cold) {
            cold.bytes_stored = bytes.len() as u64;
            self.put(&cold.key, bytes.clone()).await?;
        }
        if !batch.quarantined.is_empty() {
            let key = layout::quarantine(&manifest.log_source, &manifest.source, manifest.number);
            self.put(&key, json_lines(&batch.quarantined, &key)?).await?;
            manifest.quarantine = Some(key);
        }
        if !batch.matches.is_empty() {
            let key = layout::matches(&manifest.source, manifest.number);
            self.put(&key, json_lines(&batch.matches, &key)?).await?;
        }
        let key = layout::manifest(&manifest.source, manifest.number);
        let json = serde_json::to_vec(manifest).map_err(|error| LakeError::encode(&key, &error))?;
        self.put(&key, json.into()).await?;
        fault::reach(fault::Point::Staged);
        Ok(())
    }

    /// Reads the manifest of a batch that was committed.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if it is missing or broken.
    pub async fn manifest(&self, source: &str, number: u64) -> Result<Manifest, LakeError> {
        let key = layout::manifest(source, number);
        let bytes = self.get(&key).await?;
        let bytes = bytes.ok_or_else(|| LakeError::corrupt(self.address(&key), "it is missing"))?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| LakeError::corrupt(self.address(&key), error))?;
        if manifest.version > crate::batch::MANIFEST_VERSION {
            let reason = format!("version {} is newer than this dab", manifest.version);
            return Err(LakeError::corrupt(self.address(&key), reason));
        }
        Ok(manifest)
    }

    /// Reads the matches of a batch.
    ///
    /// # Errors
    ///
    /// As [`Self::manifest`].
    pub async fn matches(&self, source: &str, number: u64) -> Result<Vec<Match>, LakeError> {
        self.read_lines(&layout::matches(source, number)).await
    }

    /// Reads an object of quarantined records.
    ///
    /// # Errors
    ///
    /// As [`Self::manifest`].
    pub async fn quarantined(&self, key: &str) -> Result<Vec<Quarantined>, LakeError> {
        self.read_lines(key).await
    }

    /// Replaces an object of quarantined records; removes it when none are left.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn replace_quarantined(
        &self,
        key: &str,
        left: &[Quarantined],
    ) -> Result<(), LakeError> {
        if left.is_empty() {
            self.delete(key).await
        } else {
            self.put(key, json_lines(left, key)?).await
        }
    }

    /// Writes an object, whole.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn put(&self, key: &str, bytes: Bytes) -> Result<(), LakeError> {
        let done = self.store.put(&self.path(key), PutPayload::from_bytes(bytes)).await;
        done.map(drop).map_err(|error| LakeError::write(self.address(key), error))
    }

    /// Writes an object out of a file, from its start, a few megabytes at a time.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn put_file(&self, key: &str, file: File) -> Result<(), LakeError> {
        let failed = |error: object_store::Error| LakeError::write(self.address(key), error);
        let mut upload =
            WriteMultipart::new(self.store.put_multipart(&self.path(key)).await.map_err(failed)?);
        let mut offset = 0;
        loop {
            let read = read_part(&file, offset);
            let part = match read {
                Ok(part) => part,
                Err(error) => return Err(LakeError::read("a temporary file", error)),
            };
            if part.is_empty() {
                break;
            }
            offset += part.len() as u64;
            upload.wait_for_capacity(2).await.map_err(failed)?;
            upload.put(part.into());
        }
        upload.finish().await.map(drop).map_err(failed)
    }

    /// Reads an object; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        let read = match self.store.get(&self.path(key)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        read.map(Some).map_err(|error| LakeError::read(self.address(key), error))
    }

    /// Removes an object; it need not exist.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn delete(&self, key: &str) -> Result<(), LakeError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(LakeError::write(self.address(key), error)),
        }
    }

    /// The keys under a folder of the lake, in order.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn list(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        let prefix = self.path(folder);
        let root = format!("{}/", self.root);
        let found = self.store.list(Some(&prefix)).map(|meta| {
            let location = meta?.location.to_string();
            let key = location.strip_prefix(root.as_str()).unwrap_or(&location);
            Ok::<_, object_store::Error>(key.to_owned())
        });
        let mut keys: Vec<String> = found
            .try_collect()
            .await
            .map_err(|error| LakeError::read(self.address(folder), error))?;
        keys.sort_unstable();
        Ok(keys)
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    async fn read_lines<T: DeserializeOwned>(&self, key: &str) -> Result<Vec<T>, LakeError> {
        let Some(bytes) = self.get(key).await? else { return Ok(Vec::new()) };
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| LakeError::corrupt(self.address(key), error))
    }
}

fn read_part(file: &File, offset: u64) -> std::io::Result<Vec<u8>> {
    use std::io::{Read as _, Seek as _};
    let mut file = file;
    let mut part = Vec::new();
    file.seek(std::io::SeekFrom::Start(offset))?;
    file.take(8 << 20).read_to_end(&mut part)?;
    Ok(part)
}

fn json_lines<T: serde::Serialize>(items: &[T], key: &str) -> Result<Bytes, LakeError> {
    let mut lines = Vec::new();
    for item in items {
        serde_json::to_writer(&mut lines, item).map_err(|error| LakeError::encode(key, &error))?;
        lines.push(b'\n');
    }
    Ok(lines.into())
}

#[async_trait]
impl Catalog for Lake {
    async fn table_names(&self) -> Result<Vec<String>, LakeError> {
        let folder = self.path(layout::TABLES);
        let listed = self.store.list_with_delimiter(Some(&folder)).await;
        let listed =
            listed.map_err(|error| LakeError::read(self.address(layout::TABLES), error))?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename());
        Ok(names.map(ToOwned::to_owned).collect())
    }

    async fn snapshot(&self, name: &str) -> Result<Option<Arc<TableSnapshot>>, LakeError> {
        Ok(self.table(name).await?.snapshot().await?.map(Arc::new))
    }

    fn external_tables(&self) -> &[ExternalTable] {
        &self.external
    }
}
