//! Builds, checks and drops the indexes of a table's files.
//!
//! Promises: what is done file by file stays done, so a run that is cut off is gone on with by the next;
//! files that compaction or retention takes away meanwhile are left alone.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use base::{Day, limits};
use futures::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};
use serde::Serialize;

use super::{
    builder::IndexBuilder,
    form::{FOLDER, Header, path_of, path_of_data},
    probe::{NoIndex, header},
};
use crate::{
    Lake, LakeError, layout,
    query::{columns, stream_error},
    schema::DAY,
    snapshot::{DataFile, TableSnapshot},
};

/// What is done to indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexWork {
    /// Files without a sound index get one.
    Build,
    /// All indexes are read as a whole.
    Check,
    /// All indexes are removed.
    Drop,
}

/// What came of it, for a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// The table.
    pub table: String,
    /// How many files were looked at.
    pub files: usize,
    /// How many of these are too small for an index.
    pub small: usize,
    /// How many have one that is sound, when all is done.
    pub sound: usize,
    /// How many had none.
    pub missing: usize,
    /// How many had one that is damaged, or of another file or version.
    pub damaged: usize,
    /// How many were made.
    pub built: usize,
    /// How many were removed.
    pub dropped: usize,
    /// How many bytes the sound ones have.
    pub bytes: u64,
}

/// Does it to the indexes of a table's files of these days, all days if there are none. `progress` is told
/// how many files are done, and how many there are.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if a data file can't be read. What was done until
/// then is done.
pub async fn index(
    lake: &Lake,
    name: &str,
    work: IndexWork,
    days: &BTreeSet<Day>,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Indexed, LakeError> {
    let mut done = Indexed { table: name.to_owned(), ..Indexed::default() };
    let Some(snapshot) = lake.table(name).await?.snapshot().await?.map(Arc::new) else {
        return Ok(done);
    };
    let is_asked = |day: Day| days.is_empty() || days.contains(&day);
    let mut files: Vec<&DataFile> =
        snapshot.files.iter().filter(|file| is_asked(file.day)).collect();
    // The newest first: they are searched most.
    files.sort_by(|a, b| (b.day, &b.path).cmp(&(a.day, &a.path)));
    done.files = files.len();
    let there = stored(lake, &snapshot).await?;
    for (at, file) in files.iter().enumerate() {
        progress(at as u64, files.len() as u64);
        if file.bytes < limits::INDEX_FILE_BYTES_MIN {
            done.small += 1;
            continue;
        }
        let size = there.get(&file.path).copied();
        match work {
            IndexWork::Drop => drop_one(&snapshot, file, size, &mut done).await?,
            IndexWork::Build | IndexWork::Check => {
                let reason = match size {
                    None => Some(None),
                    Some(size) => {
                        verify(&snapshot.store, &snapshot.root, file, size).await.map(Some)
                    }
                };
                let Some(reason) = reason else {
                    done.sound += 1;
                    done.bytes += size.unwrap_or(0);
                    continue;
                };
                done.missing += usize::from(reason.is_none());
                done.damaged += usize::from(reason.is_some());
                if let Some(reason) = reason {
                    tracing::warn!(file = %file.path, reason, "an index is not sound");
                }
                if work == IndexWork::Build
                    && let Some(bytes) = build(&snapshot, file).await?
                {
                    done.built += 1;
                    done.sound += 1;
                    done.bytes += bytes;
                }
            }
        }
    }
    Ok(done)
}

/// The indexes that are stored for a table's files: their sizes, by the path of the data file.
pub(crate) async fn stored(
    lake: &Lake,
    snapshot: &TableSnapshot,
) -> Result<BTreeMap<Path, u64>, LakeError> {
    let live: HashMap<&Path, ()> = snapshot.files.iter().map(|file| (&file.path, ())).collect();
    let folder = format!("{}/{FOLDER}", layout::table(&snapshot.name));
    let objects = lake.objects(&folder).await?;
    let of_file = objects.into_iter().filter_map(|(path, meta)| {
        let data = path_of_data(&Path::parse(format!("{FOLDER}/{path}")).ok()?)?;
        live.contains_key(&data).then_some((data, meta.size))
    });
    Ok(of_file.collect())
}

/// What is wrong with the index of a file, as far as its header tells; `None` if nothing is.
pub(crate) async fn look(
    store: &Arc<dyn ObjectStore>,
    root: &Path,
    file: &DataFile,
    size: u64,
) -> Option<String> {
    match header(store, &address(root, file), file).await {
        Ok((header, _)) => cut_off(&header, size),
        // Retention may have done its work meanwhile.
        Err(NoIndex::Missing) => None,
        Err(NoIndex::Unsound(reason)) => Some(reason),
    }
}

fn cut_off(header: &Header, size: u64) -> Option<String> {
    let whole = header.file_bytes();
    (whole != size).then(|| format!("it has {size} bytes, not {whole}"))
}

fn address(root: &Path, file: &DataFile) -> Path {
    Path::from_iter(root.parts().chain(path_of(&file.path).parts()))
}

/// As [`look`], with every segment.
async fn verify(
    store: &Arc<dyn ObjectStore>,
    root: &Path,
    file: &DataFile,
    size: u64,
) -> Option<String> {
    let address = address(root, file);
    let header = match header(store, &address, file).await {
        Ok((header, _)) => header,
        Err(NoIndex::Missing) => return Some("it is gone".to_owned()),
        Err(NoIndex::Unsound(reason)) => return Some(reason),
    };
    if let Some(reason) = cut_off(&header, size) {
        return Some(reason);
    }
    let whole = match store.get(&address).await {
        Ok(got) => got.bytes().await,
        Err(error) => Err(error),
    };
    match whole {
        Ok(bytes) => header.damage(&bytes),
        Err(error) => Some(error.to_string()),
    }
}

async fn drop_one(
    snapshot: &TableSnapshot,
    file: &DataFile,
    size: Option<u64>,
    done: &mut Indexed,
) -> Result<(), LakeError> {
    if size.is_none() {
        done.missing += 1;
        return Ok(());
    }
    let address = address(&snapshot.root, file);
    match snapshot.store.delete(&address).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => {
            done.dropped += 1;
            Ok(())
        }
        Err(error) => Err(LakeError::write(&address, error)),
    }
}

/// Makes the index of a file. Answers its size; `None` if the file is gone.
async fn build(snapshot: &Arc<TableSnapshot>, file: &DataFile) -> Result<Option<u64>, LakeError> {
    let data = Path::from_iter(snapshot.root.parts().chain(file.path.parts()));
    match snapshot.store.head(&data).await {
        Ok(_) => {}
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(LakeError::read(&data, error)),
    }
    let failed = |error| stream_error(data.as_ref(), error);
    let names = snapshot.schema.fields().iter().map(|field| field.name().as_str());
    let names: Vec<&str> = names.filter(|name| *name != DAY).collect();
    let mut rows = columns(snapshot, vec![file.clone()], &names).await.map_err(failed)?;
    let mut builder = IndexBuilder::for_new_file(&snapshot.schema);
    while let Some(batch) = rows.next().await.transpose().map_err(failed)? {
        builder.add(&batch);
    }
    let Some(bytes) = builder.finish(file.bytes) else { return Ok(None) };
    let (size, address) = (bytes.len() as u64, address(&snapshot.root, file));
    snapshot
        .store
        .put(&address, PutPayload::from_bytes(bytes))
        .await
        .map_err(|error| LakeError::write(&address, error))?;
    Ok(Some(size))
}
