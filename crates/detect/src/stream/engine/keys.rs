//! From an event's keys to the fields that rules ask for.

use std::collections::HashMap;

use base::{FieldPath, Object};
use foldhash::fast::FixedState;

use super::{
    bits,
    program::{to_u32, to_usize},
};

/// The keys at the top of an event that lead to fields.
#[derive(Debug)]
pub(super) struct Keys {
    keys: HashMap<Box<str>, Key, FixedState>,
    /// By their first byte, the lengths that keys have, as a set modulo 64: most of an event's keys
    /// are asked for by nobody, and are ruled out without a look-up.
    lengths: [u64; 256],
    /// How many fields rules ask for.
    fields: usize,
}

/// The fields that a key leads to.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The field that the key is, with dots or without.
    pub(super) field: Option<u32>,
    /// The fields with dots in their names that begin with the key.
    pub(super) below: Vec<u32>,
    /// The fields with dots that may be spelt in any way, and begin with the key or are it.
    pub(super) spelt: Vec<u32>,
}

impl Keys {
    /// `has_any_spelling` tells of a path by its index whether each run of its parts may be a key.
    pub(super) fn new(paths: &[FieldPath], has_any_spelling: impl Fn(usize) -> bool) -> Self {
        let mut keys: HashMap<Box<str>, Key, FixedState> = HashMap::default();
        for (index, path) in paths.iter().enumerate() {
            let slot = to_u32(index);
            if has_any_spelling(index) && path.len() > 1 {
                for end in 1..=path.len() {
                    let key = path.run(0..end).unwrap_or_default();
                    keys.entry(key.into()).or_default().spelt.push(slot);
                }
                continue;
            }
            keys.entry(path.as_str().into()).or_default().field = Some(slot);
            if path.len() > 1 {
                let first = path.part(0).unwrap_or_default();
                keys.entry(first.into()).or_default().below.push(slot);
            }
        }
        let mut lengths = [0; 256];
        for key in keys.keys() {
            if let Some(of_first) = lengths.get_mut(first_byte(key)) {
                *of_first |= 1 << (key.len() % 64);
            }
        }
        Self { keys, lengths, fields: paths.len() }
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

/// How many shapes a thread remembers for one log source. Real logs have some hundred.
pub(super) const SHAPES_MAX: usize = 512;

/// The longest names, all of an object's together, that a shape is remembered for.
const SHAPE_BYTES_MAX: usize = 4096;

/// For how many signatures a shape knows what is asked of it. Most have one, as a record's kind
/// decides both.
const ASKED_MAX: usize = 16;

/// Objects with the same keys in the same order, for which the look-ups were made once.
///
/// Logs have few kinds of records, and each kind has its keys. A shape is found by the lengths of
/// its keys, and is compared with the object's keys as a whole.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    /// Two places for each remainder of a hash: what collides is forgotten.
    shapes: Vec<Shape>,
    /// Which of the two is replaced next.
    turn: usize,
    /// That of an object which is empty or not remembered.
    other: Shape,
    /// The fields that were found of the shape at hand, and those below a key, as sets.
    found: Vec<u64>,
    found_below: Vec<u64>,
}

/// What the keys of an object lead to.
#[derive(Debug, Default)]
pub(super) struct Shape {
    hash: u64,
    /// The keys, one behind the other, and where each ends.
    names: String,
    ends: Vec<u32>,
    /// Where fields are, in the order of the slots.
    places: Vec<Place>,
    /// The fields of any spelling that are perhaps there.
    pub(super) spelt: Vec<u32>,
    /// By the number of a signature, those of the places that rules ask for.
    asked: Vec<(u64, Vec<Place>)>,
}

/// Where a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) slot: u32,
    /// The object's entry.
    pub(super) entry: u32,
    /// The field is perhaps inside the entry's value, whose key is its first part; else the key is
    /// the field's whole name.
    pub(super) is_below: bool,
}

impl Shapes {
    /// The shape of an object.
    pub(super) fn get(&mut self, object: &Object<'_>, keys: &Keys) -> &mut Shape {
        if object.is_empty() {
            self.other.clear();
            return &mut self.other;
        }
        let hash = hash_of(object);
        let first = usize::try_from(hash % (SHAPES_MAX as u64 / 2)).unwrap_or(0) * 2;
        if self.shapes.is_empty() {
            self.shapes.resize_with(SHAPES_MAX, Shape::default);
        }
        let pair = self.shapes.get(first..first + 2).unwrap_or_default();
        if let Some(at) = pair.iter().position(|shape| shape.is_of(hash, object)) {
            return self.shapes.get_mut(first + at).unwrap_or(&mut self.other);
        }
        self.turn ^= 1;
        let bytes = object.iter().map(|(name, _)| name.len()).sum::<usize>();
        let shape = match bytes + object.len() <= SHAPE_BYTES_MAX {
            true => self.shapes.get_mut(first + self.turn).unwrap_or(&mut self.other),
            false => &mut self.other,
        };
        shape.become_that_of(hash, object, keys, [&mut self.found, &mut self.found_below]);
        shape
    }
}

