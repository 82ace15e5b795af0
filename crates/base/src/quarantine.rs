//! A record that could not be decoded, kept with its reason until it can be.

use serde::{Deserialize, Serialize};

use crate::{Report, Timestamp};

/// A quarantined record (or object), as stored and as listed.
///
/// Nothing is discarded: the bytes are in `bytes`, or, where they are too many, in the object
/// named by `spill`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    /// The event id that the record would have had; replaying it gives the event this id.
    pub id: String,
    /// When it was put here.
    pub time: Timestamp,
    /// Its log source.
    pub log_source: String,
    /// The object (or request) it came in.
    pub object: String,
    /// The offset of its first byte in the decompressed object.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// The header that its object had in front of it, which says what its values mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Why it could not be decoded, where, and what to do.
    pub problem: Report,
    /// The bytes, up to [`crate::limits::QUARANTINE_INLINE_BYTES_MAX`] of them.
    #[serde(with = "bytes_as_text")]
    pub bytes: Vec<u8>,
    /// The key of the object in the lake that holds all the bytes, where `bytes` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spill: Option<String>,
}

/// UTF-8 as it is, anything else as `hex:…`, so that a person can read most of it.
mod bytes_as_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ptr_arg, reason = "the signature that serde's `with` calls")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Vec<u8>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.starts_with("hex:") => serializer.serialize_str(text),
            _ => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
                serializer.serialize_str(&format!("hex:{hex}"))
            }
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(hex) = text.strip_prefix("hex:") else { return Ok(text.into_bytes()) };
        let digits = hex.as_bytes().chunks_exact(2);
        if !digits.remainder().is_empty() {
            return Err(D::Error::custom("an odd number of hex digits"));
        }
        digits
            .map(|pair| {
                let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
                u8::from_str_radix(pair, 16).map_err(D::Error::custom)
            })
            .collect()
    }

    #[cfg(test)]
    mod tests {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Holder(#[serde(with = "super")] Vec<u8>);

        #[test]
        fn bytes_survive_the_round_trip() {
            for bytes in [&b"plain"[..], b"", b"hex:00", &[0xff, 0x00, 0x80], "é".as_bytes()] {
                let json = serde_json::to_string(&Holder(bytes.to_vec())).unwrap();
                let Holder(read) = serde_json::from_str(&json).unwrap();
                assert_eq!(read, bytes);
            }
        }
    }
}
