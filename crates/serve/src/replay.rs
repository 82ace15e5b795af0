//! Quarantined records on a second try, exactly once.
//!
//! The records that can be decoded now are committed as one batch that names them, and are taken
//! out of the quarantine afterwards. A process that dies in between leaves a committed batch whose
//! records are still in the quarantine: the next replay takes them out first.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    sync::Arc,
};

use base::{Problem, Quarantined, Report, limits};
use decode::Decoder;
use lake::{Lake, LakeError, layout};

use crate::lane::{Lane, NotCommitted, Stages, blocking};

/// What a replay did.
#[derive(Debug, Default, Clone, PartialEq, serde::Serialize)]
pub struct Replayed {
    /// How many records are events now.
    pub replayed: u64,
    /// How many are still in the quarantine.
    pub left: u64,
    /// Why, for the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_problem: Option<Report>,
}

/// The quarantine's objects, without those that hold long records.
async fn objects(lake: &Lake) -> Result<Vec<String>, LakeError> {
    let mut keys = lake.list(layout::QUARANTINE).await?;
    keys.retain(|key| key.ends_with(".ndjson"));
    Ok(keys)
}

/// Everything in the quarantine that belongs to a batch that happened, oldest object first.
///
/// # Errors
///
/// If the lake can't be read.
pub async fn quarantined(lake: &Lake) -> Result<Vec<Quarantined>, LakeError> {
    let mut records = Vec::new();
    for key in objects(lake).await? {
        records.extend(lake.quarantined(&key).await?);
    }
    Ok(records)
}

/// The whole bytes of a record, up to the limit for one.
///
/// # Errors
///
/// If the lake can't be read.
pub async fn bytes_of(lake: &Lake, record: &Quarantined) -> Result<Vec<u8>, LakeError> {
    let Some(spill) = &record.spill else { return Ok(record.bytes.clone()) };
    let Some(stored) = lake.get(spill).await? else { return Ok(record.bytes.clone()) };
    let mut bytes = Vec::new();
    let limit = limits::RECORD_BYTES_MAX as u64 + 1;
    let unpacked = zstd::stream::read::Decoder::new(&*stored)
        .and_then(|decoder| decoder.take(limit).read_to_end(&mut bytes));
    unpacked.map_err(|error| LakeError::Corrupt {
        address: lake.address(spill),
        reason: error.to_string(),
    })?;
    Ok(bytes)
}

/// Tries records again: those with the given ids, or all.
pub(crate) async fn replay(
    stages: &Arc<Stages>,
    decoders: &BTreeMap<String, Arc<Decoder>>,
    ids: Option<&BTreeSet<String>>,
) -> Result<Replayed, Problem> {
    let lake = Arc::clone(&stages.lake);
    let mut by_log_source: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in objects(&lake).await? {
        if let Some(log_source) = key.split('/').nth(1) {
            by_log_source.entry(log_source.to_owned()).or_default().push(key);
        }
    }
    let mut sum = Replayed::default();
    for (log_source, keys) in by_log_source {
        let Some(decoder) = decoders.get(&log_source) else { continue };
        let source = layout::replay_source(&log_source);
        let (mut lane, last) = Lane::open(Arc::clone(stages), &source, Arc::clone(decoder)).await?;
        if let Some(last) = last {
            let done: BTreeSet<String> = last.replayed.into_iter().collect();
            for key in &keys {
                take_out(&lake, key, &done).await?;
            }
        }
        for key in keys {
            let one = replay_object(&mut lane, &key, ids).await?;
            sum.replayed += one.replayed;
            sum.left += one.left;
            sum.first_problem = sum.first_problem.or(one.first_problem);
        }
    }
    Ok(sum)
}

async fn replay_object(
    lane: &mut Lane,
    key: &str,
    ids: Option<&BTreeSet<String>>,
) -> Result<Replayed, Problem> {
    let lake = Arc::clone(&lane.stages.lake);
    let mut batcher = lane.batcher().await?;
    let now = lane.stages.clock.now();
    let mut done = BTreeSet::new();
    let mut result = Replayed::default();
    for record in lake.quarantined(key).await? {
        let wanted = ids.is_none_or(|ids| ids.contains(&record.id));
        if !wanted || record.length == 0 || record.length > limits::RECORD_BYTES_MAX as u64 {
            result.left += 1;
            continue;
        }
        let bytes = bytes_of(&lake, &record).await?;
        let (back, id, tried) = blocking(&lane.source, move || {
            let tried = batcher.replay(&record, &bytes, now).map_err(|reject| {
                reject.report(base::Place::Object(format!(
                    "{}, byte {}",
                    record.object, record.offset
                )))
            });
            (batcher, record.id, tried)
        })
        .await?;
        batcher = back;
        match tried {
            Ok(()) => {
                done.insert(id);
            }
            Err(report) => {
                result.left += 1;
                result.first_problem.get_or_insert(report);
            }
        }
    }
    if done.is_empty() {
        return Ok(result);
    }
    result.replayed = done.len() as u64;
    match lane.commit(batcher, None, done.iter().cloned().collect()).await {
        Ok(_) => {}
        Err(NotCommitted::Problem(problem)) => return Err(problem),
        Err(NotCommitted::MakeAgain) => {
            let table = lane.decoder.log_source().table.clone();
            return Err(LakeError::Conflict { table }.into());
        }
    }
    take_out(&lake, key, &done).await?;
    Ok(result)
}

async fn take_out(lake: &Lake, key: &str, done: &BTreeSet<String>) -> Result<(), LakeError> {
    let records = lake.quarantined(key).await?;
    let (gone, left): (Vec<_>, Vec<_>) = records.into_iter().partition(|r| done.contains(&r.id));
    if gone.is_empty() {
        return Ok(());
    }
    lake.replace_quarantined(key, &left).await?;
    for spill in gone.iter().filter_map(|record| record.spill.as_deref()) {
        lake.delete(spill).await?;
    }
    Ok(())
}
