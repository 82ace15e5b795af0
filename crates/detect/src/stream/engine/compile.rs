//! Makes programs and columns of a log source's rules.

use std::collections::HashMap;

use super::{
    column::{Ask, Column, Draft, Predicate},
    program::{Node, NodeId, Program, Programs, Slow, to_u32, to_usize},
    regex_literals,
};
use crate::sigma::{
    Detection, Tree,
    condition::Condition,
    field::{FieldTest, ValueTest},
    test::{Number, NumberTest, Test},
    text::{Asks, TextTest, lower},
};

/// Columns and programs in the making.
#[derive(Debug)]
pub(super) struct Compiler {
    drafts: Vec<Draft>,
    /// The slot that stands for all strings of an event, in the group at hand.
    anywhere: u32,
    pub(super) programs: Programs,
    pub(super) predicates: Vec<About>,
    /// The number of the first form of the rule at hand.
    forms: u32,
    /// Regular expressions by field and spelling.
    regexes: HashMap<(u32, String), u32>,
}

/// What is known of a predicate.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) slot: u32,
    /// How often it holds, guessed: 1 is always.
    pub(super) likelihood: f32,
    /// How often rules ask for it.
    pub(super) uses: u32,
}

/// Where the fields of a rule are: for each, its slot.
type Slots<'r> = &'r [usize];

impl Compiler {
    /// For so many fields.
    pub(super) fn new(fields: usize) -> Self {
        Self {
            drafts: (0..fields).map(|_| Draft::default()).collect(),
            anywhere: 0,
            programs: Programs::default(),
            predicates: Vec::new(),
            forms: 0,
            regexes: HashMap::new(),
        }
    }

    /// Begins a group of rules: a slot of its own stands for all strings of an event, so that an
    /// event is not searched for what other groups ask for. The slot's number follows on the
    /// fields' and those of the groups before.
    pub(super) fn begin_group(&mut self) {
        self.anywhere = to_u32(self.drafts.len());
        self.drafts.push(Draft::default());
    }

    /// The rule's program.
    pub(super) fn rule(&mut self, detection: &Detection, slots: Slots<'_>) -> Program {
        self.forms = self.programs.begin_forms(detection.forms);
        let selections = &detection.selections;
        let nodes = selections.iter().map(|tree| self.tree(tree, slots)).collect::<Vec<_>>();
        let node = self.condition(&detection.condition, &nodes);
        Program { node, forms: self.forms }
    }

    /// The predicates of which one must hold for an expression to be true, from what the fields in
    /// these slots must be; `None` if it may be true without. They let through what the tests of
    /// the expression let through, and more: texts are compared in lower case.
    pub(super) fn gate(&mut self, tests: &[(u32, cel::FieldTest)]) -> Option<Vec<Predicate>> {
        tests.iter().map(|(slot, test)| self.gate_of(*slot, test)).collect()
    }

    fn gate_of(&mut self, slot: u32, test: &cel::FieldTest) -> Option<Predicate> {
        use cel::{FieldTest, Literal};
        Some(match test {
            // Columns know nothing of null, and are not asked what lacks a value.
            FieldTest::Exists | FieldTest::Equals(Literal::Null) => return None,
            FieldTest::IsObject => self.predicate(slot, Ask::IsObject),
            FieldTest::Equals(Literal::Bool(value)) => self.predicate(slot, Ask::Bool(*value)),
            FieldTest::Equals(Literal::Int(number)) => {
                let spelled = number.to_string();
                let test = NumberTest { number: Number::Int(*number), spelled };
                self.predicate(slot, Ask::Number(&test))
            }
            FieldTest::Equals(Literal::Text(text)) => {
                self.predicate(slot, Ask::Exact(&lower(text)))
            }
            FieldTest::StartsWith(text) => self.predicate(slot, Ask::Prefix(&lower(text))),
            FieldTest::EndsWith(text) => self.predicate(slot, Ask::Suffix(&lower(text))),
            FieldTest::Contains(text) => self.predicate(slot, Ask::Contains(&lower(text))),
            FieldTest::InNetwork(_) => self.predicate(slot, Ask::HasValue),
        })
    }

