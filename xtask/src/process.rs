//! Running other programs, and saying plainly what did not work.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::Failure;

/// A command that runs in `folder`, with nothing on its standard input.
pub(crate) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Cargo, the one that runs this task.
///
/// Without what `cargo xtask` leaves in the environment of xtask's own manifest: `ring`'s build script
/// looks at it, and whatever is above `ring` would be built again at every change between this command
/// and a plain `cargo`.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut cargo = command(setting("CARGO").unwrap_or_else(|| "cargo".to_owned()), root);
    let of_package =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_package)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Runs a command, its output shown as it comes.
///
/// # Errors
/// When it cannot be started or does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| format!("`{}`: {error}", describe(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", describe(command))) }
}

/// Runs a command and answers what it wrote to stdout. Its stderr is shown in the error.
///
/// # Errors
/// When it cannot be started or does not exit with 0.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().map_err(|error| format!("`{}`: {error}", describe(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines.iter().rev().take(8).rev().copied().collect::<Vec<_>>().join("\n  ");
    Err(format!("`{}`: {}\n  {tail}", describe(command), output.status))
}

/// The executable of a name that cargo's messages name.
pub(crate) fn executable(said: &str, name: &str) -> Option<PathBuf> {
    let messages = said.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut executables = messages.filter_map(|message: serde_json::Value| {
        let of = message.get("target")?.get("name")?.as_str()?;
        let path = message.get("executable")?.as_str()?;
        (of == name).then(|| PathBuf::from(path))
    });
    executables.next_back()
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// An environment variable, if it is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "the tasks are not the product: they have no settings"
)]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a build server runs this: what is missing is an error there, not a skip.
pub(crate) fn is_ci() -> bool {
    setting("CI").is_some_and(|value| value != "false" && value != "0")
}
