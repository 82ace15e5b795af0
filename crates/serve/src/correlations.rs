//! Correlations beside the lanes: what the matches of all sources mean together, exactly once.
//!
//! # Exactly once
//!
//! The state is a snapshot in the lake and a journal in the state store: the batches that were taken
//! in since, in order, and when a wait was ended. A batch is written to the journal before it is
//! taken in, in one compare-and-set. What it makes is decided by the state and the batch's stored
//! matches alone, so a process that died does it again from the journal and comes to the same. Each
//! journal entry has a number; the matches it made become alerts under it as those of a batch do,
//! and the table `matches` knows the last number that is done.
//!
//! An entry is written only when all that came before is done, so at most one is ever undone.

use std::{collections::BTreeMap, sync::Arc};

use base::{Clock, Match, Problem, Report, StateError, StateStore, Timestamp, fault, limits};
use detect::{Correlation, Correlator, RestoreError};
use lake::{Lake, LakeError, batch::RuleHour, layout};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    ServeError,
    happening::{Happening, Observer},
    lane::blocking,
    rule_limit::{Closed, HeldBack, RuleLimit, note_held_back},
    status::Board,
};

/// Under which name the matches that correlations make are committed. No source has it: their names
/// have no dot.
pub(crate) const SOURCE: &str = "dab.correlations";

const HEAD: &str = "correlations/head";

/// How many matches are taken in at a time, so that no other task waits for long: at some
/// microseconds each.
const MATCHES_AT_A_TIME: usize = 128;

/// The version of the journal and of snapshots.
const VERSION: u32 = 1;

/// Where the state of correlations is, and who hears of them.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) lake: Arc<Lake>,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) board: Arc<Board>,
    pub(crate) rule_matches_per_hour_max: u64,
}

/// Correlations, and what they know.
#[derive(Debug)]
pub(crate) struct Correlations {
    around: Surroundings,
    rules: Vec<Arc<Correlation>>,
    /// `None` until it is first needed, and after a write whose outcome is not known.
    opened: Option<Opened>,
    /// Of how many lost events of each correlation was told.
    told: BTreeMap<String, u64>,
}

/// The state in memory.
#[derive(Debug)]
struct Opened {
    correlator: Correlator,
    limit: RuleLimit,
    head: Head,
    version: Option<String>,
    /// For each source, the last batch that was taken in.
    applied: BTreeMap<String, u64>,
    /// What the last entry made, while that is not done.
    made: Option<Made>,
}

/// Matches that correlations made, to be dealt with under a number.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) number: u64,
    pub(crate) matches: Vec<Match>,
}

/// The journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// The number of the last entry; 0 before the first.
    last: u64,
    /// The number of the last entry that the snapshot holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<u64>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Entry {
    #[serde(rename = "n")]
    number: u64,
    /// The clock then.
    #[serde(rename = "t")]
    now: Timestamp,
    /// The batch that was taken in; without one, the wait was ended.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    batch: Option<(String, u64)>,
}

#[derive(Serialize, Deserialize)]
struct Snapshot {
    version: u32,
    number: u64,
    applied: BTreeMap<String, u64>,
    /// How often correlations matched lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rule_hours: Vec<RuleHour>,
    correlator: Box<RawValue>,
}

impl Correlations {
    pub(crate) const fn new(around: Surroundings, rules: Vec<Arc<Correlation>>) -> Self {
        Self { around, rules, opened: None, told: BTreeMap::new() }
    }

    /// Goes on with other rules: those that are the same before and after keep what they know.
    /// Answers whether it was possible: not while what was made is not dealt with.
    pub(crate) async fn replace(&mut self, rules: Vec<Arc<Correlation>>) -> Result<bool, Problem> {
        if !self.rules.is_empty() {
            if self.undone().await?.is_some() {
                return Ok(false);
            }
            // What the journal says was made by the old rules, and is not to be made by the new.
            self.snapshot().await?;
        }
        (self.rules, self.opened) = (rules, None);
        Ok(true)
    }

