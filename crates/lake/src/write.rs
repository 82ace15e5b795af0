//! Events to Parquet files: columns that appear by themselves, and `_rest` for what has none.
//!
//! Nothing here knows Delta: a [`TableWriter`] makes finished files in memory, and
//! [`crate::table::Table::commit`] makes them part of a table.

mod encoding;
mod files;
mod rest;
mod rows;

pub(crate) use encoding::suit;
pub(crate) use files::base_properties;
pub use files::{TableWriter, Written, WrittenFile};
pub use rows::Rows;
