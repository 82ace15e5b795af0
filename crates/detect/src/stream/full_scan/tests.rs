//! Every modifier and kind of value by example, routing, and what a match tells.

use std::borrow::Cow;

use base::{EventId, Object, ObjectHash, Origin, Timestamp, Value, limits};
use serde_json::{Value as Json, json};

use super::*;
use crate::{rule::load_file, stream::Engine};

fn to_value(json: &Json) -> Value<'static> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::text(text.clone()),
        Json::Array(members) => Value::List(members.iter().map(to_value).collect()),
        Json::Object(_) => Value::Object(to_object(json)),
    }
}

fn to_object(json: &Json) -> Object<'static> {
    let entries = json.as_object().unwrap().iter();
    entries.map(|(key, value)| (Cow::Owned(key.clone()), to_value(value))).collect()
}

fn event(log_source: &str, fields: &Json) -> Event<'static> {
    Event {
        time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
        id: EventId { object: ObjectHash::of(&["x"]), offset: 7 },
        log_source: match log_source {
            "windows" => "windows",
            "linux" => "linux",
            _ => "other",
        },
        origin: Origin { object: Cow::Borrowed("x"), offset: 7 },
        fields: to_object(fields),
        normalized: Object::new(),
        json: None,
    }
}

fn rules(text: &str) -> Vec<Arc<Rule>> {
    load_file("r.yml", text).into_iter().map(|rule| Arc::new(rule.expect(text))).collect()
}

/// The plain evaluator and the fast one, which must agree.
#[derive(Debug)]
struct Both {
    plain: FullScan,
    fast: Engine,
}

impl Both {
    fn new(rules: Vec<Arc<Rule>>, routes: &BTreeMap<String, Vec<SigmaRoute>>) -> Self {
        let plain = FullScan::new(rules.clone(), routes);
        Self { plain, fast: Engine::new(rules, routes) }
    }
}

impl Matcher for Both {
    fn evaluate(&self, event: &Event<'_>, matches: &mut Vec<Match>) {
        let mut fast = Vec::new();
        self.fast.evaluate(event, &mut fast);
        let mut plain = Vec::new();
        self.plain.evaluate(event, &mut plain);
        assert_eq!(fast, plain, "{}", event.to_json());
        matches.append(&mut plain);
    }

    fn rules(&self) -> Arc<[Arc<Rule>]> {
        self.plain.rules()
    }

    fn errors(&self) -> Vec<crate::RuleFailures> {
        assert_eq!(self.fast.errors(), self.plain.errors());
        self.plain.errors()
    }
}

fn matches_of(matcher: &Both, event: &Event<'_>) -> Vec<Match> {
    let mut matches = Vec::new();
    matcher.evaluate(event, &mut matches);
    matches
}

fn unrouted_matcher(text: &str) -> Both {
    Both::new(rules(text), &BTreeMap::new())
}

/// Whether a selection, as flow YAML, matches an event.
fn holds(selection: &str, fields: &Json) -> bool {
    let text = format!("title: T\ndetection:\n  sel: {selection}\n  condition: sel\n");
    !matches_of(&unrouted_matcher(&text), &event("other", fields)).is_empty()
}

/// Checks which values of the field `f` a selection matches.
fn check(selection: &str, yes: &[Json], no: &[Json]) {
    for value in yes {
        assert!(holds(selection, &json!({ "f": value })), "{selection} should match {value}");
    }
    for value in no {
        assert!(!holds(selection, &json!({ "f": value })), "{selection} should not match {value}");
    }
}

