//! The part of a batch that costs CPU: raw bytes to rows, matches and quarantined records.
//!
//! Everything here is synchronous and does no network I/O; [`crate::lane`] runs it on the blocking
//! pool. One pass over the bytes does it all: a record is framed, decoded, matched and encoded
//! while it is in the cache.

use std::{io, sync::Arc};

use base::{
    Event, EventId, Match, ObjectHash, Place, Problem, Quarantined, Report, Timestamp, limits,
};
use decode::{At, Decoder, Frame, FrameState, Framer, Header, Reject, Scratch};
use detect::Matcher;
use lake::{
    LakeError,
    batch::{Body, ColdWriter, RuleHour, Segment, Span},
    write::{TableWriter, Written},
};

use crate::{
    budget::{Budget, Share},
    rule_limit::{Closed, HeldBack, RuleLimit},
    spill::Spill,
};

/// How many bytes are framed between two looks at whether the batch is full. Two-byte lines of
/// rubbish become quarantined records of a few hundred bytes each, so this bounds their memory.
const WINDOW_BYTES: usize = 256 << 10;

/// What an object is called: enough to name its records.
#[derive(Debug, Clone)]
pub(crate) struct ObjectName {
    pub(crate) address: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) hash: ObjectHash,
}

/// One reading of one object: what must be remembered from chunk to chunk.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) object: ObjectName,
    framer: Framer,
    /// Bytes that are not framed yet.
    pending: Vec<u8>,
    /// The record that is too long to be one, while its pieces come.
    spill: Option<Spill>,
    /// How records are written, where the log source's format does not say.
    body: Option<Body>,
}

impl Session {
    pub(crate) fn new(object: ObjectName, framer: Framer) -> Self {
        Self { object, framer, pending: Vec::new(), spill: None, body: None }
    }

    pub(crate) fn with_body(self, body: Option<Body>) -> Self {
        Self { body, ..self }
    }

    /// The offset up to which every record has been dealt with.
    pub(crate) fn boundary(&self) -> u64 {
        self.spill.as_ref().map_or_else(|| self.framer.offset(), Spill::record_offset)
    }

    pub(crate) fn frame_state(&self) -> FrameState {
        self.framer.state()
    }
}

/// How a batch is put together.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) decoder: Arc<Decoder>,
    pub(crate) matcher: Arc<dyn Matcher>,
    /// The source's columns, those of the table and those it declares.
    pub(crate) own: arrow::datatypes::Fields,
    /// The columns that the table has; none as long as it does not exist.
    pub(crate) stored: arrow::datatypes::Fields,
    /// What all batches may take.
    pub(crate) budget: Arc<Budget>,
    /// How often rules may match, and did in the batches before.
    pub(crate) limit: RuleLimit,
    /// Decode only, for measuring: nothing is matched or encoded.
    pub(crate) decode_only: bool,
}

/// A batch in the making.
#[derive(Debug)]
pub(crate) struct Batcher {
    recipe: Recipe,
    writer: TableWriter,
    cold: ColdWriter,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) matches: Vec<Match>,
    /// How many of the matches are for correlations alone.
    silent: usize,
    pub(crate) spills: Vec<Spill>,
    pub(crate) records: u64,
    /// Where they were, the last one of the session at hand.
    spans: Vec<Span>,
    pub(crate) decoded: u64,
    pub(crate) time_min: Option<Timestamp>,
    pub(crate) time_max: Option<Timestamp>,
    failed: Option<LakeError>,
    /// How many bytes the matches take.
    match_bytes: usize,
    share: Share,
    /// The decoder's memory, from record to record.
    scratch: Scratch,
}

/// A batch's parts, finished.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) written: Written,
    pub(crate) rows: u64,
    pub(crate) cold: Option<(bytes::Bytes, Vec<Segment>)>,
    pub(crate) cold_bytes: u64,
    pub(crate) records: u64,
    pub(crate) spans: Vec<Span>,
    pub(crate) quarantined: Vec<Quarantined>,
    pub(crate) matches: Vec<Match>,
    pub(crate) rule_hours: Vec<RuleHour>,
    pub(crate) held_back: Vec<HeldBack>,
    pub(crate) spills: Vec<Spill>,
    pub(crate) time_min: Option<Timestamp>,
    pub(crate) time_max: Option<Timestamp>,
}

