//! The house rules that neither the compiler nor clippy knows.
//!
//! They read the files as text, so they hold in every file whether or not it is compiled. A rule
//! is a function from the [`Tree`] to its [`Finding`]s; all are reported, not only the first.

mod codes;
mod edges;
mod lexer;
mod markdown;
mod sources;
mod tree;

use std::{fmt, path::Path};

use crate::{Failure, say::say};
use tree::Tree;

/// A place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, relative to the root.
    path: String,
    /// The line, counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    message: String,
}

impl Finding {
    fn file(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, message: message.into() }
    }

    fn line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Checks every rule and prints what does not hold.
///
/// # Errors
/// When a rule does not hold, or a file cannot be read.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let tree = Tree::read(root)?;
    let findings = check(&tree)?;
    for finding in &findings {
        say(&finding.to_string());
    }
    if findings.is_empty() {
        say(&format!("tidy: {} files, nothing to complain about", tree.len()));
        return Ok(());
    }
    Err(format!("tidy: {} places break a house rule (listed above)", findings.len()))
}

fn check(tree: &Tree) -> Result<Vec<Finding>, Failure> {
    let mut findings = tree.emptiness();
    findings.extend(edges::check(tree));
    findings.extend(sources::check(tree));
    findings.extend(codes::check(tree));
    findings.extend(markdown::check(tree));
    findings.sort();
    findings.dedup();
    Ok(findings)
}
