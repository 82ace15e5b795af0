//! Which rules wait for which predicate.
//!
//! At first each rule waits for what is guessed to hold most rarely. The first events then tell
//! what does: tests that the logs at hand are full of, such as the name of a shell, are swapped for
//! rarer ones that the rule needs as well. That changes how often a rule is evaluated in vain, and
//! never what it finds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use super::{
    bits,
    column::Predicate,
    compile::About,
    necessary::{Clause, Counts, Necessary},
    program::{Node, NodeId, Programs, to_u32, to_usize},
    route::GroupNeeds,
    source::Run,
};

/// After how many events of a thread what rules wait for is chosen anew.
const CHOSEN_AFTER: [u64; 3] = [512, 8192, 131_072];

/// Of so many events, the predicates of one are counted: before the second choice, and after it.
const COUNTED_EVERY: [u64; 2] = [4, 32];

/// The rules of a log source, waiting.
#[derive(Debug)]
pub(super) struct Watch {
    guessed: Watchers,
    /// What was chosen later, best last.
    chosen: [OnceLock<Watchers>; CHOSEN_AFTER.len()],
    /// Of each rule the predicates that it waits for in `guessed`; `None`: it always runs.
    waits_for: Vec<Option<Arc<[Predicate]>>>,
    predicates: Vec<About>,
    /// From here on, slots stand for all strings of an event.
    anywhere: u32,
}

/// For each predicate the rules that wait for it, by their groups; all lists in one.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// The predicates that any rule waits for, as a set: few of those that hold, as what holds often is what
    /// rules do not wait for.
    watched: Vec<u64>,
    /// By predicate, where its parts end.
    ends: Vec<u32>,
    /// A group, and where its rules end.
    parts: Vec<(u32, u32)>,
    runs: Vec<u32>,
    /// By group, the fields whose predicates its rules wait for, as sets.
    slots: Vec<Vec<u64>>,
}

/// A rule that waits for a predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Watcher {
    predicate: Predicate,
    group: u32,
    run: u32,
}

impl Watch {
    /// Finds for each rule what it waits for, and for each of so many groups what it needs. `gates`
    /// are what the rules in CEL wait for.
    pub(super) fn new(
        runs: &[Run],
        gates: Vec<Option<Vec<Predicate>>>,
        groups: usize,
        programs: &Programs,
        (predicates, anywhere): (Vec<About>, u32),
    ) -> (Self, Vec<GroupNeeds>) {
        let necessary = Necessary {
            programs,
            predicates: &predicates,
            anywhere,
            counts: None,
            banned: Vec::new(),
        };
        let mut needs = (0..groups).map(|_| GroupNeeds::default()).collect::<Vec<_>>();
        let mut waits_for = Vec::with_capacity(runs.len());
        for ((index, run), gate) in (0_u32..).zip(runs).zip(gates) {
            let waits = match run.program {
                Some(program) => necessary.of(program.node).map(|clause| clause.predicates.into()),
                None => gate.map(Into::into),
            };
            if let Some(needs) = needs.get_mut(to_usize(run.group)) {
                need(needs, index, run, waits.as_deref(), &necessary);
            }
            waits_for.push(waits);
        }
        let guessed = Watchers::new(runs, &waits_for, &predicates);
        let chosen = [const { OnceLock::new() }; CHOSEN_AFTER.len()];
        (Self { guessed, chosen, waits_for, predicates, anywhere }, needs)
    }

    /// What rules wait for, as well as it is known, and how often it was chosen anew.
    pub(super) fn watchers(&self) -> (usize, &Watchers) {
        let chosen = self.chosen.iter().enumerate().rev();
        let mut chosen = chosen.filter_map(|(index, chosen)| Some((index + 1, chosen.get()?)));
        chosen.next().unwrap_or((0, &self.guessed))
    }

    /// The field of a predicate.
    #[inline]
    pub(super) fn slot(&self, predicate: Predicate) -> u32 {
        self.predicates.get(to_usize(predicate)).map_or(u32::MAX, |about| about.slot)
    }

    /// Whether what holds is counted for an event, before which a thread had so many.
    pub(super) const fn is_counted(events: u64) -> bool {
        let [_, second, last] = CHOSEN_AFTER;
        let [early, late] = COUNTED_EVERY;
        let every = if events <= second { early } else { late };
        events <= last && events.is_multiple_of(every)
    }

