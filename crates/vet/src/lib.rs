//! A rules project as a whole: every rule and log source that can be used, and every mistake.
//!
//! [`load`] never fails: one broken file never stops the rest. Whoever must not run with mistakes
//! looks at [`Project::problems`].

mod backtest;
mod definitions;
mod diagnose;
mod error;
mod eval;
mod import;
mod mistake;
mod part;
mod suggest;
mod suite;
pub mod trace;
mod walk;

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{Explain, Place, Problem, Report};
use cel::{Lookups as _, Tables};
use decode::{DecodeError, LogSource};
use detect::{Correlation, Document, LogSourceSelector, Rule, RuleSet, load_documents};

use crate::error::{Trouble, Unrouted};

pub use backtest::{Backtest, Outcome, RuleOutcome, Spent, TableReads};
pub use error::VetError;
pub use eval::{Evaluated, Evaluator};
pub use import::{Copied, CopyError, Detail, Import, Reason};
pub use mistake::Mistake;
pub use part::load_beside;
pub use suggest::{Sample, SuggestError, Suggestion, suggest};
pub use suite::{Case, Failure, Runner, Suite, Summary, Verdict};

/// How many of the routes that nobody takes a note names.
const UNROUTED_NAMES_MAX: usize = 10;

/// What a project holds.
#[derive(Debug, Default)]
pub struct Project {
    /// The rules that can be run, in the order of their files; ids are unique.
    pub rules: Vec<Arc<Rule>>,
    /// The correlations that can be run, those that others stand on first.
    pub correlations: Vec<Arc<Correlation>>,
    /// How many filters are part of the rules.
    pub filters: usize,
    /// How many macros the rules share.
    pub macros: usize,
    /// The lookup tables that expressions ask.
    pub lookups: Arc<Tables>,
    /// The log sources, by name: the user's, and the shipped ones that the user did not replace.
    pub log_sources: Vec<LogSource>,
    /// What is wrong, in the order of files: what each names is left out.
    pub problems: Vec<Report>,
    /// What is worth knowing and harms nothing, such as rules that no events reach.
    pub notes: Vec<Report>,
    /// How many files were found, readable or not.
    pub files: usize,
    /// The files that definitions name for the values of placeholders.
    pub named_files: Vec<PathBuf>,
    /// The files of the lookup tables.
    pub lookup_files: Vec<PathBuf>,
    /// The files that were found for rules and their tests, in their order.
    rule_files: Vec<String>,
    /// The files that have definitions.
    definition_files: Vec<String>,
    /// The file of each filter.
    filter_files: Vec<String>,
}

/// Loads rules from `detections` and log sources from `log_sources`: files, or folders with `.yml`
/// and `.yaml` files at any depth. Paths in problems begin as the roots given here do.
///
/// With `shipped_log_sources`, those that come with dab are there too; a log source of the user's
/// replaces the shipped one of its name.
#[must_use]
pub fn load(detections: &[PathBuf], log_sources: &[PathBuf], shipped_log_sources: bool) -> Project {
    let mut project = Project::default();
    project.load_log_sources(log_sources);
    if shipped_log_sources {
        project.add_shipped();
    }
    project.log_sources.sort_by(|a, b| a.name.cmp(&b.name));
    project.load_rules(detections);
    project.check_enrichment();
    project.note_unrouted();
    project
}

impl Project {
    fn load_log_sources(&mut self, roots: &[PathBuf]) {
        let mut defined: BTreeMap<String, String> = BTreeMap::new();
        self.each_text(roots, |project, path, text| {
            let shown = path.to_string_lossy();
            let source = match LogSource::parse(&shown, text) {
                Ok(source) => source,
                Err(mistakes) => return mistakes.into_iter().for_each(|one| project.problem(one)),
            };
            if let Some(first) = defined.get(&source.name) {
                let (name, first) = (source.name, first.clone());
                project.problem(VetError::new(path, Trouble::SameLogSource { name, first }));
            } else {
                defined.insert(source.name.clone(), shown.into_owned());
                project.log_sources.push(source);
            }
        });
    }

    fn add_shipped(&mut self) {
        let own: HashSet<String> =
            self.log_sources.iter().map(|source| source.name.clone()).collect();
        for (path, text) in decode::shipped() {
            match LogSource::parse(path, text) {
                Ok(source) if own.contains(&source.name) => {}
                Ok(source) => self.log_sources.push(source),
                Err(mistakes) => mistakes.into_iter().for_each(|mistake| self.problem(mistake)),
            }
        }
    }

    /// Log sources may only ask lookup tables that are declared.
    fn check_enrichment(&mut self) {
        let mut mistakes = Vec::new();
        for rule in self.log_sources.iter().flat_map(|source| &source.enrich) {
            let (table, place) = (rule.lookup.clone(), rule.place.clone());
            match self.lookups.columns(&table) {
                // What can't be read is a mistake by itself, and so is what is not declared at all.
                None => {
                    let known = self.lookups.names();
                    mistakes.push(DecodeError::UnknownLookup { table, column: None, known, place });
                }
                Some(known) if !known.is_empty() => {
                    let unknown = rule.fields.iter().find(|one| !known.contains(&one.column));
                    let column = unknown.map(|one| one.column.clone());
                    if column.is_some() {
                        mistakes.push(DecodeError::UnknownLookup { table, column, known, place });
                    }
                }
                Some(_) => {}
            }
        }
        mistakes.into_iter().for_each(|mistake| self.problem(mistake));
    }

