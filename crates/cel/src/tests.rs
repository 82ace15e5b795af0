//! What expressions promise over events, and what people are told when they don't hold.

mod check;
mod extensions;
mod lookup;
mod macros;
mod necessary;
mod properties;
mod quick;

use std::{borrow::Cow, collections::BTreeMap};

use base::{Event, EventId, Explain as _, Object, ObjectHash, Origin, Timestamp, Value};

use crate::{CelError, EvalError, Program};

fn object<const N: usize>(entries: [(&'static str, Value<'static>); N]) -> Object<'static> {
    entries.into_iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect()
}

fn event(fields: Object<'static>, normalized: Object<'static>) -> Event<'static> {
    Event {
        time: Timestamp::default(),
        ingest_time: Timestamp::default(),
        id: EventId { object: ObjectHash::of(&["test"]), offset: 0 },
        log_source: "test",
        origin: Origin { object: Cow::Borrowed("file:test"), offset: 0 },
        fields,
        normalized,
        json: None,
    }
}

/// A sign-in, with its address normalized.
fn sign_in() -> Event<'static> {
    let list = |texts: [&'static str; 2]| Value::List(texts.into_iter().map(Value::text).collect());
    event(
        object([
            ("eventName", Value::text("ConsoleLogin")),
            ("type", Value::text("sign-in")),
            ("count", Value::Int(3)),
            ("ratio", Value::Float(0.5)),
            ("serial", Value::Number(Cow::Borrowed("18446744073709551615"))),
            ("huge", Value::Number(Cow::Borrowed("1e400"))),
            ("mfa", Value::Bool(false)),
            ("error", Value::Null),
            ("groups", list(["admins", "staff"])),
            ("user.agent", Value::text("curl/8.0")),
            (
                "user",
                Value::Object(object([
                    ("name", Value::text("root")),
                    ("home.dir", Value::text("/root")),
                    ("roles", list(["reader", "owner"])),
                ])),
            ),
        ]),
        object([
            ("source", Value::Object(object([("ip", Value::text("10.1.2.3"))]))),
            ("count", Value::Int(99)),
        ]),
    )
}

/// The definitions of one kind in a YAML text.
fn defined<T: serde::de::DeserializeOwned>(text: &str) -> Vec<T> {
    let mut kinds: BTreeMap<String, Vec<T>> = serde_saphyr::from_str(text).unwrap();
    kinds.pop_first().unwrap().1
}

fn matches(source: &str) -> Result<bool, EvalError> {
    let program = Program::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    program.matches(&sign_in())
}

#[test]
fn holds_for_an_event() {
    for source in [
        // Names: own fields before normalized ones, nested, dotted, longest first.
        "eventName == 'ConsoleLogin'",
        "count == 3",
        "source.ip == '10.1.2.3'",
        "user.agent.startsWith('curl/')",
        "user.home.dir == '/root' && user.name == 'root'",
        "user['home.dir'] == '/root'",
        "user.`home.dir` == '/root'",
        ".count == 3",
        // Numbers across types, whatever the source made of them.
        "count == 3.0 && count < 3.5 && count in [1u, 3u]",
        "serial == 18446744073709551615u",
        "huge > 1.0e300",
        "error == null && mfa != true",
        "!mfa",
        // `type` is a field here, and still a function and a type.
        "type == 'sign-in' && type(type) == string && type(count) in [int, uint]",
        "type(type(count)) == type",
        // Macros over the event's own lists and objects; variables hide fields.
        "groups.exists(g, g == 'admins') && !groups.all(g, g == 'admins')",
        "groups.exists_one(g, g.endsWith('f'))",
        "user.roles.filter(count, count.size() == 5) == ['owner']",
        "user.exists(key, key == 'name')",
        "user.exists(key, value, key == 'name' && value == 'root')",
        "groups.map(g, g.upperAscii()) == ['ADMINS', 'STAFF']",
        "groups.exists(g, user.roles.exists(r, r == 'owner' && g == 'staff'))",
        "groups.exists(count, .count == 3)",
        "'staff' in groups && 'name' in user && groups[1] == 'staff' && size(groups) == 2",
        // Text.
        "eventName.lowerAscii().contains('login') && eventName.matches('^Console[A-Z]')",
        "user.agent.split('/')[1] == '8.0' && ' a '.trim() == 'a'",
        "eventName.replace('Console', 'Api') == 'ApiLogin'",
        "eventName.matches('^' + eventName + '$')",
        "'a,b,c'.split(',', 2) == ['a', 'b,c'] && 'aaa'.replace('a', 'b', 2) == 'bba'",
        "'héé'.split('') == ['h', 'é', 'é'] && ''.split('') == []",
        // Networks.
        "net.inCidr(source.ip, '10.0.0.0/8') && !net.inCidr(source.ip, '2001:db8::/32')",
        "net.inCidr('2001:db8::1', '2001:db8::/' + string(32))",
        "!net.inCidr(eventName, '0.0.0.0/0')",
        // Time.
        "timestamp('2026-11-24T08:00:00Z') - timestamp('2026-11-24T07:00:00Z') == duration('1h')",
        "timestamp('2026-11-24T23:30:00Z').getHours('+01:00') == 0",
        // Conditions.
        "mfa ? false : count == 3",
    ] {
        assert_eq!(matches(source), Ok(true), "{source}");
    }
}

