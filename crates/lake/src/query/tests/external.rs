//! Files of others as tables.

use std::{collections::BTreeMap, fs, path::Path as FilePath, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, LargeStringArray, StringArray, StructArray},
    datatypes::{DataType, Field, Fields},
    record_batch::RecordBatch,
};
use base::{Explain as _, Place};
use object_store::{local::LocalFileSystem, path::Path};
use parquet::arrow::ArrowWriter;
use serde_json::json;
use tempfile::TempDir;

use super::{Tables, csv, int, text};
use crate::query::{
    Engine, ExternalFormat, ExternalTable, ExternalType, QueryError, QuerySettings, TimeRange,
};

/// A table of the file or folder.
fn table(name: &str, path: &FilePath, format: ExternalFormat) -> ExternalTable {
    ExternalTable {
        name: name.to_owned(),
        format,
        address: format!("file:{}", path.file_name().unwrap().to_string_lossy()),
        store: Arc::new(LocalFileSystem::new()),
        path: Path::from_absolute_path(path).unwrap(),
        is_local: true,
        delimiter: b',',
        sheet: None,
        types: BTreeMap::new(),
    }
}

fn engine(external: Vec<ExternalTable>) -> Engine {
    Tables(BTreeMap::new(), external).engine()
}

async fn answer(engine: &Engine, sql: &str) -> String {
    csv(&engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}")))
}

async fn refused(engine: &Engine, sql: &str) -> QueryError {
    match engine.sql(sql).await {
        Ok(rows) => panic!("{sql} is answered: {}", csv(&rows)),
        Err(error) => error,
    }
}

/// A folder with a file.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn flows(name: &str, bytes: i64) -> RecordBatch {
    let address: ArrayRef = Arc::new(StringArray::from(vec![format!("10.0.0.{bytes}")]));
    let ip = Field::new("ip", DataType::Utf8, true);
    let source = StructArray::new(Fields::from(vec![ip]), vec![address], None);
    RecordBatch::try_from_iter([
        ("name", Arc::new(LargeStringArray::from(vec![name])) as ArrayRef),
        ("bytes", Arc::new(Int64Array::from(vec![bytes]))),
        ("source", Arc::new(source)),
    ])
    .unwrap()
}

#[tokio::test]
async fn csv_is_text_unless_it_is_said_otherwise() {
    // As Excel writes it: with a mark, line ends of Windows, a column without a name.
    let text = "\u{feff}\"host\",level,seen,\r\na,007,2026-11-24T10:00:00+02:00,x\r\n\
                \"b \"\"1\"\"\nnext line\",12,2026-11-25T00:00:00Z,\r\n";
    let (_folder, path) = file("assets.csv", text);
    let plain = table("assets", &path, ExternalFormat::Csv);
    let rows =
        answer(&engine(vec![plain.clone()]), "SELECT * FROM assets WHERE level = '007'").await;
    assert_eq!(rows, "host,level,seen,column_4\na,007,2026-11-24T10:00:00+02:00,x\n");
    let types = [("level", ExternalType::Int), ("seen", ExternalType::Time)];
    let types = types.map(|(name, of)| (name.to_owned(), of)).into();
    let typed = engine(vec![ExternalTable { types, ..plain.clone() }]);
    let rows = answer(&typed, "SELECT host, level + 1 AS l, seen FROM Assets ORDER BY level").await;
    assert_eq!(
        rows,
        "host,l,seen\na,8,2026-11-24T08:00:00Z\n\"b \"\"1\"\"\nnext line\",13,2026-11-25T00:00:00Z\n"
    );
    let types = [("level".to_owned(), ExternalType::Bool)].into();
    let wrong = engine(vec![ExternalTable { types, ..plain.clone() }]);
    let wrong = refused(&wrong, "SELECT * FROM assets").await;
    assert_eq!(wrong.code().0, "DAB0535", "{wrong}");
    assert_eq!(wrong.place(), Some(Place::Object("file:assets.csv".into())));
    let types = [("leve".to_owned(), ExternalType::Int)].into();
    let wrong = engine(vec![ExternalTable { types, ..plain }]);
    let wrong = refused(&wrong, "SELECT 1 FROM assets").await;
    assert_eq!(
        wrong.to_string(),
        "the external table `assets` can't be understood: `types` names the column `leve`, which it \
         does not have; it has `column_4`, `host`, `level`, `seen`"
    );
}

