//! Sets of small numbers as bits.

use super::program::{to_u32, to_usize};

/// Which word and bit stand for a number.
const fn place(number: u32) -> (u32, u64) {
    (number >> 6, 1 << (number & 63))
}

#[inline]
pub(super) fn has(words: &[u64], number: u32) -> bool {
    let (word, bit) = place(number);
    words.get(to_usize(word)).is_some_and(|word| word & bit != 0)
}

/// Adds a number to a set with room for it; answers whether it is new.
#[inline]
pub(super) fn insert(words: &mut [u64], number: u32) -> bool {
    let (word, bit) = place(number);
    let Some(word) = words.get_mut(to_usize(word)) else { return false };
    let is_new = *word & bit == 0;
    *word |= bit;
    is_new
}

/// Adds numbers to a set with room for them.
pub(super) fn insert_all(words: &mut [u64], numbers: &[u32]) {
    for number in numbers {
        insert(words, *number);
    }
}

pub(super) fn remove(words: &mut [u64], number: u32) {
    let (word, bit) = place(number);
    if let Some(word) = words.get_mut(to_usize(word)) {
        *word &= !bit;
    }
}

/// Takes the lowest number out of a set; `word` is 0 at first and remembers where to go on.
pub(super) fn pop(words: &mut [u64], word: &mut usize) -> Option<u32> {
    loop {
        let bits = words.get_mut(*word)?;
        if *bits != 0 {
            let bit = bits.trailing_zeros();
            *bits &= *bits - 1;
            return Some(to_u32(*word) * 64 + bit);
        }
        *word += 1;
    }
}

/// Adds a number to a set that grows.
pub(super) fn add(words: &mut Vec<u64>, number: u32) {
    let room = to_usize(number >> 6) + 1;
    if words.len() < room {
        words.resize(room, 0);
    }
    insert(words, number);
}

/// Adds all of another set.
pub(super) fn add_all(words: &mut Vec<u64>, more: &[u64]) {
    if words.len() < more.len() {
        words.resize(more.len(), 0);
    }
    for (word, more) in words.iter_mut().zip(more) {
        *word |= more;
    }
}

/// The room that a set of so many numbers takes.
pub(super) const fn room(count: usize) -> usize {
    count.div_ceil(64)
}
