//! The composition: every stage joined to the next, and the surfaces that people and machines use.
//!
//! Promises: an event that was acknowledged, or whose checkpoint moved, is in the lake; its matches
//! are alerts, once; one broken source never stops another. Decides nothing about rules, tables or
//! alerts itself: the stages do.

mod alerts;
mod api;
mod asked;
mod backtest;
mod batcher;
mod bucket_lane;
mod budget;
mod claims;
mod cold_replay;
mod correlations;
mod error;
mod happening;
mod health;
mod lane;
mod ledger;
mod maintenance;
mod metrics;
mod pipeline;
mod pull_dry_run;
mod pull_lane;
mod push_lane;
mod reload;
mod replay;
mod rule_errors;
mod rule_limit;
mod sorting;
mod spill;
mod status;
mod stop;
mod syslog_lane;
#[cfg(test)]
mod tests;

pub use alerts::{ALERTS_TABLE, MATCHES_TABLE};
pub use api::{Ingest, IngestRoute, MixedSpec, Protocol, Secret, Token};
pub use asked::Asked;
pub use backtest::{BacktestRange, backtest};
pub use bucket_lane::{Announced, BucketSpec};
pub use cold_replay::{ColdReplay, ColdReplayed, replay_cold};
pub use error::ServeError;
pub use happening::{Happening, Observer};
pub use health::{Expected, Health, Silence};
pub use maintenance::Maintenance;
pub use pipeline::{Parts, replay, run};
pub use pull_dry_run::{PullDryRun, pull_dry_run};
pub use pull_lane::{PullRange, PullSpec, keep_credential, kept_credential};
pub use reload::{DetectionSource, Detections, refresh_lookups};
pub use replay::{Replayed, bytes_of, quarantined};
pub use sorting::{SortingRoute, UNCLASSIFIED};
pub use status::{
    NewField, RATE_SECONDS, RuleErrors, RuleHeldBack, SourceStatus, Status, Unhealthy,
};
pub use stop::{Stop, StopSwitch, stop_signal};
pub use syslog_lane::SyslogSpec;
