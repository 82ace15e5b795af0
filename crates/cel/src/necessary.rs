//! What must be so for an expression to be true: a few tests of single fields that an index can
//! share between many expressions.
//!
//! The tests are alternatives: where none of them holds for an event, the expression is not true.
//! The other direction is not promised. Their literals are found in comparisons, `in`, the text
//! functions, regular expressions, networks and `exists`, under `&&`, `||`, `!` and `?:`.

mod pattern;

use base::{Event, FieldPath, Value, limits};

use crate::{
    functions::{Function, TextFunction},
    net::Network,
    node::{Macro, MacroKind, Node, Operator},
    path::Path,
    value::{CelList, CelValue},
};

/// Alternatives of which one must hold for an expression to be true.
#[derive(Debug, Clone, PartialEq)]
pub enum Necessary {
    /// One of these. None at all: the expression is never true.
    AnyOf(Vec<Predicate>),
    /// Nothing is known: the expression may be true for any event.
    Unknown,
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    /// The field, with dots. A part of it may also be one key that is spelt with dots. Lists on the
    /// way and at the end are looked into: the test holds if it holds for any value so reached.
    pub field: String,
    /// What is tested.
    pub test: FieldTest,
    /// Whether the letters A to Z count as equal to a to z in the test's text.
    pub ignore_ascii_case: bool,
}

/// What is tested of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldTest {
    /// It is there, whatever it holds.
    Exists,
    /// It holds an object.
    IsObject,
    /// It holds this value.
    Equals(Literal),
    /// It holds a text that begins so.
    StartsWith(String),
    /// It holds a text that ends so.
    EndsWith(String),
    /// It holds a text that contains this.
    Contains(String),
    /// It holds the text of an address in this network.
    InNetwork(Network),
}

/// A value that a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number of this value, of whatever type: `4688` and `4688.0` alike.
    Int(i64),
    /// A text.
    Text(String),
}

impl Necessary {
    /// Whether the expression may be true for an event, as far as this tells.
    #[must_use]
    pub fn allows(&self, event: &Event<'_>) -> bool {
        match self {
            Self::Unknown => true,
            Self::AnyOf(predicates) => predicates.iter().any(|test| test.holds(event)),
        }
    }
}

impl Predicate {
    /// Whether it holds for an event: the plain form of what an index decides.
    #[must_use]
    pub fn holds(&self, event: &Event<'_>) -> bool {
        let path = FieldPath::new(self.field.as_str());
        [&event.fields, &event.normalized]
            .into_iter()
            .any(|object| object.any_spelling(&path, &mut |value| self.holds_for(value)))
    }

    /// Whether it holds for one value, itself no list.
    #[must_use]
    pub fn holds_for(&self, value: &Value<'_>) -> bool {
        match (&self.test, value) {
            (FieldTest::Exists, _)
            | (FieldTest::IsObject, Value::Object(_))
            | (FieldTest::Equals(Literal::Null), Value::Null) => true,
            (FieldTest::Equals(Literal::Bool(wanted)), Value::Bool(value)) => wanted == value,
            (FieldTest::Equals(Literal::Int(wanted)), value) => {
                CelValue::Int(*wanted) == CelValue::of(value)
            }
            (test, Value::Text(text)) if self.ignore_ascii_case => {
                holds_for_text(test, &text.to_ascii_lowercase(), true)
            }
            (test, Value::Text(text)) => holds_for_text(test, text, false),
            _ => false,
        }
    }
}

fn holds_for_text(test: &FieldTest, text: &str, lower: bool) -> bool {
    let folded = |literal: &str| match lower {
        true => literal.to_ascii_lowercase(),
        false => literal.to_owned(),
    };
    match test {
        FieldTest::Equals(Literal::Text(literal)) => text == folded(literal),
        FieldTest::StartsWith(literal) => text.starts_with(&folded(literal)),
        FieldTest::EndsWith(literal) => text.ends_with(&folded(literal)),
        FieldTest::Contains(literal) => text.contains(&folded(literal)),
        FieldTest::InNetwork(network) => network.contains(text),
        _ => false,
    }
}

/// What must hold for `node` to be true.
pub(crate) fn necessary(node: &Node) -> Necessary {
    match (Analysis { members: Vec::new() }).when(node, true) {
        Some(predicates) => Necessary::AnyOf(predicates),
        None => Necessary::Unknown,
    }
}

/// Alternatives, or nothing known.
type Known = Option<Vec<Predicate>>;

struct Analysis<'n> {
    /// For each variable in scope: the field whose members it stands for.
    members: Vec<Option<&'n Path>>,
}

/// What a test looks at: a field, or part of a member of a list in a field.
#[derive(Debug, Clone)]
struct Subject {
    field: String,
    /// Whether it is a list's member itself; of an object, it would be a key.
    is_member: bool,
    ignore_ascii_case: bool,
    /// Letters that the text can't contain.
    excluded: Option<fn(&char) -> bool>,
}

impl Subject {
    fn one(&self, test: FieldTest) -> Predicate {
        let ignore_ascii_case = self.ignore_ascii_case;
        Predicate { field: self.field.clone(), test, ignore_ascii_case }
    }

