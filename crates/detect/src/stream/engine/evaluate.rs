//! One event against the rules of its log source.

use std::{ops::Range, sync::Arc};

use base::{Event, Match, Object, Value};

use super::{
    bits,
    column::{BETWEEN, Column, Predicate, Texts, spell},
    keys::{Keys, any_leaf},
    memo::Remembered,
    program::{Node, NodeId, Program, Slow, to_usize},
    route::{Signature, Signatures},
    scratch::{Located, Place, State},
    source::Source,
};
use crate::{
    rule::{Rule, Shared},
    sigma::{
        field::FieldTest,
        test::{FieldComparison, Test},
        text::lower_into,
    },
    stream::{
        decide,
        evaluate::{Answers, Values},
        failures::Failures,
        fields::{Fields, Leaf},
    },
};

/// On one in so many events, expressions are evaluated that can't be true, too: an expression that
/// fails (it takes a number for a text) is not true either, and its author is to be told.
const EXPRESSIONS_EVERY: u64 = 1024;

/// An event under evaluation.
pub(super) struct Evaluation<'s, 'e> {
    pub(super) source: &'s Source,
    pub(super) event: &'e Event<'e>,
    pub(super) state: &'s mut State,
}

impl<'e> Evaluation<'_, 'e> {
    pub(super) fn run(
        mut self,
        signatures: &mut Signatures,
        rules: &[Arc<Rule>],
        failures: &Failures,
        matches: &mut Vec<Match>,
    ) {
        self.locate();
        self.route();
        let signature = signatures.get(&self.source.router, &self.state.route);
        self.scan(signature);
        self.gather(signature);
        let first = matches.len();
        let mut matched = Vec::new();
        let mut shared = Shared::default();
        let mut fields = None;
        let mut word = 0;
        while let Some(index) = bits::pop(&mut self.state.candidates, &mut word) {
            let Some(run) = self.source.runs.get(to_usize(index)) else { continue };
            if run.program.is_some_and(|program| !self.holds(program.node)) {
                continue;
            }
            let Some(bound) = self.source.bound(run) else { continue };
            let Some(rule) = rules.get(bound.rule) else { continue };
            if bound.has_twin && matched.contains(&bound.rule) {
                continue;
            }
            let (event, plan) = (self.event, &self.source.plan);
            if run.program.is_none() && !decide::program_holds(rule, bound, event, failures) {
                continue;
            }
            let fields = fields.get_or_insert_with(|| Fields::new(event, plan.paths()));
            if run.program.is_some() {
                debug_assert!(decide::holds(rule, bound, fields, failures), "{}", rule.info.id);
            } else if !decide::detection_holds(rule, bound, fields) {
                continue;
            }
            matched.push(bound.rule);
            let answers = Bits { evaluation: &mut self, program: run.program };
            matches.push(decide::found(rule, bound, fields, &mut shared, answers));
        }
        decide::order(matched, matches, first);
    }

    /// Finds the fields that rules ask for.
    fn locate(&mut self) {
        let (state, keys) = (&mut *self.state, &self.source.keys);
        locate_in(&self.event.fields, keys, state, |located| &mut located.own);
        locate_in(&self.event.normalized, keys, state, |located| &mut located.normalized);
    }

    /// Finds which tests of the routes hold.
    fn route(&mut self) {
        for (slot, values) in &self.source.router.fields {
            let Some((located, _)) = self.located(*slot) else { continue };
            let mut texts = std::mem::take(&mut self.state.texts);
            let route = &mut self.state.route;
            for_values(self.source, self.event, *slot, located, &mut |value| {
                let tests = load(value, &mut texts).and_then(|(_, lower)| values.get(lower));
                for test in tests.into_iter().flatten() {
                    bits::insert(route, *test);
                }
                false
            });
            self.state.texts = texts;
        }
    }

    /// Answers what rules ask of the fields that are there.
    fn scan(&mut self, signature: &Signature) {
        for index in 0..self.state.present.len() {
            let Some(slot) = self.state.present.get(index).copied() else { continue };
            if bits::has(&signature.slots, slot) {
                self.scan_slot(slot);
            }
        }
        for slot in &signature.searches {
            self.search(*slot);
        }
    }

    fn scan_slot(&mut self, slot: u32) {
        let Some((located, _)) = self.located(slot) else { return };
        let Some(column) = self.source.columns.get(to_usize(slot)) else { return };
        if column.is_empty() {
            return;
        }
        let state = &mut *self.state;
        let mut values = 0;
        for_values(self.source, self.event, slot, located, &mut |value| {
            values += 1;
            let remembered = scan_value(column, slot, value, state);
            if let Some(of_slot) = state.remembered.get_mut(to_usize(slot)) {
                *of_slot = remembered.filter(|_| values == 1);
            }
            false
        });
    }

    /// Answers what rules ask of all strings of the event.
    fn search(&mut self, slot: u32) {
        if self.state.searched.contains(&slot) {
            return;
        }
        self.state.searched.push(slot);
        let Some(column) = self.source.columns.get(to_usize(slot)) else { return };
        let mut texts = std::mem::take(&mut self.state.texts);
        if column.is_few() {
            if !std::mem::replace(&mut self.state.is_gathered, true) {
                gather_texts(&self.event.fields, &mut texts.all);
            }
            column.search_all(&texts.all, &mut |predicate| self.state.hold(predicate));
        } else {
            let state = &mut *self.state;
            let mut hold = |predicate| state.hold(predicate);
            for_strings(&self.event.fields, &mut |value| {
                column.search(value, &mut texts, &mut hold);
                false
            });
        }
        self.state.texts = texts;
    }

    /// Gathers the rules that may hold.
    fn gather(&mut self, signature: &Signature) {
        let state = &mut *self.state;
        for predicate in &state.held {
            for (group, runs) in self.source.watchers.of(*predicate) {
                if bits::has(&signature.groups, group) {
                    bits::insert_all(&mut state.candidates, runs);
                }
            }
        }
        bits::insert_all(&mut state.candidates, &signature.open);
        if state.events.is_multiple_of(EXPRESSIONS_EVERY) {
            bits::insert_all(&mut state.candidates, &signature.expressions);
        }
    }

    /// Where a field is, if it may be there, and whether that is certain.
    fn located(&self, slot: u32) -> Option<(Located, bool)> {
        let located = self.state.located.get(to_usize(slot)).copied()?;
        let is_certain = located.own.entry > 0 || located.normalized.entry > 0;
        (located != Located::default()).then_some((located, is_certain))
    }

    #[inline]
    fn holds(&mut self, id: NodeId) -> bool {
        let programs = &self.source.programs;
        let holds = &self.state.holds;
        // Nearly all nodes are bits, and cost no call.
        match programs.node(id) {
            None => false,
            Some(Node::Is(predicate)) => bits::has(holds, predicate),
            Some(Node::AnyOf(span)) => {
                programs.predicates(span).iter().any(|predicate| bits::has(holds, *predicate))
            }
            Some(Node::AllOf(span)) => {
                programs.predicates(span).iter().all(|predicate| bits::has(holds, *predicate))
            }
            Some(node) => self.node_holds(node),
        }
    }

    #[inline(never)]
    fn node_holds(&mut self, node: Node) -> bool {
        let programs = &self.source.programs;
        match node {
            // Answered above.
            Node::Is(_) | Node::AnyOf(_) | Node::AllOf(_) => false,
            Node::IsAnywhere(slot, predicate) => {
                self.search(slot);
                bits::has(&self.state.holds, predicate)
            }
            Node::Slow(id) => self.slow(id),
            Node::Null(slot) => self.is_null(slot),
            Node::Exists(slot, expected) => self.is_present(slot) == expected,
            Node::Not(inner) => !self.holds(inner),
            Node::All(span) => programs.children(span).iter().all(|child| self.holds(*child)),
            Node::Any(span) => programs.children(span).iter().any(|child| self.holds(*child)),
            Node::AtLeast(least, span) => {
                let mut missing = least;
                for child in programs.children(span) {
                    missing -= u32::from(self.holds(*child));
                    if missing == 0 {
                        return true;
                    }
                }
                false
            }
        }
    }

    fn is_present(&self, slot: u32) -> bool {
        match self.located(slot) {
            None => false,
            Some((_, true)) => true,
            Some((located, false)) => {
                for_values(self.source, self.event, slot, located, &mut |_| true)
                    || self
                        .source
                        .plan
                        .paths()
                        .get(to_usize(slot))
                        .is_some_and(|path| self.event.get(path).is_some())
            }
        }
    }

    fn is_null(&self, slot: u32) -> bool {
        if !self.is_present(slot) {
            return true;
        }
        let is_null = &mut |value: &Value<'_>| matches!(value, Value::Null);
        self.located(slot)
            .is_some_and(|(located, _)| for_values(self.source, self.event, slot, located, is_null))
    }

    /// Makes a slow test, unless it was made before or can't hold.
    fn slow(&mut self, id: u32) -> bool {
        let Some(slow) = self.source.programs.slow(id) else { return false };
        if self.source.is_anywhere(slow.slot) {
            self.search(slow.slot);
        }
        let gate = self.source.programs.predicates(slow.gate);
        if !gate.iter().any(|predicate| bits::has(&self.state.holds, *predicate)) {
            return false;
        }
        if let Some(Some(known)) = self.state.slow.get(to_usize(id)) {
            return *known;
        }
        let holds = self.made(id, slow);
        if let Some(known) = self.state.slow.get_mut(to_usize(id)) {
            *known = Some(holds);
            self.state.slow_known.push(id);
        }
        holds
    }

    fn made(&mut self, id: u32, slow: &Slow) -> bool {
        let remembered = match slow.other {
            Some(_) => None,
            None => self.state.remembered.get(to_usize(slow.slot)).copied().flatten(),
        };
        if let Some(at) = remembered
            && let Some(holds) = self.state.memo.slow(at, id)
        {
            return holds;
        }
        let mut texts = std::mem::take(&mut self.state.texts);
        let holds = self.make(slow, &mut texts);
        self.state.texts = texts;
        if let Some(at) = remembered {
            self.state.memo.add_slow(at, id, holds);
        }
        holds
    }

    fn make(&self, slow: &Slow, texts: &mut Texts) -> bool {
        let test = &mut |value: &'e Value<'e>| holds_for(&slow.test, value, texts);
        if self.source.is_anywhere(slow.slot) {
            // A search in all fields looks into strings only.
            let in_text = &mut |value: &'e Value<'e>| value.as_str().is_some() && test(value);
            return for_strings(&self.event.fields, in_text);
        }
        let Some((located, _)) = self.located(slow.slot) else { return false };
        match (slow.other, &slow.test) {
            (Some(other), Test::Field(_, comparison)) => {
                let right = |left: &Leaf<'_>| self.any_other(other, left, *comparison);
                for_values(self.source, self.event, slow.slot, located, &mut |value| {
                    right(&Leaf::new(value))
                })
            }
            _ => for_values(self.source, self.event, slow.slot, located, test),
        }
    }

    /// Whether any value of another field stands in the relation to this one.
    fn any_other(&self, slot: u32, left: &Leaf<'_>, comparison: FieldComparison) -> bool {
        let Some((located, _)) = self.located(slot) else { return false };
        for_values(self.source, self.event, slot, located, &mut |value| {
            comparison.holds(left, &Leaf::new(value))
        })
    }
}

