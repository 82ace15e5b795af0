//! Rows out of the bytes of records.

use std::{
    cell::Cell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use base::{Day, EventId, Place, Report, Timestamp};
use decode::{At, Decoder, Format, Frame, FrameState, Framer, Header, Layout, Scratch};
use lake::{
    LakeError,
    batch::{Body, Span},
    exchange::Known,
    write::TableWriter,
};

use super::reader::{Part, Spans};
use crate::ServeError;

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) fresh: HashSet<EventId>,
    /// The first and the last time of each batch's events.
    pub(super) times: HashMap<u64, (Timestamp, Timestamp)>,
    pub(super) renewed: u64,
    pub(super) restored: u64,
    pub(super) kept: u64,
    pub(super) quarantined: u64,
    pub(super) dropped: u64,
    pub(super) first_problem: Option<Report>,
}

/// Makes rows.
pub(super) struct Maker {
    pub(super) decoder: Arc<Decoder>,
    pub(super) known: Known,
    /// The records that are left alone.
    pub(super) aside: HashSet<EventId>,
    /// Rows of days before this one are not made.
    pub(super) before: Option<Day>,
    pub(super) writer: TableWriter,
    pub(super) made: Made,
}

impl Maker {
    /// Whether a batch's records are where they were: those that are rows are, and there are as many.
    pub(super) fn check(&self, part: &Part) -> Result<(), ServeError> {
        let mut places = HashSet::new();
        let mut differs = None;
        for (span, bytes) in part.manifest.spans.iter().zip(&part.bytes) {
            let object = span.hash();
            let mut records = 0;
            frames(&self.decoder, span, bytes, &mut |offset, _, _| {
                records += 1;
                places.insert(EventId { object, offset });
            });
            if records != span.records {
                differs.get_or_insert((span, records));
            }
        }
        let spans = Spans::new(std::slice::from_ref(part));
        let is_cut = |id: &&EventId| spans.find(**id).is_some() && !places.contains(*id);
        let lost = self.known.rows.keys().find(is_cut);
        let object = match (differs, lost) {
            (None, None) => return Ok(()),
            (Some((span, _)), _) => span.object.clone(),
            (None, Some(_)) => {
                part.manifest.spans.first().map_or(String::new(), |span| span.object.clone())
            }
        };
        Err(ServeError::OtherRecords {
            source_name: part.manifest.source.clone(),
            number: part.manifest.number,
            object,
        })
    }

    pub(super) fn part(&mut self, part: &Part) -> Result<(), LakeError> {
        let decoder = Arc::clone(&self.decoder);
        let mut scratch = Scratch::default();
        let mut done = Ok(());
        for (span, bytes) in part.manifest.spans.iter().zip(&part.bytes) {
            let object_hash = span.hash();
            frames(&decoder, span, bytes, &mut |offset, record, header| {
                let at = At {
                    object: &span.object,
                    object_hash,
                    offset,
                    ingest_time: part.manifest.written,
                    header,
                };
                let made = self.record(&at, record, part.manifest.number, &mut scratch);
                if done.is_ok() {
                    done = made;
                }
            });
        }
        done
    }

    /// Makes the row of a record of a batch.
    fn record(
        &mut self,
        at: &At<'_>,
        record: Option<&[u8]>,
        batch: u64,
        scratch: &mut Scratch,
    ) -> Result<(), LakeError> {
        let id = EventId { object: at.object_hash, offset: at.offset };
        let known = self.known.rows.get(&id).copied();
        if known.is_none() && self.aside.contains(&id) {
            self.made.quarantined += 1;
            return Ok(());
        }
        let Some(record) = record else {
            self.made.kept += u64::from(known.is_some());
            return Ok(());
        };
        // What has no time of its own has that at which it was taken in.
        let at = At { ingest_time: known.unwrap_or(at.ingest_time), ..*at };
        let decoder = Arc::clone(&self.decoder);
        let event = match decoder.decode_in(record, &at, scratch) {
            Ok(event) => event,
            Err(problem) => {
                self.made.kept += u64::from(known.is_some());
                let place = Place::Object(format!("{}, byte {}", at.object, at.offset));
                self.made.first_problem.get_or_insert_with(|| problem.report(place));
                return Ok(());
            }
        };
        let day = event.time.day();
        if known.is_none() && self.before.is_some_and(|before| day < before) {
            self.made.dropped += 1;
            return Ok(());
        }
        self.made.add(id, event.time, batch, known.is_some());
        self.writer.append(&event, record.len())
    }
}

impl Made {
    fn add(&mut self, id: EventId, time: Timestamp, batch: u64, was_there: bool) {
        self.fresh.insert(id);
        let times = self.times.entry(batch).or_insert((time, time));
        *times = (times.0.min(time), times.1.max(time));
        self.renewed += u64::from(was_there);
        self.restored += u64::from(!was_there);
    }
}

type Each<'e> = &'e mut dyn FnMut(u64, Option<&[u8]>, Option<&Header>);

/// Cuts the bytes of a span into records as they were cut then. Tells of each its offset, its bytes
/// (`None`: it is no record that can be decoded) and its header.
fn frames(decoder: &Decoder, span: &Span, bytes: &[u8], each: Each<'_>) {
    let files = &decoder.log_source().format;
    let layout = match span.body {
        None => files.layout.clone(),
        Some(Body::Json) => Layout::Json { records: None },
        Some(Body::Ndjson) => Layout::Ndjson,
    };
    let format = Format { layout, encoding: files.encoding };
    let state: Option<FrameState> =
        span.frame.clone().and_then(|frame| serde_json::from_value(frame).ok());
    let mut framer = Framer::new(&format, state.unwrap_or_default(), span.from);
    let records = Cell::new(0);
    let mut tell = |frame: Frame<'_>| {
        match frame {
            Frame::Record { offset, bytes, header } => each(offset, Some(bytes), header.as_ref()),
            Frame::Malformed { offset, .. } => each(offset, None, None),
            Frame::Oversize { record_offset, last: true, .. } => each(record_offset, None, None),
            Frame::Oversize { .. } => return,
        }
        records.set(records.get() + 1);
    };
    let consumed = framer.frame(bytes, false, &mut tell);
    // A span ends where a record does: one that has no end of its own was the object's last.
    let rest = bytes.get(consumed..).unwrap_or_default();
    if !rest.is_empty() || records.get() < span.records {
        framer.frame(rest, true, &mut tell);
    }
}
