//! A backtest over the lake finds what the stream found: the same events, the same rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use base::{FixedClock, Timestamp};
use collect::{BucketSettings, Location};
use decode::Decoder;
use detect::Engine as Matching;
use lake::query::Rows;
use vet::Project;

use super::*;
use crate::{BucketSpec, Detections, Parts, happening::Nobody, run, stop_signal};

/// A lake, with logs in folders that are called as their log sources.
struct Site {
    folder: tempfile::TempDir,
    clock: Arc<FixedClock>,
    project: Project,
}

impl Site {
    fn new(detections: &[PathBuf]) -> Self {
        let project = vet::load(detections, &[], true);
        let now = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { folder, clock: Arc::new(FixedClock::new(now)), project }
    }

    fn log(&self, log_source: &str, name: &str, bytes: &[u8]) {
        let folder = self.folder.path().join(log_source);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }

    fn lake(&self) -> Arc<Lake> {
        let clock = Arc::clone(&self.clock) as _;
        Arc::new(Lake::in_folder(&self.folder.path().join("lake"), clock).unwrap())
    }

    /// Takes in everything, with the rules active.
    async fn ingest(&self, log_sources: &[&str]) {
        let lake = self.lake();
        let routes = self.project.log_sources.iter();
        let routes = routes.map(|source| (source.name.clone(), source.sigma.clone())).collect();
        let sources = self.project.log_sources.iter();
        let spec = |log_source: &&str| BucketSpec {
            announced: None,
            routes: Vec::new(),
            name: (*log_source).to_owned(),
            log_source: (*log_source).to_owned(),
            location: Location::parse(&format!("./{log_source}"), self.folder.path(), &[]).unwrap(),
            settings: BucketSettings::new(*log_source),
            poll: Duration::from_secs(1),
            commit_every: Duration::from_secs(1),
        };
        let parts = Parts {
            state: lake.state().unwrap(),
            lake,
            decoders: sources.map(|s| Arc::new(Decoder::new(s.clone()).unwrap())).collect(),
            detections: Detections {
                matcher: Arc::new(Matching::new(self.project.rules.clone(), &routes)),
                correlations: self.project.correlations.clone(),
                lookups: Arc::clone(&self.project.lookups),
                problems: Vec::new(),
            },
            newer_detections: None,
            receivers: Vec::new(),
            buckets: log_sources.iter().map(spec).collect(),
            pulls: Vec::new(),
            http: None,
            syslog: Vec::new(),
            maintenance: None,
            health: None,
            rule_matches_per_hour_max: base::limits::RULE_MATCHES_PER_HOUR_MAX,
            rule_query_bytes_max: base::limits::RULE_QUERY_BYTES_MAX,
            writer: None,
            clock: Arc::clone(&self.clock) as _,
            observer: Arc::new(Nobody),
            once: true,
            decode_only: false,
        };
        let (switch, stop) = stop_signal();
        run(parts, switch, stop).await.unwrap();
    }

