//! From an event's keys to the fields that rules ask for.

use std::collections::HashMap;

use base::{FieldPath, Value};
use foldhash::fast::FixedState;

use super::program::to_u32;

/// The keys at the top of an event that lead to fields.
#[derive(Debug)]
pub(super) struct Keys {
    keys: HashMap<Box<str>, Key, FixedState>,
    /// By their first byte, the lengths that keys have, as a set modulo 64: most of an event's keys
    /// are asked for by nobody, and are ruled out without a look-up.
    lengths: [u64; 256],
}

/// The fields that a key leads to.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The field that the key is.
    pub(super) field: Option<u32>,
    /// The fields with dots in their names that may begin with the key, or be it.
    pub(super) dotted: Vec<u32>,
}

impl Keys {
    pub(super) fn new(paths: &[FieldPath]) -> Self {
        let mut keys: HashMap<Box<str>, Key, FixedState> = HashMap::default();
        for (index, path) in paths.iter().enumerate() {
            let slot = to_u32(index);
            if path.len() == 1 {
                keys.entry(path.as_str().into()).or_default().field = Some(slot);
                continue;
            }
            let first = path.part(0).unwrap_or_default();
            for key in [first, path.as_str()] {
                keys.entry(key.into()).or_default().dotted.push(slot);
            }
        }
        let mut lengths = [0; 256];
        for key in keys.keys() {
            if let Some(of_first) = lengths.get_mut(first_byte(key)) {
                *of_first |= 1 << (key.len() % 64);
            }
        }
        Self { keys, lengths }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Key> {
        let lengths = self.lengths.get(first_byte(key))?;
        if lengths >> (key.len() % 64) & 1 == 0 {
            return None;
        }
        self.keys.get(key)
    }
}

fn first_byte(key: &str) -> usize {
    key.bytes().next().map_or(0, usize::from)
}

/// Calls `found` for the value, or for each member if it is a list, until it answers true. Answers
/// whether it did.
pub(super) fn any_leaf<'v, 'a>(
    value: &'v Value<'a>,
    found: &mut dyn FnMut(&'v Value<'a>) -> bool,
) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| any_leaf(member, found)),
        value => found(value),
    }
}
