//! The outbox: notifications that were decided and not yet delivered, kept through crashes.
//!
//! A notification is put in ([`Outbox::enqueue`]) before the batch that raised its alert counts as
//! processed, and stays under `outbox/<receiver>/<alert id>` until the receiver has taken it or it
//! is given up. What was given up is kept under `dead/`, and never discarded. That it was delivered
//! is remembered for a week under `sent/`, so that a replayed batch does not send it again.
//!
//! Promised: every receiver gets every alert at least once, or it is in `dead/` and reported; every
//! attempt carries the same idempotency key. Not promised: exactly once (a crash between the
//! receiver's answer and its being noted repeats the notification), nor any order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use base::{Problem, Report, StateError, StateStore, Timestamp, limits};
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::{
    Notification, NotifyError, Receiver, SendError, hash, receiver::is_name, schedule, stored,
};

/// A notification waiting in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Whom it goes to.
    pub receiver: String,
    /// What is sent.
    pub notification: Notification,
    /// When it was put in.
    pub enqueued_time: Timestamp,
    /// When it is tried next.
    pub due_time: Timestamp,
    /// How many attempts were begun.
    pub attempts: u32,
    /// What the last one that failed said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

/// A notification that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The notification as it was last.
    pub pending: Pending,
    /// When it was given up.
    pub dead_time: Timestamp,
    /// Why.
    pub problem: Report,
}

/// That a notification was delivered.
#[derive(Serialize, Deserialize)]
struct Sent {
    sent_time: Timestamp,
}

/// What a round of deliveries did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// How many notifications were delivered.
    pub delivered: usize,
    /// How many failed and will be tried again.
    pub failed: usize,
    /// Those that were given up, and why.
    pub dead: Vec<Report>,
    /// How many wait in the outbox after the round, those that failed included.
    pub waiting: usize,
    /// When the next of them is due, if any waits. Not later than that, call again.
    pub next_due: Option<Timestamp>,
}

/// Keeps notifications until they are delivered.
#[derive(Debug)]
pub struct Outbox {
    state: Arc<dyn StateStore>,
    receivers: Vec<Arc<dyn Receiver>>,
}

/// What a single attempt came to.
enum Outcome {
    Delivered,
    Failed {
        due: Timestamp,
    },
    Dead(Report),
    /// Another process had it first, or it is gone.
    Taken,
    NotDue {
        due: Timestamp,
    },
}

impl Outbox {
    /// An outbox in `state` that delivers to `receivers`.
    ///
    /// # Errors
    /// [`NotifyError::Settings`] if a receiver's name is not one, or is used twice.
    pub fn new(
        state: Arc<dyn StateStore>,
        receivers: Vec<Arc<dyn Receiver>>,
    ) -> Result<Self, NotifyError> {
        let mut names: Vec<&str> = Vec::new();
        for receiver in &receivers {
            let name = receiver.name();
            let wrong = if !is_name(name) {
                "a name has 1 to 64 of the characters `A-Z a-z 0-9 _ . -`"
            } else if names.contains(&name) {
                "two receivers have this name"
            } else {
                names.push(name);
                continue;
            };
            let (receiver, message) = (name.to_owned(), wrong.to_owned());
            return Err(NotifyError::Settings { receiver, message });
        }
        Ok(Self { state, receivers })
    }

