//! Rules and tables that change while a pipeline runs.

use cel::Lookups as _;

use super::*;
use crate::{
    DetectionSource, Detections,
    lane::Stages,
    reload::{keep_current, round},
};

/// Gives out what is put into it, once.
#[derive(Debug, Default)]
struct Shelf(Mutex<Option<Detections>>);

impl DetectionSource for Shelf {
    fn newer(&self) -> Option<Detections> {
        self.0.lock().unwrap().take()
    }
}

/// A running pipeline, step by step.
struct Running {
    building: Building,
    stages: Arc<Stages>,
    lane: BucketLane,
    shelf: Arc<Shelf>,
    waiting: Option<Detections>,
}

impl Running {
    async fn start(building: Building) -> Self {
        let (_switch, stop) = stop_signal();
        let parts = building.parts(DOORS);
        let decoder = Arc::clone(&parts.decoders[0]);
        let (stages, _) = compose(parts, stop).unwrap();
        let (lane, last) = Lane::open(Arc::clone(&stages), "doors", decoder).await.unwrap();
        let lane = BucketLane::new(lane, last.as_ref(), building.spec("./logs")).unwrap();
        Self { building, stages, lane, shelf: Arc::default(), waiting: None }
    }

    async fn log(&mut self, file: &str, events: &[String]) -> Vec<String> {
        self.building.log(file, events);
        assert!(self.lane.round().await.is_ok());
        self.building.told.take()
    }

    async fn reload(&mut self, detections: &str) {
        detections.clone_into(&mut self.building.detections);
        *self.shelf.0.lock().unwrap() = Some(self.building.detections());
        self.look().await;
    }

    /// Lets the wait for what is late be over; answers how many alerts that raises.
    async fn end_wait(&self) -> usize {
        assert_eq!(self.stages.alerts.end_wait(false).await.unwrap(), 0, "the wait begins");
        self.building.clock.advance(Duration::from_secs(60));
        self.stages.alerts.end_wait(false).await.unwrap()
    }

    async fn look(&mut self) {
        let source = Arc::clone(&self.shelf) as Arc<dyn DetectionSource>;
        round(&self.stages, Some(&source), &mut self.waiting).await.unwrap();
    }
}

const OPENED: &str = "\
title: A door was opened
id: opened
logsource: {product: doors}
detection:
  opened: {action: open}
  condition: opened
dedup: [door]
";

const AGAIN: &str = "\
title: Forced again and again
id: again
correlation:
  type: event_count
  rules: [7a1c5c2e-3f0f-4f0e-9a53-0a3f3f3a7f11]
  group-by: [door]
  timespan: 1h
  condition: {gte: 3}
";

#[tokio::test]
async fn the_next_events_meet_the_new_rules() {
    let mut running = Running::start(Building::new()).await;
    let events = [event(1, "north", "forced"), event(2, "west", "open")];
    assert_eq!(running.log("a.json", &events).await, ["alert north"]);
    running.reload(OPENED).await;
    assert_eq!(running.building.told.take(), ["reloaded 1"]);
    let events = [event(3, "south", "forced"), event(4, "east", "open")];
    assert_eq!(running.log("b.json", &events).await, ["alert east"]);
    running.look().await;
    assert_eq!(running.building.told.take(), [""; 0], "nothing is newer");
    assert_eq!(running.building.rows("doors").await, 4, "no event is lost");
}

#[tokio::test]
async fn correlations_that_are_the_same_keep_what_they_know() {
    let mut building = Building::new();
    building.detections = format!("{FORCED}---\n{AGAIN}");
    let mut running = Running::start(building).await;
    let hit = |minute, door| event(minute, door, "forced");
    let events = [hit(1, "north"), hit(2, "north"), hit(3, "south")];
    assert_eq!(running.log("a.json", &events).await, [""; 0]);
    running.reload(&format!("{FORCED}---\n{AGAIN}---\n{OPENED}")).await;
    assert_eq!(running.building.told.take(), ["reloaded 2"]);
    assert_eq!(
        running.log("b.json", &[hit(4, "north")]).await,
        [""; 0],
        "it waits for what is late"
    );
    assert_eq!(running.end_wait().await, 1);
    assert_eq!(running.building.told.take(), ["alert north"]);

    // One that has changed counts from now on, and so does one that was away.
    running.reload(&format!("{FORCED}---\n{}", AGAIN.replace("gte: 3", "gte: 2"))).await;
    running.log("c.json", &[hit(5, "south")]).await;
    assert_eq!(running.end_wait().await, 0);
    running.log("d.json", &[hit(6, "south")]).await;
    assert_eq!(running.end_wait().await, 1);
}

