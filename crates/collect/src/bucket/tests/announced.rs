//! Objects that are announced, and read without a listing.

use std::sync::atomic::Ordering;

use object_store::{ObjectStoreExt as _, path::Path};

use super::{stores::Bucket, *};

/// What is known of some objects, in one word each.
async fn hear(source: &mut BucketSource, names: &[&str]) -> Vec<&'static str> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let heard = source.hear(&names).await.into_iter().map(|heard| match heard {
        Heard::Waiting => "waiting",
        Heard::Read => "read",
        Heard::Left => "left",
        Heard::Gone => "gone",
        Heard::Refused(_) => "refused",
        Heard::Unknown(_) => "unknown",
    });
    heard.collect()
}

#[tokio::test]
async fn announced_objects_are_read_without_a_listing_and_once() {
    let mut bucket = Bucket::new(1 << 20);
    bucket.settings.exclude = vec!["*.tmp".into()];
    bucket.put("logs/a", "one\n").await;
    bucket.put("logs/b", "two\n").await;
    bucket.put("logs/c.tmp", "no\n").await;
    bucket.put("logs/silent", "never announced\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    let heard = hear(&mut source, &["a", "b", "c.tmp", "gone", "a"]).await;
    assert_eq!(heard, ["waiting", "waiting", "left", "gone", "waiting"]);
    assert!(!source.is_read("a"));
    consumer.drain(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two"]);
    assert!(source.is_read("a") && source.is_read("b") && !source.is_read("gone"));
    assert_eq!(hear(&mut source, &["a"]).await, ["read"], "delivered twice");
    // From a checkpoint, too.
    let mut source = bucket.source(Some(&source.checkpoint()));
    assert_eq!(hear(&mut source, &["a"]).await, ["read"]);
    // Uploaded again with more in it: only that is read.
    bucket.put("logs/a", "one\nmore\n").await;
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"]);
    consumer.drain(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", "more"]);
    assert_eq!(bucket.store.lists.load(Ordering::Relaxed), 0);
    // What was never announced is found by listing, and the rest is not read again.
    consumer.round(&mut source, true).await;
    assert_eq!(consumer.texts(), ["one", "two", "more", "never announced"]);
}

#[tokio::test]
async fn one_that_is_uploaded_again_while_it_waits_or_is_read_is_read_whole() {
    let bucket = Bucket::new(6);
    bucket.put("logs/a", "one\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"]);
    bucket.put("logs/a", "one\ntwo\n").await;
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"]);
    assert_eq!(source.waiting(), 1);
    let chunk = source.next(false).await.unwrap().unwrap();
    consumer.take(&mut source, &chunk);
    bucket.put("logs/a", "one\ntwo\nthree\n").await;
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"]);
    consumer.drain(&mut source, false).await;
    assert!(!source.is_read("a"), "what is there now is another version");
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"]);
    consumer.drain(&mut source, false).await;
    consumer.texts();
    bucket.clock.advance(Duration::from_secs(60));
    hear(&mut source, &["a"]).await;
    consumer.drain(&mut source, false).await;
    assert!(source.is_read("a"));
    assert_eq!(consumer.texts(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_refusal_is_told_apart_from_a_store_that_is_away() {
    let bucket = Bucket::new(1 << 20);
    bucket.put("logs/a", "one\n").await;
    let (mut source, mut consumer) = (bucket.source(None), Consumer::default());
    *bucket.store.forbidden.lock().unwrap() = Some("logs/a".into());
    assert_eq!(hear(&mut source, &["a"]).await, ["waiting"], "it can be seen");
    consumer.drain(&mut source, false).await;
    assert_eq!(hear(&mut source, &["a"]).await, ["refused"], "and not be read");
    *bucket.store.forbidden.lock().unwrap() = None;
    consumer.drain(&mut source, true).await;
    assert_eq!(hear(&mut source, &["a"]).await, ["read"]);
    bucket.store.delete(&Path::from("logs/a")).await.unwrap();
    assert_eq!(hear(&mut source, &["a"]).await, ["gone"]);
}

#[test]
fn names_are_told_from_buckets_and_keys() {
    let options = [("aws_access_key_id", "k"), ("aws_secret_access_key", "s")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let at = |text| Location::parse(text, ".".as_ref(), &options).unwrap();
    let (whole, part, folder) = (at("s3://logs"), at("s3://logs/app/x"), at("./logs"));
    for (location, bucket, key, expected) in [
        (&whole, "logs", "app/a", Some("app/a")),
        (&whole, "other", "app/a", None),
        (&whole, "logs", "", None),
        (&part, "logs", "app/x/a/b", Some("a/b")),
        (&part, "logs", "app/xy/a", None),
        (&part, "logs", "app/x", None),
        (&part, "logs", "a", None),
        (&folder, "logs", "a", None),
    ] {
        let name = location.name_below(bucket, key);
        assert_eq!(name.as_deref(), expected, "{bucket} {key} in {}", location.address());
    }
}
