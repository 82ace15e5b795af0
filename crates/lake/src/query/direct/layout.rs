//! Which columns of a table a file has, and in which of its leaves.
//!
//! Parquet keeps the members of a struct as columns of their own, its leaves, numbered through the file.

use std::{ops::Range, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema};

use crate::{
    query::{provider::plain_type, shape::Shape},
    schema,
};

/// A column of a file, or a member of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) inner: Inner,
}

/// What is inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inner {
    /// Values, or lists of them.
    Leaf(Shape, Range<usize>),
    Members(Vec<Part>),
}

impl Part {
    /// What is left of it without the leaves that are not kept.
    pub(super) fn shape(&self, keep: &[bool]) -> Option<Shape> {
        match &self.inner {
            Inner::Leaf(shape, leaves) => {
                let is_kept = leaves.clone().any(|leaf| keep.get(leaf).copied().unwrap_or(false));
                is_kept.then(|| shape.clone())
            }
            Inner::Members(members) => {
                let members = kept(members, keep);
                (!members.is_empty()).then_some(Shape::Struct(members))
            }
        }
    }

    /// Marks the leaves that are texts, or lists of them.
    fn note_texts(&self, is_text: &mut [bool]) {
        match &self.inner {
            Inner::Leaf(Shape::Text | Shape::Json, _) => self.keep(is_text),
            Inner::Leaf(Shape::List(member), _) if **member == Shape::Text => self.keep(is_text),
            Inner::Leaf(..) => {}
            Inner::Members(members) => {
                members.iter().for_each(|member| member.note_texts(is_text));
            }
        }
    }

    /// Keeps all of it.
    pub(super) fn keep(&self, keep: &mut [bool]) {
        match &self.inner {
            Inner::Leaf(_, leaves) => {
                keep.iter_mut().take(leaves.end).skip(leaves.start).for_each(|kept| *kept = true);
            }
            Inner::Members(members) => members.iter().for_each(|member| member.keep(keep)),
        }
    }
}

/// What is left of columns without the leaves that are not kept, in their order.
pub(super) fn kept(parts: &[Part], keep: &[bool]) -> Vec<(String, Shape)> {
    parts.iter().filter_map(|part| Some((part.name.clone(), part.shape(keep)?))).collect()
}

/// The column, or the member of one, at the end of these names.
pub(super) fn locate<'p>(parts: &'p [Part], steps: &[String]) -> Option<&'p Part> {
    let (first, rest) = steps.split_first()?;
    let part = parts.iter().find(|part| part.name == *first)?;
    match &part.inner {
        _ if rest.is_empty() => Some(part),
        Inner::Members(members) => locate(members, rest),
        Inner::Leaf(..) => None,
    }
}

/// The columns of a file that its table has too.
#[derive(Debug)]
pub(super) struct Layout {
    /// In the file's order.
    pub(super) parts: Vec<Part>,
    /// The places of `parts` in the table's order.
    pub(super) order: Vec<usize>,
    /// How many leaves the file has.
    pub(super) leaves: usize,
    /// Which of them are texts.
    pub(super) is_text: Vec<bool>,
}

impl Layout {
    /// `None` for a file whose columns are not simply those of the table, or some of them: somebody
    /// else's.
    pub(super) fn of(table: &Schema, file: &Schema) -> Option<Self> {
        let (mut parts, mut places, mut leaves) = (Vec::new(), Vec::new(), 0);
        for field in file.fields() {
            match table.fields().find(field.name()).filter(|(_, of)| of.name() != schema::DAY) {
                Some((place, of)) => {
                    parts.push(part(of, field, &mut leaves)?);
                    places.push(place);
                }
                None => leaves += leaves_of(field.data_type())?,
            }
        }
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|at| places.get(*at));
        let mut is_text = vec![false; leaves];
        parts.iter().for_each(|part: &Part| part.note_texts(&mut is_text));
        Some(Self { parts, order, leaves, is_text })
    }
}

/// A file's column beside its table's.
fn part(table: &Field, file: &Field, leaves: &mut usize) -> Option<Part> {
    let inner = match (table.data_type(), file.data_type()) {
        (DataType::Struct(of_table), DataType::Struct(of_file)) => {
            let (mut members, mut next) = (Vec::new(), 0);
            for member in of_file {
                let (place, of) = of_table.find(member.name())?;
                // They become an object again in the order of the table's.
                if place < next {
                    return None;
                }
                next = place + 1;
                members.push(part(of, member, leaves)?);
            }
            Inner::Members(members)
        }
        (of_table, of_file) if plain_type(of_table) == plain_type(of_file) => {
            let first = *leaves;
            *leaves += leaves_of(of_file)?;
            Inner::Leaf(Shape::of(table), first..*leaves)
        }
        _ => return None,
    };
    Some(Part { name: file.name().clone(), inner })
}

/// How many leaves a column has; `None` for a kind of column that dab does not write.
fn leaves_of(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Struct(members) => {
            members.iter().map(|member| leaves_of(member.data_type())).sum()
        }
        DataType::List(member) => leaves_of(member.data_type()),
        other if other.is_nested() => None,
        _ => Some(1),
    }
}

/// The columns of a file, texts in some of its leaves as numbers into a dictionary. What is in lists
/// stays as it is.
pub(super) fn with_dictionaries(file: &Schema, is_dictionary: &[bool]) -> Schema {
    let mut leaf = 0;
    let fields = file.fields().iter().map(|field| typed(field, is_dictionary, &mut leaf));
    Schema::new_with_metadata(fields.collect::<Fields>(), file.metadata().clone())
}

fn typed(field: &FieldRef, is_dictionary: &[bool], leaf: &mut usize) -> FieldRef {
    let data_type = match field.data_type() {
        DataType::Struct(members) => {
            let members = members.iter().map(|member| typed(member, is_dictionary, leaf));
            DataType::Struct(members.collect())
        }
        DataType::Utf8 => {
            let this = *leaf;
            *leaf += 1;
            if !is_dictionary.get(this).copied().unwrap_or(false) {
                return Arc::clone(field);
            }
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
        }
        other => {
            *leaf += leaves_of(other).unwrap_or(1);
            return Arc::clone(field);
        }
    };
    Arc::new(field.as_ref().clone().with_data_type(data_type))
}
