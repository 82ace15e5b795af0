//! The rules of one log source, ready to run.

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Event, Match};

use super::{
    bits,
    column::{Column, Predicate},
    compile::{About, Compiler},
    evaluate::{Evaluation, route},
    keys::Keys,
    memo::Remembering,
    necessary::Necessary,
    program::{Node, NodeId, Program, Programs, to_u32, to_usize},
    route::{GroupNeeds, Router},
    scratch::{self, Scratch, Sizes},
    view::View,
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
    /// For each field, and then for each group's search in all strings.
    pub(super) columns: Vec<Column>,
    pub(super) programs: Programs,
    /// The rules in the order of the plan.
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
    /// `None` for an expression in CEL.
    pub(super) program: Option<Program>,
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

impl Source {
    pub(super) fn new(mut plan: Plan, rules: &[Arc<Rule>]) -> Self {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let needed = needed(&mut plan, rules);
        let mut compiler = Compiler::new(plan.paths().len());
        let (mut runs, mut gates) = (Vec::new(), Vec::new());
        for (group, bounds) in (0_u32..).zip(plan.groups()) {
            compiler.begin_group();
            for (place, bound) in (0_u32..).zip(&bounds.bounds) {
                let program = rules.get(bound.rule).and_then(|rule| match &rule.body {
                    Body::Sigma(detection) => Some(compiler.rule(detection, &bound.paths)),
                    Body::Cel(_) => None,
                });
                runs.push(Run { group, place, program });
                let tests = needed.get(&bound.rule);
                gates.push(tests.and_then(|tests| compiler.gate(tests)));
            }
        }
        let anywhere = to_u32(plan.paths().len());
        let (columns, programs, predicates) = compiler.finish();
        let necessary = Necessary { programs: &programs, predicates: &predicates, anywhere };
        let (watchers, needs) = watch(&runs, gates, plan.groups().len(), &necessary);
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
            keys: Keys::new(plan.paths(), |path| plan.has_any_spelling(path)),
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
            let Scratch { own, normalized, signatures, state } = scratch;
            let own = own.get(&event.fields, &self.keys);
            let normalized = normalized.get(&event.normalized, &self.keys);
            route(View { source: self, event, shapes: [own, normalized] }, state);
            let signature = signatures.get(&self.router, &state.route);
            let is_asked = |slot| bits::has(&signature.slots, slot) && self.asks(slot);
            let asked =
                [&mut *own, &mut *normalized].map(|shape| shape.asked(signature.number, is_asked));
            let view = View { source: self, event, shapes: [own, normalized] };
            Evaluation { view, state }.run((signature, asked), rules, failures, matches);
            state.clear();
        });
    }

    /// Whether anything is asked of the values of a field.
    fn asks(&self, slot: u32) -> bool {
        self.columns.get(to_usize(slot)).is_some_and(|column| !column.is_empty())
    }

    /// How often texts repeated in this thread.
    pub(super) fn remembering(&self) -> Remembering {
        scratch::with(self.number, self.sizes, |scratch| scratch.state.memo.counts)
    }

    /// The rule of a run, as it is bound to its fields.
    pub(super) fn bound(&self, run: &Run) -> Option<&Bound> {
        self.plan.groups().get(to_usize(run.group))?.bounds.get(to_usize(run.place))
    }

    /// Whether a slot stands for all strings of an event.
    pub(super) fn is_anywhere(&self, slot: u32) -> bool {
        to_usize(slot) >= self.plan.paths().len()
    }
}

/// For the rules in CEL: of which tests one must hold, and in which slots their fields are. Rules of
/// which nothing is known are left out.
fn needed(plan: &mut Plan, rules: &[Arc<Rule>]) -> HashMap<usize, Vec<(u32, cel::FieldTest)>> {
    let mut needed = HashMap::new();
    let ran = plan.rules().collect::<BTreeSet<_>>();
    for index in ran {
        let Some(Body::Cel(program)) = rules.get(index).map(|rule| &rule.body) else { continue };
        if let cel::Necessary::AnyOf(tests) = program.necessary() {
            let tests = tests.into_iter().map(|cel::Predicate { field, test, .. }| {
                (to_u32(plan.path_in_any_spelling(&field)), test)
            });
            needed.insert(index, tests.collect());
        }
    }
    needed
}

/// Finds for each rule what it waits for, and for each group what it needs.
fn watch(
    runs: &[Run],
    gates: Vec<Option<Vec<Predicate>>>,
    groups: usize,
    necessary: &Necessary<'_>,
) -> (Watchers, Vec<GroupNeeds>) {
    let mut needs = (0..groups).map(|_| GroupNeeds::default()).collect::<Vec<_>>();
    let mut watching = Vec::new();
    for ((index, run), gate) in (0_u32..).zip(runs).zip(gates) {
        let Some(needs) = needs.get_mut(to_usize(run.group)) else { continue };
        let slot_of = |predicate: &Predicate| {
            necessary.predicates.get(to_usize(*predicate)).map(|about| about.slot)
        };
        let waits_for = match run.program {
            Some(program) => {
                add_slots(program.node, necessary, &mut needs.slots);
                necessary.of(program.node).map(|clause| clause.predicates)
            }
            None => {
                gate.iter().flatten().filter_map(slot_of).for_each(|slot| {
                    bits::add(&mut needs.slots, slot);
                });
                gate.map(Rc::new)
            }
        };
        let Some(predicates) = waits_for else {
            needs.open.push(index);
            continue;
        };
        if run.program.is_none() {
            needs.expressions.push(index);
        }
        for predicate in predicates.iter() {
            let search = slot_of(predicate).filter(|slot| *slot >= necessary.anywhere);
            needs.search = needs.search.or(search);
            watching.push(Watcher { predicate: *predicate, group: run.group, run: index });
        }
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
    fn new(mut watching: Vec<Watcher>, predicates: &[About]) -> Self {
        watching.sort_unstable();
        let mut watchers = Self::default();
        let mut rest = watching.as_slice();
        for predicate in 0..to_u32(predicates.len()) {
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
