//! How what a client said beside a record is told from the record.

/// Stands on both sides of what is said beside a record, in front of it and on the same line: ASCII's
/// record separator. Between the two is a JSON object.
pub const ABOUT_MARK: u8 = 0x1e;
