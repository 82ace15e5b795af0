//! `dab lake replay`: events made anew from the bytes as received.

use std::path::Path;

use base::{Problem, fault};
use serve::{ColdReplay, ColdReplayed, replay_cold};

use crate::{
    command::fault_point,
    host::process::{Host, tell_problems},
    output::{self, Output, count},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The log sources; all if none is named.
    log_sources: Vec<String>,

    #[command(flatten)]
    taken_in: super::TakenIn,

    /// Also brings back the rows of days that retention has dropped.
    #[arg(long)]
    dropped: bool,

    /// Says what it would do, and changes nothing.
    #[arg(long)]
    dry_run: bool,

    /// Dies at a point, or `point:n`: for proving that nothing is lost there.
    #[arg(long, hide = true, value_parser = fault_point::parse, value_name = "POINT")]
    crash_at: Option<(fault::Point, u64)>,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    if let Some((point, times)) = args.crash_at {
        fault::arm(point, times);
    }
    let host = Host::open(config)?;
    let project = host.project();
    tell_problems(&project.problems, output);
    let request = ColdReplay {
        log_sources: args.log_sources.clone(),
        written: args.taken_in.written()?,
        dropped: args.dropped,
        dry_run: args.dry_run,
    };
    let decoders = Host::decoders(&project)?;
    let done = replay_cold(&host.lake()?, &decoders, &request).await?;
    match output {
        Output::Json => {
            for one in &done {
                output::line(&serde_json::to_string(one).unwrap_or_default());
            }
        }
        Output::Table | Output::Csv => show(&done, args.dry_run, output),
    }
    let is_whole = done.iter().all(|one| one.first_problem.is_none());
    Ok(if is_whole { crate::FINE } else { crate::FINDINGS })
}

fn show(done: &[ColdReplayed], dry_run: bool, output: Output) {
    let row = |one: &ColdReplayed| {
        [
            one.log_source.clone(),
            one.batches.to_string(),
            one.records.to_string(),
            one.renewed.to_string(),
            one.restored.to_string(),
            one.kept.to_string(),
            one.quarantined.to_string(),
            one.dropped.to_string(),
            one.left.to_string(),
            one.raw_dropped.to_string(),
        ]
    };
    let header = [
        "log source",
        "batches",
        "records",
        "renewed",
        "restored",
        "kept",
        "quarantined",
        "dropped",
        "batches left",
        "batches dropped",
    ];
    output::rows(header, &done.iter().map(row).collect::<Vec<_>>(), output);
    let dropped: u64 = done.iter().map(|one| one.raw_dropped).sum();
    if dropped > 0 {
        let batches = count(dropped);
        output::error_line(&format!(
            "{batches} batches stay as they are: retention has dropped their raw bytes"
        ));
    }
    for one in done {
        if let Some(report) = &one.first_problem {
            let name = &one.log_source;
            output::error_line(&format!("{name}: the first that stays as it is: {report}"));
        }
    }
    if dry_run {
        output::error_line("nothing was changed: this was a dry run");
    }
}
