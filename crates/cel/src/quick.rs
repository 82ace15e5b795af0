//! The form of an expression that is evaluated for every event: tests of fields against literals,
//! joined by logic, without building values or errors.
//!
//! What has no such form is kept as it is and evaluated by `eval`, which is the authority: both
//! give the same answer, and only `eval` says why there is none.

mod check;
mod evaluate;
mod place;
mod word;

use crate::{
    functions::{Function, TextFunction},
    node::{Macro, MacroKind, Node, Operator},
    value::CelValue,
};

use check::{Change, Check, TextTest};
pub(crate) use evaluate::{Answer, answer};
use place::{LOCALS_MAX, Place, REPEATED_MAX};
use word::Word;

/// A boolean expression.
#[derive(Debug)]
pub(crate) enum Quickly {
    Constant(bool),
    /// All of them; errors count only if none is false.
    All(Box<[Self]>),
    /// Any of them; errors count only if none is true.
    Any(Box<[Self]>),
    Not(Box<Self>),
    If(Box<[Self; 3]>),
    /// Whether there is a value at a place.
    Has(Place),
    /// A test of the value at a place.
    Check(Place, Check),
    /// Whether the values at two places are equal, or not.
    Same {
        places: Box<[Place; 2]>,
        wanted: bool,
    },
    /// A test of each member of the list, or key of the map, at a place.
    Each(Box<Each>),
    /// Anything else.
    Slow(Box<Node>),
}

/// A macro over the list or map at a place.
#[derive(Debug)]
pub(crate) struct Each {
    kind: MacroKind,
    range: Place,
    body: Quickly,
    /// The whole macro, for maps.
    node: Node,
}

/// Compiles what is boolean of `node`.
pub(crate) fn compile(node: &Node) -> Quickly {
    let mut quickly = at(node, 0);
    let mut counts: Vec<(String, usize)> = Vec::new();
    quickly.each_place(&mut |place| {
        let Some(name) = place.name() else { return };
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name.to_owned(), 1)),
        }
    });
    counts.retain(|(_, count)| *count > 1);
    counts.truncate(REPEATED_MAX);
    quickly.each_place(&mut |place| {
        let slot = counts.iter().position(|(name, _)| place.name() == Some(name));
        if let Some(slot) = slot {
            let inner = std::mem::replace(place, Place::Local(0));
            *place = Place::Repeated(slot, Box::new(inner));
        }
    });
    quickly
}

impl Quickly {
    /// Calls `change` for every place, once.
    fn each_place(&mut self, change: &mut dyn FnMut(&mut Place)) {
        match self {
            Self::Constant(_) | Self::Slow(_) => {}
            Self::All(members) | Self::Any(members) => {
                members.iter_mut().for_each(|member| member.each_place(change));
            }
            Self::Not(inner) => inner.each_place(change),
            Self::If(parts) => parts.iter_mut().for_each(|part| part.each_place(change)),
            Self::Has(place) | Self::Check(place, _) => change(place),
            Self::Same { places, .. } => places.iter_mut().for_each(change),
            Self::Each(each) => {
                change(&mut each.range);
                each.body.each_place(change);
            }
        }
    }
}

/// Compiles a node inside `depth` macros.
fn at(node: &Node, depth: usize) -> Quickly {
    boolean(node, depth).unwrap_or_else(|| Quickly::Slow(Box::new(node.clone())))
}

fn all(nodes: &[Node], depth: usize) -> Box<[Quickly]> {
    nodes.iter().map(|node| at(node, depth)).collect()
}

fn boolean(node: &Node, depth: usize) -> Option<Quickly> {
    Some(match node {
        Node::Literal(CelValue::Bool(value)) => Quickly::Constant(*value),
        Node::Test(test) => at(&test.inner, depth),
        Node::And(members) => Quickly::All(all(members, depth)),
        Node::Or(members) => Quickly::Any(all(members, depth)),
        Node::Not(inner) => Quickly::Not(Box::new(at(inner, depth))),
        Node::Conditional(parts) => {
            let [test, yes, no] = &**parts;
            Quickly::If(Box::new([at(test, depth), at(yes, depth), at(no, depth)]))
        }
        Node::HasField(path) => Quickly::Has(Place::field(path)),
        Node::Field { .. } | Node::Local(_) => Quickly::Check(Place::of(node)?, Check::IsTrue),
        Node::Binary(operator, operands) => {
            let [left, right] = &**operands;
            binary(*operator, left, right)?
        }
        Node::Call(function, args) => {
            let [subject, Node::Literal(CelValue::Text(literal))] = args.as_slice() else {
                return None;
            };
            let test = match function {
                Function::Contains => TextTest::contains(literal),
                Function::StartsWith => TextTest::StartsWith(Word::new(literal)),
                Function::EndsWith => TextTest::EndsWith(Word::new(literal)),
                _ => return None,
            };
            text(subject, test, true)?
        }
        Node::Matches(subject, regex) => text(subject, TextTest::Matches(regex.clone()), true)?,
        Node::InNetwork(subject, network) => {
            Quickly::Check(Place::of(subject)?, Check::InNetwork(*network))
        }
        Node::Macro(each) => macro_over(each, depth)?,
        _ => return None,
    })
}

