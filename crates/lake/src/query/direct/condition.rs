//! A condition over the columns of one file: what the plan of a search computes with functions, without
//! a plan.

use std::collections::HashMap;

use arrow::array::{ArrayRef, AsArray as _};
use base::FieldPath;

use super::layout::{Inner, Part, locate};
use crate::{
    query::{
        hits::{mark_any, mark_field, mark_word},
        plan::{Place, find},
        search::{
            ast::{FieldTest, Node, Test, Word},
            eval::UNSEARCHED,
        },
        shape::Shape,
    },
    schema,
    snapshot::TableSnapshot,
};

/// A condition over rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Always,
    Never,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// A word in any column.
    Word(Word),
    /// A value in any column.
    AnyField(Test),
    /// A value of one column.
    Field(Field),
}

/// A test of what is in one column, or in a member of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// The column, then the members of structs.
    steps: Vec<String>,
    /// The way inside, where it holds JSON.
    path: Option<FieldPath>,
    test: Test,
}

impl Condition {
    /// The condition over any file of a table.
    pub(super) fn of(table: &TableSnapshot, node: &Node) -> Self {
        let all = |parts: &[Node]| parts.iter().map(|part| Self::of(table, part)).collect();
        match node {
            Node::All => Self::Always,
            Node::And(parts) => Self::And(all(parts)),
            Node::Or(parts) => Self::Or(all(parts)),
            Node::Not(inner) => Self::Not(Box::new(Self::of(table, inner))),
            Node::Word(word) => Self::Word(word.clone()),
            Node::AnyField(test) => Self::AnyField(test.clone()),
            Node::Field(test) => Self::of_field(table, test),
        }
    }

    /// A field is looked for in its column, and in `_rest` too: its value may have had another type.
    fn of_field(table: &TableSnapshot, FieldTest { field, test }: &FieldTest) -> Self {
        let rest = |name: &str| {
            let (steps, path) = (vec![schema::REST.to_owned()], Some(FieldPath::new(name)));
            Self::Field(Field { steps, path, test: test.clone() })
        };
        let Some(Place { name, steps, path, .. }) = find(table, field) else { return rest(field) };
        let path = path.map(FieldPath::new);
        let mut places = vec![Self::Field(Field { steps, path, test: test.clone() }), rest(&name)];
        // Of two fields that differ only in case, one has the column and the other is in `_rest`.
        if name != *field {
            places.push(rest(field));
        }
        Self::Or(places)
    }

    /// Marks the leaves that it looks at.
    pub(super) fn note_leaves(&self, parts: &[Part], leaves: &mut [bool]) {
        match self {
            Self::Always | Self::Never => {}
            Self::And(inner) | Self::Or(inner) => {
                inner.iter().for_each(|part| part.note_leaves(parts, leaves));
            }
            Self::Not(inner) => inner.note_leaves(parts, leaves),
            Self::Word(_) | Self::AnyField(_) => {
                searched(parts).for_each(|part| part.keep(leaves));
            }
            Self::Field(field) => {
                if let Some(part) = locate(parts, &field.steps) {
                    part.keep(leaves);
                }
            }
        }
    }

    /// What is left to be asked of the rows, where it is known which texts some columns have; marks the
    /// leaves that must be read for that.
    pub(super) fn given(&self, known: &mut Known<'_>) -> Self {
        match self {
            Self::Always => Self::Always,
            Self::Never => Self::Never,
            Self::And(parts) => {
                let mut left = Vec::new();
                for part in parts {
                    match part.given(known) {
                        Self::Always => {}
                        Self::Never => return Self::Never,
                        part => left.push(part),
                    }
                }
                if left.is_empty() { Self::Always } else { Self::And(left) }
            }
            Self::Or(parts) => {
                let mut left = Vec::new();
                for part in parts {
                    match part.given(known) {
                        Self::Never => {}
                        Self::Always => return Self::Always,
                        part => left.push(part),
                    }
                }
                if left.is_empty() { Self::Never } else { Self::Or(left) }
            }
            Self::Not(inner) => match inner.given(known) {
                Self::Always => Self::Never,
                Self::Never => Self::Always,
                inner => Self::Not(Box::new(inner)),
            },
            Self::Word(word) => {
                let has_numbers = word.number.is_some();
                let may_hold = |shape: &Shape| match shape {
                    Shape::Int | Shape::Float => has_numbers,
                    Shape::Bool | Shape::Time | Shape::Other => false,
                    Shape::Text | Shape::Json | Shape::List(_) | Shape::Struct(_) => true,
                };
                let mark = |texts: &ArrayRef, shape: &Shape, hits: &mut [bool]| {
                    mark_word(texts, shape, word, hits);
                };
                self.if_any(known.look(Parts::Searched, &may_hold, &mark))
            }
            Self::AnyField(test) => {
                let mark = |texts: &ArrayRef, shape: &Shape, hits: &mut [bool]| {
                    mark_any(texts, shape, test, hits);
                };
                self.if_any(known.look(Parts::Searched, &|_| true, &mark))
            }
            Self::Field(Field { steps, path, test }) => {
                let mark = |texts: &ArrayRef, shape: &Shape, hits: &mut [bool]| {
                    mark_field(texts, shape, path.as_ref(), test, hits);
                };
                self.if_any(known.look(Parts::At(steps), &|_| true, &mark))
            }
        }
    }

