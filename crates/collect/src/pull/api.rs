//! What is asked of an API, and the one trait that every pull implements.
//!
//! [`Declared`](super::Declared) implements it from a file; an API that no file can say implements
//! it in Rust.

use std::fmt;

use async_trait::async_trait;
use base::Timestamp;

use super::PullError;

/// What a page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Which of the pull's partitions; empty where it has none.
    pub partition: &'a str,
    /// From which time on.
    pub from: Timestamp,
    /// Up to which time.
    pub to: Timestamp,
    /// Where the page begins; `None`: the first.
    pub next: Option<&'a Next>,
}

/// Where a page begins, in the API's own terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// At this address.
    Url(String),
    /// Where this token says.
    Token(String),
    /// At this number, of a page or a record.
    Number(u64),
    /// Where this value is.
    Key(String),
}

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What tells it from every other event of the source; `None`: all of its bytes.
    pub id: Option<String>,
    /// Its time, where windows go by it.
    pub time: Option<Timestamp>,
    /// Its bytes, on one line where it is JSON.
    pub bytes: Vec<u8>,
}

/// Records that came together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// The line that names their columns, where they are CSV.
    pub header: Option<Vec<u8>>,
    /// The records.
    pub records: Vec<Found>,
}

/// Something that is listed, and holds records once it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What tells it from every other item of the source.
    pub id: String,
    /// What fetching it needs, by name.
    pub values: Vec<(String, String)>,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Its records.
    pub batch: Batch,
    /// What is to be fetched, before the next page.
    pub items: Vec<Item>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Next>,
    /// A token from which a later round goes on, where the API has such.
    pub cursor: Option<String>,
}

/// What a server said when it was asked for nothing but whether it answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many records and items the first page had.
    pub found: usize,
    /// How far this machine's clock is ahead of the server's, in seconds, if the server says its time.
    pub ahead_seconds: Option<i64>,
    /// When the credential ends, if the server says so.
    pub credential_ends: Option<Timestamp>,
}

/// An API that hands out events when it is asked.
///
/// It keeps no place of its own: whoever asks says where a page begins. Asking for the same page again
/// is always possible, and answers the same records or more.
#[async_trait]
pub trait PullApi: Send + Sync + fmt::Debug {
    /// Asks which partitions there are, where the API is asked for them.
    ///
    /// # Errors
    /// See [`PullError`].
    async fn partitions(&mut self) -> Result<Vec<String>, PullError> {
        Ok(Vec::new())
    }

    /// Does what must be done before the first page of a partition is asked for.
    ///
    /// # Errors
    /// See [`PullError`].
    async fn prepare(&mut self, partition: &str) -> Result<(), PullError>;

    /// Asks for a page.
    ///
    /// # Errors
    /// See [`PullError`].
    async fn page(&mut self, ask: Ask<'_>) -> Result<Page, PullError>;

    /// Fetches the records of an item.
    ///
    /// # Errors
    /// See [`PullError`].
    async fn fetch(&mut self, ask: Ask<'_>, item: &Item) -> Result<Batch, PullError>;

    /// A credential that the server gave in place of one of the settings since this was last asked, sealed with
    /// that one: to be kept, as the old one may no longer be good.
    fn renewed(&mut self) -> Option<String> {
        None
    }

    /// Takes in what was kept of [`Self::renewed`].
    fn restore_renewed(&mut self, _sealed: &str) {}

    /// What the last answers said beside their records.
    fn checked(&self) -> Checked;
}
