//! Which groups of rules run on an event, decided by look-ups instead of by trying every route.
//!
//! The fields that routes ask for are looked up once; their values are keys of a map that tells
//! which of the routes' tests hold. That set of tests is the event's *signature*; what runs under a
//! signature is worked out when it is first seen, and remembered.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::{bits, program::to_u32, watch::Watchers};
use crate::stream::plan::Plan;

/// How many signatures a thread remembers for one log source. Events that others write decide how
/// many there are; real logs have a few dozen.
pub(super) const SIGNATURES_MAX: usize = 4096;

/// By a field's value, in lower case, the tests that it passes.
type Tests = HashMap<Box<str>, Vec<u32>, FixedState>;

/// The routes of one log source.
#[derive(Debug)]
pub(super) struct Router {
    /// The fields that routes ask for.
    pub(super) fields: Vec<(u32, Tests)>,
    /// How many tests there are.
    pub(super) tests: usize,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// Any of these sets of tests must hold; empty: always.
    conditions: Vec<Vec<u32>>,
    /// The rules that run whatever the predicates.
    open: Vec<u32>,
    /// The expressions that wait for a predicate.
    expressions: Vec<u32>,
    /// The fields that the rules ask for.
    slots: Vec<u64>,
    search: Option<u32>,
}

/// What a group of rules needs.
#[derive(Debug, Default)]
pub(super) struct GroupNeeds {
    pub(super) open: Vec<u32>,
    pub(super) expressions: Vec<u32>,
    pub(super) slots: Vec<u64>,
    /// The slot of all strings, if a rule may run only because of what stands anywhere.
    pub(super) search: Option<u32>,
}

/// What runs on events that pass the same tests.
#[derive(Debug, Default)]
pub(super) struct Signature {
    /// Unlike that of any other signature of the thread.
    pub(super) number: u64,
    /// The groups, as a set.
    pub(super) groups: Vec<u64>,
    pub(super) open: Vec<u32>,
    pub(super) expressions: Vec<u32>,
    /// The fields that the rules ask for.
    pub(super) slots: Vec<u64>,
    /// Those of them that a rule waits for.
    pub(super) watched: Vec<u64>,
    /// The others: they are looked at only if a rule comes to ask.
    pub(super) unwatched: Vec<u64>,
    pub(super) searches: Vec<u32>,
}

static NOTHING: Signature = Signature {
    number: 0,
    groups: Vec::new(),
    open: Vec::new(),
    expressions: Vec::new(),
    slots: Vec::new(),
    watched: Vec::new(),
    unwatched: Vec::new(),
    searches: Vec::new(),
};

/// The signatures that a thread has seen.
#[derive(Debug, Default)]
pub(super) struct Signatures {
    by_tests: HashMap<Box<[u64]>, usize, FixedState>,
    all: Vec<Signature>,
    /// How many there ever were.
    count: u64,
    /// What rules wait for has changed so often.
    stage: usize,
}

impl Router {
    /// `needs`: of each group of the plan, in order.
    pub(super) fn new(plan: &Plan, needs: Vec<GroupNeeds>) -> Self {
        let mut fields: Vec<(u32, Tests)> = Vec::new();
        for (test, asked) in (0_u32..).zip(plan.tests()) {
            let slot = to_u32(asked.path);
            let known = fields.iter().position(|(known, _)| *known == slot);
            let at = known.unwrap_or(fields.len());
            if known.is_none() {
                fields.push((slot, HashMap::default()));
            }
            let Some((_, values)) = fields.get_mut(at) else { continue };
            for value in &asked.values {
                values.entry(value.as_str().into()).or_default().push(test);
            }
        }
        let groups = plan.groups().iter().zip(needs).map(|(group, needs)| Group {
            conditions: group
                .conditions
                .iter()
                .map(|condition| condition.iter().map(|test| to_u32(*test)).collect())
                .collect(),
            open: needs.open,
            expressions: needs.expressions,
            slots: needs.slots,
            search: needs.search,
        });
        Self { groups: groups.collect(), fields, tests: plan.tests().len() }
    }

    fn signature(&self, tests: &[u64], watchers: &Watchers) -> Signature {
        let mut signature = Signature::default();
        for (index, group) in self.groups.iter().enumerate() {
            let holds = |condition: &Vec<u32>| condition.iter().all(|test| bits::has(tests, *test));
            if !group.conditions.is_empty() && !group.conditions.iter().any(holds) {
                continue;
            }
            bits::add(&mut signature.groups, to_u32(index));
            signature.open.extend_from_slice(&group.open);
            signature.expressions.extend_from_slice(&group.expressions);
            bits::add_all(&mut signature.slots, &group.slots);
            bits::add_all(&mut signature.watched, watchers.slots(index));
            signature.searches.extend(group.search);
        }
        let watched = signature.watched.iter().copied().chain(std::iter::repeat(0));
        signature.unwatched =
            signature.slots.iter().zip(watched).map(|(all, w)| all & !w).collect();
        signature
    }
}

impl Signatures {
    /// What runs on events that pass these tests, by what rules wait for at this stage.
    pub(super) fn get(
        &mut self,
        router: &Router,
        tests: &[u64],
        (stage, watchers): (usize, &Watchers),
    ) -> &Signature {
        if self.stage != stage {
            *self = Self { count: self.count, stage, ..Self::default() };
        }
        let index = match self.by_tests.get(tests) {
            Some(known) => *known,
            None => {
                if self.all.len() >= SIGNATURES_MAX {
                    *self = Self { count: self.count, stage, ..Self::default() };
                }
                self.count += 1;
                let signature = router.signature(tests, watchers);
                self.all.push(Signature { number: self.count, ..signature });
                self.by_tests.insert(tests.into(), self.all.len() - 1);
                self.all.len() - 1
            }
        };
        self.all.get(index).unwrap_or(&NOTHING)
    }
}
