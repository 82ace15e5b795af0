//! Rows to Parquet files, one or more for each day that the rows fall on.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{AsArray, UInt32Array},
    compute::take_record_batch,
    datatypes::{Field, Fields, SchemaRef, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use base::{Day, Event, Timestamp};
use bytes::Bytes;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, Encoding, ZstdLevel},
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder},
    schema::types::ColumnPath,
};

use super::{Rows, suit};
use crate::{LakeError, index::IndexBuilder, schema};

/// How many rows are encoded at a time: enough that the work for each column does not count, few
/// enough that the columns stay near the processor.
const ROWS_PER_ENCODE: usize = 16_384;
/// The same in raw bytes, for long records.
const BYTES_PER_ENCODE: usize = 8 << 20;
/// Rows not yet encoded take about this many times their raw bytes: normalized fields repeat values,
/// and columns double as they grow.
const ROWS_PER_RAW: usize = 3;
/// Up to so many stretches of rows of one day are written one by one; more are gathered by day first, as
/// each write looks at every column.
const STRETCHES_MAX: usize = 4;

/// A Parquet file in memory, not yet part of a table.
#[derive(Debug, Clone)]
pub struct WrittenFile {
    /// The day of all its rows.
    pub day: Day,
    /// How many rows it has.
    pub rows: u64,
    /// The earliest event time in it.
    pub time_min: Timestamp,
    /// The latest event time in it.
    pub time_max: Timestamp,
    /// The file.
    pub bytes: Bytes,
    /// Its search index; `None` for a small file.
    pub index: Option<Bytes>,
}

/// What a [`TableWriter`] made.
#[derive(Debug)]
pub struct Written {
    /// The files, by day.
    pub files: Vec<WrittenFile>,
    /// The source's columns, those that appeared included.
    pub own: Fields,
    /// Whether any appeared.
    pub grew: bool,
    /// How often a value had another type than its column, by field.
    pub conflicts: BTreeMap<String, u64>,
}

/// Gathers the events of one batch for one table. Memory: the rows not yet encoded (at most
/// [`BYTES_PER_ENCODE`] of raw records) and the compressed files.
#[derive(Debug)]
pub struct TableWriter {
    table: String,
    rows: Rows,
    rows_total: u64,
    bytes_pending: usize,
    /// What open and closed files take in memory.
    bytes_encoded: usize,
    open: BTreeMap<Day, OpenFile>,
    /// The schema of the open files.
    open_schema: Option<SchemaRef>,
    files: Vec<WrittenFile>,
    days: std::collections::BTreeSet<Day>,
}

struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    index: IndexBuilder,
    rows: u64,
    time_min: Timestamp,
    time_max: Timestamp,
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenFile").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl TableWriter {
    /// A writer for a table whose source has the columns `own`, and may have `columns_max`.
    #[must_use]
    pub fn new<'f>(
        table: &str,
        own: impl IntoIterator<Item = &'f Arc<Field>>,
        columns_max: usize,
    ) -> Self {
        Self {
            table: table.to_owned(),
            rows: Rows::new(own, columns_max),
            rows_total: 0,
            bytes_pending: 0,
            bytes_encoded: 0,
            open: BTreeMap::new(),
            open_schema: None,
            files: Vec::new(),
            days: std::collections::BTreeSet::new(),
        }
    }

    /// How many rows were added.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows_total
    }

    /// About how many bytes of memory it takes.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.bytes_pending * ROWS_PER_RAW + self.bytes_encoded
    }

    /// On how many days they fall.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// Adds an event whose record had `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`LakeError::Encode`], which is a defect.
    pub fn append(&mut self, event: &Event<'_>, bytes: usize) -> Result<(), LakeError> {
        self.rows.append(event);
        self.rows_total += 1;
        self.days.insert(event.time.day());
        self.bytes_pending += bytes;
        if self.rows.len() >= ROWS_PER_ENCODE || self.bytes_pending >= BYTES_PER_ENCODE {
            self.encode()?;
        }
        Ok(())
    }

    /// Closes all files.
    ///
    /// # Errors
    ///
    /// [`LakeError::Encode`], which is a defect.
    pub fn finish(mut self) -> Result<Written, LakeError> {
        self.encode()?;
        self.close_files()?;
        Ok(Written {
            files: self.files,
            own: self.rows.own_fields(),
            grew: self.rows.grew(),
            conflicts: self.rows.conflicts().clone(),
        })
    }

    fn encode(&mut self) -> Result<(), LakeError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes_pending = 0;
        let batch = self.rows.finish().map_err(|error| LakeError::encode(&self.table, &error))?;
        let schema = batch.schema();
        if self.open_schema.as_ref().is_some_and(|open| *open != schema) {
            self.close_files()?;
        }
        self.open_schema = Some(schema);
        for (day, part) in split_by_day(&batch, &self.table)? {
            self.write(day, &part)?;
        }
        let open = self.open.values().map(|file| {
            file.writer.memory_size() + file.writer.bytes_written() + file.index.memory()
        });
        let closed = self
            .files
            .iter()
            .map(|file| file.bytes.len() + file.index.as_ref().map_or(0, Bytes::len));
        self.bytes_encoded = open.chain(closed).sum();
        Ok(())
    }

    fn write(&mut self, day: Day, part: &RecordBatch) -> Result<(), LakeError> {
        let encode = |error| LakeError::encode(&self.table, &error);
        let file = match self.open.entry(day) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let properties = Some(writer_properties(part));
                let writer =
                    ArrowWriter::try_new(Vec::new(), part.schema(), properties).map_err(encode)?;
                entry.insert(OpenFile {
                    writer,
                    index: IndexBuilder::for_new_file(&part.schema()),
                    rows: 0,
                    time_min: Timestamp::MAX,
                    time_max: Timestamp::MIN,
                })
            }
        };
        for time in times(part).into_iter().flatten() {
            file.time_min = file.time_min.min(time);
            file.time_max = file.time_max.max(time);
        }
        file.rows += part.num_rows() as u64;
        file.index.add(part);
        file.writer.write(part).map_err(encode)
    }

    fn close_files(&mut self) -> Result<(), LakeError> {
        for (day, file) in std::mem::take(&mut self.open) {
            let bytes =
                file.writer.into_inner().map_err(|error| LakeError::encode(&self.table, &error))?;
            self.files.push(WrittenFile {
                day,
                rows: file.rows,
                time_min: file.time_min,
                time_max: file.time_max,
                index: file.index.finish(bytes.len() as u64),
                bytes: Bytes::from(bytes),
            });
        }
        Ok(())
    }
}

