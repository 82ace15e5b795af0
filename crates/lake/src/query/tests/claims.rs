//! A search line finds what the SQL finds that it stands for.

use arrow::datatypes::{DataType, Field};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Tables, csv, int, text};
use crate::query::TimeRange;

/// A condition as a line and as SQL.
type Said = (String, String);

fn said(line: &str, sql: &str) -> Said {
    (line.to_owned(), sql.to_owned())
}

fn term() -> impl Strategy<Value = Said> {
    let number = -3_i64..5;
    let word = prop::sample::select(vec!["abc", "abd", "xyz", "10.0.0.7", "10.1.0.9"]);
    prop_oneof![
        (number.clone(), prop::sample::select(vec![">", "<", ">=", "<="]))
            .prop_map(|(n, op)| (format!("n:{op}{n}"), format!("coalesce(n {op} {n}, false)"))),
        (number.clone(), number.clone()).prop_map(|(a, b)| {
            let (low, high) = (a.min(b), a.max(b));
            (format!("n:[{low} TO {high}]"), format!("coalesce(n BETWEEN {low} AND {high}, false)"))
        }),
        number.prop_map(|n| (format!("n:{n}"), format!("coalesce(n = {n}, false)"))),
        word.clone().prop_map(|w| (format!("t:{w}"), format!("coalesce(lower(t) = '{w}', false)"))),
        word.prop_map(|w| (format!("t!={w}"), format!("coalesce(lower(t) <> '{w}', false)"))),
        Just(said("t:*", "t IS NOT NULL")),
        Just(said("t:ab*", "coalesce(t ILIKE 'ab%', false)")),
        Just(said("t:/^a|z$/", "coalesce(t ~* '^a|z$', false)")),
        Just(said("t:10.0.0.0/16", "coalesce(ip_in_cidr(t, '10.0.0.0/16'), false)")),
        Just(said("n IN (1, 2)", "coalesce(n IN (1, 2), false)")),
    ]
}

fn condition() -> impl Strategy<Value = Said> {
    term().prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| (format!("{} {}", a.0, b.0), format!("({} AND {})", a.1, b.1))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| (
                format!("({} OR {})", a.0, b.0),
                format!("({} OR {})", a.1, b.1)
            )),
            inner.prop_map(|a| (format!("NOT ({})", a.0), format!("NOT ({})", a.1))),
        ]
    })
}

