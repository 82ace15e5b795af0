//! Making an input out of seeds: the same for the same seeds, seed and number.
//!
//! Most are small, because a small one takes little time and what is wrong with a large one mostly shows in
//! a small one, too; one in some hundreds is large, for what only shows there.

use std::collections::BTreeSet;

use testkit::Random;

use crate::Target;

/// Inputs are cut to this many bytes, but for the few large ones.
const SMALL_BYTES: usize = 400;
/// What a large one may have.
const LARGE_BYTES_MAX: usize = 64 << 10;
/// One input in so many is large.
const LARGE_EVERY: u64 = 2048;
/// One in so many is a whole seed, however long, with changes.
const WHOLE_EVERY: u64 = 64;
/// How many words are taken from the seeds.
const WORDS_MAX: usize = 4000;

const NUMBERS: &[i64] = &[
    0,
    1,
    -1,
    2,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    127,
    128,
    255,
    256,
    1023,
    4095,
    4096,
    32767,
    32768,
    65535,
    65536,
    2_147_483_647,
    -2_147_483_648,
    4_294_967_295,
    i64::MAX,
    i64::MIN,
];

/// Damage to UTF-8, and characters that take care.
const ODD: &[&[u8]] = &[
    b"\xff",
    b"\x80",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xef\xbb\xbf",
    b"\0",
    "\u{1f600}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{df}".as_bytes(),
    "\u{2028}".as_bytes(),
    "e\u{301}".as_bytes(),
    "\u{202e}".as_bytes(),
    b"\xff\xfe",
    b"\x7f",
    b"\x1b[31m",
];

/// What inputs of a target are made of.
#[derive(Debug)]
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
    salt: u64,
}

impl Mutator {
    /// Of these seeds, and the words in them.
    #[must_use]
    pub fn new(target: &Target, seeds: Vec<Vec<u8>>) -> Self {
        let mut words: BTreeSet<Vec<u8>> =
            target.tokens.iter().map(|token| token.as_bytes().to_vec()).collect();
        for seed in &seeds {
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-%@".contains(byte);
            let found =
                seed.split(|byte| !is_word(byte)).filter(|word| (2..32).contains(&word.len()));
            for word in found {
                if words.len() < WORDS_MAX {
                    words.insert(word.to_vec());
                }
            }
        }
        let salt =
            target.name.bytes().fold(0, |salt: u64, byte| salt.wrapping_mul(257) ^ u64::from(byte));
        Self { seeds, words: words.into_iter().collect(), salt }
    }

    /// How many seeds there are.
    #[must_use]
    pub fn seeds(&self) -> usize {
        self.seeds.len()
    }

    /// The input of a number. The first are the seeds as they are.
    #[must_use]
    pub fn input(&self, seed: u64, number: u64) -> Vec<u8> {
        let as_is = usize::try_from(number).ok().and_then(|number| self.seeds.get(number));
        if let Some(input) = as_is {
            return input.clone();
        }
        let start = Random::new(seed ^ self.salt).next();
        let mut making =
            Making { of: self, random: Random::new(start ^ number.wrapping_mul(0x9e37_79b9)) };
        let mut input = making.start();
        let most = 1 << making.random.below(4);
        let rounds = 1 + making.random.below(most);
        for _ in 0..rounds {
            making.change(&mut input);
        }
        input.truncate(LARGE_BYTES_MAX);
        input
    }
}

/// One input in the making.
struct Making<'m> {
    of: &'m Mutator,
    random: Random,
}

impl<'m> Making<'m> {
    /// A seed or a piece of one.
    fn start(&mut self) -> Vec<u8> {
        let Some(seed) = self.any(&self.of.seeds) else { return self.noise(32) };
        if seed.len() <= SMALL_BYTES || self.one_in(WHOLE_EVERY) {
            let mut input = seed.to_vec();
            if self.one_in(LARGE_EVERY / WHOLE_EVERY) {
                self.grow(&mut input);
            }
            return input;
        }
        // The beginning says of what kind it is: it stays.
        let head = self.random.index(SMALL_BYTES / 2) + 1;
        let tail = self.piece(seed, SMALL_BYTES / 2);
        [seed.get(..head).unwrap_or_default(), tail].concat()
    }

    /// One change of any kind.
    fn change(&mut self, input: &mut Vec<u8>) {
        match self.random.below(20) {
            0 => self.flip(input),
            1 => {
                let byte = self.random.byte(0, 255);
                self.replace(input, 1, &[byte]);
            }
            2 => {
                let noise = self.noise(8);
                self.replace(input, 0, &noise);
            }
            3 | 4 => self.replace(input, 32, b""),
            5 => {
                let copy = self.piece(&input.clone(), 64).to_vec();
                self.replace(input, 0, &copy);
            }
            6 => {
                let copy = self.piece(&input.clone(), 64).to_vec();
                self.replace(input, 64, &copy);
            }
            7..=9 => {
                let word = self.any(&self.of.words).unwrap_or_default();
                let over = if self.one_in(2) { 0 } else { 12 };
                self.replace(input, over, word);
            }
            10 | 11 => self.splice(input),
            12 => {
                let end = self.random.index(input.len() + 1);
                input.truncate(end);
            }
            13 | 14 => self.number(input),
            15 => self.length(input),
            16 => {
                let odd = *self.random.pick(ODD);
                self.replace(input, 1, odd);
            }
            17 => self.repeat(input),
            18 => {
                let end =
                    *self.random.pick(&[b"\n" as &[u8], b"\r\n", b"\n\n", b" ", b"\t", b"\""]);
                self.replace(input, 1, end);
            }
            _ => self.swap_case(input),
        }
    }

