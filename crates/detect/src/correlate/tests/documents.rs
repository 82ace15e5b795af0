//! What is read of documents, and what is reported where.

use super::fixture::{assemble, correlations, document};

#[test]
fn timespans_have_pysigmas_units() {
    for (text, seconds) in [
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("7d", 604_800),
        ("1w", 604_800),
        ("1M", 2_629_746),
        ("1y", 31_556_952),
    ] {
        let text = document(
            "x",
            &format!("type: event_count, rules: a, timespan: {text}, condition: {{gte: 1}}"),
        );
        assert_eq!(correlations(&text)[0].timespan, seconds * 1_000_000, "{text}");
    }
}

#[test]
fn rules_are_silent_unless_all_correlations_let_them_speak() {
    let one = |id: &str, more: &str| {
        document(
            id,
            &format!("type: event_count, rules: [a], timespan: 1m, condition: {{gte: 1}}{more}"),
        )
    };
    let silent = |text: &str| {
        let (set, problems) = assemble(text);
        assert_eq!(problems, [""; 0]);
        set.rules.iter().map(|rule| (rule.is_correlated, rule.is_silent)).collect::<Vec<_>>()
    };
    assert_eq!(silent(&one("x", "")), [(true, true), (false, false), (false, false)]);
    assert_eq!(silent(&one("x", ", generate: true"))[0], (true, false));
    assert_eq!(silent(&format!("generate: true\n{}", one("x", "")))[0], (true, false));
    let both = format!("{}---\n{}", one("x", ", generate: true"), one("y", ""));
    assert_eq!(silent(&both)[0], (true, true));
}

#[test]
fn mistakes_are_reported_in_their_place() {
    // All stand in line 4, behind `correlation: {`.
    let check = |body: &str, expected: &str| {
        let (set, problems) = assemble(&document("x", body));
        assert_eq!(problems, [expected], "{body}");
        assert!(set.correlations.is_empty());
        assert!(set.rules.iter().all(|rule| !rule.is_silent), "{body}");
    };
    let rest = "timespan: 5m, condition: {gte: 1}";
    check(&format!("rules: a, {rest}"), "4:1 DAB0230 the correlation has no `type`");
    check(
        &format!("type: count, rules: a, {rest}"),
        "4:21 DAB0230 there is no correlation type `count`",
    );
    check(&format!("type: event_count, {rest}"), "4:1 DAB0230 the correlation names no `rules`");
    check(
        &format!("type: event_count, rules: [], {rest}"),
        "4:1 DAB0230 the correlation names no `rules`",
    );
    check(
        &format!("type: event_count, rules: [a, {{}}], {rest}"),
        "4:45 DAB0202 `rules` must name rules, and holds a mapping",
    );
    check(
        &format!("type: event_count, rules: [a, id-A], {rest}"),
        "4:45 DAB0230 `id-A` is a rule that is named already",
    );
    check(
        &format!("type: event_count, rules: [a, z], {rest}"),
        "4:45 DAB0210 no rule has the id or name `z`",
    );
    check(
        &format!("type: event_count, rules: a, group_by: u, {rest}"),
        "4:44 DAB0230 `correlation` has no key `group_by`",
    );
    check(
        &format!("type: event_count, rules: a, group-by: [u, u], {rest}"),
        "4:58 DAB0230 `group-by` names `u` twice",
    );
    check(
        &format!("type: event_count, rules: a, generate: yes, {rest}"),
        "4:54 DAB0230 `generate` must be `true` or `false`",
    );
    check(
        "type: event_count, rules: a, condition: {gte: 1}",
        "4:1 DAB0230 the correlation has no `timespan`",
    );
    for bad in ["soon", "5", "m", "1.5h", "5 m", "5x", "-5m", "5ms"] {
        let body = format!("type: event_count, rules: a, timespan: {bad}, condition: {{gte: 1}}");
        check(&body, &format!("4:54 DAB0232 `timespan` is `{bad}`, which is no duration"));
    }
    for bad in ["0s", "2y", "99999999999999999999s"] {
        let body = format!("type: event_count, rules: a, timespan: {bad}, condition: {{gte: 1}}");
        check(
            &body,
            &format!(
                "4:54 DAB0232 `timespan` is `{bad}`, which is not between 1 and 34560000 seconds"
            ),
        );
    }
}

