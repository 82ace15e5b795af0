//! Matching of text, made ready by [`super::pattern`].

use memchr::memmem::Finder;

use crate::stream::fields::Leaf;

/// The characters that `windash` takes for one another: hyphen, slash, en dash, em dash, bar.
pub(crate) const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];

/// Lower-cases character by character, so that a part of a text and the whole agree.
pub(crate) fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    lower_into(text, &mut out);
    out
}

/// As [`lower`], at the end of another text.
pub(crate) fn lower_into(text: &str, out: &mut String) {
    let mut rest = text;
    loop {
        // Nearly all text is ASCII, if only up to the `®` behind a product's name.
        let (ascii, other) = rest.split_at_checked(ascii_length(rest)).unwrap_or((rest, ""));
        let start = out.len();
        out.push_str(ascii);
        if let Some(added) = out.get_mut(start..) {
            added.make_ascii_lowercase();
        }
        let mut chars = other.chars();
        let Some(char) = chars.next() else { return };
        out.extend(char.to_lowercase());
        rest = chars.as_str();
    }
}

/// How many bytes stand before the first character that is not ASCII.
fn ascii_length(text: &str) -> usize {
    /// So many bytes are looked at together, which compilers turn into a few instructions.
    const TOGETHER: usize = 16;
    let (chunks, rest) = text.as_bytes().as_chunks::<TOGETHER>();
    let length_of = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii()).count();
    match chunks.iter().position(|chunk| !chunk.is_ascii()) {
        Some(at) => at * TOGETHER + chunks.get(at).map_or(0, |chunk| length_of(chunk)),
        None => chunks.len() * TOGETHER + length_of(rest),
    }
}

/// Whether [`lower`] would change nothing, without doubt.
pub(crate) fn is_lower(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase())
}

/// A string ready to be matched against text.
#[derive(Debug, Clone)]
pub(crate) struct TextTest {
    is_cased: bool,
    /// The pairs of characters that any matching text has, in lower case.
    needed: Bigrams,
    shape: Shape,
}

/// Which pairs of neighboring bytes a text has, as a set of their hashes: it may claim pairs that
/// are not there, and never lacks one that is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bigrams([u64; 8]);

/// The longest text whose pairs are worth gathering: that of a longer one has nearly all hashes.
const BIGRAM_TEXT_BYTES_MAX: usize = 1024;

impl Bigrams {
    /// The pairs of a text in lower case.
    pub(crate) fn of(text: &str) -> Self {
        if text.len() > BIGRAM_TEXT_BYTES_MAX {
            return Self([u64::MAX; 8]);
        }
        let mut bigrams = Self::default();
        bigrams.add(text);
        bigrams
    }

    fn add(&mut self, text: &str) {
        for (first, second) in text.bytes().zip(text.bytes().skip(1)) {
            let hash = (u32::from(first).wrapping_mul(0x9e37_79b1))
                .wrapping_add(u32::from(second).wrapping_mul(0x85eb_ca77))
                >> 23;
            if let Some(word) = self.0.get_mut(usize::try_from(hash >> 6).unwrap_or(0)) {
                *word |= 1 << (hash & 63);
            }
        }
    }

    fn holds_all(&self, needed: &Self) -> bool {
        self.0.iter().zip(&needed.0).all(|(held, needed)| needed & !held == 0)
    }
}

