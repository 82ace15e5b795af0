//! What does not add up is alerted about.

use super::*;
use crate::ledger::look;

#[tokio::test]
async fn a_batch_that_does_not_add_up_raises_an_alert() {
    let building = Building::new();
    let (_switch, stop) = stop_signal();
    let parts = building.parts(DOORS);
    let decoder = Arc::clone(&parts.decoders[0]);
    let (stages, _) = compose(parts, stop).unwrap();
    let (mut lane, _) = Lane::open(Arc::clone(&stages), "doors", decoder).await.unwrap();
    let mut batcher = lane.batcher().await.unwrap();
    batcher.records += 1;
    assert!(lane.commit(batcher, None, Vec::new()).await.is_ok());
    let told = building.told.take();
    assert_eq!(told.len(), 1, "{told:?}");
    let expected = "alert DAB0545 batch 1 of the source `doors` is not accounted for: 1 records came \
        in, and became 0 rows and 0 quarantined";
    assert_eq!(told[0], expected);
}

#[tokio::test]
async fn a_look_alerts_about_what_is_lost_until_it_is_there_again() {
    let building = Building::new();
    building.log("a.json", &[event(1, "north", "open"), event(2, "north", "shut")]);
    building.run().await;
    let (_switch, stop) = stop_signal();
    let (stages, _) = compose(building.parts(DOORS), stop).unwrap();
    let from = building.clock.now().minus(Duration::from_secs(60));
    assert_eq!(look(&stages, from).await.unwrap(), 0);
    let manifest = building.path("lake/batches/doors/000000000001.json");
    let sound = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, sound.replacen("\"rows\":2", "\"rows\":3", 1)).unwrap();
    for round in 0..2 {
        assert_eq!(look(&stages, from).await.unwrap(), 2);
        let mut told = building.told.take();
        told.retain(|told| told.starts_with("alert "));
        assert_eq!(told.len(), if round == 0 { 2 } else { 0 }, "each finding once: {told:?}");
    }
    // What was taken in before is not looked at.
    let later = building.clock.now().plus(Duration::from_secs(1));
    assert_eq!(look(&stages, later).await.unwrap(), 0);
    fs::write(&manifest, sound).unwrap();
    assert_eq!(look(&stages, from).await.unwrap(), 0);
}
