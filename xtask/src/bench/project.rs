//! The projects that the benchmark runs: corpora, detections, settings.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::{Options, measure};
use crate::{Failure, process};

/// A corpus that lies ready.
#[derive(Debug, Clone)]
pub(super) struct Corpus {
    /// `cloudtrail`, `windows` or `mix`.
    pub(super) name: String,
    /// How many bytes it has, decompressed.
    pub(super) bytes: u64,
    /// How many events.
    pub(super) events: u64,
    /// A hash over its bytes.
    pub(super) sha256: String,
    /// Its log sources, each with its folder and its number of events.
    pub(super) tables: Vec<(String, PathBuf, u64)>,
}

/// The corpora with the size that each has by default, in megabytes.
const CORPORA: &[(&str, u64)] = &[("cloudtrail", 300), ("windows", 300), ("mix", 1000)];

/// Makes the corpora asked for, or takes those that are there.
pub(super) fn make_corpora(
    root: &Path,
    corpora: &Path,
    scratch: &Path,
    options: &Options,
) -> Result<Vec<Corpus>, Failure> {
    let mut made = Vec::new();
    for (name, megabytes) in CORPORA {
        if options.corpus.as_deref().is_some_and(|wanted| wanted != *name) {
            continue;
        }
        let megabytes = options.megabytes.unwrap_or(*megabytes);
        made.push(make_corpus(root, corpora, scratch, name, megabytes)?.0);
    }
    if made.is_empty() {
        let names: Vec<&str> = CORPORA.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no such corpus; there are: {}", names.join(", ")));
    }
    Ok(made)
}

/// Makes a corpus, or takes the one that is there. Answers its folder as well.
pub(super) fn make_corpus(
    root: &Path,
    corpora: &Path,
    scratch: &Path,
    name: &str,
    megabytes: u64,
) -> Result<(Corpus, PathBuf), Failure> {
    let mut command = process::command("python3", root);
    command.arg("bench/ingest/corpora.py").args([corpora, scratch]);
    command.args([name, &megabytes.to_string()]);
    let said = process::output(&mut command)?;
    read_corpus(name, &said).ok_or_else(|| format!("unexpected facts: {said}"))
}

fn read_corpus(name: &str, facts: &str) -> Option<(Corpus, PathBuf)> {
    let facts: Value = serde_json::from_str(facts).ok()?;
    let folder = PathBuf::from(facts.get("folder")?.as_str()?);
    let mut corpus = Corpus {
        name: name.to_owned(),
        bytes: 0,
        events: 0,
        sha256: facts.get("sha256")?.as_str()?.to_owned(),
        tables: Vec::new(),
    };
    for (log_source, facts) in facts.get("sources")?.as_object()? {
        let events = facts.get("events")?.as_u64()?;
        corpus.bytes += facts.get("bytes")?.as_u64()?;
        corpus.events += events;
        corpus.tables.push((log_source.clone(), folder.join(log_source), events));
    }
    Some((corpus, folder))
}

/// Where a hundred rules are taken from, beside our own: a few kinds, so that all corpora meet
/// rules that are about them.
const RULE_FOLDERS: &[&str] = &[
    "rules/windows/process_creation",
    "rules/cloud/aws",
    "rules/windows/registry",
    "rules/web",
    "rules/windows/builtin/security",
    "rules/linux/builtin",
    "rules/windows/process_access",
    "rules/windows/powershell",
];

/// Lays our own detections and as many of SigmaHQ's as make `count` into the scratch folder, and
/// answers how many there are.
pub(super) fn lay_rules(
    root: &Path,
    corpora: &Path,
    scratch: &Path,
    count: usize,
) -> Result<usize, Failure> {
    let folder = scratch.join("detections");
    if folder.is_dir() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let unpacked = scratch.join("sigmahq");
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::create_dir_all(&unpacked).map_err(|error| format!("{}: {error}", unpacked.display()))?;
    process::run(
        process::command("tar", root)
            .args(["--zstd", "-xf"])
            .arg(corpora.join("sigmahq-rules.tar.zst"))
            .arg("-C")
            .arg(&unpacked),
    )?;
    let ours = rule_files(&root.join("content/detections"));
    let mut lanes: Vec<_> = RULE_FOLDERS
        .iter()
        .map(|name| rule_files(&unpacked.join("sigmahq").join(name)).into_iter())
        .collect();
    // One from each folder in turn.
    let mut theirs = Vec::new();
    loop {
        let before = theirs.len();
        theirs.extend(lanes.iter_mut().filter_map(Iterator::next));
        if theirs.len() == before {
            break;
        }
    }
    let mut laid = 0;
    for file in ours.into_iter().chain(theirs).take(count) {
        laid += 1;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = folder.join(format!("{laid:04}-{name}"));
        fs::copy(&file, &to).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(laid)
}

/// The rule files below a folder, in order.
fn rule_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let is_rule = |path: &Path| {
        path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
    };
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(rule_files(&path));
        } else if is_rule(&path) {
            found.push(path);
        }
    }
    found
}

