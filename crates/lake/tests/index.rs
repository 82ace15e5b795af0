//! The search index through the public interface: it changes how much is read, and nothing else.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that can't go on is to stop there"
)]

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf, sync::Arc, time::Duration};

use base::{
    Event, EventId, Explain as _, FixedClock, Object, ObjectHash, Origin, Timestamp, Value, limits,
};
use dab_lake::{
    Lake,
    check::check,
    compact::{CompactOptions, compact},
    index::{IndexWork, Indexed, index},
    query::{Engine, QuerySettings, Rows, Scanned, TimeRange, Values},
    retain::{Retention, retain},
    stats::stats,
    table::Commit,
    write::TableWriter,
};

const NOW: &str = "2026-11-24T08:00:00Z";

fn open(folder: &Path) -> Arc<Lake> {
    let now = Timestamp::parse(NOW).unwrap();
    Arc::new(Lake::in_folder(folder, Arc::new(FixedClock::new(now))).unwrap())
}

/// Numbers that look as if by chance, the same on every machine (`SplitMix64`, Steele et al. 2014).
fn mix(mut seed: u64) -> u64 {
    seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

const WORDS: [&str; 16] = [
    "login",
    "Failure",
    "powershell",
    "rundll32",
    "explorer",
    "Kerberos",
    "ticket",
    "lateral",
    "bucket",
    "GetObject",
    "AssumeRole",
    "denied",
    "zażółć",
    "Straße",
    "beacon",
    "C:\\Windows\\Temp",
];

fn word(seed: u64) -> &'static str {
    WORDS[usize::try_from(mix(seed) % 16).unwrap()]
}

fn address(seed: u64) -> String {
    let [a, b, c, ..] = mix(seed).to_le_bytes();
    format!("10.{}.{b}.{c}", a % 4)
}

fn id(seed: u64) -> String {
    format!("{:016x}-{:04x}", mix(seed), mix(seed + 1) & 0xffff)
}

/// An event of every kind of column: text, numbers, booleans, lists, objects, JSON, and what has none.
fn event(number: u64) -> Event<'static> {
    let time = Timestamp::parse("2026-11-23T00:00:00Z").unwrap();
    let time = time.plus_micros(i64::try_from(number % 86_000).unwrap() * 1_000_000);
    let object = |members: Vec<(&'static str, Value<'static>)>| {
        let members = members.into_iter().map(|(name, value)| (name.into(), value));
        Value::Object(members.collect::<Object<'_>>())
    };
    let text = |text: String| Value::text(text);
    let message = format!("{} of {} by \"{}\"", word(number), word(number * 3), word(number * 7));
    let fields = vec![
        ("message", text(message)),
        ("request", text(id(number))),
        ("bytes", Value::Int(i64::try_from(mix(number) % 100_000).unwrap() - 5_000)),
        ("share", Value::Float((mix(number) % 1000) as f64 / 8.0)),
        ("ok", Value::Bool(number.is_multiple_of(3))),
        (
            "tags",
            Value::List(vec![text(format!("tag{}", number % 500)), text(word(number).into())]),
        ),
        ("source", object(vec![("ip", text(address(number))), ("port", Value::Int(443))])),
        (
            "items",
            Value::List(vec![object(vec![
                ("key\\odd", text(format!("a\nb{}", number % 900))),
                ("amount", Value::Float((number % 700) as f64)),
            ])]),
        ),
        // Now and then of another type: then it goes to `_rest`.
        (
            "level",
            if number.is_multiple_of(50) { text(word(number).into()) } else { Value::Int(7) },
        ),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.into(), value));
    Event {
        time,
        ingest_time: time,
        id: EventId { object: ObjectHash::of(&["o"]), offset: number },
        log_source: "test",
        origin: Origin { object: "file:o".into(), offset: number },
        fields: fields.collect::<Object<'_>>(),
        normalized: Object::new(),
        json: None,
    }
}

