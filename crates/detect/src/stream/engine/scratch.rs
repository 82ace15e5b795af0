//! What an evaluation needs beside the rules: kept by each thread and used again, so that an event
//! that nothing matches costs no allocation and threads share nothing.

use std::cell::RefCell;

use super::{
    bits,
    column::{Predicate, Texts},
    keys::Shapes,
    memo::{Memo, Remembered},
    necessary::Counts,
    program::to_usize,
    route::Signatures,
};

/// For how many log sources a thread keeps scratch space: that of a few engines.
const PER_THREAD_MAX: usize = 64;

thread_local! {
    static SCRATCHES: RefCell<Vec<(u64, Box<Scratch>)>> = const { RefCell::new(Vec::new()) };
}

/// Space for evaluating events of one log source.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Of the sources' own fields.
    pub(super) own: Shapes,
    /// Of the normalized ones.
    pub(super) normalized: Shapes,
    pub(super) signatures: Signatures,
    pub(super) state: State,
}

/// What is known of the event at hand. Between events all of it is empty but what is remembered of
/// others.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) memo: Memo,
    /// Where the memory of each field's value is, by slot: of a single text. Before it the event
    /// that it was said of.
    remembered: Vec<(u64, Option<Remembered>)>,
    /// The predicates that hold, as a set and as a list.
    pub(super) holds: Vec<u64>,
    pub(super) held: Vec<Predicate>,
    /// The fields that rules may ask for and that were not looked at, as a set.
    pub(super) unseen: Vec<u64>,
    /// What slow tests came to.
    pub(super) slow: Vec<Option<bool>>,
    pub(super) slow_known: Vec<u32>,
    /// The rules to be evaluated, as a set.
    pub(super) candidates: Vec<u64>,
    /// The tests of routes that hold, as a set.
    pub(super) route: Vec<u64>,
    pub(super) texts: Texts,
    /// The slots for which all strings were searched.
    pub(super) searched: Vec<u32>,
    /// Whether the texts of all strings were put together.
    pub(super) is_gathered: bool,
    /// Whether the event's JSON can be searched in their stead, once that was looked at.
    pub(super) has_json: Option<bool>,
    /// How often predicates held.
    pub(super) counts: Counts,
    /// How many events there were before.
    pub(super) events: u64,
}

/// How much space the rules of a log source need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) slots: usize,
    pub(super) predicates: usize,
    pub(super) slow: usize,
    pub(super) rules: usize,
    pub(super) tests: usize,
}

impl Scratch {
    fn new(sizes: Sizes) -> Self {
        let state = State {
            memo: Memo::new(sizes.slots),
            remembered: vec![(u64::MAX, None); sizes.slots],
            holds: vec![0; bits::room(sizes.predicates)],
            counts: Counts::new(sizes.predicates, sizes.slots),
            slow: vec![None; sizes.slow],
            candidates: vec![0; bits::room(sizes.rules)],
            route: vec![0; bits::room(sizes.tests)],
            ..State::default()
        };
        Self { state, ..Self::default() }
    }
}

impl State {
    pub(super) fn hold(&mut self, predicate: Predicate) {
        if bits::insert(&mut self.holds, predicate) {
            self.held.push(predicate);
        }
    }

    /// Where the memory of a field's value is: of a single text.
    pub(super) fn remembered(&self, slot: u32) -> Option<Remembered> {
        let (event, remembered) = self.remembered.get(to_usize(slot))?;
        remembered.filter(|_| *event == self.events)
    }

    /// Notes where the memory of a field's value is; of another value of this event, that there is
    /// no single one.
    pub(super) fn remember(&mut self, slot: u32, at: Option<Remembered>) {
        if let Some((event, remembered)) = self.remembered.get_mut(to_usize(slot)) {
            *remembered = at.filter(|_| *event != self.events);
            *event = self.events;
        }
    }

    /// The fields of the event that were looked at.
    pub(super) fn seen(&self) -> impl Iterator<Item = u32> {
        let events = (0_u32..).zip(&self.remembered);
        events.filter(|(_, (event, _))| *event == self.events).map(|(slot, _)| slot)
    }

    /// Forgets the event.
    pub(super) fn clear(&mut self) {
        for predicate in self.held.drain(..) {
            bits::remove(&mut self.holds, predicate);
        }
        for slow in self.slow_known.drain(..) {
            if let Some(slow) = self.slow.get_mut(to_usize(slow)) {
                *slow = None;
            }
        }
        self.route.fill(0);
        self.is_gathered = false;
        self.has_json = None;
        self.events += 1;
        self.searched.clear();
    }
}

/// Runs `work` with the thread's space for the log source with this number.
pub(super) fn with<R>(number: u64, sizes: Sizes, work: impl FnOnce(&mut Scratch) -> R) -> R {
    // It is taken out while it is used: a panic drops it, half-used as it is.
    let kept = SCRATCHES.with_borrow_mut(|all| {
        let at = all.iter().rposition(|(known, _)| *known == number)?;
        Some(all.swap_remove(at).1)
    });
    let mut scratch = kept.unwrap_or_else(|| Box::new(Scratch::new(sizes)));
    let result = work(&mut scratch);
    SCRATCHES.with_borrow_mut(|all| {
        if all.len() >= PER_THREAD_MAX {
            // The one that was not used for longest, as the used ones go to the end.
            all.remove(0);
        }
        all.push((number, scratch));
    });
    result
}