#[test]
fn plain_values() {
    check(
        "{f: abc}",
        &[json!("abc"), json!("ABC"), json!(["x", "Abc"])],
        &[json!("abcd"), json!(null)],
    );
    check("{f: ''}", &[json!("")], &[json!(null), json!(" "), json!([]), json!(0)]);
    check(
        "{f: null}",
        &[json!(null), json!([null, 1])],
        &[json!(""), json!(0), json!([]), json!(false)],
    );
    check("{f: }", &[json!(null)], &[json!("")]);
    check("{f: [null, '']}", &[json!(null), json!("")], &[json!("x")]);
    check("{f: '*'}", &[json!(""), json!("x"), json!(0)], &[json!(null)]);
    check("{f: [a, b]}", &[json!("a"), json!("B")], &[json!("c")]);
    check(
        "{f: true}",
        &[json!(true), json!("true"), json!("True")],
        &[json!(false), json!("yes"), json!(1)],
    );
    check("{f: 'false'}", &[json!(false), json!("FALSE")], &[json!(true)]);
    assert!(holds("{g: null}", &json!({"f": 1})), "an absent field is null");
    assert!(!holds("{g: ''}", &json!({"f": 1})), "an absent field is not empty");
    assert!(!holds("{g: '*'}", &json!({"f": 1})));
}

#[test]
fn numbers_match_numbers_and_their_text() {
    check(
        "{f: 4688}",
        &[json!(4688), json!("4688"), json!(4688.0), json!("4688.0"), json!([1, 4688])],
        &[json!(46880), json!("x4688"), json!(null), json!("0x1250")],
    );
    check("{f: '4688'}", &[json!(4688), json!("4688")], &[json!(4688.5)]);
    check("{f: 1.5}", &[json!(1.5), json!("1.5"), json!("1.50")], &[json!(1), json!("15")]);
    check("{f: -1}", &[json!(-1), json!("-1")], &[json!(1)]);
    check("{f: 0x10}", &[json!(16), json!("0x10"), json!("0X10")], &[json!(10), json!("x")]);
    check("{f: 007}", &[json!("007"), json!(7)], &[json!(70)]);
    check("{f|contains: 68}", &[json!(4688), json!("4688")], &[json!(78)]);
    check("{f|startswith: 46}", &[json!(4688)], &[json!(1468)]);
}

#[test]
fn string_modifiers() {
    check("{f|contains: b}", &[json!("abc"), json!("B")], &[json!("ac"), json!(null)]);
    check("{f|startswith: ab}", &[json!("abc"), json!("AB")], &[json!("cab")]);
    check(
        "{f|endswith: '\\x.exe'}",
        &[json!("C:\\x.EXE")],
        &[json!("x.exe"), json!("\\x.exe.txt")],
    );
    check("{f|contains: 'a*c'}", &[json!("xabcx")], &[json!("ca")]);
    check("{f|contains|all: [a, b]}", &[json!("ba"), json!("xAyB")], &[json!("a")]);
    check("{f|all|contains: [a, b]}", &[json!("ba")], &[json!("b")]);
    check("{f|cased: Abc}", &[json!("Abc")], &[json!("abc"), json!("ABC")]);
    check("{f|contains|cased: Bc}", &[json!("aBcd")], &[json!("abcd")]);
    check("{f|windash: '-a'}", &[json!("/a"), json!("-A"), json!("\u{2013}a")], &[json!("a")]);
    check("{f|contains|windash: ' -a '}", &[json!("x /a y")], &[json!("x a y")]);
    check("{f|windash|contains: ' -a '}", &[json!("x \u{2015}a y")], &[json!("x _a y")]);
    check("{f|contains: nested}", &[json!({"a": {"b": "a nested text"}})], &[json!({"a": "b"})]);
}

#[test]
fn not_equal_holds_for_whatever_no_value_matches() {
    check(
        "{f|neq: a}",
        &[json!("b"), json!(null), json!(1)],
        &[json!("a"), json!("A"), json!(["b", "a"])],
    );
    check("{f|neq: 1}", &[json!(2), json!("x")], &[json!(1), json!("1")]);
    check("{f|neq: [a, b]}", &[json!("c")], &[json!("a"), json!("b")]);
    check("{f|contains|neq: a}", &[json!("b")], &[json!("xax")]);
    check("{f|neq: null}", &[json!("b")], &[json!(null)]);
    assert!(holds("{g|neq: a}", &json!({"f": 1})), "an absent field is different");
}

