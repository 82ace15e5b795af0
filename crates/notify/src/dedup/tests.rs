//! Which matches raise, which join, and that repeats change nothing.

use std::sync::atomic::Ordering;

use base::{FixedClock, MemoryState};

use super::*;
use crate::fixture::{Brittle, at, batch, hit};

fn decide_all(
    existing: Option<&DedupState>,
    hits: &[Match],
    key: &BatchKey,
) -> (Vec<Decision>, DedupState) {
    decide(existing, &hits.iter().collect::<Vec<_>>(), key, at(1000))
}

/// Each decision as `raise e1 first` or `join e1 within_window`, by the raising event's id.
fn words(decisions: &[Decision], hits: &[Match]) -> Vec<String> {
    let of = |id: &str| {
        let first = hits.iter().find(|hit| alert_id(hit) == id);
        first.map_or_else(|| "?".to_owned(), |hit| hit.event_id.to_string())
    };
    let word = |reason: serde_json::Value| reason.as_str().unwrap().to_owned();
    let say = |decision: &Decision| match decision {
        Decision::Raise { alert_id, reason, .. } => {
            format!("raise {} {}", of(alert_id), word(serde_json::to_value(reason).unwrap()))
        }
        Decision::Join { alert_id, reason } => {
            format!("join {} {}", of(alert_id), word(serde_json::to_value(reason).unwrap()))
        }
    };
    decisions.iter().map(say).collect()
}

#[test]
fn windows_go_by_event_time_in_both_directions() {
    let hits = [
        hit("a", 0, "e0"),
        hit("a", 59, "e1"),
        hit("a", 60, "e2"),
        hit("a", -59, "e3"),
        hit("a", -60, "e4"),
        hit("a", 119, "e5"),
        hit("a", 0, "e0"),
        hit("a", -31_536_000, "e6"),
        hit("a", 30, "e7"),
    ];
    let (decisions, state) = decide_all(None, &hits, &batch("s", 1));
    assert_eq!(
        words(&decisions, &hits),
        [
            "raise e0 first",
            "join e0 within_window",
            "raise e2 outside_window",
            "join e0 late_event",
            "raise e4 outside_window",
            "join e2 within_window",
            "join e0 same_event",
            "raise e6 outside_window",
            "join e0 within_window",
        ]
    );
    let counts: Vec<u64> = state.alerts.iter().map(|alert| alert.count).collect();
    assert_eq!(counts, [5, 2, 1, 1]);
}

#[test]
fn a_repeated_batch_is_decided_as_before_and_counts_nothing() {
    let hits = [hit("a", 0, "e0"), hit("a", 10, "e1"), hit("a", 0, "e0"), hit("a", 100, "e2")];
    let (first, state) = decide_all(None, &hits, &batch("s", 1));
    let other = [hit("a", 70, "o0"), hit("a", -40, "o1"), hit("a", 300, "o2")];
    let (_, state) = decide_all(Some(&state), &other, &batch("other", 9));
    let (again, after) = decide_all(Some(&state), &hits, &batch("s", 1));
    assert_eq!(again, first);
    assert_eq!(after, state);
}

#[test]
fn a_batch_with_the_next_number_counts() {
    let (_, state) = decide_all(None, &[hit("a", 0, "e0")], &batch("s", 1));
    let (decisions, state) = decide_all(Some(&state), &[hit("a", 0, "e0")], &batch("s", 2));
    assert!(!decisions[0].is_raise());
    assert_eq!(state.alerts[0].count, 2);
}

#[test]
fn a_window_of_zero_raises_every_match() {
    let mut hits = [hit("a", 0, "e0"), hit("a", 0, "e1")];
    for hit in &mut hits {
        std::sync::Arc::make_mut(&mut hit.rule).dedup_window_seconds = 0;
    }
    let (decisions, state) = decide_all(None, &hits, &batch("s", 1));
    assert_eq!(words(&decisions, &hits), ["raise e0 no_window", "raise e1 no_window"]);
    assert!(state.alerts.is_empty());
}

