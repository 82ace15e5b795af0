//! Rules and events that mean harm, or were written in a hurry: each costs a bounded time, is
//! reported with its place if it is refused, and disturbs no other rule.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on is to stop there"
)]

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use base::{
    Clock, Event, EventId, Explain, Match, Object, ObjectHash, Origin, Place, SystemClock,
    Timestamp, Value, limits,
};
use dab_detect::{Engine, FullScan, Matcher, Rule, RuleError, load_file};

/// What anything here may take, without optimizations and on a busy machine. What is exponential
/// takes hours.
const SOON: Duration = Duration::from_secs(20);

/// A rule that has nothing to do with the bad one beside it.
const INNOCENT: &str = "title: Innocent\nid: innocent\ndetection:\n  selection:\n    \
                        name|endswith: '.exe'\n  condition: selection\n";

fn event<'a>(fields: &[(&'a str, &'a str)]) -> Event<'a> {
    let mut object = Object::new();
    for (name, value) in fields {
        object.push(*name, Value::text(*value));
    }
    Event {
        time: Timestamp::from_seconds(1_795_507_200),
        ingest_time: Timestamp::from_seconds(1_795_507_201),
        id: EventId { object: ObjectHash::of(&["test"]), offset: 0 },
        log_source: "any",
        origin: Origin { object: Cow::Borrowed("test"), offset: 0 },
        fields: object,
        normalized: Object::new(),
        json: None,
    }
}

fn rule(title: &str, detection: &str) -> String {
    format!("title: {title}\nid: {title}\ndetection:\n{detection}")
}

/// Loads what there is beside [`INNOCENT`], which always loads.
fn load(texts: &[&str]) -> (Vec<Arc<Rule>>, Vec<RuleError>) {
    let before = SystemClock.monotonic();
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for (number, text) in texts.iter().chain([&INNOCENT]).enumerate() {
        for loaded in load_file(&format!("{number}.yml"), text) {
            match loaded {
                Ok(rule) => rules.push(Arc::new(rule)),
                Err(error) => errors.push(error),
            }
        }
    }
    assert!(rules.iter().any(|rule| rule.info.id == "innocent"));
    let took = SystemClock.monotonic() - before;
    assert!(took < SOON, "loading took {took:?}");
    (rules, errors)
}

/// The one mistake in a file of one rule: its code and its line.
fn refused(text: &str) -> (&'static str, u32, String) {
    let (rules, errors) = load(&[text]);
    assert_eq!((rules.len(), errors.len()), (1, 1), "{errors:?}");
    let error = &errors[0];
    // A message is for people: it does not repeat the whole of what is wrong.
    assert!(error.to_string().len() < 2_000, "{} bytes", error.to_string().len());
    let Some(Place::File { line, .. }) = error.place() else { panic!("{error:?}") };
    (error.code().0, line, error.to_string())
}

/// What every matcher finds in an event, which is the same, and soon.
fn matches(rules: &[Arc<Rule>], event: &Event<'_>) -> Vec<Match> {
    let routes = BTreeMap::new();
    let full_scan = FullScan::new(rules.to_vec(), &routes);
    let engine = Engine::new(rules.to_vec(), &routes);
    let matchers: [&dyn Matcher; 2] = [&full_scan, &engine];
    let found = matchers.map(|matcher| {
        let mut found = Vec::new();
        let before = SystemClock.monotonic();
        matcher.evaluate(event, &mut found);
        let took = SystemClock.monotonic() - before;
        assert!(took < SOON, "evaluating took {took:?}: {matcher:?}");
        found
    });
    assert!(found.iter().all(|other| *other == found[0]));
    found.into_iter().next().unwrap()
}

fn ids(found: &[Match]) -> Vec<&str> {
    found.iter().map(|found| found.rule.id.as_str()).collect()
}

