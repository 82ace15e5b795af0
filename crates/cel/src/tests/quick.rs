//! The quick form, and what is computed once, answer as the plain evaluation does.

use proptest::prelude::*;

use super::necessary::{detections, events};
use crate::{
    EvalError, Program, Verdict,
    eval::{Evaluation, RegexCache, Root},
    lower,
    value::CelValue,
};

/// Answers for an expression of which nothing was computed beforehand.
fn plainly(source: &str, event: &base::Event<'_>) -> Result<bool, EvalError> {
    let options = lower::Options {
        is_checked: true,
        container: "",
        is_folded: false,
        lookups: None,
        macros: None,
    };
    let lowered = lower::compile(source, options).unwrap();
    let regexes = RegexCache::default();
    match Evaluation::new(Root::Event(event), &regexes, None).eval(&lowered.root)? {
        CelValue::Bool(value) => Ok(value),
        other => Err(EvalError::NotBool(other.kind())),
    }
}

fn verdict(answer: &Result<bool, EvalError>) -> Verdict {
    match answer {
        Ok(true) => Verdict::True,
        Ok(false) => Verdict::False,
        Err(error) if error.is_absence() => Verdict::Absent,
        Err(_) => Verdict::Failed,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn the_quick_form_answers_alike(
        source in detections(),
        events in prop::collection::vec(events(), 16),
    ) {
        let program = Program::compile(&source)
            .map_err(|error| TestCaseError::fail(format!("{source}: {error}")))?;
        for event in &events {
            let expected = plainly(&source, event);
            prop_assert_eq!(program.judge(event), verdict(&expected), "{} {:?}", source, event);
            prop_assert_eq!(program.matches(event), expected, "{} {:?}", source, event);
        }
    }
}

#[test]
fn constants_are_computed_once() {
    for (source, expected) in [
        ("1 + 2 * 3", "Int(7)"),
        ("true && 'a' + 'b' == 'ab'", "Bool(true)"),
        ("a || true", "Bool(true)"),
        ("1 > 2 ? a : size([1, 2])", "Int(2)"),
        ("{'a': [1]}.a[0]", "Int(1)"),
        ("timestamp('2026-01-01T00:00:00Z').getHours('Europe/Berlin')", "Int(1)"),
        ("optional.of(1).orValue(2)", "Int(1)"),
    ] {
        let program = Program::compile(source).unwrap();
        assert_eq!(format!("{:?}", program.root), format!("Literal({expected})"), "{source}");
    }
    for source in ["1 / 0 == 1", "a && true", "[1].exists(x, x == a)"] {
        let program = Program::compile(source).unwrap();
        assert!(!format!("{:?}", program.root).starts_with("Literal"), "{source}");
    }
    // A pattern that is put together of constants is compiled with the rule.
    assert!(Program::compile("a.matches('(' + 'x')").is_err());
}
