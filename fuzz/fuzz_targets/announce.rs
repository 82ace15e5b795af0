//! Whatever a queue or a request announces: reading it does not panic, and what can't be read is kept whole.

#![no_main]

use bytes::Bytes;
use dab_collect::{announced_by_s3, pushed};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for named in announced_by_s3(bytes).into_iter().flatten() {
        assert!(named.bucket.len() + named.key.len() <= bytes.len(), "{named:?}");
    }
    let body = Bytes::copy_from_slice(bytes);
    let delivery = pushed(&body, "1");
    if delivery.id == "1" && serde_json::from_slice::<serde_json::Value>(bytes).is_err() {
        assert!(delivery.says.is_err() && delivery.body == body);
    }
});
