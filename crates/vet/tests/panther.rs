//! Others' tests of the same behaviors: Panther's rules are not here, but what they must notice and
//! must leave alone is, and our detections are to say the same of it.
//!
//! The tests are read from `$DAB_CORPORA/panther/`, or from a folder beside the repository. Every
//! log of a rule in [`PAIRS`] goes through the log source's own decoder and through the matcher.
//! Panther shows its rules logs in a form of its own; [`Form`] puts back what the product writes.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy knows as tests"
)]

#[path = "panther/form.rs"]
mod form;
#[path = "panther/pairs.rs"]
mod pairs;

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use base::{ObjectHash, Timestamp};
use dab_vet::{Project, Runner, load};
use decode::At;
use detect::{FullScan, Matcher as _, Rule};
use serde_json::Value;

use form::Form;
use pairs::PAIRS;

/// How many tests agree: all that there are of these rules. Fewer is a step back.
const AGREED_MIN: usize = 325;

/// The tests; `None` if they are not there.
fn tests() -> Option<Vec<Value>> {
    let root = std::env::var_os("DAB_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let file = root.join("panther/panther.dev.ndjson.gz");
    if !file.is_file() {
        let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
        assert!(!in_ci, "{} is not there", file.display());
        println!("skipped: {} is not there", file.display());
        return None;
    }
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(file).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The shipped detections, with all that is needed to run one on a record.
struct Bench {
    runner: Runner,
    project: Project,
    matchers: BTreeMap<String, FullScan>,
}

impl Bench {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections");
        let project = load(&[root], &[], true);
        assert_eq!(project.problems, []);
        let runner = Runner::new(&project).unwrap();
        Self { runner, project, matchers: BTreeMap::new() }
    }

    /// The rule in a file below `content/detections`.
    fn rule(&self, path: &str) -> Arc<Rule> {
        let of_file = |rule: &&Arc<Rule>| {
            rule.info.file.rsplit_once("content/detections/").is_some_and(|(_, file)| file == path)
        };
        let rule = self.project.rules.iter().find(of_file);
        Arc::clone(rule.unwrap_or_else(|| panic!("there is no {path}")))
    }

    /// Whether the detection matches the record, or why the record can't be decoded.
    fn matches(&mut self, path: &str, log_source: &str, record: &Value) -> Result<bool, String> {
        if !self.matchers.contains_key(path) {
            let sources = self.project.log_sources.iter();
            let routes = sources.map(|one| (one.name.clone(), one.sigma.clone())).collect();
            let matcher = FullScan::new(vec![self.rule(path)], &routes);
            self.matchers.insert(path.to_owned(), matcher);
        }
        let text = record.to_string();
        let at = At {
            object: "panther",
            object_hash: ObjectHash::of(&["panther"]),
            offset: 0,
            ingest_time: Timestamp::parse("2026-11-24T12:00:00Z").unwrap(),
            header: None,
        };
        let decoder = self.runner.decoder(log_source).expect("a shipped log source");
        let event = decoder.decode(text.as_bytes(), &at).map_err(|reject| reject.to_string())?;
        let mut found = Vec::new();
        self.matchers[path].evaluate(&event, &mut found);
        Ok(!found.is_empty())
    }
}

#[test]
fn detections_agree_with_the_tests_of_others() {
    let Some(tests) = tests() else { return };
    let mut bench = Bench::new();
    let mut tally: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    let mut differing = Vec::new();
    let mut unused: Vec<&str> = PAIRS.iter().map(|(id, _)| *id).collect();
    for test in &tests {
        let id = test["rule_id"].as_str().unwrap();
        let Some((_, path)) = PAIRS.iter().find(|(known, _)| *known == id) else { continue };
        unused.retain(|known| *known != id);
        let expected = test["expected"].as_bool().unwrap();
        let Form { log_source, record } = Form::of(&test["log"], path);
        let found = bench.matches(path, log_source, &record);
        let [agreed, all] = tally.entry(log_source).or_default();
        *all += 1;
        if found == Ok(expected) {
            *agreed += 1;
        } else {
            let name = test["test"].as_str().unwrap();
            differing.push(format!("{id} ({path}): {name}: expected {expected}, was {found:?}"));
        }
    }
    for (log_source, [agreed, all]) in &tally {
        println!("{log_source}: {agreed} of {all} agree");
    }
    let sum = |part: usize| tally.values().map(|both| both[part]).sum::<usize>();
    println!("{} rules: {} of {} tests agree", PAIRS.len(), sum(0), sum(1));
    println!("{}", differing.join("\n"));
    assert!(unused.is_empty(), "no test is of these: {unused:?}");
    assert!(sum(0) >= AGREED_MIN, "{} agree, and {AGREED_MIN} did", sum(0));
}