    /// Learns from an event what holds how often: `held` are its predicates, `present` the fields
    /// that it has, `events` how many events the thread had before it.
    pub(super) fn learn(
        &self,
        events: u64,
        (held, present): (&[Predicate], impl Iterator<Item = u32>),
        counts: &mut Counts,
        choose: impl FnOnce(&Counts) -> Watchers,
    ) {
        if !Self::is_counted(events) {
            return;
        }
        counts.add(held, present);
        let stage = CHOSEN_AFTER.iter().zip(&self.chosen).find(|(after, _)| **after == events);
        if let Some((_, chosen)) = stage {
            // Another thread may have been faster; what it learned is as good.
            chosen.get_or_init(|| choose(counts));
        }
    }

    /// What rules should wait for, by what was counted.
    pub(super) fn choose(&self, runs: &[Run], programs: &Programs, counts: &Counts) -> Watchers {
        let necessary = Necessary {
            programs,
            predicates: &self.predicates,
            anywhere: self.anywhere,
            counts: Some(counts),
            banned: Vec::new(),
        };
        let clauses = runs.iter().zip(&self.waits_for).map(|(run, guessed)| {
            let guessed = guessed.as_ref()?;
            // All strings of an event are searched only for rules that needed it from the start.
            let better = run.program.and_then(|program| necessary.of(program.node));
            let better = better.filter(|clause| !necessary.is_searched(clause));
            Some(better.unwrap_or_else(|| necessary.clause(guessed.to_vec())))
        });
        let clauses = clauses.collect();
        let clauses = Choice { runs, counts, necessary, clauses }.with_fewer_fields();
        let waits_for = clauses.into_iter().map(|clause| Some(clause?.predicates.into()));
        Watchers::new(runs, &waits_for.collect::<Vec<_>>(), &self.predicates)
    }
}

/// How much work it is to look at a field, and to evaluate a rule in vain.
const LOOK_COST: f32 = 1.0;
const EVALUATION_COST: f32 = 4.0;

/// What rules may wait for.
struct Choice<'c> {
    runs: &'c [Run],
    counts: &'c Counts,
    necessary: Necessary<'c>,
    /// Of each rule, if it waits.
    clauses: Vec<Option<Clause>>,
}

impl Choice<'_> {
    /// Spares looking at fields that few rules wait for, where these can wait for others at a lower
    /// price: a field that nobody waits for is looked at only when a rule comes to ask.
    fn with_fewer_fields(mut self) -> Vec<Option<Clause>> {
        let mut waiting: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        for (run, clause) in self.clauses.iter().enumerate() {
            for slot in clause.iter().flat_map(|clause| self.necessary.slots(clause)) {
                waiting.entry(slot).or_default().insert(run);
            }
        }
        let mut order = waiting.iter().map(|(slot, runs)| (runs.len(), *slot)).collect::<Vec<_>>();
        order.sort_unstable();
        for (_, slot) in order {
            let Some(others) = self.without(slot, waiting.get(&slot)) else { continue };
            for (run, clause) in others {
                for slot in self.necessary.slots(&clause) {
                    waiting.entry(slot).or_default().insert(run);
                }
                if let Some(known) = self.clauses.get_mut(run) {
                    *known = Some(clause);
                }
            }
        }
        self.clauses
    }

    /// What the rules that wait for a field wait for without it, if that is cheaper.
    fn without(
        &mut self,
        slot: u32,
        waiting: Option<&BTreeSet<usize>>,
    ) -> Option<Vec<(usize, Clause)>> {
        if slot >= self.necessary.anywhere {
            return None;
        }
        let mut gain = LOOK_COST * self.counts.presence(slot);
        bits::add(&mut self.necessary.banned, slot);
        let mut other = |run: &usize| {
            let program = self.runs.get(*run)?.program?;
            let clause = self.necessary.of(program.node)?;
            let known = self.clauses.get(*run)?.as_ref()?;
            gain -= EVALUATION_COST * (clause.cost - known.cost);
            let is_good = gain > 0.0 && !self.necessary.is_searched(&clause);
            is_good.then_some((*run, clause))
        };
        let others = waiting?.iter().map(&mut other).collect::<Option<Vec<_>>>();
        if others.is_none() {
            bits::remove(&mut self.necessary.banned, slot);
        }
        others
    }
}

