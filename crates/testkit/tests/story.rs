//! The story and the shipped detections, through the real decoders and the real evaluator: every
//! step sets off what it must, and an ordinary day sets off nothing that would wake anybody.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests, outside of the functions that clippy knows as tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{Level, ObjectHash, Timestamp};
use dab_testkit::{Generated, Scenario, shipped_detections, steps};
use decode::{At, Decoder, Frame, FrameState, Framer, LogSource};
use detect::{FullScan, Matcher};

/// The first is the one that `dab demo` plays.
const SEEDS: [u64; 4] = [20_261_124, 2, 42, 0xdead_beef];

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
            header: None,
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
            let ids = pipeline.matches(&generated).into_iter().map(|found| found.rule.id.clone());
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

/// Records as the product delivers them: CloudTrail in one object, the others one a line.
fn delivery(log_source: &str, lines: &[String]) -> String {
    if log_source == "aws_cloudtrail" {
        format!("{{\"Records\":[{}]}}\n", lines.join(","))
    } else {
        lines.join("\n") + "\n"
    }
}

#[test]
fn deliveries_in_one_file_are_cut_into_the_same_records() {
    let pipeline = Pipeline::new();
    let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for generated in scenario(5) {
        lines.entry(generated.log_source).or_default().push(generated.line);
    }
    let of_steps: BTreeSet<_> = steps().iter().map(|step| step.log_source).collect();
    assert_eq!(lines.keys().copied().collect::<BTreeSet<_>>(), of_steps);
    for (log_source, lines) in lines {
        let mut file = String::new();
        for chunk in lines.chunks(100) {
            file.push_str(&delivery(log_source, chunk));
        }
        let format = &pipeline.decoders[log_source].log_source().format;
        let mut framer = Framer::new(format, FrameState::default(), 0);
        let mut records = Vec::new();
        framer.frame(file.as_bytes(), true, &mut |frame| match frame {
            Frame::Record { bytes, .. } => {
                records.push(String::from_utf8_lossy(bytes).into_owned())
            }
            other => panic!("{log_source}: {other:?}"),
        });
        assert!(records == lines, "{log_source}: {} of {}", records.len(), lines.len());
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
                empty.insert(found.rule.file.clone());
            }
        }
    }
    assert_eq!(empty, BTreeSet::new(), "these group all their matches into one alert");
}

/// Records that the story does not have, each beside one that differs in the point that matters: a
/// detection, the log source, what it must notice, and what it must let pass.
const CASES: &[(&str, &str, &str, &str)] = &[
    (
        "aws/root_user_active.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"iam.amazonaws.com","eventName":"ListUsers","eventType":"AwsApiCall","userIdentity":{"type":"Root"}}"#,
        r#"{"eventTime":"T","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventType":"AwsApiCall","userIdentity":{"type":"Root","invokedBy":"kms.amazonaws.com"}}"#,
    ),
    (
        "aws/trail_narrowed.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"cloudtrail.amazonaws.com","eventName":"PutEventSelectors","requestParameters":{"eventSelectors":[{"readWriteType":"All","includeManagementEvents":false}]}}"#,
        r#"{"eventTime":"T","eventSource":"cloudtrail.amazonaws.com","eventName":"PutEventSelectors","requestParameters":{"eventSelectors":[{"readWriteType":"All","includeManagementEvents":true}]}}"#,
    ),
    (
        "aws/trail_narrowed.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"cloudtrail.amazonaws.com","eventName":"UpdateTrail","requestParameters":{"isMultiRegionTrail":false}}"#,
        r#"{"eventTime":"T","eventSource":"cloudtrail.amazonaws.com","eventName":"UpdateTrail","requestParameters":{"name":"organization"}}"#,
    ),
    (
        "aws/guardduty_disabled.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"guardduty.amazonaws.com","eventName":"UpdateDetector","requestParameters":{"enable":false}}"#,
        r#"{"eventTime":"T","eventSource":"guardduty.amazonaws.com","eventName":"UpdateDetector","requestParameters":{"enable":true}}"#,
    ),
    (
        "aws/bucket_made_public.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"}}}}}"#,
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":{"Effect":"Deny","Principal":"*"}}}}"#,
    ),
    (
        "aws/bucket_made_public.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},{"Effect":"Allow","Principal":"*"}]}}}"#,
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Condition":{"Bool":{"aws:SecureTransport":"false"}}},{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/reader"},"Action":"s3:GetObject"}]}}}"#,
    ),
    (
        "aws/bucket_made_public.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","*"]}}]}}}"#,
        r#"{"eventTime":"T","eventSource":"s3.amazonaws.com","eventName":"PutBucketPolicy","requestParameters":{"bucketPolicy":{"Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root"]}}]}}}"#,
    ),
    (
        "aws/security_group_open.yml",
        "aws_cloudtrail",
        r#"{"eventTime":"T","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{"ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":20,"toPort":25,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{}}]}}}"#,
        r#"{"eventTime":"T","eventSource":"ec2.amazonaws.com","eventName":"AuthorizeSecurityGroupIngress","requestParameters":{"ipPermissions":{"items":[{"ipProtocol":"tcp","fromPort":443,"toPort":443,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{}}]}}}"#,
    ),
    (
        "okta/factors_reset.yml",
        "okta_system",
        r#"{"published":"T","eventType":"user.mfa.factor.reset_all","outcome":{"result":"SUCCESS"}}"#,
        r#"{"published":"T","eventType":"user.mfa.factor.reset_all","outcome":{"result":"FAILURE"}}"#,
    ),
    (
        "windows/shadow_copies_deleted.yml",
        "windows_events",
        r#"{"@timestamp":"T","Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Image":"C:\\Windows\\System32\\vssadmin.exe","CommandLine":"vssadmin Delete Shadows /All /Quiet"}"#,
        r#"{"@timestamp":"T","Channel":"Microsoft-Windows-Sysmon/Operational","EventID":1,"Image":"C:\\Windows\\System32\\vssadmin.exe","CommandLine":"vssadmin list shadows"}"#,
    ),
];

#[test]
fn detections_outside_the_story_tell_right_from_wrong() {
    let pipeline = Pipeline::new();
    for &(file, log_source, noticed, passed) in CASES {
        let fires = |line: &str| {
            let line = line.replacen("\"T\"", "\"2026-11-24T08:00:00Z\"", 1);
            let generated = Generated { time: start(), log_source, line, attack: None };
            pipeline.matches(&generated).iter().any(|found| found.rule.file == file)
        };
        assert!(fires(noticed), "{file} misses {noticed}");
        assert!(!fires(passed), "{file} fires on {passed}");
    }
}
