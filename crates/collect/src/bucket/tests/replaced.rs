//! Objects that are replaced, cut, or gone.

use super::*;

/// What a first reading of `old` and then one of `new` under the same name give.
async fn after(old: &[u8], new: &[u8]) -> Vec<(u32, u64, String)> {
    let rig = Rig::new();
    rig.write("a.log", old);
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    let seen = consumer.records.len();
    rig.write("a.log", new);
    // The same holds in this process and in the next.
    let mut next = rig.source(Some(&source.checkpoint()));
    let mut second = Consumer::default();
    second.round(&mut next, true).await;
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.records[seen..], second.records);
    second
        .records
        .into_iter()
        .map(|Record(_, generation, offset, text)| (generation, offset, text))
        .collect()
}

#[tokio::test]
async fn a_replaced_file_is_read_whole_as_a_new_generation() {
    let long_head = format!("{}\n", "h".repeat(3000));
    let old = format!("{long_head}one\n");
    let rotated = format!("{long_head}two\nthree\n");
    let record = |generation, offset, text: &str| (generation, offset, text.to_owned());
    for (case, old, new, expected) in [
        ("shorter", "one\ntwo\n", "one\n", vec![record(1, 0, "one")]),
        (
            "other head",
            "one\n",
            "new\nand longer\n",
            vec![record(1, 0, "new"), record(1, 4, "and longer")],
        ),
        ("same length", "one\n", "two\n", vec![record(1, 0, "two")]),
        (
            "a long head in common",
            &old,
            &rotated,
            vec![
                record(1, 0, long_head.trim_end()),
                record(1, 3001, "two"),
                record(1, 3005, "three"),
            ],
        ),
        ("emptied", "one\n", "", vec![]),
        ("only touched", "one\n", "one\n", vec![]),
        ("rewritten with more", "one\n", "one\ntwo\n", vec![record(0, 4, "two")]),
    ] {
        assert_eq!(after(old.as_bytes(), new.as_bytes()).await, expected, "{case}");
    }
}

#[tokio::test]
async fn generations_are_counted_on() {
    let rig = Rig::new();
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    for text in ["first\n", "second\n", "third\n"] {
        rig.write("a.log", text.as_bytes());
        consumer.round(&mut source, false).await;
        source = rig.source(Some(&source.checkpoint()));
    }
    let seen = consumer.records.iter().map(|record| (record.1, record.3.as_str()));
    assert_eq!(seen.collect::<Vec<_>>(), [(0, "first"), (1, "second"), (2, "third")]);
}

#[tokio::test]
async fn an_emptied_file_that_is_written_anew_is_another_generation() {
    let rig = Rig::new();
    rig.write("a.log", b"one\n");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    rig.write("a.log", b"");
    consumer.round(&mut source, true).await;
    rig.append("a.log", b"two\n");
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.records[1], Record("file:in/a.log".into(), 1, 0, "two".into()));
}

#[tokio::test]
async fn a_file_replaced_while_it_is_read_is_left_and_read_anew() {
    for new in ["NEW\nCONTENT\nLONGER\nTHAN\nBEFORE\n", "short\n"] {
        let rig = Rig::new().chunks_of(6);
        rig.write("a.log", b"one\ntwo\nthree\nfour\n");
        let (mut source, mut consumer) = (rig.source(None), Consumer::default());
        source.poll().await.unwrap();
        let chunk = source.next(true).await.unwrap().unwrap();
        consumer.take(&mut source, &chunk);
        rig.write("other.log", new.as_bytes());
        fs::rename(rig.path("other.log"), rig.path("a.log")).unwrap();
        let chunk = source.next(true).await.unwrap().unwrap();
        assert!(matches!(chunk.end, End::Pause) && chunk.bytes.is_empty(), "{chunk:?}");
        consumer.take(&mut source, &chunk);
        assert!(source.next(true).await.unwrap().is_none());
        assert_eq!(consumer.texts(), ["one"], "what was framed stays framed");
        consumer.round(&mut source, true).await;
        let seen = consumer.records[1..].iter().map(|record| (record.1, record.3.as_str()));
        assert_eq!(seen.collect::<Vec<_>>(), new.lines().map(|line| (1, line)).collect::<Vec<_>>());
        // A late word about the old content does not touch the new.
        let before = source.checkpoint();
        source.advance(&chunk.object, 1 << 40, Value::Null);
        assert_eq!(source.checkpoint(), before);
    }
}

#[tokio::test]
async fn what_vanishes_is_dropped_and_the_rest_is_read() {
    let rig = Rig::new().chunks_of(4);
    for name in ["a.log", "b.log", "c.log"] {
        rig.write(name, b"one\ntwo\n");
    }
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    assert_eq!(source.poll().await.unwrap(), 3);
    let chunk = source.next(true).await.unwrap().unwrap();
    consumer.take(&mut source, &chunk);
    fs::remove_file(rig.path("a.log")).unwrap();
    fs::remove_file(rig.path("b.log")).unwrap();
    consumer.drain(&mut source, true).await;
    let seen = consumer.records.iter().map(|record| record.0.as_str());
    assert_eq!(seen.collect::<Vec<_>>(), ["file:in/a.log", "file:in/c.log", "file:in/c.log"]);
    assert_eq!(source.troubles(), []);
}

#[tokio::test]
async fn one_that_is_gone_and_comes_back_with_other_content_is_a_new_generation() {
    let rig = Rig::new();
    rig.write("a.log", b"one\n");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    fs::remove_file(rig.path("a.log")).unwrap();
    consumer.round(&mut source, true).await;
    let mut source = rig.source(Some(&source.checkpoint()));
    consumer.round(&mut source, true).await;
    rig.write("a.log", b"two\n");
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.records[1], Record("file:in/a.log".into(), 1, 0, "two".into()));
}
