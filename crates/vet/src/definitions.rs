//! What a project's rules share: the definitions of all its files, put together.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{Place, Timestamp};
use cel::{Environment, Macros, Schema, Tables};
use decode::LogSource;
use detect::{
    Defined, Definitions, KnownLogSource, Values, may_define, placeholder_lines, read_definitions,
    yaml,
};

use crate::{Project, VetError, error::Trouble, walk};

impl Project {
    /// Reads the definitions in the files of the project. What is wrong with them is a problem, and
    /// rules that need them become problems too.
    pub(crate) fn load_definitions(&mut self, files: &[(PathBuf, String)]) -> Definitions {
        let mut found = Vec::new();
        for (path, text) in files.iter().filter(|(_, text)| may_define(text)) {
            let shown = path.to_string_lossy();
            // A document that can't be read is reported as a rule that can't.
            for node in yaml::parse(text).into_iter().flatten() {
                let read = read_definitions(&shown, &node);
                if read.is_some() {
                    self.definition_files.push(shown.clone().into_owned());
                }
                match read {
                    None => {}
                    Some(Ok(defined)) => found.push((path.as_path(), defined)),
                    Some(Err(problems)) => problems.into_iter().for_each(|one| self.problem(one)),
                }
            }
        }
        let placeholders = self.placeholders(&found);
        let lookups = Arc::new(self.tables(&found));
        let shared = Environment { lookups: Some(Arc::clone(&lookups) as _), macros: None };
        let specs = found.into_iter().flat_map(|(_, defined)| defined.macros).collect::<Vec<_>>();
        let mut macros = Macros::default();
        let mut problems = macros.add(&specs);
        problems.extend(macros.test(&specs, &shared));
        problems.into_iter().for_each(|problem| self.problem(problem));
        self.macros = macros.usages().count();
        self.lookups = lookups;
        let environment = Environment { macros: Some(Arc::new(macros)), ..shared };
        let log_sources = self.log_sources.iter().map(known).collect();
        Definitions { placeholders, environment, log_sources }
    }

    fn tables(&mut self, found: &[(&Path, Defined)]) -> Tables {
        let mut tables = Tables::default();
        for (path, defined) in found {
            let folder = path.parent().unwrap_or(Path::new(""));
            for spec in &defined.lookups {
                self.lookup_files.push(folder.join(&spec.file));
                // At the beginning of time, so that the first look at what is due looks at all.
                let added = tables.add(folder, spec.clone(), Timestamp::default());
                added.unwrap_or_else(|problem| self.problem(problem));
            }
        }
        tables
    }

    fn placeholders(&mut self, found: &[(&Path, Defined)]) -> BTreeMap<String, Vec<String>> {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let defined = found.iter().flat_map(|(path, defined)| {
            defined.placeholders.iter().map(move |placeholder| (*path, placeholder))
        });
        for (path, (place, name, values)) in defined {
            let Some(values) = self.values(path, values) else { continue };
            match all.entry(name.clone()) {
                Entry::Vacant(free) => drop(free.insert(values)),
                Entry::Occupied(_) => self.problem(same_placeholder(path, place, name)),
            }
        }
        all
    }

    /// The values of a placeholder that `path` defines.
    fn values(&mut self, path: &Path, values: &Values) -> Option<Vec<String>> {
        let file = match values {
            Values::Listed(values) => return Some(values.clone()),
            Values::File(file) => path.parent().unwrap_or(Path::new("")).join(file),
        };
        let read = walk::read(&file);
        self.named_files.push(file);
        match read {
            Ok(text) => Some(placeholder_lines(&text)),
            Err(problem) => {
                self.problem(problem);
                None
            }
        }
    }
}

/// What is known of a log source's events. They may have more fields than are known.
fn known(source: &LogSource) -> KnownLogSource {
    let mut schema = Schema::open();
    schema = schema.with_columns(source.format.layout.types());
    let normalized = source.normalized_columns();
    let columns = normalized.iter().map(|(name, kind)| (name.as_str(), *kind));
    let schema = schema.with_columns(columns);
    KnownLogSource { name: source.name.clone(), routes: source.sigma.clone(), schema }
}

fn same_placeholder(path: &Path, place: &Place, name: &str) -> VetError {
    let error = VetError::new(path, Trouble::SamePlaceholder { name: name.to_owned() });
    let Place::File { line, column, .. } = place else { return error };
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    error.at(number(*line), number(*column))
}
