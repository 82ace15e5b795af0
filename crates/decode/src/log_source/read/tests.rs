//! Log source files: what loads, and what each mistake says.

use base::{ColumnType, Problem};

use super::LAYOUTS;
use crate::{Encoding, Layout, LogSource, TimeFormat};

fn parse(text: &str) -> LogSource {
    match LogSource::parse("log_sources/my_app.yml", text) {
        Ok(source) => source,
        Err(errors) => panic!("{errors:#?}"),
    }
}

/// All mistakes, as a person sees them.
fn mistakes(text: &str) -> String {
    let errors = LogSource::parse("log_sources/my_app.yml", text).unwrap_err();
    let problems: Vec<String> =
        errors.into_iter().map(|error| Problem::from(error).to_string()).collect();
    problems.join("\n")
}

#[test]
fn the_shortest_log_source() {
    let source = parse("format: ndjson\ntime: at\n");
    assert_eq!((source.name.as_str(), source.table.as_str()), ("my_app", "my_app"));
    assert_eq!(source.format.layout, Layout::Ndjson);
    assert_eq!(source.time.fields[0].as_str(), "at");
    assert_eq!(source.time.format, TimeFormat::Rfc3339);
    let plain = parse("format: lines\n");
    assert!(plain.time.missing_is_ingest_time, "plain lines have no field for a time");
}

#[test]
fn everything_at_once() {
    let source = parse(
        r#"
name: app
description: Ours
table: app_events
format:
  type: lines
  encoding: latin1
  patterns: ['(?P<when>\S+) (?P<code>\d+)']
  types: {code: int}
  unmatched: quarantine
time: {field: [when, then], format: '%H:%M', timezone: "+01:30", missing: ingest_time, earliest: 1990-01-01}
fields:
  source.ip: [a, b]
  source.port: c
  event.code: {from: code, type: text}
  user.name: {from: d, lower: true, capture: '^(\w+)@'}
  event.outcome: {from: code, values: {200: success, "*": failure}, default: unknown}
related: {ip: [a, b], user: d}
sigma:
  - {product: app, when: {code: [1, 2], kind: x}, fields: {c-ip: a}}
"#,
    );
    assert_eq!((source.name.as_str(), source.table.as_str()), ("app", "app_events"));
    assert_eq!(source.format.encoding, Encoding::Latin1);
    assert_eq!(source.time.zone_seconds, Some(5400));
    assert_eq!(source.time.earliest_seconds, 631_152_000);
    let columns: Vec<String> = source
        .normalized_columns()
        .iter()
        .map(|(name, column)| format!("{} {column:?}", name.as_str()))
        .collect();
    let expected = [
        "source.ip Text",
        "source.port Int",
        "event.code Text",
        "user.name Text",
        "event.outcome Text",
        "related.ip TextList",
        "related.user TextList",
    ];
    assert_eq!(columns, expected);
    assert_eq!(source.fields[4].values[0], ("200".to_owned(), "success".to_owned()));
    let route = &source.sigma[0];
    assert_eq!(route.when["code"], ["1", "2"]);
    assert_eq!(route.when["kind"], ["x"]);
    assert_eq!(route.fields["c-ip"], "a");
    assert_eq!(source.fields[1].column_type, ColumnType::Int, "as ECS has it");
}

