//! Requests in a queue whose lane dies.

use std::sync::atomic::{AtomicBool, Ordering};

use base::{Event, EventId, Object, ObjectHash, Origin, Value};
use collect::{PushForm, PushLimits, PushOutcome, PushQueue, PushRequest};
use lake::{
    reconcile::reconcile,
    table::Commit,
    write::{TableWriter, Written},
};
use tokio::sync::oneshot;

use super::*;
use crate::push_lane;

/// Queues a body. Answers where its sender hears what became of it.
fn offer(
    queue: &PushQueue,
    id: &str,
    body: &bytes::Bytes,
) -> Option<oneshot::Receiver<PushOutcome>> {
    let (done, outcome) = oneshot::channel();
    let request = PushRequest {
        id: id.to_owned(),
        form: PushForm::Lines,
        body: body.clone(),
        received: Timestamp::from_seconds(1_790_000_000),
        done,
    };
    queue.offer(request).is_ok().then_some(outcome)
}

#[tokio::test]
async fn those_who_wait_hear_at_once_that_a_lane_has_died() {
    let building = Building::new();
    let (switch, stop) = stop_signal();
    let parts = Parts { once: false, ..building.parts(DOORS) };
    let decoder = Arc::clone(&parts.decoders[0]);
    let (stages, _) = compose(parts, stop).unwrap();
    let (lane, _) = Lane::open(stages, "http.doors", decoder).await.unwrap();
    let queue = PushQueue::new(PushLimits { bytes_max: usize::MAX, ..PushLimits::default() });
    // Two that don't fit into one batch: the second waits for the first.
    let line = event(1, "north", "open");
    let mut body = line.clone().into_bytes();
    body.resize(70 << 20, b'\n');
    let body = bytes::Bytes::from(body);
    let first = offer(&queue, "1", &body).unwrap();
    let second = offer(&queue, "1", &body).unwrap();
    // Neither the batch can be written, nor can it be found out what was.
    fs::remove_dir_all(building.path("lake")).unwrap();
    fs::write(building.path("lake"), "no folder").unwrap();
    switch.stop();
    let ended = push_lane::run(lane, queue.clone()).await;
    assert!(ended.is_err(), "it tells why");
    assert!(matches!(first.await, Ok(PushOutcome::Failed(_))), "nothing of it is durable");
    assert!(second.await.is_err(), "nobody will answer: its sender is told to send it again");
    assert!(queue.is_closed() && offer(&queue, "1", &body).is_none(), "and nobody waits any more");
}

/// Another process that gives the table a column when the first batch is in it.
#[derive(Debug)]
struct Meddler {
    lake: Arc<Lake>,
    is_done: AtomicBool,
}

impl Observer for Meddler {
    fn happened(&self, happening: &Happening<'_>) {
        let is_batch = matches!(happening, Happening::Committed { .. });
        if !is_batch || self.is_done.swap(true, Ordering::SeqCst) {
            return;
        }
        let lake = Arc::clone(&self.lake);
        let commit = async move {
            let table = lake.table("doors").await.unwrap();
            let mut writer = TableWriter::new("doors", [], limits::TABLE_COLUMNS_MAX);
            let time = Timestamp::from_seconds(1_790_000_000);
            let event = Event {
                time,
                ingest_time: time,
                id: EventId { object: ObjectHash::of(&["another"]), offset: 0 },
                log_source: "doors",
                origin: Origin { object: "another".into(), offset: 0 },
                fields: [("level".into(), Value::Int(1))].into_iter().collect::<Object<'_>>(),
                normalized: Object::new(),
                json: None,
            };
            writer.append(&event, 10).unwrap();
            let Written { own, files, .. } = writer.finish().unwrap();
            let commit = Commit { app: "another".to_owned(), number: 1, own, files };
            table.commit(&commit).await.unwrap();
        };
        let other = std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(commit));
        other.join().unwrap();
    }
}

#[tokio::test]
async fn what_is_committed_is_not_made_again_when_columns_change_under_the_rest() {
    let building = Building::new();
    let (_switch, stop) = stop_signal();
    let observer = Arc::new(Meddler { lake: building.lake(), is_done: AtomicBool::new(false) });
    let parts = Parts { once: false, observer, ..building.parts(DOORS) };
    let (decoder, lake) = (Arc::clone(&parts.decoders[0]), Arc::clone(&parts.lake));
    let (stages, _) = compose(parts, stop).unwrap();
    let (lane, _) = Lane::open(stages, "http.doors", decoder).await.unwrap();
    let queue = PushQueue::new(PushLimits::default());
    // Two batches, as one has too many days; the second has the column, of another type.
    let days = limits::BATCH_DAYS_MAX as u64 + 3;
    let line = |day: u64| {
        let at = Timestamp::from_seconds(1_780_000_000 + 86_400 * i64::try_from(day).unwrap());
        let level = if day + 1 == days { r#","level":"one""# } else { "" };
        // A batch is looked at after so many bytes.
        let more = if day + 2 == days { "\n".repeat(300 << 10) } else { String::new() };
        format!(
            "{{\"at\":\"{at}\",\"door\":\"north\",\"action\":\"open\"{level}}}\nrubbish\n{more}"
        )
    };
    let body = (0..days).map(line).collect::<String>().into();
    let answers = ["1", "2"].map(|id| offer(&queue, id, &body).unwrap());
    queue.close();
    push_lane::run(lane, queue).await.unwrap();
    for answer in answers {
        let Ok(PushOutcome::Committed { accepted, quarantined, rejected }) = answer.await else {
            panic!("it is durable");
        };
        assert_eq!((accepted, quarantined, rejected.len() as u64), (days, days, days));
    }
    assert_eq!(building.rows("doors").await, 2 * days + 1);
    let reconciled = reconcile(&lake, &lake::reconcile::Written::default(), true).await.unwrap();
    assert!(reconciled.findings.is_empty(), "{:?}", reconciled.findings);
    let waiting = quarantined(&lake).await.unwrap();
    assert_eq!(waiting.len() as u64, 2 * days, "nor are its rejected records there twice");
}
