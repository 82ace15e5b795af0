//! One compacted Parquet file, written to the store as its row groups fill.
//!
//! A file is made of blocks, each of so many rows that it has [`limits::COMPACT_BLOCK_BYTES`] at most
//! on average. Every call of the encoder gets one block, which becomes one page in each column: so
//! reading a block reads no byte of its neighbors. (A column that alone has several times a block's
//! bytes in one has several pages for it.)

use std::sync::Arc;

use arrow::{
    array::{Array as _, ArrayRef, AsArray},
    datatypes::{SchemaRef, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use base::{Timestamp, limits};
use bytes::Bytes;
use object_store::{ObjectStore, buffered::BufWriter, path::Path};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::{BloomFilterPosition, WriterProperties},
    schema::types::ColumnPath,
};
use tokio::io::AsyncWriteExt as _;

use crate::{
    LakeError,
    index::IndexBuilder,
    schema,
    write::{base_properties, suit},
};

/// The columns that get bloom filters: what people look up one value of. Engines that know nothing
/// of the search index skip row groups by them.
const BLOOM_COLUMNS: [&[&str]; 4] =
    [&[schema::EVENT_ID], &["source", "ip"], &["destination", "ip"], &["user", "name"]];

/// How often a filter lets a row group be read in vain. Every halving costs two thirds of a bit for each
/// value, and ids are all different.
const BLOOM_FALSE_POSITIVES: f64 = 0.2;

/// How large the parts are in which a file goes to the store.
const PART_BYTES: usize = 8 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
    pub(crate) time_min: Timestamp,
    pub(crate) time_max: Timestamp,
}

/// Writes one file. Memory: one row group encoded, a few parts under way, and the search index: about a
/// hundredth of the rows' text.
pub(crate) struct BlockWriter {
    address: Path,
    block_rows: usize,
    encoder: ArrowWriter<Vec<u8>>,
    upload: BufWriter,
    stored: Stored,
    index: IndexBuilder,
}

impl BlockWriter {
    /// Begins a file with the columns of `first`, whose rows say how large a block is. They are not
    /// written yet. `table` is the schema of the table, which tells JSON from text.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        address: Path,
        first: &RecordBatch,
        table: &SchemaRef,
    ) -> Result<Self, LakeError> {
        let block_rows = block_rows(first);
        let properties = Some(block_properties(first, block_rows));
        let encoder = ArrowWriter::try_new(Vec::new(), first.schema(), properties)
            .map_err(|error| LakeError::encode(address.as_ref(), &error))?;
        let upload =
            BufWriter::with_capacity(store, address.clone(), PART_BYTES).with_max_concurrency(2);
        let (time_min, time_max) = (Timestamp::MAX, Timestamp::MIN);
        let stored = Stored { bytes: 0, rows: 0, time_min, time_max };
        // Its blocks are those of the file, however much text is in one.
        let index = IndexBuilder::new(table, block_rows, usize::MAX);
        Ok(Self { address, block_rows, encoder, upload, stored, index })
    }

    /// Adds rows, as one block or more.
    pub(crate) async fn write(&mut self, rows: &RecordBatch) -> Result<(), LakeError> {
        self.index.add(rows);
        let mut from = 0;
        while from < rows.num_rows() {
            let block = rows.slice(from, self.block_rows.min(rows.num_rows() - from));
            from += block.num_rows();
            self.encoder.write(&block).map_err(|error| self.defect(&error))?;
            if self.encoder.in_progress_size() >= limits::COMPACT_ROW_GROUP_BYTES {
                self.encoder.flush().map_err(|error| self.defect(&error))?;
                self.send().await?;
            }
        }
        self.stored.rows += rows.num_rows() as u64;
        let times = rows.column_by_name(schema::TIME);
        let times = times.and_then(|times| times.as_primitive_opt::<TimestampMicrosecondType>());
        for micros in times.into_iter().flat_map(|times| times.values()) {
            let time = Timestamp::from_micros(*micros);
            self.stored.time_min = self.stored.time_min.min(time);
            self.stored.time_max = self.stored.time_max.max(time);
        }
        Ok(())
    }

    /// Ends the file. It is in the store now, and no part of any table; its index, if it is worth one, is
    /// not stored yet.
    pub(crate) async fn finish(mut self) -> Result<(Stored, Option<Bytes>), LakeError> {
        self.encoder.finish().map_err(|error| self.defect(&error))?;
        self.send().await?;
        let ended = self.upload.shutdown().await;
        ended.map_err(|error| LakeError::write(&self.address, error))?;
        Ok((self.stored, self.index.finish(self.stored.bytes)))
    }

    /// Gives up: as far as possible, nothing is left in the store.
    pub(crate) async fn abort(mut self) {
        if let Err(error) = self.upload.abort().await {
            tracing::debug!(address = %self.address, %error, "parts of a file are left over");
        }
    }

    async fn send(&mut self) -> Result<(), LakeError> {
        let bytes = std::mem::take(self.encoder.inner_mut());
        self.stored.bytes += bytes.len() as u64;
        let sent = self.upload.put(bytes.into()).await;
        sent.map_err(|error| LakeError::write(&self.address, error))
    }

    fn defect(&self, error: &ParquetError) -> LakeError {
        LakeError::encode(self.address.as_ref(), error)
    }
}

