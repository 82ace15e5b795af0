//! Requests in a queue whose lane dies.

use collect::{PushForm, PushLimits, PushOutcome, PushQueue, PushRequest};
use tokio::sync::oneshot;

use super::*;
use crate::push_lane;

/// Queues a body. Answers where its sender hears what became of it.
fn offer(queue: &PushQueue, body: &bytes::Bytes) -> Option<oneshot::Receiver<PushOutcome>> {
    let (done, outcome) = oneshot::channel();
    let request = PushRequest {
        id: "1".to_owned(),
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
    let first = offer(&queue, &body).unwrap();
    let second = offer(&queue, &body).unwrap();
    // Neither the batch can be written, nor can it be found out what was.
    fs::remove_dir_all(building.path("lake")).unwrap();
    fs::write(building.path("lake"), "no folder").unwrap();
    switch.stop();
    let ended = push_lane::run(lane, queue.clone()).await;
    assert!(ended.is_err(), "it tells why");
    assert!(matches!(first.await, Ok(PushOutcome::Failed(_))), "nothing of it is durable");
    assert!(second.await.is_err(), "nobody will answer: its sender is told to send it again");
    assert!(queue.is_closed() && offer(&queue, &body).is_none(), "and nobody waits any more");
}
