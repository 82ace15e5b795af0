//! Identities made of texts that attackers may choose.
//!
//! Events decide what goes into a deduplication key. With a hash for which collisions can be
//! computed (FNV, as in `base::ObjectHash`), an attacker could shape one field so that the alert it
//! should raise joins one that an analyst has already closed. So this is SHA-256.

use std::fmt::Write as _;

/// The first 128 bits, in hex, of SHA-256 over the parts, each preceded by its length.
///
/// Part of stored formats: the same parts give the same text for ever.
pub(crate) fn identity<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let digest = context.finish();
    hex(digest.as_ref().iter().take(16))
}

/// Bytes in lower-case hex.
pub(crate) fn hex<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> String {
    bytes.into_iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a string cannot fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_the_value_is_stable() {
        assert_ne!(identity(["ab", "c"]), identity(["a", "bc"]));
        assert_ne!(identity(["a"]), identity(["a", ""]));
        // A stored format: this value must never change.
        assert_eq!(identity(["rule", "value"]), "32e8204785a262ba8afc0c7c7035e5dd");
    }
}
