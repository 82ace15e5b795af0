//! libFuzzer's binary of `dab_fuzz::rule`.
//!
//! `cargo +nightly fuzz run rule` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::rule(input));
