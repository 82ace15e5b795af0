//! Properties that hold for every text and every expression.

use base::Object;
use cel_parser::Env;
use proptest::prelude::*;

use crate::{Program, print};

/// Pieces of expressions, so that most texts get past the lexer and some past the parser.
pub(super) fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b.c",
        "1",
        "2u",
        "0.5",
        "'x'",
        "\"é\"",
        "b'\\xff'",
        "null",
        "true",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        ".",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        "in",
        "&&",
        "||",
        "!",
        "has(",
        "size(",
        "type(",
        "int",
        ".exists(x, x",
        ".map(x, x)",
        ".matches(",
        "net.inCidr(",
        "`",
        "\\",
        "'",
        "\n",
        "//",
        "duration('1s')",
        "r'\\'",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.join(" "))
}

/// Well-formed expressions over `a` and `b`.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "a.b", "1", "-2", "3u", "0.5", "'x'", "b'\\x00'", "null", "true", "[]", "{}", "int",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%", "&&", "||",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(left, operator, right)| format!("({left}) {operator} ({right})")),
            inner.clone().prop_map(|operand| format!("!({operand})")),
            inner.clone().prop_map(|operand| format!("-({operand})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(test, yes, no)| format!("({test}) ? ({yes}) : ({no})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).exists(x, {b} == x)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}).map(x, {b})")),
            inner.clone().prop_map(|operand| format!("string({operand})")),
            inner.clone().prop_map(|operand| format!("optional.of({operand})")),
            inner.clone().prop_map(|operand| format!("({operand}).?b.?`c.d`")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[?{b}].orValue({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[?({a}), {{?{b}: {a}}}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("cel.bind(y, {a}, [y, {b}])")),
            inner.prop_map(|operand| format!("({operand}).b")),
        ]
    })
}

fn printed(source: &str) -> Option<String> {
    Some(print::expression(
        &Env::default()
            .parser()
            .enable_optional_syntax(true)
            .enable_ident_escape_syntax(true)
            .parse(source)
            .ok()?,
    ))
}

proptest! {
    #[test]
    fn compiling_never_panics(source in prop_oneof![pieces(), ".{0,60}"]) {
        if let Err(error) = Program::compile(&source) {
            let gave_up = error.to_string().contains("gave up");
            prop_assert!(!gave_up, "the parser panicked");
            let lines = u32::try_from(source.split('\n').count()).unwrap();
            prop_assert!((1..=lines).contains(&error.line), "{error} of {lines} lines");
            prop_assert!(error.column >= 1);
        }
    }

    #[test]
    fn evaluating_never_panics(source in expressions(), number in any::<i64>()) {
        let program = Program::compile(&source).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut bindings = Object::new();
        bindings.push("a", base::Value::Int(number));
        let first = program.evaluate(&bindings).map(|value| value.kind());
        let again = program.evaluate(&bindings).map(|value| value.kind());
        prop_assert_eq!(first, again);
    }

    #[test]
    fn a_printed_expression_is_the_same_expression(source in expressions()) {
        let once = printed(&source);
        prop_assert!(once.is_some());
        prop_assert_eq!(once.as_deref().and_then(printed), once.clone());
        // The same value, too: parentheses are where they must be.
        let bindings = Object::new();
        let text = once.unwrap_or_default();
        let (one, two) = (Program::compile(&source), Program::compile(&text));
        prop_assert!(one.is_ok() && two.is_ok(), "{source} {text}");
        if let (Ok(one), Ok(two)) = (one, two) {
            let (one, two) = (one.evaluate(&bindings), two.evaluate(&bindings));
            prop_assert_eq!(format!("{one:?}"), format!("{two:?}"), "{} {}", source, text);
        }
    }
}
