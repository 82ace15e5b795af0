//! Time is tokio's, which passes by itself wherever all wait.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use base::{MemoryState, Versioned};
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::{happening::Nobody, stop_signal, tests::faulty::Chance};

/// A clock by which durations are tokio's. Its wall time says nothing: every process has another.
#[derive(Debug)]
struct Running(Instant);

impl Clock for Running {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

fn process(state: &Arc<impl StateStore + 'static>) -> Claims {
    let lake = lake();
    Claims::new(&lake, Arc::clone(state) as _, Arc::clone(lake.clock()), Arc::new(Nobody))
}

fn lake() -> Lake {
    let store = Arc::new(object_store::memory::InMemory::new());
    let url = url::Url::parse("s3://bucket/lake").unwrap();
    Lake::on_store(store, "lake".into(), url, Arc::new(Running(Instant::now())))
}

fn code(problem: &Problem) -> String {
    problem.report().code
}

#[tokio::test(start_paused = true)]
async fn a_claim_has_one_owner_and_passes_on_when_that_ends() {
    let state = Arc::new(MemoryState::new());
    let (one, two) = (process(&state), process(&state));
    let (_switch, stop) = stop_signal();
    assert!(one.take("okta").await.unwrap());
    assert!(one.take("okta").await.unwrap(), "its own");
    assert!(!two.take("okta").await.unwrap());
    assert!(two.take("github").await.unwrap());
    one.close().await;
    assert!(two.take("okta").await.unwrap());
    assert!(!process(&state).take("okta").await.unwrap());

    let began = Instant::now();
    let waiting = process(&state);
    let (waited, ()) = futures::join!(waiting.wait("okta", false, stop), async {
        for _ in 0..12 {
            sleep(RENEW_EVERY).await;
            two.confirm().await.unwrap();
        }
        two.close().await;
    });
    assert!(waited.unwrap());
    let took = began.elapsed();
    assert!(took >= 12 * RENEW_EVERY && took <= 12 * RENEW_EVERY + LOOK_EVERY, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_heard_of_loses_its_claims_and_learns_it() {
    let state = Arc::new(MemoryState::new());
    let (one, two) = (process(&state), process(&state));
    let (_switch, stop) = stop_signal();
    assert!(one.take("okta").await.unwrap());
    let began = Instant::now();
    assert!(two.wait("okta", true, stop.clone()).await.unwrap());
    let took = began.elapsed();
    assert!(took >= GONE && took <= GONE + 2 * LOOK_EVERY, "{took:?}");
    assert_eq!(code(&one.ensure().await.unwrap_err()), LOST.0);
    assert_eq!(code(&one.confirm().await.unwrap_err()), LOST.0);
    assert_eq!(code(&timeout(GONE, one.keep(stop)).await.unwrap().unwrap_err()), LOST.0);
    two.ensure().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_one_shot_run_does_not_wait_for_an_owner_that_is_alive() {
    let state = Arc::new(MemoryState::new());
    let (one, two) = (process(&state), process(&state));
    let (switch, stop) = stop_signal();
    assert!(one.take("okta").await.unwrap());
    let waiting = async {
        let refused = two.wait("okta", true, stop.clone()).await.unwrap_err();
        assert_eq!(code(&refused), "DAB0723");
        assert_eq!(
            state.list("sessions/").await.unwrap().len(),
            1,
            "who has nothing leaves nothing"
        );
        let waited = two.wait("okta", false, stop.clone());
        let told = async {
            sleep(3 * GONE).await;
            switch.stop();
        };
        let (waited, ()) = futures::join!(waited, told);
        assert!(!waited.unwrap(), "it was told to stop");
    };
    let (kept, ()) = futures::join!(one.keep(stop.clone()), waiting);
    kept.unwrap();
}

#[test]
fn a_lake_in_a_folder_needs_no_claims() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(base::SystemClock);
    let lake = Lake::in_folder(folder.path(), Arc::clone(&clock)).unwrap();
    let state = lake.state().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for _ in 0..2 {
            let claims =
                Claims::new(&lake, Arc::clone(&state), Arc::clone(&clock), Arc::new(Nobody));
            assert!(claims.take("okta").await.unwrap());
            claims.ensure().await.unwrap();
        }
        assert_eq!(state.list("").await.unwrap(), Vec::<String>::new());
    });
}

/// State that is away now and then, before or after it did what it was asked, and slow.
#[derive(Debug)]
struct Unsure {
    state: MemoryState,
    chance: Plain<Chance>,
    is_well: AtomicBool,
}

impl Unsure {
    async fn fate(&self) -> (bool, bool) {
        let (before, after, pause) = {
            let mut chance = self.chance.lock().unwrap();
            (chance.of_thousand(80), chance.of_thousand(80), chance.below(3_000))
        };
        sleep(Duration::from_millis(pause)).await;
        let is_well = self.is_well.load(Ordering::SeqCst);
        (before && !is_well, after && !is_well)
    }
}

fn away<T>() -> Result<T, StateError> {
    Err(StateError::Unavailable("away".into()))
}

#[async_trait]
impl StateStore for Unsure {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError> {
        match self.fate().await {
            (false, false) => self.state.get(key).await,
            _ => away(),
        }
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError> {
        let (before, after) = self.fate().await;
        if before {
            return away();
        }
        let done = self.state.compare_and_set(key, expected, value).await;
        if after { away() } else { done }
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        if self.fate().await.0 { away() } else { self.state.delete(key).await }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        self.state.list(prefix).await
    }
}

/// A process that claims, writes for a while, is suspended now and then, and ends in one way or the other.
/// `owner` is whoever took the claim last.
async fn life(number: usize, state: Arc<Unsure>, owner: Arc<AtomicUsize>, seed: u64) -> u32 {
    let mut chance = Chance::new(seed);
    let claims = process(&state);
    let (_switch, stop) = stop_signal();
    if !claims.wait("okta", false, stop).await.unwrap() {
        return 0;
    }
    owner.store(number, Ordering::SeqCst);
    let mut written = 0;
    for _ in 0..chance.below(40) {
        // Most of the time it is renewed as it should be, and sometimes nothing is done for long.
        let pause = if chance.of_thousand(100) { 60_000 } else { 9_000 };
        sleep(Duration::from_millis(chance.below(pause))).await;
        match claims.ensure().await {
            Ok(()) => {
                // No time passes between the answer and this.
                assert_eq!(owner.load(Ordering::SeqCst), number, "another process has it");
                written += 1;
            }
            Err(problem) if code(&problem) == LOST.0 => return written,
            Err(_) => {}
        }
        if let Err(problem) = claims.confirm().await
            && code(&problem) == LOST.0
        {
            return written;
        }
    }
    if chance.of_thousand(500) {
        claims.close().await;
    }
    written
}

#[test]
fn no_two_processes_think_that_a_source_is_theirs() {
    let mut written = 0;
    for seed in 0..200 {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        written += runtime.block_on(async {
            let chance = Plain::new(Chance::new(seed));
            let (state, is_well) = (MemoryState::new(), AtomicBool::new(false));
            let state = Arc::new(Unsure { state, chance, is_well });
            let owner = Arc::new(AtomicUsize::new(usize::MAX));
            let lives = (0..5).map(|number| {
                let at = seed * 10 + number as u64;
                life(number, Arc::clone(&state), Arc::clone(&owner), at)
            });
            let written: u32 = join_all(lives).await.into_iter().sum();
            // However they ended, the next one gets it.
            state.is_well.store(true, Ordering::SeqCst);
            let (_switch, stop) = stop_signal();
            assert!(process(&state).wait("okta", true, stop).await.unwrap());
            written
        });
    }
    assert!(written > 5_000, "they did write: {written}");
}
