//! Whatever the bytes of a lookup table's file, in each format: it is read or refused without a
//! panic, and can be asked.
//!
//! The first byte chooses the format.

use ::base::Timestamp;
use ::cel::{LookupSpec, Lookups as _, Tables};

const FORMATS: [&str; 4] = [
    r#""format": "csv", "key": "k", "kind": "network""#,
    r#""format": "json", "key": "k", "kind": "mac""#,
    r#""format": "ndjson", "key": "k", "valid_from": "f""#,
    r#""format": "mmdb", "columns": {"c": "country.iso_code"}"#,
];

/// Takes one input.
pub fn lookup(input: &[u8]) {
    let [format, bytes @ ..] = input else { return };
    let keys = FORMATS.get(usize::from(*format) % FORMATS.len()).expect("less than its length");
    let spec: LookupSpec =
        serde_json::from_str(&format!(r#"{{"name": "t", "file": "t", {keys}}}"#)).expect("a spec");
    let mut tables = Tables::default();
    if tables.add_read(spec, bytes.to_vec(), Timestamp::default()).is_ok() {
        for key in ["10.0.0.1", "::1", "02:00:00:00:00:01", "a", ""] {
            tables.find("t", key, Some(Timestamp::default()));
        }
    }
}
