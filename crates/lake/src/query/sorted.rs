//! Files of a table as one stream of rows, in bounded memory; in the order of time, or as they come.

use std::sync::Arc;

use datafusion::{
    error::{DataFusionError, Result},
    execution::{SendableRecordBatchStream, runtime_env::RuntimeEnvBuilder},
    logical_expr::{SortExpr, ident},
    physical_plan::{ExecutionPlan, displayable, execute_stream},
    prelude::{SessionConfig, SessionContext},
};

use super::provider::LakeTable;
use crate::{
    LakeError, schema,
    snapshot::{DataFile, TableSnapshot},
};

/// How the rows of files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inputs {
    /// In no order.
    AsTheyCome,
    /// Those of each file by `time`, then `event_id`.
    Sorted,
}

/// Streams the rows of some files of a table by `time`, then `event_id`, with all columns of the
/// table but its partition's. What does not fit in `memory_bytes` is sorted on the local disk. Files that
/// are sorted are merged, with a row group of each in memory.
///
/// # Errors
///
/// As [`stream_error`] has them.
pub(crate) async fn sorted(
    snapshot: &Arc<TableSnapshot>,
    files: Vec<DataFile>,
    inputs: Inputs,
    rows_per_batch: usize,
    memory_bytes: usize,
) -> Result<SendableRecordBatchStream> {
    // One partition: files are opened one after the other, however many there are. What is merged is
    // open all at once.
    let partitions = if inputs == Inputs::Sorted { files.len().max(1) } else { 1 };
    let config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(rows_per_batch.max(1));
    let runtime = RuntimeEnvBuilder::new().with_memory_limit(memory_bytes, 1.0).build_arc()?;
    let context = SessionContext::new_with_config_rt(config, runtime);
    let columns = snapshot.schema.fields().iter().filter(|field| field.name() != schema::DAY);
    let columns: Vec<_> = columns.map(|field| ident(field.name())).collect();
    let mut table = LakeTable::of_files(Arc::clone(snapshot), files);
    if inputs == Inputs::Sorted {
        table = table.ordered_by(&[schema::TIME, schema::EVENT_ID]);
    }
    let by = |column: &str| SortExpr::new(ident(column), true, false);
    let plan = context
        .read_table(Arc::new(table))?
        .select(columns)?
        .sort(vec![by(schema::TIME), by(schema::EVENT_ID)])?
        .create_physical_plan()
        .await?;
    // Otherwise it takes as much disk as all rows have, unpacked.
    debug_assert!(
        inputs == Inputs::AsTheyCome || !is_sorting(plan.as_ref()),
        "sorted files are sorted again"
    );
    execute_stream(plan, context.task_ctx())
}

fn is_sorting(plan: &dyn ExecutionPlan) -> bool {
    displayable(plan).indent(false).to_string().contains("SortExec")
}

/// Streams some columns of some files of a table, file after file, in the order of their rows.
///
/// # Errors
///
/// As [`stream_error`] has them.
pub(crate) async fn columns(
    snapshot: &Arc<TableSnapshot>,
    files: Vec<DataFile>,
    names: &[&str],
) -> Result<SendableRecordBatchStream> {
    let config = SessionConfig::new().with_target_partitions(1);
    let context = SessionContext::new_with_config(config);
    let table = LakeTable::of_files(Arc::clone(snapshot), files);
    let columns: Vec<_> = names.iter().map(|name| ident(*name)).collect();
    context.read_table(Arc::new(table))?.select(columns)?.execute_stream().await
}

/// What a failed stream means to whoever reads or rewrites `address`.
pub(crate) fn stream_error(address: &str, error: DataFusionError) -> LakeError {
    if let DataFusionError::ResourcesExhausted(_) | DataFusionError::IoError(_) = error.find_root()
    {
        let reason = error.find_root().strip_backtrace();
        return LakeError::Workspace { address: address.to_owned(), reason };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        match inner.downcast_ref::<object_store::Error>() {
            // The log names a file that is not there: trying again does not help.
            Some(object_store::Error::NotFound { .. }) => break,
            Some(_) => return LakeError::read(address, error),
            None => cause = inner.source(),
        }
    }
    LakeError::corrupt(address, error.find_root().strip_backtrace())
}
