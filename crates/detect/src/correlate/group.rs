//! The events of one group: a window that slides from event to event, and what it comes to.
//!
//! Adding an event and dropping those that leave the window cost no more than a look-up each: what
//! the window comes to is kept along, not counted again.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use base::{EventId, limits};

use super::{
    Correlation, CorrelationKind,
    amount::Amount,
    condition::{self, Outcome, has},
};

/// One event of a group, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time: i64,
    pub(super) id: EventId,
    /// The rule that matched, by its place in the correlation.
    pub(super) member: u16,
    pub(super) held: Held,
}

/// What counts of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// That it is there.
    Nothing,
    Texts(Vec<Arc<str>>),
    Amounts(Vec<Amount>),
}

/// The order of events: by time, and then by what else tells them apart.
pub(super) type Order = (i64, EventId, u16);

impl Entry {
    pub(super) const fn order(&self) -> Order {
        (self.time, self.id, self.member)
    }
}

/// What the window comes to, kept along.
#[derive(Debug)]
enum Tally {
    Events,
    Values(BTreeMap<Arc<str>, usize>),
    Sum {
        total: Amount,
        count: usize,
    },
    Sorted(Vec<Amount>),
    /// For each rule, when it matched.
    Rules(Vec<VecDeque<i64>>),
}

#[derive(Debug)]
pub(super) struct Group {
    entries: VecDeque<Entry>,
    tally: Tally,
    /// The condition held at the last event, and the correlation matched for it at this time.
    pub(super) fired: Option<i64>,
    /// When the group was last added to, in released events.
    pub(super) touched: u64,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It is the newest.
    InOrder,
    /// It stands before others.
    Late,
    /// The window has left its time behind.
    TooLate,
    /// It was there before.
    Repeated,
}

impl Group {
    pub(super) fn new(correlation: &Correlation) -> Self {
        let tally = match correlation.kind {
            CorrelationKind::EventCount => Tally::Events,
            CorrelationKind::ValueCount => Tally::Values(BTreeMap::new()),
            CorrelationKind::ValueSum | CorrelationKind::ValueAvg => {
                Tally::Sum { total: Amount::default(), count: 0 }
            }
            CorrelationKind::ValueMedian | CorrelationKind::ValuePercentile => {
                Tally::Sorted(Vec::new())
            }
            CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => {
                Tally::Rules(vec![VecDeque::new(); correlation.members.len()])
            }
        };
        Self { entries: VecDeque::new(), tally, fired: None, touched: 0 }
    }

    pub(super) const fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    /// The time of the newest event.
    pub(super) fn last(&self) -> Option<i64> {
        self.entries.back().map(|entry| entry.time)
    }

    /// Takes in an event, and drops those that left the window. Answers how many were dropped for
    /// want of room, too.
    pub(super) fn add(&mut self, mut entry: Entry, timespan: i64) -> (Added, usize) {
        let order = entry.order();
        let newest = self.entries.back().map(Entry::order);
        let place = match newest {
            Some(newest) if newest >= order => self.entries.partition_point(|e| e.order() < order),
            _ => self.entries.len(),
        };
        if self.entries.get(place).is_some_and(|known| known.order() == order) {
            return (Added::Repeated, 0);
        }
        let is_late = newest.is_some_and(|(time, ..)| time > entry.time);
        if is_late && self.last().is_some_and(|last| entry.time < last.saturating_sub(timespan)) {
            return (Added::TooLate, 0);
        }
        self.tally.add(&mut entry);
        self.entries.insert(place, entry);
        let start = self.last().unwrap_or(0).saturating_sub(timespan);
        while self.entries.front().is_some_and(|oldest| oldest.time < start) {
            self.drop_oldest();
        }
        let excess = self.entries.len().saturating_sub(limits::CORRELATION_GROUP_EVENTS_MAX);
        (0..excess).for_each(|_| self.drop_oldest());
        (if is_late { Added::Late } else { Added::InOrder }, excess)
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.tally.remove(&entry);
        }
    }

    /// What the window comes to, if the condition holds for it.
    pub(super) fn outcome(&self, correlation: &Correlation) -> Option<Outcome> {
        let condition = &correlation.condition;
        let outcome = match &self.tally {
            Tally::Events => Outcome::of_count(self.entries.len()),
            Tally::Values(values) => Outcome::of_count(values.len()),
            Tally::Sum { total, count } if *count > 0 => {
                let is_sum = correlation.kind == CorrelationKind::ValueSum;
                Outcome { total: *total, divisor: if is_sum { 1 } else { *count } }
            }
            Tally::Sum { .. } => return None,
            Tally::Sorted(sorted) => Outcome::of(Amount::percentile(sorted, condition.percentile)?),
            Tally::Rules(times) => return rules_outcome(correlation, times),
        };
        condition.accepts(outcome).then_some(outcome)
    }

    /// The distinct values, the most frequent kinds of tallies have none.
    pub(super) fn values(&self) -> impl Iterator<Item = &str> {
        let values = match &self.tally {
            Tally::Values(values) => Some(values.keys().map(AsRef::as_ref)),
            _ => None,
        };
        values.into_iter().flatten()
    }

    /// How many events each rule has in the window, and when the last was.
    pub(super) fn members(&self, count: usize) -> Vec<(usize, i64)> {
        let mut members = vec![(0, i64::MIN); count];
        for entry in &self.entries {
            if let Some((events, last)) = members.get_mut(usize::from(entry.member)) {
                *events += 1;
                *last = entry.time;
            }
        }
        members
    }
}

