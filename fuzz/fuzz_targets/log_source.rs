//! libFuzzer's binary of `dab_fuzz::log_source`.
//!
//! `cargo +nightly fuzz run log_source` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::log_source(input));
