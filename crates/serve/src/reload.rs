//! Newer rules while the pipeline runs, and newer rows in lookup tables.
//!
//! Rules are replaced as a whole: an event meets the old ones or the new ones, none is lost and none
//! waits. Correlations that are the same before and after keep what they know.

use std::{sync::Arc, time::Duration};

use base::{Explain as _, Problem, Report, Timestamp};
use cel::{Lookups, Refreshed, Row, Tables};
use detect::{Correlation, Matcher};
use lake::{
    Lake,
    query::{Engine, OutputFormat, QueryError, QuerySettings, render},
};

use crate::{
    ServeError, Stop,
    happening::Happening,
    lane::{Stages, blocking},
};

/// How often it is looked for newer rules, and for tables whose time has come.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What a pipeline detects with.
#[derive(Debug, Clone)]
pub struct Detections {
    /// The rules.
    pub matcher: Arc<dyn Matcher>,
    /// The correlations over their matches, those that others stand on first.
    pub correlations: Vec<Arc<Correlation>>,
    /// The tables that expressions ask.
    pub lookups: Arc<Tables>,
    /// What is wrong with the rules and log sources: what each names is left out.
    pub problems: Vec<Report>,
}

/// Where newer rules come from.
pub trait DetectionSource: Send + Sync + std::fmt::Debug {
    /// The rules, if they are others than when it was last asked. May block: it is called from
    /// where that harms nobody.
    fn newer(&self) -> Option<Detections>;
}

/// Looks for newer rules and newer rows until told to stop.
pub(crate) async fn keep_current(
    stages: Arc<Stages>,
    source: Option<Arc<dyn DetectionSource>>,
    mut stop: Stop,
) {
    let mut waiting = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.stopped() => return,
        }
        if let Err(problem) = round(&stages, source.as_ref(), &mut waiting).await {
            tracing::warn!(error = %problem, "newer rules wait");
        }
    }
}

/// Looks once. `waiting` are rules that could not take their place the last time.
pub(crate) async fn round(
    stages: &Stages,
    source: Option<&Arc<dyn DetectionSource>>,
    waiting: &mut Option<Detections>,
) -> Result<(), Problem> {
    if let Some(source) = source.map(Arc::clone)
        && let Some(newer) = blocking("reload", move || source.newer()).await?
    {
        *waiting = Some(newer);
    }
    if let Some(newer) = waiting.clone()
        && replace(stages, newer).await?
    {
        *waiting = None;
    }
    refresh(stages).await
}

/// Puts the rules in the place of those before. Answers whether it was possible: not while what
/// correlations made is still being dealt with.
async fn replace(stages: &Stages, newer: Detections) -> Result<bool, Problem> {
    let Detections { matcher, correlations, lookups, problems } = newer;
    let mut turn = stages.alerts.turn.lock().await;
    if !turn.replace(correlations).await? {
        return Ok(false);
    }
    let rules = matcher.rules().len();
    drop(stages.matcher.replace(matcher));
    drop(turn);
    stages.lookups.replace(lookups);
    stages.board.reloaded(rules, problems.len());
    stages.observer.happened(&Happening::Reloaded { rules, problems: &problems });
    Ok(true)
}

/// The tables that are asked now.
#[derive(Debug)]
pub(crate) struct CurrentTables(std::sync::Mutex<Arc<Tables>>);

impl CurrentTables {
    pub(crate) const fn new(tables: Arc<Tables>) -> Self {
        Self(std::sync::Mutex::new(tables))
    }

    fn get(&self) -> Arc<Tables> {
        Arc::clone(&self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn replace(&self, tables: Arc<Tables>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = tables;
    }
}

/// So that decoders ask the tables of now, however often these are replaced.
impl Lookups for CurrentTables {
    fn names(&self) -> Vec<String> {
        self.get().names()
    }

    fn columns(&self, table: &str) -> Option<Vec<String>> {
        self.get().columns(table)
    }

    fn has(&self, table: &str) -> bool {
        self.get().has(table)
    }

    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Row> {
        self.get().find(table, key, at)
    }
}

/// Looks at what the tables that are due are made of, and tells of what can't be used.
pub(crate) async fn refresh(stages: &Stages) -> Result<(), Problem> {
    let tables = stages.lookups.get();
    let (now, most) = (stages.clock.now(), stages.rule_query_bytes_max);
    for (table, report) in refresh_lookups(&stages.lake, &tables, now, most).await? {
        tracing::warn!(table, problem = %report, "a lookup table stays as it was");
        let source = "lookup tables";
        stages.observer.happened(&Happening::Trouble { source, report: &report });
    }
    Ok(())
}

/// Reads the files and runs the queries of the tables that are due. A query that may read more than
/// `query_bytes_max` is not begun. Answers what is wrong with those that stay as they were.
///
/// # Errors
///
/// If a task ends by itself.
pub async fn refresh_lookups(
    lake: &Arc<Lake>,
    tables: &Arc<Tables>,
    now: Timestamp,
    query_bytes_max: u64,
) -> Result<Vec<(String, Report)>, Problem> {
    let mut problems = Vec::new();
    let mut note = |table: String, refreshed| match refreshed {
        Refreshed::Unchanged => {}
        Refreshed::Replaced { version, rows } => {
            tracing::info!(table, version, rows, "a lookup table has changed");
        }
        Refreshed::Kept(problem) => problems.push((table, Problem::from(problem).report())),
    };
    if tables.has_due_files(now) {
        let of_files = Arc::clone(tables);
        for (table, refreshed) in blocking("lookup tables", move || of_files.refresh(now)).await? {
            note(table, refreshed);
        }
    }
    let mut failed = Vec::new();
    for (table, sql) in tables.due_queries(now) {
        let settings = QuerySettings {
            bytes_max: query_bytes_max,
            estimate_max: Some(query_bytes_max),
            ..QuerySettings::default()
        };
        let engine = Engine::new(Arc::clone(lake) as _, settings);
        match engine.sql(&sql).await {
            Ok(rows) => {
                let of_query = Arc::clone(tables);
                let name = table.clone();
                let taken = blocking("lookup tables", move || {
                    let mut json = Vec::new();
                    // Writing to memory does not fail.
                    render(&rows, OutputFormat::Json, None, &mut json).unwrap_or_default();
                    of_query.take(&name, Some(json), now)
                });
                note(table, taken.await?);
            }
            Err(error) => {
                tables.take(&table, None, now);
                let help = match error {
                    QueryError::Estimated { .. } | QueryError::TooManyBytes { .. } => error.help(),
                    _ => None,
                };
                let (name, reason) = (table.clone(), error.to_string());
                let query = ServeError::LookupQuery { table: name, reason, help };
                failed.push((table, Problem::from(query).report()));
            }
        }
    }
    problems.extend(failed);
    Ok(problems)
}
