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
    for table in lake.external_tables() {
        let size = match table.size().await {
            Ok(size) => size,
            Err(error) => {
                output::problem(&Problem::from(error).report(), output);
                continue;
            }
        };
        let [files, bytes, columns] =
            [size.files as u64, size.bytes, size.columns as u64].map(|number| number.to_string());
        let none = || "-".to_owned();
        rows.push([table.name.clone(), none(), files, bytes, columns, none(), none()]);
    }
    let header = ["table", "rows", "files", "bytes", "columns", "first event", "last event"];
    output::rows(header, &rows, output);
    Ok(crate::FINE)
}
