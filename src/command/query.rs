//! `dab search` and `dab sql`.

use std::{io, path::Path, sync::Arc};

use base::{Clock as _, Problem, SystemClock, Timestamp, limits};
use lake::{
    Lake,
    query::{
        Engine, OutputFormat, Parameter, QuerySettings, Rows, SavedSearch, SavedSearchError,
        Scanned, TimeRange, Values, is_search_name, render,
    },
};

use crate::{
    command::searches,
    host::process::Host,
    output::{self, Output},
    settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// What to look for, such as `failed source.ip:203.0.113.* | stats count() by user.name`.
    /// `@name` asks a saved search, the values behind it as `name=value`.
    line: String,

    /// The values of a saved search, as `name=value`.
    values: Vec<String>,

    /// Keeps the line under this name instead of asking it.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "to", "last", "explain"])]
    save: Option<String>,

    #[command(flatten)]
    kept: Kept,

    /// Only events at or after this time: RFC 3339, or a day.
    #[arg(long, value_parser = time, conflicts_with = "last", allow_hyphen_values = true)]
    from: Option<Timestamp>,

    /// Only events before this time.
    #[arg(long, value_parser = time)]
    to: Option<Timestamp>,

    /// Only the last while: `90s`, `15m`, `24h` or `7d`.
    #[arg(long, value_parser = duration)]
    last: Option<std::time::Duration>,

    /// How many events at most.
    #[arg(long)]
    limit: Option<usize>,

    /// Says on the standard error what was read, and what did not have to be.
    #[arg(long)]
    explain: bool,

    /// Reads whole files, as if there were no search index.
    #[arg(long)]
    no_index: bool,

    #[command(flatten)]
    limits: Limits,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SqlArgs {
    /// One `SELECT`, `WITH`, `EXPLAIN` or `EXPLAIN COST`.
    query: String,

    /// Says on the standard error what was read, and what did not have to be.
    #[arg(long)]
    explain: bool,

    #[command(flatten)]
    limits: Limits,
}

/// What is said of a search that is saved.
#[derive(Debug, clap::Args)]
struct Kept {
    /// A value it is asked with: `name:type=default`, the last two as you like.
    #[arg(long, value_name = "PARAMETER", value_parser = searches::parameter, requires = "save")]
    parameter: Vec<(String, Parameter)>,

    /// Who looks after it.
    #[arg(long, requires = "save", default_value = "")]
    owner: String,

    /// What it is for.
    #[arg(long, requires = "save", default_value = "")]
    description: String,

    /// It is SQL.
    #[arg(long, requires = "save")]
    sql: bool,

    /// Replaces the one that the lake has under this name.
    #[arg(long, requires = "save")]
    replace: bool,
}

/// What a query may take.
#[derive(Debug, clap::Args)]
struct Limits {
    /// How many bytes of data files it may read.
    #[arg(long, value_name = "BYTES", default_value_t = limits::QUERY_BYTES_MAX)]
    bytes_max: u64,

    /// For how many seconds it may run.
    #[arg(long, value_name = "SECONDS", default_value_t = limits::QUERY_SECONDS_MAX)]
    seconds_max: u64,
}

impl Limits {
    fn settings(&self) -> QuerySettings {
        let Self { bytes_max, seconds_max } = *self;
        QuerySettings { bytes_max, seconds_max, ..QuerySettings::default() }
    }
}

/// From how many bytes on a search says first what it may read.
const BIG_BYTES: u64 = 1 << 30;

pub(crate) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")))
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .ok_or_else(|| "write a time such as `2026-11-24T08:00:00Z`, or a day".to_owned())
}

pub(crate) fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write a number with `s`, `m`, `h` or `d`, such as `24h`".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    Ok(std::time::Duration::from_secs(number.saturating_mul(seconds)))
}

/// The range that is asked for.
pub(crate) fn range(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    last: Option<std::time::Duration>,
) -> Result<TimeRange, Problem> {
    let since = last.map(|last| SystemClock.now().minus(last));
    Ok(TimeRange::new(from.or(since), to)?)
}

/// The lake of the settings.
pub(crate) fn lake(config: &Path) -> Result<Arc<Lake>, Problem> {
    Host::open(config)?.lake()
}

/// An engine over a lake.
pub(crate) fn engine(lake: Arc<Lake>) -> Engine {
    Engine::new(lake, QuerySettings::default())
}

/// An engine over the lake of the settings. The project's lookup tables are read if the text asks
/// any.
async fn engine_of(
    config: &Path,
    settings: QuerySettings,
    text: &str,
    output: Output,
) -> Result<Engine, Problem> {
    let host = Host::open(config)?;
    let lake = host.lake()?;
    let engine = Engine::new(Arc::clone(&lake) as _, settings);
    if !text.contains("lookup") {
        return Ok(engine);
    }
    let project = host.project();
    let (now, most) = (SystemClock.now(), host.settings.rule_query_bytes_max);
    for (_, report) in serve::refresh_lookups(&lake, &project.lookups, now, most).await? {
        output::problem(&report, output);
    }
    Ok(engine.with_lookups(Arc::new(serve::Asked(Arc::clone(&project.lookups)))))
}

