//! Reads the newest events that pass a condition out of one file, without a plan of the query engine.
//!
//! A search without pipes asks for so little that planning it cost more than answering it: a plan names
//! every column of a table some twenty times. And a file says more than an engine asks it for. Of each row
//! group, the dictionaries are read first: a column of which no text passes is not read at all, and where
//! no column is left, no row is. Then the columns that are left, as numbers into their dictionaries; and
//! all columns only for the rows that pass and are among the newest.
//!
//! Files that dab did not write may have columns that are not simply their table's: those are left to the
//! engine.

mod condition;
mod dictionary;
mod layout;
mod source;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray},
    datatypes::{DataType, Int32Type, SchemaRef, TimeUnit, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use base::Timestamp;
use datafusion::error::DataFusionError;
use futures::StreamExt as _;
use object_store::path::Path;
use parquet::{
    arrow::{
        ParquetRecordBatchStreamBuilder, ProjectionMask,
        arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, RowSelection},
    },
    errors::{ParquetError, Result},
    file::{
        metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader},
        statistics::Statistics,
    },
};

use self::{
    condition::{Condition, Known},
    layout::{Inner, Layout, kept, locate, with_dictionaries},
    source::{Place, Source},
};
use super::{
    engine::{FoundEvent, TimeRange},
    provider::FOOTER_BYTES,
    report::ScanReport,
    search::ast::Node,
    shape::{Rebuild, Shape},
};
use crate::{
    schema,
    snapshot::{DataFile, TableSnapshot},
};

/// How many rows are decoded at once.
const BATCH_ROWS: usize = 8192;

/// What is looked for in one table.
#[derive(Debug)]
pub(super) struct Wanted {
    table: Arc<TableSnapshot>,
    /// The table by its place among the tables.
    number: usize,
    condition: Condition,
    newest: Newest,
}

/// What is looked for, whichever the table.
#[derive(Debug, Clone)]
pub(super) struct Newest {
    pub(super) range: TimeRange,
    /// How many of the newest events.
    pub(super) limit: usize,
    /// No event before this is among the newest.
    pub(super) cut: Arc<AtomicI64>,
    /// How many bytes the events of one row group may have.
    pub(super) bytes_max: usize,
    pub(super) report: Arc<ScanReport>,
}

/// An event that was found, with what orders events.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) event: FoundEvent,
    pub(super) table: usize,
    pub(super) id: String,
}

impl Ranked {
    /// What it takes in memory, about.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + self.event.json.len()
    }

    /// The newest first; the table and the id order what happened at the same time, so that a search
    /// repeats itself.
    pub(super) fn sort(found: &mut [Self]) {
        found.sort_by(|a, b| {
            let times = b.event.time.cmp(&a.event.time);
            times.then_with(|| a.table.cmp(&b.table)).then_with(|| a.id.cmp(&b.id))
        });
    }
}

impl Wanted {
    pub(super) fn new(
        table: &Arc<TableSnapshot>,
        number: usize,
        node: &Node,
        newest: &Newest,
    ) -> Self {
        let condition = Condition::of(table, node);
        Self { table: Arc::clone(table), number, condition, newest: newest.clone() }
    }

    /// How many of the newest there can be at most from before this time: none.
    fn cut(&self) -> i64 {
        self.newest.cut.load(Ordering::Relaxed)
    }
}

/// A file whose footer is known.
#[derive(Debug)]
pub(super) struct OpenFile {
    wanted: Arc<Wanted>,
    place: Place,
    metadata: Arc<ParquetMetaData>,
    schema: SchemaRef,
    layout: Layout,
    /// The leaf of `time`.
    time: usize,
    /// Of each row group, the rows to read: all if not said.
    rows: Vec<Option<RowSelection>>,
}

