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
