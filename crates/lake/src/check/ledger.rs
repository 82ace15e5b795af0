//! The ledger against the cold tier: every batch that was committed is accounted for, and its raw
//! bytes are there unless retention has dropped them.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use base::{Day, limits};
use futures::StreamExt as _;
use object_store::ObjectMeta;

use super::{Checked, Finding};
use crate::{
    Lake, LakeError,
    batch::{Manifest, app},
    layout,
    retain::{self, DroppedBefore},
};

pub(super) async fn check(
    lake: &Lake,
    grace: Duration,
    repair: bool,
    checked: &mut Checked,
) -> Result<(), LakeError> {
    let mut last = HashMap::new();
    for source in lake.folders(layout::BATCHES).await? {
        if let Some(number) = last_committed(lake, &source).await? {
            last.insert(source, number);
        }
    }
    // After the last commits: what they name was put before.
    let stored = lake.objects(layout::COLD).await?;
    checked.cold_objects = stored.len();
    let key = |(path, meta): (object_store::path::Path, ObjectMeta)| {
        (format!("{}/{path}", layout::COLD), meta)
    };
    let mut cold: HashMap<String, ObjectMeta> = stored.into_iter().map(key).collect();
    let mut dropped = HashMap::new();
    for (source, last) in &last {
        for manifest in manifests(lake, source, *last, checked).await? {
            raw_bytes(lake, &manifest, &mut cold, &mut dropped, checked).await?;
        }
    }
    let expired = lake.now().minus(grace);
    cold.retain(|key, meta| never_happened(key, &last) && retain::written(meta) < expired);
    let bytes = cold.values().map(|meta| meta.size).sum();
    let files = cold.len();
    if repair {
        for key in cold.keys() {
            lake.delete(key).await?;
        }
    }
    checked.unused(lake.address(layout::COLD), files, bytes, repair);
    Ok(())
}

/// The numbers of a source's batches that have a record.
async fn recorded(lake: &Lake, source: &str) -> Result<BTreeSet<u64>, LakeError> {
    let keys = lake.list(&format!("{}/{source}", layout::BATCHES)).await?;
    let number = |key: &String| key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok();
    Ok(keys.iter().filter_map(number).collect())
}

/// The number of the last batch of a source that its table has.
pub(crate) async fn last_committed(lake: &Lake, source: &str) -> Result<Option<u64>, LakeError> {
    // The newest record may be one of a batch that never happened, for a table that is not there.
    for number in recorded(lake, source).await?.into_iter().rev().take(2) {
        let Ok(manifest) = lake.manifest(source, number).await else { continue };
        let table = lake.table(&manifest.table).await?;
        if let Ok(Some(last)) = table.last_commit_of(&app(source)).await {
            return Ok(u64::try_from(last).ok());
        }
    }
    Ok(None)
}

/// The records of all batches of a source that were committed.
async fn manifests(
    lake: &Lake,
    source: &str,
    last: u64,
    checked: &mut Checked,
) -> Result<Vec<Manifest>, LakeError> {
    let reads =
        (1..=last).map(|number| async move { (number, lake.manifest(source, number).await) });
    let mut reads = futures::stream::iter(reads).buffered(limits::CHECK_CONCURRENCY);
    let mut manifests = Vec::new();
    while let Some((number, read)) = reads.next().await {
        let reason = match read {
            Err(error @ LakeError::Unavailable { .. }) => return Err(error),
            Err(LakeError::Corrupt { reason, .. }) => Some(reason),
            Err(error) => Some(error.to_string()),
            Ok(manifest) => {
                checked.batches += 1;
                let reason = manifest.mismatch();
                manifests.push(manifest);
                reason
            }
        };
        if let Some(reason) = reason {
            let (origin, address) =
                (source.to_owned(), lake.address(&layout::manifest(source, number)));
            checked.found(Finding::Ledger { origin, number, reason, address });
        }
    }
    Ok(manifests)
}

/// The raw bytes of a batch are there. Takes them out of what is stored.
async fn raw_bytes(
    lake: &Lake,
    manifest: &Manifest,
    stored: &mut HashMap<String, ObjectMeta>,
    dropped: &mut HashMap<String, Option<Day>>,
    checked: &mut Checked,
) -> Result<(), LakeError> {
    let Some(cold) = &manifest.cold else { return Ok(()) };
    let what = match stored.remove(&cold.key) {
        Some(meta) if meta.size == cold.bytes_stored => return Ok(()),
        Some(meta) => format!("are {} as stored, not {}", meta.size, cold.bytes_stored),
        None => {
            let log_source = &manifest.log_source;
            if !dropped.contains_key(log_source) {
                let before = DroppedBefore::read(lake, &layout::cold_dropped(log_source)).await?;
                dropped.insert(log_source.clone(), before);
            }
            let before = dropped.get(log_source).copied().flatten();
            if before.is_some_and(|before| {
                layout::day_of_cold(&cold.key).is_some_and(|day| day < before)
            }) {
                return Ok(());
            }
            "are missing".to_owned()
        }
    };
    let (origin, number) = (manifest.source.clone(), manifest.number);
    checked.found(Finding::Cold { origin, number, what, address: lake.address(&cold.key) });
    Ok(())
}

/// Whether an object that no record names is of a try at a batch that was committed otherwise. One of
/// a batch that may still be committed is not.
fn never_happened(key: &str, last: &HashMap<String, u64>) -> bool {
    let name = key.rsplit('/').next().and_then(|name| name.strip_suffix(".zst"));
    let Some((source, number)) = name.and_then(|name| name.rsplit_once('-')) else { return false };
    let number: Option<u64> = number.parse().ok();
    last.get(source).zip(number).is_some_and(|(last, number)| number <= *last)
}
