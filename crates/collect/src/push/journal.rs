//! systemd's Journal Export Format: entries of fields, whose values may be any bytes.
//!
//! The form is that of <https://systemd.io/JOURNAL_EXPORT_FORMATS/>. An entry becomes a JSON object as
//! `journalctl -o json` writes it: a value that is not UTF-8 is a list of the numbers of its bytes, and a
//! field that is there several times a list of its values.

use std::{borrow::Cow, collections::HashMap};

use base::limits;

use super::record::{PushError, Pushed, Record, add_member, quoted};

const PROTOCOL: &str = "journal export";

/// Cuts a stream into entries as its bytes come.
#[derive(Debug, Default)]
pub struct JournalReader {
    /// What is not cut yet.
    pending: Vec<u8>,
    /// Up to where it was looked at: a boundary between two fields.
    seen: usize,
    /// How many entries came so far.
    entries: usize,
}

impl JournalReader {
    /// Takes in bytes. Answers the entries that are complete now.
    ///
    /// # Errors
    /// If the bytes are no journal export, or an entry is too long.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Vec<Pushed<'static>>, PushError> {
        self.pending.extend_from_slice(bytes);
        let mut entries = Vec::new();
        let mut begin = 0;
        let mut at = self.seen;
        loop {
            let rest = self.pending.get(at..).unwrap_or_default();
            match field_length(rest).map_err(|reason| self.malformed(reason))? {
                None => break,
                // An empty line.
                Some(1) => {
                    let entry = self.pending.get(begin..at).unwrap_or_default();
                    if !entry.is_empty() {
                        entries.push(entry_of(entry));
                        self.entries += 1;
                    }
                    at += 1;
                    begin = at;
                }
                Some(length) => at += length,
            }
            if at - begin > limits::RECORD_BYTES_MAX {
                return Err(self.malformed("the entry is longer than a record may be".into()));
            }
        }
        if self.pending.len() - begin > limits::RECORD_BYTES_MAX + limits::CHUNK_BYTES {
            return Err(self.malformed("the entry is longer than a record may be".into()));
        }
        self.pending.drain(..begin);
        self.seen = at - begin;
        Ok(entries)
    }

    /// Ends the stream. Answers the last entry, if no empty line ended it.
    ///
    /// # Errors
    /// If the stream ends inside a field.
    pub fn end(&mut self) -> Result<Option<Pushed<'static>>, PushError> {
        if self.seen < self.pending.len() {
            return Err(self.malformed("it ends inside a field".into()));
        }
        let pending = std::mem::take(&mut self.pending);
        self.seen = 0;
        Ok((!pending.is_empty()).then(|| entry_of(&pending)))
    }

    fn malformed(&self, reason: String) -> PushError {
        PushError::malformed(PROTOCOL, self.entries, reason)
    }
}

/// How long the field is that these bytes begin with, with its line end; `None` if they don't have all
/// of it.
fn field_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = memchr::memchr(b'\n', bytes) else { return Ok(None) };
    let line = bytes.get(..end).unwrap_or_default();
    if line.is_empty() || line.contains(&b'=') {
        return Ok(Some(end + 1));
    }
    let Some((length, rest)) = bytes.get(end + 1..).unwrap_or_default().split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > limits::RECORD_BYTES_MAX {
        return Err("a field is longer than a record may be".to_owned());
    }
    match rest.get(length) {
        None => Ok(None),
        Some(b'\n') => Ok(Some(end + 1 + 8 + length + 1)),
        Some(_) => Err("a binary field does not end where its length says".to_owned()),
    }
}

