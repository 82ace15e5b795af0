//! Parquet files and Windows event logs: read as lines, whole, cut, packed, and over restarts.

use ::parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
use arrow::array::{Int32Array, RecordBatch, StringArray};
use base::read_damage;

use super::*;
use crate::bucket::evtx::fixture;

const WORDS: &[&str] = &["one", "two", "three", "four", "five"];

fn event_log() -> Vec<u8> {
    let template = fixture::Element {
        name: "Event".to_owned(),
        content: vec![fixture::Node::Value { number: 0, is_optional: false }],
        ..fixture::Element::default()
    };
    let records: Vec<fixture::Record> = WORDS
        .iter()
        .map(|word| fixture::Record {
            template: template.clone(),
            values: vec![(1, fixture::utf16(word))],
        })
        .collect();
    fixture::file(&records, 2)
}

fn events() -> String {
    WORDS.iter().map(|word| format!("<Event>{word}</Event>\n")).collect()
}

fn parquet(rows: i32) -> Vec<u8> {
    let numbers = Int32Array::from_iter_values(0..rows);
    let texts = StringArray::from_iter_values((0..rows).map(|n| format!("text {n}")));
    let batch = RecordBatch::try_from_iter([
        ("n", Arc::new(numbers) as arrow::array::ArrayRef),
        ("t", Arc::new(texts)),
    ])
    .unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(70)).build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn rows(count: i32) -> String {
    (0..count).map(|n| format!("{{\"n\":{n},\"t\":\"text {n}\"}}\n")).collect()
}

#[tokio::test]
async fn they_are_read_as_lines_whatever_their_names() {
    for (case, bytes, expected) in [
        ("evtx", event_log(), events()),
        ("evtx, allocated ahead", [event_log(), vec![0; 131_072]].concat(), events()),
        ("evtx in gzip", gzip(&event_log()), events()),
        ("evtx in zstd", zstd::encode_all(event_log().as_slice(), 3).unwrap(), events()),
        ("parquet", parquet(300), rows(300)),
        ("parquet without rows", parquet(0), String::new()),
        ("neither", b"ElfFil\n".to_vec(), "ElfFil\n".to_owned()),
        ("neither, in gzip", gzip(b"ElfFil"), "ElfFil\n".to_owned()),
        ("neither, and short", b"PA".to_vec(), "PA\n".to_owned()),
    ] {
        for chunk_bytes in [9, 500, 1 << 20] {
            let rig = Rig::new().chunks_of(chunk_bytes);
            rig.write("a.bin", &bytes);
            let consumer = read_all(&rig).await;
            assert_eq!(consumer.faults, Vec::<String>::new(), "{case}");
            assert!(consumer.has(&expected), "{case}, {chunk_bytes}: {:?}", consumer.texts());
        }
    }
}

#[tokio::test]
async fn a_restart_goes_on_at_the_record() {
    for (bytes, expected) in
        [(event_log(), events()), (gzip(&event_log()), events()), (parquet(300), rows(300))]
    {
        let rig = Rig::new().chunks_of(40);
        rig.write("a", &bytes);
        let (consumer, processes) = read_by_restarts(&rig).await;
        assert!(processes > 1);
        assert!(consumer.has(&expected));
    }
}

#[tokio::test]
async fn one_that_is_still_being_written_waits_and_then_is_what_there_is_of_it() {
    // Of Parquet nothing can be told before its end is there; of an event log each chunk stands alone.
    let log = event_log();
    for (cut, whole, before, after) in [
        (&log[..4096 + 65536 + 800], &log, "one two", "one two three four"),
        (&parquet(300)[..900], &parquet(300), "", ""),
    ] {
        let rig = Rig::new();
        rig.write("a", cut);
        let (mut source, mut consumer) = (rig.source(None), Consumer::default());
        consumer.round(&mut source, false).await;
        let words = |consumer: &Consumer| {
            let strip = |text: &&str| text.replace("<Event>", "").replace("</Event>", "");
            consumer.texts().iter().map(strip).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((words(&consumer).as_str(), consumer.faults.len()), (before, 0));
        rig.settle();
        consumer.round(&mut source, false).await;
        assert_eq!((words(&consumer).as_str(), consumer.faults.len()), (after, 1));
        rig.append("a", &whole[cut.len()..]);
        rig.settle();
        consumer.round(&mut source, false).await;
        let count = if after.is_empty() { 300 } else { 5 };
        assert_eq!(consumer.records.len(), count, "{:?}", consumer.faults);
        assert_eq!(consumer.faults.len(), 1);
    }
}

#[tokio::test]
async fn what_is_damaged_is_told_in_its_place() {
    let mut log = event_log();
    log[4096 + 65536] = b'x';
    let packed = gzip(&log);
    let rig = Rig::new();
    rig.write("a", &log);
    rig.write("b", &packed);
    rig.write("c", &packed[..packed.len() - 3]);
    let consumer = read_all(&rig).await;
    let reasons: Vec<_> =
        consumer.texts().iter().filter_map(|text| read_damage(text.as_bytes())).collect();
    assert_eq!(reasons, ["chunk 1 of the file is none: it does not begin as one"; 3]);
    assert_eq!(consumer.records.len(), 3 * 4);
    assert_eq!(consumer.faults.len(), 1, "{:?}", consumer.faults);

    let mut file = parquet(10);
    let end = file.len();
    file[end - 20..end - 8].fill(0xff);
    let rig = Rig::new();
    rig.write("a", &file);
    let consumer = read_all(&rig).await;
    assert_eq!(consumer.records.len(), 0);
    assert!(consumer.faults[0].starts_with("error[DAB0407]: Parquet stream is damaged: "));
}

#[tokio::test]
async fn one_that_is_replaced_is_read_anew() {
    let rig = Rig::new();
    rig.write("a", &parquet(100));
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    rig.write("a", &parquet(400));
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.records.len(), 500);
    assert_eq!(consumer.records[499].1, 1, "it is another generation");
}
