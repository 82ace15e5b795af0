//! Stores that are not folders, and stores that fail.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    memory::InMemory, path::Path,
};

use super::*;

/// A store whose reads and lists can be made to fail, and which counts what is fetched.
#[derive(Debug, Default)]
pub(super) struct Faulty {
    inner: InMemory,
    /// The one that may be seen, and not be read.
    pub(super) forbidden: Mutex<Option<String>>,
    unreadable: Mutex<Option<String>>,
    is_down: AtomicBool,
    /// How often it was listed.
    pub(super) lists: AtomicU64,
    fetched: AtomicU64,
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("faulty")
    }
}

fn failure() -> Error {
    Error::Generic { store: "faulty", source: "503 Slow Down".into() }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        path: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> object_store::Result<PutResult> {
        self.inner.put_opts(path, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let is_forbidden = self.forbidden.lock().unwrap().as_deref() == Some(path.as_ref());
        if is_forbidden && !options.head {
            let path = path.to_string();
            return Err(Error::PermissionDenied { path, source: "403 AccessDenied".into() });
        }
        if self.unreadable.lock().unwrap().as_deref() == Some(path.as_ref()) {
            return Err(failure());
        }
        let result = self.inner.get_opts(path, options).await?;
        self.fetched.fetch_add(result.range.end - result.range.start, Ordering::Relaxed);
        Ok(result)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        if self.is_down.load(Ordering::Relaxed) {
            return Box::pin(futures::stream::iter([Err(failure())]));
        }
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

pub(super) struct Bucket {
    pub(super) store: Arc<Faulty>,
    pub(super) clock: Arc<FixedClock>,
    pub(super) settings: BucketSettings,
}

impl Bucket {
    pub(super) fn new(chunk_bytes: usize) -> Self {
        let mut settings = BucketSettings::new("test");
        settings.chunk_bytes = chunk_bytes;
        let clock = Arc::new(FixedClock::new(Timestamp::from_seconds(START)));
        Self { store: Arc::default(), clock, settings }
    }

    pub(super) async fn put(&self, key: &str, bytes: impl Into<PutPayload>) {
        self.store.put(&Path::from(key), bytes.into()).await.unwrap();
    }

    pub(super) fn source(&self, checkpoint: Option<&[u8]>) -> BucketSource {
        let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
        let location = Location::with_store("s3://b/logs", store, Path::from("logs"));
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        BucketSource::new(location, self.settings.clone(), checkpoint, clock).unwrap()
    }
}

#[tokio::test]
async fn a_prefix_is_read_and_its_neighbors_are_not() {
    let bucket = Bucket::new(1 << 20);
    bucket.put("logs/2026/a b.log", "one\n").await;
    bucket.put("logs2/b.log", "no\n").await;
    bucket.put("other.log", "no\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.records, [Record("s3://b/logs/2026/a b.log".into(), 0, 0, "one".into())]);
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_is_noticed_by_its_tag() {
    let bucket = Bucket::new(6);
    bucket.put("logs/a", "one\ntwo\nthree\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    source.poll().await.unwrap();
    let chunk = source.next(true).await.unwrap().unwrap();
    consumer.take(&mut source, &chunk);
    bucket.put("logs/a", "ONE\nTWO\nTHREE\n").await;
    consumer.drain(&mut source, true).await;
    consumer.round(&mut source, true).await;
    let seen = consumer.records.iter().map(|record| (record.1, record.3.as_str()));
    assert_eq!(seen.collect::<Vec<_>>(), [(0, "one"), (1, "ONE"), (1, "TWO"), (1, "THREE")]);
}

#[tokio::test]
async fn an_object_uploaded_again_with_more_is_read_on_and_little_is_fetched() {
    let bucket = Bucket::new(1 << 20);
    let old = "0123456789\n".repeat(10_000);
    bucket.put("logs/a", old.clone()).await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    bucket.put("logs/a", old + "new\n").await;
    bucket.store.fetched.store(0, Ordering::Relaxed);
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.records.len(), 10_001);
    assert_eq!(consumer.records[10_000].1, 0);
    assert!(bucket.store.fetched.load(Ordering::Relaxed) < 4096, "two prints and the new line");
}

#[tokio::test]
async fn an_unreadable_object_is_reported_and_tried_again() {
    let bucket = Bucket::new(1 << 20);
    bucket.put("logs/a", "a\n").await;
    bucket.put("logs/b", "b\n").await;
    *bucket.store.unreadable.lock().unwrap() = Some("logs/a".to_owned());
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["b"]);
    let troubles = source.troubles();
    assert_eq!(troubles.len(), 1);
    assert_eq!(troubles[0].0, "s3://b/logs/a");
    assert_eq!(troubles[0].1.code, "DAB0405");
    assert!(troubles[0].1.causes[0].contains("503"), "{troubles:?}");
    assert!(source.next(true).await.unwrap().is_none(), "it waits for the next poll");
    *bucket.store.unreadable.lock().unwrap() = None;
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["b", "a"]);
    assert_eq!(source.troubles(), []);
}

#[tokio::test]
async fn a_failure_in_the_middle_pauses_the_object_and_repeats_no_record() {
    let bucket = Bucket::new(6);
    bucket.put("logs/a", "one\ntwo\nthree\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    source.poll().await.unwrap();
    let chunk = source.next(true).await.unwrap().unwrap();
    consumer.take(&mut source, &chunk);
    *bucket.store.unreadable.lock().unwrap() = Some("logs/a".to_owned());
    let chunk = source.next(true).await.unwrap().unwrap();
    assert!(matches!(chunk.end, End::Pause) && chunk.bytes.is_empty());
    *bucket.store.unreadable.lock().unwrap() = None;
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_listing_that_fails_forgets_nothing() {
    let bucket = Bucket::new(1 << 20);
    bucket.put("logs/a", "a\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    source.poll().await.unwrap();
    bucket.store.is_down.store(true, Ordering::Relaxed);
    assert!(matches!(source.poll().await, Err(CollectError::Unlisted { .. })));
    assert_eq!(source.troubles()[0].0, "s3://b/logs");
    consumer.drain(&mut source, true).await;
    assert_eq!(consumer.texts(), ["a"]);
    bucket.store.is_down.store(false, Ordering::Relaxed);
    assert_eq!(source.poll().await.unwrap(), 0);
    assert_eq!(source.troubles(), []);
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let bucket = Bucket::new(6);
    bucket.put("logs/a", "one\ntwo\nthree\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    source.poll().await.unwrap();
    let chunk = source.next(true).await.unwrap().unwrap();
    consumer.take(&mut source, &chunk);
    drop(source.next(true));
    let mut next = Box::pin(source.next(true));
    // Polled once or not, then dropped.
    let polled = futures::poll!(next.as_mut());
    drop(next);
    if let std::task::Poll::Ready(chunk) = polled {
        consumer.take(&mut source, &chunk.unwrap().unwrap());
    }
    consumer.drain(&mut source, true).await;
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", "three"]);
}
