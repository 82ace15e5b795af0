//! Looking into YAML, with every surprise reported at its place.

use base::Place;
use serde_saphyr::Location;

use super::{
    super::{
        DecodeError,
        yaml::{self, Content, Key, Node},
    },
    one_of,
};

/// Gathers all mistakes of one file.
pub(super) struct Report<'p> {
    pub(super) path: &'p str,
    text: &'p str,
    pub(super) errors: Vec<DecodeError>,
}

impl<'p> Report<'p> {
    pub(super) const fn new(path: &'p str, text: &'p str) -> Self {
        Self { path, text, errors: Vec::new() }
    }

    /// The place of a byte of a text that stands at `at`: if it is a block of lines, that of its line.
    pub(super) fn inside(&self, at: Location, text: &str, byte: usize) -> Place {
        let before = text.get(..byte).unwrap_or(text);
        let number = before.matches('\n').count();
        let line = before.rsplit('\n').next().unwrap_or_default();
        // Lines of nothing at its beginning are no mark to find it by.
        let marked = text.lines().enumerate().find(|(_, line)| !line.trim().is_empty());
        let (empty, first) = marked.unwrap_or_default();
        // A block begins on the line below its key, whichever of the two the parser names.
        let from = usize::try_from(at.line()).unwrap_or(1).saturating_sub(1);
        let mut near = self.text.lines().enumerate().skip(from).take(2 + empty);
        let block = near.find_map(|(found, line)| {
            let indent = line.strip_suffix(first)?;
            (!first.is_empty() && indent.trim().is_empty()).then_some((found, indent.len()))
        });
        let Some((found, indent)) = block else { return yaml::place(self.path, at) };
        let place = |number: usize| u32::try_from(number + 1).unwrap_or(u32::MAX);
        Place::File {
            path: self.path.to_owned(),
            line: place((found + number).saturating_sub(empty)),
            column: place(indent + line.chars().count()),
        }
    }

    pub(super) fn wrong(
        &mut self,
        at: Location,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), Some(help.into()));
        self.errors.push(DecodeError::Value { message, help, place: yaml::place(self.path, at) });
    }

    /// The node's text; numbers and truth values count by their spelling.
    pub(super) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.content {
            Content::Scalar(text) => Some(text),
            Content::Bool(value) => Some(if *value { "true" } else { "false" }),
            Content::Null | Content::List(_) | Content::Map(_) => {
                self.wrong(node.at, format!("{what} is {}", node.kind()), "write a text here");
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Content::List(members) = &node.content {
            return Some(members);
        }
        let message = format!("{what} is {}, not a list", node.kind());
        self.wrong(node.at, message, "write a list: `[a, b]`, or lines that begin with `- `");
        None
    }

    pub(super) fn one_or_many<'n>(&mut self, node: &'n Node, what: &str) -> Vec<&'n str> {
        match &node.content {
            Content::List(members) => {
                members.iter().filter_map(|member| self.text(member, what)).collect()
            }
            _ => self.text(node, what).into_iter().collect(),
        }
    }

    pub(super) fn choose<'c>(
        &mut self,
        at: Location,
        what: &str,
        text: &str,
        choices: &[&'c str],
    ) -> Option<&'c str> {
        let chosen = choices.iter().find(|choice| **choice == text).copied();
        if chosen.is_none() {
            self.wrong(at, format!("{what} is `{text}`"), similar_or_all(text, choices));
        }
        chosen
    }
}

/// The entries of a map whose keys are fixed.
pub(super) struct Keys<'n> {
    entries: &'n [(Key, Node)],
}

impl<'n> Keys<'n> {
    /// No entries.
    pub(super) const fn none() -> Self {
        Self { entries: &[] }
    }

