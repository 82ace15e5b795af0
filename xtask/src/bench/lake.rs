//! Measuring the lake: what storing costs, what is stored, and how soon something is found in it.
//!
//! The program itself is run, on one core, and each figure has something beside it from the same
//! run: the parts that no program can do without, the full scan, `zstd` with `grep`, other engines
//! over the same files. So what is compared is ratios, and whoever shares the machine slows both
//! sides. An answer that differs between two sides fails the run.

mod commits;
mod ingest;
mod peers;
pub(super) mod report;
mod search;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, Value, json};

use super::{
    measure::{self, Usage},
    project::{self, Corpus, Project},
    save,
};
use crate::{
    Failure, process,
    say::{Phase, say},
    test, tools,
};
use report::Target;

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    megabytes: u64,
    runs: usize,
    commits: usize,
    lanes: Vec<String>,
    binary: Option<PathBuf>,
}

/// The parts of the benchmark. All but the first need what `ingest` leaves, so that is always laid.
const LANES: &[&str] = &["ingest", "search", "peers", "commits"];

impl Options {
    /// Reads the words after `bench lake`.
    ///
    /// # Errors
    /// When a word is not an option, a number is none, or there is no such lane.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let lanes = LANES.iter().map(|&lane| lane.to_owned()).collect();
        let mut options = Self { megabytes: 2000, runs: 3, commits: 10_000, lanes, binary: None };
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
            let number = || super::positive(option, value);
            match *option {
                "--megabytes" => options.megabytes = number()? as u64,
                "--runs" => options.runs = number()?,
                "--commits" => options.commits = number()?,
                "--lane" => options.lanes = super::lanes(value, LANES)?,
                "--binary" => options.binary = Some(PathBuf::from(value)),
                other => return Err(format!("`bench lake` has no option `{other}`")),
            }
        }
        Ok(options)
    }

    fn has(&self, lane: &str) -> bool {
        self.lanes.iter().any(|wanted| wanted == lane)
    }
}

/// Where everything is.
#[derive(Debug)]
struct Bench {
    root: PathBuf,
    /// The program that is measured.
    binary: PathBuf,
    /// The Python that has what `tests/requirements.txt` and `bench/lake/requirements.txt` name.
    python: PathBuf,
    scratch: PathBuf,
    corpus: Corpus,
    /// The folder of the corpus.
    logs: PathBuf,
    runs: usize,
}

/// Builds, prepares, measures, prints, and writes `bench/results`.
///
/// # Errors
/// When there are no corpora, something fails, a run loses events, or two answers differ.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let bench = prepare(root, options)?;
    let machine = measure::machine();
    let mut results = Map::new();
    let mut targets = Vec::new();
    let mut keep = |name: &str, (found, met): (Value, Vec<Target>)| {
        results.insert(name.to_owned(), found);
        targets.extend(met);
    };

    let phase = Phase::begin("ingest");
    let project = bench.project()?;
    keep("ingest", ingest::measure(&bench, &project, options.has("ingest"))?);
    phase.end();
    if options.has("search") {
        let phase = Phase::begin("search");
        keep("search", search::measure(&bench, &project)?);
        phase.end();
    }
    if options.has("peers") {
        let phase = Phase::begin("other engines");
        keep("peers", (peers::measure(&bench, &project)?, Vec::new()));
        phase.end();
    }
    if options.has("commits") {
        let phase = Phase::begin("commits");
        keep("commits", commits::measure(&bench, options.commits)?);
        phase.end();
    }

    say(&report::targets(&targets));
    let facts = json!({
        "machine": machine,
        "units": "bytes decompressed; processor time of one core; MB is 10^6 bytes",
        "corpus": { "sha256": bench.corpus.sha256, "bytes": bench.corpus.bytes },
        "targets": targets.iter().map(Target::json).collect::<Vec<_>>(),
        "measured": results,
    });
    say(&format!("written to {}", save(root, "lake", facts)?.display()));
    Ok(())
}

fn prepare(root: &Path, options: &Options) -> Result<Bench, Failure> {
    let corpora = test::corpora(root)
        .ok_or("the benchmark reads real logs: set DAB_CORPORA to the folder of the corpora")?;
    let (binary, scratch) = match &options.binary {
        Some(binary) => {
            let found = binary.canonicalize();
            let binary = found.map_err(|error| format!("{}: {error}", binary.display()))?;
            (binary, root.join("target/bench"))
        }
        None => {
            let phase = Phase::begin("release build");
            let binary = super::build(root)?;
            phase.end();
            let scratch = super::scratch(&binary)?;
            (binary, scratch)
        }
    };
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let phase = Phase::begin("what the benchmark needs");
    let tools = tools::install(root, &[tools::OF_TESTS, "bench/lake/requirements.txt"])?;
    for missing in &tools.missing {
        say(&format!("could not install {missing}"));
    }
    let (corpus, logs) = project::make_corpus(root, &corpora, &scratch, "lake", options.megabytes)?;
    phase.end();
    let python = tools.folder.join("python/bin/python");
    let root = root.to_owned();
    Ok(Bench { root, binary, python, scratch, corpus, logs, runs: options.runs })
}

