//! What stands after the `|`s, as a plan over the events that were found.
//!
//! The events of all tables become rows of one form: `time`, `log_source`, the whole event as JSON,
//! and a column for every field that the pipes name. From there on each command is one step of a
//! plan. A command that changes fields of events changes their JSON and their columns alike, so that
//! the commands after it see the same event whichever of the two they read.

mod compute;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, TimeUnit};
use base::limits;
use datafusion::{
    common::ScalarValue,
    dataframe::DataFrame,
    error::DataFusionError,
    functions::expr_fn::{coalesce, date_bin},
    functions_aggregate::{
        expr_fn::{array_agg, avg, count, count_distinct, max, median, min, stddev, sum},
        first_last::{first_value_udaf, last_value_udaf},
    },
    logical_expr::{
        AggregateUDF, Expr, ExprFunctionExt as _, SortExpr, expr::NullTreatment, lit, try_cast,
    },
    prelude::SessionContext,
};

use super::{
    engine::Rows,
    error::{Excerpt, QueryError, nearest},
    functions::{Kind, RowFunction},
    plan::{Place, Planner, column, event, find},
    search::ast::{Aggregate, AggregateFunction, Command, Node, Pipe, SortKey},
    shape::{Edit, Rebuild, Shape, shapes},
};
use crate::{schema, snapshot::TableSnapshot};

/// The column of the whole event as JSON. No field can have this name: no search line holds a NUL.
const EVENT: &str = "\0event";

/// What that column is called in the answer.
const EVENT_SHOWN: &str = "event";

/// Runs the pipes over the events that pass the condition.
pub(super) async fn run(
    planner: &Planner<'_>,
    condition: &Node,
    pipes: Vec<Pipe>,
    limit: usize,
) -> Result<Rows, QueryError> {
    let failed = |error: DataFusionError| planner.engine.failed(&error);
    let Some(state) = state_after(planner, condition, &pipes).await? else {
        return Ok(Rows::Table { schema: Arc::new(Schema::empty()), batches: Vec::new() });
    };
    planner.engine.collect(state.finish(limit).map_err(failed)?, &planner.report).await
}

/// The rows that the commands make; `None` if there are no tables.
async fn state_after<'p>(
    planner: &'p Planner<'p>,
    condition: &Node,
    pipes: &[Pipe],
) -> Result<Option<State<'p>>, QueryError> {
    let fields = named_fields(pipes);
    let failed = |error: DataFusionError| planner.engine.failed(&error);
    let context = planner.engine.context()?;
    let Some(frame) = gather(planner, &context, condition, &fields).map_err(failed)? else {
        return Ok(None);
    };
    let order = vec![column(schema::TIME).sort(false, false)];
    let shown = vec![schema::TIME.to_owned(), schema::LOG_SOURCE.to_owned()];
    let mut state = State { planner, context, frame, order, is_events: true, shown, is_cut: false };
    for pipe in pipes {
        state.check(pipe)?;
        state = match &pipe.command {
            Command::Eval(formulas) => state.eval(formulas)?,
            Command::Lookup { table, field, columns } => {
                state.lookup(table, field, columns, pipe.at)?
            }
            Command::Join { keeps_all, on, search } => {
                state.join(*keeps_all, on, search, pipe.at).await?
            }
            Command::Sql(statement) => state.sql(statement).await?,
            command => state.apply(command).map_err(failed)?,
        };
    }
    Ok(Some(state))
}

struct State<'p> {
    planner: &'p Planner<'p>,
    /// What the frame belongs to.
    context: SessionContext,
    frame: DataFrame,
    /// How the rows are ordered.
    order: Vec<SortExpr>,
    /// Whether rows are still events.
    is_events: bool,
    /// The columns that are shown beside an event.
    shown: Vec<String>,
    /// Whether the number of rows was limited by a command.
    is_cut: bool,
}

/// The fields of events that the commands name, up to the one that makes other rows of them.
fn named_fields(pipes: &[Pipe]) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    let mut made: Vec<String> = Vec::new();
    for pipe in pipes {
        let perhaps = pipe.command.fields_perhaps();
        for name in pipe.command.fields().into_iter().chain(&perhaps) {
            let is_own = [schema::TIME, schema::LOG_SOURCE].contains(&name.as_str());
            if !is_own && !made.contains(name) && !fields.contains(name) {
                fields.push(name.clone());
            }
        }
        made.extend(pipe.command.makes());
        if pipe.command.ends_events() {
            break;
        }
    }
    fields
}

