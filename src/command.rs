//! The subcommands, a file each.

mod alerts;
mod backtest;
mod demo;
mod fault_point;
mod lake;
mod pull;
mod quarantine;
mod query;
mod rules;
mod run;
mod schema;
mod searches;
mod sources;
mod status;
mod tables;

use std::path::Path;

use base::Problem;

use crate::output::Output;

/// What dab can be asked to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Runs the pipeline: collects, stores, detects, alerts.
    Run(run::Args),
    /// Asks an API for its events once, checks credentials, begins files for other APIs.
    Pull(pull::Args),
    /// Shows it all at work on a made-up company with a made-up attack.
    Demo(demo::Args),
    /// Looks for events: words, `field:value`, and `| …`.
    Search(query::SearchArgs),
    /// Lists, shows and deletes saved searches.
    #[command(subcommand)]
    Searches(searches::Action),
    /// Answers an SQL query over the tables.
    Sql(query::SqlArgs),
    /// Lists the tables.
    Tables,
    /// Lists the alerts, newest first.
    Alerts(alerts::Args),
    /// Shows and replays what could not be decoded.
    #[command(subcommand)]
    Quarantine(quarantine::Action),
    /// Looks after the lake: compacts, drops what is too old, checks, counts.
    #[command(subcommand)]
    Lake(lake::Action),
    /// Suggests log sources for records.
    #[command(subcommand)]
    Sources(sources::Action),
    /// Tells what each source is doing.
    Status,
    /// Checks and tests detections.
    Rules(rules::Args),
    /// Runs detections over the events that are stored: what they would have found.
    Backtest(backtest::Args),
    /// Prints the JSON schema of the settings.
    Schema,
}

/// Does it. Answers the exit code.
pub(crate) async fn run(command: Command, config: &Path, output: Output) -> Result<u8, Problem> {
    match command {
        Command::Run(args) => run::run(&args, config, output).await,
        Command::Pull(args) => pull::run(args, config, output).await,
        Command::Demo(args) => demo::run(&args, output).await,
        Command::Search(args) => query::search(&args, config, output).await,
        Command::Searches(action) => searches::run(action, config, output).await,
        Command::Sql(args) => query::sql(&args, config, output).await,
        Command::Tables => tables::run(config, output).await,
        Command::Alerts(args) => alerts::run(&args, config, output).await,
        Command::Quarantine(action) => quarantine::run(action, config, output).await,
        Command::Lake(action) => lake::run(action, config, output).await,
        Command::Sources(action) => sources::run(action, config, output).await,
        Command::Status => status::run(config, output).await,
        Command::Rules(args) => rules::run(&args, config, output),
        Command::Backtest(args) => backtest::run(&args, config, output).await,
        Command::Schema => Ok(schema::run()),
    }
}
