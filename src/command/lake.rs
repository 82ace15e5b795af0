//! `dab lake`: looking after what is stored.

mod check;
mod compact;
mod index;
mod reconcile;
mod replay;
mod retain;
mod stats;

use std::path::Path;

use base::{Day, Problem, Timestamp};
use lake::reconcile::Written;

use crate::{command::query, output::Output};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Makes few large files of the many small ones, sorted by time; beside a running `dab run` too.
    Compact(compact::Args),
    /// Checks that what is stored is what the tables' logs and the ledger say; exit code 1 if not.
    Check(check::Args),
    /// Builds, checks or drops the search indexes beside the tables' files.
    #[command(subcommand)]
    Index(index::Action),
    /// Proves for what was taken in during a range of time that every record is a row, once, or in the
    /// quarantine; exit code 1 if not.
    Reconcile(reconcile::Args),
    /// Makes events anew from the bytes as received, with the log sources as they are now.
    Replay(replay::Args),
    /// Drops days that are older than `retention` in the settings, and removes files that nothing
    /// needs any longer.
    Retain(retain::Args),
    /// Counts what came in and what it takes as stored, by tier, and what that costs.
    Stats(stats::Args),
}

pub(crate) async fn run(action: Action, config: &Path, output: Output) -> Result<u8, Problem> {
    match action {
        Action::Compact(args) => compact::run(&args, config, output).await,
        Action::Check(args) => check::run(&args, config, output).await,
        Action::Index(action) => index::run(&action, config, output).await,
        Action::Reconcile(args) => reconcile::run(&args, config, output).await,
        Action::Replay(args) => replay::run(&args, config, output).await,
        Action::Retain(args) => retain::run(&args, config, output).await,
        Action::Stats(args) => stats::run(&args, config, output).await,
    }
}

/// When something was taken in.
#[derive(Debug, clap::Args)]
struct TakenIn {
    /// Only what was taken in at this time or later: a day, or a time in RFC 3339.
    #[arg(long, value_parser = query::time)]
    from: Option<Timestamp>,

    /// Only what was taken in before this time.
    #[arg(long, value_parser = query::time)]
    to: Option<Timestamp>,

    /// Only what was taken in during the last while, such as `15m`, `24h` or `7d`.
    #[arg(long, conflicts_with = "from", value_parser = query::duration)]
    last: Option<std::time::Duration>,
}

impl TakenIn {
    fn written(&self) -> Result<Written, Problem> {
        let range = query::range(self.from, self.to, self.last)?;
        Ok(Written { from: range.from, to: range.to })
    }
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day such as 2026-11-24"))
}