#[test]
fn a_regular_expression_never_takes_more_than_its_text() {
    let expressions = [
        "(a+)+$",
        "(a|aa)+$",
        "^(a|a?)+$",
        "(.*a){12}$",
        "(?:a?){60}a{60}$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(x+x+)+y",
        r"(\w+\s*)+:$",
    ];
    let rules: Vec<String> = expressions
        .iter()
        .enumerate()
        .map(|(number, expression)| {
            rule(
                &format!("bad-{number}"),
                &format!("  s:\n    text|re: '{expression}'\n  condition: s\n"),
            )
        })
        .collect();
    let texts: Vec<&str> = rules.iter().map(String::as_str).collect();
    let (rules, errors) = load(&texts);
    assert_eq!(errors, []);
    let long = "a".repeat(100_000) + "!";
    let found = matches(&rules, &event(&[("text", &long), ("name", "a.exe")]));
    assert_eq!(ids(&found), ["innocent"]);
}

#[test]
fn a_regular_expression_that_needs_much_memory_is_refused() {
    for expression in [r"(\w{1000}){1000}", "((a{100}){100}){100}", r"\pL{1000}\pN{1000}\pS{1000}"]
    {
        let text = rule("large", &format!("  s:\n    text|re: '{expression}'\n  condition: s\n"));
        let (code, line, message) = refused(&text);
        assert_eq!((code, line), ("DAB0205", 5), "{message}");
    }
}

#[test]
fn wildcards_never_take_more_than_their_text() {
    let many = "*a".repeat(40) + "*b";
    let text = rule(
        "wild",
        &format!(
            "  s:\n    text: '{many}'\n  t:\n    text|contains: '{}'\n  condition: s or t\n",
            "a?".repeat(60) + "b"
        ),
    );
    let (rules, errors) = load(&[&text]);
    assert_eq!(errors, []);
    let long = "a".repeat(100_000);
    assert_eq!(ids(&matches(&rules, &event(&[("text", &long)]))), [""; 0]);
    let long = long + "b";
    assert_eq!(ids(&matches(&rules, &event(&[("text", &long)]))), ["wild"]);
}

#[test]
fn a_file_of_ten_megabytes_is_refused() {
    let mut text = rule("large", "  s:\n    a:\n");
    while text.len() < 10_000_000 {
        text.push_str("      - 'another value that nobody will ever read'\n");
    }
    text.push_str("  condition: s\n");
    let (code, line, message) = refused(&text);
    assert_eq!((code, line), ("DAB0201", 1), "{message}");
    assert!(message.contains("bytes, more than"), "{message}");
}

#[test]
fn more_values_than_a_rule_may_have_are_refused() {
    let mut text = rule("many", "  s:\n    a:\n");
    for value in 0..=limits::RULE_NODES_MAX {
        writeln!(text, "      - {value}").unwrap();
    }
    text.push_str("  condition: s\n");
    let (code, _, message) = refused(&text);
    assert_eq!(code, "DAB0201", "{message}");
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("title: bomb\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let members = [before.as_str(); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{members}]").unwrap();
    }
    text.push_str("detection:\n  s:\n    a: b\n  condition: s\n");
    assert_eq!(refused(&text).0, "DAB0201");
}

#[test]
fn brackets_that_nest_without_end_are_refused() {
    let deep = |open: &str, close: &str, inner: &str| {
        format!("{}{inner}{}", open.repeat(5_000), close.repeat(5_000))
    };
    let condition = |text: &str| rule("deep", &format!("  s:\n    a: b\n  condition: {text}\n"));
    assert_eq!(refused(&condition(&deep("(", ")", "s"))).0, "DAB0206");
    // Twice not is nothing at all, however often.
    let (rules, errors) = load(&[&condition(&deep("not ", "", "s"))]);
    assert_eq!(errors, []);
    assert_eq!(ids(&matches(&rules, &event(&[("a", "b")]))), ["deep"]);
    let yaml = rule("deep", &format!("  s: {}\n  condition: s\n", deep("[", "]", "")));
    assert_eq!(refused(&yaml).0, "DAB0201");
    for cel in [deep("(", ")", "true"), deep("size(", ")", "a"), deep("[", "]", "")] {
        let (code, line, message) = refused(&format!("title: deep\ncel: '{cel}'\n"));
        assert_eq!((code, line), ("DAB0274", 2), "{message}");
    }
}

