//! Lookup tables that are read from files or made by queries, and again when these change.
//!
//! Files are read here. Queries are run by whoever has the lake, who is told which are due and hands
//! back their rows; until the first time such a table is empty.
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

/// Lookup tables.
#[derive(Debug, Default)]
pub struct Tables {
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

impl Tables {
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
        let (read, looked) = match &spec.sql {
            Some(_) => (Vec::new(), Timestamp::MIN),
            None => (bytes(&spec, &path)?, now),
        };
        self.insert(spec, path, read, looked)
    }

    /// Adds a table whose file is at hand: for fuzzing.
    ///
    /// # Errors
    ///
    /// Fails if its file can't be used.
    #[doc(hidden)]
    pub fn add_read(
        &mut self,
        spec: LookupSpec,
        file: Vec<u8>,
        now: Timestamp,
    ) -> Result<(), LookupError> {
        let path = PathBuf::from(&spec.file);
        self.insert(spec, path, file, now)
    }

    fn insert(
        &mut self,
        spec: LookupSpec,
        path: PathBuf,
        file: Vec<u8>,
        looked: Timestamp,
    ) -> Result<(), LookupError> {
        let table = Arc::new(read::read(&spec, &path.to_string_lossy(), file)?);
        let current = RwLock::new(Current { table, looked });
        self.tables.insert(spec.name.clone(), Watched { spec, path, current });
        Ok(())
    }

    /// Whether files are to be looked at.
    #[must_use]
    pub fn has_due_files(&self, now: Timestamp) -> bool {
        self.tables.values().any(|watched| watched.spec.sql.is_none() && watched.is_due(now))
    }

    /// Looks at the files of the tables that are due, and answers what became of each.
    pub fn refresh(&self, now: Timestamp) -> Vec<(String, Refreshed)> {
        let of_files = self.tables.values().filter(|watched| watched.spec.sql.is_none());
        let due = of_files.filter(|watched| watched.is_due(now));
        due.map(|watched| (watched.spec.name.clone(), watched.refresh(now))).collect()
    }

    /// The queries that are to be run, with the names of their tables.
    #[must_use]
    pub fn due_queries(&self, now: Timestamp) -> Vec<(String, String)> {
        let due = self.tables.values().filter(|watched| watched.is_due(now));
        due.filter_map(|watched| Some((watched.spec.name.clone(), watched.spec.sql.clone()?)))
            .collect()
    }

    /// Takes in the rows of a table's query: a JSON object in each line; `None` if it could not be
    /// run, so that it is due again after a while.
    pub fn take(&self, table: &str, rows: Option<Vec<u8>>, now: Timestamp) -> Refreshed {
        match (self.tables.get(table), rows) {
            (Some(watched), Some(rows)) => watched.replace(Ok(rows), now),
            (Some(watched), None) => {
                let current = watched.current.write();
                current.unwrap_or_else(PoisonError::into_inner).looked = now;
                Refreshed::Unchanged
            }
            (None, _) => Refreshed::Unchanged,
        }
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

    fn is_due(&self, now: Timestamp) -> bool {
        let looked = self.read().looked;
        looked == Timestamp::MIN
            || looked.plus(Duration::from_secs(self.spec.refresh_seconds)) <= now
    }

    fn refresh(&self, now: Timestamp) -> Refreshed {
        self.replace(bytes(&self.spec, &self.path), now)
    }

    fn replace(&self, bytes: Result<Vec<u8>, LookupError>, now: Timestamp) -> Refreshed {
        let known = self.read().table.version;
        let read = bytes.and_then(|bytes| {
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

impl Lookups for Tables {
    fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn columns(&self, table: &str) -> Option<Vec<String>> {
        Some(self.tables.get(table)?.read().table.columns.clone())
    }

    fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
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
