//! Values in the state store: JSON with a version, so that an older dab knows what it can't read.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::NotifyError;

/// The version of everything this crate stores.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u32,
    #[serde(flatten)]
    value: T,
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

/// Encodes a value for the store.
pub(crate) fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, NotifyError> {
    serde_json::to_vec(&Envelope { version: VERSION, value })
        .map_err(|cause| NotifyError::Malformed { key: key.to_owned(), cause })
}

/// Decodes a stored value.
///
/// # Errors
/// [`NotifyError::Newer`] if a later dab wrote it, [`NotifyError::Malformed`] if nobody did.
pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, NotifyError> {
    let malformed = |cause| NotifyError::Malformed { key: key.to_owned(), cause };
    let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
    if head.version > VERSION {
        return Err(NotifyError::Newer { key: key.to_owned(), version: head.version });
    }
    let envelope: Envelope<T> = serde_json::from_slice(bytes).map_err(malformed)?;
    Ok(envelope.value)
}
