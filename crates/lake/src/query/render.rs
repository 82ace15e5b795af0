//! Rows for people and programs: a table, JSON lines, or CSV.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use arrow::{array::ArrayRef, record_batch::RecordBatch};
use base::{Value, event::write_json_text};

use super::{
    engine::{FoundEvent, Rows},
    json,
    shape::{Shape, shapes, value_at},
};
use crate::schema;

/// How rows are written. In all forms, characters that could drive the terminal are written as
/// escapes: a log is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// Aligned columns with a header, for people.
    Table,
    /// One JSON object on each line. Nulls are left out.
    Json,
    /// RFC 4180, with a header.
    Csv,
}

/// The widest a column of a table gets.
const COLUMN_CHARS_MAX: usize = 60;

/// Writes rows. `width`: how many characters a line of a table may have; any number if `None`.
///
/// # Errors
///
/// If `out` can't be written.
pub fn render(
    rows: &Rows,
    format: OutputFormat,
    width: Option<usize>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match (rows, format) {
        (Rows::Events(events), OutputFormat::Json) => {
            events.iter().try_for_each(|event| writeln!(out, "{}", safe_json(&event.json)))
        }
        (Rows::Events(events), OutputFormat::Csv) => {
            out.write_all(b"time,log_source,event\r\n")?;
            for FoundEvent { time, log_source, json } in events {
                write!(out, "{time},{},{}\r\n", csv(log_source), csv(json))?;
            }
            Ok(())
        }
        (Rows::Events(events), OutputFormat::Table) => table(
            &["time".to_owned(), "log_source".to_owned(), "event".to_owned()],
            &events.iter().map(event_cells).collect::<Vec<_>>(),
            (width, usize::MAX),
            out,
        ),
        (Rows::Table { schema, batches }, OutputFormat::Table) => {
            let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
            let rows = batches
                .iter()
                .flat_map(cells)
                .map(|row| row.into_iter().map(Option::unwrap_or_default).collect());
            table(&names, &rows.collect::<Vec<Vec<String>>>(), (width, COLUMN_CHARS_MAX), out)
        }
        (Rows::Table { schema, batches }, OutputFormat::Csv) => {
            let names = schema.fields().iter().map(|field| csv(field.name()));
            write!(out, "{}\r\n", names.collect::<Vec<_>>().join(","))?;
            for row in batches.iter().flat_map(cells) {
                let values = row.iter().map(|cell| csv(cell.as_deref().unwrap_or_default()));
                write!(out, "{}\r\n", values.collect::<Vec<_>>().join(","))?;
            }
            Ok(())
        }
        (Rows::Table { batches, .. }, OutputFormat::Json) => {
            batches.iter().try_for_each(|batch| json_lines(batch, out))
        }
    }
}

/// What a person sees of an event: its own fields, without the envelope that the other columns show.
fn event_cells(event: &FoundEvent) -> Vec<String> {
    let mut shown = event.json.clone();
    if let Some(object) = json::parse_object(&event.json) {
        let own = object
            .into_iter()
            .filter(|(key, _)| key == schema::REST || !schema::RESERVED.contains(&key.as_ref()));
        shown.clear();
        own.collect::<base::Object<'_>>().write_json(&mut shown);
    }
    vec![event.time.to_string(), event.log_source.clone(), shown]
}

fn cells(batch: &RecordBatch) -> Vec<Vec<Option<String>>> {
    let shapes = shapes(&batch.schema());
    let columns: Vec<(&ArrayRef, Shape)> =
        batch.columns().iter().zip(shapes).map(|(array, (_, shape))| (array, shape)).collect();
    let cell = |(array, shape): &(&ArrayRef, Shape), row| {
        Some(value_at(array, shape, row)?.display()?.into_owned())
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect()
}

fn json_lines(batch: &RecordBatch, out: &mut dyn Write) -> io::Result<()> {
    let shapes = shapes(&batch.schema());
    for row in 0..batch.num_rows() {
        let mut line = String::from("{");
        for ((name, shape), array) in shapes.iter().zip(batch.columns()) {
            // The `event` of a search is JSON, whatever its column says.
            let is_json = name == "event" && *shape == Shape::Text;
            let shape = if is_json { &Shape::Json } else { shape };
            let Some(value) = value_at(array, shape, row) else { continue };
            if line.len() > 1 {
                line.push(',');
            }
            write_json_text(name, &mut line);
            line.push(':');
            match &value {
                Value::Text(text) => write_json_text(text, &mut line),
                value => value.write_json(&mut line),
            }
        }
        writeln!(out, "{}}}", safe_json(&line))?;
    }
    Ok(())
}

/// A value as a field of CSV: quoted where it must be, and without what would drive a terminal.
#[must_use]
pub fn csv(text: &str) -> String {
    let text = escaped(text, |c| !matches!(c, '\n' | '\t') && drives_terminal(c));
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

fn table(
    names: &[String],
    rows: &[Vec<String>],
    (width, column_max): (Option<usize>, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| name.chars().count()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count()).min(column_max);
        }
    }
    let mut line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:width$}", cut(cell, *width), width = *width));
        let text = padded.collect::<Vec<_>>().join("  ");
        writeln!(out, "{}", cut(text.trim_end(), width.unwrap_or(usize::MAX)))
    };
    line(names)?;
    rows.iter().try_for_each(|row| line(row))
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars.saturating_sub(1)).chain(std::iter::once('…')).collect(),
    }
}

fn printable(text: &str) -> String {
    escaped(text, drives_terminal).into_owned()
}

/// Control characters, and those that turn the direction of what follows.
fn drives_terminal(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

fn escaped(text: &str, unsafe_char: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if unsafe_char(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// JSON that means the same: such characters can only be inside its strings.
fn safe_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(drives_terminal) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if drives_terminal(c) {
            // All of them are in the basic plane, so one escape is enough.
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}