/// What several runs of one command took.
#[derive(Debug, Clone)]
struct Runs(Vec<Usage>);

impl Runs {
    /// The run whose processor time is the median.
    fn median(&self) -> Usage {
        let mut runs = self.0.clone();
        runs.sort_by(|one, other| one.cpu_seconds.total_cmp(&other.cpu_seconds));
        runs.get(runs.len() / 2).copied().unwrap_or_default()
    }

    fn cpu_seconds(&self) -> f64 {
        self.median().cpu_seconds
    }

    fn json(&self) -> Value {
        self.0.iter().map(Usage::json).collect()
    }
}

impl Bench {
    /// A project with an empty lake and no detections that reads the corpus.
    fn project(&self) -> Result<Project, Failure> {
        let none = self.scratch.join("no-detections");
        fs::create_dir_all(&none).map_err(|error| format!("{}: {error}", none.display()))?;
        Project::lay(&self.root, &self.scratch.join("lake"), &self.corpus, &none)
    }

    /// `dab` with these words.
    fn dab(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(words);
        command
    }

    /// A script of `bench/lake` with these words.
    fn script(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.root.join("bench/lake").join(name)).args(words);
        command
    }

    /// Runs a command once, in `folder`, and answers what it said.
    fn ask(command: &Command, folder: &Path) -> Result<String, Failure> {
        let mut again = process::command(command.get_program(), folder);
        process::output(again.args(command.get_args()))
    }

    /// Runs a short command as often as asked for, each time so many times in a row that the ticks
    /// of the kernel's clock do not count. What it prints is not looked at.
    fn short(&self, command: &Command, folder: &Path) -> Result<Runs, Failure> {
        const TIMES: &str = "1 2 3 4 5";
        let script = format!("set -e; for i in {TIMES}; do \"$@\" >/dev/null 2>&1; done");
        let mut many = Command::new("sh");
        many.args(["-c", &script, "sh"]).arg(command.get_program()).args(command.get_args());
        let times = TIMES.split(' ').count() as f64;
        let mut runs = Vec::new();
        for _ in 0..self.runs {
            let usage = measure::run(&many, folder)?;
            let (seconds, cpu_seconds) = (usage.seconds / times, usage.cpu_seconds / times);
            runs.push(Usage { seconds, cpu_seconds, ..usage });
        }
        Ok(Runs(runs))
    }

    fn megabytes(&self) -> f64 {
        self.corpus.bytes as f64 / 1e6
    }

    fn gigabytes(&self) -> f64 {
        self.corpus.bytes as f64 / 1e9
    }
}

/// The JSON objects that a command of dab's printed, one a line.
fn lines(said: &str) -> Result<Vec<Value>, Failure> {
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
        .collect()
}

/// A number of an answer.
fn number(answer: &Value, key: &str) -> Result<f64, Failure> {
    answer.get(key).and_then(Value::as_f64).ok_or_else(|| format!("no `{key}` in {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read = Options::read(&["--lane", "search,peers", "--megabytes", "50", "--binary", "x"]);
        let lanes = vec!["search".to_owned(), "peers".to_owned()];
        let binary = Some(PathBuf::from("x"));
        let expected = Options { megabytes: 50, runs: 3, commits: 10_000, lanes, binary };
        assert_eq!(read, Ok(expected));
        for bad in [["--lane", "fast"], ["--runs", "0"], ["--fast", "1"]] {
            assert!(Options::read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn short_commands_are_run_in_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus {
            name: "x".to_owned(),
            bytes: 1,
            events: 1,
            sha256: String::new(),
            tables: Vec::new(),
        };
        let here = || folder.path().to_owned();
        let (root, binary, python, scratch, logs) = (here(), here(), here(), here(), here());
        let bench = Bench { root, binary, python, scratch, corpus, logs, runs: 2 };
        let mut command = Command::new("sh");
        command.args(["-c", "echo x >> ran; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"]);
        let runs = bench.short(&command, folder.path()).unwrap();
        let ran = fs::read_to_string(folder.path().join("ran")).unwrap();
        assert_eq!((runs.0.len(), ran.lines().count()), (2, 10));
        assert!(runs.cpu_seconds() > 0.001, "{runs:?}");
        let mut command = Command::new("sh");
        command.args(["-c", "exit 2"]);
        assert!(bench.short(&command, folder.path()).is_err());
    }
}
