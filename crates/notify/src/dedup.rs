//! Deduplication: which matches raise an alert, and which join one.
//!
//! Matches of one rule with the same values in the rule's `dedup` fields share a key. A match joins
//! an alert of its key if its event is less than the rule's window away from the alert's first
//! event, by the *events'* own time, before or after. So records that arrive out of order join, and
//! history that is replayed a year later raises the alerts it would have raised then, beside those
//! of today, rather than joining or re-raising them.
//!
//! Promised, as long as a source's batches come in order and only its last one is repeated:
//! a repeated batch gets the same decisions as before and adds nothing to any count.
//! Not promised: which of two sources raises an alert that both could.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use base::{Clock, Match, StateError, StateStore, Timestamp, limits};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{NotifyError, hash, stored};

/// Names one committed batch of one source. Numbers of a source grow.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BatchKey {
    /// The source's name.
    pub source: String,
    /// The batch's number.
    pub number: u64,
}

/// What becomes of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// It raises an alert.
    Raise {
        /// The alert's id: the same however often the batch is repeated.
        alert_id: String,
        /// When it was raised first.
        raised_time: Timestamp,
        /// Why it did not join another.
        reason: RaiseReason,
    },
    /// It joins an alert that is there already.
    Join {
        /// The alert's id.
        alert_id: String,
        /// Why it joined.
        reason: JoinReason,
    },
}

/// Why a match raised an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RaiseReason {
    /// No alert of the rule and these values is remembered.
    First,
    /// There are such alerts, but their windows do not reach the event.
    OutsideWindow,
    /// The rule's window is zero: every match raises its own.
    NoWindow,
}

/// Why a match joined an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinReason {
    /// Its event is within the window that the alert's first event opened.
    WithinWindow,
    /// Its event is older than the alert's first one, by less than the window.
    LateEvent,
    /// It is the alert's first event once more.
    SameEvent,
}

impl Decision {
    /// The id of the alert that the match belongs to.
    #[must_use]
    pub fn alert_id(&self) -> &str {
        match self {
            Self::Raise { alert_id, .. } | Self::Join { alert_id, .. } => alert_id,
        }
    }

    /// Whether it raises the alert.
    #[must_use]
    pub const fn is_raise(&self) -> bool {
        matches!(self, Self::Raise { .. })
    }
}

/// What is remembered of one key: the alerts that further matches may join.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupState {
    /// In the order in which they were raised. A match joins the first whose window reaches it.
    pub alerts: Vec<OpenAlert>,
    /// For each source, the last batch that was counted.
    pub counted: BTreeMap<String, u64>,
    /// When it last changed.
    pub updated_time: Timestamp,
}

/// An alert that further matches may join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAlert {
    /// Its id.
    pub alert_id: String,
    /// The id of the event whose match raised it.
    pub first_event_id: String,
    /// That event's time.
    pub first_event_time: Timestamp,
    /// The rule's window then, in seconds.
    pub window_seconds: u64,
    /// When it was raised.
    pub raised_time: Timestamp,
    /// The batch whose match raised it.
    pub raised_by: BatchKey,
    /// Why it was raised.
    pub reason: RaiseReason,
    /// How many matches belong to it, the first included.
    pub count: u64,
    /// For each source, the last batch that had a match of it.
    pub batches: BTreeMap<String, u64>,
    /// When the last match was counted.
    pub updated_time: Timestamp,
}

/// The id of the alert that `first_match` raises.
///
/// Made of the rule, the values and the event, so that it does not matter how often it is raised.
#[must_use]
pub fn alert_id(first_match: &Match) -> String {
    let head = ["alert/1", &first_match.rule.id, &first_match.event_id];
    hash::identity(head.into_iter().chain(first_match.dedup_values.iter().map(String::as_str)))
}

