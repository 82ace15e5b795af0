//! What every [`StateStore`] must do, as one suite to run against an implementation.
//!
//! The suite needs an empty store, and leaves it with a few keys under `conformance/`. It tests
//! what callers build on: no lost update, no version used twice, a complete and ordered list. That
//! a value survives the process is for each implementation's own tests.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use crate::{StateError, StateStore};

/// How many writers race for one value, and how many writes each makes.
const RACERS: usize = 8;
const WRITES_EACH: usize = 10;

/// Runs the whole suite.
///
/// # Errors
/// What the store did that it must not, in a sentence.
pub async fn check(state: &dyn StateStore) -> Result<(), String> {
    reads_what_was_written(state).await?;
    refuses_stale_writes(state).await?;
    forgets_what_was_deleted(state).await?;
    lists_by_prefix_in_order(state).await?;
    loses_no_update(state).await
}

async fn reads_what_was_written(state: &dyn StateStore) -> Result<(), String> {
    let key = "conformance/read/A-b_c.1";
    must(state.get(key).await.map_err(say)?.is_none(), "a key never written has a value")?;
    for value in [&b"one"[..], b"", &[0, 0xff, b'\n'], &[7; 300_000]] {
        let stored = state.get(key).await.map_err(say)?.map(|stored| stored.version);
        let version = write(state, key, stored.as_deref(), value).await?;
        let read = state.get(key).await.map_err(say)?.ok_or("a written value is gone")?;
        must(read.value == value, "a value reads back changed")?;
        must(read.version == version, "the version written is not the version read")?;
        must(stored.as_deref() != Some(&version), "a write did not change the version")?;
    }
    Ok(())
}

async fn refuses_stale_writes(state: &dyn StateStore) -> Result<(), String> {
    let key = "conformance/stale";
    let first = write(state, key, None, b"first").await?;
    refused(state, key, None, "created a key that was there").await?;
    refused(state, key, Some("no-such-version"), "took a version that never was").await?;
    let second = write(state, key, Some(&first), b"second").await?;
    refused(state, key, Some(&first), "took an old version").await?;
    // The same bytes again are a write like any other.
    let third = write(state, key, Some(&second), b"second").await?;
    must(third != second, "writing the same value again did not change the version")?;
    refused(state, key, Some(&second), "took the version before an equal value").await?;
    refused(state, "conformance/absent", Some(&third), "updated a key that is not there").await?;
    let read = state.get(key).await.map_err(say)?;
    must(read.is_some_and(|read| read.value == b"second"), "a refused write left a trace")
}

async fn forgets_what_was_deleted(state: &dyn StateStore) -> Result<(), String> {
    let key = "conformance/deleted";
    let before = write(state, key, None, b"same").await?;
    state.delete(key).await.map_err(say)?;
    must(state.get(key).await.map_err(say)?.is_none(), "a deleted value is still there")?;
    refused(state, key, Some(&before), "updated a deleted value").await?;
    state.delete(key).await.map_err(|error| format!("deleting nothing failed: {}", say(error)))?;
    let after = write(state, key, None, b"same").await?;
    must(after != before, "a version was used again after a delete")?;
    state.delete(key).await.map_err(say)
}

async fn lists_by_prefix_in_order(state: &dyn StateStore) -> Result<(), String> {
    let keys = ["a", "a/b", "a/b/c", "a/b2", "a/c", "ab"].map(|key| format!("conformance/l/{key}"));
    for key in keys.iter().rev() {
        write(state, key, None, b"x").await?;
    }
    let listed = state.list("conformance/l/").await.map_err(say)?;
    let mut expected = keys.to_vec();
    expected.sort_unstable();
    must(listed == expected, "a list is not all keys of the prefix in byte order")?;
    let listed = state.list("conformance/l/a/").await.map_err(say)?;
    must(
        listed.iter().map(String::as_str).eq([
            "conformance/l/a/b",
            "conformance/l/a/b/c",
            "conformance/l/a/b2",
            "conformance/l/a/c",
        ]),
        "a list under a folder is wrong",
    )?;
    let listed = state.list("conformance/l/a/b").await.map_err(say)?;
    must(listed.len() == 3, "a prefix that ends inside a word is not matched as text")?;
    let listed = state.list("conformance/none/").await.map_err(say)?;
    must(listed.is_empty(), "a prefix without keys lists something")?;
    for key in &keys {
        state.delete(key).await.map_err(say)?;
    }
    must(state.list("conformance/l/").await.map_err(say)?.is_empty(), "a deleted key is listed")
}

async fn loses_no_update(state: &dyn StateStore) -> Result<(), String> {
    let key = "conformance/counter";
    let racers = (0..RACERS).map(|_| Box::pin(count_up(state, key)) as Racer<'_>).collect();
    join(racers).await?;
    let read = state.get(key).await.map_err(say)?.ok_or("the counter is gone")?;
    let expected = (RACERS * WRITES_EACH).to_string();
    must(read.value == expected.as_bytes(), "an update was lost among concurrent writers")
}

async fn count_up(state: &dyn StateStore, key: &str) -> Result<(), String> {
    let mut written = 0;
    while written < WRITES_EACH {
        let stored = state.get(key).await.map_err(say)?;
        let count = match &stored {
            None => 0,
            Some(stored) => std::str::from_utf8(&stored.value)
                .ok()
                .and_then(|text| text.parse::<usize>().ok())
                .ok_or("the counter is torn")?,
        };
        let expected = stored.as_ref().map(|stored| stored.version.as_str());
        match state.compare_and_set(key, expected, (count + 1).to_string().as_bytes()).await {
            Ok(_) => written += 1,
            Err(StateError::Conflict { .. }) => {}
            Err(error) => return Err(say(error)),
        }
    }
    Ok(())
}

type Racer<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Runs all racers at once on this task, so that they interleave wherever the store waits.
async fn join(mut racers: Vec<Racer<'_>>) -> Result<(), String> {
    poll_fn(|ctx| {
        let mut failure = None;
        racers.retain_mut(|racer| match racer.as_mut().poll(ctx) {
            Poll::Pending => true,
            Poll::Ready(Ok(())) => false,
            Poll::Ready(Err(error)) => {
                failure = Some(error);
                false
            }
        });
        match failure {
            Some(error) => Poll::Ready(Err(error)),
            None if racers.is_empty() => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    })
    .await
}

async fn write(
    state: &dyn StateStore,
    key: &str,
    expected: Option<&str>,
    value: &[u8],
) -> Result<String, String> {
    state.compare_and_set(key, expected, value).await.map_err(say)
}

async fn refused(
    state: &dyn StateStore,
    key: &str,
    expected: Option<&str>,
    otherwise: &str,
) -> Result<(), String> {
    match state.compare_and_set(key, expected, b"must not be stored").await {
        Err(StateError::Conflict { key: named }) => {
            must(named == key, "a conflict names another key")
        }
        Err(error) => Err(say(error)),
        Ok(_) => Err(otherwise.to_owned()),
    }
}

fn must(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` calls")]
fn say(error: StateError) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
