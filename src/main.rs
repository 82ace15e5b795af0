//! `dab`: a serverless SIEM in one binary. This file reads the command line; each subcommand has a
//! file of its own.

mod command;
mod console;
mod host;
mod output;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::{command::Command, output::Output};

/// glibc keeps what each thread freed; with many sources read side by side that was half the memory.
#[cfg(all(target_os = "linux", feature = "jemalloc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Detect all baddies: logs in, alerts out, everything searchable.
#[derive(Debug, Parser)]
#[command(name = "dab", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The settings.
    #[arg(long, global = true, default_value = CONFIG_DEFAULT, value_name = "FILE")]
    config: std::path::PathBuf,

    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Where the settings are looked for if the command line does not say.
const CONFIG_DEFAULT: &str = "dab.yaml";

/// Everything is fine.
const FINE: u8 = 0;
/// Something was found that a person should look at.
const FINDINGS: u8 = 1;
/// The user's files are wrong.
const FILES: u8 = 2;
/// The arguments, the settings or the surroundings are wrong.
const SETTINGS: u8 = 3;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let is_help = !error.use_stderr();
            // Where even this can't be printed, the exit code must do.
            error.print().unwrap_or_default();
            return ExitCode::from(if is_help { FINE } else { SETTINGS });
        }
    };
    settings::init_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::error_line(&format!("error: the runtime can't be started: {error}"));
            return ExitCode::from(SETTINGS);
        }
    };
    let done = runtime.block_on(command::run(cli.command, &cli.config, cli.output));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            output::problem(&problem.report(), cli.output);
            ExitCode::from(exit_code(&problem.report().code))
        }
    }
}

/// Mistakes in rules, log sources and queries are the user's files; all else is surroundings.
fn exit_code(code: &str) -> u8 {
    // An API that refuses is no file, though its code stands among those of log sources.
    let is_api = ("DAB0353"..="DAB0370").contains(&code);
    let of_files = ["DAB02", "DAB03", "DAB052", "DAB055"];
    let is_file = !is_api && of_files.iter().any(|begin| code.starts_with(begin));
    if is_file { FILES } else { SETTINGS }
}
