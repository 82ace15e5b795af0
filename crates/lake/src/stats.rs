//! What came in, what it takes as stored, and what that costs.
//!
//! What came in is the ledger's: the records and raw bytes of every batch that was committed. What is
//! stored is the logs' and the cold tier's listing. So it reads the record of each batch, and no rows.
//! Where retention has dropped a part of what came in, ratios are of what is left: its raw bytes are
//! taken to be what a record of the table has had on average.

use std::collections::BTreeMap;

use base::limits;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::{Lake, LakeError, check::last_committed, index, layout};

/// What storing costs. The form of the file is versioned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// 1.
    pub version: u32,
    /// As of when the prices are.
    pub as_of: String,
    /// Who says so.
    pub source: String,
    /// In which currency they are.
    pub currency: String,
    /// What a GB (10⁹ bytes) of tables costs for a month.
    pub warm_gb_month: f64,
    /// What a GB of the cold tier costs for a month.
    pub cold_gb_month: f64,
}

/// A table, or all of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableStats {
    /// Its name.
    pub table: String,
    /// How many records came in, those that were quarantined included.
    pub records: u64,
    /// How many raw bytes they had.
    pub raw_bytes: u64,
    /// How many rows there are now.
    pub rows: u64,
    /// How many files they are in.
    pub files: usize,
    /// How many bytes these have.
    pub warm_bytes: u64,
    /// How many of these have a search index.
    pub index_files: usize,
    /// How many bytes the search indexes have.
    pub index_bytes: u64,
    /// How many raw bytes the rows there are now had, if no part of what came in was dropped exactly.
    pub warm_raw_bytes: u64,
    /// How many bytes the cold tier has.
    pub cold_bytes: u64,
    /// How many raw bytes these were.
    pub cold_raw_bytes: u64,
    /// How many batches were committed.
    pub batches: u64,
    /// How many commits the table has had.
    pub commits: u64,
}

impl TableStats {
    /// How many bytes of a table there are for a byte as it came in; `None` where nothing came in.
    #[must_use]
    pub fn warm_ratio(&self) -> Option<f64> {
        ratio(self.warm_bytes, self.warm_raw_bytes)
    }

    /// The same for the cold tier.
    #[must_use]
    pub fn cold_ratio(&self) -> Option<f64> {
        ratio(self.cold_bytes, self.cold_raw_bytes)
    }

    /// How many bytes of search index there are for a byte as it came in.
    #[must_use]
    pub fn index_ratio(&self) -> Option<f64> {
        ratio(self.index_bytes, self.warm_raw_bytes)
    }

    /// What it costs to keep a GB as it came in for a year, in both tiers, with the search index.
    #[must_use]
    pub fn gb_year(&self, prices: &Prices) -> Option<f64> {
        let index = self.index_ratio().unwrap_or(0.0);
        let warm = self.warm_ratio().map(|ratio| (ratio + index) * prices.warm_gb_month);
        let cold = self.cold_ratio().map(|ratio| ratio * prices.cold_gb_month);
        if warm.is_none() && cold.is_none() {
            return None;
        }
        Some((warm.unwrap_or(0.0) + cold.unwrap_or(0.0)) * 12.0)
    }

    /// What is stored now costs that much a month.
    #[must_use]
    pub fn month(&self, prices: &Prices) -> f64 {
        let gb = |bytes: u64| bytes as f64 / 1e9;
        gb(self.warm_bytes + self.index_bytes) * prices.warm_gb_month
            + gb(self.cold_bytes) * prices.cold_gb_month
    }

    fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.raw_bytes += other.raw_bytes;
        self.rows += other.rows;
        self.files += other.files;
        self.warm_bytes += other.warm_bytes;
        self.index_files += other.index_files;
        self.index_bytes += other.index_bytes;
        self.warm_raw_bytes += other.warm_raw_bytes;
        self.cold_bytes += other.cold_bytes;
        self.cold_raw_bytes += other.cold_raw_bytes;
        self.batches += other.batches;
        self.commits += other.commits;
    }

    /// The raw bytes of the rows that are left.
    fn estimate(&mut self) {
        let share = ratio(self.rows, self.records).unwrap_or(0.0).min(1.0);
        let bytes = (self.raw_bytes as f64 * share).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and `raw_bytes`"
        )]
        let bytes = bytes as u64;
        self.warm_raw_bytes = bytes;
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Counts. Tables that hold what dab itself makes have no raw bytes. Answers the sum last, as `total`.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if the record of a batch is missing or
/// broken: `dab lake check` says more.
pub async fn stats(lake: &Lake) -> Result<Vec<TableStats>, LakeError> {
    let mut tables = BTreeMap::new();
    for name in lake.tables(&[]).await? {
        let Some(snapshot) = lake.table(&name).await?.snapshot().await? else { continue };
        let files = &snapshot.files;
        let indexes = index::stored(lake, &snapshot).await?;
        let stats = TableStats {
            table: name.clone(),
            rows: files.iter().filter_map(|file| file.rows).sum(),
            files: files.len(),
            warm_bytes: files.iter().map(|file| file.bytes).sum(),
            index_files: indexes.len(),
            index_bytes: indexes.values().sum(),
            commits: u64::try_from(snapshot.version).unwrap_or(0),
            ..TableStats::default()
        };
        tables.insert(name, stats);
    }
    let cold = lake.objects(layout::COLD).await?;
    let cold: BTreeMap<String, u64> = cold
        .into_iter()
        .map(|(path, meta)| (format!("{}/{path}", layout::COLD), meta.size))
        .collect();
    for source in lake.folders(layout::BATCHES).await? {
        let Some(last) = last_committed(lake, &source).await? else { continue };
        let source = source.as_str();
        let reads = (1..=last).map(|number| lake.manifest(source, number));
        let mut reads = futures::stream::iter(reads).buffered(limits::CHECK_CONCURRENCY);
        while let Some(manifest) = reads.next().await.transpose()? {
            let Some(stats) = tables.get_mut(&manifest.table) else { continue };
            stats.batches += 1;
            stats.records += manifest.records;
            stats.raw_bytes += manifest.bytes;
            if let Some(stored) = manifest.cold.and_then(|it| cold.get(&it.key)) {
                stats.cold_bytes += stored;
                stats.cold_raw_bytes += manifest.bytes;
            }
        }
    }
    let mut total = TableStats { table: "total".to_owned(), ..TableStats::default() };
    let mut all: Vec<TableStats> = tables.into_values().collect();
    for stats in &mut all {
        stats.estimate();
        total.add(stats);
    }
    all.push(total);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_costs_what_both_tiers_take() {
        let prices = Prices {
            version: 1,
            as_of: String::new(),
            source: String::new(),
            currency: "USD".into(),
            warm_gb_month: 0.02,
            cold_gb_month: 0.01,
        };
        // Half of what came in is left in the table; all of it is in the cold tier.
        let mut table = TableStats {
            records: 1000,
            rows: 500,
            raw_bytes: 20_000_000_000,
            warm_bytes: 1_000_000_000,
            cold_bytes: 2_000_000_000,
            cold_raw_bytes: 20_000_000_000,
            ..TableStats::default()
        };
        table.estimate();
        assert_eq!(table.warm_raw_bytes, 10_000_000_000);
        assert_eq!((table.warm_ratio(), table.cold_ratio()), (Some(0.1), Some(0.1)));
        let year = table.gb_year(&prices).unwrap();
        assert!((year - 12.0 * (0.1 * 0.02 + 0.1 * 0.01)).abs() < 1e-12, "{year}");
        assert!((table.month(&prices) - 0.04).abs() < 1e-12);
        assert_eq!(TableStats::default().gb_year(&prices), None);
    }
}
