//! Finding things: with the search index, beside the full scan, and the full scan beside what no
//! scan can do without.

use std::process::Command;

use serde_json::{Value, json};

use super::{
    super::project::Project,
    Bench, Failure, Runs, lines, number,
    report::{self, Target, figure},
};
use crate::{process, say::say};

/// What is looked for in all tables. Names in braces are those of the corpus' needles.
const QUESTIONS: &[(&str, &str)] = &[
    ("id", "{id}"),
    ("address", "{address}"),
    ("user", "{user}"),
    ("absent word", "quetzalcoatlus"),
    ("part of a word", "*voke-zharkl*"),
    ("expression", r"*:/voke-zhark[a-z]+\d+\.ps1/"),
];

/// A question, asked with the search index and without.
struct Asked {
    name: &'static str,
    line: String,
    found: usize,
    with: (Runs, Value),
    without: (Runs, Value),
}

/// Asks all questions.
pub(super) fn measure(bench: &Bench, project: &Project) -> Result<(Value, Vec<Target>), Failure> {
    let start = bench.short(&bench.dab(&["sql", "select 1 as one"]), project.folder())?;
    let mut asked = Vec::new();
    for (name, line) in QUESTIONS {
        asked.push(ask(bench, project, name, needle(bench, line)?)?);
    }
    say(&format!("processor seconds to start, and to ask nothing: {:.3}", start.cpu_seconds()));
    say(&table(&asked)?);

    let mut targets = Vec::new();
    for question in &asked {
        let Asked { name, with, without, .. } = question;
        let bytes = |report: &Value| {
            Ok::<_, Failure>(number(report, "bytes_read")? + number(report, "bytes_index")?)
        };
        let data = number(&with.1, "bytes_read")?;
        if *name == "absent word" {
            targets.push(Target::most("absent word: data that is read", data, 0.0, "bytes"));
            continue;
        }
        let cpu = with.0.cpu_seconds() / without.0.cpu_seconds();
        let read = bytes(&with.1)? / bytes(&without.1)?;
        targets.push(Target::most(&format!("{name}: processor of the full scan's"), cpu, 0.05, ""));
        targets.push(Target::most(&format!("{name}: bytes of the full scan's"), read, 0.05, ""));
    }
    let plain = plain(bench, project)?;
    let scan = asked.first().map_or(0.0, |id| id.without.0.cpu_seconds());
    let speed = plain.cpu_seconds() / scan;
    say(&format!(
        "all of it by `zstd -dc | grep -F`: {:.2} s; the full scan is {speed:.2} times as fast",
        plain.cpu_seconds()
    ));
    targets.push(Target::least("full scan, of zstd and grep", speed, 0.8, "x"));
    let found = json!({
        "start": start.json(),
        "questions": asked.iter().map(Asked::json).collect::<Vec<_>>(),
        "zstd_and_grep": plain.json(),
    });
    Ok((found, targets))
}

/// A line with the needles that it names.
pub(super) fn needle(bench: &Bench, line: &str) -> Result<String, Failure> {
    let path = bench.logs.join("needles.json");
    let text = std::fs::read_to_string(&path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let needles: Value = serde_json::from_str(&text).map_err(|error| format!("{text}: {error}"))?;
    let mut line = line.to_owned();
    for (name, value) in needles.as_object().into_iter().flatten() {
        line = line.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default());
    }
    Ok(line)
}

fn ask(
    bench: &Bench,
    project: &Project,
    name: &'static str,
    line: String,
) -> Result<Asked, Failure> {
    // So many that neither side may stop before the end.
    let words = ["search", &line, "--limit", "100000", "--explain", "--output", "json"];
    let (with, without) = (bench.dab(&words), bench.dab(&[&words[..], &["--no-index"]].concat()));
    let (found, report) = answer(&with, project)?;
    let (scanned, full) = answer(&without, project)?;
    if found != scanned {
        return Err(format!(
            "`{line}` finds {} events with the index, and {} others without",
            found.len(),
            scanned.len()
        ));
    }
    let with = (bench.short(&with, project.folder())?, report);
    let without = (bench.short(&without, project.folder())?, full);
    Ok(Asked { name, line, found: found.len(), with, without })
}

/// The events that a search finds, and what it says that it read.
fn answer(command: &Command, project: &Project) -> Result<(Vec<String>, Value), Failure> {
    let mut again = process::command(command.get_program(), project.folder());
    let output = again.args(command.get_args()).output();
    let output = output.map_err(|error| format!("`{}`: {error}", process::describe(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("`{}`: {said}", process::describe(command)));
    }
    let mut found: Vec<String> =
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    found.sort();
    let report = lines(&said)?.pop().ok_or("`--explain` said nothing")?;
    Ok((found, report))
}

/// The raw bytes as they lie in the cold tier, looked through for the id.
fn plain(bench: &Bench, project: &Project) -> Result<Runs, Failure> {
    let id = needle(bench, "{id}")?;
    let script = "find lake/cold -type f -exec zstd -dcq {} + | LC_ALL=C grep -acF \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", &id]);
    let found = Bench::ask(&command, project.folder())?;
    if found.trim() != "1" {
        return Err(format!("`grep` finds the id in {} records, not in one", found.trim()));
    }
    bench.short(&command, project.folder())
}

fn table(asked: &[Asked]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for Asked { name, found, with, without, .. } in asked {
        let bytes = |report: &Value, key| number(report, key).map(|bytes| bytes / 1e6);
        rows.push(vec![
            (*name).to_owned(),
            found.to_string(),
            figure(with.0.cpu_seconds()),
            figure(without.0.cpu_seconds()),
            figure(with.0.cpu_seconds() / without.0.cpu_seconds()),
            format!("{}/{}", number(&with.1, "blocks")?, number(&with.1, "blocks_total")?),
            figure(bytes(&with.1, "bytes_read")?),
            figure(bytes(&with.1, "bytes_index")?),
            figure(bytes(&without.1, "bytes_read")?),
        ]);
    }
    let head = ["looked for", "found", "cpu s", "full scan", "ratio", "blocks"];
    let bytes = ["MB read", "MB of index", "MB, full scan"];
    Ok(report::table(&[&head[..], &bytes[..]].concat(), rows))
}

impl Asked {
    fn json(&self) -> Value {
        let side = |(runs, report): &(Runs, Value)| json!({ "runs": runs.json(), "read": report });
        json!({
            "name": self.name,
            "line": self.line,
            "found": self.found,
            "indexed": side(&self.with),
            "full_scan": side(&self.without),
        })
    }
}