#[test]
fn all_mistakes_are_reported_where_they_are() {
    let found = mistakes(
        "name: My App
tabel: x
format: {type: josn, encoding: utf-8}
time: {feild: at, timezone: CET, format: iso}
fields:
  source.ip: {from: a, lowr: true}
  source: b
  user.name: {capture: '(a)(b'}
  event.code: {default: a, type: int}
related: {ips: [a]}
sigma: [{}, {product: [x]}]
",
    );
    let expected = "\
error[DAB0302]: unknown key `tabel` in the log source
  --> log_sources/my_app.yml:2:1
  help: write `table`, if that is what is meant
error[DAB0303]: `name` is `My App`, which can't name a table
  --> log_sources/my_app.yml:1:7
  help: use 1 to 64 of the characters `a-z`, `0-9` and `_`
error[DAB0303]: `encoding` is `utf-8`
  --> log_sources/my_app.yml:3:32
  help: write `utf8`, if that is what is meant
error[DAB0303]: `type` is `josn`
  --> log_sources/my_app.yml:3:16
  help: write `json`, if that is what is meant
error[DAB0302]: unknown key `feild` in `time`
  --> log_sources/my_app.yml:4:8
  help: write `field`, if that is what is meant
error[DAB0303]: `time` names no field
  --> log_sources/my_app.yml:4:7
  help: name the field that holds the time, or write `missing: ingest_time`
error[DAB0303]: `format` of `time` is `iso`
  --> log_sources/my_app.yml:4:42
  help: use one of `rfc3339`, `unix_seconds`, `unix_millis`, `unix_micros`, `unix_nanos`, `clf`, `syslog`, `filetime`, or write a strftime pattern such as `%d/%b/%Y:%H:%M:%S %z`
error[DAB0303]: `timezone` is `CET`
  --> log_sources/my_app.yml:4:29
  help: write an offset such as `+01:00`, or `UTC`
error[DAB0302]: unknown key `lowr` in field `source.ip`
  --> log_sources/my_app.yml:6:24
  help: write `lower`, if that is what is meant
error[DAB0303]: `source` and `source.ip` can't both be fields
  --> log_sources/my_app.yml:7:3
  help: rename one: a field can't be a value and hold others
error[DAB0304]: the regular expression does not compile: unclosed group
  --> log_sources/my_app.yml:8:24
error[DAB0303]: `user.name` gets its value from nowhere
  --> log_sources/my_app.yml:8:14
  help: write `from:` with the source's field, or `default:`
error[DAB0303]: there is no `from` for this to work on
  --> log_sources/my_app.yml:8:15
  help: write `from:`, or remove it
error[DAB0303]: `default` is `a`, which is not of the field's type
  --> log_sources/my_app.yml:9:25
  help: write a value of the type, or another `type`
error[DAB0303]: there is no list `related.ips`
  --> log_sources/my_app.yml:10:11
  help: write `ip`, if that is what is meant
error[DAB0303]: the route names no Sigma log source
  --> log_sources/my_app.yml:11:9
  help: write at least one of `product`, `category` and `service`
error[DAB0303]: `product` is a list
  --> log_sources/my_app.yml:11:23
  help: write a text here
error[DAB0303]: the route names no Sigma log source
  --> log_sources/my_app.yml:11:13
  help: write at least one of `product`, `category` and `service`";
    assert_eq!(found, expected);
}

#[test]
fn keys_that_mean_nothing_here_are_said() {
    let found = mistakes("format: {type: ndjson, records: a, unmatched: keep}\ntime: at\n");
    let expected = "\
error[DAB0303]: `records` has no meaning for this `type`
  --> log_sources/my_app.yml:1:24
  help: remove it, or write `type: json`
error[DAB0303]: `unmatched` has no meaning for this `type`
  --> log_sources/my_app.yml:1:36
  help: remove it, or write `type: lines`, `grok`, `syslog`";
    assert_eq!(found, expected);
    let found = mistakes(
        "format: {type: lines, patterns: ['(?P<status>a)', 'b', '(?<!x)y'], types: {statsu: int}}\ntime: at",
    );
    let expected = "\
error[DAB0303]: the pattern has no named group
  --> log_sources/my_app.yml:1:51
  help: name the parts of the line: `(?P<status>\\d+)`
error[DAB0304]: the regular expression does not compile: look-around, including look-ahead and look-behind, is not supported
  --> log_sources/my_app.yml:1:56
  help: look-around and back-references are not supported
error[DAB0303]: no pattern has a group `statsu`
  --> log_sources/my_app.yml:1:76
  help: write `status`, if that is what is meant";
    assert_eq!(found, expected);
}

