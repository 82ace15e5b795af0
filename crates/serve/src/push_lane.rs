//! What comes by HTTP, on its way into the lake: gathered for a moment, committed, then answered.

use std::{sync::Arc, time::Duration};

use base::{ObjectHash, Problem};
use collect::{PushForm, PushOutcome, PushQueue, PushRequest, Rejected};
use decode::{Format, FrameState, Framer, Layout};
use lake::batch::Body;

use crate::{
    batcher::{Batcher, ObjectName, Session},
    lane::{Lane, NotCommitted, PUSH_BATCH_BYTES, blocking},
};

/// How long a request may wait for others to be committed along with it.
pub(crate) const GROUP_COMMIT: Duration = Duration::from_millis(250);

/// How often a batch is made again because the table's columns changed under it.
const MAKE_AGAIN_MAX: usize = 5;

/// The name of the source that a log source's requests are.
pub(crate) fn source_name(log_source: &str) -> String {
    format!("http.{log_source}")
}

/// How a request's records are written: as in files for a log source of text, else JSON. An array is an
/// array of records whatever the source's files look like, and `application/x-ndjson` means one
/// object on each line.
fn format_of_body(files: &Format, form: &PushForm, body: &[u8]) -> Format {
    let is_ndjson = match form {
        PushForm::Lines => true,
        PushForm::AsSent(kind) => {
            kind.as_ref().is_some_and(|kind| kind.to_ascii_lowercase().contains("ndjson"))
        }
    };
    let layout = match &files.layout {
        layout if layout.is_text() => layout.clone(),
        _ if *form == PushForm::Lines => Layout::Ndjson,
        _ if body.trim_ascii_start().starts_with(b"[") => Layout::Json { records: None },
        _ if is_ndjson => Layout::Ndjson,
        layout => layout.clone(),
    };
    Format { layout, encoding: files.encoding }
}

/// How records one a line are read, of a log source whose files look like this; and what its batches say of it.
pub(crate) fn lines_of(files: &Format) -> (Format, Option<Body>) {
    let format = format_of_body(files, &PushForm::Lines, b"");
    let body = (format.layout != files.layout).then_some(Body::Ndjson);
    (format, body)
}

/// A request's counts.
#[derive(Debug, Clone, Default)]
struct Count {
    accepted: u64,
    quarantined: u64,
    rejected: Vec<Rejected>,
}

/// How far some requests are committed: whatever fails, what is before is not made again.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// The counts of the first requests, which are committed whole.
    whole: Vec<Count>,
    /// Where the request after them goes on, if a part of it is.
    part: Part,
}

/// A request's first part.
#[derive(Debug, Clone, Default)]
struct Part {
    bytes: u64,
    frame: FrameState,
    count: Count,
}

/// Commits what the queue holds until it is closed and empty.
pub(crate) async fn run(lane: Lane, queue: PushQueue) -> Result<(), Problem> {
    let ended = commit_all(lane, &queue).await;
    // Where it could not go on, those who wait hear that nobody will answer.
    queue.close();
    while !queue.take(usize::MAX, Duration::ZERO).await.is_empty() {}
    ended
}

async fn commit_all(mut lane: Lane, queue: &PushQueue) -> Result<(), Problem> {
    loop {
        let requests = queue.take(PUSH_BATCH_BYTES, GROUP_COMMIT).await;
        if requests.is_empty() {
            return Ok(());
        }
        let mut progress = Progress::default();
        let done = attempts(&mut lane, &requests, &mut progress).await;
        let mut requests = requests.into_iter();
        for (count, request) in progress.whole.into_iter().zip(requests.by_ref()) {
            let Count { accepted, quarantined, rejected } = count;
            answer(request, PushOutcome::Committed { accepted, quarantined, rejected });
        }
        if let Err(problem) = done {
            let report = problem.report();
            for request in requests {
                answer(request, PushOutcome::Failed(report.clone()));
            }
            // Whether the failed batch is in the table is not known: look, so that the next one
            // does not take its number.
            resume(&mut lane).await?;
        }
    }
}

