//! The limit of one rule, alone and against the plain count.

use base::{Alert, Fact, Facts};
use proptest::prelude::*;

use super::*;

fn found(rule: &str, seconds: i64) -> Match {
    Match {
        rule: Arc::new(RuleInfo {
            id: rule.to_owned(),
            title: format!("Title of {rule}"),
            level: Level::Low,
            tags: Vec::new(),
            dedup: vec!["user".to_owned()],
            dedup_window_seconds: 3600,
            file: format!("{rule}.yml"),
        }),
        time: Timestamp::from_seconds(1_795_503_600 + seconds),
        event_id: format!("{rule}-{seconds}").into(),
        log_source: "doors".into(),
        reasons: Vec::new(),
        dedup_values: vec!["jdoe".to_owned()],
        event: "{\"user\":\"jdoe\"}".into(),
        facts: None,
    }
}

fn correlated(rule: &str, seconds: i64) -> Match {
    let fields = vec![Fact { name: "user".to_owned(), values: vec!["jdoe".to_owned()] }];
    Match { facts: Some(Box::new(Facts { is_silent: false, fields })), ..found(rule, seconds) }
}

fn ids(matches: &[Match]) -> Vec<&str> {
    matches.iter().map(|found| &*found.event_id).collect()
}

#[test]
fn a_rule_is_held_back_alone_and_for_the_hour() {
    let mut limit = RuleLimit::new("s", 2, &[]);
    let mut matches = vec![found("before", 0)];
    for seconds in [0, 1, 2, 3, 3599, 3600, 3601, 3602] {
        // What is there already is not looked at again.
        let from = matches.len();
        matches.push(found("good", seconds * 2000));
        matches.push(found("noisy", seconds));
        limit.apply(&mut matches, from);
    }
    let of = |rule| ids(&matches).into_iter().filter(|id| id.starts_with(rule)).count();
    assert_eq!((of("before"), of("good")), (1, 8));
    let noisy: Vec<_> = ids(&matches).into_iter().filter(|id| id.starts_with("noisy")).collect();
    assert_eq!(noisy, ["noisy-0", "noisy-1", "noisy-3600", "noisy-3601"]);
    let Closed { held_back, .. } = limit.close();
    let [held] = held_back.as_slice() else { panic!("{held_back:?}") };
    assert_eq!((held.rule.id.as_str(), held.count, held.is_new), ("noisy", 4, true));
    assert_eq!(&*held.alert().event_id, "noisy-2", "the first that is held back");
}

#[test]
fn correlations_are_told_of_all_of_them() {
    let mut limit = RuleLimit::new("s", 1, &[]);
    let mut matches = Vec::new();
    for seconds in 0..3 {
        matches.push(correlated("noisy", seconds));
        let from = matches.len() - 1;
        limit.apply(&mut matches, from);
    }
    assert_eq!(ids(&matches), ["noisy-0", "noisy-1", "noisy-2"]);
    assert_eq!(matches[0], correlated("noisy", 0));
    for silent in &matches[1..] {
        assert!(silent.is_silent() && silent.event.is_empty() && silent.dedup_values.is_empty());
        assert_eq!(
            silent.facts.as_ref().unwrap().fields,
            matches[0].facts.as_ref().unwrap().fields
        );
    }
    // What raises no alert anyway is not counted.
    let silent = matches[1].clone();
    let mut limit = RuleLimit::new("s", 1, &[]);
    let mut all = vec![silent; 5];
    limit.apply(&mut all, 0);
    assert_eq!((all.len(), limit.close().rule_hours), (5, Vec::new()));
}

#[test]
fn only_the_latest_hours_are_remembered() {
    let mut limit = RuleLimit::new("s", 10, &[]);
    let hours = i64::try_from(limits::RULE_HOURS_MAX).unwrap() + 9;
    let mut matches: Vec<_> = (0..hours).map(|hour| found("a", hour * 3600)).collect();
    matches.extend([found("b", (hours - 1) * 3600), found("b", (hours - 1) * 3600 + 1)]);
    limit.apply(&mut matches, 0);
    let Closed { rule_hours, .. } = limit.close();
    assert_eq!(rule_hours.len(), limits::RULE_HOURS_MAX);
    assert_eq!((rule_hours[0].rule.as_str(), rule_hours[0].matches), ("b", 2));
    assert_eq!(rule_hours[1].hour, rule_hours[0].hour);
    assert_eq!(rule_hours.last().unwrap().hour, found("a", 10 * 3600).time);
    // Another batch that has no match hands on the same.
    assert_eq!(limit.close().rule_hours, rule_hours);
}