    /// What the stream found: events with rules.
    async fn streamed(&self) -> BTreeSet<(String, String)> {
        let engine = Engine::new(self.lake(), QuerySettings::default());
        let rows = engine.sql("select event_id, rule_id from matches").await.unwrap();
        let Rows::Table { batches, .. } = rows else { panic!("a table") };
        let mut found = BTreeSet::new();
        for batch in batches {
            use arrow::array::AsArray as _;
            let (ids, rules) =
                (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            let pairs = ids.iter().zip(rules.iter());
            found
                .extend(pairs.map(|(id, rule)| (id.unwrap().to_owned(), rule.unwrap().to_owned())));
        }
        found
    }

    async fn backtest_of(&self, rules: &[Arc<detect::Rule>]) -> (Outcome, Spent) {
        let mut part = Project::default();
        part.rules = rules.to_vec();
        self.backtest(&part).await
    }

    async fn backtest(&self, part: &Project) -> (Outcome, Spent) {
        let trial = Backtest::new(&self.project, part).unwrap();
        self.try_backtest(trial, u64::MAX).await.unwrap()
    }

    async fn try_backtest(
        &self,
        trial: Backtest,
        bytes_max: u64,
    ) -> Result<(Outcome, Spent), base::Problem> {
        let asked = BacktestRange { range: TimeRange::default(), bytes_max };
        backtest(self.lake(), trial, asked, self.clock.as_ref(), &mut |_, _, _| {}).await
    }

    /// Checks that stream and backtest agree: all rules at once, and those without a search in all
    /// fields, for which only some columns are read. Answers how many matches there are.
    async fn check(&self, log_sources: &[&str]) -> usize {
        self.ingest(log_sources).await;
        let streamed = self.streamed().await;
        let (outcome, all) = self.backtest(&self.project).await;
        assert_eq!(found(&outcome), streamed, "all rules");
        let is_narrow = |rule: &&Arc<detect::Rule>| {
            !rule.reads(&base::SigmaRoute::default()).is_anywhere && rule.log_source.needs_route()
        };
        let narrow: Vec<_> = self.project.rules.iter().filter(is_narrow).map(Arc::clone).collect();
        let ids: BTreeSet<&str> = narrow.iter().map(|rule| rule.info.id.as_str()).collect();
        let of_these = |pairs: &BTreeSet<(String, String)>| {
            let pairs = pairs.iter().filter(|(_, rule)| ids.contains(rule.as_str()));
            pairs.cloned().collect::<BTreeSet<_>>()
        };
        let (outcome, some) = self.backtest_of(&narrow).await;
        assert_eq!(found(&outcome), of_these(&streamed), "rules that read some columns");
        println!(
            "{} events, {} rules, {} matches; {} and {} of bytes read",
            all.events,
            self.project.rules.len(),
            streamed.len(),
            all.bytes,
            some.bytes
        );
        assert!(some.bytes <= all.bytes);
        streamed.len()
    }

    /// Checks that each of these rules, alone, finds what it found in the stream, and that it was
    /// asked only about some of the events.
    async fn check_each(&self, ids: &[&str]) {
        let streamed = self.streamed().await;
        for id in ids {
            let is_it = |rule: &&Arc<detect::Rule>| rule.info.id == *id;
            let rule: Vec<_> = self.project.rules.iter().filter(is_it).map(Arc::clone).collect();
            let (outcome, spent) = self.backtest_of(&rule).await;
            let expected = streamed.iter().filter(|(_, rule)| rule == id).cloned();
            assert_eq!(found(&outcome), expected.collect(), "{id}");
            println!("{id}: {} matches, {spent:?}", outcome.matches.len());
            assert!(!outcome.matches.is_empty() && spent.asked < spent.events, "{id}: {spent:?}");
        }
    }
}

fn found(outcome: &Outcome) -> BTreeSet<(String, String)> {
    let pairs = outcome.matches.iter();
    pairs.map(|(hit, _)| (hit.event_id.to_string(), hit.rule.id.clone())).collect()
}

fn shipped_detections(into: &Path) {
    for (path, text) in testkit::shipped_detections() {
        let path = into.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[tokio::test]
async fn the_story_is_found_again_in_the_lake() {
    let rules = tempfile::tempdir().unwrap();
    shipped_detections(rules.path());
    let site = Site::new(&[rules.path().to_owned()]);
    let start = Timestamp::parse("2026-11-24T07:40:00Z").unwrap();
    let mut logs: BTreeMap<&str, String> = BTreeMap::new();
    for record in testkit::Scenario::new(7, start, Duration::from_secs(600), 10.0) {
        let log = logs.entry(record.log_source).or_default();
        log.push_str(&record.line);
        // CloudTrail comes as documents.
        log.push(if record.log_source == "aws_cloudtrail" { ',' } else { '\n' });
    }
    for (log_source, text) in &logs {
        let text = match *log_source {
            "aws_cloudtrail" => format!("{{\"Records\":[{}]}}", text.trim_end_matches(',')),
            _ => text.clone(),
        };
        site.log(log_source, "log.json", text.as_bytes());
    }
    let names: Vec<&str> = logs.keys().copied().collect();
    assert!(site.check(&names).await > 40);
    let trial = Backtest::new(&site.project, &site.project).unwrap();
    let refused = site.try_backtest(trial, 1000).await.unwrap_err();
    assert_eq!(refused.report().code, "DAB0531", "it ends when it has read too much: {refused}");
}

/// Each with a time of its own.
const EVENTS: [&str; 12] = [
    r#"{"code":4688}"#,
    r#"{"code":"4688"}"#,
    r#"{"code":4688.5}"#,
    r#"{"code":{"a":1},"a":{"b":"an odd one"}}"#,
    r#"{"code":[1,"4688"],"a.b":"odd too"}"#,
    r#"{"code":null,"debugContext":{"debugData":{"depth":{"a":{"b":{"c":{"d":{"e":{"f":{"g":"deep"}}}}}}}}}}"#,
    r#"{"actor":{"alternateId":"mira"},"x":"a needle here"}"#,
    r#"{"client":{"ipAddress":"203.0.113.9"},"user":{"name":"needle"}}"#,
    r#"{"target":[{"type":"User","n":2},{"type":"App"}],"flag":true}"#,
    r#"{"target":[{"type":"App","n":"2"}],"flag":"true"}"#,
    r#"{"big":123456789012345678901234567890,"code":"x"}"#,
    r#"{"code":123456789012345678901234567890,"user":"plain","a":"text"}"#,
];

/// Fields whose types change, keys with dots and odd spellings, normalized fields, all fields.
#[tokio::test]
async fn whatever_the_table_makes_of_a_value_it_is_found() {
    const RULES: &str = r"
title: text
id: text
logsource: {product: okta}
detection: {s: {code: '4688'}, condition: s}
---
title: number
id: number
logsource: {product: okta}
detection: {s: {code|gte: 4000}, condition: s}
---
title: inside
id: inside
logsource: {product: okta}
detection: {s: {debugContext.debugData.depth.a.b.c.d.e.f.g: deep}, condition: s}
---
title: dotted
id: dotted
logsource: {product: okta}
detection: {s: {a.b|contains: odd}, condition: s}
---
title: word
id: word
logsource: {product: okta}
detection: {s: [needle], condition: s}
---
title: normalized
id: normalized
log_source: okta_system
cel: user.name == 'mira' || source.ip == '203.0.113.9'
---
title: absent
id: absent
logsource: {product: okta}
detection: {s: {code: null}, condition: s}
---
title: list
id: list
logsource: {product: okta}
detection: {s: {target.type: User, target.n: 2}, condition: s}
---
title: everywhere
id: everywhere
cel: big > 1e20 || flag == true
";
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES).unwrap();
    let site = Site::new(&[rules]);
    assert_eq!(site.project.problems, []);
    let mut log = String::new();
    for (minute, event) in EVENTS.iter().enumerate() {
        let rest = event.strip_prefix('{').unwrap();
        log.push_str(&format!("{{\"published\":\"2026-11-24T07:{minute:02}:00Z\",{rest}\n"));
    }
    site.log("okta_system", "log.json", log.as_bytes());
    assert!(site.check(&["okta_system"]).await > 15);
}

fn corpora() -> Option<PathBuf> {
    let root = std::env::var_os("DAB_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    if root.is_dir() {
        return Some(root);
    }
    let is_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!is_ci, "{} is not there", root.display());
    println!("skipped: {} is not there", root.display());
    None
}

fn sigmahq(corpora: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tar = fs::File::open(corpora.join("sigmahq-rules.tar.zst")).unwrap();
    let plain = folder.path().join("rules.tar");
    fs::write(&plain, zstd::decode_all(tar).unwrap()).unwrap();
    let unpack = Command::new("tar").arg("-xf").arg(&plain).arg("-C").arg(folder.path()).status();
    assert!(unpack.unwrap().success());
    folder
}

/// Windows events from all over a corpus of attacks, in the order of their times. Those without one
/// come first, or are left out.
fn windows_events(corpora: &Path, count: usize, has_time: bool) -> Vec<Vec<u8>> {
    let windows = fs::File::open(corpora.join("mordor/windows-attacks.ndjson.zst")).unwrap();
    let mut text = Vec::new();
    zstd::Decoder::new(windows).unwrap().read_to_end(&mut text).unwrap();
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
    let step = (lines.len() / count).max(1);
    let mut some: Vec<(String, Vec<u8>)> = lines
        .into_iter()
        .step_by(step)
        .map(|line| {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            (event["@timestamp"].as_str().unwrap_or_default().to_owned(), line.to_vec())
        })
        .collect();
    some.sort();
    some.retain(|(time, _)| !has_time || !time.is_empty());
    some.into_iter().map(|(_, line)| line).collect()
}

fn log_cloudtrail(site: &Site, corpora: &Path) {
    for folder in ["cloudtrail/aws_dataset", "cloudtrail/stratus"] {
        for file in fs::read_dir(corpora.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let name = format!("{}-{}", folder.len(), path.file_name().unwrap().display());
            site.log("aws_cloudtrail", &name, &fs::read(path).unwrap());
        }
    }
}

#[tokio::test]
async fn real_attacks_are_found_again_in_the_lake() {
    let Some(corpora) = corpora() else { return };
    let rules = sigmahq(&corpora);
    fs::write(rules.path().join("expressions.yml"), EXPRESSIONS).unwrap();
    let site = Site::new(&[rules.path().to_owned()]);
    log_cloudtrail(&site, &corpora);
    site.log("windows_events", "log.json", &windows_events(&corpora, 3_000, false).join(&b'\n'));
    assert!(site.check(&["aws_cloudtrail", "windows_events"]).await > 100);
    site.check_each(&["user-agents", "privileged", "failed"]).await;
}

const EXPRESSIONS: &str = r"
title: User agents of tools
id: user-agents
log_source: aws_cloudtrail
cel: user_agent.original.contains('aws-cli') || userAgent.startsWith('Boto3')
---
title: Privileged
id: privileged
log_source: windows_events
cel: EventID == 4672 && !user.name.endsWith('$')
---
title: Failed anywhere
id: failed
cel: event.outcome == 'failure' || errorCode != ''
";

/// Counted, compared and put in order: what correlations make of real events that came in many
/// batches is what they make of them in the lake.
#[tokio::test]
async fn correlations_of_real_events_are_found_again_in_the_lake() {
    const RULES: &str = r"
title: Process
name: process
logsource: {product: windows, category: process_creation}
detection: {s: {Image|endswith: .exe}, condition: s}
---
title: Access
name: access
logsource: {product: windows, category: process_access}
detection: {s: {TargetImage|endswith: '\lsass.exe'}, condition: s}
---
title: Logon
name: logon
log_source: windows_events
cel: EventID == 4624 || EventID == 4672
---
title: Many processes
id: many
correlation:
  {type: event_count, rules: [process], group-by: [Computer], timespan: 1h, condition: {gte: 2}}
---
title: Many images
id: images
correlation:
  type: value_count
  rules: [process]
  group-by: [Computer]
  timespan: 1h
  condition: {field: Image, gte: 2}
---
title: One after the other
id: order
level: high
correlation:
  {type: temporal_ordered, rules: [logon, access], group-by: [Computer], timespan: 1h}
---
title: A lot of it
id: chain
correlation:
  {type: event_count, rules: [many], generate: true, timespan: 1w, condition: {gte: 2}}
";
    let Some(corpora) = corpora() else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, RULES).unwrap();
    let site = Site::new(&[rules]);
    assert_eq!(site.project.problems, []);
    let events = windows_events(&corpora, 20_000, true);
    // Later files hold later events: each becomes a batch of its own.
    for (number, events) in events.chunks(1_500).enumerate() {
        site.log("windows_events", &format!("{number:03}.json"), &events.join(&b'\n'));
    }
    site.ingest(&["windows_events"]).await;
    let streamed = site.streamed().await;
    let (outcome, _) = site.backtest(&site.project).await;
    assert_eq!(found(&outcome), streamed);
    for rule in ["many", "images", "order", "chain"] {
        let count = streamed.iter().filter(|(_, id)| id == rule).count();
        println!("{rule}: {count}");
        assert!(count > 0, "{rule}");
    }
    assert!(outcome.rules.iter().any(|rule| rule.silent > 0), "the rules below are silent");
}
