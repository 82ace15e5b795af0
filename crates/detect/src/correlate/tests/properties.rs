//! Order, batches and restarts change nothing; the clever windows agree with plain ones.

use std::collections::BTreeMap;

use base::{Match, Timestamp};
use proptest::prelude::*;

use super::fixture::{correlations, correlator, document, hit, shown};
use crate::{
    Correlation, CorrelationKind, Correlator,
    correlate::{
        amount::Amount,
        condition::{self, Outcome},
    },
};

/// One of each kind, with limits that random events reach now and then.
const BODIES: [&str; 14] = [
    "type: event_count, rules: [a, b], group-by: [u], timespan: 10s, condition: {gte: 3}",
    "type: event_count, rules: [a], timespan: 5s, condition: {eq: 2}",
    "type: event_count, rules: [a, c], group-by: [u], timespan: 5s, condition: {lt: 3, gt: 1}",
    "type: value_count, rules: [a, b], group-by: [u], timespan: 20s, condition: {field: v, gte: 3}",
    "type: value_count, rules: [a], timespan: 10s, condition: {field: [u, v], gte: 3}",
    "type: value_sum, rules: [a], group-by: [u], timespan: 10s, condition: {field: n, gt: 10}",
    "type: value_avg, rules: [a, b], timespan: 10s, condition: {field: n, gte: 4, lt: 5}",
    "type: value_median, rules: [a], timespan: 10s, condition: {field: n, gte: 4.5}",
    "type: value_percentile, rules: [a], timespan: 9s, condition: {field: n, percentile: 90, gte: 7}",
    "type: temporal, rules: [a, b, c], group-by: [u], timespan: 10s",
    "type: temporal, timespan: 10s, condition: a and (b or not c)",
    "type: temporal_ordered, rules: [b, a, c], group-by: [u], timespan: 10s",
    "type: temporal_ordered, rules: [b, a, c], timespan: 6s, condition: {gte: 2}",
    "type: temporal_ordered, timespan: 10s, condition: a and (b or c)",
];

/// A document for each body, and two that stand on others.
fn everything() -> String {
    let documents = (0..).zip(BODIES).map(|(at, body)| document(&format!("x{at}"), body));
    let above = [
        document(
            "y1",
            "type: temporal_ordered, rules: [x0, b, x3], group-by: [u], timespan: 15s, generate: true",
        ),
        document(
            "y2",
            "type: event_count, rules: [y1, x5, a], group-by: [u], timespan: 30s, condition: {gte: 2}, generate: true",
        ),
    ];
    documents.chain(above).collect::<Vec<_>>().join("---\n")
}

/// A stream of matches over about a minute and a half, with seconds that often coincide.
fn stream() -> impl Strategy<Value = Vec<Match>> {
    let one = ("[abc]", 0_u32..180, "[xy]", prop::option::of("[1-4]"), prop::option::of(0_u32..10));
    prop::collection::vec(one, 0..60).prop_map(|all| {
        let hits = (0_u64..).zip(all).map(|(id, (rule, half_seconds, u, v, n))| {
            let field = |name: &str, value: Option<String>| {
                value.map_or_else(String::new, |value| format!(" {name}={value}"))
            };
            let n = n.map(|n| n.to_string());
            hit(
                &rule,
                f64::from(half_seconds) / 2.0,
                id,
                &format!("u={u}{}{}", field("v", v), field("n", n)),
            )
        });
        let mut hits = hits.collect::<Vec<_>>();
        hits.sort_by_key(|hit| hit.time);
        hits
    })
}

fn finish(correlator: &mut Correlator, mut found: Vec<Match>) -> Vec<Match> {
    found.extend(correlator.settle());
    found
}