impl Shape {
    fn is_of(&self, hash: u64, object: &Object<'_>) -> bool {
        if self.hash != hash || self.ends.len() != object.len() {
            return false;
        }
        let mut start = 0;
        object.iter().zip(&self.ends).all(|((name, _), end)| {
            let known = self.names.as_bytes().get(start..to_usize(*end));
            start = to_usize(*end);
            known == Some(name.as_bytes())
        })
    }

    /// Where a field is.
    pub(super) fn place(&self, slot: u32) -> Option<Place> {
        let at = self.places.binary_search_by_key(&slot, |place| place.slot).ok()?;
        self.places.get(at).copied()
    }

    /// Those of the places that are asked for under a signature with this number.
    pub(super) fn asked(&mut self, number: u64, is_asked: impl Fn(u32) -> bool) -> usize {
        if let Some(known) = self.asked.iter().position(|(known, _)| *known == number) {
            return known;
        }
        if self.asked.len() >= ASKED_MAX {
            self.asked.clear();
        }
        let asked = self.places.iter().copied().filter(|place| is_asked(place.slot)).collect();
        self.asked.push((number, asked));
        self.asked.len() - 1
    }

    /// The places that [`Self::asked`] answered with.
    pub(super) fn asked_at(&self, at: usize) -> &[Place] {
        self.asked.get(at).map_or(&[], |(_, places)| places)
    }

    fn clear(&mut self) {
        self.names.clear();
        self.ends.clear();
        self.places.clear();
        self.spelt.clear();
        self.asked.clear();
    }

    fn become_that_of(
        &mut self,
        hash: u64,
        object: &Object<'_>,
        keys: &Keys,
        [found, found_below]: [&mut Vec<u64>; 2],
    ) {
        self.clear();
        self.hash = hash;
        for set in [&mut *found, &mut *found_below] {
            set.clear();
            set.resize(bits::room(keys.fields), 0);
        }
        for (entry, (name, _)) in (0_u32..).zip(object) {
            self.names.push_str(name);
            self.ends.push(to_u32(self.names.len()));
            let Some(key) = keys.get(name) else { continue };
            // Of a key that is repeated, the first counts.
            let own = key.field.filter(|slot| bits::insert(found, *slot));
            self.places.extend(own.map(|slot| Place { slot, entry, is_below: false }));
            let below = key.below.iter().filter(|slot| bits::insert(found_below, **slot));
            self.places.extend(below.map(|slot| Place { slot: *slot, entry, is_below: true }));
            let spelt = key.spelt.iter().filter(|slot| bits::insert(found, **slot));
            self.spelt.extend(spelt);
        }
        // Where the whole name is a key, nothing else counts.
        self.places.retain(|place| !place.is_below || !bits::has(found, place.slot));
        self.places.sort_unstable();
    }
}

/// The number of an object's keys and their lengths, in order.
fn hash_of(object: &Object<'_>) -> u64 {
    object.iter().fold(object.len() as u64, |hash, (name, _)| {
        (hash.rotate_left(5) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

#[cfg(test)]
mod tests {
    use base::Value;

    use super::*;

    /// The fields that an object's keys lead to, as the shape and plain look-ups tell them.
    fn check(shapes: &mut Shapes, keys: &Keys, paths: &[FieldPath], names: &[&str]) {
        let mut object = Object::new();
        names.iter().for_each(|name| object.push(*name, Value::Null));
        let shape = shapes.get(&object, keys);
        let place = |key: Option<&str>| names.iter().position(|name| Some(*name) == key);
        let place = |key| place(key).map(to_u32);
        let mut asked = Vec::new();
        for (slot, path) in (0..).zip(paths) {
            let expected = match (place(Some(path.as_str())), place(path.part(0))) {
                (Some(entry), _) => Some(Place { slot, entry, is_below: false }),
                (None, Some(entry)) => Some(Place { slot, entry, is_below: true }),
                (None, None) => None,
            };
            assert_eq!(shape.place(slot), expected, "{names:?}");
            asked.extend(expected.filter(|place| place.slot % 3 == 0));
        }
        let at = shape.asked(7, |slot| slot % 3 == 0);
        assert_eq!(shape.asked_at(at), asked, "{names:?}");
    }

    #[test]
    fn shapes_lead_to_what_keys_lead_to() {
        let names = ["ab", "c", "a", "bc", "user", "user.name", "x.y.z", "x"];
        let paths = names.map(FieldPath::new);
        let keys = Keys::new(&paths, |_| false);
        let mut shapes = Shapes::default();
        let mut number = 3_usize;
        for _ in 0..20_000 {
            let mut object = Vec::new();
            for _ in 0..number % 7 {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                let others = ["zz", "q", "abc", "user.nam", ""];
                let at = (number >> 33) % (names.len() + others.len());
                object.push(*names.iter().chain(&others).nth(at).unwrap());
            }
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99) >> 1;
            check(&mut shapes, &keys, &paths, &object);
        }
        // The same letters and lengths, split elsewhere.
        check(&mut shapes, &keys, &paths, &["ab", "c"]);
        check(&mut shapes, &keys, &paths, &["a", "bc"]);
        let long = "k".repeat(SHAPE_BYTES_MAX);
        check(&mut shapes, &keys, &paths, &[&long, "ab", "ab", "user"]);
    }
}