/// Answers reasons from what was found.
struct Bits<'v, 's, 'e> {
    evaluation: &'v mut Evaluation<'s, 'e>,
    program: Option<Program>,
}

impl Answers for Bits<'_, '_, '_> {
    fn any(&mut self, test: &FieldTest, forms: Range<usize>, _: &mut Values<'_, '_, '_>) -> bool {
        let Some(program) = self.program else { return false };
        let first = to_usize(program.forms) + test.first;
        let nodes = self.evaluation.source.programs.forms(first + forms.start..first + forms.end);
        nodes.iter().any(|node| self.evaluation.holds(*node))
    }
}

/// Answers what rules ask of a value, perhaps from memory. Tells where that is.
fn scan_value(
    column: &Column,
    slot: u32,
    value: &Value<'_>,
    state: &mut State,
) -> Option<Remembered> {
    let State { memo, holds, held, texts, .. } = state;
    let mut hold = |predicate| {
        if bits::insert(holds, predicate) {
            held.push(predicate);
        }
    };
    if let Value::Text(text) = value
        && column.is_remembered()
    {
        let scan = |found: &mut Vec<Predicate>| {
            column.scan(value, texts, &mut |predicate| found.push(predicate));
            found.sort_unstable();
            found.dedup();
        };
        if let Some((found, at)) = memo.get(slot, text, scan) {
            found.iter().copied().for_each(hold);
            return Some(at);
        }
    }
    column.scan(value, texts, &mut hold);
    None
}

