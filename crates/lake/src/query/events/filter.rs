//! Leaves out the rows that no rule can match, by their columns alone: before a row is made an event
//! again, and before its `_rest` is parsed.
//!
//! It leaves too much rather than too little. A field may be in its column, inside a column that
//! holds JSON, or in `_rest` because its value had another type: a row whose `_rest` has a key of
//! that name stays.

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    datatypes::Int64Type,
};
use base::{Clause, Holds, Need};
use memchr::memmem::Finder;

use crate::query::{pattern::Needle, shape::Shape};

/// Which rows stay.
#[derive(Debug)]
pub(super) struct Filter {
    /// Each distinct need, once.
    needs: Vec<Compiled>,
    /// Alternatives: of one of them, all clauses hold. Needs by their place.
    ways: Vec<Vec<Vec<usize>>>,
}

/// Of the row at hand: whether each need is met, as far as it was asked for.
pub(super) type Known = Vec<Option<bool>>;

/// A need, with all places where its field may be.
#[derive(Debug)]
struct Compiled {
    places: Vec<Place>,
    /// What `_rest` has where it has the field.
    key: Finder<'static>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Anything,
    Part(Needle),
    Number(i64, Needle),
}

/// A column, or a member of it.
#[derive(Debug)]
struct Place {
    /// The column, then the member of each struct.
    steps: Vec<usize>,
    shape: Shape,
}

impl Filter {
    /// For rows with these columns. `ways`: each has clauses that hold for its rules' events.
    pub(super) fn new(columns: &[(String, Shape)], ways: &[Vec<Clause>]) -> Self {
        let mut distinct: Vec<&Need> = ways.iter().flatten().flatten().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let index = |need: &Need| distinct.binary_search(&need).unwrap_or(usize::MAX);
        let clause = |clause: &Clause| clause.iter().map(index).collect();
        let ways = ways.iter().map(|way| way.iter().map(clause).collect()).collect();
        let needs: Vec<_> = distinct.iter().map(|need| Compiled::new(need, columns)).collect();
        Self { needs, ways }
    }

    /// Whether a row stays. `known` is memory that rows share.
    pub(super) fn passes(
        &self,
        own: &[ArrayRef],
        rest: Option<&str>,
        row: usize,
        known: &mut Known,
    ) -> bool {
        known.clear();
        known.resize(self.needs.len(), None);
        let mut is_met = |index: &usize| {
            let (Some(need), Some(slot)) = (self.needs.get(*index), known.get_mut(*index)) else {
                return true;
            };
            *slot.get_or_insert_with(|| need.is_met(own, rest, row))
        };
        self.ways.iter().any(|way| way.iter().all(|clause| clause.iter().any(&mut is_met)))
    }
}

impl Compiled {
    fn new(need: &Need, columns: &[(String, Shape)]) -> Self {
        let mut places = Vec::new();
        find(columns, &need.field, &mut Vec::new(), &mut places);
        let last = need.field.rsplit('.').next().unwrap_or_default();
        // A key is in quotes; what is escaped inside of one is not looked for.
        let is_escaped = |c: char| c.is_control() || matches!(c, '"' | '\\');
        let key = match last.rsplit_once(is_escaped) {
            None => format!("{last}\""),
            Some((_, behind)) => format!("{behind}\""),
        };
        let test = match &need.holds {
            Holds::Anything => Test::Anything,
            Holds::Part(text) => Test::Part(Needle::new(text)),
            Holds::Number(number) => Test::Number(*number, Needle::new(&number.to_string())),
        };
        Self { places, key: Finder::new(key.as_bytes()).into_owned(), test }
    }

    fn is_met(&self, own: &[ArrayRef], rest: Option<&str>, row: usize) -> bool {
        let is_in_rest = || rest.is_some_and(|rest| self.key.find(rest.as_bytes()).is_some());
        self.places.iter().any(|place| place.passes(&self.test, own, row)) || is_in_rest()
    }
}

/// Every column that a field may be in, or inside of.
fn find(columns: &[(String, Shape)], field: &str, steps: &mut Vec<usize>, places: &mut Vec<Place>) {
    for (index, (name, shape)) in columns.iter().enumerate() {
        let inside = match field.strip_prefix(name.as_str()) {
            Some("") => None,
            Some(behind) => match behind.strip_prefix('.') {
                Some(inside) => Some(inside),
                None => continue,
            },
            None => continue,
        };
        steps.push(index);
        match (shape, inside) {
            (Shape::Struct(members), Some(inside)) => find(members, inside, steps, places),
            // A path that goes on inside a number or a text leads nowhere.
            (Shape::Json | Shape::List(_) | Shape::Other, _) | (_, None) => {
                places.push(Place { steps: steps.clone(), shape: shape.clone() });
            }
            _ => {}
        }
        steps.pop();
    }
}

impl Place {
    fn passes(&self, test: &Test, own: &[ArrayRef], row: usize) -> bool {
        let Some((first, rest)) = self.steps.split_first() else { return true };
        // A column that was not read decides nothing.
        let Some(mut array) = own.get(*first) else { return true };
        for member in rest {
            if array.is_null(row) {
                return false;
            }
            match array.as_struct_opt().and_then(|inner| inner.columns().get(*member)) {
                Some(inner) => array = inner,
                None => return true,
            }
        }
        !array.is_null(row) && test.holds(array, &self.shape, row)
    }
}

impl Test {
    /// Whether a value may pass, which is not null.
    fn holds(&self, array: &ArrayRef, shape: &Shape, row: usize) -> bool {
        match (shape, self) {
            (_, Self::Anything) => true,
            (Shape::Int, Self::Number(number, _)) => array
                .as_primitive_opt::<Int64Type>()
                .is_none_or(|array| array.value(row) == *number),
            (Shape::Int, Self::Part(part)) => {
                array.as_primitive_opt::<Int64Type>().is_none_or(|array| {
                    part.find(array.value(row).to_string().as_bytes(), 0).is_some()
                })
            }
            (Shape::Text | Shape::Json, _) => {
                array.as_string_opt::<i32>().is_none_or(|array| self.holds_in(array.value(row)))
            }
            _ => true,
        }
    }

    fn holds_in(&self, text: &str) -> bool {
        let text = text.as_bytes();
        match self {
            Self::Anything => true,
            // Letters beyond ASCII may be the upper case of ASCII's: `K` for Kelvin.
            Self::Part(part) => part.find(text, 0).is_some() || !text.is_ascii(),
            // `4.688e3` is a number too.
            Self::Number(_, digits) => {
                digits.find(text, 0).is_some()
                    || text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
            }
        }
    }
}