#[test]
fn existence_is_presence_whatever_the_value() {
    check("{f|exists: true}", &[json!(null), json!(""), json!([]), json!(1), json!({})], &[]);
    check("{f|exists: false}", &[], &[json!(null), json!([])]);
    assert!(holds("{g|exists: false}", &json!({"f": 1})));
    assert!(!holds("{g|exists: yes}", &json!({"f": 1})));
}

#[test]
fn regular_expressions() {
    check("{f|re: 'a.c'}", &[json!("xabcx")], &[json!("ABC"), json!("a\nc")]);
    check("{f|re|i: 'a.c'}", &[json!("xABCx")], &[json!("ac")]);
    check("{f|re|s: 'a.c'}", &[json!("a\nc")], &[json!("A\nc")]);
    check("{f|re|m: '^c$'}", &[json!("a\nc\nb")], &[json!("a\nC")]);
    check("{f|re|i|s|m: '^a.c$'}", &[json!("x\nA\nC")], &[json!("x")]);
    check("{f|re|ignorecase|dotall|multiline: '^a.c$'}", &[json!("x\nA\nC")], &[json!("x")]);
    check("{f|re: '^\\d{3}$'}", &[json!(123), json!("123")], &[json!(1234)]);
    check("{f|re|startswith: 'b|c'}", &[json!("ba"), json!("c")], &[json!("ab")]);
    check("{f|re|endswith: 'b|c'}", &[json!("ab")], &[json!("ba")]);
    check("{f|re|all: [a, b]}", &[json!("ab")], &[json!("a")]);
    check("{f|re: 'a\\*'}", &[json!("xa*")], &[json!("aaa")]);
}

#[test]
fn encodings() {
    check("{f|base64: foobar}", &[json!("Zm9vYmFy")], &[json!("foobar"), json!("xZm9vYmFy")]);
    check("{f|base64|contains: foobar}", &[json!("x Zm9vYmFy y")], &[json!("foobar")]);
    // `xx http://` and `x http://` in Base64.
    for text in ["aHR0cDovL3g=", "eCBodHRwOi8veA==", "eHggaHR0cDovL3g="] {
        assert!(holds("{f|base64offset|contains: 'http://'}", &json!({ "f": text })), "{text}");
    }
    check("{f|base64offset|contains: 'http://'}", &[], &[json!("http://")]);
    // `ping` as UTF-16 in Base64.
    for name in ["wide", "utf16le"] {
        let selection = format!("{{f|{name}|base64offset|contains: ping}}");
        check(&selection, &[json!("cABpAG4AZwA=")], &[json!("cGluZw==")]);
    }
    check(
        "{f|utf16be|base64offset|contains: ping}",
        &[json!("AHAAaQBuAGc=")],
        &[json!("cABpAG4AZwA=")],
    );
    check("{f|utf16|base64: ping}", &[json!("//5wAGkAbgBnAA==")], &[json!("cABpAG4AZwA=")]);
    check("{f|wide|contains: ab}", &[json!("xa\0b\0")], &[json!("ab")]);
    check(
        "{f|wide|base64offset|contains|all: [pi, ng]}",
        &[json!("cABpAG4AZwA=")],
        &[json!("cABpAA==")],
    );
    check("{f|windash|base64: '-a'}", &[json!("LWE="), json!("L2E=")], &[json!("YQ==")]);
}

