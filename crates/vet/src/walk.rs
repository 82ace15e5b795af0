//! Finds and reads the files of a project: bounded, in a stable order, one mistake at a time.
//!
//! Whatever can't be read becomes a [`VetError`], and the rest is read all the same.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use base::limits;

use crate::{VetError, error::Trouble};

/// How deeply folders may nest; a tree of rules has four levels or five.
const FOLDER_DEPTH_MAX: usize = 32;

/// The YAML files under the roots, in the order of roots and paths.
///
/// A root may be a file itself. Names that begin with a dot are skipped, links are followed, and a
/// folder that was visited on the way down is not visited again.
pub(crate) fn files(roots: &[PathBuf], problems: &mut Vec<VetError>) -> Vec<PathBuf> {
    let mut walk = Walk { files: Vec::new(), problems, is_full: false };
    for root in roots {
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => walk.folder(root, &mut Vec::new()),
            Ok(_) => walk.file(root.clone()),
            Err(error) => walk.problem(root, Trouble::Unreadable(error)),
        }
    }
    walk.files
}

struct Walk<'a> {
    files: Vec<PathBuf>,
    problems: &'a mut Vec<VetError>,
    is_full: bool,
}

impl Walk<'_> {
    /// `above` are the folders on the way here, by their real paths.
    fn folder(&mut self, folder: &Path, above: &mut Vec<PathBuf>) {
        if self.is_full {
            return;
        }
        let real = match fs::canonicalize(folder) {
            Ok(real) => real,
            Err(error) => return self.problem(folder, Trouble::Unreadable(error)),
        };
        if above.contains(&real) {
            return self.problem(folder, Trouble::Loop);
        }
        if above.len() == FOLDER_DEPTH_MAX {
            return self.problem(folder, Trouble::TooDeep { depth_max: FOLDER_DEPTH_MAX });
        }
        let entries = match entries(folder) {
            Ok(entries) => entries,
            Err(error) => return self.problem(folder, Trouble::Unreadable(error)),
        };
        above.push(real);
        for path in entries {
            self.entry(path, above);
        }
        above.pop();
    }

    fn entry(&mut self, path: PathBuf, above: &mut Vec<PathBuf>) {
        if is_hidden(&path) {
            return;
        }
        // Follows links. A link that leads nowhere only matters if it is named like a rule.
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => self.folder(&path, above),
            Ok(_) if is_yaml(&path) => self.file(path),
            Err(error) if is_yaml(&path) => self.problem(&path, Trouble::Unreadable(error)),
            Ok(_) | Err(_) => {}
        }
    }

    fn file(&mut self, path: PathBuf) {
        if self.files.len() < limits::RULE_FILES_MAX {
            self.files.push(path);
        } else if !self.is_full {
            self.is_full = true;
            self.problem(&path, Trouble::TooMany { files_max: limits::RULE_FILES_MAX });
        }
    }

    fn problem(&mut self, path: &Path, trouble: Trouble) {
        self.problems.push(VetError::new(path, trouble));
    }
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort_unstable();
    Ok(paths)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("yml") || end.eq_ignore_ascii_case("yaml"))
}

/// Whether a file is named as one of tests: `root_login.tests.yml`.
pub(crate) fn is_tests(path: &Path) -> bool {
    let stem = path.file_stem().map(Path::new);
    is_yaml(path)
        && stem.and_then(Path::extension).is_some_and(|end| end.eq_ignore_ascii_case("tests"))
}

/// The files whose rules the tests in `path` are for: whichever of them is there.
pub(crate) fn rules_of_tests(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().and_then(|stem| Path::new(stem).file_stem());
    let Some(stem) = stem else { return Vec::new() };
    ["yml", "yaml"]
        .into_iter()
        .map(|end| {
            let mut name = stem.to_owned();
            name.push(".");
            name.push(end);
            path.with_file_name(name)
        })
        .collect()
}

/// Reads a file as text.
pub(crate) fn read(path: &Path) -> Result<String, VetError> {
    let bytes = read_bytes(path).map_err(|trouble| VetError::new(path, trouble))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let ahead = before.get(start..).unwrap_or_default();
        let column = 1 + String::from_utf8_lossy(ahead).chars().count();
        VetError::new(path, Trouble::NotText).at(line, column)
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Trouble> {
    let limit = limits::CONFIG_FILE_BYTES_MAX;
    // Looked at before it is opened: opening a pipe waits for a writer.
    let found = fs::metadata(path).map_err(Trouble::Unreadable)?;
    if !found.is_file() {
        return Err(Trouble::NoFile);
    }
    if found.len() > limit {
        return Err(Trouble::TooLarge { bytes: found.len(), bytes_max: limit });
    }
    let file = fs::File::open(path).map_err(Trouble::Unreadable)?;
    let mut bytes = Vec::new();
    // It may have grown since.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(Trouble::Unreadable)?;
    let length = bytes.len() as u64;
    if length > limit {
        return Err(Trouble::TooLarge { bytes: length, bytes_max: limit });
    }
    Ok(bytes)
}
