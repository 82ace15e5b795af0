//! Where the corpora are, and the rules among them.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base::SigmaRoute;
use dab_detect::{Rule, RuleError, load_file};

/// A file or folder of the corpora; `None`, and said so, if it is not there.
pub(crate) fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let file = root.join(name);
    if file.try_exists().unwrap() {
        return Some(file);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{} is not there", file.display());
    println!("skipped: {} is not there", file.display());
    None
}

/// The files of the rules' archive: their paths and texts.
pub(crate) fn rule_files() -> Option<Vec<(String, String)>> {
    let archive = fs::File::open(corpus("sigmahq-rules.tar.zst")?).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive).unwrap());
    let mut files = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.extension().is_some_and(|extension| extension == "yml") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.push((path.to_string_lossy().into_owned(), text));
        }
    }
    files.sort();
    Some(files)
}

/// The rules, and the errors of those that can't be run.
pub(crate) fn load(files: &[(String, String)]) -> (Vec<Arc<Rule>>, Vec<RuleError>) {
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    for (path, text) in files {
        let documents = load_file(path, text);
        assert!(!documents.is_empty(), "{path} is neither loaded nor reported");
        for document in documents {
            match document {
                Ok(rule) => rules.push(Arc::new(rule)),
                Err(error) => errors.push(error),
            }
        }
    }
    (rules, errors)
}

/// The routes that are shipped for a log source.
pub(crate) fn routes(log_source: &str) -> BTreeMap<String, Vec<SigmaRoute>> {
    #[derive(serde::Deserialize)]
    struct LogSource {
        sigma: Vec<SigmaRoute>,
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../content/log_sources")
        .join(log_source)
        .with_extension("yml");
    let read: LogSource = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    BTreeMap::from([(log_source.to_owned(), read.sigma)])
}
