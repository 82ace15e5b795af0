//! A lake written by hand, file by file, and what queries make of it.

mod claims;
mod detections;
mod differential;
mod direct;
mod external;
mod guards;
mod language;
mod render;
mod search;
mod sql;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Fields, Schema},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use base::Timestamp;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::{
    arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder},
    file::properties::WriterProperties,
};
use serde_json::{Map, Value, json};

use super::{Engine, ExternalTable, QueryError, QuerySettings, Rows, TimeRange};
use crate::{
    LakeError,
    index::{IndexBuilder, path_of},
    schema,
    snapshot::{Catalog, DataFile, TableSnapshot},
};

/// Tables in memory.
#[derive(Debug, Default)]
pub(super) struct Tables(pub(super) BTreeMap<String, Arc<TableSnapshot>>, Vec<ExternalTable>);

#[async_trait]
impl Catalog for Tables {
    async fn table_names(&self) -> Result<Vec<String>, LakeError> {
        Ok(self.0.keys().cloned().collect())
    }

    async fn snapshot(&self, name: &str) -> Result<Option<Arc<TableSnapshot>>, LakeError> {
        Ok(self.0.get(name).map(Arc::clone))
    }

    fn external_tables(&self) -> &[ExternalTable] {
        &self.1
    }
}

impl Tables {
    /// Adds a table of files, each with the columns that its source had when it was written.
    /// Columns may appear from file to file, members of structs too.
    pub(super) async fn add(&mut self, name: &str, files: &[(Vec<Field>, Vec<Value>)]) {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let root = Path::from("lake").join("tables").join(name);
        let mut all = Schema::empty();
        let mut listed = Vec::new();
        for (number, (columns, events)) in files.iter().enumerate() {
            let own = Schema::new(columns.clone());
            all = Schema::try_merge([all, own.clone()]).expect("columns only appear");
            let own: Vec<Arc<Field>> = own.fields().iter().cloned().collect();
            let with_day = schema::event_schema(own);
            let days = events.iter().map(|event| time_of(event).day());
            let day = days.clone().next().expect("a file has events");
            assert!(days.clone().all(|other| other == day), "a file has one day");
            let path = Path::from(format!("day={day}")).join(format!("part-{number}.parquet"));
            let bytes = parquet(&with_day, name, events);
            let times = || events.iter().map(time_of);
            listed.push(DataFile {
                path: path.clone(),
                bytes: bytes.len() as u64,
                rows: Some(events.len() as u64),
                day,
                time_min: times().min(),
                time_max: times().max(),
            });
            let index = index(&with_day, bytes.clone());
            let location = root.parts().chain(path_of(&path).parts()).collect();
            store.put(&location, index.into()).await.expect("memory takes it");
            let location = root.parts().chain(path.parts()).collect();
            store.put(&location, bytes.into()).await.expect("memory takes it");
        }
        let schema = schema::event_schema(all.fields().iter().cloned().collect::<Vec<_>>());
        let snapshot =
            TableSnapshot { name: name.to_owned(), version: 1, schema, files: listed, store, root };
        self.0.insert(name.to_owned(), Arc::new(snapshot));
    }

    pub(super) fn engine(self) -> Engine {
        // However small the files are, their indexes are asked.
        let settings = QuerySettings { index_from_bytes: Some(0), ..QuerySettings::default() };
        Engine::new(Arc::new(self), settings)
    }
}

/// The index of a file, in blocks of two rows.
fn index(schema: &Schema, file: Vec<u8>) -> bytes::Bytes {
    let bytes = file.len() as u64;
    let rows = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file));
    let mut builder = IndexBuilder::new(schema, 2, usize::MAX);
    for batch in rows.expect("a file").build().expect("a reader") {
        builder.add(&batch.expect("rows"));
    }
    builder.whole(bytes)
}

fn time_of(event: &Value) -> Timestamp {
    Timestamp::parse(event["time"].as_str().expect("a time")).expect("RFC 3339")
}

