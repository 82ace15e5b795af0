//! `dab lake retain`: drops what is too old.

use std::path::Path;

use base::{Problem, fault};
use lake::retain::{Dropped, retain};

use crate::{
    command::fault_point,
    host::process::Host,
    output::{self, Output},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Says what would go, and changes nothing.
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
    let retention = host.settings.retention.retention();
    let dropped = retain(host.lake()?.as_ref(), &retention, args.dry_run).await?;
    match output {
        Output::Json => {
            for one in &dropped {
                output::line(&serde_json::to_string(one).unwrap_or_default());
            }
        }
        Output::Table if dropped.is_empty() => output::line("nothing is too old, or unused"),
        Output::Table | Output::Csv => {
            show(&dropped, output);
            if args.dry_run {
                output::error_line("nothing was changed: this was a dry run");
            }
        }
    }
    Ok(crate::FINE)
}

fn show(dropped: &[Dropped], output: Output) {
    let row = |one: &Dropped| {
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            one.tier.name().to_owned(),
            one.name.clone(),
            text(one.first_day.map(|day| day.to_string())),
            text(one.last_day.map(|day| day.to_string())),
            one.files.to_string(),
            text(one.rows.map(|rows| rows.to_string())),
            one.bytes.to_string(),
        ]
    };
    let header = ["tier", "of", "first day", "last day", "files", "rows", "bytes"];
    output::rows(header, &dropped.iter().map(row).collect::<Vec<_>>(), output);
}
