//! What buckets announce: that an object is there, in a queue or pushed, so that nobody need list.
//!
//! # Promise
//!
//! An announcement is answered (deleted from its queue, acknowledged, or told `204`) once everything it
//! names is committed, and not before: a process that dies leaves it to be delivered again. Whoever holds
//! one for long keeps it from being delivered to others meanwhile. Announcements may come twice, late and in
//! any order: what they name is looked at in the bucket, where only new content is read.
//!
//! # Limits
//!
//! An announcement is a hint, not the truth: one that was never sent, or that its queue dropped, is made
//! good by listing. [`limits::ANNOUNCED_MAX`] are held at once.

mod body;
mod error;
mod oidc;
mod pubsub;
mod sigv4;
mod sqs;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use base::{Problem, Report, limits};
use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use self::{
    body::{Named, of_s3 as announced_by_s3},
    error::AnnounceError,
    oidc::{OidcSettings, OidcVerifier},
    pubsub::{PubsubQueue, pushed},
    sqs::SqsQueue,
};

/// How long a queue keeps what is held from others; it is renewed three times in that.
const LEASE: Duration = Duration::from_secs(60);

/// The longest pause after a queue could not be read.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What names this delivery to its queue.
    pub handle: String,
    /// Where it came from, for people: the queue and the message's id.
    pub origin: String,
    /// What names it in the quarantine: the same each time it is delivered.
    pub id: String,
    /// The message.
    pub body: Bytes,
    /// Which objects it names; or why that can't be told.
    pub says: Result<Vec<Named>, String>,
}

/// A queue of announcements.
#[async_trait]
pub trait AnnounceQueue: Send + Sync + fmt::Debug {
    /// What it is called, for people.
    fn name(&self) -> &str;

    /// How many one call brings at most, and how many may be named in the others.
    fn batch_max(&self) -> usize;

    /// Waits a while for announcements, and takes some for `lease`.
    ///
    /// # Errors
    /// If the queue does not answer, or refuses.
    async fn receive(&self, lease: Duration) -> Result<Vec<Delivery>, AnnounceError>;

    /// Takes these out of the queue: they are dealt with.
    ///
    /// # Errors
    /// If it is not known that all are out of it.
    async fn settle(&self, handles: &[String]) -> Result<(), AnnounceError>;

    /// Keeps these from others for `lease` from now on.
    ///
    /// # Errors
    /// If others may get them meanwhile.
    async fn extend(&self, handles: &[String], lease: Duration) -> Result<(), AnnounceError>;
}

/// An announcement, held until it is dealt with. Dropped, it will be delivered again.
#[derive(Debug)]
pub struct Announcement {
    /// Where it came from, for people.
    pub origin: String,
    /// What names it in the quarantine.
    pub id: String,
    /// The message.
    pub body: Bytes,
    /// Which objects it names; or why that can't be told.
    pub says: Result<Vec<Named>, String>,
    done: oneshot::Sender<()>,
}

impl Announcement {
    /// Takes in a delivery. The receiver hears when it is dealt with, or (by an error) that it was dropped.
    #[must_use]
    pub fn of(delivery: Delivery) -> (Self, oneshot::Receiver<()>) {
        let Delivery { origin, id, body, says, .. } = delivery;
        let (done, heard) = oneshot::channel();
        (Self { origin, id, body, says, done }, heard)
    }

    /// Everything it names is committed.
    pub fn settle(self) {
        if self.done.send(()).is_err() {
            tracing::debug!("nobody waits for the answer to an announcement any more");
        }
    }
}

/// Whom a reader of a queue tells of troubles.
pub type Teller = Arc<dyn Fn(Report) + Send + Sync>;

/// Receives from a queue until the inbox is closed, and answers what is dealt with. Ends once nothing is held any
/// more.
pub async fn receive_announcements(
    queue: Arc<dyn AnnounceQueue>,
    inbox: mpsc::Sender<Announcement>,
    tell: Teller,
) {
    let (held, keep) = mpsc::channel(limits::ANNOUNCED_MAX);
    let receiving = receive_always(queue.as_ref(), inbox, held, &tell);
    let keeping = keep_always(queue.as_ref(), keep, &tell);
    tokio::join!(receiving, keeping);
}

/// A delivery that somebody works on.
struct Held {
    handle: String,
    settled: oneshot::Receiver<()>,
    /// Room for another, once it is dropped.
    room: OwnedSemaphorePermit,
}

