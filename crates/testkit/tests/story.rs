//! The story and the shipped detections, through the real decoders and the real evaluator: every
//! step sets off what it must, and an ordinary day sets off nothing that would wake anybody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Level, ObjectHash, Timestamp};
use dab_testkit::{Generated, Scenario, shipped_detections, steps};
use decode::{At, Decoder, Frame, FrameState, Framer, LogSource};
use detect::{FullScan, Matcher};

const SEEDS: [u64; 4] = [1, 2, 42, 0xdead_beef];

struct Pipeline {
    decoders: BTreeMap<String, Decoder>,
    matcher: FullScan,
}

impl Pipeline {
    fn new() -> Self {
        let mut decoders = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (path, text) in decode::shipped() {
            let source = LogSource::parse(path, text).unwrap_or_else(|errors| panic!("{errors:?}"));
            routes.insert(source.name.clone(), source.sigma.clone());
            let name = source.name.clone();
            decoders.insert(name, Decoder::new(source).expect("a validated log source compiles"));
        }
        let mut rules = Vec::new();
        for (path, text) in shipped_detections() {
            for rule in detect::load_file(path, text) {
                rules.push(Arc::new(rule.unwrap_or_else(|error| panic!("{error:?}"))));
            }
        }
        assert_eq!(rules.len(), shipped_detections().len());
        let matcher = FullScan::new(rules, &routes);
        let unrouted = matcher.unrouted();
        assert!(unrouted.is_empty(), "never run: {unrouted:?}");
        Self { decoders, matcher }
    }

    fn matches(&self, generated: &Generated) -> Vec<base::Match> {
        let at = At {
            object: "file:generated",
            object_hash: ObjectHash::of(&["file:generated"]),
            offset: 0,
            ingest_time: generated.time,
        };
        let decoder = &self.decoders[generated.log_source];
        let event = decoder
            .decode(generated.line.as_bytes(), &at)
            .unwrap_or_else(|reject| panic!("{reject:?}: {}", generated.line));
        // The products write whole or thousandths of seconds.
        assert!(
            generated.time.since(event.time) < Duration::from_secs(1)
                && event.time <= generated.time,
            "{} is not {}: {}",
            event.time,
            generated.time,
            generated.line
        );
        assert!(!event.normalized.is_empty(), "nothing is normalized: {}", generated.line);
        let mut matches = Vec::new();
        self.matcher.evaluate(&event, &mut matches);
        matches
    }
}

fn start() -> Timestamp {
    Timestamp::parse("2026-11-24T08:00:00Z").expect("a valid time")
}

fn scenario(seed: u64) -> Scenario {
    Scenario::new(seed, start(), Duration::from_secs(1200), 8.0)
}

#[test]
fn every_step_sets_off_its_detections() {
    let pipeline = Pipeline::new();
    for seed in SEEDS {
        let mut fired: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for generated in scenario(seed) {
            let Some(step) = generated.attack else { continue };
            let ids = pipeline.matches(&generated).into_iter().map(|found| found.rule.id);
            fired.entry(step).or_default().extend(ids);
        }
        for step in steps() {
            for id in step.expected_rule_ids {
                let fired = fired.get(step.name);
                assert!(fired.is_some_and(|ids| ids.contains(*id)), "{}: {id}", step.name);
            }
        }
    }
}

#[test]
fn an_ordinary_day_sets_off_nothing_high() {
    let pipeline = Pipeline::new();
    let mut below = 0;
    for seed in SEEDS {
        for generated in scenario(seed).filter(|generated| generated.attack.is_none()) {
            for found in pipeline.matches(&generated) {
                below += 1;
                assert!(
                    found.rule.level <= Level::Medium,
                    "{} ({}): {}",
                    found.rule.title,
                    found.rule.file,
                    generated.line
                );
            }
        }
    }
    // The ordinary day does hold what a rule of a low level picks up: the silence above says
    // something.
    assert!(below > 0);
}

#[test]
fn no_rule_fails_but_for_absent_fields() {
    let pipeline = Pipeline::new();
    for generated in scenario(3) {
        pipeline.matches(&generated);
    }
    assert_eq!(pipeline.matcher.errors(), []);
}

#[test]
fn files_of_generated_lines_are_framed_line_by_line() {
    let pipeline = Pipeline::new();
    let mut files: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for generated in scenario(5) {
        let (text, count) = files.entry(generated.log_source).or_default();
        text.push_str(&generated.line);
        text.push('\n');
        *count += 1;
    }
    assert_eq!(files.len(), pipeline.decoders.len());
    for (log_source, (text, count)) in files {
        let format = &pipeline.decoders[log_source].log_source().format;
        let mut framer = Framer::new(format, FrameState::default(), 0);
        let mut records = 0;
        framer.frame(text.as_bytes(), true, &mut |frame| match frame {
            Frame::Record { .. } => records += 1,
            other => panic!("{log_source}: {other:?}"),
        });
        assert_eq!(records, count, "{log_source}");
    }
}

#[test]
fn matches_carry_the_values_that_tell_alerts_apart() {
    let pipeline = Pipeline::new();
    let mut empty = BTreeSet::new();
    for generated in scenario(1).filter(|generated| generated.attack.is_some()) {
        for found in pipeline.matches(&generated) {
            assert!(!found.rule.dedup.is_empty(), "{}", found.rule.file);
            assert!(!found.reasons.is_empty(), "{} gives no reason", found.rule.file);
            if found.dedup_values.iter().all(String::is_empty) {
                empty.insert(found.rule.file);
            }
        }
    }
    assert_eq!(empty, BTreeSet::new(), "these group all their matches into one alert");
}
