//! Framing holds for any cut of the input, and resumes anywhere.

use base::FieldPath;
use proptest::prelude::*;

use super::*;
use crate::{Encoding, Text, Xml};

fn format(layout: Layout) -> Format {
    Format { layout, encoding: Encoding::Utf8 }
}

fn json(records: Option<&str>) -> Format {
    format(Layout::Json { records: records.map(FieldPath::new) })
}

fn show(frame: &Frame<'_>) -> String {
    match frame {
        Frame::Record { offset, bytes, .. } => {
            format!("{offset} {}", String::from_utf8_lossy(bytes))
        }
        Frame::Malformed { offset, bytes, problem } => {
            format!("{offset} {} !! {problem}", String::from_utf8_lossy(bytes))
        }
        Frame::Oversize { record_offset, bytes, last } => {
            format!("{record_offset} oversize {} {last}", bytes.len())
        }
    }
}

fn frames(format: &Format, object: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut framer = Framer::new(format, FrameState::default(), 0);
    let consumed = framer.frame(object, true, &mut |frame| found.push(show(&frame)));
    assert_eq!(consumed, object.len(), "nothing is left over");
    assert_eq!(framer.offset(), object.len() as u64);
    if !format.layout.is_headed() {
        assert_eq!(framer.state(), FrameState::default());
    }
    found
}

/// As [`frames`], but in pieces, and with a new framer from the stored state before each.
fn frames_in_pieces(format: &Format, object: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut found = Vec::new();
    let mut stored = serde_json::to_string(&FrameState::default()).unwrap();
    let mut boundary = 0_usize;
    let ends = cuts.iter().copied().chain([object.len()]);
    for end in ends {
        let state = serde_json::from_str(&stored).unwrap();
        let mut framer = Framer::new(format, state, boundary as u64);
        let last = end == object.len();
        let buffer = object.get(boundary..end.max(boundary)).unwrap();
        let consumed = framer.frame(buffer, last, &mut |frame| found.push(show(&frame)));
        boundary += consumed;
        assert_eq!(framer.offset(), boundary as u64);
        stored = serde_json::to_string(&framer.state()).unwrap();
        if last {
            break;
        }
    }
    found
}

#[test]
fn lines_end_where_lines_end() {
    let lines = format(Layout::Lines(crate::Lines::default()));
    let object = b"\xef\xbb\xbffirst\r\n\n  \t\r\nsecond \nlast";
    assert_eq!(frames(&lines, object), ["3 first", "16 second ", "24 last"]);
    assert_eq!(frames(&format(Layout::Ndjson), b""), [""; 0]);
    assert_eq!(frames(&lines, b"\n\n"), [""; 0]);
}

fn syslog() -> Format {
    let grammar = Grammar::Syslog(crate::Syslog::default());
    format(Layout::Text(Box::new(crate::Text { grammar, types: Vec::new() })))
}

#[test]
fn messages_of_syslog_may_be_counted() {
    let object = b"9 <34>a\nb\n\0\n7 <34>c\r\n<34>line\n6 users\n8 \x1e{}\x1e<1>d";
    let expected = ["0 <34>a\nb", "12 <34>c", "21 <34>line", "30 6 users", "38 \x1e{}\x1e<1>d"];
    assert_eq!(frames(&syslog(), object), expected);
    let cut = ["0 <34>a".to_owned(), "8 12 <34>b !! the object ends inside a message".to_owned()];
    assert_eq!(frames(&syslog(), b"<34>a\n\n\n12 <34>b")[..1], cut[..1]);
    assert_eq!(frames(&syslog(), b"<34>a\n\n\n12 <34>b")[1..], cut[1..]);
    assert_eq!(frames(&syslog(), b"12 <"), ["0 12 <"]);
}

#[test]
fn values_and_arrays_give_their_records() {
    let object = br#"{"a":"}"} [{"b":["]"]} , {"c":"\"]"}] {"d":1},
        7 {"e":1}
        {"f":1}"#;
    let expected = [
        r#"0 {"a":"}"}"#,
        r#"11 {"b":["]"]}"#,
        r#"25 {"c":"\"]"}"#,
        r#"38 {"d":1}"#,
        r#"55 7 {"e":1}"#,
        r#"73 {"f":1}"#,
    ];
    assert_eq!(frames(&json(None), object), expected);
}

