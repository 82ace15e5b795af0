//! Runs queries: SQL text or a search line to rows.

use std::{collections::HashMap, sync::Arc};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use base::{Timestamp, limits};
use datafusion::{
    common::TableReference,
    dataframe::DataFrame,
    error::DataFusionError,
    execution::{context::SQLOptions, runtime_env::RuntimeEnvBuilder},
    physical_plan::execute_stream,
    prelude::{SessionConfig, SessionContext},
    sql::{
        parser::Statement as DfStatement,
        sqlparser::{ast::Statement, dialect::GenericDialect, parser::Parser},
    },
};
use futures::StreamExt as _;

use super::{
    error::{Excerpt, QueryError, nearest},
    explain::{first_line, plan_error, syntax},
    functions::{Kind, RowFunction},
    names,
    plan::Planner,
    provider::{IndexUse, LakeTable},
    report::{ScanReport, Scanned},
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
}

impl Default for QuerySettings {
    fn default() -> Self {
        Self {
            memory_bytes: limits::QUERY_MEMORY_BYTES,
            index_from_bytes: Some(limits::INDEX_FILE_BYTES_MIN),
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
}

impl Engine {
    /// An engine over these tables.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, settings: QuerySettings) -> Self {
        Self { catalog, settings }
    }

    /// Answers one `SELECT`, `WITH … SELECT` or `EXPLAIN`.
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
        let report = Arc::new(ScanReport::default());
        let rows = self.run_sql(text, &report).await?;
        Ok((rows, report.now()))
    }

    async fn run_sql(&self, text: &str, report: &Arc<ScanReport>) -> Result<Rows, QueryError> {
        if text.len() > limits::QUERY_TEXT_BYTES_MAX {
            let what = format!("has {} bytes", text.len());
            return Err(QueryError::TooLarge { what, limit: limits::QUERY_TEXT_BYTES_MAX });
        }
        let mut statement = read_only(text)?;
        let names = self.catalog.table_names().await?;
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
            for notice in names::resolve(query, text, &tables, &names)? {
                // What is near to a column's name is probably a slip of the finger.
                if notice.contains("did you mean") {
                    tracing::warn!(notice, "a name may be misspelled");
                } else {
                    tracing::debug!(notice, "a name is read from `_rest`");
                }
            }
        }
        let context = self.context()?;
        for (name, snapshot) in &tables {
            let table = LakeTable::new(Arc::clone(snapshot)).with_index(self.index_use(report));
            let table = Arc::new(table);
            // Bare: a plain text would be folded to lower case and cut at its dots.
            let name = TableReference::bare(name.as_str());
            context.register_table(name, table).map_err(|error| self.failed(&error))?;
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
        self.collect(frame.map_err(|error| plan_error(&error))?, report).await
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
        let search = search::parse(text)?;
        let tables = self.chosen(&search, text).await?;
        let report = Arc::new(ScanReport::default());
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
    pub async fn estimate(&self, text: &str, range: &TimeRange) -> Result<Scanned, QueryError> {
        let search = search::parse(text)?;
        let tables = self.chosen(&search, text).await?;
        let report = Arc::new(ScanReport::default());
        let planner =
            Planner { engine: self, text, range: *range, tables, report: Arc::clone(&report) };
        planner.estimate(&search).await?;
        Ok(report.now())
    }

    /// How scans of one query use the search index.
    pub(super) fn index_use(&self, report: &Arc<ScanReport>) -> IndexUse {
        // No file is as large as that.
        let from_bytes = self.settings.index_from_bytes.unwrap_or(u64::MAX);
        IndexUse { from_bytes, report: Arc::clone(report) }
    }

    async fn chosen(
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
        let mut tables = Vec::new();
        for name in chosen {
            let snapshot = self.catalog.snapshot(name).await?;
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
        Ok(context)
    }

    pub(super) async fn collect(
        &self,
        frame: DataFrame,
        report: &ScanReport,
    ) -> Result<Rows, QueryError> {
        let schema = Arc::clone(frame.schema().inner());
        let failed = |error: DataFusionError| self.failed(&error);
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.map_err(failed)?;
        let mut stream = execute_stream(Arc::clone(&plan), context).map_err(failed)?;
        let limit_bytes = self.settings.memory_bytes;
        let mut batches = Vec::new();
        let mut bytes = 0_usize;
        // What has been answered is no longer the memory pool's, so it is counted here.
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            bytes = bytes.saturating_add(batch.get_array_memory_size());
            if bytes > limit_bytes {
                return Err(QueryError::Memory { limit_bytes });
            }
            batches.push(batch);
        }
        report.read(plan.as_ref());
        Ok(Rows::Table { schema, batches })
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