fn locate_in(
    object: &Object<'_>,
    keys: &Keys,
    state: &mut State,
    place: impl Fn(&mut Located) -> &mut Place,
) {
    if object.is_empty() {
        return;
    }
    let State { shapes, located, present, .. } = state;
    let shape = shapes.get(object, keys);
    for (at, slot) in &shape.fields {
        if let Some(located) = touch(located, present, *slot) {
            place(located).entry = *at;
        }
    }
    for (at, slot) in &shape.below {
        if let Some(located) = touch(located, present, *slot) {
            place(located).below = *at;
        }
    }
    for slot in &shape.spelt {
        if let Some(located) = touch(located, present, *slot) {
            located.spelt = true;
        }
    }
}

/// A field's place, which is about to be set.
#[inline]
fn touch<'l>(
    located: &'l mut [Located],
    present: &mut Vec<u32>,
    slot: u32,
) -> Option<&'l mut Located> {
    let located = located.get_mut(to_usize(slot))?;
    if *located == Located::default() {
        present.push(slot);
    }
    Some(located)
}

/// Calls `found` for the values of a field, members of lists one by one, until it answers true.
/// Answers whether it did.
fn for_values<'e>(
    source: &Source,
    event: &'e Event<'e>,
    slot: u32,
    located: Located,
    found: &mut dyn FnMut(&'e Value<'e>) -> bool,
) -> bool {
    let path = || source.plan.paths().get(to_usize(slot));
    if located.spelt {
        let Some(path) = path() else { return false };
        let mut in_object = |object: &'e Object<'e>| object.any_spelling(path, found);
        return in_object(&event.fields) || in_object(&event.normalized);
    }
    let mut at = |object: &'e Object<'e>, place: Place| {
        let entry = |place: u32| {
            let index = to_usize(place).checked_sub(1);
            index.and_then(|index| object.iter().as_slice().get(index)).map(|(_, value)| value)
        };
        match (entry(place.entry), entry(place.below)) {
            (Some(value), _) => any_leaf(value, found),
            (None, Some(value)) => path().is_some_and(|path| value.any_below(path, 1, found)),
            (None, None) => false,
        }
    };
    at(&event.fields, located.own) || at(&event.normalized, located.normalized)
}

