//! Whether sources do what they always did: an alert about each that does not.
//!
//! What a source brought is remembered by the hour, for a week, in the state store. What it is
//! expected to do is what the settings say, and else what it did in that week ([`judge`]).
//!
//! Promises: it never stops or delays a source; the same trouble is one alert for as long as it
//! lasts, whatever crashes. Does not promise to count exactly: a process that dies forgets what it
//! saw in its last minutes, so that what is learned may be a little off.

mod history;
mod judge;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use base::{
    EventId, Level, Match, ObjectHash, Problem, Reason, RuleInfo, StateError, StateStore, Timestamp,
};

use serde::{Deserialize, Serialize};

pub use self::judge::{Expected, Silence};
use self::{
    history::{History, Seen},
    judge::{Finding, judge, silent_after},
};
use crate::{
    ServeError, Stop,
    claims::of_writer,
    happening::Happening,
    lane::Stages,
    status::{SourceStatus, Unhealthy},
};

/// Under which name these matches are committed. No source has it: their names have no dot.
const SOURCE: &str = "dab.health";

/// The id of the alerts' rule.
const RULE_ID: &str = "dab.health";

/// For how long the same trouble joins its alert.
const ALERT_WINDOW_SECONDS: u64 = 7 * 86_400;

/// How often what was seen is stored.
const STORE_EVERY: Duration = Duration::from_secs(300);

/// Where what was seen is stored, by source.
const PREFIX: &str = "health/";

/// The version of that.
const STORED_VERSION: u32 = 1;

/// What is stored of a source.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    version: u32,
    history: History,
    told: BTreeSet<String>,
}

/// How sources are watched.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// How often they are looked at.
    pub look_every: Duration,
    /// What is expected of some of them, by name.
    pub sources: BTreeMap<String, Expected>,
}

/// Watches the sources of a pipeline.
#[derive(Debug)]
pub(crate) struct Watch {
    health: Health,
    state: Arc<dyn StateStore>,
    sources: BTreeMap<String, Watched>,
    stored: Timestamp,
    /// When the process began, unless it runs once and ends: what came before it is not known to
    /// have been watched.
    began: Option<Timestamp>,
}

/// A source that is watched.
#[derive(Debug, Default)]
struct Watched {
    history: History,
    /// The version of what is stored.
    version: Option<String>,
    /// What the source had counted when it was last looked at.
    before: Seen,
    /// The troubles that were told of.
    told: BTreeSet<String>,
}

impl Watch {
    /// Goes on from what is stored.
    pub(crate) async fn open(
        health: Health,
        state: Arc<dyn StateStore>,
        stages: &Stages,
    ) -> Result<Self, Problem> {
        let mut sources = BTreeMap::new();
        for key in state.list(PREFIX).await.map_err(state_error)? {
            let Some(stored) = state.get(&key).await.map_err(state_error)? else { continue };
            let name = key.strip_prefix(PREFIX).unwrap_or(&key).to_owned();
            // What another version of dab stored is no reason not to start: it is learned anew.
            let Stored { history, told, .. } =
                serde_json::from_slice(&stored.value).unwrap_or_default();
            let (version, before) = (Some(stored.version), Seen::default());
            sources.insert(name, Watched { history, version, before, told });
        }
        let now = stages.clock.now();
        let began = (!stages.once).then_some(now);
        Ok(Self { health, state, sources, stored: now, began })
    }

    /// Looks until told to stop.
    pub(crate) async fn run(mut self, stages: Arc<Stages>, mut stop: Stop) {
        while !stop.is_stopped() {
            tokio::select! {
                () = tokio::time::sleep(self.health.look_every) => {}
                () = stop.stopped() => {}
            }
            let is_last = stop.is_stopped();
            self.look(&stages, is_last).await;
        }
    }

    /// Looks once. What keeps it from looking is told of, and holds up nobody.
    pub(crate) async fn look(&mut self, stages: &Stages, is_last: bool) {
        if let Err(problem) = self.try_look(stages, is_last).await {
            let report = problem.report();
            tracing::warn!(problem = %report, "the health of sources can't be looked at");
            stages.observer.happened(&Happening::Trouble { source: "health", report: &report });
        }
    }

