//! Copies the files of rules that can be used, in the folders they are in.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base::{Code, Explain, Place};

use super::Import;
use crate::walk;

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many files were written.
    pub written: usize,
    /// How many were there already, with the same content.
    pub same: usize,
    /// Those that are there with another content, and were left alone.
    pub kept: Vec<PathBuf>,
}

/// A file that can't be copied.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` can't be {action}")]
pub struct CopyError {
    path: String,
    action: &'static str,
    #[source]
    source: io::Error,
}

impl CopyError {
    fn new(path: &Path, action: &'static str, source: io::Error) -> Self {
        Self { path: path.display().to_string(), action, source }
    }
}

impl Explain for CopyError {
    fn code(&self) -> Code {
        Code("DAB0245")
    }

    fn place(&self) -> Option<Place> {
        Some(Place::Object(self.path.clone()))
    }

    fn help(&self) -> Option<String> {
        Some("make the folder readable and writable, or name another with `--into`".to_owned())
    }
}

impl Import {
    /// Copies the files that can be used into `folder`, each where it lies below its root, with its
    /// tests, and the files below the roots that definitions name. A file that is there with another content stays, unless `is_forced`.
    ///
    /// # Errors
    /// If a file can't be read or written. Those before it are copied.
    pub fn copy(
        &self,
        roots: &[PathBuf],
        folder: &Path,
        is_forced: bool,
    ) -> Result<Copied, CopyError> {
        let mut copied = Copied::default();
        for file in &self.usable {
            for path in std::iter::once(file.clone()).chain(tests_of(file)) {
                let to = folder.join(below(&path, roots));
                copy_one(&path, &to, is_forced, &mut copied)?;
            }
        }
        let is_below = |path: &&PathBuf| roots.iter().any(|root| path.starts_with(root));
        for path in self.named.iter().filter(is_below) {
            // One that is not there was reported with what names it.
            if path.is_file() {
                copy_one(path, &folder.join(below(path, roots)), is_forced, &mut copied)?;
            }
        }
        Ok(copied)
    }
}

/// The path below the root that it was found under; for a root that is a file, its name.
fn below<'p>(path: &'p Path, roots: &[PathBuf]) -> &'p Path {
    let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
    let below = below.filter(|below| !below.as_os_str().is_empty());
    below.unwrap_or_else(|| path.file_name().map_or(path, Path::new))
}

/// The file of tests beside a rule's, if there is one.
fn tests_of(path: &Path) -> Option<PathBuf> {
    ["tests.yml", "tests.yaml"]
        .into_iter()
        .map(|end| path.with_extension(end))
        .find(|tests| walk::is_tests(tests) && tests.try_exists().unwrap_or(false))
}

fn copy_one(from: &Path, to: &Path, is_forced: bool, copied: &mut Copied) -> Result<(), CopyError> {
    let text = fs::read(from).map_err(|error| CopyError::new(from, "read", error))?;
    match fs::read(to) {
        Ok(there) if there == text => {
            copied.same += 1;
            return Ok(());
        }
        Ok(_) if !is_forced => {
            copied.kept.push(to.to_owned());
            return Ok(());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(CopyError::new(to, "read", error)),
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| CopyError::new(parent, "made", error))?;
    }
    fs::write(to, text).map_err(|error| CopyError::new(to, "written", error))?;
    copied.written += 1;
    Ok(())
}
