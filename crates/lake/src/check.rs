//! Checking the lake: whether what is stored is what the logs and the ledger say.
//!
//! Promises: it may run beside writers and reports nothing of what they are just doing; it reads the
//! log, listings, the footer of each file and the record of each batch, but no rows. A repair removes
//! only objects that are part of nothing and whose grace period is over; all else needs a backup, and
//! is left to a person.
//!
//! What it does not do: compare the bytes of files with anything, as Parquet's pages and the cold
//! tier's streams carry no sum of the whole.

mod finding;
mod ledger;

use std::{collections::HashMap, sync::Arc, time::Duration};

use base::limits;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::{errors::ParquetError, file::metadata::ParquetMetaDataReader};

pub use self::finding::Finding;
pub(crate) use self::ledger::last_committed;
use crate::{
    Lake, LakeError, index, layout, retain,
    snapshot::{DataFile, TableSnapshot},
};

/// How many bytes of a file's end are fetched at first, hoping that its footer is in them.
const FOOTER_BYTES: u64 = 64 << 10;

/// What a check looked at, and found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many tables there are.
    pub tables: usize,
    /// How many files they have.
    pub files: usize,
    /// How many search indexes these have.
    pub indexes: usize,
    /// How many batches were committed, as far as they are in the ledger.
    pub batches: usize,
    /// How many objects the cold tier has.
    pub cold_objects: usize,
    /// What was found and is still so: at most [`limits::CHECK_FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there are besides.
    pub more: usize,
    /// What was found and repaired.
    pub repaired: Vec<Finding>,
}

impl Checked {
    fn found(&mut self, finding: Finding) {
        if self.findings.len() < limits::CHECK_FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// Notes objects that are part of nothing, which `repair` has removed or not.
    fn unused(&mut self, address: String, files: usize, bytes: u64, repair: bool) {
        if files == 0 {
            return;
        }
        let finding = Finding::Unused { address, files, bytes };
        if repair {
            self.repaired.push(finding);
        } else {
            self.found(finding);
        }
    }
}

/// Checks the whole lake. With `repair`, what can be repaired without a risk is. Objects that are part
/// of nothing count when they have been so for longer than `grace`.
///
/// # Errors
///
/// [`LakeError::Unavailable`] if the store is away: that says nothing about what is stored.
pub async fn check(lake: &Lake, grace: Duration, repair: bool) -> Result<Checked, LakeError> {
    let mut checked = Checked::default();
    for name in lake.tables(&[]).await? {
        checked.tables += 1;
        let table = lake.table(&name).await?;
        let address = lake.address(&layout::table(&name));
        match table.snapshot().await {
            Ok(Some(snapshot)) => {
                files(lake, &snapshot, &mut checked).await?;
                let unused = retain::vacuum(lake, &table, grace, !repair).await?;
                checked.unused(address, unused.files, unused.bytes, repair);
            }
            Ok(None) => {
                // A table that is just being made has files before it has a log.
                let expired = lake.now().minus(grace);
                let stored = lake.objects(&layout::table(&name)).await?;
                if stored.iter().any(|(_, meta)| retain::written(meta) < expired) {
                    let reason = "it has no log".to_owned();
                    checked.found(Finding::Table { table: name, reason, address });
                }
            }
            Err(error) => {
                // The log is there, as a table without one is `None`. A store that is away fails the
                // listing too.
                lake.folders(&layout::table(&name)).await?;
                let reason = error.to_string();
                checked.found(Finding::Table { table: name, reason, address });
            }
        }
    }
    ledger::check(lake, grace, repair, &mut checked).await?;
    Ok(checked)
}

/// Every file that the log names is there, with the bytes and rows that the log says.
async fn files(
    lake: &Lake,
    snapshot: &TableSnapshot,
    checked: &mut Checked,
) -> Result<(), LakeError> {
    // After the log was read: a file of it that is committed later is not looked for.
    let stored = lake.objects(&layout::table(&snapshot.name)).await?;
    let stored: HashMap<Path, u64> =
        stored.into_iter().map(|(path, meta)| (path, meta.size)).collect();
    checked.files += snapshot.files.len();
    let mut sound = Vec::new();
    for file in &snapshot.files {
        let address = lake.address(&format!("{}/{}", layout::table(&snapshot.name), file.path));
        let table = snapshot.name.clone();
        match stored.get(&file.path) {
            None => checked.found(Finding::MissingFile { table, address }),
            Some(&stored) if stored != file.bytes => {
                let logged = file.bytes;
                checked.found(Finding::FileSize { table, address, logged, stored });
            }
            Some(_) => sound.push((file, address)),
        }
    }
    let looks = sound.into_iter().map(|(file, address)| async {
        let look = content(&snapshot.store, &snapshot.root, file).await;
        look.map_err(|error| LakeError::read(&address, error)).map(|reason| (reason, address))
    });
    let mut looks = futures::stream::iter(looks).buffered(limits::CHECK_CONCURRENCY);
    while let Some((reason, address)) = looks.try_next().await? {
        if let Some(reason) = reason {
            let table = snapshot.name.clone();
            checked.found(Finding::FileContent { table, address, reason });
        }
    }
    indexes(lake, snapshot, &stored, checked).await
}

/// Every search index that is there is that of its file, as far as its header and its size tell. One that
/// is missing is nothing to worry about.
async fn indexes(
    lake: &Lake,
    snapshot: &TableSnapshot,
    stored: &HashMap<Path, u64>,
    checked: &mut Checked,
) -> Result<(), LakeError> {
    let there = snapshot.files.iter().filter_map(|file| {
        let path = index::path_of(&file.path);
        stored.get(&path).map(|size| (file, path, *size))
    });
    let looks = there.map(|(file, path, size)| async move {
        let reason = index::look(&snapshot.store, &snapshot.root, file, size).await;
        (reason, path)
    });
    let looks = looks.collect::<Vec<_>>();
    let mut looks = futures::stream::iter(looks).buffered(limits::CHECK_CONCURRENCY);
    while let Some((reason, path)) = looks.next().await {
        checked.indexes += 1;
        if let Some(reason) = reason {
            let address = lake.address(&format!("{}/{path}", layout::table(&snapshot.name)));
            let table = snapshot.name.clone();
            checked.found(Finding::Index { table, address, reason });
        }
    }
    Ok(())
}

/// What is wrong with a file, as far as its footer tells.
async fn content(
    store: &Arc<dyn ObjectStore>,
    root: &Path,
    file: &DataFile,
) -> Result<Option<String>, object_store::Error> {
    let path = Path::from_iter(root.parts().chain(file.path.parts()));
    let mut wanted = FOOTER_BYTES.min(file.bytes);
    let footer = loop {
        let end: Bytes = match store.get_range(&path, file.bytes - wanted..file.bytes).await {
            Ok(end) => end,
            // Compaction and retention may have done their work meanwhile.
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut reader = ParquetMetaDataReader::new();
        match reader.try_parse_sized(&end, file.bytes) {
            Ok(()) => match reader.finish() {
                Ok(footer) => break footer,
                Err(error) => return Ok(Some(error.to_string())),
            },
            Err(ParquetError::NeedMoreData(more)) if wanted < file.bytes => {
                wanted = (more as u64).clamp(wanted + 1, file.bytes);
            }
            Err(error) => return Ok(Some(error.to_string())),
        }
    };
    let rows = u64::try_from(footer.file_metadata().num_rows()).unwrap_or(0);
    Ok(match file.rows {
        Some(logged) if logged != rows => {
            Some(format!("it has {rows} rows, not the {logged} of its statistics"))
        }
        _ => None,
    })
}
