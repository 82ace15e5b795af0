//! Headers: lines of an object that say what the values of its rows mean.

use std::sync::{Arc, OnceLock};

use base::limits::HEADER_BYTES_MAX;

use crate::{
    Dialect, Encoding, Reject, RejectKind, Table,
    parse::{Columns, is_flow_header, text_of},
};

/// The header that stands above records: cheap to clone, and understood once for all of them.
#[derive(Debug, Clone)]
pub struct Header(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    columns: OnceLock<Result<Columns, Reject>>,
}

impl Header {
    /// A header of this text, as [`Header::text`] gave it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Arc::new(Inner { text, columns: OnceLock::new() }))
    }

    /// Its lines.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// What it says, as `read` understands it.
    pub(crate) fn columns(
        &self,
        read: impl FnOnce(&str) -> Result<Columns, Reject>,
    ) -> Result<&Columns, Reject> {
        self.0.columns.get_or_init(|| read(&self.0.text)).as_ref().map_err(Clone::clone)
    }
}

impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Header {}

/// What a line of a table is.
pub(super) enum Line {
    /// A row.
    Row,
    /// A directive, a comment, or the header once more.
    Nothing,
    /// The header, from here on.
    Header(Header),
    /// A header that can't be one.
    Wrong(Reject),
}

/// Says what a line is. `before`: the header so far; `is_first`: no row and no header came before.
pub(super) fn line(
    table: &Table,
    encoding: Encoding,
    before: Option<&Header>,
    is_first: bool,
    bytes: &[u8],
) -> Line {
    if table.comment.as_ref().is_some_and(|comment| bytes.starts_with(comment.as_bytes())) {
        return Line::Nothing;
    }
    match table.dialect {
        Dialect::W3c | Dialect::Zeek if bytes.starts_with(b"#") => {}
        Dialect::W3c | Dialect::Zeek => return Line::Row,
        Dialect::VpcFlow if is_flow_header(bytes) => {}
        Dialect::Delimited { .. } if table.columns.is_empty() => {
            if before.is_some_and(|before| before.text().as_bytes() == bytes) {
                return Line::Nothing;
            }
            if !is_first {
                return Line::Row;
            }
        }
        Dialect::VpcFlow | Dialect::Delimited { .. } => return Line::Row,
    }
    if bytes.len() > HEADER_BYTES_MAX {
        return Line::Wrong(too_long());
    }
    let line = match text_of(bytes, encoding) {
        Ok(line) => line,
        Err(reject) => return Line::Wrong(reject),
    };
    let before = before.map_or("", Header::text);
    let text = match table.dialect {
        Dialect::W3c => w3c(before, &line),
        Dialect::Zeek => zeek(before, &line),
        Dialect::VpcFlow | Dialect::Delimited { .. } => Some(line.into_owned()),
    };
    match text {
        None => Line::Nothing,
        Some(text) if text == before => Line::Nothing,
        Some(text) if text.len() > HEADER_BYTES_MAX => Line::Wrong(too_long()),
        Some(text) => Line::Header(Header::new(text)),
    }
}

fn too_long() -> Reject {
    let limit = HEADER_BYTES_MAX >> 10;
    Reject::new(RejectKind::Header, format!("the header is longer than {limit} KiB"))
        .help("check the log source's `format`: this does not look like a header of its `type`")
}

/// Of W3C's directives, the latest `#Fields` and `#Date` count: where rows have no date of their own,
/// theirs is that of the directive.
fn w3c(before: &str, line: &str) -> Option<String> {
    let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let this = name(line);
    if !matches!(this.as_str(), "#fields" | "#date") {
        return None;
    }
    let mut lines: Vec<&str> = before.lines().filter(|other| name(other) != this).collect();
    lines.push(line.trim_end());
    lines.sort_unstable();
    Some(lines.join("\n"))
}

/// Of Zeek's, all those that say how rows are written. `#separator` begins a new header.
fn zeek(before: &str, line: &str) -> Option<String> {
    const KEPT: &[&str] = &[
        "#separator",
        "#set_separator",
        "#empty_field",
        "#unset_field",
        "#path",
        "#fields",
        "#types",
    ];
    let name = |line: &str| {
        let end = line.find(|c: char| c.is_whitespace()).unwrap_or(line.len());
        line.get(..end).unwrap_or_default().to_owned()
    };
    let this = name(line);
    if !KEPT.contains(&this.as_str()) {
        return None;
    }
    if this == "#separator" {
        return Some(line.to_owned());
    }
    let mut lines: Vec<&str> = before.lines().filter(|other| name(other) != this).collect();
    lines.push(line);
    Some(lines.join("\n"))
}