#[test]
fn comparisons() {
    check(
        "{f|lt: 5}",
        &[json!(4), json!("4"), json!(4.9), json!(-9)],
        &[json!(5), json!("x"), json!(null)],
    );
    check("{f|lte: 5}", &[json!(5), json!("5.0")], &[json!(6)]);
    check("{f|gt: 5}", &[json!(6), json!("5.1")], &[json!(5), json!("4")]);
    check("{f|gte: 5}", &[json!(5), json!([1, 9])], &[json!(4), json!("")]);
    check("{f|gt: '5'}", &[json!(6)], &[json!(5)]);
    check("{f|gte: 1.5}", &[json!(1.5), json!(2)], &[json!(1)]);
}

#[test]
fn networks() {
    check(
        "{f|cidr: 10.0.0.0/8}",
        &[json!("10.1.2.3"), json!(["1.1.1.1", "10.0.0.1"])],
        &[json!("11.0.0.1"), json!("host"), json!(10), json!(null)],
    );
    check(
        "{f|cidr: ['192.168.0.0/16', 'fe80::/10']}",
        &[json!("fe80::1"), json!("192.168.9.9")],
        &[json!("::1")],
    );
}

#[test]
fn parts_of_times() {
    let at = json!("2026-11-24T23:05:59+09:00");
    for selection in [
        "{f|minute: 5}",
        "{f|hour: 23}",
        "{f|day: 24}",
        "{f|week: 48}",
        "{f|month: 11}",
        "{f|year: 2026}",
        "{f|hour|gte: 22}",
        "{f|gte|hour: 22}",
        "{f|hour|lt: 24}",
        "{f|hour: [1, 23]}",
        "{f|hour|neq: 3}",
    ] {
        assert!(holds(selection, &json!({ "f": at })), "{selection}");
    }
    for selection in ["{f|minute: 59}", "{f|hour: 14}", "{f|hour|gt: 23}", "{f|year: 26}"] {
        assert!(!holds(selection, &json!({ "f": at })), "{selection}");
    }
}

#[test]
fn fields_compared_with_fields() {
    let same = json!({"a": "X", "b": "x", "c": "yx", "n": 1, "m": "1", "l": ["q", "x"], "z": null});
    for (selection, expected) in [
        ("{a|fieldref: b}", true),
        ("{a|fieldref: c}", false),
        ("{a|fieldref|cased: b}", false),
        ("{a|cased|fieldref: b}", false),
        ("{c|fieldref|endswith: a}", true),
        ("{c|endswith|fieldref: a}", true),
        ("{c|fieldref|startswith: a}", false),
        ("{c|fieldref|contains: a}", true),
        ("{n|fieldref: m}", true),
        ("{l|fieldref: a}", true),
        ("{a|fieldref: l}", true),
        ("{a|fieldref|neq: b}", false),
        ("{a|fieldref|neq: c}", true),
        ("{a|fieldref: absent}", false),
        ("{absent|fieldref: absent2}", false),
        ("{z|fieldref: z}", false),
    ] {
        assert_eq!(holds(selection, &same), expected, "{selection}");
    }
}

#[test]
fn keywords_search_all_strings() {
    let fields = json!({"a": {"deep": ["One two", 5]}, "b": "Three", "n": 42, "t": true});
    for (selection, expected) in [
        ("[two]", true),
        ("[absent, three]", true),
        ("[absent]", false),
        ("two", true),
        ("'one*wo'", true),
        ("'n'", true),
        ("'deep'", false),
        ("[42]", true),
        ("[4]", false),
        ("[true]", false),
        ("{'|all': [two, three]}", true),
        ("{'|all': [two, four]}", false),
        ("{'': [four, three]}", true),
        ("{'|contains': thr}", true),
        ("{'|re': '^Thr'}", true),
        ("{'|re': '^thr'}", false),
        ("{'|cased': three}", false),
        ("{'|startswith': thr}", true),
        ("{'|startswith': hree}", false),
    ] {
        assert_eq!(holds(selection, &fields), expected, "{selection}");
    }
}

