//! Search finds what a plain scan over the original events finds, whatever went into columns,
//! structs, JSON text or `_rest`.

use arrow::datatypes::{DataType, Field};
use base::{Explain as _, Place, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Tables, ids, int, object, text, texts};
use crate::{
    query::{
        Rows, TimeRange, json as reader,
        plan::condition,
        search::{self, eval},
        wanted::{wanted, wanted_of},
    },
    schema,
};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "abc", "ABC", "abc def", "x-abc", "xabc", "a\"bc", "abc\\d", "naïve abc", "7", "1.5",
            "", "def", "-3", "true", "2026-11-02T00:00:00Z", "10.0.0.7", "::ffff:10.0.0.9", "10.0.0.0/8",
        ]).prop_map(|text| json!(text)),
        2 => prop::sample::select(vec![json!(7), json!(-3), json!(0), json!(42)]),
        1 => prop::sample::select(vec![json!(1.5), json!(7.0), json!(-0.25)]),
        1 => any::<bool>().prop_map(|value| json!(value)),
        1 => Just(Value::Null),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => scalar(),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::Array),
        1 => prop::collection::vec(
                 prop::collection::btree_map("[xy]", scalar(), 0..3).prop_map(|map| json!(map)), 0..3
             ).prop_map(Value::Array),
        1 => prop::collection::btree_map("[xy]", scalar(), 0..3).prop_map(|map| json!(map)),
        1 => scalar().prop_map(|value| json!({"z": {"x": value}})),
    ]
}

fn event() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec!["t", "n", "f", "b", "list", "obj", "js", "other"]);
    prop::collection::btree_map(name, value(), 0..6).prop_map(|map| json!(map))
}

fn term() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "abc",
        "ABC",
        "ab*",
        "*bc",
        "a*c",
        "*",
        "7",
        "1.5",
        "-3",
        "\"abc def\"",
        "\"a\\\"bc\"",
        "\"abc\\\\d\"",
        "def",
        "ï",
        "x",
        "\"-3\"",
        "true",
        "b*d*f",
    ]);
    let field = prop::sample::select(vec![
        "t", "n", "f", "b", "list", "obj", "obj.x", "obj.z.x", "js", "js.x", "js.z.x", "other",
        "other.x", "nothing", "t.x", "list.x", "*",
    ]);
    let test = prop::sample::select(vec![
        ":abc",
        ":7",
        ":\"7\"",
        ":1.5",
        ":*",
        ":a*",
        ":*c",
        ":>0",
        ":>=7",
        ":<2.5",
        ":<=-3",
        ":true",
        ":(abc 7)",
        ":(def OR >5)",
        ":\"\"",
        "!=abc",
        "=ABC",
        ":>2026-11-01",
        ":7*",
        ":-0.2*",
        ":*1.*",
        ":/abc/",
        ":/^(x-)?abc|de.$/",
        ":/\\b7|1\\.5/",
        ":/(?i)NA\u{ef}VE/",
        ":10.0.0.0/8",
        ":\"10.0.0.0/8\"",
        ":(10.0.0.8/29 abc)",
        ":[-3 TO 7]",
        ":{0 TO *]",
        ":[2026-11-01 TO 2026-11-03]",
        ":[10.0.0.1 TO 10.0.0.8]",
        " IN (abc, 7)",
    ]);
    prop_oneof![word.prop_map(str::to_owned), (field, test).prop_map(|(f, t)| format!("{f}{t}"))]
}

