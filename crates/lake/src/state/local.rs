//! State in a folder, for one process: a journal on disk, the values in memory.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use base::{StateError, StateStore, Versioned};
use serde::{Deserialize, Serialize};

use crate::{LakeError, error::BoxError};

/// The journal is written anew when it has this many more lines than values.
const STALE_LINES_MAX: usize = 50_000;

/// State in `<folder>/journal.ndjson`.
///
/// A write is one line at the journal's end: it survives the process (not the loss of power, which
/// may take the last lines). A line cut short by a crash was never answered and is dropped.
#[derive(Debug)]
pub struct LocalState {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    bytes: u64,
    lines: usize,
    values: BTreeMap<String, Stored>,
    writes: u64,
}

#[derive(Debug)]
struct Stored {
    value: Vec<u8>,
    version: u64,
}

/// A line of the journal, version 1. Without a value, the key was deleted.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(rename = "k")]
    key: std::borrow::Cow<'a, str>,
    #[serde(rename = "n")]
    version: u64,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    text: Option<std::borrow::Cow<'a, str>>,
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<u8>>,
}

impl LocalState {
    /// Opens the state in `folder`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`LakeError::Unavailable`] if the folder can't be used, [`LakeError::Corrupt`] if a line in
    /// the middle of the journal can't be read.
    pub fn open(folder: &Path) -> Result<Self, LakeError> {
        let path = folder.join("journal.ndjson");
        let address = path.display().to_string();
        let failed = |error: std::io::Error| LakeError::write(&address, error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let mut inner = Inner { file, bytes: 0, lines: 0, values: BTreeMap::new(), writes: 0 };
        for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if !line.ends_with(b"\n") {
                break;
            }
            let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
                LakeError::corrupt(&address, format!("line {}: {error}", number + 1))
            })?;
            inner.replay(line);
            inner.lines += 1;
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        inner.bytes = whole as u64;
        inner.file.set_len(inner.bytes).map_err(failed)?;
        inner.file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path, inner: Mutex::new(inner) })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Every operation leaves the values as the journal has them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn replay(&mut self, line: Line<'_>) {
        self.writes = self.writes.max(line.version);
        let value = line.text.map(|text| text.into_owned().into_bytes()).or(line.bytes);
        match value {
            Some(value) => {
                let stored = Stored { value, version: line.version };
                self.values.insert(line.key.into_owned(), stored);
            }
            None => {
                self.values.remove(line.key.as_ref());
            }
        }
    }

    fn append(&mut self, key: &str, value: Option<&[u8]>, path: &Path) -> Result<(), BoxError> {
        self.writes += 1;
        let line = line_for(key, self.writes, value)?;
        if let Err(error) = self.file.write_all(&line) {
            // Half a line must not be followed by another: cut it off.
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::End(0))?;
            return Err(error.into());
        }
        self.bytes += line.len() as u64;
        self.lines += 1;
        match value {
            Some(value) => {
                let stored = Stored { value: value.to_vec(), version: self.writes };
                self.values.insert(key.to_owned(), stored);
            }
            None => {
                self.values.remove(key);
            }
        }
        if self.lines > self.values.len() + STALE_LINES_MAX {
            self.rewrite(path)?;
        }
        Ok(())
    }

    fn rewrite(&mut self, path: &Path) -> Result<(), BoxError> {
        let fresh = path.with_extension("new");
        let mut lines = Vec::new();
        for (key, stored) in &self.values {
            lines.extend(line_for(key, stored.version, Some(&stored.value))?);
        }
        std::fs::write(&fresh, &lines)?;
        std::fs::rename(&fresh, path)?;
        self.file = OpenOptions::new().read(true).write(true).open(path)?;
        self.file.seek(SeekFrom::End(0))?;
        self.bytes = lines.len() as u64;
        self.lines = self.values.len();
        Ok(())
    }
}

fn line_for(key: &str, version: u64, value: Option<&[u8]>) -> Result<Vec<u8>, serde_json::Error> {
    let text = value.map(std::str::from_utf8);
    let line = Line {
        key: key.into(),
        version,
        text: text.and_then(Result::ok).map(Into::into),
        bytes: text.filter(Result::is_err).and(value).map(<[u8]>::to_vec),
    };
    let mut line = serde_json::to_vec(&line)?;
    line.push(b'\n');
    Ok(line)
}

#[async_trait]
impl StateStore for LocalState {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StateError> {
        let inner = self.inner();
        Ok(inner.values.get(key).map(|stored| Versioned {
            value: stored.value.clone(),
            version: stored.version.to_string(),
        }))
    }

    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &[u8],
    ) -> Result<String, StateError> {
        let mut inner = self.inner();
        let stored = inner.values.get(key).map(|stored| stored.version.to_string());
        if stored.as_deref() != expected {
            return Err(StateError::Conflict { key: key.to_owned() });
        }
        inner.append(key, Some(value), &self.path).map_err(StateError::Unavailable)?;
        Ok(inner.writes.to_string())
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        let mut inner = self.inner();
        if inner.values.contains_key(key) {
            inner.append(key, None, &self.path).map_err(StateError::Unavailable)?;
        }
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StateError> {
        let inner = self.inner();
        let from = inner.values.range(prefix.to_owned()..);
        let keys = from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix));
        Ok(keys.cloned().collect())
    }
}
