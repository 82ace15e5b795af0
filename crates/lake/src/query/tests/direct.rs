//! What is read of files without a plan, and what is left to the engine.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, StructArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use bytes::Bytes;
use object_store::{ObjectStoreExt as _, path::Path};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};

use super::{Tables, ids, int, object, text};
use crate::query::{Engine, Rows, TimeRange, Values};

const FRUIT: [&str; 3] = ["apple", "pear", "plum"];

fn events(count: usize) -> Vec<Value> {
    let event = |n: usize| {
        json!({
            "time": format!("2026-11-01T00:00:{:02}Z", n % 60), "event_id": format!("e{n:04}"),
            "kind": FRUIT[n % 3], "n": n,
            "user": {"name": format!("user{}", n % 7), "ip": "10.0.0.1"}, "more": n.is_multiple_of(2),
        })
    };
    (0..count).map(event).collect()
}

async fn fruit() -> Tables {
    let columns = vec![text("kind"), int("n"), object("user", vec![text("name"), text("ip")])];
    let mut tables = Tables::default();
    tables.add("fruit", &[(columns, events(100))]).await;
    tables
}

async fn found(engine: &Engine, line: &str) -> (Vec<String>, u64) {
    let (values, range) = (Values::default(), TimeRange::default());
    let (rows, scanned) = engine.search_with(line, &values, &range, Some(1000)).await.unwrap();
    let Rows::Events(events) = rows else { panic!("rows of columns") };
    (events.into_iter().map(|event| event.json).collect(), scanned.bytes_read)
}

/// Without the help of the search index.
fn plain(tables: &Tables) -> Engine {
    let settings = crate::query::QuerySettings { index_from_bytes: None, ..Default::default() };
    Engine::new(Arc::new(Tables(tables.0.clone(), Vec::new())), settings)
}

#[tokio::test]
async fn what_is_in_no_dictionary_reads_no_rows() {
    let engine = plain(&fruit().await);
    let (all, bytes_all) = found(&engine, "").await;
    assert_eq!(all.len(), 100);
    let (none, bytes_none) = found(&engine, "user.ip:10.0.0.2").await;
    assert!(none.is_empty());
    let (some, bytes_some) = found(&engine, "kind:pear user.name:user3").await;
    assert_eq!(some.len(), 5);
    assert!(
        bytes_none * 4 < bytes_some && bytes_some <= bytes_all,
        "{bytes_none} {bytes_some} {bytes_all}"
    );
}

/// Writes the only file of the table anew.
async fn rewrite(tables: &mut Tables, change: impl Fn(RecordBatch) -> RecordBatch) {
    let table = tables.0.get_mut("fruit").unwrap();
    let file = table.files[0].clone();
    let location: Path = table.root.parts().chain(file.path.parts()).collect();
    let bytes = table.store.get(&location).await.unwrap().bytes().await.unwrap();
    let batches = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = batches.map(|batch| change(batch.unwrap())).collect();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), None).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    let bytes = Bytes::from(writer.into_inner().unwrap());
    Arc::get_mut(table).unwrap().files[0].bytes = bytes.len() as u64;
    table.store.put(&location, bytes.into()).await.unwrap();
}

fn with_column(batch: &RecordBatch, name: &str, array: ArrayRef) -> RecordBatch {
    let at = batch.schema().index_of(name).unwrap();
    let (mut fields, mut arrays) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    fields[at] = Arc::new(Field::new(name, array.data_type().clone(), true));
    arrays[at] = array;
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

#[tokio::test]
async fn files_of_others_are_read_all_the_same() {
    let lines = ["", "kind:pear", "user3", "NOT user.name:user1 n:>50", "more:true plum"];
    let mut expected = Vec::new();
    for line in lines {
        expected.push(found(&plain(&fruit().await), line).await.0);
    }
    assert!(expected.iter().all(|found| !found.is_empty()));
    type Change = fn(RecordBatch) -> RecordBatch;
    let large: Change = |batch| {
        let kind = batch.column_by_name("kind").unwrap();
        with_column(&batch, "kind", cast(kind, &DataType::LargeUtf8).unwrap())
    };
    let turned: Change = |batch| {
        let user = batch.column_by_name("user").unwrap().as_struct();
        let mut members: Vec<_> =
            user.fields().iter().cloned().zip(user.columns().to_vec()).collect();
        members.reverse();
        with_column(&batch, "user", Arc::new(StructArray::from(members)))
    };
    let shuffled: Change = |batch| {
        let order: Vec<usize> = (0..batch.num_columns()).rev().collect();
        batch.project(&order).unwrap()
    };
    for (name, change) in [("large", large), ("turned", turned), ("shuffled", shuffled)] {
        let mut tables = fruit().await;
        rewrite(&mut tables, change).await;
        let engine = plain(&tables);
        for (line, expected) in lines.iter().zip(&expected) {
            assert_eq!(&found(&engine, line).await.0, expected, "{name}: {line}");
        }
    }
}

#[tokio::test]
async fn no_more_is_read_than_may_be() {
    let tables = fruit().await;
    let settings =
        crate::query::QuerySettings { index_from_bytes: None, bytes_max: 10, ..Default::default() };
    let engine = Engine::new(Arc::new(tables), settings);
    let error = engine.search("pear", &TimeRange::default(), None).await.unwrap_err();
    assert!(error.to_string().contains("10"), "{error}");
    let few = plain(&fruit().await);
    let newest = few.search("pear", &TimeRange::default(), Some(3)).await.unwrap();
    assert_eq!(ids(&newest), ["e0058", "e0055", "e0052"]);
}
