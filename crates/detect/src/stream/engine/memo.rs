//! What was found of values that were seen before.
//!
//! Logs repeat: most values that rules ask for were seen a moment ago. What a column found of a
//! text, and what slow tests came to, is kept under the text's sum, of 128 bits ([`super::sums`]): so a look
//! at a value costs one line of the cache, and not the text it was found of. The room is fixed and
//! nothing grows with what others write; a column whose values do not repeat is left alone for a
//! while.

use super::{
    column::Predicate,
    program::{to_u32, to_usize},
    sums::sum_of,
};

/// How many values are remembered for a log source by each thread.
const VALUES_MAX: usize = 4096;

/// How many of them share a place by their sum.
const WAYS: usize = 4;

/// How many tests of one value are remembered.
const SLOW_MAX: usize = 64;

/// How many predicates of one value are remembered beside it: those of nearly all.
const FOUND_NEAR: usize = 8;

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
    /// For each set of places, a part of the sums of what is there; 0 where nothing is. Together, so
    /// that they stay in the innermost cache.
    tags: Vec<[u16; WAYS]>,
    entries: Vec<Entry>,
    /// By place: what has more predicates than an entry has room for.
    more: Vec<Vec<Predicate>>,
    /// By place.
    slow: Vec<Vec<(u32, bool)>>,
    /// By slot.
    tallies: Vec<Tally>,
    /// How often entries were written.
    written: u32,
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

/// What is known of a value: one line of the processor's cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Entry {
    sum: u128,
    slot: u32,
    bytes: u32,
    written: u32,
    /// How many predicates were found.
    count: u32,
    found: [Predicate; FOUND_NEAR],
}

/// Where something is remembered, for as long as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    place: u32,
    written: u32,
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
        if !tally.is_on() {
            return None;
        }
        let sum = sum_of(text.as_bytes())?;
        let (set, tag) = set_of(slot, sum);
        let ways = *self.tags.get(set).unwrap_or(&[0; WAYS]);
        let is_it = |way: &usize| {
            ways.get(*way) == Some(&tag)
                && self.entries.get(set * WAYS + way).is_some_and(|e| e.is_of(slot, text, sum))
        };
        if let Some(way) = (0..WAYS).find(is_it) {
            tally.hits += 1;
            self.counts.known += 1;
            let place = set * WAYS + way;
            let entry = self.entries.get(place)?;
            let at = Remembered { place: to_u32(place), written: entry.written };
            return Some((entry.found(&self.more, place), at));
        }
        self.add((set, tag), (slot, text, sum), scan)
    }

    #[inline(never)]
    fn add(
        &mut self,
        (set, tag): (usize, u16),
        (slot, text, sum): (u32, &str, u128),
        scan: impl FnOnce(&mut Vec<Predicate>),
    ) -> Option<(&[Predicate], Remembered)> {
        if self.entries.is_empty() {
            self.tags.resize(VALUES_MAX / WAYS, [0; WAYS]);
            self.entries.resize(VALUES_MAX, Entry::default());
            self.more.resize(VALUES_MAX, Vec::new());
            self.slow.resize(VALUES_MAX, Vec::new());
        }
        self.written = self.written.wrapping_add(1);
        // Which of them goes is left to chance: the sum's bits and how much was written.
        let way = to_usize(u32::from(tag).wrapping_add(self.written)) % WAYS;
        let place = set * WAYS + way;
        let more = self.more.get_mut(place)?;
        more.clear();
        scan(more);
        let is_kept = more.len() <= FOUND_MAX;
        *self.tags.get_mut(set)?.get_mut(way)? = if is_kept { tag } else { 0 };
        let mut entry = Entry {
            sum,
            slot,
            bytes: to_u32(text.len()),
            written: self.written,
            count: to_u32(more.len()),
            found: [0; FOUND_NEAR],
        };
        entry.found.iter_mut().zip(&*more).for_each(|(near, found)| *near = *found);
        if more.len() <= FOUND_NEAR {
            more.clear();
            more.shrink_to(FOUND_NEAR);
        }
        self.slow.get_mut(place)?.clear();
        let known = self.entries.get_mut(place)?;
        *known = entry;
        Some((
            known.found(&self.more, place),
            Remembered { place: to_u32(place), written: self.written },
        ))
    }

    /// What a slow test came to for a remembered value.
    pub(super) fn slow(&self, at: Remembered, id: u32) -> Option<bool> {
        let place = to_usize(at.place);
        self.entries.get(place).filter(|entry| entry.written == at.written)?;
        let mut known = self.slow.get(place)?.iter();
        known.find(|(known, _)| *known == id).map(|(_, holds)| *holds)
    }

    /// Remembers what a slow test came to.
    pub(super) fn add_slow(&mut self, at: Remembered, id: u32, holds: bool) {
        let place = to_usize(at.place);
        if self.entries.get(place).is_some_and(|entry| entry.written == at.written)
            && let Some(slow) = self.slow.get_mut(place)
            && slow.len() < SLOW_MAX
        {
            slow.push((id, holds));
        }
    }
}

impl Entry {
    fn is_of(&self, slot: u32, text: &str, sum: u128) -> bool {
        self.sum == sum && self.slot == slot && to_usize(self.bytes) == text.len()
    }

    fn found<'m>(&'m self, more: &'m [Vec<Predicate>], place: usize) -> &'m [Predicate] {
        match self.found.get(..to_usize(self.count)) {
            Some(near) => near,
            None => more.get(place).map_or(&[], Vec::as_slice),
        }
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

/// Where a text is looked for, and by which part of its sum.
fn set_of(slot: u32, sum: u128) -> (usize, u16) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = sum.to_le_bytes();
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let high = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    let mixed = (low ^ high ^ u64::from(slot)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [.., t, u, v, w] = mixed.to_le_bytes();
    // 0 stands for a free place.
    (
        usize::from(u16::from_le_bytes([t, u])) % (VALUES_MAX / WAYS),
        u16::from_le_bytes([v, w]).max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::sums::TEXT_BYTES_MAX, *};

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
                text += &"-".repeat(1024);
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
        assert!(memo.get(0, &"x".repeat(TEXT_BYTES_MAX + 1), |_| {}).is_none());
    }
}
