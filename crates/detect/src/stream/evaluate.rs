//! One Sigma rule over one event.

use base::{Reason, limits};

use crate::{
    sigma::{Detection, Tree, condition::Condition, field::FieldTest, test::Test},
    stream::fields::{Fields, Leaf},
};

/// A reason, and where the rule states its test.
type Placed = ((u32, u32), Reason);

/// A rule under evaluation.
pub(crate) struct Evaluation<'d, 'f, 'e> {
    detection: &'d Detection,
    /// Where the detection's fields are among those of the plan.
    paths: &'d [usize],
    fields: &'f mut Fields<'e>,
}

impl<'d, 'f, 'e> Evaluation<'d, 'f, 'e> {
    pub(crate) const fn new(
        detection: &'d Detection,
        paths: &'d [usize],
        fields: &'f mut Fields<'e>,
    ) -> Self {
        Self { detection, paths, fields }
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
        let place = self.place(test);
        let holds = if test.all {
            test.values.iter().all(|value| self.forms(test.forms_of(value), place))
        } else if let Some(place) = place.filter(|_| test.is_simple) {
            let found = self.fields.found(place);
            found.is_some_and(|found| found.leaves().any(|leaf| leaf.passes_any(&test.forms)))
        } else {
            self.forms(&test.forms, place)
        };
        holds != test.is_negated
    }

    /// Where the test's field is looked up; `None` for a search in all fields.
    pub(crate) fn place(&mut self, test: &FieldTest) -> Option<usize> {
        test.field.map(|field| self.place_of(field))
    }

    fn place_of(&mut self, field: usize) -> usize {
        let path = self.paths.get(field).copied().unwrap_or(usize::MAX);
        self.fields.place(path)
    }

    pub(crate) fn forms(&mut self, forms: &[Test], place: Option<usize>) -> bool {
        forms.iter().any(|form| match place {
            Some(place) => self.form(form, place),
            None => self.fields.all().iter().any(|leaf| holds_anywhere(form, leaf)),
        })
    }

    fn form(&mut self, form: &Test, place: usize) -> bool {
        if let Test::Field(other, comparison) = form {
            let other = self.place_of(*other);
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
        let place = self.place(test);
        for value in &test.values {
            if reasons.len() >= limits::MATCH_REASONS_MAX {
                return;
            }
            if self.forms(test.forms_of(value), place) == test.is_negated {
                continue;
            }
            let reason = Reason {
                field: self.field_name(test),
                test: value.words.clone(),
                value: self.shown_value(test.forms_of(value), place),
            };
            reasons.push((test.place, reason));
            if !test.all && !test.is_negated {
                return;
            }
        }
    }

    /// The field's name in the event, which a mapping may have changed.
    fn field_name(&self, test: &FieldTest) -> String {
        let path = test.field.and_then(|field| self.paths.get(field));
        path.map_or_else(String::new, |path| self.fields.name(*path).to_owned())
    }

    /// The value that a test held for, or else the field's first, cut to what a reason shows.
    fn shown_value(&mut self, forms: &[Test], place: Option<usize>) -> String {
        let leaf = match place {
            None => self
                .fields
                .all()
                .iter()
                .find(|leaf| forms.iter().any(|form| holds_anywhere(form, leaf))),
            Some(place) => self.fields.found(place).and_then(|found| {
                let holds = |leaf: &&Leaf<'_>| leaf.passes_any(forms);
                found.leaves().find(holds).or_else(|| found.leaves().next())
            }),
        };
        let text = leaf.and_then(Leaf::text).unwrap_or_default();
        text.chars().take(limits::REASON_VALUE_CHARS_MAX).collect()
    }
}

/// A search in all fields looks into strings; only a number is also compared with numbers.
pub(crate) fn holds_anywhere(form: &Test, leaf: &Leaf<'_>) -> bool {
    match form {
        Test::Number(_) => form.holds(leaf),
        form => leaf.value.as_str().is_some() && form.holds(leaf),
    }
}
