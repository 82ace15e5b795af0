//! A search line to a plan: which rows of which tables, and, without pipes, in which order they are
//! read.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::AsArray, datatypes::TimestampMicrosecondType, record_batch::RecordBatch};
use base::{FieldPath, Timestamp};
use datafusion::{
    common::{Column, ScalarValue},
    dataframe::DataFrame,
    error::DataFusionError,
    functions::core::expr_fn::get_field,
    logical_expr::{Expr, lit, not},
    prelude::SessionContext,
};

use super::{
    engine::{Engine, FoundEvent, Rows, TimeRange},
    error::QueryError,
    functions::{Kind, RowFunction},
    names::spelled,
    pipes,
    provider::LakeTable,
    report::ScanReport,
    search::{
        Search,
        ast::{Command, FieldTest, Node, Pipe},
        eval::UNSEARCHED,
    },
    shape::{Rebuild, Shape, shapes},
};
use crate::{
    schema,
    snapshot::{DataFile, TableSnapshot},
};

/// Plans one search.
pub(super) struct Planner<'e> {
    pub(super) engine: &'e Engine,
    pub(super) text: &'e str,
    pub(super) range: TimeRange,
    pub(super) tables: Vec<Arc<TableSnapshot>>,
    /// What is read is counted here.
    pub(super) report: Arc<ScanReport>,
}

/// How many bytes of files are searched before it is asked whether there are enough events; twice as
/// many after each look.
const WAVE_BYTES: u64 = 32 << 20;

/// A file, and its table by its place among the tables.
type OfTable = (usize, DataFile);

/// An event that was found, with what orders events.
struct Ranked {
    event: FoundEvent,
    table: usize,
    id: String,
}

impl Ranked {
    /// The newest first; the table and the id order what happened at the same time, so that a search
    /// repeats itself.
    fn sort(found: &mut [Self]) {
        found.sort_by(|a, b| {
            let times = b.event.time.cmp(&a.event.time);
            times.then_with(|| a.table.cmp(&b.table)).then_with(|| a.id.cmp(&b.id))
        });
    }
}

/// A column by its exact name, dots and all.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

