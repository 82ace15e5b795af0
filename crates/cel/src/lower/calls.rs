//! Operators, macros and functions.

use std::sync::Arc;

use cel_parser::common::ast::{CallExpr, Expr, IdedExpr};
use regex::Regex;

use super::{Lowering, split};
use crate::{
    error::{CelError, CelErrorKind},
    functions::{self, Found, Function},
    net::Network,
    node::{Macro, MacroKind, Node, Operator},
    path::Path,
    time::{CelDuration, CelTimestamp},
    value::{CelType, CelValue},
};

impl Lowering<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Node, CelError> {
        if let Some(target) = &call.target {
            return match self.namespace(target) {
                Some(namespace) if functions::is_namespace(namespace) => {
                    let name = format!("{namespace}.{}", call.func_name);
                    self.function(expr, &name, None, &call.args)
                }
                _ => self.member_call(expr, target, call),
            };
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_&&_", args) => Ok(Node::And(self.flatten("_&&_", args)?)),
            ("_||_", args) => Ok(Node::Or(self.flatten("_||_", args)?)),
            ("!_", [operand]) => Ok(Node::Not(Box::new(self.condition(operand)?))),
            ("-_", [operand]) => Ok(Node::Negate(Box::new(self.lower(operand)?))),
            ("_?_:_", [test, yes, no]) => Ok(Node::Conditional(Box::new([
                self.condition(test)?,
                self.condition(yes)?,
                self.condition(no)?,
            ]))),
            ("has", [field]) => self.has(expr, field),
            ("type", [value]) => {
                let value = match self.lower(value)? {
                    Node::Field { path, denotes: Some(kind) } => Node::FieldOrType(path, kind),
                    other => other,
                };
                Ok(Node::Call(Function::TypeOf, vec![value]))
            }
            (name, [left, right]) if operator(name).is_some() => self.binary(name, left, right),
            (name, args) => self.function(expr, name, None, args),
        }
    }

    /// The members of a chain of `&&` or of `||`, each a condition.
    fn flatten(&mut self, name: &str, args: &[IdedExpr]) -> Result<Vec<Node>, CelError> {
        let mut members = Vec::new();
        for arg in args {
            match &arg.expr {
                Expr::Call(inner) if inner.target.is_none() && inner.func_name == name => {
                    members.extend(self.flatten(name, &inner.args)?);
                }
                _ => members.push(self.condition(arg)?),
            }
        }
        Ok(members)
    }

    fn binary(&mut self, name: &str, left: &IdedExpr, right: &IdedExpr) -> Result<Node, CelError> {
        let Some(operator) = operator(name) else { return self.lower(left) };
        let compares_types =
            matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In);
        let (left, right) = if compares_types && (is_type_call(left) || is_type_call(right)) {
            (self.lower_type(left)?, self.lower_type(right)?)
        } else {
            (self.lower(left)?, self.lower(right)?)
        };
        Ok(Node::Binary(operator, Box::new([left, right])))
    }

    fn has(&mut self, expr: &IdedExpr, field: &IdedExpr) -> Result<Node, CelError> {
        let (base, parts) = split(field);
        match (&base.expr, parts.as_slice()) {
            (Expr::Ident(name), parts) if self.local(name).is_none() => {
                Ok(Node::HasField(self.field(name, parts)))
            }
            (_, []) => Err(self.wrong_call(expr, "has", "has(field)")),
            (_, parts) => {
                let path = Path::new(parts);
                Ok(Node::HasSelect { operand: Box::new(self.lower(base)?), path })
            }
        }
    }

    /// The name before the dot, if it may be a namespace of functions.
    fn namespace<'e>(&self, target: &'e IdedExpr) -> Option<&'e str> {
        match &target.expr {
            Expr::Ident(name) if self.local(name).is_none() => Some(name),
            _ => None,
        }
    }

    fn member_call(
        &mut self,
        expr: &IdedExpr,
        target: &IdedExpr,
        call: &CallExpr,
    ) -> Result<Node, CelError> {
        let (kind, name) = match call.func_name.as_str() {
            name @ "all" => (MacroKind::All, name),
            name @ "exists" => (MacroKind::Exists, name),
            name @ ("exists_one" | "existsOne") => (MacroKind::ExistsOne, name),
            name @ ("map" | "filter" | "transformList") => (MacroKind::List, name),
            name @ "transformMap" => (MacroKind::Map, name),
            name => return self.function(expr, name, Some(target), &call.args),
        };
        match (name, call.args.as_slice()) {
            ("all" | "exists" | "exists_one" | "existsOne", [first, body])
            | ("map", [first, body]) => self.each(kind, target, [first, first], None, body),
            ("map", [first, filter, body]) => {
                self.each(kind, target, [first, first], Some(filter), body)
            }
            ("filter", [first, filter]) => {
                self.each(kind, target, [first, first], Some(filter), first)
            }
            ("all" | "exists" | "exists_one" | "existsOne", [first, second, body])
            | ("transformList" | "transformMap", [first, second, body]) => {
                self.each(kind, target, [first, second], None, body)
            }
            ("transformList" | "transformMap", [first, second, filter, body]) => {
                self.each(kind, target, [first, second], Some(filter), body)
            }
            _ => {
                let usage = functions::MACROS.iter().find(|(known, _)| *known == name);
                Err(self.wrong_call(expr, name, usage.map_or("", |(_, usage)| usage)))
            }
        }
    }

    /// A macro with one variable (given twice) or two.
    fn each(
        &mut self,
        kind: MacroKind,
        range: &IdedExpr,
        variables: [&IdedExpr; 2],
        filter: Option<&IdedExpr>,
        body: &IdedExpr,
    ) -> Result<Node, CelError> {
        let range = self.lower(range)?;
        let [first, second] = variables;
        let two = !std::ptr::eq(first, second);
        let depth = self.locals.len();
        for variable in variables.into_iter().take(1 + usize::from(two)) {
            let Expr::Ident(name) = &variable.expr else {
                self.locals.truncate(depth);
                let kind = CelErrorKind::Unsupported {
                    what: "an expression instead of a variable",
                    help: "write a plain name as the variable, such as `x`",
                };
                return Err(self.error(variable, kind));
            };
            self.locals.push(name.clone());
        }
        let filter = filter.map(|filter| self.lower(filter)).transpose();
        let body = self.lower(body);
        self.locals.truncate(depth);
        Ok(Node::Macro(Box::new(Macro { kind, range, two, filter: filter?, body: body? })))
    }

    fn function(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Result<Node, CelError> {
        let count = args.len() + usize::from(target.is_some());
        let function = match functions::find(name, target.is_some(), count) {
            Found::Function(function) => function,
            Found::WrongCall(_) | Found::Unknown(_) if !self.checked => {
                return Ok(Node::Unknown(Arc::from(name)));
            }
            Found::WrongCall(form) => return Err(self.wrong_call(expr, name, form)),
            Found::Unknown(hint) => {
                let kind = CelErrorKind::UnknownFunction { name: name.to_owned(), hint };
                return Err(self.error(expr, kind));
            }
        };
        let mut lowered = Vec::with_capacity(count);
        for arg in target.into_iter().chain(args) {
            lowered.push(self.lower(arg)?);
        }
        self.prepare(expr, function, lowered)
    }

    /// Does at once what a call with literal arguments would do for every event.
    fn prepare(
        &self,
        expr: &IdedExpr,
        function: Function,
        mut args: Vec<Node>,
    ) -> Result<Node, CelError> {
        let Some(Node::Literal(CelValue::Text(text))) = args.last() else {
            return Ok(Node::Call(function, args));
        };
        let invalid = |what, reason| {
            self.error(expr, CelErrorKind::Literal { what, text: text.to_string(), reason })
        };
        match function {
            Function::Matches => {
                let regex = Regex::new(text)
                    .map_err(|error| invalid("the regular expression", error.to_string()))?;
                args.pop();
                Ok(args
                    .pop()
                    .map_or(Node::List(args), |value| Node::Matches(Box::new(value), regex)))
            }
            Function::InCidr => {
                let network =
                    Network::parse(text).map_err(|reason| invalid("the network", reason))?;
                args.pop();
                let value = args.pop().map(Box::new);
                Ok(value.map_or(Node::List(args), |value| Node::InNetwork(value, network)))
            }
            Function::To(CelType::Timestamp) => CelTimestamp::parse(text)
                .map(|time| Node::Literal(CelValue::Timestamp(time)))
                .ok_or_else(|| invalid("the timestamp", "it is no RFC 3339 time".to_owned())),
            Function::To(CelType::Duration) => CelDuration::parse(text)
                .map(|span| Node::Literal(CelValue::Duration(span)))
                .ok_or_else(|| {
                    invalid("the duration", "it is no number with a unit, or too large".to_owned())
                }),
            _ => Ok(Node::Call(function, args)),
        }
    }

    fn wrong_call(&self, expr: &IdedExpr, name: &str, form: &'static str) -> CelError {
        self.error(expr, CelErrorKind::WrongCall { name: name.to_owned(), form })
    }
}

/// Whether it is `type(…)`.
fn is_type_call(expr: &IdedExpr) -> bool {
    matches!(&expr.expr, Expr::Call(call) if call.target.is_none() && call.func_name == "type")
}

fn operator(name: &str) -> Option<Operator> {
    Some(match name {
        "_==_" => Operator::Equal,
        "_!=_" => Operator::NotEqual,
        "_<_" => Operator::Less,
        "_<=_" => Operator::LessOrEqual,
        "_>_" => Operator::Greater,
        "_>=_" => Operator::GreaterOrEqual,
        "@in" => Operator::In,
        "_+_" => Operator::Add,
        "_-_" => Operator::Subtract,
        "_*_" => Operator::Multiply,
        "_/_" => Operator::Divide,
        "_%_" => Operator::Modulo,
        "_[_]" => Operator::Index,
        _ => return None,
    })
}
