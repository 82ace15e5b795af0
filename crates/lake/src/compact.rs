//! Compaction: the many small files of a day become few large ones, sorted by time.
//!
//! Promises: no row is lost or doubled, whoever writes meanwhile and wherever the process dies; what
//! is read from the table is the same before and after; memory has a bound, whatever the table's
//! size. A rewrite puts new files beside the old ones, and one commit makes them the table's: until
//! then they are left-overs that [`crate::retain`] removes. The old files stay for queries that
//! began before, until `retain` removes them too.
//!
//! It is a rewrite of our own, not the library's `optimize`: that one concatenates files in the order
//! of the log, with no order of rows and no say over pages, holds what it merges in memory, and its
//! commits don't notice a second compaction of the same files ([`crate::table`]). Here the query
//! engine merges and sorts, on the local disk where memory is short. A day that has many files then has
//! them merged into larger ones: they are sorted, so that takes no disk.
//!
//! What it does not do: touch what retention decides, or the cold tier.

mod block_writer;
mod plan;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Day, fault, limits};
use bytes::Bytes;
use futures::StreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};
use serde::Serialize;

pub(crate) use self::block_writer::{BlockWriter, Stored};
use self::plan::{Merging, SORTED};
use crate::{
    Lake, LakeError,
    query::{Inputs, sorted, stream_error},
    schema::DAY,
    snapshot::{DataFile, TableSnapshot},
    table::{NewFile, Replaced, Table},
};

/// What is compacted, and how.
#[derive(Debug, Clone)]
pub struct CompactOptions {
    /// Only these days; all if empty.
    pub days: BTreeSet<Day>,
    /// Days from this one on are left alone, as they still grow, unless they have more than
    /// [`Self::small_files_max`] small files.
    pub growing_from: Option<Day>,
    /// See [`Self::growing_from`].
    pub small_files_max: usize,
    /// How large files may become.
    pub target_bytes: u64,
    /// How many files of that size a day may have: where it has more, they are merged.
    pub files_a_day: usize,
    /// How large merged files may become.
    pub large_bytes: u64,
    /// How much memory sorting may take.
    pub memory_bytes: usize,
    /// For how long the part of the log that a checkpoint has made needless is kept.
    pub keep_log: Duration,
}

impl Default for CompactOptions {
    fn default() -> Self {
        Self {
            days: BTreeSet::new(),
            growing_from: None,
            small_files_max: usize::MAX,
            target_bytes: limits::COMPACT_TARGET_BYTES,
            files_a_day: limits::COMPACT_FILES_A_DAY,
            large_bytes: limits::COMPACT_LARGE_BYTES,
            memory_bytes: limits::COMPACT_MEMORY_BYTES,
            keep_log: Duration::from_secs(limits::LOG_KEEP_SECONDS),
        }
    }
}

/// What compaction did to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// The table.
    pub table: String,
    /// On how many days something was done.
    pub days: usize,
    /// How many files were replaced.
    pub files_before: usize,
    /// By how many.
    pub files_after: usize,
    /// How many rows they have.
    pub rows: u64,
    /// How many bytes the old files had.
    pub bytes_before: u64,
    /// How many the new ones have.
    pub bytes_after: u64,
    /// How many rewrites came to nothing, as someone else had removed one of the files.
    pub lost: usize,
    /// How many expired files of the log were removed.
    pub log_files_removed: usize,
}

/// Compacts a table. Costs CPU: run it where that harms nobody.
///
/// # Errors
///
/// [`LakeError::Unavailable`], [`LakeError::Workspace`], [`LakeError::Conflict`], or
/// [`LakeError::Corrupt`] if a file does not hold what the log says. What was committed until then is
/// done; the rest of the table is as it was.
pub async fn compact(
    lake: &Lake,
    name: &str,
    options: &CompactOptions,
) -> Result<Compacted, LakeError> {
    let table = lake.table(name).await?;
    let mut done = Compacted { table: name.to_owned(), ..Compacted::default() };
    let merging = Merging {
        target: options.target_bytes,
        files_max: options.files_a_day,
        large: options.large_bytes,
    };
    let mut days_done = BTreeSet::new();
    // Small files are sorted into larger ones, and where there are many of these, they are merged.
    for step in [Step::Sort, Step::Merge] {
        let Some(snapshot) = table.snapshot().await?.map(Arc::new) else { return Ok(done) };
        for files in days(&snapshot, options) {
            let groups = match step {
                Step::Sort => plan::plan(&files, options.target_bytes),
                Step::Merge => plan::merges(&files, &merging),
            };
            for group in groups {
                days_done.extend(group.first().map(|file| file.day));
                rewrite(&table, &snapshot, group, options, &mut done).await?;
            }
        }
    }
    done.days = days_done.len();
    if done.files_before > 0 {
        fault::reach(fault::Point::Compacted);
        done.log_files_removed = table.tidy_log(lake.now().minus(options.keep_log)).await?;
    }
    Ok(done)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Sort,
    Merge,
}