/// An entry of whole fields.
fn entry_of(mut bytes: &[u8]) -> Pushed<'static> {
    let mut fields: Vec<(String, Vec<String>)> = Vec::new();
    let mut places = HashMap::new();
    while let Ok(Some(length)) = field_length(bytes) {
        let field = bytes.get(..length.saturating_sub(1)).unwrap_or_default();
        bytes = bytes.get(length..).unwrap_or_default();
        let line = memchr::memchr(b'\n', field).unwrap_or(field.len());
        let equals = memchr::memchr(b'=', field.get(..line).unwrap_or_default());
        // A binary value stands behind its length of eight bytes.
        let (name, value) = equals.map_or((line, line + 9), |equals| (equals, equals + 1));
        let name = String::from_utf8_lossy(field.get(..name).unwrap_or_default()).into_owned();
        let value = json_of(field.get(value..).unwrap_or_default());
        let place = *places.entry(name.clone()).or_insert(fields.len());
        match fields.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let mut members = String::new();
    for (name, values) in fields {
        match values.as_slice() {
            [value] => add_member(&mut members, &name, value),
            values => add_member(&mut members, &name, &format!("[{}]", values.join(","))),
        }
    }
    let record = Record::Json(Cow::Owned(format!("{{{members}}}")));
    Pushed { names: Vec::new(), about: String::new(), record }
}

fn json_of(value: &[u8]) -> String {
    std::str::from_utf8(value).map_or_else(
        |_| {
            let numbers: Vec<String> = value.iter().map(ToString::to_string).collect();
            format!("[{}]", numbers.join(","))
        },
        quoted,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(stream: &[u8], step: usize) -> Result<Vec<String>, PushError> {
        let mut reader = JournalReader::default();
        let mut found = Vec::new();
        for piece in stream.chunks(step.max(1)) {
            found.extend(reader.read(piece)?);
        }
        found.extend(reader.end()?);
        let json = |pushed: Pushed<'_>| match pushed.record {
            Record::Json(json) => json.into_owned(),
            other => panic!("{other:?}"),
        };
        Ok(found.into_iter().map(json).collect())
    }

    fn binary(name: &str, value: &[u8]) -> Vec<u8> {
        let length = (value.len() as u64).to_le_bytes();
        [name.as_bytes(), b"\n", &length, value, b"\n"].concat()
    }

    #[test]
    fn entries_are_as_journalctl_writes_them() {
        let stream = [
            &b"__CURSOR=s=1;i=2\nMESSAGE=a=b\nX=1\nX=2\n"[..],
            &binary("TWO_LINES", b"a\nb"),
            &binary("BYTES", &[0, 255]),
            b"\n\nMESSAGE=last\n",
        ]
        .concat();
        for step in 1..stream.len() + 1 {
            assert_eq!(
                all(&stream, step).unwrap(),
                [
                    r#"{"__CURSOR":"s=1;i=2","MESSAGE":"a=b","X":["1","2"],"TWO_LINES":"a\nb","BYTES":[0,255]}"#,
                    r#"{"MESSAGE":"last"}"#
                ],
                "{step}"
            );
        }
    }

    #[test]
    fn streams_that_are_none_are_refused() {
        for (stream, expected) in [
            (&b"A=1\n\nMESS"[..], "it ends inside a field"),
            (
                b"A=1\n\nB\n\x01\0\0\0\0\0\0\0xy",
                "a binary field does not end where its length says",
            ),
            (b"A=1\n\nB\n\xff\xff\xff\xff\0\0\0\0xy", "a field is longer than a record may be"),
        ] {
            assert_eq!(all(stream, 5), Err(PushError::malformed(PROTOCOL, 1, expected)));
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_through(
            values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..8),
            step in 1_usize..40,
        ) {
            let mut stream = Vec::new();
            for (n, value) in values.iter().enumerate() {
                stream.extend(binary(&format!("F{n}"), value));
            }
            stream.push(b'\n');
            let found = all(&stream, step).unwrap();
            prop_assert_eq!(found.len(), 1);
            let json: serde_json::Value = serde_json::from_str(&found[0]).unwrap();
            for (n, value) in values.iter().enumerate() {
                let expected = match std::str::from_utf8(value) {
                    Ok(text) => serde_json::json!(text),
                    Err(_) => serde_json::json!(value),
                };
                prop_assert_eq!(&json[format!("F{n}")], &expected);
            }
        }

        #[test]
        fn no_stream_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), step in 1_usize..40) {
            drop(all(&bytes, step));
        }
    }
}
