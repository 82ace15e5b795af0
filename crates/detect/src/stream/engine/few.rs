//! Finds which of a few literals a text contains, sixteen bytes or more at a time.
//!
//! Of each literal, four bytes in a row (its *piece*) are looked for by the vector search of
//! `aho-corasick`; where one is found, the literals with this piece are compared. The piece is the
//! one whose bytes are rarest in logs, so that hardly anything is compared in vain.

use std::{collections::HashMap, sync::LazyLock};

use aho_corasick::{Span, packed::Searcher};
use base::event::write_json_text;
use memchr::memmem::Finder;

/// As many pieces as the vector search takes.
const LITERALS_MAX: usize = 64;

const PIECE_BYTES: usize = 4;

/// Bytes of logs in lower case, the most frequent first. Those that are left out are rare.
const FREQUENT: &[u8] = b"e0 a1tionsrc\\ldm23f4.56789bpu-\",:wghyvx/_k{}";

/// A few literals, made ready to be looked for at once.
#[derive(Debug)]
pub(super) struct Few {
    searcher: Searcher,
    /// By pattern of the searcher: the literals with this piece.
    pieces: Vec<Vec<Literal>>,
}

#[derive(Debug)]
struct Literal {
    text: Box<[u8]>,
    /// Where its piece begins.
    offset: usize,
    id: u32,
}

impl Few {
    /// Prepares literals in lower case with their ids; `None` if they are too many or too short, or
    /// this machine has no vector search.
    pub(super) fn new(literals: &[(String, u32)]) -> Option<Self> {
        let is_long = |(text, _): &(String, u32)| text.len() >= PIECE_BYTES;
        if literals.is_empty() || literals.len() > LITERALS_MAX || !literals.iter().all(is_long) {
            return None;
        }
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let (mut pieces, mut patterns) = (Vec::<Vec<Literal>>::new(), Vec::new());
        for (text, id) in literals {
            let windows = text.as_bytes().windows(PIECE_BYTES).enumerate();
            let (offset, piece) = windows.max_by_key(|(_, piece)| rarity(piece))?;
            let place = *places.entry(piece).or_insert(pieces.len());
            if place == pieces.len() {
                pieces.push(Vec::new());
                patterns.push(piece);
            }
            let literal = Literal { text: text.as_bytes().into(), offset, id: *id };
            pieces.get_mut(place)?.push(literal);
        }
        let mut config = Searcher::builder().clone();
        config.extend(patterns);
        Some(Self { searcher: config.build()?, pieces })
    }

    /// Prepares literals to be looked for in JSON that [`fold_json`] made ready, as they are there;
    /// `None` if they may be written otherwise, too.
    pub(super) fn in_json(literals: &[(String, u32)]) -> Option<Self> {
        // A slash may have a backslash before it.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'/';
        if !literals.iter().all(|(text, _)| text.bytes().all(is_plain)) {
            return None;
        }
        let folded = literals.iter().map(|(text, id)| {
            let mut json = String::new();
            write_json_text(text, &mut json);
            let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
            let folded = inner?.bytes().map(|byte| char::from(fold(byte))).collect();
            Some((folded, *id))
        });
        Self::new(&folded.collect::<Option<Vec<_>>>()?)
    }

    /// Whether this character is in any literal.
    pub(super) fn has(&self, char: char) -> bool {
        let mut buffer = [0; 4];
        let char = char.encode_utf8(&mut buffer).as_bytes();
        let mut texts = self.pieces.iter().flatten().map(|literal| &literal.text);
        texts.any(|text| text.windows(char.len()).any(|part| part == char))
    }

    /// Calls `found` with the id of each literal that the text contains, perhaps repeatedly; both
    /// are in lower case.
    pub(super) fn scan(&self, text: &[u8], found: &mut impl FnMut(u32)) {
        let mut span = Span { start: 0, end: text.len() };
        while let Some(piece) = self.searcher.find_in(text, span) {
            let literals = self.pieces.get(piece.pattern().as_usize());
            for literal in literals.into_iter().flatten() {
                let start = piece.start().checked_sub(literal.offset);
                let rest = start.and_then(|start| text.get(start..));
                if rest.is_some_and(|rest| rest.starts_with(&literal.text)) {
                    found(literal.id);
                }
            }
            // Another piece may begin within this one.
            span.start = piece.start() + 1;
        }
    }
}

/// Makes JSON ready for [`Few::in_json`]: upper case becomes lower case, and some other characters
/// become one another. Answers whether that can be: not where characters are spelled by their
/// numbers, or are no ASCII but become ASCII in lower case.
pub(super) fn fold_json(json: &str, folded: &mut Vec<u8>) -> bool {
    static NUMBERED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\\u"));
    /// All there are: the sign for kelvin, and the I with a dot.
    static OTHERS: LazyLock<[Finder<'static>; 2]> =
        LazyLock::new(|| ["\u{212a}", "\u{130}"].map(Finder::new));
    let json = json.as_bytes();
    folded.clear();
    folded.extend(json.iter().map(|byte| fold(*byte)));
    // A backslash behind another one is no beginning of an escape.
    let is_escape = |at: usize| {
        let before = json.get(..at).unwrap_or_default();
        before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
    };
    let has_others = || OTHERS.iter().any(|finder| finder.find(json).is_some());
    !NUMBERED.find_iter(json).any(is_escape) && (folded.is_ascii() || !has_others())
}

/// The same for upper and lower case.
const fn fold(byte: u8) -> u8 {
    byte | 0x20
}

/// How rare bytes are, all together.
fn rarity(bytes: &[u8]) -> usize {
    let of_byte = |byte: &u8| {
        let place = FREQUENT.iter().position(|frequent| frequent == byte);
        place.unwrap_or(2 * FREQUENT.len())
    };
    bytes.iter().map(of_byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigma::text::lower;

    const PIECES: [&str; 16] = [
        "abcd", "K", "k", "\u{212a}", "\u{130}", "i\u{307}", "\\", "\\u", "u0041", "\"", "/", "\n",
        "É", ":", "|", "ABCD",
    ];

    fn text(roll: &mut impl FnMut() -> usize) -> String {
        (0..1 + roll() % 6).map(|_| *PIECES.get(roll() % PIECES.len()).unwrap()).collect()
    }

    /// As a source may write it.
    fn written(text: &str, roll: &mut impl FnMut() -> usize) -> String {
        let mut json = String::new();
        write_json_text(text, &mut json);
        match roll() % 4 {
            0 => json.replace('/', "\\/"),
            1 => json.replace('k', "\\u006b"),
            _ => json,
        }
    }

    #[test]
    fn what_texts_hold_is_found_in_their_json() {
        let mut number = 1_u64;
        let mut roll = || {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(number >> 40).unwrap()
        };
        let (mut held, mut searched) = (0, 0);
        for _ in 0..60_000 {
            let literal = lower(&text(&mut roll));
            let Some(few) = Few::in_json(&[(literal.clone(), 0)]) else { continue };
            let text = text(&mut roll) + &text(&mut roll);
            let json = written(&text, &mut roll);
            let mut folded = Vec::new();
            if !fold_json(&json, &mut folded) {
                continue;
            }
            searched += 1;
            let mut is_found = false;
            few.scan(&folded, &mut |_| is_found = true);
            let holds = lower(&text).contains(&literal);
            assert!(is_found || !holds, "{literal:?} in {json}");
            held += usize::from(holds);
        }
        assert!(held > 300 && searched > 4_000, "{held} of {searched}");
    }
}
