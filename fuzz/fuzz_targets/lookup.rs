//! libFuzzer's binary of `dab_fuzz::lookup`.
//!
//! `cargo +nightly fuzz run lookup` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::lookup(input));
