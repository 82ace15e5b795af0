//! Counting tests over many test programs.
//!
//! Each program closes with a line of its own, and a test that could not run (no corpora, no
//! Python) still counts as passed there: libtest knows no skipping at run time. Such a test prints
//! `skipped: <reason>`, which is found in the output that `--show-output` brings.

use std::fmt;

use crate::Failure;

/// What was counted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: usize,
    failed: usize,
    failures: Vec<String>,
    skips: Vec<String>,
    broken: Vec<String>,
    section: Section,
    /// The test whose output the lines are, in the sections that show outputs.
    test: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Section {
    /// `test a::b ... ok`
    #[default]
    Running,
    /// The outputs of tests that passed: long, and only looked through for skips.
    Successes,
    /// The outputs of tests that failed: shown.
    Failures,
}

impl Tally {
    /// Takes in one line of output, and answers it if a person should see it.
    pub(super) fn line<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        match line.trim() {
            "successes:" => {
                self.section = Section::Successes;
                return None;
            }
            "failures:" => {
                self.section = Section::Failures;
                return Some(line);
            }
            _ => {}
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            self.section = Section::Running;
            self.passed += number_before(result, " passed");
            self.failed += number_before(result, " failed");
            return Some(line);
        }
        if let Some(name) = line.strip_prefix("---- ") {
            let name = name.split(' ').next().unwrap_or_default();
            name.clone_into(&mut self.test);
        } else if self.section == Section::Successes {
            self.look_for_skip(line);
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
        (self.section != Section::Successes).then_some(line)
    }

    fn look_for_skip(&mut self, line: &str) {
        let Some(reason) = line.trim().strip_prefix("skipped") else { return };
        let skip = format!("{}{reason}", self.test);
        // One test may say it twice.
        let prefix = format!("{}:", self.test);
        if !self.skips.iter().any(|known| known.starts_with(&prefix)) {
            self.skips.push(skip);
        }
    }

    /// Takes in that a command of `cargo test` ended.
    pub(super) fn ended(&mut self, success: bool, command: &str) {
        self.section = Section::Running;
        // A program that crashed, or did not compile, closes with no line that counts it.
        if !success && self.failed == 0 {
            self.broken.push(format!("`{command}` failed without naming a test"));
        }
    }

    /// The names of the tests that failed.
    pub(super) fn failures(&self) -> impl Iterator<Item = &str> {
        self.failures.iter().chain(&self.broken).map(String::as_str)
    }

    /// The tests that said that they were skipped, with the reason.
    pub(super) fn skips(&self) -> &[String] {
        &self.skips
    }

    /// How it ended.
    ///
    /// # Errors
    /// When a test failed, or none was run though none was asked for by name.
    pub(super) fn verdict(&self, filtered: bool) -> Result<(), Failure> {
        let failed = self.failed + self.broken.len();
        if failed > 0 {
            return Err(format!("{failed} tests failed (listed above)"));
        }
        if self.passed == 0 {
            let help = if filtered { "; no name contains the filter" } else { "" };
            return Err(format!("no test was run{help}"));
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.passed.saturating_sub(self.skips.len());
        let failed = self.failed + self.broken.len();
        write!(f, "{passed} passed, {failed} failed, {} skipped", self.skips.len())
    }
}

/// The number that stands before `word`, or 0.
fn number_before(text: &str, word: &str) -> usize {
    let before = text.split_once(word).map_or("", |(before, _)| before);
    before.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> (Tally, String) {
        let mut tally = Tally::default();
        let shown: Vec<&str> = text.lines().filter_map(|line| tally.line(line)).collect();
        (tally, shown.join("\n"))
    }

    const TWO_PROGRAMS: &str = "\
running 2 tests
test a::one ... ok
test a::two ... FAILED

successes:

---- a::one stdout ----
much to say
skipped: DAB_CORPORA is not set


successes:
    a::one

failures:

---- a::two stdout ----
skipped a beat
assertion failed

failures:
    a::two

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 3 tests
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";

    #[test]
    fn counts_over_programs() {
        let (mut tally, shown) = tally(TWO_PROGRAMS);
        tally.ended(false, "cargo test");
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failures().collect::<Vec<_>>(), ["a::two"]);
        assert_eq!(tally.skips(), ["a::one: DAB_CORPORA is not set"]);
        assert!(!shown.contains("much to say") && shown.contains("assertion failed"), "{shown}");
        assert!(tally.verdict(false).is_err());
    }

    #[test]
    fn a_crash_is_a_failure_and_nothing_is_not_success() {
        let (mut crashed, _) = tally("running 1 test\ntest a ... ok\n");
        crashed.ended(false, "cargo test");
        assert_eq!(crashed.to_string(), "0 passed, 1 failed, 0 skipped");
        assert!(crashed.verdict(false).is_err());
        let (nothing, _) = tally("test result: ok. 0 passed; 0 failed; 0 ignored");
        assert!(nothing.verdict(true).is_err());
        let (good, _) = tally("test result: ok. 1 passed; 0 failed; 0 ignored");
        assert!(good.verdict(false).is_ok());
    }
}