/// Notes what a rule needs among the needs of its group.
fn need(
    needs: &mut GroupNeeds,
    index: u32,
    run: &Run,
    waits_for: Option<&[Predicate]>,
    necessary: &Necessary<'_>,
) {
    let waits = waits_for.unwrap_or_default();
    match run.program {
        Some(program) => add_slots(program.node, necessary, &mut needs.slots),
        None => waits.iter().filter_map(|predicate| necessary.slot(*predicate)).for_each(|slot| {
            bits::add(&mut needs.slots, slot);
        }),
    }
    if waits_for.is_none() {
        needs.open.push(index);
    } else if run.program.is_none() {
        needs.expressions.push(index);
    }
    let mut searched = waits.iter().filter(|predicate| necessary.is_anywhere(**predicate));
    let search = searched.next().and_then(|predicate| necessary.slot(*predicate));
    needs.search = needs.search.or(search);
}

/// Adds the fields whose predicates a node asks for.
fn add_slots(node: NodeId, necessary: &Necessary<'_>, slots: &mut Vec<u64>) {
    let programs = necessary.programs;
    let mut add = |predicates: &[Predicate]| {
        for predicate in predicates {
            if let Some(slot) = necessary.slot(*predicate) {
                bits::add(slots, slot);
            }
        }
    };
    match programs.node(node) {
        Some(Node::Is(predicate) | Node::IsAnywhere(_, predicate)) => add(&[predicate]),
        Some(Node::AnyOf(span) | Node::AllOf(span)) => add(programs.predicates(span)),
        Some(Node::Slow(id)) => {
            add(programs.slow(id).map_or(&[], |slow| programs.predicates(slow.gate)));
        }
        Some(Node::Not(inner)) => add_slots(inner, necessary, slots),
        Some(Node::All(span) | Node::Any(span) | Node::AtLeast(_, span)) => {
            programs.children(span).iter().for_each(|child| add_slots(*child, necessary, slots));
        }
        None | Some(Node::Null(_) | Node::Exists(..)) => {}
    }
}

impl Watchers {
    /// For the rules in `runs`, what they wait for, and all predicates.
    fn new(runs: &[Run], waits_for: &[Option<Arc<[Predicate]>>], predicates: &[About]) -> Self {
        let mut watching = Vec::new();
        for ((index, run), waits_for) in (0_u32..).zip(runs).zip(waits_for) {
            watching.extend(
                waits_for.iter().flat_map(|predicates| predicates.iter()).map(|predicate| {
                    Watcher { predicate: *predicate, group: run.group, run: index }
                }),
            );
        }
        watching.sort_unstable();
        let mut watchers = Self::default();
        let mut rest = watching.as_slice();
        for (predicate, about) in (0_u32..).zip(predicates) {
            let count = rest.iter().take_while(|watcher| watcher.predicate == predicate).count();
            let (own, behind) = rest.split_at(count);
            rest = behind;
            if count > 0 {
                bits::add(&mut watchers.watched, predicate);
            }
            for part in own.chunk_by(|left, right| left.group == right.group) {
                watchers.runs.extend(part.iter().map(|watcher| watcher.run));
                let group = part.first().map_or(0, |watcher| watcher.group);
                watchers.parts.push((group, to_u32(watchers.runs.len())));
                let groups = watchers.slots.len().max(to_usize(group) + 1);
                watchers.slots.resize_with(groups, Vec::new);
                if let Some(slots) = watchers.slots.get_mut(to_usize(group)) {
                    bits::add(slots, about.slot);
                }
            }
            watchers.ends.push(to_u32(watchers.parts.len()));
        }
        watchers
    }

    /// The fields whose predicates a group's rules wait for, as a set.
    pub(super) fn slots(&self, group: usize) -> &[u64] {
        self.slots.get(group).map_or(&[], Vec::as_slice)
    }

    /// Whether any rule waits for a predicate.
    #[inline]
    pub(super) fn has(&self, predicate: Predicate) -> bool {
        bits::has(&self.watched, predicate)
    }

    /// The rules that wait for a predicate, by their groups.
    pub(super) fn of(&self, predicate: Predicate) -> impl Iterator<Item = (u32, &[u32])> {
        let end = |index: usize| self.ends.get(index).copied().map_or(0, to_usize);
        let index = to_usize(predicate);
        let parts = index.checked_sub(1).map_or(0, end)..end(index);
        let run_end = |part: usize| self.parts.get(part).map_or(0, |(_, end)| to_usize(*end));
        parts.filter_map(move |part| {
            let (group, end) = self.parts.get(part).copied()?;
            let start = part.checked_sub(1).map_or(0, run_end);
            Some((group, self.runs.get(start..to_usize(end))?))
        })
    }
}
