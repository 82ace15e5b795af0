//! `dab lake compact`: few large files instead of many small ones.

use std::path::Path;

use base::{Day, Problem, fault};
use lake::compact::{CompactOptions, Compacted, compact};

use crate::{
    command::{fault_point, query},
    output::{self, Output},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The tables; all if none is named.
    tables: Vec<String>,

    /// Only this day of event time, such as 2026-11-24; may be repeated.
    #[arg(long = "day", value_name = "DAY", value_parser = super::day)]
    days: Vec<Day>,

    /// Dies at a point, or `point:n`: for proving that nothing is lost there.
    #[arg(long, hide = true, value_parser = fault_point::parse, value_name = "POINT")]
    crash_at: Option<(fault::Point, u64)>,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    if let Some((point, times)) = args.crash_at {
        fault::arm(point, times);
    }
    let lake = query::lake(config)?;
    let days = args.days.iter().copied().collect();
    let options = CompactOptions { days, ..CompactOptions::default() };
    let mut done = Vec::new();
    for name in lake.tables(&args.tables).await? {
        let compacted = compact(&lake, &name, &options).await?;
        if output == Output::Json {
            output::line(&serde_json::to_string(&compacted).unwrap_or_default());
        }
        done.push(compacted);
    }
    if output != Output::Json {
        show(&done, output);
    }
    Ok(crate::FINE)
}

fn show(done: &[Compacted], output: Output) {
    let row = |table: &Compacted| {
        [
            table.table.clone(),
            table.days.to_string(),
            table.files_before.to_string(),
            table.files_after.to_string(),
            table.rows.to_string(),
            table.bytes_before.to_string(),
            table.bytes_after.to_string(),
        ]
    };
    let rows: Vec<_> = done.iter().filter(|table| table.files_before > 0).map(row).collect();
    if rows.is_empty() && output == Output::Table {
        output::line("there was nothing to compact");
        return;
    }
    let header = ["table", "days", "files", "files now", "rows", "bytes", "bytes now"];
    output::rows(header, &rows, output);
    let lost: usize = done.iter().map(|table| table.lost).sum();
    if lost > 0 {
        output::error_line(&format!(
            "rewrites that came to nothing, as someone else changed the same files: {lost}"
        ));
    }
}
