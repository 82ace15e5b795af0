//! The search index: small files beside the data files that say which of their blocks may hold a
//! token or a piece of text.
//!
//! Promises: advisory. An index that is missing, damaged, of another version or of another file is as
//! good as none: the file is read as a whole. What an index rules out is not there; what it lets pass
//! is still tested row by row ([`crate::query`]). The form is versioned and described in
//! `docs/reference/search_index.md`.
//!
//! What it does not do: know fields. A block is a run of rows, and its tokens are those of all fields,
//! so the index stays small. Nothing needs it, and whoever drops it loses speed only.

mod builder;
mod coding;
mod form;
mod probe;
mod text;
mod upkeep;

pub(crate) use builder::IndexBuilder;
pub(crate) use form::{path_of, path_of_data};
pub(crate) use probe::{Kept, probe};
pub(crate) use text::Wanted;
pub use upkeep::{IndexWork, Indexed, index};
pub(crate) use upkeep::{look, stored};