    /// These tests, and what else makes them true.
    fn any(&self, tests: Vec<FieldTest>) -> Known {
        let mut predicates: Vec<_> = tests.into_iter().map(|test| self.one(test)).collect();
        if self.is_member {
            predicates.push(self.one(FieldTest::IsObject));
        }
        Some(predicates)
    }

    fn exists(&self) -> Known {
        Some(vec![self.one(FieldTest::Exists)])
    }

    /// A test of text that contains `literal`.
    fn text(&self, literal: &str, test: fn(String) -> FieldTest) -> Known {
        if literal.is_empty() {
            return self.exists();
        }
        match self.excluded {
            Some(excluded) if literal.chars().any(|c| excluded(&c)) => self.any(Vec::new()),
            _ => self.any(vec![test(literal.to_owned())]),
        }
    }

    fn equals(&self, literal: &CelValue<'_>) -> Known {
        let literal = match literal {
            CelValue::Text(text) => {
                return match self.excluded {
                    Some(excluded) if text.chars().any(|c| excluded(&c)) => self.any(Vec::new()),
                    _ => self.any(vec![FieldTest::Equals(Literal::Text(text.to_string()))]),
                };
            }
            CelValue::Null => Literal::Null,
            CelValue::Bool(value) => Literal::Bool(*value),
            CelValue::Int(number) => Literal::Int(*number),
            CelValue::Uint(number) => match i64::try_from(*number) {
                Ok(number) => Literal::Int(number),
                Err(_) => return self.exists(),
            },
            _ => return self.exists(),
        };
        self.any(vec![FieldTest::Equals(literal)])
    }
}

impl<'n> Analysis<'n> {
    /// What must hold for `node` to be `wanted`.
    fn when(&mut self, node: &'n Node, wanted: bool) -> Known {
        match node {
            Node::Literal(CelValue::Bool(value)) if *value != wanted => Some(Vec::new()),
            Node::Literal(_) => None,
            Node::Test(test) => self.when(&test.inner, wanted),
            Node::Not(inner) => self.when(inner, !wanted),
            Node::And(members) if wanted => self.best(members, wanted),
            Node::Or(members) if !wanted => self.best(members, wanted),
            Node::And(members) | Node::Or(members) => self.union(members, wanted),
            Node::Conditional(parts) => {
                let [test, yes, no] = &**parts;
                let on_yes = best_of([self.when(test, true), self.when(yes, wanted)]);
                let on_no = best_of([self.when(test, false), self.when(no, wanted)]);
                join(on_yes, on_no)
            }
            Node::HasField(path) if wanted => Some(vec![predicate(path.name(), FieldTest::Exists)]),
            Node::HasField(_) | Node::HasSelect { .. } => None,
            Node::Field { .. } | Node::Local(_) => {
                let subject = self.subject(node)?;
                if subject.is_member && !wanted {
                    return subject.exists();
                }
                subject.equals(&CelValue::Bool(wanted))
            }
            Node::Macro(each) => self.each(each, wanted),
            _ => self.test(node, wanted).or_else(|| self.read(node)),
        }
    }

    fn best(&mut self, members: &'n [Node], wanted: bool) -> Known {
        let known: Vec<Known> = members.iter().map(|member| self.when(member, wanted)).collect();
        best_of(known)
    }

    fn union(&mut self, members: &'n [Node], wanted: bool) -> Known {
        let mut all = Some(Vec::new());
        for member in members {
            all = join(all, self.when(member, wanted));
        }
        all
    }

    /// `exists`, where one member must pass; a list that is empty passes `all`.
    fn each(&mut self, each: &'n Macro, wanted: bool) -> Known {
        let is_exists = matches!(each.kind, MacroKind::Exists | MacroKind::ExistsOne);
        let is_all = each.kind == MacroKind::All;
        let range = match &each.range {
            Node::Field { path, .. } => Some(path),
            _ => None,
        };
        let fits = is_exists && wanted || is_all && !wanted;
        if !fits || each.filter.is_some() {
            return self.read(&each.range);
        }
        let depth = self.members.len();
        if each.two {
            self.members.push(None);
        }
        self.members.push(range);
        let known = self.when(&each.body, wanted);
        self.members.truncate(depth);
        known.or_else(|| self.read(&each.range))
    }

