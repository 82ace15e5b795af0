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

/// How many files the largest table would have for a month of 1 TB a day in all: its days' bytes as
/// measured, in files as large as compaction makes them.
fn live_files(bench: &Bench, stats: &[Value]) -> Result<Target, Failure> {
    let raw = |table: &Value| number(table, "raw_bytes");
    let mut stored_a_day: f64 = 0.0;
    for table in stats.iter().filter(|table| table.get("table").is_some_and(|name| name != "total"))
    {
        let share = raw(table)? / raw(total(stats)?)?;
        stored_a_day = stored_a_day.max(share * 1e12 * number(table, "warm_ratio")?);
    }
    let mut file_bytes = limit(bench, "COMPACT_TARGET_BYTES")?;
    if stored_a_day / file_bytes > limit(bench, "COMPACT_FILES_A_DAY")? {
        file_bytes = limit(bench, "COMPACT_LARGE_BYTES")?;
    }
    let files = 30.0 * (stored_a_day / file_bytes).ceil();
    let name = "files of the largest table for a month of 1 TB a day, on paper";
    Ok(Target::most(name, files, 1000.0, "files"))
}

/// One of the product's own limits.
fn limit(bench: &Bench, name: &str) -> Result<f64, Failure> {
    let path = bench.root.join("crates/base/src/limits.rs");
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    value_of(&text, name).ok_or_else(|| format!("{}: no `{name}`", path.display()))
}

/// The value of a constant that is written as `128 << 20` or `32`.
fn value_of(text: &str, name: &str) -> Option<f64> {
    let head = format!("pub const {name}: ");
    let line = text.lines().find_map(|line| line.strip_prefix(&head))?;
    let (_, value) = line.strip_suffix(';')?.split_once(" = ")?;
    let (number, shift) = value.split_once(" << ").unwrap_or((value, "0"));
    let number: u64 = number.replace('_', "").parse().ok()?;
    Some(number.checked_shl(shift.parse().ok()?)? as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits() {
        let text = "/// Why.\npub const A_BYTES: u64 = 128 << 20;\npub const B: usize = 1_000;\n";
        assert_eq!(value_of(text, "A_BYTES"), Some(134_217_728.0));
        assert_eq!(value_of(text, "B"), Some(1000.0));
        assert_eq!(value_of(text, "A"), None);
    }
}
