//! Files of others as tables: Parquet, CSV, NDJSON, XLSX and Delta, as the project declares them.
//!
//! Promises: only what is declared is read, and nothing is written. Each query sees the files as they are
//! when it begins. What is read counts against the query's bytes and is part of its estimate. A file that
//! is not what its declaration says is an error that names it, never fewer rows.
//!
//! What it does not do: follow files that change while a query runs, or keep anything of them.

mod delta;
mod files;
mod sheet;
mod zip;

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    sync::Arc,
};

use arrow::{
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use datafusion::{
    catalog::{MemTable, Session, TableProvider},
    common::Result,
    datasource::TableType,
    logical_expr::{Expr, TableProviderFilterPushDown},
    physical_plan::ExecutionPlan,
};
use object_store::{ObjectStore, path::Path};

use super::{error::QueryError, report::ScanReport};
use crate::counted::Counted;

/// What the files of an external table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalFormat {
    /// Parquet.
    Parquet,
    /// Values between commas, with a line of names.
    Csv,
    /// A JSON object on each line.
    Ndjson,
    /// A workbook of Excel.
    Xlsx,
    /// A Delta table.
    Delta,
}

impl ExternalFormat {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Parquet, Self::Csv, Self::Ndjson, Self::Xlsx, Self::Delta];

    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
            Self::Xlsx => "xlsx",
            Self::Delta => "delta",
        }
    }

    /// What a file's name says that it is.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "parquet" => Self::Parquet,
            "csv" | "tsv" => Self::Csv,
            "ndjson" | "jsonl" => Self::Ndjson,
            "xlsx" => Self::Xlsx,
            _ => return None,
        })
    }
}

/// What a column of text is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalType {
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A time, in UTC where it does not say.
    Time,
    /// A day.
    Date,
}

impl ExternalType {
    fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Date => DataType::Date32,
        }
    }
}

/// A table that the project declares.
#[derive(Debug, Clone)]
pub struct ExternalTable {
    /// Its name in queries.
    pub name: String,
    /// What its files are.
    pub format: ExternalFormat,
    /// Where it is, for messages.
    pub address: String,
    /// The store it is in.
    pub store: Arc<dyn ObjectStore>,
    /// The file, or the folder with the files.
    pub path: Path,
    /// Whether the store is this machine's disk.
    pub is_local: bool,
    /// What stands between the values of a CSV file.
    pub delimiter: u8,
    /// The sheet of a workbook; the first if it is not said.
    pub sheet: Option<String>,
    /// What columns hold that are not as the files say. CSV and XLSX files say nothing: all is text.
    pub types: BTreeMap<String, ExternalType>,
}

/// How large an external table is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExternalSize {
    /// How many files it has.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many columns it has.
    pub columns: usize,
}

impl ExternalTable {
    /// Looks at the files, and says how large they are.
    ///
    /// # Errors
    ///
    /// If they are not there, or are not what the declaration says.
    pub async fn size(&self) -> std::result::Result<ExternalSize, QueryError> {
        let report = Arc::new(ScanReport::begin());
        let context = datafusion::prelude::SessionContext::new();
        let opened = self.open(&context.state(), &report).await?;
        let Opened { files, bytes, .. } = *opened;
        Ok(ExternalSize { files, bytes, columns: opened.schema().fields().len() })
    }

    /// Looks at the files for a query, whose reads are counted.
    pub(super) async fn open(
        &self,
        state: &dyn Session,
        report: &Arc<ScanReport>,
    ) -> std::result::Result<Arc<Opened>, QueryError> {
        let counted = if self.is_local {
            Counted::local(Arc::clone(&self.store))
        } else {
            Counted::new(Arc::clone(&self.store))
        };
        report.external(&self.name, &self.address, counted.counts());
        let counted: Arc<dyn ObjectStore> = Arc::new(counted);
        let (inner, files, bytes): (Arc<dyn TableProvider>, usize, u64) = match self.format {
            ExternalFormat::Xlsx => {
                let (table, bytes) = self.workbook(&counted).await?;
                (Arc::new(table), 1, bytes)
            }
            ExternalFormat::Delta => {
                let scan = delta::scan(self, &counted).await?;
                let (files, bytes) = scan.size();
                (Arc::new(scan), files, bytes)
            }
            ExternalFormat::Parquet | ExternalFormat::Csv | ExternalFormat::Ndjson => {
                let scan = files::scan(self, &counted, state).await?;
                let (files, bytes) = scan.size();
                (Arc::new(scan), files, bytes)
            }
        };
        self.check_columns(&inner.schema())?;
        Ok(Arc::new(Opened { inner, files, bytes, report: Arc::clone(report) }))
    }

