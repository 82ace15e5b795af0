//! Batches, crashes and replays in any order: what must hold whatever happens.
//!
//! A run commits the batches of a few sources one after the other. Each is processed the way a
//! pipeline does it (deduplicate, put alerts into the outbox), on a store that breaks after a
//! random number of operations; then everything is built anew on what is left and the *same* batch
//! is handed in again, until it gets through. Deliveries crash likewise, and receivers fail.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Clock, FixedClock, Match, MemoryState, StateStore};
use proptest::prelude::*;

use crate::{
    DedupState, Deduplicator, Notification, NotifyError, Outbox, Receiver, SendError, alert_id,
    fixture::{Brittle, Recorder, at, batch, hit},
    stored,
};

#[derive(Debug, Clone)]
struct Step {
    source: usize,
    /// The user and the time of each match.
    hits: Vec<(usize, i64)>,
    /// After how many operations each try at the batch breaks, and whether the last operation was
    /// carried out; then a try goes through.
    crashes: Vec<(i64, bool)>,
    /// Whether a batch that went through is handed in once more: the crash came right after.
    is_replayed: bool,
    /// How a round of deliveries after it breaks, if it does.
    delivery_crash: Option<(i64, bool)>,
    /// How many sends fail first.
    failures: usize,
    /// How much time passes.
    seconds: u64,
}

fn step() -> impl Strategy<Value = Step> {
    (
        0..2_usize,
        prop::collection::vec((0..3_usize, -200..200_i64), 0..12),
        prop::collection::vec((0..20_i64, any::<bool>()), 0..4),
        any::<bool>(),
        prop::option::of((0..20_i64, any::<bool>())),
        0..4_usize,
        0..100_u64,
    )
        .prop_map(|(source, hits, crashes, is_replayed, delivery_crash, failures, seconds)| {
            Step { source, hits, crashes, is_replayed, delivery_crash, failures, seconds }
        })
}

struct World {
    state: Arc<MemoryState>,
    clock: Arc<FixedClock>,
    receivers: Vec<Arc<Recorder>>,
    /// What was told as raised, in all tries.
    raised: BTreeSet<String>,
}

impl World {
    fn store(&self, crash: Option<(i64, bool)>) -> Arc<dyn StateStore> {
        let (operations, is_lost_late) = crash.unwrap_or((i64::MAX, false));
        Arc::new(Brittle::new(Arc::clone(&self.state), operations, is_lost_late))
    }

    fn outbox(&self, store: Arc<dyn StateStore>) -> Outbox {
        let receivers = self.receivers.iter();
        let receivers = receivers.map(|one| Arc::<Recorder>::clone(one) as Arc<dyn Receiver>);
        Outbox::new(store, receivers.collect()).unwrap()
    }

    /// One try at a batch, as a pipeline makes it. The decisions, in words.
    async fn try_batch(
        &mut self,
        key: &crate::BatchKey,
        hits: &[Match],
        crash: Option<(i64, bool)>,
    ) -> Result<Vec<String>, NotifyError> {
        let store = self.store(crash);
        let clock: Arc<dyn Clock> = Arc::<FixedClock>::clone(&self.clock);
        let dedup = Deduplicator::new(Arc::clone(&store), clock);
        let outbox = self.outbox(store);
        let mut said = Vec::new();
        for (hit, decision) in dedup.process(key, hits.to_vec()).await? {
            said.push(format!("{decision:?}"));
            if let crate::Decision::Raise { alert_id, raised_time, .. } = decision {
                self.raised.insert(alert_id.clone());
                let notification = Notification::raised(alert_id, raised_time, hit);
                outbox.enqueue(&notification, self.clock.now()).await?;
            }
        }
        Ok(said)
    }

