//! Retention of the quarantine: what could not be decoded, and has waited for too long.
//!
//! Promises: of each record that goes its id is written down before, so that reconciling does not take it
//! for lost and replaying raw bytes does not take it for a row that is missing.

use std::collections::HashSet;

use base::{Day, Quarantined, fault};
use serde::{Deserialize, Serialize};

use super::{Dropped, Tier, written};
use crate::{Lake, LakeError, batch::Manifest, layout};

/// The version of [`DroppedRecords`]' form that is written.
const VERSION: u32 = 1;

/// The records of a batch that retention has dropped from the quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DroppedRecords {
    version: u32,
    ids: Vec<String>,
}

/// Drops the objects of a log source's quarantine of which all records were put there before `before`.
pub(super) async fn drop_records(
    lake: &Lake,
    log_source: &str,
    before: Day,
    dry_run: bool,
) -> Result<Dropped, LakeError> {
    let mut dropped = Dropped::new(Tier::Quarantine, log_source.to_owned());
    let folder = format!("{}/{log_source}", layout::QUARANTINE);
    let (mut kept, mut long, mut records) = (HashSet::new(), Vec::new(), 0);
    for (path, meta) in lake.objects(&folder).await? {
        let key = format!("{folder}/{path}");
        if !key.ends_with(".ndjson") {
            // A record is stored before the object that names it.
            if written(&meta).day() < before {
                long.push((key, meta.size));
            }
            continue;
        }
        let these = lake.quarantined(&key).await?;
        let days = || these.iter().map(|record| record.time.day());
        if days().any(|day| day >= before) {
            kept.extend(these.into_iter().filter_map(|record| record.spill));
            continue;
        }
        dropped.add(days().min(), meta.size);
        dropped.last_day = dropped.last_day.max(days().max());
        records += these.len() as u64;
        if !dry_run {
            note(lake, &key, &these).await?;
            fault::reach(fault::Point::Dropped);
            lake.delete(&key).await?;
        }
    }
    // What was too long to be kept in a line goes after the lines, those that a killed run left included.
    for (key, bytes) in long {
        if !kept.contains(&key) {
            dropped.add(None, bytes);
            if !dry_run {
                lake.delete(&key).await?;
            }
        }
    }
    dropped.rows = Some(records);
    if !dry_run && dropped.files > 0 {
        tracing::info!(log_source, %before, records, "dropped old records of the quarantine");
    }
    Ok(dropped)
}

async fn note(lake: &Lake, key: &str, records: &[Quarantined]) -> Result<(), LakeError> {
    let ids = records.iter().map(|record| record.id.clone()).collect();
    let key = layout::quarantine_dropped(key);
    let json = serde_json::to_vec(&DroppedRecords { version: VERSION, ids });
    let json = json.map_err(|error| LakeError::encode(&key, &error))?;
    lake.put(&key, json.into()).await
}

/// The ids of the records of a batch that retention has dropped from the quarantine.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if the note is not dab's.
pub async fn quarantine_dropped(
    lake: &Lake,
    manifest: &Manifest,
) -> Result<Vec<String>, LakeError> {
    let key = layout::quarantine(&manifest.log_source, &manifest.source, manifest.number);
    let key = layout::quarantine_dropped(&key);
    let Some(bytes) = lake.get(&key).await? else { return Ok(Vec::new()) };
    let corrupt = |reason: String| LakeError::corrupt(lake.address(&key), reason);
    let read: DroppedRecords =
        serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    if read.version > VERSION {
        return Err(corrupt(format!("version {} is newer than this dab", read.version)));
    }
    Ok(read.ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_the_first_version_is_read_for_ever() {
        let note = include_str!("../../tests/samples/quarantine-dropped-v1.json");
        let note: DroppedRecords = serde_json::from_str(note).unwrap();
        assert_eq!((note.version, note.ids.len()), (1, 2));
    }
}
