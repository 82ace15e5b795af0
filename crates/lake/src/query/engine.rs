//! Runs queries: SQL text or a search line to rows.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use arrow::{
    array::{ArrayRef, UInt64Array},
    datatypes::SchemaRef,
    error::ArrowError,
    record_batch::RecordBatch,
};
use base::{Timestamp, limits};
use datafusion::{
    catalog::TableProvider,
    common::TableReference,
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{TaskContext, context::SQLOptions, runtime_env::RuntimeEnvBuilder},
    physical_plan::{ExecutionPlan, execute_stream},
    prelude::{SessionConfig, SessionContext},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::{
            ast::{Statement, visit_relations},
            dialect::GenericDialect,
            parser::Parser,
        },
    },
};
use futures::StreamExt as _;

use super::{
    error::{Excerpt, QueryError, nearest},
    explain::{first_line, plan_error, syntax},
    external::Opened,
    functions::{Kind, RowFunction},
    lookup::{LookupFunction, Lookups, NoLookups},
    names,
    params::Values,
    plan::Planner,
    provider::{IndexUse, LakeTable},
    report::{ScanReport, Scanned, bytes_scanned},
    scalar::ScalarFunction,
    search,
};
use crate::{
    schema,
    snapshot::{Catalog, TableSnapshot},
};

/// How large a query may become.
#[derive(Debug, Clone, Copy)]
pub struct QuerySettings {
    /// How much memory it may hold.
    pub memory_bytes: usize,
    /// Files from this size on are looked up in the search index; `None`: no file is.
    pub index_from_bytes: Option<u64>,
    /// How many bytes of data files it may read.
    pub bytes_max: u64,
    /// How long it may run.
    pub seconds_max: u64,
    /// How large a table may be that SQL reads without a bound on its time.
    pub unbounded_bytes_max: u64,
    /// How many bytes it may be estimated to read; one that may read more is not begun. `None`: it is begun,
    /// and ends when it has read [`Self::bytes_max`], which may be less as not all columns are read.
    pub estimate_max: Option<u64>,
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            memory_bytes: limits::QUERY_MEMORY_BYTES,
            index_from_bytes: Some(limits::INDEX_FILE_BYTES_MIN),
            bytes_max: limits::QUERY_BYTES_MAX,
            seconds_max: limits::QUERY_SECONDS_MAX,
            unbounded_bytes_max: limits::QUERY_UNBOUNDED_BYTES_MAX,
            estimate_max: None,
        }
    }
}

/// From when to when events are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeRange {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// A range that a person asked for.
    ///
    /// # Errors
    ///
    /// If it is empty.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Self, QueryError> {
        match (from, to) {
            (Some(from), Some(to)) if from >= to => Err(QueryError::EmptyRange { from, to }),
            _ => Ok(Self { from, to }),
        }
    }
}

/// What a query found.
#[derive(Debug, Clone)]
pub enum Rows {
    /// Rows of columns.
    Table {
        /// The columns.
        schema: SchemaRef,
        /// The rows.
        batches: Vec<RecordBatch>,
    },
    /// Events, newest first.
    Events(Vec<FoundEvent>),
}

/// One event that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    /// When it happened.
    pub time: Timestamp,
    /// Its log source.
    pub log_source: String,
    /// The whole event with its envelope, as a JSON object: its own fields as the source wrote
    /// them, then `ingest_time`, `event_id` and `origin`. Own fields whose names the envelope takes
    /// are inside `_rest`.
    pub json: String,
}

/// Answers queries over the tables of a catalog. Every query sees each table as of one version.
#[derive(Debug)]
pub struct Engine {
    catalog: Arc<dyn Catalog>,
    settings: QuerySettings,
    lookups: Arc<dyn Lookups>,
}

