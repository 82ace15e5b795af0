//! Whatever a queue or a request announces: reading it does not panic, and what can't be read is kept whole.

use ::collect::{announced_by_s3, pushed};
use bytes::Bytes;

/// Takes one input.
pub fn announce(bytes: &[u8]) {
    for named in announced_by_s3(bytes).into_iter().flatten() {
        assert!(named.bucket.len() + named.key.len() <= bytes.len(), "{named:?}");
    }
    let body = Bytes::copy_from_slice(bytes);
    let delivery = pushed(&body, "1");
    if delivery.id == "1" && serde_json::from_slice::<serde_json::Value>(bytes).is_err() {
        assert!(delivery.says.is_err() && delivery.body == body);
    }
}
