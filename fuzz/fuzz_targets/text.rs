//! libFuzzer's binary of `dab_fuzz::text`.
//!
//! `cargo +nightly fuzz run text` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::text(input));
