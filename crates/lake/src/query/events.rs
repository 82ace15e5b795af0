//! Reads events back from their tables, batch by batch: what a backtest runs over.
//!
//! Every value that the event had is handed over, wherever the table keeps it: in a column, or in
//! `_rest`. What the table does not keep is lost here too: that a field was there and null, and
//! whether a whole number in a column of fractions was written with a point.

mod filter;

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray},
    datatypes::TimestampMicrosecondType,
    record_batch::RecordBatch,
};
use base::{Clause, FieldPath, Object, Timestamp, Value};
use datafusion::{
    common::ScalarValue,
    error::DataFusionError,
    logical_expr::{Expr, lit},
    physical_plan::execute_stream,
};
use futures::StreamExt as _;

use self::filter::Filter;
use super::{
    engine::{Engine, TimeRange},
    error::QueryError,
    json,
    plan::column,
    provider::LakeTable,
    report::bytes_scanned,
    shape::{Entries, Shape, merge, shapes, value_at},
};
use crate::{
    schema,
    snapshot::{DataFile, TableSnapshot},
};

/// Which events are read, and how much of them.
#[derive(Debug, Clone)]
pub struct EventScan {
    /// The table.
    pub table: String,
    /// From when to when.
    pub range: TimeRange,
    /// The fields that are wanted, by their names with dots: columns that none of them can be in
    /// are not read. `None`: all columns.
    pub fields: Option<BTreeSet<String>>,
    /// What the events have that are wanted: one of these ways, each of which is met if all its
    /// clauses are. Others may be handed over as well. `None`: nothing is known.
    pub ways: Option<Vec<Vec<Clause>>>,
}

/// What reading cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    /// How many files the table has.
    pub files_total: usize,
    /// How many of them hold events of the range.
    pub files: usize,
    /// How many bytes were read of them.
    pub bytes: u64,
    /// How many events the range has there, as far as they were read.
    pub events: u64,
    /// How many of them were handed over.
    pub handed: u64,
}

/// An event as its table has it.
#[derive(Debug)]
pub struct StoredEvent<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// When it was taken in.
    pub ingest_time: Timestamp,
    /// Its id.
    pub event_id: &'a str,
    /// Its log source.
    pub log_source: &'a str,
    /// The object that it was read from.
    pub object: &'a str,
    /// Its place inside.
    pub offset: u64,
    /// The columns' values, the source's own and normalized ones.
    columns: Object<'a>,
    /// What has no column.
    rest: Object<'a>,
}

impl<'a> StoredEvent<'a> {
    /// The source's own fields, and the normalized ones: those at `normalized`, the paths that the
    /// log source normalizes to. A source's own field that took such a column because there was no
    /// normalized value counts as normalized.
    #[must_use]
    pub fn split(self, normalized: &[FieldPath]) -> (Object<'a>, Object<'a>) {
        let mut own: Entries<'a> = self.columns.into_iter().collect();
        let mut moved = Object::new();
        for path in normalized {
            if let Some(value) = take(&mut own, path, 0) {
                moved.set_path(path, value);
            }
        }
        merge(&mut own, self.rest.into_iter().collect());
        (own.into_iter().collect(), moved)
    }
}

/// Takes the value at a nested path out, and the objects on the way that are empty then.
fn take<'a>(entries: &mut Entries<'a>, path: &FieldPath, part: usize) -> Option<Value<'a>> {
    let key = path.part(part)?;
    let at = entries.iter().position(|(name, _)| name == key)?;
    if part + 1 == path.len() {
        return Some(entries.remove(at).1);
    }
    let Some((_, Value::Object(inner))) = entries.get_mut(at) else { return None };
    let mut members: Entries<'a> = std::mem::take(inner).into_iter().collect();
    let value = take(&mut members, path, part + 1);
    if members.is_empty() && value.is_some() {
        entries.remove(at);
    } else {
        *inner = members.into_iter().collect();
    }
    value
}