#[tokio::test]
async fn a_folder_of_files_is_one_table() {
    let (folder, _) = file("a.csv", "ip;n\n10.0.0.1;1\n");
    fs::write(folder.path().join("b.csv"), "ip;n\n10.0.0.2;2\n").unwrap();
    fs::write(folder.path().join("README.md"), "ip;n\n10.0.0.3;3\n").unwrap();
    let path = folder.path().to_owned();
    let listed = ExternalTable { delimiter: b';', ..table("list", &path, ExternalFormat::Csv) };
    let engine = engine(vec![listed]);
    let rows = answer(&engine, "SELECT n FROM list WHERE ip_in_cidr(ip, '10.0.0.0/8') ORDER BY n");
    assert_eq!(rows.await, "n\n1\n2\n");
    assert_eq!(
        answer(&engine, "SELECT count(*) AS n FROM (SELECT * FROM list LIMIT 1)").await,
        "n\n1\n"
    );
    fs::write(folder.path().join("c.csv"), "n;ip\n3;10.0.0.3\n").unwrap();
    let wrong = refused(&engine, "SELECT * FROM list").await;
    assert!(
        wrong.to_string().ends_with("c.csv` has other columns than the files before"),
        "{wrong}"
    );
    fs::write(folder.path().join("c.csv"), "ip;n\n3\n").unwrap();
    let wrong = refused(&engine, "SELECT * FROM list").await;
    assert_eq!(wrong.code().0, "DAB0535", "a line that is too short: {wrong}");
}

#[tokio::test]
async fn ndjson_has_the_columns_that_any_of_its_records_has() {
    let mut text = "{\"user\":{\"name\":\"a\"},\"n\":1}\n".repeat(3000);
    text.push_str("{\"late\":true,\"n\":2.5}\n");
    let (_folder, path) = file("users.ndjson", &text);
    let users = engine(vec![table("users", &path, ExternalFormat::Ndjson)]);
    let sql =
        "SELECT user.name, late, count(*) AS c, sum(n) AS n FROM users GROUP BY 1, 2 ORDER BY 3";
    assert_eq!(answer(&users, sql).await, "user.name,late,c,n\n,true,1,2.5\na,,3000,3000.0\n");
    fs::write(&path, "{\"n\":1}\n{\"n\":\"x\"}\n").unwrap();
    let wrong = refused(&users, "SELECT * FROM users").await;
    assert_eq!(wrong.code().0, "DAB0535", "{wrong}");
    fs::write(&path, "{\"n\":1}\n[1]\n").unwrap();
    let wrong = refused(&users, "SELECT * FROM users").await;
    assert_eq!(wrong.code().0, "DAB0535", "{wrong}");
}

#[tokio::test]
async fn parquet_may_grow_columns_and_is_read_in_parts() {
    let (folder, _) = file("1.parquet", parquet(&flows("a", 1)));
    let more = flows("b", 2);
    let extra: ArrayRef = Arc::new(StringArray::from(vec!["tcp"]));
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("name", Arc::clone(more.column(0))), ("bytes", Arc::clone(more.column(1)))];
    columns.push(("source", Arc::clone(more.column(2))));
    columns.push(("proto", extra));
    fs::write(
        folder.path().join("2.parquet"),
        parquet(&RecordBatch::try_from_iter(columns).unwrap()),
    )
    .unwrap();
    let path = folder.path().to_owned();
    let flows = engine(vec![table("flows", &path, ExternalFormat::Parquet)]);
    let sql = "SELECT name, bytes, proto, source.ip FROM flows WHERE name LIKE '_' ORDER BY name";
    assert_eq!(
        answer(&flows, sql).await,
        "name,bytes,proto,source.ip\na,1,,10.0.0.1\nb,2,tcp,10.0.0.2\n"
    );
    fs::write(folder.path().join("3.parquet"), "no Parquet").unwrap();
    assert_eq!(refused(&flows, sql).await.code().0, "DAB0535");
}