#[tokio::test]
async fn a_table_follows_its_file() {
    let mut building = Building::new();
    fs::write(building.path("guarded.csv"), "door\nnorth\n").unwrap();
    building.detections = "title: A guarded door\nid: guarded\nlogsource: {product: doors}\n\
                           cel: list.contains('guarded', door)\ndedup: [door]\ndedup_window: 10m\n"
        .to_owned();
    building.lookups =
        Some("{\"name\":\"guarded\",\"file\":\"guarded.csv\",\"key\":\"door\"}".into());
    let mut running = Running::start(building).await;
    let both = |minute| [event(minute, "north", "open"), event(minute, "south", "open")];
    assert_eq!(running.log("a.json", &both(1)).await, ["alert north"]);
    let guarded = running.building.path("guarded.csv");
    fs::write(&guarded, "door\nsouth\n").unwrap();
    running.building.clock.advance(Duration::from_secs(299));
    running.look().await;
    assert_eq!(running.log("b.json", &both(2)).await, [""; 0], "it is not time yet");
    running.building.clock.advance(Duration::from_secs(1));
    running.look().await;
    assert_eq!(running.log("c.json", &both(3)).await, ["alert south"]);
    // A file that is away leaves the table as it was, and is told of.
    fs::remove_file(&guarded).unwrap();
    running.building.clock.advance(Duration::from_secs(300));
    running.look().await;
    assert_eq!(running.building.told.take(), ["trouble lookup tables DAB0281"]);
    assert_eq!(running.log("d.json", &both(20)).await, ["alert south"]);
}

#[tokio::test(start_paused = true)]
async fn a_running_pipeline_looks_by_itself() {
    let running = Running::start(Building::new()).await;
    *running.shelf.0.lock().unwrap() = Some(running.building.detections());
    let (switch, stop) = stop_signal();
    let source = Arc::clone(&running.shelf) as Arc<dyn DetectionSource>;
    let looking = tokio::spawn(keep_current(Arc::clone(&running.stages), Some(source), stop));
    while running.shelf.0.lock().unwrap().is_some() {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    switch.stop();
    looking.await.unwrap();
}

#[tokio::test]
async fn a_table_may_be_what_a_query_over_the_lake_answers() {
    let mut building = Building::new();
    building.log("a.json", &[event(1, "north", "open")]);
    building.run().await;
    building.detections = "title: A door never seen\nid: unseen\nlogsource: {product: doors}\n\
                           cel: '!list.contains(\"seen\", door)'\ndedup: [door]\n"
        .to_owned();
    building.lookups = Some(
        r#"{"name": "seen", "sql": "SELECT door, count(*) AS n FROM doors GROUP BY door",
            "key": "door", "columns": {"n": "n"}}"#
            .to_owned(),
    );
    building.told.take();
    building.log("b.json", &[event(2, "north", "open"), event(3, "south", "open")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert south"], "the query was run before the first event");
    let mut running = Running::start(building).await;
    running.look().await;
    assert_eq!(running.log("c.json", &[event(4, "south", "open")]).await, [""; 0]);
    assert_eq!(running.log("d.json", &[event(5, "east", "open")]).await, ["alert east"]);

    // A query that can't be run is told of, and once for each time that it is due.
    let mut broken = Building::new();
    broken.lookups = Some(
        r#"{"name": "seen", "sql": "SELECT a FROM nothing", "key": "a", "columns": {"a": "a"}}"#
            .to_owned(),
    );
    let mut running = Running::start(broken).await;
    running.look().await;
    running.look().await;
    assert_eq!(running.building.told.take(), ["trouble lookup tables DAB0286"]);
    running.building.clock.advance(Duration::from_secs(300));
    running.look().await;
    assert_eq!(running.building.told.take(), ["trouble lookup tables DAB0286"]);
}

#[tokio::test]
async fn a_query_that_may_read_too_much_is_told_of_and_others_are_run() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open")]);
    building.run().await;
    let mut tables = Tables::default();
    for (name, sql) in [
        ("seen", "SELECT door, count(*) AS n FROM doors GROUP BY door"),
        ("fixed", "SELECT 'south' AS door, 1 AS n"),
    ] {
        let spec = format!(
            r#"{{"name": "{name}", "sql": "{sql}", "key": "door", "columns": {{"n": "n"}}}}"#
        );
        let spec = serde_json::from_str(&spec).unwrap();
        tables.add(building.folder.path(), spec, building.clock.now()).unwrap();
    }
    let (tables, now) = (Arc::new(tables), building.clock.now());
    let problems = crate::refresh_lookups(&building.lake(), &tables, now, 100).await.unwrap();
    let [(name, report)] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((name.as_str(), report.code.as_str()), ("seen", "DAB0286"));
    assert!(report.message.contains("would read up to "), "{report}");
    let help = "narrow its time, or raise `rule_query_bytes_max` in the settings";
    assert_eq!(report.help.as_deref(), Some(help));
    assert!(tables.find("fixed", "south", None).is_some(), "the others are run");
    assert!(tables.find("seen", "north", None).is_none());
    let later = now.plus(Duration::from_secs(300));
    let problems = crate::refresh_lookups(&building.lake(), &tables, later, 1 << 20).await;
    assert_eq!(problems.unwrap(), []);
    assert!(tables.find("seen", "north", None).is_some());
}