/// One file: what fits a column goes there, everything else to `_rest`.
fn parquet(schema: &Schema, table: &str, events: &[Value]) -> Vec<u8> {
    let file_schema = Schema::new(
        schema.fields().iter().filter(|f| f.name() != schema::DAY).cloned().collect::<Fields>(),
    );
    let rows: Vec<Value> = events
        .iter()
        .map(|event| {
            let Value::Object(mut row) = event.clone() else { panic!("an event is an object") };
            let mut kept = Map::new();
            for name in ["time", "event_id"] {
                kept.insert(name.to_owned(), row.remove(name).expect("an envelope"));
            }
            kept.insert("ingest_time".to_owned(), kept["time"].clone());
            kept.insert("log_source".to_owned(), json!(table));
            kept.insert("origin".to_owned(), json!({"object": "file:x", "offset": 7}));
            let rest = split(row, schema.fields(), &mut kept);
            if !rest.is_empty() {
                kept.insert("_rest".to_owned(), json!(Value::Object(rest).to_string()));
            }
            Value::Object(kept)
        })
        .collect();
    let columns: Vec<ArrayRef> = file_schema
        .fields()
        .iter()
        .map(|field| {
            array(field, &rows.iter().map(|row| row.get(field.name())).collect::<Vec<_>>())
        })
        .collect();
    let file_schema = Arc::new(file_schema);
    let batch = RecordBatch::try_new(Arc::clone(&file_schema), columns).expect("as declared");
    // Files are unlike each other: some have dictionaries, and all have small row groups and pages.
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(!events.len().is_multiple_of(3))
        .set_max_row_group_row_count(Some(5))
        .set_write_batch_size(2)
        .set_data_page_row_count_limit(2)
        .build();
    let writer = ArrowWriter::try_new(Vec::new(), file_schema, Some(properties));
    let mut writer = writer.expect("a schema");
    writer.write(&batch).expect("memory takes it");
    writer.into_inner().expect("a footer")
}

/// Moves what fits into `kept`, and answers the rest.
fn split(
    row: Map<String, Value>,
    fields: &Fields,
    kept: &mut Map<String, Value>,
) -> Map<String, Value> {
    let mut rest = Map::new();
    for (key, value) in row {
        let field = fields.iter().find(|f| *f.name() == key && !schema::RESERVED.contains(&&*key));
        match (field, value) {
            (_, Value::Null) => {}
            (Some(field), Value::Object(inner)) if !schema::is_json(field) => {
                let DataType::Struct(members) = field.data_type() else {
                    rest.insert(key, Value::Object(inner));
                    continue;
                };
                let mut inner_kept = Map::new();
                let inner_rest = split(inner, members, &mut inner_kept);
                if !inner_rest.is_empty() {
                    rest.insert(key.clone(), Value::Object(inner_rest));
                }
                kept.insert(key, Value::Object(inner_kept));
            }
            (Some(field), value) if fits(field, &value) => {
                let json = schema::is_json(field);
                kept.insert(key, if json { json!(value.to_string()) } else { value });
            }
            (_, value) => {
                rest.insert(key, value);
            }
        }
    }
    rest
}

fn fits(field: &Field, value: &Value) -> bool {
    match field.data_type() {
        DataType::Utf8 if schema::is_json(field) => value.is_array() || value.is_object(),
        DataType::Utf8 => value.is_string(),
        DataType::Int64 => value.is_i64(),
        DataType::Float64 => value.is_f64(),
        DataType::Boolean => value.is_boolean(),
        DataType::List(_) => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        _ => false,
    }
}

fn array(field: &Field, values: &[Option<&Value>]) -> ArrayRef {
    let texts = || values.iter().map(|v| v.and_then(Value::as_str));
    match field.data_type() {
        DataType::Utf8 => Arc::new(texts().collect::<StringArray>()),
        DataType::Int64 => {
            Arc::new(values.iter().map(|v| v.and_then(Value::as_i64)).collect::<Int64Array>())
        }
        DataType::Float64 => {
            Arc::new(values.iter().map(|v| v.and_then(Value::as_f64)).collect::<Float64Array>())
        }
        DataType::Boolean => {
            Arc::new(values.iter().map(|v| v.and_then(Value::as_bool)).collect::<BooleanArray>())
        }
        DataType::Timestamp(..) => {
            let micros = texts().map(|text| Some(Timestamp::parse(text?)?.as_micros()));
            Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
        }
        DataType::List(member) => {
            let lists: Vec<Vec<Option<&Value>>> = values
                .iter()
                .map(|v| v.and_then(Value::as_array).into_iter().flatten().map(Some).collect())
                .collect();
            let lengths = lists.iter().map(Vec::len);
            let offsets = OffsetBuffer::from_lengths(lengths);
            let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
            let inner = array(member, &lists.concat());
            Arc::new(ListArray::new(Arc::clone(member), offsets, inner, Some(nulls)))
        }
        DataType::Struct(members) => {
            let columns = members.iter().map(|member| {
                let inner: Vec<_> =
                    values.iter().map(|v| v.and_then(|v| v.get(member.name()))).collect();
                array(member, &inner)
            });
            let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
            Arc::new(StructArray::new(members.clone(), columns.collect(), Some(nulls)))
        }
        other => panic!("no test has a column of {other}"),
    }
}

