//! Programs of log sources.

use crate::LogSource;

/// What is wrong with a log source that has this program, as people read it.
fn mistakes(program: &str) -> Vec<String> {
    let indented = program.replace('\n', "\n  ");
    let yaml = format!("format: ndjson\nvrl: |\n  {indented}\ntime: t\n");
    let errors = LogSource::parse("shop.yml", &yaml).err().unwrap_or_default();
    errors.into_iter().map(|error| base::Problem::from(error).report().to_string()).collect()
}

#[cfg(not(feature = "vrl"))]
#[test]
fn a_build_without_it_says_so() {
    let expected = "error[DAB0303]: this build of dab has no VRL\n  --> shop.yml:3:3\n  help: build it with \
                    `--features vrl`, or say it with `fields:`";
    assert_eq!(mistakes(".a = 1"), [expected]);
}

#[cfg(feature = "vrl")]
mod built_in {
    use base::{Explain, Object, Value, limits};
    use proptest::prelude::*;

    use super::{
        super::{Program, convert, program::REFUSED},
        mistakes,
    };
    use crate::{
        Reject,
        fixture::{at, decoder},
    };

    /// The event's own fields as JSON, behind them the normalized ones.
    fn run(program: &str, record: &str) -> Result<String, Reject> {
        let indented = program.replace('\n', "\n  ");
        let yaml = format!(
            "format: ndjson\nvrl: |\n  {indented}\ntime: {{missing: ingest_time, field: at}}\n\
             fields: {{user.name: who, event.duration: took}}\n"
        );
        let decoder = decoder(&yaml);
        let event = decoder.decode(record.as_bytes(), &at())?;
        assert_eq!(event.json, None, "a program makes texts that the record does not have");
        let (mut own, mut normalized) = (String::new(), String::new());
        event.fields.write_json(&mut own);
        event.normalized.write_json(&mut normalized);
        Ok(format!("{own} {normalized}"))
    }

    #[test]
    fn a_program_changes_fields_and_the_mapping_reads_them() {
        let program = "parts = parse_key_value!(.msg)\n.who = downcase(string!(parts.user))\n\
                       .took = to_int!(parts.ms) * 1000000\ndel(.secret)\n.b.c = .b.c + 1 ?? 0\n.list[1] = \"z\"";
        let record = r#"{"z":1.50,"msg":"user=Ann ms=12","secret":"x","b":{"c":2,"d":null},"list":["a","b","c"]}"#;
        let expected = r#"{"z":1.5,"msg":"user=Ann ms=12","b":{"c":3,"d":null},"list":["a","z","c"],"took":12000000,"who":"ann"} {"user":{"name":"ann"},"event":{"duration":12000000}}"#;
        assert_eq!(run(program, record).unwrap(), expected);
    }