fn line() -> impl Strategy<Value = String> {
    term().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

/// Both sets of columns that a file may have been written with.
fn columns() -> [Vec<Field>; 2] {
    let early = vec![text("t"), int("n"), object("obj", vec![text("x")])];
    let late = vec![
        text("t"),
        int("n"),
        object("obj", vec![text("x"), int("y"), object("z", vec![text("x")])]),
        Field::new("f", DataType::Float64, true),
        Field::new("b", DataType::Boolean, true),
        texts("list"),
        schema::json_field("js"),
    ];
    [early, late]
}

/// The events as a plain reader sees them, newest first, and the lake they were written to.
async fn lake(events: Vec<Value>) -> (Vec<Value>, Tables) {
    let mut files: [Vec<(Vec<Field>, Vec<Value>)>; 2] = Default::default();
    let mut plain = Vec::new();
    for (number, mut event) in events.into_iter().enumerate() {
        // Three days, two tables, both schemas; times are unique, so the order is known.
        let (day, table, columns) = (number % 3, number / 3 % 2, columns()[number % 2].clone());
        event["time"] = json!(format!("2026-11-0{}T00:00:{number:02}Z", day + 1));
        event["event_id"] = json!(format!("id{number}"));
        files[table].push((columns, vec![event.clone()]));
        plain.push(event);
    }
    plain.sort_by_key(|event| std::cmp::Reverse(event["time"].as_str().unwrap().to_owned()));
    let mut tables = Tables::default();
    for (name, files) in ["one", "two"].into_iter().zip(files) {
        if !files.is_empty() {
            tables.add(name, &files).await;
        }
    }
    (plain, tables)
}

/// Two tables of larger files, all of one day; several events happen at the same time. The events in the
/// order in which a search shows them: the newest first, then by table and id.
async fn large(events: Vec<Value>) -> (Vec<Value>, Tables) {
    let mut files: [[Vec<Value>; 2]; 2] = Default::default();
    let mut plain = Vec::new();
    for (number, mut event) in events.into_iter().enumerate() {
        let (table, set) = (number % 2, number / 2 % 2);
        event["time"] = json!(format!("2026-11-01T00:00:{:02}Z", number / 3));
        event["event_id"] = json!(format!("id{:03}", number * 37 % 1000));
        files[table][set].push(event.clone());
        plain.push((table, event));
    }
    plain.sort_by_key(|(table, event)| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (std::cmp::Reverse(text("time")), *table, text("event_id"))
    });
    let mut tables = Tables::default();
    for (name, files) in ["one", "two"].into_iter().zip(files) {
        let files = columns().into_iter().zip(files).filter(|(_, events)| !events.is_empty());
        let files: Vec<_> = files.collect();
        if !files.is_empty() {
            tables.add(name, &files).await;
        }
    }
    (plain.into_iter().map(|(_, event)| event).collect(), tables)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// A mistake is shown at a place that is in the line.
fn check_place(line: &str) -> Result<(), TestCaseError> {
    if let Err(error) = search::parse(line)
        && let Some(Place::File { line: number, column, .. }) = error.place()
    {
        prop_assert_eq!(number, 1);
        prop_assert!(usize::try_from(column).unwrap() <= line.chars().count() + 1, "{}", error);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn search_finds_what_a_plain_scan_finds(
        events in prop::collection::vec(event(), 1..14),
        lines in prop::collection::vec(line(), 3),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (plain, tables) = lake(events).await;
            let engine = tables.engine();
            for line in lines {
                let node = search::parse(&line).expect("the generator writes valid lines").condition;
                let expected: Vec<String> = plain
                    .iter()
                    .filter(|event| {
                        let text = event.to_string();
                        eval::matches(&node, &reader::parse_object(&text).expect("an object"))
                    })
                    .map(|event| event["event_id"].as_str().unwrap().to_owned())
                    .collect();
                let found = engine.search(&line, &TimeRange::default(), None).await.unwrap();
                prop_assert_eq!(ids(&found), expected, "{}", line);
                // The same condition after a pipe that rules out folding it into the scan.
                let piped = format!("* | head 100 | where {line} | fields event_id");
                let piped = engine.search(&piped, &TimeRange::default(), None).await;
                if let Ok(rows) = piped {
                    let piped = super::csv(&rows);
                    let piped: Vec<&str> = piped.lines().skip(1).collect();
                    prop_assert_eq!(piped, ids(&found), "{}", line);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn search_finds_the_newest_in_files_of_many_rows(
        events in prop::collection::vec(event(), 1..60),
        lines in prop::collection::vec(line(), 4),
        limit in 1_usize..30,
        from in prop::option::of(0_u8..20),
        to in prop::option::of(0_u8..20),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (plain, tables) = large(events).await;
            let engine = tables.engine();
            let time = |second: u8| Timestamp::parse(&format!("2026-11-01T00:00:{second:02}Z"));
            let Ok(range) = TimeRange::new(from.and_then(time), to.and_then(time)) else {
                return Ok(());
            };
            for line in lines.iter().map(String::as_str).chain([""]) {
                let node = search::parse(line).expect("the generator writes valid lines").condition;
                let is_found = |event: &&Value| {
                    let time = Timestamp::parse(event["time"].as_str().unwrap()).unwrap();
                    let is_in = range.from.is_none_or(|from| time >= from)
                        && range.to.is_none_or(|to| time < to);
                    let text = event.to_string();
                    is_in && eval::matches(&node, &reader::parse_object(&text).expect("an object"))
                };
                let expected = plain.iter().filter(is_found).take(limit);
                let expected: Vec<&str> =
                    expected.map(|event| event["event_id"].as_str().unwrap()).collect();
                let found = engine.search(line, &range, Some(limit)).await.unwrap();
                prop_assert_eq!(ids(&found), expected, "{}", line);
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_index_is_asked_for_what_a_plan_would_ask(line in line()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (_, tables) = runtime.block_on(large(vec![json!({"t": "abc"}), json!({}), json!({})]));
        let node = search::parse(&line).expect("the generator writes valid lines").condition;
        for table in tables.0.values() {
            let planned: Vec<_> = condition(table, &node).into_iter().collect();
            prop_assert_eq!(wanted_of(table, &node), wanted(&table.schema, &planned), "{}", line);
        }
    }

    #[test]
    fn events_come_back_as_they_were(events in prop::collection::vec(event(), 1..14)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (plain, tables) = lake(events).await;
            let Rows::Events(found) =
                tables.engine().search("", &TimeRange::default(), None).await.unwrap()
            else {
                panic!("rows of columns")
            };
            prop_assert_eq!(found.len(), plain.len());
            for (event, found) in plain.iter().zip(found) {
                let mut back: Value = serde_json::from_str(&found.json).unwrap();
                for envelope in ["ingest_time", "log_source", "origin"] {
                    prop_assert!(back.as_object_mut().unwrap().remove(envelope).is_some());
                }
                prop_assert_eq!(without_nulls(event), without_nulls(&back));
            }
            Ok(())
        })?;
    }

    #[test]
    fn the_parser_never_panics(line in "[ -~é\u{a0}]{0,40}") {
        check_place(&line)?;
    }

    #[test]
    fn the_parser_never_panics_on_its_own_words(
        words in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "|", "OR", "AND", "NOT", "-", "\"", "*", ":", "index:", "a:", ">", ">=5", "by",
            "/a", "/", "[", "]", "{", "TO", "10.0.0.0/8", "eval", "x", "+", "rex", "field=", "lookup",
            "output", "join", "sql", "SELECT 1", "IN", "not", "between", "..", "matches", "regex",
            "like", "isnull(", "`", "'", "*:",
            "stats", "count", "count(", "as", "sort", "head", "5", "where", "timechart", "span=1h",
            "span=", "fields", "rename", "\\", ",", "é", "top", "dedup", "=", "!=", "index=(a",
        ]), 0..14),
        spaced in any::<bool>(),
    ) {
        check_place(&words.join(if spaced { " " } else { "" }))?;
    }
}
