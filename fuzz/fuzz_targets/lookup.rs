//! Whatever the bytes of a lookup table's file, in each format: it is read or refused without a
//! panic, and can be asked.
//!
//! `cargo +nightly fuzz run lookup` from the repository's root.

#![no_main]

use dab_base::Timestamp;
use dab_cel::{LookupSpec, Lookups as _, Tables};
use libfuzzer_sys::fuzz_target;

const FORMATS: [&str; 4] = [
    r#""format": "csv", "key": "k", "kind": "network""#,
    r#""format": "json", "key": "k", "kind": "mac""#,
    r#""format": "ndjson", "key": "k", "valid_from": "f""#,
    r#""format": "mmdb", "columns": {"c": "country.iso_code"}"#,
];

fuzz_target!(|input: (u8, &[u8])| {
    let (format, bytes) = input;
    let folder = std::env::temp_dir().join(format!("dab-fuzz-lookup-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    std::fs::write(folder.join("t"), bytes).expect("a temporary file");
    let keys = FORMATS[usize::from(format) % FORMATS.len()];
    let spec: LookupSpec =
        serde_json::from_str(&format!(r#"{{"name": "t", "file": "t", {keys}}}"#)).expect("a spec");
    let mut tables = Tables::default();
    if tables.add(&folder, spec, Timestamp::default()).is_ok() {
        for key in ["10.0.0.1", "::1", "02:00:00:00:00:01", "a", ""] {
            tables.find("t", key, Some(Timestamp::default()));
        }
    }
});