    /// Takes in the matches of a batch, once however often it is called. Answers what is to be dealt
    /// with now, if anything; [`Self::done`] says that it was.
    pub(crate) async fn take_in(
        &mut self,
        source: &str,
        number: u64,
        matches: &[Match],
    ) -> Result<Option<Made>, Problem> {
        if self.rules.is_empty() || !matches.iter().any(|found| found.facts.is_some()) {
            return Ok(None);
        }
        if let Some(made) = self.undone().await? {
            return Ok(Some(made));
        }
        let opened = self.opened.as_ref();
        let last = opened.and_then(|opened| opened.applied.get(source));
        if last.is_some_and(|last| *last >= number) {
            return Ok(None);
        }
        let now = self.around.clock.now();
        self.note(now, Some((source.to_owned(), number))).await?;
        // Taken out, so that nothing half done is left if this is not polled to its end.
        let Some(mut opened) = self.opened.take() else { return Ok(None) };
        opened.applied.insert(source.to_owned(), number);
        let found = opened.process(matches, now).await;
        self.opened = Some(opened);
        Ok(self.made(found))
    }

    /// Ends the wait for what may be late, where it is over by the clock, or in any case.
    pub(crate) async fn end_wait(&mut self, in_any_case: bool) -> Result<Option<Made>, Problem> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        if let Some(made) = self.undone().await? {
            return Ok(Some(made));
        }
        let now = self.around.clock.now();
        let Some(opened) = &mut self.opened else { return Ok(None) };
        let is_over = if in_any_case {
            opened.correlator.waiting() > 0
        } else {
            opened.correlator.is_due(now)
        };
        if !is_over {
            return Ok(None);
        }
        self.note(now, None).await?;
        let Some(opened) = &mut self.opened else { return Ok(None) };
        let found = opened.correlator.settle();
        Ok(self.made(found))
    }

    /// What was made is dealt with.
    pub(crate) async fn done(&mut self, number: u64) {
        let Some(opened) = &mut self.opened else { return };
        if opened.made.as_ref().is_some_and(|made| made.number == number) {
            opened.made = None;
        }
        if opened.head.entries.len() >= limits::CORRELATION_JOURNAL_MAX
            && let Err(problem) = self.snapshot().await
        {
            // The journal goes on, and the next entry tries again.
            tracing::warn!(error = %problem, "the state of correlations can't be written");
        }
    }

    /// What an earlier call, or an earlier process, left undone. Reads the state first if need be.
    async fn undone(&mut self) -> Result<Option<Made>, Problem> {
        if self.opened.is_none() {
            self.opened = Some(self.open().await?);
        }
        Ok(self.opened.as_ref().and_then(|opened| opened.made.clone()))
    }

    fn made(&mut self, found: Vec<Match>) -> Option<Made> {
        self.tell_losses();
        let opened = self.opened.as_mut()?;
        let (matches, held_back) = opened.limited(found);
        note_held_back(&self.around.board, self.around.observer.as_ref(), &held_back);
        let number = opened.head.last;
        opened.made = Some(Made { number, matches });
        opened.made.clone()
    }

    /// Writes an entry to the journal.
    async fn note(&mut self, now: Timestamp, batch: Option<(String, u64)>) -> Result<(), Problem> {
        let Some(opened) = &mut self.opened else { return Ok(()) };
        let mut head = opened.head.clone();
        head.last += 1;
        head.entries.push(Entry { number: head.last, now, batch });
        let bytes = serde_json::to_vec(&head).unwrap_or_default();
        let version = opened.version.as_deref();
        match self.around.state.compare_and_set(HEAD, version, &bytes).await {
            Ok(version) => {
                (opened.head, opened.version) = (head, Some(version));
                fault::reach(fault::Point::Noted);
                Ok(())
            }
            Err(error) => {
                // It may have been written for all that: what is there decides, the next time.
                self.opened = None;
                Err(state_error(error))
            }
        }
    }

    /// Reads the state, and does again what the journal says. State that nobody wrote is reported and
    /// begun anew: without it correlations forget, with it events would wait for ever.
    async fn open(&mut self) -> Result<Opened, Problem> {
        let found = self.around.state.get(HEAD).await.map_err(state_error)?;
        let version = found.as_ref().map(|found| found.version.clone());
        let read = match found {
            None => Ok(Head::default()),
            Some(found) => read::<Head>(HEAD, &found.value),
        };
        let opened = match read {
            Ok(head) => self.resume(head).await,
            Err(error) => Err(error),
        };
        let mut opened = match opened {
            Ok(opened) => opened,
            Err(Failed::Unreadable(reason)) => {
                let report = Problem::from(ServeError::CorrelationState { reason }).report();
                tell(self.around.observer.as_ref(), &report);
                self.begin(Head::default())
            }
            Err(Failed::Problem(problem)) => return Err(problem),
        };
        opened.version = version;
        opened.head.version = VERSION;
        // Numbers are never used twice, whatever became of the journal.
        let committed = crate::alerts::last_number(&self.around.lake, SOURCE).await?;
        opened.head.last = opened.head.last.max(committed);
        // All entries but the last are done, and perhaps the last too.
        let is_undone = |made: &Made| made.number > committed && !made.matches.is_empty();
        opened.made = opened.made.filter(is_undone);
        Ok(opened)
    }

    fn begin(&self, head: Head) -> Opened {
        Opened::new(&self.rules, head, self.limit(&[]))
    }

    fn limit(&self, rule_hours: &[RuleHour]) -> RuleLimit {
        RuleLimit::new(SOURCE, self.around.rule_matches_per_hour_max, rule_hours)
    }

    async fn resume(&self, head: Head) -> Result<Opened, Failed> {
        let mut opened = self.begin(head);
        if let Some(number) = opened.head.snapshot {
            let key = layout::correlations(number);
            let address = self.around.lake.address(&key);
            let bytes = self.around.lake.get(&key).await?;
            let bytes = bytes.ok_or_else(|| Failed::Unreadable(format!("{address} is missing")))?;
            let snapshot: Snapshot = read(&address, &bytes)?;
            match opened.correlator.restore(snapshot.correlator.get().as_bytes()) {
                Ok(()) => {
                    opened.applied = snapshot.applied;
                    opened.limit = self.limit(&snapshot.rule_hours);
                }
                Err(error @ RestoreError::Newer(_)) => return Err(newer(&address, &error)),
                Err(error) => return Err(Failed::Unreadable(format!("{address}: {error}"))),
            }
        }
        for entry in opened.head.entries.clone() {
            let found = match entry.batch {
                None => opened.correlator.settle(),
                Some((source, number)) => {
                    let matches = self.around.lake.matches(&source, number).await?;
                    opened.applied.insert(source, number);
                    opened.process(&matches, entry.now).await
                }
            };
            let (matches, _) = opened.limited(found);
            opened.made = Some(Made { number: entry.number, matches });
        }
        Ok(opened)
    }

    /// Writes the state, so that the journal can begin anew.
    async fn snapshot(&mut self) -> Result<(), Problem> {
        let Some(opened) = self.opened.take() else { return Ok(()) };
        let number = opened.head.last;
        let (mut opened, state) = blocking(SOURCE, move || {
            let state = opened.correlator.state();
            (opened, state)
        })
        .await?;
        let correlator = String::from_utf8(state).unwrap_or_default();
        let encode = |error: serde_json::Error| LakeError::Encode {
            table: layout::correlations(number),
            reason: error.to_string(),
        };
        let correlator = RawValue::from_string(correlator).map_err(encode)?;
        let snapshot = Snapshot {
            version: VERSION,
            number,
            applied: opened.applied.clone(),
            rule_hours: opened.limit.close().rule_hours,
            correlator,
        };
        let key = layout::correlations(number);
        let bytes = serde_json::to_vec(&snapshot).map_err(encode)?;
        if let Err(error) = self.around.lake.put(&key, bytes.into()).await {
            self.opened = Some(opened);
            return Err(error.into());
        }
        let head =
            Head { version: VERSION, last: number, snapshot: Some(number), entries: Vec::new() };
        let bytes = serde_json::to_vec(&head).unwrap_or_default();
        let version = opened.version.as_deref();
        // After a failure, what is there decides: the state is read again.
        let version = self.around.state.compare_and_set(HEAD, version, &bytes).await;
        opened.version = Some(version.map_err(state_error)?);
        let old = std::mem::replace(&mut opened.head, head).snapshot;
        self.opened = Some(opened);
        if let Some(old) = old.filter(|old| *old != number) {
            self.around.lake.delete(&layout::correlations(old)).await?;
        }
        Ok(())
    }

    /// Tells of correlations that lost events since it was last told of them: the first time, and
    /// whenever it is twice as many.
    fn tell_losses(&mut self) {
        let Some(opened) = &self.opened else { return };
        for (correlation, counts) in opened.correlator.counts() {
            let lost = counts.late + counts.too_late + counts.hurried + counts.evicted;
            let told = self.told.entry(correlation.info.id.clone()).or_default();
            if lost > 0 && lost >= told.saturating_mul(2) {
                *told = lost;
                let report = Problem::from(ServeError::CorrelationLosses {
                    title: correlation.info.title.clone(),
                    late: counts.late,
                    too_late: counts.too_late,
                    hurried: counts.hurried,
                    evicted: counts.evicted,
                });
                tell(self.around.observer.as_ref(), &report.report());
            }
        }
    }
}

