//! Cuts texts into what is indexed of them.
//!
//! A *run* is a stretch of ASCII letters and digits, as long as it goes. Which of 64 bytes are letters or
//! digits is found for all at once; from there on it is a matter of counting bits. Texts that stand in a
//! larger buffer are read where they are, as a word that is read past their end does no harm there.

use wide::i8x16;

/// The shortest token that is indexed: shorter ones are in every block.
const TOKEN_BYTES_MIN: usize = 3;
/// How many letters a gram has.
pub(super) const GRAM_LETTERS: usize = 4;
/// How many grams there are.
pub(super) const GRAMS: u32 = 26 * 26 * 26 * 26;
/// How many bytes are classified at once.
const WINDOW: usize = 64;
/// What makes a letter lower case, and leaves digits and dots as they are.
const LOWER: u64 = 0x2020_2020_2020_2020;

/// Takes the tokens and grams of a text.
pub(super) trait Sink {
    /// A token, by its hash. Whether it may be a new one: if not, tokens of up to eight bytes, of which no
    /// two have the same hash, need not have their grams handed over again.
    fn token(&mut self, hash: u64) -> bool;
    /// A gram.
    fn gram(&mut self, gram: u32);
}

/// Hands over what is indexed of a text.
pub(super) fn scan(text: &[u8], sink: &mut impl Sink) {
    scan_in(text, 0, text.len(), sink);
}

/// The same, of the bytes of `buffer` from `from` to `to`.
pub(super) fn scan_in(buffer: &[u8], from: usize, to: usize, sink: &mut impl Sink) {
    runs(buffer, from, to, |run| {
        let length = run.to - run.from;
        let mut is_new = true;
        if run.is_token() {
            is_new = sink.token(hash_in(buffer, run.from, run.to)) || length > 8;
        }
        if is_new {
            run.grams(buffer, |gram| sink.gram(gram));
        }
        if let Some(from) = run.address {
            sink.token(hash_in(buffer, from, run.to));
        }
    });
}

/// A run of letters and digits.
pub(super) struct Run {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Which of its bytes are letters: one bit for each, of the first 64.
    letters: u64,
    /// Where the address begins that ends with it: four decimal numbers with dots between.
    pub(super) address: Option<usize>,
}

impl Run {
    pub(super) const fn is_token(&self) -> bool {
        self.to - self.from >= TOKEN_BYTES_MIN
    }

    /// Finds its grams.
    #[inline]
    pub(super) fn grams(&self, buffer: &[u8], mut found: impl FnMut(u32)) {
        if self.to - self.from > WINDOW {
            plain_grams(buffer.get(self.from..self.to).unwrap_or_default(), found);
            return;
        }
        let letters = self.letters;
        let mut four = letters & (letters >> 1) & (letters >> 2) & (letters >> 3);
        while four != 0 {
            let at = self.from + four.trailing_zeros() as usize;
            four &= four - 1;
            if let Some(bytes) = buffer.get(at..).and_then(<[u8]>::first_chunk) {
                found(gram(*bytes));
            }
        }
    }
}

/// Four letters as a number in base 26, the first counting most.
#[inline]
fn gram(letters: [u8; GRAM_LETTERS]) -> u32 {
    let ranks = (u32::from_le_bytes(letters) | 0x2020_2020).wrapping_sub(0x6161_6161);
    let pairs = (ranks & 0x00ff_00ff).wrapping_mul(26).wrapping_add((ranks >> 8) & 0x00ff_00ff);
    (pairs & 0xffff) * 676 + (pairs >> 16)
}

/// The grams of a run, byte by byte.
fn plain_grams(run: &[u8], mut found: impl FnMut(u32)) {
    for four in run.windows(GRAM_LETTERS) {
        if let Some(four) = four.first_chunk()
            && four.iter().all(u8::is_ascii_alphabetic)
        {
            found(gram(*four));
        }
    }
}

