//! Raw bytes to events: records are framed, parsed, given their time and normalized.
//!
//! Promises: what can't be decoded is rejected by itself, with its reason and place, and everything
//! around it is decoded all the same; nothing of a record is lost on the way to its event. Does no
//! I/O and holds no more than one record.

mod about;
mod decoder;
mod enrich;
#[cfg(test)]
mod fixture;
mod frame;
mod lift;
mod log_source;
mod names;
mod normalize;
mod parse;
mod reject;
mod remap;
mod time;

pub use decoder::{At, Decoder};
pub use enrich::Enriched;
pub use frame::{Frame, FrameState, Framer, Header};
pub use log_source::{
    Cef, DecodeError, Dialect, Encoding, Enrich, EnrichField, Escapes, FieldRule, Format, Grammar,
    KeyValue, Layout, Lift, Lines, LogSource, Payload, Syslog, Table, Text, TimeFormat, TimeRule,
    Xml, shipped,
};
pub use parse::{Scratch, parse_json, parse_json_in};
pub use reject::{Reject, RejectKind};
