//! The JSON parser agrees with `serde_json`'s.

use base::Value;
use proptest::prelude::*;

use super::*;

fn json(text: &str) -> String {
    match parse_json(text.as_bytes()) {
        Ok(value) => {
            let mut out = String::new();
            value.write_json(&mut out);
            out
        }
        Err(reject) => format!("error: {reject}"),
    }
}

#[test]
fn times_with_microseconds_lie_apart() {
    assert!(is_sparse(1_591_367_999.305_988, "1591367999.305988"));
    assert!(!is_sparse(0.1, "0.1000000000000000055"));
    assert!(!is_sparse(1e22, "1e22"));
}

#[test]
fn reads_what_rfc_8259_allows() {
    for (text, expected) in [
        ("{}", "{}"),
        (" [ ] ", "[]"),
        ("\t\r\n[1 , 2]\n", "[1,2]"),
        (r#"{"a":1,"a":2,"":null}"#, r#"{"a":1,"a":2,"":null}"#),
        (r#""\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t""#, "\"é😀\\\"\\\\/\\u0008\\u000c\\n\\r\\t\""),
        ("\"\u{7f}é\u{2028}\"", "\"\u{7f}é\u{2028}\""),
        ("true", "true"),
        ("[true,false,null]", "[true,false,null]"),
        ("-0", "-0.0"),
        ("0.0e0", "0.0"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
    ] {
        assert_eq!(json(text), expected, "{text}");
    }
}

#[test]
fn numbers_that_no_machine_type_holds_stay_as_they_are_written() {
    for text in [
        "9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "0.1234567890123456789",
        "1e400",
        "-1e-400",
        "1e99999999999999999999",
        "3.00000000000000001",
    ] {
        assert_eq!(parse_json(text.as_bytes()), Ok(Value::Number(text.into())), "{text}");
    }
    for (text, number) in [
        ("0.1", 0.1),
        ("1.50", 1.5),
        ("1E5", 1e5),
        ("-2.5e-3", -0.0025),
        ("0.30000000000000004", 0.1 + 0.2),
        ("1.7976931348623157e308", f64::MAX),
        ("5e-324", 5e-324),
    ] {
        assert_eq!(parse_json(text.as_bytes()), Ok(Value::Float(number)), "{text}");
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    for (text, expected) in [
        ("", "expected a JSON value, found the record's end, at byte 0 of the record"),
        ("{\"a\" 1}", "expected `:` after a key, found `1`, at byte 5 of the record"),
        ("{\"a\":1,}", "expected a key in quotes, found `}`, at byte 7 of the record"),
        ("[1,]", "expected a JSON value, found `]`, at byte 3 of the record"),
        ("[1 2]", "expected `,` or `]` after a value, found `2`, at byte 3 of the record"),
        ("{'a':1}", "expected a key in quotes, found `'`, at byte 1 of the record"),
        (
            "{\n \"a\": é}",
            "expected a JSON value, found `é`, at byte 8 of the record (its line 2, column 7)",
        ),
        ("01", "a number begins wrong, at byte 0 of the record"),
        ("-", "a number begins wrong, at byte 0 of the record"),
        (
            "1.",
            "expected a digit after the decimal point, found the record's end, at byte 2 of the record",
        ),
        ("1.e1", "expected a digit after the decimal point, found `e`, at byte 2 of the record"),
        (
            "1e+",
            "expected a digit in the exponent, found the record's end, at byte 3 of the record",
        ),
        ("+1", "expected a JSON value, found `+`, at byte 0 of the record"),
        ("NaN", "expected a JSON value, found `N`, at byte 0 of the record"),
        ("tru", "expected a JSON value, found `t`, at byte 0 of the record"),
        ("{} x", "expected the end of the record, found `x`, at byte 3 of the record"),
        ("\"a", "a string has no closing quote, at byte 0 of the record"),
        ("[\"a\\", "`\\` begins no JSON escape, at byte 3 of the record"),
        ("\"\\x\"", "`\\` begins no JSON escape, at byte 1 of the record"),
        ("\"\\u12g4\"", "`\\u` is not followed by four hex digits, at byte 1 of the record"),
        ("\"\\u12", "`\\u` is not followed by four hex digits, at byte 1 of the record"),
        (
            "\"a\tb\"",
            "a string holds the control character 0x09 unescaped, at byte 2 of the record",
        ),
        (
            "\"\\ud800x\"",
            "`\\ud800` is half of a surrogate pair, which is no character, at byte 1 of the record",
        ),
        (
            "\"\\ud800\\u0041\"",
            "`\\ud800` is half of a surrogate pair, which is no character, at byte 1 of the record",
        ),
        (
            "\"\\udc00\"",
            "`\\udc00` is half of a surrogate pair, which is no character, at byte 1 of the record",
        ),
    ] {
        assert_eq!(json(text), format!("error: {expected}"), "{text}");
    }
    let not_utf8 = parse_json(b"\"a\xff\"").unwrap_err();
    assert_eq!(not_utf8.to_string(), "the byte 0xff is not UTF-8 here, at byte 2 of the record");
}

#[test]
fn nests_as_deep_as_the_limit_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(json(&nested(JSON_DEPTH_MAX)), nested(JSON_DEPTH_MAX));
    let reject = parse_json(nested(JSON_DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(reject.kind(), RejectKind::Depth);
    assert_eq!(parse_json("[".repeat(1 << 20).as_bytes()).unwrap_err().kind(), RejectKind::Depth);
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let text = br#"{"key":"a value that is longer than eight bytes, and has \u0041 in it"}"#;
    let Ok(Value::Object(object)) = parse_json(text) else { panic!() };
    let (key, value) = object.iter().next().unwrap();
    assert!(matches!(key, Cow::Borrowed("key")));
    assert_eq!(value.as_str(), Some("a value that is longer than eight bytes, and has A in it"));
    let Ok(Value::Text(Cow::Borrowed(plain))) = parse_json(b"\"plain\"") else { panic!() };
    assert_eq!(plain, "plain");
}

#[test]
fn with_a_scratch_all_text_is_borrowed() {
    let text = r#"{"a\n":"\\","b":["\u00e9\ud83d\ude00"],"c":"plain"}"#;
    let mut scratch = Scratch::default();
    let Ok(Value::Object(object)) = parse_text(text, Some(&mut scratch)) else { panic!() };
    let borrowed: Vec<bool> = object
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::List(members) => members.first(),
                value => Some(value),
            };
            matches!(key, Cow::Borrowed(_)) && matches!(value, Some(Value::Text(Cow::Borrowed(_))))
        })
        .collect();
    assert_eq!(borrowed, [true; 3]);
    assert_eq!(object.get("a\n"), Some(&Value::text("\\")));
    // The next record may be longer.
    let long = format!("\"{}\"", "\\\\".repeat(1000));
    let Ok(Value::Text(text)) = parse_text(&long, Some(&mut scratch)) else { panic!() };
    assert_eq!(text, "\\".repeat(1000));
}

#[test]
fn special_bytes_are_found_wherever_they_stand() {
    let mut specials = Specials::default();
    for special in [b'"', b'\\', 0, 0x1f] {
        for length in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200] {
            for at in 0..length {
                for filler in [b'a', b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut bytes = vec![filler; length];
                    bytes[at] = special;
                    specials.find(&bytes);
                    assert_eq!(specials.next(0), at);
                    assert_eq!(specials.next(at), at);
                    assert_eq!(specials.next(at + 1), length);
                }
            }
        }
    }
}

/// `serde_json` makes the same of the same text, but for what it loses.
fn check_against_serde(text: &str) {
    let ours = parse_json(text.as_bytes());
    assert_eq!(parse_text(text, Some(&mut Scratch::default())), ours);
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    match (&ours, &theirs) {
        (Ok(ours), Ok(theirs)) => assert!(same(ours, theirs), "{text}\n{ours:?}\n{theirs:?}"),
        (Err(reject), Ok(_)) => assert_eq!(reject.kind(), RejectKind::Depth, "{text}"),
        (Ok(_), Err(error)) => {
            // It gives numbers up that are not finite: we keep their text.
            assert!(error.to_string().contains("out of range"), "{text}: {error}");
        }
        (Err(_), Err(_)) => {}
    }
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Text(a), serde_json::Value::String(b)) => a == b,
        (Value::List(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            // The last of repeated keys is the one that counts for `serde_json`.
            let last = |key: &str| a.iter().rfind(|(name, _)| name == key).map(|(_, value)| value);
            a.iter().all(|(key, _)| b.contains_key(key.as_ref()))
                && b.iter().all(|(key, b)| last(key).is_some_and(|a| same(a, b)))
        }
        (Value::Int(a), serde_json::Value::Number(b)) => b.as_i64() == Some(*a),
        (Value::Float(a), serde_json::Value::Number(b)) => near(*a, b),
        (Value::Number(a), serde_json::Value::Number(b)) => near(a.parse().unwrap(), b),
        _ => false,
    }
}