#[test]
fn absent_fields_are_errors_that_the_other_side_absorbs() {
    let absent = |field: &str| Err(EvalError::NoSuchField { field: field.into() });
    assert_eq!(matches("nobody == 1"), absent("nobody"));
    assert_eq!(matches("user.nobody.home == 1"), absent("user.nobody.home"));
    assert_eq!(matches("count.digits == 1"), absent("count.digits"));
    // A type's name is no field.
    assert_eq!(matches("string != 'x'"), absent("string"));
    assert_eq!(matches("nobody == 1 || count == 3"), Ok(true));
    assert_eq!(matches("nobody == 1 && count == 4"), Ok(false));
    assert_eq!(matches("nobody == 1 && count == 3"), absent("nobody"));
    assert_eq!(matches("nobody == 1 || count == 4"), absent("nobody"));
    for (source, expected) in [
        ("has(user.name)", true),
        ("has(user.agent)", true),
        ("has(count)", true),
        ("has(source.ip)", true),
        ("has(error)", true),
        ("has(nobody)", false),
        ("has(nobody.home.now)", false),
        ("has(count.digits)", false),
        ("has(groups.first)", false),
        ("has({'a': {'b': 1}}.a.b)", true),
        ("has({'a': {'b': 1}}.a.c)", false),
        ("has(nobody['x'].y)", false),
        ("has(user['x'].y)", false),
        ("has(string)", false),
    ] {
        assert_eq!(matches(source), Ok(expected), "{source}");
    }
}

#[test]
fn says_what_cannot_be_evaluated() {
    for (source, expected) in [
        ("eventName < 1", "no such overload: compare(string, int)"),
        ("eventName + 1 == 2", "no such overload: +(string, int)"),
        ("count.contains('x')", "no such overload: contains(int, string)"),
        ("eventName", "the expression gives a value of type string, not a bool"),
        ("1 / (count - 3) == 1", "divide by zero"),
        ("groups[2] == 'x'", "index 2 is out of range for a list of 2"),
        ("groups[-1] == 'x'", "index -1 is out of range for a list of 2"),
        ("user['x'] == 1", "no such key: `x`"),
        ("int(eventName) == 1", "can't convert to int: `ConsoleLogin` is no whole number"),
        ("9223372036854775807 + count > 0", "range error: the result of `+` is out of range"),
        ("{count: 1, count: 2} == {}", "repeated key in a map"),
        (
            "net.inCidr(source.ip, eventName)",
            "the network is invalid: `ConsoleLogin` is no IP address",
        ),
    ] {
        assert_eq!(matches(source).unwrap_err().to_string(), expected, "{source}");
    }
    let error = matches("eventName.matches('(' + eventName)").unwrap_err();
    assert!(matches!(error, EvalError::Argument { .. }), "{error}");
    let error = matches("eventName.matches('(a{900}){900}' + eventName)").unwrap_err();
    assert!(error.to_string().contains("size limit"), "{error}");
}

fn mistake(source: &str) -> String {
    let error: CelError = Program::compile(source).expect_err(source);
    format!("{} {error}; {}", error.code().0, error.help().unwrap_or_default())
}