#[test]
fn formats_inside_of_formats_are_checked() {
    let found = mistakes(
        "format:
  type: syslog
  payload:
    - {type: csv, appname: a}
    - lines
    - {type: ndjson}
    - {type: kv, match: '(', unmatched: keep}
    - {type: xml}
    - {type: xml, record: '<r>'}
    - {type: grok, patterns: ['%{WORDS:a}', '%{WORD}']}
    - grok
time: at",
    );
    let expected = "\
error[DAB0303]: the columns of the message have no names
  --> log_sources/my_app.yml:4:7
  help: name them under `columns`: a message has no header above it
error[DAB0303]: there are no `patterns`
  --> log_sources/my_app.yml:5:7
  help: write some, or leave `payload` out
error[DAB0303]: `type` is `ndjson`
  --> log_sources/my_app.yml:6:14
  help: write `json`, if that is what is meant
error[DAB0302]: unknown key `unmatched` in `payload`
  --> log_sources/my_app.yml:7:30
  help: use one of KEYS
error[DAB0304]: the regular expression does not compile: unclosed group
  --> log_sources/my_app.yml:7:25
error[DAB0303]: `record` is missing
  --> log_sources/my_app.yml:8:14
  help: name the element that is one record: `record: Event`
error[DAB0303]: `record` is `<r>`, which names no element
  --> log_sources/my_app.yml:9:27
  help: write it without its namespace and without `<` and `>`: `record: Event`
error[DAB0303]: there is no pattern `WORDS`
  --> log_sources/my_app.yml:10:31
  help: write `WORD`, if that is what is meant
error[DAB0303]: the pattern has no named group
  --> log_sources/my_app.yml:10:45
  help: name the parts of the line: `%{NUMBER:status}`
error[DAB0303]: there are no `patterns`
  --> log_sources/my_app.yml:11:7
  help: write some: `patterns: ['%{IP:client} …']`";
    let keys = found.split("use one of ").nth(1).and_then(|rest| rest.split('\n').next()).unwrap();
    assert_eq!(found.replace(keys, "KEYS"), expected);
}

#[test]
fn what_is_missing_is_said_and_what_is_no_yaml() {
    let all = LAYOUTS.iter().map(|layout| format!("`{layout}`")).collect::<Vec<_>>().join(", ");
    let expected = format!(
        "\
error[DAB0303]: `format` is missing
  --> log_sources/my_app.yml:1:1
  help: use one of {all}
error[DAB0303]: `time` is missing
  --> log_sources/my_app.yml:1:1
  help: write `time: {{field: …}}`, or `time: {{missing: ingest_time}}` if events have none"
    );
    assert_eq!(mistakes("name: a\n"), expected);
    let not_a_map = mistakes("- a\n");
    assert!(
        not_a_map.starts_with("error[DAB0303]: the log source is a list, not a map"),
        "{not_a_map}"
    );
    let empty = mistakes("");
    assert!(empty.starts_with("error[DAB0303]: the log source is nothing, not a map"), "{empty}");
    for (text, place) in [("a: [1\n", ":1:4"), ("a: 1\na: 2\n", ":2:1"), ("a: \"x\n", ":")] {
        let found = mistakes(text);
        assert!(found.starts_with("error[DAB0301]: the file is not valid YAML: "), "{found}");
        assert!(found.contains(&format!("  --> log_sources/my_app.yml{place}")), "{found}");
    }
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(?s).{0,200}", lines in "((name|format|time|fields|related|sigma|type|from|field): ?[a-z\\[\\]{}'%.*&!|,: ]{0,20}\n ?){0,8}") {
        for text in [text, lines] {
            if let Err(errors) = LogSource::parse("a.yml", &text) {
                assert!(!errors.is_empty());
            }
        }
    }
}
