//! Keys with values, of many writers.

use proptest::prelude::*;

use crate::fixture::{decoded, decoded_by, decoder};

#[test]
fn logfmt_is_read_as_its_writers_mean_it() {
    let object = r#"time=2026-11-24T08:00:00Z level=info msg="it \"works\":\n\u00e9" empty= quoted="" debug
 a=1	b=x=y  c="d"e  =odd ü=ö a=2 path="C:\new"
lost="no end"#;
    assert_eq!(
        decoded("logfmt", object),
        [
            r#"{"time":"2026-11-24T08:00:00Z","level":"info","msg":"it \"works\":\né","empty":"","quoted":"","debug":true}"#,
            r#"{"a":["1","2"],"b":"x=y","c":"\"d\"e","=odd":true,"ü":"ö","path":"C:\new"}"#,
            "!! the quote around the value of `lost` is not closed, at byte 5 of the record",
        ]
    );
}

#[test]
fn separators_and_quotes_are_those_of_the_source() {
    let format = r#"{type: kv, pair_separator: ", ", value_separator: ": ", types: {port: int, ok: bool, x: int}}"#;
    let object = "user: anna b, port: 22, note: \"a, b\" , ok: yes, x: , bare word,  last:1\n,\n";
    let expected = r#"{"user":"anna b","port":22,"note":"a, b","ok":true,"x":true,"bare word":true,"last:1":true}"#;
    assert_eq!(decoded(format, object)[0], expected.replace(r#""x":true"#, r#""x":null"#));
    let single = r"{type: kv, quote: '''', escapes: none}";
    assert_eq!(decoded(single, r"a='b \' c='d e'"), [r#"{"a":"b \\","c":"d e"}"#]);
    let kv = decoded("kv", r#"path="C:\temp\\x" say="\"hi\"""#);
    assert_eq!(kv, [r#"{"path":"C:\\temp\\x","say":"\"hi\""}"#]);
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(
        pairs in prop::collection::btree_map("[a-zA-Z_][a-z0-9_.-]{0,8}", "\\PC{0,12}", 1..12),
    ) {
        let line: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{key}={}", serde_json::to_string(value).unwrap()))
            .collect();
        let expected = serde_json::to_value(&pairs).unwrap();
        let found = decoded("logfmt", &line.join(" "));
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&found[0]).unwrap(), expected);
    }

    #[test]
    fn no_text_is_too_odd(text in "[a-c= \t\"\\\\é,:'\n]{0,60}", cut in any::<prop::sample::Index>()) {
        for format in ["kv", "logfmt", r#"{type: kv, pair_separator: ", ", value_separator: ":"}"#] {
            let decoder = decoder(&format!("format: {format}\ntime: {{missing: ingest_time}}"));
            let whole = decoded_by(&decoder, text.as_bytes(), &[]);
            let cut = cut.index(text.len() + 1);
            prop_assert_eq!(decoded_by(&decoder, text.as_bytes(), &[cut]), whole);
        }
    }
}