#[test]
fn mistakes_in_conditions_are_reported_in_their_place() {
    let check = |kind: &str, condition: &str, expected: &str| {
        let body = format!("condition: {condition}, timespan: 5m, rules: [a, b], type: {kind}");
        let (_, problems) = assemble(&document("x", &body));
        assert_eq!(problems, [expected], "{body}");
    };
    check("event_count", "{gte: many}", "4:32 DAB0231 `gte` is `many`, which is no number");
    check(
        "event_count",
        "{gte: 10000}",
        "4:32 DAB0235 `gte` is 10000, and a correlation holds up to 10000 events of a group",
    );
    check(
        "event_count",
        "{gte: 1, field: u}",
        "4:35 DAB0231 `field` makes no sense for event_count",
    );
    check("event_count", "{gte: 1, than: 1}", "4:35 DAB0231 `condition` has no key `than`");
    check("event_count", "{}", "4:26 DAB0231 the condition compares with nothing");
    check(
        "event_count",
        "[1]",
        "4:26 DAB0231 `condition` must be a mapping or a text, and is a list",
    );
    check("event_count", "a and b", "4:26 DAB0231 the condition of event_count must be a mapping");
    check("event_count", "", "4:1 DAB0230 a correlation of type event_count needs a `condition`");
    check(
        "value_count",
        "{gte: 1}",
        "4:26 DAB0231 a correlation of type value_count needs a `field`",
    );
    check(
        "value_sum",
        "{gte: 1, field: [u, v]}",
        "4:42 DAB0231 value_sum takes one `field`, and 2 are given",
    );
    check(
        "value_percentile",
        "{gte: 1, field: u, percentile: 101}",
        "4:57 DAB0231 `percentile` is `101`, which is not between 0 and 100",
    );
    check(
        "value_avg",
        "{gte: 1, field: u, percentile: 10}",
        "4:45 DAB0231 `percentile` makes no sense for value_avg",
    );
    check(
        "temporal",
        "a and",
        "4:31 DAB0231 the condition ends where a selection's name should stand",
    );
    check("temporal", "a and z", "4:32 DAB0231 there is no selection `z`; there are `a`, `b`");
    check("temporal", "not a", "4:58 DAB0231 the condition does not say what `b` is for");
}

#[test]
fn mistakes_in_aliases_are_reported_in_their_place() {
    let check = |aliases: &str, expected: &str| {
        let body = format!(
            "aliases: {aliases}, type: temporal, rules: [a, b], group-by: ip, timespan: 5m"
        );
        let (_, problems) = assemble(&document("x", &body));
        assert_eq!(problems, [expected], "{body}");
    };
    check(
        "[ip]",
        "4:24 DAB0233 an alias in `aliases` must be a mapping of rules to fields, and is a list",
    );
    check(
        "{ip: src}",
        "4:29 DAB0233 the alias `ip` must be a mapping of rules to fields, and is a string",
    );
    check(
        "{ip: {a: }}",
        "4:31 DAB0233 a field of the alias `ip` must be a mapping of rules to fields, and is empty",
    );
    check(
        "{ip: {a: src, z: dst}}",
        "4:38 DAB0233 the alias `ip` is for `z`, which is not among the rules",
    );
    check("{ip: {a: src}}", "4:25 DAB0233 the alias `ip` has no field for the rule `b`");
}

#[test]
fn circles_and_towers_are_refused() {
    let on = |id: &str, rules: &str| {
        document(
            id,
            &format!("type: event_count, rules: [{rules}], timespan: 1m, condition: {{gte: 1}}"),
        )
    };
    let (set, problems) = assemble(
        &[on("x", "y"), on("y", "z, a"), on("z", "x"), on("w", "x"), on("v", "a")].join("---\n"),
    );
    assert_eq!(
        problems,
        [
            "4:42 DAB0234 `x` stands on itself: `x` → `y` → `z` → `x`",
            "9:42 DAB0234 `y` stands on itself: `y` → `z` → `x` → `y`",
            "14:42 DAB0234 `z` stands on itself: `z` → `x` → `y` → `z`",
            "19:42 DAB0234 `w` stands on correlations that stand on each other",
        ]
    );
    assert_eq!(set.correlations.len(), 1);
    let (_, problems) = assemble(&on("x", "x"));
    assert_eq!(problems, ["4:42 DAB0234 `x` stands on itself: `x` → `x`"]);
    let tower = (1..12).map(|at| {
        on(&format!("t{at}"), &if at == 1 { "a".to_owned() } else { format!("t{}", at - 1) })
    });
    let (set, problems) = assemble(&tower.collect::<Vec<_>>().join("---\n"));
    assert_eq!(set.correlations.len(), 10);
    assert_eq!(
        problems,
        ["54:42 DAB0235 `t11` stands on more than 10 correlations, one on the other"]
    );
}

#[test]
fn what_stands_on_something_broken_is_reported_too_and_its_rules_speak() {
    let text = [
        document("x", "type: event_count, rules: [nobody], timespan: 1m, condition: {gte: 1}"),
        document("y", "type: temporal, rules: [x, a], timespan: 1m"),
    ];
    let (set, problems) = assemble(&text.join("---\n"));
    assert_eq!(
        problems,
        [
            "4:42 DAB0210 no rule has the id or name `nobody`",
            "9:39 DAB0210 no rule has the id or name `x`"
        ]
    );
    assert!(set.correlations.is_empty());
    assert!(set.rules.iter().all(|rule| !rule.is_silent && !rule.is_correlated));
}

#[test]
fn filters_change_the_rules_below_and_not_the_correlation() {
    let filter = "title: F\nlogsource: {}\nfilter: {rules: [x], s: {y: 1}, condition: not s}\n";
    let count = document("x", "type: event_count, rules: [a], timespan: 1m, condition: {gte: 1}");
    let (set, problems) = assemble(&format!("{filter}---\n{count}"));
    assert_eq!(problems, ["3:18 DAB0214 `x` is a correlation, which no filter changes"]);
    assert_eq!((set.filters, set.correlations.len()), (0, 1));
}

#[test]
fn too_many_rules_are_refused() {
    let rules = (0..9).map(|at| format!("r{at}")).collect::<Vec<_>>();
    let body = format!("type: temporal_ordered, timespan: 1m, condition: {}", rules.join(" and "));
    let (_, problems) = assemble(&document("x", &body));
    assert_eq!(problems, ["4:64 DAB0235 the correlation names 9 rules, more than 8"]);
}
