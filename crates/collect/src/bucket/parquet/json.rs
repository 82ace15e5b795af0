//! A row of Arrow's columns as a line of JSON, as log sources expect it.
//!
//! Nulls are left out. Numbers are numbers, decimals too unless they have more digits than a double
//! keeps; times are RFC 3339; bytes that are UTF-8 are text, others hexadecimal digits.

use std::{fmt::Write as _, io};

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch, StructArray},
    datatypes::{
        DataType, Date32Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
        DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    },
    util::display::array_value_to_string,
};
use base::{Day, Timestamp, limits::RECORD_BYTES_MAX};

/// So many decimal digits survive in a double.
const DOUBLE_DIGITS: u8 = 15;
/// So many decimal digits fit into 64 bits.
const INTEGER_DIGITS: u8 = 18;

const NANOS: i64 = 1_000_000_000;

/// Writes rows.
#[derive(Debug)]
pub(super) struct RowWriter {
    /// Which columns are UUIDs.
    uuids: Vec<bool>,
}

impl RowWriter {
    pub(super) const fn new(uuids: Vec<bool>) -> Self {
        Self { uuids }
    }

    /// Writes a row with its line end.
    pub(super) fn write(
        &self,
        batch: &RecordBatch,
        row: usize,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let start = out.len();
        out.push(b'{');
        let fields = batch.schema_ref().fields();
        for (index, (column, field)) in batch.columns().iter().zip(fields).enumerate() {
            if column.is_null(row) {
                continue;
            }
            key(field.name(), out)?;
            match self.uuids.get(index) {
                Some(true) => uuid(column, row, out)?,
                _ => value(column, row, out)?,
            }
            if out.len() - start > 2 * RECORD_BYTES_MAX {
                return Err(io::Error::other("it is longer than any record may be"));
            }
        }
        out.extend_from_slice(b"}\n");
        Ok(())
    }
}

/// A member's name, behind a comma unless it is the first.
fn key(name: &str, out: &mut Vec<u8>) -> io::Result<()> {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    text(name, out)?;
    out.push(b':');
    Ok(())
}

fn text(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(io::Error::from)
}

fn number(number: impl std::fmt::Display, out: &mut Vec<u8>) -> io::Result<()> {
    io::Write::write_fmt(out, format_args!("{number}"))
}

fn float(value: f64, out: &mut Vec<u8>) -> io::Result<()> {
    // JSON has no infinity, and none that is no number.
    if value.is_finite() {
        serde_json::to_writer(out, &value).map_err(io::Error::from)
    } else {
        text(&value.to_string(), out)
    }
}

