//! The lake is looked after: each day once, and at once where a day has too many files.

use lake::retain::{Keep, Retention};

use super::*;
use crate::maintenance::{Maintenance, round};

impl Building {
    async fn files(&self) -> usize {
        let table = self.lake().table("doors").await.unwrap();
        table.snapshot().await.unwrap().map_or(0, |snapshot| snapshot.files.len())
    }
}

fn maintenance(small_files_max: usize, warm_days: Option<u32>) -> Maintenance {
    let all = Keep { warm_days, ..Keep::default() };
    let exempt = vec![ALERTS_TABLE.into(), MATCHES_TABLE.into()];
    let retention = Retention { all, exempt, ..Retention::default() };
    Maintenance { look_every: Duration::from_secs(1), small_files_max, retention }
}

#[tokio::test]
async fn days_are_compacted_when_they_are_over_or_have_too_many_files() {
    let building = Building::new();
    for minute in 0..4 {
        building.log(&format!("{minute}.json"), &[event(minute, "north", "open")]);
        building.run().await;
    }
    let today = building.clock.now().day();
    let quiet = maintenance(4, Some(1));
    assert_eq!(round(&building.lake(), &quiet, None).await, (Some(today), Vec::new()));
    assert_eq!(building.files().await, 4, "the day still grows");
    let busy = maintenance(3, Some(1));
    assert_eq!(round(&building.lake(), &busy, Some(today)).await, (Some(today), Vec::new()));
    assert_eq!(building.files().await, 1, "it has too many files");

    building.log("late.json", &[event(5, "south", "open")]);
    building.run().await;
    building.clock.advance(Duration::from_secs(16 * 3600 + 60));
    let tomorrow = building.clock.now().day();
    round(&building.lake(), &quiet, Some(tomorrow)).await;
    assert_eq!(building.files().await, 2, "it was done today already");
    assert_eq!(round(&building.lake(), &quiet, Some(today)).await, (Some(tomorrow), Vec::new()));
    assert_eq!((building.files().await, building.rows("doors").await), (1, 5), "the day is over");

    building.clock.advance(Duration::from_secs(86_400));
    round(&building.lake(), &quiet, Some(tomorrow)).await;
    assert_eq!(building.rows("doors").await, 0, "it is too old");
}

#[tokio::test]
async fn what_fails_is_told_of_and_tried_again() {
    let building = Building::new();
    for minute in 0..2 {
        building.log(&format!("{minute}.json"), &[event(minute, "north", "open")]);
        building.run().await;
    }
    let table = building.lake().table("doors").await.unwrap();
    let lost = table.snapshot().await.unwrap().unwrap().files.remove(0);
    let path = building.path("lake/tables/doors").join(lost.path.to_string());
    let away = building.path("away");
    fs::rename(&path, &away).unwrap();
    let busy = maintenance(1, None);
    let (day, reports) = round(&building.lake(), &busy, None).await;
    assert_eq!((day, reports.len(), reports[0].code.as_str()), (None, 1, "DAB0503"));
    fs::rename(&away, &path).unwrap();
    let (day, reports) = round(&building.lake(), &busy, day).await;
    assert_eq!((day, reports), (Some(building.clock.now().day()), Vec::new()));
    assert_eq!(building.rows("doors").await, 2);
}
