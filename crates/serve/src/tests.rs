//! Pipelines in one process, over a folder, with a clock that the tests own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use base::{Clock as _, FixedClock, Timestamp, limits};
use cel::{Environment, Tables};
use collect::{BucketSettings, Location};
use decode::{Decoder, LogSource};
use detect::{Definitions, FullScan, RuleSet, load_documents};
use lake::Lake;
use tempfile::TempDir;

use crate::{
    ALERTS_TABLE, BucketSpec, Detections, Happening, MATCHES_TABLE, Observer, Parts, RuleErrors,
    Status, bucket_lane::BucketLane, lane::Lane, pipeline::compose, quarantined, replay, run,
    spill::Spill, stop_signal,
};

mod announced;
mod correlations;
mod faults;
pub(crate) mod faulty;
mod health;
mod ledger;
mod maintenance;
mod noise;
mod push;
mod reload;

const DOORS: &str = "\
format: json
time: at
sigma:
  - {product: doors}
";

const FORCED: &str = "\
title: A door was forced
id: 7a1c5c2e-3f0f-4f0e-9a53-0a3f3f3a7f11
logsource: {product: doors}
detection:
  forced: {action: forced}
  condition: forced
level: high
dedup: [door]
dedup_window: 1h
";

/// Remembers what a pipeline told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn happened(&self, happening: &Happening<'_>) {
        let text = match happening {
            Happening::Alert(alert) => {
                format!("alert {}", alert.first_match.dedup_values.join(","))
            }
            Happening::Trouble { source, report } => format!("trouble {source} {}", report.code),
            Happening::Reloaded { rules, .. } => format!("reloaded {rules}"),
            _ => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A building whose doors write logs into a folder.
struct Building {
    folder: TempDir,
    detections: String,
    /// The declaration of a lookup table.
    lookups: Option<String>,
    /// How many matches of a rule become alerts in an hour.
    limit: u64,
    clock: Arc<FixedClock>,
    told: Arc<Told>,
}

impl Building {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let now = Timestamp::parse("2026-11-24T08:00:00Z").unwrap();
        let clock = Arc::new(FixedClock::new(now));
        Self {
            folder,
            detections: FORCED.to_owned(),
            lookups: None,
            limit: limits::RULE_MATCHES_PER_HOUR_MAX,
            clock,
            told: Arc::default(),
        }
    }

    fn log(&self, file: &str, lines: &[String]) {
        fs::write(self.path("logs").join(file), lines.concat()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lake(&self) -> Arc<Lake> {
        Arc::new(Lake::in_folder(&self.path("lake"), Arc::clone(&self.clock) as _).unwrap())
    }

    fn spec(&self, from: &str) -> BucketSpec {
        BucketSpec {
            name: "doors".to_owned(),
            log_source: "doors".to_owned(),
            location: Location::parse(from, self.folder.path(), &[]).unwrap(),
            settings: BucketSettings::new("doors"),
            poll: Duration::from_secs(1),
            announced: None,
            routes: Vec::new(),
            commit_every: Duration::from_secs(1),
        }
    }

    fn detections(&self) -> Detections {
        let mut tables = Tables::default();
        if let Some(spec) = &self.lookups {
            let spec = serde_json::from_str(spec).unwrap();
            tables.add(self.folder.path(), spec, self.clock.now()).unwrap();
        }
        let lookups = Arc::new(tables);
        let environment = Environment { lookups: Some(Arc::clone(&lookups) as _), macros: None };
        let definitions = Definitions { environment, ..Definitions::default() };
        let documents = load_documents("forced.yml", &self.detections, &definitions);
        let documents = documents.into_iter().map(Result::unwrap).collect();
        let (set, problems) = RuleSet::assemble(documents);
        assert_eq!(problems, []);
        let log_source = LogSource::parse("doors.yml", DOORS).unwrap();
        let routes = BTreeMap::from([("doors".to_owned(), log_source.sigma)]);
        Detections {
            matcher: Arc::new(FullScan::new(set.rules, &routes)),
            correlations: set.correlations,
            lookups,
            problems: Vec::new(),
        }
    }

    fn parts(&self, log_source: &str) -> Parts {
        let lake = self.lake();
        let log_source = LogSource::parse("doors.yml", log_source).unwrap();
        Parts {
            state: lake.state().unwrap(),
            lake,
            decoders: vec![Arc::new(Decoder::new(log_source).unwrap())],
            detections: self.detections(),
            newer_detections: None,
            receivers: Vec::new(),
            buckets: vec![self.spec("./logs")],
            pulls: Vec::new(),
            http: None,
            syslog: Vec::new(),
            maintenance: None,
            health: None,
            rule_matches_per_hour_max: self.limit,
            rule_query_bytes_max: limits::RULE_QUERY_BYTES_MAX,
            writer: None,
            clock: Arc::clone(&self.clock) as _,
            observer: Arc::clone(&self.told) as _,
            once: true,
            decode_only: false,
        }
    }

    async fn run(&self) -> Status {
        let (switch, stop) = stop_signal();
        run(self.parts(DOORS), switch, stop).await.unwrap()
    }

    async fn rows(&self, table: &str) -> u64 {
        let table = self.lake().table(table).await.unwrap();
        let snapshot = table.snapshot().await.unwrap();
        snapshot.iter().flat_map(|snapshot| &snapshot.files).filter_map(|file| file.rows).sum()
    }
}

fn event(minute: u32, door: &str, action: &str) -> String {
    format!(
        "{{\"at\":\"2026-11-24T07:{minute:02}:00Z\",\"door\":\"{door}\",\"action\":\"{action}\"}}\n"
    )
}

#[tokio::test]
async fn what_a_folder_holds_is_stored_and_alerted_on_once() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open"), event(2, "north", "forced")]);
    building.log("b.json", &[event(3, "north", "forced"), event(4, "south", "forced")]);
    let status = building.run().await;
    let doors = &status.sources["doors"];
    assert_eq!((doors.records, doors.rows, doors.matches, doors.alerts), (4, 4, 3, 2));
    assert_eq!(doors.last_event, Timestamp::parse("2026-11-24T07:04:00Z"));
    assert_eq!(doors.lag_seconds, Some(3360.0));
    assert_eq!(building.told.take(), ["alert north", "alert south"]);

    // A second process finds nothing new; a third only what was added.
    let status = building.run().await;
    assert_eq!(status.sources["doors"].records, 0);
    building.log("c.json", &[event(5, "south", "forced"), event(6, "east", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert east"]);
    assert_eq!(building.rows("doors").await, 6);
    assert_eq!(building.rows(MATCHES_TABLE).await, 5);
    assert_eq!(building.rows(ALERTS_TABLE).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sources_that_share_a_table_are_all_stored() {
    let building = Building::new();
    let mut parts = building.parts(DOORS);
    (parts.decoders, parts.buckets) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let name = format!("gate_{number}");
        fs::create_dir(building.path(&name)).unwrap();
        // Half of them have another type for the same column: whoever is slower makes its batch anew.
        let value = if number % 2 == 0 { "1" } else { "\"one\"" };
        let line = format!(
            "{{\"at\":\"2026-11-24T07:0{number}:00Z\",\"door\":\"north\",\"level\":{value}}}\n"
        );
        fs::write(building.path(&name).join("a.json"), line.repeat(3)).unwrap();
        let yaml = format!("name: {name}\ntable: gates\n{DOORS}");
        let log_source = LogSource::parse("gate.yml", &yaml).unwrap();
        parts.decoders.push(Arc::new(Decoder::new(log_source).unwrap()));
        let spec = building.spec(&format!("./{name}"));
        let settings = BucketSettings::new(&name);
        parts.buckets.push(BucketSpec { name: name.clone(), log_source: name, settings, ..spec });
    }
    let (switch, stop) = stop_signal();
    let status = run(parts, switch, stop).await.unwrap();
    let rows: Vec<u64> = status.sources.values().map(|source| source.rows).collect();
    assert_eq!(rows, [3; 8]);
    assert_eq!(building.rows("gates").await, 24);
}

#[tokio::test]
async fn what_cannot_be_decoded_waits_and_is_replayed_once() {
    let building = Building::new();
    let broken = "{\"when\":\"2026-11-24T07:02:00Z\",\"action\":\"forced\",\"door\":\"west\"}\n";
    building.log("a.json", &[event(1, "north", "open"), broken.to_owned()]);
    let status = building.run().await;
    let doors = &status.sources["doors"];
    assert_eq!((doors.records, doors.rows, doors.quarantined), (2, 1, 1));
    let waiting = quarantined(&building.lake()).await.unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].bytes, broken.trim_end().as_bytes());

    // The same log source reads it no better, one that was mended does.
    let replayed = replay(building.parts(DOORS), None).await.unwrap();
    assert_eq!((replayed.replayed, replayed.left), (0, 1));
    assert!(replayed.first_problem.is_some());
    let other: BTreeSet<String> = BTreeSet::from(["no-such-record".to_owned()]);
    let mended = DOORS.replace("time: at", "time: {field: [at, when]}");
    let none = replay(building.parts(&mended), Some(&other)).await.unwrap();
    assert_eq!((none.replayed, none.left), (0, 1));
    let replayed = replay(building.parts(&mended), None).await.unwrap();
    assert_eq!((replayed.replayed, replayed.left), (1, 0));
    assert_eq!(building.told.take(), ["alert west"]);
    let replayed = replay(building.parts(&mended), None).await.unwrap();
    assert_eq!((replayed.replayed, replayed.left), (0, 0));
    assert_eq!(building.rows("doors").await, 2);
}

#[tokio::test]
async fn a_trouble_that_stands_is_told_once() {
    let building = Building::new();
    let (_switch, stop) = stop_signal();
    let parts = Parts { once: false, ..building.parts(DOORS) };
    let decoder = Arc::clone(&parts.decoders[0]);
    let (stages, _) = compose(parts, stop).unwrap();
    let spec = building.spec("./missing");
    let (lane, last) = Lane::open(Arc::clone(&stages), "doors", decoder).await.unwrap();
    let mut lane = BucketLane::new(lane, last.as_ref(), spec).unwrap();
    for _ in 0..3 {
        assert!(lane.round().await.is_ok());
    }
    assert_eq!(stages.board.status().sources["doors"].errors, 1);
    assert_eq!(building.told.take().len(), 1);

    // One that goes away and comes back is told again.
    fs::create_dir(building.path("missing")).unwrap();
    assert!(lane.round().await.is_ok());
    fs::remove_dir(building.path("missing")).unwrap();
    assert!(lane.round().await.is_ok());
    assert_eq!(stages.board.status().sources["doors"].errors, 2);
}

#[tokio::test]
async fn the_status_is_written_when_it_changes() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open"), event(2, "north", "shut")]);
    building.run().await;
    let lake = building.lake();
    let written = Status::read(&lake).await.unwrap().unwrap();
    assert_eq!(written.stopped, Some(building.clock.now()));
    assert_eq!(written.sources["doors"].rows, 2);

    let (_switch, stop) = stop_signal();
    let (stages, _) = compose(building.parts(DOORS), stop).unwrap();
    stages.board.publish(&lake, building.clock.now()).await.unwrap();
    lake.delete("status.json").await.unwrap();
    building.clock.advance(Duration::from_secs(3600));
    stages.board.publish(&lake, building.clock.now()).await.unwrap();
    assert_eq!(Status::read(&lake).await.unwrap(), None, "nothing had changed");
    stages.board.source("doors", |doors| doors.errors += 1);
    stages.board.publish(&lake, building.clock.now()).await.unwrap();
    assert_eq!(Status::read(&lake).await.unwrap().unwrap().sources["doors"].errors, 1);
}

#[tokio::test]
async fn rules_that_fail_are_counted_and_told_of_once() {
    let mut building = Building::new();
    building.detections = format!(
        "{FORCED}---\ntitle: Floors\nid: floors\nlog_source: doors\ncel: int(door) > 1 || action == \
         'none'\n"
    );
    let doors = [event(1, "north", "open"), event(2, "7", "open"), event(3, "south", "open")];
    building.log("a.json", &doors);
    let status = building.run().await;
    let mut told = building.told.take();
    told.sort();
    assert_eq!(told, ["alert ", "trouble rules DAB0708"]);
    let [failed] = status.rule_errors.as_slice() else { panic!("{:?}", status.rule_errors) };
    assert_eq!((failed.rule.as_str(), failed.count, failed.line), ("floors", 2, 11));
    assert!(failed.message.contains("`south`"), "{}", failed.message);
    let offset = doors[..2].concat().len();
    assert!(failed.event_id.ends_with(&format!("-{offset:x}")), "{}", failed.event_id);
    let written = Status::read(&building.lake()).await.unwrap().unwrap();
    assert_eq!(written.rule_errors, status.rule_errors);

    // What is known is not told again; what becomes known later is.
    let (_switch, stop) = stop_signal();
    let (stages, _) = compose(building.parts(DOORS), stop).unwrap();
    let error = |rule: &str, count| RuleErrors { rule: rule.into(), count, ..failed.clone() };
    let names =
        |errors: Vec<RuleErrors>| errors.into_iter().map(|error| error.rule).collect::<Vec<_>>();
    assert_eq!(names(stages.board.rule_errors(vec![error("a", 1)])), ["a"]);
    let both = vec![error("a", 2), error("b", 3)];
    assert_eq!(names(stages.board.rule_errors(both)), ["b"]);
    assert_eq!(names(stages.board.status().rule_errors), ["b", "a"], "the worst first");
    assert_eq!(names(stages.board.rule_errors(Vec::new())), [""; 0]);
    assert_eq!(stages.board.status().rule_errors, []);
}

#[test]
fn a_long_record_keeps_its_head_and_all_its_bytes() {
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let mut spill = Spill::new(7).unwrap();
    for piece in bytes.chunks(9999) {
        spill.add(piece).unwrap();
    }
    assert_eq!((spill.record_offset(), spill.length()), (7, bytes.len() as u64));
    assert_eq!(spill.head(), &bytes[..limits::QUARANTINE_INLINE_BYTES_MAX]);
    spill.set_key("key".to_owned());
    let (key, file) = spill.into_file().unwrap();
    assert_eq!(key, "key");
    assert_eq!(zstd::decode_all(file).unwrap(), bytes);
}
