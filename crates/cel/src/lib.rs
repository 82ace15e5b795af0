//! CEL, the Common Expression Language, over events.
//!
//! [`Program::compile`] parses an expression, finds its mistakes and prepares everything that does
//! not depend on the event: names are resolved, literal regular expressions and networks compiled.
//! [`Program::matches`] evaluates it over an event, borrowing the event's values.
//!
//! The semantics are those of the CEL language definition
//! (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>), with these choices:
//!
//! - a top-level name is a field of the event: of the source's own fields, or else of the
//!   normalized ones. `a.b.c` also finds a key spelt with dots, the longest first.
//! - an absent field is an error ([`EvalError::NoSuchField`]), which `&&` and `||` absorb when
//!   their other side decides; `has(a.b.c)` is false, never an error, whatever is absent. Unlike
//!   elsewhere, `has` also takes a plain name.
//! - there are no static types and no messages; everything is checked when it is evaluated.
//!
//! No expression runs away: its length and depth are limited when it is compiled, its steps when
//! it is evaluated (`base::limits`, `CEL_…`).

mod check;
mod cost;
mod error;
mod eval;
mod functions;
mod lookup;
mod lower;
mod macros;
mod necessary;
mod net;
mod node;
mod path;
mod print;
mod quick;
mod scan;
mod steps;
mod time;
mod trace;
mod types;
mod value;

use std::sync::Arc;

use base::{Event, Object, Reason};

use eval::{Evaluation, RegexCache, Root};
use node::Node;
use quick::{Answer, Quickly};

pub use check::{Checked, Declarations, Schema, check};
pub use error::{CelError, CelErrorKind, EvalError};
pub use lookup::{
    KeyKind, LookupError, LookupErrorKind, LookupFormat, LookupSpec, Lookups, Refreshed, Row,
    Tables,
};
pub use macros::{MacroError, MacroErrorKind, MacroSpec, MacroTest, Macros, Parameter};
pub use necessary::{FieldTest, Literal, Necessary, Predicate};
pub use net::Network;
pub use time::{CelDuration, CelTimestamp};
pub use trace::{Given, Part, PartKind};
pub use types::Type;
pub use value::{CelList, CelMap, CelType, CelValue};

/// What expressions may use beyond the event and the language.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// Lookup tables.
    pub lookups: Option<Arc<dyn Lookups>>,
    /// Macros.
    pub macros: Option<Arc<Macros>>,
}

/// A compiled expression.
///
/// # Example
///
/// ```
/// let program = dab_cel::Program::compile("user.name == 'root' && has(source.ip)")?;
/// assert_eq!(program.fields(), ["user.name", "source.ip"]);
/// # Ok::<(), dab_cel::CelError>(())
/// ```
#[derive(Debug)]
pub struct Program {
    source: String,
    root: Node,
    quick: Quickly,
    fields: Vec<String>,
    regexes: RegexCache,
    environment: Environment,
}

impl Program {
    /// Parses and checks `source`.
    ///
    /// # Errors
    ///
    /// Fails, with the place, if `source` does not parse, calls an unknown function or one with
    /// the wrong number of arguments, contains an invalid literal (a regular expression, a network,
    /// a timestamp), or is too long or too deep.
    pub fn compile(source: &str) -> Result<Self, CelError> {
        Self::build(source, true, "", Environment::default())
    }

    /// As [`Self::compile`], but a call of an unknown function is an error of evaluation, which
    /// `&&` and `||` may absorb: what the language definition calls an unchecked expression.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`], less unknown functions and wrong calls.
    pub fn compile_unchecked(source: &str) -> Result<Self, CelError> {
        Self::build(source, false, "", Environment::default())
    }

    /// As [`Self::compile`] or [`Self::compile_unchecked`], with names looked up in a namespace
    /// and those around it first: in `a.b`, the name `x` is `a.b.x`, `a.x` or `x`.
    ///
    /// # Errors
    ///
    /// As those.
    pub fn compile_in(container: &str, source: &str, is_checked: bool) -> Result<Self, CelError> {
        Self::build(source, is_checked, container, Environment::default())
    }

    /// As [`Self::compile`], with lookup tables to ask.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`], and if the expression names a table that there is not.
    pub fn compile_with(source: &str, lookups: Arc<dyn Lookups>) -> Result<Self, CelError> {
        let environment = Environment { lookups: Some(lookups), ..Environment::default() };
        Self::build(source, true, "", environment)
    }

    /// As [`Self::compile`], with all that there is to use.
    ///
    /// # Errors
    ///
    /// As [`Self::compile`], and if the expression names a table that there is not, or calls a
    /// macro wrongly.
    pub fn compile_using(source: &str, environment: &Environment) -> Result<Self, CelError> {
        Self::build(source, true, "", environment.clone())
    }

