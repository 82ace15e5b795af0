//! Regular expressions that a search looks for, and what each of them needs a text to have.

use std::hash::{Hash, Hasher};

use base::limits;
use regex::{Regex, RegexBuilder};
use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassBytesRange, ClassUnicode, ClassUnicodeRange, Hir, HirKind},
};

use crate::index::Wanted;

/// A compiled expression. Two are the same if they are spelled so and treat case alike.
#[derive(Clone)]
pub(crate) struct Regexp {
    source: String,
    regex: Regex,
    wanted: Wanted,
}

/// Why an expression is none, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadRegexp {
    pub(crate) message: String,
    pub(crate) at: usize,
}

impl Regexp {
    /// An expression that is found anywhere in a text. `any_case`: ASCII letters match in either
    /// case, and no other letter matches for one of them.
    pub(crate) fn new(source: &str, any_case: bool) -> Result<Self, BadRegexp> {
        let hir = parse(source, any_case)?;
        let hir = if any_case { ascii_case(&hir) } else { hir };
        let regex = RegexBuilder::new(&hir.to_string())
            .size_limit(limits::SEARCH_REGEX_BYTES_MAX)
            .dfa_size_limit(limits::SEARCH_REGEX_BYTES_MAX)
            .build()
            .map_err(|_| BadRegexp {
                message: "the regular expression is too large".to_owned(),
                at: 0,
            })?;
        // Fields are told apart by their spelling, which must say whether case counts.
        let source = format!("{}{source}", if any_case { "" } else { "(?-i)" });
        Ok(Self { source, regex, wanted: required(&hir) })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// What a text needs so that it may match.
    pub(crate) const fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// The names of its groups that have one.
    pub(crate) fn groups(&self) -> Vec<&str> {
        self.regex.capture_names().flatten().collect()
    }

    /// How many groups it has, the whole being the first.
    pub(crate) fn group_count(&self) -> usize {
        self.regex.captures_len()
    }

    /// What a group holds, one match after the other.
    pub(crate) fn captured<'r, 't: 'r>(
        &'r self,
        text: &'t str,
        group: usize,
    ) -> impl Iterator<Item = &'t str> + 'r {
        self.regex.captures_iter(text).filter_map(move |found| Some(found.get(group)?.as_str()))
    }

    /// What a group holds where the expression first matches.
    pub(crate) fn capture<'t>(&self, text: &'t str, group: &str) -> Option<&'t str> {
        Some(self.regex.captures(text)?.name(group)?.as_str())
    }
}

impl std::fmt::Debug for Regexp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{:?}/", self.source)
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Regexp {}

impl Hash for Regexp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.hash(state);
    }
}

/// What a text needs so that an expression of SQL may match in it. One that is none needs nothing
/// here; the engine says what is wrong.
pub(crate) fn wanted_of_sql(source: &str, any_case: bool) -> Wanted {
    parse(source, any_case).map_or(Wanted::Anything, |hir| required(&hir))
}

fn parse(source: &str, any_case: bool) -> Result<Hir, BadRegexp> {
    let parsed = ParserBuilder::new()
        .case_insensitive(any_case)
        .nest_limit(limits::SEARCH_REGEX_DEPTH_MAX)
        .build()
        .parse(source);
    parsed.map_err(|error| {
        let (what, at) = match &error {
            regex_syntax::Error::Parse(error) => {
                (error.kind().to_string(), error.span().start.offset)
            }
            regex_syntax::Error::Translate(error) => {
                (error.kind().to_string(), error.span().start.offset)
            }
            other => (other.to_string(), 0),
        };
        BadRegexp { message: format!("the regular expression is wrong: {what}"), at }
    })
}

/// The same expression where an ASCII letter in either case stood for other letters too: the Kelvin
/// sign for `k`, the long s for `s`.
fn ascii_case(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Class(Class::Unicode(class)) => {
            let pair = |upper: char, odd: char| {
                let lower = upper.to_ascii_lowercase();
                let pair = [upper, lower].map(|c| ClassUnicodeRange::new(c, c));
                let whole = pair.into_iter().chain([ClassUnicodeRange::new(odd, odd)]);
                (*class == ClassUnicode::new(whole))
                    .then(|| Hir::class(Class::Unicode(ClassUnicode::new(pair))))
            };
            pair('K', '\u{212a}').or_else(|| pair('S', '\u{17f}')).unwrap_or_else(|| hir.clone())
        }
        HirKind::Repetition(repetition) => {
            let mut repetition = repetition.clone();
            *repetition.sub = ascii_case(&repetition.sub);
            Hir::repetition(repetition)
        }
        HirKind::Capture(capture) => {
            let mut capture = capture.clone();
            *capture.sub = ascii_case(&capture.sub);
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(ascii_case).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(ascii_case).collect()),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}