#[derive(Debug, Clone)]
enum Shape {
    /// `*`: any text.
    Anything,
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(Box<Finder<'static>>),
    Glob(Box<Glob>),
}

/// Segments between `*`s.
#[derive(Debug, Clone)]
struct Glob {
    /// Matched at the start of the text.
    first: Vec<Atom>,
    /// Found from left to right.
    middle: Vec<Segment>,
    /// Matched at the end; `None` if there is no `*` at all, so that `first` is everything.
    last: Option<Vec<Atom>>,
}

/// What a string asks for, for those who answer it for many strings at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asks<'t> {
    /// Any text.
    Anything,
    Exact(&'t str),
    Prefix(&'t str),
    Suffix(&'t str),
    Contains(&'t str),
    /// Something else, in which all these stand.
    Parts(Vec<&'t str>),
}

/// A part of a pattern without `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Atom {
    Plain(String),
    One,
    Dash,
}

/// A segment that is looked for by its longest plain part.
#[derive(Debug, Clone)]
struct Segment {
    before: Vec<Atom>,
    needle: Option<Box<Finder<'static>>>,
    after: Vec<Atom>,
}

impl Atom {
    fn as_plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::One | Self::Dash => None,
        }
    }
}

impl Shape {
    fn new(mut segments: Vec<Vec<Atom>>) -> Self {
        match segments.as_mut_slice() {
            [only] => match only.as_mut_slice() {
                [] => return Self::Exact(String::new()),
                [Atom::Plain(text)] => return Self::Exact(std::mem::take(text)),
                _ => {}
            },
            [start, middle @ .., end] => {
                middle.sort_by_key(|segment| !segment.is_empty());
                let empty = middle.iter().take_while(|segment| segment.is_empty()).count();
                debug_assert!(middle.iter().skip(empty).all(|segment| !segment.is_empty()));
                let middle = middle.get_mut(empty..).unwrap_or_default();
                match (start.as_mut_slice(), middle, end.as_mut_slice()) {
                    ([], [], []) => return Self::Anything,
                    ([Atom::Plain(text)], [], []) => return Self::Prefix(std::mem::take(text)),
                    ([], [], [Atom::Plain(text)]) => return Self::Suffix(std::mem::take(text)),
                    ([], [inner], []) => {
                        if let [Atom::Plain(text)] = inner.as_slice() {
                            return Self::Contains(Box::new(Finder::new(text).into_owned()));
                        }
                    }
                    _ => {}
                }
            }
            [] => return Self::Exact(String::new()),
        }
        Self::Glob(Box::new(Glob::new(segments)))
    }
}

impl TextTest {
    /// A test for parts with anything between them.
    pub(super) fn new(segments: Vec<Vec<Atom>>, is_cased: bool) -> Self {
        let mut needed = Bigrams::default();
        for atom in segments.iter().flatten() {
            if let Atom::Plain(text) = atom {
                needed.add(&lower(text));
            }
        }
        Self { is_cased, needed, shape: Shape::new(segments) }
    }

    /// Whether the value's text matches.
    #[inline]
    pub(crate) fn holds(&self, leaf: &Leaf<'_>) -> bool {
        let Some(text) = leaf.text() else { return false };
        let text = if self.is_cased { text } else { leaf.lower() };
        match &self.shape {
            Shape::Anything => true,
            Shape::Exact(expected) => text == expected,
            Shape::Prefix(prefix) => text.as_bytes().starts_with(prefix.as_bytes()),
            Shape::Suffix(suffix) => text.as_bytes().ends_with(suffix.as_bytes()),
            Shape::Contains(finder) => {
                leaf.bigrams().holds_all(&self.needed) && finder.find(text.as_bytes()).is_some()
            }
            Shape::Glob(glob) => leaf.bigrams().holds_all(&self.needed) && glob.matches(text),
        }
    }

    /// Whether upper and lower case differ. If they don't, what it asks for is in lower case.
    pub(crate) const fn is_cased(&self) -> bool {
        self.is_cased
    }

    /// What it asks for.
    pub(crate) fn asks(&self) -> Asks<'_> {
        match &self.shape {
            Shape::Anything => Asks::Anything,
            Shape::Exact(text) => Asks::Exact(text),
            Shape::Prefix(text) => Asks::Prefix(text),
            Shape::Suffix(text) => Asks::Suffix(text),
            Shape::Contains(finder) => {
                std::str::from_utf8(finder.needle()).map_or(Asks::Parts(Vec::new()), Asks::Contains)
            }
            Shape::Glob(glob) => Asks::Parts(glob.parts()),
        }
    }

    /// What it costs, in units of a comparison of two short texts.
    pub(crate) const fn cost(&self) -> usize {
        match &self.shape {
            Shape::Anything | Shape::Exact(_) | Shape::Prefix(_) | Shape::Suffix(_) => 1,
            Shape::Contains(_) => 3,
            Shape::Glob(_) => 5,
        }
    }
}

impl Glob {
    fn new(segments: Vec<Vec<Atom>>) -> Self {
        let mut segments = segments.into_iter();
        let first = segments.next().unwrap_or_default();
        let last = segments.next_back();
        let middle = segments.filter(|segment| !segment.is_empty()).map(Segment::new).collect();
        Self { first, middle, last }
    }