impl Engine {
    /// An engine over these tables.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, settings: QuerySettings) -> Self {
        Self { catalog, settings, lookups: Arc::new(NoLookups) }
    }

    /// The same engine, which knows these lookup tables.
    #[must_use]
    pub fn with_lookups(self, lookups: Arc<dyn Lookups>) -> Self {
        Self { lookups, ..self }
    }

    /// The lookup tables.
    pub(super) fn lookups(&self) -> &Arc<dyn Lookups> {
        &self.lookups
    }

    /// Answers one `SELECT`, `WITH … SELECT`, `EXPLAIN` or `EXPLAIN COST`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the text and where, or why the query failed.
    pub async fn sql(&self, text: &str) -> Result<Rows, QueryError> {
        Ok(self.sql_counted(text).await?.0)
    }

    /// As [`Self::sql`]; says also what was read.
    ///
    /// # Errors
    ///
    /// As [`Self::sql`].
    pub async fn sql_counted(&self, text: &str) -> Result<(Rows, Scanned), QueryError> {
        let report = Arc::new(ScanReport::begin());
        if let Some(query) = without_explain_cost(text) {
            let frame = self.planned(&query, &report).await?;
            frame.create_physical_plan().await.map_err(|error| self.failed(&error))?;
            let scanned = report.now();
            return Ok((cost(&scanned, self.settings.bytes_max)?, scanned));
        }
        let frame = self.planned(text, &report).await?;
        let rows = self.collect(frame, &report).await?;
        Ok((rows, report.now()))
    }

    /// The SQL of a saved search with its values.
    ///
    /// # Errors
    ///
    /// If a value stands where none can.
    pub fn sql_with(text: &str, values: &Values) -> Result<String, QueryError> {
        if values.is_empty() {
            return Ok(text.to_owned());
        }
        values.in_sql(text).map_err(|(message, at)| QueryError::Plan {
            message,
            at: Some(Excerpt::at_byte(text, at)),
            help: Some("let the value stand alone, or in quotes".to_owned()),
        })
    }

    /// What a text of SQL means. Its tables are registered, and none is read yet.
    async fn planned(&self, text: &str, report: &Arc<ScanReport>) -> Result<DataFrame, QueryError> {
        if text.len() > limits::QUERY_TEXT_BYTES_MAX {
            let what = format!("has {} bytes", text.len());
            return Err(QueryError::TooLarge { what, limit: limits::QUERY_TEXT_BYTES_MAX });
        }
        let mut statement = read_only(text)?;
        let mut names = self.catalog.table_names().await?;
        let context = self.context()?;
        let externals = self.externals(&statement, &names, &context, report).await?;
        names.extend(self.catalog.external_tables().iter().map(|table| table.name.clone()));
        let lower = text.to_ascii_lowercase();
        let mut tables = HashMap::new();
        for name in names.iter().filter(|name| lower.contains(&name.to_ascii_lowercase())) {
            if let Some(snapshot) = self.catalog.snapshot(name).await? {
                tables.insert(name.clone(), snapshot);
            }
        }
        let query = match &mut statement {
            Statement::Explain { statement, .. } => statement.as_mut(),
            statement => statement,
        };
        if let Statement::Query(query) = query {
            let columns = columns(&tables, &externals);
            for notice in names::resolve(query, text, &columns, &names)? {
                // What is near to a column's name is probably a slip of the finger.
                if notice.contains("did you mean") {
                    tracing::warn!(notice, "a name may be misspelled");
                } else {
                    tracing::debug!(notice, "a name is read from `_rest`");
                }
            }
        }
        // Bare: a plain text would be folded to lower case and cut at its dots.
        let register = |name: &str, table: Arc<dyn TableProvider>| {
            let registered = context.register_table(TableReference::bare(name), table);
            registered.map_err(|error| self.failed(&error))
        };
        for (name, snapshot) in &tables {
            let table = LakeTable::new(Arc::clone(snapshot)).with_index(self.index_use(report));
            register(name, Arc::new(table))?;
        }
        for (name, table) in externals {
            register(&name, table)?;
        }
        let plan_error = |error: &DataFusionError| plan_error(error, text);
        let statement = DfStatement::Statement(Box::new(statement));
        let plan = context.state().statement_to_plan(statement).await;
        let plan = plan.map_err(|error| plan_error(&error))?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|error| plan_error(&error))?;
        let frame = context.execute_logical_plan(plan).await;
        frame.map_err(|error| plan_error(&error))
    }

    /// The external tables that a statement names. No other is looked at.
    async fn externals(
        &self,
        statement: &Statement,
        of_lake: &[String],
        context: &SessionContext,
        report: &Arc<ScanReport>,
    ) -> Result<Vec<(String, Arc<Opened>)>, QueryError> {
        let mut named = HashSet::new();
        let noted: ControlFlow<()> = visit_relations(statement, |name| {
            named.extend(name.0.last().map(|part| part.to_string().to_ascii_lowercase()));
            ControlFlow::Continue(())
        });
        debug_assert!(noted.is_continue(), "nothing ends it early");
        let mut opened = Vec::new();
        for table in self.catalog.external_tables() {
            let name = table.name.to_ascii_lowercase();
            if !named.contains(&name) && !named.contains(&format!("\"{name}\"")) {
                continue;
            }
            if of_lake.contains(&table.name) {
                return Err(QueryError::ExternalClash { table: table.name.clone() });
            }
            opened.push((table.name.clone(), table.open(&context.state(), report).await?));
        }
        Ok(opened)
    }

    /// Answers a search line. Without pipes: the newest events that pass, at most `limit` (100
    /// where it is not said); days are read newest first, and no further than needed.
    ///
    /// # Errors
    ///
    /// As [`Self::sql`].
    pub async fn search(
        &self,
        text: &str,
        range: &TimeRange,
        limit: Option<usize>,
    ) -> Result<Rows, QueryError> {
        Ok(self.search_counted(text, range, limit).await?.0)
    }

    /// As [`Self::search`]; says also what was read.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub async fn search_counted(
        &self,
        text: &str,
        range: &TimeRange,
        limit: Option<usize>,
    ) -> Result<(Rows, Scanned), QueryError> {
        self.search_with(text, &Values::default(), range, limit).await
    }

    /// As [`Self::search_counted`], of a line in which values stand for `${name}`.
    ///
    /// # Errors
    ///
    /// As [`Self::sql`].
    pub async fn search_with(
        &self,
        text: &str,
        values: &Values,
        range: &TimeRange,
        limit: Option<usize>,
    ) -> Result<(Rows, Scanned), QueryError> {
        let search = search::parse_with(text, values)?;
        let tables = self.chosen(&search, text).await?;
        let report = Arc::new(ScanReport::begin());
        let planner =
            Planner { engine: self, text, range: *range, tables, report: Arc::clone(&report) };
        let rows = planner.run(search, limit.unwrap_or(limits::SEARCH_ROWS_DEFAULT)).await?;
        Ok((rows, report.now()))
    }

    /// Says what a search would read at most, by asking the search index, but no file. A search without
    /// pipes stops when it has found enough, and reads less then.
    ///
    /// # Errors
    ///
    /// As [`Self::search`].
    pub async fn estimate(
        &self,
        text: &str,
        values: &Values,
        range: &TimeRange,
    ) -> Result<Scanned, QueryError> {
        let search = search::parse_with(text, values)?;
        let tables = self.chosen(&search, text).await?;
        let report = Arc::new(ScanReport::begin());
        let planner =
            Planner { engine: self, text, range: *range, tables, report: Arc::clone(&report) };
        planner.estimate(search).await;
        Ok(report.now())
    }

    /// How scans of one query use the search index.
    pub(super) fn index_use(&self, report: &Arc<ScanReport>) -> IndexUse {
        // No file is as large as that.
        let from_bytes = self.settings.index_from_bytes.unwrap_or(u64::MAX);
        IndexUse { from_bytes, report: Arc::clone(report) }
    }

    pub(super) async fn chosen(
        &self,
        search: &search::Search,
        text: &str,
    ) -> Result<Vec<Arc<TableSnapshot>>, QueryError> {
        /// Tables of dab's own, which are searched only when they are named.
        const OWN: [&str; 2] = ["alerts", "matches"];
        let names = self.catalog.table_names().await?;
        let chosen: Vec<&String> = match &search.tables {
            None => names.iter().filter(|name| !OWN.contains(&name.as_str())).collect(),
            Some(wanted) => {
                for (pattern, name, at) in wanted {
                    self.refuse_external(name, text, *at)?;
                    if !names.iter().any(|known| pattern.matches_whole(known)) {
                        return Err(QueryError::UnknownTable {
                            name: name.clone(),
                            at: Some(Excerpt::at_byte(text, *at)),
                            near: nearest(name, names.iter().map(String::as_str))
                                .map(str::to_owned),
                        });
                    }
                }
                let is_wanted = |name: &&String| wanted.iter().any(|(p, ..)| p.matches_whole(name));
                names.iter().filter(is_wanted).collect()
            }
        };
        let catalog = &self.catalog;
        let opened = chosen.into_iter().map(|name| async move { catalog.snapshot(name).await });
        let opened = opened.collect::<Vec<_>>();
        let mut opened = futures::stream::iter(opened).buffered(limits::INDEX_CONCURRENCY);
        let mut tables = Vec::new();
        while let Some(snapshot) = opened.next().await {
            let snapshot = snapshot?;
            // A table of somebody else's, without the envelope, is no table of events.
            let is_events = |table: &Arc<TableSnapshot>| {
                [schema::TIME, schema::LOG_SOURCE, schema::REST]
                    .iter()
                    .all(|name| table.schema.field_with_name(name).is_ok())
            };
            tables.extend(snapshot.filter(is_events));
        }
        Ok(tables)
    }

    /// A search reads events, and an external table has none.
    fn refuse_external(&self, name: &str, text: &str, at: usize) -> Result<(), QueryError> {
        if !self.catalog.external_tables().iter().any(|table| table.name == name) {
            return Ok(());
        }
        Err(QueryError::Search {
            message: format!("`{name}` is an external table, and those have no events"),
            at: Excerpt::at_byte(text, at),
            help: Some(format!("ask it with SQL: `dab sql 'SELECT * FROM {name}'`")),
        })
    }

    /// Where the tables are found.
    pub(super) fn catalog(&self) -> &dyn Catalog {
        self.catalog.as_ref()
    }

    /// A session of its own for every query.
    pub(super) fn context(&self) -> Result<SessionContext, QueryError> {
        let config = SessionConfig::new()
            .set_bool("datafusion.sql_parser.enable_ident_normalization", false)
            .set_bool("datafusion.sql_parser.collect_spans", true)
            .set_bool("datafusion.execution.parquet.pushdown_filters", false);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(self.settings.memory_bytes, 1.0)
            .build_arc()
            .map_err(|error| self.failed(&error))?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        context.register_udf(RowFunction::udf(Kind::Rest));
        context.register_udf(RowFunction::udf(Kind::JsonGet));
        context.register_udf(LookupFunction::udf(&self.lookups));
        for function in ScalarFunction::all() {
            context.register_udf(function);
        }
        Ok(context)
    }

    pub(super) async fn collect(
        &self,
        frame: DataFrame,
        report: &ScanReport,
    ) -> Result<Rows, QueryError> {
        let schema = Arc::clone(frame.schema().inner());
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(|error| self.failed(&error))?;
        if let Some((table, bytes)) = report.unbounded()
            && bytes > self.settings.unbounded_bytes_max
        {
            return Err(QueryError::Unbounded { table, bytes });
        }
        let bytes = report.now().bytes_estimated;
        if let Some(limit) = self.settings.estimate_max.filter(|limit| bytes > *limit) {
            return Err(QueryError::Estimated { bytes, limit });
        }
        let batches = self.drain(&plan, context, report).await?;
        Ok(Rows::Table { schema, batches })
    }

    /// All rows of a plan, within the limits of a query.
    pub(super) async fn drain(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        report: &ScanReport,
    ) -> Result<Vec<RecordBatch>, QueryError> {
        const LOOK: Duration = Duration::from_millis(limits::QUERY_LOOK_MILLISECONDS);
        let failed = |error: DataFusionError| {
            external_error(&error, report).unwrap_or_else(|| self.failed(&error))
        };
        let mut stream = execute_stream(Arc::clone(plan), context).map_err(failed)?;
        let limit_bytes = self.settings.memory_bytes;
        let mut batches = Vec::new();
        let mut bytes = 0_usize;
        loop {
            // A plan may read for long before it has a row.
            let next = tokio::time::timeout(LOOK, stream.next()).await;
            self.check_limits(plan.as_ref(), report)?;
            let Ok(next) = next else { continue };
            let Some(batch) = next else { break };
            let batch = batch.map_err(failed)?;
            // What has been answered is no longer the memory pool's, so it is counted here.
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            if bytes > limit_bytes {
                return Err(QueryError::Memory { limit_bytes });
            }
            batches.push(batch);
        }
        report.read(plan.as_ref());
        Ok(batches)
    }

    /// Whether so many bytes are more than a query may read.
    pub(super) fn check_bytes(&self, bytes: u64) -> Result<(), QueryError> {
        let limit = self.settings.bytes_max;
        if bytes > limit { Err(QueryError::TooManyBytes { bytes, limit }) } else { Ok(()) }
    }

    fn check_limits(
        &self,
        plan: &dyn ExecutionPlan,
        report: &ScanReport,
    ) -> Result<(), QueryError> {
        self.check_bytes(report.now().bytes_read.saturating_add(bytes_scanned(plan)))?;
        self.check_time(report)
    }

    /// Whether what was read so far, and the time that it took, are more than a query may have.
    pub(super) fn check_read(&self, report: &ScanReport) -> Result<(), QueryError> {
        self.check_bytes(report.now().bytes_read)?;
        self.check_time(report)
    }

    /// How many bytes a query may hold.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.settings.memory_bytes
    }

    /// Whether an answer of so many bytes is more than a query may hold.
    pub(super) const fn check_memory(&self, bytes: usize) -> Result<(), QueryError> {
        let limit_bytes = self.settings.memory_bytes;
        if bytes > limit_bytes { Err(QueryError::Memory { limit_bytes }) } else { Ok(()) }
    }

    fn check_time(&self, report: &ScanReport) -> Result<(), QueryError> {
        let seconds = self.settings.seconds_max;
        if report.elapsed() > Duration::from_secs(seconds) {
            return Err(QueryError::TooLong { seconds });
        }
        Ok(())
    }

    pub(super) fn failed(&self, error: &DataFusionError) -> QueryError {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => {
                QueryError::Memory { limit_bytes: self.settings.memory_bytes }
            }
            root => QueryError::Failed { message: first_line(&root.strip_backtrace()) },
        }
    }
}

