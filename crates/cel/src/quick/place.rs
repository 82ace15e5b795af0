//! Where a test finds its value.

use base::{Event, Object, Value};

use super::word::Word;
use crate::{node::Node, path::Path};

/// How many fields that an expression reads several times are looked up once.
pub(super) const REPEATED_MAX: usize = 4;

/// How deeply macros may nest in the quick form.
pub(super) const LOCALS_MAX: usize = 4;

/// A field of the event, a macro's variable, or a field of that.
#[derive(Debug)]
pub(crate) enum Place {
    /// A field with a plain name.
    Plain(Word),
    /// A field inside another, or spelt with a dot.
    Two(Box<Two>),
    /// A field deeper inside.
    Deep(Box<Path>),
    /// A field that is read several times, with the place where its value is remembered.
    Repeated(usize, Box<Self>),
    Local(usize),
    LocalPlain(usize, Word),
    LocalDeep(usize, Box<Path>),
}

/// `a.b`.
#[derive(Debug)]
pub(crate) struct Two {
    first: Word,
    second: Word,
    whole: Word,
}

impl Place {
    pub(super) fn field(path: &Path) -> Self {
        let word = |at| Word::new(path.part(at).unwrap_or_default());
        match path.len() {
            1 => Self::Plain(word(0)),
            2 => Self::Two(Box::new(Two {
                first: word(0),
                second: word(1),
                whole: Word::new(path.name()),
            })),
            _ => Self::Deep(Box::new(path.clone())),
        }
    }

    /// The place that a node reads, if it reads nothing else.
    pub(super) fn of(node: &Node) -> Option<Self> {
        match node {
            Node::Test(test) => Self::of(&test.inner),
            Node::Field { path, .. } => Some(Self::field(path)),
            Node::Local(slot) if *slot < LOCALS_MAX => Some(Self::Local(*slot)),
            Node::Select { operand, path } => match &**operand {
                Node::Local(slot) if *slot < LOCALS_MAX => Some(match path.len() {
                    1 => Self::LocalPlain(*slot, Word::new(path.name())),
                    _ => Self::LocalDeep(*slot, Box::new(path.clone())),
                }),
                _ => None,
            },
            _ => None,
        }
    }

    /// A field's value; a variable has none.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: a call costs as much as the look-up")]
    pub(super) fn in_event<'a>(&self, event: &'a Event<'a>) -> Option<&'a Value<'a>> {
        match self {
            Self::Plain(name) => match name.find(&event.fields) {
                None => name.find(&event.normalized),
                found => found,
            },
            Self::Two(two) => match two.find(&event.fields) {
                None => two.find(&event.normalized),
                found => found,
            },
            Self::Deep(path) => path.in_event(event),
            Self::Repeated(_, place) => place.again(event),
            Self::Local(_) | Self::LocalPlain(..) | Self::LocalDeep(..) => None,
        }
    }

    #[inline(never)]
    fn again<'a>(&self, event: &'a Event<'a>) -> Option<&'a Value<'a>> {
        match self {
            // None is nested in another.
            Self::Repeated(..) => None,
            place => place.in_event(event),
        }
    }

    /// The field's name, of a field.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Plain(name) => Some(name.as_str()),
            Self::Two(two) => Some(two.whole.as_str()),
            Self::Deep(path) => Some(path.name()),
            Self::Repeated(_, place) => place.name(),
            Self::Local(_) | Self::LocalPlain(..) | Self::LocalDeep(..) => None,
        }
    }
}

impl Two {
    /// As [`Path::in_object`]: the longer key wins, the first of several.
    fn find<'a>(&self, object: &'a Object<'a>) -> Option<&'a Value<'a>> {
        if let Some(value) = self.whole.find(object) {
            return Some(value);
        }
        match self.first.find(object)? {
            Value::Object(inner) => self.second.find(inner),
            _ => None,
        }
    }
}