/// The whole window looked at anew for each event: slow, and plainly right.
fn plain(correlation: &Correlation, hits: &[Match]) -> Vec<String> {
    let mut groups: BTreeMap<Vec<String>, Vec<(i64, usize, usize)>> = BTreeMap::new();
    let value = |hit: &Match, name: &str| {
        let facts = hit.facts.as_ref().unwrap();
        facts.fields.iter().find(|fact| fact.name == name).map(|fact| fact.values[0].clone())
    };
    for (index, hit) in hits.iter().enumerate() {
        let member = correlation.members.iter().position(|member| member.id == hit.rule.id);
        let group =
            correlation.group_by.iter().map(|name| value(hit, name)).collect::<Option<Vec<_>>>();
        let fields = &correlation.condition.fields;
        let is_there = fields.iter().all(|field| value(hit, field).is_some());
        if let (Some(member), Some(group), true) = (member, group, is_there) {
            groups.entry(group).or_default().push((hit.time.as_micros(), index, member));
        }
    }
    let mut found = Vec::new();
    for (group, mut events) in groups {
        events.sort_by_key(|(time, index, _)| (*time, *index));
        let mut fired: Option<i64> = None;
        for (at, (time, index, _)) in events.iter().enumerate() {
            let window =
                events[..=at].iter().filter(|(other, ..)| *other >= time - correlation.timespan);
            let window = window.copied().collect::<Vec<_>>();
            if !holds_plainly(correlation, hits, &window, &value) {
                fired = None;
            } else if fired.is_none_or(|fired| time - fired >= correlation.timespan) {
                fired = Some(*time);
                found.push((*time, *index, group.join(" ")));
            }
        }
    }
    found.sort();
    let id = &correlation.info.id;
    found
        .iter()
        .map(|(_, index, group)| {
            let seconds = shown(&hits[*index]);
            format!("{id}@{} {group}", seconds.split_once('@').unwrap().1.trim())
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn holds_plainly(
    correlation: &Correlation,
    hits: &[Match],
    window: &[(i64, usize, usize)],
    value: &dyn Fn(&Match, &str) -> Option<String>,
) -> bool {
    let condition = &correlation.condition;
    let fields = |index: usize| {
        condition
            .fields
            .iter()
            .filter_map(|field| value(&hits[index], field))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut numbers = window
        .iter()
        .filter_map(|(_, index, _)| Amount::parse(&fields(*index)))
        .collect::<Vec<_>>();
    numbers.sort();
    let sum = numbers.iter().fold(Amount::default(), |sum, number| sum.plus(*number));
    let accepts_count = |count| condition.accepts(Outcome::of_count(count));
    let members = correlation.members.len();
    let seen = (0..members)
        .filter(|member| window.iter().any(|(.., of)| of == member))
        .fold(0_u64, |set, member| set | 1 << member);
    // Every choice of one event for each of these rules.
    let in_order = |set: &[usize]| {
        fn next(set: &[usize], from: i64, window: &[(i64, usize, usize)]) -> bool {
            let Some((first, rest)) = set.split_first() else { return true };
            window.iter().any(|(time, _, member)| {
                member == first && *time >= from && next(rest, *time, window)
            })
        }
        next(set, i64::MIN, window)
    };
    let sets = (0..1_u64 << members)
        .map(|set| (set, (0..members).filter(|member| set >> member & 1 == 1).collect::<Vec<_>>()));
    match correlation.kind {
        CorrelationKind::EventCount => accepts_count(window.len()),
        CorrelationKind::ValueCount => {
            let values = window
                .iter()
                .map(|(_, index, _)| fields(*index))
                .collect::<std::collections::BTreeSet<_>>();
            accepts_count(values.len())
        }
        CorrelationKind::ValueSum => condition.accepts(Outcome::of(sum)),
        CorrelationKind::ValueAvg => {
            condition.accepts(Outcome { total: sum, divisor: numbers.len() })
        }
        CorrelationKind::ValueMedian | CorrelationKind::ValuePercentile => {
            Amount::percentile(&numbers, condition.percentile)
                .is_some_and(|amount| condition.accepts(Outcome::of(amount)))
        }
        CorrelationKind::Temporal => match &condition.expression {
            Some(expression) => condition::holds(expression, seen, seen),
            None => accepts_count(seen.count_ones() as usize),
        },
        CorrelationKind::TemporalOrdered => match &condition.expression {
            Some(expression) => sets.into_iter().any(|(set, members)| {
                set & !seen == 0 && condition::holds(expression, set, seen) && in_order(&members)
            }),
            None => accepts_count(
                sets.into_iter()
                    .filter(|(_, members)| in_order(members))
                    .map(|(_, members)| members.len())
                    .max()
                    .unwrap_or(0),
            ),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn windows_agree_with_plain_ones(hits in stream(), body in prop::sample::select(BODIES.to_vec())) {
        let text = document("x", body);
        let correlation = &correlations(&text)[0];
        let mut correlator = correlator(&text);
        let found = correlator.process(&hits, Timestamp::MAX);
        let found = finish(&mut correlator, found);
        prop_assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), plain(correlation, &hits));
        prop_assert!(!correlator.counts().any(|(_, counts)| counts.is_lossy()));
    }

    /// Each event may come up to a minute of event time after those that are newer.
    #[test]
    fn order_within_the_lateness_changes_nothing(
        hits in stream(),
        delays in prop::collection::vec(0_i64..60_000_000, 60),
        cuts in prop::collection::vec(1_usize..8, 60),
    ) {
        let text = everything();
        let mut in_order = correlator(&text);
        let found = in_order.process(&hits, Timestamp::MAX);
        let expected = finish(&mut in_order, found);

        let mut late = hits.into_iter().zip(delays).collect::<Vec<_>>();
        late.sort_by_key(|(hit, delay)| hit.time.as_micros() + delay);
        let late = late.into_iter().map(|(hit, _)| hit).collect::<Vec<_>>();
        let mut correlator = correlator(&text);
        let mut found = Vec::new();
        let mut rest = late.as_slice();
        for cut in cuts {
            let (batch, behind) = rest.split_at(cut.min(rest.len()));
            found.extend(correlator.process(batch, Timestamp::MAX));
            rest = behind;
        }
        found.extend(correlator.process(rest, Timestamp::MAX));
        let found = finish(&mut correlator, found);
        prop_assert_eq!(found, expected);
        prop_assert_eq!(correlator.state(), in_order.state());
    }

    /// A restart at any point, from the state alone, changes nothing; a repeated event does neither.
    #[test]
    fn restarts_and_repeats_change_nothing(hits in stream(), stop in 0_usize..60, repeat in 0_usize..60) {
        let text = everything();
        let mut whole = correlator(&text);
        let found = whole.process(&hits, Timestamp::MAX);
        let expected = finish(&mut whole, found);

        let (before, after) = hits.split_at(stop.min(hits.len()));
        let mut first = correlator(&text);
        let mut found = first.process(before, Timestamp::MAX);
        let state = first.state();
        let mut second = correlator(&text);
        second.restore(&state).unwrap();
        prop_assert_eq!(second.state(), state);
        if let Some(again) = before.get(repeat).filter(|hit| before.last().is_some_and(|last| last.time.as_micros() - hit.time.as_micros() < 5_000_000)) {
            found.extend(second.process(std::slice::from_ref(again), Timestamp::MAX));
        }
        found.extend(second.process(after, Timestamp::MAX));
        prop_assert_eq!(finish(&mut second, found), expected);
    }

    /// Whatever the order, nothing panics and nothing grows without bound.
    #[test]
    fn any_order_is_survived(mut hits in stream(), keys in prop::collection::vec(any::<u32>(), 60)) {
        let mut keys = keys.into_iter();
        hits.sort_by_cached_key(|_| keys.next());
        let mut correlator = correlator(&everything().replace("\ncorrelation", "\nlateness: 0s\ncorrelation"));
        correlator.process(&hits, Timestamp::MAX);
        correlator.settle();
        prop_assert_eq!(correlator.waiting(), 0);
    }
}
