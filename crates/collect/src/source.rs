//! What a source hands out, and the promise it makes.
//!
//! # Delivery
//!
//! A source delivers *at least once*. It never moves its own checkpoint: the consumer tells it how
//! far the records are framed ([`crate::BucketSource::advance`]), and stores the checkpoint in the
//! same step that commits those records to the lake. A source that is killed at any point therefore
//! repeats bytes, but skips none; the lake drops the repeats by event id.
//!
//! # Reading
//!
//! Reading an object always starts at a record boundary that was advanced to. An unfinished tail is
//! not kept in memory between two readings: it is read again when there is more of it.
//!
//! # Order
//!
//! The bytes of one object come in order and without gaps. Objects come oldest first, by the time
//! that the store says they were last modified; this order is no promise.

use std::{fmt, sync::Arc};

use base::{Explain as _, ObjectHash, Place, Problem, Report};
use bytes::Bytes;

use crate::CollectError;

/// One object in one generation: cheap to clone.
///
/// The generation counts how often the object was replaced by different content under the same
/// address, so that offsets in the old content and in the new are not mistaken for each other.
#[derive(Clone)]
pub struct ObjectKey(Arc<Inner>);

struct Inner {
    address: String,
    path: Arc<str>,
    generation: u32,
    hash: ObjectHash,
}

impl ObjectKey {
    pub(crate) fn new(address: String, path: Arc<str>, generation: u32) -> Self {
        let hash = ObjectHash::of(&[&address, &generation.to_string()]);
        Self(Arc::new(Inner { address, path, generation, hash }))
    }

    /// The full address, such as `file:incoming/okta/a.ndjson` or `s3://logs/okta/a.ndjson.gz`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// The path below the source's location.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// How often it was replaced: 0 for the content that was there first.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.0.generation
    }

    /// The hash of address and generation: the first part of its events' ids.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        self.0.hash
    }

    pub(crate) fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.0.path)
    }
}

impl PartialEq for ObjectKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.generation == other.0.generation && self.0.address == other.0.address
    }
}

impl Eq for ObjectKey {}

impl std::hash::Hash for ObjectKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash.hash(state);
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.0.address, self.0.generation)
    }
}

/// Some bytes of an object, decompressed.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The object.
    pub object: ObjectKey,
    /// The offset of `bytes[0]` in the decompressed object.
    pub offset: u64,
    /// The bytes. May be empty, above all on an object's last chunk.
    pub bytes: Bytes,
    /// On the first chunk of a reading: the state that the consumer gave when it last advanced.
    pub resume: Option<serde_json::Value>,
    /// This chunk begins a reading of the object: anything unfinished that the consumer still has
    /// of it is to be forgotten, for it comes again.
    pub first: bool,
    /// What comes after it.
    pub end: End,
}

/// What comes after a chunk.
#[derive(Debug, Clone)]
pub enum End {
    /// More bytes of this object come with the next chunk.
    More,
    /// There is nothing more now, but the object may grow: leave an unfinished record unread, it
    /// comes again.
    Pause,
    /// The object is complete: an unterminated record is a record. Advance to the end of the chunk
    /// (even of an empty one), or the object is read again.
    Complete,
    /// The object can't be read further: quarantine with this reason what is unfinished, and
    /// advance to the end of the chunk, or the object is read again.
    Broken(Fault),
}

impl End {
    /// The reading ends with this chunk.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        !matches!(self, Self::More)
    }
}

/// Why an object can't be read further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The problem, for people.
    pub report: Report,
    /// How many bytes of the object, as stored, were good.
    pub raw_offset: u64,
}

impl Fault {
    pub(crate) fn new(error: CollectError, raw_offset: u64) -> Self {
        let place = error.place().map(|place| match place {
            Place::Object(address) => {
                Place::Object(format!("{address}, compressed byte {raw_offset}"))
            }
            place @ Place::File { .. } => place,
        });
        Self { report: Report { place, ..Problem::from(error).report() }, raw_offset }
    }
}
