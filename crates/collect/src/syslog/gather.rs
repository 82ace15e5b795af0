//! From all senders of a listener into its queue: what comes within a moment is one request.
//!
//! What waits for its commit is bounded. Past that nothing is taken from the connections, which then
//! are not read, and TCP makes their senders wait.

use std::{sync::Arc, time::Duration};

use base::{Clock, Report, Timestamp, limits};
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use super::{SyslogError, Troubles};
use crate::push::{PushForm, PushOutcome, PushQueue, PushRequest};

/// How long to wait before what failed or found no room is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often what fails is tried again when dab is to end.
const LAST_TRIES: u32 = 3;

/// Says which queue messages are for.
pub trait Sorter: Send + Sync + std::fmt::Debug {
    /// Takes messages apart, as a [`super::SyslogForm`] has written them, and answers those for each
    /// queue. May cost CPU: it is not called where the network is waited for.
    fn sort(&self, messages: Vec<u8>) -> Vec<(PushQueue, Vec<u8>)>;
}

/// All messages are for one queue.
impl Sorter for PushQueue {
    fn sort(&self, messages: Vec<u8>) -> Vec<(PushQueue, Vec<u8>)> {
        vec![(self.clone(), messages)]
    }
}

/// Where messages go.
pub(super) struct Gather {
    pub(super) sorter: Arc<dyn Sorter>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) stop: watch::Receiver<bool>,
}

impl Gather {
    /// Queues what comes until all senders are gone and everything is committed.
    pub(super) async fn run(self, mut pieces: mpsc::Receiver<Vec<u8>>) {
        let this = Arc::new(self);
        let started = this.clock.now().as_micros();
        let room = Arc::new(Semaphore::new(limits::SYSLOG_WAITING_BYTES_MAX));
        let mut commits = JoinSet::new();
        let mut number = 0_u64;
        while let Some(first) = pieces.recv().await {
            let body = gather(first, &mut pieces).await;
            number += 1;
            let id = format!("{started}-{number}");
            let wanted = body.len().min(limits::SYSLOG_WAITING_BYTES_MAX);
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&room).acquire_many_owned(wanted).await else { break };
            let this = Arc::clone(&this);
            commits.spawn(async move {
                this.commit_all(id, body).await;
                drop(place);
            });
            while commits.try_join_next().is_some() {}
        }
        while commits.join_next().await.is_some() {}
    }

    async fn commit_all(self: &Arc<Self>, id: String, body: Vec<u8>) {
        let received = self.clock.now();
        let (sorter, bytes) = (Arc::clone(&self.sorter), body.len());
        let Ok(parcels) = tokio::task::spawn_blocking(move || sorter.sort(body)).await else {
            let reason = "they could not be sorted".to_owned();
            return self.troubles.note(SyslogError::Lost { bytes, reason });
        };
        let commits = parcels
            .into_iter()
            .map(|(queue, body)| self.commit(queue, &id, Bytes::from(body), received));
        futures::future::join_all(commits).await;
    }

    /// Tries until the messages are committed: no sender would send them again.
    async fn commit(&self, queue: PushQueue, id: &str, body: Bytes, received: Timestamp) {
        let mut tries = 0;
        loop {
            let failed = match offer(&queue, id, &body, received).await {
                Ok(PushOutcome::Committed { .. }) => return,
                Ok(PushOutcome::Failed(report)) => Some(report),
                // Those in front of it are being committed: that is no failure.
                Err(NotTaken::Full) if !queue.is_closed() => {
                    sleep(AGAIN).await;
                    continue;
                }
                Err(NotTaken::Full | NotTaken::Dropped) => None,
            };
            tries += u32::from(*self.stop.borrow());
            if tries >= LAST_TRIES {
                let reason = |report: Report| report.message;
                let reason = failed.map_or_else(|| "dab was ending".to_owned(), reason);
                self.troubles.note(SyslogError::Lost { bytes: body.len(), reason });
                return;
            }
            sleep(AGAIN).await;
        }
    }
}

/// Why messages have no outcome.
enum NotTaken {
    /// The queue has no room for them.
    Full,
    /// Nobody takes from the queue any more.
    Dropped,
}

/// Offers the messages once.
async fn offer(
    queue: &PushQueue,
    id: &str,
    body: &Bytes,
    received: Timestamp,
) -> Result<PushOutcome, NotTaken> {
    let (done, outcome) = oneshot::channel();
    let request = PushRequest {
        id: id.to_owned(),
        form: PushForm::Lines,
        body: body.clone(),
        received,
        done,
    };
    queue.offer(request).map_err(|_| NotTaken::Full)?;
    outcome.await.map_err(|_| NotTaken::Dropped)
}

/// What comes within a moment, as far as it fits into a request.
async fn gather(mut body: Vec<u8>, pieces: &mut mpsc::Receiver<Vec<u8>>) -> Vec<u8> {
    let until = Instant::now() + Duration::from_millis(limits::SYSLOG_GATHER_MILLISECONDS);
    while body.len() < limits::SYSLOG_REQUEST_BYTES {
        match timeout_at(until, pieces.recv()).await {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) | Err(_) => break,
        }
    }
    body
}