#[test]
fn ids_tell_rules_values_and_events_apart_and_are_stable() {
    let id = alert_id(&hit("a", 0, "e0"));
    assert_eq!(id, alert_id(&hit("a", 99, "e0")));
    assert_ne!(id, alert_id(&hit("b", 0, "e0")));
    assert_ne!(id, alert_id(&hit("a", 0, "e1")));
    let mut shifted = hit("a", 0, "e0");
    shifted.dedup_values = vec!["a".into(), String::new()];
    assert_ne!(id, alert_id(&shifted));
    // A stored format: this value must never change.
    assert_eq!(id, "5c755d8d057478c904e471e1f5285ebe");
}

#[test]
fn history_does_not_push_out_what_may_be_repeated() {
    // One batch that raises far more alerts than are kept, then many small ones.
    let many = i64::try_from(limits::DEDUP_ALERTS_MAX).unwrap() * 3;
    let hits: Vec<Match> = (0..many).map(|n| hit("a", n * 100, &format!("e{n}"))).collect();
    let (first, mut state) = decide_all(None, &hits, &batch("s", 1));
    assert_eq!(state.alerts.len(), hits.len());
    assert_eq!(decide_all(Some(&state), &hits, &batch("s", 1)).0, first);
    for number in 2..200 {
        let old = -100 * i64::try_from(number).unwrap();
        let one = [hit("a", old, &format!("h{number}"))];
        let (decisions, next) = decide_all(Some(&state), &one, &batch("s", number));
        assert_eq!(decide_all(Some(&next), &one, &batch("s", number)).0, decisions);
        state = next;
    }
    assert_eq!(state.alerts.len(), limits::DEDUP_ALERTS_MAX);
    // A batch of long ago whose alert was forgotten raises it under its old id.
    let (decisions, _) = decide_all(Some(&state), &hits[..1], &batch("s", 1));
    assert_eq!(decisions[0].alert_id(), first[0].alert_id());
}

#[test]
fn alerts_that_are_over_are_forgotten() {
    let (_, state) = decide_all(None, &[hit("a", 0, "e0")], &batch("s", 1));
    let later = at(1000 + 8 * 86_400);
    let (_, state) = decide(Some(&state), &[&hit("a", 700_000, "e1")], &batch("s", 2), later);
    let ids: Vec<&str> = state.alerts.iter().map(|alert| alert.first_event_id.as_str()).collect();
    assert_eq!(ids, ["e1"]);
}

#[test]
fn an_old_sample_still_reads() {
    let sample = r#"{"version":1,"alerts":[{"alert_id":"0123","first_event_id":"aa-1",
        "first_event_time":"2026-11-24T08:00:00Z","window_seconds":3600,
        "raised_time":"2026-11-24T08:00:05.250Z","raised_by":{"source":"s3","number":7},
        "reason":"outside_window","count":3,"batches":{"s3":8},
        "updated_time":"2026-11-24T08:10:00Z"}],"counted":{"s3":8},
        "updated_time":"2026-11-24T08:10:00Z"}"#;
    let state: DedupState = stored::decode("k", sample.as_bytes()).unwrap();
    assert_eq!(state.alerts[0].raised_by, batch("s3", 7));
    assert_eq!(state.alerts[0].reason, RaiseReason::OutsideWindow);
    assert_eq!(state.counted["s3"], 8);
    let written: serde_json::Value =
        serde_json::from_slice(&stored::encode("k", &state).unwrap()).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(sample).unwrap());
}

fn deduplicator(state: Arc<dyn StateStore>, clock: &Arc<FixedClock>) -> Deduplicator {
    let clock: Arc<dyn Clock> = Arc::<FixedClock>::clone(clock);
    Deduplicator::new(state, clock)
}

