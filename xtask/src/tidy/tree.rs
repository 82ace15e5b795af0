//! The repository's files, read once.

use std::{collections::BTreeMap, fs, path::Path};

use super::Finding;
use crate::Failure;

/// Every file of the repository: text where it is text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    files: BTreeMap<String, Option<String>>,
    empty_folders: Vec<String>,
}

/// Files beyond this are data, and no rule looks into them.
const TEXT_BYTES_MAX: u64 = 2 << 20;

impl Tree {
    /// Reads everything below `root`, except what `.gitignore` in the root names, and what begins
    /// with a dot (but `.ci`, `.cargo` and `.github`).
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub(super) fn read(root: &Path) -> Result<Self, Failure> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<&str> =
            ignored.lines().map(|line| line.trim().trim_matches('/')).collect();
        let mut tree = Self::default();
        tree.visit(root, "", &ignored)?;
        Ok(tree)
    }

    fn visit(&mut self, root: &Path, folder: &str, ignored: &[&str]) -> Result<bool, Failure> {
        let path = root.join(folder);
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut holds_files = false;
        for entry in fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let inside = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let hidden = name.starts_with('.') && !matches!(&*name, ".ci" | ".cargo" | ".github");
            let kind = entry.file_type().map_err(fail)?;
            if ignored.contains(&inside.as_str()) || name == "target" || (hidden && kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                let found = self.visit(root, &inside, ignored)?;
                holds_files |= found;
            } else {
                let length = entry.metadata().map_err(fail)?.len();
                let bytes =
                    if length > TEXT_BYTES_MAX { None } else { fs::read(entry.path()).ok() };
                self.files.insert(inside, bytes.and_then(|bytes| String::from_utf8(bytes).ok()));
                holds_files = true;
            }
        }
        if !holds_files && !folder.is_empty() {
            self.empty_folders.push(folder.to_owned());
        }
        Ok(holds_files)
    }

    /// A tree of these files, for the tests of the rules.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned())));
        Self { files: files.collect(), empty_folders: Vec::new() }
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.range(format!("{path}/")..).next().is_some_and(|(file, _)| {
                file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
            })
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Every text file whose path ends like this.
    pub(super) fn ending<'t>(
        &'t self,
        ending: &'t str,
    ) -> impl Iterator<Item = (&'t str, &'t str)> + 't {
        let texts = self.files.iter().filter(move |(path, _)| path.ends_with(ending));
        texts.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// Folders that hold no file.
    pub(super) fn emptiness(&self) -> Vec<Finding> {
        let message = "an empty folder; remove it, and create it with its first file";
        self.empty_folders.iter().map(|path| Finding::file(path, message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_belongs_to_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        for file in [".gitignore", "src/a.rs", "target/b.rs", ".git/c", ".ci/run", "scratch/d"] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, if file == ".gitignore" { "/scratch\n" } else { "x" }).unwrap();
        }
        fs::create_dir_all(folder.path().join("docs/later")).unwrap();
        let tree = Tree::read(folder.path()).unwrap();
        let paths: Vec<&str> = tree.files.keys().map(String::as_str).collect();
        assert_eq!(paths, [".ci/run", ".gitignore", "src/a.rs"]);
        let empty: Vec<String> = tree.emptiness().into_iter().map(|one| one.path).collect();
        assert_eq!(empty, ["docs/later", "docs"]);
        assert!(tree.has("src") && tree.has("src/a.rs") && !tree.has("sr") && !tree.has("docs"));
    }
}
