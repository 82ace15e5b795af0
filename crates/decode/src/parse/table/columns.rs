//! What a header says: the names and types of columns, and how values are written.

use std::borrow::Cow;

use base::{ColumnType, Value};

use crate::{
    Dialect, Reject, RejectKind, Table,
    parse::{cast_text, excerpt, fraction},
};

/// What a header says.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(super) columns: Vec<Column>,
    /// Fields that all rows have, whose values stand in the header.
    pub(super) constants: Vec<(&'static str, String)>,
    /// Zeek only.
    pub(super) delimiter: u8,
    pub(super) set_separator: String,
    pub(super) empty: String,
    pub(super) unset: String,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    One(ColumnType),
    /// A set or vector of these.
    Many(ColumnType),
}

/// The fields of a flow log in the default format, version 2
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>).
const FLOW_DEFAULT: &[&str] = &[
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// The other fields that flow logs may have, versions 3 to 8 (same page): by them a header is known.
const FLOW_FURTHER: &[&str] = &[
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "type",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "region",
    "az-id",
    "sublocation-type",
    "sublocation-id",
    "pkt-src-aws-service",
    "pkt-dst-aws-service",
    "flow-direction",
    "traffic-path",
    "ecs-cluster-arn",
    "ecs-cluster-name",
    "ecs-container-instance-arn",
    "ecs-container-instance-id",
    "ecs-container-id",
    "ecs-second-container-id",
    "ecs-service-name",
    "ecs-task-definition-arn",
    "ecs-task-arn",
    "ecs-task-id",
    "reject-reason",
    "resource-id",
    "encryption-status",
];

/// The fields that are numbers. Account ids are not: they begin with zeros.
const FLOW_NUMBERS: &[&str] = &[
    "version",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "tcp-flags",
    "traffic-path",
];

/// The fields of W3C's format that are whole numbers (<https://www.w3.org/TR/WD-logfile>, and what
/// IIS adds to them).
const W3C_NUMBERS: &[&str] = &[
    "s-port",
    "c-port",
    "sc-status",
    "sc-substatus",
    "sc-win32-status",
    "sc-bytes",
    "cs-bytes",
    "time-taken",
];

/// Whether a line of a flow log is a header: it begins with a field's name, which no value is.
pub(crate) fn is_flow_header(line: &[u8]) -> bool {
    let first = line.trim_ascii().split(|byte| *byte == b' ').next().unwrap_or_default();
    FLOW_DEFAULT.iter().chain(FLOW_FURTHER).any(|name| name.as_bytes() == first)
}

impl Columns {
    fn of(names: impl Iterator<Item = String>) -> Self {
        let text = Kind::One(ColumnType::Text);
        let columns = names.enumerate().map(|(number, name)| {
            // A column without a name is found by its number.
            let name = if name.is_empty() { format!("column_{}", number + 1) } else { name };
            Column { name, kind: text }
        });
        Self {
            columns: columns.collect(),
            constants: Vec::new(),
            delimiter: b'\t',
            set_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
        }
    }

    /// The columns that rows have without a header.
    pub(super) fn fixed(table: &Table, types: &[(String, ColumnType)]) -> Option<Self> {
        let mut columns = match (&table.dialect, table.columns.is_empty()) {
            (_, false) => Self::of(table.columns.iter().cloned()),
            (Dialect::VpcFlow, true) => {
                Self::of(FLOW_DEFAULT.iter().map(|name| (*name).to_owned()))
            }
            (_, true) => return None,
        };
        columns.set_types(table.dialect, types);
        Some(columns)
    }

    /// Reads a header, as the framer put it together.
    pub(super) fn read(
        table: &Table,
        types: &[(String, ColumnType)],
        header: &str,
    ) -> Result<Self, Reject> {
        let mut columns = match table.dialect {
            Dialect::Delimited { delimiter, is_quoted } => {
                let names = names_of_row(header, delimiter, is_quoted).map_err(|reject| {
                    // Its place is one in the header, not in the row below.
                    let message = format!("the header above this row is none: {reject}");
                    Reject::new(RejectKind::Header, message)
                        .help("name the columns under `columns` in the log source's `format`")
                })?;
                Self::of(names.into_iter())
            }
            Dialect::VpcFlow => Self::of(header.split_ascii_whitespace().map(str::to_owned)),
            Dialect::W3c => Self::w3c(table, header)?,
            Dialect::Zeek => Self::zeek(table, header)?,
        };
        columns.set_types(table.dialect, types);
        Ok(columns)
    }

    fn w3c(table: &Table, header: &str) -> Result<Self, Reject> {
        let directive = |wanted: &str| {
            header.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(wanted).then(|| value.trim_ascii())
            })
        };
        let mut columns = match directive("#Fields") {
            Some(fields) => Self::of(fields.split_ascii_whitespace().map(str::to_owned)),
            None if !table.columns.is_empty() => Self::of(table.columns.iter().cloned()),
            None => return Err(super::headless(table)),
        };
        let has_date = columns.columns.iter().any(|column| column.name == "date");
        let date = directive("#Date").and_then(|date| date.split_ascii_whitespace().next());
        if let Some(date) = date.filter(|_| !has_date) {
            columns.constants.push(("date", date.to_owned()));
        }
        Ok(columns)
    }

    fn zeek(table: &Table, header: &str) -> Result<Self, Reject> {
        let line = |wanted: &str| header.lines().find_map(|line| line.strip_prefix(wanted));
        let delimiter = match line("#separator ") {
            None => b'\t',
            Some(text) => match unescape(text.trim_ascii()).as_bytes() {
                [byte] => *byte,
                _ => return Err(bad_separator(text)),
            },
        };
        // What follows these names stands behind a delimiter.
        let value = |wanted: &str| line(wanted)?.strip_prefix(char::from(delimiter));
        let Some(fields) = value("#fields") else {
            if table.columns.is_empty() {
                return Err(super::headless(table));
            }
            return Ok(Self::of(table.columns.iter().cloned()));
        };
        let mut columns = Self::of(fields.split(char::from(delimiter)).map(str::to_owned));
        columns.delimiter = delimiter;
        let types =
            value("#types").into_iter().flat_map(|types| types.split(char::from(delimiter)));
        for (column, name) in columns.columns.iter_mut().zip(types) {
            column.kind = zeek_kind(name);
        }
        if let Some(text) = value("#set_separator") {
            columns.set_separator = unescape(text).into_owned();
        }
        if let Some(text) = value("#empty_field") {
            columns.empty = unescape(text).into_owned();
        }
        if let Some(text) = value("#unset_field") {
            columns.unset = unescape(text).into_owned();
        }
        if let Some(path) = value("#path") {
            // The name under which Zeek's JSON has it.
            columns.constants.push(("_path", path.to_owned()));
        }
        Ok(columns)
    }

    /// Sets the types that are known of a dialect, and those that the log source says.
    fn set_types(&mut self, dialect: Dialect, types: &[(String, ColumnType)]) {
        let numbers = match dialect {
            Dialect::VpcFlow => FLOW_NUMBERS,
            Dialect::W3c => W3C_NUMBERS,
            Dialect::Zeek | Dialect::Delimited { .. } => &[],
        };
        for column in &mut self.columns {
            if numbers.contains(&column.name.as_str()) {
                column.kind = Kind::One(ColumnType::Int);
            }
            if let Some((_, kind)) = types.iter().find(|(name, _)| *name == column.name) {
                column.kind = Kind::One(*kind);
            }
        }
    }
}

