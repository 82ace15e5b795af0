//! All tests: what they need is installed first, and the last line counts them all.

mod tally;

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Failure, process,
    say::{Phase, Stopwatch, say},
    tools,
};
use tally::Tally;

/// What to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Only tests whose name contains this.
    filter: Option<String>,
    /// Only the crates' own tests.
    fast: bool,
}

impl Options {
    /// Reads the words after `test`.
    ///
    /// # Errors
    /// When a word is not an option.
    pub(crate) fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--fast" => options.fast = true,
                "--filter" => {
                    let text = words.next().ok_or("`--filter` wants a text")?;
                    options.filter = Some((*text).to_owned());
                }
                other => return Err(format!("`test` has no option `{other}`")),
            }
        }
        Ok(options)
    }
}

/// What the tests are told through the environment.
#[derive(Debug, Default)]
struct Surroundings {
    corpora: Option<PathBuf>,
    tools: Option<PathBuf>,
}

/// Installs, builds, tests, counts.
///
/// # Errors
/// When a test fails, none ran, or (on a build server) something that tests need is missing.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let surroundings = prepare(root, options)?;
    let mut tally = Tally::default();
    let packages: &[&str] =
        if options.fast { &["--workspace", "--exclude", "dab"] } else { &["--workspace"] };

    // The scenarios' package builds the program that they run. Building it by itself would choose
    // other features for what it stands on, and compile all of that twice.
    let tests = ["test", "--locked", "--no-fail-fast", "--lib", "--bins", "--tests"];
    let phase = Phase::begin("build");
    process::run(process::cargo(root).args(tests).args(packages).arg("--no-run"))?;
    phase.end();

    let phase = Phase::begin("tests");
    let mut command = process::cargo(root);
    command.args(tests).args(packages).args(["--", "--show-output"]).args(&options.filter);
    count(&mut command, &surroundings, &mut tally)?;
    phase.end();

    if !options.fast {
        // Alone in its package: with the others, all would be compiled for this feature.
        let phase = Phase::begin("the feature `vrl`");
        let mut command = process::cargo(root);
        command.args(["test", "--locked", "--no-fail-fast", "--package", "dab-decode"]);
        command.args(["--features", "vrl", "--lib", "--", "--show-output"]);
        command.args(options.filter.as_deref().or(Some("remap")));
        count(&mut command, &surroundings, &mut tally)?;
        phase.end();

        let phase = Phase::begin("examples in the documentation");
        let mut command = process::cargo(root);
        command.args(["test", "--locked", "--no-fail-fast", "--doc"]).args(packages);
        command.args(["--", "--show-output"]).args(&options.filter);
        count(&mut command, &surroundings, &mut tally)?;
        phase.end();
    }

    for name in tally.failures() {
        say(&format!("failed: {name}"));
    }
    for reason in tally.skips() {
        say(&format!("skipped: {reason}"));
    }
    say(&format!("== test: {watch}"));
    say(&tally.to_string());
    tally.verdict(options.filter.is_some())
}

/// Everything that the tests need beside their own code.
fn prepare(root: &Path, options: &Options) -> Result<Surroundings, Failure> {
    let mut surroundings = Surroundings { corpora: corpora(root), ..Surroundings::default() };
    match &surroundings.corpora {
        Some(folder) => say(&format!("corpora: {}", folder.display())),
        None => lacking("corpora: none; set DAB_CORPORA to their folder to test with real logs")?,
    }
    if options.fast {
        return Ok(surroundings);
    }
    let phase = Phase::begin("what the tests need");
    let tools = tools::install(root, &[tools::OF_TESTS])?;
    for missing in &tools.missing {
        lacking(&format!("could not install {missing}"))?;
    }
    surroundings.tools = Some(tools.folder);
    phase.end();

    Ok(surroundings)
}

/// Something that tests need is not there: those tests say that they were skipped. On a build
/// server that would be a hole nobody sees, so there it is an error.
fn lacking(what: &str) -> Result<(), Failure> {
    if process::is_ci() {
        return Err(what.to_owned());
    }
    say(what);
    Ok(())
}

/// The folder of real logs, if there is one.
pub(crate) fn corpora(root: &Path) -> Option<PathBuf> {
    let beside = root.join("../shared/corpora");
    let folder = process::setting("DAB_CORPORA").map_or(beside, PathBuf::from);
    folder.canonicalize().ok().filter(|folder| folder.is_dir())
}

/// Runs one command of `cargo test`, shows what matters of its output, and counts.
fn count(
    command: &mut Command,
    surroundings: &Surroundings,
    tally: &mut Tally,
) -> Result<(), Failure> {
    let variables = [("DAB_CORPORA", &surroundings.corpora), ("DAB_TOOLS", &surroundings.tools)];
    for (name, value) in variables {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let fail = |error: std::io::Error| format!("`cargo test`: {error}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(fail)?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(fail)?;
            if let Some(shown) = tally.line(&String::from_utf8_lossy(&line)) {
                say(shown);
            }
        }
    }
    let status = child.wait().map_err(fail)?;
    tally.ended(status.success(), &process::describe(command));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_options() {
        let read = Options::read(&["--filter", "http", "--fast"]);
        assert_eq!(read, Ok(Options { filter: Some("http".to_owned()), fast: true }));
        assert!(Options::read(&["--filter"]).is_err());
        assert!(Options::read(&["--slow"]).is_err());
    }
}
