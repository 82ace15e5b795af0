//! The body of an HTTP request, unpacked within limits.

use base::limits;
use bytes::Bytes;

use crate::{
    CollectError,
    bucket::{Decompressor, Format, to_json, to_xml},
};

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

/// Whether [`body_as_text`] has something to do.
#[must_use]
pub fn is_binary(body: &[u8]) -> bool {
    matches!(Format::of(body), Some(Format::Evtx | Format::Parquet))
}

/// The records of a body as text: those of a Parquet file as lines of JSON, those of a Windows event log as
/// XML, any other body as it is. What can't be read of a file that is damaged stands in its place as a note
/// ([`base::write_damage`]).
///
/// # Errors
///
/// [`CollectError::BodyTooLarge`] past [`limits::HTTP_BODY_DECOMPRESSED_BYTES_MAX`] as text,
/// [`CollectError::EndsEarly`] and [`CollectError::Damaged`] for one that is not whole.
pub fn body_as_text(body: Bytes) -> Result<Bytes, CollectError> {
    as_text(body, limits::HTTP_BODY_DECOMPRESSED_BYTES_MAX)
}

pub(super) fn as_text(body: Bytes, bytes_max: usize) -> Result<Bytes, CollectError> {
    let format = Format::of(&body).unwrap_or(Format::Plain);
    let mut text = Vec::new();
    let mut is_too_large = false;
    let mut keep = |bytes: &[u8]| {
        is_too_large = text.len() + bytes.len() > bytes_max;
        if !is_too_large {
            text.extend_from_slice(bytes);
        }
        !is_too_large
    };
    let read = match format {
        Format::Evtx if to_xml(&body, &mut keep) => Ok(()),
        Format::Evtx => {
            Err(CollectError::EndsEarly { format: format.name(), address: PLACE.to_owned() })
        }
        Format::Parquet => {
            to_json(body, &mut keep).map_err(|reason| damaged(format.name(), reason))
        }
        _ => return Ok(body),
    };
    if is_too_large {
        return Err(CollectError::BodyTooLarge { bytes_max, unpacked: true });
    }
    read.map(|()| text.into())
}

fn damaged(format: &'static str, reason: String) -> CollectError {
    CollectError::Damaged { format, reason, address: PLACE.to_owned() }
}
