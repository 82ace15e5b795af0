//! The fast evaluator finds what the plain one finds, over rules and events that others wrote.

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

use std::{fs, io::Read as _};

use base::{Event, Match};
use dab_detect::{Engine, FullScan, Matcher};
use files::{corpus, load, routes, rule_files};
use serde_json::Value as Json;

/// Compares over all rules; answers how many events and matches there were.
struct Comparison {
    log_source: &'static str,
    plain: FullScan,
    fast: Engine,
    events: usize,
    matches: usize,
}

impl Comparison {
    fn new(log_source: &'static str) -> Option<Self> {
        let rules = load(&rule_files()?).0;
        let routes = routes(log_source);
        let plain = FullScan::new(rules.clone(), &routes);
        let fast = Engine::new(rules, &routes);
        Some(Self { log_source, plain, fast, events: 0, matches: 0 })
    }

    fn compare(&mut self, event: &Event<'_>) {
        let (mut plain, mut fast): (Vec<Match>, Vec<Match>) = (Vec::new(), Vec::new());
        self.plain.evaluate(event, &mut plain);
        self.fast.evaluate(event, &mut fast);
        assert_eq!(fast, plain, "{}", event.to_json());
        self.events += 1;
        self.matches += plain.len();
    }

    fn report(&self) {
        println!("{}: {} events, {} matches", self.log_source, self.events, self.matches);
        assert_eq!(self.fast.errors(), self.plain.errors());
        assert!(self.matches > 0);
    }
}

#[test]
fn windows_events_match_alike() {
    let (Some(mut comparison), Some(logs), Some(cases)) = (
        Comparison::new("windows_events"),
        corpus("mordor/windows-attacks.ndjson.zst"),
        corpus("sigma-regression/sigma-regression.dev.ndjson"),
    ) else {
        return;
    };
    let lines = zstd::decode_all(fs::File::open(logs).unwrap()).unwrap();
    for (index, line) in String::from_utf8(lines).unwrap().lines().enumerate() {
        let record = serde_json::from_str::<Json>(line).unwrap();
        // The plain evaluator takes its time: every fifth, and all that most rules are for.
        if index % 5 == 0 || record["EventID"] == 1 {
            comparison.compare(&events::event("windows_events", events::object(&record)));
        }
    }
    let decoder = decoded::decoder("windows_events");
    for line in fs::read_to_string(cases).unwrap().lines() {
        let case = serde_json::from_str::<Json>(line).unwrap();
        for record in case["events"].as_array().unwrap() {
            comparison.compare(&decoded::event(&decoder, &record.to_string()));
        }
    }
    comparison.report();
}

#[test]
fn cloudtrail_events_match_alike() {
    let (Some(mut comparison), Some(folder)) =
        (Comparison::new("aws_cloudtrail"), corpus("cloudtrail"))
    else {
        return;
    };
    let folders = ["aws_dataset", "stratus"].map(|name| folder.join(name));
    let mut files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gz"))
        .collect::<Vec<_>>();
    files.sort();
    for file in files {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(fs::File::open(file).unwrap())
            .read_to_string(&mut text)
            .unwrap();
        let json = serde_json::from_str::<Json>(&text).unwrap();
        let records = json.get("Records").unwrap_or(&json);
        for record in records.as_array().unwrap() {
            comparison.compare(&events::event("aws_cloudtrail", events::object(record)));
        }
    }
    comparison.report();
}
