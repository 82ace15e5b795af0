//! Runs correlations over matches, in the order of event time.
//!
//! # Order
//!
//! A match waits until a match that is more than the correlation's lateness newer has been seen;
//! then all that is older is decided in the order of time. So matches that come out of order by no
//! more than the lateness have the same result as those in order, and it does not matter how they
//! are cut into batches. What is later still is decided as it comes. [`Correlator::tick`] ends the
//! wait where nothing comes any more.
//!
//! # Memory
//!
//! Everything held has a limit in [`base::limits`]; what is dropped because of one is counted in
//! [`Counts`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use base::{EventId, Fact, Facts, Match, ObjectHash, Timestamp, limits};
use serde::{Deserialize, Serialize};

use super::{
    Correlation, CorrelationKind, Member,
    amount::Amount,
    condition::Outcome,
    group::{Added, Entry, Group, Held, Order},
    told,
};

const MICROS: i64 = 1_000_000;

/// After how many events the groups whose windows have ended are looked for.
const SWEEP_EVERY: u64 = 1024;

/// Runs correlations over matches.
#[derive(Debug)]
pub struct Correlator {
    pub(super) running: Vec<Running>,
    /// Which correlations each rule's matches go to, by the rule's id.
    feeds: HashMap<String, Arc<[Feed]>>,
    /// What waits, by when it is due. Correlations that others stand on come first.
    due: BTreeSet<(i64, usize)>,
    /// A correlation at which too many wait.
    full: Option<usize>,
    /// The newest time seen, but none ahead of the clock.
    pub(super) seen: Option<i64>,
    /// The latest due time that was worked off: the time up to which all is decided.
    pub(super) decided: i64,
    /// How many events were decided.
    pub(super) released: u64,
    /// How many matches were taken in, and what that was at the last tick, with its time.
    fed: u64,
    quiet: Option<(u64, Timestamp)>,
}

/// Where a match goes.
#[derive(Debug, Clone, Copy)]
struct Feed {
    correlation: usize,
    member: usize,
}

/// A correlation with its state.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) correlation: Arc<Correlation>,
    pub(super) waiting: BTreeMap<Order, Hit>,
    pub(super) groups: BTreeMap<Vec<String>, Group>,
    /// How many events all groups hold.
    pub(super) events: usize,
    pub(super) counts: Counts,
    /// The correlations that stand on it.
    parents: Vec<Feed>,
}

/// A match that waits for its turn.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) entry: Entry,
    pub(super) group: Vec<String>,
    /// The values of [`Correlation::passed`], in its order.
    pub(super) passed: Vec<Vec<String>>,
    pub(super) log_source: Arc<str>,
}

/// What a correlation could not do as it should, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Counts {
    /// Events that came later than the lateness allows, behind others of their group; they count in
    /// the window as it is now.
    pub late: u64,
    /// Events that came after their group's window had left their time behind; they don't count.
    pub too_late: u64,
    /// Events that did not wait, because too many did.
    pub hurried: u64,
    /// Events that were dropped while they counted, because their group or all groups together had
    /// too many.
    pub evicted: u64,
    /// Events without a field that the correlation groups by; they don't count.
    pub ungrouped: u64,
    /// Events whose field has no value, or no number where one is needed; they don't count.
    pub valueless: u64,
}

impl Counts {
    /// Whether results may be incomplete because of them: something was dropped or came too late.
    #[must_use]
    pub const fn is_lossy(&self) -> bool {
        self.late > 0 || self.too_late > 0 || self.hurried > 0 || self.evicted > 0
    }
}

impl Correlator {
    /// Prepares the correlations of a [`crate::RuleSet`], in its order.
    #[must_use]
    pub fn new(correlations: &[Arc<Correlation>]) -> Self {
        let mut feeds: HashMap<String, Vec<Feed>> = HashMap::new();
        let mut running = correlations.iter().map(Running::new).collect::<Vec<_>>();
        for (feed, member) in members(correlations) {
            match member.correlation.map(|child| running.get_mut(child)) {
                None => feeds.entry(member.id.clone()).or_default().push(feed),
                Some(Some(child)) => child.parents.push(feed),
                // A rule set has no correlation that is not there.
                Some(None) => {}
            }
        }
        Self {
            running,
            feeds: feeds.into_iter().map(|(id, feeds)| (id, feeds.into())).collect(),
            due: BTreeSet::new(),
            full: None,
            seen: None,
            decided: i64::MIN,
            released: 0,
            fed: 0,
            quiet: None,
        }
    }

