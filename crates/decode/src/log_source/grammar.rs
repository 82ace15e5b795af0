//! How the text of one record is structured: everything that is neither JSON nor free lines.

use base::ColumnType;

use super::Layout;

/// Records of text whose structure is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Their structure.
    pub grammar: Grammar,
    /// The types of fields that are not text.
    pub types: Vec<(String, ColumnType)>,
}

/// The structure of a record of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grammar {
    /// Keys with values.
    KeyValue(KeyValue),
    /// Values, whose names stand in a header or in the log source.
    Table(Table),
    /// A header of syslog, and a message.
    Syslog(Syslog),
    /// ArcSight's common event format.
    Cef(Cef),
    /// QRadar's log event extended format.
    Leef,
    /// Records of Linux's audit daemon.
    Auditd,
    /// Access logs in the common or combined format.
    Access,
    /// Elements of XML.
    Xml(Xml),
}

/// Syslog, with a header of RFC 5424 or RFC 3164.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Syslog {
    /// The formats of messages: the first that a message is in counts. None: they are text.
    pub payloads: Vec<Payload>,
    /// Whether a message that is in none of the formats that are meant for it goes to the quarantine,
    /// not into the table as text.
    pub quarantine_unmatched: bool,
    /// Whether the whole record is kept as well, in `original`.
    pub keep_original: bool,
}

/// The format of some of the messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The programs whose messages are meant; none: all.
    pub appnames: Vec<String>,
    /// A regular expression that is found in the messages that are meant.
    pub matching: Option<String>,
    /// How they are written.
    pub layout: Layout,
}

/// ArcSight's common event format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cef {
    /// Whether `cs1` gets the name that `cs1Label` says, and so on.
    pub labels: bool,
}

/// Elements of XML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xml {
    /// The name of the elements that are records.
    pub record: String,
    /// Whether they are Windows events: they stay inside a field of that name then, as other tools
    /// have them, and what is a number in all of them is one.
    pub is_windows: bool,
}

/// Keys with values: `level=info msg="it works"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// What stands between pairs. `None`: spaces and tabs.
    pub pair_separator: Option<String>,
    /// What stands between a key and its value.
    pub value_separator: String,
    /// The character around values that hold separators.
    pub quote: u8,
    /// What stands for another character in quotes.
    pub escapes: Escapes,
}

/// What stands for another character in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escapes {
    /// Nothing.
    None,
    /// A backslash in front of a quote or of a backslash.
    Quotes,
    /// All that Go and JSON have: also `\n`, `\t`, `\x41`, `\u0041`.
    All,
}

/// Values in rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// How rows and headers are written.
    pub dialect: Dialect,
    /// The names of the columns. Empty: a header names them.
    pub columns: Vec<String>,
    /// Values that stand for none.
    pub nulls: Vec<String>,
    /// Lines that begin with this are no rows.
    pub comment: Option<String>,
    /// Whether rows may have more or fewer values than there are columns.
    pub is_ragged: bool,
}

/// How the rows of a table are written, and its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// RFC 4180 and its relatives. The first row is the header, unless there are fixed columns.
    Delimited {
        /// What stands between values: an ASCII character.
        delimiter: u8,
        /// Whether values may stand in quotes, with delimiters and line ends inside.
        is_quoted: bool,
    },
    /// The W3C extended log file format, as IIS writes it: `#Fields: …`.
    W3c,
    /// Zeek's tables: `#separator …`, `#fields …`, `#types …`.
    Zeek,
    /// AWS VPC flow logs, with a header or without one.
    VpcFlow,
}

impl Default for KeyValue {
    fn default() -> Self {
        Self {
            pair_separator: None,
            value_separator: "=".to_owned(),
            quote: b'"',
            escapes: Escapes::Quotes,
        }
    }
}

impl Table {
    /// A table of this dialect, all of it by default.
    #[must_use]
    pub const fn new(dialect: Dialect) -> Self {
        Self { dialect, columns: Vec::new(), nulls: Vec::new(), comment: None, is_ragged: false }
    }
}

impl Text {
    /// The delimiter of rows whose values may stand in quotes, with line ends inside.
    pub(crate) const fn quoted_delimiter(&self) -> Option<u8> {
        match &self.grammar {
            Grammar::Table(Table {
                dialect: Dialect::Delimited { delimiter, is_quoted: true },
                ..
            }) => Some(*delimiter),
            _ => None,
        }
    }
}

impl Layout {
    /// The fields whose types the log source says.
    #[must_use]
    pub fn types(&self) -> Vec<(&str, ColumnType)> {
        let types = match self {
            Self::Lines(lines) => &lines.types,
            Self::Text(text) => &text.types,
            Self::Ndjson | Self::Json { .. } => return Vec::new(),
        };
        let mut all: Vec<(&str, ColumnType)> =
            types.iter().map(|(name, column)| (name.as_str(), *column)).collect();
        if let Self::Text(text) = self
            && let Grammar::Syslog(syslog) = &text.grammar
        {
            all.extend(syslog.payloads.iter().flat_map(|payload| payload.layout.types()));
        }
        all
    }

    /// Whether records are text, not JSON.
    #[must_use]
    pub const fn is_text(&self) -> bool {
        match self {
            Self::Ndjson | Self::Json { .. } => false,
            Self::Lines(_) | Self::Text(_) => true,
        }
    }

    /// Whether a record is always a line, so that something may stand before it on the same line.
    #[must_use]
    pub const fn is_by_line(&self) -> bool {
        match self {
            Self::Ndjson | Self::Json { .. } | Self::Lines(_) => true,
            Self::Text(text) => {
                !matches!(text.grammar, Grammar::Xml(_)) && text.quoted_delimiter().is_none()
            }
        }
    }

    /// Whether a header stands above records.
    pub(crate) fn is_headed(&self) -> bool {
        let Self::Text(text) = self else { return false };
        match &text.grammar {
            Grammar::Table(table) => match table.dialect {
                Dialect::Delimited { .. } => table.columns.is_empty(),
                Dialect::W3c | Dialect::Zeek | Dialect::VpcFlow => true,
            },
            _ => false,
        }
    }

    /// Whether tabs stand between values.
    pub(crate) fn is_tabbed(&self) -> bool {
        let Self::Text(text) = self else { return false };
        let Grammar::Table(table) = &text.grammar else { return false };
        matches!(table.dialect, Dialect::Zeek | Dialect::Delimited { delimiter: b'\t', .. })
    }
}
