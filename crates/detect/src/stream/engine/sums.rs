//! Sums that stand for texts.
//!
//! Two texts of the same length have the same sum with a chance of 2⁻⁶⁴ at most, whatever they are:
//! that is proved of NH, which this is (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC: Fast and
//! Secure Message Authentication", 1999, with words of 64 bits). The chance is over the key, which
//! each process draws at random and shows nobody: whoever writes logs can't choose texts that have
//! the same sum. At a million texts a second, each compared with four others, that is one mistaken
//! text in a hundred thousand years.

use std::{hash::BuildHasher as _, hash::RandomState, sync::LazyLock};

/// The longest text that has a sum, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 16 * 1024;

/// How many bytes are multiplied at once.
const BLOCK: usize = 16;

/// Two words for each block, and for the last one, which may be short.
type Key = [[u64; 2]; TEXT_BYTES_MAX / BLOCK + 1];

static KEY: LazyLock<Box<Key>> = LazyLock::new(|| drawn(&RandomState::new()));

/// A key from what the operating system drew for the hash function of maps (`SipHash`), which makes
/// of it as many words as are needed.
fn drawn(random: &RandomState) -> Box<Key> {
    let mut key = Box::new([[0; 2]; TEXT_BYTES_MAX / BLOCK + 1]);
    for (number, word) in key.as_flattened_mut().iter_mut().enumerate() {
        *word = random.hash_one(number);
    }
    key
}

/// The sum of a text; `None` if it is too long.
#[inline]
pub(super) fn sum_of(text: &[u8]) -> Option<u128> {
    (text.len() <= TEXT_BYTES_MAX).then(|| sum_under(&KEY, text))
}

fn sum_under(key: &Key, text: &[u8]) -> u128 {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut sum = 0_u128;
    for (block, key) in blocks.iter().zip(key) {
        sum = sum.wrapping_add(product(block, *key));
    }
    let last_key = key.get(blocks.len()).copied().unwrap_or_default();
    sum.wrapping_add(product(&last_block(text, rest), last_key))
}

#[inline]
const fn product(block: &[u8; BLOCK], [first, second]: [u64; 2]) -> u128 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *block;
    let left = u64::from_le_bytes([a, b, c, d, e, f, g, h]).wrapping_add(first);
    let right = u64::from_le_bytes([i, j, k, l, m, n, o, p]).wrapping_add(second);
    left as u128 * right as u128
}

/// The bytes behind the last full block, so that texts of one length that differ in them differ
/// here: the last ones, with some that were in a block already, which costs no copy of some length.
#[inline]
fn last_block(text: &[u8], rest: &[u8]) -> [u8; BLOCK] {
    if let Some(last) = text.last_chunk::<BLOCK>() {
        return *last;
    }
    let mut block = [0; BLOCK];
    let (left, right) = block.split_at_mut(BLOCK / 2);
    if let (Some(first), Some(last)) = (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
        left.copy_from_slice(first);
        right.copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        left.iter_mut().zip(first).for_each(|(to, byte)| *to = *byte);
        right.iter_mut().zip(last).for_each(|(to, byte)| *to = *byte);
    } else {
        left.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    }
    block
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    #[test]
    fn a_sum_is_that_of_the_definition() {
        let key = drawn(&RandomState::new());
        let text = (0_u8..=255).cycle().take(1000).collect::<Vec<_>>();
        for length in (0..40).chain([1000]) {
            let text = &text[1..=length.min(999)];
            let mut padded = text.to_vec();
            match text.len() {
                0..8 => padded.resize(16, 0),
                8..16 => padded = [&text[..8], &text[text.len() - 8..]].concat(),
                long => {
                    padded.truncate(long / 16 * 16);
                    padded.extend_from_slice(&text[long - 16..]);
                }
            }
            if let 4..8 = text.len() {
                padded = [&text[..4], &[0; 4], &text[text.len() - 4..], &[0; 4]].concat();
            }
            let words = padded.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap()));
            let keyed = words.zip(key.as_flattened()).map(|(word, key)| word.wrapping_add(*key));
            let keyed = keyed.collect::<Vec<_>>();
            let products = keyed.chunks(2).map(|pair| u128::from(pair[0]) * u128::from(pair[1]));
            let expected = products.fold(0_u128, u128::wrapping_add);
            assert_eq!(sum_under(&key, text), expected, "{length}");
        }
    }

    /// Texts of one length that differ in a single byte, at any place, have different sums.
    #[test]
    fn every_byte_counts() {
        for length in (1..80).chain([1024, TEXT_BYTES_MAX]) {
            let mut text = vec![b'a'; length];
            let mut sums = HashSet::from([sum_of(&text)]);
            let places = (0..length).step_by(1 + length / 512).chain([length - 1]);
            for at in places.collect::<BTreeSet<_>>() {
                for byte in [b'b', 0, 0xff] {
                    text[at] = byte;
                    assert!(sums.insert(sum_of(&text)), "{length} {at}");
                }
                text[at] = b'a';
            }
        }
        assert_eq!(sum_of(&vec![0; TEXT_BYTES_MAX + 1]), None);
    }
}
