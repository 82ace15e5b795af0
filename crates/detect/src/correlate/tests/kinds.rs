//! Every kind of correlation, with answers worked out by hand.

use base::{Level, Timestamp};

use super::fixture::{at, check, correlator, document, hit, run};

#[test]
fn event_count_matches_once_and_again_after_a_window() {
    let body = "type: event_count, rules: [a], group-by: [u], timespan: 10s, condition: {gte: 3}";
    // The third matches; the fourth is the same; after ten seconds it is told again.
    check(
        body,
        &["a 0 u=m", "a 1 u=m", "a 2 u=m", "a 3 u=m", "a 8 u=m", "a 12 u=m", "a 13 u=m"],
        &["x@2 m", "x@12 m"],
    );
    // It falls below at 20 and matches anew at 22, though that is soon after the last.
    check(
        body,
        &["a 9 u=m", "a 10 u=m", "a 11 u=m", "a 20.5 u=m", "a 21.5 u=m", "a 22 u=m"],
        &["x@11 m", "x@22 m"],
    );
    // The window's ends belong to it.
    check(body, &["a 0 u=m", "a 5 u=m", "a 10 u=m"], &["x@10 m"]);
    check(body, &["a 0 u=m", "a 5 u=m", "a 10.1 u=m"], &[]);
    // Groups are apart, and an event without the field is in none.
    check(body, &["a 0 u=m", "a 1 u=n", "a 2 u=m", "a 3", "a 4 u=n", "a 5 u=n"], &["x@5 n"]);
    // Other rules' events do not count.
    check(body, &["a 0 u=m", "b 1 u=m", "a 2 u=m"], &[]);
}

#[test]
fn limits_hold_together_and_may_be_below() {
    let body = |condition: &str| {
        format!("type: event_count, rules: [a, b], timespan: 1m, condition: {{{condition}}}")
    };
    let hits = ["a 0", "b 1", "a 2", "b 3", "a 4"];
    check(&body("gt: 2, lte: 4"), &hits, &["x@2"]);
    check(&body("eq: 4"), &hits, &["x@3"]);
    check(&body("neq: 1"), &hits, &["x@1"]);
    check(&body("lt: 3"), &hits, &["x@0"]);
    check(&body("gt: 5"), &hits, &[]);
}

#[test]
fn value_count_counts_distinct_values_or_combinations() {
    let one =
        "type: value_count, rules: [a], group-by: u, timespan: 10s, condition: {field: v, gte: 3}";
    check(
        one,
        &["a 0 u=m v=1", "a 1 u=m v=2", "a 2 u=m v=1", "a 3 u=m", "a 4 u=m v=3"],
        &["x@4 m"],
    );
    // The value of the first event leaves with it.
    check(one, &["a 0 u=m v=1", "a 1 u=m v=2", "a 11 u=m v=3"], &[]);
    check(one, &["a 0 u=m v=1,2", "a 1 u=m v=3,2"], &["x@1 m"]);
    let two = "type: value_count, rules: [a], timespan: 10s, condition: {field: [v, w], gte: 3}";
    check(two, &["a 0 v=1 w=1", "a 1 v=1 w=2", "a 2 v=1 w=1", "a 3 v=2 w=1"], &["x@3"]);
    check(two, &["a 0 v=1 w=1", "a 1 v=1 w=2", "a 2 v=3"], &[]);
}

#[test]
fn statistics_are_of_the_numbers_in_the_window() {
    let body = |kind: &str, condition: &str| {
        format!("type: {kind}, rules: [a], timespan: 10s, condition: {{field: n, {condition}}}")
    };
    let hits = ["a 0 n=10", "a 1 n=20", "a 2 n=word", "a 3", "a 4 n=60.5", "a 12 n=1"];
    check(&body("value_sum", "gt: 90"), &hits, &["x@4"]);
    check(&body("value_sum", "eq: 61.5"), &hits, &["x@12"]);
    check(&body("value_avg", "gte: 15, lt: 16"), &hits, &["x@1"]);
    check(&body("value_avg", "gt: 30.1"), &hits, &["x@4"]);
    check(&body("value_median", "eq: 20"), &hits, &["x@4"]);
    check(&body("value_median", "eq: 15"), &hits, &["x@1"]);
    check(&body("value_percentile", "percentile: 75, gte: 40"), &hits, &["x@4"]);
    check(&body("value_percentile", "eq: 20"), &hits, &["x@4"]);
    check(&body("value_sum", "eq: 0.3"), &["a 0 n=0.1", "a 1 n=0.2"], &["x@1"]);
    check(&body("value_sum", "gte: 5"), &["a 0 n=2,3"], &["x@0"]);
    check(&body("value_sum", "lte: 100"), &["a 0 n=word"], &[]);
}

