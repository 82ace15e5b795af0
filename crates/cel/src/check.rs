//! Checks an expression before it meets an event: names, types, and what it may cost.
//!
//! All mistakes are found at once, each with its place. A part with a mistake counts as `dyn`, so
//! that one mistake is not told twice.

mod calls;
mod macros;
mod schema;
mod unify;

use std::{collections::HashMap, sync::Arc};

use cel_parser::common::ast::{
    EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr, SourceInfo,
};

use crate::{
    cost,
    error::{CelError, CelErrorKind},
    functions,
    lower::{self, error_at, split},
    macros::Macros,
    types::{Overload, Type},
    value::CelType,
};

pub(crate) use schema::Known;
pub use schema::Schema;
use unify::Unknowns;

/// What an expression may refer to.
#[derive(Debug, Clone, Default)]
pub struct Declarations {
    schema: Schema,
    variables: HashMap<String, Type>,
    functions: HashMap<String, Vec<Overload>>,
    wanted: Option<Type>,
    macros: Option<Arc<Macros>>,
}

impl Declarations {
    /// The fields of a log source.
    #[must_use]
    pub fn of(schema: Schema) -> Self {
        Self { schema, ..Self::default() }
    }

    /// The same with macros.
    #[must_use]
    pub fn with_macros(mut self, macros: Arc<Macros>) -> Self {
        self.macros = Some(macros);
        self
    }

    /// The same, for expressions whose value must be of a type.
    #[must_use]
    pub fn wanting(mut self, kind: Type) -> Self {
        self.wanted = Some(kind);
        self
    }

    /// The same with a name of a type, which hides a field of that name.
    #[must_use]
    pub fn with_variable(mut self, name: impl Into<String>, kind: Type) -> Self {
        self.variables.insert(name.into(), kind);
        self
    }

    /// The same with a function, declared as in `(string, list(A)) -> A`. A declaration that does
    /// not read is ignored.
    #[must_use]
    pub fn with_function(mut self, name: impl Into<String>, overload: &str) -> Self {
        if let Some(overload) = Overload::parse(overload) {
            self.functions.entry(name.into()).or_default().push(overload);
        }
        self
    }
}

/// What the checker found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The type of the expression's value.
    pub kind: Type,
    /// All mistakes, in the order of their places.
    pub problems: Vec<CelError>,
}

/// Checks `source`.
#[must_use]
pub fn check(source: &str, declarations: &Declarations) -> Checked {
    let checked = lower::with_tree(source, |expr, info| {
        let mut checker = Checker {
            source,
            info,
            declarations,
            scope: Vec::new(),
            unknowns: Unknowns::default(),
            problems: Vec::new(),
        };
        let kind = checker.infer(expr);
        if let Some(wanted) = &declarations.wanted {
            checker.want(expr, &kind, wanted, "the expression");
        }
        checker
            .problems
            .extend(cost::check(source, info, expr, declarations.macros.as_deref()).err());
        checker.problems.sort_by_key(|problem| (problem.line, problem.column));
        Ok(Checked { kind: checker.unknowns.resolve(&kind, true), problems: checker.problems })
    });
    checked.unwrap_or_else(|problem| Checked { kind: Type::Dyn, problems: vec![problem] })
}

struct Checker<'s> {
    source: &'s str,
    info: &'s SourceInfo,
    declarations: &'s Declarations,
    /// The names that macros bind, outermost first.
    scope: Vec<(String, Type)>,
    unknowns: Unknowns,
    problems: Vec<CelError>,
}

