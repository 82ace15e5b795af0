//! Which rules a lane runs.

use std::{fs, io::Read as _, path::Path};

use crate::{
    Arguments, Failure,
    lane::{self, RuleSet},
};

/// A rule file.
#[derive(Debug, Clone)]
pub(crate) struct RuleFile {
    /// Its path in its archive or folder.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// The rule files of a set, as many as asked for, in the order of their paths' hashes: any number
/// of them is a fair sample of the whole, and always the same one.
pub(crate) fn read(set: RuleSet, arguments: &Arguments) -> Result<Vec<RuleFile>, Failure> {
    let mut files = match set {
        RuleSet::SigmaHq => archive(&arguments.corpora.join("sigmahq-rules.tar.zst"))?,
        RuleSet::OurCel => {
            let mut files = Vec::new();
            folder(&arguments.root.join("content/detections"), &mut files)?;
            files.retain(|file: &RuleFile| file.text.lines().any(|line| line.starts_with("cel:")));
            files
        }
    };
    files.sort_by_key(|file| (fnv(&file.path), file.path.clone()));
    files.truncate(arguments.rules);
    if arguments.lane == lane::MADE {
        let text = include_str!("../modifiers.yml").to_owned();
        files.push(RuleFile { path: "modifiers.yml".to_owned(), text });
    }
    Ok(files)
}

fn archive(path: &Path) -> Result<Vec<RuleFile>, Failure> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    let bytes = fs::File::open(path).map_err(fail)?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(bytes).map_err(fail)?);
    let mut files = Vec::new();
    for entry in archive.entries().map_err(fail)? {
        let mut entry = entry.map_err(fail)?;
        let path = entry.path().map_err(fail)?.to_string_lossy().into_owned();
        // Rules with placeholders have no values here; every engine needs its own for them.
        if path.ends_with(".yml") && !path.contains("rules-placeholder") {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(fail)?;
            files.push(RuleFile { path, text });
        }
    }
    Ok(files)
}

fn folder(path: &Path, files: &mut Vec<RuleFile>) -> Result<(), Failure> {
    let fail = |error: std::io::Error| format!("{}: {error}", path.display());
    for entry in fs::read_dir(path).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            let text = fs::read_to_string(&path).map_err(fail)?;
            let path = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push(RuleFile { path, text });
        }
    }
    Ok(())
}

/// FNV-1a.
pub(crate) fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}
