//! Correlations in a pipeline: exactly once over batches, runs and troubles.

use super::*;

/// Two doors forced three times, and one of them opened then.
fn building(condition: &str) -> Building {
    let mut building = Building::new();
    building.detections = format!(
        "{FORCED}---\ntitle: Forced again and again\nid: again\ncorrelation:\n  \
         type: event_count\n  rules: [7a1c5c2e-3f0f-4f0e-9a53-0a3f3f3a7f11]\n  \
         group-by: [door]\n  timespan: 1h\n  condition: {{{condition}}}\n"
    );
    building
}

#[tokio::test]
async fn matches_are_counted_over_runs_and_raise_one_alert() {
    let building = building("gte: 3");
    building.log("a.json", &[event(1, "north", "forced"), event(2, "south", "forced")]);
    let status = building.run().await;
    assert_eq!((status.sources["doors"].matches, status.sources["doors"].alerts), (2, 0));
    building.log("b.json", &[event(3, "north", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), [""; 0], "the rule below is silent");
    building.log("c.json", &[event(4, "north", "forced"), event(5, "north", "open")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert north"]);
    building.log("d.json", &[event(6, "north", "forced")]);
    building.run().await;
    building.run().await;
    assert_eq!(building.told.take(), [""; 0]);
    assert_eq!((building.rows(MATCHES_TABLE).await, building.rows(ALERTS_TABLE).await), (1, 1));
}

#[tokio::test]
async fn rules_that_may_speak_do_so_besides() {
    let mut building = building("gte: 2");
    building.detections =
        building.detections.replace("correlation:", "generate: true\ncorrelation:");
    building.log("a.json", &[event(1, "north", "forced"), event(2, "north", "forced")]);
    let status = building.run().await;
    assert_eq!(status.sources["doors"].alerts, 1);
    assert_eq!(building.told.take(), ["alert north", "alert north"]);
    assert_eq!((building.rows(MATCHES_TABLE).await, building.rows(ALERTS_TABLE).await), (3, 2));
}

#[tokio::test]
async fn the_journal_is_cut_and_goes_on() {
    let building = building("gte: 25");
    for minute in 1..25 {
        building.log(&format!("{minute:02}.json"), &[event(minute, "north", "forced")]);
        building.run().await;
    }
    // Each run has one entry for its batch, and one for the end of the wait.
    let stored = building.lake().list("correlations").await.unwrap();
    assert_eq!(stored, ["correlations/000000000032.json"]);
    let state = building.lake().state().unwrap();
    let head = state.get("correlations/head").await.unwrap().unwrap();
    let head: serde_json::Value = serde_json::from_slice(&head.value).unwrap();
    assert_eq!((head["last"].as_u64(), head["entries"].as_array().unwrap().len()), (Some(48), 16));
    drop(state);
    building.log("25.json", &[event(25, "north", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert north"]);
}

#[tokio::test]
async fn a_running_pipeline_ends_the_wait_by_the_clock() {
    let building = building("gte: 2");
    building.log("a.json", &[event(1, "north", "forced"), event(2, "north", "forced")]);
    let (_switch, stop) = stop_signal();
    let parts = building.parts(DOORS);
    let decoder = Arc::clone(&parts.decoders[0]);
    let (stages, _) = compose(parts, stop).unwrap();
    let (lane, last) = Lane::open(Arc::clone(&stages), "doors", decoder).await.unwrap();
    let mut lane = BucketLane::new(lane, last.as_ref(), building.spec("./logs")).unwrap();
    assert!(lane.round().await.is_ok());
    for (seconds, raised) in [(0, 0), (59, 0), (1, 1), (1, 0), (100, 0)] {
        building.clock.advance(Duration::from_secs(seconds));
        assert_eq!(stages.alerts.end_wait(false).await.unwrap(), raised, "after {seconds} more");
    }
    assert_eq!(building.told.take(), ["alert north"]);
}

#[tokio::test]
async fn state_that_nobody_wrote_is_reported_and_begun_anew() {
    let building = building("gte: 2");
    let hit = |minute| event(minute, "north", "forced");
    building.log("a.json", &[hit(1), hit(2), event(3, "south", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert north"]);
    let state = building.lake().state().unwrap();
    let head = state.get("correlations/head").await.unwrap().unwrap();
    state.compare_and_set("correlations/head", Some(&head.version), b"rubbish").await.unwrap();
    drop(state);
    building.log("b.json", &[event(4, "south", "forced")]);
    building.run().await;
    // The last batch is taken in again; what it made before joins the alert that is there.
    assert_eq!(building.told.take(), ["trouble correlations DAB0237", "alert south"]);
    building.log("c.json", &[event(5, "east", "forced"), event(6, "east", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), ["alert east"], "no number is used twice");
    assert_eq!(building.rows(ALERTS_TABLE).await, 3);
}

#[tokio::test]
async fn state_of_a_later_dab_is_left_alone() {
    let building = building("gte: 2");
    let state = building.lake().state().unwrap();
    let later = br#"{"version":9,"last":1,"entries":[]}"#;
    state.compare_and_set("correlations/head", None, later).await.unwrap();
    drop(state);
    building.log("a.json", &[event(1, "north", "forced")]);
    let (switch, stop) = stop_signal();
    let parts = Parts { once: false, ..building.parts(DOORS) };
    let (stages, _) = compose(parts, stop).unwrap();
    let problem = stages.alerts.end_wait(true).await.unwrap_err();
    assert_eq!(problem.report().code, "DAB0701");
    switch.stop();
    let head = building.lake().state().unwrap().get("correlations/head").await.unwrap().unwrap();
    assert_eq!(head.value, later);
}

#[tokio::test]
async fn events_that_come_too_late_are_told_of() {
    let building = building("gte: 2");
    building.log("a.json", &[event(40, "north", "forced")]);
    building.run().await;
    building.log("b.json", &[event(30, "north", "forced")]);
    building.run().await;
    assert_eq!(building.told.take(), ["trouble correlations DAB0236", "alert north"]);
}
