//! Patterns take lines apart.

use crate::fixture::{at, decoder};

/// What a log source, as YAML, makes of a line: the event's time and fields, or the reject.
fn decoded(yaml: &str, line: &[u8]) -> String {
    match decoder(yaml).decode(line, &at()) {
        Ok(event) => format!("{} {}", event.time, event.to_json()),
        Err(reject) => reject.report(base::Place::Object("o".into())).to_string(),
    }
}

const PATTERNS: &str = r"
format:
  type: lines
  patterns:
    - '^(?P<when>\S+Z) (?P<level>[A-Z]+) (?P<took>[\d.]+)ms ok=(?P<ok>\S*)(?: n=(?P<n>\S+))?'
    - '^(?P<when>\S+Z) (?P<rest>.*)'
  types: {took: float, ok: bool, n: int}
time: when
";

#[test]
fn the_first_pattern_that_matches_counts() {
    for (line, expected) in [
        (
            "2026-11-24T07:00:00Z INFO 1.50ms ok=yes n=7",
            r#"2026-11-24T07:00:00Z {"message":"2026-11-24T07:00:00Z INFO 1.50ms ok=yes n=7","when":"2026-11-24T07:00:00Z","level":"INFO","took":1.5,"ok":true,"n":7}"#,
        ),
        (
            "2026-11-24T07:00:00Z INFO 1.2.3ms ok=maybe",
            r#"2026-11-24T07:00:00Z {"message":"2026-11-24T07:00:00Z INFO 1.2.3ms ok=maybe","when":"2026-11-24T07:00:00Z","level":"INFO","took":"1.2.3","ok":"maybe"}"#,
        ),
        (
            "2026-11-24T07:00:00Z é",
            r#"2026-11-24T07:00:00Z {"message":"2026-11-24T07:00:00Z é","when":"2026-11-24T07:00:00Z","rest":"é"}"#,
        ),
        ("other", r#"2026-11-24T08:00:00Z {"message":"other"}"#),
    ] {
        assert_eq!(decoded(PATTERNS, line.as_bytes()), expected);
    }
}

#[test]
fn unmatched_lines_are_quarantined_on_demand() {
    let yaml = PATTERNS.replace("  types:", "  unmatched: quarantine\n  types:");
    let expected = "\
error[DAB0319]: the line matches none of the patterns: `other`
  --> o
  help: add a pattern for it, or remove `unmatched: quarantine` from `format`";
    assert_eq!(decoded(&yaml, b"other"), expected);
}

#[test]
fn bytes_are_read_in_the_encoding_they_have() {
    let utf8 = "error[DAB0310]: the byte 0xe9 is not UTF-8 here, at byte 1 of the record
  --> o
  help: write `encoding: latin1` under `format` if the source writes ISO 8859-1";
    assert_eq!(
        decoded("format: lines", b"\tcaf\xc3\xa9"),
        "2026-11-24T08:00:00Z {\"message\":\"\\tcafé\"}"
    );
    assert_eq!(decoded("format: lines", b"h\xe9"), utf8);
    let latin1 = "format: {type: lines, encoding: latin1, patterns: ['^(?P<a>.) (?P<b>.)$']}\ntime: {missing: ingest_time}";
    assert_eq!(
        decoded(latin1, b"\xe9 x"),
        "2026-11-24T08:00:00Z {\"message\":\"é x\",\"a\":\"é\",\"b\":\"x\"}"
    );
    // Even if it happens to be valid UTF-8.
    assert_eq!(decoded(latin1, b"\xc3\xa9"), "2026-11-24T08:00:00Z {\"message\":\"Ã©\"}");
    let json = "format: {type: ndjson, encoding: latin1}\ntime: {missing: ingest_time}";
    assert_eq!(decoded(json, b"{\"k\xe9\":\"\xff\"}"), "2026-11-24T08:00:00Z {\"ké\":\"ÿ\"}");
}