impl Tally {
    fn add(&mut self, entry: &mut Entry) {
        match (self, &mut entry.held) {
            (Self::Values(values), Held::Texts(texts)) => {
                for text in texts {
                    // One copy of each value for all its events.
                    if let Some((known, _)) = values.get_key_value(text.as_ref()) {
                        *text = Arc::clone(known);
                    }
                    *values.entry(Arc::clone(text)).or_default() += 1;
                }
            }
            (Self::Sum { total, count }, Held::Amounts(amounts)) => {
                for amount in amounts {
                    *total = total.plus(*amount);
                    *count += 1;
                }
            }
            (Self::Sorted(sorted), Held::Amounts(amounts)) => {
                for amount in amounts {
                    let place = sorted.partition_point(|known| known <= amount);
                    sorted.insert(place, *amount);
                }
            }
            (Self::Rules(times), _) => {
                if let Some(times) = times.get_mut(usize::from(entry.member)) {
                    let place = times.partition_point(|time| *time <= entry.time);
                    times.insert(place, entry.time);
                }
            }
            _ => {}
        }
    }

    fn remove(&mut self, entry: &Entry) {
        match (self, &entry.held) {
            (Self::Values(values), Held::Texts(texts)) => {
                for text in texts {
                    match values.get_mut(text) {
                        Some(count) if *count > 1 => *count -= 1,
                        _ => drop(values.remove(text)),
                    }
                }
            }
            (Self::Sum { total, count }, Held::Amounts(amounts)) => {
                for amount in amounts {
                    *total = total.minus(*amount);
                    *count -= 1;
                }
            }
            (Self::Sorted(sorted), Held::Amounts(amounts)) => {
                for amount in amounts {
                    if let Ok(place) = sorted.binary_search(amount) {
                        sorted.remove(place);
                    }
                }
            }
            // Events leave in the order of time.
            (Self::Rules(times), _) => {
                times.get_mut(usize::from(entry.member)).and_then(VecDeque::pop_front);
            }
            _ => {}
        }
    }
}

fn rules_outcome(correlation: &Correlation, times: &[VecDeque<i64>]) -> Option<Outcome> {
    let is_ordered = correlation.kind == CorrelationKind::TemporalOrdered;
    let seen = (0_u32..).zip(times).fold(0_u64, |seen, (member, times)| {
        if times.is_empty() { seen } else { seen | 1_u64.checked_shl(member).unwrap_or(0) }
    });
    let condition = &correlation.condition;
    let Some(expression) = &condition.expression else {
        let count = if is_ordered { longest_order(times) } else { count_bits(seen) };
        return condition.accepts(Outcome::of_count(count)).then_some(Outcome::of_count(count));
    };
    if !is_ordered {
        let holds = condition::holds(expression, seen, seen);
        return holds.then(|| Outcome::of_count(count_bits(seen)));
    }
    // Any of the rules that matched will do, if those alone make the expression hold and matched in
    // their order. The largest such set is told of.
    let sets = 0..1_u64.checked_shl(u32::try_from(times.len()).ok()?)?;
    sets.filter(|set| set & !seen == 0)
        .filter(|set| condition::holds(expression, *set, seen) && are_in_order(*set, times))
        .map(count_bits)
        .max()
        .map(Outcome::of_count)
}

fn count_bits(set: u64) -> usize {
    usize::try_from(set.count_ones()).unwrap_or(0)
}

/// Whether the rules of a set matched one after the other, in their order or at once. The earliest
/// match that is not before that of the rule ahead leaves the most room.
fn are_in_order(set: u64, times: &[VecDeque<i64>]) -> bool {
    let mut from = i64::MIN;
    times.iter().enumerate().filter(|(member, _)| has(set, *member)).all(|(_, times)| {
        match times.get(times.partition_point(|time| *time < from)) {
            Some(time) => {
                from = *time;
                true
            }
            None => false,
        }
    })
}

/// How many rules at most matched one after the other in their order, others left out.
fn longest_order(times: &[VecDeque<i64>]) -> usize {
    // For each number of rules, the earliest time at which so many have matched in order.
    let mut earliest: Vec<i64> = vec![i64::MIN];
    for times in times {
        for count in (0..earliest.len()).rev() {
            let Some(from) = earliest.get(count).copied() else { continue };
            let Some(time) = times.get(times.partition_point(|time| *time < from)) else {
                continue;
            };
            match earliest.get_mut(count + 1) {
                Some(known) => *known = (*known).min(*time),
                None => earliest.push(*time),
            }
        }
    }
    earliest.len() - 1
}
