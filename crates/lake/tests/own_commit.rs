//! A commit that goes through while the store's client hears of a failure, and tries again by itself: it meets
//! what it has written, and must not take that for somebody else's.

#![expect(clippy::unwrap_used, reason = "a test that can't go on is to stop there")]

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use base::{Event, EventId, FixedClock, Object, ObjectHash, Origin, Timestamp, Value, limits};
use dab_lake::{
    Lake, LakeError,
    table::{Commit, Outcome},
    write::TableWriter,
};
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use url::Url;

/// A store that does the next write to a table's log twice, and answers for the second time.
#[derive(Debug, Default)]
struct Repeating {
    store: InMemory,
    is_next: AtomicBool,
}

impl fmt::Display for Repeating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that repeats a write")
    }
}

#[async_trait]
impl ObjectStore for Repeating {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let is_log = location.as_ref().contains("_delta_log");
        if is_log && self.is_next.swap(false, Ordering::Relaxed) {
            self.store.put_opts(location, payload.clone(), options.clone()).await?;
        }
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn event(offset: u64) -> Event<'static> {
    let time = Timestamp::parse("2026-11-24T07:00:00Z").unwrap();
    let mut fields = Object::new();
    fields.push("a", Value::Int(1));
    Event {
        time,
        ingest_time: time,
        id: EventId { object: ObjectHash::of(&["o"]), offset },
        log_source: "test",
        origin: Origin { object: "file:o".into(), offset },
        fields,
        normalized: Object::new(),
        json: None,
    }
}

async fn commit(lake: &Lake, number: i64) -> Result<Outcome, LakeError> {
    let table = lake.table("test").await.unwrap();
    let own = table.own_fields().await.unwrap();
    let mut writer = TableWriter::new("test", own.iter(), limits::TABLE_COLUMNS_MAX);
    writer.append(&event(number.unsigned_abs()), 100).unwrap();
    let written = writer.finish().unwrap();
    let commit = Commit { app: "dab/s".into(), number, own: written.own, files: written.files };
    table.commit(&commit).await
}

#[tokio::test]
async fn what_went_through_is_not_taken_for_somebody_else_s() {
    let store = Arc::new(Repeating::default());
    let clock = FixedClock::new(Timestamp::parse("2026-11-24T08:00:00Z").unwrap());
    let url = Url::parse("memory:///lake").unwrap();
    let lake = Lake::on_store(Arc::clone(&store) as _, Path::from("lake"), url, Arc::new(clock));
    assert!(matches!(commit(&lake, 1).await.unwrap(), Outcome::Committed(_)));
    store.is_next.store(true, Ordering::Relaxed);
    // Not a conflict, upon which the batch would be made again under the next number.
    let error = commit(&lake, 2).await.unwrap_err();
    assert!(matches!(error, LakeError::Unavailable { .. }), "{error:?}");
    assert!(!store.is_next.load(Ordering::Relaxed), "the log was not written");
    assert_eq!(commit(&lake, 2).await.unwrap(), Outcome::Skipped);
    assert!(matches!(commit(&lake, 3).await.unwrap(), Outcome::Committed(_)));
    let table = lake.table("test").await.unwrap();
    let snapshot = table.snapshot().await.unwrap().unwrap();
    let rows: u64 = snapshot.files.iter().map(|file| file.rows.unwrap()).sum();
    assert_eq!(rows, 3);
}
