//! Runs one target on a range of inputs and writes a line of JSON for each thing there is to say: for
//! `cargo xtask fuzz`, which builds and starts it, and finds what kills it.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use dab_fuzz::{
    Caught, Findings, Mutator, Places, Plan, Said, TARGETS, Target, drive, run_caught, seeds,
    target,
};
use serde_json::{Value, json};

const USAGE: &str = "usage: dab-fuzz list
       dab-fuzz TARGET ROOT SEED FROM TO THREADS SECONDS [CORPORA] [--save]

With --save the input FROM is kept, and not run.";

/// An input that takes longer is a finding. The slowest take some tens of milliseconds in a build for
/// development; the rest is for machines that are busy.
const SLOW: Duration = Duration::from_secs(10);
/// The process has some hundred MiB.
const MEMORY_BYTES_MAX: u64 = 2 << 30;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["list"] = words.as_slice() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        say(&json!({"targets": names}));
        return ExitCode::SUCCESS;
    }
    let (words, saves) = match words.as_slice() {
        [words @ .., "--save"] => (words, true),
        words => (words, false),
    };
    let Some((plan, places)) = read(words) else {
        complain(USAGE);
        return ExitCode::from(3);
    };
    match if saves { save(plan, &places) } else { run(plan, &places) } {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(3)
        }
    }
}

fn read(words: &[&str]) -> Option<(Plan, Places)> {
    let [name, root, seed, from, to, threads, seconds, corpora @ ..] = words else { return None };
    let plan = Plan {
        target: target(name)?,
        seed: seed.parse().ok()?,
        from: from.parse().ok()?,
        to: to.parse().ok()?,
        threads: threads.parse().ok()?,
        time_max: Duration::from_secs(seconds.parse().ok()?),
        slow: SLOW,
        memory_bytes_max: MEMORY_BYTES_MAX,
    };
    Some((plan, Places { root: PathBuf::from(root), corpora: corpora.first().map(PathBuf::from) }))
}

/// Runs what was found before, and then the range. Answers whether nothing was found.
fn run(plan: Plan, places: &Places) -> io::Result<bool> {
    let known = if plan.from == 0 { known(&plan.target, &folder(&plan, places))? } else { 0 };
    let mutator = Mutator::new(&plan.target, seeds(&plan.target, places)?);
    let count = mutator.seeds();
    // What a target makes once, such as the decoders of all log sources, is no input's time. If it panics, it
    // does so again below.
    drop(run_caught(plan.target.run, &mutator.input(plan.seed, plan.from)));
    let mut kept = Ok(());
    let findings = drive(plan, mutator, &mut |said| match said {
        Said::Progress(inputs) => say(&json!({"progress": inputs})),
        Said::Finding { kind, number, caught, input } => {
            let written = keep(&plan, places, kind, (number, &caught, &input));
            kept = std::mem::replace(&mut kept, Ok(())).and(written);
        }
    })?;
    kept?;
    say(&summary(&findings, count, known));
    Ok(known == 0 && findings.panics == 0 && !findings.is_cut_short)
}

/// Keeps the input of a number that kills the process.
fn save(plan: Plan, places: &Places) -> io::Result<bool> {
    let mutator = Mutator::new(&plan.target, seeds(&plan.target, places)?);
    let input = mutator.input(plan.seed, plan.from);
    let message = "the process was killed: by a stack that overflowed, or for its memory";
    let caught = Caught { place: String::new(), message: message.to_owned() };
    keep(&plan, places, "killed", (plan.from, &caught, &input))?;
    Ok(true)
}

/// Says what was found, and writes the input down.
fn keep(plan: &Plan, places: &Places, kind: &str, found: (u64, &Caught, &[u8])) -> io::Result<()> {
    let (number, caught, input) = found;
    let folder = folder(plan, places);
    let file = folder.join(format!("{kind}-{}-{number}", plan.seed));
    say(&json!({"finding": {
        "target": plan.target.name, "kind": kind, "seed": plan.seed, "number": number,
        "place": caught.place, "message": caught.message, "bytes": input.len(),
        "file": file.display().to_string(),
    }}));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(&file, input)
}

fn folder(plan: &Plan, places: &Places) -> PathBuf {
    places.root.join("fuzz/regressions").join(plan.target.name)
}

fn summary(findings: &Findings, seeds: usize, known: usize) -> Value {
    let Findings { inputs, panics, places, longest: (longest, number), is_cut_short } = findings;
    json!({"done": {
        "inputs": inputs, "seeds": seeds, "panics": panics, "places": places, "regressions": known,
        "longest_milliseconds": longest.as_millis(), "longest_number": number, "is_cut_short": is_cut_short,
    }})
}

/// Runs what was found before, and answers how many are found again.
fn known(target: &Target, folder: &Path) -> io::Result<usize> {
    let mut again = 0;
    if !folder.try_exists()? {
        return Ok(0);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Err(caught) = run_caught(target.run, &std::fs::read(&path)?) else { continue };
        again += 1;
        say(&json!({"finding": {
            "target": target.name, "kind": "regression", "place": caught.place, "message": caught.message,
            "file": path.display().to_string(),
        }}));
    }
    Ok(again)
}

/// A line for whoever started it. A closed pipe is not worth a word.
fn say(line: &Value) {
    let mut out = io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        // Nobody reads.
    }
}

fn complain(line: &str) {
    if writeln!(io::stderr(), "error: {line}").is_err() {
        // Nobody reads.
    }
}
