//! The real binary, from the outside: files and requests in, tables and alerts out.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test that can't go on is to stop there; it reads where its corpora are"
)]

#[path = "scenarios/announced.rs"]
mod announced;
#[path = "scenarios/author.rs"]
mod author;
#[path = "scenarios/azure.rs"]
mod azure;
#[path = "scenarios/bad_input.rs"]
mod bad_input;
#[path = "scenarios/binary.rs"]
mod binary;
#[path = "scenarios/corpora.rs"]
mod corpora;
#[path = "scenarios/crash.rs"]
mod crash;
#[path = "scenarios/demo.rs"]
mod demo;
#[path = "scenarios/doors.rs"]
mod doors;
#[path = "scenarios/enrich.rs"]
mod enrich;
#[path = "scenarios/external.rs"]
mod external;
#[path = "scenarios/harness.rs"]
mod harness;
#[path = "scenarios/http.rs"]
mod http;
#[path = "scenarios/lake.rs"]
mod lake;
#[path = "scenarios/noise.rs"]
mod noise;
#[path = "scenarios/pull.rs"]
mod pull;
#[path = "scenarios/reload.rs"]
mod reload;
#[path = "scenarios/replay.rs"]
mod replay;
#[path = "scenarios/s3.rs"]
mod s3;
#[path = "scenarios/saved.rs"]
mod saved;
#[path = "scenarios/sorted.rs"]
mod sorted;
#[path = "scenarios/syslog.rs"]
mod syslog;
#[expect(dead_code, reason = "the tests of `collect` use the other vendors")]
#[path = "../crates/collect/tests/pull/vendors.rs"]
mod vendors;
