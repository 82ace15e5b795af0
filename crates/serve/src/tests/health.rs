//! Sources that stop are alerted about, by a pipeline that is started again and again.

use super::*;
use crate::{Expected, Health, Silence};

impl Building {
    async fn run_watched(&self, expected: Expected) -> Status {
        let (switch, stop) = stop_signal();
        let sources = BTreeMap::from([("doors".to_owned(), expected)]);
        let health = Some(Health { look_every: Duration::from_secs(60), sources });
        run(Parts { health, ..self.parts(DOORS) }, switch, stop).await.unwrap()
    }
}

#[tokio::test]
async fn a_source_that_went_silent_is_alerted_about_once_until_it_is_back() {
    let building = Building::new();
    let expected =
        Expected { silence: Silence::After(Duration::from_secs(1800)), ..Expected::default() };
    building.log("a.json", &[event(1, "north", "open")]);
    assert_eq!(building.run_watched(expected).await.unhealthy, []);
    for round in 0..4 {
        building.clock.advance(Duration::from_secs(900));
        let status = building.run_watched(expected).await;
        // Half an hour is not more than half an hour.
        assert_eq!(status.unhealthy.len(), usize::from(round >= 2), "{status:?}");
    }
    let told = building.told.take();
    assert_eq!(told.iter().filter(|told| told.starts_with("alert doors")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|told| *told == "trouble health DAB0722").count(), 1, "{told:?}");
    assert_eq!(building.rows(ALERTS_TABLE).await, 1);

    building.log("b.json", &[event(2, "north", "open")]);
    let status = building.run_watched(expected).await;
    assert_eq!(status.unhealthy, []);
    assert_eq!(status.sources["doors"].silent_after_seconds, Some(1800));
    assert_eq!(building.told.take(), [""; 0]);
    building.clock.advance(Duration::from_secs(3600));
    building.run_watched(expected).await;
    let told = building.told.take();
    assert_eq!(told.iter().filter(|told| told.starts_with("alert doors")).count(), 1, "{told:?}");
}

#[tokio::test]
async fn fields_that_a_source_never_had_are_counted_and_told_of_where_that_is_wanted() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open")]);
    let expected = Expected { tells_new_fields: true, ..Expected::default() };
    let status = building.run_watched(expected).await;
    assert_eq!(status.sources["doors"].new_fields, 0, "what the first batch has is not new");
    let line = |more: &str| {
        format!(
            "{{\"at\":\"2026-11-24T07:02:00Z\",\"door\":\"north\",\"action\":\"open\",{more}}}\n"
        )
    };
    building.log("b.json", &[line("\"badge\":{\"id\":7}")]);
    let status = building.run_watched(Expected::default()).await;
    let doors = &status.sources["doors"];
    assert_eq!((doors.new_fields, doors.new_field_names[0].name.as_str()), (1, "badge.id"));
    assert_eq!(status.unhealthy, [], "nobody asked for it");
    building.log("c.json", &[line("\"badge\":{\"id\":7,\"color\":\"red\"},\"floor\":1")]);
    let status = building.run_watched(expected).await;
    let names: Vec<&str> =
        status.sources["doors"].new_field_names.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["badge.color", "floor"]);
    assert_eq!(status.unhealthy[0].kind, "new_fields");
    assert_eq!(status.unhealthy[0].message, "has fields that it never had: `badge.color`, `floor`");
    // What is known is not new.
    building.log("d.json", &[line("\"floor\":2")]);
    assert_eq!(building.run_watched(expected).await.sources["doors"].new_fields, 0);
}

/// A state that can't be written.
#[derive(Debug)]
struct Failing(Arc<dyn base::StateStore>);

#[async_trait::async_trait]
impl base::StateStore for Failing {
    async fn get(&self, key: &str) -> Result<Option<base::Versioned>, base::StateError> {
        self.0.get(key).await
    }

    async fn compare_and_set(
        &self,
        key: &str,
        version: Option<&str>,
        value: &[u8],
    ) -> Result<String, base::StateError> {
        if key.starts_with("health/") {
            return Err(base::StateError::Unavailable("503 Slow Down".into()));
        }
        self.0.compare_and_set(key, version, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), base::StateError> {
        self.0.delete(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, base::StateError> {
        self.0.list(prefix).await
    }
}

#[tokio::test]
async fn a_state_that_fails_is_told_of_and_holds_up_nobody() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open"), event(2, "north", "forced")]);
    let parts = building.parts(DOORS);
    let state = Arc::new(Failing(Arc::clone(&parts.state)));
    let sources = BTreeMap::from([("doors".to_owned(), Expected::default())]);
    let health = Some(Health { look_every: Duration::from_secs(60), sources });
    let (switch, stop) = stop_signal();
    let status = run(Parts { state, health, ..parts }, switch, stop).await.unwrap();
    assert_eq!(status.sources["doors"].rows, 2);
    let told = building.told.take();
    assert!(told.iter().any(|told| told.starts_with("trouble health DAB0")), "{told:?}");
    assert!(told.contains(&"alert north".to_owned()), "alerts are raised all the same: {told:?}");
}
