//! What was found of values that were seen before.
//!
//! Logs repeat: most values that rules ask for were seen a moment ago. What a column found of a
//! text, and what slow tests came to, is kept by the text itself, compared as a whole, so that a
//! hash that collides costs time alone. The room is fixed and nothing grows with what others write;
//! a column whose values do not repeat is left alone for a while.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::fast::FixedState;

use super::{
    column::Predicate,
    program::{to_u32, to_usize},
};

/// How many values are remembered for a log source by each thread.
const VALUES_MAX: usize = 4096;

/// How many of them share a place by their hash.
const WAYS: usize = 4;

/// The longest text that is remembered among them, in bytes: a call trace has 500.
const TEXT_BYTES_MAX: usize = 1024;

/// How many values are remembered that are longer: looking through one takes as long as through
/// dozens of others, and scripts and their command lines repeat as well.
const LONG_VALUES_MAX: usize = 256;

/// The longest text that is remembered at all, in bytes.
const LONG_TEXT_BYTES_MAX: usize = 16 * 1024;

/// How many tests of one value are remembered.
const SLOW_MAX: usize = 64;

/// How many predicates of one value are remembered.
const FOUND_MAX: usize = 256;

/// After so many values of a column it is decided whether remembering pays.
const TRIAL: u32 = 512;

/// It pays if at least this part of them were seen before, as a divisor.
const HITS_DIVISOR: u32 = 4;

/// So many values of a column that does not repeat are not remembered, before it is tried anew.
const PAUSE: u32 = 16_384;

/// The memory of a thread for one log source.
#[derive(Debug, Default)]
pub(super) struct Memo {
    /// By place: the hash of what is there. Together, so that a look at a few costs one cache line.
    hashes: Vec<u64>,
    entries: Vec<Entry>,
    /// By slot.
    tallies: Vec<Tally>,
    /// How often entries were written.
    written: u64,
    pub(super) counts: Remembering,
}

/// How often texts repeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remembering {
    /// How many texts of fields were looked at that may be remembered.
    pub texts: u64,
    /// Of how many what they hold was known.
    pub known: u64,
}

#[derive(Debug, Default)]
struct Entry {
    slot: u32,
    text: String,
    found: Vec<Predicate>,
    slow: Vec<(u32, bool)>,
    written: u64,
}

/// Where something is remembered, for as long as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    place: u32,
    written: u64,
}

/// Whether remembering pays for a column.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    tries: u32,
    hits: u32,
    pause: u32,
}

impl Memo {
    /// For so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self { tallies: vec![Tally::default(); slots], ..Self::default() }
    }

    /// What is known of a column's text: answers with the predicates that hold and where it is. Of
    /// a new text, `scan` finds them. `None` if it is not to be remembered.
    pub(super) fn get(
        &mut self,
        slot: u32,
        text: &str,
        scan: impl FnOnce(&mut Vec<Predicate>),
    ) -> Option<(&[Predicate], Remembered)> {
        let tally = self.tallies.get_mut(to_usize(slot))?;
        self.counts.texts += 1;
        if text.len() > LONG_TEXT_BYTES_MAX || !tally.is_on() {
            return None;
        }
        if self.entries.is_empty() {
            self.hashes.resize(VALUES_MAX + LONG_VALUES_MAX, 0);
            self.entries.resize_with(VALUES_MAX + LONG_VALUES_MAX, Entry::default);
        }
        let hash = hash_of(slot, text);
        let (start, places) = match text.len() <= TEXT_BYTES_MAX {
            true => (0, VALUES_MAX),
            false => (VALUES_MAX, LONG_VALUES_MAX),
        };
        let first = start + usize::try_from(hash % (places / WAYS) as u64).unwrap_or(0) * WAYS;
        let is_it = |way: &usize| {
            self.hashes.get(first + way) == Some(&hash)
                && self.entries.get(first + way).is_some_and(|entry| entry.is_of(slot, text))
        };
        if let Some(way) = (0..WAYS).find(is_it) {
            tally.hits += 1;
            self.counts.known += 1;
            let (entry, place) = (self.entries.get(first + way)?, to_u32(first + way));
            return Some((&entry.found, Remembered { place, written: entry.written }));
        }
        self.written += 1;
        // Which of them goes is left to chance: the hash's high bits and how much was written.
        let way = usize::try_from((hash >> 32).wrapping_add(self.written)).unwrap_or(0) % WAYS;
        *self.hashes.get_mut(first + way)? = hash;
        let entry = self.entries.get_mut(first + way)?;
        entry.slot = slot;
        entry.text.clear();
        entry.text.push_str(text);
        entry.found.clear();
        entry.found.shrink_to(FOUND_MAX);
        entry.slow.clear();
        entry.written = self.written;
        scan(&mut entry.found);
        if entry.found.len() > FOUND_MAX {
            *self.hashes.get_mut(first + way)? = 0;
        }
        Some((&entry.found, Remembered { place: to_u32(first + way), written: self.written }))
    }

    /// What a slow test came to for a remembered value.
    pub(super) fn slow(&self, at: Remembered, id: u32) -> Option<bool> {
        let entry = self.entries.get(to_usize(at.place))?;
        let mut known = entry.slow.iter().filter(|_| entry.written == at.written);
        known.find(|(known, _)| *known == id).map(|(_, holds)| *holds)
    }

    /// Remembers what a slow test came to.
    pub(super) fn add_slow(&mut self, at: Remembered, id: u32, holds: bool) {
        if let Some(entry) = self.entries.get_mut(to_usize(at.place))
            && entry.written == at.written
            && entry.slow.len() < SLOW_MAX
        {
            entry.slow.push((id, holds));
        }
    }
}

