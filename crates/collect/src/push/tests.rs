//! The queue under a clock that tests own, and bodies of all kinds.

use std::io::Write as _;

use base::{Explain as _, Problem};
use flate2::{Compression, write::GzEncoder};
use tokio::time::{Instant, advance};

use super::*;
use crate::CollectError;

fn request(id: &str, bytes: usize) -> (PushRequest, oneshot::Receiver<PushOutcome>) {
    let (done, outcome) = oneshot::channel();
    let body = Bytes::from(vec![b'x'; bytes]);
    let received = Timestamp::from_seconds(0);
    (PushRequest { id: id.to_owned(), body, form: PushForm::AsSent(None), received, done }, outcome)
}

fn offer(queue: &PushQueue, id: &str, bytes: usize) -> Result<(), Full> {
    queue.offer(request(id, bytes).0)
}

fn ids(requests: &[PushRequest]) -> Vec<&str> {
    requests.iter().map(|request| request.id.as_str()).collect()
}

fn queue(requests_max: usize, bytes_max: usize) -> PushQueue {
    PushQueue::new(PushLimits { requests_max, bytes_max, retry_after_seconds: 7 })
}

const WAIT: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn requests_that_come_together_are_taken_together() {
    let queue = queue(10, 1000);
    let taker = tokio::spawn({
        let queue = queue.clone();
        async move { queue.take(1000, WAIT).await }
    });
    advance(Duration::from_secs(60)).await;
    offer(&queue, "a", 1).unwrap();
    let begun = Instant::now();
    tokio::task::yield_now().await;
    advance(Duration::from_millis(200)).await;
    offer(&queue, "b", 1).unwrap();
    let taken = taker.await.unwrap();
    assert_eq!(ids(&taken), ["a", "b"]);
    assert_eq!(begun.elapsed(), WAIT, "the first waits no longer than it must");
    assert_eq!(queue.waiting(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn enough_bytes_end_the_wait_and_cut_the_batch() {
    let queue = queue(10, 1000);
    for id in ["a", "b", "c"] {
        offer(&queue, id, 40).unwrap();
    }
    let begun = Instant::now();
    assert_eq!(ids(&queue.take(100, WAIT).await), ["a", "b"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(queue.waiting(), (1, 40));
    assert_eq!(ids(&queue.take(100, WAIT).await), ["c"]);
    offer(&queue, "large", 999).unwrap();
    assert_eq!(ids(&queue.take(100, WAIT).await), ["large"], "at least one is taken");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_does_not_wait_for_more() {
    let queue = queue(2, 1000);
    offer(&queue, "a", 1).unwrap();
    offer(&queue, "b", 1).unwrap();
    let begun = Instant::now();
    assert_eq!(ids(&queue.take(1000, WAIT).await), ["a", "b"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn past_its_limits_the_queue_asks_to_come_again() {
    let full = Full { retry_after_seconds: 7 };
    let by_count = queue(2, 1000);
    assert_eq!(offer(&by_count, "a", 0), Ok(()));
    assert_eq!(offer(&by_count, "b", 0), Ok(()));
    assert_eq!(offer(&by_count, "c", 0), Err(full));
    let by_bytes = queue(10, 100);
    assert_eq!(offer(&by_bytes, "a", 60), Ok(()));
    assert_eq!(offer(&by_bytes, "b", 41), Err(full));
    assert_eq!(offer(&by_bytes, "c", 40), Ok(()));
    by_bytes.take(1, WAIT).await;
    assert_eq!(offer(&by_bytes, "d", 60), Ok(()), "what was taken makes room");
    let empty = queue(10, 100);
    assert_eq!(offer(&empty, "large", 1000), Ok(()), "or it could never be taken in");
    assert_eq!(full.to_string(), "too many requests wait for a commit; try again in 7 s");
}

#[tokio::test(start_paused = true)]
async fn a_closed_queue_is_drained_and_then_ends() {
    let queue = queue(10, 1000);
    offer(&queue, "a", 1).unwrap();
    queue.close();
    assert!(offer(&queue, "b", 1).is_err());
    assert_eq!(ids(&queue.take(1000, WAIT).await), ["a"]);
    assert_eq!(ids(&queue.take(1000, WAIT).await), Vec::<&str>::new());

    let waiting = super::tests::queue(10, 1000);
    let taker = tokio::spawn({
        let queue = waiting.clone();
        async move { queue.take(1000, WAIT).await.len() }
    });
    tokio::task::yield_now().await;
    waiting.close();
    assert_eq!(taker.await.unwrap(), 0, "a taker that waits is woken");
}

#[tokio::test(start_paused = true)]
async fn a_taker_that_is_dropped_loses_nothing() {
    let queue = queue(10, 1000);
    offer(&queue, "a", 1).unwrap();
    let cut = tokio::time::timeout(Duration::from_millis(100), queue.take(1000, WAIT)).await;
    assert!(cut.is_err());
    assert_eq!(ids(&queue.take(1000, WAIT).await), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn the_sender_hears_of_the_commit_or_of_its_absence() {
    let queue = queue(10, 1000);
    let (one, heard) = request("a", 1);
    let (two, lost) = request("b", 1);
    queue.offer(one).unwrap();
    queue.offer(two).unwrap();
    let mut taken = queue.take(1000, WAIT).await;
    let outcome = PushOutcome::Committed { accepted: 3, quarantined: 1, rejected: Vec::new() };
    taken.remove(0).done.send(outcome.clone()).unwrap();
    drop(taken);
    assert_eq!(heard.await.unwrap(), outcome);
    assert!(lost.await.is_err(), "a request dropped unanswered closes its channel");
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap().into()
}

#[test]
fn bodies_are_unpacked_by_their_encoding() {
    let text = Bytes::from("{\"a\":1}\n".repeat(100_000));
    let zstd = Bytes::from(zstd::encode_all(text.as_ref(), 3).unwrap());
    for (encoding, body) in [
        (None, text.clone()),
        (Some(""), text.clone()),
        (Some("identity"), text.clone()),
        (Some("gzip"), gzip(&text)),
        (Some(" GZip "), gzip(&text)),
        (Some("x-gzip"), gzip(&text)),
        (Some("zstd"), zstd),
    ] {
        assert_eq!(decompress_body(encoding, body).unwrap(), text, "{encoding:?}");
    }
    assert_eq!(decompress_body(Some("gzip"), Bytes::new()).unwrap(), Bytes::new());
}

/// What bodies of these tests may unpack to.
const BYTES_MAX: usize = 1_000_000;

#[test]
fn bodies_that_are_not_whole_or_too_large_are_refused() {
    let good = gzip(b"some text that is long enough");
    let mut damaged = good.to_vec();
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    let bomb = gzip(&vec![0; BYTES_MAX + 1]);
    let large = Bytes::from(vec![0; limits::HTTP_BODY_BYTES_MAX + 1]);
    for (encoding, body, expected) in [
        (
            "br",
            good.clone(),
            "DAB0409 content encoding `br` is not known: use `identity`, `gzip` or `zstd`",
        ),
        ("gzip", good.slice(..good.len() - 3), "DAB0406 gzip stream ends early"),
        (
            "gzip",
            damaged.into(),
            "DAB0407 gzip stream is damaged: its checksum (CRC-32) does not match",
        ),
        (
            "gzip",
            Bytes::from_static(b"plain text"),
            "DAB0407 gzip stream is damaged: it does not begin as gzip does",
        ),
        (
            "zstd",
            Bytes::from_static(b"plain text"),
            "DAB0407 zstd stream is damaged: Unknown frame descriptor",
        ),
        ("gzip", bomb, "DAB0410 the body is larger than 1000000 bytes unpacked"),
        ("identity", large, "DAB0410 the body is larger than 33554432 bytes"),
    ] {
        let error: CollectError = body::unpack(Some(encoding), body, BYTES_MAX).unwrap_err();
        assert_eq!(format!("{} {error}", error.code().0), expected);
        assert!(error.help().is_some());
        assert!(Problem::from(error).to_string().contains("help: "));
    }
}
