//! Texts that every match of a regular expression contains.

use base::limits;
use regex_syntax::hir::{Class, Hir, HirKind};

/// A text that a match contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Required {
    pub(super) text: String,
    /// Whether the letters A to Z count as equal to a to z.
    pub(super) ignore_ascii_case: bool,
}

/// Texts of which every match of `pattern` contains one, if there are such.
pub(super) fn literals(pattern: &str) -> Option<Vec<Required>> {
    required(&regex_syntax::parse(pattern).ok()?)
}

fn required(hir: &Hir) -> Option<Vec<Required>> {
    match hir.kind() {
        HirKind::Literal(_) | HirKind::Class(_) => {
            let mut run = Run::default();
            run.add(hir).then(|| run.finish()).flatten().map(|text| vec![text])
        }
        HirKind::Concat(parts) => {
            let mut best = None;
            let mut run = Run::default();
            for part in parts {
                if run.add(part) {
                    continue;
                }
                best = better(best, std::mem::take(&mut run).finish().map(|text| vec![text]));
                best = better(best, required(part));
            }
            better(best, run.finish().map(|text| vec![text]))
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            (all.len() <= limits::CEL_NECESSARY_MAX).then_some(all)
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Empty | HirKind::Look(_) | HirKind::Repetition(_) => None,
    }
}

/// Those whose shortest text is longer.
fn better(a: Option<Vec<Required>>, b: Option<Vec<Required>>) -> Option<Vec<Required>> {
    let shortest = |all: &Vec<Required>| all.iter().map(|each| each.text.len()).min().unwrap_or(0);
    match (a, b) {
        (Some(a), Some(b)) => Some(if shortest(&b) > shortest(&a) { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Characters in a row that every match contains.
#[derive(Default)]
struct Run {
    text: String,
    ignore_ascii_case: bool,
}

impl Run {
    /// Adds a part of a fixed text; answers whether it is one.
    fn add(&mut self, hir: &Hir) -> bool {
        match hir.kind() {
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => self.text.push_str(text),
                Err(_) => return false,
            },
            // A letter in both cases, and nothing else: `k` and `s` have a third form.
            HirKind::Class(Class::Unicode(class)) => {
                let mut chars = class.iter().flat_map(|range| range.start()..=range.end());
                match (chars.next(), chars.next(), chars.next()) {
                    (Some(upper), Some(lower), None)
                        if upper.is_ascii_uppercase() && upper.to_ascii_lowercase() == lower =>
                    {
                        self.text.push(lower);
                        self.ignore_ascii_case = true;
                    }
                    _ => return false,
                }
            }
            _ => return false,
        }
        true
    }

    fn finish(self) -> Option<Required> {
        (!self.text.is_empty())
            .then_some(Required { text: self.text, ignore_ascii_case: self.ignore_ascii_case })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_every_match_contains() {
        for (pattern, expected) in [
            ("abc", "abc"),
            ("^abc$", "abc"),
            ("a.*bcd", "bcd"),
            (r"\\(?:cmd|powershell)\.exe$", ".exe"),
            ("(?:cmd|pwsh)", "cmd|pwsh"),
            (r"x(?:foo|ba)+", "foo|ba"),
            ("(?i)mimi", "~mimi"),
            ("(?i)cmd.exe", "~cmd"),
            ("(?i)task", "~ta"),
            ("(?:abc)*", "-"),
            ("abc|", "-"),
            (r"\d+", "-"),
            ("[ab]c", "c"),
        ] {
            let found = literals(pattern).map(|all| {
                let mark = |each: &Required| if each.ignore_ascii_case { "~" } else { "" };
                let texts = all.iter().map(|each| format!("{}{}", mark(each), each.text));
                texts.collect::<Vec<_>>().join("|")
            });
            assert_eq!(found.as_deref().unwrap_or("-"), expected, "{pattern}");
        }
    }
}