#[test]
fn mistakes_have_a_place_and_a_remedy() {
    for (source, expected) in [
        (
            "user.name.startswith('a')",
            "DAB0271 unknown function `startswith` (line 1, column 11); \
             did you mean `text.startsWith(prefix)`?",
        ),
        (
            "a == 'é' &&\n  frobnicate(b)",
            "DAB0271 unknown function `frobnicate` (line 2, column 3); \
             use one of the functions listed in `docs/reference/cel.md`",
        ),
        (
            "'é' == a.trim('x')",
            "DAB0272 `trim` can't be called like this (line 1, column 10); write `text.trim()`",
        ),
        (
            "a.exists(b == 1)",
            "DAB0272 `exists` can't be called like this (line 1, column 3); \
             write `list.exists(x, test)`",
        ),
        (
            "has(1)",
            "DAB0272 `has` can't be called like this (line 1, column 1); write `has(field)`",
        ),
        (
            "a.all(b.c, true)",
            "DAB0275 an expression instead of a variable can't be used here (line 1, column 8); \
             write a plain name as the variable, such as `x`",
        ),
        (
            "Point{x: 1} == a",
            "DAB0275 a message literal can't be used here (line 1, column 1); \
             write a map, such as `{\"name\": value}`",
        ),
        (
            "net.inCidr(ip, '10.0.0.0/33')",
            "DAB0273 the network `10.0.0.0/33` is invalid: `/33` is not between /0 and /32 \
             (line 1, column 5); correct the network",
        ),
        (
            "a == 1 &&\n list.contains('tor_exits', ip)",
            "DAB0280 there is no lookup table `tor_exits` (line 2, column 7); \
             declare `tor_exits` under `lookups`",
        ),
        (
            "timestamp('now') > t",
            "DAB0273 the timestamp `now` is invalid: it is no RFC 3339 time \
             (line 1, column 1); correct the timestamp",
        ),
    ] {
        assert_eq!(mistake(source), expected, "{source}");
    }
}

#[test]
fn the_parser_is_put_in_plain_words() {
    for (source, expected) in [
        ("a == 'x", "the string that begins here is not closed (line 1, column 6); "),
        ("a ==", "the expression ends too early (line 1, column 5); "),
        (
            "'é' == 'é' && a = 1",
            "`=` is not expected here (line 1, column 17); write `==` to compare",
        ),
        ("a == 'b'\nand c", "`and` is not expected here (line 2, column 1); write `&&`"),
        ("f(1,)", "`)` is not expected here (line 1, column 5); "),
        ("(a", "`)` is missing here (line 1, column 3); "),
        ("if == 1", "reserved identifier: if (line 1, column 1); "),
    ] {
        assert_eq!(mistake(source), format!("DAB0270 {expected}"), "{source}");
    }
    for (source, code) in [
        ("a ==", "DAB0270"),
        ("", "DAB0270"),
        ("a = 1", "DAB0270"),
        ("a[?]", "DAB0270"),
        ("a.matches('(')", "DAB0273"),
        ("a.matches('(?P<a>.)\\\\1')", "DAB0273"),
        ("((((((((((((((((((((((((((((((((((((((((((((((((((1", "DAB0274"),
    ] {
        assert_eq!(Program::compile(source).expect_err(source).code().0, code, "{source}");
    }
}

#[test]
fn unchecked_programs_fail_when_they_call_what_is_not_there() {
    let program = Program::compile_unchecked("frobnicate(count)").unwrap();
    assert_eq!(program.matches(&sign_in()), Err(EvalError::UnknownFunction("frobnicate".into())));
    let program = Program::compile_unchecked("frobnicate(count) || true").unwrap();
    assert_eq!(program.matches(&sign_in()), Ok(true));
}

#[test]
fn knows_the_fields_it_reads() {
    let program = Program::compile(
        "a.b == 1 && has(c) && d[0].e.exists(x, x.y == z && .x) && a.b in [f, int] \
         && net.inCidr(ip, '::/0') && type(g) == string",
    );
    assert_eq!(
        program.unwrap().fields(),
        ["a.b", "c", "d", "z", "x", "f", "int", "ip", "g"],
        "variables and types are no fields"
    );
}

fn why(source: &str) -> String {
    let program = Program::compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let (holds, reasons) = program.explain(&sign_in()).unwrap();
    assert_eq!(program.matches(&sign_in()), Ok(holds), "{source}");
    let reasons =
        reasons.iter().map(|reason| format!("{} {} ({})", reason.field, reason.test, reason.value));
    reasons.collect::<Vec<_>>().join("; ")
}

