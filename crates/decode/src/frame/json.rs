//! The structure of JSON, and nothing else of it: where a value ends, where an array is.

use base::FieldPath;

/// Looks for the end of a value, over as many buffers as it takes.
#[derive(Debug, Clone, Default)]
pub(super) struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Whether the value is a number or a word: it ends where something else begins.
    bare: bool,
    begun: bool,
    /// Where in the last buffer the string began that is still open, or the buffer's length.
    open_from: usize,
}

impl Scan {
    /// Inside this many objects already.
    pub(super) fn inside(depth: u32) -> Self {
        Self { depth, begun: true, ..Self::default() }
    }

    /// Having looked at `bytes`, where nothing ended.
    pub(super) fn over(bytes: &[u8]) -> Self {
        let mut scan = Self::default();
        scan.find_end(bytes);
        scan
    }

    /// Whether the value is a number or a word, which may end where the object does.
    pub(super) const fn is_bare(&self) -> bool {
        self.bare
    }

    /// How much of the last buffer lies before a string that is cut in two.
    pub(super) const fn outside_strings_until(&self) -> usize {
        self.open_from
    }

    /// How deep that is.
    pub(super) const fn depth_at_string(&self) -> u32 {
        self.depth
    }

    /// The index behind the value's last byte, if it ends in `bytes`.
    pub(super) fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            if self.in_string {
                at = self.string(bytes, at)?;
                if self.depth == 0 && !self.in_string {
                    return Some(at);
                }
                continue;
            }
            match byte {
                b'"' if !self.bare => {
                    self.in_string = true;
                    self.open_from = at;
                }
                b'{' | b'[' if !self.bare => self.depth = self.depth.saturating_add(1),
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if self.bare => return Some(at),
                _ if !self.begun => self.bare = true,
                _ => {}
            }
            self.begun = true;
            at += 1;
        }
        if !self.in_string {
            self.open_from = bytes.len();
        }
        None
    }

    /// Goes on inside a string. Answers where it ends, or `None` if not here.
    fn string(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        if self.escaped {
            self.escaped = false;
            at += 1;
        }
        while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..)?) {
            let special = at + found;
            if bytes.get(special) == Some(&b'"') {
                self.in_string = false;
                return Some(special + 1);
            }
            at = special + 2;
            if at > bytes.len() {
                self.escaped = true;
                return None;
            }
        }
        None
    }
}

/// What came of looking for an array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// It begins here: its first element is at or behind `start`, inside `depth` objects.
    Found { start: usize, depth: u32 },
    /// The object ends at `end` and does not have it.
    Absent { end: usize },
    /// The object goes on past the buffer.
    Incomplete,
}

/// Looks for the array at `path` in the object that `bytes` begins with.
pub(super) fn find_array(bytes: &[u8], path: &FieldPath) -> Search {
    let mut part = 0;
    let mut at = 1;
    loop {
        match member(bytes, at, path.part(part).unwrap_or_default()) {
            None => return Search::Incomplete,
            Some(Member::End) => return absent(bytes),
            Some(Member::Other { next }) => at = next,
            Some(Member::Wanted { value }) => {
                let is_last = part + 1 == path.len();
                match (bytes.get(value), is_last) {
                    (None, _) => return Search::Incomplete,
                    (Some(b'['), true) => {
                        let depth = u32::try_from(path.len()).unwrap_or(u32::MAX);
                        return Search::Found { start: value + 1, depth };
                    }
                    (Some(b'{'), false) => {
                        part += 1;
                        at = value + 1;
                    }
                    _ => return absent(bytes),
                }
            }
        }
    }
}

fn absent(bytes: &[u8]) -> Search {
    Scan::default().find_end(bytes).map_or(Search::Incomplete, |end| Search::Absent { end })
}

enum Member {
    /// The object closes.
    End,
    /// Another key; the next member is at or behind `next`.
    Other { next: usize },
    /// The key; its value begins at `value`.
    Wanted { value: usize },
}

/// Looks at the member that begins at or behind `at`; `None` if the buffer ends first.
fn member(bytes: &[u8], at: usize, wanted: &str) -> Option<Member> {
    let key = at + skip(bytes, at, b",")?;
    if bytes.get(key) != Some(&b'"') {
        // `}`, or no JSON: either way there is nothing to find.
        return Some(Member::End);
    }
    let mut scan = Scan::default();
    let key_end = key + scan.find_end(bytes.get(key..)?)?;
    let value = key_end + skip(bytes, key_end, b":")?;
    let name = bytes.get(key + 1..key_end - 1)?;
    if name == wanted.as_bytes() {
        return Some(Member::Wanted { value });
    }
    let length = Scan::default().find_end(bytes.get(value..)?)?;
    // A value without length is no value: step over it, so that the search ends.
    Some(Member::Other { next: value + length.max(1) })
}

/// How many bytes of space (and `also`) there are; `None` if nothing follows them.
fn skip(bytes: &[u8], at: usize, also: &[u8]) -> Option<usize> {
    let rest = bytes.get(at..)?;
    let is_space = |byte: &u8| byte.is_ascii_whitespace() || also.contains(byte);
    rest.iter().position(|byte| !is_space(byte))
}
