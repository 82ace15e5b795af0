//! Sigma's detections: selections of tests, and a condition over them.
//!
//! The semantics are those of the Sigma specification 2.1; `docs/reference/detections.md` states
//! them where the specification leaves a choice.

pub(crate) mod condition;
mod cost;
pub(crate) mod expression;
pub(crate) mod field;
mod modifier;
pub(crate) mod node;
pub(crate) mod pattern;
pub(crate) mod placeholder;
pub(crate) mod test;
pub(crate) mod text;

use condition::Condition;
use field::FieldTest;
use node::{Kind, Node, Scalar};

use crate::{
    error::{RuleError, RuleErrorKind},
    rule::Placeholders,
};

/// A `detection`, ready to be evaluated over numbered fields.
#[derive(Debug, Clone)]
pub(crate) struct Detection {
    /// The fields that the tests name by index.
    pub(crate) fields: Vec<String>,
    pub(crate) selections: Vec<Tree>,
    /// What each selection is called.
    pub(crate) names: Vec<String>,
    pub(crate) condition: Condition,
    /// How many forms its tests have.
    pub(crate) forms: usize,
}

/// A selection: tests under `and` and `or`.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Test(FieldTest),
}

impl Detection {
    /// Reads the value of a rule's key `detection`.
    pub(crate) fn read(node: &Node, placeholders: &Placeholders) -> Result<Self, RuleError> {
        // `timeframe` belonged to the aggregations of Sigma 1.
        Self::read_as("detection", "timeframe", node, placeholders)
    }

    /// Reads the value of a filter's key `filter`.
    pub(crate) fn read_filter(node: &Node, placeholders: &Placeholders) -> Result<Self, RuleError> {
        if let Some(list) = node.get("condition").filter(|node| node.as_scalar().is_none()) {
            let message = format!(
                "the `condition` of a filter must be a string, and is {}",
                list.kind_name()
            );
            return Err(list.shape(message));
        }
        Self::read_as("filter", "rules", node, placeholders)
    }

    /// Reads selections and a condition; `other` is a key of another meaning.
    fn read_as(
        what: &str,
        other: &str,
        node: &Node,
        placeholders: &Placeholders,
    ) -> Result<Self, RuleError> {
        let Some(entries) = node.as_map() else {
            let message =
                format!("`{what}` must be a mapping of selections, and is {}", node.kind_name());
            return Err(node.shape(message));
        };
        let mut fields: Vec<String> = Vec::new();
        let mut index = |name: &str| match fields.iter().position(|known| known == name) {
            Some(index) => index,
            None => {
                fields.push(name.to_owned());
                fields.len() - 1
            }
        };
        let mut names = Vec::new();
        let mut selections = Vec::new();
        for (key, value) in entries {
            let name = key.as_str().unwrap_or_default();
            if name != "condition" && name != other {
                selections.push(Tree::read(key, value, placeholders, &mut index)?);
                names.push(name);
            }
        }
        let Some((_, condition)) = node.get_entry("condition") else {
            let error = node.shape(format!("`{what}` has no `condition`"));
            return Err(error.with_help(format!("add `condition: selection` to `{what}`")));
        };
        let condition = read_condition(condition, &names)?;
        let names = names.into_iter().map(str::to_owned).collect();
        let mut detection = Self { fields, selections, names, condition, forms: 0 };
        detection.finish();
        Ok(detection)
    }

    /// Adds another detection: both must hold. Their selections keep apart, whatever their names.
    pub(crate) fn and(&mut self, other: &Self) {
        let mut places = Vec::with_capacity(other.fields.len());
        for name in &other.fields {
            let known = self.fields.iter().position(|known| known == name);
            places.push(known.unwrap_or(self.fields.len()));
            if known.is_none() {
                self.fields.push(name.clone());
            }
        }
        let before = self.selections.len();
        self.selections.extend(other.selections.iter().map(|tree| {
            let mut tree = tree.clone();
            tree.renumber(&places);
            tree
        }));
        self.names.extend(other.names.iter().cloned());
        let own = std::mem::replace(&mut self.condition, Condition::And(Vec::new()));
        self.condition = Condition::And(vec![own, other.condition.clone().shifted(before)]);
        self.finish();
    }

