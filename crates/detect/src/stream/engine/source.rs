//! The rules of one log source, ready to run.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base::{Event, Match};

use super::{
    bits,
    column::Column,
    compile::Compiler,
    evaluate::{Evaluation, Looks, route},
    keys::Keys,
    memo::Remembering,
    necessary::Counts,
    program::{Program, Programs, to_u32, to_usize},
    route::Router,
    scratch::{self, Scratch, Sizes, State},
    view::View,
    watch::Watch,
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
    /// Which rules are evaluated if a predicate holds.
    pub(super) watch: Watch,
    sizes: Sizes,
}

/// A rule of a group.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) group: u32,
    place: u32,
    /// `None` for an expression in CEL.
    pub(super) program: Option<Program>,
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
        let count = predicates.len();
        let groups = plan.groups().len();
        let (watch, needs) = Watch::new(&runs, gates, groups, &programs, (predicates, anywhere));
        let router = Router::new(&plan, needs);
        let sizes = Sizes {
            slots: plan.paths().len(),
            predicates: count,
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
            watch,
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
            let watchers = self.watch.watchers();
            let signature = signatures.get(&self.router, &state.route, watchers);
            let is_counted = Watch::is_counted(state.events);
            let looked_at = if is_counted { &signature.slots } else { &signature.watched };
            let is_asked = |slot| bits::has(looked_at, slot) && self.asks(slot);
            let number = signature.number * 2 + u64::from(is_counted);
            let asked = [&mut *own, &mut *normalized].map(|shape| shape.asked(number, is_asked));
            let unseen = if is_counted { &[][..] } else { &signature.unwatched };
            state.unseen.clear();
            state.unseen.extend_from_slice(unseen);
            let view = View { source: self, event, shapes: [own, normalized] };
            let (_, watchers) = watchers;
            let looks = Looks { signature, watchers, slots: looked_at, asked };
            Evaluation { view, state }.run(&looks, rules, failures, matches);
            self.learn(state);
            state.clear();
        });
    }

    fn learn(&self, state: &mut State) {
        let mut counts = std::mem::take(&mut state.counts);
        let choose = |counts: &Counts| self.watch.choose(&self.runs, &self.programs, counts);
        self.watch.learn(state.events, (&state.held, state.seen()), &mut counts, choose);
        state.counts = counts;
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
