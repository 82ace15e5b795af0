//! libFuzzer's binary of `dab_fuzz::index`.
//!
//! `cargo +nightly fuzz run --features lake index` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::index(input));
