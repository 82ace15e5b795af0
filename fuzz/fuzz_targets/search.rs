//! Whatever the line, the search parser does not panic, and shows a mistake at a place inside it.
//!
//! `cargo +nightly fuzz run --features search search` from the repository's root.

#![no_main]

use dab_base::{Explain as _, Place};
use dab_lake::query::check_search;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    let Err(error) = check_search(line) else { return };
    if let Some(Place::File { line: number, column, .. }) = error.place() {
        let shown = line.split('\n').nth(number as usize - 1).expect("a line of the text");
        assert!(column as usize <= shown.chars().count() + 1, "{error}");
    }
});
