//! What can go wrong: in an expression ([`CelError`]), and in evaluating it ([`EvalError`]).

use std::{borrow::Cow, fmt, sync::Arc};

use base::{Code, Explain, limits};

use crate::value::CelType;

/// A mistake in an expression, found before anything is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CelError {
    /// The line inside the expression, from 1.
    pub line: u32,
    /// The column inside the line in characters, from 1.
    pub column: u32,
    /// What is wrong there.
    pub kind: CelErrorKind,
}

/// The kinds of mistakes in an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CelErrorKind {
    /// It does not parse.
    #[error("{message}")]
    Syntax {
        /// What is wrong.
        message: String,
        /// What was probably meant.
        help: Option<&'static str>,
    },
    /// It calls a function that does not exist.
    #[error("unknown function `{name}`")]
    UnknownFunction {
        /// The name as written.
        name: String,
        /// A sentence that names what was probably meant.
        hint: Option<String>,
    },
    /// It calls a function with the wrong number of arguments, or in the wrong form.
    #[error("`{name}` can't be called like this")]
    WrongCall {
        /// The function.
        name: String,
        /// How it is called.
        form: &'static str,
    },
    /// A literal that must be a regular expression, a network or the like is not.
    #[error("{what} `{text}` is invalid: {reason}")]
    Literal {
        /// What it should be, such as `the regular expression`.
        what: &'static str,
        /// The literal.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is larger or deeper than allowed.
    #[error("the expression is too {0}")]
    TooLarge(&'static str),
    /// It reads a field that the log source does not have.
    #[error("{message}")]
    UnknownField {
        /// What is wrong.
        message: String,
        /// What was probably meant.
        help: Option<String>,
    },
    /// It joins values whose types don't go together.
    #[error("{message}")]
    Types {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// It would take too long on ordinary events.
    #[error(
        "this may take {steps} steps, more than the {} of an evaluation",
        limits::CEL_STEPS_MAX
    )]
    TooCostly {
        /// The steps, at most.
        steps: u64,
    },
    /// It calls a macro wrongly.
    #[error("{message}")]
    Macro {
        /// What is wrong.
        message: String,
        /// What to do instead.
        help: String,
    },
    /// It names a lookup table that does not exist, or a column that the table lacks.
    #[error("{what}")]
    Lookup {
        /// What does not exist.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// It uses a part of the language that has no meaning here.
    #[error("{what} can't be used here")]
    Unsupported {
        /// The part of the language.
        what: &'static str,
        /// What to do instead.
        help: &'static str,
    },
}

impl CelErrorKind {
    pub(crate) fn syntax(message: impl Into<String>) -> Self {
        Self::Syntax { message: message.into(), help: None }
    }
}

impl CelError {
    /// The same, said of the events of one log source: for what is wrong with them alone.
    #[must_use]
    pub fn in_events_of(mut self, log_source: &str) -> Self {
        if let CelErrorKind::Types { message, .. } | CelErrorKind::UnknownField { message, .. } =
            &mut self.kind
        {
            message.insert_str(0, &format!("for events of `{log_source}`: "));
        }
        self
    }
}

impl fmt::Display for CelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {}, column {})", self.kind, self.line, self.column)
    }
}

impl std::error::Error for CelError {}

impl Explain for CelError {
    fn code(&self) -> Code {
        Code(match self.kind {
            CelErrorKind::Syntax { .. } => "DAB0270",
            CelErrorKind::UnknownFunction { .. } => "DAB0271",
            CelErrorKind::WrongCall { .. } => "DAB0272",
            CelErrorKind::Literal { .. } => "DAB0273",
            CelErrorKind::TooLarge(_) => "DAB0274",
            CelErrorKind::Unsupported { .. } => "DAB0275",
            CelErrorKind::Types { .. } => "DAB0278",
            CelErrorKind::UnknownField { .. } => "DAB0279",
            CelErrorKind::Lookup { .. } => "DAB0280",
            CelErrorKind::TooCostly { .. } => "DAB0260",
            CelErrorKind::Macro { .. } => "DAB0265",
        })
    }

