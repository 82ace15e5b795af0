//! Batches: what a source's n-th batch became, written before it is committed.
//!
//! A batch is written in this order: cold bytes, quarantined records, matches, manifest (with the
//! source's checkpoint), Parquet files, and then the one step that makes it true: the commit to the
//! table, whose application transaction carries the batch's number. A batch whose number the table
//! does not have never happened, whatever of it is lying about, and will be written anew under the
//! same number. So data and checkpoint are one commit, on a store that can only put one object at a
//! time.

use std::collections::BTreeMap;

use base::{Match, ObjectHash, Quarantined, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The version of the manifest's form that is written.
pub const MANIFEST_VERSION: u32 = 1;

/// The name of a source's application transactions.
#[must_use]
pub fn app(source: &str) -> String {
    format!("dab/{source}")
}

/// The record of one batch: the ledger's line, and the checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The source.
    pub source: String,
    /// The batch's number, counting from 1 for each source.
    pub number: u64,
    /// The log source that decoded it.
    pub log_source: String,
    /// The table its rows are in.
    pub table: String,
    /// When it was written.
    pub written: Timestamp,
    /// How many records came in: always `rows` + `quarantined`.
    pub records: u64,
    /// How many became rows.
    pub rows: u64,
    /// How many were quarantined.
    pub quarantined: u64,
    /// How many raw bytes it has.
    pub bytes: u64,
    /// How many matches it made.
    pub matches: u64,
    /// How many more its events made that raise no alert, as their rules matched too often.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_back: u64,
    /// How often rules matched in the latest hours, in this batch and the source's earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule_hours: Vec<RuleHour>,
    /// The earliest event time in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_min: Option<Timestamp>,
    /// The latest event time in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_max: Option<Timestamp>,
    /// Its raw bytes in the cold tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Cold>,
    /// The key of its quarantined records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// The ids of the quarantined records that it replayed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<String>,
    /// Which records of which objects it dealt with. Those that it replayed are in none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// How often a value had another type than its column, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conflicts: BTreeMap<String, u64>,
    /// How far the source is read, in the source's own form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Box<RawValue>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Manifest {
    /// Why it does not add up, if it does not: its records are its rows and quarantined records.
    #[must_use]
    pub fn mismatch(&self) -> Option<String> {
        let Self { records, rows, quarantined, .. } = self;
        (*records != rows + quarantined).then(|| {
            format!(
                "{records} records came in, and became {rows} rows and {quarantined} quarantined"
            )
        })
    }
}

/// A stretch of an object whose records a batch dealt with: those that begin at `from` or later, and
/// before `to`. Stretches of the same object follow on one another, batch after batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The object's address.
    pub object: String,
    /// Which content the object had, where it was replaced.
    pub generation: u64,
    /// The offset at which it begins.
    pub from: u64,
    /// The offset at which it ends.
    pub to: u64,
    /// How many records there were.
    pub records: u64,
    /// How many of them became rows.
    pub rows: u64,
    /// The sum of the fingerprints of the rows' ids, in 64 bits that wrap around.
    pub ids: u64,
    /// Where the framer stood at `from`, in its own form; without it, between records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<serde_json::Value>,
    /// How the records were written, where the log source's format does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// How the records of a request are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// JSON values one after another, or in arrays.
    Json,
    /// One JSON object a line.
    Ndjson,
}

impl Span {
    /// The first part of its events' ids.
    #[must_use]
    pub fn hash(&self) -> ObjectHash {
        ObjectHash::of(&[&self.object, &self.generation.to_string()])
    }
}

/// How often a rule matched in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHour {
    /// The rule's id.
    pub rule: String,
    /// When the hour begins, by the events' time.
    pub hour: Timestamp,
    /// How often, with what was held back.
    pub matches: u64,
}

/// The raw bytes of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cold {
    /// The key: a Zstandard stream of the segments one after another.
    pub key: String,
    /// How many bytes it has as stored.
    pub bytes_stored: u64,
    /// What is in it, in order.
    pub segments: Vec<Segment>,
}

/// A stretch of an object (or a request) as it was received, decompressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The object's address.
    pub object: String,
    /// Which content the object had, where it was replaced.
    pub generation: u64,
    /// The offset of the first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// A batch ready to be written.
#[derive(Debug)]
pub struct Batch {
    /// Its manifest; `cold.bytes_stored` and the keys are filled in when it is written.
    pub manifest: Manifest,
    /// Its raw bytes, compressed.
    pub cold: Option<bytes::Bytes>,
    /// Its quarantined records.
    pub quarantined: Vec<Quarantined>,
    /// Its matches.
    pub matches: Vec<Match>,
}

/// Gathers the raw bytes of a batch.
pub struct ColdWriter {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    segments: Vec<Segment>,
    bytes: u64,
}

impl std::fmt::Debug for ColdWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ColdWriter").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl ColdWriter {
    /// An empty writer.
    ///
    /// # Errors
    ///
    /// If the encoder can't be made: there is no memory for it.
    pub fn new() -> std::io::Result<Self> {
        // Level 1 costs 2 ms per MiB; level 3 half as much again for a tenth less space.
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1)?;
        encoder.include_checksum(true)?;
        Ok(Self { encoder, segments: Vec::new(), bytes: 0 })
    }

    /// How many raw bytes were added.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds bytes of an object. Bytes that follow on the last ones join their segment.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn add(&mut self, segment: Segment, bytes: &[u8]) -> std::io::Result<()> {
        debug_assert_eq!(segment.length, bytes.len() as u64, "the segment is these bytes");
        std::io::Write::write_all(&mut self.encoder, bytes)?;
        self.bytes += segment.length;
        match self.segments.last_mut() {
            Some(last)
                if last.object == segment.object
                    && last.generation == segment.generation
                    && last.offset + last.length == segment.offset =>
            {
                last.length += segment.length;
            }
            _ => self.segments.push(segment),
        }
        Ok(())
    }

    /// The compressed bytes and what is in them; `None` if nothing was added.
    ///
    /// # Errors
    ///
    /// If there is no memory.
    pub fn finish(self) -> std::io::Result<Option<(bytes::Bytes, Vec<Segment>)>> {
        if self.segments.is_empty() {
            return Ok(None);
        }
        Ok(Some((self.encoder.finish()?.into(), self.segments)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_of_the_first_version_is_read_for_ever() {
        let text = include_str!("../tests/samples/manifest-v1.json");
        let manifest: Manifest = serde_json::from_str(text).unwrap();
        assert_eq!(manifest.records, manifest.rows + manifest.quarantined);
        assert_eq!(manifest.cold.unwrap().segments.len(), 1);
        assert!(manifest.checkpoint.unwrap().get().contains("objects"));
    }

    #[test]
    fn neighboring_bytes_are_one_segment() {
        let mut writer = ColdWriter::new().unwrap();
        let segment =
            |offset, length| Segment { object: "file:a".into(), generation: 0, offset, length };
        writer.add(segment(0, 3), b"one").unwrap();
        writer.add(segment(3, 3), b"two").unwrap();
        writer.add(segment(9, 5), b"three").unwrap();
        let (bytes, segments) = writer.finish().unwrap().unwrap();
        assert_eq!(segments, [segment(0, 6), segment(9, 5)]);
        assert_eq!(zstd::decode_all(&*bytes).unwrap(), b"onetwothree");
    }
}
