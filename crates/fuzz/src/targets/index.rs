//! Whatever the bytes of a search index, damaged or with sums that are right: it is read or refused
//! without a panic, and says of every block whether it may hold a text.
//!
//! The first byte says how many blocks there are, the next ones how many rows each has; then come the length
//! of a text, the text and the bytes: of a whole file where there are no blocks, else of segments.

use ::lake::index::{look_into, with_segments};

/// How many blocks an input has at most.
const BLOCKS_MAX: u8 = 64;

/// Takes one input.
pub fn index(input: &[u8]) {
    let Some((rows, text, bytes)) = parts(input) else { return };
    let text = String::from_utf8_lossy(text);
    if rows.is_empty() {
        drop(look_into(bytes, &text));
        return;
    }
    // Sums keep damage away from what is behind them, so that is given its own.
    let rows: Vec<u32> = rows.iter().copied().map(u32::from).collect();
    let file = with_segments(&rows, bytes, &text);
    if let Some(blocks) = look_into(&file, &text) {
        assert_eq!(blocks.len(), rows.len());
    }
}

fn parts(input: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (blocks, rest) = input.split_first()?;
    let (rows, rest) = rest.split_at_checked(usize::from(*blocks % BLOCKS_MAX))?;
    let (length, rest) = rest.split_first()?;
    let (text, bytes) = rest.split_at_checked(usize::from(*length))?;
    Some((rows, text, bytes))
}

/// The input of these parts.
pub(crate) fn input(rows: &[u8], text: &str, bytes: &[u8]) -> Vec<u8> {
    let length = |part: &[u8]| u8::try_from(part.len()).unwrap_or(0);
    [&[length(rows)], rows, &[length(text.as_bytes())], text.as_bytes(), bytes].concat()
}