    pub(super) fn finish(self) -> (Vec<Column>, Programs, Vec<About>) {
        (self.drafts.into_iter().map(Draft::build).collect(), self.programs, self.predicates)
    }

    fn condition(&mut self, condition: &Condition, selections: &[NodeId]) -> NodeId {
        let selection = |index: &usize| selections.get(*index).copied();
        match condition {
            Condition::Selection(index) => match selection(index) {
                Some(node) => node,
                None => self.programs.any(Vec::new()),
            },
            Condition::Not(inner) => {
                let inner = self.condition(inner, selections);
                self.programs.add(Node::Not(inner))
            }
            Condition::And(all) => {
                let nodes = all.iter().map(|inner| self.condition(inner, selections)).collect();
                self.programs.all(nodes)
            }
            Condition::Or(all) => {
                let nodes = all.iter().map(|inner| self.condition(inner, selections)).collect();
                self.programs.any(nodes)
            }
            Condition::AtLeast(least, members) => {
                self.programs.at_least(*least, members.iter().filter_map(selection).collect())
            }
        }
    }

    fn tree(&mut self, tree: &Tree, slots: Slots<'_>) -> NodeId {
        match tree {
            Tree::All(all) => {
                let nodes = all.iter().map(|inner| self.tree(inner, slots)).collect();
                self.programs.all(nodes)
            }
            Tree::Any(all) => {
                let nodes = all.iter().map(|inner| self.tree(inner, slots)).collect();
                self.programs.any(nodes)
            }
            Tree::Test(test) => self.field_test(test, slots),
        }
    }

    fn field_test(&mut self, test: &FieldTest, slots: Slots<'_>) -> NodeId {
        let slot = match test.field {
            Some(field) => to_u32(slots.get(field).copied().unwrap_or(usize::MAX)),
            None => self.anywhere,
        };
        let mut values = Vec::with_capacity(test.values.len());
        for value in &test.values {
            let forms = test.forms_of(value);
            let nodes = forms.iter().map(|form| self.form(form, value, slot, slots));
            let nodes = nodes.collect::<Vec<_>>();
            self.programs.set_forms(to_usize(self.forms) + test.first + value.forms.start, &nodes);
            if test.all {
                values.push(self.programs.any(nodes));
            } else {
                values.extend(nodes);
            }
        }
        let node = if test.all { self.programs.all(values) } else { self.programs.any(values) };
        if test.is_negated { self.programs.add(Node::Not(node)) } else { node }
    }

    fn form(&mut self, form: &Test, value: &ValueTest, slot: u32, slots: Slots<'_>) -> NodeId {
        match form {
            Test::Text(text) if !text.is_cased() => match text.asks() {
                Asks::Anything => self.is(slot, Ask::HasValue),
                Asks::Exact(text) => self.is(slot, Ask::Exact(text)),
                Asks::Prefix(text) => self.is(slot, Ask::Prefix(text)),
                Asks::Suffix(text) => self.is(slot, Ask::Suffix(text)),
                Asks::Contains(text) => self.is(slot, Ask::Contains(text)),
                Asks::Parts(_) => {
                    let gate = self.text_gate(slot, text);
                    self.slow(form, slot, None, Some(gate))
                }
            },
            Test::Text(text) => {
                let gate = self.text_gate(slot, text);
                self.slow(form, slot, None, Some(gate))
            }
            Test::Number(number) => self.is(slot, Ask::Number(number)),
            Test::Bool(expected) => self.is(slot, Ask::Bool(*expected)),
            // A search in all fields looks into strings only.
            Test::Null | Test::Exists(_) | Test::Field(..) if slot == self.anywhere => {
                self.programs.any(Vec::new())
            }
            Test::Null => self.programs.add(Node::Null(slot)),
            Test::Exists(expected) => self.programs.add(Node::Exists(slot, *expected)),
            Test::Field(other, _) => {
                let other = slots.get(*other).copied().map(to_u32);
                self.slow(form, slot, other, None)
            }
            Test::Regex(regex) => {
                // The words tell what the expression alone does not: its modifiers.
                let key = (slot, format!("{} {}", value.words, regex.as_str()));
                if let Some(known) = self.regexes.get(&key) {
                    return self.programs.add(Node::Slow(*known));
                }
                let gate = self.regex_gate(slot, regex.as_str());
                let node = self.slow(form, slot, None, gate);
                if let Some(Node::Slow(id)) = self.programs.node(node) {
                    self.regexes.insert(key, id);
                }
                node
            }
            Test::Network(_) | Test::Compare(..) | Test::TimePart(..) => {
                self.slow(form, slot, None, None)
            }
        }
    }