/// Decides what becomes of one batch's matches of *one key*, in their order, and what to remember.
///
/// It takes all of them at once, because a batch counts as a whole or not at all: one decision per
/// match comes back. `existing` is what was remembered before. If the batch was counted already,
/// the decisions are those of the first time, and the state comes back unchanged.
#[must_use]
pub fn decide(
    existing: Option<&DedupState>,
    matches: &[&Match],
    batch: &BatchKey,
    now: Timestamp,
) -> (Vec<Decision>, DedupState) {
    let mut state = existing.cloned().unwrap_or_default();
    let last = state.counted.get(&batch.source);
    let mut pass = Pass {
        batch,
        now,
        is_counted: last.is_some_and(|last| batch.number <= *last),
        raised: BTreeSet::new(),
        created: BTreeSet::new(),
        changed: false,
    };
    let decisions = matches.iter().map(|hit| state.place(hit, &mut pass)).collect();
    if !pass.is_counted {
        state.counted.insert(batch.source.clone(), batch.number);
        pass.changed = true;
    }
    if pass.changed {
        state.updated_time = now;
        state.forget(now);
    }
    (decisions, state)
}

/// One pass over the matches of one batch and key.
struct Pass<'a> {
    batch: &'a BatchKey,
    now: Timestamp,
    is_counted: bool,
    /// The alerts that this pass raised, or raised again.
    raised: BTreeSet<String>,
    /// Those of them that were not remembered.
    created: BTreeSet<String>,
    changed: bool,
}

impl DedupState {
    fn place(&mut self, hit: &Match, pass: &mut Pass<'_>) -> Decision {
        let window = window(hit);
        if window.is_zero() {
            return raise_alone(hit, pass.now);
        }
        let Some(alert) = self.alerts.iter_mut().find(|alert| alert.reaches(hit.time, window))
        else {
            return self.raise(hit, pass);
        };
        let is_first = *alert.first_event_id == *hit.event_id;
        if is_first && alert.raised_by == *pass.batch && pass.raised.insert(alert.alert_id.clone())
        {
            return alert.raise_again();
        }
        // A batch that was counted adds only to what this pass created: an alert that was forgotten
        // since.
        if !pass.is_counted || pass.created.contains(&alert.alert_id) {
            alert.count += 1;
            alert.updated_time = pass.now;
            alert.batches.insert(pass.batch.source.clone(), pass.batch.number);
            pass.changed = true;
        }
        let reason = if is_first {
            JoinReason::SameEvent
        } else if hit.time < alert.first_event_time {
            JoinReason::LateEvent
        } else {
            JoinReason::WithinWindow
        };
        Decision::Join { alert_id: alert.alert_id.clone(), reason }
    }

    fn raise(&mut self, hit: &Match, pass: &mut Pass<'_>) -> Decision {
        let reason =
            if self.alerts.is_empty() { RaiseReason::First } else { RaiseReason::OutsideWindow };
        let alert = OpenAlert {
            alert_id: alert_id(hit),
            first_event_id: hit.event_id.to_string(),
            first_event_time: hit.time,
            window_seconds: window(hit).as_secs(),
            raised_time: pass.now,
            raised_by: pass.batch.clone(),
            reason,
            count: 1,
            batches: BTreeMap::from([(pass.batch.source.clone(), pass.batch.number)]),
            updated_time: pass.now,
        };
        let decision = alert.raise_again();
        pass.raised.insert(alert.alert_id.clone());
        pass.created.insert(alert.alert_id.clone());
        pass.changed = true;
        self.alerts.push(alert);
        decision
    }

    /// Drops alerts that no match is likely to join any more, and the longest untouched ones beyond
    /// [`limits::DEDUP_ALERTS_MAX`]. Those of a batch that may be repeated always stay: without
    /// them its repeat would be decided otherwise.
    fn forget(&mut self, now: Timestamp) {
        let counted = &self.counted;
        self.alerts.retain(|alert| alert.may_be_repeated(counted) || !alert.is_over(now));
        let Some(excess) = self.alerts.len().checked_sub(limits::DEDUP_ALERTS_MAX) else { return };
        let mut idle: Vec<(Timestamp, usize)> = self
            .alerts
            .iter()
            .enumerate()
            .filter(|(_, alert)| !alert.may_be_repeated(counted))
            .map(|(at, alert)| (alert.updated_time, at))
            .collect();
        idle.sort_unstable();
        let dropped: BTreeSet<usize> = idle.into_iter().take(excess).map(|(_, at)| at).collect();
        let mut at = 0..;
        self.alerts.retain(|_| at.next().is_none_or(|at| !dropped.contains(&at)));
    }

