//! Inputs made from a seed, for everything that reads bytes of strangers: `crates/fuzz` is built, run, and
//! watched, one target after the other.
//!
//! What is found is kept as a file below `fuzz/regressions`, which is run first the next time, and by the tests.
//! An input that kills the program, as an endless recursion does, is searched for by halves.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, IsTerminal as _, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::{
    Failure, process,
    say::{Stopwatch, say},
    test,
};

/// What to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    targets: Vec<String>,
    inputs: u64,
    /// For how long each target is given inputs.
    seconds: u64,
    seed: u64,
    is_json: bool,
}

/// As long as it takes.
const NO_END: u64 = u64::MAX;

impl Options {
    /// What the build server runs: a million inputs for each target. The slowest takes two and a half minutes for
    /// them; where one takes longer than three, it ends there, and its line says how many it had.
    pub(crate) fn for_ci() -> Self {
        Self { seconds: 180, ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { targets: Vec::new(), inputs: 1_000_000, seconds: NO_END, seed: 1, is_json: false }
    }
}

impl Options {
    /// Reads the words after `fuzz`.
    ///
    /// # Errors
    /// When a word is not an option, or a number is none.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            if !word.starts_with('-') {
                options.targets.push(word.to_owned());
                continue;
            }
            let value = *words.next().ok_or_else(|| format!("`{word}` wants a value"))?;
            let number =
                || value.parse().map_err(|_| format!("`{word}` wants a number, not `{value}`"));
            match (word, value) {
                ("--inputs", _) => options.inputs = number()?,
                ("--seconds", _) => options.seconds = number()?,
                ("--seed", _) => options.seed = number()?,
                ("--output", "json") => options.is_json = true,
                ("--output", "text") => options.is_json = false,
                ("--output", _) => return Err("`--output` is `text` or `json`".to_owned()),
                _ => return Err(format!("`fuzz` has no option `{word}`")),
            }
        }
        Ok(options)
    }
}

/// Builds, runs, tells.
///
/// # Errors
/// When something is found, a target is unknown, or the build fails.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let fuzzer = Fuzzer {
        program: build(root)?,
        root: root.to_owned(),
        corpora: test::corpora(root),
        seed: options.seed,
        seconds: options.seconds,
        is_quiet: options.is_json,
    };
    let all = fuzzer.targets()?;
    let targets = if options.targets.is_empty() { &all } else { &options.targets };
    if let Some(unknown) = targets.iter().find(|target| !all.contains(target)) {
        return Err(format!("there is no target `{unknown}`; there are {}", all.join(", ")));
    }
    let mut ended = Vec::new();
    for target in targets {
        let watch = Stopwatch::start();
        let run = fuzzer.run(target, 0..options.inputs, true)?;
        let run = if run.is_killed { fuzzer.search(target, 0..options.inputs, run)? } else { run };
        if !options.is_json {
            run.show(target, watch);
        }
        ended.push((target, watch.elapsed().as_secs_f64(), run));
    }
    if options.is_json {
        let targets: BTreeMap<_, _> = ended
            .iter()
            .map(|(target, seconds, run)| (target.as_str(), run.json(*seconds)))
            .collect();
        say(&json!({"seed": options.seed, "targets": targets}).to_string());
    }
    let with_findings: Vec<&str> = ended
        .iter()
        .filter(|(.., run)| run.has_findings())
        .map(|(target, ..)| target.as_str())
        .collect();
    if with_findings.is_empty() {
        return Ok(());
    }
    Err(format!(
        "something was found in {}; the inputs are kept in fuzz/regressions",
        with_findings.join(", ")
    ))
}

/// Builds the program as the tests build it, so that nothing is compiled twice.
fn build(root: &Path) -> Result<PathBuf, Failure> {
    let mut command = process::cargo(root);
    command.args([
        "test",
        "--workspace",
        "--locked",
        "--test",
        "regressions",
        "--no-run",
        "--quiet",
    ]);
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    process::executable(&process::output(&mut command)?, "dab-fuzz")
        .ok_or_else(|| "cargo named no executable of `dab-fuzz`".to_owned())
}

/// The program and what it is told each time.
struct Fuzzer {
    program: PathBuf,
    root: PathBuf,
    corpora: Option<PathBuf>,
    seed: u64,
    seconds: u64,
    is_quiet: bool,
}

/// What one run of the program said.
#[derive(Debug, Default)]
struct Run {
    findings: Vec<Value>,
    done: Option<Value>,
    /// It did not end by itself.
    is_killed: bool,
}

impl Fuzzer {
    fn targets(&self) -> Result<Vec<String>, Failure> {
        let said = process::output(process::command(&self.program, &self.root).arg("list"))?;
        let names =
            serde_json::from_str::<Value>(&said).ok().and_then(|said| said.get("targets").cloned());
        names
            .and_then(|names| serde_json::from_value(names).ok())
            .ok_or_else(|| format!("no targets in {said}"))
    }