    fn build(
        source: &str,
        is_checked: bool,
        container: &str,
        environment: Environment,
    ) -> Result<Self, CelError> {
        let options = lower::Options {
            is_checked,
            container,
            is_folded: true,
            lookups: environment.lookups.as_deref(),
            macros: environment.macros.as_deref(),
        };
        let lowered = lower::compile(source, options)?;
        Ok(Self {
            source: source.to_owned(),
            quick: quick::compile(&lowered.root),
            root: lowered.root,
            fields: lowered.fields,
            regexes: RegexCache::default(),
            environment,
        })
    }

    /// Whether the expression holds for `event`.
    ///
    /// # Errors
    ///
    /// Fails if the expression has no value for this event, or one that is not a truth value. For
    /// a detection, [`EvalError::NoSuchField`] usually means: no match.
    pub fn matches(&self, event: &Event<'_>) -> Result<bool, EvalError> {
        match self.answer(event) {
            Answer::Yes => Ok(true),
            Answer::No => Ok(false),
            // This goes the long way, to say why.
            Answer::Absent | Answer::Failed | Answer::Exhausted => {
                let mut evaluation = self.evaluation(Root::Event(event));
                truth(&evaluation.eval(&self.root)?)
            }
        }
    }

    /// As [`Self::matches`], without saying why the expression has no value: the fastest way to
    /// ask. Where the answer is [`Verdict::Failed`], [`Self::matches`] gives the reason.
    #[must_use]
    pub fn judge(&self, event: &Event<'_>) -> Verdict {
        match self.answer(event) {
            Answer::Yes => Verdict::True,
            Answer::No => Verdict::False,
            Answer::Absent => Verdict::Absent,
            Answer::Failed | Answer::Exhausted => Verdict::Failed,
        }
    }

    fn answer(&self, event: &Event<'_>) -> Answer {
        quick::answer(&self.quick, event, &self.regexes, self.environment.lookups.as_deref())
    }

    /// As [`Self::matches`], with the tests of fields that held, in the order of evaluation.
    ///
    /// A test is the smallest boolean part of the expression that reads a field. It is listed once
    /// for each field it reads. Under `!`, the tests that did not hold are listed, as `not …`.
    ///
    /// # Errors
    ///
    /// As [`Self::matches`].
    pub fn explain(&self, event: &Event<'_>) -> Result<(bool, Vec<Reason>), EvalError> {
        let mut evaluation = self.evaluation(Root::Event(event)).recording();
        let holds = truth(&evaluation.eval(&self.root)?)?;
        Ok((holds, evaluation.into_reasons()))
    }

    /// The value of the expression with names looked up in `bindings`.
    ///
    /// A name that is not bound and is a type's denotes the type.
    ///
    /// # Errors
    ///
    /// Fails if the expression has no value for these bindings.
    pub fn evaluate<'a>(&'a self, bindings: &'a Object<'_>) -> Result<CelValue<'a>, EvalError> {
        self.evaluation(Root::Bindings(bindings)).eval(&self.root)
    }

    /// As [`Self::evaluate`], with bindings that are values of the language: pairs of a name as
    /// text and its value.
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`].
    pub fn evaluate_with<'a>(
        &'a self,
        bindings: &'a [(CelValue<'a>, CelValue<'a>)],
    ) -> Result<CelValue<'a>, EvalError> {
        self.evaluation(Root::Values(bindings)).eval(&self.root)
    }

    /// What must hold for an event for the expression to be true.
    ///
    /// # Example
    ///
    /// ```
    /// let program = dab_cel::Program::compile("user.name == 'root' && count > 3")?;
    /// let dab_cel::Necessary::AnyOf(tests) = program.necessary() else { unreachable!() };
    /// assert_eq!(tests[0].field, "user.name");
    /// # Ok::<(), dab_cel::CelError>(())
    /// ```
    #[must_use]
    pub fn necessary(&self) -> Necessary {
        necessary::necessary(&self.root)
    }

    fn evaluation<'a>(&'a self, root: Root<'a>) -> Evaluation<'a> {
        Evaluation::new(root, &self.regexes, self.environment.lookups.as_deref())
    }

    /// The names of the fields that the expression reads, in order of appearance.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        &self.fields
    }
}

/// What an expression says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It has no value, since something that it reads is absent: no match.
    Absent,
    /// It has no value for another reason, which is a mistake of the rule's.
    Failed,
}

fn truth(value: &CelValue<'_>) -> Result<bool, EvalError> {
    match value {
        CelValue::Bool(value) => Ok(*value),
        other => Err(EvalError::NotBool(other.kind())),
    }
}

#[cfg(test)]
mod tests;
