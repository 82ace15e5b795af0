//! Events come back from their tables as they went in.

use std::borrow::Cow;

use base::{Event, EventId, Holds, Need, ObjectHash, Origin};

use super::*;
use crate::{
    query::{json, tests::Tables},
    write::Rows,
};

fn event<'a>(fields: &'a str, normalized: &'a str) -> Event<'a> {
    Event {
        time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
        id: EventId { object: ObjectHash::of(&["x"]), offset: 7 },
        log_source: "shop",
        origin: Origin { object: Cow::Borrowed("file:x"), offset: 7 },
        fields: json::parse_object(fields).unwrap(),
        normalized: json::parse_object(normalized).unwrap(),
        json: None,
    }
}

fn told_of(object: &Object<'_>) -> String {
    let mut out = String::new();
    object.write_json(&mut out);
    out
}

/// What the source said, what was normalized, and what comes back for each where that differs.
type Case = (&'static str, &'static str, Option<(&'static str, &'static str)>);

const CASES: [Case; 9] = [
    (r#"{"a":"x","n":1,"f":1.5,"o":{"p":{"q":[1,{"r":2}]}}}"#, r#"{"user":{"name":"mira"}}"#, None),
    // Values of other types than their columns.
    (
        r#"{"a":7,"n":"seven","f":true,"o":"none"}"#,
        r#"{"user":{"name":"bob"}}"#,
        Some((r#"{"a":7,"n":"seven","f":true,"o":"none"}"#, r#"{"user":{"name":"bob"}}"#)),
    ),
    (r#"{"a":{"b":1},"o":{"p":"flat"},"user":{"name":"own"}}"#, r#"{"user":{"name":"eve"}}"#, None),
    // A normalized value and one of the source's own inside an object of the same name.
    (r#"{"user":{"id":"u-1","roles":["x","y"]}}"#, r#"{"user":{"name":"eve"}}"#, None),
    // Keys with dots, spaces and names that the envelope has.
    (r#"{"user.name":"dotted","a b":1,"time":"noon","day":1,"log_source":"x"}"#, "{}", None),
    // Numbers as they are spelled.
    (r#"{"a":123456789012345678901234567890,"n":-0,"f":1e3,"A":"other case"}"#, "{}", None),
    (r#"{"list":[],"n":1,"n":2}"#, r#"{"related":{"ip":["10.0.0.1"]}}"#, None),
    // Null is as good as absent, and a whole number among fractions is one of them.
    (r#"{"a":null,"n":null,"f":2,"o":{"p":null}}"#, "{}", Some((r#"{"f":2.0,"o":{}}"#, "{}"))),
    // A source's own field stands in for a normalized one that has no value.
    (r#"{"user":{"name":"own"}}"#, "{}", Some(("{}", r#"{"user":{"name":"own"}}"#))),
];

#[test]
fn events_come_back_as_they_went_in() {
    let columns =
        [("user.name", base::ColumnType::Text), ("related.ip", base::ColumnType::TextList)];
    let columns = columns.map(|(name, kind)| (FieldPath::new(name), kind));
    let declared = schema::declared_fields(&columns);
    let mut rows = Rows::new(declared.iter(), 200);
    for (fields, normalized, _) in CASES {
        rows.append(&event(fields, normalized));
    }
    let batch = rows.finish().unwrap();
    let schema = schema::event_schema(rows.own_fields().iter().cloned().collect::<Vec<_>>());
    let columns_of = |schema: &arrow::datatypes::Schema| {
        let all = shapes(schema).into_iter();
        all.filter(|(name, _)| !schema::RESERVED.contains(&name.as_str())).collect::<Vec<_>>()
    };
    let reader = Reader { columns: columns_of(&schema), has_rest: true, filter: None };
    let wanted: Vec<usize> = reader
        .columns()
        .iter()
        .map(|expr| batch.schema().index_of(expr.schema_name().to_string().as_str()).unwrap())
        .collect();
    let batch = batch.project(&wanted).unwrap();
    let paths = columns.map(|(path, _)| path);
    let mut found = Vec::new();
    let handed = reader.batch(&batch, &mut |event| {
        assert_eq!((event.log_source, event.object, event.offset), ("shop", "file:x", 7));
        assert_eq!(event.time.to_string(), "2026-11-24T08:00:00Z");
        let (own, normalized) = event.split(&paths);
        found.push((told_of(&own), told_of(&normalized)));
        ControlFlow::Continue(())
    });
    assert_eq!(handed, ControlFlow::Continue(CASES.len() as u64));
    assert_eq!(found.len(), CASES.len());
    for ((own, normalized), (fields, was, differs)) in found.iter().zip(CASES) {
        let (expected, expected_normalized) = differs.unwrap_or((fields, was));
        // Columns have an order of their own.
        assert_eq!(sorted(own), sorted(expected), "{fields}");
        assert_eq!(normalized, expected_normalized, "{fields}");
    }
}

/// The members of an object in the order of their names; repeated ones in their own order.
fn sorted(json: &str) -> Vec<(String, String)> {
    let object = json::parse_object(json).unwrap();
    let mut entries: Vec<(String, String)> = object
        .iter()
        .map(|(key, value)| {
            let mut out = String::new();
            value.write_json(&mut out);
            (key.to_string(), out)
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

#[tokio::test]
async fn only_the_range_and_the_columns_that_are_wanted_are_read() {
    use arrow::datatypes::{DataType, Field};
    use serde_json::json;
    let mut tables = Tables::default();
    let own = || vec![Field::new("a", DataType::Utf8, true), Field::new("b", DataType::Utf8, true)];
    let day = |day: u32| {
        let rows = (0..5)
            .map(|hour| {
                json!({
                    "time": format!("2026-11-{day:02}T{hour:02}:00:00Z"),
                    "event_id": format!("{day}-{hour}"),
                    "a": "x".repeat(50), "b": format!("{day}{hour}").repeat(2000), "c": 1,
                })
            })
            .collect();
        (own(), rows)
    };
    tables.add("shop", &[day(22), day(23), day(24)]).await;
    let engine = tables.engine();
    let range = TimeRange {
        from: Timestamp::parse("2026-11-23T02:00:00Z"),
        to: Timestamp::parse("2026-11-24T01:00:00Z"),
    };
    let scan = EventScan { table: "shop".into(), range, fields: None, ways: None };
    let (all, seen, ids) = read(&engine, &scan).await;
    assert_eq!(ids, ["23-2", "23-3", "23-4", "24-0"]);
    assert_eq!((all.files_total, all.files, all.events, all.handed), (3, 2, 4, 4));
    assert!(seen[0].contains("\"b\":"));
    let scan = EventScan { fields: Some(["a.x".to_owned(), "c".to_owned()].into()), ..scan };
    let (some, seen, _) = read(&engine, &scan).await;
    let expected = format!("{{\"a\":\"{}\",\"c\":1}}", "x".repeat(50));
    assert_eq!(seen, vec![expected; 4]);
    assert!(0 < some.bytes && some.bytes < all.bytes, "{} of {}", some.bytes, all.bytes);
    let part = |text: &str| Need { field: "b".into(), holds: Holds::Part(text.into()) };
    let ways = Some(vec![vec![vec![part("233"), part("232")]], vec![vec![part("240")]]]);
    let scan = EventScan { fields: None, ways, ..scan };
    let (some, _, ids) = read(&engine, &scan).await;
    assert_eq!((some.events, some.handed), (4, 3));
    assert_eq!(ids, ["23-2", "23-3", "24-0"]);
    let broken = engine.events(&scan, &mut |_| ControlFlow::Break(()), &mut |_, _| {}).await;
    assert_eq!(broken.unwrap().unwrap().handed, 1);
    let scan = EventScan { table: "none".into(), ..scan };
    let none = engine.events(&scan, &mut |_| panic!(), &mut |_, _| {}).await.unwrap();
    assert_eq!(none, None);
}

/// What was read: its cost, the events' own fields, and their ids in order.
async fn read(engine: &Engine, scan: &EventScan) -> (ScanStats, Vec<String>, Vec<String>) {
    let (mut seen, mut ids, mut told) = (Vec::new(), Vec::new(), Vec::new());
    let mut each = |event: StoredEvent<'_>| {
        ids.push(event.event_id.to_owned());
        seen.push(told_of(&event.split(&[]).0));
        ControlFlow::Continue(())
    };
    let stats = engine.events(scan, &mut each, &mut |done, total| told.push((done, total))).await;
    let stats = stats.unwrap().unwrap();
    assert_eq!(told.last().unwrap().0, stats.events);
    ids.sort();
    (stats, seen, ids)
}

const FIELDS: [&str; 19] = [
    "a",
    "n",
    "f",
    "o",
    "o.p",
    "o.p.q",
    "o.p.q.r",
    "user",
    "user.name",
    "user.id",
    "a.b",
    "user.roles",
    "list",
    "related.ip",
    "time",
    "day",
    "a b",
    "A",
    "deep.1.2.3.4.5.6.7.8.9",
];

/// The source's own fields and the normalized ones.
const EVENTS: [(&str, &str); 16] = [
    (
        r#"{"a":"One Text","n":1,"f":1.5,"o":{"p":{"q":[1,{"r":2}]}}}"#,
        r#"{"user":{"name":"mira"}}"#,
    ),
    (r#"{"a":7,"n":"seven","f":true,"o":"none"}"#, r#"{"user":{"name":"Bob"}}"#),
    (r#"{"a":{"b":1},"o":{"p":"flat"},"user":{"name":"own"}}"#, r#"{"user":{"name":"eve"}}"#),
    (r#"{"user":{"id":"u-1","roles":["x","Y"]}}"#, r#"{"user":{"name":"eve"}}"#),
    (r#"{"user.name":"dotted","a b":1,"time":"noon","day":1}"#, "{}"),
    (r#"{"a":123456789012345678901234567890,"n":-0,"f":1e3,"A":"other case"}"#, "{}"),
    (r#"{"list":[],"n":1,"n":2}"#, r#"{"related":{"ip":["10.0.0.1"]}}"#),
    (r#"{"a":null,"n":4688,"f":2,"o":{"p":null}}"#, "{}"),
    (r#"{"user":{"name":"own"}}"#, "{}"),
    (r#"{"a":"4688","n":4688.0,"f":4688,"o":{"p":"4.688e3"}}"#, "{}"),
    (r#"{"a":"4.688E3","n":"04688","list":["C:\\Win\\x.EXE","\"q\""]}"#, "{}"),
    ("{\"a\":\"273 \u{212a}\",\"list\":[{\"deep\":\"caf\u{c9}\"}]}", "{}"),
    (r#"{"o":[{"p":"In A List"},{"p":{"q":5}}],"user":"plain"}"#, "{}"),
    (r#"{"o":{"p.q":"dotted","p":{"q.r":"Inside"}},"a.b":"Whole"}"#, "{}"),
    (r#"{"deep":{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":"Bottom"}}}}}}}}}}"#, "{}"),
    (r#"{"a":"C:\\Windows\\System32\\LSASS.exe","n":true}"#, "{}"),
];

/// Every value of every field, in any place that a table has for it, is found by each need that it
/// meets.
#[test]
fn rows_that_meet_a_need_are_never_left_out() {
    let tests =
        ["one", "text", "7", "mira", "b", "own", "x.exe", "lsass.exe", "k", "4688", "1", "in a"]
            .map(|text| Holds::Part(text.to_owned()));
    let tests: Vec<Holds> = tests
        .into_iter()
        .chain([1, 2, 0, 5, 4688].map(Holds::Number))
        .chain([Holds::Anything])
        .collect();
    for columns_max in [0, 5, 200] {
        let mut rows = Rows::new([], columns_max);
        EVENTS.iter().for_each(|(own, normalized)| rows.append(&event(own, normalized)));
        let batch = rows.finish().unwrap();
        let columns: Vec<_> = shapes(&batch.schema());
        let own = |name: &str| !schema::RESERVED.contains(&name);
        let columns: Vec<_> = columns.into_iter().filter(|(name, _)| own(name)).collect();
        let arrays =
            columns.iter().map(|(name, _)| Arc::clone(batch.column_by_name(name).unwrap()));
        let arrays: Vec<ArrayRef> = arrays.collect();
        let rest = batch.column_by_name(schema::REST).unwrap().as_string::<i32>();
        let (mut met, mut left_out) = (0, 0);
        for (field, holds) in FIELDS.iter().flat_map(|field| tests.iter().map(move |t| (field, t)))
        {
            let need = Need { field: (*field).to_owned(), holds: holds.clone() };
            let filter = Filter::new(&columns, &[vec![vec![need.clone()]]]);
            for (row, (fields, normalized)) in EVENTS.iter().enumerate() {
                let rest = rest.is_valid(row).then(|| rest.value(row));
                let passes = filter.passes(&arrays, rest, row, &mut Vec::new());
                let is_met = meets(&event(fields, normalized), &need);
                assert!(passes || !is_met, "{need:?} of {fields} {normalized}, {columns_max}");
                met += usize::from(is_met);
                left_out += usize::from(!passes);
            }
        }
        assert!(met > 100 && (left_out > 3000 || columns_max < 200), "{met} {left_out}");
    }
}

/// The plain meaning of a need.
fn meets(event: &Event<'_>, Need { field, holds }: &Need) -> bool {
    event.any(&FieldPath::new(field.as_str()), &mut |value| match holds {
        Holds::Anything => *value != Value::Null,
        Holds::Part(part) => value.display().is_some_and(|text| text.to_lowercase().contains(part)),
        Holds::Number(number) => {
            let number = number.to_string().parse::<f64>().unwrap();
            let text = value.display().filter(|_| !matches!(value, Value::Object(_)));
            text.is_some_and(|text| text.parse::<f64>().is_ok_and(|value| value == number))
        }
    })
}
