//! Elements of XML.

use proptest::prelude::*;

use crate::fixture::{decoded, decoded_by, decoder};

const WINDOWS: &str = r#"<?xml version="1.0"?>
<!-- <Event>none</Event> --><Events xmlns="x">
<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing' Guid='{0}'/><EventID Qualifiers='0'>4624</EventID><Level>0</Level><Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='2026-11-24T07:59:59.1234567Z'/><Execution ProcessID='8' ThreadID='9'/><Channel>Security</Channel><Security/></System><EventData><Data Name='TargetUserName'>a&amp;b &#233;</Data><Data Name='Empty'/><Data>x</Data><Data><![CDATA[</Event>]]></Data></EventData></Event>
<Event/></Events>"#;

#[test]
fn windows_events_are_read_as_others_have_them() {
    let expected = [
        concat!(
            r##"{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Security-Auditing","Guid":"{0}"}},"##,
            r##""EventID":{"#attributes":{"Qualifiers":0},"#text":4624},"Level":0,"Keywords":"0x8020000000000000","TimeCreated":{"#attributes":{"SystemTime":"2026-11-24T07:59:59.1234567Z"}},"##,
            r##""Execution":{"#attributes":{"ProcessID":8,"ThreadID":9}},"Channel":"Security","Security":null},"##,
            r##""EventData":{"Data":[{"#attributes":{"Name":"TargetUserName"},"#text":"a&b é"},{"#attributes":{"Name":"Empty"}},"x","</Event>"]}}}"##
        ),
        r#"{"Event":null}"#,
    ];
    assert_eq!(decoded("winevent_xml", WINDOWS), expected);
    let source = decoder("format: winevent_xml\ntime: {missing: ingest_time}");
    for cut in 0..WINDOWS.len() {
        assert_eq!(decoded_by(&source, WINDOWS.as_bytes(), &[cut]), expected, "cut at {cut}");
    }
}

#[test]
fn elements_are_objects() {
    let format = "{type: xml, record: r, types: {n: int}}";
    for (text, expected) in [
        (
            "<r a='1'><n>5</n><b><c/><c>x</c></b> text <n> </n></r>",
            r##"{"#attributes":{"a":"1"},"n":[5," "],"b":{"c":[null,"x"]},"#text":" text "}"##,
        ),
        ("<p:r><p:n q='&lt;'>7</p:n></p:r>", r##"{"n":{"#attributes":{"q":"<"},"#text":7}}"##),
        ("<r>only text</r>", r#"{"r":"only text"}"#),
        ("<r><r><r>3</r></r></r>", r#"{"r":{"r":"3"}}"#),
        (
            "<R/><rr/><r a='>'><b/></r><x",
            "{\"#attributes\":{\"a\":\">\"},\"b\":null}\n!! the object ends inside markup",
        ),
        (
            "hello <r><b/></r> there",
            "!! text outside of any record\n{\"b\":null}\n!! text outside of any record",
        ),
        (
            "<r><b></r>\n<r><b/></r>",
            "!! the record is not well-formed: ill-formed document: expected `</b>`, but `</r>` was found, at byte 6 of the record\n{\"b\":null}",
        ),
        (
            "<r>&lol;</r>",
            "!! the record is not well-formed: an entity that XML does not have by itself, at byte 3 of the record",
        ),
        (
            "<r>&#0;</r>",
            "!! the record is not well-formed: an entity that XML does not have by itself, at byte 3 of the record",
        ),
        (
            "<!DOCTYPE r [<!ENTITY a 'b'>]><r><b>&a;</b></r>",
            "!! text outside of any record\n!! the record is not well-formed: an entity that XML does not have by itself, at byte 6 of the record",
        ),
        ("<r><b>", "!! the object ends inside an element"),
    ] {
        assert_eq!(decoded(format, text).join("\n"), expected, "{text}");
    }
    let deep = format!("<r>{}{}</r>", "<a>".repeat(64), "</a>".repeat(64));
    assert_eq!(
        decoded(format, &deep),
        ["!! elements nest deeper than 64, at byte 192 of the record"]
    );
}

/// An element as text, and what it is as JSON.
fn element() -> impl Strategy<Value = (String, serde_json::Value)> {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let leaf = "[a-zé&<>\"' ]{1,8}".prop_map(move |text| (escape(&text), text.into()));
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop::collection::btree_map("[a-z]{1,4}", inner, 1..4).prop_map(|members| {
            let text = members.iter().map(|(name, (text, _))| format!("<{name}>{text}</{name}>"));
            let text: String = text.collect();
            let value: serde_json::Map<_, _> =
                members.into_iter().map(|(name, (_, value))| (name, value)).collect();
            (text, value.into())
        })
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(elements in prop::collection::vec(element(), 1..4), cut in any::<prop::sample::Index>()) {
        let text: String = elements.iter().map(|(text, _)| format!("<Rec>{text}</Rec>\n")).collect();
        let source = decoder("format: {type: xml, record: Rec}\ntime: {missing: ingest_time}");
        let found = decoded_by(&source, text.as_bytes(), &[cut.index(text.len() + 1)]);
        prop_assert_eq!(found.len(), elements.len());
        for (found, (_, value)) in found.iter().zip(&elements) {
            let found: serde_json::Value = serde_json::from_str(found).unwrap();
            match value {
                serde_json::Value::String(text) => prop_assert_eq!(&found["Rec"], text),
                value => prop_assert_eq!(&found, value),
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(text in "(<r>|</r>|<r a='|<!--|-->|<!\\[CDATA\\[|\\]\\]>|<\\?|\\?>|[<>/r!\\-\\[\\]'\"&;# é]){0,24}", cut in any::<prop::sample::Index>()) {
        let source = decoder("format: {type: xml, record: r}\ntime: {missing: ingest_time}");
        // What is malformed may be cut differently.
        let records = |found: Vec<String>| -> Vec<String> {
            found.into_iter().filter(|line| !line.contains("the object ends") && !line.contains("outside of any")).collect()
        };
        let whole = records(decoded_by(&source, text.as_bytes(), &[]));
        let cut = cut.index(text.len() + 1);
        prop_assert_eq!(records(decoded_by(&source, text.as_bytes(), &[cut])), whole);
    }
}