    fn if_any(&self, may_pass: bool) -> Self {
        if may_pass { self.clone() } else { Self::Never }
    }

    /// Which rows pass. The columns may lack leaves that [`Self::given`] has not marked.
    pub(super) fn passing(
        &self,
        columns: &[(String, Shape)],
        arrays: &[ArrayRef],
        rows: usize,
    ) -> Vec<bool> {
        match self {
            Self::Always => vec![true; rows],
            Self::Never => vec![false; rows],
            Self::And(parts) => {
                let mut hits = vec![true; rows];
                for part in parts {
                    if !hits.contains(&true) {
                        break;
                    }
                    let found = part.passing(columns, arrays, rows);
                    hits.iter_mut().zip(found).for_each(|(hit, found)| *hit &= found);
                }
                hits
            }
            Self::Or(parts) => {
                let mut hits = vec![false; rows];
                for part in parts {
                    if !hits.contains(&false) {
                        break;
                    }
                    let found = part.passing(columns, arrays, rows);
                    hits.iter_mut().zip(found).for_each(|(hit, found)| *hit |= found);
                }
                hits
            }
            Self::Not(inner) => {
                let mut hits = inner.passing(columns, arrays, rows);
                hits.iter_mut().for_each(|hit| *hit = !*hit);
                hits
            }
            Self::Word(word) => any_column(columns, arrays, rows, |array, shape, hits| {
                mark_word(array, shape, word, hits);
            }),
            Self::AnyField(test) => any_column(columns, arrays, rows, |array, shape, hits| {
                mark_any(array, shape, test, hits);
            }),
            Self::Field(Field { steps, path, test }) => {
                let mut hits = vec![false; rows];
                if let Some((array, shape)) = column_at(columns, arrays, steps) {
                    mark_field(array, shape, path.as_ref(), test, &mut hits);
                }
                hits
            }
        }
    }
}

fn any_column(
    columns: &[(String, Shape)],
    arrays: &[ArrayRef],
    rows: usize,
    mark: impl Fn(&ArrayRef, &Shape, &mut [bool]),
) -> Vec<bool> {
    let mut hits = vec![false; rows];
    for ((name, shape), array) in columns.iter().zip(arrays) {
        if !UNSEARCHED.contains(&name.as_str()) {
            mark(array, shape, &mut hits);
        }
    }
    hits
}

/// A column, or the member of one. A null struct has no member that is not null.
fn column_at<'a>(
    columns: &'a [(String, Shape)],
    arrays: &'a [ArrayRef],
    steps: &[String],
) -> Option<(&'a ArrayRef, &'a Shape)> {
    let (first, rest) = steps.split_first()?;
    let at = columns.iter().position(|(name, _)| name == first)?;
    let (array, (_, shape)) = (arrays.get(at)?, columns.get(at)?);
    if rest.is_empty() {
        return Some((array, shape));
    }
    let Shape::Struct(members) = shape else { return None };
    column_at(members, array.as_struct_opt()?.columns(), rest)
}

/// The columns that words are looked for in.
fn searched(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts.iter().filter(|part| !UNSEARCHED.contains(&part.name.as_str()))
}

/// Which columns are looked at.
enum Parts<'s> {
    Searched,
    At(&'s [String]),
}

/// Marks what passes among texts.
type Mark<'m> = &'m dyn Fn(&ArrayRef, &Shape, &mut [bool]);

/// What is known of a row group before its rows are read.
pub(super) struct Known<'p> {
    pub(super) parts: &'p [Part],
    /// All texts of some leaves.
    pub(super) dictionaries: HashMap<usize, ArrayRef>,
    /// The leaves that must be read.
    pub(super) keep: Vec<bool>,
}

impl Known<'_> {
    /// Whether any of the columns may pass; marks those.
    fn look(
        &mut self,
        columns: Parts<'_>,
        may_hold: &dyn Fn(&Shape) -> bool,
        mark: Mark<'_>,
    ) -> bool {
        let parts = self.parts;
        let chosen: Vec<&Part> = match columns {
            Parts::Searched => searched(parts).collect(),
            Parts::At(steps) => locate(parts, steps).into_iter().collect(),
        };
        let is_one = matches!(columns, Parts::At(_));
        let mut found = false;
        for part in chosen {
            found |= match &part.inner {
                // A test of an object as such is about whether it is there.
                Inner::Members(_) if is_one => {
                    part.keep(&mut self.keep);
                    true
                }
                _ => self.look_into(part, may_hold, mark),
            };
        }
        found
    }

    fn look_into(
        &mut self,
        part: &Part,
        may_hold: &dyn Fn(&Shape) -> bool,
        mark: Mark<'_>,
    ) -> bool {
        let (shape, leaves) = match &part.inner {
            Inner::Members(members) => {
                let looked = members.iter().map(|member| self.look_into(member, may_hold, mark));
                return looked.fold(false, |found, member| found | member);
            }
            Inner::Leaf(shape, leaves) => (shape, leaves),
        };
        let of_one = match shape {
            Shape::List(member) => member.as_ref(),
            shape => shape,
        };
        let may_pass = match self.dictionaries.get(&leaves.start) {
            Some(texts) => {
                let mut hits = vec![false; texts.len()];
                mark(texts, of_one, &mut hits);
                hits.contains(&true)
            }
            None => may_hold(shape),
        };
        if may_pass {
            part.keep(&mut self.keep);
        }
        may_pass
    }
}