/// What the tables of a statement have, for its names.
fn columns(
    tables: &HashMap<String, Arc<TableSnapshot>>,
    externals: &[(String, Arc<Opened>)],
) -> HashMap<String, Arc<names::Columns>> {
    let of_lake = tables.iter().map(|(name, table)| (name, Arc::clone(&table.schema)));
    let of_others = externals.iter().map(|(name, table)| (name, table.schema()));
    let columns = of_lake.chain(of_others).map(|(name, schema)| {
        (name.clone(), Arc::new(names::Columns { name: name.clone(), schema }))
    });
    columns.collect()
}

/// What a reader of lines and values says is about an external table: no other has those.
fn external_error(error: &DataFusionError, report: &ScanReport) -> Option<QueryError> {
    let DataFusionError::ArrowError(cause, _) = error.find_root() else { return None };
    let is_of_reader = matches!(
        cause.as_ref(),
        ArrowError::CsvError(_) | ArrowError::JsonError(_) | ArrowError::ParseError(_)
    );
    let (table, address) = report.external_names().filter(|_| is_of_reader)?;
    Some(QueryError::ExternalMalformed { table, address, reason: first_line(&cause.to_string()) })
}

/// The query of an `EXPLAIN COST`, at the same place of its text, so that mistakes are shown there.
fn without_explain_cost(text: &str) -> Option<String> {
    let query = text.trim_start();
    let mut rest = query;
    for word in ["explain", "cost"] {
        let (head, tail) = rest.split_at_checked(word.len())?;
        if !head.eq_ignore_ascii_case(word) || !tail.starts_with(char::is_whitespace) {
            return None;
        }
        rest = tail.trim_start();
    }
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let before = text.get(..text.len() - rest.len())?;
    Some(before.chars().map(blank).chain(rest.chars()).collect())
}