pub(crate) async fn search(
    args: &SearchArgs,
    config: &Path,
    output: Output,
) -> Result<u8, Problem> {
    if let Some(name) = &args.save {
        return save(args, name, config).await;
    }
    let (line, values) = asked(args, config).await?;
    let line = match line {
        Asked::Line(line) => line,
        Asked::Sql(sql) => {
            let engine = engine_of(config, args.limits.settings(), &sql, output).await?;
            let (rows, scanned) = engine.sql_counted(&sql).await?;
            return Ok(answer(&rows, &scanned, args.explain, output));
        }
    };
    let range = range(args.from, args.to, args.last)?;
    let mut settings = args.limits.settings();
    if args.no_index {
        settings.index_from_bytes = None;
    }
    let engine = engine_of(config, settings, &line, output).await?;
    if output == Output::Table && output::is_terminal() {
        tell_if_big(&engine, &line, &values, &range).await?;
    }
    let (rows, scanned) = engine.search_with(&line, &values, &range, args.limit).await?;
    Ok(answer(&rows, &scanned, args.explain, output))
}

fn answer(rows: &Rows, scanned: &Scanned, explained: bool, output: Output) -> u8 {
    print(rows, output);
    if explained {
        explain(scanned, output);
    }
    crate::FINE
}

/// What is asked: a line in which values stand for `${name}`, or SQL that has them.
enum Asked {
    Line(String),
    Sql(String),
}

/// The line itself, or the saved search that it names.
async fn asked(args: &SearchArgs, config: &Path) -> Result<(Asked, Values), Problem> {
    // Where a word may begin with `@`, it is quoted.
    let Some(name) = args.line.strip_prefix('@').filter(|name| is_search_name(name)) else {
        if let Some(value) = args.values.first() {
            let message = format!("`{value}` stands behind the line");
            let help = "put the whole line in quotes; `name=value` follows `@name` only".to_owned();
            let name = args.line.clone();
            return Err(SavedSearchError::Asked { name, message, help }.into());
        }
        return Ok((Asked::Line(args.line.clone()), Values::default()));
    };
    let saved = searches::named(&Host::open(config)?, name).await?;
    saved.check()?;
    let values = saved.values(&args.values)?;
    Ok(match (saved.search, saved.sql) {
        (Some(line), _) => (Asked::Line(line), values),
        (None, sql) => {
            let sql = Engine::sql_with(&sql.unwrap_or_default(), &values)?;
            (Asked::Sql(sql), values)
        }
    })
}

async fn save(args: &SearchArgs, name: &str, config: &Path) -> Result<u8, Problem> {
    let text = Some(args.line.clone());
    let (search, sql) = if args.kept.sql { (None, text) } else { (text, None) };
    let saved = SavedSearch {
        version: 1,
        name: name.to_owned(),
        description: args.kept.description.clone(),
        owner: args.kept.owner.clone(),
        parameters: args.kept.parameter.iter().cloned().collect(),
        search,
        sql,
    };
    searches::save(&Host::open(config)?, &saved, args.kept.replace).await?;
    Ok(crate::FINE)
}

/// A person who waits is told what for. Only the search index is asked.
async fn tell_if_big(
    engine: &Engine,
    line: &str,
    values: &Values,
    range: &TimeRange,
) -> Result<(), Problem> {
    let scanned = engine.estimate(line, values, range).await?;
    if scanned.bytes_estimated >= BIG_BYTES {
        output::error_line(&format!(
            "this reads up to {} MB in {} files; Ctrl-C ends it, `--last` and `--from` narrow it",
            output::count(scanned.bytes_estimated / 1_000_000),
            output::count(scanned.files as u64),
        ));
    }
    Ok(())
}

/// What was read, and what was not.
fn explain(scanned: &Scanned, output: Output) {
    if output == Output::Json {
        output::error_line(&serde_json::to_string(scanned).unwrap_or_default());
        return;
    }
    let number = |number: usize| output::count(number as u64);
    let skipped = scanned.bytes_in_range.saturating_sub(scanned.bytes_estimated);
    output::error_line(&format!(
        "files: {} in {} looked at; {} may hold it, {} have a search index\n\
         blocks: {} of {} may hold it, {} were skipped\n\
         bytes: {} read of files with {}, {} of indexes; {} skipped by the index",
        number(scanned.files_in_range),
        number(scanned.files_total),
        number(scanned.files),
        number(scanned.files_indexed),
        number(scanned.blocks),
        number(scanned.blocks_total),
        number(scanned.blocks_total.saturating_sub(scanned.blocks)),
        output::count(scanned.bytes_read),
        output::count(scanned.bytes_in_range),
        output::count(scanned.bytes_index),
        output::count(skipped),
    ));
}

pub(crate) async fn sql(args: &SqlArgs, config: &Path, output: Output) -> Result<u8, Problem> {
    let engine = engine_of(config, args.limits.settings(), &args.query, output).await?;
    let (rows, scanned) = engine.sql_counted(&args.query).await?;
    print(&rows, output);
    if args.explain {
        explain(&scanned, output);
    }
    Ok(crate::FINE)
}

/// Prints rows in the form that was asked for.
pub(crate) fn print(rows: &Rows, output: Output) {
    let format = match output {
        Output::Table => OutputFormat::Table,
        Output::Json => OutputFormat::Json,
        Output::Csv => OutputFormat::Csv,
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    // A reader that has gone away (`dab … | head`) is no error.
    render(rows, format, settings::terminal_width(), &mut out).unwrap_or_default();
    io::Write::flush(&mut out).unwrap_or_default();
}
