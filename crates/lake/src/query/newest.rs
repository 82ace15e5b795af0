//! A search without pipes: the newest events that pass, read from the newest file on until there are
//! enough.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arrow::{array::AsArray, datatypes::TimestampMicrosecondType, record_batch::RecordBatch};
use base::{Timestamp, limits};
use datafusion::error::DataFusionError;
use futures::StreamExt as _;
use parquet::{arrow::arrow_reader::RowSelection, errors::ParquetError};
use tokio::task::JoinSet;

use super::{
    direct::{self, Newest, OpenFile, Ranked},
    engine::{FoundEvent, Rows},
    error::QueryError,
    plan::{Planner, column, event},
    provider::{LakeTable, ask_index, rows_left},
    search::ast::Node,
    wanted::wanted_of,
};
use crate::{index::Wanted, schema, snapshot::DataFile};

/// How many bytes of files are searched before it is asked whether there are enough events; twice as
/// many after each look.
const WAVE_BYTES: u64 = 32 << 20;

/// A file, and its table by its place among the tables.
type OfTable = (usize, DataFile);

/// A file of a table, and its rows that are to be read: all if not said.
type Chosen = (usize, DataFile, Option<RowSelection>);

/// What one table is asked.
struct Asked {
    wanted: Arc<direct::Wanted>,
    of_index: Wanted,
}

/// A search that is under way.
struct Running<'p> {
    planner: &'p Planner<'p>,
    condition: &'p Node,
    newest: Newest,
    /// By table; those that a file was read of.
    asked: HashMap<usize, Asked>,
    found: Vec<Ranked>,
}

/// Answers with the newest events that pass.
pub(super) async fn run(
    planner: &Planner<'_>,
    condition: &Node,
    limit: usize,
) -> Result<Rows, QueryError> {
    let mut running = Running::new(planner, condition, limit);
    let mut files = running.files();
    let mut wave_bytes = WAVE_BYTES;
    while let Some((_, next)) = files.last() {
        let is_enough = limit.checked_sub(1).and_then(|last| running.found.get(last));
        if limit == 0 || is_enough.is_some_and(|last| last.event.time > last_time(next)) {
            break;
        }
        let chosen = running.choose(wave(&mut files, wave_bytes)).await;
        running.read(chosen).await?;
        wave_bytes = wave_bytes.saturating_mul(2);
    }
    Ok(Rows::Events(running.found.into_iter().map(|ranked| ranked.event).collect()))
}

/// Asks the search index what the condition leaves to be read.
pub(super) async fn estimate(planner: &Planner<'_>, condition: &Node) {
    let mut running = Running::new(planner, condition, 0);
    let files = running.files();
    running.choose(files).await;
}

impl<'p> Running<'p> {
    fn new(planner: &'p Planner<'p>, condition: &'p Node, limit: usize) -> Self {
        let newest = Newest {
            range: planner.range,
            limit,
            cut: Arc::new(AtomicI64::new(i64::MIN)),
            bytes_max: planner.engine.memory_bytes(),
            report: Arc::clone(&planner.report),
        };
        Self { planner, condition, newest, asked: HashMap::new(), found: Vec::new() }
    }

    /// The files that may hold events of the range, the newest last.
    fn files(&self) -> Vec<OfTable> {
        let mut files: Vec<OfTable> = Vec::new();
        for (at, table) in self.planner.tables.iter().enumerate() {
            let these = table.files.iter().filter(|file| self.newest.range.may_hold(file));
            files.extend(these.map(|file| (at, file.clone())));
        }
        files.sort_by(|(_, a), (_, b)| {
            (a.day, last_time(a), &a.path).cmp(&(b.day, last_time(b), &b.path))
        });
        files
    }

    /// The files that the search index does not rule out, the newest first.
    async fn choose(&mut self, files: Vec<OfTable>) -> Vec<Chosen> {
        for (number, _) in &files {
            if let Some(table) = self.planner.tables.get(*number) {
                self.asked.entry(*number).or_insert_with(|| Asked {
                    wanted: Arc::new(direct::Wanted::new(
                        table,
                        *number,
                        self.condition,
                        &self.newest,
                    )),
                    of_index: wanted_of(table, self.condition),
                });
            }
        }
        let using = self.planner.engine.index_use(&self.newest.report);
        let (using, asked, tables) = (&using, &self.asked, &self.planner.tables);
        let asks = files.into_iter().map(|(number, file)| async move {
            let kept = match (tables.get(number), asked.get(&number)) {
                (Some(table), Some(asked)) => ask_index(table, &file, &asked.of_index, using).await,
                _ => None,
            };
            (number, file, kept)
        });
        let answers: Vec<_> =
            futures::stream::iter(asks).buffered(limits::INDEX_CONCURRENCY).collect().await;
        self.newest
            .report
            .files(answers.len(), answers.iter().map(|(_, file, kept)| (file, kept.as_ref())));
        let left = answers.into_iter();
        left.filter_map(|(number, file, kept)| Some((number, file, rows_left(kept)?))).collect()
    }

