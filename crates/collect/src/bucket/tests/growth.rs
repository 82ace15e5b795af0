//! Files that come and grow.

use proptest::{collection::vec, prelude::*};

use super::*;

#[tokio::test]
async fn whole_lines_are_read_as_they_are_appended() {
    let rig = Rig::new();
    rig.write("a.log", b"one\ntw");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one"]);
    rig.append("a.log", b"o\nthree\n");
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one", "two", "three"]);
    assert_eq!(consumer.records[1], Record("file:in/a.log".into(), 0, 4, "two".into()));
}

#[tokio::test]
async fn an_unterminated_line_waits_until_the_file_is_settled() {
    let rig = Rig::new();
    rig.write("a.log", b"one\ntwo");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    for _ in 0..3 {
        consumer.round(&mut source, false).await;
        assert_eq!(consumer.texts(), ["one"]);
    }
    rig.clock.advance(Duration::from_secs(29));
    assert_eq!(source.poll().await.unwrap(), 0, "29 s are not 30");
    rig.settle();
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one", "two"]);
    assert_eq!(source.poll().await.unwrap(), 0, "it is done");
    assert_eq!(stored(&source)["objects"][""]["a.log"]["done"], true);
}

#[tokio::test]
async fn finish_takes_the_unterminated_line_at_once_even_of_paused_files() {
    let rig = Rig::new();
    rig.write("a.log", b"one\ntwo");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one"]);
    consumer.drain(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two"]);
}

#[tokio::test]
async fn a_clock_of_the_store_that_is_ahead_does_not_keep_files_from_settling() {
    let mut rig = Rig::new();
    rig.clock = Arc::new(FixedClock::new(Timestamp::from_seconds(START - 86_400)));
    rig.write("a.log", b"one");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), Vec::<&str>::new());
    rig.clock.advance(Duration::from_secs(31));
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one"]);
}

#[tokio::test]
async fn a_completed_file_that_grows_is_read_on() {
    let rig = Rig::new();
    rig.write("a.log", b"one\ntwo");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    rig.append("a.log", b" and a half\nthree\n");
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", " and a half", "three"]);
    assert!(consumer.records.iter().all(|record| record.1 == 0), "it was not replaced");
}

#[tokio::test]
async fn empty_files_are_completed_and_can_grow() {
    let rig = Rig::new();
    rig.write("a.log", b"");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    rig.settle();
    assert_eq!(source.poll().await.unwrap(), 1);
    let chunk = source.next(false).await.unwrap().unwrap();
    assert!(matches!(chunk.end, End::Complete) && chunk.bytes.is_empty() && chunk.first);
    consumer.take(&mut source, &chunk);
    assert_eq!(source.poll().await.unwrap(), 0);
    rig.append("a.log", b"one\n");
    consumer.round(&mut source, false).await;
    assert_eq!(consumer.texts(), ["one"]);
}

#[tokio::test]
async fn names_of_all_kinds_are_read_under_their_own_name() {
    let rig = Rig::new();
    let names = [
        "with space.log",
        "ünï/cödé 日本.log",
        "100%25.log",
        "a#b.log",
        "q?x=1&y=2.log",
        "deep/er/and/deeper.log",
        "[brackets]{braces}.log",
        "~tilde^hat`tick\"quote'.log",
        ".hidden",
        "back\\slash.log",
        "trailing.",
        "%2e%2e",
    ];
    for name in names {
        rig.write(name, name.as_bytes());
    }
    let consumer = read_all(&rig).await;
    let mut read = consumer.records;
    read.sort();
    let mut expected = names.map(|name| Record(format!("file:in/{name}"), 0, 0, name.to_owned()));
    expected.sort();
    assert_eq!(read, expected);
}

#[tokio::test]
async fn patterns_choose_what_is_read() {
    let mut rig = Rig::new();
    rig.settings.include = vec!["**/*.log".into()];
    rig.settings.exclude = vec!["old/**".into()];
    for name in ["a.log", "b.txt", "x/c.log", "x/y/d.log", "old/e.log"] {
        rig.write(name, name.as_bytes());
    }
    assert_eq!(read_all(&rig).await.texts(), ["a.log", "x/c.log", "x/y/d.log"]);
}

#[tokio::test]
async fn older_objects_come_first() {
    let rig = Rig::new();
    for name in ["c", "a", "b"] {
        rig.write(name, name.as_bytes());
    }
    assert_eq!(read_all(&rig).await.texts(), ["c", "a", "b"]);
}

#[tokio::test]
async fn only_new_bytes_are_fetched_of_a_plain_file() {
    let rig = Rig::new().chunks_of(64);
    rig.write("a.log", "0123456789\n".repeat(100).as_bytes());
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    rig.append("a.log", b"new\n");
    source.poll().await.unwrap();
    let chunk = source.next(false).await.unwrap().unwrap();
    assert_eq!((chunk.offset, chunk.bytes.as_ref()), (1100, &b"new\n"[..]));
}

#[tokio::test]
async fn a_file_that_is_still_written_is_paused_even_in_a_finishing_run() {
    let rig = Rig::new().chunks_of(4);
    rig.write("a.log", b"one\ntwo\nthr");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    source.poll().await.unwrap();
    let first = source.next(true).await.unwrap().unwrap();
    consumer.take(&mut source, &first);
    rig.append("a.log", b"ee\n");
    consumer.drain(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two"], "`thr` is not taken for a record");
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_file_that_could_be_compressed_waits_for_its_next_bytes() {
    let rig = Rig::new();
    rig.write("a.log", b"P");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, false).await;
    rig.append("a.log", b"lain\n(");
    consumer.round(&mut source, false).await;
    rig.write("b.log", b"(");
    rig.settle();
    consumer.round(&mut source, false).await;
    let mut texts = consumer.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["(", "(", "Plain"]);
}

