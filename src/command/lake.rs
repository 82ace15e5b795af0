//! `dab lake`: looking after what is stored.

mod check;
mod compact;
mod retain;
mod stats;

use std::path::Path;

use base::{Day, Problem};

use crate::output::Output;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Makes few large files of the many small ones, sorted by time; beside a running `dab run` too.
    Compact(compact::Args),
    /// Checks that what is stored is what the tables' logs and the ledger say; exit code 1 if not.
    Check(check::Args),
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
        Action::Retain(args) => retain::run(&args, config, output).await,
        Action::Stats(args) => stats::run(&args, config, output).await,
    }
}

fn day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| format!("`{text}` is no day such as 2026-11-24"))
}
