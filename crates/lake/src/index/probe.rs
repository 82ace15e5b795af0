//! Asks a file's index which of its blocks may hold what is looked for.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectStore, path::Path};

use super::{
    Wanted,
    form::{Header, NoHeader, path_of, segment_of},
    text::Key,
};
use crate::snapshot::DataFile;

/// How many bytes of an index are read at first: its header is in them (some 5 KiB), and a small one as a
/// whole. More of them would be read for nothing, of the larger ones that have to be asked twice anyway.
const HEAD_BYTES: u64 = 16 << 10;

/// What an index says of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The blocks in their order: how many rows, and whether they may hold it.
    pub(crate) blocks: Vec<(usize, bool)>,
    /// How many bytes of the index were read.
    pub(crate) bytes: u64,
}

/// Asks the index of a file of the table at `root`. `None`: there is none that is sound.
pub(crate) async fn probe(
    store: &Arc<dyn ObjectStore>,
    root: &Path,
    file: &DataFile,
    wanted: &Wanted,
) -> Option<Kept> {
    let address = Path::from_iter(root.parts().chain(path_of(&file.path).parts()));
    match ask(store, &address, file, wanted).await {
        Ok(kept) => Some(kept),
        Err(NoIndex::Missing) => None,
        Err(NoIndex::Unsound(reason)) => {
            tracing::warn!(%address, reason, "an index is not used; its file is read as a whole");
            None
        }
    }
}

/// Why an index was of no use.
pub(super) enum NoIndex {
    Missing,
    Unsound(String),
}

impl From<object_store::Error> for NoIndex {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::Missing,
            other => Self::Unsound(other.to_string()),
        }
    }
}

async fn ask(
    store: &Arc<dyn ObjectStore>,
    address: &Path,
    file: &DataFile,
    wanted: &Wanted,
) -> Result<Kept, NoIndex> {
    let (header, head) = header(store, address, file).await?;
    let mut keys = Vec::new();
    wanted.keys(&mut keys);
    keys.sort_unstable();
    keys.dedup();
    let (segments, read) = segments(store, address, (&header, &head), &keys).await?;
    let mut found: HashMap<Key, Vec<bool>> = HashMap::with_capacity(keys.len());
    for key in keys {
        let bytes = segments.get(&segment_of(key));
        let blocks = bytes.and_then(|bytes| header.look_up(key, bytes));
        let blocks = blocks.ok_or_else(|| NoIndex::Unsound("a segment is damaged".to_owned()))?;
        found.insert(key, blocks);
    }
    let blocks = header.rows.iter().enumerate().map(|(block, rows)| {
        let has = |key| {
            let blocks: Option<&Vec<bool>> = found.get(&key);
            blocks.and_then(|blocks| blocks.get(block)).copied().unwrap_or(true)
        };
        (usize::try_from(*rows).unwrap_or(usize::MAX), wanted.holds(&has))
    });
    Ok(Kept { blocks: blocks.collect(), bytes: head.len() as u64 + read })
}

/// Reads the header of an index, and what comes with it, if it is the index of this file.
pub(super) async fn header(
    store: &Arc<dyn ObjectStore>,
    address: &Path,
    file: &DataFile,
) -> Result<(Header, Bytes), NoIndex> {
    let mut wanted = HEAD_BYTES;
    loop {
        let head = head(store, address, wanted).await?;
        match Header::read(&head) {
            Ok(header) => {
                let is_of_file = header.data_bytes == file.bytes
                    && file.rows.is_none_or(|rows| rows == header.rows_total());
                if is_of_file {
                    return Ok((header, head));
                }
                return Err(NoIndex::Unsound("it is the index of another file".to_owned()));
            }
            Err(NoHeader::Short(bytes)) if bytes as u64 > wanted => wanted = bytes as u64,
            Err(NoHeader::Short(_)) => return Err(NoIndex::Unsound("it was cut off".to_owned())),
            Err(NoHeader::Damaged(reason)) => return Err(NoIndex::Unsound(reason.to_owned())),
        }
    }
}

async fn head(
    store: &Arc<dyn ObjectStore>,
    address: &Path,
    bytes: u64,
) -> Result<Bytes, object_store::Error> {
    let range = Some(GetRange::Bounded(0..bytes));
    let options = GetOptions { range, ..GetOptions::default() };
    store.get_opts(address, options).await?.bytes().await
}

/// The segments of these keys, and how many bytes were read for them.
async fn segments(
    store: &Arc<dyn ObjectStore>,
    address: &Path,
    (header, head): (&Header, &Bytes),
    keys: &[Key],
) -> Result<(BTreeMap<usize, Bytes>, u64), NoIndex> {
    let mut found = BTreeMap::new();
    let mut missing: BTreeMap<usize, Range<u64>> = BTreeMap::new();
    for segment in keys.iter().map(|key| segment_of(*key)) {
        let Some(place) = header.place(segment) else { continue };
        match inside(head, &place) {
            Some(bytes) => {
                found.insert(segment, bytes);
            }
            None => {
                missing.insert(segment, place);
            }
        }
    }
    let ranges: Vec<Range<u64>> = missing.values().cloned().collect();
    let read = ranges.iter().map(|range| range.end - range.start).sum();
    if !ranges.is_empty() {
        let parts = store.get_ranges(address, &ranges).await?;
        found.extend(missing.into_keys().zip(parts));
    }
    Ok((found, read))
}

fn inside(head: &Bytes, place: &Range<u64>) -> Option<Bytes> {
    let (from, to) = (usize::try_from(place.start).ok()?, usize::try_from(place.end).ok()?);
    (to <= head.len()).then(|| head.slice(from..to))
}