#[test]
fn lists_of_mappings_are_alternatives() {
    let selection = "[{f: a, g: b}, {f: c}, word]";
    for (fields, expected) in [
        (json!({"f": "a", "g": "b"}), true),
        (json!({"f": "a"}), false),
        (json!({"f": "c"}), true),
        (json!({"h": "a word"}), true),
    ] {
        assert_eq!(holds(selection, &fields), expected, "{fields}");
    }
}

#[test]
fn names_may_be_nested_dotted_or_odd() {
    let fields = json!({"user": {"name": "eve"}, "log.level": "warn", "cs-uri": "/x", "c": {"d": [{"e": 1}]}});
    for selection in ["{user.name: eve}", "{log.level: warn}", "{cs-uri: /x}", "{c.d.e: 1}"] {
        assert!(holds(selection, &fields), "{selection}");
    }
}

#[test]
fn normalized_fields_are_found_too() {
    let mut event = event("other", &json!({"f": 1}));
    event.normalized = to_object(&json!({"source": {"ip": "10.0.0.9"}}));
    let text = "title: T\ndetection: {s: {source.ip|cidr: 10.0.0.0/8}, condition: s}\n";
    assert_eq!(matches_of(&unrouted_matcher(text), &event).len(), 1);
}

#[test]
fn conditions_decide() {
    let check = |condition: &str, expected: bool| {
        let text = format!(
            "title: T\ndetection:\n  yes_1: {{f: a}}\n  yes_2: {{f: a*}}\n  no_1: {{f: b}}\n  \
             no_2: {{g: a}}\n  _yes: {{f: a}}\n  condition: {condition}\n"
        );
        let found = matches_of(&unrouted_matcher(&text), &event("other", &json!({"f": "a"})));
        assert_eq!(!found.is_empty(), expected, "{condition}");
    };
    check("yes_1 and yes_2", true);
    check("yes_1 and no_1", false);
    check("yes_1 and not no_1", true);
    check("no_1 or yes_1 and no_2", false);
    check("(no_1 or yes_1) and not no_2", true);
    check("1 of no_*", false);
    check("not 1 of no_*", true);
    check("all of yes_*", true);
    check("1 of them", true);
    check("all of them", false);
    check("2 of them", true);
    check("3 of them", false);
    check("[no_1, yes_1]", true);
    check("[no_1, no_2]", false);
}

fn windows_routes() -> BTreeMap<String, Vec<SigmaRoute>> {
    let route = |service: Option<&str>,
                 category: Option<&str>,
                 when: &[(&str, &[&str])],
                 fields: &[(&str, &str)]| SigmaRoute {
        product: Some("windows".to_owned()),
        service: service.map(str::to_owned),
        category: category.map(str::to_owned),
        when: when
            .iter()
            .map(|(name, values)| {
                ((*name).to_owned(), values.iter().map(|&value| value.to_owned()).collect())
            })
            .collect(),
        fields: fields.iter().map(|&(name, to)| (name.to_owned(), to.to_owned())).collect(),
    };
    let sysmon = ("Channel", &["Sysmon"][..]);
    let security = ("Channel", &["Security"][..]);
    let routes = vec![
        route(None, None, &[], &[]),
        route(Some("security"), None, &[security], &[]),
        route(Some("sysmon"), None, &[sysmon], &[]),
        route(None, Some("process_creation"), &[sysmon, ("EventID", &["1"])], &[]),
        route(
            None,
            Some("process_creation"),
            &[security, ("EventID", &["4688"])],
            &[("Image", "NewProcessName")],
        ),
        route(None, Some("registry_set"), &[sysmon, ("EventID", &["13"])], &[]),
        route(None, Some("registry_event"), &[sysmon, ("EventID", &["12", "13"])], &[]),
    ];
    BTreeMap::from([("windows".to_owned(), routes), ("linux".to_owned(), Vec::new())])
}

fn routed(log_source_key: &str, detection: &str) -> Both {
    let text = format!("title: T\n{log_source_key}\ndetection: {{s: {detection}, condition: s}}\n");
    Both::new(rules(&text), &windows_routes())
}