impl Batcher {
    pub(crate) fn new(recipe: Recipe) -> io::Result<Self> {
        let table = &recipe.decoder.log_source().table;
        let writer = TableWriter::new(table, recipe.own.iter(), limits::TABLE_COLUMNS_MAX);
        Ok(Self {
            writer,
            share: Share::new(Arc::clone(&recipe.budget)),
            match_bytes: 0,
            scratch: Scratch::default(),
            recipe,
            cold: ColdWriter::new()?,
            quarantined: Vec::new(),
            matches: Vec::new(),
            silent: 0,
            spills: Vec::new(),
            records: 0,
            spans: Vec::new(),
            decoded: 0,
            time_min: None,
            time_max: None,
            failed: None,
        })
    }

    /// The columns that the table had when it was begun; none if it did not exist.
    pub(crate) fn stored(&self) -> arrow::datatypes::Fields {
        self.recipe.stored.clone()
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.records == 0 && self.cold.bytes() == 0
    }

    /// Whether it should be committed before more is added.
    pub(crate) fn is_full(&self) -> bool {
        self.cold.bytes() >= limits::BATCH_BYTES_MAX as u64
            || self.share.is_spent()
            || self.writer.days() > limits::BATCH_DAYS_MAX
            || self.matches.len() - self.silent >= limits::BATCH_MATCHES_MAX
            || self.silent >= limits::BATCH_SILENT_MATCHES_MAX
            || self.quarantined.len() >= limits::BATCH_QUARANTINED_MAX
    }