    /// Looks once: notes what sources brought, and tells of those that are not as they should be.
    async fn try_look(&mut self, stages: &Stages, is_last: bool) -> Result<(), Problem> {
        let now = stages.clock.now();
        let (mut unhealthy, mut new) = (Vec::new(), Vec::new());
        let (mut limits, mut found) = (Vec::new(), Vec::new());
        for (name, status) in stages.board.status().sources {
            let expected = self.health.sources.get(&name).copied().unwrap_or_default();
            if status.records == 0 && status.errors == 0 && !self.is_known(&name) {
                continue;
            }
            let watched = self.sources.entry(name.clone()).or_default();
            watched.note(&status, now, self.began.is_none());
            limits.push((name.clone(), silent_after(&watched.history, &expected, now)));
            let findings = judge(&watched.history, &expected, &status, now, self.began);
            new.extend(watched.news(&name, &findings));
            found.push((name.clone(), findings.iter().map(Finding::key).collect()));
            unhealthy.extend(findings.into_iter().map(|finding| Unhealthy {
                source: name.clone(),
                kind: finding.kind.name().to_owned(),
                since: finding.since,
                message: finding.message,
            }));
        }
        stages.board.health(unhealthy, &limits);
        tell(stages, &new, now).await?;
        // Only now: what could not be told is told at the next look.
        for (name, keys) in found {
            if let Some(watched) = self.sources.get_mut(&name) {
                watched.told = keys;
            }
        }
        // What was told is stored with what was seen; told again, it joins its alert.
        if is_last || !new.is_empty() || now.since(self.stored) >= STORE_EVERY {
            self.store(now).await?;
        }
        Ok(())
    }

    /// Whether anything is known or expected of a source.
    fn is_known(&self, name: &str) -> bool {
        self.sources.contains_key(name) || self.health.sources.contains_key(name)
    }

    async fn store(&mut self, now: Timestamp) -> Result<(), Problem> {
        self.stored = now;
        for (name, watched) in &mut self.sources {
            let stored = Stored {
                version: STORED_VERSION,
                history: watched.history.clone(),
                told: watched.told.clone(),
            };
            let value = serde_json::to_vec(&stored).unwrap_or_default();
            let version = watched.version.as_deref();
            let key = format!("{PREFIX}{name}");
            let done = match self.state.compare_and_set(&key, version, &value).await {
                Err(StateError::Conflict { .. }) => {
                    // Another process watches the same source: the last one to look is right.
                    let now = self.state.get(&key).await.map_err(state_error)?;
                    let version = now.as_ref().map(|now| now.version.as_str());
                    self.state.compare_and_set(&key, version, &value).await
                }
                done => done,
            };
            watched.version = Some(done.map_err(state_error)?);
        }
        Ok(())
    }
}

impl Watched {
    /// Notes what the source counted since it was last looked at.
    fn note(&mut self, status: &SourceStatus, now: Timestamp, is_whole: bool) {
        let seen = Seen {
            records: status.records,
            rows: status.rows,
            quarantined: status.quarantined,
            errors: status.errors,
        };
        let brought = seen.since(self.before);
        self.before = seen;
        self.history.note(brought, status.last_commit, now, is_whole);
    }

    /// Alerts about the findings of which nothing was told yet. Those that are over may be told of
    /// again.
    fn news<'f>(
        &self,
        name: &str,
        findings: &'f [Finding],
    ) -> impl Iterator<Item = Match> + use<'_, 'f> {
        let name = name.to_owned();
        let new = findings.iter().filter(|finding| !self.told.contains(&finding.key()));
        new.map(move |finding| alert(&name, finding))
    }
}

/// Raises the alerts.
async fn tell(stages: &Stages, new: &[Match], now: Timestamp) -> Result<(), Problem> {
    if new.is_empty() {
        return Ok(());
    }
    let matches: Vec<Match> =
        new.iter().map(|found| Match { time: now, ..found.clone() }).collect();
    for found in &matches {
        let message = found.reasons.first().map(|reason| reason.value.clone()).unwrap_or_default();
        let report = Problem::from(ServeError::Unhealthy { message }).report();
        tracing::warn!(problem = %report, "a source is not as it should be");
        stages.observer.happened(&Happening::Trouble { source: "health", report: &report });
    }
    let name = of_writer(SOURCE, stages.writer.as_deref());
    stages.alerts.raise(&name, &matches).await?;
    Ok(())
}

fn alert(source: &str, finding: &Finding) -> Match {
    let key = finding.key();
    let object = ObjectHash::of(&["health", source, &key]);
    let message = format!("`{source}` {}", finding.message);
    let help = finding.kind.help().to_owned();
    Match {
        rule: Arc::new(RuleInfo {
            id: RULE_ID.to_owned(),
            title: finding.kind.title().to_owned(),
            level: Level::High,
            tags: Vec::new(),
            dedup: vec!["source".to_owned(), "trouble".to_owned()],
            dedup_window_seconds: ALERT_WINDOW_SECONDS,
            file: String::new(),
        }),
        time: finding.since,
        event_id: EventId { object, offset: 0 }.to_string().into(),
        log_source: "dab".into(),
        reasons: vec![
            Reason {
                field: "source".into(),
                test: finding.kind.name().into(),
                value: message.clone(),
            },
            Reason { field: "what to do".into(), test: "look".into(), value: help },
        ],
        dedup_values: vec![source.to_owned(), key],
        event: serde_json::json!({
            "source": source,
            "trouble": finding.kind.name(),
            "since": finding.since,
            "message": message,
        })
        .to_string()
        .into(),
        facts: None,
    }
}

fn state_error(error: StateError) -> Problem {
    notify::NotifyError::from(error).into()
}

#[cfg(test)]
mod tests;
