//! State in the bucket, by conditional puts: what a serverless dab has.

use std::sync::Arc;

use async_trait::async_trait;
use base::{StateError, StateStore, Versioned};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    Error, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion, path::Path,
};

/// State as one object for each key. The store must support conditional puts: S3 and its
/// compatibles, GCS and Azure do, a local folder does not.
#[derive(Debug)]
pub struct ObjectState {
    store: Arc<dyn ObjectStore>,
    root: Path,
}

impl ObjectState {
    /// State under `root`.
    #[must_use]
    pub const fn new(store: Arc<dyn ObjectStore>, root: Path) -> Self {
        Self { store, root }
    }

    fn path(&self, key: &str) -> Path {
        key.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }
}

#[async_trait]
impl StateStore for ObjectState {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError> {
        let found = match self.store.get(&self.path(key)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(unavailable)?,
        };
        let version = version(found.meta.e_tag.clone(), found.meta.version.clone());
        let value = found.bytes().await.map_err(unavailable)?.to_vec();
        Ok(Some(Versioned { value, version }))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError> {
        let mode = match expected {
            None => PutMode::Create,
            Some(expected) => {
                let (e_tag, version) = expected.split_once('\n').unwrap_or((expected, ""));
                let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                PutMode::Update(UpdateVersion { e_tag: some(e_tag), version: some(version) })
            }
        };
        let payload = PutPayload::from(value.to_vec());
        match self.store.put_opts(&self.path(key), payload, mode.into()).await {
            Ok(done) => Ok(version(done.e_tag, done.version)),
            // A key that was deleted meanwhile is a change like any other.
            Err(
                Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotFound { .. },
            ) => Err(StateError::Conflict { key: key.to_owned() }),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        // Stores list whole path segments: list the folder, then look at the names.
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let folder = if folder.is_empty() { self.root.clone() } else { self.path(folder) };
        let root = format!("{}/", self.root);
        let keys = self.store.list(Some(&folder)).map(|meta| {
            let location = meta?.location.to_string();
            Ok::<_, Error>(location.strip_prefix(root.as_str()).unwrap_or(&location).to_owned())
        });
        let mut keys: Vec<String> = keys.try_collect().await.map_err(unavailable)?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort_unstable();
        Ok(keys)
    }
}

fn version(e_tag: Option<String>, version: Option<String>) -> String {
    format!("{}\n{}", e_tag.unwrap_or_default(), version.unwrap_or_default())
}

fn unavailable(error: Error) -> StateError {
    StateError::Unavailable(error.into())
}
