//! libFuzzer's binary of `dab_fuzz::search`.
//!
//! `cargo +nightly fuzz run --features lake search` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::search(input));