    /// A single test of a field.
    fn test(&mut self, node: &'n Node, wanted: bool) -> Known {
        match node {
            Node::Binary(operator, operands) => {
                let [left, right] = &**operands;
                match (operator, wanted) {
                    (Operator::Equal, true) | (Operator::NotEqual, false) => match (left, right) {
                        (subject, Node::Literal(literal)) | (Node::Literal(literal), subject) => {
                            self.subject(subject)?.equals(literal)
                        }
                        _ => None,
                    },
                    (Operator::In, true) => match right {
                        Node::Literal(CelValue::List(list)) => self.among(left, list),
                        _ => None,
                    },
                    _ => None,
                }
            }
            Node::Call(function, args) if wanted => {
                let [subject, Node::Literal(CelValue::Text(literal))] = args.as_slice() else {
                    return None;
                };
                let subject = self.subject(subject)?;
                match function {
                    Function::Contains => subject.text(literal, FieldTest::Contains),
                    Function::StartsWith => subject.text(literal, FieldTest::StartsWith),
                    Function::EndsWith => subject.text(literal, FieldTest::EndsWith),
                    _ => None,
                }
            }
            Node::Matches(subject, regex) if wanted => {
                let subject = self.subject(subject)?;
                let literals = pattern::literals(regex.as_str())?;
                let mut predicates = Vec::new();
                for literal in literals {
                    let mut subject = subject.clone();
                    subject.ignore_ascii_case |= literal.ignore_ascii_case;
                    predicates.extend(subject.any(vec![FieldTest::Contains(literal.text)])?);
                }
                Some(predicates)
            }
            Node::InNetwork(subject, network) if wanted => {
                let subject = self.subject(subject).filter(|subject| subject.excluded.is_none())?;
                subject.any(vec![FieldTest::InNetwork(*network)])
            }
            _ => None,
        }
    }

    fn among(&mut self, subject: &'n Node, list: &CelList<'_>) -> Known {
        let subject = self.subject(subject)?;
        if list.len() > limits::CEL_NECESSARY_MAX {
            return subject.exists();
        }
        let mut all = Vec::new();
        for member in list.iter() {
            all.extend(subject.equals(&member)?);
        }
        Some(all)
    }

    /// The field that a test looks at.
    fn subject(&self, node: &'n Node) -> Option<Subject> {
        let plain = |field: String, is_member| Subject {
            field,
            is_member,
            ignore_ascii_case: false,
            excluded: None,
        };
        match node {
            Node::Field { path, .. } => Some(plain(path.name().to_string(), false)),
            Node::Local(slot) => {
                let path = (*self.members.get(*slot)?)?;
                Some(plain(path.name().to_string(), true))
            }
            Node::Select { operand, path } => {
                let Node::Local(slot) = &**operand else { return None };
                let outer = (*self.members.get(*slot)?)?;
                Some(plain(format!("{}.{}", outer.name(), path.name()), false))
            }
            Node::Call(Function::Text(text), args) => {
                let [inner] = args.as_slice() else { return None };
                let excluded: fn(&char) -> bool = match text {
                    TextFunction::LowerAscii => char::is_ascii_uppercase,
                    TextFunction::UpperAscii => char::is_ascii_lowercase,
                    _ => return None,
                };
                let mut subject = self.subject(inner)?;
                // Of two changes the outer one counts, but what the inner one excluded is gone.
                subject.ignore_ascii_case = true;
                subject.excluded = Some(excluded);
                Some(subject)
            }
            _ => None,
        }
    }

    /// A field without which the node has no value at all.
    fn read(&self, node: &'n Node) -> Known {
        match node {
            Node::Field { .. } | Node::Local(_) | Node::Select { .. }
                if self.subject(node).is_some() =>
            {
                self.subject(node)?.exists()
            }
            Node::Test(test) => self.read(&test.inner),
            Node::Select { operand, .. } => self.read(operand),
            Node::Not(inner) | Node::Negate(inner) => self.read(inner),
            Node::Matches(inner, _) | Node::InNetwork(inner, _) => self.read(inner),
            Node::Binary(_, operands) => operands.iter().find_map(|operand| self.read(operand)),
            Node::Call(_, args) => args.iter().find_map(|arg| self.read(arg)),
            Node::List(members) => members.iter().find_map(|member| self.read(member)),
            Node::Macro(each) => self.read(&each.range),
            Node::Conditional(parts) => parts.first().and_then(|test| self.read(test)),
            _ => None,
        }
    }
}

fn predicate(field: &str, test: FieldTest) -> Predicate {
    Predicate { field: field.to_owned(), test, ignore_ascii_case: false }
}

fn join(a: Known, b: Known) -> Known {
    let (mut a, b) = (a?, b?);
    for predicate in b {
        if !a.contains(&predicate) {
            a.push(predicate);
        }
    }
    (a.len() <= limits::CEL_NECESSARY_MAX).then_some(a)
}

/// The alternatives that let the fewest events through, by the look of them.
fn best_of(known: impl IntoIterator<Item = Known>) -> Known {
    known.into_iter().flatten().min_by_key(|predicates| {
        let worst = predicates.iter().map(rank).max().unwrap_or(0);
        (worst, predicates.len())
    })
}

/// How much a predicate lets through: few events first.
fn rank(predicate: &Predicate) -> usize {
    const LENGTH_MAX: usize = 20;
    let by_length = |text: &str| LENGTH_MAX - text.len().min(LENGTH_MAX);
    match &predicate.test {
        FieldTest::Equals(Literal::Text(text)) => by_length(text) / 4,
        FieldTest::Equals(Literal::Int(_)) | FieldTest::InNetwork(_) => 5,
        FieldTest::StartsWith(text) | FieldTest::EndsWith(text) | FieldTest::Contains(text) => {
            6 + by_length(text)
        }
        FieldTest::IsObject => 10,
        FieldTest::Equals(_) => 50,
        FieldTest::Exists => 100,
    }
}
