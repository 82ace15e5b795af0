//! A sheet of an Excel workbook (ECMA-376), as columns of text.
//!
//! The first row that has anything holds the names. Numbers are written as short as they can be, days and
//! times in ISO 8601, as the workbook's formats say which numbers are such; formulas are what they last came
//! to, and errors are null. Everything is held in memory, within limits on what is unpacked, on cells and
//! on text.

use std::{collections::BTreeSet, fmt::Display, sync::Arc};

use arrow::{
    array::{ArrayRef, StringBuilder},
    datatypes::{DataType, Field, Schema},
    record_batch::RecordBatch,
};
use base::{Timestamp, limits};
use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::zip::{Zip, ZipError};

/// Why a sheet can't be had.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SheetError {
    /// It is larger than it may be.
    TooLarge(String),
    /// It is no workbook, or has no such sheet.
    Malformed(String),
}

impl From<ZipError> for SheetError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::TooLarge => Self::TooLarge(format!(
                "unpacks to more than {} bytes, the limit",
                limits::EXTERNAL_WORKBOOK_UNPACKED_BYTES_MAX
            )),
            ZipError::Malformed(reason) => Self::Malformed(reason.to_owned()),
        }
    }
}

fn malformed(reason: impl Display) -> SheetError {
    SheetError::Malformed(reason.to_string())
}

/// Reads the sheet of that name, or the first.
pub(super) fn read(bytes: &[u8], name: Option<&str>) -> Result<RecordBatch, SheetError> {
    let zip = Zip::open(bytes)?;
    let part = |name: &str| zip.part(name, limits::EXTERNAL_WORKBOOK_UNPACKED_BYTES_MAX);
    let workbook = part("xl/workbook.xml")?.ok_or_else(|| malformed("it is no workbook"))?;
    let workbook = Workbook::read(&workbook)?;
    let id = workbook.sheet(name)?;
    let links = part("xl/_rels/workbook.xml.rels")?.unwrap_or_default();
    let target = target(&links, id)?.ok_or_else(|| malformed("its sheet is missing"))?;
    let sheet = part(&target)?.ok_or_else(|| malformed("its sheet is missing"))?;
    let strings = shared_strings(&part("xl/sharedStrings.xml")?.unwrap_or_default())?;
    let times = time_styles(&part("xl/styles.xml")?.unwrap_or_default())?;
    let cells = Cells { strings, times, is_1904: workbook.is_1904 };
    let mut rows = Rows::default();
    cells.read(&sheet, &mut rows)?;
    rows.batch()
}

/// What is met in an XML text, with names without their prefix.
enum Token<'t> {
    Open(&'t [u8], &'t BytesStart<'t>),
    Text(&'t str),
    Close(&'t [u8]),
}

fn each(
    xml: &[u8],
    take: &mut dyn FnMut(Token<'_>) -> Result<(), SheetError>,
) -> Result<(), SheetError> {
    let mut reader = Reader::from_reader(xml);
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Start(tag) => take(Token::Open(tag.local_name().as_ref(), &tag))?,
            Event::Empty(tag) => {
                take(Token::Open(tag.local_name().as_ref(), &tag))?;
                take(Token::Close(tag.local_name().as_ref()))?;
            }
            Event::End(tag) => take(Token::Close(tag.local_name().as_ref()))?,
            Event::Text(text) => take(Token::Text(&text.decode().map_err(malformed)?))?,
            Event::CData(text) => take(Token::Text(&text.decode().map_err(malformed)?))?,
            Event::GeneralRef(reference) => {
                let named = reference.decode().map_err(malformed)?;
                let known = resolve_predefined_entity(&named).map(str::to_owned);
                let number = reference.resolve_char_ref().map_err(malformed)?;
                let text = known.or_else(|| number.map(String::from));
                take(Token::Text(&text.ok_or_else(|| malformed("it has entities of its own"))?))?;
            }
            Event::DocType(_) => return Err(malformed("it has declarations")),
            Event::Comment(_) | Event::PI(_) | Event::Decl(_) => {}
            Event::Eof => return Ok(()),
        }
    }
}

/// The value of an attribute, by its name without a prefix.
fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Result<Option<String>, SheetError> {
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(malformed)?;
        if attribute.key.local_name().as_ref() == name {
            let value = attribute.unescape_value().map_err(malformed)?;
            return Ok(Some(value.into_owned()));
        }
    }
    Ok(None)
}

#[derive(Debug, Default)]
struct Workbook {
    /// Names of the sheets, and under which id their files are known.
    sheets: Vec<(String, String)>,
    /// Whether days are counted from 1904, as old Macs did.
    is_1904: bool,
}