    fn slow(
        &mut self,
        form: &Test,
        slot: u32,
        other: Option<u32>,
        gate: Option<Vec<Predicate>>,
    ) -> NodeId {
        // Whatever is compared is there and not null.
        let gate = gate.unwrap_or_else(|| vec![self.predicate(slot, Ask::HasValue)]);
        let gate = self.programs.add_predicates(&gate);
        let id = self.programs.add_slow(Slow { slot, other, test: form.clone(), gate });
        self.programs.add(Node::Slow(id))
    }

    /// What any text that matches has.
    fn text_gate(&mut self, slot: u32, text: &TextTest) -> Vec<Predicate> {
        let predicate = match text.asks() {
            Asks::Anything => self.predicate(slot, Ask::HasValue),
            Asks::Exact(text) => self.predicate(slot, Ask::Exact(&lower(text))),
            Asks::Prefix(text) => self.predicate(slot, Ask::Prefix(&lower(text))),
            Asks::Suffix(text) => self.predicate(slot, Ask::Suffix(&lower(text))),
            Asks::Contains(text) => self.predicate(slot, Ask::Contains(&lower(text))),
            Asks::Parts(parts) => match parts.into_iter().max_by_key(|part| part.len()) {
                Some(longest) => self.predicate(slot, Ask::Contains(&lower(longest))),
                None => self.predicate(slot, Ask::HasValue),
            },
        };
        vec![predicate]
    }

    fn regex_gate(&mut self, slot: u32, pattern: &str) -> Option<Vec<Predicate>> {
        let needed = regex_literals::needed(pattern)?;
        let literals = needed.iter().map(|text| self.predicate(slot, Ask::Contains(text)));
        let mut gate = literals.collect::<Vec<_>>();
        gate.push(self.predicate(slot, Ask::HasLongS));
        Some(gate)
    }

    fn is(&mut self, slot: u32, ask: Ask<'_>) -> NodeId {
        let predicate = self.predicate(slot, ask);
        let node = if slot == self.anywhere {
            Node::IsAnywhere(slot, predicate)
        } else {
            Node::Is(predicate)
        };
        self.programs.add(node)
    }

    fn predicate(&mut self, slot: u32, ask: Ask<'_>) -> Predicate {
        let Some(draft) = self.drafts.get_mut(to_usize(slot)) else { return Predicate::MAX };
        let predicates = &mut self.predicates;
        let id = draft.predicate(ask, &mut || {
            predicates.push(About { slot, likelihood: likelihood(ask), uses: 0 });
            to_u32(predicates.len() - 1)
        });
        if let Some(about) = self.predicates.get_mut(to_usize(id)) {
            about.uses += 1;
        }
        id
    }
}

/// How often a predicate holds, guessed by what it asks: of two, the better guess saves work.
fn likelihood(ask: Ask<'_>) -> f32 {
    // The longer, the rarer; 12 characters are about as rare as it gets.
    let by_length = |text: &str, rarest: f32| {
        let length = u8::try_from(text.len().min(12)).unwrap_or(12);
        rarest + 0.5 * 0.6_f32.powi(i32::from(length))
    };
    match ask {
        Ask::HasValue => 0.5,
        Ask::IsObject => 0.05,
        Ask::HasLongS => 0.0001,
        Ask::Exact(text) => by_length(text, 0.002),
        Ask::Prefix(text) | Ask::Contains(text) | Ask::Suffix(text) => by_length(text, 0.004),
        Ask::Number(_) => 0.02,
        Ask::Bool(_) => 0.3,
    }
}
