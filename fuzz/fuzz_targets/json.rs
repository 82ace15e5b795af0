//! libFuzzer's binary of `dab_fuzz::json`.
//!
//! `cargo +nightly fuzz run json` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::json(input));
