//! `dab run`: the pipeline.

use std::{path::Path, sync::Arc};

use base::{Problem, fault};

use crate::{
    console::Console,
    host::process::{Host, color, stop_on_signal, tell_problems},
    output::{self, Output},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Reads what is there, then ends.
    #[arg(long)]
    once: bool,

    /// The name of this process, where several take in pushed events on one lake in a bucket: each
    /// needs its own, and keeps it from one start to the next.
    #[arg(long, value_name = "NAME", value_parser = writer)]
    writer: Option<String>,

    /// Tells of every commit.
    #[arg(long, short)]
    verbose: bool,

    /// Decodes only, and stores nothing: for measuring.
    #[arg(long, hide = true, requires = "once")]
    decode_only: bool,

    /// Dies at a point, or `point:n`: for proving that nothing is lost there.
    #[arg(long, hide = true, value_parser = super::fault_point::parse, value_name = "POINT")]
    crash_at: Option<(fault::Point, u64)>,
}

/// Reads a writer's name. It is part of keys in the lake.
fn writer(name: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !(1..=64).contains(&name.len()) || !name.chars().all(is_fine) {
        return Err("a name has 1 to 64 of: a to z, 0 to 9, `-`, `.`".to_owned());
    }
    Ok(name.to_owned())
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    if let Some((point, times)) = args.crash_at {
        fault::arm(point, times);
    }
    let host = Host::open(config)?;
    let project = host.project();
    tell_problems(&project.problems, output);
    let commits = args.verbose;
    let observer = Arc::new(Console { output, color: color(), commits });
    let mut parts = host.parts(&project, observer)?;
    (parts.once, parts.decode_only) = (args.once, args.decode_only);
    parts.writer.clone_from(&args.writer);
    let has_doors = !args.once && (parts.http.is_some() || !parts.syslog.is_empty());
    if parts.buckets.is_empty() && parts.pulls.is_empty() && !has_doors {
        output::error_line(
            "there is nothing to read: the settings have no `collect` and no `pull`",
        );
    }
    let (switch, stop) = serve::stop_signal();
    let signals = tokio::spawn(stop_on_signal(switch.clone()));
    let status = serve::run(parts, switch, stop).await;
    signals.abort();
    let status = status?;
    if args.once {
        summary(&status, output);
    }
    Ok(crate::FINE)
}

pub(super) fn summary(status: &serve::Status, output: Output) {
    if output == Output::Json {
        output::error_line(&serde_json::to_string(status).unwrap_or_default());
        return;
    }
    let sum = |count: fn(&serve::SourceStatus) -> u64| status.sources.values().map(count).sum();
    let records: u64 = sum(|source| source.records);
    let rows: u64 = sum(|source| source.rows);
    let quarantined: u64 = sum(|source| source.quarantined);
    let (matches, alerts): (u64, u64) = (sum(|source| source.matches), sum(|source| source.alerts));
    let count = output::count;
    output::error_line(&format!(
        "{} records: {} events, {} in quarantine; {} matches, {} alerts",
        count(records),
        count(rows),
        count(quarantined),
        count(matches),
        count(alerts)
    ));
}
