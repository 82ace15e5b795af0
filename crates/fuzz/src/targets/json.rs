//! Whatever the bytes, the JSON parser does not panic, and it accepts what `serde_json` accepts.

use ::base::Value;
use ::decode::{RejectKind, parse_json};

/// Takes one input.
pub fn json(bytes: &[u8]) {
    let ours = parse_json(bytes);
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (ours, theirs) {
        (Ok(value), Ok(_)) => reads_back(&value),
        // It gives up on numbers that are not finite; we keep their text.
        (Ok(value), Err(error)) => {
            assert!(error.to_string().contains("out of range"), "{error}");
            reads_back(&value);
        }
        // It nests deeper.
        (Err(reject), Ok(_)) => assert_eq!(reject.kind(), RejectKind::Depth, "{reject}"),
        (Err(_), Err(_)) => {}
    }
}

/// What is written is read as the same value.
fn reads_back(value: &Value<'_>) {
    let mut text = String::new();
    value.write_json(&mut text);
    assert_eq!(parse_json(text.as_bytes()).as_ref(), Ok(value), "{text}");
}
