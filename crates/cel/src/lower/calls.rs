//! Operators, macros and functions.

use std::sync::Arc;

use cel_parser::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use regex::Regex;

use super::{Local, Lowering, split};
use crate::{
    error::{CelError, CelErrorKind},
    functions::{self, Found, Function, LookupFunction, OptionalFunction},
    lookup::Lookups,
    net::{self, Network},
    node::{Macro, MacroKind, Node, Operator},
    path::Path,
    time::{CelDuration, CelTimestamp},
    value::{CelType, CelValue},
};

impl Lowering<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Result<Node, CelError> {
        if let Some(target) = &call.target {
            return match self.namespaced(target, call) {
                Some(name) => self.namespaced_call(expr, &name, &call.args),
                None => self.member_call(expr, target, call),
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
            ("_?._", [operand, field]) => match &field.expr {
                Expr::Literal(LiteralValue::String(field)) => {
                    self.optional_select(operand, field.inner())
                }
                _ => Err(self.error(expr, CelErrorKind::syntax("a field's name is missing"))),
            },
            ("_[?_]", [operand, index]) => {
                Ok(Node::OptionalIndex(Box::new([self.lower(operand)?, self.lower(index)?])))
            }
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
            (Expr::Ident(name), parts) if self.local(name).is_none() && self.is_alias(name) => {
                match self.aliased_field(name, parts) {
                    Some(path) => Ok(Node::HasField(path)),
                    None if parts.is_empty() => Err(self.wrong_call(expr, "has", "has(field)")),
                    None => {
                        let operand = Box::new(self.lower(base)?);
                        Ok(Node::HasSelect { operand, path: Path::new(parts) })
                    }
                }
            }
            (Expr::Ident(name), parts) if self.local(name).is_none() => {
                Ok(Node::HasField(self.field(name, parts)))
            }
            (Expr::Call(call), []) if call.func_name == "_?._" => {
                // `has(a.?b)` asks the same as `a.?b.hasValue()`.
                let operand = self.lower(field)?;
                Ok(Node::Call(Function::Optional(OptionalFunction::HasValue), vec![operand]))
            }
            (_, []) => Err(self.wrong_call(expr, "has", "has(field)")),
            (_, parts) => {
                let path = Path::new(parts);
                Ok(Node::HasSelect { operand: Box::new(self.lower(base)?), path })
            }
        }
    }

    /// The full name of a function or macro in a namespace, if this is a call of one.
    fn namespaced(&self, target: &IdedExpr, call: &CallExpr) -> Option<String> {
        functions::namespaced(target, call, &|name| {
            self.local(name).is_some() || self.is_alias(name)
        })
    }

    fn namespaced_call(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        args: &[IdedExpr],
    ) -> Result<Node, CelError> {
        match (name, args) {
            ("cel.bind", [variable, value, body]) => {
                let name = self.variable_name(variable)?;
                self.bind([(name, value)], body)
            }
            ("cel.block", [values, body]) => {
                let Expr::List(list) = &values.expr else {
                    return Err(self.wrong_call(expr, name, "cel.block([values], expression)"));
                };
                let named = list.elements.iter().enumerate();
                self.bind(named.map(|(at, value)| (format!("@index{at}"), value)), body)
            }
            ("cel.index", [_]) | ("cel.iterVar" | "cel.accuVar", [_, _]) => {
                let variable =
                    functions::internal_name(name, args).and_then(|name| self.variable(&name));
                variable.ok_or_else(|| self.wrong_call(expr, name, "cel.index(0)"))
            }
            _ => self.function(expr, name, None, args),
        }
    }

    /// Compiles `body` with names bound to values, each of which may use those before it.
    fn bind<'e>(
        &mut self,
        named: impl IntoIterator<Item = (String, &'e IdedExpr)>,
        body: &IdedExpr,
    ) -> Result<Node, CelError> {
        let depth = self.locals.len();
        let mut values = Vec::new();
        for (name, value) in named {
            let value = self.lower(value);
            if value.is_err() {
                self.locals.truncate(depth);
            }
            values.push(value?);
            self.locals.push(Local { name, is_slot: true });
        }
        let body = self.lower(body);
        self.locals.truncate(depth);
        Ok(Node::Bind { values, body: Box::new(body?) })
    }

    fn optional_bind(
        &mut self,
        operand: &IdedExpr,
        variable: &IdedExpr,
        body: &IdedExpr,
        is_flat: bool,
    ) -> Result<Node, CelError> {
        let operand = Box::new(self.lower(operand)?);
        let name = self.variable_name(variable)?;
        self.locals.push(Local { name, is_slot: false });
        let body = self.lower(body);
        self.locals.pop();
        Ok(Node::OptionalBind { operand, body: Box::new(body?), is_flat })
    }

