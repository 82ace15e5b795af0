//! Where commits of this process meet: whoever comes first commits for all who wait.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Outcome, Ready, Table};
use crate::LakeError;

/// Commits that wait for their turn.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Vec<Waiting>>);

/// A commit, and who waits for it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ready: Ready,
    done: oneshot::Sender<Result<Outcome, LakeError>>,
}

impl Waiting {
    /// Tells what came of it.
    pub(super) fn answer(self, outcome: Result<Outcome, LakeError>) {
        if self.done.send(outcome).is_err() {
            tracing::debug!(app = self.ready.app, "nobody waits for a commit any longer");
        }
    }
}

impl Door {
    fn push(&self, waiting: Waiting) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }

    /// All that wait, but for those who were given up.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting =
            std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        waiting.retain(|waiting| !waiting.done.is_closed());
        waiting
    }
}

impl Table {
    /// Commits, along with what others want to commit at the same time.
    pub(super) async fn enter(&self, ready: Ready) -> Result<Outcome, LakeError> {
        let (done, outcome) = oneshot::channel();
        self.door.push(Waiting { ready, done });
        let mut log = self.log.lock().await;
        // Empty where somebody has taken ours along.
        let group = self.door.take();
        match &self.staging {
            _ if group.is_empty() => drop(log),
            None => {
                let (outcomes, _) = self.append(&mut log, &readies(&group)).await;
                drop(log);
                for (waiting, outcome) in group.into_iter().zip(outcomes) {
                    waiting.answer(outcome);
                }
            }
            Some(staging) if staging.is_busy() => {
                drop(log);
                self.commit_staged(staging, group).await;
            }
            // The first time that another process is faster, it is tried again at once.
            Some(staging) => {
                let readies = readies(&group);
                let (outcomes, was_late) = self.append_within(&mut log, &readies, 1).await;
                drop(log);
                if was_late {
                    staging.is_busy_now();
                }
                staging.forget(readies.iter().zip(&outcomes)).await;
                let mut late = Vec::new();
                for (waiting, outcome) in group.into_iter().zip(outcomes) {
                    match outcome {
                        Some(outcome) => waiting.answer(outcome),
                        None => late.push(waiting),
                    }
                }
                self.commit_staged(staging, late).await;
            }
        }
        let given_up = || Err(LakeError::write(&self.root, "the commit was given up"));
        outcome.await.unwrap_or_else(|_| given_up())
    }
}

fn readies(group: &[Waiting]) -> Vec<&Ready> {
    group.iter().map(|waiting| &waiting.ready).collect()
}