#[test]
fn a_cel_expression_that_would_run_long_is_refused() {
    let members = (0..200).map(|it| it.to_string()).collect::<Vec<_>>().join(", ");
    let all = format!("[{members}]");
    let (code, line, message) = refused(&format!(
        "title: long\ncel: '{all}.all(a, {all}.all(b, {all}.all(c, a + b + c >= 0)))'\n"
    ));
    assert_eq!((code, line), ("DAB0260", 2), "{message}");
}

#[test]
fn a_cel_expression_that_fails_on_an_event_fails_alone() {
    let (rules, errors) = load(&["title: fails\nid: fails\ncel: 'int(name) > 1'\n"]);
    assert_eq!(errors, []);
    let event = event(&[("name", "a.exe")]);
    assert_eq!(ids(&matches(&rules, &event)), ["innocent"]);
    let engine = Engine::new(rules, &BTreeMap::new());
    engine.evaluate(&event, &mut Vec::new());
    let failures = engine.errors();
    assert_eq!((failures.len(), failures[0].rule.as_str(), failures[0].count), (1, "fails", 1));
}

#[test]
fn a_rule_that_matches_everything_says_so_once_an_event() {
    let text = rule(
        "everything",
        "  s:\n    never: there\n  t:\n    name|re: ''\n  condition: not s or t\n",
    );
    let (rules, errors) = load(&[&text]);
    assert_eq!(errors, []);
    for fields in [&[("name", "a.exe")][..], &[("other", "b")], &[]] {
        let found = matches(&rules, &event(fields));
        let expected: &[&str] = if fields.len() == 1 && fields[0].0 == "name" {
            &["everything", "innocent"]
        } else {
            &["everything"]
        };
        assert_eq!(ids(&found), expected);
    }
}

#[test]
fn a_match_of_a_huge_event_stays_small() {
    let (rules, _) = load(&[]);
    let long = "x".repeat(8 << 20) + ".exe";
    let found = matches(&rules, &event(&[("name", &long)]));
    assert_eq!(ids(&found), ["innocent"]);
    assert!(found[0].event.len() <= limits::MATCH_EVENT_BYTES_MAX);
    let shown = &found[0].reasons[0].value;
    assert!(shown.chars().count() <= limits::REASON_VALUE_CHARS_MAX + 1, "{}", shown.len());
}

#[test]
fn text_that_no_sane_source_writes_is_matched_like_any_other() {
    let text = rule(
        "odd",
        "  s:\n    text|contains: \"\\u0000\"\n  t:\n    text|endswith: \"\\uFFFD\"\n  \
         u:\n    text|re: '^.\\z'\n  condition: 1 of them\n",
    );
    let (rules, errors) = load(&[&text]);
    assert_eq!(errors, []);
    // What a decoder makes of bytes that are no UTF-8, the end of a C string, a letter whose lower
    // case is longer, a direction mark, and half of an emoji's parts.
    for odd in ["a\u{FFFD}", "a\u{0}b", "\u{130}", "\u{202E}", "\u{200D}"] {
        let found = matches(&rules, &event(&[("text", odd), ("name", odd)]));
        assert_eq!(ids(&found), ["odd"], "{odd:?}");
    }
}

#[test]
fn dashes_in_every_spelling_stay_bounded() {
    // Five spellings for each of thirty dashes: 5^30 values, were they written out.
    let value = "-a ".repeat(30);
    let text =
        rule("dashes", &format!("  s:\n    text|windash|contains: '{value}'\n  condition: s\n"));
    let (rules, errors) = load(&[&text]);
    if errors.is_empty() {
        let spelled = "\u{2015}a /a \u{2013}a ".repeat(10);
        assert_eq!(ids(&matches(&rules, &event(&[("text", &spelled)]))), ["dashes"]);
    } else {
        assert_eq!((errors.len(), errors[0].code().0), (1, "DAB0205"), "{errors:?}");
    }
}
