//! A query opens no file that can't matter: the oldest file of the table here is listed and not
//! there, so whoever opens it fails.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on is to stop there"
)]

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray, StructArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Fields, Schema},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use base::{Explain as _, Timestamp};
use dab_lake::{
    LakeError,
    query::{Engine, OutputFormat, QuerySettings, Rows, TimeRange, render},
    schema,
    snapshot::{Catalog, DataFile, TableSnapshot},
};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::arrow::ArrowWriter;

const OLD: [&str; 2] = ["2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z"];
const MIDDLE: [&str; 1] = ["2026-11-23T10:00:00Z"];
const NEW: [&str; 2] = ["2026-11-24T10:00:00Z", "2026-11-24T12:00:00Z"];

#[derive(Debug)]
struct OneTable(Arc<TableSnapshot>);

#[async_trait]
impl Catalog for OneTable {
    async fn table_names(&self) -> Result<Vec<String>, LakeError> {
        Ok(vec![self.0.name.clone()])
    }

    async fn snapshot(&self, name: &str) -> Result<Option<Arc<TableSnapshot>>, LakeError> {
        Ok((name == self.0.name).then(|| Arc::clone(&self.0)))
    }
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn columns() -> Arc<Schema> {
    schema::event_schema([Arc::new(Field::new("port", DataType::Int64, true))])
}

/// A file of events at these times.
fn parquet(times: &[&str]) -> Vec<u8> {
    let rows = times.len();
    let micros = TimestampMicrosecondArray::from_iter_values(
        times.iter().map(|text| time(text).as_micros()),
    );
    let micros: ArrayRef = Arc::new(micros.with_timezone("UTC"));
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; rows])) };
    let offsets: ArrayRef = Arc::new(Int64Array::from(vec![0; rows]));
    let origin = StructArray::new(
        schema::origin_fields(),
        vec![texts("file:o"), Arc::clone(&offsets)],
        None,
    );
    let schema = columns();
    let fields: Fields =
        schema.fields().iter().filter(|field| field.name() != schema::DAY).cloned().collect();
    let columns = vec![
        Arc::clone(&micros),
        micros,
        texts("id"),
        texts("sshd"),
        Arc::new(origin),
        offsets,
        Arc::new(StringArray::new_null(rows)),
    ];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// A table of three days, one file each.
async fn engine() -> Engine {
    let store = Arc::new(InMemory::new());
    let mut files = Vec::new();
    for (number, times) in [&OLD[..], &MIDDLE[..], &NEW[..]].into_iter().enumerate() {
        let bytes = parquet(times);
        files.push(DataFile {
            path: Path::from(format!("{number}.parquet")),
            bytes: u64::try_from(bytes.len()).unwrap(),
            rows: u64::try_from(times.len()).ok(),
            day: time(times[0]).day(),
            time_min: times.iter().map(|text| time(text)).min(),
            time_max: times.iter().map(|text| time(text)).max(),
        });
        if number > 0 {
            store.put(&Path::from(format!("t/{number}.parquet")), bytes.into()).await.unwrap();
        }
    }
    let table = TableSnapshot {
        name: "sshd".to_owned(),
        version: 1,
        schema: columns(),
        files,
        store,
        root: Path::from("t"),
    };
    Engine::new(Arc::new(OneTable(Arc::new(table))), QuerySettings::default())
}

fn times(rows: &Rows) -> Vec<String> {
    let Rows::Events(events) = rows else { panic!("rows of columns: {rows:?}") };
    events.iter().map(|event| event.time.to_string()).collect()
}

#[tokio::test]
async fn sql_opens_only_files_whose_times_and_days_can_pass() {
    let engine = engine().await;
    for text in [
        "SELECT count(port) FROM sshd WHERE time >= '2026-11-23T00:00:00Z'",
        "SELECT count(port) FROM sshd WHERE time > '2026-11-22T11:00:00Z'",
        "SELECT count(port) FROM sshd WHERE time > '2026-11-22T11:00:00Z' AND port = 0",
        "SELECT count(port) FROM sshd WHERE day >= '2026-11-23'",
        "SELECT count(port) FROM sshd WHERE day = '2026-11-23' OR day = '2026-11-24'",
    ] {
        let rows = engine.sql(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut csv = Vec::new();
        render(&rows, OutputFormat::Csv, None, &mut csv).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        assert_eq!(csv.lines().nth(1), Some("3"), "{text}");
    }
    // The last time of the oldest file is still in this range.
    for text in [
        "SELECT count(port) FROM sshd",
        "SELECT count(port) FROM sshd WHERE time >= '2026-11-22T11:00:00Z'",
    ] {
        let error = engine.sql(text).await.unwrap_err();
        assert_eq!(error.code().0, "DAB0529", "{text}: {error:?}");
    }
}

#[tokio::test]
async fn a_search_opens_only_the_newest_days_that_it_needs() {
    let engine = engine().await;
    let always = TimeRange::default();
    let expected = [NEW[1], NEW[0], MIDDLE[0]];
    assert_eq!(times(&engine.search("*", &always, Some(3)).await.unwrap()), expected);
    assert_eq!(times(&engine.search("port:0", &always, Some(1)).await.unwrap()), [NEW[1]]);
    let error = engine.search("*", &always, Some(4)).await.unwrap_err();
    assert_eq!(error.code().0, "DAB0529", "{error:?}");
}

#[tokio::test]
async fn a_search_opens_only_files_of_its_range() {
    let engine = engine().await;
    let after = |text: &str| TimeRange { from: Some(time(text)), to: None };
    let rows = engine.search("*", &after("2026-11-22T11:00:00.000001Z"), None).await.unwrap();
    assert_eq!(times(&rows), [NEW[1], NEW[0], MIDDLE[0]]);
    engine.search("*", &after(OLD[1]), None).await.unwrap_err();
    let counted = engine.search("* | count", &after(MIDDLE[0]), None).await.unwrap();
    let mut csv = Vec::new();
    render(&counted, OutputFormat::Csv, None, &mut csv).unwrap();
    assert_eq!(csv, b"count\r\n3\r\n");
    // `to` is no longer in the range.
    let range = TimeRange { from: Some(time(MIDDLE[0])), to: Some(time(NEW[1])) };
    assert_eq!(times(&engine.search("*", &range, None).await.unwrap()), [NEW[0], MIDDLE[0]]);
}
