//! Evaluates a compiled expression by walking it, borrowing from the event.
//!
//! Every step is counted, so that no expression runs away, whatever the event contains.

mod arithmetic;
mod call;
pub(crate) mod convert;
mod each;
mod lookup;
mod optional;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use base::{Event, Object, Reason, Value, limits};
use regex::Regex;

use crate::{
    error::EvalError,
    lookup::Lookups,
    node::{Node, Operator, Test},
    path::Path,
    steps::Steps,
    value::{CelList, CelMap, CelValue},
};

/// Regular expressions that expressions computed, by their text.
pub(crate) type RegexCache = Mutex<HashMap<String, Regex>>;

/// Where names are looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Root<'a> {
    Event(&'a Event<'a>),
    Bindings(&'a Object<'a>),
    Values(&'a [(CelValue<'a>, CelValue<'a>)]),
}

impl<'a> Root<'a> {
    fn find(self, path: &Path) -> Option<CelValue<'a>> {
        match self {
            Self::Event(event) => path.in_event(event).map(CelValue::of),
            Self::Bindings(object) => path.in_object(object).map(CelValue::of),
            Self::Values(entries) => path.in_entries(entries),
        }
    }

    /// A field's value as the event holds it.
    fn held(self, path: &Path) -> Option<&'a Value<'a>> {
        match self {
            Self::Event(event) => path.in_event(event),
            Self::Bindings(object) => path.in_object(object),
            Self::Values(_) => None,
        }
    }
}

/// One evaluation.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    root: Root<'a>,
    regexes: &'a RegexCache,
    lookups: Option<&'a dyn Lookups>,
    steps: Steps,
    /// The variables of the macros being evaluated, outermost first.
    locals: Vec<CelValue<'a>>,
    /// Why the values of some of these could not be computed, by their places.
    failures: Vec<(usize, EvalError)>,
    /// The tests that held, if they are asked for.
    reasons: Option<Vec<Reason>>,
    /// Whether an odd number of `!` is around the place of evaluation.
    negated: bool,
}

type Evaluated<'a> = Result<CelValue<'a>, EvalError>;

impl<'a> Evaluation<'a> {
    pub(crate) fn new(
        root: Root<'a>,
        regexes: &'a RegexCache,
        lookups: Option<&'a dyn Lookups>,
    ) -> Self {
        let steps = Steps::new(limits::CEL_STEPS_MAX);
        Self {
            root,
            regexes,
            lookups,
            steps,
            locals: Vec::new(),
            failures: Vec::new(),
            reasons: None,
            negated: false,
        }
    }

    /// Goes on with the steps that another evaluation left, inside its macros.
    pub(crate) fn resuming(mut self, steps: Steps, locals: Vec<CelValue<'a>>) -> Self {
        self.steps = steps;
        self.locals = locals;
        self
    }

    /// The steps that are left.
    pub(crate) fn into_steps(self) -> Steps {
        self.steps
    }

    /// Records the tests that hold.
    pub(crate) fn recording(mut self) -> Self {
        self.reasons = Some(Vec::new());
        self
    }

    pub(crate) fn into_reasons(self) -> Vec<Reason> {
        self.reasons.unwrap_or_default()
    }

    pub(crate) fn eval(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.steps.take(1)?;
        match node {
            Node::Literal(value) => Ok(value.reborrow()),
            Node::Local(slot) => Ok(self.locals.get(*slot).cloned().unwrap_or(CelValue::Null)),
            Node::Slot(slot) => match self.failures.iter().find(|(failed, _)| failed == slot) {
                Some((_, error)) => Err(error.clone()),
                None => Ok(self.locals.get(*slot).cloned().unwrap_or(CelValue::Null)),
            },
            Node::Bind { values, body } => self.bind(values, body),
            Node::Field { path, denotes } => match (self.root.find(path), denotes, self.root) {
                (Some(value), _, _) => Ok(value),
                (None, Some(kind), Root::Bindings(_) | Root::Values(_)) => {
                    Ok(CelValue::Type(*kind))
                }
                _ => Err(EvalError::NoSuchField { field: Arc::clone(path.name()) }),
            },
            Node::Qualified(nodes, last) => {
                let mut paths = nodes.iter().filter_map(|path| self.root.find(path));
                paths.next().map_or_else(|| self.eval(last), Ok)
            }
            Node::FieldOrType(path, kind) => {
                Ok(self.root.find(path).unwrap_or(CelValue::Type(*kind)))
            }
            Node::Select { operand, path } => {
                let operand = self.eval(operand)?;
                self.select(operand, path)
            }
            Node::HasField(path) => Ok(CelValue::Bool(self.root.find(path).is_some())),
            Node::HasSelect { operand, path } => self.has(operand, path),
            Node::And(members) => self.decide(members, false),
            Node::Or(members) => self.decide(members, true),
            Node::Not(operand) => {
                self.negated = !self.negated;
                let value = self.eval(operand);
                self.negated = !self.negated;
                Ok(CelValue::Bool(!truth(&value?, "!")?))
            }
            Node::Negate(operand) => arithmetic::negate(&self.eval(operand)?),
            Node::Conditional(parts) => self.conditional(parts),
            Node::Binary(operator, operands) => self.binary(*operator, operands),
            Node::List(members) => {
                let members: Result<Vec<_>, _> =
                    members.iter().map(|member| self.eval(member)).collect();
                Ok(CelValue::List(CelList::Built(Arc::new(members?))))
            }
            Node::OptionalList(members) => self.optional_list(members),
            Node::Map(entries) => self.map(entries),
            Node::OptionalMap(entries) => self.optional_map(entries),
            Node::OptionalSelect { operand, path } => self.optional_select(operand, path),
            Node::OptionalIndex(operands) => self.optional_index(operands),
            Node::OptionalBind { operand, body, is_flat } => {
                self.optional_bind(operand, body, *is_flat)
            }
            Node::Call(function, args) => self.call(*function, args),
            Node::Matches(text, regex) => {
                let text = self.eval(text)?;
                self.matches(&text, regex)
            }
            Node::InNetwork(ip, network) => match self.eval(ip)? {
                CelValue::Text(ip) => Ok(CelValue::Bool(network.contains(&ip))),
                CelValue::Ip(ip) => Ok(CelValue::Bool(network.holds(ip))),
                other => Err(EvalError::overload("net.inCidr", &[other.kind()])),
            },
            Node::Macro(each) => self.each(each),
            Node::Test(test) => self.test(test),
            Node::Unknown(name) => Err(EvalError::UnknownFunction(Arc::clone(name))),
        }
    }

