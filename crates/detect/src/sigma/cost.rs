//! The order of evaluation: what is cheap to test comes first, so that a rule that does not match,
//! as nearly none does, is done with soon. Tests have no effects, so the order changes no result.

use super::{Detection, Tree, condition::Condition, field::FieldTest, test::Test};

/// A search in all fields costs as much as a search in so many.
const FIELDS_PER_EVENT: usize = 30;

impl Detection {
    /// Puts the cheap tests of every `and` and `or` first.
    pub(crate) fn order(&mut self) {
        let costs = self.selections.iter_mut().map(order_tree).collect::<Vec<_>>();
        order_condition(&mut self.condition, &costs);
    }
}

/// Orders and answers the cost, in units of a comparison of two short texts.
fn order_tree(tree: &mut Tree) -> usize {
    match tree {
        Tree::All(all) | Tree::Any(all) => {
            let mut costed = std::mem::take(all)
                .into_iter()
                .map(|mut inner| (order_tree(&mut inner), inner))
                .collect::<Vec<_>>();
            costed.sort_by_key(|(cost, _)| *cost);
            let total = costed.iter().map(|(cost, _)| cost).sum();
            all.extend(costed.into_iter().map(|(_, inner)| inner));
            total
        }
        Tree::Test(test) => test_cost(test),
    }
}

fn test_cost(test: &FieldTest) -> usize {
    let cost = test.forms.iter().map(Test::cost).sum::<usize>();
    if test.field.is_some() { cost } else { cost * FIELDS_PER_EVENT }
}

fn order_condition(condition: &mut Condition, costs: &[usize]) -> usize {
    let cost_of = |index: &usize| costs.get(*index).copied().unwrap_or(0);
    match condition {
        Condition::Selection(index) => cost_of(index),
        Condition::Not(inner) => order_condition(inner, costs),
        Condition::And(all) | Condition::Or(all) => {
            let mut costed = std::mem::take(all)
                .into_iter()
                .map(|mut inner| (order_condition(&mut inner, costs), inner))
                .collect::<Vec<_>>();
            costed.sort_by_key(|(cost, _)| *cost);
            let total = costed.iter().map(|(cost, _)| cost).sum();
            all.extend(costed.into_iter().map(|(_, inner)| inner));
            total
        }
        Condition::AtLeast(_, members) => {
            members.sort_by_key(cost_of);
            members.iter().map(cost_of).sum()
        }
    }
}