    /// Reads files, as many row groups at once as there are processors.
    async fn read(&mut self, chosen: Vec<Chosen>) -> Result<(), QueryError> {
        const LOOK: Duration = Duration::from_millis(limits::QUERY_LOOK_MILLISECONDS);
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut odd: BTreeMap<usize, Vec<DataFile>> = BTreeMap::new();
        let mut chosen: VecDeque<Chosen> = chosen.into();
        let mut groups: VecDeque<(Arc<OpenFile>, usize)> = VecDeque::new();
        // Dropped with the search: whoever no longer waits for it has it end.
        let mut reading: JoinSet<Result<Vec<Ranked>, ParquetError>> = JoinSet::new();
        loop {
            while reading.len() < at_once {
                if let Some((file, group)) = groups.pop_front() {
                    reading.spawn(direct::read(file, group));
                    continue;
                }
                let Some((number, file, rows)) = chosen.pop_front() else { break };
                let Some(asked) = self.asked.get(&number) else { continue };
                let opened = direct::open(Arc::clone(&asked.wanted), &file, rows).await;
                match opened.map_err(|error| self.failed(error))? {
                    Some(file) => {
                        let these = file.groups().into_iter();
                        groups.extend(these.map(|group| (Arc::clone(&file), group)));
                    }
                    None => odd.entry(number).or_default().push(file),
                }
            }
            if reading.is_empty() {
                break;
            }
            let ended = tokio::time::timeout(LOOK, reading.join_next()).await;
            self.planner.engine.check_read(&self.newest.report)?;
            if let Ok(Some(found)) = ended {
                let found =
                    found.map_err(|error| QueryError::Failed { message: error.to_string() });
                let found = found?.map_err(|error| self.failed(error))?;
                self.add(found)?;
            }
        }
        for (table, files) in odd {
            let found = self.read_by_engine(table, files).await?;
            self.add(found)?;
        }
        Ok(())
    }

    fn failed(&self, error: ParquetError) -> QueryError {
        self.planner.engine.failed(&DataFusionError::from(error))
    }

    /// Adds events, and leaves the newest.
    fn add(&mut self, found: Vec<Ranked>) -> Result<(), QueryError> {
        if found.is_empty() {
            return Ok(());
        }
        self.found.extend(found);
        Ranked::sort(&mut self.found);
        self.found.truncate(self.newest.limit);
        let last = self.newest.limit.checked_sub(1).and_then(|last| self.found.get(last));
        if let Some(last) = last {
            self.newest.cut.store(last.event.time.as_micros(), Ordering::Relaxed);
        }
        self.planner.engine.check_memory(self.found.iter().map(Ranked::bytes).sum())
    }

    /// Reads files whose columns are not simply those of their table.
    async fn read_by_engine(
        &self,
        table: usize,
        files: Vec<DataFile>,
    ) -> Result<Vec<Ranked>, QueryError> {
        let Planner { engine, tables, report, .. } = self.planner;
        let failed = |error: DataFusionError| engine.failed(&error);
        let Some(snapshot) = tables.get(table) else { return Ok(Vec::new()) };
        let context = engine.context()?;
        let provider = LakeTable::of_files(Arc::clone(snapshot), files);
        let frame = self.planner.filtered_rows(&context, provider, snapshot, self.condition);
        // Ordered and cut first: only the rows that are shown become events.
        let order = vec![
            column(schema::TIME).sort(false, false),
            column(schema::EVENT_ID).sort(true, true),
        ];
        let shown = [schema::TIME, schema::LOG_SOURCE, schema::EVENT_ID].map(column);
        let frame = frame
            .and_then(|frame| frame.sort(order))
            .and_then(|frame| frame.limit(0, Some(self.newest.limit)))
            .and_then(|frame| frame.select(shown.into_iter().chain([event(snapshot)])))
            .map_err(failed)?;
        let plan = frame.create_physical_plan().await.map_err(failed)?;
        let batches = engine.drain(&plan, context.task_ctx(), report).await?;
        let found = batches.iter().flat_map(found_events);
        Ok(found.map(|(event, id)| Ranked { event, table, id }).collect())
    }
}

fn found_events(batch: &RecordBatch) -> Vec<(FoundEvent, String)> {
    let times = batch.column(0).as_primitive_opt::<TimestampMicrosecondType>();
    let text = |column: usize| batch.column(column).as_string_opt::<i32>();
    let (Some(times), Some(sources), Some(ids), Some(events)) = (times, text(1), text(2), text(3))
    else {
        return Vec::new();
    };
    (0..batch.num_rows())
        .map(|row| {
            let event = FoundEvent {
                time: Timestamp::from_micros(times.value(row)),
                log_source: sources.value(row).to_owned(),
                json: events.value(row).to_owned(),
            };
            (event, ids.value(row).to_owned())
        })
        .collect()
}

/// No event of a file is after this.
fn last_time(file: &DataFile) -> Timestamp {
    file.time_max.unwrap_or_else(|| file.day.start().plus_micros(86_399_999_999))
}

/// Takes the newest files of one day, of so many bytes or just above.
fn wave(files: &mut Vec<OfTable>, bytes_max: u64) -> Vec<OfTable> {
    let mut taken = Vec::new();
    let mut bytes = 0_u64;
    let day = files.last().map(|(_, file)| file.day);
    while bytes < bytes_max
        && let Some((table, file)) = files.pop_if(|(_, file)| Some(file.day) == day)
    {
        bytes = bytes.saturating_add(file.bytes);
        taken.push((table, file));
    }
    taken
}