/// Finds all runs of the bytes from `from` to `to`. Bytes beyond ASCII end a run, whether they are
/// letters or not: a word that ends where one begins is a run all the same.
#[inline]
pub(super) fn runs(buffer: &[u8], from: usize, to: usize, mut found: impl FnMut(&Run)) {
    let mut addresses = Addresses::default();
    let mut base = from;
    while base < to {
        let window = (to - base).min(WINDOW);
        let (letters, digits) = classes(buffer, base, window);
        let mut rest = letters | digits;
        let mut next = base + window;
        while rest != 0 {
            let start = rest.trailing_zeros();
            let length = (!(rest >> start)).trailing_zeros();
            let end = start + length;
            let mut run = Run {
                from: base + start as usize,
                to: base + end as usize,
                letters: (letters >> start) & low_bits(length),
                address: None,
            };
            if end as usize == WINDOW && run.to < to {
                // It may go on: it is looked at again from where it begins.
                if start > 0 {
                    next = run.from;
                    break;
                }
                let beyond = buffer.get(run.to..to).unwrap_or_default();
                let ends = beyond.iter().position(|byte| !byte.is_ascii_alphanumeric());
                run.to += ends.unwrap_or(beyond.len());
                next = run.to;
                rest = 0;
            } else {
                rest = if end < 64 { rest >> end << end } else { 0 };
            }
            run.address = addresses.end(buffer, &run);
            found(&run);
        }
        base = next;
    }
}

/// Notices addresses: runs of up to three digits that follow one another with a dot between.
#[derive(Default)]
struct Addresses {
    /// Where the last of them began, newest first.
    numbers: [usize; 4],
    chain: usize,
    /// Where the last one ended.
    last_end: Option<usize>,
}

impl Addresses {
    /// Where the address begins that ends with this run.
    #[inline]
    fn end(&mut self, buffer: &[u8], run: &Run) -> Option<usize> {
        if run.letters != 0 || run.to - run.from > 3 {
            self.last_end = None;
            return None;
        }
        let follows =
            self.last_end.is_some_and(|end| run.from == end + 1 && buffer.get(end) == Some(&b'.'));
        self.chain = if follows { self.chain + 1 } else { 1 };
        self.numbers.rotate_right(1);
        self.numbers[0] = run.from;
        self.last_end = Some(run.to);
        (self.chain >= 4).then_some(self.numbers[3])
    }
}

/// Which of so many bytes, at most 64, are letters, and which are digits: one bit for each, the first
/// lowest.
#[inline]
fn classes(buffer: &[u8], from: usize, window: usize) -> (u64, u64) {
    let (mut letters, mut digits) = (0, 0);
    for quarter in 0..window.div_ceil(16) {
        let at = from + 16 * quarter;
        let bytes = match buffer.get(at..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => *bytes,
            None => padded(buffer, at),
        };
        let bytes = i8x16::new(bytes.map(u8::cast_signed));
        let lower = bytes | i8x16::splat(0x20);
        let between = |bytes: i8x16, before: u8, behind: u8| {
            let above = bytes.simd_gt(i8x16::splat(before.cast_signed()));
            let below = bytes.simd_lt(i8x16::splat(behind.cast_signed()));
            u64::from((above & below).to_bitmask() & 0xffff)
        };
        letters |= between(lower, b'a' - 1, b'z' + 1) << (16 * quarter);
        digits |= between(bytes, b'0' - 1, b'9' + 1) << (16 * quarter);
    }
    let inside = low_bits(u32::try_from(window).unwrap_or(64));
    (letters & inside, digits & inside)
}

const fn low_bits(count: u32) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// The bits of the first of eight bytes.
fn bytes_inside(count: usize) -> u64 {
    low_bits(8 * u32::try_from(count.min(8)).unwrap_or(8))
}

/// The bytes from `from` on, and zeros behind the buffer's end.
#[cold]
fn padded<const N: usize>(buffer: &[u8], from: usize) -> [u8; N] {
    let mut bytes = [0; N];
    for (slot, byte) in bytes.iter_mut().zip(buffer.get(from..).unwrap_or_default()) {
        *slot = *byte;
    }
    bytes
}

/// The first eight of `length` bytes, the first of them lowest; where there are fewer, zeros behind them.
#[inline]
pub(super) fn word(buffer: &[u8], from: usize, length: usize) -> u64 {
    let bytes = match buffer.get(from..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => *bytes,
        None => padded(buffer, from),
    };
    u64::from_le_bytes(bytes) & bytes_inside(length)
}