/// Reads a file's footer. `None`: its columns are not simply those of its table.
pub(super) async fn open(
    wanted: Arc<Wanted>,
    file: &DataFile,
    mut rows: Option<RowSelection>,
) -> Result<Option<Arc<OpenFile>>> {
    let parts = wanted.table.root.parts().chain(file.path.parts());
    let (store, location) = (Arc::clone(&wanted.table.store), Path::from_iter(parts));
    let place = Place { store, location };
    let metadata = ParquetMetaDataReader::new()
        .with_prefetch_hint(Some(FOOTER_BYTES))
        .with_offset_index_policy(PageIndexPolicy::Optional)
        .with_column_index_policy(PageIndexPolicy::Skip)
        .load_and_finish(&place, file.bytes)
        .await?;
    // The index of another file of the same size would leave out rows that are there.
    let in_file = usize::try_from(metadata.file_metadata().num_rows()).ok();
    let in_index = |rows: &RowSelection| rows.iter().map(|part| part.row_count).sum::<usize>();
    rows = rows.filter(|rows| Some(in_index(rows)) == in_file);
    let metadata = Arc::new(metadata);
    let options = ArrowReaderOptions::new();
    let schema = Arc::clone(ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)?.schema());
    let Some(layout) = Layout::of(&wanted.table.schema, &schema) else { return Ok(None) };
    let leaves = metadata.file_metadata().schema_descr().num_columns();
    let time = locate(&layout.parts, &[schema::TIME.to_owned()]).map(|time| &time.inner);
    let is_micros = |field: &DataType| matches!(field, DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if **zone == *"UTC");
    let is_utc = schema.field_with_name(schema::TIME).is_ok_and(|of| is_micros(of.data_type()));
    let (Some(Inner::Leaf(_, time)), true, true) = (time, is_utc, leaves == layout.leaves) else {
        return Ok(None);
    };
    let groups = metadata.row_groups().iter().map(|group| {
        let rows_in_group = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
        rows.as_mut().map(|rows| rows.split_off(rows_in_group))
    });
    let (rows, time) = (groups.collect(), time.start);
    Ok(Some(Arc::new(OpenFile { wanted, place, metadata, schema, layout, time, rows })))
}

/// The newest events of a row group of a file that pass, at most as many as are looked for.
///
/// # Errors
///
/// If it can't be read, or is damaged.
pub(super) async fn read(file: Arc<OpenFile>, group: usize) -> Result<Vec<Ranked>> {
    file.read(group).await
}

impl OpenFile {
    /// The row groups that may hold what is looked for, the last first.
    pub(super) fn groups(&self) -> Vec<usize> {
        let may_hold = |group: &usize| {
            let is_chosen = match self.rows.get(*group) {
                Some(Some(rows)) => rows.selects_any(),
                _ => true,
            };
            is_chosen && self.may_be_in_range(*group)
        };
        (0..self.metadata.num_row_groups()).rev().filter(may_hold).collect()
    }

    fn may_be_in_range(&self, group: usize) -> bool {
        let Some((first, last)) = self.times(group) else { return true };
        let TimeRange { from, to } = self.wanted.newest.range;
        last >= self.wanted.cut()
            && from.is_none_or(|from| last >= from.as_micros())
            && to.is_none_or(|to| first < to.as_micros())
    }

    /// The first and the last time of a row group.
    fn times(&self, group: usize) -> Option<(i64, i64)> {
        let chunk = self.metadata.row_groups().get(group)?.columns().get(self.time)?;
        match chunk.statistics()? {
            Statistics::Int64(times) => Some((*times.min_opt()?, *times.max_opt()?)),
            _ => None,
        }
    }

    async fn read(&self, group: usize) -> Result<Vec<Ranked>> {
        if !self.may_be_in_range(group) {
            return Ok(Vec::new());
        }
        let source = Source::new(self.place.clone(), Arc::clone(&self.wanted.newest.report));
        let (mut known, is_dictionary) = self.known(group, &source).await?;
        let condition = self.wanted.condition.given(&mut known);
        if condition == Condition::Never {
            return Ok(Vec::new());
        }
        let mut reader = GroupReader {
            file: self,
            group,
            source,
            metadata: self.typed(&is_dictionary)?,
            rows: self.rows.get(group).cloned().flatten(),
        };
        let is_left = reader.choose(&condition, known.keep).await?;
        if is_left { reader.events().await } else { Ok(Vec::new()) }
    }

    /// The dictionaries of the columns that the condition is about, and which leaves have one.
    async fn known(&self, group: usize, source: &Source) -> Result<(Known<'_>, Vec<bool>)> {
        let mut asked = vec![false; self.layout.leaves];
        self.wanted.condition.note_leaves(&self.layout.parts, &mut asked);
        let chunks = self.metadata.row_groups().get(group).map(|group| group.columns());
        let mut is_dictionary = vec![false; self.layout.leaves];
        let mut found = Vec::new();
        let leaves = self.layout.is_text.iter().zip(&asked).zip(&mut is_dictionary);
        let leaves = chunks.unwrap_or_default().iter().zip(leaves).enumerate();
        for (leaf, (chunk, ((is_text, is_asked), is_dictionary))) in leaves {
            let Some(range) = dictionary::range_of(chunk).filter(|_| *is_text) else { continue };
            *is_dictionary = true;
            if *is_asked {
                found.push((leaf, chunk, range));
            }
        }
        let ranges: Vec<_> = found.iter().map(|(.., range)| range.clone()).collect();
        let pages = source.fetch_all(&ranges).await?;
        let mut dictionaries = HashMap::with_capacity(found.len());
        for ((leaf, chunk, range), bytes) in found.into_iter().zip(pages) {
            dictionaries.insert(leaf, dictionary::texts(chunk, &range, bytes)?);
        }
        let keep = vec![false; self.layout.leaves];
        Ok((Known { parts: &self.layout.parts, dictionaries, keep }, is_dictionary))
    }

