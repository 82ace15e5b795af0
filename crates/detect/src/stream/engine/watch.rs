//! Which rules wait for which predicate.
//!
//! At first each rule waits for what is guessed to hold most rarely. The first events then tell
//! what does: tests that the logs at hand are full of, such as the name of a shell, are swapped for
//! rarer ones that the rule needs as well. That changes how often a rule is evaluated in vain, and
//! never what it finds.

use std::sync::{Arc, OnceLock};

use super::{
    bits,
    column::Predicate,
    compile::About,
    necessary::{Counts, Necessary},
    program::{Node, NodeId, Programs, to_u32, to_usize},
    route::GroupNeeds,
    source::Run,
};

/// After how many events of a thread what rules wait for is chosen anew.
const CHOSEN_AFTER: [u64; 3] = [512, 8192, 131_072];

/// Of so many events, the predicates of one are counted.
const COUNTED_EVERY: u64 = 4;

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
    /// By predicate, where its parts end.
    ends: Vec<u32>,
    /// A group, and where its rules end.
    parts: Vec<(u32, u32)>,
    runs: Vec<u32>,
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
        let necessary = Necessary { programs, predicates: &predicates, anywhere, counts: None };
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
        let guessed = Watchers::new(runs, &waits_for, predicates.len());
        let chosen = [const { OnceLock::new() }; CHOSEN_AFTER.len()];
        (Self { guessed, chosen, waits_for, predicates, anywhere }, needs)
    }

    /// What rules wait for, as well as it is known.
    pub(super) fn watchers(&self) -> &Watchers {
        self.chosen.iter().rev().find_map(OnceLock::get).unwrap_or(&self.guessed)
    }

    /// Learns from an event what holds how often: `held` are its predicates, `events` how many
    /// events the thread had before it.
    pub(super) fn learn(
        &self,
        events: u64,
        held: &[Predicate],
        counts: &mut Counts,
        choose: impl FnOnce(&Counts) -> Watchers,
    ) {
        let [.., last] = CHOSEN_AFTER;
        if !events.is_multiple_of(COUNTED_EVERY) || events > last {
            return;
        }
        counts.add(held);
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
        };
        let waits_for = runs.iter().zip(&self.waits_for).map(|(run, guessed)| {
            let better = necessary.of(run.program?.node)?.predicates;
            // All strings of an event are searched only for rules that needed it from the start.
            let is_searched = better.iter().any(|predicate| necessary.is_anywhere(*predicate));
            if is_searched { None } else { guessed.as_ref().map(|_| better.into()) }
        });
        let waits_for = waits_for.zip(&self.waits_for);
        let waits_for = waits_for.map(|(better, guessed)| better.or_else(|| guessed.clone()));
        Watchers::new(runs, &waits_for.collect::<Vec<_>>(), self.predicates.len())
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
    /// For the rules in `runs`, what they wait for, and so many predicates.
    fn new(runs: &[Run], waits_for: &[Option<Arc<[Predicate]>>], predicates: usize) -> Self {
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
        for predicate in 0..to_u32(predicates) {
            let count = rest.iter().take_while(|watcher| watcher.predicate == predicate).count();
            let (own, behind) = rest.split_at(count);
            rest = behind;
            for part in own.chunk_by(|left, right| left.group == right.group) {
                watchers.runs.extend(part.iter().map(|watcher| watcher.run));
                let group = part.first().map_or(0, |watcher| watcher.group);
                watchers.parts.push((group, to_u32(watchers.runs.len())));
            }
            watchers.ends.push(to_u32(watchers.parts.len()));
        }
        watchers
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
