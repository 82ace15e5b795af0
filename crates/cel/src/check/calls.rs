//! The types of operators and functions.

use std::{collections::HashMap, sync::LazyLock};

use cel_parser::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};

use super::Checker;
use crate::{
    error::CelErrorKind,
    functions::{self, DECLARATIONS, Found},
    macros::Macro,
    types::{Overload, Type},
};

impl Checker<'_> {
    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Type {
        if let Some(target) = &call.target {
            return match self.namespaced(target, call) {
                Some(name) => self.namespaced_call(expr, &name, &call.args),
                None => self.member_call(expr, target, call),
            };
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("has", [field]) => {
                self.infer(field);
                Type::Bool
            }
            ("_?._", [operand, field]) => {
                let kind = self.infer(operand);
                let Expr::Literal(LiteralValue::String(field)) = &field.expr else {
                    return Type::Dyn;
                };
                match self.select(expr, &kind, field.inner()) {
                    inner @ Type::Optional(_)
                        if matches!(self.unknowns.resolve(&kind, false), Type::Optional(_)) =>
                    {
                        inner
                    }
                    inner => Type::Optional(Box::new(inner)),
                }
            }
            (name, args) => self.function(expr, name, None, args),
        }
    }

    pub(super) fn infer_all(&mut self, target: Option<&IdedExpr>, args: &[IdedExpr]) -> Vec<Type> {
        target.into_iter().chain(args).map(|arg| self.infer(arg)).collect()
    }

    pub(super) fn function(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        target: Option<&IdedExpr>,
        args: &[IdedExpr],
    ) -> Type {
        let values = self.infer_all(target, args);
        let known = self.declarations.macros.as_deref().and_then(|macros| macros.get(name));
        if target.is_none()
            && let Some(known) = known.cloned()
        {
            return self.expansion(expr, &known, args, &values);
        }
        let declared = self.declarations.functions.get(name);
        if let Some(overloads) = declared.or_else(|| OVERLOADS.get(name)) {
            return self.apply(expr, name, target.is_some(), overloads, &values);
        }
        let known = match functions::find(name, target.is_some(), values.len()) {
            Found::Function(_) => return self.variadic(expr, name, &values),
            Found::WrongCall(form) => CelErrorKind::WrongCall { name: name.to_owned(), form },
            Found::Unknown(hint) => CelErrorKind::UnknownFunction { name: name.to_owned(), hint },
        };
        self.report(expr, known);
        Type::Dyn
    }

    /// The type of a macro's value.
    fn expansion(
        &mut self,
        expr: &IdedExpr,
        known: &Macro,
        args: &[IdedExpr],
        values: &[Type],
    ) -> Type {
        if args.len() != known.parameters.len() {
            let message = format!("the macro takes {} values", known.parameters.len());
            let help = format!("write `{}`", known.usage);
            self.report(expr, CelErrorKind::Macro { message, help });
        }
        for ((arg, value), (name, wanted)) in args.iter().zip(values).zip(&known.parameters) {
            self.want(arg, value, wanted, &format!("`{name}`"));
        }
        known.result.clone()
    }

    /// The result of the overloads that fit; `dyn` if they differ.
    fn apply(
        &mut self,
        expr: &IdedExpr,
        name: &str,
        is_member: bool,
        overloads: &[Overload],
        values: &[Type],
    ) -> Type {
        let formed = overloads
            .iter()
            .filter(|known| known.is_member == is_member && known.parameters.len() == values.len());
        let mut result = None;
        let mut is_formed = false;
        for overload in formed {
            is_formed = true;
            let first = self.unknowns.reserve(overload.variables);
            let parameters: Vec<Type> =
                overload.parameters.iter().map(|kind| renumbered(kind, first)).collect();
            if !self.unknowns.fit_all(values, &parameters) {
                continue;
            }
            let found = self.unknowns.resolve(&renumbered(&overload.result, first), false);
            result = Some(match result {
                None => found,
                Some(before) if before == found => before,
                Some(_) => Type::Dyn,
            });
        }
        if let Some(result) = result {
            return result;
        }
        let problem = match functions::find(name, is_member, values.len()) {
            Found::WrongCall(form) if !is_formed => {
                CelErrorKind::WrongCall { name: name.to_owned(), form }
            }
            _ => self.no_overload(name, is_member, overloads, values),
        };
        self.report(expr, problem);
        Type::Dyn
    }

    fn no_overload(
        &self,
        name: &str,
        is_member: bool,
        overloads: &[Overload],
        values: &[Type],
    ) -> CelErrorKind {
        let kinds: Vec<String> =
            values.iter().map(|kind| self.unknowns.resolve(kind, true).to_string()).collect();
        let operator = name.trim_matches('_').replace("@in", "in");
        let (message, help) = match (!functions::is_word(name), kinds.as_slice()) {
            (true, [left, right]) => {
                (format!("`{operator}` can't join {left} and {right}"), remedy(left, right))
            }
            (true, [operand]) => (format!("`{operator}` can't be applied to {operand}"), None),
            (_, [target, args @ ..]) if is_member => {
                (format!("`{name}` can't be called on {target} with ({})", args.join(", ")), None)
            }
            (_, kinds) => (format!("`{name}` can't be called with ({})", kinds.join(", ")), None),
        };
        let help = help.unwrap_or_else(|| {
            let forms =
                overloads.iter().filter(|known| known.is_member == is_member).map(|known| {
                    let kinds: Vec<String> = known.parameters.iter().map(Type::to_string).collect();
                    format!("({})", kinds.join(", "))
                });
            let forms: Vec<String> = forms.take(6).collect();
            format!("give it {}", forms.join(" or "))
        });
        CelErrorKind::Types { message, help }
    }

    /// `math.greatest` and `math.least`: any numbers, or one list of them.
    fn variadic(&mut self, expr: &IdedExpr, name: &str, values: &[Type]) -> Type {
        let members: Vec<Type> = match values {
            [Type::List(member)] => vec![(**member).clone()],
            values => values.to_vec(),
        };
        let mut joined: Option<Type> = None;
        for member in members {
            let member = self.unknowns.resolve(&member, false);
            match member {
                Type::Int | Type::Uint | Type::Double | Type::Dyn | Type::Variable(_) => {}
                other => {
                    let message = format!("`{name}` can't compare a value of type {other}");
                    let help = "give it numbers".to_owned();
                    self.report(expr, CelErrorKind::Types { message, help });
                    return Type::Dyn;
                }
            }
            joined = match joined {
                None => Some(member),
                Some(before) if before == member => Some(before),
                Some(_) => Some(Type::Dyn),
            };
        }
        joined.unwrap_or(Type::Dyn)
    }
}

