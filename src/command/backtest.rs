//! `dab backtest`: what detections would have found in the events that are stored.

use std::path::{Path, PathBuf};

use base::{Clock as _, Problem, SystemClock, Timestamp, limits};
use vet::Backtest;

use crate::{
    command::query,
    host::process::{Host, tell_problems},
    output::{self, Output, Progress},
    settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and folders with detections. Without any, the project's.
    rules: Vec<PathBuf>,

    /// Only events at or after this time: RFC 3339, or a day.
    #[arg(long, value_parser = query::time, conflicts_with = "last", allow_hyphen_values = true)]
    from: Option<Timestamp>,

    /// Only events before this time.
    #[arg(long, value_parser = query::time)]
    to: Option<Timestamp>,

    /// Only the last while: `90s`, `15m`, `24h` or `7d`.
    #[arg(long, value_parser = query::duration)]
    last: Option<std::time::Duration>,

    /// How many bytes of data files it may read.
    #[arg(long, value_name = "BYTES", default_value_t = limits::QUERY_BYTES_MAX)]
    bytes_max: u64,

    /// How many alerts are listed.
    #[arg(long, default_value_t = 20)]
    alerts: usize,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let range = query::range(args.from, args.to, args.last)?;
    let host = Host::open(config)?;
    let paths = if args.rules.is_empty() { host.detections() } else { args.rules.clone() };
    let whole = vet::load_beside(&paths, &host.detections(), &host.log_sources(), true);
    let project = whole.part(&paths);
    tell_problems(&project.problems, output);
    if project.rules.len() + project.correlations.len() + project.problems.len() == 0 {
        output::error_line("error: there are no detections here: name files or folders with some");
        return Ok(crate::FILES);
    }
    let trial = Backtest::new(&whole, &project).map_err(|mut e| e.swap_remove(0))?;
    if trial.tables().is_empty() {
        // None of the rules loads, which was told above, or no events reach those that do.
        tell_problems(&project.notes, output);
        return Ok(crate::FILES);
    }
    let lake = host.lake()?;
    let (now, most) = (SystemClock.now(), host.settings.rule_query_bytes_max);
    for (_, report) in serve::refresh_lookups(&lake, &whole.lookups, now, most).await? {
        output::problem(&report, output);
    }
    let mut progress = Progress::new("events", 0);
    let mut told = |table: &str, done, total| progress.at(table, done, total);
    let asked = serve::BacktestRange { range, bytes_max: args.bytes_max };
    let done = serve::backtest(lake, trial, asked, &SystemClock, &mut told).await;
    progress.clear();
    let (outcome, spent) = done?;
    match output {
        Output::Json => outcome.json(&spent, &mut |json| output::line(&json.to_string())),
        Output::Table | Output::Csv => {
            let width = settings::terminal_width().unwrap_or(120);
            output::line(outcome.text(&spent, width, args.alerts).trim_end());
        }
    }
    Ok(match project.problems.as_slice() {
        [_, ..] => crate::FILES,
        [] if !outcome.is_whole() => crate::FINDINGS,
        [] => crate::FINE,
    })
}