    fn check_columns(&self, schema: &Schema) -> std::result::Result<(), QueryError> {
        if schema.fields().is_empty() {
            return Err(self.malformed("it has no columns"));
        }
        let mut seen = std::collections::BTreeSet::new();
        for field in schema.fields() {
            if !seen.insert(field.name()) {
                return Err(self.malformed(format!("two columns are called `{}`", field.name())));
            }
        }
        match self.types.keys().find(|name| !seen.contains(name)) {
            Some(name) => Err(self.malformed(format!(
                "`types` names the column `{name}`, which it does not have; it has {}",
                seen.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            ))),
            None => Ok(()),
        }
    }

    async fn workbook(
        &self,
        store: &Arc<dyn ObjectStore>,
    ) -> std::result::Result<(MemTable, u64), QueryError> {
        let limit = base::limits::EXTERNAL_WORKBOOK_BYTES_MAX;
        let found = files::head(self, store).await?;
        if found.size > limit {
            return Err(self.too_large(format!("has {} bytes, the limit is {limit}", found.size)));
        }
        let bytes = store.get_opts(&found.location, object_store::GetOptions::default()).await;
        let bytes = match bytes {
            Ok(got) => got.bytes().await.map_err(|error| self.unreadable(&error))?,
            Err(error) => return Err(self.unreadable(&error)),
        };
        let sheet = sheet::read(&bytes, self.sheet.as_deref()).map_err(|error| match error {
            sheet::SheetError::TooLarge(what) => self.too_large(what),
            sheet::SheetError::Malformed(what) => self.malformed(what),
        })?;
        let batch = self.typed(sheet)?;
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]]);
        let table = table.map_err(|error| self.malformed(error.strip_backtrace()))?;
        Ok((table, found.size))
    }

    /// Columns of text, as what they are declared to be.
    fn typed(&self, batch: RecordBatch) -> std::result::Result<RecordBatch, QueryError> {
        let schema = self.typed_schema(&batch.schema());
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (array, field) in batch.columns().iter().zip(schema.fields()) {
            let cast = cast_with_options(array, field.data_type(), &strict);
            columns.push(cast.map_err(|error| {
                self.malformed(format!("the column `{}`: {error}", field.name()))
            })?);
        }
        RecordBatch::try_new(schema, columns).map_err(|error| self.malformed(error))
    }

    /// The columns with the types that are declared. Text is text, however the files keep it: the
    /// functions of queries know one kind.
    fn typed_schema(&self, schema: &Schema) -> SchemaRef {
        let typed = |field: &Arc<Field>| {
            let declared = self.types.get(field.name()).map(|declared| declared.arrow());
            let data_type = declared.unwrap_or_else(|| plain(field.data_type()));
            Field::new(field.name(), data_type, true)
        };
        Arc::new(Schema::new(schema.fields().iter().map(typed).collect::<Fields>()))
    }

    fn unreadable(&self, error: &object_store::Error) -> QueryError {
        let reason = match error {
            object_store::Error::NotFound { .. } => "there is nothing".to_owned(),
            error => error.to_string(),
        };
        QueryError::ExternalUnreadable {
            table: self.name.clone(),
            address: self.address.clone(),
            reason,
        }
    }

    fn malformed(&self, reason: impl Display) -> QueryError {
        QueryError::ExternalMalformed {
            table: self.name.clone(),
            address: self.address.clone(),
            reason: reason.to_string(),
        }
    }

    fn too_large(&self, what: impl Display) -> QueryError {
        QueryError::ExternalTooLarge {
            table: self.name.clone(),
            address: self.address.clone(),
            what: what.to_string(),
        }
    }
}

fn plain(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => DataType::Utf8,
        DataType::Dictionary(_, values) => plain(values),
        DataType::Struct(members) => {
            let member =
                |field: &Arc<Field>| Field::new(field.name(), plain(field.data_type()), true);
            DataType::Struct(members.iter().map(member).collect())
        }
        DataType::List(member) | DataType::LargeList(member) => {
            DataType::List(Arc::new(Field::new(member.name(), plain(member.data_type()), true)))
        }
        other => other.clone(),
    }
}

/// An external table as one query sees it.
pub(super) struct Opened {
    inner: Arc<dyn TableProvider>,
    files: usize,
    bytes: u64,
    report: Arc<ScanReport>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("files", &self.files).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for Opened {
    fn schema(&self) -> SchemaRef {
        self.inner.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.report.whole_files(self.files, self.bytes);
        // Filters are not exact here, so a limit must not cut before them.
        let limit = limit.filter(|_| filters.is_empty());
        self.inner.scan(state, projection, filters, limit).await
    }
}
