//! Macros: named expressions with parameters, shared by rules or local to one.
//!
//! A call is replaced by the macro's body when the expression is compiled, each parameter by what
//! was given for it. Names keep their meaning in both: a variable of the body never captures one of
//! the caller's, nor the other way round. A name of the body that is no parameter is a field.

mod error;
mod spec;

use std::{collections::BTreeMap, sync::Arc};

use base::{Object, limits};
use cel_parser::common::ast::{EntryExpr, Expr, IdedExpr};

use crate::{
    Environment, Program,
    check::{self, Declarations, Schema},
    cost, functions, lower,
    types::Type,
};

pub use error::{MacroError, MacroErrorKind};
pub use spec::{MacroSpec, MacroTest, Parameter};

/// Macros that are right, by their names.
#[derive(Debug, Clone, Default)]
pub struct Macros(BTreeMap<String, Arc<Macro>>);

/// A macro that is right.
#[derive(Debug)]
pub(crate) struct Macro {
    pub(crate) parameters: Vec<(String, Type)>,
    pub(crate) body: String,
    /// The type of its value.
    pub(crate) result: Type,
    /// The steps of its body, at most.
    pub(crate) steps: u64,
    /// How it is called.
    pub(crate) usage: String,
}

impl Macros {
    /// Adds macros, which may use those that are there and one another. What is wrong with any of
    /// them is answered, and those are left out. Tests are run by [`Self::test`].
    #[must_use]
    pub fn add(&mut self, specs: &[MacroSpec]) -> Vec<MacroError> {
        let mut problems = Vec::new();
        let mut waiting: Vec<(&MacroSpec, Vec<String>)> = Vec::new();
        for spec in specs {
            let repeated = waiting.iter().any(|(known, _)| known.name == spec.name);
            match self.read(spec, repeated) {
                Ok(called) => waiting.push((spec, called)),
                Err(kind) => problems.push(spec.error(kind)),
            }
        }
        // Each round adds the macros that use none that is still waiting.
        loop {
            let names: Vec<String> = waiting.iter().map(|(spec, _)| spec.name.clone()).collect();
            let is_ready = |called: &Vec<String>| !called.iter().any(|name| names.contains(name));
            let (ready, later): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(_, called)| is_ready(called));
            waiting = later;
            if ready.is_empty() {
                break;
            }
            for (spec, _) in ready {
                match self.define(spec) {
                    Ok(definition) => {
                        self.0.insert(spec.name.clone(), Arc::new(definition));
                    }
                    Err(kind) => problems.push(spec.error(kind)),
                }
            }
        }
        let names: Vec<&str> = waiting.iter().map(|(spec, _)| spec.name.as_str()).collect();
        for (spec, called) in &waiting {
            let called = called.iter().map(String::as_str).filter(|name| names.contains(name));
            let called = called.collect::<Vec<_>>().join("`, `");
            problems
                .push(spec.error(MacroErrorKind::Recursion { name: spec.name.clone(), called }));
        }
        problems
    }

    /// Runs the tests of macros; answers those that fail.
    #[must_use]
    pub fn test(&self, specs: &[MacroSpec], environment: &Environment) -> Vec<MacroError> {
        let tests = specs.iter().flat_map(|spec| spec.tests.iter().map(move |test| (spec, test)));
        tests.filter_map(|(spec, test)| self.run(spec, test, environment).err()).collect()
    }

    /// The names of the macros, and how each is called.
    pub fn usages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, known)| (name.as_str(), known.usage.as_str()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Macro>> {
        self.0.get(name)
    }

    /// The macros that a macro calls, if its head is right and its body parses.
    fn read(&self, spec: &MacroSpec, repeated: bool) -> Result<Vec<String>, MacroErrorKind> {
        let name = spec.name.as_str();
        if !is_name(name) {
            return Err(MacroErrorKind::Name(format!("`{name}` is no name for a macro")));
        }
        let is_taken = functions::MACROS.iter().any(|(known, _)| *known == name)
            || !functions::declared(name).is_empty();
        if is_taken {
            return Err(MacroErrorKind::Name(format!("there is a function `{name}` already")));
        }
        if repeated || self.0.contains_key(name) {
            return Err(MacroErrorKind::Name(format!("two macros are named `{name}`")));
        }
        for (at, parameter) in spec.parameters.iter().enumerate() {
            let known = spec.parameters.iter().take(at).any(|known| known.name == parameter.name);
            if known || !is_name(&parameter.name) {
                let message = format!("`{}` is no name for another parameter", parameter.name);
                return Err(MacroErrorKind::Name(message));
            }
            if parameter.parsed().is_none() {
                let message = format!("there is no type `{}`", parameter.kind);
                return Err(MacroErrorKind::Name(message));
            }
        }
        let body =
            |problem| MacroErrorKind::Body { name: name.to_owned(), problem: Box::new(problem) };
        lower::with_tree(&spec.body, |expr, _| {
            let mut called = Vec::new();
            calls(expr, &mut called);
            Ok(called)
        })
        .map_err(body)
    }

    /// Checks a macro whose own macros are known.
    fn define(&self, spec: &MacroSpec) -> Result<Macro, MacroErrorKind> {
        let parameters: Vec<(String, Type)> = spec
            .parameters
            .iter()
            .map(|known| (known.name.clone(), known.parsed().unwrap_or(Type::Dyn)))
            .collect();
        let mut declarations = Declarations::of(Schema::open()).with_macros(Arc::new(self.clone()));
        for (name, kind) in &parameters {
            declarations = declarations.with_variable(name.clone(), kind.clone());
        }
        let body =
            |problem| MacroErrorKind::Body { name: spec.name.clone(), problem: Box::new(problem) };
        let checked = check::check(&spec.body, &declarations);
        if let Some(problem) = checked.problems.into_iter().next() {
            return Err(body(problem));
        }
        let steps = lower::with_tree(&spec.body, |expr, info| {
            cost::check(&spec.body, info, expr, Some(self))
        });
        let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        let usage = format!("{}({})", spec.name, names.join(", "));
        let (body_text, steps) = (spec.body.clone(), steps.map_err(body)?);
        Ok(Macro { parameters, body: body_text, result: checked.kind, steps, usage })
    }

    fn run(
        &self,
        spec: &MacroSpec,
        test: &MacroTest,
        environment: &Environment,
    ) -> Result<(), MacroError> {
        // A macro that is wrong was reported as such.
        let Some(known) = self.get(&spec.name) else { return Ok(()) };
        let environment =
            Environment { macros: Some(Arc::new(self.clone())), ..environment.clone() };
        let failed = |found: String| {
            let expected = test.expected();
            spec.error(MacroErrorKind::Test { name: spec.name.clone(), expected, found })
        };
        let program = Program::compile_using(&known.usage, &environment).map_err(|problem| {
            spec.error(MacroErrorKind::Body { name: spec.name.clone(), problem: Box::new(problem) })
        })?;
        let given: Object<'_> = test.given();
        match program.evaluate(&given) {
            Ok(found) if found == test.wanted() => Ok(()),
            Ok(found) => Err(failed(crate::eval::convert::display(&found))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= limits::CEL_MACRO_NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The names of all functions that are called as `f(…)`.
fn calls(expr: &IdedExpr, called: &mut Vec<String>) {
    match &expr.expr {
        Expr::Call(call) => {
            match &call.target {
                Some(target) => calls(target, called),
                None if !called.contains(&call.func_name) => called.push(call.func_name.clone()),
                None => {}
            }
            call.args.iter().for_each(|arg| calls(arg, called));
        }
        Expr::Select(select) => calls(&select.operand, called),
        Expr::List(list) => list.elements.iter().for_each(|member| calls(member, called)),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    calls(&entry.key, called);
                    calls(&entry.value, called);
                }
            }
        }
        _ => {}
    }
}
