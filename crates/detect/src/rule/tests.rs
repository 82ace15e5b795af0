//! What loads, and what is reported where.

use base::{Explain, Level, Place};
use proptest::prelude::*;

use super::{keys::parse_duration, *};

const MINIMAL: &str = "title: T\ndetection:\n  selection:\n    a: b\n  condition: selection\n";

fn load_one(text: &str) -> Result<Rule, RuleError> {
    let mut all = load_file("rules/x.yml", text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Checks a problem's code, place, message and, if it has any, help.
fn check(text: &str, code: &str, line: u32, column: u32, message: &str) {
    let error = load_one(text).expect_err(text);
    assert_eq!(error.to_string(), message, "{text}");
    assert_eq!(error.code().0, code, "{text}");
    let place = Place::File { path: "rules/x.yml".to_owned(), line, column };
    assert_eq!(error.place(), Some(place), "{text}");
}

#[test]
fn common_keys_are_read() {
    let rule = load_one(
        "title: Some title\nid: 1-2\nstatus: stable\ndescription: What it does\n\
         logsource: {product: Windows, category: process_creation, definition: text}\n\
         detection: {sel: {a: b}, condition: sel}\nlevel: high\ntags: [attack.t1003]\n\
         dedup: [Computer, User]\ndedup_window: 30m\npolicies: [x]\ntests: []\nlookback: 1d\n\
         type: match\nplaybooks: []\nschedule: 5m\ncustom: {whatever: 1}\nfalsepositives: [Unknown]\n",
    )
    .unwrap();
    let expected = RuleInfo {
        id: "1-2".to_owned(),
        title: "Some title".to_owned(),
        level: Level::High,
        tags: vec!["attack.t1003".to_owned()],
        dedup: vec!["Computer".to_owned(), "User".to_owned()],
        dedup_window_seconds: 1800,
        file: "rules/x.yml".to_owned(),
    };
    assert_eq!(rule.info, expected);
    assert_eq!(rule.log_source.product.as_deref(), Some("windows"));
    assert_eq!(rule.log_source.category.as_deref(), Some("process_creation"));
    assert_eq!(rule.log_source.service, None);
    assert_eq!((rule.status.as_str(), rule.description.as_str()), ("stable", "What it does"));
    assert_eq!(rule.kind(), "sigma");
}

#[test]
fn defaults_stand_in_for_what_is_absent() {
    let rule = load_one(MINIMAL).unwrap();
    assert_eq!(rule.info.id, "x");
    assert_eq!(rule.info.level, Level::Medium);
    assert_eq!(rule.info.dedup_window_seconds, 3600);
    assert_eq!(rule.log_source, LogSourceSelector::default());
    let two = load_file("a/b.c.yml", &format!("{MINIMAL}---\n{MINIMAL}"));
    let ids = two.iter().map(|rule| rule.as_ref().unwrap().info.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["b.c", "b.c-2"]);
}

#[test]
fn durations_have_units() {
    for (text, seconds) in [
        ("45s", Some(45)),
        ("30m", Some(1800)),
        ("1h", Some(3600)),
        ("2 d", Some(172_800)),
        ("0s", Some(0)),
        ("", None),
        ("h", None),
        ("1", None),
        ("1w", None),
        ("-1h", None),
        ("1.5h", None),
        ("99999999999999999999s", None),
        ("9999999999999999999d", None),
        ("1é", None),
    ] {
        assert_eq!(parse_duration(text).map(|duration| duration.as_secs()), seconds, "{text}");
    }
}

#[test]
fn mistakes_in_common_keys_are_reported() {
    let with = |line: &str| format!("{line}\n{MINIMAL}");
    check("", "DAB0202", 1, 1, "the file holds no rule");
    check("# nothing\n", "DAB0202", 1, 1, "the file holds no rule");
    check("- a\n", "DAB0202", 1, 1, "a rule is a mapping, and this is a list");
    check("text", "DAB0202", 1, 1, "a rule is a mapping, and this is a string");
    check("a: b\n", "DAB0202", 1, 1, "the rule has no `title`");
    check("title: T\n", "DAB0202", 1, 1, "the rule has neither `detection` nor `cel`");
    check(&with("level: grave"), "DAB0202", 1, 8, "there is no level `grave`");
    check(
        &with("tags: {a: b}"),
        "DAB0202",
        1,
        7,
        "`tags` must be a list of texts, and holds a mapping",
    );
    check(
        &with("dedup: [a, [b]]"),
        "DAB0202",
        1,
        12,
        "`dedup` must be a list of texts, and holds a list",
    );
    check(
        &with("dedup_window: soon"),
        "DAB0202",
        1,
        15,
        "`dedup_window` is `soon`, which is no duration",
    );
    check(&with("id: [1]"), "DAB0202", 1, 5, "`id` must be text, and is a list");
    check(
        &with("logsource: windows"),
        "DAB0202",
        1,
        12,
        "`logsource` must be a mapping, and is a string",
    );
    check(
        &with("cel: 'true'"),
        "DAB0202",
        1,
        1,
        "a rule has `detection` or `cel`, and this one has both",
    );
    check(
        &with("level: low\nlevel: high"),
        "DAB0202",
        2,
        1,
        "the key `level` stands twice in one mapping",
    );
    check(
        &with("log_source: ['']"),
        "DAB0202",
        1,
        13,
        "`log_source` names a log source without a name",
    );
    check(&with("[a]: b"), "DAB0202", 1, 1, "a key must be plain text");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn mistakes_in_detections_are_reported() {
    let with = |detection: &str| format!("title: T\ndetection:\n{detection}");
    let one = |line: &str| with(&format!("  sel:\n    {line}\n  condition: sel\n"));
    check(
        "title: T\ndetection: []\n",
        "DAB0202",
        2,
        12,
        "`detection` must be a mapping of selections, and is a list",
    );
    check(&with("  sel: {a: b}\n"), "DAB0202", 3, 3, "`detection` has no `condition`");
    check(&with("  sel: []\n  condition: sel\n"), "DAB0202", 3, 8, "the selection `sel` is empty");
    check(
        &with("  sel: {}\n  condition: sel\n"),
        "DAB0202",
        3,
        8,
        "an empty mapping tests nothing",
    );
    check(
        &with("  sel: [[a]]\n  condition: sel\n"),
        "DAB0202",
        3,
        9,
        "a list inside a selection's list",
    );
    check(
        &with("  sel: [a]\n  condition: {}\n"),
        "DAB0202",
        4,
        14,
        "`condition` must be a string, and is a mapping",
    );
    check(
        &one("a: {b: c}"),
        "DAB0202",
        4,
        8,
        "`a` needs a value or a list of values, and has a mapping",
    );
    check(&one("a: []"), "DAB0202", 4, 8, "`a` has no values");
    check(&one("a: [[b]]"), "DAB0202", 4, 9, "a value of `a` is a list");
    check(&one("a|like: b"), "DAB0204", 4, 5, "there is no modifier `like`");
    check(&one("a|i: b"), "DAB0204", 4, 5, "the modifier `i` makes no sense in `a|i`");
    check(
        &one("a|contains|re: b"),
        "DAB0204",
        4,
        5,
        "the modifier `re` makes no sense in `a|contains|re`",
    );
    check(
        &one("a|re|base64: b"),
        "DAB0204",
        4,
        5,
        "the modifier `base64` makes no sense in `a|re|base64`",
    );
    check(
        &one("a|re: '(?=x)'"),
        "DAB0205",
        4,
        11,
        "`(?=x)` is no regular expression that can be run: look-around, including look-ahead and look-behind, is not supported",
    );
    check(
        &one("a|re: 'x{1000}{1000}{1000}'"),
        "DAB0205",
        4,
        11,
        "`x{1000}{1000}{1000}` is no regular expression that can be run: Compiled regex exceeds size limit of 4194304 bytes.",
    );
    check(&one("a|cidr: 10.0.0.0/40"), "DAB0205", 4, 13, "`10.0.0.0/40` is no network address");
    check(&one("a|gt: many"), "DAB0205", 4, 11, "`many` is no number");
    check(&one("a|hour: 1.5"), "DAB0205", 4, 13, "`1.5` is no whole number");
    check(&one("a|exists: maybe"), "DAB0205", 4, 15, "`exists` needs `true` or `false`");
    check(&one("a|base64: 'x*'"), "DAB0205", 4, 15, "a value with wildcards can't be encoded");
    check(
        &one("a|wide: é"),
        "DAB0205",
        4,
        13,
        "the encoded value is no text: add `base64` or `base64offset`",
    );
    check(&one("'': null"), "DAB0205", 4, 9, "a search in all fields needs a text");
    check(
        &one("a|expand: '%admins%'"),
        "DAB0207",
        4,
        15,
        "the placeholder `%admins%` has no values here",
    );
    check(
        &one("a: b\n  condition: sel"),
        "DAB0202",
        6,
        3,
        "the key `condition` stands twice in one mapping",
    );
}

#[test]
fn conditions_are_placed_in_all_styles() {
    let with = |condition: &str| {
        format!("title: T\ndetection:\n  sel:\n    a: b\n  condition: {condition}\n")
    };
    let message = "there is no selection `other`; there are `sel`";
    check(&with("sel and other"), "DAB0206", 5, 22, message);
    check(&with("'sel and other'"), "DAB0206", 5, 23, message);
    check(&with("\"sel and other\""), "DAB0206", 5, 23, message);
    check(&with("|\n    sel and\n      other"), "DAB0206", 7, 7, message);
    check(&with("[sel, other]"), "DAB0206", 5, 20, message);
    check(
        &with("sel | count() > 3"),
        "DAB0206",
        5,
        18,
        "aggregations behind `|` are not part of Sigma 2",
    );
}

#[test]
fn broken_yaml_does_not_hide_its_neighbors() {
    let text = format!("{MINIMAL}---\ntitle: [1, 2\n---\n{MINIMAL}");
    let all = load_file("x.yml", &text);
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    let error = all[1].as_ref().unwrap_err();
    assert_eq!(error.code().0, "DAB0201");
    assert!(error.line >= 7 && error.line <= 8, "{error:?}");
}

#[test]
fn a_shape_error_does_not_hide_its_neighbors() {
    let text = format!("a: 1\na: 2\n---\n{MINIMAL}");
    let all = load_file("x.yml", &text);
    assert_eq!(all.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn aliases_are_replaced_within_limits() {
    let rule = load_one(
        "title: T\ndetection:\n  one: &shared\n    a: [b]\n  two: *shared\n  condition: one and two\n",
    );
    assert!(rule.is_ok(), "{rule:?}");
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let error = load_one(&bomb).unwrap_err();
    assert_eq!(error.code().0, "DAB0201");
    assert!(error.to_string().contains("more than 100000 values"), "{error}");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 20].join(", "));
    assert!(load_one(&long).unwrap_err().to_string().contains("bytes of text"));
    let cycle = load_one("a: &a [*a]\n").unwrap_err();
    assert_eq!(cycle.code().0, "DAB0201");
    let deep = format!("title: {}", "[".repeat(5_000));
    assert_eq!(load_one(&deep).unwrap_err().code().0, "DAB0201");
    let deep =
        format!("{}b", (0..5_000).map(|level| " ".repeat(level) + "a:\n").collect::<String>());
    assert_eq!(load_one(&deep).unwrap_err().code().0, "DAB0201");
    assert!(load_one(&"x".repeat(2 << 20)).unwrap_err().to_string().contains("the file has"));
}

#[test]
fn global_documents_lie_under_those_that_follow() {
    let text = "action: global\ntitle: T\nlogsource: {product: windows}\nlevel: low\n---\n\
                id: a\nlogsource: {service: system}\ndetection: {s: {x: 1}, condition: s}\n---\n\
                id: b\nlevel: high\ndetection: {s: {x: 2}, condition: s}\n---\n\
                action: repeat\nid: c\ndetection: {t: {y: 3}, condition: s and t}\n---\n\
                action: reset\n---\nid: d\ndetection: {s: {x: 1}, condition: s}\n";
    let all = load_file("x.yml", text);
    assert_eq!(all.len(), 4, "{all:?}");
    let rules = all.iter().take(3).map(|rule| rule.as_ref().unwrap()).collect::<Vec<_>>();
    let seen = rules
        .iter()
        .map(|rule| (rule.info.id.as_str(), rule.info.level, rule.log_source.service.as_deref()))
        .collect::<Vec<_>>();
    let expected =
        [("a", Level::Low, Some("system")), ("b", Level::High, None), ("c", Level::High, None)];
    assert_eq!(seen, expected);
    assert_eq!(all[3].as_ref().unwrap_err().to_string(), "the rule has no `title`");
    check(
        "action: repeat\na: b\n",
        "DAB0202",
        1,
        9,
        "`action: repeat` has no document before it to repeat",
    );
    check("action: rename\na: b\n", "DAB0202", 1, 9, "there is no such `action`");
    assert!(load_file("x.yml", "action: global\ntitle: T\n").is_empty());
}

#[test]
fn other_kinds_of_detections_are_refused_aloud() {
    let message = "`T` changes what other rules do and can't be run by itself";
    check(
        "title: T\ncorrelation: {type: event_count, rules: a, timespan: 5m, condition: {gte: 1}}\n",
        "DAB0208",
        1,
        1,
        message,
    );
    check(
        "title: T\nlogsource: {}\nfilter: {rules: a, s: {x: y}, condition: not s}\n",
        "DAB0208",
        1,
        1,
        message,
    );
    check(
        "title: T\nsql: select 1\nschedule: 1h\n",
        "DAB0208",
        2,
        1,
        "`T` is a scheduled detection, and those are not run in the stream",
    );
}

#[test]
fn expressions_are_compiled_and_their_mistakes_placed() {
    let rule = load_one("title: T\nlog_source: aws\ncel: a == 'b'\n").unwrap();
    assert_eq!(rule.kind(), "cel");
    assert_eq!(rule.log_source.names, ["aws"]);
    let both = load_one("title: T\nlog_source: [aws, okta]\ncel: a == 'b'\n").unwrap();
    assert_eq!(both.log_source.names, ["aws", "okta"]);
    for (text, line, column) in [
        ("title: T\ncel: a == nothing(1)\n", 2, 11),
        ("title: T\ncel: 'a == nothing(1)'\n", 2, 12),
        ("title: T\ncel: |\n\n    a == b &&\n      nothing(1)\n", 5, 7),
        ("title: T\ncel: >-\n    a == nothing(1)\n", 3, 10),
    ] {
        let error = load_one(text).unwrap_err();
        assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        assert_eq!(error.code().0, "DAB0271");
        assert!(error.to_string().starts_with("the expression can't be compiled: "), "{error}");
    }
    check("title: T\ncel: [a]\n", "DAB0202", 2, 6, "`cel` must be an expression, and is a list");
}

#[test]
fn placeholders_are_expanded_where_values_are_given() {
    let text = "title: T\ndetection: {s: {u|expand: '%admins%'}, condition: s}\n";
    let placeholders = Placeholders::from([("admins".to_owned(), vec!["root".to_owned()])]).into();
    assert!(load_file_with("x.yml", text, &placeholders)[0].is_ok());
    assert!(load_file("x.yml", text)[0].is_err());
    // Without the modifier, a percent sign is one.
    assert!(load_one("title: T\ndetection: {s: {u: '%admins%'}, condition: s}\n").is_ok());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC*") {
        prop_assert!(!load_file("x.yml", &text).is_empty() || text.contains("action"));
    }

    #[test]
    fn arbitrary_lines_never_panic(
        lines in prop::collection::vec(
            prop::sample::select(vec![
                "title: T", "detection:", "  sel:", "    a: b", "    a|re: '['", "    - x", "    b|all:",
                "  condition: sel", "---", "action: global", "action: repeat", "cel: a ==", "  - &x y",
                "    *x : z", "? a", ": b", "logsource:", "  product: windows", "    |", "\t", "  sel: [",
                "    a|contains|windash|base64offset: -x", "filter: {}", "filter: {rules: any, s: {a: b}, condition: not s}", "correlation: x", "sql:", "...",
            ]),
            0..24,
        ),
    ) {
        let documents = load_documents("x.yml", &lines.join("\n"), &Definitions::default());
        drop(RuleSet::assemble(documents.into_iter().flatten().collect()));
    }
}
