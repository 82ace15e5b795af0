//! An object store whose requests are counted: what a provider bills besides what is stored.
//!
//! Promises: what the store answers is passed on as it is, and a request is counted whether it succeeds or
//! not. A listing counts as one request for each 1,000 objects, as stores page them. Retries inside the
//! store's client are not seen.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT,
    ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result, UploadPart, coalesce_ranges, path::Path,
};
use serde::{Deserialize, Serialize};

/// How many objects one page of a listing has, in all the stores known.
const LIST_PAGE: u64 = 1000;

/// How many requests were sent to a store, and how many bytes were moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Objects written, parts of large ones and copies included.
    pub writes: u64,
    /// Objects read, parts of them and looks at them included.
    pub reads: u64,
    /// Pages of listings.
    pub lists: u64,
    /// Objects removed.
    pub deletes: u64,
    /// How many of these failed; that an object is not there is no failure.
    pub errors: u64,
    /// How many bytes were written.
    pub bytes_written: u64,
    /// How many bytes were asked for.
    pub bytes_read: u64,
}

impl Requests {
    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            writes: self.writes.saturating_add(other.writes),
            reads: self.reads.saturating_add(other.reads),
            lists: self.lists.saturating_add(other.lists),
            deletes: self.deletes.saturating_add(other.deletes),
            errors: self.errors.saturating_add(other.errors),
            bytes_written: self.bytes_written.saturating_add(other.bytes_written),
            bytes_read: self.bytes_read.saturating_add(other.bytes_read),
        }
    }
}

/// The requests to a store so far.
#[derive(Debug, Default)]
pub struct RequestCounts {
    writes: AtomicU64,
    reads: AtomicU64,
    lists: AtomicU64,
    deletes: AtomicU64,
    errors: AtomicU64,
    bytes_written: AtomicU64,
    bytes_read: AtomicU64,
}

impl RequestCounts {
    /// As of now. Numbers for people: those of a request under way may be there in part.
    #[must_use]
    pub fn now(&self) -> Requests {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Requests {
            writes: read(&self.writes),
            reads: read(&self.reads),
            lists: read(&self.lists),
            deletes: read(&self.deletes),
            errors: read(&self.errors),
            bytes_written: read(&self.bytes_written),
            bytes_read: read(&self.bytes_read),
        }
    }

    fn note<T>(&self, result: Result<T>) -> Result<T> {
        let is_answer = |error: &object_store::Error| {
            matches!(
                error,
                object_store::Error::NotFound { .. }
                    | object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. }
                    | object_store::Error::NotModified { .. }
            )
        };
        if result.as_ref().is_err_and(|error| !is_answer(error)) {
            add(&self.errors, 1);
        }
        result
    }
}

fn add(count: &AtomicU64, by: u64) {
    // Only for sums that people read: nothing else depends on their order.
    count.fetch_add(by, Ordering::Relaxed);
}

/// A store whose requests are counted.
#[derive(Debug)]
pub struct Counted {
    inner: Arc<dyn ObjectStore>,
    /// Whether ranges that are near one another are read as one.
    coalesces: bool,
    counts: Arc<RequestCounts>,
}

