//! What can be wrong with a project beyond its single files' contents.

use std::{io, path::Path};

use base::{Code, Explain, Place};

/// A problem with a file or folder of the project.
#[derive(Debug, thiserror::Error)]
#[error("{trouble}")]
pub struct VetError {
    path: String,
    line: u32,
    column: u32,
    trouble: Trouble,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The system refuses to read it.
    #[error("can't be read: {0}")]
    Unreadable(io::Error),
    /// It is a pipe, a socket or a device.
    #[error("is no file")]
    NoFile,
    /// It is larger than any rule.
    #[error("has {bytes} bytes, more than the {bytes_max} that a file of a project may have")]
    TooLarge { bytes: u64, bytes_max: u64 },
    /// It is not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// A link leads back to a folder above.
    #[error("leads back to a folder that it is in")]
    Loop,
    /// Folders nest without end.
    #[error("lies more than {depth_max} folders deep")]
    TooDeep { depth_max: usize },
    /// There are too many files.
    #[error(
        "is beyond the {files_max} files that a project may have; it and the rest are left out"
    )]
    TooMany { files_max: usize },
    /// Two log sources have one name.
    #[error("log source `{name}` is defined in `{first}` already; this one is left out")]
    SameLogSource { name: String, first: String },
    /// Two placeholders have one name.
    #[error("the placeholder `{name}` is defined already; this definition is left out")]
    SamePlaceholder { name: String },
}

/// Rules that will never match, because no log source of the project takes their route.
#[derive(Debug, thiserror::Error)]
#[error("{count} of {rules} rules ask for events that no log source provides: {names}")]
pub(crate) struct Unrouted {
    pub(crate) count: usize,
    pub(crate) rules: usize,
    pub(crate) names: String,
}

impl VetError {
    pub(crate) fn new(path: &Path, trouble: Trouble) -> Self {
        Self { path: path.to_string_lossy().into_owned(), line: 1, column: 1, trouble }
    }

    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.line = u32::try_from(line).unwrap_or(u32::MAX);
        self.column = u32::try_from(column).unwrap_or(u32::MAX);
        self
    }
}

impl Explain for VetError {
    fn code(&self) -> Code {
        Code(match self.trouble {
            Trouble::Unreadable(_) | Trouble::NoFile => "DAB0220",
            Trouble::TooLarge { .. } => "DAB0221",
            Trouble::NotText => "DAB0222",
            Trouble::Loop | Trouble::TooDeep { .. } => "DAB0223",
            Trouble::TooMany { .. } => "DAB0224",
            Trouble::SameLogSource { .. } => "DAB0225",
            Trouble::SamePlaceholder { .. } => "DAB0266",
        })
    }

    fn place(&self) -> Option<Place> {
        Some(Place::File { path: self.path.clone(), line: self.line, column: self.column })
    }

    fn help(&self) -> Option<String> {
        let help = match &self.trouble {
            Trouble::Unreadable(error) if error.kind() == io::ErrorKind::NotFound => {
                "create it, or correct the path in the settings"
            }
            Trouble::Unreadable(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that dab runs as read it"
            }
            Trouble::Unreadable(_) => return None,
            Trouble::NoFile => "remove it from the folder",
            Trouble::TooLarge { .. } => "split it into smaller files",
            Trouble::NotText => "save it as UTF-8",
            Trouble::Loop => "remove the link",
            Trouble::TooDeep { .. } => "move it up",
            Trouble::TooMany { .. } => "name only the folders whose files are rules",
            Trouble::SameLogSource { .. } => "give one of the two another `name`",
            Trouble::SamePlaceholder { .. } => "put all its values into one of the definitions",
        };
        Some(help.to_owned())
    }
}

impl Explain for Unrouted {
    fn code(&self) -> Code {
        Code("DAB0226")
    }

    fn help(&self) -> Option<String> {
        Some("add these routes under `sigma:` to the log source that has such events".to_owned())
    }
}