impl Planner<'_> {
    pub(super) async fn run(&self, search: Search, limit: usize) -> Result<Rows, QueryError> {
        let (condition, pipes) = folded(search);
        if pipes.is_empty() {
            return self.newest(&condition, limit).await;
        }
        pipes::run(self, &condition, pipes, limit).await
    }

    /// Asks the search index what the condition leaves to be read.
    pub(super) async fn estimate(&self, search: &Search) -> Result<(), QueryError> {
        let failed = |error: DataFusionError| self.engine.failed(&error);
        let mut condition = vec![search.condition.clone()];
        for pipe in &search.pipes {
            let Command::Where(node) = &pipe.command else { break };
            condition.push(node.clone());
        }
        let condition = Node::And(condition);
        let context = self.engine.context()?;
        for table in &self.tables {
            let frame = self.filtered(&context, table, None, &condition).map_err(failed)?;
            frame.create_physical_plan().await.map_err(failed)?;
        }
        Ok(())
    }

    /// The newest events that pass, read from the newest file on until there are enough.
    async fn newest(&self, condition: &Node, limit: usize) -> Result<Rows, QueryError> {
        let context = self.engine.context()?;
        let mut found: Vec<Ranked> = Vec::new();
        let mut files = self.files();
        let mut wave_bytes = WAVE_BYTES;
        while let Some((_, next)) = files.last() {
            let is_enough = limit.checked_sub(1).and_then(|last| found.get(last));
            if limit == 0 || is_enough.is_some_and(|last| last.event.time > last_time(next)) {
                break;
            }
            for (table, files) in wave(&mut files, wave_bytes) {
                found.extend(self.read(&context, table, files, condition, limit).await?);
            }
            Ranked::sort(&mut found);
            found.truncate(limit);
            wave_bytes = wave_bytes.saturating_mul(2);
        }
        Ok(Rows::Events(found.into_iter().map(|ranked| ranked.event).collect()))
    }

    /// The files that may hold events of the range, the newest last.
    fn files(&self) -> Vec<OfTable> {
        let mut files: Vec<OfTable> = Vec::new();
        for (at, table) in self.tables.iter().enumerate() {
            let these = table.files.iter().filter(|file| self.is_in_range(file));
            files.extend(these.map(|file| (at, file.clone())));
        }
        files.sort_by(|(_, a), (_, b)| {
            (a.day, last_time(a), &a.path).cmp(&(b.day, last_time(b), &b.path))
        });
        files
    }

    fn is_in_range(&self, file: &DataFile) -> bool {
        self.range.may_hold(file)
    }

    async fn read(
        &self,
        context: &SessionContext,
        table: usize,
        files: Vec<DataFile>,
        condition: &Node,
        limit: usize,
    ) -> Result<Vec<Ranked>, QueryError> {
        let failed = |error: DataFusionError| self.engine.failed(&error);
        let Some(snapshot) = self.tables.get(table) else { return Ok(Vec::new()) };
        let frame = self.filtered(context, snapshot, Some(files), condition).map_err(failed)?;
        // Ordered and cut first: only the rows that are shown become events.
        let order = vec![
            column(schema::TIME).sort(false, false),
            column(schema::EVENT_ID).sort(true, true),
        ];
        let shown = [schema::TIME, schema::LOG_SOURCE, schema::EVENT_ID].map(column);
        let frame = frame
            .sort(order)
            .and_then(|frame| frame.limit(0, Some(limit)))
            .and_then(|frame| frame.select(shown.into_iter().chain([event(snapshot)])))
            .map_err(failed)?;
        let plan = frame.create_physical_plan().await.map_err(failed)?;
        let batches = self.engine.drain(&plan, context.task_ctx(), &self.report).await?;
        let found = batches.iter().flat_map(found_events);
        Ok(found.map(|(event, id)| Ranked { event, table, id }).collect())
    }

    /// The rows of a table that are in the range and pass.
    pub(super) fn filtered(
        &self,
        context: &SessionContext,
        table: &Arc<TableSnapshot>,
        files: Option<Vec<DataFile>>,
        node: &Node,
    ) -> Result<DataFrame, DataFusionError> {
        let files = files.unwrap_or_else(|| {
            table.files.iter().filter(|file| self.is_in_range(file)).cloned().collect()
        });
        let provider = LakeTable::of_files(Arc::clone(table), files)
            .with_index(self.engine.index_use(&self.report));
        let mut frame = context.read_table(Arc::new(provider))?;
        let time = |time: Timestamp| {
            lit(ScalarValue::TimestampMicrosecond(Some(time.as_micros()), Some("UTC".into())))
        };
        if let Some(from) = self.range.from {
            frame = frame.filter(column(schema::TIME).gt_eq(time(from)))?;
        }
        if let Some(to) = self.range.to {
            frame = frame.filter(column(schema::TIME).lt(time(to)))?;
        }
        match condition(table, node) {
            Some(condition) => frame.filter(condition),
            None => Ok(frame),
        }
    }
}

/// The condition and the commands of a search. A `where` that comes first is part of the condition.
pub(super) fn folded(search: Search) -> (Node, Vec<Pipe>) {
    let Search { mut condition, pipes, .. } = search;
    let mut pipes = pipes.into_iter().peekable();
    while let Some(pipe) = pipes.next_if(|pipe| matches!(pipe.command, Command::Where(_))) {
        if let Command::Where(node) = pipe.command {
            condition = Node::And(vec![condition, node]);
        }
    }
    (condition, pipes.collect())
}