#[test]
fn rules_run_where_they_are_routed() {
    let sysmon_1 =
        json!({"Channel": "sysmon", "EventID": 1, "Image": "a.exe", "NewProcessName": "a.exe"});
    let security_4688 =
        json!({"Channel": "Security", "EventID": "4688", "NewProcessName": "a.exe"});
    let sysmon_13 = json!({"Channel": "Sysmon", "EventID": 13});
    let any = "{x: null}";
    let image = "{Image: a.exe}";
    for (key, detection, log_source, fields, expected) in [
        ("logsource: {product: windows}", any, "windows", &sysmon_1, true),
        ("logsource: {product: windows}", any, "linux", &sysmon_1, false),
        ("logsource: {product: Windows, service: SysMon}", any, "windows", &sysmon_1, true),
        ("logsource: {product: windows, service: security}", any, "windows", &sysmon_1, false),
        ("logsource: {service: sysmon}", any, "windows", &sysmon_1, true),
        ("logsource: {category: process_creation}", image, "windows", &sysmon_1, true),
        ("logsource: {category: process_creation}", image, "windows", &security_4688, true),
        (
            "logsource: {category: process_creation, product: linux}",
            image,
            "windows",
            &sysmon_1,
            false,
        ),
        (
            "logsource: {category: process_creation, service: sysmon}",
            image,
            "windows",
            &sysmon_1,
            false,
        ),
        (
            "logsource: {product: windows, service: security}",
            image,
            "windows",
            &security_4688,
            false,
        ),
        ("logsource: {category: registry_set}", any, "windows", &sysmon_13, true),
        ("logsource: {category: registry_event}", any, "windows", &sysmon_13, true),
        ("logsource: {definition: text}", any, "other", &sysmon_13, true),
        ("author: me", any, "other", &sysmon_13, true),
        ("author: me", any, "windows", &sysmon_13, true),
        ("log_source: linux", any, "linux", &sysmon_13, true),
        ("log_source: [linux, windows]", any, "windows", &sysmon_13, true),
        ("log_source: linux", any, "windows", &sysmon_13, false),
        ("log_source: linux", any, "other", &sysmon_13, false),
        ("log_source: other", any, "other", &sysmon_13, true),
        ("log_source: linux\nlogsource: {product: windows}", any, "windows", &sysmon_13, false),
        ("log_source: windows\nlogsource: {product: windows}", any, "windows", &sysmon_13, true),
    ] {
        let matcher = routed(key, detection);
        let found = matches_of(&matcher, &event(log_source, fields));
        assert_eq!(found.len(), usize::from(expected), "{key} {detection} {log_source} {fields}");
    }
}

#[test]
fn a_rule_that_two_routes_reach_matches_once() {
    // Both process_creation routes are open here, under different mappings.
    let mut routes = windows_routes();
    for route in routes.get_mut("windows").unwrap() {
        route.when.clear();
    }
    let text = "title: T\nlogsource: {category: process_creation}\ndetection: {s: {Image: a}, condition: s}\n";
    let matcher = Both::new(rules(text), &routes);
    let both = event("windows", &json!({"Image": "a", "NewProcessName": "a"}));
    assert_eq!(matches_of(&matcher, &both).len(), 1);
    let second = event("windows", &json!({"Image": "b", "NewProcessName": "a"}));
    let found = matches_of(&matcher, &second);
    assert_eq!(found.len(), 1);
    assert_eq!(&*found[0].reasons[0].field, "NewProcessName");
}

