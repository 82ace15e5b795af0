//! A search line to a plan: which rows of which tables.

use std::sync::Arc;

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
    engine::{Engine, Rows, TimeRange},
    error::QueryError,
    functions::{Kind, RowFunction},
    names::spelled,
    newest, pipes,
    provider::LakeTable,
    report::ScanReport,
    search::{
        Search,
        ast::{Command, FieldTest, Node, Pipe},
        eval::UNSEARCHED,
    },
    shape::{Rebuild, Shape, shapes},
};
use crate::{schema, snapshot::TableSnapshot};

/// Plans one search.
pub(super) struct Planner<'e> {
    pub(super) engine: &'e Engine,
    pub(super) text: &'e str,
    pub(super) range: TimeRange,
    pub(super) tables: Vec<Arc<TableSnapshot>>,
    /// What is read is counted here.
    pub(super) report: Arc<ScanReport>,
}

/// A column by its exact name, dots and all.
pub(super) fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

impl Planner<'_> {
    pub(super) async fn run(&self, search: Search, limit: usize) -> Result<Rows, QueryError> {
        let (condition, pipes) = folded(search);
        if pipes.is_empty() {
            return newest::run(self, &condition, limit).await;
        }
        pipes::run(self, &condition, pipes, limit).await
    }

    /// Asks the search index what the condition leaves to be read.
    pub(super) async fn estimate(&self, search: Search) {
        newest::estimate(self, &folded(search).0).await;
    }

    /// The rows of a table that are in the range and pass.
    pub(super) fn filtered(
        &self,
        context: &SessionContext,
        table: &Arc<TableSnapshot>,
        node: &Node,
    ) -> Result<DataFrame, DataFusionError> {
        let files = table.files.iter().filter(|file| self.range.may_hold(file)).cloned().collect();
        let provider = LakeTable::of_files(Arc::clone(table), files)
            .with_index(self.engine.index_use(&self.report));
        self.filtered_rows(context, provider, table, node)
    }

    /// The rows of some files of a table that are in the range and pass.
    pub(super) fn filtered_rows(
        &self,
        context: &SessionContext,
        files: LakeTable,
        table: &TableSnapshot,
        node: &Node,
    ) -> Result<DataFrame, DataFusionError> {
        let mut frame = context.read_table(Arc::new(files))?;
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

/// A condition over a table's columns; `None` if all rows pass.
pub(super) fn condition(table: &TableSnapshot, node: &Node) -> Option<Expr> {
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
    let Some(Place { name, expr, shape, path, .. }) = find(table, field) else {
        return rest(field);
    };
    let kind = Kind::FieldPasses { test: test.clone(), shape, path: path.map(FieldPath::new) };
    let found = RowFunction::call(kind, vec![expr]).or(rest(&name));
    // Of two fields that differ only in case, one has the column and the other is in `_rest`.
    if name == *field { found } else { found.or(rest(field)) }
}

/// Where a field is in a table.
pub(super) struct Place {
    /// The field's name in the table's own spelling.
    pub(super) name: String,
    /// The column, then the members of structs.
    pub(super) steps: Vec<String>,
    /// The same as an expression.
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
    let mut steps = vec![name.clone()];
    while let (Shape::Struct(members), Some(inside)) = (found, &path) {
        let (member, shape, rest) = step(members, inside)?;
        expr = get_field(expr, member.to_owned());
        steps.push(member.to_owned());
        name = format!("{name}.{member}");
        (found, path) = (shape, rest);
    }
    // A path that goes on inside a number or a text leads nowhere.
    let is_open = matches!(found, Shape::Json | Shape::List(_));
    let name = path.iter().fold(name, |name, path| format!("{name}.{path}"));
    (path.is_none() || is_open).then(|| Place { name, steps, expr, shape: found.clone(), path })
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