impl Entry {
    fn is_of(&self, slot: u32, text: &str) -> bool {
        self.slot == slot && self.text == text
    }
}

impl Tally {
    /// Whether to look for the next value.
    const fn is_on(&mut self) -> bool {
        if self.pause > 0 {
            self.pause -= 1;
            return false;
        }
        if self.tries >= TRIAL {
            let pays = self.hits * HITS_DIVISOR >= self.tries;
            *self = Self { tries: 0, hits: 0, pause: if pays { 0 } else { PAUSE } };
            if !pays {
                return false;
            }
        }
        self.tries += 1;
        true
    }
}

fn hash_of(slot: u32, text: &str) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write_u32(slot);
    hasher.write(text.as_bytes());
    // 0 stands for a free place.
    hasher.finish().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a column might find of a text: something else for each text and slot.
    fn found_of(slot: u32, text: &str) -> Vec<Predicate> {
        text.bytes().take(4).map(|byte| u32::from(byte) + slot).collect()
    }

    #[test]
    fn what_is_remembered_is_what_was_found() {
        let mut memo = Memo::new(3);
        let (mut number, mut scans) = (7_u64, 0);
        for _ in 0..60_000 {
            memo.tallies.fill(Tally::default());
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (slot, text) = (u32::try_from(number >> 62).unwrap(), number >> 40 & 0x7ff);
            let mut text = text.to_string();
            if number >> 40 & 7 == 0 {
                text += &"-".repeat(TEXT_BYTES_MAX);
            }
            let scan = |found: &mut Vec<Predicate>| {
                scans += 1;
                found.extend(found_of(slot, &text));
            };
            let Some((found, at)) = memo.get(slot, &text, scan) else { continue };
            assert_eq!(found, found_of(slot, &text));
            let expected = text.len() % 2 == 0;
            assert!(memo.slow(at, slot).is_none_or(|holds| holds == expected));
            memo.add_slow(at, slot, expected);
        }
        // There are more texts than places: some were forgotten, and some were not.
        assert!(scans > VALUES_MAX && scans < 60_000, "{scans}");
    }

    #[test]
    fn what_was_forgotten_is_no_longer_known() {
        let mut memo = Memo::new(1);
        let (_, at) = memo.get(0, "first", |_| {}).unwrap();
        memo.add_slow(at, 1, true);
        assert_eq!(memo.slow(at, 1), Some(true));
        for number in 0..100_000 {
            memo.tallies[0] = Tally::default();
            memo.get(0, &format!("{number}"), |_| {});
        }
        assert_eq!(memo.slow(at, 1), None);
    }

    #[test]
    fn values_that_do_not_repeat_are_left_alone() {
        let mut memo = Memo::new(1);
        let taken = (0..10_000).filter(|n| memo.get(0, &format!("{n}"), |_| {}).is_some()).count();
        assert_eq!(taken, usize::try_from(TRIAL).unwrap());
        assert!(memo.get(0, &"x".repeat(LONG_TEXT_BYTES_MAX + 1), |_| {}).is_none());
    }
}