    async fn run(&mut self, steps: &[Step]) {
        let mut numbers = [0_u64; 2];
        for step in steps {
            numbers[step.source] += 1;
            let key = batch(["left", "right"][step.source], numbers[step.source]);
            let hits = hits(step, &key);
            for crash in &step.crashes {
                if self.try_batch(&key, &hits, Some(*crash)).await.is_ok() {
                    break;
                }
                self.clock.advance(Duration::from_secs(1));
            }
            let said = self.try_batch(&key, &hits, None).await.unwrap();
            self.clock.advance(Duration::from_secs(step.seconds));
            if step.is_replayed {
                assert_eq!(self.try_batch(&key, &hits, None).await.unwrap(), said);
            }
            self.deliver(step).await;
        }
        self.deliver_all().await;
    }

    async fn deliver(&self, step: &Step) {
        let failure = || SendError::Retry { message: "away".to_owned(), after: None };
        self.receivers[0].fail((0..step.failures).map(|_| failure()).collect());
        let outbox = self.outbox(self.store(step.delivery_crash));
        // A crash here is what the run is about.
        let round = outbox.deliver_due(self.clock.now()).await;
        assert!(round.is_ok() || step.delivery_crash.is_some());
    }

    async fn deliver_all(&self) {
        self.receivers[0].fail(Vec::new());
        let outbox = self.outbox(self.store(None));
        for _ in 0..100 {
            let report = outbox.deliver_due(self.clock.now()).await.unwrap();
            assert!(report.dead.is_empty());
            let Some(next) = report.next_due else { return };
            self.clock.advance(next.since(self.clock.now()));
        }
        panic!("the outbox does not empty");
    }

    async fn counts(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for key in self.state.list("dedup/").await.unwrap() {
            let found = self.state.get(&key).await.unwrap().unwrap();
            let state: DedupState = stored::decode(&key, &found.value).unwrap();
            for alert in state.alerts {
                assert!(counts.insert(alert.alert_id, alert.count).is_none(), "an id twice");
            }
        }
        counts
    }
}

fn hits(step: &Step, key: &crate::BatchKey) -> Vec<Match> {
    let events = step.hits.iter().enumerate();
    events
        .map(|(index, (user, seconds))| {
            let event_id = format!("{}-{}-{index}", key.source, key.number);
            hit(["a", "b", "c"][*user], *seconds, &event_id)
        })
        .collect()
}

/// The plain version: no crashes, no state to lose. Alerts with their counts.
fn expected(steps: &[Step]) -> BTreeMap<String, u64> {
    let mut numbers = [0_u64; 2];
    let mut alerts: Vec<(usize, i64, String, u64)> = Vec::new();
    for step in steps {
        numbers[step.source] += 1;
        let key = batch(["left", "right"][step.source], numbers[step.source]);
        for (hit, (user, seconds)) in hits(step, &key).iter().zip(&step.hits) {
            let joined = alerts
                .iter_mut()
                .find(|(who, first, ..)| who == user && (first - seconds).abs() < 60);
            match joined {
                Some((.., count)) => *count += 1,
                None => alerts.push((*user, *seconds, alert_id(hit), 1)),
            }
        }
    }
    alerts.into_iter().map(|(.., id, count)| (id, count)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn alerts_are_raised_once_counted_exactly_and_delivered(
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut world = World {
            state: Arc::new(MemoryState::new()),
            clock: Arc::new(FixedClock::new(at(0))),
            receivers: vec![Arc::new(Recorder::new("flaky")), Arc::new(Recorder::new("sound"))],
            raised: BTreeSet::new(),
        };
        runtime.block_on(world.run(&steps));
        let expected = expected(&steps);
        prop_assert_eq!(&runtime.block_on(world.counts()), &expected);
        prop_assert_eq!(&world.raised, &expected.keys().cloned().collect::<BTreeSet<_>>());
        for receiver in &world.receivers {
            let got = receiver.got.lock().unwrap();
            // Every alert, no other, each under one key and always with the same content.
            prop_assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
            for (key, repeats) in got.iter() {
                prop_assert!(repeats.iter().all(|one| one == &repeats[0] && one.alert.id == *key));
            }
        }
    }
}
