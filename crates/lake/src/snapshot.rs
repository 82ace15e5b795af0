//! What a query reads: a table as of one version, as plain Parquet files.
//!
//! Queries know nothing of the table format: whoever opens a table (the log of commits) turns it
//! into a [`TableSnapshot`], and the query engine reads the files that it lists. So the same plans
//! run in this process, on other machines, and in tests over files written by hand.

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use base::{Day, Timestamp};
use object_store::{ObjectStore, path::Path};

use crate::{error::LakeError, query::ExternalTable};

/// A table as of one version.
#[derive(Clone)]
pub struct TableSnapshot {
    /// The table's name.
    pub name: String,
    /// The version that was read.
    pub version: i64,
    /// All columns; [`crate::schema::DAY`] is the partition column and not in the files. A file may
    /// lack columns and members of structs that came later: they read as null.
    pub schema: SchemaRef,
    /// The files that are live in this version, in no particular order.
    pub files: Vec<DataFile>,
    /// Where the files are.
    pub store: Arc<dyn ObjectStore>,
    /// The table's folder in the store.
    pub root: Path,
}

impl fmt::Debug for TableSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableSnapshot")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// One Parquet file of a table. All its rows are of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The file, relative to the table's folder.
    pub path: Path,
    /// Its size.
    pub bytes: u64,
    /// How many rows it has, if known.
    pub rows: Option<u64>,
    /// The day of all its rows.
    pub day: Day,
    /// No row's time is before this.
    pub time_min: Option<Timestamp>,
    /// No row's time is after this.
    pub time_max: Option<Timestamp>,
}

/// The tables that can be queried.
#[async_trait]
pub trait Catalog: Send + Sync + fmt::Debug {
    /// The names of all tables, in order.
    async fn table_names(&self) -> Result<Vec<String>, LakeError>;

    /// The newest version of a table; `None` if there is no such table.
    async fn snapshot(&self, name: &str) -> Result<Option<Arc<TableSnapshot>>, LakeError>;

    /// Files of others that SQL may read.
    fn external_tables(&self) -> &[ExternalTable] {
        &[]
    }
}
