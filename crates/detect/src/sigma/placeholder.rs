//! Placeholders: `%name%` in a value with the modifier `expand` stands for a list of values that
//! the rule leaves to its users.

use base::limits;

use super::node::Node;
use crate::{
    error::{RuleError, RuleErrorKind},
    rule::Placeholders,
};

/// Why a value could not be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExpandError {
    Unknown(String),
    TooMany,
}

impl ExpandError {
    pub(crate) fn at(self, node: &Node) -> RuleError {
        match self {
            Self::Unknown(name) => {
                let message = format!("the placeholder `%{name}%` has no values here");
                let error = node.error(RuleErrorKind::Placeholder(message));
                error.with_help(format!(
                    "say what it stands for in a file of definitions: `placeholders: {{{name}: [value]}}`"
                ))
            }
            Self::TooMany => {
                let max = limits::RULE_EXPANSION_VALUES_MAX;
                let message = format!("the placeholders stand for more than {max} values");
                node.error(RuleErrorKind::Placeholder(message))
            }
        }
    }
}

/// Every text that `text` stands for. `\%` is a plain percent sign, and so is one that has no
/// second to close a name.
pub(crate) fn expand(text: &str, placeholders: &Placeholders) -> Result<Vec<String>, ExpandError> {
    let mut all = vec![String::new()];
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("\\%") {
            all.iter_mut().for_each(|text| text.push('%'));
            rest = behind;
        } else if let Some((name, behind)) = placeholder_at(rest) {
            let unknown = || ExpandError::Unknown(name.to_owned());
            let values = placeholders.get(name).ok_or_else(unknown)?;
            if all.len().saturating_mul(values.len()) > limits::RULE_EXPANSION_VALUES_MAX {
                return Err(ExpandError::TooMany);
            }
            let with = |text: &String| {
                values.iter().map(|value| format!("{text}{value}")).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
            rest = behind;
        } else {
            all.iter_mut().for_each(|text| text.push(char));
            rest = rest.strip_prefix(char).unwrap_or_default();
        }
    }
    Ok(all)
}

/// The name of the placeholder that `text` begins with, and what follows it.
fn placeholder_at(text: &str) -> Option<(&str, &str)> {
    let (name, behind) = text.strip_prefix('%')?.split_once('%')?;
    let is_name =
        |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | ':' | ' ');
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[&str], ExpandError>) {
        let placeholders = Placeholders::from([
            ("admins".to_owned(), vec!["root".to_owned(), "adm".to_owned()]),
            ("x".to_owned(), vec!["1".to_owned(), "2".to_owned()]),
            ("none".to_owned(), Vec::new()),
        ]);
        let found = expand(text, &placeholders);
        let expected = expected.map(|all| all.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn placeholders_stand_for_their_values() {
        check("%admins%", Ok(&["root", "adm"]));
        check("a%x%b", Ok(&["a1b", "a2b"]));
        check("%admins%%x%", Ok(&["root1", "root2", "adm1", "adm2"]));
        check("100\\%", Ok(&["100%"]));
        check("\\%x\\%", Ok(&["%x%"]));
        check("50% and", Ok(&["50% and"]));
        check("%none%", Ok(&[]));
        check("%other%", Err(ExpandError::Unknown("other".to_owned())));
    }

    #[test]
    fn combinations_are_limited() {
        check(&"%x%".repeat(20), Err(ExpandError::TooMany));
    }
}
