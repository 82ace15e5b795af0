//! Searching the lake: SQL, and a search line for people.
//!
//! Both run on DataFusion over plain Parquet scans ([`crate::snapshot`]), and both find fields that
//! have no column in `_rest`. Queries read; nothing here writes.

mod direct;
mod engine;
mod error;
mod events;
mod explain;
mod external;
mod functions;
mod hits;
mod json;
mod lookup;
mod names;
mod network;
mod newest;
mod params;
mod pattern;
mod pipes;
mod plan;
mod provider;
mod regexp;
mod render;
mod report;
mod saved;
mod scalar;
mod search;
mod shape;
mod sorted;
#[cfg(test)]
mod tests;
mod wanted;

pub use engine::{Engine, FoundEvent, QuerySettings, Rows, TimeRange};
pub use error::{Excerpt, QueryError};
pub use events::{EventScan, ScanStats, StoredEvent};
pub use external::{ExternalFormat, ExternalSize, ExternalTable, ExternalType};
pub(crate) use json::parse as parse_json;
pub use lookup::Lookups;
pub use params::{ParameterType, Values};
pub use render::{OutputFormat, csv, render};
pub use report::Scanned;
pub use saved::{Parameter, SavedSearch, SavedSearchError, is_search_name};
pub(crate) use search::eval::any_scalar;
pub(crate) use shape::{Shape, shapes, value_at};
pub(crate) use sorted::{Inputs, columns, sorted, stream_error};

/// Says what is wrong with a search line, without running it.
///
/// # Errors
///
/// With the place of the first mistake.
pub fn check_search(line: &str) -> Result<(), QueryError> {
    search::parse_with(line, &Values::default()).map(|_| ())
}