pub(super) fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

pub(super) fn int(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

pub(super) fn object(name: &str, members: Vec<Field>) -> Field {
    Field::new(name, DataType::Struct(Fields::from(members)), true)
}

pub(super) fn texts(name: &str) -> Field {
    Field::new(name, schema::text_list_type(), true)
}

/// A small company: a table whose columns appeared in three steps, and one of another source.
pub(super) async fn company() -> Engine {
    let mut tables = Tables::default();
    let day = |n: u32, clock: &str| format!("2026-11-{n:02}T{clock}Z");
    let first = vec![text("eventName"), int("status"), object("user", vec![text("name")])];
    let mut second = first.clone();
    second[2] = object("user", vec![text("name"), text("ip"), object("mfa", vec![text("kind")])]);
    second.push(texts("tags"));
    second.push(schema::json_field("resources"));
    let cloud = [
        (
            first,
            vec![
                json!({"time": day(1, "10:00:00"), "event_id": "c1", "eventName": "ConsoleLogin",
                       "status": 200, "user": {"name": "alice", "age": 41}, "extra": "seen"}),
                json!({"time": day(1, "11:00:00"), "event_id": "c2", "eventName": "ConsoleLogin",
                       "status": "denied", "user": {"name": "bob"}}),
            ],
        ),
        (
            second.clone(),
            vec![json!({"time": day(2, "10:00:00"), "event_id": "c3", "eventName": "AssumeRole",
                       "status": 403, "tags": ["red", "Blue sky"],
                       "user": {"name": "alice", "ip": "10.0.0.1", "mfa": {"kind": "totp"}},
                       "resources": [{"ARN": "arn:one", "n": 1}, {"ARN": "arn:two"}]})],
        ),
        (
            second,
            vec![json!({"time": day(2, "12:00:00"), "event_id": "c4", "eventName": "DeleteTrail",
                       "status": 500, "user": {"name": "mallory\u{1b}[31m", "ip": "10.0.0.66"},
                       "deep": {"er": {"still": [1, "down"]}}, "time zone": "CET"})],
        ),
    ];
    tables.add("cloud", &cloud).await;
    let web = vec![text("verb"), text("status"), int("bytes")];
    let web = [(
        web,
        vec![
            json!({"time": day(2, "11:00:00"), "event_id": "w1", "verb": "GET", "status": "404",
                   "bytes": 12, "agent": "curl/8 alice", "event": "hit"}),
            json!({"time": day(2, "11:30:00"), "event_id": "w2", "verb": "POST", "status": "200",
                   "bytes": 3000}),
        ],
    )];
    tables.add("web", &web).await;
    let alerts = [(
        vec![text("title")],
        vec![json!({"time": day(2, "13:00:00"), "event_id": "a1", "title": "alice again"})],
    )];
    tables.add("alerts", &alerts).await;
    tables.engine()
}

pub(super) fn ids(rows: &Rows) -> Vec<String> {
    let Rows::Events(events) = rows else { panic!("rows of columns: {rows:?}") };
    let id = |json: &str| {
        serde_json::from_str::<Value>(json).expect("JSON")["event_id"].as_str().unwrap().to_owned()
    };
    events.iter().map(|event| id(&event.json)).collect()
}

pub(super) async fn search(engine: &Engine, line: &str) -> Result<Rows, QueryError> {
    engine.search(line, &TimeRange::default(), None).await
}

/// Rows as CSV: short, and exact.
pub(super) fn csv(rows: &Rows) -> String {
    let mut out = Vec::new();
    super::render(rows, super::OutputFormat::Csv, None, &mut out).expect("memory takes it");
    String::from_utf8(out).expect("UTF-8").replace("\r\n", "\n")
}
