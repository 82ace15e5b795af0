//! Raw bytes in: objects of a folder or bucket, syslog, the queue behind both it and HTTP ingest, and
//! APIs that are pulled.
//!
//! [`BucketSource`] polls a folder or an S3 prefix and hands out the bytes of its objects,
//! decompressed, chunk by chunk. [`PushQueue`] holds what was pushed over HTTP until it is
//! committed. What both promise is written in [`source`]. What clients of Splunk, Elasticsearch,
//! OpenTelemetry and journald send is taken apart into [`Pushed`] records. [`SyslogListener`] takes
//! syslog in by TCP, TLS and UDP. [`AnnounceQueue`]s say which objects are new. [`Puller`] asks APIs that hand out events when they are asked.
//!
//! This crate does not cut bytes into records (`decode` does), does not store its own checkpoint
//! (the caller commits it together with the data), speaks no HTTP of its own, and does not read
//! the environment.

mod allowance;
mod announce;
mod bucket;
mod error;
mod hex;
mod pull;
mod push;
pub mod source;
mod syslog;

pub use allowance::Allowance;
pub use announce::{
    AnnounceError, AnnounceQueue, Announcement, Delivery, Named, OidcSettings, OidcVerifier,
    PubsubQueue, SqsQueue, Teller, announced_by_s3, pushed, receive_announcements,
};
pub use bucket::{BucketSettings, BucketSource, Heard, Location};
pub use error::CollectError;
pub use pull::{
    Ask, Checked, Declared, EventKey, Found, Fresh, Item, Next, Page, Piece, PullApi, PullBatch,
    PullChoices, PullDefinition, PullError, PullInput, PullListing, PullPlan, PullSecret,
    PullValue, Puller, Restoring, Step, parse_span, pull_every, pull_first_wait, pull_wait,
    shipped_pulls,
};
pub use push::{
    BulkItem, Full, JournalReader, Members, PushError, PushForm, PushLimits, PushOutcome,
    PushQueue, PushRequest, Pushed, Record, Rejected, body_as_text, bulk, bulk_document,
    decompress_body, hec_events, hec_raw, is_binary, otlp_json, otlp_protobuf,
};
pub use source::{Chunk, End, Fault, ObjectKey};
pub use syslog::{
    Cut, Sorter, SyslogCutter, SyslogError, SyslogForm, SyslogListener, SyslogSettings, SyslogTls,
    SyslogTransport, SyslogTrouble, Troubles,
};