#[tokio::test]
async fn names_that_cannot_be_read_are_troubles_and_the_rest_is_read() {
    let rig = Rig::new();
    for name in ["good.log", "upload#12", "bell\u{7}.log"] {
        rig.write(name, b"x");
    }
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["x"]);
    let mut troubles = source.troubles();
    troubles.sort_by(|a, b| a.0.cmp(&b.0));
    let troubles = troubles.into_iter().map(|(address, report)| (address, report.code));
    let code = || "DAB0411".to_owned();
    assert_eq!(
        troubles.collect::<Vec<_>>(),
        [("file:in/bell\\u{7}.log".to_owned(), code()), ("file:in/upload#12".to_owned(), code())]
    );
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_but_not_in_circles() {
    use std::os::unix::{ffi::OsStrExt as _, fs::symlink};

    let rig = Rig::new();
    rig.write("x/a.log", b"a");
    fs::create_dir_all(rig.dir.path().join("elsewhere")).unwrap();
    fs::write(rig.dir.path().join("elsewhere/b.log"), b"b").unwrap();
    symlink(rig.dir.path().join("elsewhere"), rig.path("linked")).unwrap();
    symlink(rig.path("x"), rig.path("x/self")).unwrap();
    symlink(rig.path(""), rig.path("x/up")).unwrap();
    symlink(rig.path("nowhere"), rig.path("dangling")).unwrap();
    let not_utf8 = std::ffi::OsStr::from_bytes(b"\xff.log");
    fs::write(rig.path("").join(not_utf8), b"?").unwrap();
    let mut consumer = Consumer::default();
    let mut source = rig.source(None);
    consumer.round(&mut source, true).await;
    let mut texts = consumer.texts();
    texts.sort_unstable();
    assert_eq!(texts, ["a", "b"]);
    assert_eq!(source.troubles().len(), 1);
}

#[tokio::test]
async fn a_missing_folder_is_reported_until_it_is_there() {
    let rig = Rig::new();
    let mut source = rig.source(None);
    fs::remove_dir(rig.path("")).unwrap();
    let error = source.poll().await.unwrap_err();
    assert_eq!(Problem::from(error).report().code, "DAB0404");
    assert_eq!(source.troubles().len(), 1);
    rig.write("a.log", b"one\n");
    let mut consumer = Consumer::default();
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one"]);
    assert_eq!(source.troubles(), []);
}

/// A file in the making: its lines, where the appends are cut, and where the process restarts.
#[derive(Debug, Clone)]
struct Making {
    content: Vec<u8>,
    cuts: Vec<(usize, Restart)>,
    chunk_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Restart {
    No,
    /// From the last checkpoint.
    Yes,
    /// After one chunk whose records were not committed.
    Uncommitted,
}

fn making() -> impl Strategy<Value = Making> + use<> {
    let restart = prop_oneof![Just(Restart::No), Just(Restart::Yes), Just(Restart::Uncommitted)];
    let content = vec(prop_oneof![6 => 0x20_u8..0x7f, 1 => Just(b'\n')], 0..400);
    (content, vec((0_usize..40, restart), 0..40), 4_usize..80)
        .prop_map(|(content, cuts, chunk_bytes)| Making { content, cuts, chunk_bytes })
}

async fn make(making: &Making) -> Vec<Record> {
    let rig = Rig::new().chunks_of(making.chunk_bytes);
    rig.write("a.log", b"");
    let (mut source, mut consumer) = (rig.source(None), Consumer::default());
    let mut rest = making.content.as_slice();
    let rest_of_it = [(usize::MAX, Restart::No)];
    for (length, restart) in making.cuts.iter().chain(&rest_of_it) {
        let (now, later) = rest.split_at((*length).min(rest.len()));
        rest = later;
        rig.append("a.log", now);
        if *restart == Restart::Uncommitted {
            let committed = (source.checkpoint(), consumer.records.len());
            source.poll().await.unwrap();
            if let Some(chunk) = source.next(false).await.unwrap() {
                consumer.take(&mut source, &chunk);
            }
            source = rig.source(Some(&committed.0));
            consumer.records.truncate(committed.1);
        }
        consumer.round(&mut source, false).await;
        if *restart == Restart::Yes {
            source = rig.source(Some(&source.checkpoint()));
        }
    }
    rig.settle();
    consumer.round(&mut source, false).await;
    assert_eq!(source.poll().await.unwrap(), 0, "everything is done");
    consumer.records
}

/// What a file has when it is read in one go.
fn plainly(content: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut offset = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line).trim_end_matches('\n').to_owned();
        records.push(Record("file:in/a.log".into(), 0, offset, text));
        offset += line.len() as u64;
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_a_file_is_written_and_read_each_record_comes_once(making in making()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let records = runtime.block_on(make(&making));
        prop_assert_eq!(records, plainly(&making.content));
    }
}

#[tokio::test]
async fn a_file_written_byte_by_byte_comes_once() {
    let content = b"{\"a\":1}\n\n{\"b\":2}\nlast".to_vec();
    let cuts = vec![(1, Restart::Yes); content.len()];
    let making = Making { content, cuts, chunk_bytes: 5 };
    assert_eq!(make(&making).await, plainly(&making.content));
}
