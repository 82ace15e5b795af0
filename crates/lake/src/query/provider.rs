//! A [`TableSnapshot`] as DataFusion sees it: a plain scan of Parquet files.
//!
//! Files are pruned by day and by their first and last time before anything is read, then the search
//! index of each is asked which of its blocks may hold what is looked for ([`crate::index`]): the
//! others are not read. Whatever a file lacks reads as null, members of structs included: that is DataFusion's own
//! `PhysicalExprAdapter`, which the tests of this module hold to it.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, TimestampMicrosecondArray},
    compute::SortOptions,
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};
use async_trait::async_trait;
use base::limits;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, DFSchema, Result, ScalarValue, pruning::PruningStatistics},
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{
            FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
            parquet::{DefaultParquetFileReaderFactory, ParquetRowSelection},
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    physical_expr::{LexOrdering, PhysicalSortExpr, expressions::Column as PhysicalColumn},
    physical_optimizer::pruning::PruningPredicateBuilder,
    physical_plan::{ExecutionPlan, empty::EmptyExec, metrics::ExecutionPlanMetricsSet},
};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use object_store::{ObjectMeta, ObjectStore, path::Path};
use parquet::{
    arrow::{
        arrow_reader::{ArrowReaderOptions, RowSelection, RowSelector},
        async_reader::AsyncFileReader,
    },
    file::metadata::{PageIndexPolicy, ParquetMetaData},
};

use super::{report::ScanReport, wanted::wanted};
use crate::{
    index::{self, Kept, Wanted},
    schema,
    snapshot::{DataFile, TableSnapshot},
};

/// How many bytes at a file's end are fetched at once, hoping that its footer is in them.
pub(super) const FOOTER_BYTES: usize = 64 << 10;

/// A table of the lake, or some of its files.
#[derive(Debug)]
pub(crate) struct LakeTable {
    snapshot: Arc<TableSnapshot>,
    files: Vec<DataFile>,
    schema: TableSchema,
    index: Option<IndexUse>,
    /// The columns by which the rows of each file are sorted, smallest first.
    order: Vec<String>,
}

/// How a scan uses the search index.
#[derive(Debug, Clone)]
pub(crate) struct IndexUse {
    /// Files from this size on are looked up.
    pub(crate) from_bytes: u64,
    /// What is counted.
    pub(crate) report: Arc<ScanReport>,
}

impl LakeTable {
    /// All files of a snapshot.
    pub(crate) fn new(snapshot: Arc<TableSnapshot>) -> Self {
        let files = snapshot.files.clone();
        Self::of_files(snapshot, files)
    }

    /// Some files of a snapshot.
    pub(crate) fn of_files(snapshot: Arc<TableSnapshot>, files: Vec<DataFile>) -> Self {
        let (days, fields): (Vec<FieldRef>, Vec<FieldRef>) = snapshot
            .schema
            .fields()
            .iter()
            .map(|field| Arc::new(plain(field)))
            .partition(|field| field.name() == schema::DAY);
        let schema = TableSchema::builder(Arc::new(Schema::new(fields)))
            .with_table_partition_cols(days)
            .build();
        Self { snapshot, files, schema, index: None, order: Vec::new() }
    }

    /// Lets the search index say what is read.
    pub(crate) fn with_index(self, index: IndexUse) -> Self {
        Self { index: Some(index), ..self }
    }

