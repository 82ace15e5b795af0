//! `dab lake check`: whether what is stored is what the logs say.

use std::path::Path;

use base::{Explain, Problem, Report};
use lake::check::{Checked, Finding, check};
use serde_json::json;

use crate::{
    host::process::Host,
    output::{self, Output, count},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Removes what is part of nothing. All else needs a backup, and is left to you.
    #[arg(long)]
    repair: bool,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let host = Host::open(config)?;
    let grace = host.settings.retention.retention().grace;
    let checked = check(host.lake()?.as_ref(), grace, args.repair).await?;
    match output {
        Output::Json => json_lines(&checked),
        Output::Table | Output::Csv => text(&checked),
    }
    Ok(if checked.findings.is_empty() { crate::FINE } else { crate::FINDINGS })
}

fn json_lines(checked: &Checked) {
    let all = checked.findings.iter().map(|found| (found, false));
    for (finding, is_repaired) in all.chain(checked.repaired.iter().map(|found| (found, true))) {
        let mut line = serde_json::to_value(report(finding)).unwrap_or_default();
        if let Some(line) = line.as_object_mut() {
            line.insert("repaired".to_owned(), is_repaired.into());
        }
        output::line(&line.to_string());
    }
    let summary = json!({
        "tables": checked.tables,
        "files": checked.files,
        "indexes": checked.indexes,
        "batches": checked.batches,
        "cold_objects": checked.cold_objects,
        "findings": checked.findings.len() + checked.more,
        "repaired": checked.repaired.len(),
    });
    output::line(&summary.to_string());
}

fn text(checked: &Checked) {
    for finding in &checked.findings {
        output::line(&report(finding).to_string());
    }
    if checked.more > 0 {
        output::line(&format!("and {} more", checked.more));
    }
    for finding in &checked.repaired {
        let place = finding.place().map(|place| format!(" ({place})")).unwrap_or_default();
        output::line(&format!("removed: {finding}{place}"));
    }
    let found = checked.findings.len() + checked.more;
    let number = |number: usize| count(number as u64);
    output::line(&format!(
        "{} tables with {} files and {} search indexes, {} batches, {} cold objects: {} findings",
        number(checked.tables),
        number(checked.files),
        number(checked.indexes),
        number(checked.batches),
        number(checked.cold_objects),
        if found == 0 { "no".to_owned() } else { number(found) },
    ));
}

fn report(finding: &Finding) -> Report {
    Problem::from(finding.clone()).report()
}