async fn append(lake: &Lake, number: i64, events: std::ops::Range<u64>) {
    let table = lake.table("test").await.unwrap();
    let own = table.own_fields().await.unwrap();
    let mut writer = TableWriter::new("test", own.iter(), limits::TABLE_COLUMNS_MAX);
    for number in events {
        writer.append(&event(number), 400).unwrap();
    }
    let written = writer.finish().unwrap();
    let app = "dab/s".to_owned();
    let commit = Commit { app, number, own: written.own, files: written.files };
    table.commit(&commit).await.unwrap();
}

/// Two files of several blocks.
async fn filled(folder: &Path) -> Arc<Lake> {
    let lake = open(folder);
    append(&lake, 1, 0..9_000).await;
    append(&lake, 2, 9_000..18_000).await;
    lake
}

fn engine(lake: &Arc<Lake>, index_from_bytes: Option<u64>) -> Engine {
    let settings = QuerySettings { index_from_bytes, ..QuerySettings::default() };
    Engine::new(Arc::clone(lake) as _, settings)
}

async fn found(engine: &Engine, line: &str) -> (Vec<String>, Scanned) {
    let searched = engine.search_counted(line, &TimeRange::default(), Some(100_000)).await;
    let (rows, scanned) = searched.unwrap_or_else(|error| panic!("{line}: {error}"));
    let Rows::Events(events) = rows else { panic!("{line} finds events") };
    (events.into_iter().map(|event| event.json).collect(), scanned)
}

/// What people look for: of what is there, and of what is not.
fn lines() -> Vec<String> {
    let mut lines: Vec<String> = [
        "powershell",
        "POWERSHELL failure",
        "\"of ticket by\"",
        "zażółć",
        "straße",
        "traße",
        "*raß*",
        "C:\\Windows\\Temp",
        "*indows*",
        "ok:true",
        "level:7",
        "level:beacon",
        "443",
        "443.0",
        "12.5",
        "share:12.5",
        "share:12.50",
        "bytes:-4999",
        "items.amount:77",
        "items.amount:77.0",
        "*ndll3*",
        "b77",
        "\"a\nb77\"",
        "tag77",
        "tags:tag77",
        "tag77 tag78",
        "nowhere",
        "*owher*",
        "10.1.2.3",
        "10.1.*",
        "request:0*",
        "NOT powershell",
        "source.port:443 tag5",
        "tag5 OR tag6",
        "log_source:test tag9",
        "origin.object:file* tag9",
        "message:*kerberos*",
        "user:root",
        "tag1*",
        "items.key\\\\odd:*b88",
        "event_id:*-77",
        "-tag5 beacon tag6",
        "source.ip:(10.1.2.3 10.2.3.4)",
    ]
    .map(str::to_owned)
    .into();
    for seed in 0..3 {
        let number = mix(seed) % 18_000;
        let (id, address) = (id(number), address(number));
        lines.push(id.clone());
        lines.push(id.to_uppercase());
        lines.push(format!("*{}*", &id[3..12]));
        lines.push(address.clone());
        lines.push(format!("source.ip:{address}"));
        lines.push(format!("{} {}", word(seed), &id[..16]));
        lines.push(format!("*{}*", address.split_once('.').unwrap().1));
        // One that is nowhere.
        lines.push(format!("{:016x}", mix(seed + 1_000_000)));
    }
    lines
}

/// Whether every line finds the same with an index as without.
async fn same_with_and_without(lake: &Arc<Lake>, every: usize) -> (Scanned, Scanned) {
    let (with, without) = (engine(lake, Some(0)), engine(lake, None));
    let (mut read, mut all) = (Scanned::default(), Scanned::default());
    for line in lines().into_iter().step_by(every) {
        let (expected, plain) = found(&without, &line).await;
        let (events, scanned) = found(&with, &line).await;
        assert!(events == expected, "{line}: {} found, not {}", events.len(), expected.len());
        assert_eq!(plain.files_indexed, 0, "{line}");
        read.blocks += scanned.blocks;
        read.blocks_total += scanned.blocks_total;
        read.bytes_read += scanned.bytes_read + scanned.bytes_index;
        all.bytes_read += plain.bytes_read;
    }
    (read, all)
}

