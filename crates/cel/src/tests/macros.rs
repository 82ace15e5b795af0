//! Macros: what they mean, and what is refused.

use std::sync::Arc;

use base::Explain as _;

use super::{defined, event, object, sign_in};
use crate::{Declarations, Environment, Macros, Necessary, Program, Schema, Type, check};

const SHARED: &str = r#"
macros:
  - name: is_admin
    parameters: [{name: user, type: string}]
    body: user in ["root", "admin"] || user.endsWith("-adm")
    tests:
      - {given: {user: root}, expect: true}
      - {given: {user: jo-adm}, expect: true}
      - {given: {user: jo}, expect: false}
  - name: any_admin
    parameters: [{name: users, type: list(string)}]
    body: users.exists(user, is_admin(user))
    tests:
      - {given: {users: [jo, root]}, expect: true}
  - name: from_inside
    body: net.inCidr(source.ip, "10.0.0.0/8")
    tests:
      - {given: {source: {ip: 10.1.2.3}}, expect: true}
  - name: all_are
    parameters: [{name: x}, {name: list}]
    body: list.all(y, x == y)
  - name: agent
    parameters: [{name: of, type: "map(string, dyn)"}]
    body: 'has(of.agent) ? of.agent : "none"'
"#;

fn environment() -> Environment {
    let specs = defined(SHARED);
    let mut macros = Macros::default();
    assert_eq!(macros.add(&specs), []);
    assert_eq!(macros.test(&specs, &Environment::default()), []);
    Environment { macros: Some(Arc::new(macros)), lookups: None }
}

fn compile(source: &str) -> Program {
    let program = Program::compile_using(source, &environment());
    program.unwrap_or_else(|error| panic!("{source}: {error}"))
}

#[test]
fn a_call_means_its_body() {
    for source in [
        "is_admin(user.name) && from_inside()",
        "!is_admin(eventName) && any_admin(['x', user.name])",
        "groups.exists(user, is_admin(user + '-adm'))",
        // Variables of the body and of the caller don't meet, whatever their names.
        "[1].exists(y, all_are(y, [1, 1])) && ![1].exists(y, all_are(y, [1, 2]))",
        "[[2]].exists(x, x.exists(y, all_are(y, x)))",
        "cel.bind(y, 3, all_are(y, [3]))",
        "agent(user) == 'curl/8.0' && agent({'agent': 'x'}) == 'x'",
        "is_admin('ro' + 'ot')",
    ] {
        assert_eq!(compile(source).matches(&sign_in()), Ok(true), "{source}");
    }
    let program = compile("is_admin(user.name)");
    assert_eq!(program.fields(), ["user.name"]);
    let (held, reasons) = program.explain(&sign_in()).unwrap();
    assert!(held && &*reasons[0].field == "user.name" && reasons[0].value == "root", "{reasons:?}");
    // An index sees through them.
    let Necessary::AnyOf(needed) = program.necessary() else { panic!("nothing is known") };
    assert_eq!(needed.len(), 3);
    let empty = event(object([]), object([]));
    assert!(!program.necessary().allows(&empty));
}