/// Commands, and the SQL over `base`, the events that pass, that they stand for.
const COMMANDS: [(&str, &str); 17] = [
    ("count", "SELECT count(*) AS count FROM base"),
    (
        "stats count, sum(n) as s, dc(n) as d by t",
        "SELECT t, count(*) AS count, sum(n) AS s, count(DISTINCT n) AS d FROM base
         WHERE t IS NOT NULL GROUP BY t ORDER BY t",
    ),
    (
        "stats min(f) as lo, max(f) as hi, avg(n) as mean, count(t) as with_t",
        "SELECT min(f) AS lo, max(f) AS hi, avg(n) AS mean, count(t) AS with_t FROM base",
    ),
    (
        "stats first(n) as a, last(n) as b by t",
        "SELECT t, first_value(n ORDER BY time) FILTER (WHERE n IS NOT NULL) AS a,
                last_value(n ORDER BY time) FILTER (WHERE n IS NOT NULL) AS b
         FROM base WHERE t IS NOT NULL GROUP BY t ORDER BY t",
    ),
    (
        "top 2 t",
        "SELECT t, count(*) AS count FROM base WHERE t IS NOT NULL GROUP BY t
         ORDER BY count DESC, t LIMIT 2",
    ),
    (
        "rare 2 t",
        "SELECT t, count(*) AS count FROM base WHERE t IS NOT NULL GROUP BY t
         ORDER BY count, t LIMIT 2",
    ),
    (
        "dedup t | fields event_id, t",
        "SELECT event_id, t FROM base
         QUALIFY row_number() OVER (PARTITION BY t ORDER BY time DESC) = 1 ORDER BY time DESC",
    ),
    (
        "sort -n, event_id | head 3 | fields event_id, n",
        "SELECT event_id, n FROM base ORDER BY n DESC NULLS LAST, event_id LIMIT 3",
    ),
    (
        "tail 2 | fields event_id",
        "SELECT event_id FROM (SELECT event_id, time FROM base ORDER BY time LIMIT 2) AS last
         ORDER BY time DESC",
    ),
    (
        "eval x = n * 2 + 1, y = if(x > 3, 'big', t) | fields event_id, x, y",
        "SELECT event_id, n * 2 + 1 AS x, CASE WHEN n * 2 + 1 > 3 THEN 'big' ELSE t END AS y
         FROM base ORDER BY time DESC",
    ),
    (
        "timechart span=1d count by t",
        "SELECT date_bin(INTERVAL '1 day', time) AS time, t, count(*) AS count FROM base
         WHERE t IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    (
        "rename t as u | where n > 0 | stats count by u",
        "SELECT t AS u, count(*) AS count FROM base WHERE n > 0 AND t IS NOT NULL
         GROUP BY t ORDER BY t",
    ),
    (
        "join t [index:two n:* | stats max(n) as m by t] | sort event_id | fields event_id, m",
        "SELECT event_id, m FROM base JOIN
           (SELECT t, max(n) AS m FROM two WHERE n IS NOT NULL GROUP BY t) AS r ON base.t = r.t
         ORDER BY event_id",
    ),
    (
        "join type=left t [index:two | stats count as m by t] | sort event_id | fields event_id, m",
        "SELECT event_id, m FROM base LEFT JOIN
           (SELECT t, count(*) AS m FROM two WHERE t IS NOT NULL GROUP BY t) AS r ON base.t = r.t
         ORDER BY event_id",
    ),
    (
        "rex field=t \"(?<w>[a-z]+)\" | stats count by w",
        "SELECT w, count(*) AS count FROM
           (SELECT regexp_extract(t, '([a-z]+)', 1) AS w FROM base) AS found
         WHERE w IS NOT NULL GROUP BY w ORDER BY w",
    ),
    (
        "stats count as c by t | where c > 1 | sort -c, t",
        "SELECT t, count(*) AS c FROM base WHERE t IS NOT NULL GROUP BY t HAVING count(*) > 1
         ORDER BY c DESC, t",
    ),
    (
        "sql SELECT t, count(*) AS c FROM events GROUP BY t ORDER BY c, t NULLS LAST",
        "SELECT t, count(*) AS c FROM base GROUP BY t ORDER BY c, t NULLS LAST",
    ),
];

fn event() -> impl Strategy<Value = Map<String, Value>> {
    let t = prop::option::of(prop::sample::select(vec![
        "abc", "ABC", "abd", "xyz", "x-7", "10.0.0.7", "10.1.0.9",
    ]));
    let f = prop::option::of(prop::sample::select(vec![0.5, 1.25, -2.5]));
    (t, prop::option::of(-3_i64..5), f).prop_map(|(t, n, f)| {
        let fields =
            [("t", t.map(|t| json!(t))), ("n", n.map(|n| json!(n))), ("f", f.map(|f| json!(f)))];
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    })
}

async fn lake(events: Vec<Map<String, Value>>) -> Tables {
    let columns = vec![text("t"), int("n"), Field::new("f", DataType::Float64, true)];
    let mut files = [Vec::new(), Vec::new()];
    for (number, mut event) in events.into_iter().enumerate() {
        event.insert(
            "time".into(),
            json!(format!("2026-11-0{}T00:00:{number:02}Z", number % 3 + 1)),
        );
        event.insert("event_id".into(), json!(format!("id{number:02}")));
        files[number % 2].push((columns.clone(), vec![Value::Object(event)]));
    }
    let mut tables = Tables::default();
    for (name, files) in ["one", "two"].into_iter().zip(files) {
        tables.add(name, &files).await;
    }
    tables
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_line_finds_what_its_sql_finds(
        events in prop::collection::vec(event(), 2..14),
        (line, sql) in condition(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = lake(events).await.engine();
            for (commands, select) in COMMANDS {
                let line = format!("index:one {line} | {commands}");
                let sql = format!("WITH base AS (SELECT * FROM one WHERE {sql}) {select}");
                let found = engine.search(&line, &TimeRange::default(), Some(100)).await;
                let found = found.unwrap_or_else(|error| panic!("{line}: {error}"));
                let claimed = engine.sql(&sql).await;
                let claimed = claimed.unwrap_or_else(|error| panic!("{sql}: {error}"));
                prop_assert_eq!(csv(&found), csv(&claimed), "{}\n{}", line, sql);
            }
            Ok(())
        })?;
    }
}
