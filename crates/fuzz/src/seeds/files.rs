//! Folders of this repository and the corpora, in the order of names.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use super::Places;

/// Of a corpus so much is read, unpacked.
const CORPUS_BYTES_MAX: u64 = 4 << 20;

/// The files below a folder, by their names.
#[derive(Debug, Default)]
pub(super) struct Folder(Vec<(String, Vec<u8>)>);

impl Folder {
    /// Of a folder below `root`; empty if there is none.
    pub(super) fn of(root: &Path, folder: &str) -> io::Result<Self> {
        let mut found = Self::default();
        let folder = root.join(folder);
        if folder.try_exists()? {
            found.visit(&folder)?;
            found.0.sort();
        }
        Ok(found)
    }

    fn visit(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                self.visit(&path)?;
            } else {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.0.push((name, fs::read(&path)?));
            }
        }
        Ok(())
    }

    /// What is in them.
    pub(super) fn bytes(self) -> impl Iterator<Item = Vec<u8>> {
        self.0.into_iter().map(|(_, bytes)| bytes)
    }

    /// Names and texts of those whose names end like this.
    pub(super) fn texts(&self, ending: &str) -> impl Iterator<Item = (&str, String)> {
        let found = self.0.iter().filter(move |(name, _)| name.ends_with(ending));
        found.map(|(name, bytes)| (name.as_str(), String::from_utf8_lossy(bytes).into_owned()))
    }
}

/// Texts of the corpora of a kind; none where there are no corpora.
pub(super) fn corpus(places: &Places, kind: &str) -> io::Result<Vec<String>> {
    let Some(root) = &places.corpora else { return Ok(Vec::new()) };
    let files: &[&str] = match kind {
        "json" => &["mordor/windows-attacks.ndjson.zst", "gen_seeds.ndjson.gz"],
        "text" => &["crowdsec/crowdsec.dev.ndjson.gz"],
        "cel" => &["cel/cel-conformance.dev.json"],
        _ => return rules(&root.join("sigmahq-rules.tar.zst")),
    };
    files.iter().map(|file| unpacked(&root.join(file))).collect()
}

fn unpacked(path: &Path) -> io::Result<String> {
    let file = fs::File::open(path)?;
    let reader: Box<dyn io::Read> = match path.extension().and_then(|end| end.to_str()) {
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(CORPUS_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn rules(archive: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(zstd::Decoder::new(fs::File::open(archive)?)?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.extension().is_some_and(|end| end == "yml") {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            found.push(text);
        }
    }
    Ok(found)
}