    /// How the columns of a row group are read.
    fn typed(&self, is_dictionary: &[bool]) -> Result<ArrowReaderMetadata> {
        let schema = Arc::new(with_dictionaries(&self.schema, is_dictionary));
        let options = ArrowReaderOptions::new().with_schema(schema);
        ArrowReaderMetadata::try_new(Arc::clone(&self.metadata), options)
    }
}

/// Reads a row group: first which rows, then what they have.
struct GroupReader<'f> {
    file: &'f OpenFile,
    group: usize,
    source: Source,
    metadata: ArrowReaderMetadata,
    /// The rows that are left; all if not said.
    rows: Option<RowSelection>,
}

impl GroupReader<'_> {
    /// Leaves only the rows that pass and are among the newest. Answers whether there are any.
    async fn choose(&mut self, condition: &Condition, mut keep: Vec<bool>) -> Result<bool> {
        let wanted = Arc::clone(&self.file.wanted);
        let group = self.file.metadata.row_groups().get(self.group);
        let count = match &self.rows {
            Some(rows) => rows.row_count(),
            None => group.map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0)),
        };
        let TimeRange { from, to } = wanted.newest.range;
        let (from, to) = (from.map(Timestamp::as_micros), to.map(Timestamp::as_micros));
        let is_inside = self.file.times(self.group).is_some_and(|(first, last)| {
            from.is_none_or(|from| first >= from) && to.is_none_or(|to| last < to)
        });
        let is_inside = is_inside || (from.is_none() && to.is_none());
        if *condition == Condition::Always && is_inside && count <= wanted.newest.limit {
            return Ok(count > 0);
        }
        if let Some(time) = keep.get_mut(self.file.time) {
            *time = true;
        }
        let (mut passing, mut times) = (Vec::with_capacity(count), Vec::new());
        let columns = kept(&self.file.layout.parts, &keep);
        let time_at = columns.iter().position(|(name, _)| name == schema::TIME);
        let mut stream = self.stream(&keep)?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            let rows = batch.num_rows();
            let found = condition.passing(&columns, batch.columns(), rows);
            let array = time_at.and_then(|at| batch.columns().get(at));
            let array =
                array.and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
            let array = array.ok_or_else(|| malformed("`time` has another type"))?;
            let cut = wanted.cut();
            passing.extend(found.into_iter().zip(array.iter()).map(|(is_found, time)| {
                // What has no time is in no range.
                let is_in = |time: i64| {
                    from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to)
                };
                let is_in = time.map_or(from.is_none() && to.is_none(), is_in);
                let time = time.unwrap_or(0);
                let passes = is_found && is_in && time >= cut;
                if passes {
                    times.push(time);
                }
                passes
            }));
        }
        if times.is_empty() {
            return Ok(false);
        }
        leave_newest(&mut passing, times, wanted.newest.limit);
        let chosen = RowSelection::from_filters(&[BooleanArray::from(passing)]);
        self.rows = Some(match &self.rows {
            Some(rows) => rows.and_then(&chosen),
            None => chosen,
        });
        Ok(true)
    }

    /// The events of the rows that are left.
    async fn events(&self) -> Result<Vec<Ranked>> {
        let file = self.file;
        let all = vec![true; file.layout.leaves];
        let mut columns: Vec<Option<(String, Shape)>> =
            kept(&file.layout.parts, &all).into_iter().map(Some).collect();
        let order = &file.layout.order;
        let columns = order.iter().filter_map(|at| columns.get_mut(*at)?.take());
        let columns: Vec<(String, Shape)> = columns.collect();
        let at = |name: &str| columns.iter().position(|(own, _)| own == name);
        let [time, log_source, id] = [schema::TIME, schema::LOG_SOURCE, schema::EVENT_ID].map(at);
        let rebuild = Rebuild::new(columns);
        let mut keep = vec![false; file.layout.leaves];
        file.layout.parts.iter().for_each(|part| part.keep(&mut keep));
        let mut newest = TopRows::new(&file.wanted);
        let mut stream = self.stream(&keep)?;
        while let Some(batch) = stream.next().await {
            let batch: RecordBatch = batch?;
            let arrays = order.iter().filter_map(|at| batch.columns().get(*at).map(Arc::clone));
            let arrays: Vec<ArrayRef> = arrays.collect();
            let text = |column: Option<usize>, row: usize| {
                column.and_then(|at| arrays.get(at)).map_or("", |array| text_at(array, row))
            };
            let times = time.and_then(|at| arrays.get(at));
            let times =
                times.and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
            let times = times.ok_or_else(|| malformed("`time` has another type"))?;
            for row in 0..batch.num_rows() {
                let at = Timestamp::from_micros(times.value(row));
                newest.offer(at, text(id, row), || FoundEvent {
                    time: at,
                    log_source: text(log_source, row).to_owned(),
                    json: rebuild.json(&arrays, row),
                })?;
            }
        }
        Ok(newest.finish())
    }

    /// The rows that are left, with these leaves.
    fn stream(
        &self,
        keep: &[bool],
    ) -> Result<parquet::arrow::async_reader::ParquetRecordBatchStream<Source>> {
        let metadata = self.metadata.clone();
        let builder =
            ParquetRecordBatchStreamBuilder::new_with_metadata(self.source.clone(), metadata);
        let kept = keep.iter().enumerate().filter(|(_, is_kept)| **is_kept);
        let mask = ProjectionMask::leaves(builder.parquet_schema(), kept.map(|(leaf, _)| leaf));
        let builder = builder
            .with_row_groups(vec![self.group])
            .with_projection(mask)
            .with_batch_size(BATCH_ROWS);
        match &self.rows {
            Some(rows) => builder.with_row_selection(rows.clone()).build(),
            None => builder.build(),
        }
    }
}

