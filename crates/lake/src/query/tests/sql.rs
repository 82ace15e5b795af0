//! SQL over tables whose columns appeared over time.

use base::Problem;

use super::{Tables, company, csv, int, text};
use serde_json::json;

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn names_mean_columns_members_and_what_is_in_rest() {
    let engine = company().await;
    for (sql, expected) in [
        (
            "SELECT event_id, user.name FROM cloud ORDER BY time",
            "event_id,user.name\nc1,alice\nc2,bob\nc3,alice\nc4,mallory\\u{1b}[31m\n",
        ),
        // A file without the column, a struct without the member, a nested struct that came later.
        (
            "SELECT event_id, tags, user.ip, user.mfa.kind FROM cloud WHERE time < '2026-11-02T11:00:00Z' ORDER BY time",
            "event_id,tags,user.ip,user.mfa.kind\nc1,,,\nc2,,,\nc3,\"[\"\"red\"\",\"\"Blue sky\"\"]\",10.0.0.1,totp\n",
        ),
        (
            "SELECT user FROM cloud ORDER BY time LIMIT 1",
            "user\n\"{\"\"name\"\":\"\"alice\"\"}\"\n",
        ),
        // No column at all, a member that has none, a path, JSON text.
        (
            "SELECT event_id, extra, user.age, deep.er.still FROM cloud WHERE extra IS NOT NULL OR deep.er.still IS NOT NULL ORDER BY time",
            "event_id,extra,user.age,deep.er.still\nc1,seen,41,\nc4,,,\"[1,\"\"down\"\"]\"\n",
        ),
        (
            "SELECT resources.ARN FROM cloud WHERE resources IS NOT NULL",
            "resources.ARN\n\"[\"\"arn:one\"\",\"\"arn:two\"\"]\"\n",
        ),
        (
            "SELECT c.resources['0']['ARN'] AS one FROM cloud c WHERE c.tags[1] = 'red'",
            "one\narn:one\n",
        ),
        ("SELECT \"time zone\" FROM cloud WHERE \"time zone\" = 'CET'", "time zone\nCET\n"),
        // Case.
        (
            "select EVENTNAME, User.Name from CLOUD where EventName = 'AssumeRole'",
            "EVENTNAME,User.Name\nAssumeRole,alice\n",
        ),
        ("SELECT Count(*) FROM cloud AS C WHERE c.EventName LIKE 'Console%'", "count(*)\n2\n"),
        // Aliases, groups, orders.
        (
            "SELECT agent AS a, count(*) AS n FROM web GROUP BY a ORDER BY n, a NULLS LAST",
            "a,n\ncurl/8 alice,1\n,1\n",
        ),
        (
            "SELECT agent, count(*) AS n FROM web GROUP BY agent HAVING agent IS NOT NULL ORDER BY agent",
            "agent,n\ncurl/8 alice,1\n",
        ),
        ("SELECT DISTINCT user.name AS who FROM cloud ORDER BY who LIMIT 2", "who\nalice\nbob\n"),
        // Subqueries, common table expressions, joins, sets.
        (
            "WITH x AS (SELECT event_id, extra FROM cloud) SELECT extra FROM x WHERE extra IS NOT NULL",
            "extra\nseen\n",
        ),
        ("SELECT d.e FROM (SELECT extra AS e FROM cloud) AS d WHERE d.e = 'seen'", "e\nseen\n"),
        (
            "SELECT event_id FROM cloud WHERE user.name IN (SELECT split_part(agent, ' ', 2) FROM web WHERE agent IS NOT NULL) ORDER BY time",
            "event_id\nc1\nc3\n",
        ),
        (
            "SELECT w.event_id FROM web w WHERE EXISTS (SELECT 1 FROM cloud c WHERE ends_with(w.agent, c.user.name))",
            "event_id\nw1\n",
        ),
        (
            "SELECT c.event_id, w.agent FROM cloud c JOIN web w ON c.time < w.time AND w.agent LIKE '%alice' WHERE c.extra = 'seen'",
            "event_id,agent\nc1,curl/8 alice\n",
        ),
        (
            "SELECT event_id FROM web UNION ALL SELECT event_id FROM alerts ORDER BY event_id",
            "event_id\na1\nw1\nw2\n",
        ),
        (
            "SELECT json_get(_rest, 'deep.er') AS d FROM cloud WHERE _rest LIKE '%deep%'",
            "d\n\"{\"\"still\"\":[1,\"\"down\"\"]}\"\n",
        ),
        ("SELECT array_length(tags) AS n FROM cloud WHERE array_has(tags, 'red')", "n\n2\n"),
        (
            "SELECT CAST(user.age AS BIGINT) + 1 AS older FROM cloud WHERE CAST(user.age AS BIGINT) > 40",
            "older\n42\n",
        ),
        ("SELECT count(*) AS n FROM cloud WHERE day = '2026-11-02'", "n\n2\n"),
        ("SELECT 1 AS one", "one\n1\n"),
    ] {
        let rows = engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(csv(&rows), expected, "{sql}");
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let engine = company().await;
    for sql in [
        "DROP TABLE cloud",
        "INSERT INTO cloud SELECT * FROM cloud",
        "DELETE FROM cloud",
        "UPDATE cloud SET eventName = 'x'",
        "CREATE TABLE x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "COPY cloud TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SELECT 1; SELECT 2",
        "",
        "EXPLAIN DROP TABLE cloud",
        "EXPLAIN ANALYZE INSERT INTO cloud SELECT * FROM cloud",
        "SELECT * INTO x FROM cloud",
        "WITH x AS (SELECT 1) INSERT INTO cloud SELECT * FROM x",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "SHOW TABLES",
        "SELECT * FROM '/etc/passwd'",
    ] {
        let error = engine.sql(sql).await.map(|rows| csv(&rows)).expect_err(sql);
        let code = base::Explain::code(&error).0;
        assert!(["DAB0520", "DAB0521", "DAB0522", "DAB0523"].contains(&code), "{sql}: {error}");
    }
    assert!(csv(&engine.sql("EXPLAIN SELECT * FROM cloud").await.unwrap()).contains("parquet"));
}

#[tokio::test]
async fn mistakes_are_shown_where_they_are() {
    let engine = company().await;
    for (sql, expected) in [
        (
            "SELECT *\nFROM clod",
            "\
error[DAB0522]: there is no table `clod`
  | FROM clod
  |      ^
  --> query:2:6
  help: did you mean `cloud`?",
        ),
        (
            "SELECT * FORM cloud",
            "\
error[DAB0520]: expected: end of statement, found: FORM
  | SELECT * FORM cloud
  |          ^
  --> query:1:10",
        ),
        (
            "SELECT d.nope FROM (SELECT event_id FROM cloud) d",
            "\
error[DAB0523]: there is no column `d.nope`
  | SELECT d.nope FROM (SELECT event_id FROM cloud) d
  |        ^
  --> query:1:8
  help: if it is in `_rest`, say of which table: `table.nope`",
        ),
        (
            "WITH x AS (SELECT eventName AS what FROM cloud) SELECT waht FROM x",
            "\
error[DAB0523]: there is no column `waht`
  | WITH x AS (SELECT eventName AS what FROM cloud) SELECT waht FROM x
  |                                                        ^
  --> query:1:56
  help: did you mean `what`?",
        ),
        (
            "SELECT time FROM cloud, web",
            "\
error[DAB0523]: more than one table has a column `time`
  | SELECT time FROM cloud, web
  |        ^
  --> query:1:8
  help: say which: `table.time`",
        ),
        (
            "SELECT nofunction(time) FROM web",
            "\
error[DAB0523]: invalid function 'nofunction'
  | SELECT nofunction(time) FROM web
  |        ^
  --> query:1:8",
        ),
    ] {
        let error = engine.sql(sql).await.map(|rows| csv(&rows)).unwrap_err();
        let shown = Problem::from(error).to_string();
        assert!(shown.starts_with(expected), "{sql}:\n{shown}");
    }
}

#[tokio::test]
async fn tables_keep_the_case_of_their_names() {
    let mut tables = Tables::default();
    let events =
        vec![json!({"time": "2026-11-01T00:00:00Z", "event_id": "x", "Name": "n", "name": 1})];
    tables.add("MixedCase", &[(vec![text("Name"), int("name")], events)]).await;
    let engine = tables.engine();
    for (sql, expected) in [
        ("SELECT Name, name FROM MixedCase", "Name,name\nn,1\n"),
        ("SELECT mixedcase.name FROM mixedcase", "name\n1\n"),
    ] {
        let rows = engine.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(csv(&rows), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_query_that_wants_too_much_memory_fails_and_says_so() {
    let mut tables = Tables::default();
    let event = |n: u32| {
        json!({"time": format!("2026-11-01T{:02}:{:02}:00Z", n / 60 % 24, n % 60),
               "event_id": format!("e{n}"), "name": "x".repeat(1000)})
    };
    tables.add("big", &[(vec![text("name")], (0..1000).map(event).collect())]).await;
    let settings = crate::query::QuerySettings {
        memory_bytes: 100_000,
        ..crate::query::QuerySettings::default()
    };
    let engine = crate::query::Engine::new(std::sync::Arc::new(tables), settings);
    let error = engine.sql("SELECT * FROM big").await.map(|_| ()).unwrap_err();
    assert_eq!(base::Explain::code(&error).0, "DAB0528", "{error}");
    assert_eq!(csv(&engine.sql("SELECT count(*) AS n FROM big").await.unwrap()), "n\n1000\n");
}
