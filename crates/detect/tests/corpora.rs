//! Rules and events that others wrote: all rules load or are refused with a reason, and each fires
//! on the events that its authors recorded for it.
//!
//! They are read from `$DAB_CORPORA`, or from a folder beside the repository.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that can't go on is to stop there, and says what it skips"
)]

#[path = "corpora/events.rs"]
mod events;

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{Clock, Explain, SigmaRoute, SystemClock};
use dab_detect::{FullScan, Matcher, Rule, RuleError, load_file};

const LOG_SOURCE: &str = "windows_events";

fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let file = root.join(name);
    if file.is_file() {
        return Some(file);
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{} is not there", file.display());
    println!("skipped: {} is not there", file.display());
    None
}

/// The files of the rules' archive: their paths and texts.
fn rule_files() -> Option<Vec<(String, String)>> {
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

fn load(files: &[(String, String)]) -> (Vec<Arc<Rule>>, Vec<RuleError>) {
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

/// The routes that are shipped for Windows.
fn routes() -> BTreeMap<String, Vec<SigmaRoute>> {
    #[derive(serde::Deserialize)]
    struct LogSource {
        sigma: Vec<SigmaRoute>,
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../content/log_sources")
        .join(LOG_SOURCE)
        .with_extension("yml");
    let log_source: LogSource = serde_saphyr::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    BTreeMap::from([(LOG_SOURCE.to_owned(), log_source.sigma)])
}

#[test]
fn all_public_rules_load_or_say_why_not() {
    let Some(files) = rule_files() else { return };
    let before = SystemClock.monotonic();
    let (rules, errors) = load(&files);
    let took = SystemClock.monotonic() - before;
    println!("{} files, {} rules, {} errors, {took:?}", files.len(), rules.len(), errors.len());
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for error in &errors {
        *kinds.entry(error.code().0).or_default() += 1;
        assert!(error.help().is_some(), "{}", base::Problem::from(error.clone()));
        println!("{}:{}:{}: {error}", error.path, error.line, error.column);
    }
    // Placeholders that only their users have values for.
    assert_eq!(kinds, BTreeMap::from([("DAB0207", 25)]));
    assert_eq!(rules.len() + errors.len(), files.len());
    let ids = rules.iter().map(|rule| &rule.info.id).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ids.len(), rules.len(), "ids are unique");
}

#[test]
fn the_rules_fire_on_the_events_recorded_for_them() {
    #[derive(serde::Deserialize)]
    struct Case {
        rule_ids: Vec<String>,
        path: String,
        match_count: Option<usize>,
        events: Vec<serde_json::Value>,
    }
    let Some(files) = rule_files() else { return };
    let Some(cases) = corpus("sigma-regression/sigma-regression.dev.ndjson") else { return };
    let matcher = FullScan::new(load(&files).0, &routes());
    let (mut expected, mut missed) = (0, Vec::new());
    for line in fs::read_to_string(cases).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for record in &case.events {
            let mut matches = Vec::new();
            matcher.evaluate(&events::event(LOG_SOURCE, events::flat(record)), &mut matches);
            for found in matches {
                assert!(found.reasons.len() <= base::limits::MATCH_REASONS_MAX);
                *counts.entry(found.rule.id).or_default() += 1;
            }
        }
        for id in &case.rule_ids {
            expected += 1;
            let count = counts.get(id).copied().unwrap_or(0);
            // The recorded count is that of rules in some cases and of events in others.
            let least = case.match_count.unwrap_or(1);
            if count < least {
                missed.push(format!("{id} matched {count} events, not {least}: {}", case.path));
            } else if count > least {
                println!("{id} matched {count} events, {least} are recorded: {}", case.path);
            }
        }
    }
    println!("{} of {expected} rules fire as recorded", expected - missed.len());
    assert!(missed.is_empty(), "{missed:#?}");
    assert_eq!(matcher.errors(), []);
}

/// Not a benchmark, but a guard against gross mistakes: prints what 100 rules cost an event.
#[test]
fn a_hundred_rules_cost_microseconds() {
    let (Some(files), Some(logs)) = (rule_files(), corpus("mordor/windows-attacks.ndjson.zst"))
    else {
        return;
    };
    let lines = zstd::decode_all(fs::File::open(logs).unwrap()).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let records = lines
        .lines()
        .take(20_000)
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .collect::<Vec<_>>();
    let events = |is_wanted: fn(&serde_json::Value) -> bool| {
        let wanted = records.iter().filter(|record| is_wanted(record));
        wanted.map(|record| events::event(LOG_SOURCE, events::object(record))).collect::<Vec<_>>()
    };
    let is_process =
        |record: &serde_json::Value| record["EventID"] == 1 && record["Channel"].as_str().is_some();
    let (processes, all_events) = (events(is_process), events(|_| true));
    let rules = load(&files).0;
    let is_for_processes = |rule: &&Arc<Rule>| {
        let source = &rule.log_source;
        source.product.as_deref() == Some("windows")
            && source.category.as_deref() == Some("process_creation")
    };
    // From all over the folder, so that all kinds are among them.
    let hundred = rules.iter().filter(is_for_processes).step_by(12).take(100).cloned().collect();
    measure("100 rules, process creation", hundred, &processes, 5_000);
    measure("all rules, process creation", rules.clone(), &processes, 100);
    measure("all rules, all events", rules, &all_events, all_events.len());
}

fn measure(name: &str, rules: Vec<Arc<Rule>>, events: &[base::Event<'_>], rounds: usize) {
    let before = SystemClock.monotonic();
    let matcher = FullScan::new(rules, &routes());
    let built = SystemClock.monotonic() - before;
    let mut matches = Vec::new();
    // Regular expressions build parts of themselves as they go: the first rounds warm them up.
    events.iter().take(1000).for_each(|event| matcher.evaluate(event, &mut matches));
    let count = matches.len();
    let before = SystemClock.monotonic();
    for event in events.iter().cycle().take(rounds) {
        matches.clear();
        matcher.evaluate(event, &mut matches);
    }
    let took = SystemClock.monotonic() - before;
    println!(
        "{name}: built in {built:?}; {} events, {count} matches, {:?} an event",
        events.len(),
        took / u32::try_from(rounds).unwrap()
    );
    assert!(count > 0);
}
