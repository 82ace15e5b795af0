//! The log sources: for each, the records of an ordinary day and how a record is written.

pub(crate) mod aws;
pub(crate) mod okta;
pub(crate) mod sshd;
pub(crate) mod web;
pub(crate) mod windows;

use crate::text::Scene;

/// A kind of record, of one of the sources.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Record {
    Aws(&'static aws::Call),
    Okta(&'static okta::Entry),
    Windows(&'static windows::Entry),
    Web(&'static web::Request),
    Sshd(&'static str),
}

/// Picks a record of one source and sets the scene for it.
type Ordinary = fn(&mut Scene<'_>) -> Record;

/// How many of a thousand records are of which source.
const SHARES: &[(u32, Ordinary)] = &[
    (290, aws::ordinary),
    (90, okta::ordinary),
    (340, windows::ordinary),
    (220, web::ordinary),
    (60, sshd::ordinary),
];

/// Picks a record of an ordinary day and sets the scene for it.
pub(crate) fn ordinary(scene: &mut Scene<'_>) -> Record {
    let pick = *scene.random.pick_weighted(SHARES);
    pick(scene)
}

impl Record {
    /// The log source's name.
    pub(crate) const fn log_source(self) -> &'static str {
        match self {
            Self::Aws(_) => "aws_cloudtrail",
            Self::Okta(_) => "okta_system",
            Self::Windows(_) => "windows_events",
            Self::Web(_) => "nginx_access",
            Self::Sshd(_) => "linux_sshd",
        }
    }

    /// Writes the record's line, without a newline.
    pub(crate) fn write(self, scene: &mut Scene<'_>, out: &mut String) {
        match self {
            Self::Aws(call) => aws::write(call, scene, out),
            Self::Okta(entry) => okta::write(entry, scene, out),
            Self::Windows(entry) => windows::write(entry, scene, out),
            Self::Web(request) => web::write(request, scene, out),
            Self::Sshd(line) => sshd::write(line, scene, out),
        }
    }
}
