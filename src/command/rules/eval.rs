//! `dab rules eval`: why a detection matches an event, or why not.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use base::{Clock as _, Problem, SystemClock};
use serde_json::json;
use vet::{Evaluator, trace::Layout};

use crate::{
    host::process::color,
    output::{self, Output},
    settings,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file with the detection.
    rule: PathBuf,

    /// The log source that the data is of. Only needed where several have what the detection asks
    /// for.
    #[arg(long)]
    log_source: Option<String>,

    /// Tells only of events that match.
    #[arg(long)]
    matches: bool,
}

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

pub(super) fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let (project, _) = super::project(std::slice::from_ref(&args.rule), config)?;
    for report in &project.problems {
        output::problem(report, output);
    }
    if project.rules.is_empty() {
        return Ok(crate::FILES);
    }
    let rules = project.rules.clone();
    let now = SystemClock.now();
    let mut evaluator = Evaluator::new(&project, rules, args.log_source.as_deref(), now)?;
    let width = settings::terminal_width().unwrap_or(Layout::default().width);
    let layout = Layout { width, indent: 0, color: color() };
    let (mut events, mut undecoded, mut matches) = (0_usize, 0_usize, 0_usize);
    let mut each = |found: vet::Evaluated| {
        events += 1;
        undecoded += usize::from(found.event.is_err());
        matches += usize::from(found.matches() > 0);
        if args.matches && found.matches() == 0 {
            return;
        }
        match output {
            Output::Json => output::line(&found.json().to_string()),
            Output::Table | Output::Csv => output::line(&found.text(&layout)),
        }
    };
    let mut stdin = std::io::stdin().lock();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = stdin.read(&mut chunk).map_err(unreadable)?;
        evaluator.read(chunk.get(..count).unwrap_or_default(), count == 0, &mut each);
        if count == 0 {
            break;
        }
    }
    match output {
        Output::Json => output::line(
            &json!({ "events": events, "matching": matches, "undecoded": undecoded }).to_string(),
        ),
        Output::Table | Output::Csv => {
            output::line(&format!("{events} events: {matches} match, {undecoded} can't be decoded"))
        }
    }
    Ok(if project.problems.is_empty() { crate::FINE } else { crate::FILES })
}

fn unreadable(source: std::io::Error) -> Problem {
    let path = "the standard input".to_owned();
    settings::SettingsError::Unreadable { path, source }.into()
}
