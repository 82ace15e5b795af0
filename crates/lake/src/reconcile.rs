//! Reconciling: whether what came in is what is stored, batch by batch and in every tier.
//!
//! Of every batch that was taken in during a range of time:
//!
//! - its record is there, and says as many records as rows and quarantined records;
//! - its rows are in their table, each once: the ids of the table's rows are read, and those that fall
//!   into the batch's spans are counted and summed up;
//! - its quarantined records are in the quarantine, or were replayed, or retention dropped them;
//! - its raw bytes are in the cold tier; if asked for, they are unpacked and counted.
//!
//! Promises: it may run beside writers and upkeep, and its memory depends on how many objects a
//! thousand batches have. What retention dropped is not missing. A sum of ids takes another set of ids
//! for the right one once in 2⁶⁴.
//!
//! What it does not do: look at the fields of rows, or at tables that hold what dab itself makes.

mod rows;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use base::{Day, EventId, Timestamp, limits};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use serde::Serialize;

use crate::{
    Lake, LakeError,
    batch::Manifest,
    check::{Finding, last_committed},
    layout,
    retain::{DroppedBefore, quarantine_dropped},
};

/// Which batches: those that were written at `from` or later, and before `to`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Written {
    /// From when on; from the first if `None`.
    pub from: Option<Timestamp>,
    /// Until when; to the last if `None`.
    pub to: Option<Timestamp>,
}

impl Written {
    /// Whether a batch was written before it.
    #[must_use]
    pub fn is_before(&self, manifest: &Manifest) -> bool {
        self.from.is_some_and(|from| manifest.written < from)
    }

    /// Whether a batch was written after it.
    #[must_use]
    pub fn is_after(&self, manifest: &Manifest) -> bool {
        self.to.is_some_and(|to| manifest.written >= to)
    }
}

/// The batches of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableReconciled {
    /// The table.
    pub table: String,
    /// How many batches.
    pub batches: u64,
    /// How many records came in.
    pub records: u64,
    /// How many of them the ledger says became rows.
    pub rows: u64,
    /// How many it says were quarantined.
    pub quarantined: u64,
    /// How many rows of these batches the table has.
    pub found: u64,
    /// How many it no longer has because retention dropped their days.
    pub dropped: u64,
    /// How many records are no longer in the quarantine because retention dropped them.
    pub quarantine_dropped: u64,
    /// How many batches are of an earlier dab that did not write down where their records were: their rows
    /// are not counted.
    pub unproven: u64,
    /// How many raw bytes came in.
    pub bytes: u64,
    /// How many of them are in the cold tier, whole objects counted.
    pub cold: u64,
    /// How many of them are no longer there because retention dropped their days.
    pub cold_dropped: u64,
}

/// What was reconciled.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// By table, in order.
    pub tables: Vec<TableReconciled>,
    /// What does not agree: at most [`limits::CHECK_FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many findings there are besides.
    pub more: usize,
}

/// Reconciles. With `unpack`, raw bytes are read and counted too.
///
/// # Errors
///
/// [`LakeError::Unavailable`] if the store is away, and others if a file of a table can't be read: that
/// says nothing about whether records are lost.
pub async fn reconcile(
    lake: &Lake,
    written: &Written,
    unpack: bool,
) -> Result<Reconciled, LakeError> {
    let mut work = Work {
        lake,
        unpack,
        tables: BTreeMap::new(),
        findings: Vec::new(),
        more: 0,
        replayed: HashMap::new(),
        warm_dropped: HashMap::new(),
        cold_dropped: HashMap::new(),
    };
    for source in lake.sources().await? {
        if let Some((first, last)) = committed_in(lake, &source, written).await? {
            work.source(&source, first..=last, written).await?;
        }
    }
    Ok(Reconciled {
        tables: work.tables.into_values().collect(),
        findings: work.findings,
        more: work.more,
    })
}

