//! From a record's bytes to its fields.

mod access;
mod auditd;
mod extension;
mod gather;
mod json;
mod key_value;
mod pattern;
mod quoted;
mod syslog;
mod table;
mod text;
mod xml;

use std::borrow::Cow;

use crate::{Encoding, Reject, RejectKind, reject::excerpt};

use json::fraction;
pub(crate) use json::parse_text;
pub use json::{Scratch, parse_json, parse_json_in};
pub(crate) use pattern::{Patterns, cast_text};
pub(crate) use table::{Columns, is_flow_header};
pub(crate) use text::TextParser;

/// The record as text.
///
/// # Errors
/// If it is to be UTF-8 and is not.
pub(crate) fn text_of(record: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, Reject> {
    match simdutf8::compat::from_utf8(record) {
        // ASCII means the same in both encodings, and nearly all records are ASCII.
        Ok(text) if encoding == Encoding::Utf8 || text.is_ascii() => Ok(Cow::Borrowed(text)),
        Ok(_) => Ok(Cow::Owned(latin1(record))),
        Err(_) if encoding == Encoding::Latin1 => Ok(Cow::Owned(latin1(record))),
        Err(error) => Err(not_utf8(record, error.valid_up_to())),
    }
}

fn latin1(record: &[u8]) -> String {
    record.iter().map(|byte| char::from(*byte)).collect()
}

fn not_utf8(record: &[u8], at: usize) -> Reject {
    let byte = record.get(at).copied().unwrap_or_default();
    Reject::new(RejectKind::Encoding, format!("the byte 0x{byte:02x} is not UTF-8 here"))
        .at(record, at)
        .help("write `encoding: latin1` under `format` if the source writes ISO 8859-1")
}
