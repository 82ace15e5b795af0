//! `dab lake reconcile`: whether what came in is what is stored.

use std::path::Path;

use base::{Problem, Report};
use lake::reconcile::{Reconciled, TableReconciled, reconcile};
use serde_json::json;

use crate::{
    command::query,
    output::{self, Output, count},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    taken_in: super::TakenIn,

    /// Unpacks the raw bytes too, and counts them.
    #[arg(long)]
    unpack: bool,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let written = args.taken_in.written()?;
    let done = reconcile(query::lake(config)?.as_ref(), &written, args.unpack).await?;
    match output {
        Output::Json => json_lines(&done),
        Output::Table | Output::Csv => text(&done, output),
    }
    Ok(if done.findings.is_empty() { crate::FINE } else { crate::FINDINGS })
}

fn reports(done: &Reconciled) -> impl Iterator<Item = Report> {
    done.findings.iter().map(|finding| Problem::from(finding.clone()).report())
}

fn json_lines(done: &Reconciled) {
    for report in reports(done) {
        output::line(&serde_json::to_string(&report).unwrap_or_default());
    }
    for table in &done.tables {
        output::line(&serde_json::to_string(table).unwrap_or_default());
    }
    let sum = |count: fn(&TableReconciled) -> u64| done.tables.iter().map(count).sum::<u64>();
    let summary = json!({
        "batches": sum(|table| table.batches),
        "records": sum(|table| table.records),
        "findings": done.findings.len() + done.more,
    });
    output::line(&summary.to_string());
}

fn text(done: &Reconciled, output: Output) {
    let row = |table: &TableReconciled| {
        [
            table.table.clone(),
            table.batches.to_string(),
            table.records.to_string(),
            table.rows.to_string(),
            table.quarantined.to_string(),
            table.found.to_string(),
            table.dropped.to_string(),
            table.bytes.to_string(),
            table.cold.to_string(),
            table.cold_dropped.to_string(),
            table.quarantine_dropped.to_string(),
        ]
    };
    let header = [
        "table",
        "batches",
        "records",
        "rows",
        "quarantined",
        "rows found",
        "rows dropped",
        "raw bytes",
        "in cold",
        "cold dropped",
        "quarantine dropped",
    ];
    output::rows(header, &done.tables.iter().map(row).collect::<Vec<_>>(), output);
    for report in reports(done) {
        output::error_line(&report.to_string());
    }
    if done.more > 0 {
        output::error_line(&format!("and {} more", done.more));
    }
    let unproven: u64 = done.tables.iter().map(|table| table.unproven).sum();
    if unproven > 0 {
        output::error_line(&format!(
            "{} batches were written by an earlier dab: their rows can't be told apart",
            count(unproven)
        ));
    }
    let (batches, found) = (
        done.tables.iter().map(|table| table.batches).sum(),
        (done.findings.len() + done.more) as u64,
    );
    output::error_line(&format!(
        "{} batches: {} findings",
        count(batches),
        if found == 0 { "no".to_owned() } else { count(found) },
    ));
}
