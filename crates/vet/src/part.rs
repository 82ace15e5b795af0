//! Part of a project: some of its files, or others beside it, with all that the project has for them.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::PathBuf,
    sync::Arc,
};

use base::{Place, Report};

use crate::{Project, load, suite, walk};

/// Loads what is in `paths` first, and then the rest of the project: a rule of `paths` whose id is
/// used again in the project replaces the one there.
#[must_use]
pub fn load_beside(
    paths: &[PathBuf],
    detections: &[PathBuf],
    log_sources: &[PathBuf],
    shipped_log_sources: bool,
) -> Project {
    let mut quiet = Vec::new();
    let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    let first: HashSet<PathBuf> = walk::files(paths, &mut quiet).iter().map(real).collect();
    // Whatever of the rest can't be read is no problem of the part.
    let rest = walk::files(detections, &mut quiet).into_iter();
    let rest = rest.filter(|path| !first.contains(&real(path)));
    let all: Vec<PathBuf> = paths.iter().cloned().chain(rest).collect();
    load(&all, log_sources, shipped_log_sources)
}

impl Project {
    /// The part that is in `paths`, which were among the first that it was loaded from: its rules and
    /// correlations, and what is wrong with them. Filters and definitions of the whole have done
    /// their work on them.
    #[must_use]
    pub fn part(&self, paths: &[PathBuf]) -> Self {
        let files = walk::files(&suite::rule_roots(paths), &mut Vec::new());
        let files: BTreeSet<String> =
            files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let roots: BTreeSet<String> =
            paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let others: HashSet<&String> =
            self.rule_files.iter().filter(|file| !files.contains(*file)).collect();
        let is_of_it = |problem: &&Report| match &problem.place {
            // What is wrong with a definition may be what is wrong with the part.
            Some(Place::File { path, .. }) => {
                !others.contains(path)
                    || roots.contains(path)
                    || self.definition_files.contains(path)
            }
            _ => true,
        };
        let mut part = Self {
            rules: self
                .rules
                .iter()
                .filter(|r| files.contains(&r.info.file))
                .map(Arc::clone)
                .collect(),
            correlations: self
                .correlations
                .iter()
                .filter(|one| files.contains(&one.info.file))
                .map(Arc::clone)
                .collect(),
            filter_files: self
                .filter_files
                .iter()
                .filter(|f| files.contains(*f))
                .cloned()
                .collect(),
            macros: self.macros,
            lookups: Arc::clone(&self.lookups),
            log_sources: self.log_sources.clone(),
            problems: self.problems.iter().filter(is_of_it).cloned().collect(),
            files: self.files - others.len(),
            named_files: self.named_files.clone(),
            lookup_files: self.lookup_files.clone(),
            rule_files: files.iter().cloned().collect(),
            definition_files: self.definition_files.clone(),
            ..Self::default()
        };
        part.filters = part.filter_files.len();
        part.note_unrouted();
        part
    }
}