#[test]
fn temporal_needs_all_rules_in_any_order() {
    let body = "type: temporal, rules: [a, b, c], group-by: [u], timespan: 10s";
    check(body, &["c 0 u=m", "a 1 u=m", "b 2 u=n", "b 9 u=m"], &["x@9 m"]);
    check(body, &["c 0 u=m", "a 1 u=m", "b 11 u=m"], &[]);
    let two = "type: temporal, rules: [a, b, c], timespan: 10s, condition: {gte: 2}";
    check(two, &["a 0", "a 1", "c 2"], &["x@2"]);
}

#[test]
fn temporal_ordered_needs_their_order() {
    let body = "type: temporal_ordered, rules: [a, b, c], group-by: [u], timespan: 10s";
    check(body, &["a 0 u=m", "b 1 u=m", "c 2 u=m"], &["x@2 m"]);
    check(body, &["b 0 u=m", "a 1 u=m", "c 2 u=m", "b 3 u=m", "c 4 u=m"], &["x@4 m"]);
    check(body, &["c 0 u=m", "b 1 u=m", "a 2 u=m"], &[]);
    // At the same time is in order.
    check(body, &["a 1 u=m", "b 1 u=m", "c 1 u=m"], &["x@1 m"]);
    let two = "type: temporal_ordered, rules: [a, b, c], timespan: 10s, condition: {gte: 2}";
    check(two, &["b 0", "a 1", "c 2"], &["x@2"]);
    check(two, &["c 0", "b 1", "a 2"], &[]);
}

#[test]
fn expressions_say_which_rules_and_which_not() {
    let body = |kind: &str, condition: &str| {
        format!("type: {kind}, timespan: 10s, condition: {condition}")
    };
    check(&body("temporal", "a and (b or c)"), &["c 0", "a 1"], &["x@1"]);
    check(&body("temporal", "a AND b"), &["c 0", "a 1"], &[]);
    check(&body("temporal", "a and not b"), &["b 0", "a 1", "a 11", "b 12"], &["x@11"]);
    check(&body("temporal", "id-a and b"), &["b 0", "a 1"], &["x@1"]);
    check(&body("temporal", "2 of *, rules: [a, b, c]"), &["a 0", "a 1", "c 2"], &["x@2"]);
    let ordered = body("temporal_ordered", "a and (b or c)");
    check(&ordered, &["c 0", "a 1"], &[]);
    check(&ordered, &["c 0", "a 1", "b 2"], &["x@2"]);
    // The order is that of `rules`, if they are listed.
    let listed = body("temporal_ordered", "a and (b or c), rules: [c, a, b]");
    check(&listed, &["c 0", "a 1"], &["x@1"]);
    check(&body("temporal_ordered", "a and b and not c"), &["a 0", "c 1", "b 2"], &[]);
}

#[test]
fn aliases_are_for_fields_of_different_names() {
    check(
        "type: temporal, rules: [a, id-b], group-by: [ip], timespan: 10s, \
         aliases: {ip: {id-a: src, b: dst}}",
        &["a 0 src=1 dst=2", "b 1 src=1 dst=2", "b 2 src=2 dst=1"],
        &["x@2 1"],
    );
    check(
        "type: value_count, rules: [a, b], timespan: 10s, condition: {field: ip, gte: 2}, \
         aliases: {ip: {a: src, b: dst}}",
        &["a 0 src=1", "b 1 dst=1 src=3", "b 2 dst=2"],
        &["x@2"],
    );
}

