//! The tests of rules: what is written beside a rule, read and run.
//!
//! A test is a raw event as its log source delivers it, and whether the rule must match. It goes
//! through the log source's own decoder and through the matcher, so that it tests how fields are
//! found and mapped as well as the rule's condition. Running a test does no I/O.

mod raw;
mod read;
mod render;
mod run;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{Explain, Problem, Report};
use detect::{Rule, yaml};

use crate::{
    Project,
    mistake::{Kind, Mistake},
    walk,
};

pub use render::Summary;
pub use run::{Failure, Runner, Verdict};

/// The tests of a project's rules.
#[derive(Debug, Default)]
pub struct Suite {
    /// The tests that can be run, in the order of files.
    pub cases: Vec<Case>,
    /// The rules that have no test.
    pub untested: Vec<Arc<Rule>>,
    /// How many rules there are.
    pub rules: usize,
    /// What is wrong with the tests: what each names is left out.
    pub problems: Vec<Report>,
}

/// One test of one rule.
#[derive(Debug)]
pub struct Case {
    /// The rule.
    pub rule: Arc<Rule>,
    /// What the test is called.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1.
    pub column: u32,
    /// The log source whose decoder reads the events.
    pub log_source: String,
    /// The raw events, in order.
    pub(crate) events: Vec<raw::RawEvent>,
    /// Whether the rule must match.
    pub must_match: bool,
    /// The title that the match must have.
    pub(crate) title: Option<String>,
    /// The values that the rule's `dedup` fields must have.
    pub(crate) dedup: Option<Vec<String>>,
}

impl Suite {
    /// Reads the tests of the project's rules. `roots` are the files and folders that the rules
    /// were loaded from.
    #[must_use]
    pub fn load(project: &Project, roots: &[PathBuf]) -> Self {
        let mut suite = Self { rules: project.rules.len(), ..Self::default() };
        let mut by_file: BTreeMap<&str, Vec<&Arc<Rule>>> = BTreeMap::new();
        for rule in &project.rules {
            by_file.entry(&rule.info.file).or_default().push(rule);
        }
        // Whatever can't be read was reported when the project was loaded.
        let files = walk::files(&rule_roots(roots), &mut Vec::new());
        for path in files {
            let shown = path.to_string_lossy();
            if walk::is_tests(&path) {
                suite.beside(project, &path, &by_file);
            } else {
                let rules = by_file.get(shown.as_ref()).map(Vec::as_slice).unwrap_or_default();
                suite.inline(project, &path, rules);
            }
        }
        let has_test = |rule: &&Arc<Rule>| !suite.cases.iter().any(|c| Arc::ptr_eq(&c.rule, rule));
        suite.untested = project.rules.iter().filter(has_test).map(Arc::clone).collect();
        suite
    }

    /// The tests under the key `tests` of a rule's own document.
    fn inline(&mut self, project: &Project, path: &Path, rules: &[&Arc<Rule>]) {
        let Ok(text) = walk::read(path) else { return };
        // Most rules have none, and need not be read a second time.
        if !text.contains("tests") {
            return;
        }
        let shown = path.to_string_lossy();
        for document in yaml::parse(&text).into_iter().flatten() {
            let Some((key, tests)) = document.get_entry("tests") else { continue };
            let Some(rule) = rules.iter().find(|rule| rule.line == document.line) else {
                // That of a rule that does not load was reported with it.
                if document.get("correlation").is_some() {
                    let message = "the tests of a correlation are not run";
                    let mistake = Mistake::at(Kind::TestRule, &shown, key, message);
                    self.problem(mistake.help("test the rules that it names"));
                }
                continue;
            };
            let reader = read::Reader { project, path: &shown, rules: &[rule] };
            let found = reader.tests(tests);
            self.take(found);
        }
    }

    /// The tests in a file beside the rule's.
    fn beside(
        &mut self,
        project: &Project,
        path: &Path,
        by_file: &BTreeMap<&str, Vec<&Arc<Rule>>>,
    ) {
        let shown = path.to_string_lossy();
        let of_rule = walk::rules_of_tests(path);
        let rules = of_rule.iter().find_map(|file| by_file.get(file.to_string_lossy().as_ref()));
        let Some(rules) = rules else {
            let names = of_rule.iter().map(|file| format!("`{}`", file.display()));
            let message =
                format!("these tests have no rule: {}", names.collect::<Vec<_>>().join(" or "));
            let mistake = Mistake::placed(Kind::TestRule, &shown, (1, 1), message);
            return self.problem(mistake.help(
                "name the file after the rule's, and mend the rule if it is reported as well",
            ));
        };
        let Ok(text) = walk::read(path) else { return };
        let reader = read::Reader { project, path: &shown, rules };
        for document in yaml::parse(&text) {
            match document {
                Ok(node) => self.take(reader.tests(node.get("tests").unwrap_or(&node))),
                Err(mut error) => {
                    shown.as_ref().clone_into(&mut error.path);
                    self.problem(error);
                }
            }
        }
    }

    fn take(&mut self, found: Vec<Result<Case, Mistake>>) {
        for case in found {
            match case {
                Ok(case) => self.cases.push(case),
                Err(mistake) => self.problem(mistake),
            }
        }
    }

    fn problem(&mut self, problem: impl Explain + Send + Sync + 'static) {
        self.problems.push(Problem::from(problem).report());
    }
}

/// The roots, with the rules' files in place of files of tests.
pub(crate) fn rule_roots(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::with_capacity(roots.len());
    for root in roots {
        if walk::is_tests(root) {
            let rules = walk::rules_of_tests(root).into_iter();
            all.extend(rules.filter(|path| path.try_exists().unwrap_or(false)));
        }
        all.push(root.clone());
    }
    all
}

#[cfg(test)]
mod tests;