/// A project with an empty lake.
#[derive(Debug)]
pub(super) struct Project {
    folder: PathBuf,
}

impl Project {
    /// Lays a project in `folder` that reads `corpus`, with the detections of another folder.
    pub(super) fn lay(
        root: &Path,
        folder: &Path,
        corpus: &Corpus,
        detections: &Path,
    ) -> Result<Self, Failure> {
        let folder = folder.to_owned();
        if folder.is_dir() {
            fs::remove_dir_all(&folder)
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let log_sources = root.join("bench/ingest/log_sources");
        let mut settings = format!(
            "version: 1\nlake: ./lake\nlog_sources: [{}]\ndetections: [{}]\n\
             listen: 127.0.0.1:0\ncollect:\n",
            log_sources.display(),
            detections.display()
        );
        for (log_source, files, _) in &corpus.tables {
            settings += &format!(
                "  - name: {log_source}\n    log_source: {log_source}\n    from: {}\n    settle_seconds: 0\n",
                files.display()
            );
        }
        let path = folder.join("dab.yaml");
        fs::write(&path, settings).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { folder })
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lets it commit whatever it has read of a file, 4 MiB, at once.
    pub(super) fn commit_often(&self) -> Result<(), Failure> {
        let path = self.folder.join("dab.yaml");
        let fail = |error: std::io::Error| format!("{}: {error}", path.display());
        let settings = fs::read_to_string(&path).map_err(fail)?;
        let often = "settle_seconds: 0\n    commit_seconds: 0\n";
        fs::write(&path, settings.replace("settle_seconds: 0\n", often)).map_err(fail)
    }

    /// Removes the lake.
    pub(super) fn empty(&self) -> Result<(), Failure> {
        let lake = self.folder.join("lake");
        if lake.is_dir() {
            fs::remove_dir_all(&lake).map_err(|error| format!("{}: {error}", lake.display()))?;
        }
        Ok(())
    }

    /// Reads everything there is, as far as decoding or to the end.
    pub(super) fn run(&self, binary: &Path, decode_only: bool) -> Result<measure::Usage, Failure> {
        let mut command = Command::new(binary);
        command.args(["run", "--once"]);
        if decode_only {
            command.arg("--decode-only");
        }
        measure::run(&command, &self.folder)
    }

    /// Compares what is stored with what the corpus has.
    pub(super) fn verify(&self, binary: &Path, corpus: &Corpus) -> Result<(), Failure> {
        for (log_source, _, events) in &corpus.tables {
            let sql = format!("select count(*) as n from {log_source}");
            let mut command = process::command(binary, &self.folder);
            let said = process::output(command.args(["sql", &sql, "--output", "json"]))?;
            let rows =
                said.split(|char: char| !char.is_ascii_digit()).find(|text| !text.is_empty());
            let rows: u64 = rows.and_then(|text| text.parse().ok()).unwrap_or(0);
            let quarantined = quarantined(binary, &self.folder, log_source)?;
            if rows + quarantined != *events {
                return Err(format!(
                    "`{log_source}` has {rows} rows and {quarantined} quarantined records, but \
                     the corpus has {events}"
                ));
            }
        }
        Ok(())
    }
}

fn quarantined(binary: &Path, folder: &Path, log_source: &str) -> Result<u64, Failure> {
    let mut command = process::command(binary, folder);
    let output = command
        .args(["quarantine", "list", "--output", "json"])
        .output()
        .map_err(|error| format!("`{}`: {error}", binary.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let records = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of =
        records.filter(|record| record.get("log_source").is_some_and(|name| name == log_source));
    Ok(u64::try_from(of.count()).unwrap_or(u64::MAX))
}
