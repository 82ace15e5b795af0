//! APIs that hand out events when they are asked: audit logs of services.
//!
//! A pull is a file that says what is asked, how pages follow on one another, and what tells one event
//! from another ([`PullDefinition`]); what no file can say implements [`PullApi`]. [`Puller`] does what
//! is common to all: windows with an overlap, ids of what is stored, places to go on from. What it
//! promises is written there.
//!
//! Nothing here waits, stores, or reads the environment: whoever drives it does, and hands in HTTP and
//! the time.

mod api;
mod auth;
mod checkpoint;
mod declared;
mod definition;
mod error;
mod exchange;
mod json;
mod puller;
mod rows;
mod schedule;
mod seal;
mod shipped;
mod sign;
mod spec;
mod template;
#[cfg(test)]
mod tests;

pub use api::{Ask, Batch as PullBatch, Checked, Found, Item, Next, Page, PullApi};
pub use checkpoint::EventKey;
pub use declared::Declared;
pub use definition::{PullChoices, PullDefinition, PullInput, pull_every};
pub use error::PullError;
pub use puller::{Fresh, Piece, PullListing, PullPlan, Puller, Restoring, Step};
pub use schedule::{pull_first_wait, pull_wait};
pub use shipped::shipped_pulls;
pub use spec::parse_span;
pub use template::{PullSecret, PullValue};