#[test]
fn the_alert_says_what_was_held_back_and_what_to_do() {
    let mut limit = RuleLimit::new("main_doors", 10, &[]);
    let mut matches: Vec<_> = (0..1000).map(|seconds| found("noisy", seconds)).collect();
    limit.apply(&mut matches, 0);
    let closed = limit.close();
    let first_match = closed.held_back[0].alert();
    let raised_time = first_match.time;
    let alert = Alert { id: "5f0c4e6b".to_owned(), raised_time, first_match };
    assert_eq!(
        notify::render(&alert, notify::Style::Plain),
        "\
MEDIUM  A rule matches too much: Title of noisy
  rule   dab.rule_limit (noisy.yml)
  time   2026-11-24T07:00:10Z in doors
  why    matches in an hour more than 10: 990 held back, of events from 2026-11-24T07:00:10Z to 2026-11-24T07:16:39Z
         what to do make the rule narrower: until then it raises so many alerts an hour; `dab backtest` shows all matches
  for    rule = noisy
  event  noisy-10
  alert  5f0c4e6b
"
    );
    assert_eq!(
        &*alert.first_match.event,
        "{\"first_time\":\"2026-11-24T07:00:10Z\",\"held_back\":990,\
         \"last_time\":\"2026-11-24T07:16:39Z\",\"matches_per_hour_max\":10,\"rule\":\"noisy\",\
         \"source\":\"main_doors\",\"title\":\"Title of noisy\"}"
    );
    assert_eq!(
        closed.held_back[0].report().to_string(),
        "\
error[DAB0709]: `Title of noisy` matches more than 10 events of `main_doors` in an hour: 990 matches were held back so far
  --> noisy.yml
  help: make the rule narrower; `dab backtest` shows what it matches"
    );
}

#[test]
fn the_alert_is_no_less_urgent_than_the_rule() {
    let mut urgent = found("noisy", 0);
    Arc::get_mut(&mut urgent.rule).unwrap().level = Level::Critical;
    let mut limit = RuleLimit::new("s", 1, &[]);
    let mut matches = vec![urgent; 2];
    limit.apply(&mut matches, 0);
    assert_eq!(limit.close().held_back[0].alert().rule.level, Level::Critical);
}

proptest! {
    /// However events are cut into batches, and whether or not a new process takes over between two of
    /// them, what gets through is the first so many of each rule and hour.
    #[test]
    fn what_gets_through_does_not_depend_on_the_batches(
        events in prop::collection::vec((0..4_u32, 0..5_i64, any::<bool>(), 0..4_u32), 0..200),
        per_hour in 1..9_u64,
    ) {
        let mut limit = RuleLimit::new("s", per_hour, &[]);
        let (mut loud, mut silent, mut held, mut news) = (Vec::new(), 0_u64, 0, 0);
        let mut plain: BTreeMap<(u32, i64), u64> = BTreeMap::new();
        let (mut expected, mut expected_silent, mut flooded) = (Vec::new(), 0_u64, 0);
        let mut batch = Vec::new();
        for (at, (rule, hour, is_correlated, cut)) in (0_i64..).zip(&events) {
            let make = if *is_correlated { correlated } else { found };
            let one = make(&format!("r{rule}"), hour * 3600 + at);
            let count = plain.entry((*rule, *hour)).or_default();
            *count += 1;
            if *count <= per_hour {
                expected.push(Arc::clone(&one.event_id));
            } else {
                expected_silent += u64::from(*is_correlated);
                flooded += u64::from(*count == per_hour + 1);
            }
            let from = batch.len();
            batch.push(one);
            limit.apply(&mut batch, from);
            if *cut == 0 || at + 1 == i64::try_from(events.len()).unwrap() {
                let closed = limit.close();
                held += closed.held_back.iter().map(|held| held.count).sum::<u64>();
                news += closed.held_back.iter().filter(|held| held.is_new).count() as u64;
                limit = RuleLimit::new("s", per_hour, &closed.rule_hours);
                for found in batch.drain(..) {
                    if found.is_silent() { silent += 1 } else { loud.push(found.event_id) }
                }
            }
        }
        prop_assert_eq!(&loud, &expected);
        prop_assert_eq!(silent, expected_silent);
        prop_assert_eq!(held, events.len() as u64 - loud.len() as u64);
        prop_assert!(news <= flooded && (news > 0) == (flooded > 0));
    }
}
