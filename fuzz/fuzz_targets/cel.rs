//! Whatever the expression: compiling, checking and evaluating it neither panics nor takes long, and
//! the quick evaluation agrees with the whole one.
//!
//! `cargo +nightly fuzz run cel` from the repository's root.

#![no_main]

use std::borrow::Cow;

use dab_base::{Event, EventId, Object, ObjectHash, Origin, Timestamp, Value};
use dab_cel::{Declarations, Program, Schema, Verdict, check};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|source: &str| {
    let checked = check(source, &Declarations::of(Schema::open()));
    let Ok(program) = Program::compile(source) else {
        return;
    };
    drop(checked);
    let mut inner = Object::new();
    inner.push("b", Value::text("x"));
    let mut fields = Object::new();
    fields.push("a", Value::Object(inner));
    fields.push("n", Value::Int(3));
    fields.push("l", Value::List(vec![Value::text("p"), Value::Int(-1), Value::Null]));
    let event = Event {
        time: Timestamp::default(),
        ingest_time: Timestamp::default(),
        id: EventId { object: ObjectHash::of(&["fuzz"]), offset: 0 },
        log_source: "fuzz",
        origin: Origin { object: Cow::Borrowed("fuzz"), offset: 0 },
        fields,
        normalized: Object::new(),
        json: None,
    };
    let verdict = program.judge(&event);
    let matched = program.matches(&event);
    assert_eq!(verdict == Verdict::True, matched == Ok(true), "{verdict:?} {matched:?}");
    assert!(matched != Ok(true) || program.necessary().allows(&event), "not necessary after all");
});