async fn receive_always(
    queue: &dyn AnnounceQueue,
    inbox: mpsc::Sender<Announcement>,
    held: mpsc::Sender<Held>,
    tell: &Teller,
) {
    let room = Arc::new(Semaphore::new(limits::ANNOUNCED_MAX));
    let most = u32::try_from(queue.batch_max()).unwrap_or(1);
    let mut standing = None;
    let mut failures = 0_u32;
    loop {
        let room = tokio::select! {
            room = Arc::clone(&room).acquire_many_owned(most) => room,
            () = inbox.closed() => return,
        };
        let Ok(mut room) = room else { return };
        let received = tokio::select! {
            received = queue.receive(LEASE) => received,
            () = inbox.closed() => return,
        };
        let deliveries = match received {
            Ok(deliveries) => {
                (failures, standing) = (0, None);
                deliveries
            }
            Err(error) => {
                failures += 1;
                drop(room);
                tell_once(tell, &mut standing, error);
                let pause = Duration::from_secs(1 << failures.min(6)).min(PAUSE_MAX);
                tokio::select! {
                    () = tokio::time::sleep(pause) => continue,
                    () = inbox.closed() => return,
                }
            }
        };
        for delivery in deliveries {
            let Some(room) = room.split(1) else { break };
            let handle = delivery.handle.clone();
            let (announcement, settled) = Announcement::of(delivery);
            // Both have room for all that may be held.
            if held.send(Held { handle, settled, room }).await.is_err()
                || inbox.send(announcement).await.is_err()
            {
                return;
            }
        }
    }
}

/// Renews what is held, and answers what is dealt with.
async fn keep_always(queue: &dyn AnnounceQueue, mut keep: mpsc::Receiver<Held>, tell: &Teller) {
    let mut open = std::collections::HashMap::<u64, (String, OwnedSemaphorePermit)>::new();
    let mut waiting = FuturesUnordered::new();
    let mut done: Vec<String> = Vec::new();
    let mut number = 0_u64;
    let mut standing = None;
    let mut is_open = true;
    let mut renewal = tokio::time::interval_at(tokio::time::Instant::now() + LEASE / 3, LEASE / 3);
    renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What can't be answered at the end is delivered again, and found to be read.
    while is_open || !waiting.is_empty() {
        tokio::select! {
            held = keep.recv(), if is_open => match held {
                Some(Held { handle, settled, room }) => {
                    number += 1;
                    let own = number;
                    open.insert(own, (handle, room));
                    waiting.push(async move { (own, settled.await.is_ok()) });
                }
                None => is_open = false,
            },
            Some((number, is_settled)) = waiting.next(), if !waiting.is_empty() => {
                let mut ended = vec![(number, is_settled)];
                // Those that are settled by the same commit.
                while let Some(Some(next)) = futures::FutureExt::now_or_never(waiting.next()) {
                    ended.push(next);
                }
                for (number, is_settled) in ended {
                    let Some((handle, _room)) = open.remove(&number) else { continue };
                    if is_settled {
                        done.push(handle);
                    }
                }
                settle(queue, &mut done, tell, &mut standing).await;
            }
            _ = renewal.tick() => {
                let handles: Vec<String> = open.values().map(|(handle, _)| handle.clone()).collect();
                for some in handles.chunks(queue.batch_max()) {
                    match queue.extend(some, LEASE).await {
                        Ok(()) => standing = None,
                        Err(error) => tell_once(tell, &mut standing, error),
                    }
                }
                settle(queue, &mut done, tell, &mut standing).await;
            }
        }
    }
}

/// Takes what is dealt with out of the queue; what does not go stays for the next time.
async fn settle(
    queue: &dyn AnnounceQueue,
    done: &mut Vec<String>,
    tell: &Teller,
    standing: &mut Option<Report>,
) {
    let mut failed = Vec::new();
    for some in done.chunks(queue.batch_max()) {
        match queue.settle(some).await {
            Ok(()) => {}
            Err(error) => {
                failed.extend_from_slice(some);
                tell_once(tell, standing, error);
            }
        }
    }
    *done = failed;
}

fn tell_once(tell: &Teller, standing: &mut Option<Report>, error: AnnounceError) {
    let report = Problem::from(error).report();
    if standing.as_ref() != Some(&report) {
        tell(report.clone());
        *standing = Some(report);
    }
}

#[cfg(test)]
mod tests;
