//! Rows come out as the JSON that is expected, however the file is cut into groups, pages and chunks.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
        FixedSizeBinaryArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray,
        MapBuilder, RecordBatch, StringArray, StringBuilder, StructArray, Time64MicrosecondArray,
        TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
        UInt64Array,
    },
    datatypes::{Field, Int32Type},
};
use base::read_damage;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use proptest::prelude::*;

use super::*;

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

fn write(batches: &[RecordBatch], properties: WriterProperties) -> Bytes {
    let mut file = Vec::new();
    let schema = batches[0].schema();
    let mut writer = ArrowWriter::try_new(&mut file, schema, Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
    file.into()
}

fn push(text: &mut Vec<u8>, bytes: &[u8]) -> bool {
    text.extend_from_slice(bytes);
    true
}

/// The lines of a file; notes as `! reason`.
fn lines(file: Bytes) -> Vec<String> {
    let mut text = Vec::new();
    to_json(file, |bytes| push(&mut text, bytes)).unwrap();
    text.split_inclusive(|byte| *byte == b'\n')
        .map(|line| match read_damage(line) {
            Some(reason) => format!("! {reason}"),
            None => String::from_utf8(line.strip_suffix(b"\n").unwrap().to_vec()).unwrap(),
        })
        .collect()
}

fn line_of(name: &str, array: impl Array + 'static) -> String {
    let file = write(&[batch(vec![(name, Arc::new(array))])], WriterProperties::default());
    lines(file).join(" ")
}

#[test]
fn every_type_becomes_the_json_that_is_expected() {
    let micros = 1_795_507_200_123_456;
    assert_eq!(line_of("b", BooleanArray::from(vec![true, false])), r#"{"b":true} {"b":false}"#);
    assert_eq!(line_of("i", Int64Array::from(vec![i64::MIN])), r#"{"i":-9223372036854775808}"#);
    assert_eq!(line_of("u", UInt64Array::from(vec![u64::MAX])), r#"{"u":18446744073709551615}"#);
    assert_eq!(line_of("f", Float32Array::from(vec![0.1])), r#"{"f":0.1}"#);
    let doubles = Float64Array::from(vec![1.0, f64::NAN, f64::INFINITY]);
    assert_eq!(line_of("d", doubles), r#"{"d":1.0} {"d":"NaN"} {"d":"inf"}"#);
    assert_eq!(line_of("s", StringArray::from(vec![Some("a\"\n"), None])), r#"{"s":"a\"\n"} {}"#);
    let bytes = BinaryArray::from(vec![&b"text"[..], b"\xff\x00"]);
    assert_eq!(line_of("x", bytes), r#"{"x":"text"} {"x":"ff00"}"#);
    let hash = FixedSizeBinaryArray::try_from_iter([[0x61_u8; 4]].into_iter()).unwrap();
    assert_eq!(line_of("h", hash), r#"{"h":"61616161"}"#);
    assert_eq!(line_of("day", Date32Array::from(vec![20_781])), r#"{"day":"2026-11-24"}"#);
    let time = Time64MicrosecondArray::from(vec![3_723_000_001]);
    assert_eq!(line_of("t", time), r#"{"t":"01:02:03.000001"}"#);
    let utc = TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
    assert_eq!(line_of("t", utc), r#"{"t":"2026-11-24T08:00:00.123456Z"}"#);
    let local = TimestampMillisecondArray::from(vec![micros / 1000, -1, i64::MAX]);
    let expected = format!(
        r#"{{"t":"2026-11-24T08:00:00.123"}} {{"t":"1969-12-31T23:59:59.999"}} {{"t":{}}}"#,
        i64::MAX
    );
    assert_eq!(line_of("t", local), expected);
    let nanos = TimestampNanosecondArray::from(vec![micros * 1000 + 7]).with_timezone("UTC");
    assert_eq!(line_of("t", nanos), r#"{"t":"2026-11-24T08:00:00.123456007Z"}"#);
}

#[test]
fn decimals_are_numbers_as_long_as_no_digit_is_lost() {
    let decimal = |value: i128, precision, scale| {
        Decimal128Array::from(vec![value]).with_precision_and_scale(precision, scale).unwrap()
    };
    assert_eq!(line_of("n", decimal(-12_345, 9, 2)), r#"{"n":-123.45}"#);
    assert_eq!(
        line_of("n", decimal(123_456_789_012_345_678, 18, 0)),
        r#"{"n":123456789012345678}"#
    );
    assert_eq!(line_of("n", decimal(12_345, 38, 2)), r#"{"n":"123.45"}"#);
}

#[test]
fn nested_columns_are_objects_and_lists() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
        Some(vec![Some(1), None]),
        None,
        Some(vec![]),
    ]);
    let inner: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("z")]));
    let structs = StructArray::from(vec![
        (Arc::new(Field::new("ip", DataType::Utf8, true)), inner),
        (Arc::new(Field::new("l", list.data_type().clone(), true)), Arc::new(list) as ArrayRef),
    ]);
    assert_eq!(
        line_of("src", structs),
        r#"{"src":{"ip":"x","l":[1,null]}} {"src":{}} {"src":{"ip":"z","l":[]}}"#
    );
    let mut map = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    map.keys().append_value("k\"");
    map.values().append_value("v");
    map.append(true).unwrap();
    map.append(false).unwrap();
    assert_eq!(line_of("m", map.finish()), r#"{"m":{"k\"":"v"}} {}"#);
}

fn rows(count: i32) -> RecordBatch {
    let numbers = Int32Array::from_iter_values(0..count);
    let texts = StringArray::from_iter_values((0..count).map(|n| format!("text {}", n % 7)));
    batch(vec![("n", Arc::new(numbers)), ("t", Arc::new(texts))])
}

fn expected(count: i32) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"n":{n},"t":"text {}"}}"#, n % 7)).collect()
}

#[test]
fn all_codecs_are_read() {
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let properties = WriterProperties::builder().set_compression(codec).build();
        assert_eq!(lines(write(&[rows(1000)], properties)), expected(1000), "{codec:?}");
    }
}

#[test]
fn a_group_that_is_damaged_does_not_touch_the_others() {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .build();
    let file = write(&[rows(500), rows(500), rows(500)], properties);
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
    let (start, length) = metadata.metadata().row_group(1).column(1).byte_range();
    let mut damaged = file.to_vec();
    for at in start..start + length {
        damaged[usize::try_from(at).unwrap()] = 0xff;
    }
    let found = lines(damaged.into());
    assert_eq!(found.len(), 1001);
    assert_eq!(found[..500], expected(500));
    assert!(
        found[500].starts_with("! row group 1 can't be read from its row 0 on, of 500: "),
        "{}",
        found[500]
    );
    assert_eq!(found[501..], expected(500));
}

#[test]
fn what_is_no_parquet_says_why() {
    let file = write(&[rows(10)], WriterProperties::default());
    let why = |file: &[u8]| to_json(Bytes::copy_from_slice(file), |_| true).unwrap_err();
    assert_eq!(why(b"PAR1"), "it is too short to be one");
    let cut = "it does not end as one: it is cut, or still being written";
    assert_eq!(why(&file[..file.len() - 1]), cut);
    let mut encrypted = file.to_vec();
    let end = encrypted.len() - 1;
    encrypted[end] = b'E';
    assert_eq!(why(&encrypted), "its metadata is encrypted");
    let mut long = file.to_vec();
    long[end - 4] = 0x7f;
    assert!(why(&long).starts_with("its metadata is "));
    let mut wrong = file.to_vec();
    let from = file.len() - 60;
    wrong[from..file.len() - 8].fill(0xff);
    assert!(!why(&wrong).is_empty());
}

#[test]
fn columns_that_nest_without_end_are_refused() {
    // A schema of elements with one element inside each, as Thrift's compact protocol writes it.
    let nested = |depth: usize| {
        let mut metadata = vec![0x15, 2, 0x19, 0xfc];
        let mut count = depth + 1;
        while count > 0x7f {
            metadata.push(u8::try_from(count & 0x7f).unwrap() | 0x80);
            count >>= 7;
        }
        metadata.push(u8::try_from(count).unwrap());
        for _ in 0..depth {
            metadata.extend_from_slice(&[0x48, 1, b'a', 0x15, 2, 0]);
        }
        metadata.extend_from_slice(&[0x15, 2, 0x38, 1, b'a', 0]);
        metadata.extend_from_slice(&[0x16, 0, 0x19, 0x0c, 0]);
        let length = u32::try_from(metadata.len()).unwrap().to_le_bytes();
        let file = [b"PAR1", metadata.as_slice(), &length, b"PAR1"].concat();
        to_json(file.into(), |_| true)
    };
    assert_eq!(nested(1_000_000).unwrap_err(), "its columns nest deeper than 64");
    assert_eq!(nested(65).unwrap_err(), "its columns nest deeper than 64");
    let shallow = nested(10);
    assert!(!format!("{shallow:?}").contains("nest"), "{shallow:?}");
}

#[test]
fn a_page_without_bounds_is_refused() {
    let long = "y".repeat(70 << 20);
    let texts = StringArray::from(vec!["a", long.as_str()]);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let file = write(&[batch(vec![("t", Arc::new(texts))])], properties);
    assert!(file.len() < 1 << 20);
    let found = lines(file);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("! row group 0 can't be read from its row 0 on, of 2: "));
    assert!(found[0].contains("a page of 73400"), "{}", found[0]);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        values in prop::collection::vec((any::<Option<i64>>(), any::<Option<String>>()), 1..200),
        group in 1_usize..60, page in 1_usize..20, dictionary: bool,
    ) {
        let numbers = Int64Array::from_iter(values.iter().map(|(number, _)| *number));
        let texts = StringArray::from_iter(values.iter().map(|(_, text)| text.clone()));
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group))
            .set_data_page_row_count_limit(page)
            .set_write_batch_size(page)
            .set_dictionary_enabled(dictionary)
            .build();
        let batch = batch(vec![("n", Arc::new(numbers)), ("t", Arc::new(texts))]);
        let found: Vec<serde_json::Value> = lines(write(&[batch], properties))
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let expected: Vec<serde_json::Value> = values
            .iter()
            .map(|(number, text)| {
                let mut row = serde_json::Map::new();
                if let Some(number) = number {
                    row.insert("n".to_owned(), (*number).into());
                }
                if let Some(text) = text {
                    row.insert("t".to_owned(), text.as_str().into());
                }
                row.into()
            })
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_damage_is_survived_and_leaves_lines(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in any::<prop::sample::Index>(), is_cut: bool,
    ) {
        let mut file = write(&[rows(20), rows(20)], WriterProperties::default()).to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if is_cut {
            file.truncate(cut.index(file.len()));
        }
        let mut text = Vec::new();
        if to_json(file.into(), |bytes| push(&mut text, bytes)).is_ok() {
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                prop_assert!(line.ends_with(b"\n"));
                let is_row = line.starts_with(b"{");
                prop_assert!(is_row || read_damage(line).is_some());
            }
        }
    }
}

#[test]
fn only_what_is_read_is_fetched() {
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_compression(Compression::UNCOMPRESSED)
        .build();
    let numbers = Int64Array::from_iter_values(0..400_000);
    let file = write(&[batch(vec![("n", Arc::new(numbers))])], properties);
    let fetched = Arc::new(Mutex::new(0_usize));
    let ranges = {
        let (file, fetched) = (file.clone(), Arc::clone(&fetched));
        Ranges::new(file.len() as u64, move |range| {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            *fetched.lock().unwrap() += range.len();
            Ok(file.slice(range))
        })
    };
    let mut rows = Rows::open(ranges).unwrap();
    let mut out = Vec::new();
    while !rows.write(1 << 20, &mut out) {
        out.clear();
    }
    let fetched = *fetched.lock().unwrap();
    assert!(fetched < file.len() * 12 / 10, "{fetched} bytes for a file of {}", file.len());
}
