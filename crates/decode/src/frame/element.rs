//! Where an element of XML ends: at the end tag of its name that belongs to its start tag.
//!
//! Looks at markup only: other elements may be left open, so that one bad record does not touch the
//! next one.

/// The longest name of an element that is told from others, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Looks for the end of an element, over as many buffers as it takes.
#[derive(Debug, Clone)]
pub(super) struct ElementScan {
    name: String,
    depth: u32,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// Between tags.
    Text,
    /// Behind `<`, as far as it was seen: what it is must be told yet.
    Markup(Vec<u8>),
    /// Inside a tag.
    Tag { kind: Kind, quote: Option<u8>, last: u8 },
    /// Up to this text: a comment, a section of characters, an instruction.
    Until { end: &'static [u8], seen: Vec<u8> },
}

/// What a tag does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Start,
    End,
    /// It is another element's.
    Other,
}

impl ElementScan {
    /// At a `<`, of an element of this name or of anything else.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), depth: 0, state: State::Text }
    }

    /// The index behind the element's end tag, or behind markup that opens no such element, if it
    /// is in `bytes`.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (consumed, is_end_of_markup) = match &mut self.state {
                State::Text => match memchr::memchr(b'<', rest) {
                    None => return None,
                    Some(found) => {
                        self.state = State::Markup(Vec::new());
                        (found + 1, false)
                    }
                },
                State::Markup(_) => (self.markup(rest), false),
                State::Tag { .. } => self.tag(rest),
                State::Until { end, seen } => {
                    let found = until(end, seen, rest);
                    if found.is_some() {
                        self.state = State::Text;
                    }
                    (found.unwrap_or(rest.len()), found.is_some())
                }
            };
            at += consumed;
            if is_end_of_markup && self.depth == 0 {
                return Some(at);
            }
        }
        None
    }

    /// Tells what markup is. Answers how many bytes that took.
    fn markup(&mut self, rest: &[u8]) -> usize {
        let State::Markup(seen) = &mut self.state else { return 0 };
        for (index, byte) in rest.iter().enumerate() {
            let state = match (seen.as_slice(), *byte) {
                ([], b'?') => Some(State::Until { end: b"?>", seen: Vec::new() }),
                (b"!-", b'-') => Some(State::Until { end: b"-->", seen: Vec::new() }),
                (b"![CDATA", b'[') => Some(State::Until { end: b"]]>", seen: Vec::new() }),
                (name, b'>' | b' ' | b'\t' | b'\r' | b'\n') => {
                    Some(tag_of(&self.name, name, *byte))
                }
                (name @ [_, ..], b'/') => Some(tag_of(&self.name, name, *byte)),
                (name, byte) if name.len() >= NAME_BYTES_MAX => {
                    Some(State::Tag { kind: Kind::Other, quote: None, last: byte })
                }
                _ => None,
            };
            if let Some(state) = state {
                self.state = state;
                // The end of a tag is for the tag to see.
                return if *byte == b'>' { index } else { index + 1 };
            }
            seen.push(*byte);
        }
        rest.len()
    }

    /// Goes on inside a tag. Answers how many bytes that took, and whether it has ended.
    fn tag(&mut self, rest: &[u8]) -> (usize, bool) {
        let State::Tag { kind, quote, last } = &mut self.state else { return (0, false) };
        if let Some(open) = *quote {
            let Some(found) = memchr::memchr(open, rest) else { return (rest.len(), false) };
            *quote = None;
            *last = open;
            return (found + 1, false);
        }
        let Some(found) = memchr::memchr3(b'>', b'"', b'\'', rest) else {
            *last = rest.last().copied().unwrap_or(*last);
            return (rest.len(), false);
        };
        let byte = rest.get(found).copied().unwrap_or_default();
        let before = found.checked_sub(1).and_then(|before| rest.get(before)).copied();
        if byte != b'>' {
            *quote = Some(byte);
            return (found + 1, false);
        }
        let is_empty = before.unwrap_or(*last) == b'/';
        self.depth = match kind {
            Kind::Start if !is_empty => self.depth.saturating_add(1),
            Kind::End => self.depth.saturating_sub(1),
            Kind::Start | Kind::Other => self.depth,
        };
        self.state = State::Text;
        (found + 1, true)
    }
}

/// The tag that begins with `name`, and `next` behind it.
fn tag_of(wanted: &str, name: &[u8], next: u8) -> State {
    let (is_end, name) = match name {
        [b'/', name @ ..] => (true, name),
        name => (false, name),
    };
    let kind = match (is_named(name, wanted), is_end) {
        (false, _) => Kind::Other,
        (true, true) => Kind::End,
        (true, false) => Kind::Start,
    };
    State::Tag { kind, quote: None, last: next }
}

/// Whether `bytes` begin with the start tag of an element of this name.
pub(super) fn is_start(bytes: &[u8], name: &str) -> bool {
    let tag = bytes.strip_prefix(b"<").unwrap_or_default();
    let is_end = |byte: &u8| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace();
    is_named(tag.split(is_end).next().unwrap_or_default(), name)
}

/// Whether a tag's name is `wanted`, with a prefix of a namespace or without.
fn is_named(name: &[u8], wanted: &str) -> bool {
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    local == wanted.as_bytes()
}

/// How many bytes of `rest` go up to the end of `end`, of which `seen` may have been seen before.
fn until(end: &[u8], seen: &mut Vec<u8>, rest: &[u8]) -> Option<usize> {
    let before = seen.len();
    // A piece of the end may stand at the end of the buffer before.
    let head = rest.get(..end.len().min(rest.len())).unwrap_or_default();
    let mut joined = seen.clone();
    joined.extend_from_slice(head);
    if let Some(found) = memchr::memmem::find(&joined, end) {
        return Some(found + end.len() - before);
    }
    if let Some(found) = memchr::memmem::find(rest, end) {
        return Some(found + end.len());
    }
    seen.extend_from_slice(rest);
    let keep = seen.len().min(end.len() - 1);
    seen.drain(..seen.len() - keep);
    None
}