/// The hash of a token, in any case: of words of eight bytes in lower case, the last filled up with
/// zeros. Each is taken in by a multiplication, and the last step is that of `MurmurHash3`. The function
/// is part of the stored form. No two tokens of up to eight bytes have the same.
#[inline]
pub(super) fn hash_in(buffer: &[u8], from: usize, to: usize) -> u64 {
    let mut hash = 0x243f_6a88_85a3_08d3_u64;
    let mut at = from;
    while at < to {
        let left = to - at;
        hash = (hash ^ (word(buffer, at, left) | (LOWER & bytes_inside(left))))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 32;
        at += 8;
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// The hash of a token that stands alone.
pub(super) fn hash(token: &[u8]) -> u64 {
    hash_in(token, 0, token.len())
}

/// The token of a number, if its digits are long enough to be one.
pub(super) fn digits_key(digits: &[u8], from: usize, to: usize) -> Option<u64> {
    (to - from >= TOKEN_BYTES_MIN).then(|| hash_in(digits, from, to))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A sink that keeps all, whatever it was told before.
    #[derive(Default, Debug, PartialEq, Eq)]
    struct All {
        tokens: BTreeSet<u64>,
        grams: BTreeSet<u32>,
    }

    impl Sink for All {
        fn token(&mut self, hash: u64) -> bool {
            self.tokens.insert(hash)
        }
        fn gram(&mut self, gram: u32) {
            self.grams.insert(gram);
        }
    }

    /// What is indexed of a text, as the documentation says it.
    fn plainly(text: &str) -> All {
        let mut all = All::default();
        let ends = |c: char| !c.is_ascii_alphanumeric();
        for run in text.split(ends).filter(|run| !run.is_empty()) {
            let lower = run.to_ascii_lowercase();
            if lower.len() >= 3 {
                all.tokens.insert(hash(lower.as_bytes()));
            }
            for four in lower.as_bytes().windows(4) {
                if four.iter().all(u8::is_ascii_lowercase) {
                    let rank = |byte: &u8| u32::from(byte - b'a');
                    all.grams.insert(four.iter().fold(0, |gram, byte| gram * 26 + rank(byte)));
                }
            }
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.';
        for chain in text.split(|c| !is_part(c)) {
            let parts: Vec<&str> = chain.split('.').collect();
            for four in parts.windows(4) {
                let is_number = |part: &&str| {
                    (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
                };
                if four.iter().all(is_number) {
                    all.tokens.insert(hash(four.join(".").as_bytes()));
                }
            }
        }
        all
    }

    fn scanned(buffer: &[u8], from: usize, to: usize) -> All {
        let mut all = All::default();
        scan_in(buffer, from, to, &mut all);
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        /// Wherever it stands: what is around it is not looked at.
        #[test]
        fn a_text_is_cut_as_documented(
            before in "[a-z0-9. ]{0,20}",
            text in "([a-dA-D]{1,70}|[0-9]{1,4}[.]|[0-9]{1,3}|[a-z0-9é{@`/:\\[]| |[.]){0,24}",
            after in "[a-z0-9.]{0,40}",
        ) {
            let expected = plainly(&text);
            prop_assert_eq!(&scanned(text.as_bytes(), 0, text.len()), &expected);
            let buffer = format!("{before}{text}{after}");
            let (from, to) = (before.len(), before.len() + text.len());
            prop_assert_eq!(&scanned(buffer.as_bytes(), from, to), &expected);
        }

        #[test]
        fn any_bytes_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut letters = 0;
            runs(&bytes, 0, bytes.len(), |run| {
                assert!(bytes[run.from..run.to].iter().all(u8::is_ascii_alphanumeric));
                letters += run.to - run.from;
            });
            let expected = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
            prop_assert_eq!(letters, expected);
        }

        #[test]
        fn short_tokens_have_hashes_of_their_own(
            one in "[a-z0-9]{1,8}", other in "[a-z0-9]{1,8}",
        ) {
            prop_assert_eq!(one == other, hash(one.as_bytes()) == hash(other.as_bytes()));
            prop_assert_eq!(hash(one.as_bytes()), hash(one.to_uppercase().as_bytes()));
        }
    }

    #[test]
    fn hashes_are_spread() {
        let mut first_bits = [0_usize; 256];
        for number in 0..100_000_u32 {
            let token = format!("user{number}");
            first_bits[usize::try_from(hash(token.as_bytes()) >> 56).unwrap()] += 1;
        }
        let (least, most) = (first_bits.iter().min().unwrap(), first_bits.iter().max().unwrap());
        assert!(*least > 300 && *most < 490, "{least} to {most} of 390 on average");
    }
}
