//! Bytes as hexadecimal digits.

/// Two digits in lower case for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string can't fail.
        write!(out, "{byte:02x}").unwrap_or_default();
    }
    out
}
