//! `dab tables`: what is in the lake.

use std::path::Path;

use base::Problem;
use lake::snapshot::Catalog as _;

use crate::output::{self, Output};

pub(crate) async fn run(config: &Path, output: Output) -> Result<u8, Problem> {
    let lake = super::query::lake(config)?;
    let mut rows = Vec::new();
    for name in lake.table_names().await? {
        let Some(table) = lake.snapshot(&name).await? else { continue };
        let files = &table.files;
        let sum =
            |count: fn(&lake::snapshot::DataFile) -> u64| files.iter().map(count).sum::<u64>();
        let time = |time: Option<base::Timestamp>| time.map_or("-".to_owned(), |t| t.to_string());
        rows.push([
            name,
            sum(|file| file.rows.unwrap_or(0)).to_string(),
            files.len().to_string(),
            sum(|file| file.bytes).to_string(),
            table.schema.fields().len().to_string(),
            time(files.iter().filter_map(|file| file.time_min).min()),
            time(files.iter().filter_map(|file| file.time_max).max()),
        ]);
    }
    let header = ["table", "rows", "files", "bytes", "columns", "first event", "last event"];
    output::rows(header, &rows, output);
    Ok(crate::FINE)
}
