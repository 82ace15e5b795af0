//! `dab quarantine`: records that could not be decoded.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use base::{Place, Problem, Quarantined};
use serve::ServeError;

use crate::{
    console::Console,
    host::process::{Host, color, tell_problems},
    output::{self, Output},
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Lists the records, oldest first.
    List,
    /// Shows a record: its bytes and what is wrong with them.
    Show {
        /// The record's id.
        id: String,
    },
    /// Tries records again, after the log source was corrected.
    Replay {
        /// The records' ids.
        #[arg(required_unless_present = "all")]
        ids: Vec<String>,
        /// All of them.
        #[arg(long, conflicts_with = "ids")]
        all: bool,
    },
}

pub(crate) async fn run(action: Action, config: &Path, output: Output) -> Result<u8, Problem> {
    let host = Host::open(config)?;
    match action {
        Action::List => list(&host, output).await,
        Action::Show { id } => show(&host, &id, output).await,
        Action::Replay { ids, all } => {
            let ids = (!all).then(|| ids.into_iter().collect::<BTreeSet<_>>());
            replay(&host, ids.as_ref(), output).await
        }
    }
}

async fn list(host: &Host, output: Output) -> Result<u8, Problem> {
    let records = serve::quarantined(host.lake()?.as_ref()).await?;
    let row = |record: &Quarantined| {
        [
            record.id.clone(),
            record.time.to_string(),
            record.log_source.clone(),
            record.problem.code.clone(),
            record.problem.message.clone(),
            place(record),
            record.length.to_string(),
        ]
    };
    let header = ["id", "time", "log source", "code", "reason", "place", "bytes"];
    output::rows(header, &records.iter().map(row).collect::<Vec<_>>(), output);
    Ok(crate::FINE)
}

fn place(record: &Quarantined) -> String {
    record.problem.place.as_ref().map_or_else(|| record.object.clone(), Place::to_string)
}

async fn show(host: &Host, id: &str, output: Output) -> Result<u8, Problem> {
    let records = serve::quarantined(host.lake()?.as_ref()).await?;
    let record = records.iter().find(|record| record.id == id);
    let record = record.ok_or_else(|| ServeError::NoSuchRecord { id: id.to_owned() })?;
    if output == Output::Json {
        output::line(&serde_json::to_string(record).unwrap_or_default());
        return Ok(crate::FINE);
    }
    output::line(&record.problem.to_string());
    output::line(&format!("log source: {}\nbytes: {}", record.log_source, record.length));
    if let Some(spill) = &record.spill {
        output::line(&format!("all bytes: {spill}, compressed; it begins:"));
    }
    let text = String::from_utf8_lossy(&record.bytes);
    let shown: String = text.chars().take(2_000).collect();
    output::line(&output::plain(&shown));
    Ok(crate::FINE)
}

async fn replay(
    host: &Host,
    ids: Option<&BTreeSet<String>>,
    output: Output,
) -> Result<u8, Problem> {
    let project = host.project();
    tell_problems(&project.problems, output);
    if let Some(id) = unknown(host, ids).await? {
        return Err(ServeError::NoSuchRecord { id }.into());
    }
    let observer = Arc::new(Console { output, color: color(), commits: false });
    let mut parts = host.parts(&project, observer)?;
    parts.once = true;
    let done = serve::replay(parts, ids).await?;
    match output {
        Output::Json => output::line(&serde_json::to_string(&done).unwrap_or_default()),
        Output::Table | Output::Csv => {
            output::line(&format!("{} replayed, {} left", done.replayed, done.left));
            if let Some(report) = &done.first_problem {
                output::error_line(&format!("the first that is left: {report}"));
            }
        }
    }
    Ok(if done.first_problem.is_some() { crate::FINDINGS } else { crate::FINE })
}

async fn unknown(host: &Host, ids: Option<&BTreeSet<String>>) -> Result<Option<String>, Problem> {
    let Some(ids) = ids else { return Ok(None) };
    let records = serve::quarantined(host.lake()?.as_ref()).await?;
    let known: BTreeSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
    Ok(ids.iter().find(|id| !known.contains(id.as_str())).cloned())
}
