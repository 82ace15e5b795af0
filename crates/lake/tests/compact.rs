//! Compaction through the public interface: what is read stays the same, whoever else writes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on is to stop there")]

#[path = "fixture/table.rs"]
mod fixture;

use std::{collections::BTreeSet, sync::Arc};

use arrow::{array::AsArray as _, datatypes::TimestampMicrosecondType, record_batch::RecordBatch};
use base::{Day, Explain as _, Timestamp};
use dab_lake::{
    Lake,
    compact::{CompactOptions, Compacted, compact},
    schema,
    snapshot::DataFile,
};
use fixture::{append, csv, files, filled, open};
use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        reader::{FileReader as _, SerializedFileReader},
    },
};

async fn everything(lake: &Arc<Lake>) -> String {
    csv(lake, "SELECT * FROM test ORDER BY event_id").await
}

async fn compacted(lake: &Lake, options: &CompactOptions) -> Compacted {
    compact(lake, "test", options).await.unwrap()
}

fn footer(bytes: &bytes::Bytes) -> ParquetMetaData {
    let mut reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required);
    reader.try_parse(bytes).unwrap();
    reader.finish().unwrap()
}

async fn read(lake: &Lake, file: &DataFile) -> bytes::Bytes {
    lake.get(&format!("tables/test/{}", file.path)).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_read_is_the_same_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let before = everything(&lake).await;
    let done = compacted(&lake, &CompactOptions::default()).await;
    assert_eq!((done.days, done.files_before, done.files_after, done.rows), (2, 40, 2, 1000));
    assert!(done.bytes_after < done.bytes_before / 2, "{done:?}");
    assert_eq!(everything(&lake).await, before);
    assert_eq!(files(&lake).await.len(), 2);
    // Another process, which opens the table from its checkpoint, sees the same.
    assert_eq!(everything(&open(folder.path())).await, before);
    let again = compacted(&lake, &CompactOptions::default()).await;
    assert_eq!(again, Compacted { table: "test".into(), ..Compacted::default() });
}

#[tokio::test]
async fn files_are_sorted_with_pages_that_end_together_and_bloom_filters() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    append(&lake, "dab/s", 1, 0..30_000).await;
    append(&lake, "dab/s", 2, 30_000..40_000).await;
    compacted(&lake, &CompactOptions::default()).await;
    for file in files(&lake).await {
        let bytes = read(&lake, &file).await;
        let rows = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).unwrap();
        let mut times = Vec::new();
        for batch in rows.build().unwrap() {
            let batch = batch.unwrap();
            let column = batch.column_by_name(schema::TIME).unwrap();
            let column = arrow::array::AsArray::as_primitive::<
                arrow::datatypes::TimestampMicrosecondType,
            >(column);
            times.extend(column.values().iter().copied());
        }
        assert!(times.is_sorted(), "{}", file.path);
        assert_eq!(Some(times[0]), file.time_min.map(Timestamp::as_micros));
        assert_eq!(times.last().copied(), file.time_max.map(Timestamp::as_micros));

        let footer = footer(&bytes);
        let offsets = &footer.offset_index().unwrap()[0];
        let pages = |column: usize| -> Vec<i64> {
            offsets[column].page_locations().iter().map(|page| page.first_row_index).collect()
        };
        for column in 0..footer.row_group(0).num_columns() {
            let path = footer.row_group(0).column(column).column_path().string();
            assert_eq!(pages(column), pages(0), "{path}");
        }
        if times.len() > 30_000 {
            assert_eq!(pages(0), [0, 16_384, 32_768]);
        }
        let reader = SerializedFileReader::new(bytes).unwrap();
        let with_bloom: Vec<String> = reader
            .metadata()
            .row_group(0)
            .columns()
            .iter()
            .filter(|column| column.bloom_filter_offset().is_some())
            .map(|column| column.column_path().string())
            .collect();
        assert_eq!(with_bloom, ["event_id", "source.ip"]);
    }
}