    fn load_rules(&mut self, roots: &[PathBuf]) {
        let roots = suite::rule_roots(roots);
        let first = self.problems.len();
        let mut files = Vec::new();
        let found = self.each_text(&roots, |_, path, text| {
            if !walk::is_tests(path) {
                files.push((path.to_owned(), text.to_owned()));
            }
        });
        self.rule_files = found.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let unreadable = self.problems.split_off(first);
        let definitions = self.load_definitions(&files);
        let first = self.problems.len();
        self.problems.extend(unreadable);
        let mut documents = Vec::new();
        for (path, text) in &files {
            for document in load_documents(&path.to_string_lossy(), text, &definitions) {
                match document {
                    Ok(document) => documents.push(document),
                    Err(mistake) => self.problem(mistake),
                }
            }
        }
        let filters = documents.iter().filter_map(|document| match document {
            Document::Filter(filter) => Some(filter.file.clone()),
            _ => None,
        });
        self.filter_files = filters.collect();
        let (set, mistakes) = RuleSet::assemble(documents);
        mistakes.into_iter().for_each(|mistake| self.problem(mistake));
        // Both steps looked at all files: told is file by file.
        let place = |problem: &Report| match &problem.place {
            Some(Place::File { path, .. }) => (
                roots.iter().position(|root| Path::new(path).starts_with(root)),
                PathBuf::from(path),
            ),
            _ => (None, PathBuf::new()),
        };
        if let Some(problems) = self.problems.get_mut(first..) {
            problems.sort_by_cached_key(place);
        }
        self.rules = set.rules;
        self.correlations = set.correlations;
        self.filters = set.filters;
    }

    /// Hands over the text of one file under the roots after the other, and reports those that
    /// can't be read. Answers which files there are.
    fn each_text(
        &mut self,
        roots: &[PathBuf],
        mut take: impl FnMut(&mut Self, &Path, &str),
    ) -> Vec<PathBuf> {
        let mut problems = Vec::new();
        let paths = walk::files(roots, &mut problems);
        problems.into_iter().for_each(|problem| self.problem(problem));
        self.files += paths.len();
        for path in &paths {
            match walk::read(path) {
                Ok(text) => take(self, path, &text),
                Err(problem) => self.problem(problem),
            }
        }
        paths
    }

    fn note_unrouted(&mut self) {
        let mut routes: BTreeMap<String, usize> = BTreeMap::new();
        for rule in &self.rules {
            if !self.reaches(&rule.log_source) {
                *routes.entry(rule.log_source.to_string()).or_default() += 1;
            }
        }
        if routes.is_empty() {
            return;
        }
        let mut by_count: Vec<(&String, &usize)> = routes.iter().collect();
        by_count.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        let named = by_count.iter().take(UNROUTED_NAMES_MAX);
        let mut names: Vec<String> =
            named.map(|(route, count)| format!("`{route}` ({count})")).collect();
        if let Some(more) = by_count.len().checked_sub(UNROUTED_NAMES_MAX).filter(|more| *more > 0)
        {
            names.push(format!("and {more} more"));
        }
        let (count, rules) = (routes.values().sum(), self.rules.len());
        let note = Unrouted { count, rules, names: names.join(", ") };
        self.notes.push(Problem::from(note).report());
    }

    /// Whether events of any log source can get to a rule that asks for `asked`.
    fn reaches(&self, asked: &LogSourceSelector) -> bool {
        self.log_sources.iter().any(|source| reaches(source, asked))
    }

    fn problem(&mut self, problem: impl Explain + Send + Sync + 'static) {
        self.problems.push(Problem::from(problem).report());
    }
}

/// The files that [`load`] reads of these files and folders.
#[must_use]
pub fn files(roots: &[PathBuf]) -> Vec<PathBuf> {
    walk::files(roots, &mut Vec::new())
}

/// The only log source whose events reach the rule; or else why there is none, and those that do.
pub(crate) fn only_log_source(
    project: &Project,
    rule: &Rule,
) -> Result<String, (String, Vec<String>)> {
    let reaching = project.log_sources.iter().filter(|source| reaches(source, &rule.log_source));
    let reaching = reaching.map(|source| source.name.clone()).collect::<Vec<_>>();
    match reaching.as_slice() {
        [only] => Ok(only.clone()),
        [] => {
            let asked = &rule.log_source;
            let message = format!("no log source has the events that the rule asks for: `{asked}`");
            Err((message, reaching))
        }
        _ => Err(("events of several log sources reach the rule".to_owned(), reaching)),
    }
}

/// Whether events of the log source can get to a rule that asks for `asked`.
pub(crate) fn reaches(source: &LogSource, asked: &LogSourceSelector) -> bool {
    asked.accepts_name(&source.name)
        && (!asked.needs_route() || source.sigma.iter().any(|route| asked.accepts(route)))
}

/// The log source, for events that someone wrote down or cut out: those without a time happen when they are
/// taken in. One that can't be read is wrong all the same.
pub(crate) fn without_times(source: &LogSource) -> LogSource {
    let mut source = source.clone();
    source.time.missing_is_ingest_time = true;
    source
}

#[cfg(test)]
mod tests;
