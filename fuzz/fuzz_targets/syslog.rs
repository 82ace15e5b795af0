//! libFuzzer's binary of `dab_fuzz::syslog`.
//!
//! `cargo +nightly fuzz run syslog` from the repository's root.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dab_fuzz::syslog(input));