fn times(batch: &RecordBatch) -> Option<impl Iterator<Item = Timestamp> + Clone> {
    let column = batch.column_by_name(schema::TIME)?;
    let values = column.as_primitive_opt::<TimestampMicrosecondType>()?.values();
    Some(values.iter().map(|micros| Timestamp::from_micros(*micros)))
}

/// The rows of each day. Most batches fall on one day, and days mostly come one after the other: then
/// nothing is copied.
fn split_by_day(batch: &RecordBatch, table: &str) -> Result<Vec<(Day, RecordBatch)>, LakeError> {
    let days = times(batch).into_iter().flatten().map(Timestamp::day);
    let mut stretches: Vec<(Day, usize)> = Vec::new();
    for (row, day) in days.clone().enumerate() {
        if stretches.last().is_none_or(|(last, _)| *last != day) {
            stretches.push((day, row));
            if stretches.len() > STRETCHES_MAX {
                return gather_by_day(batch, days, table);
            }
        }
    }
    let ends = stretches.iter().skip(1).map(|(_, row)| *row).chain([batch.num_rows()]);
    let part = |((day, from), to): (&(Day, usize), usize)| (*day, batch.slice(*from, to - from));
    Ok(stretches.iter().zip(ends).map(part).collect())
}

fn gather_by_day(
    batch: &RecordBatch,
    days: impl Iterator<Item = Day>,
    table: &str,
) -> Result<Vec<(Day, RecordBatch)>, LakeError> {
    let mut by_day: BTreeMap<Day, Vec<u32>> = BTreeMap::new();
    for (row, day) in (0_u32..).zip(days) {
        by_day.entry(day).or_default().push(row);
    }
    by_day
        .into_iter()
        .map(|(day, rows)| {
            let part = take_record_batch(batch, &UInt32Array::from(rows));
            Ok((day, part.map_err(|error| LakeError::encode(table, &error))?))
        })
        .collect()
}

fn writer_properties(first: &RecordBatch) -> WriterProperties {
    suit(base_properties(), first).build()
}

/// What all data files have in common. Zstd level 1: whoever waits for the commit waits for it, and compaction
/// compresses harder. Ids differ in their last digits only, which delta encoding stores as such;
/// dictionaries would hold every one.
pub(crate) fn base_properties() -> WriterPropertiesBuilder {
    let id = ColumnPath::from(schema::EVENT_ID);
    let offset = ColumnPath::new(vec![schema::ORIGIN.to_owned(), "offset".to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("dab ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_dictionary_enabled(id.clone(), false)
        .set_column_encoding(id, Encoding::DELTA_BYTE_ARRAY);
    let time = ColumnPath::from(schema::TIME);
    properties = properties.set_column_statistics_enabled(time.clone(), EnabledStatistics::Page);
    for column in [time, offset] {
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    properties
}