    fn test(&mut self, test: &'a Test) -> Evaluated<'a> {
        let value = self.eval(&test.inner)?;
        if self.reasons.is_some()
            && let CelValue::Bool(held) = value
            && held != self.negated
        {
            self.record(test);
        }
        Ok(value)
    }

    fn record(&mut self, test: &Test) {
        let text = match (self.negated, test.text.as_str()) {
            (false, text) => text.to_owned(),
            (true, "is true") => "is false".to_owned(),
            (true, "exists") => "is absent".to_owned(),
            (true, text) => format!("not {text}"),
        };
        let Some(reasons) = &mut self.reasons else { return };
        for path in &test.paths {
            if reasons.len() >= limits::MATCH_REASONS_MAX {
                return;
            }
            let value = self.root.held(path).map(|value| value.display().unwrap_or("null".into()));
            let value = value.unwrap_or_default();
            reasons.push(Reason {
                field: path.name().to_string().into(),
                test: text.as_str().into(),
                value: value.chars().take(limits::REASON_VALUE_CHARS_MAX).collect(),
            });
        }
    }

    /// `&&` and `||`: the first member whose value is `deciding` decides, errors of the others
    /// notwithstanding.
    fn decide(&mut self, members: &'a [Node], deciding: bool) -> Evaluated<'a> {
        let operation = if deciding { "||" } else { "&&" };
        let mut failed = None;
        for member in members {
            match self.eval(member).and_then(|value| truth(&value, operation)) {
                Ok(value) if value == deciding => return Ok(CelValue::Bool(deciding)),
                Ok(_) => {}
                Err(EvalError::TooManySteps) => return Err(EvalError::TooManySteps),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(CelValue::Bool(!deciding)), Err)
    }

    fn conditional(&mut self, [test, yes, no]: &'a [Node; 3]) -> Evaluated<'a> {
        let negated = std::mem::take(&mut self.negated);
        let value = self.eval(test);
        self.negated = negated;
        if truth(&value?, "?:")? { self.eval(yes) } else { self.eval(no) }
    }

    fn select(&mut self, operand: CelValue<'a>, path: &Path) -> Evaluated<'a> {
        match operand {
            CelValue::Map(CelMap::Event(object)) => path.in_object(object).map(CelValue::of),
            CelValue::Map(CelMap::Built(entries)) => {
                self.steps.take_many(entries.len())?;
                path.in_entries(&entries)
            }
            CelValue::Optional(value) => return self.select_in_optional(value.as_deref(), path),
            other => return Err(EvalError::overload("select", &[other.kind()])),
        }
        .ok_or_else(|| EvalError::NoSuchKey(path.name().to_string()))
    }

    fn has(&mut self, operand: &'a Node, path: &Path) -> Evaluated<'a> {
        // Whatever is absent on the way makes the field absent.
        let operand = match self.eval(operand) {
            Err(error) if error.is_absence() => {
                return Ok(CelValue::Bool(false));
            }
            other => other?,
        };
        if !matches!(operand, CelValue::Map(_) | CelValue::Optional(_)) {
            return Err(EvalError::overload("has", &[operand.kind()]));
        }
        let is_optional = matches!(operand, CelValue::Optional(_));
        match self.select(operand, path) {
            Ok(CelValue::Optional(value)) if is_optional => Ok(CelValue::Bool(value.is_some())),
            Ok(_) => Ok(CelValue::Bool(true)),
            Err(EvalError::TooManySteps) => Err(EvalError::TooManySteps),
            Err(_) => Ok(CelValue::Bool(false)),
        }
    }

    fn binary(&mut self, operator: Operator, [left, right]: &'a [Node; 2]) -> Evaluated<'a> {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        match operator {
            Operator::Equal => Ok(CelValue::Bool(left.equals(&right, &mut self.steps)?)),
            Operator::NotEqual => Ok(CelValue::Bool(!left.equals(&right, &mut self.steps)?)),
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => self.compare(operator, &left, &right),
            Operator::In => self.contains(&left, &right),
            Operator::Index => self.index(&left, &right),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo => arithmetic::apply(operator, left, right, &mut self.steps),
        }
    }

    fn compare(
        &mut self,
        operator: Operator,
        left: &CelValue<'a>,
        right: &CelValue<'a>,
    ) -> Evaluated<'a> {
        if let (CelValue::Text(left), CelValue::Text(right)) = (left, right) {
            self.steps.take_bytes(left.len().min(right.len()))?;
        }
        let Some(order) = left.order(right) else {
            // Nothing is less or greater than a NaN.
            return if left.is_number() && right.is_number() {
                Ok(CelValue::Bool(false))
            } else {
                Err(EvalError::overload("compare", &[left.kind(), right.kind()]))
            };
        };
        Ok(CelValue::Bool(match operator {
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => order.is_le(),
            Operator::Greater => order.is_gt(),
            _ => order.is_ge(),
        }))
    }

    /// `member in container`.
    fn contains(&mut self, member: &CelValue<'a>, container: &CelValue<'a>) -> Evaluated<'a> {
        match container {
            CelValue::List(list) => {
                for other in list.iter() {
                    self.steps.take(1)?;
                    if member.equals(&other, &mut self.steps)? {
                        return Ok(CelValue::Bool(true));
                    }
                }
                Ok(CelValue::Bool(false))
            }
            CelValue::Map(map) => Ok(CelValue::Bool(map.find(member, &mut self.steps)?.is_some())),
            other => Err(EvalError::overload("in", &[member.kind(), other.kind()])),
        }
    }

    fn index(&mut self, container: &CelValue<'a>, index: &CelValue<'a>) -> Evaluated<'a> {
        match container {
            CelValue::Optional(None) => Ok(CelValue::Optional(None)),
            CelValue::Optional(Some(inner)) => self.index_or_none(inner, index),
            CelValue::Map(map) => match map.find(index, &mut self.steps)? {
                Some(value) => Ok(value),
                None => Err(EvalError::NoSuchKey(convert::display(index))),
            },
            CelValue::List(list) => {
                let at = match index {
                    CelValue::Int(at) => usize::try_from(*at).ok(),
                    CelValue::Uint(at) => usize::try_from(*at).ok(),
                    CelValue::Double(at) => convert::whole(*at).and_then(|at| at.try_into().ok()),
                    other => {
                        let types = [container.kind(), other.kind()];
                        return Err(EvalError::overload("[]", &types));
                    }
                };
                at.and_then(|at| list.get(at)).ok_or_else(|| EvalError::OutOfRange {
                    index: convert::display(index),
                    size: list.len(),
                })
            }
            other => Err(EvalError::overload("[]", &[other.kind(), index.kind()])),
        }
    }

    /// Evaluates `body` with further variables. A value that can't be computed is an error only
    /// where it is used.
    fn bind(&mut self, values: &'a [Node], body: &'a Node) -> Evaluated<'a> {
        let depth = self.locals.len();
        let failures = self.failures.len();
        for value in values {
            let value = match self.eval(value) {
                Ok(value) => value,
                Err(EvalError::TooManySteps) => return Err(EvalError::TooManySteps),
                Err(error) => {
                    self.failures.push((self.locals.len(), error));
                    CelValue::Null
                }
            };
            self.locals.push(value);
        }
        let value = self.eval(body);
        self.locals.truncate(depth);
        self.failures.truncate(failures);
        value
    }

    fn map(&mut self, entries: &'a [[Node; 2]]) -> Evaluated<'a> {
        let mut built = Vec::with_capacity(entries.len());
        for [key, value] in entries {
            let key = self.eval(key)?;
            let value = self.eval(value)?;
            self.add_entry(&mut built, key, value)?;
        }
        Ok(CelValue::Map(CelMap::Built(Arc::new(built))))
    }

    fn add_entry(
        &mut self,
        built: &mut Vec<(CelValue<'a>, CelValue<'a>)>,
        key: CelValue<'a>,
        value: CelValue<'a>,
    ) -> Result<(), EvalError> {
        if !matches!(
            key,
            CelValue::Bool(_) | CelValue::Int(_) | CelValue::Uint(_) | CelValue::Text(_)
        ) {
            return Err(EvalError::MapKey("unsupported key type in a map"));
        }
        for (known, _) in built.iter() {
            self.steps.take(1)?;
            if known.equals(&key, &mut self.steps)? {
                return Err(EvalError::MapKey("repeated key in a map"));
            }
        }
        built.push((key, value));
        Ok(())
    }
}

/// The truth value that `operation` needs.
fn truth(value: &CelValue<'_>, operation: &'static str) -> Result<bool, EvalError> {
    match value {
        CelValue::Bool(value) => Ok(*value),
        other => Err(EvalError::overload(operation, &[other.kind()])),
    }
}