    /// The correlations, in order.
    pub fn correlations(&self) -> impl Iterator<Item = &Arc<Correlation>> {
        self.running.iter().map(|running| &running.correlation)
    }

    /// What each correlation could not do as it should.
    pub fn counts(&self) -> impl Iterator<Item = (&Arc<Correlation>, Counts)> {
        self.running.iter().map(|running| (&running.correlation, running.counts))
    }

    /// How many matches wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.running.iter().map(|running| running.waiting.len()).sum()
    }

    /// Takes in matches, and answers those that correlations make of what is due by now. Matches
    /// that no correlation asks for are passed over.
    ///
    /// Event time alone decides; `now` only keeps an event from the future from making all others
    /// late. Where there is no clock, as over stored events, it is [`Timestamp::MAX`].
    pub fn process(&mut self, matches: &[Match], now: Timestamp) -> Vec<Match> {
        let mut out = Vec::new();
        for found in matches {
            let Some(facts) = &found.facts else { continue };
            let Some(feeds) = self.feeds.get(&found.rule.id) else { continue };
            for feed in Arc::clone(feeds).iter() {
                self.take_in(*feed, found, facts);
            }
            self.fed += 1;
            let time = found.time.min(now).as_micros();
            self.seen = Some(self.seen.map_or(time, |seen| seen.max(time)));
            self.work(false, &mut out);
        }
        out
    }

    /// Ends the wait if nothing has come for as long as the longest lateness, by the clock: call it
    /// now and then. Whether it will do anything is [`Self::is_due`]'s answer.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Match> {
        if self.is_due(now) { self.settle() } else { Vec::new() }
    }

    /// Whether the wait is over at this time. The first call after a match starts the clock.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        if self.due.is_empty() {
            self.quiet = None;
            return false;
        }
        match self.quiet {
            Some((fed, since)) if fed == self.fed => {
                let lateness = self.running.iter().map(|running| running.correlation.lateness);
                now.as_micros().saturating_sub(since.as_micros()) >= lateness.max().unwrap_or(0)
            }
            _ => {
                self.quiet = Some((self.fed, now));
                false
            }
        }
    }

    /// Decides all that waits, as at the end of all events.
    pub fn settle(&mut self) -> Vec<Match> {
        let mut out = Vec::new();
        self.work(true, &mut out);
        out
    }

    fn take_in(&mut self, feed: Feed, found: &Match, facts: &Facts) {
        let Some(running) = self.running.get_mut(feed.correlation) else { return };
        let Some(hit) = running.hit(feed.member, found, facts) else { return };
        let before = running.due();
        running.waiting.insert(hit.entry.order(), hit);
        let after = running.due();
        if running.waiting.len() > limits::CORRELATION_WAITING_MAX {
            self.full = Some(feed.correlation);
        }
        self.reschedule(feed.correlation, before, after);
    }

    fn reschedule(&mut self, correlation: usize, before: Option<i64>, after: Option<i64>) {
        if before != after {
            before.map(|due| self.due.remove(&(due, correlation)));
            after.map(|due| self.due.insert((due, correlation)));
        }
    }

    /// Decides what is due, or all.
    fn work(&mut self, all: bool, out: &mut Vec<Match>) {
        loop {
            let first = self.due.first().copied();
            let is_due = |due: i64| all || self.seen.is_some_and(|seen| due < seen);
            match (first, self.full.take()) {
                (Some((due, at)), _) if is_due(due) => self.release(at, false, out),
                (_, Some(full)) => self.release(full, true, out),
                (_, None) => return,
            }
        }
    }

    /// Decides the earliest that waits at a correlation.
    fn release(&mut self, at: usize, is_hurried: bool, out: &mut Vec<Match>) {
        let Some(running) = self.running.get_mut(at) else { return };
        let before = running.due();
        let hit = running.waiting.pop_first();
        let after = running.due();
        running.counts.hurried += u64::from(is_hurried);
        self.reschedule(at, before, after);
        let (Some(due), Some((_, hit))) = (before, hit) else { return };
        self.released += 1;
        self.decided = self.decided.max(due);
        let Some(running) = self.running.get_mut(at) else { return };
        let decided = self.decided.saturating_sub(running.correlation.lateness);
        let found = running.decide(hit, self.released, decided);
        if self.released.is_multiple_of(SWEEP_EVERY) {
            let (decided, released) = (self.decided, self.released);
            self.running.iter_mut().for_each(|running| running.sweep(decided, released));
        }
        if let Some(found) = found {
            self.hand_on(at, found, out);
        }
    }

    /// Hands a correlation's match to those that stand on it, and out.
    fn hand_on(&mut self, at: usize, found: Match, out: &mut Vec<Match>) {
        let parents = self.running.get(at).map(|running| running.parents.clone());
        for feed in parents.unwrap_or_default() {
            if let Some(facts) = &found.facts {
                self.take_in(feed, &found, facts);
            }
        }
        if !found.is_silent() {
            out.push(found);
        }
    }

    /// Makes the list of what is due anew, after state was read.
    pub(super) fn reschedule_all(&mut self) {
        let due = self.running.iter().enumerate();
        self.due = due.filter_map(|(at, running)| Some((running.due()?, at))).collect();
    }
}