#[test]
fn rules_without_a_route_are_named() {
    let text = "title: A\nid: a\nlogsource: {product: macos}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                title: B\nid: b\nlogsource: {product: windows}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                title: C\nid: c\ndetection: {s: {x: 1}, condition: s}\n";
    let matcher = Both::new(rules(text), &windows_routes());
    let unrouted = matcher.plain.unrouted();
    assert_eq!(matcher.fast.unrouted().len(), 1);
    assert_eq!(unrouted.iter().map(|rule| rule.info.id.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(matcher.rules().len(), 3);
}

#[test]
fn matches_come_in_the_order_of_the_rules() {
    let text = "title: A\nid: a\nlogsource: {category: registry_set}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                title: B\nid: b\nlogsource: {product: windows}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                title: C\nid: c\nlogsource: {category: registry_event}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                title: D\nid: d\ncel: x == 1\n";
    let matcher = Both::new(rules(text), &windows_routes());
    let mut matches = matches_of(&matcher, &event("linux", &json!({"x": 1})));
    assert_eq!(matches.len(), 1);
    matcher.evaluate(
        &event("windows", &json!({"Channel": "Sysmon", "EventID": 13, "x": 1})),
        &mut matches,
    );
    let ids = matches.iter().map(|found| found.rule.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["d", "a", "b", "c", "d"]);
}

#[test]
fn matches_say_why() {
    let text = "title: T\nid: one\ndedup: [Computer, absent, User]\nlogsource: {category: process_creation}\n\
                detection:\n  s:\n    Image|endswith: ['\\b.exe', '\\a.exe']\n    n|gt: 3\n    \
                Line|contains|all: [x, y]\n  k: [secret]\n  f: {Image: '*c.exe'}\n  condition: s and k and not f\n";
    let matcher = Both::new(rules(text), &windows_routes());
    let long = format!("xy{}", "é".repeat(300));
    let fields = json!({
        "Channel": "Security", "EventID": 4688, "NewProcessName": "C:\\A.exe", "n": "7", "Line": long,
        "Computer": "pc1", "User": ["u", null, "v"], "note": "a secret",
    });
    let found = matches_of(&matcher, &event("windows", &fields)).remove(0);
    let shown = format!("xy{}", "é".repeat(198));
    let expected = [
        ("NewProcessName", "endswith '\\a.exe'", "C:\\A.exe"),
        ("n", "gt 3", "7"),
        ("Line", "contains 'x'", &shown),
        ("Line", "contains 'y'", &shown),
        ("", "contains 'secret'", "a secret"),
    ];
    let seen = found.reasons.iter().map(|why| (&*why.field, &*why.test, why.value.as_str()));
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(found.dedup_values, ["pc1", "", "u,v"]);
    assert_eq!(*found.event_id, event("windows", &fields).id.to_string());
    assert_eq!(&*found.log_source, "windows");
    let read: Json = serde_json::from_str(&found.event).unwrap();
    assert_eq!(read, fields);
}

#[test]
fn large_events_are_replaced_by_a_note() {
    let matcher = unrouted_matcher("title: T\ndetection: {s: {f|startswith: x}, condition: s}\n");
    let large = event("other", &json!({"f": "x".repeat(limits::MATCH_EVENT_BYTES_MAX)}));
    let found = matches_of(&matcher, &large).remove(0);
    let read: Json = serde_json::from_str(&found.event).unwrap();
    assert_eq!(read["event_id"], large.id.to_string());
    assert!(read["omitted"].as_str().unwrap().contains("more than the 262144"), "{read}");
}

#[test]
fn failures_of_one_rule_are_counted_and_disturb_no_other() {
    let text = "title: A\nid: a\ncel: 1 / n == 1\n---\ntitle: B\nid: b\ncel: n == 0\n---\n\
                title: C\nid: c\ncel: absent.field == 'x'\n";
    let matcher = unrouted_matcher(text);
    for _ in 0..3 {
        let found = matches_of(&matcher, &event("other", &json!({"n": 0})));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rule.id, "b");
        assert!(!found[0].reasons.is_empty());
    }
    let errors = matcher.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((errors[0].rule.as_str(), errors[0].count), ("a", 3));
    assert!(errors[0].message.contains("divide by zero"), "{errors:?}");
}
