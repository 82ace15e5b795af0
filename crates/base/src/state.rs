//! Small shared state: what deduplication and leases need, and no more.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

/// A value with the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// What was stored.
    pub value: Vec<u8>,
    /// Changes with every write; opaque.
    pub version: String,
}

/// Why a state store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The value changed since it was read: read it again and decide anew.
    #[error("the state of `{key}` was changed by another writer")]
    Conflict {
        /// The key.
        key: String,
    },
    /// The store can't be reached or answered with an error: try again later.
    #[error("the state store is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A small key-value store with compare-and-set.
///
/// Keys are `/`-separated words of `[A-Za-z0-9_.@-]`. A write that was answered with success
/// survives the process. Every implementation passes the suite in `state_conformance` (feature
/// `conformance`).
#[async_trait]
pub trait StateStore: Send + Sync + std::fmt::Debug {
    /// Reads a value; `None` if there is none.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError>;

    /// Writes a value if the stored version is still `expected` (`None`: there is no value yet),
    /// and answers the new version.
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError>;

    /// Removes a value, whatever its version. Removing nothing is fine.
    async fn delete(&self, key: &str) -> Result<(), StateError>;

    /// All keys that begin with `prefix`, in order.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError>;
}

/// State that lives as long as the process: for tests, and for trying things out.
#[derive(Debug, Default)]
pub struct MemoryState(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    values: BTreeMap<String, Versioned>,
    /// How many writes there were: versions are never used twice, not even after a delete.
    writes: u64,
}

impl MemoryState {
    /// Empty state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        // No operation leaves the map half changed, so a poisoned lock harms nothing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StateStore for MemoryState {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError> {
        Ok(self.entries().values.get(key).cloned())
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError> {
        let mut entries = self.entries();
        let stored = entries.values.get(key).map(|stored| stored.version.as_str());
        if stored != expected {
            return Err(StateError::Conflict { key: key.to_owned() });
        }
        entries.writes += 1;
        let version = entries.writes.to_string();
        let versioned = Versioned { value: value.to_vec(), version: version.clone() };
        entries.values.insert(key.to_owned(), versioned);
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.entries().values.remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        let entries = self.entries();
        let from = entries.values.range(prefix.to_owned()..);
        Ok(from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect())
    }
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[test]
    fn memory_state_conforms() {
        let state = MemoryState::new();
        let suite = pin!(crate::state_conformance::check(&state));
        // Memory never makes anyone wait, so one poll is enough.
        match suite.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(verdict) => verdict.unwrap(),
            Poll::Pending => panic!("memory state waits"),
        }
    }
}
