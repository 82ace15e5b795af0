//! The commands that add fields to rows, and `sql`, which makes others of them.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::{
    common::{
        DFSchema, JoinType,
        tree_node::{Transformed, TreeNode as _},
    },
    error::DataFusionError,
    execution::context::SQLOptions,
    functions::expr_fn::coalesce,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable as _, Operator, cast, expr::ScalarFunction, lit, try_cast,
    },
    sql::{
        parser::Statement as DfStatement,
        sqlparser::ast::{ExprWithAlias, Statement as SqlStatement},
    },
};

use super::{EVENT, EVENT_SHOWN, State, state_after};
use crate::{
    query::{
        error::{Excerpt, QueryError},
        explain::plan_error,
        functions::{Kind, RowFunction},
        lookup::{LookupFunction, missing},
        plan::{Planner, column, folded},
        regexp::Regexp,
        search::{
            Search,
            formula::{Formula, ROWS, Statement},
        },
        shape::Shape,
    },
    schema,
};

/// A mistake in what a command says.
fn mistake(planner: &Planner<'_>, at: usize, message: String, help: Option<&str>) -> QueryError {
    let at = Excerpt::at_byte(planner.text, at);
    QueryError::Pipe { message, at, help: help.map(str::to_owned) }
}

/// What the engine says of SQL in the line, at the place of that SQL.
fn sql_error(planner: &Planner<'_>, error: &DataFusionError, at: usize) -> QueryError {
    match plan_error(error, "") {
        QueryError::Plan { message, help, .. } => mistake(planner, at, message, help.as_deref()),
        other => other,
    }
}

impl<'p> State<'p> {
    /// Computes one field after the other.
    pub(super) fn eval(mut self, formulas: &[(String, Formula)]) -> Result<Self, QueryError> {
        let planner = self.planner;
        for (name, formula) in formulas {
            let schema = self.frame.schema();
            let spelled = ExprWithAlias { expr: formula.expr.clone(), alias: None };
            let expr = self
                .context
                .state()
                .create_logical_expr_from_sql_expr(spelled, schema)
                .and_then(|expr| as_numbers(expr, schema))
                .and_then(|expr| {
                    let found = expr.get_type(schema)?;
                    Ok(plain(expr, &found))
                });
            let expr = expr.map_err(|error| sql_error(planner, &error, formula.at))?;
            self = self
                .with_fields(vec![(name.clone(), expr)])
                .map_err(|error| planner.engine.failed(&error))?;
        }
        Ok(self)
    }

    /// What the groups of an expression hold. A field stays as it is where nothing is found.
    pub(super) fn rex(self, field: &str, regexp: &Regexp) -> Result<Self, DataFusionError> {
        let text = cast(column(field), DataType::Utf8);
        let names = self.names();
        let groups = regexp.groups().into_iter().map(|group| {
            let kind = Kind::Capture { regexp: regexp.clone(), group: group.to_owned() };
            let found = RowFunction::call(kind, vec![text.clone()]);
            let kept = names.iter().any(|name| name == group);
            let value = if kept {
                coalesce(vec![found, cast(column(group), DataType::Utf8)])
            } else {
                found
            };
            (group.to_owned(), value)
        });
        let groups = groups.collect();
        self.with_fields(groups)
    }

    /// Columns of the row that a lookup table has for a field's value, as of the event's time.
    pub(super) fn lookup(
        self,
        table: &str,
        field: &str,
        columns: &[(String, String)],
        at: usize,
    ) -> Result<Self, QueryError> {
        let planner = self.planner;
        let lookups = planner.engine.lookups();
        let known = lookups.columns(table).unwrap_or_default();
        let all: Vec<(String, String)>;
        let columns = if columns.is_empty() {
            all = known.into_iter().map(|name| (name.clone(), name)).collect();
            &all
        } else {
            columns
        };
        let wrong = columns.first().map_or_else(
            || missing(lookups.as_ref(), table, None),
            |_| {
                let mut names = columns.iter().map(|(column, _)| column.as_str());
                names.find_map(|name| missing(lookups.as_ref(), table, Some(name)))
            },
        );
        if let Some(message) = wrong {
            return Err(mistake(planner, at, message, None));
        }
        if columns.is_empty() {
            let message = format!("`{table}` does not say which columns it has");
            return Err(mistake(planner, at, message, Some("name them behind `output`")));
        }
        if let Some((_, own)) = columns.iter().find(|(_, name)| is_fixed(name)) {
            let message = format!("`{own}` can't be looked up");
            return Err(mistake(planner, at, message, Some("give it another name with `as`")));
        }
        let is_event = self.is_events;
        let fields = columns.iter().map(|(column_name, name)| {
            let mut args = vec![
                lit(table.to_owned()),
                cast(column(field), DataType::Utf8),
                lit(column_name.clone()),
            ];
            if is_event {
                args.push(column(schema::TIME));
            }
            (name.clone(), LookupFunction::udf(lookups).call(args))
        });
        let fields = fields.collect();
        self.with_fields(fields).map_err(|error| planner.engine.failed(&error))
    }