fn refused(text: &str) -> String {
    let specs = defined(text);
    let mut macros = Macros::default();
    let mut problems = macros.add(&specs);
    problems.extend(macros.test(&specs, &Environment::default()));
    let words = problems.iter().map(|error| format!("{} {error}", error.code().0));
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn says_what_is_wrong_with_a_macro() {
    for (text, expected) in [
        (
            "[{name: a, body: b()}, {name: b, body: a() || true}, {name: c, body: c()}]",
            "DAB0263 the macro `a` calls itself by way of `b`; \
             DAB0263 the macro `b` calls itself by way of `a`; \
             DAB0263 the macro `c` calls itself by way of `c`",
        ),
        ("[{name: size, body: '1'}]", "DAB0261 there is a function `size` already"),
        ("[{name: a, body: '1'}, {name: a, body: '2'}]", "DAB0261 two macros are named `a`"),
        ("[{name: a b, body: '1'}]", "DAB0261 `a b` is no name for a macro"),
        (
            "[{name: a, parameters: [{name: x}, {name: x}], body: '1'}]",
            "DAB0261 `x` is no name for another parameter",
        ),
        (
            "[{name: a, parameters: [{name: x, type: text}], body: '1'}]",
            "DAB0261 there is no type `text`",
        ),
        (
            "[{name: a, parameters: [{name: x, type: int}], body: x + 'a'}]",
            "DAB0262 the macro `a` can't be compiled: `+` can't join int and string \
             (line 1, column 3)",
        ),
        (
            "[{name: a, body: '(1'}]",
            "DAB0262 the macro `a` can't be compiled: `)` is missing here (line 1, column 3)",
        ),
        (
            "[{name: a, parameters: [{name: x}], body: x + 1, tests: [{given: {x: 1}, expect: 3}]}]",
            "DAB0264 a test of the macro `a` expects 3, and it gives 2",
        ),
        (
            "[{name: a, body: x, tests: [{expect: 3}]}]",
            "DAB0264 a test of the macro `a` expects 3, and it gives the event has no field `x`",
        ),
    ] {
        assert_eq!(refused(&format!("macros: {text}")), expected, "{text}");
    }
}

#[test]
fn says_what_is_wrong_with_a_call() {
    for (source, expected) in [
        (
            "a == 1 && is_admin()",
            "the macro takes (user: string) (line 1, column 11); write `is_admin(user)`",
        ),
        (
            "is_admin(1)",
            "`user` is of type string, and is given a int (line 1, column 10); \
             give a value of type string",
        ),
    ] {
        let error = Program::compile_using(source, &environment()).expect_err(source);
        let help = error.help().unwrap_or_default();
        assert_eq!((error.code().0, format!("{error}; {help}")), ("DAB0265", expected.to_owned()));
    }
    let macros = environment().macros.unwrap();
    let schema = Schema::closed().with("count", Type::Int);
    let declarations = Declarations::of(schema).with_macros(macros).wanting(Type::Bool);
    let checked = check("is_admin(count) && any_admin(['a']) && agent({})", &declarations);
    let problems: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["`user` must be of type string, and is of type int (line 1, column 10)"]);
}

#[test]
fn macros_that_double_one_another_are_refused() {
    let mut text = "macros:\n  - {name: m0, parameters: [{name: x}], body: x == 1}\n".to_owned();
    for level in 1..12 {
        let inner = format!("m{}(x)", level - 1);
        text.push_str(&format!(
            "  - {{name: m{level}, parameters: [{{name: x}}], body: '{inner} && {inner}'}}\n"
        ));
    }
    let specs = defined(&text);
    let mut macros = Macros::default();
    assert_eq!(macros.add(&specs), []);
    let environment = Environment { macros: Some(Arc::new(macros)), lookups: None };
    assert!(Program::compile_using("m6(a)", &environment).is_ok());
    let error = Program::compile_using("m11(a)", &environment).unwrap_err();
    assert!(error.to_string().contains("large with its macros put in"), "{error}");
    // Each level adds its own, and the levels of what it is given.
    let deep = format!(
        "macros: [{{name: d, parameters: [{{name: x}}], body: '{}x{}'}}]",
        "[".repeat(40),
        "]".repeat(40)
    );
    let specs = defined(&deep);
    let mut macros = Macros::default();
    assert_eq!(macros.add(&specs), []);
    let environment = Environment { macros: Some(Arc::new(macros)), lookups: None };
    assert!(Program::compile_using("size(d(d(a))) == 1", &environment).is_ok());
    let error = Program::compile_using("size(d(d(d(d(d(d(a))))))) == 1", &environment).unwrap_err();
    assert!(error.to_string().contains("deeply nested with its macros put in"), "{error}");
}
