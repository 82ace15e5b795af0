//! CEF and LEEF, of many senders.

use proptest::prelude::*;

use crate::fixture::decoded;

fn one(format: &str, line: &str) -> String {
    let found = decoded(format, line);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn cef_is_read_with_its_escapes_and_types() {
    let line = r"CEF:0|Acme \| Co|Wall\\fire|1.0|100|Stopped = it|7|src=192.0.2.1 spt=1232 msg=a \= b\nc \\ d  dvc= request=http://example.com/?a=b&c=d cs1Label=Rule Name cs1=no way cfp1=1.5 in=x";
    assert_eq!(
        one("cef", line),
        r#"{"cefVersion":"0","deviceVendor":"Acme | Co","deviceProduct":"Wall\\fire","deviceVersion":"1.0","deviceEventClassId":"100","name":"Stopped = it","severity":"7","src":"192.0.2.1","spt":1232,"msg":"a = b\nc \\ d","dvc":"","request":"http://example.com/?a=b&c=d","cs1Label":"Rule Name","cs1":"no way","cfp1":1.5,"in":"x"}"#
    );
    let labels = "{type: cef, labels: true, types: {severity: int}}";
    assert_eq!(
        one(labels, line).split_once(r#""cfp1""#).unwrap().0.rsplit_once("c=d").unwrap().1,
        r#"","Rule Name":"no way","#
    );
    // A label whose name is taken, or that says nothing, or labels nothing, stays.
    assert_eq!(
        one(labels, "CEF:1|a|b|c|d|e|5|cs1=x cs1Label=src src=y cs2=z cs2Label= cn1Label=n"),
        r#"{"cefVersion":"1","deviceVendor":"a","deviceProduct":"b","deviceVersion":"c","deviceEventClassId":"d","name":"e","severity":5,"cs1":"x","cs1Label":"src","src":"y","cs2":"z","cs2Label":"","cn1Label":"n"}"#
    );
    let short = r#"{"cefVersion":"0","deviceVendor":"a","deviceProduct":"b","deviceVersion":"c","deviceEventClassId":"d","name":"e","severity":"Low"}"#;
    assert_eq!(one("cef", "CEF: 0|a|b|c|d|e|Low"), short);
    assert_eq!(one("cef", "CEF:0|a|b|c|d|e|Low| "), short);
    let lost = one("cef", "CEF:0|a|b|c|d|e|Low|lost words a=1 a=2");
    assert!(lost.ends_with(r#""=":"lost words","a":["1","2"]}"#), "{lost}");
}

#[test]
fn very_many_keys_take_time_in_their_number_only() {
    let keys: String = (0..20_000).map(|n| format!(" k{n}=v k{n}Label=name{n}")).collect();
    let found = one("{type: cef, labels: true}", &format!("CEF:0|a|b|c|d|e|5|{keys}"));
    assert!(found.ends_with(r#""name19999":"v"}"#));
}

#[test]
fn leef_is_read_in_both_versions() {
    for line in [
        "LEEF:1.0|Acme|Wall|2.1|deny|src=192.0.2.1\tsrcPort=80\tusrName=anna b\tflag",
        "LEEF:2.0|Acme|Wall|2.1|deny|^|src=192.0.2.1^srcPort=80^usrName=anna b^flag",
        "LEEF:2.0|Acme|Wall|2.1|deny|x5E|src=192.0.2.1^srcPort=80^usrName=anna b^flag",
        "LEEF:2.0|Acme|Wall|2.1|deny|0x7c|src=192.0.2.1|srcPort=80|usrName=anna b|flag",
        "LEEF:2.0|Acme|Wall|2.1|deny||src=192.0.2.1\tsrcPort=80\tusrName=anna b\tflag",
        "LEEF:1.0|Acme|Wall|2.1|deny|src=192.0.2.1#011srcPort=80#011usrName=anna b#011flag",
    ] {
        let version = line.get(5..8).unwrap();
        assert_eq!(
            one("leef", line),
            format!(
                r#"{{"leefVersion":"{version}","vendor":"Acme","product":"Wall","version":"2.1","eventId":"deny","src":"192.0.2.1","srcPort":80,"usrName":"anna b","flag":true}}"#
            )
        );
    }
    let spaces = one("leef", "LEEF:2.0|a|b|c|d|src=192.0.2.1 usrName=anna b sev=5");
    assert!(spaces.ends_with(r#""src":"192.0.2.1","usrName":"anna b","sev":5}"#), "{spaces}");
    assert!(one("leef", "LEEF:1.0|a|b|c|d").ends_with(r#""eventId":"d"}"#));
}

#[test]
fn what_is_neither_goes_to_the_quarantine() {
    for (format, line, expected) in [
        (
            "cef",
            "Nov 24 08:00:00 h CEF:0|a",
            "!! the record does not begin with `CEF:`: `Nov 24 08:00:00 h CEF:0|a`, at byte 0 of the record",
        ),
        ("cef", "CEF:0|a|b\\|", "!! the header ends in its part 3 of 7, at byte 11 of the record"),
        ("leef", "LEEF:1.0|a", "!! the header ends in its part 2 of 5, at byte 10 of the record"),
    ] {
        assert_eq!(one(format, line), expected);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        header in prop::collection::vec("[ -~]{1,8}", 6),
        pairs in prop::collection::btree_map("x[a-z0-9]{0,5}", "[a-zé=|\\\\,;:\n]{0,8}", 0..8),
    ) {
        let bar = |text: &String| text.replace('\\', "\\\\").replace('|', "\\|");
        let value = |text: &String| text.replace('\\', "\\\\").replace('=', "\\=").replace('\n', "\\n");
        let front: Vec<String> = header.iter().map(bar).collect();
        let back: Vec<String> = pairs.iter().map(|(key, text)| format!("{key}={}", value(text))).collect();
        let line = format!("CEF:0|{}|{}", front.join("|"), back.join(" "));
        let found: serde_json::Value = serde_json::from_str(&one("cef", &line)).unwrap();
        let names = ["deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"];
        for (name, text) in names.iter().zip(&header) {
            prop_assert_eq!(&found[*name], text);
        }
        for (key, text) in &pairs {
            prop_assert_eq!(&found[key], text);
        }
        prop_assert_eq!(found.as_object().unwrap().len(), 7 + pairs.len());
    }

    #[test]
    fn no_text_is_too_odd(text in "[a-b=|\\\\ \té^x0]{0,40}") {
        for format in ["cef", "leef", "{type: cef, labels: true}"] {
            decoded(format, &format!("CEF:0|a|b|c|d|e|f|{text}"));
            decoded(format, &format!("LEEF:2.0|a|b|c|d|{text}"));
            decoded(format, &text);
        }
    }
}
