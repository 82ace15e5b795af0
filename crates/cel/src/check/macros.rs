//! The types of macros.

use cel_parser::common::ast::{CallExpr, Expr, IdedExpr};

use super::Checker;
use crate::{
    error::CelErrorKind,
    functions::{self, MACROS},
    types::Type,
};

impl Checker<'_> {
    pub(super) fn member_call(
        &mut self,
        expr: &IdedExpr,
        target: &IdedExpr,
        call: &CallExpr,
    ) -> Type {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            ("optMap" | "optFlatMap", [variable, body]) => {
                let kind = self.infer(target);
                let inner = self.unwrap(target, &kind);
                let body = self.inside(&[(variable, inner)], body);
                if name == "optMap" { Type::Optional(Box::new(body)) } else { body }
            }
            ("all" | "exists" | "exists_one" | "existsOne", [first, test]) => {
                let one = self.members(target).0;
                self.test(&[(first, one)], test);
                Type::Bool
            }
            ("all" | "exists" | "exists_one" | "existsOne", [first, second, test]) => {
                let two = self.members(target).1;
                self.test(&[(first, two.0), (second, two.1)], test);
                Type::Bool
            }
            ("filter", [first, test]) => {
                let one = self.members(target).0;
                self.test(&[(first, one.clone())], test);
                Type::list(one)
            }
            ("map", [first, body]) => {
                let one = self.members(target).0;
                Type::list(self.inside(&[(first, one)], body))
            }
            ("map", [first, test, body]) => {
                let one = self.members(target).0;
                self.test(&[(first, one.clone())], test);
                Type::list(self.inside(&[(first, one)], body))
            }
            ("sortBy", [first, key]) => {
                let one = self.members(target).0;
                self.inside(&[(first, one.clone())], key);
                Type::list(one)
            }
            (
                "transformList" | "transformMap" | "transformMapEntry",
                [first, second, rest @ .., body],
            ) if rest.len() < 2 => self.transform(name, target, [first, second], rest, body),
            _ if MACROS.iter().any(|(known, _)| *known == name) => {
                self.infer(target);
                let usage = MACROS.iter().find(|(known, _)| *known == name);
                let form = usage.map_or("", |(_, usage)| usage);
                self.report(expr, CelErrorKind::WrongCall { name: name.to_owned(), form });
                Type::Dyn
            }
            (_, args) => self.function(expr, name, Some(target), args),
        }
    }

    fn transform(
        &mut self,
        name: &str,
        target: &IdedExpr,
        [first, second]: [&IdedExpr; 2],
        filter: &[IdedExpr],
        body: &IdedExpr,
    ) -> Type {
        let (key, value) = self.members(target).1;
        let bound = [(first, key.clone()), (second, value)];
        for test in filter {
            self.test(&bound, test);
        }
        let result = self.inside(&bound, body);
        match name {
            "transformList" => Type::list(result),
            "transformMap" => Type::map(key, result),
            _ => {
                let entry = Type::map(self.unknowns.fresh(), self.unknowns.fresh());
                self.want(body, &result, &entry, "the last argument of `transformMapEntry`");
                entry
            }
        }
    }

    /// What the variables of a macro over `target` stand for: a single one, or a pair.
    fn members(&mut self, target: &IdedExpr) -> (Type, (Type, Type)) {
        let kind = self.infer(target);
        match self.unknowns.resolve(&kind, false) {
            Type::List(member) => ((*member).clone(), (Type::Int, *member)),
            Type::Map(key, value) => ((*key).clone(), (*key, *value)),
            Type::Dyn => (Type::Dyn, (Type::Dyn, Type::Dyn)),
            Type::Variable(_) => {
                let member = self.unknowns.fresh();
                self.unknowns.fits(&kind, &Type::list(member.clone()));
                (member.clone(), (Type::Int, member))
            }
            other => {
                let message = format!("a value of type {other} has no members to go through");
                let help = "use the macro on a list or a map".to_owned();
                self.report(target, CelErrorKind::Types { message, help });
                (Type::Dyn, (Type::Dyn, Type::Dyn))
            }
        }
    }

    /// The type of a body with names bound.
    fn inside(&mut self, bound: &[(&IdedExpr, Type)], body: &IdedExpr) -> Type {
        let depth = self.scope.len();
        for (variable, kind) in bound {
            if let Some(name) = self.variable_name(variable) {
                self.scope.push((name, kind.clone()));
            } else {
                let problem = CelErrorKind::Unsupported {
                    what: "an expression instead of a variable",
                    help: "write a plain name as the variable, such as `x`",
                };
                self.report(variable, problem);
            }
        }
        let kind = self.infer(body);
        self.scope.truncate(depth);
        kind
    }

    /// A body that must be boolean.
    fn test(&mut self, bound: &[(&IdedExpr, Type)], test: &IdedExpr) {
        let kind = self.inside(bound, test);
        self.want(test, &kind, &Type::Bool, "the test");
    }

    fn variable_name(&self, variable: &IdedExpr) -> Option<String> {
        match &variable.expr {
            Expr::Ident(name) => Some(name.clone()),
            Expr::Call(call) => {
                let name = self.namespaced(call.target.as_ref()?, call)?;
                functions::internal_name(&name, &call.args)
            }
            _ => None,
        }
    }

    pub(super) fn namespaced_call(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        args: &[IdedExpr],
    ) -> Type {
        match (name, args) {
            ("cel.bind", [variable, value, body]) => {
                let kind = self.infer(value);
                self.inside(&[(variable, kind)], body)
            }
            ("cel.block", [values, body]) => {
                let Expr::List(list) = &values.expr else { return Type::Dyn };
                let depth = self.scope.len();
                for (at, value) in list.elements.iter().enumerate() {
                    let kind = self.infer(value);
                    self.scope.push((format!("@index{at}"), kind));
                }
                let kind = self.infer(body);
                self.scope.truncate(depth);
                kind
            }
            ("cel.index", [_]) | ("cel.iterVar" | "cel.accuVar", [_, _]) => {
                let bound = functions::internal_name(name, args);
                bound.and_then(|name| self.variable(&name)).unwrap_or(Type::Dyn)
            }
            _ => self.function(expr, name, None, args),
        }
    }
}