    fn help(&self) -> Option<String> {
        match &self.kind {
            CelErrorKind::Syntax { help, .. } => help.map(str::to_owned),
            CelErrorKind::UnknownFunction { hint, .. } => Some(hint.clone().unwrap_or_else(|| {
                "use one of the functions listed in `docs/reference/cel.md`".to_owned()
            })),
            CelErrorKind::WrongCall { form, .. } => Some(format!("write `{form}`")),
            CelErrorKind::Literal { what, .. } => Some(format!("correct {what}")),
            CelErrorKind::TooLarge(_) => Some(format!(
                "split the rule in two: an expression may have {} bytes and {} levels",
                limits::CEL_SOURCE_BYTES_MAX,
                limits::CEL_DEPTH_MAX
            )),
            CelErrorKind::Unsupported { help, .. } => Some((*help).to_owned()),
            CelErrorKind::Lookup { help, .. }
            | CelErrorKind::Types { help, .. }
            | CelErrorKind::Macro { help, .. } => Some(help.clone()),
            CelErrorKind::UnknownField { help, .. } => help.clone(),
            CelErrorKind::TooCostly { .. } => {
                Some("put fewer macros over lists inside one another".to_owned())
            }
        }
    }
}

/// Why an expression has no value for an event.
///
/// `&&` and `||` absorb all of these but [`Self::TooManySteps`] when their other side decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The event has no such field. For a detection this usually means: no match.
    #[error("the event has no field `{field}`")]
    NoSuchField {
        /// The field as the expression names it.
        field: Arc<str>,
    },
    /// A map has no such key.
    #[error("no such key: `{0}`")]
    NoSuchKey(String),
    /// A list is shorter than the index.
    #[error("index {index} is out of range for a list of {size}")]
    OutOfRange {
        /// The index.
        index: String,
        /// How many members the list has.
        size: usize,
    },
    /// An operator or function can't be applied to values of these types.
    #[error("no such overload: {operation}({})", Types(.types))]
    NoOverload {
        /// The operator or function.
        operation: &'static str,
        /// The types of the values.
        types: Vec<CelType>,
    },
    /// A function that does not exist, in a program compiled without checks.
    #[error("unbound function `{0}`")]
    UnknownFunction(Arc<str>),
    /// A whole number divided by zero.
    #[error("divide by zero")]
    DivideByZero,
    /// A result outside the range of its type.
    #[error("range error: the result of `{0}` is out of range")]
    Overflow(&'static str),
    /// A value that can't be converted.
    #[error("can't convert to {to}: {reason}")]
    Convert {
        /// The type asked for.
        to: CelType,
        /// What is wrong with the value.
        reason: Cow<'static, str>,
    },
    /// A map literal with a key of a type that keys can't have, or with one key twice.
    #[error("{0}")]
    MapKey(&'static str),
    /// A computed regular expression or network that is invalid.
    #[error("{what} is invalid: {reason}")]
    Argument {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A function's own complaint about its arguments.
    #[error("{0}")]
    Text(Cow<'static, str>),
    /// A lookup table has no row for a key.
    #[error("the lookup table `{table}` has no row for `{key}`")]
    NoSuchRow {
        /// The table.
        table: String,
        /// The key, as text.
        key: String,
    },
    /// The whole expression is not a truth value.
    #[error("the expression gives a value of type {0}, not a bool")]
    NotBool(CelType),
    /// The evaluation was stopped because it took too long.
    #[error("the evaluation was stopped after {} steps", limits::CEL_STEPS_MAX)]
    TooManySteps,
}

impl EvalError {
    /// Whether something was not there: a field, a key, a row. For a detection this means: no
    /// match, and nothing to report.
    #[must_use]
    pub const fn is_absence(&self) -> bool {
        matches!(self, Self::NoSuchField { .. } | Self::NoSuchKey(_) | Self::NoSuchRow { .. })
    }

    pub(crate) fn overload(operation: &'static str, types: &[CelType]) -> Self {
        Self::NoOverload { operation, types: types.to_vec() }
    }
}

impl Explain for EvalError {
    fn code(&self) -> Code {
        Code(match self {
            Self::TooManySteps => "DAB0277",
            _ => "DAB0276",
        })
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NoSuchField { field } => Some(format!("test `has({field})` first")),
            Self::NoSuchRow { table, .. } => {
                Some(format!("test `list.contains(\"{table}\", …)` first"))
            }
            Self::NotBool(_) => Some("compare the value with something".to_owned()),
            Self::TooManySteps => {
                Some("make the expression visit fewer members of lists and maps".to_owned())
            }
            _ => None,
        }
    }
}

/// Writes types as an argument list.
struct Types<'a>(&'a [CelType]);

impl fmt::Display for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, kind) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(kind.name())?;
        }
        Ok(())
    }
}
