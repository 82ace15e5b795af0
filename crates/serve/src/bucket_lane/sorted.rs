//! Objects with records of several log sources, sorted on their way into the lake.
//!
//! # How each record is stored once
//!
//! Each log source that a route names has a lane of its own, `SOURCE.LOG_SOURCE`; what no route is for, and how far the
//! bucket is read, is in the source's own lane, which commits last. Whatever the others commit before it, they commit
//! together with *marks*: up to where they have the objects that were read since. After a crash the bucket is read
//! again from the last commit of the source's own lane, and each lane leaves out what its marks cover. Marks count
//! while they are newer than that commit.
//!
//! A lane is given its records in sheets: those of a piece of an object, one a line. A sheet is named by the object and
//! the offset of its first record, which is in no other sheet of that lane.
//!
//! # Limits
//!
//! A mark knows an object by its path and generation. One that is replaced between two commits, read in part, and
//! replaced once more before a process that died is started again has the same generation as before: of it, a lane
//! leaves out what it had of the content in between.

use std::{collections::BTreeMap, sync::Arc};

use base::{ObjectHash, Problem};
use collect::{Chunk, End, ObjectKey, SyslogForm};
use decode::{Format, Frame, FrameState, Framer};
use lake::batch::{Body, Manifest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::BucketLane;
use crate::{
    ServeError,
    batcher::{Batcher, ObjectName, Session, frame_state_json},
    lane::{Lane, NotCommitted, blocking},
    push_lane::lines_of,
    sorting::{Classifier, bytes_of, shield},
    syslog_lane::form_of,
};

/// The version of what lanes keep.
const VERSION: u32 = 1;

/// Up to where objects are stored, by their paths: the generation, and the offset of the next record.
type Marks = BTreeMap<String, Mark>;

/// A generation, and the offset of the next record.
type Mark = (u32, u64);

/// What a lane keeps beside its batches.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// How often the source's own lane has said how far the bucket is read, that of this batch included.
    step: u64,
    /// How far that is; only in the source's own lane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Box<RawValue>>,
    marks: Marks,
}

/// How far the bucket is read, out of what the source's own lane keeps, whether it sorts or not.
pub(super) fn source_checkpoint(checkpoint: &RawValue) -> Option<Box<RawValue>> {
    match serde_json::from_str::<Kept>(checkpoint.get()) {
        Ok(kept) => kept.source,
        Err(_) => Some(checkpoint.to_owned()),
    }
}

/// The lanes of a source whose records are sorted.
#[derive(Debug)]
pub(crate) struct Sorted {
    classifier: Arc<Classifier>,
    /// By the numbers of the classifier; the last is the source's own, and its lane elsewhere.
    outlets: Vec<Outlet>,
    cutter: Option<Cutter>,
    /// How often the source's own lane has said how far the bucket is read.
    step: u64,
    /// What it said last.
    base: Option<Box<RawValue>>,
    /// Up to where objects were handed out since.
    fresh: Marks,
    /// Something was committed since, or will be.
    is_ahead: bool,
}

#[derive(Debug)]
struct Outlet {
    /// `None`: the source's own.
    lane: Option<Lane>,
    batcher: Option<Batcher>,
    form: SyslogForm,
    format: Format,
    body: Option<Body>,
    /// What it had stored when it was opened.
    marks: Marks,
}

/// Cuts an object into records.
#[derive(Debug)]
struct Cutter {
    object: ObjectKey,
    framer: Framer,
    pending: Vec<u8>,
}

/// Some records of an object for one lane.
#[derive(Debug, Default)]
struct Sheet {
    body: Vec<u8>,
    /// Where each record begins in it, and in the object.
    starts: Vec<(u64, u64)>,
}

impl Sorted {
    /// `lanes`: in the order of the classifier's numbers, but for the last.
    pub(crate) fn new(classifier: Classifier, lanes: Vec<Lane>, own: &Lane) -> Self {
        let outlet = |lane: &Lane| {
            let files = &lane.decoder.log_source().format;
            let form = form_of(&files.layout);
            let (format, body) = lines_of(files);
            Outlet { lane: None, batcher: None, form, format, body, marks: Marks::new() }
        };
        let own = outlet(own);
        let mut outlets: Vec<Outlet> = lanes
            .into_iter()
            .map(|lane| {
                let outlet = outlet(&lane);
                Outlet { lane: Some(lane), ..outlet }
            })
            .collect();
        outlets.push(own);
        Self {
            classifier: Arc::new(classifier),
            outlets,
            cutter: None,
            step: 0,
            base: None,
            fresh: Marks::new(),
            is_ahead: false,
        }
    }

