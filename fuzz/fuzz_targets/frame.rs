//! libFuzzer's binary of `dab_fuzz::frame`.
//!
//! `cargo +nightly fuzz run frame` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::frame(input));
