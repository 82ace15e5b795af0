//! `dab rules import`: takes in rules of others.

use std::path::{Path, PathBuf};

use base::Problem;
use serde_json::json;
use vet::{Detail, Import};

use crate::output::{self, Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file or folder with rules, such as SigmaHQ's.
    path: PathBuf,

    /// Lists every rule that does not run here, not only what they have in common.
    #[arg(long)]
    all: bool,

    /// Copies the files whose rules have events here into this folder.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Writes over files that are there with another content.
    #[arg(long, requires = "into")]
    force: bool,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let (project, roots) = super::project(std::slice::from_ref(&args.path), config)?;
    let import = Import::new(&project, &roots);
    let detail = if args.all { Detail::All } else { Detail::Summary };
    match output {
        Output::Json => output::line(&import.json().to_string()),
        Output::Table | Output::Csv => output::line(import.text(detail).trim_end()),
    }
    let Some(into) = &args.into else { return Ok(crate::FINE) };
    let copied = import.copy(&roots, into, args.force)?;
    match output {
        Output::Json => {
            let kept: Vec<String> = copied.kept.iter().map(|p| p.display().to_string()).collect();
            let (written, same) = (copied.written, copied.same);
            output::line(&json!({ "written": written, "same": same, "kept": kept }).to_string());
        }
        Output::Table | Output::Csv => {
            for path in &copied.kept {
                output::line(&format!("left alone, it is another: {}", path.display()));
            }
            output::line(&format!(
                "{} files written to `{}`, {} were there already, {} left alone",
                copied.written,
                into.display(),
                copied.same,
                copied.kept.len()
            ));
        }
    }
    Ok(if copied.kept.is_empty() { crate::FINE } else { crate::FINDINGS })
}
