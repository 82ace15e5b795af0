//! Tasks of this repository: `cargo xtask help` lists them.
//!
//! Everything that a person or a build server runs here is one of these, so that both run the
//! same. Each says what it does, how long it took, and in its last line how it ended.

mod bench;
mod ci;
mod fuzz;
mod process;
mod say;
mod test;
mod tidy;
mod tools;

use std::{path::PathBuf, process::ExitCode};

use say::say;

const HELP: &str = "\
Tasks of this repository.

usage: cargo xtask <task> [options]

  tidy            check the house rules that neither the compiler nor clippy knows
  test            install what the tests need into .tools, build, run all tests
    --filter TEXT   only tests whose name contains TEXT
    --fast          only the crates' own tests: nothing is installed, no black-box tests
  bench ingest    measure ingest: events and bytes a second, CPU seconds a GB, peak memory
    --megabytes N   size of each corpus (default 1000 for the mix, 300 for the others)
    --corpus NAME   only this one: cloudtrail, windows or mix
    --runs N        runs of each, the median is shown (default 3)
    --rules N       how many detections are loaded (default 100)
  bench collect   measure what comes in over HTTP, syslog and TLS, and one object larger than memory
    --lane A,B      http, syslog, tls, object (default: all)
    --megabytes N   how much is posted (default 1000)
    --messages N    how many messages of syslog are sent (default 3000000)
    --senders N     how many senders are connected with TLS at once (default 1000)
    --gigabytes N   size of the object, unpacked (default 10)
    --binary PATH   measure this program, instead of building one
  bench detect    measure detection beside RSigma on the same events, and compare what both find
    --lane A,B      mordor, flat, evtx, proc, cloudtrail, cel-aws, cel-okta, rules (default: all)
    --rules N,M     how many of SigmaHQ's rules, or `all` (default 100,1000,all)
    --events N      how many events each figure is measured over (default 20000)
    --runs N        runs of each engine in turn, the median is shown (default 3)
  bench lake      measure storing and finding, beside the parts that neither can do without and beside
                  DuckDB, ClickHouse and tantivy
    --lane A,B      ingest, search, peers, commits (default: all)
    --megabytes N   size of the corpus (default 400)
    --commits N     how many commits a table has that is opened (default 10000)
    --runs N        runs of each, the median is shown (default 3)
    --binary PATH   measure this program, instead of building one
  fuzz [TARGET…]  run what reads bytes of strangers on inputs made from a seed (default: every target)
    --inputs N      how many inputs each target gets (default 1000000)
    --seconds S     for how long each target gets inputs (default: as long as it takes)
    --seed S        another seed, other inputs (default 1)
    --output json   tell what was found as JSON
  ci              what a build server runs: tidy, format, clippy, fuzz, test
  help            this text

exit code: 0 fine, 1 something was found or failed, 3 the arguments are wrong
";

/// What went wrong, in words for the person who ran the task.
type Failure = String;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let root = root();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(&root),
        ["ci"] => ci::run(&root),
        ["fuzz", options @ ..] => match fuzz::Options::read(options) {
            Ok(options) => fuzz::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        ["test", options @ ..] => match test::Options::read(options) {
            Ok(options) => test::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        ["bench", "ingest", options @ ..] => match bench::Options::read(options) {
            Ok(options) => bench::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        ["bench", "detect", options @ ..] => match bench::detect::Options::read(options) {
            Ok(options) => bench::detect::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        ["bench", "lake", options @ ..] => match bench::lake::Options::read(options) {
            Ok(options) => bench::lake::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        ["bench", "collect", options @ ..] => match bench::collect::Options::read(options) {
            Ok(options) => bench::collect::run(&root, &options),
            Err(failure) => return usage(&failure),
        },
        [] | ["help" | "-h" | "--help"] => {
            say(HELP.trim_end());
            return ExitCode::SUCCESS;
        }
        [task, ..] => return usage(&format!("there is no task `{task}`")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::complain(&failure);
            ExitCode::from(1)
        }
    }
}

fn usage(failure: &str) -> ExitCode {
    say::complain(&format!("{failure}; `cargo xtask help` lists what there is"));
    ExitCode::from(3)
}

/// The repository's root: the folder above this package.
fn root() -> PathBuf {
    // What cargo says now: a target folder may be shared by several clones, and hold the program of
    // another one.
    let package = std::env::var_os("CARGO_MANIFEST_DIR");
    let package = package.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().unwrap_or(&package).to_owned()
}
