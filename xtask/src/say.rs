//! What the tasks print. Results go to stdout, complaints to stderr.

use std::{
    fmt,
    io::Write as _,
    time::{Duration, Instant},
};

/// Prints one line. A closed pipe is not worth a word: whoever closed it knows.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        // Nobody reads.
    }
}

/// Prints one line to stderr, marked as an error.
pub(crate) fn complain(line: &str) {
    if writeln!(std::io::stderr(), "error: {line}").is_err() {
        // Nobody reads.
    }
}

/// A phase of a task: named when it begins, timed when it ends.
#[derive(Debug)]
pub(crate) struct Phase {
    name: &'static str,
    watch: Stopwatch,
}

impl Phase {
    /// Begins a phase and says so.
    pub(crate) fn begin(name: &'static str) -> Self {
        say(&format!("== {name}"));
        Self { name, watch: Stopwatch::start() }
    }

    /// Ends it and says how long it took.
    pub(crate) fn end(self) {
        say(&format!("== {}: {}", self.name, self.watch));
    }
}

/// Time that passed since it was started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "measures a task; no code under test sees it")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// What passed since.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed().as_secs_f64();
        if seconds < 60.0 {
            write!(f, "{seconds:.1} s")
        } else {
            write!(f, "{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0)
        }
    }
}
