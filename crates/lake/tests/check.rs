//! Checking tables through the public interface: each kind of damage is found, and only that.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on is to stop there")]

#[path = "fixture/table.rs"]
mod fixture;

use std::{fs, path::Path, time::Duration};

use base::Explain as _;
use dab_lake::{
    Lake,
    check::{Checked, check},
    compact::{CompactOptions, compact},
    retain::{Retention, retain},
};
use fixture::{append, csv, files, filled, open, open_in, try_append};

const DAY: Duration = Duration::from_secs(86_400);

async fn found(lake: &Lake) -> Vec<String> {
    codes(&check(lake, DAY, false).await.unwrap())
}

fn codes(checked: &Checked) -> Vec<String> {
    let code = |finding: &dab_lake::check::Finding| format!("{} {finding}", finding.code().0);
    checked.findings.iter().map(code).collect()
}

async fn one_file(folder: &Path, lake: &Lake) -> std::path::PathBuf {
    folder.join(format!("tables/test/{}", files(lake).await.first().unwrap().path))
}

#[tokio::test]
async fn a_sound_table_has_no_findings_whatever_was_done_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let checked = check(&lake, DAY, false).await.unwrap();
    assert_eq!((checked.tables, checked.files, codes(&checked).len()), (1, 40, 0));
    compact(&lake, "test", &CompactOptions::default()).await.unwrap();
    assert_eq!(found(&lake).await.len(), 0, "what was replaced still has its grace");
    retain(&lake, &Retention::default(), false).await.unwrap();
    append(&lake, "dab/s", 21, 1000..1100).await;
    assert_eq!(found(&lake).await.len(), 0);
}

#[tokio::test]
async fn damaged_files_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    let path = one_file(folder.path(), &lake).await;
    let bytes = fs::read(&path).unwrap();

    fs::remove_file(&path).unwrap();
    assert_eq!(found(&lake).await, ["DAB0541 a file of the table `test` is missing"]);

    let size = bytes.len();
    fs::write(&path, &bytes[1..]).unwrap();
    let expected =
        format!("DAB0542 a file of the table `test` has {} bytes; the log says {size}", size - 1);
    assert_eq!(found(&lake).await, [expected]);

    let mut broken = bytes.clone();
    broken[size - 4..].fill(b'x');
    fs::write(&path, &broken).unwrap();
    let broken = found(&lake).await;
    let expected = "DAB0543 a file of the table `test` is not what the log says: ";
    assert!(broken.len() == 1 && broken.concat().starts_with(expected), "{broken:?}");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(found(&lake).await.len(), 0);
}

#[tokio::test]
async fn rows_are_counted_against_the_statistics() {
    let folder = tempfile::tempdir().unwrap();
    let lake = open(folder.path());
    append(&lake, "dab/s", 1, 0..10).await;
    let log = folder.path().join("tables/test/_delta_log/00000000000000000001.json");
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains(r#"\"numRecords\":9"#), "{text}");
    fs::write(&log, text.replace(r#"\"numRecords\":9"#, r#"\"numRecords\":8"#)).unwrap();
    let expected = "DAB0543 a file of the table `test` is not what the log says: \
        it has 9 rows, not the 8 of its statistics";
    assert_eq!(found(&open(folder.path())).await, [expected]);
    let error = try_append(&open(folder.path()), "dab/s", 2, 10..20).await;
    error.unwrap();
    let refused = compact(&open(folder.path()), "test", &CompactOptions::default()).await;
    assert_eq!(
        refused.unwrap_err().code().0,
        "DAB0503",
        "such rows are not taken for all there are"
    );
}

#[tokio::test]
async fn what_is_part_of_nothing_is_repaired_and_a_lost_log_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let lake = filled(folder.path()).await;
    lake.put("tables/test/day=2026-11-23/left-over.parquet", "PAR1".into()).await.unwrap();
    assert_eq!(found(&lake).await.len(), 0, "it may be a writer's that is about to commit");
    let later = open_in(folder.path(), 25);
    assert_eq!(found(&later).await, ["DAB0544 1 objects, 4 bytes, are part of nothing"]);
    let repaired = check(&later, DAY, true).await.unwrap();
    assert_eq!((repaired.findings.len(), repaired.repaired.len()), (0, 1));
    assert_eq!(found(&later).await.len(), 0);
    assert_eq!(csv(&later, "SELECT count(*) AS n FROM test").await, "n\r\n1000\r\n");

    fs::rename(folder.path().join("tables/test/_delta_log"), folder.path().join("log")).unwrap();
    let later = open_in(folder.path(), 25);
    let expected = ["DAB0540 the table `test` can't be opened: it has no log"];
    assert_eq!(codes(&check(&later, DAY, true).await.unwrap()), expected);
    retain(&later, &Retention::default(), false).await.unwrap();
    fs::rename(folder.path().join("log"), folder.path().join("tables/test/_delta_log")).unwrap();
    let restored = open_in(folder.path(), 25);
    assert_eq!(csv(&restored, "SELECT count(*) AS n FROM test").await, "n\r\n1000\r\n");
    assert_eq!(found(&restored).await.len(), 0);
}