    /// Puts a notification in for every receiver, due at once. What was delivered, given up or put
    /// in before is left as it is, so that it may be called again after a crash. Answers for how
    /// many receivers it was new.
    ///
    /// # Errors
    /// If the state store is away: call again with the same notification.
    pub async fn enqueue(
        &self,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<usize, NotifyError> {
        let mut added = 0;
        for receiver in &self.receivers {
            let name = receiver.name();
            added += usize::from(self.enqueue_for(name, notification, now).await?);
        }
        Ok(added)
    }

    async fn enqueue_for(
        &self,
        receiver: &str,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<bool, NotifyError> {
        let key = Key { receiver, alert: &notification.alert.id };
        let pending = Pending {
            receiver: receiver.to_owned(),
            notification: notification.clone(),
            enqueued_time: now,
            due_time: now,
            attempts: 0,
            last_failure: None,
        };
        let value = stored::encode(&key.outbox(), &pending)?;
        for done in [key.sent(), key.dead()] {
            if self.state.get(&done).await?.is_some() {
                return Ok(false);
            }
        }
        match self.state.compare_and_set(&key.outbox(), None, &value).await {
            Ok(_) => Ok(true),
            Err(StateError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Tries everything that is due, receivers side by side, each receiver's notifications one
    /// after the other. A receiver that fails [`limits::NOTIFY_FAILURES_PER_ROUND_MAX`] times in a
    /// row is left alone until the next round.
    ///
    /// Reads every waiting entry, so call it when something was put in, or at
    /// [`DeliveryReport::next_due`].
    ///
    /// # Errors
    /// If the state store is away. Nothing is lost; some notifications may be sent again.
    pub async fn deliver_due(&self, now: Timestamp) -> Result<DeliveryReport, NotifyError> {
        let mut by_receiver: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for key in self.state.list("outbox/").await? {
            if let Some((_, receiver, _)) = split(&key) {
                by_receiver.entry(receiver.to_owned()).or_default().push(key);
            }
        }
        let rounds = by_receiver.iter().map(|(name, keys)| self.round(name, keys, now));
        let mut report = DeliveryReport::default();
        for round in join_all(rounds).await {
            report.add(round?);
        }
        Ok(report)
    }

    async fn round(
        &self,
        name: &str,
        keys: &[String],
        now: Timestamp,
    ) -> Result<DeliveryReport, NotifyError> {
        let receiver = self.receivers.iter().find(|receiver| receiver.name() == name);
        let mut report = DeliveryReport::default();
        let (mut failures_in_row, mut sends) = (0, 0);
        for key in keys {
            let may_send = failures_in_row < limits::NOTIFY_FAILURES_PER_ROUND_MAX
                && sends < limits::NOTIFY_SENDS_PER_ROUND_MAX;
            let outcome = match receiver {
                Some(receiver) if may_send => self.attempt(receiver.as_ref(), key, now).await?,
                Some(_) => self.peek(key, now).await?,
                None => self.orphan(name, key, now).await?,
            };
            match outcome {
                Outcome::Delivered | Outcome::Dead(_) => (failures_in_row, sends) = (0, sends + 1),
                Outcome::Failed { .. } => {
                    (failures_in_row, sends) = (failures_in_row + 1, sends + 1);
                }
                Outcome::Taken | Outcome::NotDue { .. } => {}
            }
            report.note(outcome);
        }
        Ok(report)
    }

    /// Claims an entry, sends it, and notes what came of it.
    ///
    /// The claim counts the attempt and moves the due time *before* sending: so no other process
    /// sends it meanwhile, and a notification whose sending kills the process is given up in the
    /// end like any other.
    async fn attempt(
        &self,
        receiver: &dyn Receiver,
        key: &str,
        now: Timestamp,
    ) -> Result<Outcome, NotifyError> {
        let Some((mut pending, version)) = self.read(key).await? else { return Ok(Outcome::Taken) };
        if pending.due_time > now {
            return Ok(Outcome::NotDue { due: pending.due_time });
        }
        if schedule::is_exhausted(pending.attempts) {
            return self.give_up(key, pending, now).await.map(Outcome::Dead);
        }
        pending.attempts += 1;
        let id = hash::identity([key]);
        let wait = schedule::wait(pending.attempts, &id);
        let lease = Duration::from_secs(2 * limits::HTTP_CLIENT_TIMEOUT_SECONDS);
        pending.due_time = now.plus(wait.max(lease));
        let Some(version) = self.replace(key, &version, &pending).await? else {
            return Ok(Outcome::Taken);
        };
        match receiver.send(&pending.notification).await {
            Ok(()) => {
                self.mark_sent(key, now).await?;
                Ok(Outcome::Delivered)
            }
            Err(SendError::Refused { message }) => {
                pending.last_failure = Some(message);
                self.give_up(key, pending, now).await.map(Outcome::Dead)
            }
            Err(SendError::Retry { message, after }) => {
                pending.last_failure = Some(message);
                if schedule::is_exhausted(pending.attempts) {
                    return self.give_up(key, pending, now).await.map(Outcome::Dead);
                }
                pending.due_time = now.plus(wait.max(after.unwrap_or_default()));
                let due = pending.due_time;
                // If the claim ran out and another process took over, its word counts.
                self.replace(key, &version, &pending).await?;
                Ok(Outcome::Failed { due })
            }
        }
    }

    /// When an entry is due that is not tried in this round.
    async fn peek(&self, key: &str, now: Timestamp) -> Result<Outcome, NotifyError> {
        let pending = self.read(key).await?;
        Ok(pending.map_or(Outcome::Taken, |(pending, _)| Outcome::NotDue {
            due: pending.due_time.max(now),
        }))
    }

    /// An entry whose receiver is not in the settings: it waits a day for it to come back.
    async fn orphan(&self, name: &str, key: &str, now: Timestamp) -> Result<Outcome, NotifyError> {
        let Some((mut pending, _)) = self.read(key).await? else { return Ok(Outcome::Taken) };
        let day = Duration::from_secs(86_400);
        let until = pending.enqueued_time.plus(day);
        if now < until {
            return Ok(Outcome::NotDue { due: until });
        }
        pending.last_failure = Some(format!("no receiver is named `{name}` any more"));
        self.give_up(key, pending, now).await.map(Outcome::Dead)
    }

    async fn read(&self, key: &str) -> Result<Option<(Pending, String)>, NotifyError> {
        let Some(found) = self.state.get(key).await? else { return Ok(None) };
        match stored::decode(key, &found.value) {
            Ok(pending) => Ok(Some((pending, found.version))),
            // One entry that can't be read must not hold back the others.
            Err(error) => {
                tracing::warn!(key, %error, "a notification can't be read and is left alone");
                Ok(None)
            }
        }
    }

    /// Answers the new version, or nothing if another process was faster.
    async fn replace(
        &self,
        key: &str,
        version: &str,
        pending: &Pending,
    ) -> Result<Option<String>, NotifyError> {
        let value = stored::encode(key, pending)?;
        match self.state.compare_and_set(key, Some(version), &value).await {
            Ok(version) => Ok(Some(version)),
            Err(StateError::Conflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn mark_sent(&self, key: &str, now: Timestamp) -> Result<(), NotifyError> {
        if let Some((_, receiver, alert)) = split(key) {
            self.put(&Key { receiver, alert }.sent(), &Sent { sent_time: now }).await?;
        }
        Ok(self.state.delete(key).await?)
    }

    async fn give_up(
        &self,
        key: &str,
        pending: Pending,
        now: Timestamp,
    ) -> Result<Report, NotifyError> {
        let problem = Problem::from(NotifyError::GivenUp {
            receiver: pending.receiver.clone(),
            alert_id: pending.notification.alert.id.clone(),
            attempts: pending.attempts,
            last: pending.last_failure.clone().unwrap_or_else(|| "no answer is known".to_owned()),
        });
        let problem = problem.report();
        if let Some((_, receiver, alert)) = split(key) {
            let dead = DeadLetter { pending, dead_time: now, problem: problem.clone() };
            self.put(&Key { receiver, alert }.dead(), &dead).await?;
        }
        self.state.delete(key).await?;
        Ok(problem)
    }

    /// Writes a value that says the same whoever writes it first.
    async fn put<T: Serialize>(&self, key: &str, value: &T) -> Result<(), NotifyError> {
        match self.state.compare_and_set(key, None, &stored::encode(key, value)?).await {
            Ok(_) | Err(StateError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that waits, in the order of receivers and alert ids.
    ///
    /// # Errors
    /// If the state store is away.
    pub async fn pending(&self) -> Result<Vec<Pending>, NotifyError> {
        let mut waiting = Vec::new();
        for key in self.state.list("outbox/").await? {
            waiting.extend(self.read(&key).await?.map(|(pending, _)| pending));
        }
        Ok(waiting)
    }

    /// Everything that was given up, in the order of receivers and alert ids.
    ///
    /// # Errors
    /// If the state store is away, or an entry can't be read.
    pub async fn dead(&self) -> Result<Vec<DeadLetter>, NotifyError> {
        let mut dead = Vec::new();
        for key in self.state.list("dead/").await? {
            if let Some(found) = self.state.get(&key).await? {
                dead.push(stored::decode(&key, &found.value)?);
            }
        }
        Ok(dead)
    }

    /// Puts everything that was given up back in, due at once and with all its attempts. Answers
    /// how many there were.
    ///
    /// # Errors
    /// If the state store is away: call again.
    pub async fn revive(&self, now: Timestamp) -> Result<usize, NotifyError> {
        let dead = self.dead().await?;
        for letter in &dead {
            let pending = Pending {
                due_time: now,
                enqueued_time: now,
                attempts: 0,
                ..letter.pending.clone()
            };
            let alert = &letter.pending.notification.alert.id;
            let key = Key { receiver: &letter.pending.receiver, alert };
            self.put(&key.outbox(), &pending).await?;
            self.state.delete(&key.dead()).await?;
        }
        Ok(dead.len())
    }

    /// Forgets deliveries older than [`limits::NOTIFY_SENT_KEEP_SECONDS`], at most `read_max`
    /// looked at. Answers how many were forgotten.
    ///
    /// # Errors
    /// If the state store is away.
    pub async fn sweep(&self, now: Timestamp, read_max: usize) -> Result<usize, NotifyError> {
        let mut removed = 0;
        let keep = Duration::from_secs(limits::NOTIFY_SENT_KEEP_SECONDS);
        let keys = self.state.list("sent/").await?;
        // A different stretch each hour, so that what is young does not hide what is old.
        let hours = usize::try_from(now.as_micros() / 3_600_000_000).unwrap_or_default();
        let start = if keys.is_empty() { 0 } else { hours.wrapping_mul(read_max) % keys.len() };
        for key in keys.iter().cycle().skip(start).take(read_max.min(keys.len())) {
            let Some(found) = self.state.get(key).await? else { continue };
            let sent: Sent = stored::decode(key, &found.value)?;
            if now.since(sent.sent_time) > keep {
                self.state.delete(key).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl DeliveryReport {
    fn note(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.delivered += 1,
            Outcome::Dead(problem) => self.dead.push(problem),
            Outcome::Taken => {}
            Outcome::Failed { due } => {
                self.failed += 1;
                self.wait_for(due);
            }
            Outcome::NotDue { due } => self.wait_for(due),
        }
    }

    fn wait_for(&mut self, due: Timestamp) {
        self.waiting += 1;
        self.next_due = Some(self.next_due.map_or(due, |next| next.min(due)));
    }

    fn add(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.failed += other.failed;
        self.dead.extend(other.dead);
        self.waiting += other.waiting;
        self.next_due = self.next_due.into_iter().chain(other.next_due).min();
    }
}

/// The keys of one notification.
struct Key<'a> {
    receiver: &'a str,
    alert: &'a str,
}

impl Key<'_> {
    fn outbox(&self) -> String {
        format!("outbox/{}/{}", self.receiver, self.alert)
    }

    fn sent(&self) -> String {
        format!("sent/{}/{}", self.receiver, self.alert)
    }

    fn dead(&self) -> String {
        format!("dead/{}/{}", self.receiver, self.alert)
    }
}

/// The folder, receiver and alert of a key.
fn split(key: &str) -> Option<(&str, &str, &str)> {
    let (folder, rest) = key.split_once('/')?;
    let (receiver, alert) = rest.split_once('/')?;
    Some((folder, receiver, alert))
}

#[cfg(test)]
mod tests;
