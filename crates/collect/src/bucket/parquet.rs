//! Parquet files, unpacked into JSON, one row a line.
//!
//! What a file holds stands at its end, and a row in as many places as there are columns: so its bytes
//! are fetched where they are needed, with some ahead. In memory are these, one page of each column, and
//! a batch of rows, however large the row groups are. A row group that can't be read further leaves a
//! note ([`base::write_damage`]) in the place of its rows, and the next one is read.
//!
//! The schema is Parquet's own: what writers say beside it about types of theirs is not followed.

mod json;
mod nesting;
mod ranges;
#[cfg(test)]
mod tests;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, FieldRef, Fields, Schema},
};
use base::{limits, write_damage};
use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{
        ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
        ParquetRecordBatchReaderBuilder,
    },
    basic::LogicalType,
    errors::ParquetError,
};

use self::json::RowWriter;
pub(crate) use self::ranges::Ranges;

/// How many bytes stand behind a file's metadata: its length, and `PAR1`.
const FOOTER_BYTES: usize = 8;

/// A file whose rows are being written.
pub(crate) struct Rows {
    ranges: Ranges,
    metadata: ArrowReaderMetadata,
    writer: RowWriter,
    /// The row group that is being read.
    group: usize,
    /// How many of its rows are read.
    rows: u64,
    /// In a lock because what holds it must be `Sync`; nobody else has it.
    reader: Mutex<Option<ParquetRecordBatchReader>>,
    /// Rows that are read, and the next of them to write.
    batch: Option<(RecordBatch, usize)>,
}

/// What came of reading on.
enum Read {
    /// Rows, or none.
    Rows,
    /// There are no more in this group.
    GroupEnds,
    /// There are no more groups.
    FileEnds,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("group", &self.group).field("rows", &self.rows).finish()
    }
}

