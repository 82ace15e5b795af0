//! Whatever the line, the search parser does not panic, and shows a mistake at a place inside it.

use ::base::{Explain as _, Place};
use ::lake::query::check_search;

/// Takes one input.
pub fn search(bytes: &[u8]) {
    let line = &*String::from_utf8_lossy(bytes);
    let Err(error) = check_search(line) else { return };
    if let Some(Place::File { line: number, column, .. }) = error.place() {
        let shown = line.split('\n').nth(number as usize - 1).expect("a line of the text");
        assert!(column as usize <= shown.chars().count() + 1, "{error}");
    }
}
