//! A mistake in what surrounds a rule: its tests, its keys, the fields it names.

use base::{Code, Explain, Place};
use detect::yaml::Node;

/// A mistake at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    kind: Kind,
    path: String,
    line: u32,
    column: u32,
    message: String,
    help: Option<String>,
}

/// What a mistake is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// How a test is written.
    Test,
    /// The log source of a test.
    TestLogSource,
    /// The rule of a test.
    TestRule,
    /// A key that means nothing.
    Key,
    /// A field that nobody has.
    Field,
    /// A rule that no events reach.
    Unrouted,
    /// A rule that none of its events can match.
    Never,
}

impl Mistake {
    /// A mistake at a node of a file.
    pub(crate) fn at(kind: Kind, path: &str, node: &Node, message: impl Into<String>) -> Self {
        Self::placed(kind, path, (node.line, node.column), message)
    }

    pub(crate) fn placed(
        kind: Kind,
        path: &str,
        (line, column): (u32, u32),
        message: impl Into<String>,
    ) -> Self {
        Self { kind, path: path.to_owned(), line, column, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Explain for Mistake {
    fn code(&self) -> Code {
        Code(match self.kind {
            Kind::Test => "DAB0240",
            Kind::TestLogSource => "DAB0241",
            Kind::TestRule => "DAB0242",
            Kind::Key => "DAB0243",
            Kind::Field => "DAB0244",
            Kind::Unrouted => "DAB0226",
            Kind::Never => "DAB0246",
        })
    }

    fn place(&self) -> Option<Place> {
        Some(Place::File { path: self.path.clone(), line: self.line, column: self.column })
    }

    fn help(&self) -> Option<String> {
        self.help.clone()
    }
}

/// The name that is nearest to `name`, if it is near enough to be what was meant.
pub(crate) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    let allowed = 1 + lower.chars().count() / 4;
    known
        .map(|other| (distance(&lower, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbors.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    let mut previous = None;
    for (index, char) in left.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(index + 1);
        for (at, other) in right.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (cell(&row, at) + usize::from(char != *other))
                .min(cell(&row, at + 1) + 1)
                .min(cell(&next, at) + 1);
            let is_swapped = at > 0
                && previous == Some(*other)
                && right.get(at - 1) == Some(&char)
                && !before.is_empty();
            if is_swapped {
                cost = cost.min(cell(&before, at - 1) + 1);
            }
            next.push(cost);
        }
        before = std::mem::replace(&mut row, next);
        previous = Some(char);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["dedup", "dedup_window", "detection", "level"];
        for (name, expected) in [
            ("dedupe", Some("dedup")),
            ("deudp", Some("dedup")),
            ("Detecton", Some("detection")),
            ("lvel", Some("level")),
            ("author", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known.into_iter()), expected, "{name}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
    }
}
