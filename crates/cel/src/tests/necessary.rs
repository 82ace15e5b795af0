//! An expression is only true where what it needs holds.

use std::borrow::Cow;

use base::{Object, Value};
use proptest::prelude::*;

use super::event;
use crate::{FieldTest, Literal, Necessary, Program};

fn needed(source: &str) -> String {
    let program = Program::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let Necessary::AnyOf(predicates) = program.necessary() else { return "unknown".to_owned() };
    let words = predicates.iter().map(|predicate| {
        let case = if predicate.ignore_ascii_case { "~" } else { "" };
        let (word, literal) = match &predicate.test {
            FieldTest::Exists => ("exists", String::new()),
            FieldTest::IsObject => ("object", String::new()),
            FieldTest::Equals(Literal::Text(text)) => ("==", text.clone()),
            FieldTest::Equals(Literal::Int(number)) => ("==", number.to_string()),
            FieldTest::Equals(Literal::Bool(value)) => ("==", value.to_string()),
            FieldTest::Equals(Literal::Null) => ("==", "null".to_owned()),
            FieldTest::StartsWith(text) => ("starts", text.clone()),
            FieldTest::EndsWith(text) => ("ends", text.clone()),
            FieldTest::Contains(text) => ("contains", text.clone()),
            FieldTest::InNetwork(network) => ("in", network.to_string()),
        };
        format!("{} {word} {case}{literal}", predicate.field).trim_end().to_owned()
    });
    words.collect::<Vec<_>>().join(" | ")
}

#[test]
fn finds_what_is_necessary() {
    for (source, expected) in [
        ("a.b == 'x'", "a.b == x"),
        ("'x' == a", "a == x"),
        ("a == 4688 && b.contains('yy')", "a == 4688"),
        ("a == 1u", "a == 1"),
        ("a in ['x', 'y', 3]", "a == x | a == y | a == 3"),
        ("a in []", ""),
        ("a.startsWith('x') || a.endsWith('y')", "a starts x | a ends y"),
        ("a.startsWith('x') || size(b) > 3", "a starts x | b exists"),
        ("a.contains('') && true", "a exists"),
        ("a.lowerAscii().contains('cmd')", "a contains ~cmd"),
        ("a.lowerAscii() == 'CMD'", ""),
        ("a.upperAscii() in ['GET', 'PUT']", "a == ~GET | a == ~PUT"),
        ("a.matches('(?i)mimi') && b == true", "a contains ~mimi"),
        ("a.matches('x|yy') || c", "a contains x | a contains yy | c == true"),
        ("net.inCidr(a, '10.0.0.0/8')", "a in 10.0.0.0/8"),
        ("!net.inCidr(a, '10.0.0.0/8') && a != ''", "a exists"),
        ("!(a != 'x' || b == 1)", "a == x"),
        ("!a", "a == false"),
        ("has(a.b.c) && a.b.c != 1", "a.b.c exists"),
        ("a.?b.orValue('') == 'x'", "unknown"),
        ("a.exists(x, x == 'y')", "a == y | a object"),
        ("a.b.exists(x, x.c == 'y' && x.d > 3)", "a.b.c == y"),
        ("a.exists(i, x, i > 1 && x.startsWith('y'))", "a starts y | a object"),
        ("!a.all(x, x != 'y')", "a == y | a object"),
        ("a.all(x, x == 'y')", "a exists"),
        ("a ? b == 'x' : c == 'y'", "b == x | c == y"),
        ("'x' in a", "a exists"),
        ("false", ""),
        ("true", "unknown"),
        ("cel.bind(x, a, x == 'y')", "unknown"),
    ] {
        assert_eq!(needed(source), expected, "{source}");
    }
}

fn values() -> impl Strategy<Value = Value<'static>> {
    let text = prop::sample::select(vec!["", "x", "X", "xy", "yx", "xK", "\u{212a}", "10.1.2.3"]);
    let leaf = prop_oneof![
        text.prop_map(Value::text),
        (-1_i64..3).prop_map(Value::Int),
        Just(Value::Float(1.0)),
        Just(Value::Number(Cow::Borrowed("1e0"))),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            prop::collection::vec((key(), inner), 0..3)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = Cow<'static, str>> {
    prop::sample::select(vec!["a", "b", "c", "a.b", "b.c", "a.b.c", "x"]).prop_map(Cow::Borrowed)
}