    #[test]
    fn what_it_leaves_alone_stays_as_it_was() {
        let record =
            r#"{"b":1,"a":12345678901234567890123,"b":2,"c":[{"x":1e400,"x":3}],"s":"ü\u0000"}"#;
        let found = run(".new = true", record).unwrap();
        let expected = record.strip_suffix('}').unwrap();
        assert_eq!(found, format!(r#"{expected},"new":true}} {{}}"#));
        // A key that is gone is gone as often as it was there.
        assert_eq!(run("del(.b)", r#"{"b":1,"a":2,"b":3}"#).unwrap(), r#"{"a":2} {}"#);
    }

    #[test]
    fn times_and_expressions_become_text() {
        let program = ".at = parse_timestamp!(.t, \"%d.%m.%Y %H:%M:%S\")\n.r = r'^a+$'\n.f = 1 / 4";
        let found = run(program, r#"{"t":"20.11.2026 09:30:00"}"#).unwrap();
        let expected =
            r#"{"t":"20.11.2026 09:30:00","at":"2026-11-20T09:30:00Z","f":0.25,"r":"^a+$"} {}"#;
        assert_eq!(found, expected);
    }

    #[test]
    fn what_fails_is_rejected_with_its_reason() {
        let long = format!(r#"{{"a":[{}]}}"#, vec!["0"; 1000].join(","));
        let nested =
            "for_each(array!(.a)) -> |_i, _v| { for_each(array!(.a)) -> |_j, w| { .n = w } }";
        for (program, record, expected) in [
            (
                ".b = 1\n.n = to_int!(.a)",
                r#"{"a":"x"}"#,
                "the program `vrl` failed: function call error for \"to_int\" in its line 2, column 6: Invalid integer \"x\"",
            ),
            (
                "if .a == 1 { abort \"no use\" }",
                r#"{"a":1}"#,
                "the program `vrl` gave the record up: no use",
            ),
            (". = [1]", "{}", "the program `vrl` leaves `.` as array, not as an object"),
            (nested, &long, "the program `vrl` took more than 100000 steps"),
            (
                ".x = decode_base64!(.a)",
                r#"{"a":"//8="}"#,
                "the program `vrl` made a text that is not UTF-8",
            ),
        ] {
            let reject = run(program, record).unwrap_err();
            assert_eq!(reject.code().0, "DAB0372");
            assert!(reject.to_string().starts_with(expected), "{reject}");
            assert!(Explain::help(&reject).is_some());
        }
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let found = mistakes(".a = 1\n.b = upcase(.c)\nnope(1)");
        let expected = "error[DAB0303]: VRL E103: unhandled fallible assignment: this expression is fallible because \
                        at least one argument's type cannot be verified to be valid\n  --> shop.yml:4:8\n  \
                        help: or change this to an infallible assignment: .b, err = upcase(.c)\n\
                        error[DAB0303]: VRL E105: there is no function `nope`\n  --> shop.yml:5:3\n  \
                        help: did you mean \"pop\"?";
        assert_eq!(found.join("\n"), expected);
        let behind_nothing = mistakes("\n\n# so\n.a = nope(1)");
        assert!(behind_nothing[0].contains("--> shop.yml:6:8"), "{behind_nothing:?}");
        let long = mistakes(&"#".repeat(limits::VRL_BYTES_MAX));
        assert!(long[0].contains("the program has 65537 bytes"), "{long:?}");
    }

    #[test]
    fn a_zone_is_named_in_the_program() {
        for zone in ["\"local\"", "\"\"", ".zone", "upcase(string!(.zone))"] {
            for call in [
                format!("parse_timestamp!(.t, \"%F\", timezone: {zone})"),
                format!("format_timestamp!(parse_timestamp!(.t, \"%+\"), \"%F\", {zone})"),
            ] {
                let found = mistakes(&format!(".a = {call}"));
                assert!(!found.is_empty(), "{call}");
            }
        }
        let program = ".a = parse_timestamp!(.t, \"%F %T\", \"Europe/Berlin\")";
        let found = run(program, r#"{"t":"2026-07-01 12:00:00"}"#).unwrap();
        assert_eq!(found, r#"{"t":"2026-07-01 12:00:00","a":"2026-07-01T10:00:00Z"} {}"#);
    }

    #[test]
    fn what_a_program_makes_has_a_limit() {
        let record = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
        let reject =
            run(".b = join!([.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a,.a])", &record);
        let expected = "the program `vrl` made more than 16 MiB of text";
        assert_eq!(reject.unwrap_err().to_string(), expected);
        // What it leaves as it was does not count.
        let kept = run(".b = 1", &record).unwrap();
        assert!(kept.len() > 1 << 20);
    }

    #[test]
    fn what_no_replay_could_repeat_is_left_out() {
        let all = vrl::stdlib::all();
        let known = |name: &str| all.iter().any(|function| function.identifier() == name);
        for name in REFUSED.iter().flat_map(|(names, _)| *names).filter(|name| known(name)) {
            let found = mistakes(&format!(".a = {name}(.b)"));
            assert!(found[0].contains(&format!("there is no function `{name}`")), "{found:?}");
            assert!(found[0].contains("help: it is left out: "), "{found:?}");
        }
    }

    fn values() -> impl Strategy<Value = Value<'static>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>()
                .prop_filter("JSON has no others", |n| n.is_finite())
                .prop_map(Value::Float),
            "[1-9][0-9]{20,40}".prop_map(|text| Value::Number(text.into())),
            ".{0,8}".prop_map(Value::text),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let entries = prop::collection::vec(("[a-c]{0,2}", inner.clone()), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::List),
                entries.prop_map(|entries| {
                    let mut object = Object::new();
                    entries.into_iter().for_each(|(key, value)| object.push(key, value));
                    Value::Object(object)
                }),
            ]
        })
    }

    proptest! {
        /// A program that changes nothing leaves the very same event.
        #[test]
        fn nothing_is_lost_on_the_way(value in values()) {
            let mut object = Object::new();
            object.push("a", value.clone());
            object.push("b", Value::List(vec![value]));
            let program = Program::new("true").unwrap();
            prop_assert_eq!(program.apply(object.clone()).unwrap(), object.clone());
            let there = convert::to_vrl(&object);
            // What a program makes anew is what JSON says of it, where VRL has it.
            let back = convert::from_vrl(Object::new(), vrl::value::Value::Object(there.clone()));
            prop_assert_eq!(convert::to_vrl(&back.unwrap()), there);
        }
    }
}