    /// Takes in bytes that follow on what the session has.
    pub(crate) fn receive(
        &mut self,
        session: &mut Session,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), LakeError> {
        if !bytes.is_empty() && !self.recipe.decode_only {
            let segment = Segment {
                object: session.object.address.to_string(),
                generation: session.object.generation,
                offset,
                length: bytes.len() as u64,
            };
            self.cold.add(segment, bytes).map_err(|error| spill_error(&error))?;
        }
        session.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// Works through what the session has pending, until that is done or the batch is full. `last`:
    /// the object ends here. Answers whether it is done.
    pub(crate) fn work(
        &mut self,
        session: &mut Session,
        last: bool,
        now: Timestamp,
    ) -> Result<bool, LakeError> {
        self.begin_span(session);
        let mut pending = std::mem::take(&mut session.pending);
        let mut rest = pending.as_slice();
        let mut window = WINDOW_BYTES;
        let mut done = false;
        while !done && !self.is_full() {
            let view = rest.get(..window).unwrap_or(rest);
            let ends = view.len() == rest.len();
            let consumed = self.frame(session, view, last && ends, now)?;
            rest = rest.get(consumed..).unwrap_or_default();
            self.share.set(self.writer.memory() + self.match_bytes);
            if consumed > 0 {
                window = WINDOW_BYTES;
            } else {
                window = window.saturating_mul(2);
            }
            done = ends && (consumed == 0 || rest.is_empty() || last);
        }
        // Its room is wanted again for the next bytes.
        pending.drain(..pending.len() - rest.len());
        session.pending = pending;
        if let Some(span) = self.spans.last_mut() {
            span.to = session.boundary();
        }
        Ok(done)
    }

    /// What comes in from now on is the session's.
    fn begin_span(&mut self, session: &Session) {
        let ObjectName { address, generation, .. } = &session.object;
        let from = session.boundary();
        let goes_on = |span: &Span| {
            span.to == from && span.generation == *generation && span.object == **address
        };
        if self.spans.last().is_some_and(goes_on) {
            return;
        }
        let state = session.frame_state();
        let frame = (state != FrameState::default()).then(|| frame_state_json(&state));
        self.spans.push(Span {
            object: address.to_string(),
            generation: *generation,
            from,
            to: from,
            records: 0,
            rows: 0,
            ids: 0,
            frame,
            body: session.body,
        });
    }

    fn came_in(&mut self) {
        self.records += 1;
        if let Some(span) = self.spans.last_mut() {
            span.records += 1;
        }
    }

    fn frame(
        &mut self,
        session: &mut Session,
        view: &[u8],
        last: bool,
        now: Timestamp,
    ) -> Result<usize, LakeError> {
        let Session { object, framer, spill, .. } = session;
        let mut oversize = Vec::new();
        let consumed = framer.frame(view, last, &mut |frame| match frame {
            Frame::Record { offset, bytes, header } => {
                self.record(object, (offset, bytes), header.as_ref(), now);
            }
            Frame::Malformed { offset, bytes, problem } => {
                self.came_in();
                self.reject(object, (offset, bytes), None, &problem, now);
            }
            Frame::Oversize { record_offset, bytes, last } => {
                oversize.push((record_offset, bytes, last));
            }
        });
        for (record_offset, bytes, last) in oversize {
            self.oversize(object, spill, (record_offset, bytes, last), now)?;
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        Ok(consumed)
    }

    fn record(
        &mut self,
        object: &ObjectName,
        (offset, bytes): (u64, &[u8]),
        header: Option<&Header>,
        now: Timestamp,
    ) {
        self.came_in();
        let decoder = Arc::clone(&self.recipe.decoder);
        let at = At {
            object: &object.address,
            object_hash: object.hash,
            offset,
            ingest_time: now,
            header,
        };
        // Taken out while an event borrows from it.
        let mut scratch = std::mem::take(&mut self.scratch);
        match decoder.decode_in(bytes, &at, &mut scratch) {
            Ok(event) => self.event(&event, bytes.len()),
            Err(problem) => self.reject(object, (offset, bytes), header, &problem, now),
        }
        self.scratch = scratch;
    }

    fn event(&mut self, event: &Event<'_>, bytes: usize) {
        self.decoded += 1;
        if self.recipe.decode_only {
            return;
        }
        self.time_min = Some(self.time_min.map_or(event.time, |time| time.min(event.time)));
        self.time_max = Some(self.time_max.map_or(event.time, |time| time.max(event.time)));
        let before = self.matches.len();
        self.recipe.matcher.evaluate(event, &mut self.matches);
        self.recipe.limit.apply(&mut self.matches, before);
        for found in self.matches.iter().skip(before) {
            self.silent += usize::from(found.is_silent());
            self.match_bytes += found.event.len();
        }
        if let Err(error) = self.writer.append(event, bytes) {
            self.failed.get_or_insert(error);
        }
        if let Some(span) = self.spans.last_mut() {
            span.rows += 1;
            span.ids = span.ids.wrapping_add(event.id.fingerprint());
        }
    }

    fn reject(
        &mut self,
        object: &ObjectName,
        (offset, bytes): (u64, &[u8]),
        header: Option<&Header>,
        problem: &Reject,
        now: Timestamp,
    ) {
        let place = Place::Object(format!("{}, byte {offset}", object.address));
        let kept = bytes.get(..limits::QUARANTINE_INLINE_BYTES_MAX).unwrap_or(bytes);
        let entry = self.entry(object, offset, bytes.len() as u64, problem.report(place), now);
        let header = header.map(|header| header.text().to_owned());
        let mut entry = Quarantined { bytes: kept.to_vec(), header, ..entry };
        if kept.len() < bytes.len() {
            match Spill::whole(offset, bytes) {
                Ok(spill) => self.attach_spill(&mut entry, spill),
                Err(error) => {
                    self.failed.get_or_insert(spill_error(&error));
                }
            }
        }
        self.quarantined.push(entry);
    }

    /// Takes in a record that was quarantined, under its own id. Answers the reason if it still
    /// can't be decoded; it counts only if it can.
    pub(crate) fn replay(
        &mut self,
        record: &Quarantined,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<(), Reject> {
        let hash = EventId::parse(&record.id)
            .map_or_else(|| ObjectHash::of(&[&record.id]), |id| id.object);
        let decoder = Arc::clone(&self.recipe.decoder);
        let header = record.header.clone().map(Header::new);
        let at = At {
            object: &record.object,
            object_hash: hash,
            offset: record.offset,
            ingest_time: now,
            header: header.as_ref(),
        };
        let event = decoder.decode(bytes, &at)?;
        self.came_in();
        self.event(&event, bytes.len());
        Ok(())
    }

    /// Quarantines what can't be read of an object, as one record without bytes: the object itself
    /// has them.
    pub(crate) fn reject_object(&mut self, session: &Session, report: Report, now: Timestamp) {
        self.reject_whole(&session.object, session.boundary(), report, now);
    }

    /// The same, of an object that is read up to `offset`.
    pub(crate) fn reject_whole(
        &mut self,
        object: &ObjectName,
        offset: u64,
        report: Report,
        now: Timestamp,
    ) {
        // It has no place among the records that are cut out of the object.
        self.records += 1;
        let entry = self.entry(object, offset, 0, report, now);
        self.quarantined.push(entry);
    }

    /// Quarantines an announcement that led to no object, with its bytes. They are no record of the log source:
    /// its length of nothing keeps it from being tried again.
    pub(crate) fn reject_announcement(
        &mut self,
        object: &ObjectName,
        report: Report,
        mut bytes: Vec<u8>,
        now: Timestamp,
    ) {
        self.records += 1;
        bytes.truncate(limits::QUARANTINE_INLINE_BYTES_MAX);
        let entry = self.entry(object, 0, 0, report, now);
        self.quarantined.push(Quarantined { bytes, ..entry });
    }

    fn oversize(
        &mut self,
        object: &ObjectName,
        slot: &mut Option<Spill>,
        (record_offset, bytes, last): (u64, &[u8], bool),
        now: Timestamp,
    ) -> Result<(), LakeError> {
        let mut spill = match slot.take() {
            Some(spill) => spill,
            None => Spill::new(record_offset).map_err(|error| spill_error(&error))?,
        };
        spill.add(bytes).map_err(|error| spill_error(&error))?;
        if !last {
            *slot = Some(spill);
            return Ok(());
        }
        let place = Place::Object(format!("{}, byte {record_offset}", object.address));
        let report = Reject::oversize().report(place);
        self.came_in();
        let entry = self.entry(object, record_offset, spill.length(), report, now);
        let mut entry = Quarantined { bytes: spill.head().to_vec(), ..entry };
        self.attach_spill(&mut entry, spill);
        self.quarantined.push(entry);
        Ok(())
    }

    fn attach_spill(&mut self, entry: &mut Quarantined, mut spill: Spill) {
        let key = lake::layout::spill(&entry.log_source, &entry.id);
        spill.set_key(key.clone());
        entry.spill = Some(key);
        self.spills.push(spill);
    }

    fn entry(
        &self,
        object: &ObjectName,
        offset: u64,
        length: u64,
        problem: Report,
        now: Timestamp,
    ) -> Quarantined {
        Quarantined {
            id: EventId { object: object.hash, offset }.to_string(),
            time: now,
            log_source: self.recipe.decoder.log_source().name.clone(),
            object: object.address.to_string(),
            offset,
            length,
            header: None,
            problem,
            bytes: Vec::new(),
            spill: None,
        }
    }

    /// Closes the files.
    pub(crate) fn finish(mut self) -> Result<Finished, LakeError> {
        let cold_bytes = self.cold.bytes();
        self.spans.retain(|span| span.records > 0);
        let Closed { rule_hours, held_back } = self.recipe.limit.close();
        self.matches.extend(held_back.iter().map(HeldBack::alert));
        Ok(Finished {
            rows: self.writer.rows(),
            written: self.writer.finish()?,
            cold: self.cold.finish().map_err(|error| spill_error(&error))?,
            cold_bytes,
            records: self.records,
            spans: self.spans,
            quarantined: self.quarantined,
            matches: self.matches,
            rule_hours,
            held_back,
            spills: self.spills,
            time_min: self.time_min,
            time_max: self.time_max,
        })
    }
}

/// The framer's state as checkpoints keep it.
pub(crate) fn frame_state_json(state: &FrameState) -> serde_json::Value {
    // A framer's state is a small enum: it always serializes.
    serde_json::to_value(state).unwrap_or_default()
}

/// The framer to go on with: from a checkpoint's state, or at the start of an object.
pub(crate) fn framer(
    decoder: &Decoder,
    resume: Option<&serde_json::Value>,
    offset: u64,
) -> Result<Framer, Problem> {
    let state = match resume {
        None => FrameState::default(),
        Some(json) => serde_json::from_value(json.clone())
            .map_err(|error| crate::ServeError::Checkpoint { reason: error.to_string() })?,
    };
    Ok(Framer::new(&decoder.log_source().format, state, offset))
}

fn spill_error(error: &io::Error) -> LakeError {
    LakeError::Unavailable {
        action: "written",
        reason: error.to_string(),
        address: "a temporary file".into(),
        source: error.to_string().into(),
    }
}