#[tokio::test]
async fn only_what_is_declared_and_named_is_read() {
    let (folder, path) = file("a.csv", "n\n1\n");
    let missing = table("gone", &folder.path().join("gone.csv"), ExternalFormat::Csv);
    let engine = engine(vec![table("a", &path, ExternalFormat::Csv), missing]);
    assert_eq!(answer(&engine, "SELECT n, 'gone' AS g FROM a").await, "n,g\n1,gone\n");
    let wrong = refused(&engine, "SELECT * FROM a JOIN gone ON true").await;
    assert_eq!(wrong.code().0, "DAB0534", "{wrong}");
    assert_eq!(wrong.to_string(), "the external table `gone` can't be read: there is nothing");
    let shown = path.display();
    for sql in [
        format!("SELECT * FROM '{shown}'"),
        format!("SELECT * FROM \"{shown}\""),
        format!("SELECT * FROM read_csv('{shown}')"),
        format!("SELECT * FROM a, '{shown}'"),
    ] {
        let error = refused(&engine, &sql).await;
        assert!(["DAB0520", "DAB0522", "DAB0523"].contains(&error.code().0), "{sql}: {error}");
    }
    for sql in [
        "INSERT INTO a VALUES (2)",
        "COPY a TO 'x.csv'",
        "DROP TABLE a",
        "CREATE EXTERNAL TABLE b STORED AS CSV LOCATION 'x'",
    ] {
        let error = refused(&engine, sql).await;
        assert!(["DAB0520", "DAB0521"].contains(&error.code().0), "{sql}: {error}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "n\n1\n");
    let searched = engine.search("index=a x", &TimeRange::default(), None).await.unwrap_err();
    assert_eq!(searched.code().0, "DAB0524", "{searched}");
    assert!(searched.help().unwrap().contains("SELECT * FROM a"), "{searched}");
}

#[tokio::test]
async fn it_joins_events_and_counts_against_the_bytes_of_a_query() {
    let (folder, path) = file("names.csv", format!("name,team\n{}", "name7,blue\n".repeat(1000)));
    let flows_path = folder.path().join("flows.parquet");
    fs::write(&flows_path, parquet(&flows("name7", 7))).unwrap();
    let mut tables = Tables::default();
    let event = |n: u32| {
        json!({"time": "2026-11-01T00:00:00Z", "event_id": format!("e{n}"),
                                "name": format!("name{n}"), "n": n})
    };
    tables.add("big", &[(vec![text("name"), int("n")], (0..100).map(event).collect())]).await;
    tables.1 = vec![
        table("names", &path, ExternalFormat::Csv),
        table("flows", &flows_path, ExternalFormat::Parquet),
        table("big", &path, ExternalFormat::Csv),
    ];
    let catalog = Arc::new(tables);
    let engine = Engine::new(Arc::clone(&catalog) as _, QuerySettings::default());
    let sql = "SELECT big.n, team, bytes, count(*) AS c FROM names \
               JOIN flows ON flows.name = names.name JOIN events big ON big.name = names.name \
               GROUP BY 1, 2, 3";
    // The table of the lake is behind a name that an external one has.
    let wrong = refused(&engine, &sql.replace("events big", "big")).await;
    assert_eq!(wrong.code().0, "DAB0537", "{wrong}");
    let (rows, scanned) = engine
        .sql_counted(
            "SELECT team, bytes, count(*) AS c FROM names JOIN flows USING (name) GROUP BY 1, 2",
        )
        .await
        .unwrap();
    assert_eq!(csv(&rows), "team,bytes,c\nblue,7,1000\n");
    let whole = fs::metadata(&path).unwrap().len() + fs::metadata(&flows_path).unwrap().len();
    assert_eq!((scanned.files_total, scanned.bytes_estimated), (2, whole), "{scanned:?}");
    assert!(scanned.bytes_read >= fs::metadata(&path).unwrap().len(), "{scanned:?}");
    let cost = engine.sql("EXPLAIN COST SELECT * FROM names").await.unwrap();
    let bytes = fs::metadata(&path).unwrap().len();
    assert!(csv(&cost).contains(&format!("\n1,1,0,0,{bytes},{bytes},")), "{}", csv(&cost));
    let settings = QuerySettings { bytes_max: bytes - 1, ..QuerySettings::default() };
    let capped = Engine::new(catalog, settings);
    assert_eq!(refused(&capped, "SELECT * FROM names").await.code().0, "DAB0531");
    assert_eq!(answer(&capped, "SELECT bytes FROM flows").await, "bytes\n7\n");
}