/// The events of all tables as rows of one form; `None` if there are no tables.
fn gather(
    planner: &Planner<'_>,
    context: &SessionContext,
    condition: &Node,
    fields: &[String],
) -> Result<Option<DataFrame>, DataFusionError> {
    let types: Vec<DataType> = fields.iter().map(|field| common_type(planner, field)).collect();
    let mut all: Option<DataFrame> = None;
    for table in &planner.tables {
        let frame = planner.filtered(context, table, condition)?;
        let mut columns =
            vec![column(schema::TIME), column(schema::LOG_SOURCE), event(table).alias(EVENT)];
        for (field, data_type) in fields.iter().zip(&types) {
            columns.push(value_of(table, field, data_type).alias(field));
        }
        let frame = frame.select(columns)?;
        all = Some(match all {
            None => frame,
            Some(before) => before.union(frame)?,
        });
    }
    Ok(all)
}

/// The type that a field has in every table that has a column for it; text where they differ.
fn common_type(planner: &Planner<'_>, field: &str) -> DataType {
    let mut types = planner.tables.iter().filter_map(|table| {
        let place = find(table, field)?;
        let is_scalar = place.path.is_none();
        Some(if is_scalar { scalar_type(&place.shape) } else { DataType::Utf8 })
    });
    match types.next() {
        Some(first) if types.all(|other| other == first) => first,
        _ => DataType::Utf8,
    }
}

fn scalar_type(shape: &Shape) -> DataType {
    match shape {
        Shape::Int => DataType::Int64,
        Shape::Float => DataType::Float64,
        Shape::Bool => DataType::Boolean,
        Shape::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        _ => DataType::Utf8,
    }
}

/// A field's value: from its column, or else from `_rest`.
fn value_of(table: &TableSnapshot, field: &str, data_type: &DataType) -> Expr {
    let place = find(table, field);
    let spelled = place.as_ref().map_or(field, |place| &place.name);
    let mut args = vec![column(schema::REST)];
    args.extend(spelled.split('.').map(lit));
    let rest = RowFunction::call(Kind::Rest, args);
    let rest = if *data_type == DataType::Utf8 { rest } else { try_cast(rest, data_type.clone()) };
    let Some(Place { expr, shape, path, .. }) = place else { return rest };
    let own = match path {
        Some(path) => RowFunction::call(Kind::JsonGet, vec![expr, lit(path)]),
        None if scalar_type(&shape) == *data_type && !needs_text(&shape) => expr,
        None => RowFunction::call(Kind::Text(shape), vec![expr]),
    };
    coalesce(vec![own, rest])
}

fn needs_text(shape: &Shape) -> bool {
    matches!(shape, Shape::List(_) | Shape::Struct(_) | Shape::Other)
}