/// What must stand in whatever matches.
fn required(hir: &Hir) -> Wanted {
    let mut found = Required::default();
    found.walk(hir);
    found.end_run();
    Wanted::all(found.parts)
}

#[derive(Default)]
struct Required {
    /// The text that stands before the place at hand, without a gap.
    run: Vec<u8>,
    parts: Vec<Wanted>,
}

impl Required {
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.parts.push(Wanted::part(run, false, false));
    }

    fn walk(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.run.extend_from_slice(&literal.0),
            HirKind::Class(class) => match letter(class) {
                Some(letter) => self.run.push(letter),
                None => self.end_run(),
            },
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Repetition(repetition) => {
                self.end_run();
                if repetition.min > 0 {
                    self.walk(&repetition.sub);
                    self.end_run();
                }
            }
            HirKind::Alternation(parts) => {
                self.end_run();
                self.parts.push(Wanted::any(parts.iter().map(required)));
            }
        }
    }
}

/// The ASCII letter that a class stands for, in both cases and nothing else.
fn letter(class: &Class) -> Option<u8> {
    let ends: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => {
            class.iter().map(|range| (range.start().into(), range.end().into())).collect()
        }
        Class::Bytes(class) => {
            let ends = |range: &ClassBytesRange| (range.start().into(), range.end().into());
            class.iter().map(ends).collect()
        }
    };
    let [(upper, upper_end), (lower, lower_end)] = ends.try_into().ok()?;
    let byte = u8::try_from(lower).ok()?;
    let is_letter = upper == upper_end
        && lower == lower_end
        && byte.is_ascii_lowercase()
        && upper == u32::from(byte.to_ascii_uppercase());
    is_letter.then_some(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn matches_anywhere_in_any_case() {
        for (source, text, expected) in [
            ("l[s5]ass\\.exe$", "C:\\LSASS.EXE", true),
            ("^lsass", "C:\\lsass", false),
            ("task", "TAS\u{212a}", false),
            ("\\bsc\\b", "sc.exe", true),
            ("(?-i)Admin", "admin", false),
            ("a{2}|b", "xaax", true),
        ] {
            let regexp = Regexp::new(source, true).unwrap();
            assert_eq!(regexp.is_match(text), expected, "{source} in {text}");
        }
        let plain = Regexp::new("(?<who>[A-Z]+)=", false).unwrap();
        assert_eq!(plain.groups(), ["who"]);
        assert_eq!(plain.capture("ab=1 CD=2", "who"), Some("CD"));
    }

    #[test]
    fn says_where_it_is_wrong() {
        let bad = Regexp::new("ab(c", true).unwrap_err();
        assert_eq!(
            (bad.message.as_str(), bad.at),
            ("the regular expression is wrong: unclosed group", 2)
        );
        let bad = Regexp::new("(((a{1000}){1000}){1000})", true).unwrap_err();
        assert_eq!(bad.message, "the regular expression is too large");
        assert!(Regexp::new(&"(".repeat(5000), true).is_err());
    }

    #[test]
    fn knows_what_a_text_needs() {
        let word = |text| Wanted::part(text, false, false);
        for (source, expected) in [
            ("mimikatz", word("mimikatz")),
            (
                "(?:Invoke|Start)-Mimi",
                Wanted::all([Wanted::any([word("invoke"), word("start")]), word("-mimi")]),
            ),
            ("lsass.*dump", Wanted::all([word("lsass"), word("dump")])),
            ("(lsass)?x", Wanted::Anything),
            ("[a-z]+", Wanted::Anything),
            ("1\\.5", Wanted::Anything),
        ] {
            assert_eq!(required(&parse(source, false).unwrap()), expected, "{source}");
            assert_eq!(*Regexp::new(source, true).unwrap().wanted(), expected, "{source}");
        }
    }

    proptest! {
        /// Whatever matches has what is said to be needed: nothing that could be found is skipped.
        #[test]
        fn what_matches_has_what_is_needed(
            source in "(ab|k|s|-|[a-z]|12|a+|\\(ka\\|sb\\)|x\\?|\\.){1,6}",
            text in "[abksABKSx12 .-]{0,16}",
        ) {
            let regexp = Regexp::new(&source, true).unwrap();
            if regexp.is_match(&text) {
                prop_assert!(regexp.wanted().is_met_by(text.as_bytes()), "{} {}", source, text);
            }
            let sql = wanted_of_sql(&source, false);
            if Regexp::new(&source, false).unwrap().is_match(&text) {
                prop_assert!(sql.is_met_by(text.as_bytes()), "{} {}", source, text);
            }
        }
    }
}