fn binary(operator: Operator, left: &Node, right: &Node) -> Option<Quickly> {
    match (operator, left, right) {
        (Operator::Equal | Operator::NotEqual, subject, Node::Literal(literal))
        | (Operator::Equal | Operator::NotEqual, Node::Literal(literal), subject) => {
            let wanted = operator == Operator::Equal;
            match literal {
                CelValue::Text(literal) => {
                    text(subject, TextTest::Equals(Word::new(literal)), wanted)
                }
                literal => {
                    let check = Check::Equals { literal: literal.clone(), wanted };
                    Some(Quickly::Check(Place::of(subject)?, check))
                }
            }
        }
        (Operator::Equal | Operator::NotEqual, left, right) => Some(Quickly::Same {
            places: Box::new([Place::of(left)?, Place::of(right)?]),
            wanted: operator == Operator::Equal,
        }),
        (Operator::In, subject, Node::Literal(CelValue::List(list))) => {
            let texts: Option<Vec<Word>> = list
                .iter()
                .map(|member| match member {
                    CelValue::Text(text) => Some(Word::new(&text)),
                    _ => None,
                })
                .collect();
            match texts {
                Some(texts) => text(subject, TextTest::among(texts), true),
                None => Some(Quickly::Check(Place::of(subject)?, Check::Among(list.clone()))),
            }
        }
        (
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual,
            _,
            _,
        ) => ordered(operator, left, right),
        _ => None,
    }
}

/// A comparison of a number, or of a size, with a literal.
fn ordered(operator: Operator, left: &Node, right: &Node) -> Option<Quickly> {
    let (operator, subject, literal) = match (left, right) {
        (subject, Node::Literal(literal)) => (operator, subject, literal),
        (Node::Literal(literal), subject) => (operator.mirrored(), subject, literal),
        _ => return None,
    };
    if let (Node::Call(Function::Size, args), CelValue::Int(size)) = (subject, literal) {
        let [subject] = args.as_slice() else { return None };
        return Some(Quickly::Check(Place::of(subject)?, Check::Size(operator, *size)));
    }
    let check = match literal {
        CelValue::Int(_) | CelValue::Uint(_) | CelValue::Double(_) => {
            Check::Order(operator, literal.clone())
        }
        _ => return None,
    };
    Some(Quickly::Check(Place::of(subject)?, check))
}

/// A test of a text, whose letters may be changed first.
fn text(subject: &Node, test: TextTest, wanted: bool) -> Option<Quickly> {
    // A value that is not text has no order of letters, but is equal or not.
    let is_equality = matches!(test, TextTest::Equals(_) | TextTest::Among { .. });
    let Node::Call(Function::Text(change), args) = subject else {
        let check = Check::Text { test, wanted, is_equality };
        return Some(Quickly::Check(Place::of(subject)?, check));
    };
    let [inner] = args.as_slice() else { return None };
    let change = match change {
        TextFunction::LowerAscii => Change::Lower,
        TextFunction::UpperAscii => Change::Upper,
        _ => return None,
    };
    let check = Check::Changed { test: test.folded(change)?, wanted };
    Some(Quickly::Check(Place::of(inner)?, check))
}

fn macro_over(each: &Macro, depth: usize) -> Option<Quickly> {
    let is_test = matches!(each.kind, MacroKind::All | MacroKind::Exists | MacroKind::ExistsOne);
    if !is_test || depth >= LOCALS_MAX || each.two || each.filter.is_some() {
        return None;
    }
    let range = Place::of(&each.range)?;
    let body = at(&each.body, depth + 1);
    let node = Node::Macro(Box::new(each.clone()));
    Some(Quickly::Each(Box::new(Each { kind: each.kind, range, body, node })))
}

impl Operator {
    /// The operator with its sides exchanged.
    const fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            other => other,
        }
    }
}
