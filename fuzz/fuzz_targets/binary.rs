//! libFuzzer's binary of `dab_fuzz::binary`.
//!
//! `cargo +nightly fuzz run binary` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::binary(input));
