//! The checkpoint: what it holds, how large it is, and that old ones can be read.

use super::*;
use crate::bucket::checkpoint::{Print, Version};

/// Written by version 1, of a folder as in [`version_1_is_still_read`].
const VERSION_1: &str = include_str!("../../../tests/checkpoints/version-1.json");

#[tokio::test]
async fn version_1_is_still_read() {
    let rig = Rig::new();
    rig.write("done.log", b"one\ntwo\n");
    rig.write("sub/half.log", b"one\ntwo\nthr");
    rig.append("sub/half.log", b"ee\n");
    rig.write("new.log", b"new\n");
    // The tags name the inode, which this folder has not: the contents are compared.
    let mut source = rig.source(Some(VERSION_1.as_bytes()));
    let mut consumer = Consumer::default();
    consumer.round(&mut source, true).await;
    assert_eq!(
        consumer.records,
        [
            Record("file:in/sub/half.log".into(), 2, 8, "three".into()),
            Record("file:in/new.log".into(), 0, 0, "new".into()),
        ]
    );
    let again = rig.source(Some(&source.checkpoint()));
    assert_eq!(again.checkpoint(), source.checkpoint(), "reading and writing loses nothing");
}

#[tokio::test]
async fn an_unknown_version_and_a_damaged_checkpoint_are_refused() {
    let rig = Rig::new();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    for (bytes, reason) in [
        (&b"{\"version\":2,\"location\":\"file:in\",\"things\":[]}"[..], "version 2"),
        (b"{\"version\":1}", "location"),
        (b"not json", "expected"),
        (b"", "EOF"),
    ] {
        let settings = rig.settings.clone();
        let result = BucketSource::new(rig.location(), settings, Some(bytes), Arc::clone(&clock));
        let report = Problem::from(result.unwrap_err()).report();
        assert_eq!(report.code, "DAB0403");
        assert!(report.message.contains(reason), "{}", report.message);
    }
}

#[tokio::test]
async fn a_checkpoint_of_another_location_is_not_used() {
    let rig = Rig::new();
    rig.write("a.log", b"one\n");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    fs::create_dir_all(rig.dir.path().join("other")).unwrap();
    fs::copy(rig.path("a.log"), rig.dir.path().join("other/a.log")).unwrap();
    let location = Location::parse("other", rig.dir.path(), &[]).unwrap();
    let clock = Arc::clone(&rig.clock) as Arc<dyn Clock>;
    let checkpoint = source.checkpoint();
    let mut other =
        BucketSource::new(location, rig.settings.clone(), Some(&checkpoint), clock).unwrap();
    consumer.round(&mut other, true).await;
    assert_eq!(consumer.records[1], Record("file:other/a.log".into(), 0, 0, "one".into()));
}

#[tokio::test]
async fn nothing_that_was_not_advanced_is_in_the_checkpoint() {
    let rig = Rig::new().chunks_of(4);
    rig.write("a.log", b"one\ntwo\n");
    let mut source = rig.source(None);
    source.poll().await.unwrap();
    while source.next(true).await.unwrap().is_some() {}
    assert_eq!(stored(&source)["objects"], json!({}));
    let mut consumer = Consumer::default();
    let mut source = rig.source(Some(&source.checkpoint()));
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two"]);
}

#[tokio::test]
async fn an_object_is_done_only_when_its_end_was_advanced_to() {
    let rig = Rig::new();
    rig.write("a.log", b"one\ntwo");
    let mut source = rig.source(None);
    source.poll().await.unwrap();
    let chunk = source.next(true).await.unwrap().unwrap();
    assert!(matches!(chunk.end, End::Complete));
    source.advance(&chunk.object, 4, json!({"at": 4}));
    source.advance(&chunk.object, 2, json!({"at": 2}));
    let mut source = rig.source(Some(&source.checkpoint()));
    let mut consumer = Consumer::default();
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["two"], "offsets do not move back");
    let mut source = rig.source(Some(&source.checkpoint()));
    assert_eq!(source.poll().await.unwrap(), 0);
}

/// A source that remembers `count` objects with long names, all done.
fn remembering(rig: &Rig, count: usize) -> BucketSource {
    let mut source = rig.source(None);
    for n in 0..count {
        let name: Arc<str> = format!(
            "AWSLogs/123456789012/CloudTrail/eu-central-1/2026/11/24/\
             123456789012_CloudTrail_eu-central-1_20261124T0805Z_{n:016x}.json.gz"
        )
        .into();
        let version = Version {
            size: 183_421,
            modified: 1_764_000_000_000_000,
            etag: Some("\"9b2cf535f27731c974343645a3985328\"".to_owned()),
        };
        let entry = Entry {
            offset: 2_718_281,
            frame: json!({"at": 2_718_281}),
            done: true,
            version,
            format: Some(decompress::Format::Gzip),
            head: Print::of(0, &[7; 1024]),
            tail: Print::of(182_397, &[8; 1024]),
            ..Entry::default()
        };
        source.entries.insert(name, entry);
    }
    source
}

#[tokio::test]
async fn ten_thousand_objects_with_long_names_stay_small() {
    let rig = Rig::new();
    let mut source = remembering(&rig, 10_000);
    let bytes = source.checkpoint().len();
    assert!(bytes < 3_000_000, "{bytes}");
    source.poll().await.unwrap();
    assert_eq!(source.entries.len(), 10_000, "as many are remembered when they are gone");
}

#[tokio::test]
async fn what_is_gone_is_forgotten_beyond_a_limit() {
    let rig = Rig::new();
    rig.write("there.log", b"x\n");
    let mut source = remembering(&rig, limits::OBJECTS_GONE_MAX + 5);
    let mut consumer = Consumer::default();
    consumer.round(&mut source, true).await;
    assert_eq!(source.entries.len(), limits::OBJECTS_GONE_MAX + 1);
    assert!(source.entries.contains_key("there.log"));
}
