//! One Sigma rule over one event.

use std::{ops::Range, sync::Arc};

use base::{Reason, limits};

use crate::{
    sigma::{
        Detection, Tree,
        condition::Condition,
        field::{FieldTest, ValueTest},
        test::Test,
    },
    stream::fields::{Fields, Leaf},
};

/// A reason, and where the rule states its test.
type Placed = ((u32, u32), Reason);

/// A rule under evaluation.
pub(crate) struct Evaluation<'d, 'f, 'e, A = Plainly> {
    detection: &'d Detection,
    values: Values<'d, 'f, 'e>,
    answers: A,
}

/// The values of an event that a detection asks for.
pub(crate) struct Values<'d, 'f, 'e> {
    /// Where the detection's fields are among those of the plan.
    paths: &'d [usize],
    fields: &'f mut Fields<'e>,
}

/// Knows which forms of tests hold.
pub(crate) trait Answers {
    /// Whether any of these forms of the test holds for its field.
    fn any(
        &mut self,
        test: &FieldTest,
        forms: Range<usize>,
        values: &mut Values<'_, '_, '_>,
    ) -> bool;
}

/// Answers by making each test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plainly;

impl Answers for Plainly {
    fn any(
        &mut self,
        test: &FieldTest,
        forms: Range<usize>,
        values: &mut Values<'_, '_, '_>,
    ) -> bool {
        values.any(test, test.forms.get(forms).unwrap_or_default())
    }
}

impl<'d, 'f, 'e, A: Answers> Evaluation<'d, 'f, 'e, A> {
    pub(crate) const fn new(
        detection: &'d Detection,
        paths: &'d [usize],
        fields: &'f mut Fields<'e>,
        answers: A,
    ) -> Self {
        Self { detection, values: Values { paths, fields }, answers }
    }

    pub(crate) fn holds(&mut self) -> bool {
        self.condition(&self.detection.condition)
    }

    pub(crate) fn condition(&mut self, condition: &Condition) -> bool {
        match condition {
            Condition::Selection(index) => self.selection(*index),
            Condition::Not(inner) => !self.condition(inner),
            Condition::And(all) => all.iter().all(|inner| self.condition(inner)),
            Condition::Or(all) => all.iter().any(|inner| self.condition(inner)),
            Condition::AtLeast(least, members) => self.at_least(*least, members),
        }
    }

    fn at_least(&mut self, least: usize, members: &[usize]) -> bool {
        let mut missing = least;
        for (index, &member) in members.iter().enumerate() {
            if missing == 0 || missing > members.len() - index {
                break;
            }
            missing -= usize::from(self.selection(member));
        }
        missing == 0
    }

    pub(crate) fn selection(&mut self, index: usize) -> bool {
        self.detection.selections.get(index).is_some_and(|tree| self.tree(tree))
    }

    pub(crate) fn tree(&mut self, tree: &Tree) -> bool {
        match tree {
            Tree::All(all) => all.iter().all(|inner| self.tree(inner)),
            Tree::Any(all) => all.iter().any(|inner| self.tree(inner)),
            Tree::Test(test) => self.test(test),
        }
    }

    pub(crate) fn test(&mut self, test: &FieldTest) -> bool {
        let holds = if test.all {
            test.values.iter().all(|value| self.value(test, value))
        } else {
            self.answers.any(test, 0..test.forms.len(), &mut self.values)
        };
        holds != test.is_negated
    }

    /// Whether one value of a test holds, were the test not negated.
    pub(crate) fn value(&mut self, test: &FieldTest, value: &ValueTest) -> bool {
        self.answers.any(test, value.forms.clone(), &mut self.values)
    }

    /// The tests that made the rule hold, with the values they held for.
    pub(crate) fn reasons(&mut self) -> Vec<Reason> {
        let mut reasons = Vec::new();
        self.explain(&self.detection.condition, &mut reasons);
        reasons.sort_by_key(|(place, _)| *place);
        reasons.into_iter().map(|(_, reason)| reason).collect()
    }

    /// Only for conditions that hold.
    fn explain(&mut self, condition: &Condition, reasons: &mut Vec<Placed>) {
        match condition {
            Condition::Selection(index) => self.explain_selection(*index, reasons),
            // What does not hold has no value to show.
            Condition::Not(_) => {}
            Condition::And(all) => {
                all.iter().for_each(|inner| self.explain(inner, reasons));
            }
            Condition::Or(all) => {
                if let Some(inner) = all.iter().find(|inner| self.condition(inner)) {
                    self.explain(inner, reasons);
                }
            }
            Condition::AtLeast(least, members) => {
                let mut missing = *least;
                for &member in members {
                    if missing > 0 && self.selection(member) {
                        missing -= 1;
                        self.explain_selection(member, reasons);
                    }
                }
            }
        }
    }

