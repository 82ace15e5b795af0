//! The lake: tables on object storage, everything that is stored, and how it is searched.
//!
//! Promises: a batch is in its table exactly once or not at all, with its source's checkpoint
//! ([`batch`]); every value of every event is kept, in a column or in `_rest` ([`write`]); queries
//! see whole commits only ([`snapshot`]). What it does not do: decide what to store, or when.

pub mod batch;
pub mod check;
pub mod compact;
pub mod counted;
mod error;
pub mod exchange;
pub mod index;
pub mod layout;
pub mod query;
pub mod reconcile;
pub mod retain;
pub mod schema;
pub mod snapshot;
pub mod state;
pub mod stats;
mod store;
pub mod table;
pub mod write;

pub use error::{LakeError, UNAVAILABLE};
pub use store::{Lake, WriteLock};
