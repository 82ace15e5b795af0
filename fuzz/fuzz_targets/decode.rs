//! libFuzzer's binary of `dab_fuzz::decode`.
//!
//! `cargo +nightly fuzz run decode` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::decode(input));
