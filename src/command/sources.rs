//! `dab sources`: log sources for records that none is there for yet.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use base::{Clock as _, Problem, SystemClock, limits};
use collect::{body_as_text, decompress_body};
use vet::{Sample, suggest};

use crate::{
    output::{self, Output},
    settings::SettingsError,
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Writes a log source for a sample of records: its format, time, and key fields.
    Suggest(SuggestArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SuggestArgs {
    /// A file with records as they come, plain or packed with gzip or zstd.
    #[arg(required_unless_present = "unclassified")]
    file: Option<PathBuf>,

    /// Takes the latest records of the table `unclassified` instead.
    #[arg(long, conflicts_with = "file")]
    unclassified: bool,

    /// With `--unclassified`: only records for which this holds, in SQL.
    #[arg(long, value_name = "CONDITION", requires = "unclassified")]
    r#where: Option<String>,
}

pub(crate) async fn run(action: Action, config: &Path, output: Output) -> Result<u8, Problem> {
    let Action::Suggest(args) = action;
    let (bytes, is_whole) = match &args.file {
        Some(file) => of_file(file)?,
        None => (unclassified(config, args.r#where.as_deref()).await?, true),
    };
    let now = SystemClock.now();
    let found = suggest(Sample { bytes: &bytes, is_whole, now })?;
    if output == Output::Json {
        let (yaml, records, decoded) = (&found.yaml, found.records, found.decoded);
        let json = serde_json::json!({ "yaml": yaml, "records": records, "decoded": decoded });
        output::line(&json.to_string());
    } else {
        output::line(found.yaml.trim_end());
    }
    Ok(crate::FINE)
}

/// The first bytes of a file, unpacked, and whether these are all.
fn of_file(path: &Path) -> Result<(Vec<u8>, bool), Problem> {
    let shown = path.display().to_string();
    let unreadable = |source| SettingsError::Sample { path: shown.clone(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let read = file.take(limits::HTTP_BODY_BYTES_MAX as u64).read_to_end(&mut bytes);
    read.map_err(unreadable)?;
    let encoding = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    };
    // Of a file in a binary format, its records as text.
    let mut bytes = body_as_text(decompress_body(encoding, bytes.into())?)?.to_vec();
    let is_whole = bytes.len() <= limits::SUGGEST_BYTES_MAX;
    bytes.truncate(limits::SUGGEST_BYTES_MAX);
    Ok((bytes, is_whole))
}

/// Records that no route was for, one after another.
async fn unclassified(config: &Path, condition: Option<&str>) -> Result<Vec<u8>, Problem> {
    let engine = super::query::engine(super::query::lake(config)?);
    let condition = condition.map(|condition| format!("WHERE {condition}")).unwrap_or_default();
    let records = limits::SUGGEST_RECORDS_MAX;
    let table = serve::UNCLASSIFIED;
    let sql = format!(
        "SELECT original FROM {table} {condition} ORDER BY ingest_time DESC LIMIT {records}"
    );
    let rows = engine.sql(&sql).await?;
    let mut json = Vec::new();
    lake::query::render(&rows, lake::query::OutputFormat::Json, None, &mut json)
        .unwrap_or_default();
    let mut bytes = Vec::new();
    for line in json.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let row: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
        let Some(record) = row.get("original").and_then(serde_json::Value::as_str) else {
            continue;
        };
        if record.contains('\n') {
            bytes.extend_from_slice(format!("{} ", record.len()).as_bytes());
        }
        bytes.extend_from_slice(record.as_bytes());
        bytes.push(b'\n');
    }
    Ok(bytes)
}
