//! A Delta table of somebody else's: the files of its newest version, with the values of its partitions.
//!
//! What needs more than plain Parquet files is refused: deletion vectors, and columns under other names.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{Field, FieldRef, Fields, Schema};
use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use deltalake_core::{
    DeltaTable,
    kernel::{LogicalFileView, engine::arrow_conversion::TryIntoArrow as _},
    logstore::{StorageConfig, default_logstore},
    table::state::DeltaTableState,
};
use futures::StreamExt as _;
use object_store::{ObjectMeta, ObjectStore, path::Path, prefix::PrefixStore};
use url::Url;

use super::{ExternalTable, QueryError, files::FileScan};

/// The newest version of a table.
pub(super) async fn scan(
    table: &ExternalTable,
    counted: &Arc<dyn ObjectStore>,
) -> Result<FileScan, QueryError> {
    let log = table.path.clone().join("_delta_log");
    match counted.list(Some(&log)).next().await {
        Some(Ok(_)) => {}
        Some(Err(error)) => return Err(table.unreadable(&error)),
        None => {
            return Err(QueryError::ExternalUnreadable {
                table: table.name.clone(),
                address: table.address.clone(),
                reason: "there is no Delta table".into(),
            });
        }
    }
    let prefixed: Arc<dyn ObjectStore> =
        Arc::new(PrefixStore::new(Arc::clone(counted), table.path.clone()));
    let url = url(table)?;
    let log = default_logstore(prefixed, Arc::clone(counted), &url, &StorageConfig::default());
    let mut delta = DeltaTable::new(log);
    delta.load().await.map_err(|error| table.malformed(error))?;
    let snapshot = delta.snapshot().map_err(|error| table.malformed(error))?;
    let mapping = snapshot.metadata().configuration().get("delta.columnMapping.mode");
    if mapping.is_some_and(|mode| mode != "none") {
        return Err(table.malformed("its columns have other names in its files (column mapping)"));
    }
    let schema: Schema = snapshot
        .schema()
        .as_ref()
        .try_into_arrow()
        .map_err(|error: arrow::error::ArrowError| table.malformed(error))?;
    let schema = table.typed_schema(&schema);
    let is_partition =
        |field: &&FieldRef| snapshot.metadata().partition_columns().contains(field.name());
    let (partition, columns): (Vec<FieldRef>, Vec<FieldRef>) =
        schema.fields().iter().cloned().partition(|field| is_partition(&field));
    let files = files(table, snapshot, &partition)?;
    let columns = Arc::new(Schema::new(columns.into_iter().collect::<Fields>()));
    Ok(FileScan::parquet(table, files, columns, partition))
}

/// An address whose path is the table's place in its store: that is what the library goes by. Listings of
/// the local disk come in no order, which it takes into account for files only.
fn url(table: &ExternalTable) -> Result<Url, QueryError> {
    let begin = if table.is_local { "file:///" } else { "dab://external/" };
    let mut url = Url::parse(begin).map_err(|error| table.malformed(error))?;
    url.path_segments_mut()
        .map_err(|()| table.malformed("its place can't be a path"))?
        .pop_if_empty()
        .extend(table.path.as_ref().split('/'))
        .push("");
    Ok(url)
}

fn files(
    table: &ExternalTable,
    snapshot: &DeltaTableState,
    partition: &[FieldRef],
) -> Result<Vec<(ObjectMeta, Vec<ScalarValue>)>, QueryError> {
    let mut files = Vec::new();
    for file in snapshot.log_data().iter() {
        files.push(data_file(table, &file, partition)?);
    }
    Ok(files)
}

fn data_file(
    table: &ExternalTable,
    file: &LogicalFileView,
    partition: &[FieldRef],
) -> Result<(ObjectMeta, Vec<ScalarValue>), QueryError> {
    if file.deletion_vector_descriptor().is_some() {
        let reason = "rows are deleted in it without being removed (deletion vectors)";
        return Err(table.malformed(reason));
    }
    let values = file.partition_values_map();
    let values: Result<Vec<ScalarValue>, QueryError> =
        partition.iter().map(|field| value(table, field, &values)).collect();
    let path = file.object_store_path();
    let meta = ObjectMeta {
        location: Path::from_iter(table.path.parts().chain(path.parts())),
        last_modified: DateTime::<Utc>::default(),
        size: u64::try_from(file.size()).unwrap_or(0),
        e_tag: None,
        version: None,
    };
    Ok((meta, values?))
}

/// What the log says of a partition, as its column's type.
fn value(
    table: &ExternalTable,
    field: &Field,
    values: &HashMap<String, Option<String>>,
) -> Result<ScalarValue, QueryError> {
    let failed = |error: datafusion::error::DataFusionError| {
        let reason = error.strip_backtrace();
        table.malformed(format!("the partition `{}`: {reason}", field.name()))
    };
    match values.get(field.name()).and_then(Option::as_deref) {
        Some(text) => ScalarValue::try_from_string(text.to_owned(), field.data_type()),
        None => ScalarValue::try_new_null(field.data_type()),
    }
    .map_err(failed)
}
