//! What the tests of this crate share: matches, a store that fails on command, receivers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use base::{
    Level, Match, MemoryState, Reason, RuleInfo, StateError, StateStore, Timestamp, Versioned,
};

use crate::{BatchKey, Notification, Receiver, SendError};

/// 2026-11-24T08:00:00Z, and seconds after it.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::parse("2026-11-24T08:00:00Z").unwrap().plus_micros(seconds * 1_000_000)
}

pub(crate) fn batch(source: &str, number: u64) -> BatchKey {
    BatchKey { source: source.to_owned(), number }
}

/// A match of the rule `lsass` (window: 60 s) for a user, at a time, with an event id.
pub(crate) fn hit(user: &str, seconds: i64, event_id: &str) -> Match {
    Match {
        rule: Arc::new(RuleInfo {
            id: "lsass".to_owned(),
            title: "Access to LSASS memory".to_owned(),
            level: Level::High,
            tags: vec!["attack.t1003.001".to_owned()],
            dedup: vec!["User".to_owned()],
            dedup_window_seconds: 60,
            file: "detections/lsass.yml".to_owned(),
        }),
        time: at(seconds),
        event_id: event_id.into(),
        log_source: "windows_sysmon".into(),
        reasons: vec![Reason {
            field: "TargetImage".into(),
            test: r"endswith '\lsass.exe'".into(),
            value: r"C:\Windows\System32\lsass.exe".to_owned(),
        }],
        dedup_values: vec![user.to_owned()],
        event: r#"{"EventID":10,"big":123456789012345678901234567890}"#.into(),
        facts: None,
    }
}

pub(crate) fn notification(id: &str) -> Notification {
    Notification::raised(id.to_owned(), at(1), hit("jdoe", 0, "e0-1000"))
}

/// A store that breaks after a number of operations, as a crash does: the operation may or may not
/// have been carried out, and none works after it until it is mended.
#[derive(Debug)]
pub(crate) struct Brittle {
    pub(crate) inner: Arc<MemoryState>,
    left: AtomicI64,
    is_lost_late: bool,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

impl Brittle {
    pub(crate) fn new(inner: Arc<MemoryState>, operations: i64, is_lost_late: bool) -> Self {
        let left = AtomicI64::new(operations);
        let (reads, writes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { inner, left, is_lost_late, reads, writes }
    }

    /// One that never breaks, and counts.
    pub(crate) fn sound() -> Self {
        Self::new(Arc::new(MemoryState::new()), i64::MAX, false)
    }

    /// Whether this operation still takes place, and whether its answer arrives.
    fn step(&self) -> (bool, bool) {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        (left > 0 || (left == 0 && self.is_lost_late), left > 0)
    }
}

fn crash() -> StateError {
    StateError::Unavailable("crashed".into())
}

#[async_trait]
impl StateStore for Brittle {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.step().1 { self.inner.get(key).await } else { Err(crash()) }
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let (happens, is_answered) = self.step();
        if !happens {
            return Err(crash());
        }
        let result = self.inner.compare_and_set(key, expected, value).await;
        if is_answered { result } else { Err(crash()) }
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        let (happens, is_answered) = self.step();
        if happens {
            self.inner.delete(key).await?;
        }
        if is_answered { Ok(()) } else { Err(crash()) }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        if self.step().1 { self.inner.list(prefix).await } else { Err(crash()) }
    }
}

/// A receiver that answers what it is told to, and remembers what it got: for each alert, the
/// idempotency key and how often it came.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    name: String,
    pub(crate) answers: Mutex<Vec<SendError>>,
    pub(crate) got: Mutex<BTreeMap<String, Vec<Notification>>>,
}

impl Recorder {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// What the next calls answer instead of success; the last one first.
    pub(crate) fn fail(&self, answers: Vec<SendError>) {
        *self.answers.lock().unwrap() = answers;
    }

    pub(crate) fn count(&self, id: &str) -> usize {
        self.got.lock().unwrap().get(id).map_or(0, Vec::len)
    }
}

#[async_trait]
impl Receiver for Recorder {
    fn name(&self) -> &str {
        &self.name
    }

    async fn send(&self, notification: &Notification) -> Result<(), SendError> {
        if let Some(answer) = self.answers.lock().unwrap().pop() {
            return Err(answer);
        }
        let mut got = self.got.lock().unwrap();
        got.entry(notification.idempotency_key().to_owned())
            .or_default()
            .push(notification.clone());
        Ok(())
    }
}
