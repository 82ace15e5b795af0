//! Tables of every dialect, headers included.

use proptest::prelude::*;

use crate::fixture::{decoded, decoded_by, decoder};

#[test]
fn csv_has_a_header_and_quotes() {
    let object = "id, name ,note,\r\n1,\"Ann, \"\"A\"\"\",\"two\r\nlines\",x\r\n2,b\"c\",,y\n\nid, name ,note,\n3,\"\",d,z\n";
    assert_eq!(
        decoded("csv", object),
        [
            r#"{"id":"1","name":"Ann, \"A\"","note":"two\r\nlines","column_4":"x"}"#,
            r#"{"id":"2","name":"b\"c\"","note":"","column_4":"y"}"#,
            r#"{"id":"3","name":"","note":"d","column_4":"z"}"#,
        ]
    );
}

#[test]
fn csv_says_what_is_wrong_with_a_row() {
    let object = "a,b\n1\n1,2,3\n1,\"2\"3\n4,5\n6,\"7\n";
    assert_eq!(
        decoded("csv", object),
        [
            "!! the row has 1 value, and there are 2 columns, at byte 1 of the record",
            "!! the row has 3 values, and there are 2 columns, at byte 4 of the record",
            "!! a value goes on behind its closing quote, at byte 5 of the record",
            r#"{"a":"4","b":"5"}"#,
            "!! the quote that opens here is not closed, at byte 2 of the record (its line 1, column 3)",
        ]
    );
}

