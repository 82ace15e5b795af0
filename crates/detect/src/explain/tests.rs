//! What explanations say, and that they agree with the evaluator.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use base::{EventId, Object, ObjectHash, Origin, Timestamp, Value};

use super::*;
use crate::{FullScan, Matcher as _, load_file};

fn event(fields: &[(&'static str, Value<'static>)]) -> Event<'static> {
    Event {
        time: Timestamp::parse("2026-11-24T08:00:00Z").unwrap(),
        ingest_time: Timestamp::parse("2026-11-24T08:00:01Z").unwrap(),
        id: EventId { object: ObjectHash::of(&["x"]), offset: 7 },
        log_source: "shop",
        origin: Origin { object: Cow::Borrowed("x"), offset: 7 },
        fields: fields.iter().map(|(key, value)| (Cow::Borrowed(*key), value.clone())).collect(),
        normalized: Object::new(),
        json: None,
    }
}

/// The explanation as lines, after checking that the evaluator agrees with it.
fn told(rule: &str, routes: &[SigmaRoute], event: &Event<'_>) -> String {
    let rule = Arc::new(load_file("r.yml", rule).pop().unwrap().unwrap());
    let explanation = explain(&rule, routes, event);
    let matcher =
        FullScan::new(vec![Arc::clone(&rule)], &BTreeMap::from([("shop".into(), routes.to_vec())]));
    let mut matches = Vec::new();
    matcher.evaluate(event, &mut matches);
    assert_eq!(explanation.holds, !matches.is_empty());
    let mut out = String::new();
    match &explanation.reach {
        Reach::Open => {}
        Reach::Closed(steps) => steps.iter().for_each(|step| write(step, 0, &mut out)),
        other => out.push_str(&format!("{other:?}\n")),
    }
    if let Some(step) = &explanation.step {
        write(step, 0, &mut out);
    }
    out
}

fn write(step: &Step, depth: usize, out: &mut String) {
    let outcome = match &step.outcome {
        Outcome::Holds => "yes",
        Outcome::Fails => "no",
        Outcome::Error(error) => error,
        Outcome::Value => "-",
    };
    let seen = match &step.seen {
        Seen::Nothing => String::new(),
        Seen::Absent => " <- absent".to_owned(),
        Seen::Values(values) => format!(" <- {}", values.join(", ")),
    };
    out.push_str(&format!("{:1$}{outcome} {2}{seen}\n", "", 2 * depth, step.label));
    step.steps.iter().for_each(|step| write(step, depth + 1, out));
}

const RULE: &str = "\
title: T
detection:
  regex:
    a|re: 'x+'
    b: [1, 2]
  words:
    - mimikatz
    - x: y
  _filter:
    c|contains|all: [p, q]
    d|neq: [r, s]
  condition: (regex or words) and not 1 of _filter*
";

#[test]
fn every_part_is_told_in_the_order_of_the_rule() {
    let event = event(&[
        ("a", Value::text("axxb")),
        ("b", Value::List(vec![Value::Int(3), Value::Int(2)])),
        ("c", Value::text("pQ")),
        ("e", Value::text("run mimikatz now")),
        ("d", Value::text("R")),
    ]);
    let expected = "\
yes all of
  yes any of
    yes regex
      yes a re 'x+' <- axxb
      yes b any of 2 <- 3, 2
        no equals 1
        yes equals 2
    yes words
      yes any of
        yes any field contains 'mimikatz' <- run mimikatz now
        no all of
          no x equals 'y' <- absent
  yes not
    no all of
      no _filter
        yes c all of 2 <- pQ
          yes contains 'p'
          yes contains 'q'
        no d all of 2 <- R
          no neq 'r'
          yes neq 's'
";
    assert_eq!(told(RULE, &[], &event), expected);
}

#[test]
fn routes_that_an_event_does_not_take_are_told() {
    let rule = "title: T\nlogsource: {product: shop, service: web}\ndetection:\n  s:\n    Image: \
                x\n  condition: s\n";
    let route = SigmaRoute {
        product: Some("shop".into()),
        service: Some("web".into()),
        when: BTreeMap::from([("channel".into(), vec!["Web".into(), "Http".into()])]),
        fields: BTreeMap::from([("Image".into(), "path".into())]),
        ..SigmaRoute::default()
    };
    let other = event(&[("channel", Value::text("mail")), ("path", Value::text("x"))]);
    assert_eq!(
        told(rule, std::slice::from_ref(&route), &other),
        "no product: shop, service: web\n  no channel is 'Web' or 'Http' <- mail\n"
    );
    let event = event(&[("channel", Value::text("WEB")), ("path", Value::text("x"))]);
    assert_eq!(
        told(rule, std::slice::from_ref(&route), &event),
        "yes s\n  yes Image (path) equals 'x' <- x\n"
    );
    assert_eq!(told(rule, &[], &event), "NoRoute\n");
    let named = "title: T\nlog_source: mail\ncel: a == 1\n";
    assert_eq!(told(named, &[], &event), "OtherLogSource\n");
}

#[test]
fn expressions_tell_their_fields() {
    let event = event(&[("a", Value::Int(1))]);
    let rule = "title: T\ncel: a == 1 && !has(b)\n";
    let expected = "\
yes all of
  yes a == 1
    - a <- 1
  yes not
    no has(b)
      - b <- absent
";
    assert_eq!(told(rule, &[], &event), expected);
    let rule = "title: T\ncel: b == 1\n";
    assert_eq!(told(rule, &[], &event), "no b == 1\n  - b <- absent\n");
    let rule = "title: T\ncel: a.contains('x')\n";
    let expected = "no such overload: contains(int, string) a.contains(\"x\")\n  - a <- 1\n";
    assert_eq!(told(rule, &[], &event), expected);
}
