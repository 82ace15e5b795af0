//! `dab rules test`: runs the tests of detections.

use std::path::{Path, PathBuf};

use base::{Clock as _, Problem, Report, SystemClock};
use lake::query::csv;
use serde_json::json;
use vet::{Case, Runner, Suite, Summary, Verdict, trace::Layout};

use crate::{
    host::process::color,
    output::{self, Output, Progress},
    settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files and folders with detections and their tests. Without any, the project's.
    paths: Vec<PathBuf>,

    /// Lists the detections that have no test.
    #[arg(long)]
    untested: bool,
}

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let (project, roots) = super::project(&args.paths, config)?;
    let suite = Suite::load(&project, &roots);
    for report in project.problems.iter().chain(&suite.problems) {
        tell(report, output);
    }
    let runner = Runner::new(&project).map_err(|mut errors| errors.swap_remove(0))?;
    let failed = cases(&suite, &runner, output);
    if args.untested {
        untested(&suite, output);
    }
    let summary = Summary::new(&suite, failed, project.problems.len());
    match output {
        Output::Json => output::line(&summary.json().to_string()),
        Output::Table => output::line(&summary.text()),
        Output::Csv => output::error_line(&summary.text()),
    }
    Ok(match summary {
        Summary { problems: 1.., .. } => crate::FILES,
        Summary { failed: 1.., .. } => crate::FINDINGS,
        _ => crate::FINE,
    })
}

/// Runs the tests and tells of each as it ends. Answers how many failed.
fn cases(suite: &Suite, runner: &Runner, output: Output) -> usize {
    if output == Output::Csv {
        output::line(&Case::HEADER.join(","));
    }
    let now = SystemClock.now();
    let mut progress = Progress::new("tests", suite.cases.len());
    let mut failed = 0;
    for case in &suite.cases {
        let verdict = runner.run(case, now);
        failed += usize::from(verdict.failure.is_some());
        progress.clear();
        tell_case(case, &verdict, output);
        progress.step();
    }
    progress.clear();
    failed
}

fn tell_case(case: &Case, verdict: &Verdict, output: Output) {
    match (output, &verdict.failure) {
        (Output::Json, _) => output::line(&case.json(verdict).to_string()),
        (Output::Csv, _) => {
            output::line(&case.row(verdict).map(|value| csv(&value)).join(","));
        }
        (Output::Table, None) => {}
        (Output::Table, Some(failure)) => {
            let width = settings::terminal_width().unwrap_or(Layout::default().width);
            let layout = Layout { width, indent: 0, color: color() };
            output::line(&case.failure_text(failure, &layout));
        }
    }
}

fn tell(report: &Report, output: Output) {
    match output {
        Output::Json => output::line(&json!({ "problem": report }).to_string()),
        Output::Table => output::line(&report.to_string()),
        Output::Csv => output::error_line(&report.to_string()),
    }
}

fn untested(suite: &Suite, output: Output) {
    for rule in &suite.untested {
        match output {
            Output::Json => output::line(
                &json!({ "untested": rule.info.id, "title": rule.info.title, "file": rule.info.file })
                    .to_string(),
            ),
            Output::Table => {
                let info = &rule.info;
                output::line(&format!("untested  {}:{}: {}", info.file, rule.line, info.title));
            }
            Output::Csv => {
                let row = [&rule.info.file, &rule.line.to_string(), &rule.info.id];
                let row = row.map(|value| csv(value));
                output::line(&format!("{},,,untested", row.join(",")));
            }
        }
    }
}
