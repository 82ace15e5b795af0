//! Which process writes what, where several work on one lake: each source has one writer at a time.
//!
//! A process has a *session*: an object in the state store that it renews while it lives. A *claim*, one for
//! each source, names the session that the source belongs to. A process that finds a source claimed stands by:
//! it takes the claim over when the session has ended, or once it has seen no renewal for [`GONE`]; then it
//! ends that session first, so that whoever had it hears of it at its next renewal.
//!
//! Only lengths of time on one machine are compared, never the clocks of two. Promised: who has a claim and
//! whose session is valid ([`Claims::ensure`]) is the only one that thinks so, as a session is valid for
//! [`VALID`] after a renewal was *sent*, and given up by others [`GONE`] after it was *seen*. Not promised: that
//! a request sent while the session was valid arrives in that time. A commit that arrives later does not become
//! part of a table twice (its number is taken), and is not taken for a success ([`Claims::confirm`]).
//!
//! A lake in a folder has a lock, which the operating system holds; nothing is claimed there.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{Arc, Mutex as Plain, PoisonError},
    time::Duration,
};

use base::{Clock, Code, Problem, StateError, StateStore, Timestamp};
use lake::{Lake, LakeError};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{
    ServeError, Stop,
    happening::{Happening, Observer},
};

/// How often a session is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// For how long after its last renewal a process may write.
const VALID: Duration = Duration::from_secs(20);
/// For how long others see no renewal before they end a session.
const GONE: Duration = Duration::from_secs(30);
/// How often it is looked whether a claim is free.
const LOOK_EVERY: Duration = Duration::from_secs(5);

const VERSION: u32 = 1;

/// The code of [`ServeError::ClaimLost`].
pub(crate) const LOST: Code = Code("DAB0724");

/// What looks after the lake and watches the ledger is one process at a time, too.
pub(crate) const UPKEEP: &str = "dab.upkeep";
/// What tries quarantined records again.
pub(crate) const REPLAY: &str = "dab.replay";
/// What reads raw bytes again.
pub(crate) const COLD_REPLAY: &str = "dab.cold_replay";

/// What every process has under the same name, named after the process: each numbers its own batches. A name, or
/// the lack of one, is one process' at a time.
pub(crate) fn of_writer(name: &str, writer: Option<&str>) -> String {
    writer.map_or_else(|| name.to_owned(), |writer| format!("{name}@{writer}"))
}

/// The claims of a process.
#[derive(Debug)]
pub(crate) struct Claims {
    /// `None`: the lake's lock is enough.
    shared: Option<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Arc<dyn StateStore>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    session: String,
    /// The version of the session's object, as it was last written; held while it is renewed.
    version: Mutex<Option<String>>,
    life: Plain<Life>,
}

/// What is known of one's own session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Nothing was claimed yet.
    NotBegun,
    /// Valid until then, by the monotonic clock.
    Until(Duration),
    /// Another process ended it.
    Ended,
}

/// A session as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    version: u32,
    /// When it was renewed, for people who look.
    renewed: Timestamp,
    /// Written by whoever ends the session of a process that renews it no longer.
    #[serde(default)]
    ended: bool,
}

/// A claim as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Claim {
    version: u32,
    session: String,
    taken: Timestamp,
}

/// Whose a claim is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    Us,
    /// Another session, at a version of its object.
    Other(String, String),
    /// It changed hands while we looked.
    Unknown,
}

impl Claims {
    /// Those of a process that has just begun, on a lake whose state this is.
    pub(crate) fn new(
        lake: &Lake,
        state: Arc<dyn StateStore>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        if lake.folder().is_some() {
            return Self { shared: None };
        }
        let chance = || RandomState::new().build_hasher().finish();
        let session = format!("{:016x}{:016x}", chance(), chance());
        let (version, life) = (Mutex::new(None), Plain::new(Life::NotBegun));
        Self { shared: Some(Shared { state, clock, observer, session, version, life }) }
    }