impl Engine {
    /// Hands over the events of a table that are in the range, in no particular order, until `each`
    /// breaks off. Holds one batch of them at a time. Between the batches `progress` is told how many
    /// events were read, and how many the files have. `None`: there is no such table.
    ///
    /// # Errors
    ///
    /// If the table can't be read, or more of it was read than a query may.
    pub async fn events(
        &self,
        scan: &EventScan,
        each: &mut (dyn FnMut(StoredEvent<'_>) -> ControlFlow<()> + Send),
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<Option<ScanStats>, QueryError> {
        let Some(table) = self.catalog().snapshot(&scan.table).await? else { return Ok(None) };
        let files: Vec<DataFile> =
            table.files.iter().filter(|file| scan.range.may_hold(file)).cloned().collect();
        let mut stats = ScanStats {
            files_total: table.files.len(),
            files: files.len(),
            ..ScanStats::default()
        };
        if files.is_empty() {
            return Ok(Some(stats));
        }
        let rows = files.iter().filter_map(|file| file.rows).sum();
        let reader = Reader::new(&table, scan);
        let failed = |error: DataFusionError| self.failed(&error);
        let context = self.context()?;
        let mut frame = context
            .read_table(Arc::new(LakeTable::of_files(Arc::clone(&table), files)))
            .map_err(failed)?;
        for bound in bounds(&scan.range) {
            frame = frame.filter(bound).map_err(failed)?;
        }
        let frame = frame.select(reader.columns()).map_err(failed)?;
        let plan = frame.create_physical_plan().await.map_err(failed)?;
        let mut stream = execute_stream(Arc::clone(&plan), context.task_ctx()).map_err(failed)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            self.check_bytes(bytes_scanned(plan.as_ref()))?;
            stats.events += batch.num_rows() as u64;
            let handed = reader.batch(&batch, each);
            progress(stats.events, rows);
            let (ControlFlow::Continue(count) | ControlFlow::Break(count)) = handed;
            stats.handed += count;
            if handed.is_break() {
                break;
            }
        }
        stats.bytes = bytes_scanned(plan.as_ref());
        Ok(Some(stats))
    }
}

impl TimeRange {
    /// Whether a file may hold events of the range.
    pub(super) fn may_hold(&self, file: &DataFile) -> bool {
        let first = file.time_min.unwrap_or(file.day.start());
        let last = file.time_max.unwrap_or(file.day.start().plus_micros(86_399_999_999));
        self.from.is_none_or(|from| last >= from) && self.to.is_none_or(|to| first < to)
    }
}

fn bounds(range: &TimeRange) -> Vec<Expr> {
    let time = |time: Timestamp| {
        lit(ScalarValue::TimestampMicrosecond(Some(time.as_micros()), Some("UTC".into())))
    };
    let from = range.from.map(|from| column(schema::TIME).gt_eq(time(from)));
    let to = range.to.map(|to| column(schema::TIME).lt(time(to)));
    from.into_iter().chain(to).collect()
}

/// Turns rows into events.
struct Reader {
    /// The columns besides the envelope's, in the order in which they are read.
    columns: Vec<(String, Shape)>,
    has_rest: bool,
    filter: Option<Filter>,
}

/// The envelope's columns, which are read first.
const ENVELOPE: [&str; 5] =
    [schema::TIME, schema::INGEST_TIME, schema::EVENT_ID, schema::LOG_SOURCE, schema::ORIGIN];

impl Reader {
    fn new(table: &TableSnapshot, scan: &EventScan) -> Self {
        let all = shapes(&table.schema);
        let has_rest = all.iter().any(|(name, _)| name == schema::REST);
        let is_wanted = |name: &str| {
            scan.fields.as_ref().is_none_or(|fields| {
                // A field is under its whole name, or inside the column that its first part names.
                fields.iter().any(|field| {
                    field == name || field.split('.').next().is_some_and(|first| first == name)
                })
            })
        };
        let is_own = |name: &str| !schema::RESERVED.contains(&name);
        let columns = all.into_iter().filter(|(name, _)| is_own(name) && is_wanted(name));
        let columns: Vec<_> = columns.collect();
        let filter = scan.ways.as_ref().map(|ways| Filter::new(&columns, ways));
        Self { columns, has_rest, filter }
    }

    fn columns(&self) -> Vec<Expr> {
        let names = ENVELOPE.into_iter().chain(self.has_rest.then_some(schema::REST));
        names.chain(self.columns.iter().map(|(name, _)| name.as_str())).map(column).collect()
    }

    /// Hands over the events of a batch. Answers how many, and whether there is to be no more.
    fn batch(
        &self,
        batch: &RecordBatch,
        each: &mut (dyn FnMut(StoredEvent<'_>) -> ControlFlow<()> + Send),
    ) -> ControlFlow<u64, u64> {
        let arrays = batch.columns();
        let (envelope, rest) = arrays.split_at(ENVELOPE.len().min(arrays.len()));
        let (rest, own) = rest.split_at(usize::from(self.has_rest).min(rest.len()));
        let rest = rest.first().and_then(|array| array.as_string_opt::<i32>());
        let (mut known, mut handed) = (Vec::new(), 0);
        for row in 0..batch.num_rows() {
            let rest = rest.filter(|array| !array.is_null(row)).map(|array| array.value(row));
            let filter = self.filter.as_ref();
            if filter.is_some_and(|filter| !filter.passes(own, rest, row, &mut known)) {
                continue;
            }
            let Some(mut event) = enveloped(envelope, row) else { continue };
            for ((name, shape), array) in self.columns.iter().zip(own) {
                if let Some(value) = value_at(array, shape, row) {
                    event.columns.push(name.as_str(), value);
                }
            }
            event.rest = rest.and_then(json::parse_object).unwrap_or_default();
            handed += 1;
            if each(event).is_break() {
                return ControlFlow::Break(handed);
            }
        }
        ControlFlow::Continue(handed)
    }
}

/// The event of a row, without its fields. `None` for a row without a time, which dab never writes.
fn enveloped(arrays: &[ArrayRef], row: usize) -> Option<StoredEvent<'_>> {
    let [time, ingest_time, event_id, log_source, origin] = arrays else { return None };
    let micros = |array: &ArrayRef| {
        let array = array.as_primitive_opt::<TimestampMicrosecondType>()?;
        Some(Timestamp::from_micros(array.value(row)))
    };
    fn text(array: &ArrayRef, row: usize) -> &str {
        array.as_string_opt::<i32>().map_or("", |array| array.value(row))
    }
    let members = origin.as_struct_opt().map(|origin| origin.columns()).unwrap_or_default();
    let offset = members.get(1).and_then(|array| value_at(array, &Shape::Int, row));
    Some(StoredEvent {
        time: micros(time)?,
        ingest_time: micros(ingest_time)?,
        event_id: text(event_id, row),
        log_source: text(log_source, row),
        object: members.first().map_or("", |array| text(array, row)),
        offset: match offset {
            Some(Value::Int(offset)) => u64::try_from(offset).unwrap_or(0),
            _ => 0,
        },
        columns: Object::new(),
        rest: Object::new(),
    })
}

#[cfg(test)]
mod tests;