    /// The fields of the rows that another search makes, where these fields are the same.
    pub(super) async fn join(
        self,
        keeps_all: bool,
        on: &[String],
        search: &Search,
        at: usize,
    ) -> Result<Self, QueryError> {
        let planner = self.planner;
        let inner = Planner {
            engine: planner.engine,
            text: planner.text,
            range: planner.range,
            tables: planner.engine.chosen(search, planner.text).await?,
            report: Arc::clone(&planner.report),
        };
        let (condition, pipes) = folded(search.clone());
        let made = Box::pin(state_after(&inner, &condition, &pipes)).await?;
        let Some(made) = made else { return Ok(self) };
        if made.is_events {
            let help = "end it with `stats`, `fields` or another command that makes columns";
            let message = "the search in brackets makes events, not columns".to_owned();
            return Err(mistake(planner, at, message, Some(help)));
        }
        let names = made.names();
        if let Some(name) = on.iter().find(|name| !names.contains(name)) {
            let message = format!("the search in brackets has no field `{name}`");
            let help = format!("its fields are {}", names.join(", "));
            return Err(mistake(planner, at, message, Some(&help)));
        }
        let added: Vec<&String> = names.iter().filter(|name| !on.contains(name)).collect();
        if let Some(name) = added.iter().find(|name| is_fixed(name)) {
            let message = format!("the search in brackets has a field `{name}`, as events have");
            return Err(mistake(planner, at, message, Some("`rename` it there")));
        }
        let (added, right) = (added.into_iter().cloned().collect(), made.frame.clone());
        self.joined(keeps_all, on, added, right).map_err(|error| planner.engine.failed(&error))
    }

    fn joined(
        mut self,
        keeps_all: bool,
        on: &[String],
        added: Vec<String>,
        right: datafusion::dataframe::DataFrame,
    ) -> Result<Self, DataFusionError> {
        let marked = |name: &String| format!("\0joined {name}");
        let own = |frame: &datafusion::dataframe::DataFrame, name: &str| {
            frame.schema().as_arrow().field_with_name(name).map(|field| field.data_type().clone())
        };
        let columns = right.schema().fields().iter().map(|field| field.name().clone());
        let columns: Vec<String> = columns.filter(|name| name != EVENT).collect();
        let right = right.select(columns.iter().map(|name| column(name).alias(marked(name))))?;
        let mut keys = Vec::new();
        for name in on {
            let of_left = own(&self.frame, name)?;
            let of_right = own(&right, &marked(name))?;
            let (left, right) = (column(name), column(&marked(name)));
            keys.push(if of_left == of_right {
                left.eq(right)
            } else if of_left.is_numeric() && of_right.is_numeric() {
                cast(left, DataType::Float64).eq(cast(right, DataType::Float64))
            } else {
                cast(left, DataType::Utf8).eq(cast(right, DataType::Utf8))
            });
        }
        let kind = if keeps_all { JoinType::Left } else { JoinType::Inner };
        let names = self.names();
        let left_types: Vec<_> = added.iter().map(|name| own(&self.frame, name).ok()).collect();
        let right_types: Vec<_> =
            added.iter().map(|name| own(&right, &marked(name)).ok()).collect();
        self.frame = self.frame.join_on(right, kind, keys)?;
        let fields = added.iter().zip(left_types.into_iter().zip(right_types));
        let fields = fields.map(|(name, (of_left, of_right))| {
            let value = column(&marked(name));
            // Rows that have nothing to join keep what they had.
            let keeps = keeps_all && names.contains(name) && of_left == of_right;
            (name.clone(), if keeps { coalesce(vec![value, column(name)]) } else { value })
        });
        let fields = fields.collect();
        self.with_fields_of(names, fields)
    }