    fn command(&self, target: &str, numbers: &Range<u64>, seconds: u64) -> Command {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut command = process::command(&self.program, &self.root);
        command
            .arg(target)
            .arg(&self.root)
            .args([self.seed, numbers.start, numbers.end].map(|n| n.to_string()));
        command.args([threads.to_string(), seconds.to_string()]).args(&self.corpora);
        command
    }

    /// Runs a range of numbers, and hears what there is to say.
    fn run(&self, target: &str, numbers: Range<u64>, is_shown: bool) -> Result<Run, Failure> {
        // Whatever kills it is found again only by all of its numbers.
        let mut command =
            self.command(target, &numbers, if is_shown { self.seconds } else { NO_END });
        // What kills it says so on stderr; while it is searched for that is known.
        command.stderr(if is_shown { Stdio::inherit() } else { Stdio::null() });
        let fail = |error: std::io::Error| format!("`{target}`: {error}");
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(fail)?;
        let watch = Stopwatch::start();
        let mut run = Run::default();
        let is_shown = is_shown && !self.is_quiet && std::io::stdout().is_terminal();
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(|out| out.lines())
        {
            let Ok(said) = serde_json::from_str::<Value>(&line.map_err(fail)?) else { continue };
            if let Some(finding) = said.get("finding") {
                run.findings.push(finding.clone());
            } else if let Some(done) = said.get("done") {
                run.done = Some(done.clone());
            } else if let Some(done) = said.get("progress")
                && is_shown
                && watch.elapsed().as_secs() >= 1
            {
                progress(&format!("{target}: {done} of {}", numbers.end - numbers.start));
            }
        }
        if is_shown {
            progress("");
        }
        let status = child.wait().map_err(fail)?;
        match status.code() {
            None => run.is_killed = true,
            Some(0 | 1) => {}
            Some(_) => return Err(format!("`{}`: {status}", process::describe(&command))),
        }
        Ok(run)
    }

    /// Searches for the number that kills the program, by halves, and keeps its input.
    fn search(&self, target: &str, numbers: Range<u64>, mut run: Run) -> Result<Run, Failure> {
        let Range { start: mut from, end: mut to } = numbers;
        while to - from > 1 {
            let middle = from + (to - from) / 2;
            if self.run(target, from..middle, false)?.is_killed {
                to = middle;
            } else {
                from = middle;
            }
        }
        if !self.run(target, from..to, false)?.is_killed {
            let message = "it was killed, and no one input does that: from outside, or for memory";
            run.findings.push(json!({"kind": "killed", "message": message}));
            return Ok(run);
        }
        let mut command = self.command(target, &(from..to), NO_END);
        command.arg("--save");
        let said = process::output(&mut command)?;
        run.findings.extend(
            serde_json::from_str::<Value>(&said).ok().and_then(|said| said.get("finding").cloned()),
        );
        Ok(run)
    }
}

impl Run {
    fn has_findings(&self) -> bool {
        self.is_killed || !self.findings.is_empty()
    }

    fn show(&self, target: &str, watch: Stopwatch) {
        let text = |value: &Value, key: &str| match value.get(key) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let done = self.done.clone().unwrap_or_default();
        let [inputs, seeds, longest] =
            ["inputs", "seeds", "longest_milliseconds"].map(|key| text(&done, key));
        let ended = if self.is_killed { "killed".to_owned() } else { format!("{inputs} inputs") };
        say(&format!(
            "{target}: {ended} from {seeds} seeds in {watch}, the longest took {longest} ms; {} findings",
            self.findings.len(),
        ));
        for finding in &self.findings {
            let [kind, number, place, message, file] =
                ["kind", "number", "place", "message", "file"].map(|key| text(finding, key));
            say(&format!("  {kind} with input {number}: {place} {message}\n    kept as {file}"));
        }
    }

    fn json(&self, seconds: f64) -> Value {
        json!({
            "seconds": seconds, "is_killed": self.is_killed, "findings": self.findings, "done": self.done,
        })
    }
}

/// Writes over the line that stands there.
fn progress(line: &str) {
    let mut out = std::io::stdout().lock();
    if write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()).is_err() {
        // Nobody reads.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read =
            Options::read(&["json", "--inputs", "5", "cel", "--seed", "2", "--output", "json"]);
        let targets = vec!["json".to_owned(), "cel".to_owned()];
        assert_eq!(
            read,
            Ok(Options { targets, inputs: 5, seconds: NO_END, seed: 2, is_json: true })
        );
        assert_eq!(Options::read(&[]), Ok(Options::default()));
        for wrong in [["--inputs", "many"], ["--output", "xml"], ["--minutes", "1"]] {
            assert!(Options::read(&wrong).is_err(), "{wrong:?}");
        }
    }
}