    /// Whether nothing in it is of use any more.
    fn is_over(&self, now: Timestamp) -> bool {
        let keep = Duration::from_secs(limits::DEDUP_KEEP_SECONDS);
        now.since(self.updated_time) > keep && self.alerts.iter().all(|alert| alert.is_over(now))
    }
}

impl OpenAlert {
    fn reaches(&self, event_time: Timestamp, window: Duration) -> bool {
        let after = event_time.since(self.first_event_time);
        let before = self.first_event_time.since(event_time);
        after.max(before) < window
    }

    fn raise_again(&self) -> Decision {
        Decision::Raise {
            alert_id: self.alert_id.clone(),
            raised_time: self.raised_time,
            reason: self.reason,
        }
    }

    fn may_be_repeated(&self, counted: &BTreeMap<String, u64>) -> bool {
        self.batches.iter().any(|(source, number)| counted.get(source) == Some(number))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        let seconds = limits::DEDUP_KEEP_SECONDS.saturating_add(self.window_seconds);
        now.since(self.updated_time) > Duration::from_secs(seconds)
    }
}

fn window(hit: &Match) -> Duration {
    let seconds = hit.rule.dedup_window_seconds.min(limits::DEDUP_WINDOW_SECONDS_MAX);
    Duration::from_secs(seconds)
}

fn raise_alone(hit: &Match, now: Timestamp) -> Decision {
    Decision::Raise { alert_id: alert_id(hit), raised_time: now, reason: RaiseReason::NoWindow }
}

/// Decides about batches, and remembers what it decided.
#[derive(Debug)]
pub struct Deduplicator {
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    /// Where the next sweep goes on.
    swept: Mutex<Position>,
}

/// A place in the key space: keys are spread over 256 folders.
#[derive(Debug, Clone, Default)]
struct Position {
    folder: u8,
    after: String,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// How many records were looked at.
    pub read: usize,
    /// How many of them were removed.
    pub removed: usize,
}

/// The matches of one key: where they stand in the batch.
struct Group {
    key: String,
    members: Vec<usize>,
}

impl Deduplicator {
    /// Keeps its state under `dedup/` in `state`.
    #[must_use]
    pub fn new(state: Arc<dyn StateStore>, clock: Arc<dyn Clock>) -> Self {
        Self { state, clock, swept: Mutex::default() }
    }

    /// Decides about all matches of a batch; they come back in their order.
    ///
    /// Costs one read and at most one write per distinct key, [`limits::STATE_CONCURRENCY`] at a
    /// time; a batch that was counted already costs no write.
    ///
    /// # Errors
    /// After any error, hand in the same batch again: what was counted is not counted twice.
    pub async fn process(
        &self,
        batch: &BatchKey,
        matches: Vec<Match>,
    ) -> Result<Vec<(Match, Decision)>, NotifyError> {
        let now = self.clock.now();
        let mut work = Vec::new();
        for group in groups(&matches) {
            work.push(self.process_group(group, &matches, batch, now));
        }
        let decided: Vec<Vec<(usize, Decision)>> =
            stream::iter(work).buffer_unordered(limits::STATE_CONCURRENCY).try_collect().await?;
        let mut decisions: HashMap<usize, Decision> = decided.into_iter().flatten().collect();
        let mut out = Vec::with_capacity(matches.len());
        for (at, hit) in matches.into_iter().enumerate() {
            // Every match is in exactly one group; a match of its own would be the safe answer.
            let decision = decisions.remove(&at).unwrap_or_else(|| raise_alone(&hit, now));
            out.push((hit, decision));
        }
        Ok(out)
    }

