//! What happens to a notification on its way.

use base::MemoryState;

use super::*;
use crate::fixture::{Recorder, at, notification};

struct World {
    state: Arc<MemoryState>,
    a: Arc<Recorder>,
    b: Arc<Recorder>,
    outbox: Outbox,
}

fn world() -> World {
    let state = Arc::new(MemoryState::new());
    let (a, b) = (Arc::new(Recorder::new("a")), Arc::new(Recorder::new("b")));
    let outbox = Outbox::new(
        Arc::<MemoryState>::clone(&state),
        vec![Arc::<Recorder>::clone(&a), Arc::<Recorder>::clone(&b)],
    );
    World { state, a, b, outbox: outbox.unwrap() }
}

fn retry(message: &str, after: Option<u64>) -> SendError {
    SendError::Retry { message: message.to_owned(), after: after.map(Duration::from_secs) }
}

#[tokio::test]
async fn delivers_to_every_receiver_once() {
    let world = world();
    assert_eq!(world.outbox.enqueue(&notification("x"), at(0)).await.unwrap(), 2);
    assert_eq!(world.outbox.enqueue(&notification("x"), at(0)).await.unwrap(), 0);
    let report = world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!(report, DeliveryReport { delivered: 2, ..DeliveryReport::default() });
    assert_eq!(world.outbox.enqueue(&notification("x"), at(9)).await.unwrap(), 0);
    let report = world.outbox.deliver_due(at(9)).await.unwrap();
    assert_eq!(report, DeliveryReport::default());
    assert_eq!((world.a.count("x"), world.b.count("x")), (1, 1));
}

#[tokio::test]
async fn waits_longer_after_each_failure_and_as_long_as_it_is_asked_to() {
    let world = world();
    world.a.fail(vec![retry("busy", Some(600)), retry("away", None)]);
    world.outbox.enqueue(&notification("x"), at(0)).await.unwrap();
    let report = world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((report.delivered, report.failed, report.waiting), (1, 1, 1));
    let due = report.next_due.unwrap();
    assert!(due >= at(4) && due <= at(6), "{due}");
    let early = world.outbox.deliver_due(due.plus_micros(-1)).await.unwrap();
    assert_eq!((early.failed, early.waiting, early.next_due), (0, 1, Some(due)));
    let report = world.outbox.deliver_due(due).await.unwrap();
    assert_eq!(report.next_due, Some(due.plus(Duration::from_secs(600))));
    let pending = world.outbox.pending().await.unwrap();
    assert_eq!(pending[0].attempts, 2);
    assert_eq!(pending[0].last_failure.as_deref(), Some("busy"));
    let report = world.outbox.deliver_due(report.next_due.unwrap()).await.unwrap();
    assert_eq!((report.delivered, report.waiting), (1, 0));
}

