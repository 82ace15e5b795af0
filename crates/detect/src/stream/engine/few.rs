//! Finds which of a few literals a text contains, sixteen bytes or more at a time.
//!
//! Of each literal, four bytes in a row (its *piece*) are looked for by the vector search of
//! `aho-corasick`; where one is found, the literals with this piece are compared. The piece is the
//! one whose bytes are rarest in logs, so that hardly anything is compared in vain.

use std::collections::HashMap;

use aho_corasick::{Span, packed::Searcher};

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

    /// Whether this character is in any literal.
    pub(super) fn has(&self, char: char) -> bool {
        let mut buffer = [0; 4];
        let char = char.encode_utf8(&mut buffer).as_bytes();
        let mut texts = self.pieces.iter().flatten().map(|literal| &literal.text);
        texts.any(|text| text.windows(char.len()).any(|part| part == char))
    }

    /// Calls `found` with the id of each literal that the text in lower case contains, perhaps
    /// repeatedly.
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

/// How rare bytes are, all together.
fn rarity(bytes: &[u8]) -> usize {
    let of_byte = |byte: &u8| {
        let place = FREQUENT.iter().position(|frequent| frequent == byte);
        place.unwrap_or(2 * FREQUENT.len())
    };
    bytes.iter().map(of_byte).sum()
}