impl State<'_> {
    /// The fields that the rows have as columns.
    fn names(&self) -> Vec<String> {
        let fields = self.frame.schema().fields().iter().map(|field| field.name().clone());
        fields.filter(|name| name != EVENT).collect()
    }

    /// Whether the rows have what the command names.
    fn check(&self, pipe: &Pipe) -> Result<(), QueryError> {
        let names = self.names();
        let wanted = pipe.command.fields();
        let Some(missing) = wanted.into_iter().find(|name| !names.contains(name)) else {
            return self.check_time(pipe);
        };
        let near = nearest(missing, names.iter().map(String::as_str));
        Err(QueryError::Pipe {
            message: format!("there is no field `{missing}` at this point"),
            at: Excerpt::at_byte(self.planner.text, pipe.at),
            help: Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the fields here are {}", names.join(", ")),
            }),
        })
    }

    /// Spans of time are made of a column `time` that holds times.
    fn check_time(&self, pipe: &Pipe) -> Result<(), QueryError> {
        let time = self.frame.schema().as_arrow().field_with_name(schema::TIME);
        let has_time = time.is_ok_and(|field| matches!(field.data_type(), DataType::Timestamp(..)));
        if has_time || !matches!(pipe.command, Command::Timechart { .. }) {
            return Ok(());
        }
        Err(QueryError::Pipe {
            message: "the rows have no `time` at this point".to_owned(),
            at: Excerpt::at_byte(self.planner.text, pipe.at),
            help: Some("put `timechart` before the commands that leave `time` out".to_owned()),
        })
    }

    fn apply(mut self, command: &Command) -> Result<Self, DataFusionError> {
        match command {
            Command::Where(node) => self.filter(node),
            Command::Keep(names) => {
                let kept = names.iter().map(|name| column(name)).collect();
                self.sorted()?.project(kept)
            }
            Command::Drop(names) => self.leave_out(names),
            Command::Sort(keys) => {
                self.order = keys
                    .iter()
                    .map(|SortKey { field, descending }| column(field).sort(!descending, false))
                    .collect();
                Ok(self)
            }
            Command::Head(count) => self.cut(*count),
            Command::Tail(count) => {
                let order = self.order.clone();
                self.order = order.iter().map(reversed).collect();
                let mut last = self.cut(*count)?;
                last.order = order;
                Ok(last)
            }
            Command::Stats { aggregates, by } => self.aggregate(Vec::new(), aggregates, by),
            Command::Top { count, fields, rarest } => self.top(*count, fields, *rarest),
            Command::Rename(pairs) => self.rename(pairs),
            Command::Dedup(names) => self.dedup(names),
            Command::Timechart { span_micros, aggregates, by } => {
                let span = ScalarValue::IntervalMonthDayNano(Some(
                    arrow::datatypes::IntervalMonthDayNano::new(
                        0,
                        0,
                        span_micros.saturating_mul(1000),
                    ),
                ));
                let origin = ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()));
                let bin =
                    date_bin(lit(span), column(schema::TIME), lit(origin)).alias(schema::TIME);
                self.aggregate(vec![bin], aggregates, by)
            }
            Command::Rex { field, regexp } => self.rex(field, regexp),
            // These have places in the line, or other searches inside, and are met before.
            Command::Eval(_) | Command::Lookup { .. } | Command::Join { .. } | Command::Sql(_) => {
                Ok(self)
            }
        }
    }

    fn filter(mut self, node: &Node) -> Result<Self, DataFusionError> {
        let columns = shapes(self.frame.schema().as_arrow());
        let json = if self.is_events {
            column(EVENT)
        } else {
            let args = columns.iter().map(|(name, _)| column(name)).collect();
            RowFunction::call(Kind::Event(Rebuild::new(columns)), args)
        };
        self.frame =
            self.frame.filter(RowFunction::call(Kind::EventPasses(node.clone()), vec![json]))?;
        Ok(self)
    }

    /// Puts the rows in their order now, so that columns the order needs may go.
    fn sorted(mut self) -> Result<Self, DataFusionError> {
        if !self.order.is_empty() {
            self.frame = self.frame.sort(std::mem::take(&mut self.order))?;
        }
        Ok(self)
    }

    fn project(mut self, columns: Vec<Expr>) -> Result<Self, DataFusionError> {
        self.frame = self.frame.select(columns)?;
        self.is_events = false;
        Ok(self)
    }

    fn leave_out(mut self, names: &[String]) -> Result<Self, DataFusionError> {
        self = self.sorted()?;
        self.shown.retain(|name| !names.contains(name));
        let kept = self.names().into_iter().filter(|name| !names.contains(name));
        let columns = kept.map(|name| column(&name)).collect();
        self.reshape(columns, Edit::Remove(names.to_vec()))
    }

    /// Chooses and names columns, and does the same to the event if rows are events.
    fn reshape(mut self, mut columns: Vec<Expr>, edit: Edit) -> Result<Self, DataFusionError> {
        if self.is_events {
            columns.push(RowFunction::call(Kind::Edited(edit), vec![column(EVENT)]).alias(EVENT));
        }
        self.frame = self.frame.select(columns)?;
        Ok(self)
    }

    fn cut(mut self, count: usize) -> Result<Self, DataFusionError> {
        let order = self.order.clone();
        self = self.sorted()?;
        self.frame = self.frame.limit(0, Some(count))?;
        self.order = order;
        self.is_cut = true;
        Ok(self)
    }

    /// Rows that lack one of the `by` fields belong to no group.
    fn aggregate(
        mut self,
        mut groups: Vec<Expr>,
        aggregates: &[Aggregate],
        by: &[String],
    ) -> Result<Self, DataFusionError> {
        for name in by {
            self.frame = self.frame.filter(column(name).is_not_null())?;
        }
        groups.extend(by.iter().map(|name| column(name)));
        let has_time = self.names().iter().any(|name| name == schema::TIME);
        let figures = aggregates.iter().map(|one| self.figure(one, has_time));
        let figures = figures.collect::<Result<Vec<_>, _>>()?;
        self.frame = self.frame.aggregate(groups.clone(), figures)?;
        self.order = groups
            .iter()
            .map(|group| column(&group.schema_name().to_string()).sort(true, false))
            .collect();
        (self.is_events, self.is_cut) = (false, true);
        Ok(self)
    }

    fn figure(&self, one: &Aggregate, has_time: bool) -> Result<Expr, DataFusionError> {
        let field = one.field.as_ref().map_or_else(|| lit(1_i64), |name| column(name));
        let is_number = one.field.as_ref().is_some_and(|name| {
            let found = self.frame.schema().as_arrow().field_with_name(name);
            found.is_ok_and(|field| field.data_type().is_numeric())
        });
        let number = || {
            if is_number { field.clone() } else { try_cast(field.clone(), DataType::Float64) }
        };
        // An event without the field has no first or last value of it.
        let in_time = |function: Arc<AggregateUDF>| {
            let order = has_time.then(|| column(schema::TIME).sort(true, false));
            function
                .call(vec![field.clone()])
                .order_by(order.into_iter().collect())
                .null_treatment(NullTreatment::IgnoreNulls)
                .build()
        };
        let figure = match one.function {
            AggregateFunction::Count => count(field.clone()),
            AggregateFunction::DistinctCount => count_distinct(field.clone()),
            AggregateFunction::Sum => sum(number()),
            AggregateFunction::Average => avg(number()),
            AggregateFunction::Min => min(field.clone()),
            AggregateFunction::Max => max(field.clone()),
            AggregateFunction::Values => array_agg(field.clone())
                .distinct()
                .order_by(vec![field.clone().sort(true, false)])
                .filter(field.clone().is_not_null())
                .build()?,
            AggregateFunction::List => array_agg(field.clone())
                .order_by(
                    has_time.then(|| column(schema::TIME).sort(true, false)).into_iter().collect(),
                )
                .filter(field.clone().is_not_null())
                .build()?,
            AggregateFunction::Median => median(number()),
            AggregateFunction::StandardDeviation => stddev(number()),
            AggregateFunction::First => in_time(first_value_udaf())?,
            AggregateFunction::Last => in_time(last_value_udaf())?,
        };
        Ok(figure.alias(&one.name))
    }

    fn top(
        mut self,
        rows: usize,
        fields: &[String],
        rarest: bool,
    ) -> Result<Self, DataFusionError> {
        self = self.aggregate(Vec::new(), &[Aggregate::rows()], fields)?;
        let mut order = vec![column("count").sort(rarest, false)];
        order.extend(fields.iter().map(|field| column(field).sort(true, false)));
        self.order = order;
        self.cut(rows)
    }

    /// A field that had the new name before is gone.
    fn rename(mut self, pairs: &[(String, String)]) -> Result<Self, DataFusionError> {
        self = self.sorted()?;
        let renamed = |name: &String| {
            let pair = pairs.iter().find(|(from, _)| from == name);
            match pair {
                Some((_, to)) => Some(to.clone()),
                None => (!pairs.iter().any(|(_, to)| to == name)).then(|| name.clone()),
            }
        };
        self.shown = self.shown.iter().filter_map(renamed).collect();
        let columns = self.names().into_iter().filter_map(|name| {
            let to = renamed(&name)?;
            Some(column(&name).alias(to))
        });
        let columns = columns.collect();
        self.reshape(columns, Edit::Rename(pairs.to_vec()))
    }

    fn dedup(mut self, names: &[String]) -> Result<Self, DataFusionError> {
        let on: Vec<Expr> = names.iter().map(|name| column(name)).collect();
        let all = self.frame.schema().fields().iter().map(|field| column(field.name())).collect();
        let mut order: Vec<SortExpr> = on.iter().map(|one| one.clone().sort(true, false)).collect();
        order.extend(self.order.iter().cloned());
        self.frame = self.frame.distinct_on(on, all, Some(order))?;
        Ok(self)
    }

    /// The frame to run: in its order, and, where rows are events, without the helper columns and
    /// with a limit.
    fn finish(mut self, limit: usize) -> Result<DataFrame, DataFusionError> {
        if self.is_events && !self.is_cut {
            self = self.cut(limit)?;
        }
        let mut state = self.sorted()?;
        if state.is_events {
            let shown = state.shown.iter().filter(|name| *name != EVENT_SHOWN);
            let mut columns: Vec<_> = shown.map(|name| column(name)).collect();
            columns.push(column(EVENT).alias(EVENT_SHOWN));
            state.frame = state.frame.select(columns)?;
        } else if !state.is_cut {
            state.frame = state.frame.limit(0, Some(limit.max(limits::SEARCH_ROWS_DEFAULT)))?;
        }
        Ok(state.frame)
    }
}

fn reversed(key: &SortExpr) -> SortExpr {
    SortExpr { asc: !key.asc, nulls_first: !key.nulls_first, ..key.clone() }
}
