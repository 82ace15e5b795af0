//! The programs and packages that tests need, installed into `.tools` at pinned versions.
//!
//! They come from the Python package index and npm's by name and version, and from the Debian release that
//! this runs on by name alone: nothing else is downloaded. What is there already is left alone, so a second
//! run costs nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Failure, process, say::say};

/// What the tests may use.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The folder that the tests find in `DAB_TOOLS`.
    pub(crate) folder: PathBuf,
    /// What could not be installed, with the reason.
    pub(crate) missing: Vec<String>,
}

/// The list of what the tests need.
pub(crate) const OF_TESTS: &str = "tests/requirements.txt";

/// Installs what the lists name into a virtual environment.
///
/// # Errors
/// When a list cannot be read. What cannot be installed is in [`Tools::missing`].
pub(crate) fn install(root: &Path, lists: &[&str]) -> Result<Tools, Failure> {
    let mut wanted = Vec::new();
    for list in lists.iter().map(|list| root.join(list)) {
        let text = fs::read_to_string(&list);
        let text = text.map_err(|error| format!("{}: {error}", list.display()))?;
        wanted.extend(requirements(&text));
    }
    let folder = root.join(".tools");
    let python = folder.join("python");
    if let Err(failure) = create(root, &python) {
        let help = "on Debian and Ubuntu, `apt-get install python3-venv` brings what is missing";
        return Ok(Tools { folder, missing: vec![format!("{failure}\n  {help}")] });
    }
    let marker = python.join("installed.txt");
    let mut done = requirements(&fs::read_to_string(&marker).unwrap_or_default());
    let mut missing = debian(root, &folder)?;
    missing.extend(npm(root, &folder)?);
    for requirement in wanted.iter().filter(|one| !done.contains(one)).cloned().collect::<Vec<_>>()
    {
        say(&format!("installing {requirement}"));
        match pip(root, &python, &requirement) {
            Ok(()) => done.push(requirement),
            Err(failure) => missing.push(format!("{requirement}: {failure}")),
        }
    }
    let text = done.join("\n") + "\n";
    fs::write(&marker, text).map_err(|error| format!("{}: {error}", marker.display()))?;
    Ok(Tools { folder, missing })
}

/// Installs what `tests/npm.txt` names into `.tools/npm`. Answers what could not be.
fn npm(root: &Path, folder: &Path) -> Result<Vec<String>, Failure> {
    let list = root.join("tests/npm.txt");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let wanted = requirements(&text);
    let target = folder.join("npm");
    let marker = target.join("installed.txt");
    if requirements(&fs::read_to_string(&marker).unwrap_or_default()) == wanted {
        return Ok(Vec::new());
    }
    fs::create_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    say(&format!("installing {}", wanted.join(", ")));
    let quiet = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
    let mut command = process::command("npm", root);
    if let Err(failure) = process::output(command.args(quiet).arg(&target).args(&wanted)) {
        let help = "it takes Node.js, 18 or later, and its npm";
        return Ok(vec![format!("{}: {failure}\n  {help}", list.display())]);
    }
    fs::write(&marker, text).map_err(|error| format!("{}: {error}", marker.display()))?;
    Ok(Vec::new())
}

/// Unpacks the packages that `tests/debian.txt` names into `.tools/debian`. Answers what could not be.
fn debian(root: &Path, folder: &Path) -> Result<Vec<String>, Failure> {
    let list = root.join("tests/debian.txt");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let target = folder.join("debian");
    let marker = target.join("unpacked.txt");
    let wanted = requirements(&text);
    if requirements(&fs::read_to_string(&marker).unwrap_or_default()) == wanted {
        return Ok(Vec::new());
    }
    say(&format!("unpacking {}", wanted.join(", ")));
    let unpacked = unpack(&wanted, &target, folder);
    if let Err(failure) = unpacked {
        let help = "it takes Debian, and the right to run `apt-get update`";
        return Ok(vec![format!("{}: {failure}\n  {help}", list.display())]);
    }
    fs::write(&marker, text).map_err(|error| format!("{}: {error}", marker.display()))?;
    Ok(Vec::new())
}

fn unpack(packages: &[String], target: &Path, folder: &Path) -> Result<(), Failure> {
    let archives = folder.join("archives");
    for path in [target, &archives] {
        fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let apt = |words: &[&str]| process::output(process::command("apt-get", &archives).args(words));
    let mut download = vec!["download", "--quiet"];
    download.extend(packages.iter().map(String::as_str));
    if apt(&download).is_err() {
        // A new machine has no list of packages yet, or an old one.
        apt(&["update", "--quiet"])?;
        apt(&download)?;
    }
    let entries =
        fs::read_dir(&archives).map_err(|error| format!("{}: {error}", archives.display()))?;
    for archive in entries.flatten().map(|entry| entry.path()) {
        if archive.extension().is_some_and(|extension| extension == "deb") {
            process::output(process::command("dpkg", folder).arg("-x").arg(&archive).arg(target))?;
        }
    }
    fs::remove_dir_all(&archives).map_err(|error| format!("{}: {error}", archives.display()))
}

/// Makes the virtual environment, unless a working one is there.
fn create(root: &Path, python: &Path) -> Result<(), Failure> {
    let program = python.join("bin/python");
    if process::output(process::command(&program, root).args(["-c", "import pip"])).is_ok() {
        return Ok(());
    }
    say(&format!("creating {}", python.display()));
    process::output(process::command("python3", root).args(["-m", "venv", "--clear"]).arg(python))
        .map(drop)
}

fn pip(root: &Path, python: &Path, requirement: &str) -> Result<(), Failure> {
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    process::output(process::command(python.join("bin/python"), root).args(quiet).arg(requirement))
        .map(drop)
}

/// The lines of a requirements file, without comments.
fn requirements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requirements() {
        let text = "# why\na==1\n\n b==2  # because\n";
        assert_eq!(requirements(text), ["a==1", "b==2"]);
    }
}