    /// Reports keys that are not `known`. `what` names the map in messages.
    pub(super) fn of(
        node: &'n Node,
        what: &str,
        known: &[&str],
        report: &mut Report<'_>,
    ) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            let message = format!("{what} is {}, not a map", node.kind());
            report.wrong(node.at, message, format!("write keys and values; {}", one_of(known)));
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
            report.errors.push(DecodeError::UnknownKey {
                key: key.text.clone(),
                context: format!(" in {what}"),
                help: similar_or_all(&key.text, known),
                place: yaml::place(report.path, key.at),
            });
        }
        Some(Self { entries })
    }

    /// The value under `key`; a key without a value counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        let entry = self.entries.iter().find(|(name, _)| name.text == key);
        entry.map(|(_, value)| value).filter(|value| !matches!(value.content, Content::Null))
    }

    pub(super) fn place_of(&self, key: &str) -> Option<Location> {
        self.entries.iter().find(|(name, _)| name.text == key).map(|(name, _)| name.at)
    }

    pub(super) fn text(&self, key: &str, report: &mut Report<'_>) -> Option<(Location, &'n str)> {
        let node = self.get(key)?;
        report.text(node, &format!("`{key}`")).map(|text| (node.at, text))
    }

    pub(super) fn bool(&self, key: &str, report: &mut Report<'_>) -> bool {
        match self.get(key) {
            None => false,
            Some(Node { content: Content::Bool(value), .. }) => *value,
            Some(node) => {
                let message = format!("`{key}` is {}", node.kind());
                report.wrong(node.at, message, "write `true` or `false`");
                false
            }
        }
    }

    pub(super) fn choice<'c>(
        &self,
        key: &str,
        choices: &[&'c str],
        report: &mut Report<'_>,
    ) -> Option<&'c str> {
        let (at, text) = self.text(key, report)?;
        report.choose(at, &format!("`{key}`"), text, choices)
    }

    /// A list of texts, each with its place.
    pub(super) fn texts(&self, key: &str, report: &mut Report<'_>) -> Vec<(Location, &'n str)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let what = format!("`{key}`");
        let members = report.list(node, &what).unwrap_or_default();
        members
            .iter()
            .filter_map(|member| report.text(member, &what).map(|text| (member.at, text)))
            .collect()
    }

    /// A text, or a list of texts.
    pub(super) fn one_or_many(&self, key: &str, report: &mut Report<'_>) -> Vec<&'n str> {
        let what = format!("`{key}`");
        self.get(key).map(|node| report.one_or_many(node, &what)).unwrap_or_default()
    }

    /// A map whose keys are free.
    pub(super) fn entries(&self, key: &str, report: &mut Report<'_>) -> &'n [(Key, Node)] {
        self.get(key).map_or(&[], |node| free_entries(node, &format!("`{key}`"), report))
    }
}

/// The entries of a map whose keys are free.
pub(super) fn free_entries<'n>(
    node: &'n Node,
    what: &str,
    report: &mut Report<'_>,
) -> &'n [(Key, Node)] {
    if let Content::Map(entries) = &node.content {
        return entries;
    }
    report.wrong(node.at, format!("{what} is {}, not a map", node.kind()), "write `key: value`");
    &[]
}

/// "did you mean …", or all there is.
pub(super) fn similar_or_all(text: &str, choices: &[&str]) -> String {
    similar(text, choices).unwrap_or_else(|| one_of(choices))
}

/// "did you mean …", if one is near.
pub(crate) fn similar(text: &str, choices: &[&str]) -> Option<String> {
    let nearest = choices.iter().map(|choice| (distance(text, choice), choice)).min();
    let (_, choice) = nearest.filter(|(steps, choice)| *steps <= 1 + choice.len() / 4)?;
    Some(format!("write `{choice}`, if that is what is meant"))
}

/// How many letters must be added, removed, replaced or swapped with their neighbor (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let replaced = get(&last, j) + usize::from(from != to);
            let mut best = replaced.min(get(&last, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_what_is_near() {
        let keys = &["fields", "format", "time"];
        assert_eq!(similar_or_all("feilds", keys), "write `fields`, if that is what is meant");
        assert_eq!(similar_or_all("tiem", keys), "write `time`, if that is what is meant");
        assert_eq!(similar_or_all("parser", keys), "use one of `fields`, `format`, `time`");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("acb", "abc"), 1);
    }
}