#[tokio::test]
async fn what_is_found_is_the_same_with_an_index_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let (read, all) = same_with_and_without(&lake, 1).await;
    // Words that are in every block are among them.
    assert!(read.blocks < read.blocks_total * 2 / 3, "{read:?}");
    assert!(read.bytes_read < all.bytes_read, "{read:?} {all:?}");
    // Compaction makes the index anew.
    let done = compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    assert_eq!(done.files_after, 1);
    let (read, all) = same_with_and_without(&lake, 3).await;
    assert!(read.blocks < read.blocks_total * 2 / 3, "{read:?}");
    assert!(read.bytes_read < all.bytes_read, "{read:?} {all:?}");
}

#[tokio::test]
async fn sql_is_answered_the_same_with_an_index_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let (with, without) = (engine(&lake, Some(0)), engine(&lake, None));
    let (id, address) = (id(77), address(77));
    let mut blocks = (0, 0);
    for (condition, is_pruned) in [
        (format!("request = '{id}'"), true),
        (format!("request IN ('{id}', 'xyz') OR source.ip = '{address}'"), true),
        (format!("request LIKE '%{}'", &id[4..]), true),
        ("message LIKE '%zażółć of beacon%'".into(), false),
        ("message ILIKE 'KERBEROS of %by _lateral_'".into(), false),
        ("message LIKE '%nowhere%'".into(), true),
        ("message NOT LIKE '%nowhere%'".into(), false),
        ("rest(_rest, 'level') = 'nowhere'".into(), true),
        ("level = 'beacon'".into(), false),
        ("lower(request) = 'x'".into(), false),
        ("items LIKE '%amount%'".into(), false),
        (format!("upper(request) = '{}' AND bytes > 0", id.to_uppercase()), false),
    ] {
        let sql = format!("SELECT event_id FROM test WHERE {condition} ORDER BY event_id");
        let (expected, _) = without.sql_counted(&sql).await.unwrap();
        let (rows, scanned) = with.sql_counted(&sql).await.unwrap();
        let (Rows::Table { batches: found, .. }, Rows::Table { batches: expected, .. }) =
            (rows, expected)
        else {
            panic!("rows of columns")
        };
        let shown = |batches: &[arrow::record_batch::RecordBatch]| {
            arrow::util::pretty::pretty_format_batches(batches).unwrap().to_string()
        };
        assert_eq!(shown(&found), shown(&expected), "{condition}");
        assert!(!is_pruned || scanned.blocks < scanned.blocks_total, "{condition}: {scanned:?}");
        blocks = (blocks.0 + scanned.blocks, blocks.1 + scanned.blocks_total);
    }
    assert!(blocks.0 < blocks.1, "{blocks:?}");
}

#[tokio::test]
async fn an_absent_word_reads_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    let engine = engine(&lake, Some(0));
    let (events, scanned) = found(&engine, "*qqqqwwww*").await;
    assert!(events.is_empty());
    assert_eq!((scanned.files, scanned.blocks, scanned.bytes_read), (0, 0, 0), "{scanned:?}");
    assert!(scanned.bytes_index > 0 && scanned.blocks_total > 1, "{scanned:?}");
    // The same is known before anything is read.
    let estimate =
        engine.estimate("*qqqqwwww*", &Values::default(), &TimeRange::default()).await.unwrap();
    assert_eq!((estimate.files_indexed, estimate.bytes_estimated), (1, 0), "{estimate:?}");
}