#[tokio::test]
async fn gives_up_after_a_day_and_keeps_what_it_gave_up() {
    let world = world();
    world.a.fail((0..100).map(|_| retry("answered 503", None)).collect());
    world.outbox.enqueue(&notification("x"), at(0)).await.unwrap();
    let mut now = at(0);
    let report = loop {
        let report = world.outbox.deliver_due(now).await.unwrap();
        let Some(next) = report.next_due else { break report };
        now = next;
    };
    let hours = now.since(at(0)).as_secs() / 3600;
    assert!((18..=28).contains(&hours), "{hours}");
    assert_eq!(report.dead.len(), 1);
    assert_eq!(report.dead[0].code, "DAB0607");
    assert_eq!(
        report.dead[0].message,
        "receiver `a` did not take alert `x` in 22 attempts: answered 503"
    );
    assert!(world.outbox.pending().await.unwrap().is_empty());
    let dead = world.outbox.dead().await.unwrap();
    assert_eq!(dead[0].pending.notification, notification("x"));
    assert_eq!(world.outbox.enqueue(&notification("x"), now).await.unwrap(), 0);

    world.a.fail(Vec::new());
    assert_eq!(world.outbox.revive(now).await.unwrap(), 1);
    assert_eq!(world.outbox.deliver_due(now).await.unwrap().delivered, 1);
    assert_eq!(world.a.count("x"), 1);
    assert!(world.outbox.dead().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_refused_is_given_up_at_once_and_holds_nothing_back() {
    let world = world();
    world.a.fail(vec![SendError::Refused { message: "answered 413".to_owned() }]);
    for id in ["x", "y", "z"] {
        world.outbox.enqueue(&notification(id), at(0)).await.unwrap();
    }
    let report = world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((report.delivered, report.dead.len(), report.waiting), (5, 1, 0));
    assert_eq!((world.a.count("x"), world.a.count("y"), world.a.count("z")), (0, 1, 1));
}

#[tokio::test]
async fn a_receiver_that_is_down_is_left_alone_and_stops_no_other() {
    let world = world();
    world.a.fail((0..100).map(|_| retry("away", None)).collect());
    for number in 0..10 {
        world.outbox.enqueue(&notification(&format!("x{number}")), at(0)).await.unwrap();
    }
    let report = world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((report.delivered, report.failed, report.waiting), (10, 3, 10));
    assert_eq!(world.a.answers.lock().unwrap().len(), 97);
    // Those that were not tried are due still, and come first in the next round.
    assert_eq!(report.next_due, Some(at(0)));
    world.a.fail(Vec::new());
    let report = world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!((report.delivered, report.waiting), (7, 3));
}

#[tokio::test]
async fn an_entry_of_a_receiver_that_is_gone_waits_a_day_for_it() {
    let world = world();
    world.outbox.enqueue(&notification("x"), at(0)).await.unwrap();
    let a: Arc<dyn Receiver> = Arc::<Recorder>::clone(&world.a);
    let outbox = Outbox::new(Arc::<MemoryState>::clone(&world.state), vec![a]).unwrap();
    let report = outbox.deliver_due(at(1)).await.unwrap();
    assert_eq!((report.delivered, report.waiting, report.next_due), (1, 1, Some(at(86_400))));
    let report = outbox.deliver_due(at(86_400)).await.unwrap();
    assert!(report.dead[0].message.ends_with("no receiver is named `b` any more"));
}

#[tokio::test]
async fn two_workers_do_not_send_the_same_entry() {
    let world = world();
    let a: Arc<dyn Receiver> = Arc::<Recorder>::clone(&world.a);
    let other = Outbox::new(Arc::<MemoryState>::clone(&world.state), vec![a]).unwrap();
    world.outbox.enqueue(&notification("x"), at(0)).await.unwrap();
    // The first worker has claimed the entry and is still sending.
    let (mut pending, version) = world.outbox.read("outbox/a/x").await.unwrap().unwrap();
    pending.attempts = 1;
    pending.due_time = at(30);
    world.outbox.replace("outbox/a/x", &version, &pending).await.unwrap().unwrap();
    assert_eq!(other.deliver_due(at(1)).await.unwrap().delivered, 0);
    // It died: when the claim runs out, the other takes over.
    assert_eq!(other.deliver_due(at(30)).await.unwrap().delivered, 1);
    assert!(world.outbox.replace("outbox/a/x", &version, &pending).await.unwrap().is_none());
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_left_alone() {
    let world = world();
    world.outbox.enqueue(&notification("y"), at(0)).await.unwrap();
    world.state.compare_and_set("outbox/a/x", None, b"garbage").await.unwrap();
    world.state.compare_and_set("outbox/a/w", None, br#"{"version":7}"#).await.unwrap();
    assert_eq!(world.outbox.deliver_due(at(0)).await.unwrap().delivered, 2);
    assert_eq!(world.state.list("outbox/").await.unwrap(), ["outbox/a/w", "outbox/a/x"]);
}

#[tokio::test]
async fn deliveries_are_forgotten_after_a_week() {
    let world = world();
    for number in 0..10 {
        world.outbox.enqueue(&notification(&format!("x{number}")), at(0)).await.unwrap();
    }
    world.outbox.deliver_due(at(0)).await.unwrap();
    assert_eq!(world.outbox.sweep(at(86_400), 100).await.unwrap(), 0);
    let mut removed = 0;
    for hour in 0..10 {
        removed += world.outbox.sweep(at(8 * 86_400 + hour * 3600), 7).await.unwrap();
    }
    assert_eq!(removed, 20);
}

#[test]
fn names_are_checked() {
    let state = || Arc::new(MemoryState::new());
    let named = |name: &str| Arc::new(Recorder::new(name)) as Arc<dyn Receiver>;
    let error = Outbox::new(state(), vec![named("a"), named("a")]).unwrap_err();
    assert!(error.to_string().contains("two receivers have this name"), "{error}");
    for bad in ["", ".", "..", "a/b", "é", &"x".repeat(65)] {
        assert!(Outbox::new(state(), vec![named(bad)]).is_err(), "{bad}");
    }
}

#[test]
fn an_old_sample_still_reads() {
    let sample = r#"{"version":1,"receiver":"a","notification":{"alert":{"id":"x",
        "raised_time":"2026-11-24T08:00:01Z","first_match":{"rule":{"id":"lsass",
        "title":"Access to LSASS memory","level":"high","tags":["attack.t1003.001"],
        "dedup":["User"],"dedup_window_seconds":60,"file":"detections/lsass.yml"},
        "time":"2026-11-24T08:00:00Z","event_id":"e0-1000","log_source":"windows_sysmon",
        "reasons":[{"field":"TargetImage","test":"endswith '\\lsass.exe'",
        "value":"C:\\Windows\\System32\\lsass.exe"}],"dedup_values":["jdoe"],
        "event":"{\"EventID\":10,\"big\":123456789012345678901234567890}"}}},
        "enqueued_time":"2026-11-24T08:00:00Z","due_time":"2026-11-24T08:00:05Z","attempts":1,
        "last_failure":"answered 503"}"#;
    let pending: Pending = stored::decode("k", sample.as_bytes()).unwrap();
    assert_eq!(pending.notification, notification("x"));
    assert_eq!((pending.attempts, pending.due_time), (1, at(5)));
    let written: serde_json::Value =
        serde_json::from_slice(&stored::encode("k", &pending).unwrap()).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(sample).unwrap());
}