/// What a query reads at most, as one row.
fn cost(scanned: &Scanned, bytes_max: u64) -> Result<Rows, QueryError> {
    let counts = [
        ("files_total", scanned.files_total as u64),
        ("files", scanned.files as u64),
        ("blocks_total", scanned.blocks_total as u64),
        ("blocks", scanned.blocks as u64),
        ("bytes_in_range", scanned.bytes_in_range),
        ("bytes_at_most", scanned.bytes_estimated),
        ("bytes_max", bytes_max),
    ];
    let columns = counts.map(|(name, count)| {
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![count]));
        (name, column)
    });
    let failed = |error: ArrowError| QueryError::Failed { message: error.to_string() };
    let batch = RecordBatch::try_from_iter(columns).map_err(failed)?;
    Ok(Rows::Table { schema: batch.schema(), batches: vec![batch] })
}

/// The one statement of `text`, if it only reads.
fn read_only(text: &str) -> Result<Statement, QueryError> {
    let parsed = Parser::new(&GenericDialect {})
        .with_recursion_limit(64)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = parsed.map_err(|error| syntax(&error, text))?;
    let refuse = |what: &str| Err(QueryError::NotReadOnly { what: what.to_owned(), at: None });
    if statements.len() > 1 {
        return refuse("there is more than one statement");
    }
    let Some(statement) = statements.pop() else { return refuse("there is no statement") };
    let inner = match &statement {
        Statement::Explain { statement, analyze: false, .. } => statement.as_ref(),
        statement => statement,
    };
    match inner {
        Statement::Query(_) => Ok(statement),
        _ => refuse("the statement is not a query"),
    }
}
