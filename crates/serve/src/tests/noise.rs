//! Rules and correlations that match everything, over batches, runs and sources.

use super::*;

fn doors(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| event(n, &format!("d{n}"), "forced")).collect()
}

/// Each of them twice, one after the other.
fn twice(range: std::ops::Range<u32>) -> Vec<String> {
    doors(range).into_iter().flat_map(|line| [line.clone(), line]).collect()
}

#[tokio::test]
async fn a_rule_is_held_back_over_runs_and_says_so_once() {
    let building = Building { limit: 3, ..Building::new() };
    building.log("a.json", &doors(0..5));
    let status = building.run().await;
    let held = &status.held_back[0];
    assert_eq!((held.title.as_str(), held.count), ("A door was forced", 2));
    assert_eq!((held.file.as_str(), status.sources["doors"].held_back), ("forced.yml", 2));
    let id = "7a1c5c2e-3f0f-4f0e-9a53-0a3f3f3a7f11";
    let alerts = ["d0", "d1", "d2", id].map(|door| format!("alert {door}"));
    assert_eq!(building.told.take(), [&["trouble rules DAB0709".to_owned()], &alerts[..]].concat());
    building.log("b.json", &doors(5..9));
    let status = building.run().await;
    assert_eq!(status.held_back[0].count, 4);
    assert_eq!(building.told.take(), [""; 0], "it goes on as before");
    assert_eq!((building.rows(MATCHES_TABLE).await, building.rows(ALERTS_TABLE).await), (5, 4));
    assert_eq!(building.rows("doors").await, 9);
}

#[tokio::test]
async fn correlations_count_what_is_held_back_and_are_bounded_themselves() {
    let mut building = Building { limit: 3, ..Building::new() };
    building.detections = format!(
        "{FORCED}---\ntitle: Forced\nid: again\ngenerate: true\ncorrelation: {{type: event_count, \
         rules: [7a1c5c2e-3f0f-4f0e-9a53-0a3f3f3a7f11], group-by: [door], timespan: 1h, \
         condition: {{gte: 2}}}}\n"
    );
    // Each door twice: the correlation matches five times, though only three matches of the rule pass.
    building.log("a.json", &twice(0..5));
    let status = building.run().await;
    let held = status.held_back.iter().map(|held| (held.title.as_str(), held.count));
    assert_eq!(held.collect::<Vec<_>>(), [("A door was forced", 7), ("Forced", 2)]);
    building.told.take();
    building.log("b.json", &twice(5..8));
    let status = building.run().await;
    let held = status.held_back.iter().map(|held| (held.title.as_str(), held.count));
    assert_eq!(held.collect::<Vec<_>>(), [("A door was forced", 6), ("Forced", 3)]);
    assert_eq!(building.told.take(), [""; 0]);
}
