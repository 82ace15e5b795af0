//! Where things lie in the lake.
//!
//! ```text
//! tables/<name>/                                    Delta tables
//! tables/<name>/_index/                             search indexes of the data files
//! cold/<log source>/day=…/hour=…/<source>-<n>.zst   the raw bytes as received
//! batches/<source>/<n>.json                         what batch n of a source became, and its checkpoint
//! batches/<source>/<n>.matches.json                 its matches, until they are alerts
//! quarantine/<log source>/<source>-<n>.ndjson       records that could not be decoded
//! quarantine/<log source>/spill/<id>.zst            those that were too long to keep in a line
//! correlations/<n>.json                             what correlations remember, up to entry n of their journal
//! upkeep/cold/<log source>.json                     up to which day retention has dropped its raw bytes
//! upkeep/warm/<table>.json                          up to which day it has dropped its rows
//! upkeep/quarantine/<log source>/<source>-<n>.json  which records it has dropped from the quarantine
//! state/                                            small state: deduplication, outbox, that journal, claims,
//!                                                   staged commits
//! ```

use base::{Day, Timestamp};

/// The folder of the tables.
pub const TABLES: &str = "tables";
/// The folder of the cold tier.
pub const COLD: &str = "cold";
/// The folder of the batches.
pub const BATCHES: &str = "batches";
/// The folder of the quarantine.
pub const QUARANTINE: &str = "quarantine";
/// The folder of small state.
pub const STATE: &str = "state";

/// Where saved searches are.
pub const SAVED_SEARCHES: &str = "saved_searches";

/// The key of a table.
#[must_use]
pub fn table(name: &str) -> String {
    format!("{TABLES}/{name}")
}

/// The key of a batch's manifest.
#[must_use]
pub fn manifest(source: &str, number: u64) -> String {
    format!("{BATCHES}/{source}/{number:012}.json")
}

/// The key of a batch's matches.
#[must_use]
pub fn matches(source: &str, number: u64) -> String {
    format!("{BATCHES}/{source}/{number:012}.matches.json")
}

/// The key of what correlations remember.
#[must_use]
pub fn correlations(number: u64) -> String {
    format!("correlations/{number:012}.json")
}

/// The key of a batch's raw bytes.
#[must_use]
pub fn cold(log_source: &str, received: Timestamp, source: &str, number: u64) -> String {
    let (day, hour) = (received.day(), received.hour());
    format!("{COLD}/{log_source}/day={day}/hour={hour:02}/{source}-{number:012}.zst")
}

/// The key of a batch's quarantined records.
#[must_use]
pub fn quarantine(log_source: &str, source: &str, number: u64) -> String {
    format!("{QUARANTINE}/{log_source}/{source}-{number:012}.ndjson")
}

/// The key of the note that says up to which day a log source's raw bytes were dropped.
#[must_use]
pub fn cold_dropped(log_source: &str) -> String {
    format!("upkeep/{COLD}/{log_source}.json")
}

/// The key of the note that says up to which day a table's rows were dropped.
#[must_use]
pub fn warm_dropped(table: &str) -> String {
    format!("upkeep/warm/{table}.json")
}

/// The key of the note that says which records retention has dropped from an object of the quarantine.
#[must_use]
pub fn quarantine_dropped(key: &str) -> String {
    format!("upkeep/{}.json", key.strip_suffix(".ndjson").unwrap_or(key))
}

/// The day of an object of raw bytes.
#[must_use]
pub fn day_of_cold(key: &str) -> Option<Day> {
    key.split('/').find_map(|part| part.strip_prefix("day=")).and_then(Day::parse)
}

/// Under which name quarantined records of a log source that were replayed are committed. No source has
/// it: their names have no dot.
#[must_use]
pub fn replay_source(log_source: &str) -> String {
    format!("replay.{log_source}")
}

/// The key of a record that was too long for the quarantine's lines.
#[must_use]
pub fn spill(log_source: &str, id: &str) -> String {
    format!("{QUARANTINE}/{log_source}/spill/{id}.zst")
}
