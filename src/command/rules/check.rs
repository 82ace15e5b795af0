//! `dab rules check`: everything that is wrong, each with its place.

use std::path::{Path, PathBuf};

use base::Problem;
use serde_json::json;

use crate::output::{self, Output};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Files and folders with detections. Without any, the project's.
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let (project, roots) = super::project(&args.paths, config)?;
    for report in &project.problems {
        match output {
            Output::Json => output::line(&json!({ "problem": report }).to_string()),
            Output::Table | Output::Csv => output::line(&report.to_string()),
        }
    }
    for note in &project.diagnose(&roots) {
        match output {
            Output::Json => output::line(&json!({ "note": note }).to_string()),
            Output::Table | Output::Csv => {
                output::line(&note.to_string().replacen("error[", "note[", 1));
            }
        }
    }
    let (rules, log_sources) = (project.rules.len(), project.log_sources.len());
    let (files, problems) = (project.files, project.problems.len());
    match output {
        Output::Json => output::line(
            &json!({
                "files": files,
                "detections": rules,
                "log_sources": log_sources,
                "problems": problems,
            })
            .to_string(),
        ),
        Output::Table | Output::Csv => output::line(&format!(
            "{files} files: {rules} detections, {log_sources} log sources, {problems} problems"
        )),
    }
    Ok(if problems == 0 { crate::FINE } else { crate::FILES })
}