#[test]
fn columns_may_be_fixed_and_have_types() {
    let format = r#"{type: csv, delimiter: ";", columns: [n, f, t], types: {n: int, f: float}, nulls: ["-", "NULL"], comment: "//"}"#;
    let object = "// a;b\n1;2.5;x\n;-;NULL\nx;1e3;\"NULL\"\n";
    assert_eq!(
        decoded(format, object),
        [
            r#"{"n":1,"f":2.5,"t":"x"}"#,
            r#"{"n":null,"f":null,"t":null}"#,
            r#"{"n":"x","f":1000.0,"t":"NULL"}"#,
        ]
    );
    let tsv = decoded("{type: tsv, columns: [a, b]}", "\t\n\"x\ty\"\n");
    assert_eq!(tsv, [r#"{"a":"","b":""}"#, r#"{"a":"\"x","b":"y\""}"#]);
}

#[test]
fn w3c_follows_its_directives() {
    let object = "#Software: IIS\n#Version: 1.0\n#Date: 2026-11-24 00:00:00\n\
        #Fields: date time c-ip cs-uri-query sc-status\n2026-11-24 00:00:01 192.0.2.1 - 200\n\
        2026-11-24 00:00:01 192.0.2.1\n#Fields: time  cs(User-Agent) x-note\n\
        00:00:02 a+b \"say \"\"hi\"\"\"\n00:00:03 - \"odd\n";
    assert_eq!(
        decoded("w3c", object),
        [
            r#"{"date":"2026-11-24","time":"00:00:01","c-ip":"192.0.2.1","cs-uri-query":null,"sc-status":200}"#,
            "!! the row has 3 values, and there are 5 columns, at byte 29 of the record",
            r#"{"date":"2026-11-24","time":"00:00:02","cs(User-Agent)":"a+b","x-note":"say \"hi\""}"#,
            r#"{"date":"2026-11-24","time":"00:00:03","cs(User-Agent)":null,"x-note":"\"odd"}"#,
        ]
    );
    let tabs = "#Fields: a b\nx\ty z\n";
    assert_eq!(decoded("w3c", tabs), [r#"{"a":"x","b":"y z"}"#]);
    let none = decoded("w3c", "a b\n");
    assert_eq!(none, ["!! no `#Fields` directive stands above this row"]);
}

#[test]
fn zeek_says_how_it_writes() {
    let object = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n\
        #path\tconn\n#open\t2026-11-24-00-00-00\n\
        #fields\tts\tid.orig_p\tlocal\tdur\ttunnel\thist\tn\n\
        #types\ttime\tport\tbool\tinterval\tset[string]\tstring\tvector[count]\n\
        1795507200.000001\t443\tT\t-\t(empty)\tS\\x09h\t1,-,3\n\
        1795507200.1234567890123\tx\tF\t0.25\ta,b\t(empty)\t-\n#close\t2026-11-24-01-00-00\n";
    assert_eq!(
        decoded("zeek", object),
        [
            r#"{"_path":"conn","ts":1795507200.000001,"id.orig_p":443,"local":true,"dur":null,"tunnel":[],"hist":"S\th","n":[1,null,3]}"#,
            r#"{"_path":"conn","ts":1795507200.1234567890123,"id.orig_p":"x","local":false,"dur":0.25,"tunnel":["a","b"],"hist":"","n":null}"#,
        ]
    );
}

#[test]
fn a_header_that_is_none_is_told_for_its_rows() {
    assert_eq!(
        decoded("csv", "a,\"b\"c,d\n1\n"),
        [
            "!! the header above this row is none: a value goes on behind its closing quote, at byte 5 of the record",
        ]
    );
}

#[test]
fn zeek_may_write_json() {
    let object = "{\"ts\":1795507200.5,\"id.orig_p\":443,\"_path\":\"conn\"}\n{\"ts\":}\n";
    assert_eq!(
        decoded("zeek", object),
        [
            r#"{"ts":1795507200.5,"id.orig_p":443,"_path":"conn"}"#,
            "!! expected a JSON value, found `}`, at byte 6 of the record",
        ]
    );
}

#[test]
fn flow_logs_need_no_header_and_heed_one() {
    let row = "2 012345678901 eni-1 192.0.2.1 198.51.100.2 49152 443 6 10 840 1795507200 1795507260 ACCEPT OK";
    let nodata = "2 012345678901 eni-1 - - - - - - - 1795507200 1795507260 - NODATA";
    let found = decoded("vpc_flow", &format!("{row}\n{nodata}\n"));
    assert_eq!(
        found[0],
        r#"{"version":2,"account-id":"012345678901","interface-id":"eni-1","srcaddr":"192.0.2.1","dstaddr":"198.51.100.2","srcport":49152,"dstport":443,"protocol":6,"packets":10,"bytes":840,"start":1795507200,"end":1795507260,"action":"ACCEPT","log-status":"OK"}"#
    );
    assert!(
        found[1].contains(r#""srcaddr":null,"#) && found[1].contains(r#""log-status":"NODATA""#)
    );
    let headed =
        "version vpc-id tcp-flags flow-direction\n5 vpc-1 2 ingress\nvpc-id  start \nvpc-2 7\n";
    assert_eq!(
        decoded("vpc_flow", headed),
        [
            r#"{"version":5,"vpc-id":"vpc-1","tcp-flags":2,"flow-direction":"ingress"}"#,
            r#"{"vpc-id":"vpc-2","start":7}"#,
        ]
    );
}

/// A header far up must be known wherever reading goes on.
#[test]
fn headers_outlast_a_stop() {
    for (format, object) in [
        ("csv", "\u{feff}\n\na,\"b\nc\"\n1,\"2\n\n3\"\n4,5\n"),
        ("w3c", "#Date: 2026-11-24 0:0:0\n#Fields: a b\n1 2\n#Fields: c\n3\n"),
        ("zeek", "#separator \\x20\n#fields a b\n#types count string\n1 2\n3 4\n"),
        ("vpc_flow", "\nversion start\n1 2\n3 4\n"),
    ] {
        let decoder = decoder(&format!("format: {format}\ntime: {{missing: ingest_time}}"));
        let whole = decoded_by(&decoder, object.as_bytes(), &[]);
        assert!(whole.len() >= 2 && !whole.iter().any(|line| line.starts_with("!!")), "{whole:?}");
        for cut in 0..object.len() {
            assert_eq!(decoded_by(&decoder, object.as_bytes(), &[cut]), whole, "{format}, {cut}");
        }
    }
}

#[test]
fn a_header_too_long_is_said_once() {
    let object = format!("{}\n1,2\n", "x".repeat(base::limits::HEADER_BYTES_MAX + 1));
    assert_eq!(
        decoded("csv", &object),
        ["!! the header is longer than 64 KiB", "!! no row of column names stands above this row"]
    );
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        rows in prop::collection::vec(prop::collection::vec("[a-z\",\r\n é;]{0,8}", 3), 1..6),
        quote_all in any::<bool>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let written = |value: &String| {
            if quote_all || value.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", value.replace('"', "\"\""))
            } else {
                value.clone()
            }
        };
        let mut object = "a,b,c\n".to_owned();
        for row in &rows {
            object.push_str(&row.iter().map(written).collect::<Vec<_>>().join(","));
            object.push_str("\r\n");
        }
        let decoder = decoder("format: csv\ntime: {missing: ingest_time}");
        let found = decoded_by(&decoder, object.as_bytes(), &[cut.index(object.len() + 1)]);
        let expected: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| serde_json::json!({"a": row[0], "b": row[1], "c": row[2]}))
            .collect();
        let found: Vec<serde_json::Value> =
            found.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_text_is_too_odd(
        text in "(#fields\t|#Fields: |#types\t|#separator |\\\\x09|[a-c,;\"#\n\r\t -]){0,40}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        for format in ["csv", "tsv", "w3c", "zeek", "vpc_flow", "{type: csv, columns: [a, b], quotes: false}"] {
            let decoder = decoder(&format!("format: {format}\ntime: {{missing: ingest_time}}"));
            let whole = decoded_by(&decoder, text.as_bytes(), &[]);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            prop_assert_eq!(decoded_by(&decoder, text.as_bytes(), &cuts), whole);
        }
    }
}
