//! Texts that whatever a regular expression matches must contain.
//!
//! They are in lower case and compared with text in lower case, so it does not matter whether the
//! expression ignores case. What ignoring case adds beyond lower-casing is one letter only: `ſ`
//! (U+017F), which counts as `s`; of text that has one, nothing is concluded. (`K`, the Kelvin
//! sign, lower-cases to `k` by itself.) Literals that are not ASCII are not used.

use regex_syntax::hir::{Class, Hir, HirKind};

/// How many alternatives are followed, and how long each may be.
const ALTERNATIVES_MAX: usize = 64;
const LITERAL_BYTES_MAX: usize = 128;

/// Shorter ones are in every text.
const LITERAL_BYTES_MIN: usize = 2;

/// Any of the texts stands, in lower case, in whatever the expression matches; `None` if no such
/// texts are known.
pub(super) fn needed(pattern: &str) -> Option<Vec<String>> {
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let Texts { exact, needed } = texts(&hir);
    best(exact.filter(|texts| is_useful(texts)), needed)
}

/// What is known of an expression's matches.
#[derive(Debug, Default)]
struct Texts {
    /// They are one of these, in lower case.
    exact: Option<Vec<String>>,
    /// They contain one of these.
    needed: Option<Vec<String>>,
}

fn exactly(texts: Vec<String>) -> Texts {
    let is_small =
        texts.len() <= ALTERNATIVES_MAX && texts.iter().all(|text| text.len() <= LITERAL_BYTES_MAX);
    if is_small {
        return Texts { exact: Some(texts), needed: None };
    }
    Texts { exact: None, needed: Some(texts).filter(|texts| is_useful(texts)) }
}

fn texts(hir: &Hir) -> Texts {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => exactly(vec![String::new()]),
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(text) if text.is_ascii() => exactly(vec![text.to_ascii_lowercase()]),
            _ => Texts::default(),
        },
        HirKind::Class(class) => class_texts(class),
        HirKind::Capture(capture) => texts(&capture.sub),
        HirKind::Concat(parts) => concat(parts),
        HirKind::Alternation(branches) => alternation(branches),
        HirKind::Repetition(repetition) => {
            let inner = texts(&repetition.sub);
            match (repetition.min, repetition.max, inner.exact) {
                (0, Some(1), Some(mut exact)) => {
                    exact.push(String::new());
                    exactly(exact)
                }
                (0, ..) => Texts::default(),
                (_, _, exact) => Texts {
                    exact: None,
                    needed: best(exact.filter(|texts| is_useful(texts)), inner.needed),
                },
            }
        }
    }
}

fn class_texts(class: &Class) -> Texts {
    let Class::Unicode(class) = class else { return Texts::default() };
    let mut all: Vec<String> = Vec::new();
    for range in class.ranges() {
        for char in range.start()..=range.end() {
            // What these two stand for, the letter itself does (see above).
            if matches!(char, 'ſ' | '\u{212a}') {
                continue;
            }
            if !char.is_ascii() || all.len() > 8 {
                return Texts::default();
            }
            let text = char.to_ascii_lowercase().to_string();
            if !all.contains(&text) {
                all.push(text);
            }
        }
    }
    if all.is_empty() { Texts::default() } else { exactly(all) }
}

fn alternation(branches: &[Hir]) -> Texts {
    let mut exact = Some(Vec::new());
    let mut needed = Some(Vec::new());
    for branch in branches {
        let branch = texts(branch);
        exact = match (exact, &branch.exact) {
            (Some(mut all), Some(more)) if all.len() + more.len() <= ALTERNATIVES_MAX => {
                all.extend(more.iter().cloned());
                Some(all)
            }
            _ => None,
        };
        let branch = best(branch.exact.filter(|texts| is_useful(texts)), branch.needed);
        needed = match (needed, branch) {
            (Some(mut all), Some(more)) if all.len() + more.len() <= ALTERNATIVES_MAX => {
                all.extend(more);
                Some(all)
            }
            _ => None,
        };
    }
    Texts { exact, needed }
}

fn concat(parts: &[Hir]) -> Texts {
    let mut run = vec![String::new()];
    let mut needed: Option<Vec<String>> = None;
    let mut is_exact = true;
    for part in parts {
        let part = texts(part);
        match part.exact {
            Some(exact) if run.len() * exact.len() <= ALTERNATIVES_MAX && fits(&run, &exact) => {
                let joined =
                    |head: &String| exact.iter().map(|tail| format!("{head}{tail}")).collect();
                run = run.iter().flat_map::<Vec<_>, _>(joined).collect();
            }
            exact => {
                is_exact = false;
                needed = best(Some(run).filter(|texts| is_useful(texts)), needed);
                needed = best(part.needed, needed);
                // What is too much to be joined begins the next run.
                run = exact.unwrap_or_else(|| vec![String::new()]);
            }
        }
    }
    if is_exact {
        return exactly(run);
    }
    Texts { exact: None, needed: best(Some(run).filter(|texts| is_useful(texts)), needed) }
}

fn fits(run: &[String], exact: &[String]) -> bool {
    let longest = |texts: &[String]| texts.iter().map(String::len).max().unwrap_or(0);
    longest(run) + longest(exact) <= LITERAL_BYTES_MAX
}

fn shortest(texts: &[String]) -> usize {
    texts.iter().map(String::len).min().unwrap_or(0)
}

fn is_useful(texts: &[String]) -> bool {
    shortest(texts) >= LITERAL_BYTES_MIN
}

/// The one whose shortest text is longer; of equals, the one with fewer.
fn best(left: Option<Vec<String>>, right: Option<Vec<String>>) -> Option<Vec<String>> {
    let rank = |texts: &Vec<String>| (shortest(texts), usize::MAX - texts.len());
    match (left, right) {
        (Some(left), Some(right)) => Some(if rank(&left) >= rank(&right) { left } else { right }),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &[&str]) {
        let mut seen = needed(pattern).unwrap_or_default();
        seen.sort();
        assert_eq!(seen, expected, "{pattern}");
    }

    #[test]
    fn what_every_match_contains_is_found() {
        check("Foo.*BarBaz", &["barbaz"]);
        check("(?i)foo\\s+bar", &["bar"]);
        check("^abc$", &["abc"]);
        check("(abc|defg)h", &["abch", "defgh"]);
        check("x(abc|.*)y", &[]);
        check("(abc|dde+f)[0-9]", &["abc", "dd"]);
        check("ab?c", &["abc", "ac"]);
        check("a[bB]c.", &["abc"]);
        check("(?i)sky", &["sky"]);
        check("(abc)*", &[]);
        check("(abc)+d", &["abc"]);
        check("\\babc\\b", &["abc"]);
        check("é.*abc", &["abc"]);
        check("[a-z]+", &[]);
        check(".", &[]);
        check("", &[]);
        check("a|", &[]);
    }
}
