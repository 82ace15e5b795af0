//! Lookup tables that are read from files, and read again when the files change.
//!
//! Whether a table is due is decided by the time alone. A file that can't be read, or is not as it
//! should be, leaves the table as it was; whoever asked for the refresh is told.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use base::{Place, Timestamp, limits};

use super::{
    Lookups, Row,
    error::{LookupError, LookupErrorKind},
    read,
    spec::LookupSpec,
    table::Table,
};

/// Lookup tables in files.
#[derive(Debug, Default)]
pub struct FileTables {
    tables: BTreeMap<String, Watched>,
}

#[derive(Debug)]
struct Watched {
    spec: LookupSpec,
    path: PathBuf,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    table: Arc<Table>,
    /// When the file was last looked at.
    looked: Timestamp,
}

/// What became of a table in a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The file holds what it held.
    Unchanged,
    /// The table was replaced.
    Replaced {
        /// A hash of the content.
        version: u64,
        /// How many rows it has; of an MMDB file, 0.
        rows: usize,
    },
    /// The file can't be used: the table stays as it was.
    Kept(LookupError),
}

impl FileTables {
    /// Reads the tables, whose files are relative to `root`. Answers those that could be read, and
    /// what is wrong with the others.
    #[must_use]
    pub fn open(root: &Path, specs: Vec<LookupSpec>, now: Timestamp) -> (Self, Vec<LookupError>) {
        let mut tables = Self::default();
        let mut problems = Vec::new();
        for spec in specs {
            if let Err(problem) = tables.add(root, spec, now) {
                problems.push(problem);
            }
        }
        (tables, problems)
    }

    /// Reads one more table.
    ///
    /// # Errors
    ///
    /// Fails if its file can't be used, or there is a table of its name.
    pub fn add(
        &mut self,
        root: &Path,
        spec: LookupSpec,
        now: Timestamp,
    ) -> Result<(), LookupError> {
        let path = root.join(&spec.file);
        if self.tables.contains_key(&spec.name) {
            return Err(spec.error(LookupErrorKind::Duplicate(spec.name.clone())));
        }
        let table = Arc::new(read::read(&spec, &path.to_string_lossy(), bytes(&spec, &path)?)?);
        let current = RwLock::new(Current { table, looked: now });
        self.tables.insert(spec.name.clone(), Watched { spec, path, current });
        Ok(())
    }

    /// The tables whose files are to be looked at.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<&str> {
        let is_due = |watched: &&Watched| {
            let looked = watched.read().looked;
            looked.plus(Duration::from_secs(watched.spec.refresh_seconds)) <= now
        };
        self.tables.values().filter(is_due).map(|watched| watched.spec.name.as_str()).collect()
    }

    /// Looks at the files of the tables that are due, and answers what became of each.
    pub fn refresh(&self, now: Timestamp) -> Vec<(String, Refreshed)> {
        let due = self.due(now).into_iter().filter_map(|name| self.tables.get(name));
        due.map(|watched| (watched.spec.name.clone(), watched.refresh(now))).collect()
    }

    /// The version of a table: a hash of its file's content.
    #[must_use]
    pub fn version(&self, table: &str) -> Option<u64> {
        Some(self.tables.get(table)?.read().table.version)
    }
}

impl Watched {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self, now: Timestamp) -> Refreshed {
        let known = self.read().table.version;
        let read = bytes(&self.spec, &self.path).and_then(|bytes| {
            if read::hash(&bytes) == known {
                return Ok(None);
            }
            read::read(&self.spec, &self.path.to_string_lossy(), bytes).map(Some)
        });
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        current.looked = now;
        match read {
            Ok(None) => Refreshed::Unchanged,
            Ok(Some(table)) => {
                let (version, rows) = (table.version, table.rows);
                current.table = Arc::new(table);
                Refreshed::Replaced { version, rows }
            }
            Err(problem) => Refreshed::Kept(problem),
        }
    }
}

impl Lookups for FileTables {
    fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn columns(&self, table: &str) -> Option<Vec<String>> {
        Some(self.tables.get(table)?.read().table.columns.clone())
    }

    fn find(&self, table: &str, key: &str, at: Option<Timestamp>) -> Option<Row> {
        self.tables.get(table)?.read().table.find(key, at)
    }
}

fn bytes(spec: &LookupSpec, path: &Path) -> Result<Vec<u8>, LookupError> {
    let place = Some(Place::File { path: path.to_string_lossy().into(), line: 1, column: 1 });
    let unreadable = |error: std::io::Error| LookupError {
        place: place.clone(),
        kind: LookupErrorKind::Unreadable { table: spec.name.clone(), reason: error.to_string() },
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(limits::LOOKUP_FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let file = fs::File::open(path).map_err(unreadable)?;
    // One byte more shows that there is more.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}
