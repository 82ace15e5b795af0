//! `dab lake stats`: what came in, what it takes, what it costs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use base::{Problem, limits};
use lake::{
    LakeError,
    counted::Requests,
    stats::{Prices, TableStats, stats},
};
use serve::Status;

use crate::{
    command::query,
    output::{self, Output},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file of prices, for what it costs.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, config: &Path, output: Output) -> Result<u8, Problem> {
    let prices = args.prices.as_deref().map(read).transpose()?;
    let lake = query::lake(config)?;
    let all = stats(&lake).await?;
    let processes = Status::read_all(&lake).await?;
    if output == Output::Json {
        let requests = sum(&processes);
        for (at, stats) in all.iter().enumerate() {
            let requests = (at + 1 == all.len()).then_some(&requests);
            output::line(&json(stats, prices.as_ref(), requests));
        }
        return Ok(crate::FINE);
    }
    let rows: Vec<_> = all.iter().map(|stats| row(stats, prices.as_ref())).collect();
    let header = [
        "table",
        "records",
        "raw bytes",
        "rows",
        "files",
        "commits",
        "warm bytes",
        "warm %",
        "index bytes",
        "index %",
        "cold bytes",
        "cold %",
        "a month",
        "a GB year",
    ];
    output::rows(header, &rows, output);
    processes.iter().for_each(tell_requests);
    if let Some(prices) = prices {
        output::error_line(&format!(
            "{} for storage alone, as of {} ({})",
            prices.currency, prices.as_of, prices.source
        ));
    }
    Ok(crate::FINE)
}

/// What all processes that write to the lake asked of their stores, each since it last began.
fn sum(processes: &[Status]) -> BTreeMap<String, Requests> {
    let mut sum = BTreeMap::new();
    for (store, requests) in processes.iter().flat_map(|status| &status.requests) {
        let all: &mut Requests = sum.entry(store.clone()).or_default();
        *all = all.plus(requests);
    }
    sum
}

/// What a `dab run` asked of its stores.
fn tell_requests(status: &Status) {
    let writer = status.writer.as_ref().map_or_else(String::new, |name| format!(" as `{name}`"));
    for (store, requests) in &status.requests {
        output::error_line(&format!(
            "{store}: {} writes, {} reads, {} listings, {} removals, {} failed; {} bytes written, {} \
             read, by `dab run`{writer} from {} to {}",
            requests.writes,
            requests.reads,
            requests.lists,
            requests.deletes,
            requests.errors,
            requests.bytes_written,
            requests.bytes_read,
            status.started,
            status.updated,
        ));
    }
}

fn row(stats: &TableStats, prices: Option<&Prices>) -> [String; 14] {
    let percent =
        |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{:.1}", ratio * 100.0));
    let price = |price: Option<f64>| price.map_or("-".to_owned(), |price| format!("{price:.4}"));
    [
        stats.table.clone(),
        stats.records.to_string(),
        stats.raw_bytes.to_string(),
        stats.rows.to_string(),
        stats.files.to_string(),
        stats.commits.to_string(),
        stats.warm_bytes.to_string(),
        percent(stats.warm_ratio()),
        stats.index_bytes.to_string(),
        percent(stats.index_ratio()),
        stats.cold_bytes.to_string(),
        percent(stats.cold_ratio()),
        price(prices.map(|prices| stats.month(prices))),
        price(prices.and_then(|prices| stats.gb_year(prices))),
    ]
}

/// `requests`: to all stores, for the sum of all tables.
fn json(
    stats: &TableStats,
    prices: Option<&Prices>,
    requests: Option<&BTreeMap<String, Requests>>,
) -> String {
    let mut line = serde_json::to_value(stats).unwrap_or_default();
    if let Some(line) = line.as_object_mut() {
        line.insert("warm_ratio".to_owned(), stats.warm_ratio().into());
        line.insert("index_ratio".to_owned(), stats.index_ratio().into());
        line.insert("cold_ratio".to_owned(), stats.cold_ratio().into());
        if let Some(requests) = requests.and_then(|requests| serde_json::to_value(requests).ok()) {
            line.insert("requests".to_owned(), requests);
        }
        if let Some(prices) = prices {
            line.insert("currency".to_owned(), prices.currency.as_str().into());
            line.insert("month".to_owned(), stats.month(prices).into());
            line.insert("gb_year".to_owned(), stats.gb_year(prices).into());
        }
    }
    line.to_string()
}

fn read(path: &Path) -> Result<Prices, LakeError> {
    let shown = path.display();
    let asked = |message: String| LakeError::Asked {
        message,
        help: "write it as `docs/reference/prices-s3.yaml` is written".into(),
    };
    let size = std::fs::metadata(path).map_err(|error| asked(format!("`{shown}`: {error}")))?.len();
    if size > limits::CONFIG_FILE_BYTES_MAX {
        return Err(asked(format!("`{shown}` has {size} bytes, and is no file of prices")));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| asked(format!("`{shown}`: {error}")))?;
    let prices: Prices = serde_saphyr::from_str(&text).map_err(|error| {
        let text = error.without_snippet().to_string();
        asked(format!("`{shown}`: {}", text.lines().next().unwrap_or_default()))
    })?;
    let is_price = |price: f64| price.is_finite() && price >= 0.0;
    if prices.version != 1 || !is_price(prices.warm_gb_month) || !is_price(prices.cold_gb_month) {
        return Err(asked(format!("`{shown}` is not of version 1, or has a price below 0")));
    }
    Ok(prices)
}