impl Opened {
    fn new(rules: &[Arc<Correlation>], head: Head, limit: RuleLimit) -> Self {
        let correlator = Correlator::new(rules);
        Self { correlator, limit, head, version: None, applied: BTreeMap::new(), made: None }
    }

    /// What of an entry's matches becomes alerts, with the one that says what does not.
    fn limited(&mut self, mut matches: Vec<Match>) -> (Vec<Match>, Vec<HeldBack>) {
        self.limit.apply(&mut matches, 0);
        let Closed { held_back, .. } = self.limit.close();
        matches.extend(held_back.iter().map(HeldBack::alert));
        (matches, held_back)
    }

    async fn process(&mut self, matches: &[Match], now: Timestamp) -> Vec<Match> {
        let mut found = Vec::new();
        for some in matches.chunks(MATCHES_AT_A_TIME) {
            found.extend(self.correlator.process(some, now));
            tokio::task::yield_now().await;
        }
        found
    }
}

/// Why state could not be read.
enum Failed {
    /// Nobody wrote it: begin anew.
    Unreadable(String),
    Problem(Problem),
}

impl From<LakeError> for Failed {
    fn from(error: LakeError) -> Self {
        match error {
            LakeError::Corrupt { address, reason } => {
                Self::Unreadable(format!("{address}: {reason}"))
            }
            error => Self::Problem(error.into()),
        }
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads stored JSON with a version.
fn read<T: DeserializeOwned>(address: &str, bytes: &[u8]) -> Result<T, Failed> {
    let unreadable = |error| Failed::Unreadable(format!("{address}: {error}"));
    let Version { version } = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version > VERSION {
        return Err(newer(address, &RestoreError::Newer(version)));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}

fn newer(address: &str, error: &RestoreError) -> Failed {
    let reason = format!("{address}: {error}");
    Failed::Problem(ServeError::Checkpoint { reason }.into())
}

fn tell(observer: &dyn Observer, report: &Report) {
    tracing::warn!(problem = %report, "correlations have a problem");
    observer.happened(&Happening::Trouble { source: "correlations", report });
}

fn state_error(error: StateError) -> Problem {
    LakeError::Unavailable {
        action: "read or written",
        address: HEAD.to_owned(),
        reason: error.to_string(),
        source: error.into(),
    }
    .into()
}
