//! Rows made anew in the place of those with the same ids.
//!
//! Promises: one commit takes the old rows out and puts the new ones in; a row whose id is not among the
//! new ones stays as it is. Doing it again comes to the same, so whoever dies does it again. Writers do
//! not wait: what they append meanwhile stays.
//!
//! What it does not do: keep two processes from bringing back the same missing row; that takes a lock.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{AsArray as _, BooleanArray},
    compute::filter_record_batch,
    datatypes::TimestampMicrosecondType,
};
use base::{EventId, Timestamp, fault};
use futures::StreamExt as _;
use object_store::{ObjectStoreExt as _, path::Path};

use crate::{
    LakeError,
    compact::{BlockWriter, Stored},
    query::{columns, stream_error},
    schema::{self, DAY},
    snapshot::{DataFile, TableSnapshot},
    table::{NewFile, Replaced, Table},
    write::Written,
};

/// The rows of a table that are of interest, as of one version.
#[derive(Debug)]
pub struct Known {
    snapshot: Option<Arc<TableSnapshot>>,
    /// When each was taken in.
    pub rows: HashMap<EventId, Timestamp>,
    /// Which are in which file; an id more than once if its row is doubled.
    files: Vec<(DataFile, Vec<EventId>)>,
}

/// What an exchange did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// How many rows were taken out.
    pub removed: u64,
    /// How many were put in.
    pub added: u64,
}

/// Finds the rows with events between two times whose ids are wanted. Memory: some 100 bytes for each.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if a file can't be read.
pub async fn known(
    table: &Table,
    (from, to): (Timestamp, Timestamp),
    wanted: &(dyn Fn(EventId) -> bool + Send + Sync),
) -> Result<Known, LakeError> {
    let mut known = Known { snapshot: None, rows: HashMap::new(), files: Vec::new() };
    let Some(snapshot) = table.snapshot().await?.map(Arc::new) else { return Ok(known) };
    let overlaps = |file: &&DataFile| {
        file.day >= from.day()
            && file.day <= to.day()
            && file.time_min.is_none_or(|first| first <= to)
            && file.time_max.is_none_or(|last| last >= from)
    };
    for file in snapshot.files.iter().filter(overlaps) {
        let address = format!("{}/{}", snapshot.root, file.path);
        let failed = |error| stream_error(&address, error);
        let names = [schema::EVENT_ID, schema::INGEST_TIME];
        let mut rows = columns(&snapshot, vec![file.clone()], &names).await.map_err(failed)?;
        let mut found = Vec::new();
        while let Some(batch) = rows.next().await.transpose().map_err(failed)? {
            let [ids, times] = batch.columns() else { continue };
            let ids = ids.as_string_opt::<i32>().into_iter().flatten();
            let times = times.as_primitive_opt::<TimestampMicrosecondType>();
            for (id, time) in ids.zip(times.into_iter().flatten()) {
                let Some(id) = id.and_then(EventId::parse).filter(|id| wanted(*id)) else {
                    continue;
                };
                found.push(id);
                known.rows.insert(id, Timestamp::from_micros(time.unwrap_or_default()));
            }
        }
        if !found.is_empty() {
            known.files.push((file.clone(), found));
        }
    }
    known.snapshot = Some(snapshot);
    Ok(known)
}

/// Puts new rows in the place of those among `known` that have the same ids, `fresh`. `None`: someone else
/// has changed the files meanwhile; begin again with what is known now.
///
/// # Errors
///
/// [`LakeError::Unavailable`]: try again. [`LakeError::Conflict`]: the columns changed meanwhile, make the
/// rows again.
pub async fn exchange(
    table: &Table,
    known: &Known,
    fresh: &HashSet<EventId>,
    written: &Written,
) -> Result<Option<Exchanged>, LakeError> {
    let mut done = Exchanged { removed: 0, added: fresh.len() as u64 };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (file, ids) in &known.files {
        let leaving = ids.iter().filter(|id| fresh.contains(id)).count() as u64;
        if leaving == 0 {
            continue;
        }
        done.removed += leaving;
        old.push(file.clone());
        let Some(snapshot) = &known.snapshot else { continue };
        new.extend(without(table, snapshot, file, fresh, leaving).await?);
    }
    let uploaded = table.upload_new(&written.files).await?;
    new.extend(uploaded);
    fault::reach(fault::Point::Rewritten);
    match table.exchange(&old, &new, &written.own).await? {
        Replaced::Committed(version) => {
            tracing::info!(table = table.name(), version, rows = done.added, "made rows anew");
            fault::reach(fault::Point::Exchanged);
            Ok(Some(done))
        }
        Replaced::Gone => {
            table.discard(&new).await;
            Ok(None)
        }
    }
}

/// What is left of a file without the rows of these ids; `None` if nothing is.
async fn without(
    table: &Table,
    snapshot: &Arc<TableSnapshot>,
    file: &DataFile,
    ids: &HashSet<EventId>,
    leaving: u64,
) -> Result<Option<NewFile>, LakeError> {
    let path = format!("{DAY}={}/exchanged-{}.parquet", file.day, uuid::Uuid::new_v4().simple());
    let address = Path::from(format!("{}/{path}", snapshot.root));
    let failed = |error| stream_error(address.as_ref(), error);
    let names = snapshot.schema.fields().iter().map(|field| field.name().as_str());
    let names: Vec<&str> = names.filter(|name| *name != DAY).collect();
    let mut rows = columns(snapshot, vec![file.clone()], &names).await.map_err(failed)?;
    let mut writer: Option<BlockWriter> = None;
    while let Some(batch) = rows.next().await.transpose().map_err(failed)? {
        let all = batch.column_by_name(schema::EVENT_ID).and_then(|ids| ids.as_string_opt::<i32>());
        let stays = |id: Option<&str>| {
            Some(id.and_then(EventId::parse).is_none_or(|id| !ids.contains(&id)))
        };
        let stay: BooleanArray = all.into_iter().flatten().map(stays).collect();
        let left = filter_record_batch(&batch, &stay)
            .map_err(|error| LakeError::encode(address.as_ref(), &error))?;
        if left.num_rows() == 0 {
            continue;
        }
        let begun = match writer.take() {
            Some(begun) => begun,
            None => {
                let (store, columns) = (Arc::clone(&snapshot.store), &snapshot.schema);
                BlockWriter::new(store, address.clone(), &left, columns)?
            }
        };
        let begun = writer.insert(begun);
        begun.write(&left).await?;
    }
    let Some(writer) = writer else { return Ok(None) };
    let (Stored { bytes, rows, time_min, time_max }, index) = writer.finish().await?;
    // What is committed replaces what was there: it must be all of it.
    if file.rows.is_some_and(|before| before != rows + leaving) {
        let before = file.rows.unwrap_or(0);
        let reason = format!("its file has {} rows; the log says {before}", rows + leaving);
        if let Err(error) = snapshot.store.delete(&address).await {
            tracing::debug!(%address, %error, "a file of a failed exchange is left over");
        }
        return Err(LakeError::corrupt(&address, reason));
    }
    if let Some(index) = index {
        table.put_index(&path, index).await;
    }
    Ok(Some(NewFile { path, day: file.day, bytes, rows, time_min, time_max }))
}