    fn one_in(&mut self, number: u64) -> bool {
        self.random.below(number) == 0
    }

    fn any(&mut self, of: &'m [Vec<u8>]) -> Option<&'m [u8]> {
        of.get(self.random.index(of.len())).map(Vec::as_slice)
    }

    fn noise(&mut self, bytes_max: usize) -> Vec<u8> {
        let length = self.random.index(bytes_max) + 1;
        (0..length).map(|_| self.random.byte(0, 255)).collect()
    }

    /// A piece of `bytes` that is no longer than `length_max`.
    fn piece<'b>(&mut self, bytes: &'b [u8], length_max: usize) -> &'b [u8] {
        let at = self.random.index(bytes.len());
        let length = self.random.index(length_max) + 1;
        bytes.get(at..(at + length).min(bytes.len())).unwrap_or_default()
    }

    /// Puts `by` anywhere, over no more than `over_max` bytes.
    fn replace(&mut self, input: &mut Vec<u8>, over_max: usize, by: &[u8]) {
        let at = self.random.index(input.len() + 1);
        let over = self.random.index(over_max + 1);
        let end = (at + over).min(input.len());
        input.splice(at..end, by.iter().copied());
    }

    fn flip(&mut self, input: &mut [u8]) {
        let at = self.random.index(input.len());
        if let Some(byte) = input.get_mut(at) {
            *byte ^= 1 << self.random.below(8);
        }
    }

    /// The beginning of one, and a piece of another.
    fn splice(&mut self, input: &mut Vec<u8>) {
        let Some(other) = self.any(&self.of.seeds) else { return };
        let piece = self.piece(other, 128);
        let over = if self.one_in(2) { 0 } else { 128 };
        self.replace(input, over, piece);
    }

    /// Another number where there is one.
    fn number(&mut self, input: &mut Vec<u8>) {
        let from = self.random.index(input.len());
        let digit = |byte: &u8| byte.is_ascii_digit();
        let rest = input.get(from..).unwrap_or_default();
        let at = rest.iter().position(digit).map_or(from, |at| from + at);
        let rest = input.get(at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| digit(byte)).count();
        let number = *self.random.pick(NUMBERS);
        input.splice(at..at + length, number.to_string().into_bytes());
    }

    /// A length or offset of binary formats, in both orders of bytes.
    fn length(&mut self, input: &mut [u8]) {
        let number = *self.random.pick(NUMBERS);
        let width = *self.random.pick(&[1, 2, 4, 8_usize]);
        let bytes = if self.one_in(2) { number.to_le_bytes() } else { number.to_be_bytes() };
        let at = self.random.index(input.len());
        for (target, byte) in input.iter_mut().skip(at).take(width).zip(bytes) {
            *target = byte;
        }
    }

    /// The same again and again: what nests, nests deep.
    fn repeat(&mut self, input: &mut Vec<u8>) {
        let word = self.any(&self.of.words).unwrap_or_default();
        let what =
            if self.one_in(2) { word.to_vec() } else { self.piece(&input.clone(), 8).to_vec() };
        let most = if self.one_in(64) { 2000 } else { 40 };
        let times = 1 + self.random.index(most);
        self.replace(input, 0, &what.repeat(times));
    }

    fn swap_case(&mut self, input: &mut [u8]) {
        let at = self.random.index(input.len());
        for byte in input.iter_mut().skip(at).take(4).filter(|byte| byte.is_ascii_alphabetic()) {
            *byte ^= 0x20;
        }
    }

    /// Many times as long.
    fn grow(&mut self, input: &mut Vec<u8>) {
        let seed = self.any(&self.of.seeds).unwrap_or_default();
        let piece = self.piece(seed, SMALL_BYTES).to_vec();
        let times = self.random.index(LARGE_BYTES_MAX / piece.len().max(1));
        self.replace(input, 0, &piece.repeat(times));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn mutator(seeds: &[&[u8]]) -> Mutator {
        let target = Target { name: "t", run: |_| {}, tokens: &["{", "null"] };
        Mutator::new(&target, seeds.iter().map(|seed| seed.to_vec()).collect())
    }

    #[test]
    fn an_input_is_made_of_seed_and_number_alone() {
        let seeds: [&[u8]; 2] = [b"{\"a\": 12, \"b\": [true]}", &[b'x'; 5000]];
        let (one, other) = (mutator(&seeds), mutator(&seeds));
        let inputs: Vec<_> = (0..500).map(|number| one.input(7, number)).collect();
        let again: Vec<_> = (0..500).rev().map(|number| other.input(7, number)).collect();
        assert!(inputs.iter().eq(again.iter().rev()));
        assert_eq!(inputs[0], seeds[0], "the seeds come first");
        assert_ne!(
            inputs[2..],
            (2..500).map(|number| one.input(8, number)).collect::<Vec<_>>()[..]
        );
    }

    #[test]
    fn inputs_differ_and_most_are_small() {
        let mutator = mutator(&[b"{\"a\": 12, \"b\": [true]}", &[b'x'; 5000]]);
        let inputs: Vec<_> = (0..20_000).map(|number| mutator.input(1, number)).collect();
        let different: HashSet<_> = inputs.iter().collect();
        assert!(different.len() > 15_000, "{}", different.len());
        let small = inputs.iter().filter(|input| input.len() < 2 * SMALL_BYTES).count();
        assert!(small > 18_000, "{small}");
        assert!(inputs.iter().any(|input| input.len() > 10_000));
        assert!(inputs.iter().all(|input| input.len() <= LARGE_BYTES_MAX));
    }

    #[test]
    fn makes_something_of_nothing() {
        let mutator = mutator(&[]);
        assert!((0..1000).any(|number| mutator.input(1, number).len() > 4));
    }
}
