//! The body of an HTTP request, unpacked within limits.

use base::limits;
use bytes::Bytes;

use crate::{CollectError, bucket::Decompressor};

/// How many bytes are unpacked at a time.
const STEP_BYTES: usize = 256 << 10;

/// Where the errors of this module happened: a body has no address of its own.
const PLACE: &str = "request body";

/// Unpacks the body of an HTTP request by its `Content-Encoding`: `identity` (or none), `gzip`
/// (also as `x-gzip`) or `zstd`.
///
/// # Errors
///
/// [`CollectError::Encoding`] for any other encoding, [`CollectError::BodyTooLarge`] for a body
/// past [`limits::HTTP_BODY_BYTES_MAX`] or, unpacked, [`limits::HTTP_BODY_DECOMPRESSED_BYTES_MAX`],
/// [`CollectError::EndsEarly`] and [`CollectError::Damaged`] for one that is not whole.
pub fn decompress_body(encoding: Option<&str>, body: Bytes) -> Result<Bytes, CollectError> {
    unpack(encoding, body, limits::HTTP_BODY_DECOMPRESSED_BYTES_MAX)
}

pub(super) fn unpack(
    encoding: Option<&str>,
    body: Bytes,
    bytes_max: usize,
) -> Result<Bytes, CollectError> {
    if body.len() > limits::HTTP_BODY_BYTES_MAX {
        let bytes_max = limits::HTTP_BODY_BYTES_MAX;
        return Err(CollectError::BodyTooLarge { bytes_max, unpacked: false });
    }
    let encoding = encoding.unwrap_or_default().trim();
    let (format, mut decompressor) = match encoding.to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(body),
        "gzip" | "x-gzip" => ("gzip", Decompressor::gzip()),
        "zstd" => {
            let decompressor = Decompressor::zstd(limits::HTTP_ZSTD_WINDOW_LOG_MAX)
                .map_err(|error| damaged("zstd", error.to_string()))?;
            ("zstd", decompressor)
        }
        _ => return Err(CollectError::Encoding { encoding: encoding.to_owned() }),
    };
    let mut unpacked = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    let mut input = body.as_ref();
    loop {
        let progress = decompressor.run(input, &mut step);
        input = input.get(progress.read..).unwrap_or_default();
        if unpacked.len() + progress.written > bytes_max {
            return Err(CollectError::BodyTooLarge { bytes_max, unpacked: true });
        }
        unpacked.extend_from_slice(step.get(..progress.written).unwrap_or_default());
        if let Some(reason) = progress.damage {
            return Err(damaged(format, reason));
        }
        if progress.written < step.len() {
            break;
        }
    }
    if !decompressor.is_between() {
        return Err(CollectError::EndsEarly { format, address: PLACE.to_owned() });
    }
    Ok(unpacked.into())
}

fn damaged(format: &'static str, reason: String) -> CollectError {
    CollectError::Damaged { format, reason, address: PLACE.to_owned() }
}