impl Counted {
    /// Counts the requests to a store that is far away.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, coalesces: true, counts: Arc::default() }
    }

    /// Counts the requests to a store on this machine.
    #[must_use]
    pub fn local(inner: Arc<dyn ObjectStore>) -> Self {
        Self { coalesces: false, ..Self::new(inner) }
    }

    /// Where they are counted.
    #[must_use]
    pub fn counts(&self) -> Arc<RequestCounts> {
        Arc::clone(&self.counts)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        add(&self.counts.writes, 1);
        add(&self.counts.bytes_written, payload.content_length() as u64);
        self.counts.note(self.inner.put_opts(location, payload, options).await)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        add(&self.counts.writes, 1);
        let inner = self.counts.note(self.inner.put_multipart_opts(location, options).await)?;
        Ok(Box::new(CountedUpload { inner, counts: Arc::clone(&self.counts) }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        add(&self.counts.reads, 1);
        let is_head = options.head;
        let result = self.counts.note(self.inner.get_opts(location, options).await)?;
        if !is_head {
            add(&self.counts.bytes_read, result.range.end.saturating_sub(result.range.start));
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if !self.coalesces {
            add(&self.counts.reads, ranges.len() as u64);
            let bytes = ranges.iter().map(|range| range.end.saturating_sub(range.start)).sum();
            add(&self.counts.bytes_read, bytes);
            return self.counts.note(self.inner.get_ranges(location, ranges).await);
        }
        // As such stores do it themselves, so that each request is counted.
        let fetch = |range| self.get_range(location, range);
        coalesce_ranges(ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let counts = Arc::clone(&self.counts);
        let counted = self.inner.delete_stream(locations).map(move |result| {
            add(&counts.deletes, 1);
            counts.note(result)
        });
        counted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        counted_list(self.inner.list(prefix), Arc::clone(&self.counts))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        counted_list(self.inner.list_with_offset(prefix, offset), Arc::clone(&self.counts))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let result = self.counts.note(self.inner.list_with_delimiter(prefix).await);
        let found =
            result.as_ref().map_or(0, |list| list.objects.len() + list.common_prefixes.len());
        add(&self.counts.lists, (found as u64).div_ceil(LIST_PAGE).max(1));
        result
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        add(&self.counts.writes, 1);
        self.counts.note(self.inner.copy_opts(from, to, options).await)
    }
}

/// Counts a page with its first object, and the one page of a listing that finds nothing.
fn counted_list(
    listed: BoxStream<'static, Result<ObjectMeta>>,
    counts: Arc<RequestCounts>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    add(&counts.lists, 1);
    let mut found = 0;
    let counted = listed.map(move |result| {
        found += 1;
        if found > 1 && found % LIST_PAGE == 1 {
            add(&counts.lists, 1);
        }
        counts.note(result)
    });
    counted.boxed()
}

#[derive(Debug)]
struct CountedUpload {
    inner: Box<dyn MultipartUpload>,
    counts: Arc<RequestCounts>,
}

#[async_trait]
impl MultipartUpload for CountedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        add(&self.counts.writes, 1);
        add(&self.counts.bytes_written, data.content_length() as u64);
        let (counts, part) = (Arc::clone(&self.counts), self.inner.put_part(data));
        Box::pin(async move { counts.note(part.await) })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        add(&self.counts.writes, 1);
        self.counts.note(self.inner.complete().await)
    }

    async fn abort(&mut self) -> Result<()> {
        self.counts.note(self.inner.abort().await)
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt as _;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn each_kind_of_request_is_counted_and_passed_on() {
        let store = Counted::new(Arc::new(InMemory::new()));
        let counts = store.counts();
        let (a, b) = (Path::from("x/a"), Path::from("x/b"));
        store.put(&a, "0123456789".into()).await.unwrap();
        store.copy(&a, &b).await.unwrap();
        let mut upload = store.put_multipart(&Path::from("x/c")).await.unwrap();
        upload.put_part("part".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(store.get(&a).await.unwrap().bytes().await.unwrap(), "0123456789");
        assert_eq!(store.get_range(&b, 2..5).await.unwrap(), "234");
        assert_eq!(store.get_ranges(&b, &[0..1, 9..10]).await.unwrap(), ["0", "9"]);
        assert_eq!(store.head(&a).await.unwrap().size, 10);
        assert!(store.get(&Path::from("x/none")).await.is_err());
        assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 3);
        assert_eq!(store.list(Some(&Path::from("y"))).count().await, 0);
        assert_eq!(store.list_with_delimiter(None).await.unwrap().common_prefixes.len(), 1);
        store.delete(&a).await.unwrap();
        let local = Counted::local(Arc::new(InMemory::new()));
        local.put(&a, "0123456789".into()).await.unwrap();
        assert_eq!(local.get_ranges(&a, &[0..1, 9..10]).await.unwrap(), ["0", "9"]);
        assert_eq!((local.counts().now().reads, local.counts().now().bytes_read), (2, 2));
        let expected = Requests {
            writes: 5,
            reads: 5,
            lists: 3,
            deletes: 1,
            errors: 0,
            bytes_written: 14,
            // The two ranges are near each other, and are read as one.
            bytes_read: 10 + 3 + 10,
        };
        assert_eq!(counts.now(), expected);
    }

    #[tokio::test]
    async fn long_listings_are_several_requests() {
        let store = Counted::new(Arc::new(InMemory::new()));
        for number in 0..2001 {
            store.put(&Path::from(format!("{number}")), "".into()).await.unwrap();
        }
        assert_eq!(store.list(None).count().await, 2001);
        assert_eq!(store.counts().now().lists, 3);
        store.list_with_delimiter(None).await.unwrap();
        assert_eq!(store.counts().now().lists, 6);
    }
}