#[test]
fn correlations_stand_on_others() {
    let many = document(
        "many",
        "type: event_count, rules: [a], group-by: [host], timespan: 10s, condition: {gte: 2}",
    );
    let then = document(
        "then",
        "type: temporal_ordered, rules: [many, b], group-by: [user], timespan: 1m",
    );
    // `many` groups by host; the user is that of the event that completed it.
    let hits = [
        hit("a", 0.0, 1, "host=h user=eve"),
        hit("a", 1.0, 2, "host=h user=bob"),
        hit("b", 2.0, 3, "user=eve"),
        hit("b", 3.0, 4, "user=bob"),
    ];
    for text in [format!("{many}---\n{then}"), format!("{then}---\n{many}")] {
        assert_eq!(run(&text, &hits), ["then@3 bob"]);
    }
    let loud = then.replace("timespan", "generate: true, timespan");
    assert_eq!(run(&format!("{loud}---\n{many}"), &hits), ["many@1 h", "then@3 bob"]);
    // Three levels, and a count of groups.
    let hosts = document(
        "hosts",
        "type: value_count, rules: [many], timespan: 1m, condition: {field: host, gte: 2}",
    );
    let hits = [("h", 0.0), ("h", 1.0), ("g", 2.0), ("g", 3.0)];
    let hits = (0..).zip(hits).map(|(id, (host, at))| hit("a", at, id, &format!("host={host}")));
    let hits = hits.collect::<Vec<_>>();
    assert_eq!(run(&format!("{hosts}---\n{many}"), &hits), ["hosts@3"]);
}

#[test]
fn a_match_tells_what_it_is_made_of() {
    let text = "title: Many failures\nid: many\nlevel: high\ntags: [attack.t1110]\ncorrelation:\n  \
        type: event_count\n  rules: [a, b]\n  group-by: [user.name]\n  timespan: 5m\n  condition: {gte: 2, lt: 10}\n";
    let mut correlator = correlator(text);
    let hits = [
        hit("a", 0.0, 1, "user.name=bob"),
        hit("b", 61.5, 2, "user.name=bob"),
        hit("a", 90.0, 3, ""),
    ];
    assert!(correlator.process(&hits, Timestamp::MAX).is_empty(), "all wait for what may be late");
    let found = correlator.settle().remove(0);
    assert_eq!(found.rule.title, "Many failures");
    assert_eq!((found.rule.level, found.rule.dedup_window_seconds), (Level::High, 3600));
    assert_eq!(
        (found.rule.dedup.as_slice(), found.dedup_values.as_slice()),
        (&["user.name".to_owned()][..], &["bob".to_owned()][..])
    );
    assert_eq!((found.time, &found.event_id), (at(61.5), &hits[1].event_id));
    assert_eq!(&*found.log_source, "source");
    let reasons =
        found.reasons.iter().map(|why| format!("{} {}: {}", why.field, why.test, why.value));
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        [
            "2 events within 5m, wanted ≥ 2 and < 10: 2026-11-24T08:00:00Z to 2026-11-24T08:01:01.500Z",
            "user.name is the same in all: bob",
            "A matched once: 1, last at 2026-11-24T08:00:00Z",
            "B matched once: 1, last at 2026-11-24T08:01:01.500Z",
        ]
    );
    let event: serde_json::Value = serde_json::from_str(&found.event).unwrap();
    assert_eq!(
        event,
        serde_json::json!({
            "correlation": "event_count", "value": 2, "timespan": "5m", "group": {"user.name": "bob"},
            "first_time": "2026-11-24T08:00:00Z", "last_time": "2026-11-24T08:01:01.500Z", "events": 2,
            "event_ids": [hits[0].event_id, hits[1].event_id], "rules": {"id-a": 1, "id-b": 1},
        })
    );
    assert!(!found.is_silent());
    let counts = correlator.counts().next().unwrap().1;
    assert_eq!((counts.ungrouped, counts.is_lossy()), (1, false));
}

#[test]
fn dedup_may_ask_for_other_fields() {
    let text = format!(
        "dedup: [u, ip]\n{}",
        document(
            "x",
            "type: event_count, rules: [a], group-by: [u], timespan: 5m, condition: {gte: 2}"
        )
    );
    let hits = [hit("a", 0.0, 1, "u=bob ip=1"), hit("a", 1.0, 2, "u=bob ip=2,3")];
    assert_eq!(run(&text, &hits), ["x@1 bob 2,3"]);
    let none = text.replace("dedup: [u, ip]", "dedup: []");
    assert_eq!(run(&none, &hits), ["x@1"]);
}
