//! Rules and events that others wrote: all rules load or are refused with a reason, and each fires
//! on the events that its authors recorded for it.
//!
//! They are read from `$DAB_CORPORA`, or from a folder beside the repository.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that can't go on is to stop there, and says what it skips"
)]

#[path = "corpora/decoded.rs"]
mod decoded;
#[path = "corpora/events.rs"]
mod events;
#[path = "corpora/files.rs"]
mod files;

use std::{collections::BTreeMap, fs, sync::Arc};

use base::{Clock, Explain, SystemClock};
use dab_detect::{Definitions, FullScan, Matcher, Placeholders, Rule, load_file_with};

use files::{corpus, load, routes, rule_files};

const LOG_SOURCE: &str = "windows_events";

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

    // They load too where somebody says what their placeholders stand for; some have two.
    let mut placeholders = Placeholders::new();
    let mut left = errors;
    while !left.is_empty() {
        let before = placeholders.len();
        for error in &left {
            let name = error.to_string().split('%').nth(1).unwrap().to_owned();
            placeholders.insert(name, vec!["10.0.0.0/8".to_owned()]);
        }
        assert!(placeholders.len() > before, "{left:?}");
        let definitions = Definitions::from(placeholders.clone());
        let texts = left.iter().map(|error| files.iter().find(|(path, _)| *path == error.path));
        let loaded =
            texts.flatten().flat_map(|(path, text)| load_file_with(path, text, &definitions));
        left = loaded.filter_map(Result::err).collect();
    }
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
    let matcher = FullScan::new(load(&files).0, &routes(LOG_SOURCE));
    let decoder = decoded::decoder(LOG_SOURCE);
    let (mut expected, mut missed) = (0, Vec::new());
    for line in fs::read_to_string(cases).unwrap().lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for record in &case.events {
            let mut matches = Vec::new();
            let text = record.to_string();
            let event = decoded::event(&decoder, &text);
            matcher.evaluate(&event, &mut matches);
            for found in matches {
                assert!(found.reasons.len() <= base::limits::MATCH_REASONS_MAX);
                *counts.entry(found.rule.id.clone()).or_default() += 1;
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
    let matcher = FullScan::new(rules, &routes(LOG_SOURCE));
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
