//! Small shared state: what deduplication and leases need, and no more.

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
/// Keys are `/`-separated words of `[A-Za-z0-9_.-]`. A write that was answered with success
/// survives the process. Every implementation passes the suite in `lake::state`.
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