impl Workbook {
    fn read(xml: &[u8]) -> Result<Self, SheetError> {
        let mut workbook = Self::default();
        each(xml, &mut |token| {
            match token {
                Token::Open(b"sheet", tag) => {
                    let name = attribute(tag, b"name")?.unwrap_or_default();
                    workbook.sheets.push((name, attribute(tag, b"id")?.unwrap_or_default()));
                }
                Token::Open(b"workbookPr", tag) => {
                    let said = attribute(tag, b"date1904")?;
                    workbook.is_1904 = said.is_some_and(|said| said == "1" || said == "true");
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(workbook)
    }

    fn sheet(&self, name: Option<&str>) -> Result<&str, SheetError> {
        let found = match name {
            None => self.sheets.first(),
            Some(name) => self.sheets.iter().find(|(sheet, _)| sheet == name),
        };
        found.map(|(_, id)| id.as_str()).ok_or_else(|| {
            let names: Vec<String> =
                self.sheets.iter().map(|(name, _)| format!("`{name}`")).collect();
            let wanted = name.map_or_else(String::new, |name| format!(" `{name}`"));
            malformed(format!("it has no sheet{wanted}; its sheets are {}", names.join(", ")))
        })
    }
}

/// The part that an id leads to.
fn target(xml: &[u8], id: &str) -> Result<Option<String>, SheetError> {
    let mut found = None;
    each(xml, &mut |token| {
        if let Token::Open(b"Relationship", tag) = token
            && attribute(tag, b"Id")?.as_deref() == Some(id)
        {
            found = attribute(tag, b"Target")?;
        }
        Ok(())
    })?;
    Ok(found.map(|target| match target.strip_prefix('/') {
        Some(whole) => whole.to_owned(),
        None => format!("xl/{target}"),
    }))
}

/// The texts that cells name by their number.
fn shared_strings(xml: &[u8]) -> Result<Vec<String>, SheetError> {
    let mut strings = Vec::new();
    let (mut text, mut is_text, mut is_phonetic) = (String::new(), false, false);
    each(xml, &mut |token| {
        match token {
            Token::Open(b"si", _) => text.clear(),
            Token::Close(b"si") => strings.push(std::mem::take(&mut text)),
            Token::Open(b"t", _) => is_text = true,
            Token::Close(b"t") => is_text = false,
            // How a text is spoken is no part of it.
            Token::Open(b"rPh", _) => is_phonetic = true,
            Token::Close(b"rPh") => is_phonetic = false,
            Token::Text(part) if is_text && !is_phonetic => text.push_str(part),
            _ => {}
        }
        Ok(())
    })?;
    Ok(strings)
}

/// Which formats of cells show a number as a day or a time.
fn time_styles(xml: &[u8]) -> Result<Vec<bool>, SheetError> {
    let (mut own, mut styles, mut is_cells) = (BTreeSet::new(), Vec::new(), false);
    each(xml, &mut |token| {
        match token {
            Token::Open(b"numFmt", tag) => {
                let code = attribute(tag, b"formatCode")?.unwrap_or_default();
                if shows_time(&code) {
                    own.insert(attribute(tag, b"numFmtId")?.unwrap_or_default());
                }
            }
            Token::Open(b"cellXfs", _) => is_cells = true,
            Token::Close(b"cellXfs") => is_cells = false,
            Token::Open(b"xf", tag) if is_cells => {
                let id = attribute(tag, b"numFmtId")?.unwrap_or_default();
                let number = id.parse().unwrap_or(0_u32);
                // Those that every program knows (18.8.30).
                let is_known = matches!(number, 14..=22 | 27..=36 | 45..=47 | 50..=58);
                styles.push(is_known || own.contains(&id));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(styles)
}

/// Whether a format has a letter of days or times outside of quotes and brackets.
fn shows_time(code: &str) -> bool {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for c in code.chars() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' | '_' => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => bracketed = true,
            ']' if !quoted => bracketed = false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' if !quoted && !bracketed => {
                return true;
            }
            _ => {}
        }
    }
    false
}

struct Cells {
    strings: Vec<String>,
    times: Vec<bool>,
    is_1904: bool,
}

/// A cell that is being read.
#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    is_time: bool,
    text: String,
}

impl Cells {
    fn read(&self, xml: &[u8], rows: &mut Rows) -> Result<(), SheetError> {
        let (mut cell, mut row, mut takes) = (Cell::default(), Vec::new(), false);
        let mut next = 0;
        each(xml, &mut |token| {
            match token {
                Token::Open(b"row", _) => (row, next) = (Vec::new(), 0),
                Token::Close(b"row") => rows.add(std::mem::take(&mut row))?,
                Token::Open(b"c", tag) => {
                    cell = self.cell(tag, next)?;
                    next = cell.column + 1;
                }
                Token::Open(b"v" | b"t", _) => takes = true,
                Token::Close(b"v" | b"t") => takes = false,
                Token::Text(text) if takes => cell.text.push_str(text),
                Token::Close(b"c") => {
                    let cell = std::mem::take(&mut cell);
                    let column = cell.column;
                    row.extend(self.value(cell)?.map(|text| (column, text)));
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn cell(&self, tag: &BytesStart<'_>, next: usize) -> Result<Cell, SheetError> {
        let column = match attribute(tag, b"r")? {
            Some(place) => column_of(&place).ok_or_else(|| malformed("a cell has no place"))?,
            None => next,
        };
        let style = attribute(tag, b"s")?.and_then(|style| style.parse::<usize>().ok());
        let is_time = self.times.get(style.unwrap_or(0)).copied().unwrap_or(false);
        let kind = attribute(tag, b"t")?.unwrap_or_default();
        Ok(Cell { column, kind, is_time, text: String::new() })
    }

    fn value(&self, cell: Cell) -> Result<Option<String>, SheetError> {
        if cell.text.is_empty() {
            return Ok(None);
        }
        Ok(match cell.kind.as_str() {
            "s" => {
                let number = cell.text.trim().parse::<usize>().ok();
                let text = number.and_then(|number| self.strings.get(number));
                Some(
                    text.ok_or_else(|| malformed("a cell names a text that is not there"))?.clone(),
                )
            }
            "b" => Some(if cell.text.trim() == "1" { "true" } else { "false" }.to_owned()),
            "e" => None,
            "" | "n" => Some(self.number(&cell)),
            _ => Some(cell.text),
        })
    }

    fn number(&self, cell: &Cell) -> String {
        let Ok(number) = cell.text.trim().parse::<f64>() else { return cell.text.clone() };
        if cell.is_time {
            return self.time(number).unwrap_or_else(|| number.to_string());
        }
        number.to_string()
    }

    /// Days since the end of 1899, or since 1904, as a day or a time. Before March 1900 the count is off
    /// by one, as Lotus 1-2-3 took 1900 for a leap year.
    fn time(&self, days: f64) -> Option<String> {
        // Of 1899-12-30 and 1904-01-01.
        let epoch: i64 = if self.is_1904 { -2_082_844_800 } else { -2_209_161_600 };
        // Up to the year 9999.
        if !(0.0..3_000_000.0).contains(&days) {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "it is in the range that was checked")]
        let millis = (days * 86_400_000.0).round() as i64;
        let lost = if !self.is_1904 && days < 60.0 { 86_400 } else { 0 };
        let time = Timestamp::from_micros((epoch + lost + millis / 1000) * 1_000_000);
        let shown = time.plus_micros(millis % 1000 * 1000).to_string();
        match millis {
            // A time of day alone.
            1..86_400_000 => {
                let (_, clock) = shown.split_once('T')?;
                Some(clock.trim_end_matches('Z').to_owned())
            }
            _ if millis % 86_400_000 == 0 => Some(time.day().to_string()),
            _ => Some(shown),
        }
    }
}

/// The column of a place such as `AB12`, from 0.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_uppercase);
    let mut column = 0_usize;
    for letter in letters.take(4) {
        column = column * 26 + usize::from(letter - b'A') + 1;
    }
    column.checked_sub(1)
}

/// The rows that have something.
#[derive(Default)]
struct Rows {
    names: Option<Vec<(usize, String)>>,
    rows: Vec<Vec<(usize, String)>>,
    width: usize,
    bytes: usize,
}

impl Rows {
    fn add(&mut self, mut row: Vec<(usize, String)>) -> Result<(), SheetError> {
        if row.is_empty() {
            return Ok(());
        }
        row.sort_by_key(|(column, _)| *column);
        self.width = self.width.max(row.last().map_or(0, |(column, _)| column + 1));
        self.bytes += row.iter().map(|(_, text)| text.len()).sum::<usize>();
        match &self.names {
            None => self.names = Some(row),
            Some(_) => self.rows.push(row),
        }
        let limit = limits::EXTERNAL_WORKBOOK_CELLS_MAX;
        if self.rows.len().saturating_mul(self.width) > limit {
            return Err(SheetError::TooLarge(format!("has more than {limit} cells, the limit")));
        }
        if self.bytes > limits::EXTERNAL_WORKBOOK_UNPACKED_BYTES_MAX {
            return Err(ZipError::TooLarge.into());
        }
        Ok(())
    }

    fn batch(self) -> Result<RecordBatch, SheetError> {
        let names = self.names.ok_or_else(|| malformed("its sheet is empty"))?;
        let mut columns: Vec<StringBuilder> = Vec::new();
        columns.resize_with(self.width, StringBuilder::new);
        for row in self.rows {
            let mut cells = row.into_iter().peekable();
            for (at, column) in columns.iter_mut().enumerate() {
                let mut cell = cells.next_if(|(place, _)| *place == at);
                // A place that is named twice: the last counts.
                while let Some(again) = cells.next_if(|(place, _)| *place == at) {
                    cell = Some(again);
                }
                column.append_option(cell.map(|(_, text)| text));
            }
        }
        let named = |at: usize| names.iter().find(|(column, _)| *column == at);
        let name =
            |at: usize| named(at).map_or_else(|| format!("column_{}", at + 1), |(_, n)| n.clone());
        let fields: Vec<Field> =
            (0..self.width).map(|at| Field::new(name(at), DataType::Utf8, true)).collect();
        let arrays = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).map_err(malformed)
    }
}

#[cfg(test)]
mod tests;
