//! libFuzzer's binary of `dab_fuzz::push`.
//!
//! `cargo +nightly fuzz run push` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::push(input));
