//! The bytes of one file: fetched once, and counted.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, future::BoxFuture};
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use parquet::{
    arrow::{
        arrow_reader::ArrowReaderOptions,
        async_reader::{AsyncFileReader, MetadataFetch},
    },
    errors::{ParquetError, Result},
    file::metadata::ParquetMetaData,
};

use crate::query::report::ScanReport;

/// Where a file is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) location: Path,
}

impl MetadataFetch for &Place {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.location, range).await.map_err(external) }.boxed()
    }
}

/// Reads columns of a file. What was fetched is held as long as any of its clones is there.
#[derive(Debug, Clone)]
pub(super) struct Source {
    place: Place,
    report: Arc<ScanReport>,
    /// By where they begin.
    held: Arc<Mutex<BTreeMap<u64, Bytes>>>,
}

impl Source {
    pub(super) fn new(place: Place, report: Arc<ScanReport>) -> Self {
        Self { place, report, held: Arc::default() }
    }

    /// Fetches what is not held.
    pub(super) async fn fetch_all(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let begun: Vec<Bytes> = ranges.iter().map(|range| self.begin_of(range)).collect();
        let missing = ranges.iter().zip(&begun);
        let missing: Vec<Range<u64>> = missing
            .map(|(range, begun)| range.start + begun.len() as u64..range.end)
            .filter(|range| !range.is_empty())
            .collect();
        if missing.is_empty() {
            return Ok(begun);
        }
        let Place { store, location } = &self.place;
        let fetched = store.get_ranges(location, &missing).await.map_err(external)?;
        self.report.read_bytes(missing.iter().map(|range| range.end - range.start).sum());
        let mut fetched = fetched.into_iter();
        let mut whole = Vec::with_capacity(ranges.len());
        for (range, begun) in ranges.iter().zip(begun) {
            let rest = range.start + (begun.len() as u64) < range.end;
            let bytes = match (begun.is_empty(), rest) {
                (_, false) => begun,
                (true, true) => fetched.next().unwrap_or_default(),
                (false, true) => {
                    let rest = fetched.next().unwrap_or_default();
                    let mut both = BytesMut::with_capacity(begun.len() + rest.len());
                    both.extend_from_slice(&begun);
                    both.extend_from_slice(&rest);
                    both.freeze()
                }
            };
            if rest {
                self.lock().insert(range.start, bytes.clone());
            }
            whole.push(bytes);
        }
        Ok(whole)
    }

    /// As much of a range as is held, from its start on.
    fn begin_of(&self, range: &Range<u64>) -> Bytes {
        let held = self.lock();
        let before = held.range(..=range.start).next_back();
        let found = before.and_then(|(start, bytes)| {
            let from = usize::try_from(range.start - start).ok()?;
            let to = usize::try_from(range.end - start).ok()?;
            (from < bytes.len()).then(|| bytes.slice(from..to.min(bytes.len())))
        });
        found.unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Bytes>> {
        // Whoever panicked with it has put whole ranges in.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncFileReader for Source {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { Ok(self.fetch_all(&[range]).await?.pop().unwrap_or_default()) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.fetch_all(&ranges).await }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async { Err(ParquetError::General("the footer is known already".to_owned())) }.boxed()
    }
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}
