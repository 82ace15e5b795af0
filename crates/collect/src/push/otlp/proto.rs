//! OTLP's protobuf, read without generated code: eight messages, of which dab needs the values alone.

use std::fmt::Write as _;

use super::{
    super::record::{PushError, Pushed, check_count},
    Any, Attributes, DEPTH_MAX, LogRecord, PROTOCOL, Resource, Scope, base64,
};

/// The log records of an `ExportLogsServiceRequest` in protobuf.
///
/// # Errors
/// If the body is none, or holds too many records.
pub fn otlp_protobuf(body: &[u8]) -> Result<Vec<Pushed<'static>>, PushError> {
    let mut found = Vec::new();
    let read = Message(body).each(|number, field| match (number, field) {
        (1, Field::Bytes(bytes)) => resource_logs(bytes, &mut found),
        _ => Ok(()),
    });
    match read {
        Ok(()) => Ok(found),
        Err(Wrong::TooMany(error)) => Err(error),
        Err(Wrong::Bytes(reason)) => Err(PushError::malformed(PROTOCOL, found.len(), reason)),
    }
}

enum Wrong {
    Bytes(&'static str),
    TooMany(PushError),
}

fn resource_logs(bytes: &[u8], found: &mut Vec<Pushed<'static>>) -> Result<(), Wrong> {
    let mut resource = Resource::default();
    let mut scopes = Vec::new();
    Message(bytes).each(|number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => Message(bytes).each(|number, field| {
                match (number, field) {
                    (1, Field::Bytes(bytes)) => resource.attributes.push(key_value(bytes, 0)?),
                    (2, Field::Number(number)) => resource.dropped = low(number),
                    _ => {}
                }
                Ok(())
            })?,
            (2, Field::Bytes(bytes)) => scopes.push(bytes),
            (3, Field::Bytes(bytes)) => resource.schema_url = text(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    for bytes in scopes {
        scope_logs(bytes, &resource, found)?;
    }
    Ok(())
}

fn scope_logs(
    bytes: &[u8],
    resource: &Resource,
    found: &mut Vec<Pushed<'static>>,
) -> Result<(), Wrong> {
    let mut scope = Scope::default();
    let mut records = Vec::new();
    Message(bytes).each(|number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => Message(bytes).each(|number, field| {
                match (number, field) {
                    (1, Field::Bytes(bytes)) => scope.name = text(bytes)?,
                    (2, Field::Bytes(bytes)) => scope.version = text(bytes)?,
                    (3, Field::Bytes(bytes)) => scope.attributes.push(key_value(bytes, 0)?),
                    _ => {}
                }
                Ok(())
            })?,
            (2, Field::Bytes(bytes)) => records.push(bytes),
            (3, Field::Bytes(bytes)) => scope.schema_url = text(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    for bytes in records {
        found.push(log_record(bytes)?.push(resource, &scope));
        check_count(found.len()).map_err(Wrong::TooMany)?;
    }
    Ok(())
}

fn log_record(bytes: &[u8]) -> Result<LogRecord, Wrong> {
    let mut record = LogRecord::default();
    Message(bytes).each(|number, field| {
        match (number, field) {
            (1, Field::Number(number)) => record.time = number,
            (2, Field::Number(number)) => record.severity_number = signed(number),
            (3, Field::Bytes(bytes)) => record.severity_text = text(bytes)?,
            (5, Field::Bytes(bytes)) => record.body = any(bytes, 0)?,
            (6, Field::Bytes(bytes)) => record.attributes.push(key_value(bytes, 0)?),
            (7, Field::Number(number)) => record.dropped = low(number),
            (8, Field::Number(number)) => record.flags = low(number),
            (9, Field::Bytes(bytes)) => record.trace_id = hex(bytes),
            (10, Field::Bytes(bytes)) => record.span_id = hex(bytes),
            (11, Field::Number(number)) => record.observed_time = number,
            (12, Field::Bytes(bytes)) => record.event_name = text(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(record)
}

fn key_value(bytes: &[u8], depth: usize) -> Result<(String, Any), Wrong> {
    let (mut key, mut value) = (String::new(), Any::Nothing);
    Message(bytes).each(|number, field| {
        match (number, field) {
            (1, Field::Bytes(bytes)) => key = text(bytes)?,
            (2, Field::Bytes(bytes)) => value = any(bytes, depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn any(bytes: &[u8], depth: usize) -> Result<Any, Wrong> {
    if depth > DEPTH_MAX {
        return Err(Wrong::Bytes("values are nested too deeply"));
    }
    let mut value = Any::Nothing;
    Message(bytes).each(|number, field| {
        value = match (number, field) {
            (1, Field::Bytes(bytes)) => Any::Text(text(bytes)?),
            (2, Field::Number(number)) => Any::Bool(number != 0),
            (3, Field::Number(number)) => Any::Int(signed(number)),
            (4, Field::Number(number)) => Any::Double(f64::from_bits(number)),
            (5, Field::Bytes(bytes)) => Any::List(list(bytes, depth + 1)?),
            (6, Field::Bytes(bytes)) => Any::Map(attributes(bytes, depth + 1)?),
            (7, Field::Bytes(bytes)) => Any::Bytes(base64(bytes)),
            _ => return Ok(()),
        };
        Ok(())
    })?;
    Ok(value)
}

fn list(bytes: &[u8], depth: usize) -> Result<Vec<Any>, Wrong> {
    let mut values = Vec::new();
    Message(bytes).each(|number, field| {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            values.push(any(bytes, depth)?);
        }
        Ok(())
    })?;
    Ok(values)
}

fn attributes(bytes: &[u8], depth: usize) -> Result<Attributes, Wrong> {
    let mut values = Vec::new();
    Message(bytes).each(|number, field| {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            values.push(key_value(bytes, depth)?);
        }
        Ok(())
    })?;
    Ok(values)
}

fn text(bytes: &[u8]) -> Result<String, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|_| Wrong::Bytes("a text is not UTF-8"))?;
    Ok(text.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// The 32 bits that such a field has.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default()
}

/// A field's value.
enum Field<'a> {
    /// Of a fixed length or as a varint.
    Number(u64),
    Bytes(&'a [u8]),
}

/// An encoded message.
struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// Calls `each` with the number and value of each field, in order.
    fn each(
        mut self,
        mut each: impl FnMut(u64, Field<'a>) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        while !self.0.is_empty() {
            let key = self.varint()?;
            let field = match key & 7 {
                0 => Field::Number(self.varint()?),
                1 => Field::Number(self.fixed::<8>().map(u64::from_le_bytes)?),
                2 => {
                    let length = self.varint()?;
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let (bytes, rest) = self
                        .0
                        .split_at_checked(length)
                        .ok_or(Wrong::Bytes("a field is longer than its message"))?;
                    self.0 = rest;
                    Field::Bytes(bytes)
                }
                5 => Field::Number(self.fixed::<4>().map(u32::from_le_bytes)?.into()),
                _ => return Err(Wrong::Bytes("a field has a type that protobuf does not have")),
            };
            each(key >> 3, field)?;
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let (bytes, rest) =
            self.0.split_first_chunk().ok_or(Wrong::Bytes("the message ends inside a field"))?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u64, Wrong> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed::<1>()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Wrong::Bytes("a number is longer than 64 bits"))
    }
}