/// Of the rows that pass, leaves the newest, and those that are as old as the last of them. `times` has
/// one time for each that passes.
fn leave_newest(passing: &mut [bool], times: Vec<i64>, limit: usize) {
    if times.len() <= limit {
        return;
    }
    let mut sorted = times.clone();
    let Some(last) = limit.checked_sub(1) else { return };
    let (_, oldest, _) = sorted.select_nth_unstable_by(last, |a, b| b.cmp(a));
    let mut times = times.into_iter();
    for passes in passing.iter_mut().filter(|passes| **passes) {
        *passes = times.next().is_some_and(|time| time >= *oldest);
    }
}

/// The newest of some rows.
struct TopRows<'w> {
    wanted: &'w Wanted,
    found: Vec<Ranked>,
    /// What they take in memory, about.
    bytes: usize,
    /// What is not before this one is not among the newest.
    last: Option<(Timestamp, String)>,
}

impl<'w> TopRows<'w> {
    const fn new(wanted: &'w Wanted) -> Self {
        Self { wanted, found: Vec::new(), bytes: 0, last: None }
    }

    fn offer(
        &mut self,
        time: Timestamp,
        id: &str,
        event: impl FnOnce() -> FoundEvent,
    ) -> Result<()> {
        let is_behind = |(last, last_id): &(Timestamp, String)| {
            time < *last || (time == *last && id >= last_id.as_str())
        };
        if self.last.as_ref().is_some_and(is_behind) {
            return Ok(());
        }
        let found = Ranked { event: event(), table: self.wanted.number, id: id.to_owned() };
        self.bytes += found.bytes();
        self.found.push(found);
        let is_much =
            self.found.len() >= self.wanted.newest.limit.saturating_mul(2).max(BATCH_ROWS);
        if is_much || self.bytes > self.wanted.newest.bytes_max {
            self.trim();
        }
        if self.bytes > self.wanted.newest.bytes_max {
            let exhausted = DataFusionError::ResourcesExhausted("too many events".to_owned());
            return Err(ParquetError::External(Box::new(exhausted)));
        }
        Ok(())
    }

    fn trim(&mut self) {
        Ranked::sort(&mut self.found);
        self.found.truncate(self.wanted.newest.limit);
        self.bytes = self.found.iter().map(Ranked::bytes).sum();
        if self.found.len() == self.wanted.newest.limit {
            self.last = self.found.last().map(|last| (last.event.time, last.id.clone()));
        }
    }

    fn finish(mut self) -> Vec<Ranked> {
        self.trim();
        self.found
    }
}

/// The text of a cell; empty if it is null or no text.
fn text_at(array: &ArrayRef, row: usize) -> &str {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let key = dictionary.is_valid(row).then(|| usize::try_from(dictionary.keys().value(row)));
        let texts = dictionary.values().as_string_opt::<i32>();
        return key.zip(texts).and_then(|(key, texts)| Some(texts.value(key.ok()?))).unwrap_or("");
    }
    array.as_string_opt::<i32>().map_or("", |texts| texts.value(row))
}

fn malformed(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}