#[test]
fn explains_by_the_tests_that_held() {
    for (source, expected) in [
        ("eventName == 'ConsoleLogin'", r#"eventName == "ConsoleLogin" (ConsoleLogin)"#),
        ("count == 4 || count in [3, 5]", "count in [3, 5] (3)"),
        (
            "user.agent.startsWith('curl') && !mfa",
            r#"user.agent startsWith("curl") (curl/8.0); mfa is false (false)"#,
        ),
        ("!(count == 4 || has(nobody))", "count not == 4 (3); nobody is absent ()"),
        ("has(user.name) && !has(user.mail)", "user.name exists (root); user.mail is absent ()"),
        (
            "groups.exists(g, g == 'staff')",
            r#"groups exists(g, g == "staff") (["admins","staff"])"#,
        ),
        (
            "net.inCidr(source.ip, '10.0.0.0/8')",
            r#"source.ip net.inCidr(source.ip, "10.0.0.0/8") (10.1.2.3)"#,
        ),
        (
            "count + 1 > size(groups) * (1 + 0)",
            "count count + 1 > size(groups) * (1 + 0) (3); groups count + 1 > size(groups) * (1 + 0) ([\"admins\",\"staff\"])",
        ),
        ("error == null", "error == null (null)"),
        ("mfa ? count == 1 : count == 3", "count == 3 (3)"),
        ("nobody == 1 || 3 == count", "count 3 == count (3)"),
        ("1 == 1", ""),
        ("count == 4", ""),
    ] {
        assert_eq!(why(source), expected, "{source}");
    }
}

#[test]
fn explanations_cut_long_values() {
    let event = event(object([("text", Value::text("é".repeat(1000)))]), Object::new());
    let (_, reasons) = Program::compile("text != ''").unwrap().explain(&event).unwrap();
    assert_eq!(reasons[0].value.chars().count(), base::limits::REASON_VALUE_CHARS_MAX);
}

#[test]
fn no_evaluation_runs_away() {
    let numbers = || Value::List((0..1000).map(Value::Int).collect());
    let event = event(
        object([
            ("numbers", numbers()),
            ("others", numbers()),
            ("text", Value::text("a".repeat(1 << 20))),
        ]),
        Object::new(),
    );
    for source in [
        "numbers.all(n, others.all(m, n + m >= 0))",
        // Neither side of a condition absorbs it.
        "numbers.all(n, others.all(m, n + m >= 0)) || numbers != []",
        "numbers.exists(n, n in others.map(m, m + 1000))",
        "numbers.all(n, text + text != text)",
        "text.replace('', text) == ''",
        "numbers.map(n, others + others).size() == 0",
        "numbers.all(n, numbers == others)",
        "text.split('') == []",
    ] {
        let program = Program::compile(source).unwrap();
        assert_eq!(program.matches(&event), Err(EvalError::TooManySteps), "{source}");
    }
    let program = Program::compile("numbers.all(n, text.startsWith('a') && n < 1000)").unwrap();
    assert_eq!(program.matches(&event), Err(EvalError::TooManySteps), "text is paid for");
    let program = Program::compile("numbers.all(n, n in others) || text.contains('b')").unwrap();
    assert_eq!(program.matches(&event), Err(EvalError::TooManySteps));
}

#[test]
fn the_deepest_expressions_need_little_stack() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}1{} == 1", open.repeat(times), close.repeat(times))
    };
    for source in [
        nested("(", ")", 46),
        nested("[", "][0]", 31),
        nested("int(", ")", 46),
        nested("0 + ", "", 93),
        nested("true ? 1 : ", "", 90),
        nested("{1: ", "}[1]", 31),
    ] {
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let thread = small.spawn(move || {
            let program = Program::compile(&source).map_err(|error| error.to_string())?;
            Ok::<_, String>(program.evaluate(&Object::new()).is_ok())
        });
        assert_eq!(thread.unwrap().join().unwrap(), Ok(true));
    }
}

const MANUAL: &str = include_str!("../../../docs/reference/cel.md");

#[test]
fn the_examples_of_the_manual_compile() {
    let mut count = 0;
    let mut inside = false;
    for line in MANUAL.lines() {
        match line {
            "```cel" => inside = true,
            "```" => inside = false,
            line if inside => {
                count += 1;
                Program::compile(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            _ => {}
        }
    }
    assert!(count > 10);
}

#[test]
fn the_manual_names_every_function_and_limit() {
    for name in crate::functions::names() {
        assert!(MANUAL.contains(&format!("{name}(")), "{name}");
    }
    assert_eq!(base::limits::CEL_SOURCE_BYTES_MAX, 16 << 10);
    assert_eq!(base::limits::CEL_DEPTH_MAX, 96);
    assert_eq!(base::limits::CEL_STEPS_MAX, 100_000);
    assert_eq!(base::limits::CEL_COST_MAX, 1_000_000);
    assert_eq!(base::limits::CEL_COMPUTED_REGEX_BYTES_MAX, 256 << 10);
}