/// What helps where two types don't go together.
fn remedy(left: &str, right: &str) -> Option<String> {
    let is_number = |kind| matches!(kind, "int" | "uint" | "double");
    match (left, right) {
        (a, b) if is_number(a) && is_number(b) => Some(format!("convert one: `{a}(…)`")),
        ("string", b) if is_number(b) => Some(format!("convert the text: `{b}(…)`")),
        (a, "string") if is_number(a) => Some(format!("convert the text: `{a}(…)`")),
        _ => None,
    }
}

fn renumbered(kind: &Type, first: usize) -> Type {
    match kind {
        Type::Variable(number) => Type::Variable(first + number),
        kind => kind.with_parts(&mut |part| renumbered(part, first)),
    }
}

const COMPARED: [&str; 14] = [
    "(bool, bool) -> bool",
    "(int, int) -> bool",
    "(uint, uint) -> bool",
    "(double, double) -> bool",
    "(int, uint) -> bool",
    "(int, double) -> bool",
    "(uint, int) -> bool",
    "(uint, double) -> bool",
    "(double, int) -> bool",
    "(double, uint) -> bool",
    "(string, string) -> bool",
    "(bytes, bytes) -> bool",
    "(timestamp, timestamp) -> bool",
    "(duration, duration) -> bool",
];
/// Numbers are equal by value, whatever their types.
const EQUAL: [&str; 7] = [
    "(A, A) -> bool",
    "(int, uint) -> bool",
    "(int, double) -> bool",
    "(uint, int) -> bool",
    "(uint, double) -> bool",
    "(double, int) -> bool",
    "(double, uint) -> bool",
];
const NUMBERS: [&str; 3] =
    ["(int, int) -> int", "(uint, uint) -> uint", "(double, double) -> double"];

/// The overloads of every function and operator, read once.
static OVERLOADS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut all: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    let mut add = |name, texts: &[&str]| {
        all.entry(name).or_default().extend(texts.iter().filter_map(|text| Overload::parse(text)));
    };
    for declaration in DECLARATIONS.iter().filter(|known| !known.is_variadic()) {
        add(declaration.name, declaration.overloads);
    }
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        add(name, &COMPARED);
    }
    add("_==_", &EQUAL);
    add("_!=_", &EQUAL);
    for name in ["_+_", "_-_", "_*_", "_/_"] {
        add(name, &NUMBERS);
    }
    add("_%_", &["(int, int) -> int", "(uint, uint) -> uint"]);
    add(
        "_+_",
        &[
            "(string, string) -> string",
            "(bytes, bytes) -> bytes",
            "(list(A), list(A)) -> list(A)",
            "(timestamp, duration) -> timestamp",
            "(duration, timestamp) -> timestamp",
            "(duration, duration) -> duration",
        ],
    );
    add(
        "_-_",
        &[
            "(timestamp, timestamp) -> duration",
            "(timestamp, duration) -> timestamp",
            "(duration, duration) -> duration",
        ],
    );
    add("-_", &["(int) -> int", "(double) -> double", "(duration) -> duration"]);
    add("!_", &["(bool) -> bool"]);
    add("_&&_", &["(bool, bool) -> bool"]);
    add("_||_", &["(bool, bool) -> bool"]);
    add("_?_:_", &["(bool, A, A) -> A"]);
    add("@in", &["(A, list(A)) -> bool", "(A, map(A, B)) -> bool"]);
    add(
        "_[_]",
        &[
            "(list(A), int) -> A",
            "(map(A, B), A) -> B",
            "(optional(list(A)), int) -> optional(A)",
            "(optional(map(A, B)), A) -> optional(B)",
        ],
    );
    add(
        "_[?_]",
        &[
            "(list(A), int) -> optional(A)",
            "(map(A, B), A) -> optional(B)",
            "(optional(list(A)), int) -> optional(A)",
            "(optional(map(A, B)), A) -> optional(B)",
        ],
    );
    all
});