impl Rows {
    /// Reads what the file says about itself.
    ///
    /// # Errors
    /// Why it is no Parquet file that can be read.
    pub(crate) fn open(ranges: Ranges) -> Result<Self, String> {
        check_footer(&ranges)?;
        let metadata = guarded(|| {
            let plain = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            let found = ArrowReaderMetadata::load(&ranges, plain.clone())?;
            let leaves = found.parquet_schema().num_columns();
            if leaves > limits::PARQUET_COLUMNS_MAX {
                let message = format!("it has {leaves} columns, more than are read");
                return Err(ParquetError::General(message));
            }
            let schema = Arc::new(with_views(found.schema()));
            ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), plain.with_schema(schema))
        })?;
        ranges.expect_columns(metadata.parquet_schema().num_columns());
        let writer = RowWriter::new(uuids(&metadata));
        Ok(Self {
            ranges,
            metadata,
            writer,
            group: 0,
            rows: 0,
            reader: Mutex::default(),
            batch: None,
        })
    }

    /// Writes rows until there are so many bytes. Answers whether there are no more.
    pub(crate) fn write(&mut self, bytes: usize, out: &mut Vec<u8>) -> bool {
        while out.len() < bytes {
            if let Some((batch, row)) = &mut self.batch {
                let number = self.rows;
                self.rows += 1;
                write_row(&self.writer, batch, *row, (self.group, number), out);
                *row += 1;
                if *row >= batch.num_rows() {
                    self.batch = None;
                }
                continue;
            }
            match self.read() {
                Ok(Read::Rows) => {}
                Ok(Read::GroupEnds) => self.end_group(out),
                Ok(Read::FileEnds) => return true,
                Err(reason) => {
                    if self.ranges.has_stopped() {
                        return false;
                    }
                    self.skip_group(&reason, out);
                }
            }
        }
        false
    }

    /// Reads the next rows.
    fn read(&mut self) -> Result<Read, String> {
        if self.group >= self.metadata.metadata().num_row_groups() {
            return Ok(Read::FileEnds);
        }
        let begun = self.reader().take();
        let mut reader = match begun {
            Some(reader) => reader,
            None => self.begin_group()?,
        };
        let next = guarded(|| reader.next().transpose().map_err(ParquetError::from))?;
        let Some(batch) = next else { return Ok(Read::GroupEnds) };
        *self.reader() = Some(reader);
        self.batch = Some((batch, 0)).filter(|(batch, _)| batch.num_rows() > 0);
        Ok(Read::Rows)
    }

    /// Goes on to the next group. Rows that the file says there are, and that did not come, are told of.
    fn end_group(&mut self, out: &mut Vec<u8>) {
        if u64::try_from(self.rows_said()) == Ok(self.rows) {
            (self.group, self.rows) = (self.group + 1, 0);
        } else {
            self.skip_group("there are not as many rows as it says", out);
        }
    }

    /// How many rows this group has, as the file says.
    fn rows_said(&self) -> i64 {
        let group = self.metadata.metadata().row_groups().get(self.group);
        group.map_or(0, |group| group.num_rows())
    }

    fn begin_group(&self) -> Result<ParquetRecordBatchReader, String> {
        let group = self.metadata.metadata().row_groups().get(self.group);
        let (rows, bytes) =
            group.map_or((1, 1), |group| (group.num_rows(), group.total_byte_size()));
        let row_bytes = (bytes / rows.max(1)).max(1);
        let batch_rows = limits::PARQUET_BATCH_BYTES / row_bytes.unsigned_abs();
        let batch_rows = usize::try_from(batch_rows).unwrap_or(usize::MAX);
        let (ranges, metadata) = (self.ranges.clone(), self.metadata.clone());
        guarded(|| {
            ParquetRecordBatchReaderBuilder::new_with_metadata(ranges, metadata)
                .with_row_groups(vec![self.group])
                .with_batch_size(batch_rows.clamp(1, limits::PARQUET_BATCH_ROWS_MAX))
                .build()
        })
    }

    /// Leaves a note in the place of the rows of this group that can't be read.
    fn skip_group(&mut self, reason: &str, out: &mut Vec<u8>) {
        let note = format!(
            "row group {} can't be read from its row {} on, of {}: {reason}",
            self.group,
            self.rows,
            self.rows_said()
        );
        write_damage(&note, &[], out);
        (self.group, self.rows, self.batch) = (self.group + 1, 0, None);
        *self.reader() = None;
    }

    fn reader(&mut self) -> &mut Option<ParquetRecordBatchReader> {
        self.reader.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_row(
    writer: &RowWriter,
    batch: &RecordBatch,
    row: usize,
    (group, number): (usize, u64),
    out: &mut Vec<u8>,
) {
    let start = out.len();
    let written = guarded(|| {
        writer.write(batch, row, out).map_err(|error| ParquetError::General(error.to_string()))
    });
    if let Err(reason) = written {
        out.truncate(start);
        let note = format!("row {number} of row group {group} can't be written as JSON: {reason}");
        write_damage(&note, &[], out);
    }
}

/// All rows of a file that is in memory, as long as `each` wants more.
///
/// # Errors
/// Why it is no Parquet file that can be read.
pub(crate) fn to_json(file: Bytes, mut each: impl FnMut(&[u8]) -> bool) -> Result<(), String> {
    let mut rows = Rows::open(Ranges::of(file))?;
    loop {
        let mut out = Vec::new();
        let is_end = rows.write(limits::CHUNK_BYTES, &mut out);
        if !each(&out) || is_end {
            return Ok(());
        }
    }
}

/// Looks at the end of the file: its metadata is read at once.
fn check_footer(ranges: &Ranges) -> Result<(), String> {
    let size = ranges.size();
    let from = size.checked_sub(FOOTER_BYTES as u64).ok_or("it is too short to be one")?;
    let footer = ranges.get(from, FOOTER_BYTES).map_err(|error| error.to_string())?;
    let Some(&[a, b, c, d, ref magic @ ..]) = footer.first_chunk::<FOOTER_BYTES>() else {
        return Err("it is too short to be one".to_owned());
    };
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err("its metadata is encrypted".to_owned()),
        _ => return Err("it does not end as one: it is cut, or still being written".to_owned()),
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > limits::PARQUET_METADATA_BYTES_MAX || length > from {
        return Err(format!("its metadata is {length} bytes long"));
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let metadata = ranges.get(from - length as u64, length).map_err(|error| error.to_string())?;
    nesting::check(&metadata)
}

/// What reads Parquet checks what it reads, and where it fails to, panics: that is one unreadable file,
/// not the end of the program.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("what reads it failed: the file contradicts itself".to_owned()),
    }
}

/// The same schema with texts that are not copied, so that one text of a dictionary takes no more memory
/// when a million rows have it.
fn with_views(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(with_view).collect::<Fields>())
}

fn with_view(field: &FieldRef) -> FieldRef {
    let inner = |fields: &Fields| fields.iter().map(with_view).collect::<Fields>();
    let kind = match field.data_type() {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::List(item) => DataType::List(with_view(item)),
        DataType::Struct(fields) => DataType::Struct(inner(fields)),
        DataType::Map(entries, is_sorted) => DataType::Map(with_view(entries), *is_sorted),
        other => other.clone(),
    };
    Arc::new(Field::clone(field).with_data_type(kind))
}

/// Which columns at the top are UUIDs: to Arrow they are bytes.
fn uuids(metadata: &ArrowReaderMetadata) -> Vec<bool> {
    let fields = metadata.parquet_schema().root_schema().get_fields();
    let is_uuid = |info: &parquet::schema::types::BasicTypeInfo| {
        info.logical_type_ref() == Some(&LogicalType::Uuid)
    };
    fields.iter().map(|field| is_uuid(field.get_basic_info())).collect()
}