/// Every rule that correlations name, with where its matches go.
fn members(correlations: &[Arc<Correlation>]) -> impl Iterator<Item = (Feed, &Member)> {
    correlations.iter().enumerate().flat_map(|(correlation, one)| {
        let members = one.members.iter().enumerate();
        members.map(move |(member, asked)| (Feed { correlation, member }, asked))
    })
}

impl Running {
    fn new(correlation: &Arc<Correlation>) -> Self {
        Self {
            correlation: Arc::clone(correlation),
            waiting: BTreeMap::new(),
            groups: BTreeMap::new(),
            events: 0,
            counts: Counts::default(),
            parents: Vec::new(),
        }
    }

    /// When the earliest that waits is to be decided.
    fn due(&self) -> Option<i64> {
        let ((time, ..), _) = self.waiting.first_key_value()?;
        Some(time.saturating_add(self.correlation.lateness))
    }

    /// A match as the correlation sees it; `None` if it does not count.
    fn hit(&mut self, member: usize, found: &Match, facts: &Facts) -> Option<Hit> {
        let asked = self.correlation.members.get(member)?;
        let values = |name: &String| {
            let fact = facts.fields.iter().find(|fact| fact.name == *name);
            fact.map(|fact| fact.values.as_slice()).filter(|values| !values.is_empty())
        };
        let joined = |name: &String| values(name).map(|values| shortened(&values.join(",")));
        let Some(group) = asked.group_by.iter().map(joined).collect() else {
            self.counts.ungrouped += 1;
            return None;
        };
        let held = match (self.correlation.kind, asked.fields.as_slice()) {
            (
                CorrelationKind::EventCount
                | CorrelationKind::Temporal
                | CorrelationKind::TemporalOrdered,
                _,
            ) => Some(Held::Nothing),
            (CorrelationKind::ValueCount, [field]) => values(field).map(|values| {
                let mut texts =
                    values.iter().map(|value| shortened(value).into()).collect::<Vec<_>>();
                texts.sort_unstable();
                texts.dedup();
                Held::Texts(texts)
            }),
            (CorrelationKind::ValueCount, fields) => {
                let values = fields.iter().map(joined).collect::<Option<Vec<_>>>();
                values.map(|values| Held::Texts(vec![values.join(", ").into()]))
            }
            (_, fields) => {
                let amounts = fields.first().and_then(values).unwrap_or_default();
                let amounts =
                    amounts.iter().filter_map(|value| Amount::parse(value)).collect::<Vec<_>>();
                (!amounts.is_empty()).then_some(Held::Amounts(amounts))
            }
        };
        let Some(held) = held else {
            self.counts.valueless += 1;
            return None;
        };
        let passed = asked.passed.iter().map(|name| values(name).unwrap_or_default().to_vec());
        let entry = Entry {
            time: found.time.as_micros(),
            id: event_id(&found.event_id),
            member: u16::try_from(member).unwrap_or(u16::MAX),
            held,
        };
        let log_source = Arc::clone(&found.log_source);
        Some(Hit { entry, group, passed: passed.collect(), log_source })
    }

    /// Adds an event to its group. Answers a match if that completes one.
    fn decide(&mut self, hit: Hit, released: u64, decided: i64) -> Option<Match> {
        let correlation = Arc::clone(&self.correlation);
        let group =
            self.groups.entry(hit.group.clone()).or_insert_with(|| Group::new(&correlation));
        let before = group.entries().len();
        let (added, dropped) = group.add(hit.entry.clone(), correlation.timespan);
        group.touched = released;
        self.events = (self.events + group.entries().len()).saturating_sub(before);
        self.counts.evicted += u64::try_from(dropped).unwrap_or(0);
        let found = match added {
            Added::Repeated => None,
            Added::TooLate => {
                self.counts.too_late += 1;
                None
            }
            Added::Late | Added::InOrder => {
                self.counts.late += u64::from(added == Added::Late);
                complete(&correlation, group, &hit)
            }
        };
        self.make_room(decided);
        found
    }

