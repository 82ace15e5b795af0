//! Raw bytes to tables: what it costs beside its parts, what it leaves, and what compaction makes of
//! that. The project stays for the other lanes.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    super::{measure, project::Project},
    Bench, Failure, Runs, lines, number,
    report::{self, Target, figure},
};
use crate::{process, say::say};

/// What it took to write the corpus into a lake.
struct Written {
    decode: Runs,
    ingest: Runs,
    parts: Value,
    /// What is stored then, in files of whole batches.
    stored: Vec<Value>,
    index_build: f64,
}

/// Ingests, and compacts what is there. With `figures`, all of it is measured as often as asked for.
pub(super) fn measure(
    bench: &Bench,
    project: &Project,
    figures: bool,
) -> Result<(Value, Vec<Target>), Failure> {
    let written = if figures { Some(write(bench, project)?) } else { None };
    // As a pipeline that runs all day leaves it: many small files.
    project.empty()?;
    project.commit_often()?;
    project.run(&bench.binary, false)?;
    project.verify(&bench.binary, &bench.corpus)?;
    let before = stats(bench, project)?;
    let compact = measure::run(&bench.dab(&["lake", "compact"]), project.folder())?;
    let after = stats(bench, project)?;
    say(&stored(&before, &after)?);

    let per_gb = |seconds: f64| seconds / bench.gigabytes();
    let total = total(&after)?;
    let mut targets = vec![
        Target::most("tables, of raw", number(total, "warm_ratio")? * 100.0, 10.0, "%"),
        Target::most("index, of raw", number(total, "index_ratio")? * 100.0, 2.0, "%"),
    ];
    targets.push(live_files(bench, &after)?);
    let mut write = Value::Null;
    if let Some(Written { decode, ingest, parts, stored, index_build }) = written {
        targets.extend(speed(bench, &decode, &ingest, &parts)?);
        let index = (index_build - number(&parts, "parquet_read")?).max(0.0);
        targets.push(Target::most("index, processor", per_gb(index), 3.0, "s/GB"));
        write = json!({
            "decode_only": decode.json(),
            "everything": ingest.json(),
            "parts": parts,
            "stored": stored,
            "index_build_cpu_seconds": index_build,
        });
    }
    let found = json!({
        "written": write,
        "fresh": before,
        "compacted": after,
        "compaction_cpu_seconds": compact.cpu_seconds,
        "compaction_cpu_seconds_per_gb": per_gb(compact.cpu_seconds),
    });
    Ok((found, targets))
}

fn write(bench: &Bench, project: &Project) -> Result<Written, Failure> {
    let (mut decode, mut ingest) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        decode.push(project.run(&bench.binary, true)?);
        project.empty()?;
        ingest.push(project.run(&bench.binary, false)?);
        project.verify(&bench.binary, &bench.corpus)?;
        if ingest.len() < bench.runs {
            project.empty()?;
        }
    }
    let tables = project.folder().join("lake/tables").display().to_string();
    let logs = bench.logs.display().to_string();
    let parts = Bench::ask(&pinned(&bench.script("parts.py", &[&tables, &logs])), &bench.root)?;
    let parts: Value = serde_json::from_str(&parts).map_err(|error| format!("{parts}: {error}"))?;

    let stored = stats(bench, project)?;
    let ratio = number(total(&stored)?, "warm_ratio")? * 100.0;
    say(&format!("in files of whole batches, tables are {} % of raw", figure(ratio)));

    // The index by itself, the reading of the files included.
    process::run(&mut quietly(bench.dab(&["lake", "index", "drop"]), project))?;
    let build = measure::run(&bench.dab(&["lake", "index", "build"]), project.folder())?;
    let (decode, ingest) = (Runs(decode), Runs(ingest));
    Ok(Written { decode, ingest, parts, stored, index_build: build.cpu_seconds })
}

fn pinned(command: &Command) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.args(["--cpu-list", "0"]).arg(command.get_program()).args(command.get_args());
    pinned
}

fn quietly(mut command: Command, project: &Project) -> Command {
    command.current_dir(project.folder()).stdout(std::process::Stdio::null());
    command
}