    /// The name of a macro's variable.
    fn variable_name(&self, variable: &IdedExpr) -> Result<String, CelError> {
        if let Expr::Ident(name) = &variable.expr
            && !name.starts_with('.')
        {
            return Ok(name.clone());
        }
        if let Expr::Call(call) = &variable.expr
            && let Some(target) = &call.target
            && let Some(name) = self.namespaced(target, call)
            && let Some(name) = functions::internal_name(&name, &call.args)
        {
            return Ok(name);
        }
        let kind = CelErrorKind::Unsupported {
            what: "an expression instead of a variable",
            help: "write a plain name as the variable, such as `x`",
        };
        Err(self.error(variable, kind))
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
            name @ "transformMapEntry" => (MacroKind::MapEntry, name),
            name @ "sortBy" => (MacroKind::SortBy, name),
            name @ ("optMap" | "optFlatMap") => {
                let [variable, body] = call.args.as_slice() else {
                    return Err(self.wrong_call(expr, name, "optional.optMap(x, value)"));
                };
                return self.optional_bind(target, variable, body, name == "optFlatMap");
            }
            name => return self.function(expr, name, Some(target), &call.args),
        };
        match (name, call.args.as_slice()) {
            ("all" | "exists" | "exists_one" | "existsOne", [first, body])
            | ("map" | "sortBy", [first, body]) => {
                self.each(kind, target, [first, first], None, body)
            }
            ("map", [first, filter, body]) => {
                self.each(kind, target, [first, first], Some(filter), body)
            }
            ("filter", [first, filter]) => {
                self.each(kind, target, [first, first], Some(filter), first)
            }
            ("all" | "exists" | "exists_one" | "existsOne", [first, second, body])
            | ("transformList" | "transformMap" | "transformMapEntry", [first, second, body]) => {
                self.each(kind, target, [first, second], None, body)
            }
            (
                "transformList" | "transformMap" | "transformMapEntry",
                [first, second, filter, body],
            ) => self.each(kind, target, [first, second], Some(filter), body),
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
            let name = self.variable_name(variable).inspect_err(|_| ());
            let Ok(name) = name else {
                self.locals.truncate(depth);
                return name.map(|_| Node::Literal(CelValue::Null));
            };
            self.locals.push(Local { name, is_slot: false });
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
        if target.is_none()
            && let Some(known) = self.options.macros.and_then(|macros| macros.get(name))
        {
            return self.expand(expr, known, args);
        }
        let count = args.len() + usize::from(target.is_some());
        let function = match functions::find(name, target.is_some(), count) {
            Found::Function(function) => function,
            Found::WrongCall(_) | Found::Unknown(_) if !self.options.is_checked => {
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
        if let Function::Lookup(lookup) = function {
            self.check_table(expr, lookup, lowered.first())?;
        }
        self.prepare(expr, function, lowered)
    }

    /// Sees to it that the table that a call asks exists.
    fn check_table(
        &self,
        expr: &IdedExpr,
        function: LookupFunction,
        first: Option<&Node>,
    ) -> Result<(), CelError> {
        let (table, wanted) = match (function, first) {
            (LookupFunction::Column { table, column, .. }, _) => (table, Some(column)),
            (_, Some(Node::Literal(CelValue::Text(table)))) => (table.as_ref(), None),
            _ => return Err(self.wrong_call(expr, "lookup", "lookup(\"table\", key)")),
        };
        let known = self.options.lookups.map_or_else(Vec::new, Lookups::names);
        let Some(columns) = self.options.lookups.and_then(|lookups| lookups.columns(table)) else {
            let what = format!("there is no lookup table `{table}`");
            let help = match functions::nearest(table, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("declare `{table}` under `lookups`"),
            };
            return Err(self.error(expr, CelErrorKind::Lookup { what, help }));
        };
        match wanted {
            Some(column) if !columns.iter().any(|known| known == column) => {
                let what = format!("the lookup table `{table}` has no column `{column}`");
                let help = format!("name the column that holds it: `columns: {{{column}: …}}`");
                Err(self.error(expr, CelErrorKind::Lookup { what, help }))
            }
            _ => Ok(()),
        }
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
            Function::To(CelType::Cidr) => Network::parse_strictly(text)
                .map(|network| Node::Literal(CelValue::Cidr(network)))
                .map_err(|reason| invalid("the network", reason)),
            Function::To(CelType::Ip) => net::parse_ip(text)
                .map(|address| Node::Literal(CelValue::Ip(address)))
                .map_err(|reason| invalid("the address", reason)),
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