    /// Puts what is cheap first, and numbers the forms.
    fn finish(&mut self) {
        self.order();
        self.forms = 0;
        for tree in &mut self.selections {
            tree.number(&mut self.forms);
        }
    }
}

fn read_condition(node: &Node, names: &[&str]) -> Result<Condition, RuleError> {
    let read = |node: &Node| match node.as_scalar() {
        Some(scalar) if !node.is_null() => condition::parse(&scalar.text, names).map_err(|error| {
            let (line, column) = scalar.position_of(error.column);
            let placed = RuleError::at(line, column, RuleErrorKind::Condition(error.message));
            RuleError { help: error.help, ..placed }
        }),
        _ => {
            let message = format!("`condition` must be a string, and is {}", node.kind_name());
            Err(node.shape(message))
        }
    };
    match &node.kind {
        Kind::List(members) if !members.is_empty() => {
            members.iter().map(read).collect::<Result<Vec<_>, _>>().map(Condition::Or)
        }
        _ => read(node),
    }
}

impl Scalar {
    /// Where in the file a character of the text stands, as well as the style allows to say.
    pub(crate) fn position_of(&self, char: usize) -> (u32, u32) {
        let before = self.text.chars().take(char);
        let (mut lines, mut columns) = (0_u32, 0_u32);
        for char in before {
            columns += 1;
            if char == '\n' {
                (lines, columns) = (lines + 1, 0);
            }
        }
        if self.keeps_lines || lines == 0 {
            (self.text_line + lines, self.text_column + columns)
        } else {
            (self.text_line, self.text_column)
        }
    }
}

impl Tree {
    /// Gives fields other numbers: `places` has them by the old ones.
    fn renumber(&mut self, places: &[usize]) {
        match self {
            Self::All(all) | Self::Any(all) => {
                all.iter_mut().for_each(|tree| tree.renumber(places));
            }
            Self::Test(test) => test.renumber(places),
        }
    }

    /// Numbers the forms from `next` on.
    fn number(&mut self, next: &mut usize) {
        match self {
            Self::All(all) | Self::Any(all) => all.iter_mut().for_each(|tree| tree.number(next)),
            Self::Test(test) => {
                test.first = *next;
                *next += test.forms.len();
            }
        }
    }

    fn read(
        key: &Node,
        node: &Node,
        placeholders: &Placeholders,
        index: &mut field::FieldIndex<'_>,
    ) -> Result<Self, RuleError> {
        match &node.kind {
            Kind::Map(_) => Self::read_map(node, placeholders, index),
            Kind::Scalar(_) => Ok(Self::Test(FieldTest::keyword(node, placeholders)?)),
            Kind::List(members) => {
                if members.is_empty() {
                    let name = key.as_str().unwrap_or_default();
                    return Err(node.shape(format!("the selection `{name}` is empty")));
                }
                let read = |member: &Node| match &member.kind {
                    Kind::Map(_) => Self::read_map(member, placeholders, index),
                    Kind::Scalar(_) => Ok(Self::Test(FieldTest::keyword(member, placeholders)?)),
                    Kind::List(_) => Err(member.shape("a list inside a selection's list")),
                };
                members.iter().map(read).collect::<Result<_, _>>().map(Self::Any)
            }
        }
    }

    fn read_map(
        node: &Node,
        placeholders: &Placeholders,
        index: &mut field::FieldIndex<'_>,
    ) -> Result<Self, RuleError> {
        let entries = node.as_map().unwrap_or_default();
        if entries.is_empty() {
            return Err(node.shape("an empty mapping tests nothing"));
        }
        entries
            .iter()
            .map(|(key, value)| FieldTest::read(key, value, placeholders, index).map(Self::Test))
            .collect::<Result<_, _>>()
            .map(Self::All)
    }
}
