//! The targets, one a file.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a target panics where something is wrong: that is what it is for"
)]

mod announce;
mod binary;
mod cel;
mod decode;
mod frame;
#[cfg(feature = "lake")]
mod index;
mod json;
mod log_source;
mod lookup;
mod push;
mod rule;
#[cfg(feature = "lake")]
mod search;
mod syslog;
mod text;

pub use announce::announce;
pub use binary::binary;
pub use cel::cel;
pub use decode::decode;
pub use frame::frame;
#[cfg(feature = "lake")]
pub use index::index;
#[cfg(feature = "lake")]
pub(crate) use index::input as index_input;
pub use json::json;
pub use log_source::log_source;
pub use lookup::lookup;
pub use push::push;
pub use rule::rule;
#[cfg(feature = "lake")]
pub use search::search;
pub use syslog::syslog;
pub use text::text;
