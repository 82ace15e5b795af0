//! Takes rules of others in: which of them run here, which have no events, which can't be run and
//! why; and copies those that run.

mod copy;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use base::{Place, Report};
use detect::Rule;

use crate::{Project, reaches, suite, walk};

pub use copy::{Copied, CopyError};
pub use report::Detail;

/// Rules as they were found, sorted by what can be done with them.
#[derive(Debug)]
pub struct Import {
    /// How many files there are, files of tests aside.
    pub files: usize,
    /// How many filters are part of the rules.
    pub filters: usize,
    /// How many correlations stand on them.
    pub correlations: usize,
    /// The rules that run here, each with the log sources whose events reach it.
    pub running: Vec<(Arc<Rule>, Vec<String>)>,
    /// The rules that load, and whose events no log source has, by what they ask for.
    pub unrouted: BTreeMap<String, Vec<Arc<Rule>>>,
    /// The rules that load, and can match none of the events that reach them, each with the reason.
    pub never: Vec<(Arc<Rule>, Report)>,
    /// Fields that rules name and none of their log sources has.
    pub unknown_fields: Vec<Report>,
    /// What does not load, by its reason.
    pub reasons: BTreeMap<Reason, Vec<Report>>,
    /// The files that have a rule that runs here, or only what is for other rules.
    pub usable: Vec<PathBuf>,
    /// The files whose rules load, and of which none runs here.
    pub without_events: Vec<PathBuf>,
    /// The files of which nothing loads.
    pub refused: Vec<PathBuf>,
    /// The files that definitions name, for placeholders and lookup tables.
    pub named: Vec<PathBuf>,
}

/// Why rules don't load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The code, such as `DAB0207`.
    pub code: String,
    /// What they have in common: the message, without what is quoted in it.
    pub message: String,
}

impl Import {
    /// Sorts the rules of a project, which were loaded from `roots`.
    #[must_use]
    pub fn new(project: &Project, roots: &[PathBuf]) -> Self {
        let mut import = Self {
            files: 0,
            filters: project.filters,
            correlations: project.correlations.len(),
            running: Vec::new(),
            unrouted: BTreeMap::new(),
            never: Vec::new(),
            unknown_fields: project.unknown_fields(),
            reasons: BTreeMap::new(),
            usable: Vec::new(),
            without_events: Vec::new(),
            refused: Vec::new(),
            named: project.named_files.iter().chain(&project.lookup_files).cloned().collect(),
        };
        import.sort_rules(project);
        for problem in &project.problems {
            import.reasons.entry(Reason::of(problem)).or_default().push(problem.clone());
        }
        import.sort_files(project, roots);
        import.leave_out_orphans(project);
        import
    }

    /// How many rules load.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.running.len() + self.unrouted.values().map(Vec::len).sum::<usize>() + self.never.len()
    }

    fn sort_rules(&mut self, project: &Project) {
        let known = project.known_fields();
        for rule in &project.rules {
            let sources = project.log_sources.iter().filter(|s| reaches(s, &rule.log_source));
            let names: Vec<String> = sources.map(|source| source.name.clone()).collect();
            if names.is_empty() {
                let asked = rule.log_source.to_string();
                self.unrouted.entry(asked).or_default().push(Arc::clone(rule));
            } else if let Some(why) = project.never_matches(rule, &known) {
                self.never.push((Arc::clone(rule), why));
            } else {
                self.running.push((Arc::clone(rule), names));
            }
        }
    }

    fn sort_files(&mut self, project: &Project, roots: &[PathBuf]) {
        let running: BTreeSet<&str> =
            self.running.iter().map(|(rule, _)| rule.info.file.as_str()).collect();
        let loaded: BTreeSet<&str> =
            project.rules.iter().map(|rule| rule.info.file.as_str()).collect();
        let broken: BTreeSet<&str> = project.problems.iter().filter_map(file_of).collect();
        for path in walk::files(&suite::rule_roots(roots), &mut Vec::new()) {
            if walk::is_tests(&path) {
                continue;
            }
            let shown = path.to_string_lossy();
            let list = if running.contains(shown.as_ref()) {
                &mut self.usable
            } else if loaded.contains(shown.as_ref()) {
                &mut self.without_events
            } else if broken.contains(shown.as_ref()) {
                &mut self.refused
            } else {
                // Neither a rule nor a mistake: filters and correlations, which are for other rules.
                &mut self.usable
            };
            self.files += 1;
            drop(shown);
            list.push(path);
        }
    }

    /// Filters and correlations that stand on rules which do not run here would not load where they
    /// are copied to.
    fn leave_out_orphans(&mut self, project: &Project) {
        if self.filters + self.correlations == 0 {
            return;
        }
        let running: BTreeSet<PathBuf> =
            self.running.iter().map(|(rule, _)| PathBuf::from(&rule.info.file)).collect();
        // A correlation may stand on another, which is left out first.
        loop {
            let mut copy = Project::default();
            copy.load_rules(&self.usable);
            let new = copy.problems.iter().filter(|problem| !project.problems.contains(problem));
            let broken: BTreeSet<PathBuf> = new
                .filter_map(file_of)
                .map(PathBuf::from)
                .filter(|path| !running.contains(path))
                .collect();
            let usable = std::mem::take(&mut self.usable);
            let (orphans, usable): (Vec<_>, Vec<_>) =
                usable.into_iter().partition(|path| broken.contains(path));
            self.usable = usable;
            if orphans.is_empty() {
                return;
            }
            self.without_events.extend(orphans);
        }
    }
}

/// The file that a problem is in.
fn file_of(problem: &Report) -> Option<&str> {
    match &problem.place {
        Some(Place::File { path, .. }) => Some(path),
        _ => None,
    }
}

impl Reason {
    fn of(problem: &Report) -> Self {
        // What is quoted differs from rule to rule: names, values, expressions.
        let parts = problem.message.split('`').enumerate();
        let parts = parts.map(|(at, part)| if at % 2 == 0 { part } else { "…" });
        let message = parts.collect::<Vec<_>>().join("`");
        let message = message.split(';').next().unwrap_or_default().to_owned();
        Self { code: problem.code.clone(), message }
    }
}

#[cfg(test)]
mod tests;
