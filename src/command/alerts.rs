//! `dab alerts`: what the detections found.

use std::path::Path;

use base::Problem;
use lake::snapshot::Catalog as _;
use serve::{ALERTS_TABLE, MATCHES_TABLE};

use crate::output::{self, Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many alerts at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let lake = super::query::lake(config)?;
    if lake.snapshot(ALERTS_TABLE).await?.is_none() {
        output::error_line("no alert was raised yet");
        return Ok(crate::FINE);
    }
    let query = format!(
        "SELECT a.time AS raised, a.level, a.title, a.log_source, coalesce(m.matches, 0) AS matches, \
         m.last_match, a.dedup, a.alert_id, a.rule_id, a.event_id \
         FROM {ALERTS_TABLE} a LEFT JOIN (SELECT alert_id, count(*) AS matches, max(time) AS last_match \
         FROM {MATCHES_TABLE} GROUP BY alert_id) m ON a.alert_id = m.alert_id \
         ORDER BY a.time DESC, a.alert_id LIMIT {}",
        args.limit
    );
    let rows = super::query::engine(lake).sql(&query).await?;
    super::query::print(&rows, output);
    Ok(crate::FINE)
}
