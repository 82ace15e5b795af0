//! The grammar by example, its mistakes, and arbitrary text.

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["selection", "filter_a", "filter_b", "_hidden", "sel_x", "a"];

/// Writes a condition with all its parentheses.
fn show(condition: &Condition) -> String {
    let list = |all: &[Condition], word| {
        let all = all.iter().map(show).collect::<Vec<_>>();
        format!("({})", all.join(word))
    };
    match condition {
        Condition::Selection(index) => NAMES[*index].to_owned(),
        Condition::Not(inner) => format!("!{}", show(inner)),
        Condition::And(all) => list(all, " & "),
        Condition::Or(all) => list(all, " | "),
        Condition::AtLeast(least, members) => {
            let members = members.iter().map(|index| NAMES[*index]).collect::<Vec<_>>();
            format!("{least}[{}]", members.join(" "))
        }
    }
}

#[test]
fn operators_bind_as_specified() {
    for (text, expected) in [
        ("selection", "selection"),
        ("  ( selection ) ", "selection"),
        ("selection and not filter_a", "(selection & !filter_a)"),
        ("a or selection and filter_a", "(a | (selection & filter_a))"),
        ("(a or selection) and filter_a", "((a | selection) & filter_a)"),
        ("not a and selection", "(!a & selection)"),
        ("not (a and selection)", "!(a & selection)"),
        ("not not a", "a"),
        ("selection AND NOT filter_a OR a", "((selection & !filter_a) | a)"),
        ("1 of filter_*", "1[filter_a filter_b]"),
        ("any of filter_*", "1[filter_a filter_b]"),
        ("all of filter_*", "2[filter_a filter_b]"),
        ("2 of filter*", "2[filter_a filter_b]"),
        ("1 of *_b", "1[filter_b]"),
        ("1 of *l*", "1[selection filter_a filter_b sel_x]"),
        ("1 of sel*", "1[selection sel_x]"),
        ("1 of f*_*b", "1[filter_b]"),
        ("all of selection", "1[selection]"),
        ("1 of them", "1[selection filter_a filter_b sel_x a]"),
        ("all of them", "5[selection filter_a filter_b sel_x a]"),
        ("not 1 of filter_* and selection", "(!1[filter_a filter_b] & selection)"),
        ("selection and (1 of sel_* or a)", "(selection & (1[sel_x] | a))"),
    ] {
        let condition = parse(text, &NAMES).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(show(&condition), expected, "{text}");
    }
}

#[test]
fn mistakes_are_named_where_they_are() {
    for (text, column, message) in [
        ("", 0, "the condition ends where a selection's name should stand"),
        ("selection and", 13, "the condition ends where a selection's name should stand"),
        ("selection a", 10, "`a` stands where `and`, `or` or the end should stand"),
        ("and a", 0, "`and` stands where a selection's name should stand"),
        ("(a or selection", 15, "the condition ends where `)` should stand"),
        ("a )", 2, "`)` stands where `and`, `or` or the end should stand"),
        ("(a selection)", 3, "`selection` stands where `)` should stand"),
        ("0 of them", 0, "`0` stands where `1`, `any` or `all` before `of` should stand"),
        ("some of them", 0, "`some` stands where `1`, `any` or `all` before `of` should stand"),
        ("9 of them", 0, "`9 of them` can't hold: only 5 selections are meant"),
        ("1 of", 4, "the condition ends where `them` or a pattern of selection names should stand"),
        ("1 of (a)", 5, "`(` stands where `them` or a pattern of selection names should stand"),
        ("a | count() > 5", 2, "aggregations behind `|` are not part of Sigma 2"),
    ] {
        let error = parse(text, &NAMES).unwrap_err();
        assert_eq!((error.column, error.message.as_str()), (column, message), "{text}");
    }
    let error = parse("a and b", &["a"]).unwrap_err();
    assert_eq!(error.message, "there is no selection `b`; there are `a`");
    let error = parse("1 of b*", &["a"]).unwrap_err();
    assert_eq!(error.message, "no selection fits `b*`; there are `a`");
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(limits::RULE_DEPTH_MAX), &NAMES).is_ok());
    let error = parse(&nested(100_000), &NAMES).unwrap_err();
    assert_eq!(error.message, "parentheses are nested more than 64 deep");
    assert!(parse(&format!("{}a", "not ".repeat(100_001)), &NAMES).is_ok());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        drop(parse(&text, &NAMES));
    }

    #[test]
    fn arbitrary_words_never_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "(", ")", "and", "or", "not", "of", "1", "all", "any", "them", "a", "sel*", "*", "|",
            ]),
            0..24,
        ),
    ) {
        drop(parse(&words.join(" "), &NAMES));
    }

    #[test]
    fn names_fit_patterns_as_their_regular_expression(
        pattern in "[ab*]{0,6}", name in "[ab]{0,8}",
    ) {
        let regex = format!("\\A{}\\z", pattern.replace('*', ".*"));
        let expected = regex::Regex::new(&regex).unwrap().is_match(&name);
        prop_assert_eq!(matches_name(&pattern, &name), expected);
    }
}
