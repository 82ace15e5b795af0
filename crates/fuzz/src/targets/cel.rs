//! Whatever the expression: compiling, checking and evaluating it neither panics nor takes long, and
//! the quick evaluation agrees with the whole one.

use ::base::{Object, Value};
use ::cel::{Declarations, Program, Schema, Verdict, check};

use super::event;

/// Takes one input.
pub fn cel(bytes: &[u8]) {
    let source = &*String::from_utf8_lossy(bytes);
    // Checking parses once more, which is most of the time.
    if bytes.len().is_multiple_of(4) {
        drop(check(source, &Declarations::of(Schema::open())));
    }
    let Ok(program) = Program::compile(source) else {
        return;
    };
    let mut inner = Object::new();
    inner.push("b", Value::text("x"));
    let mut fields = Object::new();
    fields.push("a", Value::Object(inner));
    fields.push("n", Value::Int(3));
    fields.push("l", Value::List(vec![Value::text("p"), Value::Int(-1), Value::Null]));
    let event = event(fields);
    let verdict = program.judge(&event);
    let matched = program.matches(&event);
    assert_eq!(verdict == Verdict::True, matched == Ok(true), "{verdict:?} {matched:?}");
    assert!(matched != Ok(true) || program.necessary().allows(&event), "not necessary after all");
}
