//! The rules of one log source, ready to run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use base::{Event, Match};

use super::{
    bits,
    column::{Column, Predicate},
    compile::{About, Compiler},
    evaluate::Evaluation,
    keys::Keys,
    necessary::Necessary,
    program::{Node, NodeId, Programs, to_u32, to_usize},
    route::{GroupNeeds, Router},
    scratch::{self, Sizes},
};
use crate::{
    rule::{Body, Rule},
    stream::{
        failures::Failures,
        plan::{Bound, Plan},
    },
};

/// The rules of one log source.
#[derive(Debug)]
pub(super) struct Source {
    /// Unlike that of any other source, so that threads find their space for it.
    number: u64,
    pub(super) plan: Plan,
    pub(super) keys: Keys,
    pub(super) router: Router,
    /// For each field, and at the end for all strings.
    pub(super) columns: Vec<Column>,
    pub(super) programs: Programs,
    /// The rules in the order of the plan: its group and place in it, and its first node.
    pub(super) runs: Vec<Run>,
    /// For each predicate, the rules that are evaluated if it holds.
    pub(super) watchers: Watchers,
    sizes: Sizes,
}

/// A rule of a group.
#[derive(Debug)]
pub(super) struct Run {
    group: u32,
    place: u32,
    /// `None` for a rule that is evaluated plainly.
    pub(super) node: Option<NodeId>,
}

/// For each predicate a list of rules, all lists in one.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    ends: Vec<u32>,
    all: Vec<Watcher>,
}

/// A rule that waits for a predicate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watcher {
    pub(super) group: u32,
    pub(super) run: u32,
}

impl Source {
    pub(super) fn new(plan: Plan, rules: &[Arc<Rule>]) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let mut compiler = Compiler::new(plan.paths().len());
        let mut runs = Vec::new();
        for (group, bounds) in (0_u32..).zip(plan.groups()) {
            for (place, bound) in (0_u32..).zip(&bounds.bounds) {
                let node = rules.get(bound.rule).and_then(|rule| match &rule.body {
                    Body::Sigma(detection) => Some(compiler.rule(detection, &bound.paths)),
                    Body::Cel(_) => None,
                });
                runs.push(Run { group, place, node });
            }
        }
        let anywhere = compiler.anywhere();
        let (columns, programs, predicates) = compiler.finish();
        let necessary = Necessary { programs: &programs, predicates: &predicates, anywhere };
        let (watchers, needs) = watch(&runs, plan.groups().len(), &necessary);
        let router = Router::new(&plan, needs);
        let sizes = Sizes {
            slots: plan.paths().len(),
            predicates: predicates.len(),
            slow: programs.slow.len(),
            rules: runs.len(),
            tests: router.tests,
        };
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            keys: Keys::new(plan.paths()),
            router,
            columns,
            programs,
            runs,
            watchers,
            sizes,
            plan,
        }
    }

    /// Evaluates every rule that may hold and appends what matched.
    pub(super) fn evaluate(
        &self,
        event: &Event<'_>,
        rules: &[Arc<Rule>],
        failures: &Failures,
        matches: &mut Vec<Match>,
    ) {
        scratch::with(self.number, self.sizes, |scratch| {
            let state = &mut scratch.state;
            Evaluation { source: self, event, state }.run(
                &mut scratch.signatures,
                rules,
                failures,
                matches,
            );
            scratch.state.clear();
        });
    }

    /// The rule of a run, as it is bound to its fields.
    pub(super) fn bound(&self, run: &Run) -> Option<&Bound> {
        self.plan.groups().get(to_usize(run.group))?.bounds.get(to_usize(run.place))
    }

    /// The slot that stands for all strings of an event.
    pub(super) fn anywhere(&self) -> u32 {
        to_u32(self.plan.paths().len())
    }
}

/// Finds for each rule what it waits for, and for each group what it needs.
fn watch(runs: &[Run], groups: usize, necessary: &Necessary<'_>) -> (Watchers, Vec<GroupNeeds>) {
    let mut needs = (0..groups).map(|_| GroupNeeds::default()).collect::<Vec<_>>();
    let mut watching: Vec<(Predicate, Watcher)> = Vec::new();
    for (index, run) in (0_u32..).zip(runs) {
        let Some(needs) = needs.get_mut(to_usize(run.group)) else { continue };
        let Some(clause) = run.node.and_then(|node| necessary.of(node)) else {
            needs.open.push(index);
            run.node.into_iter().for_each(|node| add_slots(node, necessary, &mut needs.slots));
            continue;
        };
        for predicate in clause.predicates.iter() {
            let about = necessary.predicates.get(to_usize(*predicate));
            needs.searches |= about.is_some_and(|about| about.slot == necessary.anywhere);
            watching.push((*predicate, Watcher { group: run.group, run: index }));
        }
        run.node.into_iter().for_each(|node| add_slots(node, necessary, &mut needs.slots));
    }
    (Watchers::new(watching, necessary.predicates), needs)
}

/// Adds the fields whose predicates a node asks for.
fn add_slots(node: NodeId, necessary: &Necessary<'_>, slots: &mut Vec<u64>) {
    let programs = necessary.programs;
    let mut add = |predicates: &[Predicate]| {
        for predicate in predicates {
            if let Some(about) = necessary.predicates.get(to_usize(*predicate)) {
                bits::add(slots, about.slot);
            }
        }
    };
    match programs.node(node) {
        Some(Node::Is(predicate) | Node::IsAnywhere(predicate)) => add(&[predicate]),
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
    fn new(mut watching: Vec<(Predicate, Watcher)>, predicates: &[About]) -> Self {
        watching.sort_by_key(|(predicate, watcher)| (*predicate, watcher.run));
        let mut watchers = Self {
            ends: Vec::with_capacity(predicates.len()),
            all: watching.iter().map(|(_, watcher)| *watcher).collect(),
        };
        let mut rest = watching.as_slice();
        for predicate in 0..to_u32(predicates.len()) {
            let count = rest.iter().take_while(|(known, _)| *known == predicate).count();
            rest = rest.get(count..).unwrap_or_default();
            watchers.ends.push(to_u32(watching.len() - rest.len()));
        }
        watchers
    }

    /// The rules that wait for a predicate.
    pub(super) fn of(&self, predicate: Predicate) -> &[Watcher] {
        let index = to_usize(predicate);
        let end = |index: usize| self.ends.get(index).copied().map_or(0, to_usize);
        let start = index.checked_sub(1).map_or(0, end);
        self.all.get(start..end(index)).unwrap_or_default()
    }
}
