//! What can be wrong with a macro.

use std::fmt;

use base::{Code, Explain, Place};

use crate::error::CelError;

/// A macro that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroError {
    /// Where the macro is defined.
    pub place: Option<Place>,
    /// What is wrong.
    pub kind: MacroErrorKind,
}

/// The kinds of mistakes with macros.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacroErrorKind {
    /// The definitions don't read.
    #[error("the macros don't read: {0}")]
    Malformed(String),
    /// A name or type in its head is wrong, or taken.
    #[error("{0}")]
    Name(String),
    /// Its body is wrong.
    #[error("the macro `{name}` can't be compiled: {problem}")]
    Body {
        /// The macro.
        name: String,
        /// What is wrong with the body.
        problem: Box<CelError>,
    },
    /// It calls itself, perhaps through others.
    #[error("the macro `{name}` calls itself by way of `{called}`")]
    Recursion {
        /// The macro.
        name: String,
        /// What it calls.
        called: String,
    },
    /// A test of it fails.
    #[error("a test of the macro `{name}` expects {expected}, and it gives {found}")]
    Test {
        /// The macro.
        name: String,
        /// The value that was expected.
        expected: String,
        /// The value or error that came out.
        found: String,
    },
}

impl fmt::Display for MacroError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for MacroError {}

impl Explain for MacroError {
    fn code(&self) -> Code {
        Code(match self.kind {
            MacroErrorKind::Malformed(_) | MacroErrorKind::Name(_) => "DAB0261",
            MacroErrorKind::Body { .. } => "DAB0262",
            MacroErrorKind::Recursion { .. } => "DAB0263",
            MacroErrorKind::Test { .. } => "DAB0264",
        })
    }

    fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    fn help(&self) -> Option<String> {
        match &self.kind {
            MacroErrorKind::Malformed(_) | MacroErrorKind::Name(_) => {
                Some("see `docs/reference/macros.md` for what a macro is made of".to_owned())
            }
            MacroErrorKind::Body { problem, .. } => problem.help(),
            MacroErrorKind::Recursion { .. } => {
                Some("write out what the macro needs, without calling it".to_owned())
            }
            MacroErrorKind::Test { .. } => Some("correct the macro, or its test".to_owned()),
        }
    }
}