/// The row's event as JSON.
pub(super) fn event(table: &TableSnapshot) -> Expr {
    let columns = shapes(&table.schema);
    let columns: Vec<_> = columns.into_iter().filter(|(name, _)| name != schema::DAY).collect();
    let args = columns.iter().map(|(name, _)| column(name)).collect();
    RowFunction::call(Kind::Event(Rebuild::new(columns)), args)
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

/// Takes the newest files of one day, of so many bytes or just above, by table.
fn wave(files: &mut Vec<OfTable>, bytes_max: u64) -> BTreeMap<usize, Vec<DataFile>> {
    let mut taken: BTreeMap<usize, Vec<DataFile>> = BTreeMap::new();
    let mut bytes = 0_u64;
    let day = files.last().map(|(_, file)| file.day);
    while bytes < bytes_max
        && let Some((table, file)) = files.pop_if(|(_, file)| Some(file.day) == day)
    {
        bytes = bytes.saturating_add(file.bytes);
        taken.entry(table).or_default().push(file);
    }
    taken
}

/// A condition over a table's columns; `None` if all rows pass.
fn condition(table: &TableSnapshot, node: &Node) -> Option<Expr> {
    let all = |parts: &[Node]| parts.iter().map(|part| condition(table, part)).collect::<Vec<_>>();
    match node {
        Node::All => None,
        Node::And(parts) => all(parts).into_iter().flatten().reduce(Expr::and),
        Node::Or(parts) => {
            let parts = all(parts).into_iter().map(|part| part.unwrap_or_else(|| lit(true)));
            Some(parts.reduce(Expr::or).unwrap_or_else(|| lit(false)))
        }
        Node::Not(inner) => Some(condition(table, inner).map_or_else(|| lit(false), not)),
        Node::Word(word) => {
            let (args, shapes) = searched(table);
            Some(RowFunction::call(Kind::HasWord { word: word.clone(), shapes }, args))
        }
        Node::AnyField(test) => {
            let (args, shapes) = searched(table);
            Some(RowFunction::call(Kind::AnyPasses { test: test.clone(), shapes }, args))
        }
        Node::Field(test) => Some(field_condition(table, test)),
    }
}

/// The columns that words are looked for in.
fn searched(table: &TableSnapshot) -> (Vec<Expr>, Vec<Shape>) {
    let columns = shapes(&table.schema).into_iter();
    let columns = columns.filter(|(name, _)| !UNSEARCHED.contains(&name.as_str()));
    columns.map(|(name, shape)| (column(&name), shape)).unzip()
}

/// A field is looked for in its column, and in `_rest` too: its value may have had another type.
fn field_condition(table: &TableSnapshot, FieldTest { field, test }: &FieldTest) -> Expr {
    let rest = |name: &str| {
        let (shape, path) = (Shape::Json, Some(FieldPath::new(name)));
        let kind = Kind::FieldPasses { test: test.clone(), shape, path };
        RowFunction::call(kind, vec![column(schema::REST)])
    };
    let Some(Place { name, expr, shape, path }) = find(table, field) else { return rest(field) };
    let kind = Kind::FieldPasses { test: test.clone(), shape, path: path.map(FieldPath::new) };
    let found = RowFunction::call(kind, vec![expr]).or(rest(&name));
    // Of two fields that differ only in case, one has the column and the other is in `_rest`.
    if name == *field { found } else { found.or(rest(field)) }
}

/// Where a field is in a table.
pub(super) struct Place {
    /// The field's name in the table's own spelling.
    pub(super) name: String,
    /// The column, or the member of a struct.
    pub(super) expr: Expr,
    pub(super) shape: Shape,
    /// The way inside it, where it holds JSON.
    pub(super) path: Option<String>,
}

/// Finds the column that a field is, or is inside of.
pub(super) fn find(table: &TableSnapshot, field: &str) -> Option<Place> {
    let columns = shapes(&table.schema);
    let (name, shape, path) = step(&columns, field)?;
    let (mut found, mut name, mut path) = (shape, name.to_owned(), path);
    let mut expr = column(&name);
    while let (Shape::Struct(members), Some(inside)) = (found, &path) {
        let (member, shape, rest) = step(members, inside)?;
        expr = get_field(expr, member.to_owned());
        name = format!("{name}.{member}");
        (found, path) = (shape, rest);
    }
    // A path that goes on inside a number or a text leads nowhere.
    let is_open = matches!(found, Shape::Json | Shape::List(_));
    let name = path.iter().fold(name, |name, path| format!("{name}.{path}"));
    (path.is_none() || is_open).then(|| Place { name, expr, shape: found.clone(), path })
}

/// The member that `path` begins with: its whole name, or the part before its first dot.
fn step<'m>(
    members: &'m [(String, Shape)],
    path: &str,
) -> Option<(&'m str, &'m Shape, Option<String>)> {
    let names = || members.iter().map(|(name, _)| name.as_str());
    let (wanted, rest) = match spelled(path, names()) {
        Some(whole) => (whole, None),
        None => {
            let (first, rest) = path.split_once('.')?;
            (spelled(first, names())?, Some(rest.to_owned()))
        }
    };
    let (name, shape) = members.iter().find(|(name, _)| name == wanted)?;
    Some((name, shape, rest))
}
