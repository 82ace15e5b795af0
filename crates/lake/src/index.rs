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
mod tokens;
mod upkeep;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};

pub(crate) use builder::IndexBuilder;
pub(crate) use form::{path_of, path_of_data};
pub(crate) use probe::{Kept, probe};
pub(crate) use text::Wanted;
pub use upkeep::{IndexWork, Indexed, index};
pub(crate) use upkeep::{look, stored};

/// Which blocks of an index file may hold a text; `None` if the file is damaged. It is what a search does
/// with the parts that it fetches, over a file that is at hand: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn look_into(file: &[u8], text: &str) -> Option<Vec<bool>> {
    let header = form::Header::read(file).ok()?;
    let mut blocks = vec![true; header.rows.len()];
    for key in keys(text) {
        let place = header.place(form::segment_of(key))?;
        let (from, to) = (usize::try_from(place.start).ok()?, usize::try_from(place.end).ok()?);
        let found = header.look_up(key, file.get(from..to)?)?;
        for (block, is_found) in blocks.iter_mut().zip(found) {
            *block &= is_found;
        }
    }
    Some(blocks)
}

/// An index file whose blocks have so many rows, and whose segments that a text is looked for in are all these
/// bytes, with sums that are right: for fuzzing what is behind them.
#[doc(hidden)]
#[must_use]
pub fn with_segments(rows: &[u32], segment: &[u8], text: &str) -> Vec<u8> {
    let wanted: Vec<usize> = keys(text).into_iter().map(form::segment_of).collect();
    let put = |number: usize, body: &mut Vec<u8>| {
        if wanted.contains(&number) {
            body.extend_from_slice(segment);
        }
    };
    form::assemble(rows, 0, put).to_vec()
}

fn keys(text: &str) -> Vec<text::Key> {
    let mut keys = Vec::new();
    Wanted::text(text, true, true).keys(&mut keys);
    Wanted::text(text, false, false).keys(&mut keys);
    keys
}

/// The index of a file that has these texts, one in a block: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn sample(texts: &[&str]) -> Vec<u8> {
    let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    let Ok(rows) = RecordBatch::try_from_iter([("text", column)]) else { return Vec::new() };
    let mut builder = IndexBuilder::new(&rows.schema(), 1, usize::MAX);
    builder.add(&rows);
    builder.whole(0).to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn segments_of_any_bytes_are_read_or_refused(
            rows in prop::collection::vec(any::<u32>(), 0..5),
            segment in prop::collection::vec(any::<u8>(), 0..80),
            text in "[a-z0-9. ]{0,40}",
        ) {
            let blocks = look_into(&with_segments(&rows, &segment, &text), &text);
            prop_assert!(blocks.is_none_or(|blocks| blocks.len() == rows.len()));
        }
    }
}
