//! A log source for a sample of records: which format it is in, where its time is, what its key fields
//! mean.
//!
//! Nothing is guessed that is not tried: each format that comes into question decodes the sample as it
//! would in earnest, and so does each time. What comes out is YAML that reads the sample, to be looked
//! over by a person: whether a field called `user` is who did it, or to whom it was done, is not known.

mod fields;
mod format;

use std::fmt::Write as _;

use base::{Code, Explain, ObjectHash, Timestamp, limits};
use decode::{At, Decoder, Frame, FrameState, Framer, LogSource};

use self::fields::Field;

/// A log source that reads a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Its file.
    pub yaml: String,
    /// How many records of the sample were looked at.
    pub records: usize,
    /// How many of them it reads.
    pub decoded: usize,
}

/// Why nothing can be suggested.
#[derive(Debug, thiserror::Error)]
pub enum SuggestError {
    /// The sample is empty.
    #[error("there is no record in the sample")]
    Empty,
    /// No format fits.
    #[error("no format reads the sample: it is no text")]
    NoFormat,
}

impl Explain for SuggestError {
    fn code(&self) -> Code {
        Code("DAB0335")
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Empty => "give a file with some records".to_owned(),
            Self::NoFormat => "give a file of text, plain or packed with gzip or zstd".to_owned(),
        })
    }
}

/// A sample, and when it was taken: times are judged by it.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'s> {
    /// The first bytes of a file.
    pub bytes: &'s [u8],
    /// Whether these are all.
    pub is_whole: bool,
    /// The time now.
    pub now: Timestamp,
}

/// What a format made of a sample.
struct Reading {
    /// The fields of each record that could be read, leaves of objects by their paths.
    records: Vec<Vec<Field>>,
    rejected: usize,
}

impl Reading {
    /// The share of records that could be read, in percent.
    fn percent(&self) -> usize {
        let all = self.records.len() + self.rejected;
        (self.records.len() * 100).checked_div(all).unwrap_or(0)
    }
}

/// Suggests a log source for a sample.
///
/// # Errors
/// If there is no record, or no text.
pub fn suggest(sample: Sample<'_>) -> Result<Suggestion, SuggestError> {
    if sample.bytes.trim_ascii().is_empty() {
        return Err(SuggestError::Empty);
    }
    let (format, reading) = format::find(sample).ok_or(SuggestError::NoFormat)?;
    let columns = fields::columns(&reading.records);
    let time = fields::time(sample, &format, &columns);
    let mut yaml = format!("format: {format}\n");
    let note = if time.is_without_zone {
        "   # these times name no zone: say which, if it is not UTC"
    } else if time.yaml.contains("missing") {
        "   # no field is a time in all records: that of receipt counts"
    } else {
        ""
    };
    writeln!(yaml, "time: {}{note}", time.yaml).unwrap_or_default();
    let named = fields::normalized(&columns);
    if !named.is_empty() {
        yaml.push_str("fields:\n");
        for (name, path) in named {
            writeln!(yaml, "  {name}: {}", fields::quoted(&path)).unwrap_or_default();
        }
    }
    let related = fields::related(&columns);
    if !related.is_empty() {
        yaml.push_str("related:\n");
        for (name, paths) in related {
            let paths: Vec<String> = paths.iter().map(|path| fields::quoted(path)).collect();
            writeln!(yaml, "  {name}: [{}]", paths.join(", ")).unwrap_or_default();
        }
    }
    // What is said is what the whole of it does.
    let reading = read(&yaml, sample).unwrap_or(reading);
    let (decoded, records) = (reading.records.len(), reading.records.len() + reading.rejected);
    let head =
        format!("# Suggested from {records} records, of which it reads {decoded}: look it over.\n");
    Ok(Suggestion { yaml: head + &yaml, records, decoded })
}

/// Reads a sample with a log source; `None` if that is none.
fn read(yaml: &str, sample: Sample<'_>) -> Option<Reading> {
    let source = LogSource::parse("sample.yml", yaml).ok()?;
    let decoder = Decoder::new(source).ok()?;
    let mut framer = Framer::new(&decoder.log_source().format, FrameState::default(), 0);
    let mut reading = Reading { records: Vec::new(), rejected: 0 };
    framer.frame(sample.bytes, sample.is_whole, &mut |frame| {
        if reading.records.len() + reading.rejected >= limits::SUGGEST_RECORDS_MAX {
            return;
        }
        let Frame::Record { offset, bytes, header } = frame else {
            reading.rejected += 1;
            return;
        };
        let at = At {
            object: "sample",
            object_hash: ObjectHash::of(&["sample"]),
            offset,
            ingest_time: sample.now,
            header: header.as_ref(),
        };
        match decoder.decode(bytes, &at) {
            Ok(event) => reading.records.push(fields::leaves(&event.fields)),
            Err(_) => reading.rejected += 1,
        }
    });
    Some(reading)
}

#[cfg(test)]
mod tests;
