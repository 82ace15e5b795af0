//! A round of a pull that stores nothing: what it would bring.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Clock, ObjectHash, Place, Problem, Report, StateStore, Timestamp, limits};
use collect::{Piece, PullError, Puller, Step};
use decode::{At, Decoder, Format, Frame, FrameState, Framer};
use lake::{Lake, batch::app};

use crate::{
    ServeError, Stop,
    pull_lane::{
        PullSpec, form, keep_credential, kept, kept_credential, laid_out, restoring, stored,
    },
};

/// What a round would bring.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct PullDryRun {
    /// How many answers with records there were.
    pub pages: u64,
    /// How many records are new.
    pub records: u64,
    /// How many more came that are stored already.
    pub repeats: u64,
    /// How many of the new ones can be decoded.
    pub events: u64,
    /// The earliest of their times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_min: Option<Timestamp>,
    /// The latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_max: Option<Timestamp>,
    /// How often each problem was met, by its code, and the first of each.
    pub problems: BTreeMap<String, (u64, Report)>,
    /// Whether it came to its end.
    pub is_whole: bool,
}

impl PullDryRun {
    fn problem(&mut self, report: Report) {
        let entry = self.problems.entry(report.code.clone()).or_insert_with(|| (0, report));
        entry.0 += 1;
    }
}

/// Asks once, as the pull would now, and stores nothing: neither events nor how far it is.
///
/// # Errors
///
/// If the lake can't be read.
pub async fn pull_dry_run(
    lake: &Arc<Lake>,
    state: &dyn StateStore,
    decoders: &[Arc<Decoder>],
    spec: PullSpec,
    clock: Arc<dyn Clock>,
    mut stop: Stop,
) -> Result<PullDryRun, Problem> {
    let PullSpec { log_source, is_csv, api, plan, range, .. } = spec;
    let Some(decoder) = decoders.iter().find(|own| own.log_source().name == log_source) else {
        let names = decoders.iter().map(|own| own.log_source().name.as_str());
        let known = names.collect::<Vec<_>>().join(", ");
        return Err(
            ServeError::UnknownLogSource { source_name: plan.name, log_source, known }.into()
        );
    };
    let (format, _) = form(decoder, is_csv, &plan.name)?;
    let table = lake.table(&decoder.log_source().table).await?;
    let last = table.last_commit_of(&app(&plan.name)).await?;
    let number = last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0);
    let source = plan.name.clone();
    let mut puller = Puller::new(api, plan, Arc::clone(&clock));
    restore(&mut puller, lake, state, number).await?;
    match (range, puller.began()) {
        (None, _) => puller.begin_round(),
        (Some(range), None) => puller.begin_until(range.from, range.to),
        (Some(range), Some(began)) => {
            let table = &decoder.log_source().table;
            let known = stored(lake, table, puller.plan(), began, range).await?;
            puller.begin_range(range.from, range.to, known);
        }
    }
    let mut done = PullDryRun { is_whole: true, ..PullDryRun::default() };
    let mut tries = 0;
    loop {
        let step = tokio::select! {
            step = puller.step() => step,
            () = stop.stopped() => {
                done.is_whole = false;
                return Ok(done);
            }
        };
        // Events are not stored, but the old credential may no longer be good.
        if let Some(sealed) = puller.renewed() {
            keep_credential(state, &source, &sealed).await?;
        }
        for report in puller.notices() {
            done.problem(report);
        }
        match step {
            Ok(Step::Piece(piece)) => {
                tries = 0;
                look(&mut done, decoder, &format, &piece, clock.now());
                puller.took(piece.records.len());
            }
            Ok(Step::Window) => {}
            Ok(Step::Idle) => return Ok(done),
            Err(error) => {
                tries += u32::from(!matches!(error, PullError::Limited { .. }));
                let wait = error.wait(tries).filter(|_| tries < limits::PULL_TRIES_MAX);
                done.problem(Problem::from(error).report());
                match wait {
                    Some(wait) => pause(wait, &mut stop).await,
                    None => {
                        done.is_whole = false;
                        puller.give_up();
                    }
                }
            }
        }
    }
}

/// Lets a pull go on from what is stored up to its last batch.
async fn restore(
    puller: &mut Puller,
    lake: &Lake,
    state: &dyn StateStore,
    number: u64,
) -> Result<(), Problem> {
    let source = puller.plan().name.clone();
    if number > 0 {
        let manifest = lake.manifest(&source, number).await?;
        let restoring = restoring(lake, puller.plan(), &manifest).await?;
        puller.restore(restoring);
    }
    if let Some(places) = kept(state, &source, number).await? {
        puller.restore_places(&places)?;
    }
    if let Some(sealed) = kept_credential(state, &source).await? {
        puller.restore_renewed(&sealed);
    }
    Ok(())
}

async fn pause(wait: Duration, stop: &mut Stop) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.stopped() => {}
    }
}

fn look(done: &mut PullDryRun, decoder: &Decoder, format: &Format, piece: &Piece, now: Timestamp) {
    done.pages += 1;
    done.repeats += piece.repeats as u64;
    done.records += piece.records.len() as u64;
    let (bytes, _) = laid_out(piece);
    let address = format!("pull/{}", piece.object);
    let object_hash = ObjectHash::of(&[&address, "0"]);
    let mut framer = Framer::new(format, FrameState::default(), 0);
    framer.frame(&bytes, true, &mut |frame| {
        let (offset, problem) = match frame {
            Frame::Record { offset, bytes, header } => {
                let header = header.as_ref();
                let at = At { object: &address, object_hash, offset, ingest_time: now, header };
                match decoder.decode(bytes, &at) {
                    Ok(event) => {
                        done.events += 1;
                        let time = event.time;
                        done.time_min = Some(done.time_min.map_or(time, |min| min.min(time)));
                        done.time_max = Some(done.time_max.map_or(time, |max| max.max(time)));
                        return;
                    }
                    Err(problem) => (offset, problem),
                }
            }
            Frame::Malformed { offset, problem, .. } => (offset, problem),
            Frame::Oversize { record_offset, .. } => (record_offset, decode::Reject::oversize()),
        };
        let place = Place::Object(format!("{address}, byte {offset}"));
        done.problem(problem.report(place));
    });
}
