//! An event, and where in it the fields are that rules ask for.

use base::{Event, FieldPath, Object, Value};

use super::{
    keys::{Place, Shape},
    program::to_usize,
    source::Source,
};

/// An event with the shapes of its objects: the source's own fields, and the normalized ones.
#[derive(Clone, Copy)]
pub(super) struct View<'s, 'e> {
    pub(super) source: &'s Source,
    pub(super) event: &'e Event<'e>,
    pub(super) shapes: [&'s Shape; 2],
}

impl<'s, 'e> View<'s, 'e> {
    /// The event's objects, each with its shape.
    fn halves(self) -> [(&'e Object<'e>, &'s Shape); 2] {
        let [own, normalized] = self.shapes;
        [(&self.event.fields, own), (&self.event.normalized, normalized)]
    }

    fn path(self, slot: u32) -> Option<&'s FieldPath> {
        self.source.plan.paths().get(to_usize(slot))
    }

    /// Calls `found` for the values of a field, members of lists one by one, until it answers true.
    /// Answers whether it did.
    pub(super) fn any(self, slot: u32, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
        if self.shapes.iter().any(|shape| shape.spelt.contains(&slot)) {
            return self.any_spelling(slot, found);
        }
        self.halves().into_iter().any(|(object, shape)| {
            shape.place(slot).is_some_and(|place| self.any_at(object, place, found))
        })
    }

    /// As [`Self::any`], for a field whose name may be spelt in any way.
    fn any_spelling(self, slot: u32, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
        let Some(path) = self.path(slot) else { return false };
        let mut in_object = |object: &'e Object<'e>| object.any_spelling(path, found);
        in_object(&self.event.fields) || in_object(&self.event.normalized)
    }

    fn any_at(
        self,
        object: &'e Object<'e>,
        place: Place,
        found: &mut dyn FnMut(&'e Value<'e>) -> bool,
    ) -> bool {
        let entry = object.iter().as_slice().get(to_usize(place.entry));
        entry.is_some_and(|(_, value)| match place.is_below {
            true => self.path(place.slot).is_some_and(|path| value.any_below(path, 1, found)),
            false => any_leaf(value, found),
        })
    }

    fn each_at(self, object: &'e Object<'e>, place: Place, found: &mut dyn FnMut(&'e Value<'e>)) {
        self.any_at(object, place, &mut |value| {
            found(value);
            false
        });
    }

    /// Calls `found` for the values of every field that rules ask for under a signature; `asked` is
    /// what the shapes answered for it.
    pub(super) fn each_asked(
        self,
        asked: [usize; 2],
        is_asked: impl Fn(u32) -> bool,
        found: &mut impl FnMut(u32, &'e Value<'e>),
    ) {
        for ((object, shape), asked) in self.halves().into_iter().zip(asked) {
            for place in shape.asked_at(asked) {
                let mut found = |value| found(place.slot, value);
                match object.iter().as_slice().get(to_usize(place.entry)) {
                    // Nearly all are this.
                    Some((_, value)) if !place.is_below && !matches!(value, Value::List(_)) => {
                        found(value);
                    }
                    _ => self.each_at(object, *place, &mut found),
                }
            }
        }
        let [own, normalized] = self.shapes;
        let others = normalized.spelt.iter().filter(|slot| !own.spelt.contains(slot));
        for slot in own.spelt.iter().chain(others).filter(|slot| is_asked(**slot)) {
            self.any_spelling(*slot, &mut |value| {
                found(*slot, value);
                false
            });
        }
    }

    /// Whether the event has a field, be it null or an empty list.
    pub(super) fn is_present(self, slot: u32) -> bool {
        let places = self.shapes.map(|shape| shape.place(slot));
        let is_spelt = self.shapes.iter().any(|shape| shape.spelt.contains(&slot));
        if places.iter().flatten().any(|place| !place.is_below) {
            return true;
        }
        (is_spelt || places.iter().any(Option::is_some))
            && (self.any(slot, &mut |_| true)
                || self.path(slot).is_some_and(|path| self.event.get(path).is_some()))
    }

    /// Calls `found` for every string and number of the source's own fields, until it answers true.
    pub(super) fn any_string(self, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
        self.event.fields.iter().any(|(_, value)| strings(value, found))
    }
}

fn strings<'e>(value: &'e Value<'e>, found: &mut dyn FnMut(&'e Value<'e>) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| strings(member, found)),
        Value::Object(object) => object.iter().any(|(_, value)| strings(value, found)),
        Value::Null | Value::Bool(_) => false,
        value => found(value),
    }
}

/// Calls `found` for the value, or for each member if it is a list, until it answers true. Answers
/// whether it did.
fn any_leaf<'v, 'a>(value: &'v Value<'a>, found: &mut dyn FnMut(&'v Value<'a>) -> bool) -> bool {
    match value {
        Value::List(members) => members.iter().any(|member| any_leaf(member, found)),
        value => found(value),
    }
}
