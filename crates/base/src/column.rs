//! The types that columns of events have.

use serde::{Deserialize, Serialize};

/// The type of a column that holds a field of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// A whole number of 64 bits with sign.
    Int,
    /// An IEEE 754 double.
    Float,
    /// A truth value.
    Bool,
    /// A list of texts.
    TextList,
}
