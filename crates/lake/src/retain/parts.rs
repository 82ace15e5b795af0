//! What a killed process leaves in a lake that is a folder: parts of files, and empty folders.
//!
//! The store writes a file as `name#1` and renames it when it is complete. It does not list such parts
//! either, so they are looked for in the folder itself.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use base::{Timestamp, limits};

use super::{Dropped, Tier};
use crate::{LakeError, layout};

/// Removes parts that were last written before `expired`, and folders of days that are empty.
pub(super) fn remove(lake: &Path, expired: Timestamp, dry_run: bool) -> Result<Dropped, LakeError> {
    let mut dropped = Dropped::new(Tier::Unused, "parts of files".to_owned());
    let mut parts = Vec::new();
    for folder in [layout::TABLES, layout::COLD, layout::BATCHES, layout::QUARANTINE] {
        let folder = lake.join(folder);
        let found = walk(&folder, 0, dry_run, &mut parts);
        found.map_err(|error| LakeError::read(folder.display(), error))?;
    }
    for (path, bytes, modified) in parts {
        if modified < expired {
            dropped.add(None, bytes);
            match if dry_run { Ok(()) } else { fs::remove_file(&path) } {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LakeError::write(path.display(), error));
                }
                _ => {}
            }
        }
    }
    Ok(dropped)
}

fn walk(
    folder: &Path,
    depth: usize,
    dry_run: bool,
    parts: &mut Vec<(PathBuf, u64, Timestamp)>,
) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() && depth < limits::FOLDER_DEPTH_MAX {
            walk(&path, depth + 1, dry_run, parts)?;
            // Of a folder that is not empty, this is refused.
            if !dry_run && is_partition(&path) && fs::remove_dir(&path).is_ok() {
                tracing::debug!(path = %path.display(), "removed an empty folder");
            }
            continue;
        }
        if !is_part(&path) {
            continue;
        }
        match entry.metadata() {
            Ok(meta) => parts.push((path, meta.len(), modified(&meta)?)),
            // It is complete by now, under its own name.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn modified(meta: &fs::Metadata) -> io::Result<Timestamp> {
    let since = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)))
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

fn is_part(path: &Path) -> bool {
    let number = name(path).rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_partition(path: &Path) -> bool {
    name(path).starts_with("day=") || name(path).starts_with("hour=")
}
