//! Whatever the bytes of a search index, damaged or with sums that are right: it is read or refused
//! without a panic, and says of every block whether it may hold a text.
//!
//! `cargo +nightly fuzz run --features search index` from the repository's root.

#![no_main]

use dab_lake::index::{look_into, with_segments};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], Vec<u16>, &str)| {
    let (bytes, rows, text) = input;
    look_into(bytes, text);
    // Sums keep damage away from what is behind them, so that is given its own.
    let rows: Vec<u32> = rows.into_iter().map(u32::from).collect();
    let file = with_segments(&rows, bytes);
    if let Some(blocks) = look_into(&file, text) {
        assert_eq!(blocks.len(), rows.len());
    }
});
