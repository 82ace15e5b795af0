//! The real binary, from the outside: files and requests in, tables and alerts out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on is to stop there"
)]

#[path = "blackbox/bad_input.rs"]
mod bad_input;
#[path = "blackbox/corpora.rs"]
mod corpora;
#[path = "blackbox/crash.rs"]
mod crash;
#[path = "blackbox/harness.rs"]
mod harness;
#[path = "blackbox/http.rs"]
mod http;
