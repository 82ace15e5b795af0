//! Which predicates a rule can't hold without: for each rule a set of which one must hold.
//!
//! Of a conjunction, the part that is expected to hold most rarely; of a disjunction, the parts
//! together. Negations, absence and presence give nothing: a rule of these alone always runs.

use std::rc::Rc;

use super::{
    column::Predicate,
    compile::About,
    program::{Node, NodeId, Programs, to_usize},
};

/// How many predicates a set has at most; a rule with a larger one always runs.
const CLAUSE_PREDICATES_MAX: usize = 200_000;

/// How much rarer another set must be before all strings of an event are searched for a rule.
const SEARCH_PENALTY: f32 = 10.0;

/// Predicates of which one must hold.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    pub(super) predicates: Rc<Vec<Predicate>>,
    /// How many evaluations the set is expected to cause.
    cost: f32,
}

/// Finds the sets.
#[derive(Debug)]
pub(super) struct Necessary<'p> {
    pub(super) programs: &'p Programs,
    pub(super) predicates: &'p [About],
    /// From here on, slots stand for all strings of an event.
    pub(super) anywhere: u32,
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

    fn clause(&self, mut predicates: Vec<Predicate>) -> Clause {
        predicates.sort_unstable();
        predicates.dedup();
        let cost = predicates.iter().map(|predicate| self.cost(*predicate)).sum();
        Clause { predicates: Rc::new(predicates), cost }
    }

    fn cost(&self, predicate: Predicate) -> f32 {
        let Some(about) = self.predicates.get(to_usize(predicate)) else { return f32::MAX };
        // What many rules ask for is what logs are full of.
        let uses = u16::try_from(about.uses).unwrap_or(u16::MAX);
        let cost = about.likelihood * (1.0 + f32::from(uses) / 4.0);
        if about.slot >= self.anywhere { SEARCH_PENALTY + cost } else { cost }
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
