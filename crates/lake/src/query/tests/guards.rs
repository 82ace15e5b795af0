//! What a query may not do: change anything, read too much, run too long.

use base::Explain as _;
use serde_json::json;

use super::{Tables, csv, text};
use crate::query::{Engine, QueryError, QuerySettings};

async fn tables() -> Tables {
    let mut tables = Tables::default();
    let event = |day: u32, n: u32| {
        json!({"time": format!("2026-11-{day:02}T{:02}:{:02}:00Z", n / 60 % 24, n % 60),
               "event_id": format!("e{day}-{n}"), "name": format!("name{n}")})
    };
    let files: Vec<_> = (1..=3)
        .map(|day| (vec![text("name")], (0..100).map(|n| event(day, n)).collect()))
        .collect();
    tables.add("big", &files).await;
    tables
}

async fn engine(settings: QuerySettings) -> Engine {
    Engine::new(std::sync::Arc::new(tables().await), settings)
}

async fn refused(engine: &Engine, sql: &str) -> QueryError {
    match engine.sql(sql).await {
        Ok(_) => panic!("{sql} is answered"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn only_one_query_that_reads_is_answered() {
    let engine = engine(QuerySettings::default()).await;
    for sql in [
        "",
        "SELECT 1; SELECT 2",
        "DROP TABLE big",
        "INSERT INTO big SELECT * FROM big",
        "UPDATE big SET name = 'x'",
        "DELETE FROM big",
        "CREATE TABLE x AS SELECT * FROM big",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY big TO '/tmp/x.csv'",
        "COPY (SELECT * FROM big) TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SHOW TABLES",
        "EXPLAIN DELETE FROM big",
        "EXPLAIN COPY big TO '/tmp/x.csv'",
        "EXPLAIN COST DELETE FROM big",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "ATTACH 'x' AS y",
    ] {
        let error = refused(&engine, sql).await;
        assert!(["DAB0520", "DAB0521"].contains(&error.code().0), "{sql}: {error}");
    }
    // Files are no tables, and no function reads them.
    for sql in ["SELECT * FROM '/etc/passwd'", "SELECT * FROM read_csv('/etc/passwd')"] {
        let error = refused(&engine, sql).await;
        assert!(["DAB0522", "DAB0523"].contains(&error.code().0), "{sql}: {error}");
    }
}

#[tokio::test]
async fn a_large_table_is_read_for_a_time() {
    let settings = QuerySettings { unbounded_bytes_max: 1000, ..QuerySettings::default() };
    let engine = engine(settings).await;
    let error = refused(&engine, "SELECT count(*) FROM big WHERE name = 'name7'").await;
    assert_eq!(error.code().0, "DAB0533", "{error}");
    assert!(error.to_string().starts_with("the table `big` has "), "{error}");
    let error = refused(
        &engine,
        "SELECT a.name FROM big a JOIN big b ON a.name = b.name WHERE a.day = '2026-11-01'",
    )
    .await;
    assert_eq!(error.code().0, "DAB0533", "the other side is read as a whole: {error}");
    for sql in [
        "SELECT count(*) AS n FROM big WHERE name = 'name7' AND day >= '2026-11-02'",
        "SELECT count(*) AS n FROM big WHERE name = 'name7' AND time >= '2026-11-02'",
    ] {
        let rows = engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(csv(&rows), "n\n2\n", "{sql}");
    }
    assert!(engine.sql("SELECT name FROM big LIMIT 1").await.is_ok());
}

#[tokio::test]
async fn a_query_that_reads_too_much_ends() {
    let engine = engine(QuerySettings { bytes_max: 100, ..QuerySettings::default() }).await;
    let error = refused(&engine, "SELECT name FROM big ORDER BY name").await;
    assert_eq!(error.code().0, "DAB0531", "{error}");
    let searched = engine.search("name7", &crate::query::TimeRange::default(), None).await;
    assert_eq!(searched.map(|_| ()).unwrap_err().code().0, "DAB0531");
}

#[tokio::test]
async fn a_query_that_runs_too_long_ends() {
    let engine = engine(QuerySettings { seconds_max: 0, ..QuerySettings::default() }).await;
    let error = refused(&engine, "SELECT name FROM big").await;
    assert_eq!(error.code().0, "DAB0532", "{error}");
}

#[tokio::test]
async fn what_a_query_costs_is_known_before() {
    let engine = engine(QuerySettings {
        bytes_max: 1,
        index_from_bytes: Some(0),
        ..QuerySettings::default()
    })
    .await;
    let cost = async |sql: &str| {
        let rows = engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let text = csv(&rows);
        let (head, row) = text.trim_end().split_once('\n').unwrap();
        assert_eq!(
            head,
            "files_total,files,blocks_total,blocks,bytes_in_range,bytes_at_most,bytes_max"
        );
        row.split(',').map(|number| number.parse().unwrap()).collect::<Vec<u64>>()
    };
    let all = cost("EXPLAIN COST SELECT * FROM big").await;
    assert_eq!((&all[..4], all[6]), ([3, 3, 0, 0].as_slice(), 1));
    assert_eq!(all[4], all[5]);
    let day = cost("explain  cost\nSELECT * FROM big WHERE day = '2026-11-02'").await;
    assert!(day[1] == 1 && day[5] < all[5], "{day:?}");
    let name = cost("EXPLAIN COST SELECT * FROM big WHERE name = 'name77'").await;
    assert_eq!(&name[1..4], [3, 150, 3], "a block of each day");
    let error = refused(&engine, "EXPLAIN COST SELECT nothing( FROM big").await;
    let place = error.place();
    assert!(
        matches!(place, Some(base::Place::File { line: 1, column, .. }) if column > 14),
        "{place:?}"
    );
}
