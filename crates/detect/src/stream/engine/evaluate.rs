//! One event against the rules of its log source.

use std::{ops::Range, sync::Arc};

use base::{Match, Value};

use super::{
    bits,
    column::{BETWEEN, Column, Predicate, Texts, spell},
    few::fold_json,
    memo::Remembered,
    program::{Node, NodeId, Program, Slow, to_usize},
    route::Signature,
    scratch::State,
    view::View,
    watch::Watchers,
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

/// What is looked at before any rule asks.
pub(super) struct Looks<'s> {
    pub(super) signature: &'s Signature,
    pub(super) watchers: &'s Watchers,
    /// The fields, as a set.
    pub(super) slots: &'s [u64],
    /// What the shapes answered for them.
    pub(super) asked: [usize; 2],
}

/// An event under evaluation.
pub(super) struct Evaluation<'s, 'e> {
    pub(super) view: View<'s, 'e>,
    pub(super) state: &'s mut State,
}

impl<'e> Evaluation<'_, 'e> {
    pub(super) fn run(
        mut self,
        looks: &Looks<'_>,
        rules: &[Arc<Rule>],
        failures: &Failures,
        matches: &mut Vec<Match>,
    ) {
        self.scan(looks);
        self.gather(looks);
        let View { source, event, .. } = self.view;
        let first = matches.len();
        let mut matched = Vec::new();
        let mut shared = Shared::default();
        let mut fields = None;
        let mut word = 0;
        while let Some(index) = bits::pop(&mut self.state.candidates, &mut word) {
            let Some(run) = source.runs.get(to_usize(index)) else { continue };
            if run.program.is_some_and(|program| !self.holds(program.node)) {
                continue;
            }
            let Some(bound) = source.bound(run) else { continue };
            let Some(rule) = rules.get(bound.rule) else { continue };
            if bound.has_twin && matched.contains(&bound.rule) {
                continue;
            }
            if run.program.is_none() && !decide::program_holds(rule, bound, event, failures) {
                continue;
            }
            let fields = fields.get_or_insert_with(|| Fields::few(event, source.plan.paths()));
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

    /// Answers what rules ask of the fields that are there.
    fn scan(&mut self, looks: &Looks<'_>) {
        let Self { view, state } = self;
        let is_asked = |slot| bits::has(looks.slots, slot);
        view.each_asked(looks.asked, is_asked, &mut |slot, value| {
            let Some(column) = view.source.columns.get(to_usize(slot)) else { return };
            let at = scan_value(column, slot, value, state);
            state.remember(slot, at);
        });
        for slot in &looks.signature.searches {
            self.search(*slot);
        }
    }

    #[inline]
    fn is(&mut self, predicate: Predicate) -> bool {
        if bits::has(&self.state.holds, predicate) {
            return true;
        }
        let slot = self.view.source.watch.slot(predicate);
        bits::has(&self.state.unseen, slot) && self.is_late(slot, predicate)
    }

    /// Answers what rules ask of a field that was not looked at yet.
    #[inline(never)]
    fn is_late(&mut self, slot: u32, predicate: Predicate) -> bool {
        let state = &mut *self.state;
        bits::remove(&mut state.unseen, slot);
        let Some(column) = self.view.source.columns.get(to_usize(slot)) else { return false };
        self.view.any(slot, &mut |value| {
            let at = scan_value(column, slot, value, state);
            state.remember(slot, at);
            false
        });
        bits::has(&state.holds, predicate)
    }

    /// Answers what rules ask of all strings of the event.
    fn search(&mut self, slot: u32) {
        if self.state.searched.contains(&slot) {
            return;
        }
        self.state.searched.push(slot);
        let Some(column) = self.view.source.columns.get(to_usize(slot)) else { return };
        let mut texts = std::mem::take(&mut self.state.texts);
        if column.is_few() {
            let (event, json) = (self.view.event, &mut texts.json);
            let has_json = self.state.has_json;
            let has_json =
                has_json.unwrap_or_else(|| event.json.is_some_and(|own| fold_json(own.text, json)));
            self.state.has_json = Some(has_json);
            if !has_json || column.may_hold_in(json) {
                if !std::mem::replace(&mut self.state.is_gathered, true) {
                    gather_texts(self.view, &mut texts.all);
                }
                column.search_all(&texts.all, &mut |predicate| self.state.hold(predicate));
            }
        } else {
            let state = &mut *self.state;
            let mut hold = |predicate| state.hold(predicate);
            self.view.any_string(&mut |value| {
                column.search(value, &mut texts, &mut hold);
                false
            });
        }
        self.state.texts = texts;
    }

    /// Gathers the rules that may hold.
    fn gather(&mut self, looks: &Looks<'_>) {
        let Looks { signature, watchers, .. } = looks;
        let state = &mut *self.state;
        for predicate in state.held.iter().filter(|predicate| watchers.has(**predicate)) {
            for (group, runs) in watchers.of(*predicate) {
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

    #[inline]
    fn holds(&mut self, id: NodeId) -> bool {
        let programs = &self.view.source.programs;
        // Nearly all nodes are bits, and cost no call.
        match programs.node(id) {
            None => false,
            Some(Node::Is(predicate)) => self.is(predicate),
            Some(Node::AnyOf(span)) => {
                programs.predicates(span).iter().any(|predicate| self.is(*predicate))
            }
            Some(Node::AllOf(span)) => {
                programs.predicates(span).iter().all(|predicate| self.is(*predicate))
            }
            Some(node) => self.node_holds(node),
        }
    }

    #[inline(never)]
    fn node_holds(&mut self, node: Node) -> bool {
        let programs = &self.view.source.programs;
        match node {
            // Answered above.
            Node::Is(_) | Node::AnyOf(_) | Node::AllOf(_) => false,
            Node::IsAnywhere(slot, predicate) => {
                self.search(slot);
                bits::has(&self.state.holds, predicate)
            }
            Node::Slow(id) => self.slow(id),
            Node::Null(slot) => self.is_null(slot),
            Node::Exists(slot, expected) => self.view.is_present(slot) == expected,
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

    fn is_null(&self, slot: u32) -> bool {
        !self.view.is_present(slot)
            || self.view.any(slot, &mut |value| matches!(value, Value::Null))
    }

    /// Makes a slow test, unless it was made before or can't hold.
    fn slow(&mut self, id: u32) -> bool {
        let Some(slow) = self.view.source.programs.slow(id) else { return false };
        if self.view.source.is_anywhere(slow.slot) {
            self.search(slow.slot);
        }
        let gate = self.view.source.programs.predicates(slow.gate);
        if !gate.iter().any(|predicate| self.is(*predicate)) {
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
            None => self.state.remembered(slow.slot),
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
        let view = self.view;
        let test = &mut |value: &'e Value<'e>| holds_for(&slow.test, value, texts);
        if view.source.is_anywhere(slow.slot) {
            // A search in all fields looks into strings only.
            return view.any_string(&mut |value| value.as_str().is_some() && test(value));
        }
        match (slow.other, &slow.test) {
            (Some(other), Test::Field(_, comparison)) => view
                .any(slow.slot, &mut |value| self.any_other(other, &Leaf::new(value), *comparison)),
            _ => view.any(slow.slot, test),
        }
    }

    /// Whether any value of another field stands in the relation to this one.
    fn any_other(&self, slot: u32, left: &Leaf<'_>, comparison: FieldComparison) -> bool {
        self.view.any(slot, &mut |value| comparison.holds(left, &Leaf::new(value)))
    }
}

/// Finds which tests of the routes hold.
pub(super) fn route(view: View<'_, '_>, state: &mut State) {
    let State { route, texts, .. } = state;
    for (slot, values) in &view.source.router.fields {
        view.any(*slot, &mut |value| {
            let tests = load(value, texts).and_then(|(_, lower)| values.get(lower));
            for test in tests.into_iter().flatten() {
                bits::insert(route, *test);
            }
            false
        });
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
        let nodes =
            self.evaluation.view.source.programs.forms(first + forms.start..first + forms.end);
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

/// Puts all strings of an event into one text in lower case, [`BETWEEN`] behind each.
fn gather_texts(view: View<'_, '_>, all: &mut String) {
    all.clear();
    view.any_string(&mut |value| {
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