    fn explain_selection(&mut self, index: usize, reasons: &mut Vec<Placed>) {
        if let Some(tree) = self.detection.selections.get(index) {
            self.explain_tree(tree, reasons);
        }
    }

    fn explain_tree(&mut self, tree: &Tree, reasons: &mut Vec<Placed>) {
        match tree {
            Tree::All(all) => {
                all.iter().for_each(|inner| self.explain_tree(inner, reasons));
            }
            Tree::Any(all) => {
                if let Some(inner) = all.iter().find(|inner| self.tree(inner)) {
                    self.explain_tree(inner, reasons);
                }
            }
            Tree::Test(test) => self.explain_test(test, reasons),
        }
    }

    fn explain_test(&mut self, test: &FieldTest, reasons: &mut Vec<Placed>) {
        for value in &test.values {
            if reasons.len() >= limits::MATCH_REASONS_MAX {
                return;
            }
            if self.value(test, value) == test.is_negated {
                continue;
            }
            let reason = Reason {
                field: self.values.name(test),
                test: Arc::clone(&value.words),
                value: self.values.shown(test, test.forms_of(value)),
            };
            reasons.push((test.place, reason));
            if !test.all && !test.is_negated {
                return;
            }
        }
    }
}

impl Values<'_, '_, '_> {
    /// Makes the tests.
    fn any(&mut self, test: &FieldTest, forms: &[Test]) -> bool {
        let Some(field) = test.field else {
            let mut all = self.fields.all().iter();
            return all.any(|leaf| forms.iter().any(|form| holds_anywhere(form, leaf)));
        };
        let place = self.place(field);
        if test.is_simple {
            let found = self.fields.found(place);
            return found.is_some_and(|found| found.leaves().any(|leaf| leaf.passes_any(forms)));
        }
        forms.iter().any(|form| self.form(form, place))
    }

    fn place(&mut self, field: usize) -> usize {
        let path = self.paths.get(field).copied().unwrap_or(usize::MAX);
        self.fields.place(path)
    }

    fn form(&mut self, form: &Test, place: usize) -> bool {
        if let Test::Field(other, comparison) = form {
            let other = self.place(*other);
            let (Some(left), Some(right)) = (self.fields.found(place), self.fields.found(other))
            else {
                return false;
            };
            return left
                .leaves()
                .any(|left| right.leaves().any(|right| comparison.holds(left, right)));
        }
        let Some(found) = self.fields.found(place) else { return false };
        match form {
            Test::Exists(expected) => found.is_present == *expected,
            Test::Null if !found.is_present => true,
            form => found.leaves().any(|leaf| form.holds(leaf)),
        }
    }

    /// The field's name in the event, which a mapping may have changed.
    fn name(&self, test: &FieldTest) -> Arc<str> {
        let path = test.field.and_then(|field| self.paths.get(field));
        path.and_then(|path| self.fields.name(*path)).unwrap_or_default()
    }

    /// The value that a test held for, or else the field's first, cut to what a reason shows.
    fn shown(&mut self, test: &FieldTest, forms: &[Test]) -> String {
        let leaf = match test.field {
            None => self
                .fields
                .all()
                .iter()
                .find(|leaf| forms.iter().any(|form| holds_anywhere(form, leaf))),
            Some(field) => {
                let place = self.place(field);
                self.fields.found(place).and_then(|found| {
                    let mut leaves = found.leaves();
                    let first = leaves.next();
                    // Of a single value there is nothing to choose.
                    let is_single = leaves.next().is_none();
                    let holds = |leaf: &&Leaf<'_>| leaf.passes_any(forms);
                    if is_single { first } else { found.leaves().find(holds).or(first) }
                })
            }
        };
        cut(leaf.and_then(Leaf::text).unwrap_or_default()).to_owned()
    }
}

/// As much of a value as a reason shows.
fn cut(text: &str) -> &str {
    if text.len() <= limits::REASON_VALUE_CHARS_MAX {
        return text;
    }
    let end = text.char_indices().nth(limits::REASON_VALUE_CHARS_MAX);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A search in all fields looks into strings; only a number is also compared with numbers.
pub(crate) fn holds_anywhere(form: &Test, leaf: &Leaf<'_>) -> bool {
    match form {
        Test::Number(_) => form.holds(leaf),
        form => leaf.value.as_str().is_some() && form.holds(leaf),
    }
}
