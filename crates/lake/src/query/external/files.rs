//! The files of an external table, and a scan over them.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Fields, Schema, SchemaRef};
use async_trait::async_trait;
use base::limits;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, ScalarValue},
    datasource::{
        TableType,
        file_format::{FileFormat, csv::CsvFormat, json::JsonFormat, parquet::ParquetFormat},
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder},
        table_schema::TableSchema,
    },
    error::DataFusionError,
    execution::object_store::ObjectStoreUrl,
    logical_expr::Expr,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::{ExternalFormat, ExternalTable, QueryError};

/// A scan over whole files.
#[derive(Debug)]
pub(super) struct FileScan {
    name: String,
    files: Vec<(ObjectMeta, Vec<ScalarValue>)>,
    format: Arc<dyn FileFormat>,
    schema: TableSchema,
    store: Arc<dyn ObjectStore>,
}

impl FileScan {
    /// A scan over Parquet files with these values of the partition's columns.
    pub(super) fn parquet(
        table: &ExternalTable,
        files: Vec<(ObjectMeta, Vec<ScalarValue>)>,
        columns: SchemaRef,
        partition: Vec<FieldRef>,
    ) -> Self {
        let schema = TableSchema::builder(columns).with_table_partition_cols(partition).build();
        // What is read of Parquet is counted where it is read.
        let store = Arc::clone(&table.store);
        let format = Arc::new(parquet());
        Self { name: table.name.clone(), files, format, schema, store }
    }

    /// How many files there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.files.len(), self.files.iter().map(|(file, _)| file.size).sum())
    }

    /// The address under which the session finds the store.
    fn url(&self) -> Result<ObjectStoreUrl> {
        let host: String = self.name.bytes().map(|byte| format!("{byte:02x}")).collect();
        ObjectStoreUrl::parse(format!("dab://x{host}"))
    }
}

fn parquet() -> ParquetFormat {
    // The functions of queries know one kind of text.
    ParquetFormat::default().with_force_view_types(false)
}

/// Looks at the files of a table of Parquet, CSV or NDJSON.
pub(super) async fn scan(
    table: &ExternalTable,
    counted: &Arc<dyn ObjectStore>,
    state: &dyn Session,
) -> std::result::Result<FileScan, QueryError> {
    let files = list(table, counted).await?;
    let (format, schema): (Arc<dyn FileFormat>, Schema) = match table.format {
        ExternalFormat::Csv => csv(table, state, &files).await?,
        ExternalFormat::Ndjson => ndjson(table, counted, state, &files).await?,
        _ => {
            let format = parquet();
            let schema = format.infer_schema(state, counted, &files).await;
            let schema = schema.map_err(|error| wrong(table, &error))?;
            (Arc::new(format), schema.as_ref().clone())
        }
    };
    let columns = table.typed_schema(&schema);
    let store = match table.format {
        // What is read of Parquet is counted where it is read.
        ExternalFormat::Parquet => Arc::clone(&table.store),
        _ => Arc::clone(counted),
    };
    Ok(FileScan {
        name: table.name.clone(),
        files: files.into_iter().map(|file| (file, Vec::new())).collect(),
        format,
        schema: TableSchema::builder(columns).build(),
        store,
    })
}

/// The one file of a table.
pub(super) async fn head(
    table: &ExternalTable,
    store: &Arc<dyn ObjectStore>,
) -> std::result::Result<ObjectMeta, QueryError> {
    store.head(&table.path).await.map_err(|error| table.unreadable(&error))
}

/// The file, or those in the folder whose names end as the format's.
async fn list(
    table: &ExternalTable,
    store: &Arc<dyn ObjectStore>,
) -> std::result::Result<Vec<ObjectMeta>, QueryError> {
    if ExternalFormat::of_name(table.path.filename().unwrap_or_default()).is_some() {
        return Ok(vec![head(table, store).await?]);
    }
    // A file may be called anything; what is no file is a folder.
    if let Ok(file) = store.head(&table.path).await {
        return Ok(vec![file]);
    }
    let mut files = Vec::new();
    let mut listed = store.list(Some(&table.path));
    while let Some(file) = listed.try_next().await.map_err(|error| table.unreadable(&error))? {
        let name = file.location.filename().unwrap_or_default();
        if ExternalFormat::of_name(name) == Some(table.format) {
            files.push(file);
        }
        if files.len() > limits::EXTERNAL_FILES_MAX {
            let limit = limits::EXTERNAL_FILES_MAX;
            return Err(table.too_large(format!("has more than {limit} files, the limit")));
        }
    }
    if files.is_empty() {
        return Err(QueryError::ExternalUnreadable {
            table: table.name.clone(),
            address: table.address.clone(),
            reason: format!("there is no file of {}", table.format.name()),
        });
    }
    files.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(files)
}