fn names_of_row(header: &str, delimiter: u8, is_quoted: bool) -> Result<Vec<String>, Reject> {
    let table = Table::new(Dialect::Delimited { delimiter, is_quoted });
    let mut values = super::Values::new(&table, &Columns::of(std::iter::empty()), header);
    let mut names = Vec::new();
    while let Some(found) = values.next()? {
        names.push(found.text.trim_ascii().to_owned());
    }
    Ok(names)
}

fn bad_separator(text: &str) -> Reject {
    let message = format!("`#separator` is `{}`, not one character", excerpt(text));
    Reject::new(RejectKind::Header, message).help("check whether this is a table of Zeek's")
}

fn zeek_kind(name: &str) -> Kind {
    if let Some((outer, inner)) = name.split_once('[')
        && matches!(outer, "set" | "vector" | "table")
    {
        return match zeek_kind(inner.trim_end_matches(']')) {
            Kind::One(kind) | Kind::Many(kind) => Kind::Many(kind),
        };
    }
    Kind::One(match name {
        "count" | "int" | "port" => ColumnType::Int,
        "time" | "interval" | "double" => ColumnType::Float,
        "bool" => ColumnType::Bool,
        _ => ColumnType::Text,
    })
}

/// A value as Zeek writes it, which is not the unset one.
pub(super) fn zeek_value<'t>(columns: &Columns, kind: &Kind, text: Cow<'t, str>) -> Value<'t> {
    // Nothing was unescaped yet: the text is the row's own.
    let Cow::Borrowed(text) = text else { return Value::Text(text) };
    match kind {
        Kind::One(kind) => zeek_scalar(*kind, text),
        Kind::Many(_) if text == columns.empty => Value::List(Vec::new()),
        Kind::Many(kind) => {
            let members = text.split(columns.set_separator.as_str());
            let value = |member: &'t str| {
                if member == columns.unset { Value::Null } else { zeek_scalar(*kind, member) }
            };
            Value::List(members.map(value).collect())
        }
    }
}

fn zeek_scalar(kind: ColumnType, text: &str) -> Value<'_> {
    let value = match (kind, text) {
        (ColumnType::Bool, "T") => Some(Value::Bool(true)),
        (ColumnType::Bool, "F") => Some(Value::Bool(false)),
        // Times have more digits than some doubles: those stay as they are written.
        (ColumnType::Float, text) => {
            let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
            (is_number && text.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
                .then(|| fraction(text))
        }
        (ColumnType::Text, _) => None,
        (kind, text) => cast_text(text, kind),
    };
    value.unwrap_or_else(|| Value::Text(unescape(text)))
}

/// Zeek writes separators and unprintable bytes in values as `\x09`. Bytes that are no UTF-8 together
/// stay as they are written.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains("\\x") {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        let digits = behind.get(..2).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.extend_from_slice(b"\\x");
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}
