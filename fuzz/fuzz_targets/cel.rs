//! libFuzzer's binary of `dab_fuzz::cel`.
//!
//! `cargo +nightly fuzz run cel` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::cel(input));