struct Work<'l> {
    lake: &'l Lake,
    unpack: bool,
    tables: BTreeMap<String, TableReconciled>,
    findings: Vec<Finding>,
    more: usize,
    /// The ids of quarantined records that were replayed, by log source.
    replayed: HashMap<String, Arc<HashSet<String>>>,
    warm_dropped: HashMap<String, Option<Day>>,
    cold_dropped: HashMap<String, Option<Day>>,
}

impl Work<'_> {
    async fn source(
        &mut self,
        source: &str,
        numbers: std::ops::RangeInclusive<u64>,
        written: &Written,
    ) -> Result<(), LakeError> {
        let (mut next, last) = numbers.into_inner();
        while next <= last {
            let until = last.min(next + limits::RECONCILE_BATCHES_MAX - 1);
            let (some, is_over) = self.read(source, next..=until, written).await?;
            self.batches(&some).await?;
            if is_over {
                return Ok(());
            }
            next = until + 1;
        }
        Ok(())
    }

    /// The records of some batches, and whether later ones are out of the range.
    async fn read(
        &mut self,
        source: &str,
        numbers: std::ops::RangeInclusive<u64>,
        written: &Written,
    ) -> Result<(Vec<Manifest>, bool), LakeError> {
        let lake = self.lake;
        let reads =
            numbers.map(|number| async move { (number, lake.manifest(source, number).await) });
        let mut reads = futures::stream::iter(reads).buffered(limits::CHECK_CONCURRENCY);
        let mut manifests = Vec::new();
        while let Some((number, read)) = reads.next().await {
            match read {
                Ok(manifest) if written.is_after(&manifest) => return Ok((manifests, true)),
                Ok(manifest) if written.is_before(&manifest) => {}
                Ok(manifest) => manifests.push(manifest),
                Err(LakeError::Corrupt { reason, .. }) => {
                    let address = lake.address(&layout::manifest(source, number));
                    let origin = source.to_owned();
                    found(
                        &mut self.findings,
                        &mut self.more,
                        Finding::Ledger { origin, number, reason, address },
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok((manifests, false))
    }

    async fn batches(&mut self, manifests: &[Manifest]) -> Result<(), LakeError> {
        let is_alike =
            |a: &Manifest, b: &Manifest| a.table == b.table && a.log_source == b.log_source;
        for some in manifests.chunk_by(is_alike) {
            self.of_table(some).await?;
        }
        Ok(())
    }

    /// Batches of one log source and table.
    async fn of_table(&mut self, manifests: &[Manifest]) -> Result<(), LakeError> {
        let Some(first) = manifests.first() else { return Ok(()) };
        let replayed = self.replayed_of(&first.log_source).await?;
        let counted = rows::count(self.lake, manifests, &replayed).await?;
        for (manifest, counted) in manifests.iter().zip(counted) {
            if let Some(reason) = manifest.mismatch() {
                let (origin, number) = (manifest.source.clone(), manifest.number);
                let address = self.lake.address(&layout::manifest(&origin, number));
                self.found(Finding::Ledger { origin, number, reason, address });
            }
            let table = self.tables.entry(manifest.table.clone()).or_default();
            table.table.clone_from(&manifest.table);
            table.batches += 1;
            table.records += manifest.records;
            table.rows += manifest.rows;
            table.quarantined += manifest.quarantined;
            table.bytes += manifest.bytes;
            table.found += counted.rows;
            self.rows(manifest, counted).await?;
            self.quarantine(manifest, &replayed).await?;
            self.cold(manifest).await?;
        }
        Ok(())
    }

    /// Whether the rows that were found are those that the batch made.
    async fn rows(&mut self, manifest: &Manifest, counted: rows::Counted) -> Result<(), LakeError> {
        if manifest.rows > 0 && manifest.spans.is_empty() && manifest.replayed.is_empty() {
            let table = self.tables.entry(manifest.table.clone()).or_default();
            table.unproven += 1;
            return Ok(());
        }
        let expected = rows::expected(manifest);
        if counted == expected && counted.rows == manifest.rows {
            return Ok(());
        }
        if counted.rows < manifest.rows && self.may_be_dropped(manifest).await? {
            let table = self.tables.entry(manifest.table.clone()).or_default();
            table.dropped += manifest.rows - counted.rows;
            return Ok(());
        }
        let what = if counted.rows == manifest.rows {
            format!("as many rows as the ledger says ({}), but others", manifest.rows)
        } else {
            format!("{} rows; the ledger says {}", counted.rows, manifest.rows)
        };
        let (origin, number) = (manifest.source.clone(), manifest.number);
        let table = manifest.table.clone();
        let address = self.lake.address(&layout::table(&table));
        self.found(Finding::Rows { origin, number, table, what, address });
        Ok(())
    }

    async fn may_be_dropped(&mut self, manifest: &Manifest) -> Result<bool, LakeError> {
        let before = match self.warm_dropped.get(&manifest.table) {
            Some(before) => *before,
            None => {
                let key = layout::warm_dropped(&manifest.table);
                let before = DroppedBefore::read(self.lake, &key).await?;
                self.warm_dropped.insert(manifest.table.clone(), before);
                before
            }
        };
        Ok(before.zip(manifest.time_min).is_some_and(|(before, first)| first.day() < before))
    }

    /// Whether the quarantined records are there, or were replayed.
    async fn quarantine(
        &mut self,
        manifest: &Manifest,
        replayed: &HashSet<String>,
    ) -> Result<(), LakeError> {
        if manifest.quarantined == 0 {
            return Ok(());
        }
        let (origin, number) = (manifest.source.clone(), manifest.number);
        let key = layout::quarantine(&manifest.log_source, &origin, number);
        let address = self.lake.address(&key);
        let waiting = self.lake.quarantined(&key).await?;
        let mut there: HashSet<&str> = waiting.iter().map(|record| record.id.as_str()).collect();
        // A record that was just replayed may be in both.
        let is_of = |id: &&String| EventId::parse(id).is_some_and(|id| rows::is_of(manifest, id));
        there.extend(replayed.iter().filter(is_of).map(String::as_str));
        let mut found = there.len() as u64;
        if found < manifest.quarantined {
            let dropped = quarantine_dropped(self.lake, manifest).await?;
            let dropped: HashSet<&String> =
                dropped.iter().filter(|id| !there.contains(id.as_str())).collect();
            let table = self.tables.entry(manifest.table.clone()).or_default();
            table.quarantine_dropped += dropped.len() as u64;
            found += dropped.len() as u64;
        }
        if found != manifest.quarantined {
            let ledger = manifest.quarantined;
            self.found(Finding::Quarantine { origin, number, found, ledger, address });
        }
        Ok(())
    }

    async fn cold(&mut self, manifest: &Manifest) -> Result<(), LakeError> {
        let Some(cold) = &manifest.cold else { return Ok(()) };
        let location = self.lake.location(&cold.key);
        let what = match self.lake.store().head(&location).await {
            Ok(meta) if meta.size != cold.bytes_stored => {
                Some(format!("are {} as stored, not {}", meta.size, cold.bytes_stored))
            }
            Ok(_) if self.unpack => self.unpacked(manifest).await?,
            Ok(_) => None,
            Err(object_store::Error::NotFound { .. }) => {
                if self.is_cold_dropped(manifest).await? {
                    let table = self.tables.entry(manifest.table.clone()).or_default();
                    table.cold_dropped += manifest.bytes;
                    return Ok(());
                }
                Some("are missing".to_owned())
            }
            Err(error) => return Err(LakeError::read(self.lake.address(&cold.key), error)),
        };
        let Some(what) = what else {
            let table = self.tables.entry(manifest.table.clone()).or_default();
            table.cold += manifest.bytes;
            return Ok(());
        };
        let (origin, number) = (manifest.source.clone(), manifest.number);
        let address = self.lake.address(&cold.key);
        self.found(Finding::Cold { origin, number, what, address });
        Ok(())
    }

    async fn is_cold_dropped(&mut self, manifest: &Manifest) -> Result<bool, LakeError> {
        let Some(cold) = &manifest.cold else { return Ok(false) };
        let before = match self.cold_dropped.get(&manifest.log_source) {
            Some(before) => *before,
            None => {
                let key = layout::cold_dropped(&manifest.log_source);
                let before = DroppedBefore::read(self.lake, &key).await?;
                self.cold_dropped.insert(manifest.log_source.clone(), before);
                before
            }
        };
        let day = layout::day_of_cold(&cold.key);
        Ok(before.zip(day).is_some_and(|(before, day)| day < before))
    }

    /// What is wrong with raw bytes, if anything.
    async fn unpacked(&self, manifest: &Manifest) -> Result<Option<String>, LakeError> {
        match self.lake.raw_bytes(manifest).await {
            Ok(_) => Ok(None),
            Err(LakeError::Corrupt { reason, .. }) => Ok(Some(format!("can't be used: {reason}"))),
            Err(error) => Err(error),
        }
    }

    /// The ids of all records of a log source that were replayed.
    async fn replayed_of(&mut self, log_source: &str) -> Result<Arc<HashSet<String>>, LakeError> {
        if let Some(known) = self.replayed.get(log_source) {
            return Ok(Arc::clone(known));
        }
        let ids = Arc::new(replayed_ids(self.lake, log_source).await?);
        self.replayed.insert(log_source.to_owned(), Arc::clone(&ids));
        Ok(ids)
    }

    fn found(&mut self, finding: Finding) {
        found(&mut self.findings, &mut self.more, finding);
    }
}

fn found(findings: &mut Vec<Finding>, more: &mut usize, finding: Finding) {
    if findings.len() < limits::CHECK_FINDINGS_MAX {
        findings.push(finding);
    } else {
        *more += 1;
    }
}

/// The ids of all records of a log source that were replayed from the quarantine.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if the record of such a batch is missing.
pub async fn replayed_ids(lake: &Lake, log_source: &str) -> Result<HashSet<String>, LakeError> {
    let source = layout::replay_source(log_source);
    let mut ids = HashSet::new();
    let Some(last) = last_committed(lake, &source).await? else { return Ok(ids) };
    let source = source.as_str();
    let reads = (1..=last).map(|number| lake.manifest(source, number));
    let mut reads = futures::stream::iter(reads).buffered(limits::CHECK_CONCURRENCY);
    while let Some(manifest) = reads.try_next().await? {
        ids.extend(manifest.replayed);
    }
    Ok(ids)
}

/// The numbers of the first and the last batch of a source that may be in a range; `None` if none was
/// committed.
///
/// # Errors
///
/// [`LakeError::Unavailable`].
pub async fn committed_in(
    lake: &Lake,
    source: &str,
    written: &Written,
) -> Result<Option<(u64, u64)>, LakeError> {
    let Some(last) = last_committed(lake, source).await? else { return Ok(None) };
    Ok(Some((first_in(lake, source, last, written).await?, last)))
}

/// The number of the first batch of a source that may be in the range. Batches are written one after the
/// other, so that it takes few reads; if a clock was set back, some more or some fewer are looked at.
async fn first_in(
    lake: &Lake,
    source: &str,
    last: u64,
    written: &Written,
) -> Result<u64, LakeError> {
    let (mut low, mut high) = (1, last + 1);
    if written.from.is_none() {
        return Ok(low);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match lake.manifest(source, middle).await {
            Ok(manifest) if written.is_before(&manifest) => low = middle + 1,
            Ok(_) => high = middle,
            // One that can't be read is looked at, which says so.
            Err(LakeError::Corrupt { .. }) => high = middle,
            Err(error) => return Err(error),
        }
    }
    Ok(low)
}