    /// Says that the rows of each file are sorted by these columns, smallest first and nulls last.
    pub(crate) fn ordered_by(self, columns: &[&str]) -> Self {
        Self { order: columns.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    fn ordering(&self) -> Option<LexOrdering> {
        let options = SortOptions { descending: false, nulls_first: false };
        let schema = self.schema.table_schema();
        let by = self.order.iter().map(|name| {
            let at = schema.index_of(name).ok()?;
            Some(PhysicalSortExpr::new(Arc::new(PhysicalColumn::new(name, at)), options))
        });
        LexOrdering::new(by.collect::<Option<Vec<_>>>()?)
    }

    /// The address under which the session finds this table's store.
    pub(crate) fn url(&self) -> Result<ObjectStoreUrl> {
        let host: String = self.snapshot.name.bytes().map(|byte| format!("{byte:02x}")).collect();
        ObjectStoreUrl::parse(format!("dab://t{host}"))
    }

    /// The files that the index does not rule out, with the rows to read of each: all if not said.
    async fn look_up(
        &self,
        files: Vec<DataFile>,
        filters: &[Expr],
    ) -> Vec<(DataFile, Option<RowSelection>)> {
        let Some(using) = &self.index else {
            return files.into_iter().map(|file| (file, None)).collect();
        };
        let wanted = &wanted(&self.snapshot.schema, filters);
        let asks = files.into_iter().map(|file| async move {
            let kept = ask_index(&self.snapshot, &file, wanted, using).await;
            (file, kept)
        });
        let asked: Vec<(DataFile, Option<Kept>)> =
            futures::stream::iter(asks).buffered(limits::INDEX_CONCURRENCY).collect().await;
        let answers = asked.iter().map(|(file, kept)| (file, kept.as_ref()));
        using.report.files(self.files.len(), answers);
        asked.into_iter().filter_map(|(file, kept)| Some((file, rows_left(kept)?))).collect()
    }

    fn partitioned(&self, file: &DataFile) -> PartitionedFile {
        let parts = self.snapshot.root.parts().chain(file.path.parts());
        let meta = ObjectMeta {
            location: Path::from_iter(parts),
            last_modified: DateTime::<Utc>::default(),
            size: file.bytes,
            e_tag: None,
            version: None,
        };
        let days = self.schema.table_partition_cols().len();
        let day = ScalarValue::Date32(Some(file.day.as_days()));
        PartitionedFile::new_from_meta(meta).with_partition_values(vec![day; days])
    }

    /// The files that may hold rows that pass, newest first.
    fn prune(&self, state: &dyn Session, filters: &[Expr]) -> Vec<DataFile> {
        let mut files = self.files.clone();
        files.sort_by(|a, b| (b.day, b.time_max, &b.path).cmp(&(a.day, a.time_max, &a.path)));
        let kept = conjunction(filters.to_vec()).and_then(|filter| {
            // A filter that can't be used for pruning prunes nothing; it is applied to rows anyway.
            let schema = Arc::clone(self.schema.table_schema());
            let df_schema = DFSchema::try_from(Arc::clone(&schema)).ok()?;
            let filter = state.create_physical_expr(filter, &df_schema).ok()?;
            let predicate =
                PruningPredicateBuilder::new().with_file_schema(schema).build(filter)?;
            predicate.prune(&FileTimes(&files)).ok()
        });
        if let Some(kept) = kept {
            let mut kept = kept.into_iter();
            files.retain(|_| kept.next().unwrap_or(true));
        }
        files
    }
}

/// What the index of a file says; `None` if it is not asked, or there is none.
pub(super) async fn ask_index(
    table: &TableSnapshot,
    file: &DataFile,
    wanted: &Wanted,
    using: &IndexUse,
) -> Option<Kept> {
    if *wanted == Wanted::Anything || file.bytes < using.from_bytes {
        return None;
    }
    index::probe(&table.store, &table.root, file, wanted).await
}

/// The rows of a file that its index leaves, all if not said; `None` if there are none.
pub(super) fn rows_left(kept: Option<Kept>) -> Option<Option<RowSelection>> {
    let Some(kept) = kept else { return Some(None) };
    if kept.blocks.iter().all(|(_, is_kept)| *is_kept) {
        return Some(None);
    }
    let is_any = kept.blocks.iter().any(|(_, is_kept)| *is_kept);
    let selectors = kept.blocks.iter().map(|&(rows, is_kept)| {
        if is_kept { RowSelector::select(rows) } else { RowSelector::skip(rows) }
    });
    is_any.then(|| Some(selectors.collect()))
}

/// Nullable whatever the table says, and without metadata: a file's columns may have been written
/// before either was decided, and a difference would cost a cast.
fn plain(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), true)
}