#[test]
fn records_are_taken_out_of_documents() {
    let object = br#"{"Records":[{"a":1},{"b":[]}],"more":{"Records":[3]}}
        {"x":{"Records":[0]},"Records" : [ 1,"two" ]}{"Records":[]}"#;
    let expected = [r#"12 {"a":1}"#, r#"20 {"b":[]}"#, "97 1", r#"99 "two""#];
    assert_eq!(frames(&json(Some("Records")), object), expected);
    let nested = br#"{"b":{"c":[9]},"a":{"x":"a","b":{"c":[1,2],"d":0}},"z":[4]}"#;
    assert_eq!(frames(&json(Some("a.b.c")), nested), ["38 1", "40 2"]);
    assert_eq!(frames(&json(Some("Records")), b"[{\"a\":1}]"), ["1 {\"a\":1}"]);
}

#[test]
fn a_document_without_the_array_is_kept_whole() {
    let absent = |object: &str| format!("0 {object} !! the object has no array `Records`");
    for object in [
        r#"{"records":[1]}"#,
        "{}",
        r#"{"Records":{"a":[1]}}"#,
        r#"{"Records":null,"a":"}"}"#,
        r#"{x:1}"#,
    ] {
        assert_eq!(frames(&json(Some("Records")), object.as_bytes()), [absent(object)]);
    }
    let after = r#"{"a":1} {"Records":[2]}"#;
    let expected = [absent(r#"{"a":1}"#), "20 2".to_owned()];
    assert_eq!(frames(&json(Some("Records")), after.as_bytes()), expected);
}

#[test]
fn one_bad_element_does_not_hide_the_others() {
    let object = br#"[{"a":1},{"b":tru,},{"c" 1},nonsense,{"d":1}}},:,{"e":1}]"#;
    let expected = [
        r#"1 {"a":1}"#,
        r#"9 {"b":tru,}"#,
        r#"20 {"c" 1}"#,
        "28 nonsense",
        r#"37 {"d":1}"#,
        "44 }} !! `}` where an element of the array should begin",
        "47 : !! `:` where an element of the array should begin",
        r#"49 {"e":1}"#,
    ];
    assert_eq!(frames(&json(None), object), expected);
}

#[test]
fn what_is_cut_short_says_so() {
    let short = "the object ends inside a JSON value";
    let records = json(Some("Records"));
    assert_eq!(frames(&json(None), b"{\"a\":"), [format!("0 {{\"a\": !! {short}")]);
    assert_eq!(
        frames(&records, b"{\"Records\":[{\"a\":1},"),
        ["12 {\"a\":1}".to_owned(), format!("20  !! {short}")]
    );
    assert_eq!(
        frames(&records, b"{\"Records\":[1],\"x"),
        ["12 1".to_owned(), format!("15 \"x !! {short}")]
    );
    assert_eq!(frames(&records, b"{\"Rec"), [format!("0 {{\"Rec !! {short}")]);
    let open = frames(&records, b"{\"Records\":[1]\n{\"Records\":[2]}");
    assert_eq!(open, ["12 1", "15  !! the object is not closed behind the array", "27 2"]);
    // An array that is not closed inside an object that is.
    let unclosed = frames(&records, b"{\"Records\":[1} {\"Records\":[2]}");
    let stray = "13 } !! `}` where an element of the array should begin";
    assert_eq!(unclosed, ["12 1", stray, "27 2"]);
}

#[test]
fn a_piece_that_ends_with_a_quote_does_not_lose_it() {
    let object = br#"{"Records":[1],"a":"}"} [2]"#;
    let expected = frames(&json(Some("Records")), object);
    for cut in 0..object.len() {
        assert_eq!(frames_in_pieces(&json(Some("Records")), object, &[cut]), expected, "{cut}");
    }
}

#[test]
fn long_records_come_in_pieces() {
    let long = "x".repeat(RECORD_BYTES_MAX + 5);
    let line = format!("a\n{long}\nb\n");
    let lines = format(Layout::Ndjson);
    let size = RECORD_BYTES_MAX + 5;
    assert_eq!(
        frames(&lines, line.as_bytes()),
        ["0 a".into(), format!("2 oversize {size} true"), format!("{} b", size + 3)]
    );

    let array = format!("[1,{{\"k\":\"{long}\"}},2]");
    let mut found = Vec::new();
    let mut framer = Framer::new(&json(None), FrameState::default(), 0);
    let bytes = array.as_bytes();
    let half = RECORD_BYTES_MAX + 4;
    let mut at = framer.frame(&bytes[..half], false, &mut |frame| found.push(show(&frame)));
    assert_eq!(at, half, "a long piece is not held back");
    let inside = framer.state();
    at += framer.frame(&bytes[at..], true, &mut |frame| found.push(show(&frame)));
    assert_eq!(at, bytes.len());
    let pieces: usize = size + "{\"k\":\"\"}".len();
    let expected = [
        "1 1".to_owned(),
        format!("3 oversize {} false", half - 3),
        format!("3 oversize {} true", pieces - (half - 3)),
        format!("{} 2", pieces + 4),
    ];
    assert_eq!(found, expected);
    // Reading can begin again at the long record.
    let mut again = Framer::new(&json(None), inside, 3);
    let mut found = Vec::new();
    again.frame(&bytes[3..], true, &mut |frame| found.push(show(&frame)));
    assert_eq!(found, [format!("3 oversize {pieces} true"), format!("{} 2", pieces + 4)]);
}

#[test]
fn a_long_record_that_the_object_ends_is_closed() {
    let long = "x".repeat(RECORD_BYTES_MAX + 1);
    let mut framer = Framer::new(&format(Layout::Ndjson), FrameState::default(), 0);
    let mut found = Vec::new();
    assert_eq!(framer.frame(long.as_bytes(), false, &mut |f| found.push(show(&f))), long.len());
    assert_eq!(framer.frame(b"", true, &mut |f| found.push(show(&f))), 0);
    assert_eq!(found, [format!("0 oversize {} false", long.len()), "0 oversize 0 true".to_owned()]);
}

/// Checkpoints are stored: these texts must be read for ever.
#[test]
fn stored_states_are_read() {
    for text in [
        r#"{"v1":"top"}"#,
        r#"{"v1":{"array":2}}"#,
        r#"{"v1":{"behind":1}}"#,
        r#"{"v1":{"closed":1}}"#,
    ] {
        let state: FrameState = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }
    assert_eq!(
        serde_json::from_str::<FrameState>(r#"{"v1":"top"}"#).unwrap(),
        FrameState::default()
    );
    assert!(serde_json::from_str::<FrameState>(r#"{"v2":"top"}"#).is_err());
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\n",
        " ",
        "\r\n",
        "\"R\":[",
        "{\"R\":[",
        "]}",
        "{\"a\":1}",
        "{\"a\":\"x\"}",
        "\"s\"",
        "12",
        "null",
        "x",
        "é",
        "\u{feff}",
        "\"a\":",
        "<34>",
        "7 <34>",
        "11 ",
        "2",
    ]);
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![
        format(Layout::Ndjson),
        json(None),
        json(Some("R")),
        json(Some("a.R")),
        syslog(),
    ])
}

proptest! {
    #[test]
    fn pieces_give_the_same_frames(
        object in soup(),
        format in formats(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(object.len() + 1)).collect();
        cuts.sort_unstable();
        // Where runs of stray brackets are cut depends on the pieces, and how much of an unfinished
        // document's end is held back.
        let comparable = |mut found: Vec<String>| {
            found.retain(|frame| !frame.contains("where an element of the array"));
            for frame in found.iter_mut().filter(|frame| frame.contains("the object ends inside")) {
                frame.clear();
            }
            found
        };
        let whole = comparable(frames(&format, &object));
        prop_assert_eq!(comparable(frames_in_pieces(&format, &object, &cuts)), whole);
    }

    #[test]
    fn elements_of_any_json_are_found(
        elements in prop::collection::vec("[ -~é\"\\\\\\[\\]{}]{0,12}", 0..8),
        pretty in any::<bool>(),
    ) {
        let elements: Vec<serde_json::Value> = elements
            .into_iter()
            .map(|text| serde_json::json!({ text.clone(): [text, {"k": null}, 1.5] }))
            .collect();
        let document = serde_json::json!({"a": "]", "Records": elements, "z": {"y": ["}"]}});
        let text = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        let mut found = Vec::new();
        let mut framer = Framer::new(&json(Some("Records")), FrameState::default(), 0);
        framer.frame(text.as_bytes(), true, &mut |frame| {
            let Frame::Record { offset, bytes, .. } = frame else { panic!("{frame:?}") };
            assert_eq!(&text.as_bytes()[usize::try_from(offset).unwrap()..][..bytes.len()], bytes);
            found.push(serde_json::from_slice::<serde_json::Value>(bytes).unwrap());
        });
        prop_assert_eq!(found, elements);
    }

    #[test]
    fn never_panics(object in prop::collection::vec(any::<u8>(), 0..200), format in formats()) {
        frames(&format, &object);
    }
}

#[test]
fn what_stands_in_the_place_of_something_unreadable_is_one_reject() {
    let mut note = Vec::new();
    base::write_damage("row group 1 can't be read", b"\x00", &mut note);
    let object = [b"{\"a\":1}\n", note.as_slice(), b"{\"a\":2}\n"].concat();
    let xml = Format {
        layout: Layout::Text(Box::new(Text {
            grammar: Grammar::Xml(Xml { record: "Event".to_owned(), is_windows: true }),
            types: Vec::new(),
        })),
        ..format(Layout::Ndjson)
    };
    for (format, object) in [
        (format(Layout::Ndjson), object.clone()),
        (json(None), object),
        (xml, [b"<Event/>\n", note.as_slice(), b"<Event/>\n"].concat()),
    ] {
        let found = frames(&format, &object);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[1].contains("row group 1 can't be read"), "{found:?}");
        for cut in 0..object.len() {
            assert_eq!(frames_in_pieces(&format, &object, &[cut]), found);
        }
    }
}