/// A power of two, so that it divides the rows of a batch.
fn block_rows(first: &RecordBatch) -> usize {
    let bytes = first.columns().iter().map(value_bytes).sum::<usize>().max(1);
    let rows = first.num_rows().saturating_mul(limits::COMPACT_BLOCK_BYTES) / bytes;
    let rows = if rows.is_power_of_two() { rows } else { rows.next_power_of_two() / 2 };
    rows.clamp(1, limits::COMPACT_BLOCK_ROWS)
}

/// The properties of compacted files: those of all files, blocks, and bloom filters.
///
/// Statistics stay as they are in fresh files: of pages for `time`, which prunes; of row groups for
/// every column, since their counts of nulls let a query skip what lacks a rare field altogether.
///
/// All is compressed harder than in fresh files: it is done once, where nobody waits.
fn block_properties(first: &RecordBatch, block_rows: usize) -> WriterProperties {
    let columns = &first.schema();
    let level = ZstdLevel::try_new(limits::COMPACT_LEVEL).unwrap_or_default();
    let mut properties = suit(base_properties(), first)
        .set_compression(Compression::ZSTD(level))
        // Otherwise columns of lists end their pages elsewhere.
        .set_write_batch_size(1 << 30)
        .set_data_page_row_count_limit(block_rows)
        .set_data_page_size_limit(4 * limits::COMPACT_BLOCK_BYTES)
        .set_max_row_group_row_count(None)
        .set_bloom_filter_position(BloomFilterPosition::AfterRowGroup);
    for path in BLOOM_COLUMNS {
        if has_text(columns, path) {
            let path = ColumnPath::new(path.iter().map(|&part| part.to_owned()).collect());
            properties = properties.set_column_bloom_filter_fpp(path, BLOOM_FALSE_POSITIVES);
        }
    }
    properties.build()
}

/// The bytes of a column's values alone: most columns of a wide table are nearly empty, and what Arrow keeps
/// for each row of them would make blocks small, each with a page for every column.
fn value_bytes(column: &ArrayRef) -> usize {
    if let Some(object) = column.as_struct_opt() {
        return object.columns().iter().map(value_bytes).sum();
    }
    let stretch = |offsets: &[i32]| match offsets {
        [first, .., last] => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    };
    if let Some(list) = column.as_list_opt::<i32>() {
        // Its share of the members, which may be those of more rows.
        let all = list.values().len().max(1);
        return value_bytes(list.values()) * stretch(list.value_offsets()) / all;
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return stretch(texts.value_offsets());
    }
    let width = column.data_type().primitive_width().unwrap_or(1);
    (column.len() - column.null_count()) * width
}

fn has_text(columns: &SchemaRef, path: &[&str]) -> bool {
    use arrow::datatypes::DataType;
    let Some((first, inner)) = path.split_first() else { return false };
    let Ok(field) = columns.field_with_name(first) else { return false };
    let mut data_type = field.data_type();
    for name in inner {
        let DataType::Struct(members) = data_type else { return false };
        let Some((_, member)) = members.find(name) else { return false };
        data_type = member.data_type();
    }
    *data_type == DataType::Utf8
}