    /// The plain texts that a match holds, each as long as it can be.
    fn parts(&self) -> Vec<&str> {
        let middle = self.middle.iter().flat_map(|segment| {
            let needle = segment.needle.as_ref();
            let needle = needle.and_then(|finder| std::str::from_utf8(finder.needle()).ok());
            let around = segment.before.iter().chain(&segment.after).filter_map(Atom::as_plain);
            needle.into_iter().chain(around)
        });
        let last = self.last.iter().flatten();
        let ends = self.first.iter().chain(last).filter_map(Atom::as_plain);
        middle.chain(ends).collect()
    }

    fn matches(&self, text: &str) -> bool {
        let Some(mut rest) = strip_start(&self.first, text) else { return false };
        let Some(last) = &self.last else { return rest.is_empty() };
        for segment in &self.middle {
            match segment.find(rest) {
                Some(behind) => rest = behind,
                None => return false,
            }
        }
        strip_end(last, rest).is_some()
    }
}

impl Segment {
    fn new(atoms: Vec<Atom>) -> Self {
        let length = |atom: &Atom| match atom {
            Atom::Plain(text) => text.len(),
            Atom::One | Atom::Dash => 0,
        };
        let longest = (0..atoms.len()).max_by_key(|index| atoms.get(*index).map_or(0, length));
        let mut before = atoms;
        let mut rest = before.split_off(longest.unwrap_or(0));
        match rest.first() {
            Some(Atom::Plain(text)) => {
                let needle = Some(Box::new(Finder::new(text).into_owned()));
                rest.remove(0);
                Self { before, needle, after: rest }
            }
            _ => {
                before.extend(rest);
                Self { before: Vec::new(), needle: None, after: before }
            }
        }
    }

    /// What stands behind the leftmost place where the segment matches.
    ///
    /// Leftmost is enough: what follows a `*` has the most room then. Every part has a fixed number
    /// of characters, so the leftmost needle that fits is the leftmost match.
    fn find<'t>(&self, text: &'t str) -> Option<&'t str> {
        let Some(needle) = &self.needle else {
            let mut rest = text;
            loop {
                if let Some(behind) = strip_start(&self.after, rest) {
                    return Some(behind);
                }
                let mut chars = rest.chars();
                chars.next()?;
                rest = chars.as_str();
            }
        };
        let mut from = 0;
        loop {
            let at = from + needle.find(text.as_bytes().get(from..)?)?;
            let (before, found) = text.split_at_checked(at)?;
            if strip_end(&self.before, before).is_some() {
                let behind = found.get(needle.needle().len()..)?;
                if let Some(behind) = strip_start(&self.after, behind) {
                    return Some(behind);
                }
            }
            from = at + 1;
        }
    }
}

fn strip_start<'t>(atoms: &[Atom], text: &'t str) -> Option<&'t str> {
    atoms.iter().try_fold(text, |rest, atom| match atom {
        Atom::Plain(plain) => rest.strip_prefix(plain.as_str()),
        Atom::One => {
            let mut chars = rest.chars();
            chars.next().map(|_| chars.as_str())
        }
        Atom::Dash => rest.strip_prefix(DASHES),
    })
}

fn strip_end<'t>(atoms: &[Atom], text: &'t str) -> Option<&'t str> {
    atoms.iter().rev().try_fold(text, |rest, atom| match atom {
        Atom::Plain(plain) => rest.strip_suffix(plain.as_str()),
        Atom::One => {
            let mut chars = rest.chars();
            chars.next_back().map(|_| chars.as_str())
        }
        Atom::Dash => rest.strip_suffix(DASHES),
    })
}