#[tokio::test]
async fn one_read_and_one_write_for_each_key() {
    let store = Arc::new(Brittle::sound());
    let clock = Arc::new(FixedClock::new(at(0)));
    let dedup = deduplicator(Arc::<Brittle>::clone(&store), &clock);
    let hits: Vec<Match> =
        (0..100).map(|n| hit(["a", "b", "c"][n % 3], 0, &format!("e{n}"))).collect();
    let first = dedup.process(&batch("s", 1), hits.clone()).await.unwrap();
    assert_eq!(store.reads.load(Ordering::SeqCst), 3);
    assert_eq!(store.writes.load(Ordering::SeqCst), 3);
    assert_eq!(first.iter().filter(|(_, decision)| decision.is_raise()).count(), 3);
    let order: Vec<&Match> = first.iter().map(|(hit, _)| hit).collect();
    assert_eq!(order, hits.iter().collect::<Vec<_>>());
    let again = dedup.process(&batch("s", 1), hits).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(store.writes.load(Ordering::SeqCst), 3, "a repeat writes nothing");
}

#[tokio::test]
async fn state_of_a_later_version_is_not_touched_and_garbage_starts_anew() {
    let state = Arc::new(MemoryState::new());
    let clock = Arc::new(FixedClock::new(at(0)));
    let dedup = deduplicator(Arc::<MemoryState>::clone(&state), &clock);
    let key = state_key(&hit("a", 0, "e0"));
    let version = state.compare_and_set(&key, None, br#"{"version":2}"#).await.unwrap();
    let error = dedup.process(&batch("s", 1), vec![hit("a", 0, "e0")]).await.unwrap_err();
    assert!(matches!(error, NotifyError::Newer { version: 2, .. }), "{error}");
    state.compare_and_set(&key, Some(&version), b"\xff").await.unwrap();
    let decided = dedup.process(&batch("s", 1), vec![hit("a", 0, "e0")]).await.unwrap();
    assert!(decided[0].1.is_raise());
}

#[tokio::test]
async fn writers_side_by_side_raise_one_alert_and_lose_no_count() {
    let state: Arc<dyn StateStore> = Arc::new(MemoryState::new());
    let clock = Arc::new(FixedClock::new(at(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let dedup = deduplicator(Arc::clone(&state), &clock);
        tasks.spawn(async move {
            let mut raised = 0;
            for number in 0..20 {
                let hits = vec![hit("a", 0, &format!("w{writer}-{number}"))];
                let key = batch(&format!("source-{writer}"), number);
                let decided = dedup.process(&key, hits).await.unwrap();
                raised += usize::from(decided[0].1.is_raise());
                tokio::task::yield_now().await;
            }
            raised
        });
    }
    let mut raised = 0;
    while let Some(one) = tasks.join_next().await {
        raised += one.unwrap();
    }
    assert_eq!(raised, 1);
    let key = state_key(&hit("a", 0, ""));
    let stored = state.get(&key).await.unwrap().unwrap();
    let stored: DedupState = stored::decode(&key, &stored.value).unwrap();
    assert_eq!(stored.alerts[0].count, 120);
}

#[tokio::test]
async fn sweeping_removes_what_is_over_and_nothing_else() {
    let state = Arc::new(MemoryState::new());
    let clock = Arc::new(FixedClock::new(at(0)));
    let dedup = deduplicator(Arc::<MemoryState>::clone(&state), &clock);
    let hits = |prefix: &str| (0..300).map(|n| hit(&format!("{prefix}{n}"), 0, "e")).collect();
    dedup.process(&batch("s", 1), hits("old")).await.unwrap();
    clock.advance(Duration::from_secs(6 * 86_400));
    dedup.process(&batch("s", 2), hits("young")).await.unwrap();
    clock.advance(Duration::from_secs(2 * 86_400));
    let mut total = Sweep::default();
    for _ in 0..256 {
        let sweep = dedup.sweep().await.unwrap();
        total.read += sweep.read;
        total.removed += sweep.removed;
    }
    assert_eq!(total, Sweep { read: 600, removed: 300 });
    assert_eq!(state.list("dedup/").await.unwrap().len(), 300);
    let decided = dedup.process(&batch("s", 3), hits("young")).await.unwrap();
    assert!(decided.iter().all(|(_, decision)| !decision.is_raise()));
}
