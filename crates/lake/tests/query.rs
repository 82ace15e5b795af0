//! Queries through the public interface, over Parquet files written by hand: columns that came
//! later, fields that are only in `_rest`, files that must not be opened, and all three outputs.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanArray, Int64Array, StringArray, StructArray, TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Fields, Schema},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use base::{Explain as _, Timestamp};
use dab_lake::{
    LakeError,
    query::{Engine, OutputFormat, QueryError, QuerySettings, Rows, TimeRange, render},
    schema,
    snapshot::{Catalog, DataFile, TableSnapshot},
};
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

#[derive(Debug, Default)]
struct Tables(BTreeMap<String, Arc<TableSnapshot>>);

#[async_trait]
impl Catalog for Tables {
    async fn table_names(&self) -> Result<Vec<String>, LakeError> {
        Ok(self.0.keys().cloned().collect())
    }

    async fn snapshot(&self, name: &str) -> Result<Option<Arc<TableSnapshot>>, LakeError> {
        Ok(self.0.get(name).cloned())
    }
}

/// One event of these tests.
#[derive(Debug, Clone, Default)]
struct Row {
    time: &'static str,
    id: &'static str,
    port: Option<i64>,
    message: Option<&'static str>,
    actor: Option<(&'static str, Option<bool>)>,
    json: Option<&'static str>,
    rest: Option<&'static str>,
}

/// Which columns a file was written with: those that its writer knew then.
#[derive(Debug, Clone, Copy)]
enum Age {
    /// `port` only.
    First,
    /// And `message`, and an `actor` with a name.
    Second,
    /// And `actor.mfa`, and `request`, which holds JSON.
    Third,
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn actor_fields(age: Age) -> Fields {
    let mut fields = vec![Field::new("name", DataType::Utf8, true)];
    if matches!(age, Age::Third) {
        fields.push(Field::new("mfa", DataType::Boolean, true));
    }
    Fields::from(fields)
}

fn own_fields(age: Age) -> Vec<Arc<Field>> {
    let mut fields = vec![Field::new("port", DataType::Int64, true)];
    if !matches!(age, Age::First) {
        fields.push(Field::new("Message", DataType::Utf8, true));
        fields.push(Field::new("actor", DataType::Struct(actor_fields(age)), true));
    }
    if matches!(age, Age::Third) {
        fields.push(schema::json_field("request"));
    }
    fields.into_iter().map(Arc::new).collect()
}

fn actors(rows: &[Row], age: Age) -> ArrayRef {
    let names: StringArray = rows.iter().map(|row| row.actor.map(|actor| actor.0)).collect();
    let mfa: BooleanArray = rows.iter().map(|row| row.actor.and_then(|actor| actor.1)).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(names)];
    if matches!(age, Age::Third) {
        columns.push(Arc::new(mfa));
    }
    let nulls = rows.iter().map(|row| row.actor.is_some()).collect::<Vec<_>>().into();
    Arc::new(StructArray::new(actor_fields(age), columns, Some(nulls)))
}

fn batch(log_source: &str, rows: &[Row], age: Age) -> RecordBatch {
    let texts = |of: fn(&Row) -> Option<&'static str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let micros: TimestampMicrosecondArray =
        rows.iter().map(|row| Some(time(row.time).as_micros())).collect();
    let times: ArrayRef = Arc::new(micros.with_timezone("UTC"));
    let origin = StructArray::new(
        schema::origin_fields(),
        vec![
            Arc::new(StringArray::from(vec!["file:o"; rows.len()])),
            Arc::new(Int64Array::from_iter_values(0..i64::try_from(rows.len()).unwrap())),
        ],
        None,
    );
    let mut columns = vec![
        Arc::clone(&times),
        times,
        texts(|row| Some(row.id)),
        Arc::new(StringArray::from(vec![log_source; rows.len()])),
        Arc::new(origin),
        Arc::new(rows.iter().map(|row| row.port).collect::<Int64Array>()),
    ];
    if !matches!(age, Age::First) {
        columns.push(texts(|row| row.message));
        columns.push(actors(rows, age));
    }
    if matches!(age, Age::Third) {
        columns.push(texts(|row| row.json));
    }
    columns.push(texts(|row| row.rest));
    let full = schema::event_schema(own_fields(age));
    let in_file = full.fields().iter().filter(|field| field.name() != schema::DAY).cloned();
    RecordBatch::try_new(Arc::new(Schema::new(in_file.collect::<Fields>())), columns).unwrap()
}

/// Writes a table whose files are of these ages. The files of `lost` are listed but not there.
async fn table(name: &str, files: &[(Age, &[Row])], lost: &[usize]) -> Arc<TableSnapshot> {
    let store = Arc::new(InMemory::new());
    let mut listed = Vec::new();
    for (number, (age, rows)) in files.iter().enumerate() {
        let batch = batch(name, rows, *age);
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let times = || rows.iter().map(|row| time(row.time));
        listed.push(DataFile {
            path: Path::from(format!("{number}.parquet")),
            bytes: u64::try_from(bytes.len()).unwrap(),
            rows: u64::try_from(rows.len()).ok(),
            day: times().next().unwrap().day(),
            time_min: times().min(),
            time_max: times().max(),
        });
        if !lost.contains(&number) {
            store.put(&Path::from(format!("t/{number}.parquet")), bytes.into()).await.unwrap();
        }
    }
    Arc::new(TableSnapshot {
        name: name.to_owned(),
        version: 1,
        schema: schema::event_schema(own_fields(Age::Third)),
        files: listed,
        store: store as Arc<dyn ObjectStore>,
        root: Path::from("t"),
    })
}

const OLD: [Row; 2] = [
    Row {
        time: "2026-11-22T10:00:00Z",
        id: "a",
        port: Some(22),
        message: None,
        actor: None,
        json: None,
        rest: Some(r#"{"color":"red","actor":{"role":"admin"}}"#),
    },
    Row {
        time: "2026-11-22T11:00:00Z",
        id: "b",
        port: None,
        message: None,
        actor: None,
        json: None,
        rest: Some(r#"{"port":"ssh","time":"of their own"}"#),
    },
];

const MIDDLE: [Row; 1] = [Row {
    time: "2026-11-23T10:00:00Z",
    id: "c",
    port: Some(443),
    message: Some("Failed password for ROOT from 10.0.0.1"),
    actor: Some(("alice", None)),
    json: None,
    rest: None,
}];

const NEW: [Row; 2] = [
    Row {
        time: "2026-11-24T10:00:00Z",
        id: "d",
        port: Some(22),
        message: Some("chroot, \"done\"\n\u{1b}[31m"),
        actor: Some(("Bob", Some(true))),
        json: Some(r#"{"path":["/etc/passwd"],"size":1024}"#),
        rest: Some(r#"{"actor":{"role":"guest"}}"#),
    },
    Row {
        time: "2026-11-24T12:00:00Z",
        id: "e",
        port: Some(8080),
        message: None,
        actor: Some(("alice", Some(false))),
        json: None,
        rest: None,
    },
];

const OTHER: [Row; 1] = [Row {
    time: "2026-11-24T11:00:00Z",
    id: "x",
    port: Some(22),
    message: Some("nothing"),
    actor: None,
    json: None,
    rest: None,
}];

/// `sshd` in three ages, `nginx`, and `alerts`, which is searched only by name.
async fn engine() -> Engine {
    let sshd = [(Age::First, &OLD[..]), (Age::Second, &MIDDLE[..]), (Age::Third, &NEW[..])];
    let mut tables = Tables::default();
    for (name, files) in [("sshd", &sshd[..]), ("nginx", &[(Age::Second, &OTHER[..])])] {
        tables.0.insert(name.to_owned(), table(name, files, &[]).await);
    }
    tables.0.insert("alerts".to_owned(), table("alerts", &[(Age::Second, &OTHER[..])], &[]).await);
    Engine::new(Arc::new(tables), QuerySettings::default())
}

fn shown(rows: &Rows, format: OutputFormat, width: Option<usize>) -> String {
    let mut out = Vec::new();
    render(rows, format, width, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// The rows of a statement, one line each.
async fn sql(text: &str) -> String {
    let rows = engine().await.sql(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let csv = shown(&rows, OutputFormat::Csv, None);
    csv.lines().skip(1).collect::<Vec<_>>().join("\n")
}

async fn sql_error(text: &str) -> QueryError {
    match engine().await.sql(text).await {
        Err(error) => error,
        Ok(rows) => panic!("{text} gave\n{}", shown(&rows, OutputFormat::Csv, None)),
    }
}

async fn search(text: &str) -> Result<Rows, QueryError> {
    engine().await.search(text, &TimeRange::default(), None).await
}

/// The ids of the events that a line finds, in the order in which it finds them.
async fn found(text: &str) -> String {
    let rows = search(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let Rows::Events(events) = rows else { panic!("{text} gave a table") };
    let id = |json: &str| {
        let event: serde_json::Value = serde_json::from_str(json).unwrap();
        event["event_id"].as_str().unwrap().to_owned()
    };
    events.iter().map(|event| id(&event.json)).collect()
}

#[tokio::test]
async fn what_a_file_lacks_reads_as_null() {
    let text = "SELECT event_id, port, Message, actor.name, actor.mfa FROM sshd ORDER BY time";
    let rows = engine().await.sql(text).await.unwrap();
    let json = shown(&rows, OutputFormat::Json, None);
    let lines: Vec<&str> = json.lines().collect();
    assert_eq!(lines[0], r#"{"event_id":"a","port":22}"#);
    assert_eq!(lines[1], r#"{"event_id":"b"}"#);
    assert!(lines[2].ends_with(r#""actor.name":"alice"}"#), "{}", lines[2]);
    assert!(lines[3].ends_with(r#""actor.name":"Bob","actor.mfa":true}"#), "{}", lines[3]);
    assert_eq!(sql("SELECT count(*) FROM sshd WHERE actor.mfa IS NULL").await, "3");
    assert_eq!(sql("SELECT count(*) FROM sshd WHERE actor IS NULL").await, "2");
}

#[tokio::test]
async fn names_that_are_no_column_are_read_from_rest() {
    for (text, expected) in [
        ("SELECT event_id FROM sshd WHERE color = 'red'", "a"),
        ("SELECT s.event_id FROM sshd s WHERE s.color = 'red'", "a"),
        ("SELECT actor.role FROM sshd WHERE event_id = 'a'", "admin"),
        ("SELECT s.actor.role FROM sshd AS s WHERE s.event_id = 'd'", "guest"),
        ("SELECT actor['role'] FROM sshd WHERE event_id = 'd'", "guest"),
        ("SELECT request.size FROM sshd WHERE event_id = 'd'", "1024"),
        (
            "SELECT actor.role, count(*) FROM sshd GROUP BY actor.role ORDER BY 1",
            "admin,1\nguest,1\n,3",
        ),
        ("WITH x AS (SELECT color AS c FROM sshd) SELECT c FROM x WHERE c IS NOT NULL", "red"),
        ("SELECT event_id FROM (SELECT event_id, color FROM sshd) WHERE color = 'red'", "a"),
        (
            "SELECT event_id FROM sshd WHERE event_id IN (SELECT event_id FROM sshd WHERE color = 'red')",
            "a",
        ),
        ("SELECT color AS c FROM sshd WHERE color IS NOT NULL ORDER BY c", "red"),
        ("SELECT a.event_id FROM sshd a JOIN nginx b ON a.color = 'red' AND b.port = a.port", "a"),
    ] {
        assert_eq!(sql(text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn names_may_be_written_in_any_case() {
    for text in [
        "SELECT message FROM sshd WHERE event_id = 'c'",
        "SELECT MESSAGE FROM SSHD WHERE EVENT_ID = 'c'",
        "SELECT S.\"message\" FROM sshd AS s WHERE s.Event_Id = 'c'",
    ] {
        assert_eq!(sql(text).await, MIDDLE[0].message.unwrap(), "{text}");
    }
}

#[tokio::test]
async fn refuses_whatever_is_not_one_query() {
    for text in [
        "",
        ";",
        "DROP TABLE sshd",
        "INSERT INTO sshd SELECT * FROM sshd",
        "DELETE FROM sshd",
        "COPY sshd TO '/tmp/out.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE TABLE t AS SELECT 1",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "EXPLAIN DROP TABLE sshd",
        "EXPLAIN EXPLAIN SELECT 1",
    ] {
        let error = sql_error(text).await;
        assert!(matches!(error.code().0, "DAB0520" | "DAB0521"), "{text}: {error:?}");
    }
    // Files outside of the lake are no tables.
    let error = sql_error("SELECT * FROM '/etc/passwd'").await;
    assert_eq!(error.code().0, "DAB0522", "{error:?}");
    assert!(!sql("EXPLAIN SELECT port FROM sshd").await.is_empty());
}

#[tokio::test]
async fn says_where_a_mistake_is_and_what_was_meant() {
    let error = sql_error("SELECT *\nFROM sshdd").await;
    assert_eq!(error.code().0, "DAB0522");
    assert_eq!(error.help().unwrap(), "did you mean `sshd`?");
    assert_eq!(error.to_string(), "there is no table `sshdd`\n  | FROM sshdd\n  |      ^");
    let error = sql_error("SELECT (port FROM sshd").await;
    assert_eq!(error.code().0, "DAB0520");
    assert!(error.place().is_some(), "{error:?}");
    let error = sql_error("SELECT nofunction(port) FROM sshd").await;
    assert_eq!(error.code().0, "DAB0523");
    assert!(error.to_string().ends_with("\n  |        ^"), "{error}");

    for (line, code, help, caret) in [
        ("index:sshdd", "DAB0522", "did you mean `sshd`?", 6),
        ("root | stat count", "DAB0525", "did you mean `stats`?", 7),
        ("(root", "DAB0524", "add a `)`", 0),
        ("a | stats cuont(x)", "DAB0526", "did you mean `count`?", 10),
    ] {
        let error = search(line).await.map(|_| ()).unwrap_err();
        assert_eq!(error.code().0, code, "{line}: {error:?}");
        assert!(error.help().unwrap().starts_with(help), "{line}: {:?}", error.help());
        let expected = format!("\n  | {}^", " ".repeat(caret));
        assert!(error.to_string().ends_with(&expected), "{line}: {error}");
    }
}

#[tokio::test]
async fn finds_words_and_fields() {
    for (line, expected) in [
        ("*", "exdcba"),
        ("root", "c"),
        ("ROOT failed", "c"),
        ("\"failed password\"", "c"),
        ("\"password failed\"", ""),
        ("*root", "dc"),
        ("10.0.0.1", "c"),
        ("10.0.0", "c"),
        ("10.0.0.10", ""),
        ("/etc/passwd", "d"),
        ("alice", "ec"),
        ("8080", "e"),
        ("1024", "d"),
        ("admin OR guest", "da"),
        ("22", "xda"),
        ("22 NOT nothing", "da"),
        ("22 -nothing", "da"),
        ("(alice OR bob) port:22", "d"),
        ("port:ssh", "b"),
        ("port:(443 ssh)", "cb"),
        ("port:>=443", "ec"),
        ("port>100 port<1000", "c"),
        ("port:*", "exdcba"),
        ("port!=22", "ecb"),
        ("-port:22", "ecb"),
        ("message:*", "xdc"),
        ("MESSAGE:failed*", "c"),
        ("message:root", ""),
        ("actor.name:bob", "d"),
        ("actor.name:*o*", "d"),
        ("actor.mfa:true", "d"),
        ("actor.role:(admin guest)", "da"),
        ("color:RED", "a"),
        ("request.path:\"/etc/passwd\"", "d"),
        ("request.size>1000", "d"),
        ("time:\"of their own\"", "b"),
        ("time>2026-11-24", "exd"),
        ("event_id:e", "e"),
        ("index:nginx", "x"),
        ("index:sshd 22", "da"),
        ("index:sshd,nginx 22", "xda"),
        ("index:*x", "x"),
        ("index:alerts", "x"),
        ("nowhere:1", ""),
    ] {
        assert_eq!(found(line).await, expected, "{line}");
    }
}

#[tokio::test]
async fn pipes_make_tables() {
    for (line, expected) in [
        ("* | count", "count\n6"),
        ("* | where port > 100 | count", "count\n2"),
        ("* | stats count by actor.name", "actor.name,count\nBob,1\nalice,2"),
        (
            "* | stats count as n, max(port) as most by log_source | sort -n",
            "log_source,n,most\nsshd,5,8080\nnginx,1,22",
        ),
        ("index:nginx,sshd | top 1 log_source", "log_source,count\nsshd,5"),
        ("alice | fields event_id, port", "event_id,port\ne,8080\nc,443"),
        ("alice | fields event_id, port | sort port | head 1", "event_id,port\nc,443"),
        ("alice | sort time | head 1 | fields event_id", "event_id\nc"),
        ("* | sort time | tail 2 | fields event_id", "event_id\nx\ne"),
        ("* | fields event_id | head 2", "event_id\ne\nx"),
        (
            "alice | rename actor.name as who | fields who, event_id",
            "who,event_id\nalice,e\nalice,c",
        ),
        (
            "actor.name:* | dedup actor.name | fields event_id, actor.name",
            "event_id,actor.name\ne,alice\nd,Bob",
        ),
        ("* | stats count by color, actor.role", "color,actor.role,count\nred,admin,1"),
        (
            "* | timechart span=1d count",
            "time,count\n2026-11-22T00:00:00Z,2\n2026-11-23T00:00:00Z,1\n2026-11-24T00:00:00Z,3",
        ),
        ("* | stats count by actor.name | where count > 1", "actor.name,count\nalice,2"),
    ] {
        let rows = search(line).await.unwrap_or_else(|error| panic!("{line}: {error}"));
        let csv = shown(&rows, OutputFormat::Csv, None).replace("\r\n", "\n");
        assert_eq!(csv.trim_end(), expected, "{line}");
    }
}

#[tokio::test]
async fn files_that_cannot_matter_are_not_opened() {
    let files = [(Age::First, &OLD[..]), (Age::Second, &MIDDLE[..]), (Age::Third, &NEW[..])];
    let mut tables = Tables::default();
    tables.0.insert("sshd".to_owned(), table("sshd", &files, &[0]).await);
    let engine = Engine::new(Arc::new(tables), QuerySettings::default());
    for text in [
        "SELECT count(*) FROM sshd WHERE time >= '2026-11-23T00:00:00Z'",
        "SELECT count(*) FROM sshd WHERE time > '2026-11-22T11:00:00Z'",
        "SELECT count(*) FROM sshd WHERE day >= '2026-11-23'",
    ] {
        let rows = engine.sql(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(shown(&rows, OutputFormat::Csv, None).lines().nth(1), Some("3"), "{text}");
    }
    let error = engine.sql("SELECT count(port) FROM sshd").await.unwrap_err();
    assert_eq!(error.code().0, "DAB0529", "{error:?}");

    let everything = TimeRange::default();
    let newest = engine.search("*", &everything, Some(3)).await.unwrap();
    assert!(matches!(newest, Rows::Events(events) if events.len() == 3));
    engine.search("*", &everything, Some(4)).await.unwrap_err();
    let range = TimeRange { from: Some(time("2026-11-22T11:00:00.000001Z")), to: None };
    let newest = engine.search("*", &range, None).await.unwrap();
    assert!(matches!(newest, Rows::Events(events) if events.len() == 3));
    let range = TimeRange {
        from: Some(time("2026-11-23T10:00:00Z")),
        to: Some(time("2026-11-24T12:00:00Z")),
    };
    let Rows::Events(some) = engine.search("*", &range, None).await.unwrap() else { panic!() };
    let times: Vec<String> = some.iter().map(|event| event.time.to_string()).collect();
    assert_eq!(times, ["2026-11-24T10:00:00Z", "2026-11-23T10:00:00Z"]);
}

#[tokio::test]
async fn a_query_that_needs_too_much_memory_says_so() {
    let mut tables = Tables::default();
    tables.0.insert("sshd".to_owned(), table("sshd", &[(Age::Third, &NEW[..])], &[]).await);
    let engine = Engine::new(Arc::new(tables), QuerySettings { memory_bytes: 16 });
    let error = engine.sql("SELECT port, count(*) FROM sshd GROUP BY port").await.unwrap_err();
    assert!(matches!(error, QueryError::Memory { limit_bytes: 16 }), "{error:?}");
}

#[tokio::test]
async fn events_are_rendered_whole() {
    let rows = search("index:sshd").await.unwrap();
    let json = shown(&rows, OutputFormat::Json, None);
    let line = |id: &str| {
        let mark = format!(r#""event_id":"{id}""#);
        json.lines().find(|line| line.contains(&mark)).unwrap()
    };
    let envelope = |id: &str, time: &str, offset: i64, rest: &str| {
        format!(
            r#""ingest_time":"{time}","event_id":"{id}","origin":{{"object":"file:o","offset":{offset}}}{rest}}}"#
        )
    };
    // `_rest` is back at its place, JSON is no text, nulls are gone.
    let time = "2026-11-24T10:00:00Z";
    let own = r#""port":22,"Message":"chroot, \"done\"\n\u001b[31m","actor":{"name":"Bob","mfa":true,"role":"guest"},"request":{"path":["/etc/passwd"],"size":1024}"#;
    let head = format!(r#"{{"time":"{time}","log_source":"sshd",{own},"#);
    assert_eq!(line("d"), head + &envelope("d", time, 0, ""));
    // A field of the source that has an envelope member's name hides nothing and is not lost.
    let time = "2026-11-22T11:00:00Z";
    let head = format!(r#"{{"time":"{time}","log_source":"sshd","port":"ssh","#);
    let rest = r#","_rest":{"time":"of their own"}"#;
    assert_eq!(line("b"), head + &envelope("b", time, 1, rest));
}

#[tokio::test]
async fn output_is_safe_and_fits() {
    let rows = search("index:sshd chroot").await.unwrap();
    let table = shown(&rows, OutputFormat::Table, Some(60));
    assert_eq!(
        table,
        "time                  log_source  event\n\
         2026-11-24T10:00:00Z  sshd        {\"port\":22,\"Message\":\"chr…\n"
    );
    let text = "SELECT Message AS \"a,b\", port FROM sshd WHERE event_id = 'd'";
    let rows = engine().await.sql(text).await.unwrap();
    let csv = shown(&rows, OutputFormat::Csv, None);
    assert_eq!(csv, "\"a,b\",port\r\n\"chroot, \"\"done\"\"\n\u{1b}[31m\",22\r\n");
    let table = shown(&rows, OutputFormat::Table, None);
    assert!(!table.contains('\u{1b}'), "{table:?}");
    assert_eq!(table.lines().nth(1), Some(r#"chroot, "done"\n\u{1b}[31m  22"#));
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        line in prop_oneof![
            any::<String>(),
            "[a-c0-9:=<>!()\"*|,.\\\\ -]{0,24}",
            "(index:|NOT |OR |AND |a:|\\(|\\)|\"|\\| ?(stats|top|sort|head|dedup|rename|fields|timechart|where) |count|by |as |x|1|,|span=)*",
        ],
    ) {
        let engine = Engine::new(Arc::new(Tables::default()), QuerySettings::default());
        let searched = blocking(engine.search(&line, &TimeRange::default(), None));
        if let Err(error) = searched {
            prop_assert!(!error.to_string().is_empty());
            if let Some(base::Place::File { line: at, .. }) = error.place() {
                prop_assert!(at >= 1);
            }
        }
    }
}
