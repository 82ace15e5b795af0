//! The queue between HTTP ingest and the committer: bounded, and answered after the commit.
//!
//! # Promise
//!
//! A request that was offered is either taken, or still queued; its sender hears of it through
//! `done` once the data is committed, and not before. A request that is dropped unanswered (a
//! crash, a queue that is closed) closes its channel: its sender answers 503, and the client sends
//! again. Requests come out in the order they came in.

mod body;
mod bulk;
mod hec;
mod journal;
mod otlp;
mod record;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base::{Report, Timestamp, limits};
use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

pub use body::{body_as_text, decompress_body, is_binary};
pub use bulk::{BulkItem, bulk, bulk_document};
pub use hec::{hec_events, hec_raw};
pub use journal::JournalReader;
pub use otlp::{otlp_json, otlp_protobuf};
pub use record::{Members, PushError, Pushed, Record};

/// What one request brought.
#[derive(Debug)]
pub struct PushRequest {
    /// Unique, given by the caller: the name of the object in origins.
    pub id: String,
    /// How its records are written.
    pub form: PushForm,
    /// The body, decompressed.
    pub body: Bytes,
    /// When it was received.
    pub received: Timestamp,
    /// Answered once the request's records are committed, or can't be.
    pub done: oneshot::Sender<PushOutcome>,
}

/// How the records of a request are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushForm {
    /// As the client pleased, and its `Content-Type` says.
    AsSent(Option<String>),
    /// One a line, whatever the log source's files look like: what a protocol's request was taken
    /// apart into. Those that are rejected are told of one by one.
    Lines,
}

/// A record that went to the quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The offset in the body at which it begins.
    pub offset: u64,
    /// Why.
    pub problem: Report,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushOutcome {
    /// Its records are durable.
    Committed {
        /// How many became events.
        accepted: u64,
        /// How many are in the quarantine.
        quarantined: u64,
        /// Which those are, in order, for [`PushForm::Lines`].
        rejected: Vec<Rejected>,
    },
    /// It is not durable as a whole, though a part of a large one may be: send it again.
    Failed(Report),
}

/// How much may wait in a [`PushQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushLimits {
    /// How many requests.
    pub requests_max: usize,
    /// How many bytes of bodies.
    pub bytes_max: usize,
    /// What [`Full`] tells the client to wait.
    pub retry_after_seconds: u64,
}

impl Default for PushLimits {
    fn default() -> Self {
        Self {
            requests_max: limits::HTTP_QUEUE_REQUESTS_MAX,
            bytes_max: limits::HTTP_QUEUE_BYTES_MAX,
            retry_after_seconds: limits::HTTP_RETRY_AFTER_SECONDS,
        }
    }
}

/// The queue takes no more now: the client is to wait and send again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for a commit; try again in {retry_after_seconds} s")]
pub struct Full {
    /// For the `Retry-After` header.
    pub retry_after_seconds: u64,
}

/// Requests that wait to be committed. Clones share the queue.
#[derive(Debug, Clone)]
pub struct PushQueue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: PushLimits,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<PushRequest>,
    bytes: usize,
    is_closed: bool,
}

impl PushQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(limits: PushLimits) -> Self {
        let state = Mutex::new(State::default());
        Self(Arc::new(Shared { limits, state, changed: Notify::new() }))
    }

    /// Queues a request. One that is larger than the queue's limit is taken if nothing else waits.
    ///
    /// # Errors
    ///
    /// [`Full`] if too much waits or the queue is closed. The request is dropped then.
    pub fn offer(&self, request: PushRequest) -> Result<(), Full> {
        let limits = self.0.limits;
        let mut state = self.lock();
        if !state.has_room(&limits, request.body.len()) {
            return Err(Full { retry_after_seconds: limits.retry_after_seconds });
        }
        state.bytes += request.body.len();
        state.requests.push_back(request);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Whether a request of so many bytes would be taken now. Another may be faster.
    ///
    /// # Errors
    ///
    /// [`Full`] as [`Self::offer`] would answer.
    pub fn room_for(&self, bytes: usize) -> Result<(), Full> {
        let limits = self.0.limits;
        if self.lock().has_room(&limits, bytes) {
            return Ok(());
        }
        Err(Full { retry_after_seconds: limits.retry_after_seconds })
    }

    /// Waits for a request, then up to `wait` for others to commit along with it, but no longer
    /// than until `bytes_max` bytes have gathered. Takes at least one request, however large;
    /// empty only when the queue is closed and drained.
    ///
    /// Dropping the future loses nothing. One task takes from a queue.
    pub async fn take(&self, bytes_max: usize, wait: Duration) -> Vec<PushRequest> {
        loop {
            {
                let state = self.lock();
                if !state.requests.is_empty() {
                    break;
                }
                if state.is_closed {
                    return Vec::new();
                }
            }
            self.0.changed.notified().await;
        }
        let gathered = async {
            while !self.is_ready(bytes_max) {
                self.0.changed.notified().await;
            }
        };
        // Time running out is the usual end of the wait, not a failure.
        tokio::time::timeout(wait, gathered).await.unwrap_or(());
        self.lock().take(bytes_max)
    }

    /// Takes no more requests. Those that wait can still be taken.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.0.changed.notify_one();
    }

    /// Whether it takes no more requests for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// How many requests wait, and how many bytes they have.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.requests.len(), state.bytes)
    }

    /// Waiting longer would gather nothing more for this commit, or can't.
    fn is_ready(&self, bytes_max: usize) -> bool {
        let state = self.lock();
        state.is_closed
            || state.bytes >= bytes_max.min(self.0.limits.bytes_max)
            || state.requests.len() >= self.0.limits.requests_max
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; were it so, the state is still whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self, limits: &PushLimits, bytes: usize) -> bool {
        let fits = self.requests.is_empty()
            || (self.requests.len() < limits.requests_max
                && self.bytes.saturating_add(bytes) <= limits.bytes_max);
        fits && !self.is_closed
    }

    fn take(&mut self, bytes_max: usize) -> Vec<PushRequest> {
        let mut taken = Vec::new();
        let mut bytes = 0_usize;
        while let Some(next) = self.requests.front() {
            bytes = bytes.saturating_add(next.body.len());
            if !taken.is_empty() && bytes > bytes_max {
                break;
            }
            taken.extend(self.requests.pop_front());
        }
        self.bytes = self.requests.iter().map(|request| request.body.len()).sum();
        taken
    }
}

#[cfg(test)]
mod tests;
