//! libFuzzer's binary of `dab_fuzz::announce`.
//!
//! `cargo +nightly fuzz run announce` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::announce(input));