fn objects() -> impl Strategy<Value = Object<'static>> {
    prop::collection::vec((key(), values()), 0..5).prop_map(|entries| entries.into_iter().collect())
}

/// Single tests of fields.
fn tests() -> BoxedStrategy<String> {
    let field = prop::sample::select(vec!["a", "b", "c", "a.b", "b.c", "a.b.c"]);
    let literal = prop::sample::select(vec![
        "'x'", "'X'", "'xy'", "'k'", "''", "1", "0u", "1.0", "true", "null", "-1",
    ]);
    let text = prop::sample::select(vec!["''", "'x'", "'X'", "'xy'", "'y'", "'k'"]);
    let regex = prop::sample::select(vec![
        "'x'",
        "'^x$'",
        "'(?i)xk'",
        "'(?i)k'",
        "'(?:x|y)+'",
        "'x?y'",
        "'(?i)x.*y'",
        "''",
    ]);
    let change =
        prop::sample::select(vec!["", ".lowerAscii()", ".upperAscii()", ".trim()", ".reverse()"]);
    let test = prop_oneof![
        (field.clone(), prop::sample::select(vec!["==", "!=", "<", ">="]), literal.clone())
            .prop_map(|(field, operator, literal)| format!("{field} {operator} {literal}")),
        (literal.clone(), field.clone())
            .prop_map(|(literal, field)| format!("{literal} == {field}")),
        (field.clone(), change.clone(), literal.clone(), literal.clone())
            .prop_map(|(field, change, a, b)| format!("{field}{change} in [{a}, {b}]")),
        (literal.clone(), field.clone())
            .prop_map(|(literal, field)| format!("{literal} in {field}")),
        (
            field.clone(),
            change.clone(),
            prop::sample::select(vec!["contains", "startsWith", "endsWith"]),
            text.clone()
        )
            .prop_map(|(field, change, test, text)| format!("{field}{change}.{test}({text})")),
        (field.clone(), change.clone(), regex)
            .prop_map(|(field, change, regex)| format!("{field}{change}.matches({regex})")),
        (field.clone(), change, text)
            .prop_map(|(field, change, text)| format!("{field}{change} == {text}")),
        field.clone().prop_map(|field| format!("net.inCidr({field}, '10.0.0.0/8')")),
        field.clone().prop_map(|field| format!("has({field})")),
        field.clone().prop_map(|field| format!("size({field}) > 1")),
        field.clone().prop_map(str::to_owned),
        (field.clone(), literal.clone())
            .prop_map(|(field, literal)| format!("{field}.?c.orValue({literal}) == {literal}")),
    ];
    test.boxed()
}

/// Detections over `a`, `b` and `c`.
pub(super) fn detections() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec!["a", "b", "c", "a.b", "b.c", "a.b.c"]);
    tests().prop_recursive(4, 16, 3, move |inner| {
        let each = prop::sample::select(vec!["exists", "all", "exists_one"]);
        let body = prop::sample::select(vec![
            "x == 'x'",
            "x.b == 1",
            "x.startsWith('x') && x != 'xy'",
            "x",
            "!x",
            "x.c",
            "x in [1, 'x']",
            "has(x.b)",
            "x.lowerAscii() == 'x'",
            "x.a.exists(y, y == x)",
        ]);
        let two = prop::sample::select(vec![
            "i != 'x' && x == 'x'",
            "i == 0 || x.b",
            "i == 'a' && x == 1",
        ]);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) && ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) || ({b})")),
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a}) ? ({b}) : ({c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a}) == ({b})")),
            (field.clone(), each.clone(), body)
                .prop_map(|(field, each, body)| format!("{field}.{each}(x, {body})")),
            (field.clone(), each, two)
                .prop_map(|(field, each, two)| format!("{field}.{each}(i, x, {two})")),
        ]
    })
}

/// Events for [`detections`].
pub(super) fn events() -> impl Strategy<Value = base::Event<'static>> {
    (objects(), objects()).prop_map(|(fields, normalized)| event(fields, normalized))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_is_true_had_what_it_needs(
        source in detections(),
        events in prop::collection::vec(events(), 16),
    ) {
        let program = Program::compile(&source)
            .map_err(|error| TestCaseError::fail(format!("{source}: {error}")))?;
        let needed = program.necessary();
        for event in &events {
            let is_true = program.matches(event) == Ok(true);
            prop_assert!(!is_true || needed.allows(event), "{source} needs {needed:?}: {event:?}");
        }
    }
}