    async fn process_group(
        &self,
        group: Group,
        matches: &[Match],
        batch: &BatchKey,
        now: Timestamp,
    ) -> Result<Vec<(usize, Decision)>, NotifyError> {
        let hits: Vec<&Match> = group.members.iter().filter_map(|at| matches.get(*at)).collect();
        if hits.iter().all(|hit| window(hit).is_zero()) {
            let decisions = hits.iter().map(|hit| raise_alone(hit, now));
            return Ok(group.members.iter().copied().zip(decisions).collect());
        }
        for _ in 0..limits::STATE_ATTEMPTS_MAX {
            let (existing, version) = self.read(&group.key).await?;
            let (decisions, state) = decide(existing.as_ref(), &hits, batch, now);
            if existing.as_ref() != Some(&state) {
                let value = stored::encode(&group.key, &state)?;
                match self.state.compare_and_set(&group.key, version.as_deref(), &value).await {
                    Ok(_) => {}
                    Err(StateError::Conflict { .. }) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            return Ok(group.members.iter().copied().zip(decisions).collect());
        }
        Err(NotifyError::Contended { key: group.key, attempts: limits::STATE_ATTEMPTS_MAX })
    }

    async fn read(&self, key: &str) -> Result<(Option<DedupState>, Option<String>), NotifyError> {
        let Some(found) = self.state.get(key).await? else { return Ok((None, None)) };
        match stored::decode(key, &found.value) {
            Ok(state) => Ok((Some(state), Some(found.version))),
            // Starting anew may repeat an alert; stopping here would hold back all that follow.
            Err(NotifyError::Malformed { key, cause }) => {
                tracing::warn!(key, %cause, "deduplication state can't be read and starts anew");
                Ok((None, Some(found.version)))
            }
            Err(error) => Err(error),
        }
    }

    /// Removes records whose alerts nothing will join any more, and goes on where the last call
    /// stopped: each call looks at one of 256 folders, and at most
    /// [`limits::DEDUP_SWEEP_RECORDS_MAX`] records in it.
    ///
    /// Call it now and then, once the batches that a crash left open have been processed. A record
    /// that another process revives at this very moment may be lost, which repeats one alert.
    ///
    /// # Errors
    /// If the state store is away; the next call starts at the same place.
    pub async fn sweep(&self) -> Result<Sweep, NotifyError> {
        let position = self.position().clone();
        let prefix = format!("dedup/{:02x}/", position.folder);
        let now = self.clock.now();
        let mut sweep = Sweep::default();
        let mut next = Position { folder: position.folder.wrapping_add(1), after: String::new() };
        for key in self.state.list(&prefix).await? {
            if key <= position.after {
                continue;
            }
            if sweep.read == limits::DEDUP_SWEEP_RECORDS_MAX {
                next.folder = position.folder;
                break;
            }
            sweep.read += 1;
            sweep.removed += usize::from(self.remove_if_over(&key, now).await?);
            next.after = key;
        }
        if next.folder != position.folder {
            next.after.clear();
        }
        *self.position() = next;
        Ok(sweep)
    }

    async fn remove_if_over(&self, key: &str, now: Timestamp) -> Result<bool, NotifyError> {
        let Some(found) = self.state.get(key).await? else { return Ok(false) };
        let state: DedupState = match stored::decode(key, &found.value) {
            Ok(state) => state,
            Err(cause) => {
                tracing::warn!(key, %cause, "deduplication state can't be read and is left alone");
                return Ok(false);
            }
        };
        if !state.is_over(now) {
            return Ok(false);
        }
        self.state.delete(key).await?;
        Ok(true)
    }

    fn position(&self) -> std::sync::MutexGuard<'_, Position> {
        self.swept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of a batch in the order of their first match.
fn groups(matches: &[Match]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<(&str, &[String]), usize> = HashMap::new();
    for (at, hit) in matches.iter().enumerate() {
        let place = *places.entry((&hit.rule.id, &hit.dedup_values)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.members.push(at),
            None => groups.push(Group { key: state_key(hit), members: vec![at] }),
        }
    }
    groups
}

/// Where the state of a match's key is kept: `dedup/<2 hex digits>/<30 hex digits>`.
fn state_key(hit: &Match) -> String {
    let head = ["dedup/1", hit.rule.id.as_str()];
    let id = hash::identity(head.into_iter().chain(hit.dedup_values.iter().map(String::as_str)));
    let (folder, rest) = id.split_at_checked(2).unwrap_or(("00", &id));
    format!("dedup/{folder}/{rest}")
}

#[cfg(test)]
mod tests;
