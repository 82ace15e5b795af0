//! The values of one event by number: each field is looked up and lower-cased once, however many
//! rules ask for it.

use std::{borrow::Cow, cell::OnceCell, sync::Arc};

use base::{Event, FieldPath, Value};

use crate::sigma::{
    test::Test,
    text::{self, Bigrams},
};

/// A value that is no list, as tests see it.
#[derive(Debug)]
pub(crate) struct Leaf<'e> {
    pub(crate) value: &'e Value<'e>,
    /// Its text; `None` for null.
    text: Option<Cow<'e, str>>,
    /// The text in lower case where that differs, if anyone asked.
    lower: OnceCell<Option<Cow<'e, str>>>,
    bigrams: OnceCell<Bigrams>,
}

impl<'e> Leaf<'e> {
    pub(crate) fn new(value: &'e Value<'e>) -> Self {
        let (lower, bigrams) = (OnceCell::new(), OnceCell::new());
        Self { value, text: value.display(), lower, bigrams }
    }

    /// A value whose text is known, and in lower case as well.
    pub(crate) fn with_text(value: &'e Value<'e>, text: &'e str, lower: &'e str) -> Self {
        let (text, lower) = (Some(Cow::Borrowed(text)), Some(Cow::Borrowed(lower)).into());
        Self { value, text, lower, bigrams: OnceCell::new() }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn lower(&self) -> &str {
        let text = self.text.as_deref().unwrap_or_default();
        let lower = self
            .lower
            .get_or_init(|| (!text::is_lower(text)).then(|| Cow::Owned(text::lower(text))));
        lower.as_deref().unwrap_or(text)
    }

    /// The pairs of characters of [`Self::lower`].
    pub(crate) fn bigrams(&self) -> &Bigrams {
        self.bigrams.get_or_init(|| Bigrams::of(self.lower()))
    }

    /// Whether any of the tests holds for the value.
    pub(crate) fn passes_any(&self, tests: &[Test]) -> bool {
        tests.iter().any(|test| test.holds(self))
    }

    pub(crate) const fn value_is_int(&self) -> bool {
        matches!(self.value, Value::Int(_))
    }
}

/// What an event has under one field.
#[derive(Debug, Default)]
pub(crate) struct Found<'e> {
    /// The first value; events rarely have more.
    first: Option<Leaf<'e>>,
    more: Vec<Leaf<'e>>,
    /// Whether the field is there at all: an empty list has no values and is.
    pub(crate) is_present: bool,
}

impl<'e> Found<'e> {
    fn look_up(event: &'e Event<'e>, path: &FieldPath) -> Self {
        let mut found = Self::default();
        event.any(path, &mut |value| {
            let leaf = Leaf::new(value);
            match found.first {
                None => found.first = Some(leaf),
                Some(_) => found.more.push(leaf),
            }
            false
        });
        found.is_present = found.first.is_some() || event.get(path).is_some();
        found
    }

    /// The values, members of lists one by one.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Leaf<'e>> {
        self.first.iter().chain(&self.more)
    }
}

/// The fields of one event, looked up as they are asked for.
#[derive(Debug)]
pub(crate) struct Fields<'e> {
    event: &'e Event<'e>,
    paths: &'e [FieldPath],
    /// For each path, one more than its place in `found`; 0 if it was not looked up yet. Empty
    /// where few are looked up.
    places: Vec<u32>,
    /// What was found, with the numbers of the paths.
    found: Vec<(usize, Found<'e>)>,
    /// Every string and number of the event, for searches in all fields.
    all: Option<Vec<Leaf<'e>>>,
}

impl<'e> Fields<'e> {
    pub(crate) fn new(event: &'e Event<'e>, paths: &'e [FieldPath]) -> Self {
        Self {
            places: vec![0; paths.len()],
            found: Vec::with_capacity(32.min(paths.len())),
            ..Self::few(event, paths)
        }
    }

    /// For looking up a few fields: a table of all of them would cost more.
    pub(crate) const fn few(event: &'e Event<'e>, paths: &'e [FieldPath]) -> Self {
        Self { event, paths, places: Vec::new(), found: Vec::new(), all: None }
    }

    /// The event.
    pub(crate) const fn event(&self) -> &'e Event<'e> {
        self.event
    }

    /// Where the values of a field are, for [`Self::found`].
    pub(crate) fn place(&mut self, path: usize) -> usize {
        let known = match self.places.get(path) {
            Some(place) => place.checked_sub(1).and_then(|place| usize::try_from(place).ok()),
            None => self.found.iter().position(|(known, _)| *known == path),
        };
        known.unwrap_or_else(|| self.look_up(path))
    }

    fn look_up(&mut self, path: usize) -> usize {
        let found = self.paths.get(path).map(|path| Found::look_up(self.event, path));
        self.found.push((path, found.unwrap_or_default()));
        if let Some(place) = self.places.get_mut(path) {
            *place = u32::try_from(self.found.len()).unwrap_or(0);
        }
        self.found.len() - 1
    }

    /// What is at a place; `None` never happens for a place that [`Self::place`] gave.
    pub(crate) fn found(&self, place: usize) -> Option<&Found<'e>> {
        self.found.get(place).map(|(_, found)| found)
    }

    /// The name of a path.
    pub(crate) fn name(&self, path: usize) -> Option<Arc<str>> {
        self.paths.get(path).map(FieldPath::name)
    }

    /// Every string and number of the source's own fields.
    pub(crate) fn all(&mut self) -> &[Leaf<'e>] {
        let event = self.event;
        self.all.get_or_insert_with(|| {
            let mut all = Vec::with_capacity(event.fields.len());
            for (_, value) in &event.fields {
                gather(value, &mut all);
            }
            all
        })
    }
}

fn gather<'e>(value: &'e Value<'e>, all: &mut Vec<Leaf<'e>>) {
    match value {
        Value::List(members) => members.iter().for_each(|member| gather(member, all)),
        Value::Object(object) => object.iter().for_each(|(_, value)| gather(value, all)),
        Value::Null | Value::Bool(_) => {}
        value => all.push(Leaf::new(value)),
    }
}
