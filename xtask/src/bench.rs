//! Measuring the ingest path: from the bytes of a file to committed tables and alerts.
//!
//! Every corpus is read twice by the same binary on the same core: once as far as decoding goes
//! (what no pipeline can do without) and once through everything. The difference is what storing
//! and detecting cost. Every run starts with an empty lake and is believed only if it stored as
//! many events as the corpus has.

pub(crate) mod collect;
pub(crate) mod detect;
pub(crate) mod lake;
mod measure;
mod project;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};

use crate::{
    Failure, process,
    say::{Phase, say},
    test,
};
use measure::Usage;
use project::{Corpus, Project};

/// The number of an option.
fn positive(option: &str, value: &str) -> Result<usize, Failure> {
    match value.parse::<usize>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{option}` wants a number above 0")),
    }
}

/// The lanes of an option, all of which there are.
fn lanes(value: &str, all: &[&str]) -> Result<Vec<String>, Failure> {
    let lanes: Vec<String> = value.split(',').map(str::to_owned).collect();
    match lanes.iter().find(|lane| !all.contains(&lane.as_str())) {
        Some(lane) => Err(format!("no lane `{lane}`; there are: {}", all.join(", "))),
        None => Ok(lanes),
    }
}

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    megabytes: Option<u64>,
    corpus: Option<String>,
    runs: usize,
    rules: usize,
}

impl Options {
    /// Reads the words after `bench ingest`.
    ///
    /// # Errors
    /// When a word is not an option, or a number is none.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self { megabytes: None, corpus: None, runs: 3, rules: 100 };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
            let number = || value.parse().map_err(|_| format!("`{option}` wants a number"));
            match *option {
                "--megabytes" => options.megabytes = Some(number()?),
                "--corpus" => options.corpus = Some((*value).to_owned()),
                "--runs" => options.runs = usize::try_from(number()?.max(1)).unwrap_or(1),
                "--rules" => options.rules = usize::try_from(number()?).unwrap_or(usize::MAX),
                other => return Err(format!("`bench ingest` has no option `{other}`")),
            }
        }
        Ok(options)
    }
}

/// How far the events go in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Framed, parsed and normalized, then dropped.
    Decode,
    /// Stored and detected on.
    Everything,
}

impl Reach {
    const fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode only",
            Self::Everything => "everything",
        }
    }
}

/// One corpus, read one way, measured several times.
#[derive(Debug)]
struct Measured {
    corpus: Corpus,
    reach: Reach,
    runs: Vec<Usage>,
}

/// Builds, prepares, measures, prints, and writes `bench/results`.
///
/// # Errors
/// When there are no corpora, something fails, or a run loses or doubles events.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let corpora = test::corpora(root)
        .ok_or("the benchmark reads real logs: set DAB_CORPORA to the folder of the corpora")?;
    let phase = Phase::begin("release build");
    let binary = build(root)?;
    phase.end();

    let phase = Phase::begin("corpora");
    let scratch = scratch(&binary)?;
    let made = project::make_corpora(root, &corpora, &scratch, options)?;
    let rules = project::lay_rules(root, &corpora, &scratch, options.rules)?;
    let detections = scratch.join("detections");
    phase.end();

    let phase = Phase::begin("runs");
    let mut all = Vec::new();
    for corpus in made {
        for reach in [Reach::Decode, Reach::Everything] {
            let mut runs = Vec::new();
            for _ in 0..options.runs {
                let project = Project::lay(root, &scratch.join("project"), &corpus, &detections)?;
                runs.push(project.run(&binary, reach == Reach::Decode)?);
                if reach == Reach::Everything {
                    project.verify(&binary, &corpus)?;
                }
            }
            all.push(Measured { corpus: corpus.clone(), reach, runs });
        }
    }
    phase.end();

    say(&table(&all));
    let path = write(root, &all, rules)?;
    say(&format!("written to {}", path.display()));
    Ok(())
}

/// Builds the `dab` program for release and answers where it is.
fn build(root: &Path) -> Result<PathBuf, Failure> {
    let mut command = process::cargo(root);
    command.args(["build", "--locked", "--package", "dab", "--bin", "dab", "--release"]);
    command.args(["--features", "jemalloc"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let said = process::output(&mut command)?;
    process::executable(&said, "dab").ok_or_else(|| "cargo named no executable of `dab`".to_owned())
}

/// The folder beside the build's output that holds corpora and lakes.
fn scratch(binary: &Path) -> Result<PathBuf, Failure> {
    let target = binary.parent().and_then(Path::parent).ok_or("the binary has no folder")?;
    let folder = target.join("bench");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

impl Measured {
    /// The run whose CPU time is the median.
    fn median(&self) -> Usage {
        let mut runs = self.runs.clone();
        runs.sort_by(|one, other| one.cpu_seconds.total_cmp(&other.cpu_seconds));
        runs.get(runs.len() / 2).copied().unwrap_or_default()
    }

    fn megabytes(&self) -> f64 {
        self.corpus.bytes as f64 / 1e6
    }

    fn row(&self) -> String {
        let median = self.median();
        format!(
            "{:<11} {:<12} {:>9} {:>9.0} {:>10.0} {:>7.1} {:>7.1} {:>9.1} {:>8.0}",
            self.corpus.name,
            self.reach.name(),
            self.corpus.events,
            self.megabytes(),
            self.corpus.events as f64 / median.seconds,
            self.megabytes() / median.seconds,
            self.megabytes() / median.cpu_seconds,
            median.cpu_seconds / (self.megabytes() / 1000.0),
            median.memory_bytes as f64 / 1e6,
        )
    }

    fn json(&self) -> Value {
        let runs: Vec<Value> = self.runs.iter().map(Usage::json).collect();
        json!({
            "corpus": self.corpus.name,
            "sha256": self.corpus.sha256,
            "events": self.corpus.events,
            "bytes": self.corpus.bytes,
            "reach": self.reach.name(),
            "runs": runs,
            "median": self.median().json(),
        })
    }
}

fn table(all: &[Measured]) -> String {
    let head = format!(
        "{:<11} {:<12} {:>9} {:>9} {:>10} {:>7} {:>7} {:>9} {:>8}",
        "corpus", "reach", "events", "MB", "events/s", "MB/s", "MB/cpu", "cpu-s/GB", "peak MB"
    );
    std::iter::once(head).chain(all.iter().map(Measured::row)).collect::<Vec<_>>().join("\n")
}

fn write(root: &Path, all: &[Measured], rules: usize) -> Result<PathBuf, Failure> {
    let facts = json!({
        "machine": measure::machine(),
        "detections": rules,
        "units": "bytes decompressed; one core; MB is 10^6 bytes",
        "measured": all.iter().map(Measured::json).collect::<Vec<_>>(),
    });
    save(root, "ingest", facts)
}

/// Writes figures to `bench/results`, with the commit and command that they come from.
fn save(root: &Path, kind: &str, mut results: Value) -> Result<PathBuf, Failure> {
    let git = |words: &[&str]| process::output(process::command("git", root).args(words));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?.trim().to_owned();
    let changed = !git(&["status", "--porcelain"])?.trim().is_empty();
    if let Some(entries) = results.as_object_mut() {
        let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        entries.insert("version".to_owned(), json!(1));
        entries.insert("command".to_owned(), json!(command));
        entries.insert("commit".to_owned(), json!(commit));
        entries.insert("uncommitted_changes".to_owned(), json!(changed));
    }
    let folder = root.join("bench/results");
    let path = folder.join(format!("{kind}-{commit}.json"));
    let text = format!("{results:#}\n");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read = Options::read(&["--megabytes", "50", "--corpus", "mix", "--runs", "0"]).unwrap();
        let corpus = Some("mix".to_owned());
        assert_eq!(read, Options { megabytes: Some(50), corpus, runs: 1, rules: 100 });
        assert!(Options::read(&["--megabytes", "many"]).is_err());
        assert!(Options::read(&["--fast", "1"]).is_err());
    }

    #[test]
    fn the_median_is_a_run() {
        let usage = |cpu_seconds| Usage { seconds: 1.0, cpu_seconds, memory_bytes: 1 };
        let corpus = Corpus {
            name: "x".to_owned(),
            bytes: 1,
            events: 1,
            sha256: String::new(),
            tables: Vec::new(),
        };
        let runs = vec![usage(3.0), usage(1.0), usage(2.0)];
        let measured = Measured { corpus, reach: Reach::Decode, runs };
        assert!((measured.median().cpu_seconds - 2.0).abs() < f64::EPSILON);
    }
}