fn speed(
    bench: &Bench,
    decode: &Runs,
    ingest: &Runs,
    parts: &Value,
) -> Result<Vec<Target>, Failure> {
    let (parquet, cold) = (number(parts, "parquet_write")?, number(parts, "cold")?);
    let rows = [
        ("decode only", decode.cpu_seconds()),
        ("Parquet with zstd, by Arrow's C++", parquet),
        ("raw bytes by zstd", cold),
        ("ingest", ingest.cpu_seconds()),
    ];
    let rows = rows.map(|(name, seconds)| {
        let (speed, cost) = (bench.megabytes() / seconds, seconds / bench.gigabytes());
        vec![name.to_owned(), figure(seconds), figure(speed), figure(cost)]
    });
    say(&report::table(&["part", "cpu s", "MB/s per core", "cpu-s/GB"], rows));
    let sum = decode.cpu_seconds() + parquet + cold;
    Ok(vec![
        Target::least("ingest", bench.megabytes() / ingest.cpu_seconds(), 100.0, "MB/s per core"),
        Target::most("ingest, of the sum of its parts", ingest.cpu_seconds() / sum, 1.5, "x"),
    ])
}

/// What `dab lake stats` says, for each table and in all.
fn stats(bench: &Bench, project: &Project) -> Result<Vec<Value>, Failure> {
    let stats = bench.dab(&["lake", "stats", "--output", "json"]);
    lines(&Bench::ask(&stats, project.folder())?)
}

fn total(stats: &[Value]) -> Result<&Value, Failure> {
    let total = stats.iter().find(|table| table.get("table").is_some_and(|name| name == "total"));
    total.ok_or_else(|| "`dab lake stats` has no line `total`".to_owned())
}

fn stored(before: &[Value], after: &[Value]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for now in after {
        let name = now.get("table").and_then(Value::as_str).unwrap_or_default();
        let then = before.iter().find(|table| table.get("table") == now.get("table"));
        let then = then.ok_or_else(|| format!("`{name}` was no table before"))?;
        let percent = |of: &Value, key| number(of, key).map(|ratio| figure(ratio * 100.0));
        rows.push(vec![
            name.to_owned(),
            figure(number(now, "raw_bytes")? / 1e6),
            percent(then, "warm_ratio")?,
            percent(now, "warm_ratio")?,
            percent(then, "index_ratio")?,
            percent(now, "index_ratio")?,
            percent(now, "cold_ratio")?,
            format!("{:.0}", number(now, "files")?),
        ]);
    }
    let head =
        ["table", "MB raw", "fresh %", "table %", "fresh index %", "index %", "cold %", "files"];
    Ok(report::table(&head, rows))
}

/// How many files a table would have for a month of 1 TB a day, all of it in one table: the days'
/// bytes as measured, in files as large as compaction makes them.
fn live_files(bench: &Bench, stats: &[Value]) -> Result<Target, Failure> {
    let total = total(stats)?;
    let stored_a_day = number(total, "warm_ratio")? * 1e12;
    let files = 30.0 * (stored_a_day / target_bytes(bench)?).ceil();
    Ok(Target::most("files for a month of 1 TB a day, on paper", files, 1000.0, "files"))
}

/// How large the files become, by the product's own limit.
fn target_bytes(bench: &Bench) -> Result<f64, Failure> {
    let limits = bench.root.join("crates/base/src/limits.rs");
    let text = std::fs::read_to_string(&limits);
    let text = text.map_err(|error| format!("{}: {error}", limits.display()))?;
    let line = text.lines().find_map(|line| line.split_once("COMPACT_TARGET_BYTES: u64 = "));
    let value = line.and_then(|(_, value)| value.strip_suffix(';')?.split_once(" << "));
    let bytes = value.and_then(|(number, shift)| {
        let number: u64 = number.parse().ok()?;
        number.checked_shl(shift.parse().ok()?)
    });
    bytes.map(|bytes| bytes as f64).ok_or_else(|| format!("{}: no target", limits.display()))
}