/// The files of each day that may be compacted, newest last.
fn days(snapshot: &TableSnapshot, options: &CompactOptions) -> Vec<Vec<DataFile>> {
    let mut days: BTreeMap<Day, Vec<DataFile>> = BTreeMap::new();
    for file in &snapshot.files {
        days.entry(file.day).or_default().push(file.clone());
    }
    days.retain(|day, files| {
        let is_growing = options.growing_from.is_some_and(|from| *day >= from);
        let is_asked = options.days.is_empty() || options.days.contains(day);
        let small = plan::small_files(files, options.target_bytes);
        is_asked && (!is_growing || small > options.small_files_max)
    });
    days.into_values().collect()
}

/// Writes some files of one day as one.
async fn rewrite(
    table: &Table,
    snapshot: &Arc<TableSnapshot>,
    files: Vec<DataFile>,
    options: &CompactOptions,
    done: &mut Compacted,
) -> Result<(), LakeError> {
    let Some(day) = files.first().map(|file| file.day) else { return Ok(()) };
    let path = format!("{DAY}={day}/{SORTED}{}.parquet", uuid::Uuid::new_v4().simple());
    let address = Path::from(format!("{}/{path}", snapshot.root));
    let (stored, index) = write_sorted(snapshot, &files, &address, options).await?;
    if let Some(index) = index {
        table.put_index(&path, index).await;
    }
    fault::reach(fault::Point::Rewritten);
    let Stored { bytes, rows, time_min, time_max } = stored;
    let new = NewFile { path, day, bytes, rows, time_min, time_max };
    match table.replace(&files, std::slice::from_ref(&new)).await? {
        Replaced::Committed(version) => {
            tracing::info!(table = table.name(), %day, files = files.len(), version, "compacted");
            done.files_before += files.len();
            done.files_after += 1;
            done.rows += rows;
            done.bytes_before += files.iter().map(|file| file.bytes).sum::<u64>();
            done.bytes_after += bytes;
        }
        Replaced::Gone => {
            done.lost += 1;
            table.discard(&[new]).await;
        }
    }
    Ok(())
}

async fn write_sorted(
    snapshot: &Arc<TableSnapshot>,
    files: &[DataFile],
    address: &Path,
    options: &CompactOptions,
) -> Result<(Stored, Option<Bytes>), LakeError> {
    let failed = |error| stream_error(address.as_ref(), error);
    let is_merged = files.iter().all(plan::is_sorted) && files.len() <= limits::COMPACT_MERGED_MAX;
    let how = if is_merged { Inputs::Sorted } else { Inputs::AsTheyCome };
    let rows_per_batch = limits::COMPACT_BLOCK_ROWS;
    let rows = sorted(snapshot, files.to_vec(), how, rows_per_batch, options.memory_bytes);
    let mut rows = rows.await.map_err(failed)?;
    let first = rows.next().await.transpose().map_err(failed)?;
    let first = first.ok_or_else(|| LakeError::corrupt(address, "its files have no rows"))?;
    let mut writer =
        BlockWriter::new(Arc::clone(&snapshot.store), address.clone(), &first, &snapshot.schema)?;
    let mut next = Some(Ok(first));
    while let Some(batch) = next {
        let written = match batch {
            Ok(batch) => writer.write(&batch).await,
            Err(error) => Err(failed(error)),
        };
        if let Err(error) = written {
            writer.abort().await;
            return Err(error);
        }
        next = rows.next().await;
    }
    let (stored, index) = writer.finish().await?;
    // What is committed replaces what was there: it must be all of it.
    let expected: Option<u64> = files.iter().map(|file| file.rows).sum();
    if expected.is_some_and(|expected| expected != stored.rows) {
        let expected = expected.unwrap_or(0);
        let reason = format!("its files have {} rows; the log says {expected}", stored.rows);
        if let Err(error) = snapshot.store.delete(address).await {
            tracing::debug!(%address, %error, "a file of a failed compaction is left over");
        }
        return Err(LakeError::corrupt(address, reason));
    }
    Ok((stored, index))
}
