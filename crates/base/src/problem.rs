//! What a user is told when something goes wrong: what, where, and how to put it right.
//!
//! Each crate keeps its own error enum, whose variants its callers can match on. The edges (the
//! command line, the API, the language server) never print such an error: they turn it into a
//! [`Problem`], so that one mistake reads the same in all three.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};

/// A stable name for a kind of problem, such as `DAB0203`; `docs/errors/DAB0203.md` explains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

/// Where a problem is, in the user's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A position in a file of the user's. Lines and columns count from 1, columns in characters.
    File {
        /// The file, relative to the project's root.
        path: String,
        /// The line.
        line: u32,
        /// The column.
        column: u32,
    },
    /// An object in storage, by its full address.
    Object(String),
}

/// An error that can say more than its message.
pub trait Explain: Error {
    /// The code that the documentation files this problem under.
    fn code(&self) -> Code;

    /// Where the problem is, if it is anywhere in particular.
    fn place(&self) -> Option<Place> {
        None
    }

    /// One thing to try. A sentence in the imperative, or nothing: never a guess.
    fn help(&self) -> Option<String> {
        None
    }
}

/// A problem as users see it.
#[derive(Debug)]
pub struct Problem(Box<dyn Explain + Send + Sync>);

impl Problem {
    /// The problem's parts, for JSON output and for storing.
    #[must_use]
    pub fn report(&self) -> Report {
        let Self(error) = self;
        Report {
            code: error.code().0.to_owned(),
            message: error.to_string(),
            place: error.place(),
            causes: causes(error.as_ref()),
            help: error.help(),
        }
    }
}

/// A [`Problem`] as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Such as `DAB0203`.
    pub code: String,
    /// What happened.
    pub message: String,
    /// Where, if it is anywhere in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The chain of errors underneath, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

fn causes(error: &(dyn Explain + Send + Sync)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    causes
}

impl<E: Explain + Send + Sync + 'static> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  --> {place}")?;
        }
        for cause in &self.causes {
            write!(f, "\n  because: {cause}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{path}:{line}:{column}"),
            Self::Object(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct UnknownField;

    impl fmt::Display for UnknownField {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("log source `okta_system` has no field `user.nmae`")
        }
    }

    impl Error for UnknownField {}

    impl Explain for UnknownField {
        fn code(&self) -> Code {
            Code("DAB0203")
        }
        fn place(&self) -> Option<Place> {
            Some(Place::File { path: "detections/okta_mfa_reset.yml".into(), line: 14, column: 9 })
        }
        fn help(&self) -> Option<String> {
            Some("write `user.name`; `dab tables` lists the fields".into())
        }
    }

    #[test]
    fn says_what_where_and_how_to_fix() {
        let expected = "\
error[DAB0203]: log source `okta_system` has no field `user.nmae`
  --> detections/okta_mfa_reset.yml:14:9
  help: write `user.name`; `dab tables` lists the fields";
        assert_eq!(Problem::from(UnknownField).to_string(), expected);
    }
}