    /// Takes a claim if it is free. `false`: another process has it.
    pub(crate) async fn take(&self, name: &str) -> Result<bool, Problem> {
        let Some(shared) = &self.shared else { return Ok(true) };
        Ok(shared.take(name).await? == Owner::Us)
    }

    /// Takes a claim as soon as it is free. `false`: it was told to stop before. In a one-shot run, a
    /// claim whose owner is alive is an error.
    pub(crate) async fn wait(
        &self,
        name: &str,
        once: bool,
        mut stop: Stop,
    ) -> Result<bool, Problem> {
        let Some(shared) = &self.shared else { return Ok(true) };
        let mut watch = Watch::default();
        let mut has_told = name == UPKEEP;
        loop {
            let took = shared.take(name).await;
            match took {
                Ok(Owner::Us) => return Ok(true),
                Ok(owner) => {
                    let claimed = || ServeError::Claimed { source_name: name.to_owned() };
                    match watch.look(owner, shared.clock.monotonic()) {
                        Seen::Gone(session, version) => {
                            shared.end(&session, &version).await;
                            continue;
                        }
                        Seen::Alive if once => return Err(claimed().into()),
                        Seen::Alive | Seen::NotYetKnown => {}
                    }
                    if !std::mem::replace(&mut has_told, true) && !once {
                        shared.observer.happened(&Happening::StandingBy { source: name });
                    }
                }
                Err(problem) if once => return Err(problem),
                Err(problem) => {
                    let report = problem.report();
                    tracing::warn!(source = name, problem = %report, "can't see whose a source is");
                    let happening = Happening::Trouble { source: name, report: &report };
                    shared.observer.happened(&happening);
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.stopped() => return Ok(false),
            }
        }
    }

    /// That what this process claimed is still its own: asked before each write. Renews where it is no
    /// longer known.
    pub(crate) async fn ensure(&self) -> Result<(), Problem> {
        let Some(shared) = &self.shared else { return Ok(()) };
        match shared.life() {
            Life::NotBegun => Ok(()),
            Life::Until(end) if shared.clock.monotonic() < end => Ok(()),
            Life::Until(_) => shared.renew().await,
            Life::Ended => Err(ServeError::ClaimLost.into()),
        }
    }

    /// That it was still its own all the time until now.
    pub(crate) async fn confirm(&self) -> Result<(), Problem> {
        match &self.shared {
            Some(shared) if shared.life() != Life::NotBegun => shared.renew().await,
            _ => Ok(()),
        }
    }

    /// Renews the session until told to stop.
    ///
    /// # Errors
    ///
    /// When another process has ended it. That the store is away is none.
    pub(crate) async fn keep(&self, mut stop: Stop) -> Result<(), Problem> {
        loop {
            tokio::select! {
                () = tokio::time::sleep(RENEW_EVERY) => {}
                () = stop.stopped() => return Ok(()),
            }
            let Err(problem) = self.confirm().await else { continue };
            if self.shared.as_ref().is_some_and(|shared| shared.life() == Life::Ended) {
                return Err(problem);
            }
            tracing::warn!(error = %problem, "the claims can't be renewed");
        }
    }

    /// Ends the session, which frees all claims at once. Where that fails, others wait.
    pub(crate) async fn close(&self) {
        let Some(shared) = &self.shared else { return };
        if !matches!(shared.life(), Life::Until(_)) {
            return;
        }
        if let Err(error) = shared.state.delete(&session_key(&shared.session)).await {
            tracing::warn!(%error, "the claims of this process stay until others see that it has ended");
        }
    }
}

impl Shared {
    fn life(&self) -> Life {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lives(&self, life: Life) {
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// Writes the session's object, if nobody else did.
    async fn renew(&self) -> Result<(), Problem> {
        let mut version = self.version.lock().await;
        let key = session_key(&self.session);
        // Twice: a write that seemed to fail may have gone through.
        for _ in 0..2 {
            if self.life() == Life::Ended {
                return Err(ServeError::ClaimLost.into());
            }
            let sent = self.clock.monotonic();
            let session = Session { version: VERSION, renewed: self.clock.now(), ended: false };
            let value = serde_json::to_vec(&session).unwrap_or_default();
            match self.state.compare_and_set(&key, version.as_deref(), &value).await {
                Ok(now) => {
                    *version = Some(now);
                    self.lives(Life::Until(sent + VALID));
                    return Ok(());
                }
                Err(StateError::Conflict { .. }) => {}
                Err(error) => return Err(state_error(error)),
            }
            match self.stored(&self.session).await? {
                Some(stored) => *version = Some(stored),
                None => self.lives(Life::Ended),
            }
        }
        Err(ServeError::ClaimLost.into())
    }

    /// The version of a session's object; `None` if the session has ended.
    async fn stored(&self, session: &str) -> Result<Option<String>, Problem> {
        let stored = self.state.get(&session_key(session)).await.map_err(state_error)?;
        // What can't be read is of a newer dab, and lives as long as it changes.
        let is_ended = |value: &[u8]| {
            serde_json::from_slice::<Session>(value).is_ok_and(|session| session.ended)
        };
        Ok(stored.filter(|stored| !is_ended(&stored.value)).map(|stored| stored.version))
    }

    async fn take(&self, name: &str) -> Result<Owner, Problem> {
        let key = format!("claims/{name}");
        let found = self.state.get(&key).await.map_err(state_error)?;
        if let Some(found) = &found {
            let claim: Claim =
                serde_json::from_slice(&found.value).map_err(|error| corrupt(&key, &error))?;
            if claim.session == self.session {
                return Ok(Owner::Us);
            }
            if let Some(version) = self.stored(&claim.session).await? {
                return Ok(Owner::Other(claim.session, version));
            }
        }
        if self.life() == Life::NotBegun {
            self.renew().await?;
        }
        let claim =
            Claim { version: VERSION, session: self.session.clone(), taken: self.clock.now() };
        let value = serde_json::to_vec(&claim).unwrap_or_default();
        let version = found.as_ref().map(|found| found.version.as_str());
        match self.state.compare_and_set(&key, version, &value).await {
            Ok(_) => Ok(Owner::Us),
            Err(StateError::Conflict { .. }) => Ok(Owner::Unknown),
            Err(error) => Err(state_error(error)),
        }
    }

    /// Ends another's session, if it is still as it was seen.
    async fn end(&self, session: &str, version: &str) {
        let key = session_key(session);
        let ended = Session { version: VERSION, renewed: self.clock.now(), ended: true };
        let value = serde_json::to_vec(&ended).unwrap_or_default();
        if self.state.compare_and_set(&key, Some(version), &value).await.is_ok()
            && let Err(error) = self.state.delete(&key).await
        {
            // It says that it has ended; that is enough.
            tracing::debug!(%error, "an ended session stays in the state");
        }
    }
}

fn session_key(session: &str) -> String {
    format!("sessions/{session}")
}

fn corrupt(key: &str, error: &serde_json::Error) -> LakeError {
    LakeError::Corrupt { address: format!("state/{key}"), reason: error.to_string() }
}

fn state_error(error: StateError) -> Problem {
    notify::NotifyError::from(error).into()
}

/// What was seen of the owner of a claim.
#[derive(Debug, Default)]
struct Watch {
    /// Its session and version, and since when they are that.
    seen: Option<(String, String, Duration)>,
}

/// What that means.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    NotYetKnown,
    Alive,
    Gone(String, String),
}

impl Watch {
    fn look(&mut self, owner: Owner, now: Duration) -> Seen {
        let Owner::Other(session, version) = owner else {
            self.seen = None;
            return Seen::NotYetKnown;
        };
        match &self.seen {
            Some((before, then, since)) if *before == session && *then == version => {
                let is_gone = now.saturating_sub(*since) >= GONE;
                if is_gone { Seen::Gone(session, version) } else { Seen::NotYetKnown }
            }
            seen => {
                let was_renewed = seen.as_ref().is_some_and(|(before, ..)| *before == session);
                self.seen = Some((session, version, now));
                if was_renewed { Seen::Alive } else { Seen::NotYetKnown }
            }
        }
    }
}

#[cfg(test)]
mod tests;
