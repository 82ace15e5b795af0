//! Opening a table that has had many commits, each of one small file.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::{
    super::measure,
    Bench, Failure, lines, number,
    report::{Target, figure},
};
use crate::say::say;

/// Makes a table by so many commits, and opens it.
pub(super) fn measure(bench: &Bench, commits: usize) -> Result<(Value, Vec<Target>), Failure> {
    let folder = bench.scratch.join("commits");
    lay(&folder, commits).map_err(|error| format!("{}: {error}", folder.display()))?;
    // What is read is committed at once, so each file is a batch.
    let run = measure::run(&bench.dab(&["run", "--once"]), &folder)?;
    let stats = bench.dab(&["lake", "stats", "--output", "json"]);
    let stats = lines(&Bench::ask(&stats, &folder)?)?;
    let table = stats.first().ok_or("`dab lake stats` said nothing")?;
    let (rows, made) = (number(table, "rows")?, number(table, "commits")?);
    if rows < commits as f64 || made < commits as f64 {
        return Err(format!("{commits} files became {rows} rows by {made} commits"));
    }
    let start = bench.short(&bench.dab(&["sql", "select 1 as one"]), &folder)?;
    // No file has such a day: the table is opened, and nothing is read.
    let sql = "SELECT count(*) AS n FROM many WHERE day = '2000-01-01'";
    let open = bench.short(&bench.dab(&["sql", sql]), &folder)?;
    say(&format!(
        "{made} commits took {} ms of processor each; opening the table {} s (start {} s)",
        figure(run.cpu_seconds * 1e3 / made),
        figure(open.median().seconds),
        figure(start.median().seconds),
    ));
    let seconds = open.median().seconds;
    let found = json!({
        "commits": made,
        "files": number(table, "files")?,
        "cpu_seconds": run.cpu_seconds,
        "memory_bytes_max": run.memory_bytes,
        "start": start.json(),
        "open": open.json(),
    });
    let name = format!("{made} commits, none compacted: to open the table");
    Ok((found, vec![Target::most(&name, seconds, 0.5, "s")]))
}

/// A project with one event in each of many files.
fn lay(folder: &Path, files: usize) -> std::io::Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("in"))?;
    fs::create_dir_all(folder.join("sources"))?;
    let source = "format: {type: ndjson}\ntime: {field: t}\n";
    fs::write(folder.join("sources/many.yml"), source)?;
    let settings = "version: 1\nlake: ./lake\nlog_sources: [./sources]\ncollect:\n  \
        - {name: many, log_source: many, from: ./in, settle_seconds: 0, commit_seconds: 0}\n";
    fs::write(folder.join("dab.yaml"), settings)?;
    for number in 0..files {
        let minute = number % 1440;
        let event = format!(
            "{{\"t\":\"2026-03-01T{:02}:{:02}:00Z\",\"n\":{number},\"user\":\"u{}\"}}\n",
            minute / 60,
            minute % 60,
            number % 7
        );
        fs::write(folder.join(format!("in/{number:06}.json")), event)?;
    }
    Ok(())
}
