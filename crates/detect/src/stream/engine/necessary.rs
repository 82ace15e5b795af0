//! Which predicates a rule can't hold without: for each rule a set of which one must hold.
//!
//! Of a conjunction, the part that is expected to hold most rarely, by a guess or by what was
//! counted; of a disjunction, the parts together. Negations, absence and presence give nothing: a
//! rule of these alone always runs.

use super::{
    bits,
    column::Predicate,
    compile::About,
    program::{Node, NodeId, Programs, to_usize},
};

/// How many predicates a set has at most; a rule with a larger one always runs.
const CLAUSE_PREDICATES_MAX: usize = 200_000;

/// How much rarer another set must be before all strings of an event are searched for a rule.
const SEARCH_PENALTY: f32 = 10.0;

/// How many events a guess weighs against what was counted.
const GUESS_WEIGHT: f32 = 4.0;

/// Predicates of which one must hold.
#[derive(Debug)]
pub(super) struct Clause {
    pub(super) predicates: Vec<Predicate>,
    /// How many evaluations the set is expected to cause.
    pub(super) cost: f32,
}

/// Finds the sets.
#[derive(Debug)]
pub(super) struct Necessary<'p> {
    pub(super) programs: &'p Programs,
    pub(super) predicates: &'p [About],
    /// From here on, slots stand for all strings of an event.
    pub(super) anywhere: u32,
    /// What held how often, if that is known.
    pub(super) counts: Option<&'p Counts>,
    /// The fields that no set is to ask for.
    pub(super) banned: Vec<u64>,
}

/// In how many events predicates held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    events: u32,
    by_predicate: Vec<u32>,
    /// In how many there was a field.
    by_slot: Vec<u32>,
}

impl Counts {
    /// Of so many predicates and fields.
    pub(super) fn new(predicates: usize, slots: usize) -> Self {
        Self { events: 0, by_predicate: vec![0; predicates], by_slot: vec![0; slots] }
    }

    /// Counts an event with the predicates that hold and the fields that are there.
    pub(super) fn add(&mut self, held: &[Predicate], present: impl Iterator<Item = u32>) {
        self.events = self.events.saturating_add(1);
        held.iter().for_each(|predicate| count(&mut self.by_predicate, *predicate));
        present.for_each(|slot| count(&mut self.by_slot, slot));
    }

    /// In which part of the events a field was.
    pub(super) fn presence(&self, slot: u32) -> f32 {
        let count = self.by_slot.get(to_usize(slot)).copied().unwrap_or_default();
        float(count) / float(self.events.max(1))
    }

    /// How often a predicate is to be expected for which `guess` was the guess.
    fn expect(&self, predicate: Predicate, guess: f32) -> f32 {
        let count = self.by_predicate.get(to_usize(predicate)).copied().unwrap_or_default();
        (float(count) + GUESS_WEIGHT * guess) / (float(self.events) + GUESS_WEIGHT)
    }
}

fn count(counts: &mut [u32], number: u32) {
    if let Some(count) = counts.get_mut(to_usize(number)) {
        *count = count.saturating_add(1);
    }
}

/// As near as a float comes.
fn float(count: u32) -> f32 {
    let [low, high] = [count & 0xffff, count >> 16].map(|half| u16::try_from(half).unwrap_or(0));
    f32::from(high) * 65_536.0 + f32::from(low)
}

impl Necessary<'_> {
    /// The set for a node; `None` if it may hold without any predicate.
    pub(super) fn of(&self, id: NodeId) -> Option<Clause> {
        let programs = self.programs;
        match programs.node(id)? {
            Node::Is(predicate) | Node::IsAnywhere(_, predicate) => {
                Some(self.clause(vec![predicate]))
            }
            Node::AnyOf(span) => Some(self.clause(programs.predicates(span).to_vec())),
            Node::AllOf(span) => {
                let predicates = programs.predicates(span).iter();
                best(predicates.map(|predicate| Some(self.clause(vec![*predicate]))))
            }
            Node::Slow(slow) => {
                let gate = programs.slow(slow)?.gate;
                Some(self.clause(programs.predicates(gate).to_vec()))
            }
            Node::Null(_) | Node::Exists(..) | Node::Not(_) => None,
            Node::All(span) => best(programs.children(span).iter().map(|child| self.of(*child))),
            Node::Any(span) => {
                let clauses = programs.children(span).iter().map(|child| self.of(*child));
                self.union(clauses.collect::<Option<Vec<_>>>()?)
            }
            Node::AtLeast(least, span) => {
                // Of the rarest ones, all but `least - 1` may fail; one of the rest holds.
                let children = programs.children(span);
                let mut clauses =
                    children.iter().filter_map(|child| self.of(*child)).collect::<Vec<_>>();
                clauses.sort_by(|left, right| left.cost.total_cmp(&right.cost));
                let enough = (children.len() + 1).checked_sub(to_usize(least))?;
                if clauses.len() < enough {
                    return None;
                }
                clauses.truncate(enough);
                self.union(clauses)
            }
        }
    }

    pub(super) fn clause(&self, mut predicates: Vec<Predicate>) -> Clause {
        predicates.sort_unstable();
        predicates.dedup();
        let cost = predicates.iter().map(|predicate| self.cost(*predicate)).sum();
        Clause { predicates, cost }
    }

    fn cost(&self, predicate: Predicate) -> f32 {
        let Some(about) = self.predicates.get(to_usize(predicate)) else { return f32::MAX };
        if bits::has(&self.banned, about.slot) {
            return f32::MAX;
        }
        // What many rules ask for is what logs are full of.
        let uses = u16::try_from(about.uses).unwrap_or(u16::MAX);
        let guess = about.likelihood * (1.0 + f32::from(uses) / 4.0);
        let cost = self.counts.map_or(guess, |counts| counts.expect(predicate, guess));
        if about.slot >= self.anywhere { SEARCH_PENALTY + cost } else { cost }
    }

    /// The field of a predicate.
    pub(super) fn slot(&self, predicate: Predicate) -> Option<u32> {
        self.predicates.get(to_usize(predicate)).map(|about| about.slot)
    }

    /// The fields that a set asks for.
    pub(super) fn slots(&self, clause: &Clause) -> impl Iterator<Item = u32> {
        clause.predicates.iter().filter_map(|predicate| self.slot(*predicate))
    }

    /// Whether a set asks for all strings of an event.
    pub(super) fn is_searched(&self, clause: &Clause) -> bool {
        clause.predicates.iter().any(|predicate| self.is_anywhere(*predicate))
    }

    /// Whether a predicate is about all strings of an event.
    pub(super) fn is_anywhere(&self, predicate: Predicate) -> bool {
        self.slot(predicate).is_some_and(|slot| slot >= self.anywhere)
    }

    fn union(&self, mut clauses: Vec<Clause>) -> Option<Clause> {
        if clauses.len() == 1 {
            return clauses.pop();
        }
        let count = clauses.iter().map(|clause| clause.predicates.len()).sum::<usize>();
        if count > CLAUSE_PREDICATES_MAX {
            return None;
        }
        let predicates = clauses.iter().flat_map(|clause| clause.predicates.iter().copied());
        Some(self.clause(predicates.collect()))
    }
}

fn best(clauses: impl Iterator<Item = Option<Clause>>) -> Option<Clause> {
    clauses.flatten().min_by(|left, right| left.cost.total_cmp(&right.cost))
}
