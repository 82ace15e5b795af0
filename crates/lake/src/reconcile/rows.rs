//! The rows of batches, counted in their table.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::array::AsArray as _;
use base::{EventId, ObjectHash, Timestamp};
use futures::StreamExt as _;

use crate::{
    Lake, LakeError,
    batch::Manifest,
    query::{columns, stream_error},
    schema,
    snapshot::DataFile,
};

/// How many rows, and the sum of their ids' fingerprints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) rows: u64,
    pub(super) ids: u64,
}

impl Counted {
    fn add(&mut self, id: EventId) {
        self.rows += 1;
        self.ids = self.ids.wrapping_add(id.fingerprint());
    }
}

/// What a batch's rows come to if they are all there.
pub(super) fn expected(manifest: &Manifest) -> Counted {
    let mut expected = Counted::default();
    for span in &manifest.spans {
        expected.rows += span.rows;
        expected.ids = expected.ids.wrapping_add(span.ids);
    }
    for id in manifest.replayed.iter().filter_map(|id| EventId::parse(id)) {
        expected.add(id);
    }
    expected
}

/// Whether a batch dealt with the record of this id.
pub(super) fn is_of(manifest: &Manifest, id: EventId) -> bool {
    let mut spans = manifest.spans.iter();
    spans.any(|span| span.hash() == id.object && span.from <= id.offset && id.offset < span.to)
}

/// Which batch a row belongs to.
struct Index<'m> {
    /// By object: from where to where, and the batch's place.
    spans: HashMap<ObjectHash, Vec<(u64, u64, usize)>>,
    /// Records that these batches replayed.
    replayed_here: HashMap<EventId, usize>,
    /// Records that any batch replayed: they are in the spans of those that quarantined them.
    replayed: &'m HashSet<String>,
}

impl<'m> Index<'m> {
    fn new(manifests: &[Manifest], replayed: &'m HashSet<String>) -> Self {
        let mut spans: HashMap<ObjectHash, Vec<(u64, u64, usize)>> = HashMap::new();
        let mut replayed_here = HashMap::new();
        for (at, manifest) in manifests.iter().enumerate() {
            for span in &manifest.spans {
                spans.entry(span.hash()).or_default().push((span.from, span.to, at));
            }
            let ids = manifest.replayed.iter().filter_map(|id| EventId::parse(id));
            replayed_here.extend(ids.map(|id| (id, at)));
        }
        for of_object in spans.values_mut() {
            of_object.sort_unstable();
        }
        Self { spans, replayed_here, replayed }
    }

    fn find(&self, text: &str) -> Option<(usize, EventId)> {
        let id = EventId::parse(text)?;
        if let Some(at) = self.replayed_here.get(&id) {
            return Some((*at, id));
        }
        let spans = self.spans.get(&id.object)?;
        let after = spans.partition_point(|(from, _, _)| *from <= id.offset);
        let (_, to, at) = spans.get(after.checked_sub(1)?)?;
        (id.offset < *to && !self.replayed.contains(text)).then_some((*at, id))
    }
}

/// Counts the rows of each of these batches of one source.
pub(super) async fn count(
    lake: &Lake,
    manifests: &[Manifest],
    replayed: &HashSet<String>,
) -> Result<Vec<Counted>, LakeError> {
    let mut counted = vec![Counted::default(); manifests.len()];
    let Some(first) = manifests.first() else { return Ok(counted) };
    let Some(snapshot) = lake.table(&first.table).await?.snapshot().await? else {
        return Ok(counted);
    };
    let from = manifests.iter().filter_map(|manifest| manifest.time_min).min();
    let to = manifests.iter().filter_map(|manifest| manifest.time_max).max();
    let Some((from, to)) = from.zip(to) else { return Ok(counted) };
    let mut files = snapshot.files.clone();
    files.retain(|file| may_hold(file, from, to));
    let index = Index::new(manifests, replayed);
    let address = snapshot.root.to_string();
    let failed = |error| stream_error(&address, error);
    let rows = columns(&Arc::new(snapshot), files, &[schema::EVENT_ID]).await;
    let mut rows = rows.map_err(failed)?;
    while let Some(batch) = rows.next().await.transpose().map_err(failed)? {
        let ids = batch.columns().first().and_then(|ids| ids.as_string_opt::<i32>());
        for (at, id) in ids.into_iter().flatten().flatten().filter_map(|id| index.find(id)) {
            if let Some(counted) = counted.get_mut(at) {
                counted.add(id);
            }
        }
    }
    Ok(counted)
}

fn may_hold(file: &DataFile, from: Timestamp, to: Timestamp) -> bool {
    let day = (file.day >= from.day()) && (file.day <= to.day());
    day && file.time_min.is_none_or(|first| first <= to)
        && file.time_max.is_none_or(|last| last >= from)
}