    /// Drops the groups that were not touched for longest, where there are too many.
    fn make_room(&mut self, decided: i64) {
        let is_over = self.groups.len() > limits::CORRELATION_GROUPS_MAX
            || self.events > limits::CORRELATION_EVENTS_MAX;
        if !is_over {
            return;
        }
        let mut stalest =
            self.groups.iter().map(|(key, group)| (group.touched, key.clone())).collect::<Vec<_>>();
        stalest.sort_unstable();
        // One in ten more, so that the next event does not begin anew.
        let (groups_max, events_max) =
            (limits::CORRELATION_GROUPS_MAX / 10 * 9, limits::CORRELATION_EVENTS_MAX / 10 * 9);
        for (_, key) in stalest {
            if self.groups.len() <= groups_max && self.events <= events_max {
                return;
            }
            let is_over = |group: &Group| group.is_over(self.correlation.timespan, decided);
            if let Some(group) = self.groups.remove(&key) {
                let events = group.entries().len();
                self.events = self.events.saturating_sub(events);
                if !is_over(&group) {
                    self.counts.evicted += u64::try_from(events).unwrap_or(0);
                }
            }
        }
    }

    /// Drops groups whose windows have long ended.
    fn sweep(&mut self, decided: i64, released: u64) {
        let keep = limits::CORRELATION_KEEP_SECONDS.saturating_mul(MICROS);
        let timespan = self.correlation.timespan.saturating_add(keep);
        let decided = decided.saturating_sub(self.correlation.lateness);
        let events = &mut self.events;
        self.groups.retain(|_, group| {
            let is_idle = released.saturating_sub(group.touched) > limits::CORRELATION_KEEP_EVENTS;
            let is_kept = !(is_idle && group.is_over(timespan, decided));
            if !is_kept {
                *events = events.saturating_sub(group.entries().len());
            }
            is_kept
        });
    }
}

impl Group {
    /// Whether no event after `decided` can share a window with its events.
    fn is_over(&self, timespan: i64, decided: i64) -> bool {
        self.last().is_none_or(|last| last.saturating_add(timespan) < decided)
    }
}

/// Answers a match if the group's condition holds and did not before, or did for a whole window.
fn complete(correlation: &Correlation, group: &mut Group, hit: &Hit) -> Option<Match> {
    let Some(outcome) = group.outcome(correlation) else {
        group.fired = None;
        return None;
    };
    let last = group.last().unwrap_or(hit.entry.time);
    let is_told =
        group.fired.is_some_and(|fired| last.saturating_sub(fired) < correlation.timespan);
    if is_told {
        return None;
    }
    group.fired = Some(last);
    Some(told_with_facts(correlation, group, hit, outcome))
}

fn told_with_facts(correlation: &Correlation, group: &Group, hit: &Hit, outcome: Outcome) -> Match {
    let mut found = told::tell(correlation, group, hit, outcome);
    if correlation.is_correlated {
        let by = correlation.group_by.iter().zip(&hit.group);
        let by = by.map(|(name, value)| Fact { name: name.clone(), values: vec![value.clone()] });
        let passed = correlation.passed.iter().zip(&hit.passed);
        let passed = passed
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| Fact { name: name.clone(), values: values.clone() });
        let fields = by.chain(passed).collect();
        found.facts = Some(Box::new(Facts { is_silent: correlation.is_silent, fields }));
    }
    found
}

/// An event's id; one that was made otherwise is told from others by its hash.
pub(super) fn event_id(text: &str) -> EventId {
    EventId::parse(text).unwrap_or_else(|| EventId { object: ObjectHash::of(&[text]), offset: 0 })
}

/// A value, or as much of it as tells it from others.
fn shortened(value: &str) -> String {
    let max = limits::CORRELATION_VALUE_BYTES_MAX;
    if value.len() <= max {
        return value.to_owned();
    }
    let cut = value.floor_char_boundary(max - 24);
    let (start, _) = value.split_at_checked(cut).unwrap_or((value, ""));
    format!("{start}…{}", ObjectHash::of(&[value]))
}
