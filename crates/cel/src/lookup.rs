//! Lookup tables: what expressions know beyond the event.

mod error;
mod mmdb;
mod read;
mod spec;
mod table;
mod tables;

use std::{fmt, sync::Arc};

use base::{Object, Timestamp};

pub(crate) use mmdb::Any;

pub use error::{LookupError, LookupErrorKind};

pub use spec::{KeyKind, LookupFormat, LookupSpec};
pub use tables::{Refreshed, Tables};

/// A row of a lookup table: its columns by name.
pub type Row = Arc<Object<'static>>;

/// Lookup tables by name.
///
/// Evaluation asks one for every event, so it answers from memory. What it holds may be replaced
/// while expressions are evaluated: a row that was found stays whole.
pub trait Lookups: fmt::Debug + Send + Sync {
    /// The names of the tables.
    fn names(&self) -> Vec<String>;

    /// The columns of a table, or `None` if there is no such table.
    fn columns(&self, table: &str) -> Option<Vec<String>>;

    /// Whether there is such a table.
    fn has(&self, table: &str) -> bool {
        self.columns(table).is_some()
    }

    /// The row for a key as of a time, or as of now.
    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Row>;
}