/// The names of a CSV file's first line. A value may hold line ends, so a file is read from its beginning
/// to its end by one reader.
async fn csv(
    table: &ExternalTable,
    state: &dyn Session,
    files: &[ObjectMeta],
) -> std::result::Result<(Arc<dyn FileFormat>, Schema), QueryError> {
    let format = CsvFormat::default()
        .with_has_header(true)
        .with_delimiter(table.delimiter)
        .with_newlines_in_values(true);
    let first = CsvFormat::default()
        .with_has_header(true)
        .with_delimiter(table.delimiter)
        .with_schema_infer_max_rec(1);
    let mut names: Option<Vec<String>> = None;
    for file in files {
        // Only the beginning is read of it, so it is not counted as a whole.
        let found = first.infer_schema(state, &table.store, std::slice::from_ref(file)).await;
        let found = found.map_err(|error| wrong(table, &error))?;
        let these = header(&found);
        // A column is found by its place.
        match &names {
            Some(names) if *names != these => {
                let reason = format!("`{}` has other columns than the files before", file.location);
                return Err(table.malformed(reason));
            }
            _ => names = Some(these),
        }
    }
    let names = names.unwrap_or_default();
    let text = |name: String| Field::new(name, arrow::datatypes::DataType::Utf8, true);
    Ok((Arc::new(format), Schema::new(names.into_iter().map(text).collect::<Fields>())))
}

/// The names, without the mark that Excel puts at the beginning of a file, and with a name for those that
/// have none.
fn header(schema: &Schema) -> Vec<String> {
    let names = schema.fields().iter().enumerate().map(|(at, field)| {
        let name = field.name().as_str();
        let name = match name.strip_prefix('\u{feff}') {
            Some(marked) => marked.trim_matches('"'),
            None => name,
        };
        if name.trim().is_empty() { format!("column_{}", at + 1) } else { name.to_owned() }
    });
    names.collect()
}

/// What the records of an NDJSON file have: all of them are looked at, as a field that came later would be
/// lost in silence.
async fn ndjson(
    table: &ExternalTable,
    counted: &Arc<dyn ObjectStore>,
    state: &dyn Session,
    files: &[ObjectMeta],
) -> std::result::Result<(Arc<dyn FileFormat>, Schema), QueryError> {
    let bytes: u64 = files.iter().map(|file| file.size).sum();
    let limit = limits::EXTERNAL_NDJSON_BYTES_MAX;
    if bytes > limit {
        return Err(table.too_large(format!("has {bytes} bytes, the limit of NDJSON is {limit}")));
    }
    let format = JsonFormat::default().with_schema_infer_max_rec(usize::MAX);
    let schema = format.infer_schema(state, counted, files).await;
    let schema = schema.map_err(|error| wrong(table, &error))?;
    // The names come in no order.
    let mut fields: Vec<FieldRef> = schema.fields().iter().cloned().collect();
    fields.sort_by(|a, b| a.name().cmp(b.name()));
    Ok((Arc::new(format), Schema::new(fields)))
}

fn wrong(table: &ExternalTable, error: &DataFusionError) -> QueryError {
    match error.find_root() {
        DataFusionError::ObjectStore(error) => table.unreadable(error),
        root => table.malformed(super::super::explain::first_line(&root.strip_backtrace())),
    }
}

#[async_trait]
impl TableProvider for FileScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.table_schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let count = state.config().target_partitions().clamp(1, self.files.len());
        let mut groups = vec![FileGroup::default(); count];
        for (index, (file, partition)) in self.files.iter().enumerate() {
            let part = PartitionedFile::new_from_meta(file.clone());
            if let Some(group) = groups.get_mut(index % count) {
                group.push(part.with_partition_values(partition.clone()));
            }
        }
        let url = self.url()?;
        state.runtime_env().register_object_store(url.as_ref(), Arc::clone(&self.store));
        let source = self.format.file_source(self.schema.clone());
        let scan = FileScanConfigBuilder::new(url, source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        self.format.create_physical_plan(state, scan).await
    }
}