/// Without its feature `float_roundtrip`, `serde_json` may be a few units off in the last place.
fn near(ours: f64, theirs: &serde_json::Number) -> bool {
    let theirs = theirs.as_f64().unwrap();
    let tolerance = (ours.abs() * 1e-15).max(1e-310);
    ours == theirs || (ours - theirs).abs() <= tolerance
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
        "[ -~\\t\\n\"\\\\é😀]{0,40}".prop_map(Into::into),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec(("[a-c\"\\\\]{0,3}", inner), 0..6)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Texts in which escapes stand wherever they can in a block.
fn escaped_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[ -!#-\\[\\]-~é😀]{0,40}",
        4 => Just("\\\\".to_owned()),
        2 => r#"\\["/bfnrtux0]"#,
        1 => r"\\u[0-9a-fA-F]{4}",
        1 => Just("\\ud83d\\ude00".to_owned()),
        1 => "[\t\n\"]",
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| format!("[\"{}\"]", pieces.concat()))
}

proptest! {
    /// What is said at a glance is what comparing with the shortest spelling says.
    #[test]
    fn decimals_that_lie_apart_are_held_exactly(
        whole in "0|-?[1-9][0-9]{0,14}", places in "[0-9]{1,16}", zeros in "0{0,3}",
    ) {
        let text = format!("{whole}.{places}{zeros}");
        let number: f64 = text.parse().unwrap();
        if is_sparse(number, &text) {
            prop_assert_eq!(decimal(&format!("{number:e}")), decimal(&text));
        }
    }

    #[test]
    fn agrees_with_serde_json_on_escapes(text in escaped_text()) {
        check_against_serde(&text);
    }

    #[test]
    fn agrees_with_serde_json(value in any_json()) {
        check_against_serde(&value.to_string());
        check_against_serde(&serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn what_it_reads_it_writes_back(value in any_json()) {
        let text = value.to_string();
        let first = parse_json(text.as_bytes()).unwrap();
        let mut written = String::new();
        first.write_json(&mut written);
        prop_assert_eq!(parse_json(written.as_bytes()).unwrap(), first);
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_text(
        value in any_json(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let mut bytes = value.to_string().into_bytes();
        for (at, byte, kind) in damage {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 if at < bytes.len() => { bytes.remove(at); }
                1 => bytes.insert(at, byte & 0x7f),
                2 => bytes.truncate(at),
                _ if at < bytes.len() => {
                    let tokens = b"{}[]\",:\\u0e.-+ntf \n";
                    bytes[at] = tokens[usize::from(byte) % tokens.len()];
                }
                _ => {}
            }
        }
        match std::str::from_utf8(&bytes) {
            Ok(text) => check_against_serde(text),
            Err(_) => prop_assert!(parse_json(&bytes).is_err()),
        }
    }

    #[test]
    fn agrees_with_serde_json_on_numbers(text in "-?[0-9]{0,25}(\\.[0-9]{0,25})?([eE][+-]?[0-9]{0,4})?") {
        check_against_serde(&text);
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = parse_json(&bytes) {
            let mut out = String::new();
            value.write_json(&mut out);
        }
    }
}
