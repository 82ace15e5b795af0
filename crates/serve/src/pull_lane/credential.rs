//! Credentials that a server gave in place of the settings' own: kept, sealed, in the state store.

use base::{Problem, StateError, StateStore};
use serde::{Deserialize, Serialize};

use super::state_error;
use crate::ServeError;

/// The version of what is stored.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    /// As the pull sealed it.
    sealed: String,
}

fn key(source: &str) -> String {
    format!("pull-credential/{source}")
}

/// What was kept of a pull's credential.
///
/// # Errors
///
/// If the state can't be read.
pub async fn kept_credential(
    state: &dyn StateStore,
    source: &str,
) -> Result<Option<String>, Problem> {
    let Some(stored) = state.get(&key(source)).await.map_err(state_error)? else { return Ok(None) };
    let stored: Stored = serde_json::from_slice(&stored.value)
        .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
    // What a newer dab sealed would not open.
    Ok((stored.version == VERSION).then_some(stored.sealed))
}

/// Keeps a pull's credential, in place of what was kept before.
///
/// # Errors
///
/// If the state can't be written.
pub async fn keep_credential(
    state: &dyn StateStore,
    source: &str,
    sealed: &str,
) -> Result<(), Problem> {
    let stored = Stored { version: VERSION, sealed: sealed.to_owned() };
    let json = serde_json::to_vec(&stored)
        .map_err(|error| ServeError::Checkpoint { reason: error.to_string() })?;
    let mut tries = 0;
    loop {
        let before = state.get(&key(source)).await.map_err(state_error)?;
        let version = before.as_ref().map(|before| before.version.as_str());
        match state.compare_and_set(&key(source), version, &json).await {
            // The server counts the last one that it gave.
            Err(StateError::Conflict { .. }) if tries < base::limits::STATE_ATTEMPTS_MAX => {
                tries += 1
            }
            done => return done.map(drop).map_err(state_error),
        }
    }
}
