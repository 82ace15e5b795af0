//! What a query read, and what it did not have to read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use datafusion::physical_plan::ExecutionPlan;
use serde::Serialize;
use tokio::time::Instant;

use crate::{counted::RequestCounts, index::Kept, snapshot::DataFile};

/// How much of its tables a query reads: files, the blocks of those that have a search index, bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Scanned {
    /// How many files the tables have, as far as they were looked at.
    pub files_total: usize,
    /// How many of these are left by day and time.
    pub files_in_range: usize,
    /// How many of these have a search index that was asked.
    pub files_indexed: usize,
    /// How many are read at least in part.
    pub files: usize,
    /// How many blocks the files with an index have.
    pub blocks_total: usize,
    /// How many of these may hold what is looked for.
    pub blocks: usize,
    /// How many bytes the files in range have.
    pub bytes_in_range: u64,
    /// About how many bytes of them are to be read at most: all columns of the blocks that are left.
    pub bytes_estimated: u64,
    /// How many bytes were read of indexes.
    pub bytes_index: u64,
    /// How many bytes were read of files: only the columns that the query needs.
    pub bytes_read: u64,
}

/// Counts while a query runs.
#[derive(Debug)]
pub(crate) struct ScanReport {
    counts: Mutex<Scanned>,
    begun: Instant,
    /// A table that is read as a whole, and how large it is.
    unbounded: Mutex<Option<(String, u64)>>,
    /// The external tables that are read, and what their stores were asked for.
    externals: Mutex<Vec<External>>,
}

/// An external table that is read.
#[derive(Debug)]
struct External {
    name: String,
    address: String,
    counts: Arc<RequestCounts>,
}

impl ScanReport {
    /// For a query that begins now.
    pub(crate) fn begin() -> Self {
        let (counts, unbounded, externals) = Default::default();
        Self { counts, begun: Instant::now(), unbounded, externals }
    }

    /// The count so far.
    pub(crate) fn now(&self) -> Scanned {
        let mut scanned = *self.lock();
        let externals = self.externals.lock().unwrap_or_else(PoisonError::into_inner);
        scanned.bytes_read += externals.iter().map(|of| of.counts.now().bytes_read).sum::<u64>();
        scanned
    }

    /// Notes an external table, and where the bytes that are read of it are counted.
    pub(crate) fn external(&self, name: &str, address: &str, counts: Arc<RequestCounts>) {
        let mut externals = self.externals.lock().unwrap_or_else(PoisonError::into_inner);
        externals.push(External { name: name.to_owned(), address: address.to_owned(), counts });
    }

    /// The names and addresses of the external tables that are read; `None` if there are none.
    pub(crate) fn external_names(&self) -> Option<(String, String)> {
        let externals = self.externals.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = |part: fn(&External) -> &str| {
            externals.iter().map(part).collect::<Vec<_>>().join("`, `")
        };
        (!externals.is_empty()).then(|| (joined(|of| &of.name), joined(|of| &of.address)))
    }

    /// Notes files that have no index, and are read as a whole.
    pub(crate) fn whole_files(&self, files: usize, bytes: u64) {
        let mut scanned = self.lock();
        scanned.files_total += files;
        scanned.files_in_range += files;
        scanned.files += files;
        scanned.bytes_in_range += bytes;
        scanned.bytes_estimated += bytes;
    }

    /// For how long the query has run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes a table that is read without a bound on its time: the largest is kept.
    pub(crate) fn note_unbounded(&self, table: &str, bytes: u64) {
        let mut noted = self.unbounded.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.as_ref().is_none_or(|(_, before)| *before < bytes) {
            *noted = Some((table.to_owned(), bytes));
        }
    }

    /// The largest table that is read without a bound on its time.
    pub(crate) fn unbounded(&self) -> Option<(String, u64)> {
        self.unbounded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, Scanned> {
        // Numbers for people: one that was being counted is no harm.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the files of one scan, and what their indexes said.
    pub(crate) fn files<'a>(
        &self,
        total: usize,
        asked: impl Iterator<Item = (&'a DataFile, Option<&'a Kept>)>,
    ) {
        let mut scanned = self.lock();
        scanned.files_total += total;
        for (file, kept) in asked {
            scanned.files_in_range += 1;
            scanned.bytes_in_range += file.bytes;
            let Some(kept) = kept else {
                scanned.files += 1;
                scanned.bytes_estimated += file.bytes;
                continue;
            };
            let rows = |of: &dyn Fn(bool) -> bool| -> u64 {
                let these = kept.blocks.iter().filter(|(_, is_kept)| of(*is_kept));
                these.map(|(rows, _)| *rows as u64).sum()
            };
            let (all, left) = (rows(&|_| true), rows(&|is_kept| is_kept));
            scanned.files_indexed += 1;
            scanned.files += usize::from(left > 0);
            scanned.blocks_total += kept.blocks.len();
            scanned.blocks += kept.blocks.iter().filter(|(_, is_kept)| *is_kept).count();
            scanned.bytes_index += kept.bytes;
            let share = u128::from(file.bytes) * u128::from(left) / u128::from(all.max(1));
            scanned.bytes_estimated += u64::try_from(share).unwrap_or(u64::MAX);
        }
    }

    /// Notes bytes that were read of a file.
    pub(crate) fn read_bytes(&self, bytes: u64) {
        self.lock().bytes_read += bytes;
    }

    /// Notes the bytes that a plan has read.
    pub(crate) fn read(&self, plan: &dyn ExecutionPlan) {
        self.lock().bytes_read += bytes_scanned(plan);
    }
}

/// How many bytes the scans of a plan have read.
pub(crate) fn bytes_scanned(plan: &dyn ExecutionPlan) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.sum_by_name("bytes_scanned"));
    let own = own.map_or(0, |value| value.as_usize() as u64);
    own + plan.children().into_iter().map(|child| bytes_scanned(child.as_ref())).sum::<u64>()
}