    /// Goes back to what is committed. `own`: the last batch of the source's own lane.
    pub(super) async fn resume(&mut self, own: Option<&Manifest>) -> Result<(), Problem> {
        (self.cutter, self.step, self.base, self.is_ahead) = (None, 0, None, false);
        self.fresh.clear();
        let mut kept = Vec::new();
        for outlet in &mut self.outlets {
            outlet.batcher = None;
            let last = match &mut outlet.lane {
                Some(lane) => lane.resume().await?,
                None => own.cloned(),
            };
            let checkpoint = last.and_then(|last| last.checkpoint);
            kept.push(checkpoint.map(|checkpoint| read(&checkpoint)).transpose()?);
        }
        if let Some(Some(own)) = kept.last_mut() {
            (self.step, self.base) = (own.step, own.source.take());
        }
        for (outlet, kept) in self.outlets.iter_mut().zip(kept) {
            // The source's own marks are those since the step that stands beside them.
            let is_newer = |kept: &Kept| kept.step > self.step || outlet.lane.is_none();
            outlet.marks = kept.filter(is_newer).map(|kept| kept.marks).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn batchers(&self) -> impl Iterator<Item = &Batcher> {
        self.outlets.iter().filter_map(|outlet| outlet.batcher.as_ref())
    }

    pub(super) const fn is_ahead(&self) -> bool {
        self.is_ahead
    }

    fn begin(&mut self, chunk: &Chunk) -> Result<(), Problem> {
        let state = match &chunk.resume {
            None => FrameState::default(),
            Some(json) => serde_json::from_value(json.clone())
                .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?,
        };
        let framer = Framer::new(self.classifier.format(), state, chunk.offset);
        let object = chunk.object.clone();
        self.cutter = Some(Cutter { object, framer, pending: Vec::new() });
        Ok(())
    }

    /// Cuts and sorts what came of an object. Answers a sheet for each outlet, and where the cutter stands.
    async fn cut(
        &mut self,
        source: &str,
        bytes: bytes::Bytes,
        last: bool,
    ) -> Result<(Vec<Sheet>, u64, FrameState), Problem> {
        let Some(mut cutter) = self.cutter.take() else {
            let reason = "a piece of an object came without its beginning".to_owned();
            return Err(ServeError::Task { task: source.to_owned(), reason }.into());
        };
        let classifier = Arc::clone(&self.classifier);
        let forms: Vec<SyslogForm> = self.outlets.iter().map(|outlet| outlet.form).collect();
        let path = cutter.object.path();
        let had = |outlet: &Outlet| outlet.marks.get(path).copied();
        let had: Vec<_> = self.outlets.iter().map(had).collect();
        let (cutter, sheets) = blocking(source, move || {
            cutter.pending.extend_from_slice(&bytes);
            let sheets = cutter.sort(&classifier, (&forms, &had), last);
            (cutter, sheets)
        })
        .await?;
        let stands = (cutter.framer.offset(), cutter.framer.state());
        self.cutter = Some(cutter);
        Ok((sheets, stands.0, stands.1))
    }

    /// What is kept with a batch that does not say how far the bucket is read.
    fn kept(&self, is_own: bool, mark: Option<(&ObjectKey, u64)>) -> Kept {
        let mut marks = self.fresh.clone();
        if let Some((object, offset)) = mark {
            marks.insert(object.path().to_owned(), (object.generation(), offset));
        }
        let step = if is_own { self.step } else { self.step + 1 };
        Kept { version: VERSION, step, source: self.base.clone().filter(|_| is_own), marks }
    }
}

impl Cutter {
    fn sort(
        &mut self,
        classifier: &Classifier,
        (forms, had): (&[SyslogForm], &[Option<Mark>]),
        last: bool,
    ) -> Vec<Sheet> {
        let generation = self.object.generation();
        let mut sheets: Vec<Sheet> = forms.iter().map(|_| Sheet::default()).collect();
        let consumed = self.framer.frame(&self.pending, last, &mut |frame| {
            let (Frame::Record { offset, .. }
            | Frame::Malformed { offset, .. }
            | Frame::Oversize { record_offset: offset, .. }) = frame;
            let bytes = bytes_of(&frame);
            let number = classifier.outlet_of(bytes);
            let is_stored =
                had.get(number).copied().flatten().is_some_and(|(of, up_to)| {
                    of > generation || (of == generation && offset < up_to)
                });
            let (Some(form), Some(sheet)) = (forms.get(number), sheets.get_mut(number)) else {
                return;
            };
            let begin = sheet.body.len() as u64;
            if !is_stored && form.write(shield(bytes), bytes, &mut sheet.body) {
                sheet.starts.push((begin, offset));
            }
        });
        self.pending.drain(..consumed);
        sheets
    }
}

impl Sheet {
    /// What its records say they are of.
    fn object(&self, of: &ObjectKey) -> ObjectName {
        let first = self.starts.first().map_or(0, |(_, offset)| *offset);
        let address = format!("{}#{first}", of.address());
        let generation = u64::from(of.generation());
        let hash = ObjectHash::of(&[&address, &generation.to_string()]);
        ObjectName { address: Arc::from(address), generation, hash }
    }

    /// Where in the object the first record is that lies behind `boundary` of the sheet.
    fn at(&self, boundary: u64) -> Option<u64> {
        let after = self.starts.partition_point(|(start, _)| *start < boundary);
        self.starts.get(after).map(|(_, offset)| *offset)
    }
}

fn read(checkpoint: &RawValue) -> Result<Kept, Problem> {
    // The source did not sort before.
    let Ok(kept) = serde_json::from_str::<Kept>(checkpoint.get()) else {
        let source = Some(checkpoint.to_owned());
        return Ok(Kept { version: VERSION, step: 0, source, marks: Marks::new() });
    };
    if kept.version != VERSION {
        let reason = format!("version {} is newer than this dab", kept.version);
        return Err(ServeError::Checkpoint { reason }.into());
    }
    Ok(kept)
}

fn written(kept: &Kept) -> Result<Box<RawValue>, Problem> {
    let json = serde_json::value::to_raw_value(kept);
    Ok(json.map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?)
}

impl BucketLane {
    /// Sorts a piece of an object into the lanes.
    pub(super) async fn sort(&mut self, chunk: Chunk) -> Result<(), NotCommitted> {
        let Some(sorted) = &mut self.sorted else { return Ok(()) };
        if chunk.first {
            sorted.begin(&chunk)?;
        }
        let last = matches!(chunk.end, End::Complete | End::Broken(_));
        let end_offset = chunk.offset + chunk.bytes.len() as u64;
        let (sheets, boundary, state) = sorted.cut(&self.spec.name, chunk.bytes, last).await?;
        for (number, sheet) in sheets.into_iter().enumerate() {
            if !sheet.starts.is_empty() {
                self.put(number, sheet, &chunk.object).await?;
            }
        }
        if let End::Broken(fault) = &chunk.end {
            let object = ObjectName {
                address: Arc::from(chunk.object.address()),
                generation: u64::from(chunk.object.generation()),
                hash: chunk.object.hash(),
            };
            self.lane.trouble(fault.report.clone());
            let mut batcher = self.take_batcher().await?;
            let now = self.lane.stages.clock.now();
            batcher.reject_whole(&object, boundary, fault.report.clone(), now);
            self.batcher = Some(batcher);
        }
        let boundary = if last { end_offset } else { boundary };
        if let Some(sorted) = &mut self.sorted {
            let mark = (chunk.object.generation(), boundary);
            sorted.fresh.insert(chunk.object.path().to_owned(), mark);
        }
        self.source.advance(&chunk.object, boundary, frame_state_json(&state));
        Ok(())
    }

    /// Puts a sheet into the batch of its lane, and commits that as often as it is full.
    async fn put(
        &mut self,
        number: usize,
        sheet: Sheet,
        of: &ObjectKey,
    ) -> Result<(), NotCommitted> {
        let Some(outlet) = self.sorted.as_ref().and_then(|sorted| sorted.outlets.get(number))
        else {
            return Ok(());
        };
        let framer = Framer::new(&outlet.format, FrameState::default(), 0);
        let mut session = Session::new(sheet.object(of), framer).with_body(outlet.body);
        let mut input = Some(sheet.body.clone());
        loop {
            let mut batcher = self.batcher_of(number).await?;
            let (now, input) = (self.lane.stages.clock.now(), input.take());
            let worked = blocking(&self.spec.name, move || {
                if let Some(bytes) = input {
                    batcher.receive(&mut session, 0, &bytes)?;
                }
                let done = batcher.work(&mut session, true, now)?;
                Ok::<_, Problem>((batcher, session, done))
            });
            let (batcher, back, done) = worked.await??;
            session = back;
            let boundary = session.boundary();
            self.give_back(number, batcher);
            if done {
                return Ok(());
            }
            let mark = sheet.at(boundary).map(|offset| (of, offset));
            self.commit_outlet(number, mark).await?;
        }
    }

    fn is_own(&self, number: usize) -> bool {
        let outlets = self.sorted.as_ref().map(|sorted| &sorted.outlets);
        outlets.and_then(|outlets| outlets.get(number)).is_none_or(|outlet| outlet.lane.is_none())
    }

    async fn batcher_of(&mut self, number: usize) -> Result<Batcher, Problem> {
        if self.is_own(number) {
            return self.take_batcher().await;
        }
        let now = self.lane.stages.clock.monotonic();
        if self.is_nothing_open() {
            self.begun = now;
        }
        let outlet = self.sorted.as_mut().and_then(|sorted| sorted.outlets.get_mut(number));
        match outlet {
            Some(Outlet { batcher: Some(_), .. }) | None => {}
            Some(Outlet { batcher: slot, lane: Some(lane), .. }) => {
                *slot = Some(lane.batcher().await?);
            }
            Some(Outlet { lane: None, .. }) => {}
        }
        let outlet = self.sorted.as_mut().and_then(|sorted| sorted.outlets.get_mut(number));
        match outlet.and_then(|outlet| outlet.batcher.take()) {
            Some(batcher) => Ok(batcher),
            None => self.lane.batcher().await,
        }
    }

    fn give_back(&mut self, number: usize, batcher: Batcher) {
        if self.is_own(number) {
            self.batcher = Some(batcher);
        } else if let Some(sorted) = &mut self.sorted
            && let Some(outlet) = sorted.outlets.get_mut(number)
        {
            outlet.batcher = Some(batcher);
        }
    }

    /// Commits what one lane has, with marks; how far the bucket is read, it does not say.
    async fn commit_outlet(
        &mut self,
        number: usize,
        mark: Option<(&ObjectKey, u64)>,
    ) -> Result<(), NotCommitted> {
        let is_own = self.is_own(number);
        let Some(sorted) = &mut self.sorted else { return Ok(()) };
        let checkpoint = written(&sorted.kept(is_own, mark))?;
        let Some(outlet) = sorted.outlets.get_mut(number) else { return Ok(()) };
        let batcher = if is_own { self.batcher.take() } else { outlet.batcher.take() };
        let Some(batcher) = batcher.filter(|batcher| !batcher.is_empty()) else { return Ok(()) };
        let lane = outlet.lane.as_mut().unwrap_or(&mut self.lane);
        if lane.stages.decode_only {
            super::count_decoded(lane, &batcher);
            return Ok(());
        }
        lane.commit(batcher, Some(checkpoint), Vec::new()).await?;
        sorted.is_ahead = true;
        Ok(())
    }

    /// Commits what all lanes have, and last how far the bucket is read.
    pub(super) async fn commit_sorted(&mut self) -> Result<(), NotCommitted> {
        let others =
            self.sorted.as_ref().map_or(0, |sorted| sorted.outlets.len().saturating_sub(1));
        for number in 0..others {
            self.commit_outlet(number, None).await?;
        }
        let own = self.batcher.take().filter(|batcher| !batcher.is_empty());
        let Some(sorted) = &mut self.sorted else { return Ok(()) };
        if self.lane.stages.decode_only {
            if let Some(batcher) = own {
                super::count_decoded(&self.lane, &batcher);
            }
            return Ok(());
        }
        if own.is_none() && !sorted.is_ahead {
            return Ok(());
        }
        let batcher = match own {
            Some(batcher) => batcher,
            None => self.lane.batcher().await?,
        };
        let source = super::checkpoint_json(&self.source)?;
        let (step, marks) = (sorted.step + 1, Marks::new());
        let kept = Kept { version: VERSION, step, source: Some(source), marks };
        self.lane.commit(batcher, Some(written(&kept)?), Vec::new()).await?;
        (sorted.step, sorted.base, sorted.is_ahead) = (step, kept.source, false);
        sorted.fresh.clear();
        Ok(())
    }
}