impl Checker<'_> {
    fn report(&mut self, expr: &IdedExpr, kind: CelErrorKind) {
        self.problems.push(error_at(self.source, self.info, expr, kind));
    }

    /// Sees to it that a value fits.
    fn want(&mut self, expr: &IdedExpr, kind: &Type, wanted: &Type, what: &str) {
        if !self.unknowns.fits(kind, wanted) {
            let found = self.unknowns.resolve(kind, true);
            let message = format!("{what} must be of type {wanted}, and is of type {found}");
            let help = match wanted {
                Type::Bool => "compare the value with something".to_owned(),
                _ => format!("give a value of type {wanted}"),
            };
            self.report(expr, CelErrorKind::Types { message, help });
        }
    }

    /// The type of an expression.
    fn infer(&mut self, expr: &IdedExpr) -> Type {
        match &expr.expr {
            Expr::Literal(literal) => of_literal(literal),
            Expr::Ident(_) | Expr::Select(_) => self.selection(expr),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            // The compiler refuses these, with a better message.
            Expr::Struct(_) | Expr::Comprehension(_) | Expr::Unspecified => Type::Dyn,
        }
    }

    fn selection(&mut self, expr: &IdedExpr) -> Type {
        let (base, parts) = split(expr);
        let mut kind = match &base.expr {
            Expr::Ident(name) => match self.variable(name) {
                Some(kind) => kind,
                None => return self.field(base, name, &parts),
            },
            _ => self.infer(base),
        };
        for part in parts {
            kind = self.select(expr, &kind, part);
        }
        kind
    }

    /// The type of a bound name.
    fn variable(&self, name: &str) -> Option<Type> {
        let bound = self.scope.iter().rev().find(|(known, _)| known == name);
        bound
            .map(|(_, kind)| kind.clone())
            .or_else(|| self.declarations.variables.get(name.trim_start_matches('.')).cloned())
    }

    fn field(&mut self, expr: &IdedExpr, name: &str, parts: &[&str]) -> Type {
        let mut all = vec![name.trim_start_matches('.')];
        all.extend(parts);
        let path = all.join(".");
        match self.declarations.schema.field(&path) {
            Known::Field(Type::Dyn) => match CelType::named(&path) {
                Some(kind) => Type::TypeOf(Box::new(of_type(kind))),
                None => Type::Dyn,
            },
            Known::Field(kind) => kind,
            Known::Unknown(near) => {
                if let Some(kind) = CelType::named(&path) {
                    return Type::TypeOf(Box::new(of_type(kind)));
                }
                let message = format!("there is no field `{path}`");
                let help = near.map(|near| format!("did you mean `{near}`?"));
                self.report(expr, CelErrorKind::UnknownField { message, help });
                Type::Dyn
            }
            Known::NoObject(outer, kind) => {
                let message = format!("`{outer}` is of type {kind}, and has no fields");
                self.report(expr, CelErrorKind::UnknownField { message, help: None });
                Type::Dyn
            }
        }
    }

    /// The type of a field of a value.
    fn select(&mut self, expr: &IdedExpr, kind: &Type, field: &str) -> Type {
        match self.unknowns.resolve(kind, false) {
            Type::Map(_, value) => *value,
            Type::Optional(inner) => {
                let inner = self.select(expr, &inner, field);
                Type::Optional(Box::new(inner))
            }
            Type::Dyn => Type::Dyn,
            unknown @ Type::Variable(_) => {
                self.unknowns.fits(&Type::Dyn, &unknown);
                Type::Dyn
            }
            other => {
                let message = format!("a value of type {other} has no field `{field}`");
                self.report(expr, CelErrorKind::UnknownField { message, help: None });
                Type::Dyn
            }
        }
    }

    fn list(&mut self, list: &ListExpr) -> Type {
        let mut joined = None;
        for (index, member) in list.elements.iter().enumerate() {
            let mut kind = self.infer(member);
            if list.optional_indices.contains(&index) {
                kind = self.unwrap(member, &kind);
            }
            joined = Some(match joined {
                None => kind,
                Some(before) => self.unknowns.join(&before, &kind),
            });
        }
        Type::list(joined.unwrap_or_else(|| self.unknowns.fresh()))
    }

    fn map(&mut self, map: &MapExpr) -> Type {
        let mut joined: Option<(Type, Type)> = None;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let key = self.infer(&entry.key);
            let mut value = self.infer(&entry.value);
            if entry.optional {
                value = self.unwrap(&entry.value, &value);
            }
            joined = Some(match joined {
                None => (key, value),
                Some((keys, values)) => {
                    (self.unknowns.join(&keys, &key), self.unknowns.join(&values, &value))
                }
            });
        }
        let (key, value) = joined.unwrap_or_else(|| (self.unknowns.fresh(), self.unknowns.fresh()));
        Type::map(key, value)
    }

    /// The type inside an optional value.
    fn unwrap(&mut self, expr: &IdedExpr, kind: &Type) -> Type {
        let inner = self.unknowns.fresh();
        self.want(expr, kind, &Type::Optional(Box::new(inner.clone())), "a value after `?`");
        inner
    }

    /// The name of a function or macro in a namespace.
    fn namespaced(
        &self,
        target: &IdedExpr,
        call: &cel_parser::common::ast::CallExpr,
    ) -> Option<String> {
        let is_bound = |name: &str| self.scope.iter().any(|(known, _)| known == name);
        functions::namespaced(target, call, &is_bound)
    }
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::Text,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The type that a type's name denotes.
fn of_type(kind: CelType) -> Type {
    let any = || Box::new(Type::Dyn);
    match kind {
        CelType::Null => Type::Null,
        CelType::Bool => Type::Bool,
        CelType::Int => Type::Int,
        CelType::Uint => Type::Uint,
        CelType::Double => Type::Double,
        CelType::Text => Type::Text,
        CelType::Bytes => Type::Bytes,
        CelType::List => Type::List(any()),
        CelType::Map => Type::Map(any(), any()),
        CelType::Timestamp => Type::Timestamp,
        CelType::Duration => Type::Duration,
        CelType::Type => Type::TypeOf(any()),
        CelType::Optional => Type::Optional(any()),
        CelType::Ip => Type::Ip,
        CelType::Cidr => Type::Cidr,
    }
}