/// The type of a column, whatever the table says of nulls and metadata.
pub(super) fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Struct(members) => {
            DataType::Struct(members.iter().map(|member| plain(member)).collect::<Fields>())
        }
        DataType::List(member) => DataType::List(Arc::new(plain(member))),
        other => other.clone(),
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
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
        let is_bounded = |filter: &Expr| {
            let columns = filter.column_refs();
            columns.iter().any(|column| [schema::TIME, schema::DAY].contains(&column.name()))
        };
        if let Some(using) = &self.index
            && limit.is_none()
            && !filters.iter().any(is_bounded)
        {
            let bytes = self.files.iter().map(|file| file.bytes).sum();
            using.report.note_unbounded(&self.snapshot.name, bytes);
        }
        let files = self.look_up(self.prune(state, filters), filters).await;
        if files.is_empty() {
            let schema = match projection {
                Some(columns) => Arc::new(self.schema.table_schema().project(columns)?),
                None => self.schema(),
            };
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let count = state.config().target_partitions().clamp(1, files.len());
        let mut groups = vec![FileGroup::default(); count];
        // Dealt out like cards, so that every partition begins with the newest files.
        let mut is_selective = false;
        for (index, (file, rows)) in files.into_iter().enumerate() {
            let mut part = self.partitioned(&file);
            if let Some(rows) = rows {
                is_selective = true;
                part = part.with_extension(ParquetRowSelection::new(rows));
            }
            if let Some(group) = groups.get_mut(index % count) {
                group.push(part);
            }
        }
        let url = self.url()?;
        state.runtime_env().register_object_store(url.as_ref(), Arc::clone(&self.snapshot.store));
        let mut source =
            ParquetSource::new(self.schema.clone()).with_metadata_size_hint(FOOTER_BYTES);
        if is_selective {
            let reader = PagedReaderFactory::new(&self.snapshot.store);
            source = source.with_parquet_file_reader_factory(Arc::new(reader));
        }
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_output_ordering(self.ordering().into_iter().collect())
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

/// Opens files with the places of their pages: without these, what a selection of rows leaves out would
/// be read all the same, as the engine asks for them only where it prunes pages by statistics.
#[derive(Debug)]
struct PagedReaderFactory(DefaultParquetFileReaderFactory);

impl PagedReaderFactory {
    fn new(store: &Arc<dyn ObjectStore>) -> Self {
        Self(DefaultParquetFileReaderFactory::new(Arc::clone(store)))
    }
}

impl ParquetFileReaderFactory for PagedReaderFactory {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_bytes: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let inner = self.0.create_reader(partition, file, footer_bytes, metrics)?;
        Ok(Box::new(PagedReader(inner)))
    }
}

struct PagedReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for PagedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.0.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.0.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let options = options.cloned().unwrap_or_default();
            let options = options.with_page_index_policy(PageIndexPolicy::Optional);
            self.0.get_metadata(Some(&options)).await
        }
        .boxed()
    }
}

/// What is known of files without opening them.
struct FileTimes<'f>(&'f [DataFile]);

impl FileTimes<'_> {
    fn bounds(
        &self,
        column: &Column,
        time: impl Fn(&DataFile) -> Option<base::Timestamp>,
    ) -> Option<ArrayRef> {
        match column.name() {
            schema::DAY => {
                let days = self.0.iter().map(|file| file.day.as_days());
                Some(Arc::new(Date32Array::from_iter_values(days)))
            }
            schema::TIME => {
                let times = self.0.iter().map(|file| time(file).map(base::Timestamp::as_micros));
                let times: TimestampMicrosecondArray = times.collect();
                Some(Arc::new(times.with_timezone("UTC")))
            }
            _ => None,
        }
    }
}

impl PruningStatistics for FileTimes<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.time_min)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.bounds(column, |file| file.time_max)
    }

    fn num_containers(&self) -> usize {
        self.0.len()
    }

    fn null_counts(&self, _column: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    fn contained(
        &self,
        _column: &Column,
        _values: &std::collections::HashSet<ScalarValue>,
    ) -> Option<BooleanArray> {
        None
    }
}
