//! `dab rules`: what the project's files hold, what is wrong with them, and whether detections do
//! what their authors mean.

mod check;
mod eval;
mod import;
mod test;

use std::path::{Path, PathBuf};

use base::Problem;
use vet::Project;

use crate::{host::process::Host, output::Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Without one, the whole project is checked.
    #[command(subcommand)]
    action: Option<Action>,
}

/// What to do with detections.
#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Loads detections and log sources, and lists what is wrong with them and what is worth a look.
    Check(check::Args),
    /// Runs the tests that are written beside detections.
    Test(test::Args),
    /// Reads data from the standard input and says of each event why the detection matches it, or why
    /// not.
    Eval(eval::Args),
    /// Says which rules of a folder run here and which do not, and copies those that do.
    Import(import::Args),
}

pub(crate) fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    match &args.action {
        None => check::run(&check::Args::default(), config, output),
        Some(Action::Check(args)) => check::run(args, config, output),
        Some(Action::Test(args)) => test::run(args, config, output),
        Some(Action::Eval(args)) => eval::run(args, config, output),
        Some(Action::Import(args)) => import::run(args, config, output),
    }
}

/// The detections under `paths`, or else the project's, with the project's log sources, definitions
/// and filters; and the files and folders they come from. Without settings, the log sources are those
/// that come with dab.
fn project(paths: &[PathBuf], config: &Path) -> Result<(Project, Vec<PathBuf>), Problem> {
    if paths.is_empty() {
        let host = Host::open(config)?;
        return Ok((host.project(), host.detections()));
    }
    let is_there = config.try_exists().unwrap_or(true);
    let is_default = config == Path::new(crate::CONFIG_DEFAULT);
    let (detections, log_sources) = if is_there || !is_default {
        let host = Host::open(config)?;
        (host.detections(), host.log_sources())
    } else {
        (Vec::new(), Vec::new())
    };
    let whole = vet::load_beside(paths, &detections, &log_sources, true);
    Ok((whole.part(paths), paths.to_vec()))
}
