//! Measuring detection, beside RSigma on the same events and with the same rules.
//!
//! The programs to measure are one binary, in `bench/detect`. Here it is built, run once for each
//! engine, lane and number of rules, and again in turn, so that whatever slows the machine slows
//! all engines; then the match sets are compared. Times are processor time of one core.

mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};

use super::{measure, save};
use crate::{
    Failure, process,
    say::{Phase, say},
    test,
};
use report::Measured;

/// What to measure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    lanes: Vec<String>,
    rules: Vec<String>,
    runs: usize,
    events: usize,
}

/// The engines, and how many events each is measured over at most: the plain one is slow.
const ENGINES: &[(&str, usize)] =
    &[("rsigma", usize::MAX), ("dab", usize::MAX), ("full_scan", FULL_SCAN_EVENTS)];

const FULL_SCAN_EVENTS: usize = 2_000;

impl Options {
    /// Reads the words after `bench detect`.
    ///
    /// # Errors
    /// When a word is not an option, or a number is none.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let rules = ["100", "1000", "all"].map(str::to_owned).to_vec();
        let mut options = Self { lanes: Vec::new(), rules, runs: 3, events: 20_000 };
        let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let mut words = words.iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("`{option}` wants a value"))?;
            let number = || super::positive(option, value);
            match *option {
                "--lane" => options.lanes = list(value),
                "--rules" => options.rules = list(value),
                "--runs" => options.runs = number()?,
                "--events" => options.events = number()?,
                other => return Err(format!("`bench detect` has no option `{other}`")),
            }
        }
        for rules in &options.rules {
            if rules != "all" && rules.parse::<usize>().is_err() {
                return Err(format!("`--rules` wants numbers or `all`, not `{rules}`"));
            }
        }
        Ok(options)
    }
}

/// Where everything is.
#[derive(Debug)]
struct Bench {
    root: PathBuf,
    corpora: PathBuf,
    binary: PathBuf,
    lanes: PathBuf,
    events: usize,
}

/// Builds, makes the lanes, measures, compares, prints, and writes `bench/results`.
///
/// # Errors
/// When there are no corpora, something fails, or the engines find different matches.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let corpora = test::corpora(root)
        .ok_or("the benchmark reads real logs: set DAB_CORPORA to the folder of the corpora")?;
    let phase = Phase::begin("release build");
    let binary = build(root)?;
    phase.end();
    let lanes = super::scratch(&binary)?.join("lanes");
    let bench = Bench { root: root.to_owned(), corpora, binary, lanes, events: options.events };

    let phase = Phase::begin("lanes");
    let lanes = bench.lanes(&options.lanes)?;
    phase.end();

    let phase = Phase::begin("runs");
    let mut measured = Vec::new();
    for lane in lanes.iter().filter(|lane| is(lane, "is_measured")) {
        // There are not enough rules of our own to take a part of them.
        let all = vec!["all".to_owned()];
        for rules in if has_rsigma(lane) { &options.rules } else { &all } {
            measured.extend(bench.measure(lane, rules, options.runs)?);
        }
    }
    phase.end();

    let phase = Phase::begin("match sets");
    let mut compared = Vec::new();
    for lane in &lanes {
        if has_rsigma(lane) {
            compared.push(bench.compare(lane, "rsigma", usize::MAX)?);
        }
        compared.push(bench.compare(lane, "full_scan", FULL_SCAN_EVENTS)?);
    }
    phase.end();

    say(&report::table(&measured));
    let path = save(
        root,
        "detect",
        json!({
            "machine": measure::machine(),
            "units": "processor time of one core; microseconds an event; MB is 10^6 bytes",
            "lanes": lanes,
            "measured": measured.iter().map(Measured::json).collect::<Vec<_>>(),
            "match_sets": compared,
        }),
    )?;
    say(&format!("written to {}", path.display()));
    report::verdict(&compared)
}

fn has_rsigma(lane: &Value) -> bool {
    is(lane, "has_rsigma")
}

fn is(lane: &Value, key: &str) -> bool {
    lane.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn name(lane: &Value) -> &str {
    lane.get("lane").and_then(Value::as_str).unwrap_or_default()
}

/// Builds the program that measures. RSigma asks for a newer compiler than it needs. Not `--locked`:
/// what dab's crates depend on is locked beside them.
fn build(root: &Path) -> Result<PathBuf, Failure> {
    let mut command = process::cargo(&root.join("bench/detect"));
    command.args(["build", "--release", "--ignore-rust-version"]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let said = process::output(&mut command)?;
    process::executable(&said, "dab-bench-detect")
        .ok_or_else(|| "cargo named no executable".to_owned())
}

impl Bench {
    fn command(&self, words: &[&str]) -> std::process::Command {
        // On one core, as the figures are those of one.
        let mut command = process::command("taskset", &self.root);
        command.args(["--cpu-list", "0"]).arg(&self.binary).args(words);
        command.arg("--root").arg(&self.root);
        command.arg("--corpora").arg(&self.corpora);
        command.arg("--lanes").arg(&self.lanes);
        command.arg("--events").arg(self.events.to_string());
        command
    }

    fn answer(&self, words: &[&str]) -> Result<Value, Failure> {
        let said = process::output(&mut self.command(words))?;
        serde_json::from_str(&said).map_err(|error| format!("`{}`: {error}", words.join(" ")))
    }

    /// Makes the lanes asked for, or all.
    fn lanes(&self, names: &[String]) -> Result<Vec<Value>, Failure> {
        fs::create_dir_all(&self.lanes)
            .map_err(|error| format!("{}: {error}", self.lanes.display()))?;
        let mut made = Vec::new();
        for name in names.iter().map(String::as_str).chain(names.is_empty().then_some("")) {
            let answer = self.answer(&["lanes", "--lane", name])?;
            made.extend(answer.as_array().cloned().unwrap_or_default());
        }
        Ok(made)
    }

    /// Runs every engine in turn, as often as asked for.
    fn measure(&self, lane: &Value, rules: &str, runs: usize) -> Result<Vec<Measured>, Failure> {
        let engines = ENGINES.iter().filter(|(engine, _)| *engine != "rsigma" || has_rsigma(lane));
        let mut measured: Vec<Measured> =
            engines.map(|(engine, take)| Measured::new(name(lane), rules, engine, *take)).collect();
        for run in 0..runs {
            for engine in &mut measured {
                // One look at the plain one is enough: it is there for scale.
                if run > 0 && engine.is_for_scale() {
                    continue;
                }
                let (name, take) = (engine.engine.clone(), engine.take.to_string());
                let words =
                    ["measure", "--engine", &name, "--lane", &engine.lane, "--rules", rules];
                let answer = self.answer(&[&words[..], &["--take", &take]].concat())?;
                engine.runs.push(answer);
            }
        }
        say(&report::progress(&measured));
        Ok(measured)
    }

    /// Compares what dab and another engine find with all rules.
    fn compare(&self, lane: &Value, engine: &str, take: usize) -> Result<Value, Failure> {
        let take = take.to_string();
        self.answer(&["compare", "--engine", engine, "--lane", name(lane), "--take", &take])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read = Options::read(&["--lane", "proc,evtx", "--rules", "all", "--runs", "5"]);
        let lanes = vec!["proc".to_owned(), "evtx".to_owned()];
        let rules = vec!["all".to_owned()];
        assert_eq!(read, Ok(Options { lanes, rules, runs: 5, events: 20_000 }));
        for bad in [["--rules", "many"], ["--runs", "0"], ["--fast", "1"]] {
            assert!(Options::read(&bad).is_err(), "{bad:?}");
        }
    }
}
