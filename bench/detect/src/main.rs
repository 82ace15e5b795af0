//! Detection, measured: dab's matchers and RSigma over the same bytes, with the same rules.
//!
//! One process measures one engine on one lane, so that memory and warmth are its own;
//! `cargo xtask bench detect` runs them in turn and makes a table. Every answer is one line of JSON
//! on stdout. `docs/reference/benchmarks.md` says what each figure means.

mod arguments;
mod clock;
mod compare;
mod dab;
mod lane;
mod measure;
mod mutate;
mod rsigma;
mod rules;
mod side;
mod witness;

use std::process::ExitCode;

use arguments::Arguments;

/// What went wrong, in words for the person who runs the benchmark.
type Failure = String;

const USAGE: &str = "\
usage: dab-bench-detect <task> --root DIR --corpora DIR --lanes DIR [options]

  lanes     make the lanes' events and say what they are
  measure   measure one engine on one lane
  compare   compare the match sets of two engines on one lane

  --lane NAME     mordor, flat, evtx, proc, cloudtrail, cel-aws, cel-okta or rules
  --rules N       the first N of SigmaHQ's rules in the order of their paths' hashes, or `all`
  --events N      how many events a lane has for each figure
  --take N        use only so many of them
  --engine NAME   dab, full_scan or rsigma
";

fn main() -> ExitCode {
    let outcome = Arguments::read(std::env::args().skip(1)).and_then(|arguments| {
        match arguments.task.as_str() {
            "lanes" => lane::make(&arguments),
            "measure" => measure::run(&arguments),
            "compare" => compare::run(&arguments),
            task => Err(format!("there is no task `{task}`\n{USAGE}")),
        }
    });
    match outcome {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}