/// Puts all strings of an object into one text in lower case, [`BETWEEN`] behind each.
fn gather_texts(object: &Object<'_>, all: &mut String) {
    all.clear();
    for_strings(object, &mut |value| {
        if let Value::Text(text) = value {
            match text.is_ascii() {
                true => all.push_str(text),
                false => lower_into(text, all),
            }
            all.push(BETWEEN);
        }
        false
    });
    all.make_ascii_lowercase();
}

/// Calls `found` for every string and number of the source's own fields, until it answers true.
fn for_strings<'e>(object: &'e Object<'e>, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
    object.iter().any(|(_, value)| strings(value, found))
}

fn strings<'e>(value: &'e Value<'e>, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| strings(member, found)),
        Value::Object(object) => object.iter().any(|(_, value)| strings(value, found)),
        Value::Null | Value::Bool(_) => false,
        value => found(value),
    }
}

/// A value's text, as it is and in lower case; `None` for null.
fn load<'t>(value: &'t Value<'_>, texts: &'t mut Texts) -> Option<(&'t str, &'t str)> {
    let Texts { text, lower, .. } = texts;
    let text = match value {
        Value::Null => return None,
        Value::Text(text) | Value::Number(text) => text.as_ref(),
        other => {
            spell(other, text);
            text.as_str()
        }
    };
    lower.clear();
    lower_into(text, lower);
    Some((text, lower))
}

fn holds_for(test: &Test, value: &Value<'_>, texts: &mut Texts) -> bool {
    if let (Test::Regex(regex), Value::Text(text)) = (test, value) {
        return regex.is_match(text);
    }
    match load(value, texts) {
        Some((text, lower)) => test.holds(&Leaf::with_text(value, text, lower)),
        None => test.holds(&Leaf::new(value)),
    }
}
