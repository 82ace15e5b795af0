//! The parts of a Sigma detection.

use base::{Event, FieldPath, SigmaRoute};

use super::{Outcome, Seen, Step, seen, shown};
use crate::{
    sigma::{Detection, Tree, condition::Condition, field::FieldTest},
    stream::{
        evaluate::{Evaluation, Plainly, holds_anywhere},
        fields::Fields,
    },
};

/// Explains a detection whose fields are found under the names that `route` gives them.
pub(super) fn explain(detection: &Detection, route: &SigmaRoute, event: &Event<'_>) -> Step {
    let mapped = |name: &String| route.fields.get(name).unwrap_or(name).clone();
    let paths = detection.fields.iter().map(|name| FieldPath::new(mapped(name)));
    let paths = paths.collect::<Vec<_>>();
    let places = (0..paths.len()).collect::<Vec<_>>();
    let mut fields = Fields::new(event, &paths);
    let evaluation = Evaluation::new(detection, &places, &mut fields, Plainly);
    Explainer { detection, paths: &paths, event, evaluation }.condition(&detection.condition)
}

struct Explainer<'d, 'f, 'e> {
    detection: &'d Detection,
    paths: &'d [FieldPath],
    event: &'e Event<'e>,
    evaluation: Evaluation<'d, 'f, 'e>,
}

impl<'d> Explainer<'d, '_, '_> {
    fn condition(&mut self, condition: &'d Condition) -> Step {
        let holds = self.evaluation.condition(condition);
        let of_all = |this: &mut Self, label: &str, all: &'d [Condition]| {
            let mut all = all.iter().collect::<Vec<_>>();
            // The evaluator has its own order: what costs least comes first.
            all.sort_by_key(|inner| first_selection(inner));
            operator(label, holds, all.into_iter().map(|inner| this.condition(inner)).collect())
        };
        match condition {
            Condition::Selection(index) => self.selection(*index),
            Condition::Not(inner) => operator("not", holds, vec![self.condition(inner)]),
            Condition::And(all) => of_all(self, "all of", all),
            Condition::Or(all) => of_all(self, "any of", all),
            Condition::AtLeast(least, members) => {
                let label = if *least == members.len() {
                    "all of".to_owned()
                } else {
                    format!("{least} of {}", members.len())
                };
                let mut members = members.clone();
                members.sort_unstable();
                operator(
                    &label,
                    holds,
                    members.into_iter().map(|one| self.selection(one)).collect(),
                )
            }
        }
    }

    fn selection(&mut self, index: usize) -> Step {
        let name = self.detection.names.get(index).map_or("", String::as_str);
        let Some(tree) = self.detection.selections.get(index) else {
            return operator(name, false, Vec::new());
        };
        let holds = self.evaluation.tree(tree);
        let step = self.tree(tree);
        // The selection's own `and` needs no line of its own.
        let steps = match tree {
            Tree::All(_) => step.steps,
            Tree::Any(_) | Tree::Test(_) => vec![step],
        };
        operator(name, holds, steps)
    }

    fn tree(&mut self, tree: &'d Tree) -> Step {
        let holds = self.evaluation.tree(tree);
        match tree {
            Tree::All(all) if all.len() != 1 => operator("all of", holds, self.trees(all)),
            Tree::Any(all) if all.len() != 1 => operator("any of", holds, self.trees(all)),
            Tree::All(all) | Tree::Any(all) => match all.first() {
                Some(only) => {
                    let step = self.tree(only);
                    operator("all of", holds, vec![step])
                }
                None => operator("all of", holds, Vec::new()),
            },
            Tree::Test(test) => self.test(test),
        }
    }

    fn trees(&mut self, all: &'d [Tree]) -> Vec<Step> {
        let mut all = all.iter().collect::<Vec<_>>();
        all.sort_by_key(|tree| place(tree));
        all.into_iter().map(|tree| self.tree(tree)).collect()
    }

    fn test(&mut self, test: &'d FieldTest) -> Step {
        let outcome = Outcome::from(self.evaluation.test(test));
        let name = self.field_name(test);
        let seen = match test.field.and_then(|field| self.paths.get(field)) {
            Some(path) => seen(self.event, path),
            None => Seen::Nothing,
        };
        if let [value] = test.values.as_slice() {
            let words = &value.words;
            let seen = if test.field.is_some() { seen } else { self.found_anywhere(test, 0) };
            return Step { label: format!("{name}{words}"), outcome, seen, steps: Vec::new() };
        }
        let mut steps = Vec::with_capacity(test.values.len());
        for (index, value) in test.values.iter().enumerate() {
            let holds = self.evaluation.value(test, value) != test.is_negated;
            let seen =
                if test.field.is_some() { Seen::Nothing } else { self.found_anywhere(test, index) };
            let label = value.words.to_string();
            steps.push(Step { label, outcome: holds.into(), seen, steps: Vec::new() });
        }
        // Of values that must not be, none may be.
        let quantifier = if test.all == test.is_negated { "any of" } else { "all of" };
        let label = format!("{name}{quantifier} {}", steps.len());
        Step { label, outcome, seen, steps }
    }

    /// The field's name in the rule, and in the event where a mapping changes it.
    fn field_name(&self, test: &FieldTest) -> String {
        let Some(field) = test.field else { return "any field ".to_owned() };
        let name = self.detection.fields.get(field).map_or("", String::as_str);
        let path = self.paths.get(field).map_or("", FieldPath::as_str);
        if path == name { format!("{name} ") } else { format!("{name} ({path}) ") }
    }

    /// Where a search in all fields finds its value.
    fn found_anywhere(&self, test: &FieldTest, value: usize) -> Seen {
        let forms = test.values.get(value).map(|value| test.forms_of(value)).unwrap_or_default();
        let mut fields = Fields::new(self.event, &[]);
        let leaf =
            fields.all().iter().find(|leaf| forms.iter().any(|form| holds_anywhere(form, leaf)));
        leaf.map_or(Seen::Nothing, |leaf| Seen::Values(vec![shown(leaf.text().unwrap_or(""))]))
    }
}

fn operator(label: &str, holds: bool, steps: Vec<Step>) -> Step {
    Step { label: label.to_owned(), outcome: holds.into(), seen: Seen::Nothing, steps }
}

/// Where the tree's first test stands in its file.
fn place(tree: &Tree) -> (u32, u32) {
    match tree {
        Tree::Test(test) => test.place,
        Tree::All(all) | Tree::Any(all) => all.iter().map(place).min().unwrap_or_default(),
    }
}

fn first_selection(condition: &Condition) -> usize {
    match condition {
        Condition::Selection(index) => *index,
        Condition::Not(inner) => first_selection(inner),
        Condition::And(all) | Condition::Or(all) => {
            all.iter().map(first_selection).min().unwrap_or_default()
        }
        Condition::AtLeast(_, members) => members.iter().copied().min().unwrap_or_default(),
    }
}
