//! `dab search` and `dab sql`.

use std::{io, path::Path, sync::Arc};

use base::{Clock as _, Problem, SystemClock, Timestamp};
use lake::{
    Lake,
    query::{Engine, OutputFormat, QuerySettings, Rows, TimeRange, render},
};

use crate::{host::process::Host, output::Output, settings};

#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// What to look for, such as `failed source.ip:203.0.113.* | stats count() by user.name`.
    line: String,

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
}

#[derive(Debug, clap::Args)]
pub(crate) struct SqlArgs {
    /// One `SELECT`, `WITH` or `EXPLAIN`.
    query: String,
}

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

pub(crate) async fn search(
    args: &SearchArgs,
    config: &Path,
    output: Output,
) -> Result<u8, Problem> {
    let range = range(args.from, args.to, args.last)?;
    let engine = engine(lake(config)?);
    let rows = engine.search(&args.line, &range, args.limit).await?;
    print(&rows, output);
    Ok(crate::FINE)
}

pub(crate) async fn sql(args: &SqlArgs, config: &Path, output: Output) -> Result<u8, Problem> {
    let rows = engine(lake(config)?).sql(&args.query).await?;
    print(&rows, output);
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