    /// Other rows, made by a statement over these.
    pub(super) async fn sql(mut self, statement: &Statement) -> Result<Self, QueryError> {
        let planner = self.planner;
        let failed = |error: &DataFusionError| sql_error(planner, error, statement.at);
        let shown = self.names();
        let mut columns: Vec<Expr> = shown.iter().map(|name| column(name)).collect();
        if self.is_events && !shown.iter().any(|name| name == EVENT_SHOWN) {
            columns.push(column(EVENT).alias(EVENT_SHOWN));
        }
        let rows = self.frame.select(columns).map_err(|error| failed(&error))?;
        self.context.register_table(ROWS, rows.into_view()).map_err(|error| failed(&error))?;
        let query = SqlStatement::Query(statement.query.clone());
        let query = DfStatement::Statement(Box::new(query));
        let plan = self.context.state().statement_to_plan(query).await;
        let plan = plan.map_err(|error| failed(&error))?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|error| failed(&error))?;
        let frame = self.context.execute_logical_plan(plan).await;
        self.frame = frame.map_err(|error| failed(&error))?;
        (self.order, self.is_events, self.is_cut) = (Vec::new(), false, true);
        Ok(self)
    }

    fn with_fields(self, fields: Vec<(String, Expr)>) -> Result<Self, DataFusionError> {
        let names = self.names();
        self.with_fields_of(names, fields)
    }

    /// Rows of these columns and the new ones, which the events get too.
    fn with_fields_of(
        mut self,
        names: Vec<String>,
        fields: Vec<(String, Expr)>,
    ) -> Result<Self, DataFusionError> {
        let is_new = |name: &String| fields.iter().any(|(other, _)| other == name);
        let orders = |name: &String| {
            self.order.iter().any(|key| key.expr.column_refs().iter().any(|own| own.name == *name))
        };
        if names.iter().any(|name| is_new(name) && orders(name)) {
            self = self.sorted()?;
        }
        let kept = names.iter().filter(|name| !is_new(name)).map(|name| column(name));
        let mut columns: Vec<Expr> = kept.collect();
        columns.extend(fields.iter().map(|(name, value)| value.clone().alias(name)));
        if self.is_events {
            columns.push(column(EVENT).alias(EVENT));
        }
        self.frame = self.frame.select(columns)?;
        for (name, _) in &fields {
            if !self.shown.contains(name) {
                self.shown.push(name.clone());
            }
        }
        if !self.is_events {
            return Ok(self);
        }
        // In a step of its own, so that a value is computed once.
        let schema = self.frame.schema().as_arrow();
        let shape = |name: &str| schema.field_with_name(name).map(Shape::of);
        let shapes = fields.iter().map(|(name, _)| shape(name)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<String> = fields.into_iter().map(|(name, _)| name).collect();
        let mut args = vec![column(EVENT)];
        args.extend(names.iter().map(|name| column(name)));
        let event = RowFunction::call(Kind::With { names, shapes }, args).alias(EVENT);
        let mut columns: Vec<Expr> = self.names().iter().map(|name| column(name)).collect();
        columns.push(event);
        self.frame = self.frame.select(columns)?;
        Ok(self)
    }
}

const fn is_ordering(operator: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(operator, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// What every event has, and no command changes.
fn is_fixed(name: &str) -> bool {
    [schema::TIME, schema::LOG_SOURCE].contains(&name)
}

/// A value in one of the types that columns of tables have.
fn plain(expr: Expr, found: &DataType) -> Expr {
    match found {
        DataType::Int64
        | DataType::Float64
        | DataType::Boolean
        | DataType::Utf8
        | DataType::List(_) => expr,
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => cast(expr, DataType::Utf8),
        found if found.is_integer() => cast(expr, DataType::Int64),
        found if found.is_numeric() => cast(expr, DataType::Float64),
        DataType::Timestamp(..) => {
            cast(expr, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
        }
        _ => expr,
    }
}

/// Text that is calculated with, or compared with a number, is read as one: logs often have numbers
/// as text.
fn as_numbers(expr: Expr, schema: &DFSchema) -> Result<Expr, DataFusionError> {
    /// Functions over numbers.
    const OVER_NUMBERS: [&str; 15] = [
        "abs", "ceil", "exp", "floor", "ln", "log", "log10", "log2", "pow", "power", "round",
        "signum", "sqrt", "trunc", "sign",
    ];
    let is_text = |expr: &Expr| {
        expr.get_type(schema).is_ok_and(|found| {
            matches!(found, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8)
        })
    };
    let is_number = |expr: &Expr| expr.get_type(schema).is_ok_and(|found| found.is_numeric());
    let number = |expr: Expr| {
        if is_text(&expr) { try_cast(expr, DataType::Float64) } else { expr }
    };
    let changed = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let is_sum = matches!(op, Operator::Multiply | Operator::Divide | Operator::Modulo)
                    || (matches!(op, Operator::Plus | Operator::Minus)
                        && [&left, &right].iter().all(|side| is_text(side) || is_number(side)));
                let is_comparison = is_ordering(op) && (is_number(&left) || is_number(&right));
                if is_sum || is_comparison {
                    let (left, right) = (Box::new(number(*left)), Box::new(number(*right)));
                    Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                } else {
                    Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
                }
            }
            Expr::ScalarFunction(call) if OVER_NUMBERS.contains(&call.func.name()) => {
                let args = call.args.into_iter().map(number).collect();
                Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: call.func, args }))
            }
            Expr::Between(mut between) if is_number(&between.low) || is_number(&between.high) => {
                between.expr = Box::new(number(*between.expr));
                Transformed::yes(Expr::Between(between))
            }
            Expr::InList(mut list) if list.list.iter().any(is_number) => {
                list.expr = Box::new(number(*list.expr));
                Transformed::yes(Expr::InList(list))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(changed.data)
}
