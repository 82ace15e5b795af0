//! What a build server runs, in the order of what fails first and costs least.

use std::path::Path;

use crate::{
    Failure, fuzz, process,
    say::{Phase, Stopwatch, say},
    test, tidy,
};

/// Runs everything that must hold before a change lands.
///
/// # Errors
/// At the first thing that does not hold.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let phase = Phase::begin("tidy");
    tidy::run(root)?;
    phase.end();

    let phase = Phase::begin("format");
    process::run(process::cargo(root).args(["fmt", "--all", "--check"]))
        .map_err(|failure| format!("{failure}\n  run `cargo fmt --all`"))?;
    phase.end();

    let phase = Phase::begin("clippy");
    process::run(process::cargo(root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    let of_vrl = ["clippy", "--package", "dab-decode", "--features", "vrl", "--all-targets"];
    let denied = ["--locked", "--quiet", "--", "-D", "warnings"];
    process::run(process::cargo(root).args(of_vrl).args(denied))?;
    phase.end();

    let phase = Phase::begin("fuzz");
    fuzz::run(root, &fuzz::Options::for_ci())?;
    phase.end();

    // The tests come last: their closing line counts what was run.
    let outcome = test::run(root, &test::Options::default());
    say(&format!("== ci: {watch}"));
    outcome
}
