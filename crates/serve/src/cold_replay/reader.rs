//! The bytes of a batch's records, out of its raw bytes and those of the batches before it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use base::{EventId, ObjectHash, Timestamp, limits};
use bytes::Bytes;
use lake::{
    Lake, LakeError,
    batch::{Manifest, Span},
    layout,
    retain::cold_dropped_before,
};

use crate::ServeError;

/// The raw bytes of how many batches are held.
const BATCHES_HELD: usize = 3;

/// A batch with the bytes of its records.
pub(super) struct Part {
    pub(super) manifest: Manifest,
    /// Those of each of its spans, in order.
    pub(super) bytes: Vec<Vec<u8>>,
}

pub(super) fn range(parts: &[Part]) -> Option<(Timestamp, Timestamp)> {
    let manifests = parts.iter().map(|part| &part.manifest);
    let from = manifests.clone().filter_map(|manifest| manifest.time_min).min();
    let to = manifests.filter_map(|manifest| manifest.time_max).max();
    from.zip(to)
}

/// Which span an id falls into.
pub(super) struct Spans(HashMap<ObjectHash, Vec<(u64, u64)>>);

impl Spans {
    pub(super) fn new(parts: &[Part]) -> Self {
        let mut all: HashMap<_, Vec<_>> = HashMap::new();
        for span in parts.iter().flat_map(|part| &part.manifest.spans) {
            all.entry(span.hash()).or_default().push((span.from, span.to));
        }
        for of_object in all.values_mut() {
            of_object.sort_unstable();
        }
        Self(all)
    }

    pub(super) fn find(&self, id: EventId) -> Option<(u64, u64)> {
        let spans = self.0.get(&id.object)?;
        let after = spans.partition_point(|(from, _)| *from <= id.offset);
        let (from, to) = spans.get(after.checked_sub(1)?)?;
        (id.offset < *to).then_some((*from, *to))
    }
}

/// Why a batch is left as it is.
pub(super) enum Left {
    /// Retention has dropped its raw bytes.
    Dropped,
    /// Something is wrong.
    Problem(ServeError),
}

/// Why raw bytes are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Retention has dropped their day.
    Dropped,
    Missing,
}

/// A batch with its raw bytes.
type Held = Result<Arc<(Manifest, Bytes)>, Gone>;

/// The raw bytes of a source's batches.
pub(super) struct Reader {
    pub(super) lake: Arc<Lake>,
    pub(super) source: String,
    held: VecDeque<(u64, Held)>,
}

impl Reader {
    pub(super) fn new(lake: Arc<Lake>, source: &str) -> Self {
        Self { lake, source: source.to_owned(), held: VecDeque::new() }
    }

    /// The bytes of a batch's records, or why it is left alone.
    pub(super) async fn part(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Result<Part, Left>, LakeError> {
        let mut bytes = Vec::with_capacity(manifest.spans.len());
        for span in &manifest.spans {
            match self.span(manifest.number, span).await? {
                Ok(found) => bytes.push(found),
                Err(Gone::Dropped) => return Ok(Err(Left::Dropped)),
                Err(Gone::Missing) => {
                    return Ok(Err(Left::Problem(ServeError::RawBytesGone {
                        source_name: self.source.clone(),
                        number: manifest.number,
                        object: span.object.clone(),
                    })));
                }
            }
        }
        Ok(Ok(Part { manifest: manifest.clone(), bytes }))
    }

    /// The bytes of a span, which came in with its batch or the ones before. They are put together from
    /// their end.
    async fn span(&mut self, number: u64, span: &Span) -> Result<Result<Vec<u8>, Gone>, LakeError> {
        let mut pieces = Vec::new();
        let mut end = span.to;
        for back in 0..limits::REPLAY_BATCHES_BACK_MAX.min(number) {
            if end <= span.from {
                break;
            }
            let batch = match self.batch(number - back).await? {
                Ok(batch) => batch,
                Err(gone) => return Ok(Err(gone)),
            };
            let (manifest, bytes) = &*batch;
            while let Some(piece) = piece(manifest, bytes, span, end) {
                end = end.saturating_sub(piece.len() as u64);
                pieces.push(piece);
                if end <= span.from {
                    break;
                }
            }
        }
        if end > span.from {
            return Ok(Err(Gone::Missing));
        }
        Ok(Ok(pieces.iter().rev().flat_map(|piece| piece.iter().copied()).collect()))
    }

    async fn batch(&mut self, number: u64) -> Result<Held, LakeError> {
        if let Some((_, held)) = self.held.iter().find(|(held, _)| *held == number) {
            return Ok(held.clone());
        }
        let manifest = self.lake.manifest(&self.source, number).await?;
        let batch = match self.lake.raw_bytes(&manifest).await? {
            Some(bytes) => Ok(Arc::new((manifest, bytes))),
            None => {
                let before = cold_dropped_before(&self.lake, &manifest.log_source).await?;
                let day = manifest.cold.and_then(|cold| layout::day_of_cold(&cold.key));
                let is_dropped = before.zip(day).is_some_and(|(before, day)| day < before);
                Err(if is_dropped { Gone::Dropped } else { Gone::Missing })
            }
        };
        if self.held.len() >= BATCHES_HELD {
            self.held.pop_front();
        }
        self.held.push_back((number, batch.clone()));
        Ok(batch)
    }
}

/// The part of a batch's raw bytes that ends at `end` in a span's object, and does not begin before the
/// span does.
fn piece(manifest: &Manifest, bytes: &Bytes, span: &Span, end: u64) -> Option<Bytes> {
    let mut at = 0_u64;
    for segment in &manifest.cold.as_ref()?.segments {
        let begin = at;
        at += segment.length;
        let is_same = segment.object == span.object && segment.generation == span.generation;
        if !is_same || end <= segment.offset || end > segment.offset + segment.length {
            continue;
        }
        let from = span.from.max(segment.offset);
        let place = |offset: u64| usize::try_from(begin + offset - segment.offset).ok();
        let (from, to) = (place(from)?, place(end)?);
        return (to <= bytes.len() && from < to).then(|| bytes.slice(from..to));
    }
    None
}
