//! Every implementation passes the one suite.

use std::sync::Arc;

use base::{StateStore as _, state_conformance};
use object_store::{memory::InMemory, path::Path};

use super::{LocalState, ObjectState};

#[tokio::test]
async fn local_state_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let state = LocalState::open(folder.path()).unwrap();
    state_conformance::check(&state).await.unwrap();
}

#[tokio::test]
async fn state_in_a_bucket_conforms() {
    let state = ObjectState::new(Arc::new(InMemory::new()), Path::from("lake/state"));
    state_conformance::check(&state).await.unwrap();
}

#[tokio::test]
async fn local_state_survives_and_drops_a_line_cut_short() {
    let folder = tempfile::tempdir().unwrap();
    let state = LocalState::open(folder.path()).unwrap();
    let version = state.compare_and_set("a/b", None, b"text").await.unwrap();
    state.compare_and_set("a/c", None, &[0xff, 0]).await.unwrap();
    state.compare_and_set("gone", None, b"x").await.unwrap();
    state.delete("gone").await.unwrap();
    drop(state);
    let journal = folder.path().join("journal.ndjson");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes.extend(b"{\"k\":\"half\",\"n\":9,\"t\":\"");
    std::fs::write(&journal, bytes).unwrap();

    let state = LocalState::open(folder.path()).unwrap();
    let read = state.get("a/b").await.unwrap().unwrap();
    assert_eq!((read.value.as_slice(), read.version.as_str()), (&b"text"[..], version.as_str()));
    assert_eq!(state.get("a/c").await.unwrap().unwrap().value, [0xff, 0]);
    assert_eq!(state.list("").await.unwrap(), ["a/b", "a/c"]);
    state.compare_and_set("half", None, b"whole").await.unwrap();
    drop(state);
    let state = LocalState::open(folder.path()).unwrap();
    assert_eq!(state.get("half").await.unwrap().unwrap().value, b"whole");
}
