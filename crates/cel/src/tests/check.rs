//! What the checker says of expressions.

use base::{ColumnType, Explain as _};
use proptest::prelude::*;

use super::necessary::detections;
use crate::{Declarations, Program, Schema, Type, check};

fn sign_ins() -> Declarations {
    let columns = [
        ("eventName", ColumnType::Text),
        ("count", ColumnType::Int),
        ("ratio", ColumnType::Float),
        ("mfa", ColumnType::Bool),
        ("groups", ColumnType::TextList),
        ("user.name", ColumnType::Text),
        ("source.ip", ColumnType::Text),
    ];
    let schema = Schema::closed()
        .with_columns(columns)
        .with("tags", Type::map(Type::Text, Type::Text))
        .with("raw", Type::Dyn);
    Declarations::of(schema).wanting(Type::Bool)
}

fn problems(source: &str) -> Vec<String> {
    let checked = check(source, &sign_ins());
    let words = checked.problems.iter().map(|problem| {
        let help = problem.help().map(|help| format!("; {help}")).unwrap_or_default();
        format!("{} {problem}{help}", problem.code().0)
    });
    words.collect()
}

#[test]
fn finds_nothing_in_what_is_right() {
    for source in [
        "eventName == 'x' && count > 3 && ratio < 0.5 && mfa && !has(source.ip)",
        "count == 3.0 && ratio > 1 && count in [1, 2]",
        "groups.exists(g, g.startsWith('adm')) && 'x' in groups && groups[0] == 'x'",
        "tags.env == 'prod' && tags['env'] in ['a', 'b'] && tags.exists(k, v, k == v)",
        "raw.anything.at.all == 3 && raw.list.exists(x, x.y > 3) && raw.size() > 2",
        "user.name.lowerAscii().matches('^a') && size(user) > 1",
        "has(user.name) && user.?name.orValue('') == 'x' && tags[?'a'].hasValue()",
        "timestamp(eventName) - duration('1h') < timestamp('2026-01-01T00:00:00Z')",
        "type(raw) == string && type(count) in [int, uint]",
        "dyn(count) == 'x' || {'a': count, 'b': ratio}.a > 3",
        "cel.bind(n, count + 1, n > 3 && n < 9) && math.greatest(count, 3) == 3",
        "['a', 'b'].map(x, x + eventName).filter(y, y != '').size() > 0",
        "mfa ? count == 1 : eventName == '%s'.format([count])",
        "net.inCidr(source.ip, '10.0.0.0/8') && ip(source.ip).family() == 4",
    ] {
        assert_eq!(problems(source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn finds_every_mistake_with_its_place() {
    for (source, expected) in [
        (
            "evntName == 'x' &&\n  user.nmae == 'y'",
            vec![
                "DAB0279 there is no field `evntName` (line 1, column 1); \
                 did you mean `eventName`?",
                "DAB0279 there is no field `user.nmae` (line 2, column 3); \
                 did you mean `user.name`?",
            ],
        ),
        (
            "count == 'x' || eventName > 3",
            vec![
                "DAB0278 `==` can't join int and string (line 1, column 7); \
                 convert the text: `int(…)`",
                "DAB0278 `>` can't join string and int (line 1, column 27); \
                 convert the text: `int(…)`",
            ],
        ),
        (
            "count.startsWith('x')",
            vec![
                "DAB0278 `startsWith` can't be called on int with (string) (line 1, column 7); \
                 give it (string, string)",
            ],
        ),
        (
            "frobnicate(count) && eventName.trim(1) == ''",
            vec![
                "DAB0271 unknown function `frobnicate` (line 1, column 1); \
                 use one of the functions listed in `docs/reference/cel.md`",
                "DAB0272 `trim` can't be called like this (line 1, column 32); \
                 write `text.trim()`",
            ],
        ),
        (
            "count",
            vec![
                "DAB0278 the expression must be of type bool, and is of type int \
                 (line 1, column 1); compare the value with something",
            ],
        ),
        (
            "groups.exists(g, size(g)) && count.exists(x, true)",
            vec![
                "DAB0278 the test must be of type bool, and is of type int (line 1, column 18); \
                 compare the value with something",
                "DAB0278 a value of type int has no members to go through \
                 (line 1, column 30); use the macro on a list or a map",
            ],
        ),
        (
            "eventName.first == 'x' && groups[0].x && count + 1.5 > 2.0",
            vec![
                "DAB0279 `eventName` is of type string, and has no fields (line 1, column 1)",
                "DAB0279 a value of type string has no field `x` (line 1, column 36)",
                "DAB0278 `+` can't join int and double (line 1, column 48); \
                 convert one: `int(…)`",
            ],
        ),
    ] {
        assert_eq!(problems(source), expected, "{source}");
    }
}

#[test]
fn says_what_the_compiler_says_too() {
    for (source, expected) in [
        ("count == ", "DAB0270 the expression ends too early (line 1, column 10)"),
        (
            "[1, 2].all(a.b, true)",
            "DAB0275 an expression instead of a variable can't be used here \
             (line 1, column 13); write a plain name as the variable, such as `x`",
        ),
    ] {
        assert_eq!(problems(source), [expected], "{source}");
    }
}

#[test]
fn infers_types() {
    for (source, expected) in [
        ("1", "int"),
        ("[1, 2u]", "list(dyn)"),
        ("[]", "list(dyn)"),
        ("[[], [1]]", "list(list(int))"),
        ("{'a': [1.5]}", "map(string, list(double))"),
        ("{}.?a", "optional_type(dyn)"),
        ("[1].map(x, string(x))", "list(string)"),
        ("{'a': 1}.transformMap(k, v, v > 1)", "map(string, bool)"),
        ("[optional.of(1), optional.none()]", "list(optional_type(int))"),
        ("optional.of([1])[?0].value()", "int"),
        ("type(1)", "type(int)"),
        ("int", "type(int)"),
        ("true ? 1 : dyn(2)", "dyn"),
        ("[null, timestamp(0)]", "list(google.protobuf.Timestamp)"),
        ("math.greatest(1, 2.0)", "dyn"),
        ("math.least([1u, 2u])", "uint"),
        ("[3, 1].sortBy(x, -x)[0]", "int"),
        ("duration('1s') + timestamp(0)", "google.protobuf.Timestamp"),
        ("cidr('10.0.0.0/8').ip()", "net.IP"),
    ] {
        let checked = check(source, &Declarations::default());
        assert_eq!(checked.problems, [], "{source}");
        assert_eq!(checked.kind.to_string(), expected, "{source}");
    }
}

#[test]
fn refuses_what_would_take_too_long() {
    let nested = "a.all(x, b.all(y, c.all(z, x + y + z > 0)))";
    let problem = Program::compile(nested).expect_err(nested);
    assert_eq!(problem.code().0, "DAB0260", "{problem}");
    assert_eq!((problem.line, problem.column), (1, 3), "{problem}");
    assert!(Program::compile("a.all(x, b.all(y, x + y > 0))").is_ok());
    // Lists that are written out count as long as they are.
    assert!(Program::compile("a.all(x, b.all(y, [1, 2].all(z, x + y > z)))").is_ok());
}

#[test]
fn hostile_texts_get_a_plain_answer() {
    let deep = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let long = format!("a == '{}'", "x".repeat(10 << 20));
    let wide = format!("a in [{}]", "1,".repeat(7000) + "1");
    for (source, code) in [
        (deep.as_str(), "DAB0274"),
        (long.as_str(), "DAB0274"),
        ("a.matches('(a{1000}){1000}{1000}')", "DAB0273"),
        ("a.matches('((((((((((a*)*)*)*)*)*)*)*)*)*){500}{500}')", "DAB0273"),
    ] {
        assert_eq!(Program::compile(source).expect_err("hostile").code().0, code);
        assert!(!check(source, &Declarations::default()).problems.is_empty() || code == "DAB0273");
    }
    assert!(Program::compile(&wide).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn checking_never_panics(source in prop_oneof![detections(), super::properties::pieces()]) {
        let checked = check(&source, &sign_ins());
        // What does not even parse has exactly one problem.
        prop_assert!(checked.problems.len() < 50);
        let lines = u32::try_from(source.split('\n').count()).unwrap_or(1);
        for problem in &checked.problems {
            prop_assert!((1..=lines).contains(&problem.line), "{problem} of {lines} lines");
        }
    }
}