#[tokio::test]
async fn what_does_not_fit_in_memory_is_sorted_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    for batch in 0..10_u64 {
        let number = i64::try_from(batch).unwrap() + 1;
        append(&lake, "dab/s", number, batch * 20_000..(batch + 1) * 20_000).await;
    }
    let sum = "SELECT count(*), count(DISTINCT event_id), sum(n), min(time), max(time) FROM test";
    let before = csv(&lake, sum).await;
    let starved = CompactOptions { memory_bytes: 1 << 20, ..CompactOptions::default() };
    let error = compact(&lake, "test", &starved).await.unwrap_err();
    assert_eq!(error.code().0, "DAB0506", "{error}");
    assert_eq!(csv(&lake, sum).await, before);
    let options = CompactOptions { memory_bytes: 24 << 20, ..CompactOptions::default() };
    let done = compacted(&lake, &options).await;
    assert_eq!((done.files_after, done.rows), (2, 200_000));
    assert_eq!(csv(&lake, sum).await, before);
}

#[tokio::test]
async fn sorted_files_of_a_day_that_has_many_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let before = everything(&lake).await;
    // Each day's files become several, each sorted by itself.
    let fresh = files(&lake).await;
    let largest = fresh.iter().map(|file| file.bytes).max().unwrap();
    let pairs = CompactOptions {
        target_bytes: 5 * largest,
        files_a_day: usize::MAX,
        ..CompactOptions::default()
    };
    compacted(&lake, &pairs).await;
    let sorted = files(&lake).await;
    assert!(sorted.len() >= 6, "{}", sorted.len());
    let smallest = sorted.iter().map(|file| file.bytes).min().unwrap();
    let merging =
        CompactOptions { target_bytes: smallest, files_a_day: 1, ..CompactOptions::default() };
    let done = compacted(&lake, &merging).await;
    assert_eq!((done.files_before, done.rows), (sorted.len(), 1000));
    let merged = files(&lake).await;
    assert_eq!(merged.len(), 2, "one for each day");
    assert_eq!(everything(&lake).await, before);
    for file in &merged {
        let bytes = read(&lake, file).await;
        let rows = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
        let times: Vec<i64> = rows.flat_map(|batch| times(&batch.unwrap())).collect();
        assert!(times.is_sorted() && !times.is_empty());
    }
    assert_eq!(compacted(&lake, &merging).await.files_before, 0, "it is done");
}

fn times(rows: &RecordBatch) -> Vec<i64> {
    let column = rows.column_by_name(schema::TIME).unwrap();
    column.as_primitive::<TimestampMicrosecondType>().values().to_vec()
}

#[tokio::test]
async fn days_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let day = |text: &str| Day::parse(text).unwrap();
    let growing = CompactOptions {
        growing_from: Some(day("2026-11-22")),
        small_files_max: 20,
        ..CompactOptions::default()
    };
    assert_eq!(compacted(&lake, &growing).await.days, 0, "they still grow");
    let one =
        CompactOptions { days: BTreeSet::from([day("2026-11-22")]), ..CompactOptions::default() };
    assert_eq!(compacted(&lake, &one).await.rows, 100);
    let many = CompactOptions { small_files_max: 19, ..growing };
    assert_eq!(compacted(&lake, &many).await.rows, 900, "it has too many small files");
}

/// Two writers, whose columns grow, and three compactions, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_compactions_at_once_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..2_u64 {
        let lake = open(folder.path());
        tasks.spawn(async move {
            for number in 0..15_u64 {
                let from = 10_000 * (writer + 1) + number * 10;
                let app = format!("dab/w{writer}");
                append(&lake, &app, i64::try_from(number).unwrap() + 1, from..from + 10).await;
            }
        });
    }
    for _ in 0..3 {
        let lake = open(folder.path());
        tasks.spawn(async move {
            for _ in 0..5 {
                compacted(&lake, &CompactOptions::default()).await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let lake = open(folder.path());
    let count = csv(&lake, "SELECT count(*), count(DISTINCT event_id), sum(n) FROM test").await;
    let sum: u64 = (0..1000).chain(10_000..10_150).chain(20_000..20_150).sum();
    assert_eq!(count.lines().nth(1).unwrap(), format!("1300,1300,{sum}"));
}

#[tokio::test]
async fn a_table_that_lacks_a_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let lost = files(&lake).await.swap_remove(3);
    std::fs::remove_file(folder.path().join(format!("tables/test/{}", lost.path))).unwrap();
    let error = compact(&lake, "test", &CompactOptions::default()).await.unwrap_err();
    assert_eq!(error.code().0, "DAB0503", "{error}");
    assert_eq!(files(&lake).await.iter().filter(|file| file.day == lost.day).count(), 20);
}
