//! What upkeep sees of the store: folders, and objects with their sizes.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore, path::Path};

use super::Lake;
use crate::LakeError;

impl Lake {
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where an object is in the store.
    pub(crate) fn location(&self, key: &str) -> Path {
        self.path(key)
    }

    /// The names of the folders in a folder, in order.
    pub(crate) async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        let listed = self.store.list_with_delimiter(Some(&self.path(folder))).await;
        let listed = listed.map_err(|error| LakeError::read(self.address(folder), error))?;
        let names = listed.common_prefixes.iter().filter_map(|path| path.filename());
        let mut names: Vec<String> = names.map(ToOwned::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The objects under a folder, with their paths relative to it.
    pub(crate) async fn objects(&self, folder: &str) -> Result<Vec<(Path, ObjectMeta)>, LakeError> {
        let prefix = self.path(folder);
        let relative = |meta: ObjectMeta| {
            let path = meta.location.prefix_match(&prefix).map(Path::from_iter);
            (path.unwrap_or_else(|| meta.location.clone()), meta)
        };
        self.store
            .list(Some(&prefix))
            .map_ok(relative)
            .try_collect()
            .await
            .map_err(|error| LakeError::read(self.address(folder), error))
    }
}