async fn resume(lane: &mut Lane) -> Result<(), Problem> {
    let mut stop = lane.stages.stop.clone();
    loop {
        let Err(problem) = lane.resume().await else { return Ok(()) };
        lane.trouble(problem.report());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = stop.stopped() => return Err(problem),
        }
    }
}

fn answer(request: PushRequest, outcome: PushOutcome) {
    if request.done.send(outcome).is_err() {
        tracing::debug!("a client hung up before its answer");
    }
}

async fn attempts(
    lane: &mut Lane,
    requests: &[PushRequest],
    progress: &mut Progress,
) -> Result<(), Problem> {
    for _ in 0..MAKE_AGAIN_MAX {
        match attempt(lane, requests, progress).await {
            Ok(()) => return Ok(()),
            Err(NotCommitted::MakeAgain) => {
                lane.resume().await?;
            }
            Err(NotCommitted::Problem(problem)) => return Err(problem),
        }
    }
    let table = lane.decoder.log_source().table.clone();
    Err(lake::LakeError::Conflict { table }.into())
}

/// One batch, or several where one would be too large: a request is answered when the last of its
/// records is committed.
async fn attempt(
    lane: &mut Lane,
    requests: &[PushRequest],
    progress: &mut Progress,
) -> Result<(), NotCommitted> {
    let Progress { mut whole, part } = progress.clone();
    let mut part = Some(part);
    let mut batcher = lane.batcher().await?;
    for request in requests.iter().skip(whole.len()) {
        let Part { bytes: from, frame, mut count } = part.take().unwrap_or_default();
        let mut session = session(lane, request, frame, from);
        let mut input = Some(request.body.slice(usize::try_from(from).unwrap_or(usize::MAX)..));
        loop {
            let before = tally(&batcher);
            let (now, bytes) = (request.received, input.take());
            let worked = blocking(&lane.source, move || {
                if let Some(bytes) = bytes {
                    batcher.receive(&mut session, from, &bytes)?;
                }
                let done = batcher.work(&mut session, true, now)?;
                Ok::<_, Problem>((batcher, session, done))
            });
            let done;
            (batcher, session, done) = worked.await??;
            let after = tally(&batcher);
            count.accepted += after.accepted - before.accepted;
            count.quarantined += after.quarantined - before.quarantined;
            if request.form == PushForm::Lines {
                count.rejected.extend(rejected(&batcher, before.quarantined));
            }
            if done {
                break;
            }
            lane.commit(batcher, None, Vec::new()).await?;
            let (bytes, frame) = (session.boundary(), session.frame_state());
            let part = Part { bytes, frame, count: count.clone() };
            *progress = Progress { whole: whole.clone(), part };
            batcher = lane.batcher().await?;
        }
        whole.push(count);
    }
    if !batcher.is_empty() {
        lane.commit(batcher, None, Vec::new()).await?;
    }
    *progress = Progress { whole, part: Part::default() };
    Ok(())
}

fn tally(batcher: &Batcher) -> Count {
    let quarantined = batcher.quarantined.len() as u64;
    Count { accepted: batcher.records - quarantined, quarantined, rejected: Vec::new() }
}

/// What the batch put into the quarantine after the first so many records.
fn rejected(batcher: &Batcher, before: u64) -> impl Iterator<Item = Rejected> + '_ {
    let before = usize::try_from(before).unwrap_or(usize::MAX);
    let records = batcher.quarantined.iter().skip(before);
    records.map(|record| Rejected { offset: record.offset, problem: record.problem.clone() })
}

fn session(lane: &Lane, request: &PushRequest, frame: FrameState, from: u64) -> Session {
    let address = format!("{}/{}", lane.source, request.id);
    let hash = ObjectHash::of(&[&address, "0"]);
    let files = &lane.decoder.log_source().format;
    let format = format_of_body(files, &request.form, &request.body);
    let body = match &format.layout {
        layout if *layout == files.layout => None,
        Layout::Json { .. } => Some(Body::Json),
        Layout::Ndjson => Some(Body::Ndjson),
        Layout::Lines(_) | Layout::Text(_) => None,
    };
    let object = ObjectName { address: Arc::from(address), generation: 0, hash };
    Session::new(object, Framer::new(&format, frame, from)).with_body(body)
}
