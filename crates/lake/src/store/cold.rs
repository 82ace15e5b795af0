//! Raw bytes, back out of the cold tier.

use std::io::Read as _;

use base::Timestamp;
use bytes::Bytes;

use super::Lake;
use crate::{LakeError, batch::Manifest, layout};

impl Lake {
    /// The names of the sources that ever wrote a batch.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`]: try again.
    pub async fn sources(&self) -> Result<Vec<String>, LakeError> {
        self.folders(layout::BATCHES).await
    }

    /// Writes down that events of a committed batch are, or are about to be, at other times too: whoever
    /// looks for its rows finds them by that.
    ///
    /// # Errors
    ///
    /// As [`Self::manifest`].
    pub async fn note_times(
        &self,
        source: &str,
        number: u64,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<(), LakeError> {
        let mut manifest = self.manifest(source, number).await?;
        manifest.time_min = Some(manifest.time_min.map_or(from, |known| known.min(from)));
        manifest.time_max = Some(manifest.time_max.map_or(to, |known| known.max(to)));
        let key = layout::manifest(source, number);
        let json =
            serde_json::to_vec(&manifest).map_err(|error| LakeError::encode(&key, &error))?;
        self.put(&key, json.into()).await
    }

    /// The raw bytes of a batch, its segments one after another; `None` if it has none, or they are no
    /// longer there. They are as many as were written, and what their sum says they are.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if they are not what was written.
    pub async fn raw_bytes(&self, manifest: &Manifest) -> Result<Option<Bytes>, LakeError> {
        let Some(cold) = &manifest.cold else { return Ok(None) };
        let Some(stored) = self.get(&cold.key).await? else { return Ok(None) };
        let expected: u64 = cold.segments.iter().map(|segment| segment.length).sum();
        let corrupt = |reason: String| LakeError::corrupt(self.address(&cold.key), reason);
        let mut bytes = Vec::new();
        // One byte more than expected is enough to notice that there are too many.
        zstd::stream::read::Decoder::new(&*stored)
            .and_then(|decoder| decoder.take(expected.saturating_add(1)).read_to_end(&mut bytes))
            .map_err(|error| corrupt(error.to_string()))?;
        if bytes.len() as u64 != expected {
            let found = if bytes.len() as u64 > expected { "more" } else { "fewer" };
            return Err(corrupt(format!(
                "it holds {found} than the {expected} bytes that came in"
            )));
        }
        Ok(Some(bytes.into()))
    }
}