fn indexes(folder: &Path) -> Vec<PathBuf> {
    let day = folder.join("tables/test/_index/day=2026-11-23");
    let Ok(files) = fs::read_dir(day) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn work(lake: &Lake, work: IndexWork) -> Indexed {
    let mut steps = 0;
    let mut progress = |done: u64, total: u64| {
        assert!(done < total);
        steps += 1;
    };
    let done = index(lake, "test", work, &BTreeSet::new(), &mut progress).await.unwrap();
    assert_eq!(steps, done.files);
    done
}

#[tokio::test]
async fn whatever_becomes_of_an_index_the_answer_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let (with, without) = (engine(&lake, Some(0)), engine(&lake, None));
    let line = format!("source.ip:{}", address(77));
    let (expected, _) = found(&without, &line).await;
    let files = indexes(folder.path());
    let [first, second] = files.as_slice() else { panic!("{files:?}") };
    let sound = fs::read(first).unwrap();
    let other = fs::read(second).unwrap();
    let mut cases: Vec<(String, Option<Vec<u8>>)> = vec![
        ("missing".into(), None),
        ("empty".into(), Some(Vec::new())),
        ("of another file".into(), Some(other)),
        ("not ours".into(), Some(b"PAR1".repeat(100))),
    ];
    for cut in [10, 100, 2000, sound.len() / 2, sound.len() - 1] {
        cases.push((format!("cut at {cut}"), Some(sound[..cut].to_vec())));
    }
    for at in (0..sound.len()).step_by(sound.len() / 20) {
        let mut damaged = sound.clone();
        damaged[at] ^= 0x10;
        cases.push((format!("damaged at {at}"), Some(damaged)));
    }
    for (what, bytes) in cases {
        match bytes {
            Some(bytes) => fs::write(first, bytes).unwrap(),
            None => fs::remove_file(first).unwrap(),
        }
        let (events, _) = found(&with, &line).await;
        assert!(events == expected, "{what}: {} found, not {}", events.len(), expected.len());
    }
}

#[tokio::test]
async fn indexes_are_dropped_built_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let written: Vec<_> =
        indexes(folder.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    let done = work(&lake, IndexWork::Check).await;
    assert_eq!((done.files, done.sound, done.missing, done.damaged), (2, 2, 0, 0), "{done:?}");
    let sizes: usize = written.iter().map(Vec::len).sum();
    assert_eq!(done.bytes, sizes as u64);
    let total = stats(&lake).await.unwrap().pop().unwrap();
    assert_eq!((total.index_files, total.index_bytes), (2, sizes as u64));

    let done = work(&lake, IndexWork::Drop).await;
    assert_eq!((done.dropped, done.sound), (2, 0), "{done:?}");
    assert!(indexes(folder.path()).is_empty());
    let done = work(&lake, IndexWork::Check).await;
    assert_eq!((done.sound, done.missing), (0, 2), "{done:?}");

    let done = work(&lake, IndexWork::Build).await;
    assert_eq!((done.built, done.sound, done.missing), (2, 2, 2), "{done:?}");
    // It is the same, whether it is made with the file or from it.
    let built: Vec<_> = indexes(folder.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(built == written);
    // What is there is not made again.
    let done = work(&lake, IndexWork::Build).await;
    assert_eq!((done.built, done.sound), (0, 2), "{done:?}");

    let damaged = indexes(folder.path()).remove(0);
    let mut bytes = fs::read(&damaged).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let done = work(&lake, IndexWork::Check).await;
    assert_eq!((done.sound, done.damaged), (1, 1), "{done:?}");
    let done = work(&lake, IndexWork::Build).await;
    assert_eq!((done.built, done.sound, done.damaged), (1, 2, 1), "{done:?}");
}

#[tokio::test]
async fn an_index_goes_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    assert_eq!(indexes(folder.path()).len(), 3);
    let checked = check(&lake, Duration::from_secs(3600), false).await.unwrap();
    assert_eq!((checked.indexes, checked.findings.len()), (1, 0), "{:?}", checked.findings);
    // The clock of the lake stands still, so the old files' grace is over at once.
    let grace = Duration::ZERO;
    let later = Timestamp::parse("2036-11-24T08:00:00Z").unwrap();
    let later = Arc::new(Lake::in_folder(folder.path(), Arc::new(FixedClock::new(later))).unwrap());
    let dropped =
        retain(&later, &Retention { grace, ..Retention::default() }, false).await.unwrap();
    assert_eq!(dropped.iter().map(|one| one.files).sum::<usize>(), 4, "{dropped:?}");
    assert_eq!(indexes(folder.path()).len(), 1);

    let left = indexes(folder.path()).remove(0);
    fs::write(&left, b"nothing").unwrap();
    let checked = check(&lake, Duration::from_secs(3600), true).await.unwrap();
    let codes: Vec<_> = checked.findings.iter().map(|finding| finding.code().0).collect();
    assert_eq!(codes, ["DAB0549"], "{:?}", checked.findings);
}
