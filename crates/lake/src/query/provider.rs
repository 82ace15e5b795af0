//! A [`TableSnapshot`] as DataFusion sees it: a plain scan of Parquet files.
//!
//! Files are pruned by day and by their first and last time before anything is read. Whatever a
//! file lacks reads as null, members of structs included: that is DataFusion's own
//! `PhysicalExprAdapter`, which the tests of this module hold to it.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, TimestampMicrosecondArray},
    datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Column, DFSchema, Result, ScalarValue, pruning::PruningStatistics},
    datasource::{
        TableType,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, utils::conjunction},
    physical_optimizer::pruning::PruningPredicateBuilder,
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use object_store::{ObjectMeta, path::Path};

use crate::{
    schema,
    snapshot::{DataFile, TableSnapshot},
};

/// How many bytes at a file's end are fetched at once, hoping that its footer is in them.
const FOOTER_BYTES: usize = 64 << 10;

/// A table of the lake, or some of its files.
#[derive(Debug)]
pub(crate) struct LakeTable {
    snapshot: Arc<TableSnapshot>,
    files: Vec<DataFile>,
    schema: TableSchema,
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
        Self { snapshot, files, schema }
    }

    /// The address under which the session finds this table's store.
    pub(crate) fn url(&self) -> Result<ObjectStoreUrl> {
        let host: String = self.snapshot.name.bytes().map(|byte| format!("{byte:02x}")).collect();
        ObjectStoreUrl::parse(format!("dab://t{host}"))
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

/// Nullable whatever the table says, and without metadata: a file's columns may have been written
/// before either was decided, and a difference would cost a cast.
fn plain(field: &Field) -> Field {
    Field::new(field.name(), plain_type(field.data_type()), true)
}

fn plain_type(data_type: &DataType) -> DataType {
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
        let files = self.prune(state, filters);
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
        for (index, file) in files.iter().enumerate() {
            if let Some(group) = groups.get_mut(index % count) {
                group.push(self.partitioned(file));
            }
        }
        let url = self.url()?;
        state.runtime_env().register_object_store(url.as_ref(), Arc::clone(&self.snapshot.store));
        let source = ParquetSource::new(self.schema.clone()).with_metadata_size_hint(FOOTER_BYTES);
        let scan = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
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
