//! From all senders of a listener into its queue: what comes within a moment is one request.
//!
//! What waits for its commit is bounded. Past that nothing is taken from the connections, which then
//! are not read, and TCP makes their senders wait.

use std::{sync::Arc, time::Duration};

use base::{Clock, Report, limits};
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

/// Where messages go.
pub(super) struct Gather {
    pub(super) queue: PushQueue,
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
                this.commit(id, Bytes::from(body)).await;
                drop(place);
            });
            while commits.try_join_next().is_some() {}
        }
        while commits.join_next().await.is_some() {}
    }

    /// Tries until the messages are committed: no sender would send them again.
    async fn commit(&self, id: String, body: Bytes) {
        let received = self.clock.now();
        let mut tries = 0;
        loop {
            let failed = match self.offer(&id, &body, received).await {
                Ok(PushOutcome::Committed { .. }) => return,
                Ok(PushOutcome::Failed(report)) => Some(report),
                Err(()) => None,
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

    /// Offers the messages once. `Err`: the queue has no room, or ended.
    async fn offer(
        &self,
        id: &str,
        body: &Bytes,
        received: base::Timestamp,
    ) -> Result<PushOutcome, ()> {
        let (done, outcome) = oneshot::channel();
        let request = PushRequest {
            id: id.to_owned(),
            form: PushForm::Lines,
            body: body.clone(),
            received,
            done,
        };
        self.queue.offer(request).map_err(drop)?;
        outcome.await.map_err(drop)
    }
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