fn value(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match array.data_type() {
        DataType::Null => {
            out.extend_from_slice(b"null");
            Ok(())
        }
        DataType::Boolean => number(array.as_boolean().value(row), out),
        DataType::Int8 => number(array.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => number(array.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => number(array.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => number(array.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt8 => number(array.as_primitive::<UInt8Type>().value(row), out),
        DataType::UInt16 => number(array.as_primitive::<UInt16Type>().value(row), out),
        DataType::UInt32 => number(array.as_primitive::<UInt32Type>().value(row), out),
        DataType::UInt64 => number(array.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float16 => {
            float(f64::from(array.as_primitive::<Float16Type>().value(row).to_f32()), out)
        }
        DataType::Float32 => single(array.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row), out),
        DataType::Utf8 => text(array.as_string::<i32>().value(row), out),
        DataType::Utf8View => text(array.as_string_view().value(row), out),
        DataType::Binary => bytes(array.as_binary::<i32>().value(row), out),
        DataType::BinaryView => bytes(array.as_binary_view().value(row), out),
        DataType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row), out),
        DataType::Struct(_) => members(array.as_struct(), row, out),
        DataType::List(_) => list(&array.as_list::<i32>().value(row), out),
        DataType::Map(_, _) => map(&array.as_map().value(row), out),
        _ => other(array, row, out),
    }
}

/// Its own shortest digits, not those of the double it becomes.
fn single(value: f32, out: &mut Vec<u8>) -> io::Result<()> {
    if value.is_finite() {
        serde_json::to_writer(out, &value).map_err(io::Error::from)
    } else {
        text(&value.to_string(), out)
    }
}

/// Dates, times, decimals, and whatever else there is, as text.
fn other(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    match array.data_type() {
        DataType::Decimal32(precision, scale) => {
            let value = array.as_primitive::<Decimal32Type>().value(row);
            decimal::<Decimal32Type>(value, *precision, *scale, out)
        }
        DataType::Decimal64(precision, scale) => {
            let value = array.as_primitive::<Decimal64Type>().value(row);
            decimal::<Decimal64Type>(value, *precision, *scale, out)
        }
        DataType::Decimal128(precision, scale) => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            decimal::<Decimal128Type>(value, *precision, *scale, out)
        }
        DataType::Decimal256(precision, scale) => {
            let value = array.as_primitive::<Decimal256Type>().value(row);
            decimal::<Decimal256Type>(value, *precision, *scale, out)
        }
        DataType::Date32 => {
            let day = Day::from_days(array.as_primitive::<Date32Type>().value(row));
            text(&day.to_string(), out)
        }
        DataType::Timestamp(unit, zone) => {
            let (count, per_second) = match unit {
                TimeUnit::Millisecond => {
                    (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000)
                }
                TimeUnit::Microsecond => {
                    (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000_000)
                }
                TimeUnit::Nanosecond => {
                    (array.as_primitive::<TimestampNanosecondType>().value(row), NANOS)
                }
                TimeUnit::Second => return fallback(array, row, out),
            };
            timestamp(count, per_second, zone.is_some(), out)
        }
        DataType::Time32(TimeUnit::Millisecond) => {
            let count = i64::from(array.as_primitive::<Time32MillisecondType>().value(row));
            time_of_day(count, 1_000, out)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            time_of_day(array.as_primitive::<Time64MicrosecondType>().value(row), 1_000_000, out)
        }
        DataType::Time64(TimeUnit::Nanosecond) => {
            time_of_day(array.as_primitive::<Time64NanosecondType>().value(row), NANOS, out)
        }
        _ => fallback(array, row, out),
    }
}

fn fallback(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    text(&array_value_to_string(array, row).map_err(io::Error::other)?, out)
}

fn decimal<T: DecimalType>(
    value: T::Native,
    precision: u8,
    scale: i8,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let digits = T::format_decimal(value, precision, scale);
    let is_exact = precision <= DOUBLE_DIGITS || (scale == 0 && precision <= INTEGER_DIGITS);
    if is_exact { number(digits, out) } else { text(&digits, out) }
}

/// RFC 3339; without a zone where the file says that the time is a local one.
fn timestamp(count: i64, per_second: i64, is_utc: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let seconds = count.div_euclid(per_second);
    let second = Timestamp::from_seconds(seconds);
    if second.as_micros().div_euclid(1_000_000) != seconds {
        // Past the year 9999, which no text has.
        return number(count, out);
    }
    let mut written = second.to_string();
    written.pop();
    fraction(count.rem_euclid(per_second) * (NANOS / per_second), &mut written);
    if is_utc {
        written.push('Z');
    }
    text(&written, out)
}

fn time_of_day(count: i64, per_second: i64, out: &mut Vec<u8>) -> io::Result<()> {
    let seconds = count.div_euclid(per_second);
    let mut written = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    fraction(count.rem_euclid(per_second) * (NANOS / per_second), &mut written);
    text(&written, out)
}

/// As many digits (0, 3, 6 or 9) as it needs.
fn fraction(nanos: i64, written: &mut String) {
    // Into a text, which always succeeds.
    match nanos {
        0 => Ok(()),
        nanos if nanos % 1_000_000 == 0 => write!(written, ".{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => write!(written, ".{:06}", nanos / 1_000),
        nanos => write!(written, ".{nanos:09}"),
    }
    .ok();
}

/// Writers that know no texts write them as bytes.
fn bytes(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(found) => text(found, out),
        Err(_) => hex(bytes, out),
    }
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'"');
    for byte in bytes {
        io::Write::write_fmt(out, format_args!("{byte:02x}"))?;
    }
    out.push(b'"');
    Ok(())
}

fn uuid(array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    let bytes = match array.as_fixed_size_binary_opt() {
        Some(array) => array.value(row),
        None => return value(array, row, out),
    };
    let mut written = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            written.push('-');
        }
        write!(written, "{byte:02x}").map_err(io::Error::other)?;
    }
    text(&written, out)
}

fn members(array: &StructArray, row: usize, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'{');
    for (column, field) in array.columns().iter().zip(array.fields()) {
        if !column.is_null(row) {
            key(field.name(), out)?;
            value(column, row, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn list(items: &ArrayRef, out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    for row in 0..items.len() {
        if row > 0 {
            out.push(b',');
        }
        value(items, row, out)?;
    }
    out.push(b']');
    Ok(())
}

/// An object; a key that is no text is the text of its JSON.
fn map(entries: &StructArray, out: &mut Vec<u8>) -> io::Result<()> {
    let (Some(keys), Some(values)) = (entries.columns().first(), entries.columns().get(1)) else {
        return Err(io::Error::other("a map has no keys and values"));
    };
    out.push(b'{');
    for row in 0..entries.len() {
        let mut name = Vec::new();
        value(keys, row, &mut name)?;
        if row > 0 {
            out.push(b',');
        }
        if name.first() == Some(&b'"') {
            out.extend_from_slice(&name);
        } else {
            text(&String::from_utf8_lossy(&name), out)?;
        }
        out.push(b':');
        value(values, row, out)?;
    }
    out.push(b'}');
    Ok(())
}
