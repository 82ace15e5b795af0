//! What each source is doing, for `dab status`.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base::{Report, Timestamp, limits};
use decode::Enriched;
use lake::{
    Lake, LakeError,
    batch::Manifest,
    counted::{RequestCounts, Requests},
};
use serde::{Deserialize, Serialize};

use crate::rule_limit::HeldBack;

/// The key of the status in the lake.
const STATUS_KEY: &str = "status.json";
/// The folder of the status of processes that have names.
const STATUS_FOLDER: &str = "status";

/// Rates are over this many seconds.
pub const RATE_SECONDS: u64 = 60;

/// A running pipeline, as of `updated`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The form's version.
    pub version: u32,
    /// The process' name, where several write to one lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
    /// When the process began.
    pub started: Timestamp,
    /// When this was written.
    pub updated: Timestamp,
    /// When the process ended in good order, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Timestamp>,
    /// The address of its HTTP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<String>,
    /// How many detections run.
    pub detections: usize,
    /// How many rule files or log sources have a problem.
    pub project_problems: usize,
    /// The rules that could not be evaluated on some events since they were loaded, those that failed
    /// most first; at most [`limits::STATUS_RULE_ERRORS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rule_errors: Vec<RuleErrors>,
    /// The rules of whose matches some were held back since the process began, those with the most
    /// first; at most [`limits::STATUS_RULES_HELD_BACK_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<RuleHeldBack>,
    /// The requests to each object store since the process began: those of the lake under `lake`, those of
    /// buckets that are read under the names of their sources.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Requests>,
    /// What is wrong with sources, by the last look at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unhealthy: Vec<Unhealthy>,
    /// The sources, by name.
    pub sources: BTreeMap<String, SourceStatus>,
}

/// A source that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unhealthy {
    /// The source.
    pub source: String,
    /// `silent`, `volume_drop`, `volume_spike`, `late`, `quarantined`, `failing`, `new_fields` or `credential`.
    pub kind: String,
    /// Since when, as far as it is known.
    pub since: Timestamp,
    /// What is wrong.
    pub message: String,
}

/// A rule that could not be evaluated on some events: it did not match them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleErrors {
    /// Its id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its file.
    pub file: String,
    /// The line it begins on.
    pub line: u32,
    /// On how many events.
    pub count: u64,
    /// The id of the last of them.
    pub event_id: String,
    /// What happened there.
    pub message: String,
}

/// A rule that matched so often that some of its matches were held back: they raised no alert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHeldBack {
    /// Its id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its file.
    pub file: String,
    /// How many matches.
    pub count: u64,
    /// The latest time of their events.
    pub last_event: Timestamp,
}

/// A field that was in none of the table's events before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewField {
    /// Its name, with dots between its parts.
    pub name: String,
    /// When the first batch that has it was committed.
    pub since: Timestamp,
}

/// What became of questions to lookup tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupCounts {
    /// There was a row.
    pub found: u64,
    /// There was none.
    pub absent: u64,
    /// There was no such table.
    pub without_table: u64,
}

impl LookupCounts {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Enriched> for LookupCounts {
    fn from(enriched: Enriched) -> Self {
        let Enriched { found, absent, without_table } = enriched;
        Self { found, absent, without_table }
    }
}

/// A source. Counts are since the process began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// Its log source.
    pub log_source: String,
    /// The table its events go to.
    pub table: String,
    /// How many records came in.
    pub records: u64,
    /// How many became rows.
    pub rows: u64,
    /// How many went to the quarantine.
    pub quarantined: u64,
    /// How many raw bytes came in.
    pub bytes: u64,
    /// How many matches its events made.
    pub matches: u64,
    /// How many more were held back, as their rules matched too often.
    #[serde(default)]
    pub held_back: u64,
    /// How many alerts these raised.
    pub alerts: u64,
    /// Events each second over the last [`RATE_SECONDS`].
    pub rate: f64,
    /// The latest event time in the table from this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<Timestamp>,
    /// When its last batch was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_commit: Option<Timestamp>,
    /// How long after their event time the events of the last batch were committed, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<f64>,
    /// For how long it may bring nothing before an alert says so, in seconds; left out while it is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_after_seconds: Option<u64>,
    /// How many fields were in none of the table's events before.
    #[serde(default)]
    pub new_fields: u64,
    /// The latest of them, at most [`limits::STATUS_NEW_FIELDS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_field_names: Vec<NewField>,
    /// When its credential or certificate ends, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ends: Option<Timestamp>,
    /// How many objects of a bucket wait to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects_waiting: Option<u64>,
    /// How many announcements of objects are held, and not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announcements_held: Option<u64>,
    /// What lookup tables were asked for fields of its events, all sources of its log source together.
    #[serde(default, skip_serializing_if = "LookupCounts::is_none")]
    pub lookups: LookupCounts,
    /// How many problems there were.
    pub errors: u64,
    /// After how many of these what failed was done all the same, such as a pull that waited for a server.
    #[serde(default)]
    pub recovered: u64,
    /// The last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Report>,
}

/// Where sources write what they are doing.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    status: Status,
    /// When how many events were committed, for rates.
    recent: BTreeMap<String, VecDeque<(Timestamp, u64)>>,
    /// The ids of the rules that could not be evaluated on some events.
    failing: HashSet<String>,
    /// What was held back, by the rule's id.
    held_back: BTreeMap<String, RuleHeldBack>,
    /// Where the requests to the stores of sources are counted.
    requests: BTreeMap<String, Arc<RequestCounts>>,
    changed: bool,
}

impl Board {
    pub(crate) fn new(status: Status) -> Self {
        Self(Mutex::new(Inner {
            status,
            recent: BTreeMap::new(),
            failing: HashSet::new(),
            held_back: BTreeMap::new(),
            requests: BTreeMap::new(),
            changed: true,
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Numbers for people: whatever a panic left behind is good enough.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the requests to the store of a source.
    pub(crate) fn counts(&self, source: &str, counts: Arc<RequestCounts>) {
        self.inner().requests.insert(source.to_owned(), counts);
    }

    pub(crate) fn listening(&self, address: &str) {
        self.inner().status.listening = Some(address.to_owned());
    }

    pub(crate) fn reloaded(&self, detections: usize, problems: usize) {
        let mut inner = self.inner();
        (inner.status.detections, inner.status.project_problems) = (detections, problems);
        inner.changed = true;
    }

    /// Notes which rules could not be evaluated. Answers those of which it was not known.
    pub(crate) fn rule_errors(&self, mut errors: Vec<RuleErrors>) -> Vec<RuleErrors> {
        errors.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.rule.cmp(&b.rule)));
        let mut inner = self.inner();
        let is_new = |one: &&RuleErrors| !inner.failing.contains(&one.rule);
        let new = errors.iter().filter(is_new).cloned().collect();
        inner.failing = errors.iter().map(|one| one.rule.clone()).collect();
        errors.truncate(limits::STATUS_RULE_ERRORS_MAX);
        inner.changed |= inner.status.rule_errors != errors;
        inner.status.rule_errors = errors;
        new
    }

    /// Counts matches that were held back.
    pub(crate) fn held_back(&self, held: &HeldBack) {
        let mut inner = self.inner();
        inner.changed = true;
        let of_rule = inner.held_back.entry(held.rule.id.clone()).or_default();
        *of_rule = RuleHeldBack {
            rule: held.rule.id.clone(),
            title: held.rule.title.clone(),
            file: held.rule.file.clone(),
            count: of_rule.count + held.count,
            last_event: of_rule.last_event.max(held.to),
        };
        let mut all = inner.held_back.values().cloned().collect::<Vec<_>>();
        all.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.rule.cmp(&b.rule)));
        all.truncate(limits::STATUS_RULES_HELD_BACK_MAX);
        inner.status.held_back = all;
    }

    /// Notes what is wrong with sources, and how long each may bring nothing.
    pub(crate) fn health(&self, unhealthy: Vec<Unhealthy>, limits: &[(String, Option<Duration>)]) {
        let mut inner = self.inner();
        let mut is_new = inner.status.unhealthy != unhealthy;
        inner.status.unhealthy = unhealthy;
        for (name, limit) in limits {
            let Some(source) = inner.status.sources.get_mut(name) else { continue };
            let limit = limit.map(|limit| limit.as_secs());
            is_new |= source.silent_after_seconds != limit;
            source.silent_after_seconds = limit;
        }
        inner.changed |= is_new;
    }

    /// Notes how much waits before a bucket source.
    pub(crate) fn waiting(&self, source: &str, objects: u64, announcements: Option<u64>) {
        let mut inner = self.inner();
        let of = inner.status.sources.entry(source.to_owned()).or_default();
        let is_same = of.objects_waiting == Some(objects) && of.announcements_held == announcements;
        (of.objects_waiting, of.announcements_held) = (Some(objects), announcements);
        inner.changed |= !is_same;
    }

    /// Notes fields that were in none of a table's events before.
    pub(crate) fn new_fields(&self, source: &str, names: &[String], now: Timestamp) {
        if names.is_empty() {
            return;
        }
        self.source(source, |status| {
            status.new_fields += names.len() as u64;
            let new = names.iter().map(|name| NewField { name: name.clone(), since: now });
            status.new_field_names.extend(new);
            let over = status.new_field_names.len().saturating_sub(limits::STATUS_NEW_FIELDS_MAX);
            status.new_field_names.drain(..over);
        });
    }

    pub(crate) fn stopped(&self, now: Timestamp) {
        let mut inner = self.inner();
        inner.status.stopped = Some(now);
        inner.changed = true;
    }

    pub(crate) fn source(&self, name: &str, update: impl FnOnce(&mut SourceStatus)) {
        let mut inner = self.inner();
        update(inner.status.sources.entry(name.to_owned()).or_default());
        inner.changed = true;
    }

    pub(crate) fn committed(&self, manifest: &Manifest, alerts: usize, now: Timestamp) {
        let mut inner = self.inner();
        inner.changed = true;
        let recent = inner.recent.entry(manifest.source.clone()).or_default();
        recent.push_back((now, manifest.rows));
        let source = inner.status.sources.entry(manifest.source.clone()).or_default();
        source.records += manifest.records;
        source.rows += manifest.rows;
        source.quarantined += manifest.quarantined;
        source.bytes += manifest.bytes;
        source.matches += manifest.matches;
        source.held_back += manifest.held_back;
        source.alerts += alerts as u64;
        source.last_commit = Some(now);
        if let Some(latest) = manifest.time_max {
            source.last_event = source.last_event.max(Some(latest));
            source.lag_seconds = Some(now.since(latest).as_secs_f64());
        }
    }

    pub(crate) fn trouble(&self, source: &str, report: Report) {
        self.source(source, |status| {
            status.errors += 1;
            status.last_error = Some(report);
        });
    }

    /// The status now, if it changed since it was last asked for.
    fn take(&self, now: Timestamp) -> Option<Status> {
        let mut inner = self.inner();
        let horizon = now.minus(Duration::from_secs(RATE_SECONDS));
        let since = horizon.max(inner.status.started);
        let span = now.since(since).as_secs_f64().max(1.0);
        let Inner { status, recent, requests, changed, .. } = &mut *inner;
        for (name, commits) in recent {
            while commits.front().is_some_and(|(at, _)| *at < horizon) {
                commits.pop_front();
                *changed = true;
            }
            let events: u64 = commits.iter().map(|(_, rows)| rows).sum();
            if let Some(source) = status.sources.get_mut(name) {
                let rate = events as f64 / span;
                source.rate = (rate * 10.0).round() / 10.0;
            }
        }
        if !std::mem::take(changed) {
            return None;
        }
        status.updated = now;
        // They change with every look, and are no reason to write a status.
        status.requests =
            requests.iter().map(|(name, counts)| (name.clone(), counts.now())).collect();
        Some(status.clone())
    }

    /// The status as it was last taken.
    pub(crate) fn status(&self) -> Status {
        self.inner().status.clone()
    }

    /// Writes the status into the lake, if it changed.
    pub(crate) async fn publish(&self, lake: &Lake, now: Timestamp) -> Result<(), LakeError> {
        let Some(mut status) = self.take(now) else { return Ok(()) };
        status.requests.insert("lake".to_owned(), lake.requests());
        let json = serde_json::to_vec_pretty(&status).unwrap_or_default();
        let key = status.writer.as_ref().map(|writer| format!("{STATUS_FOLDER}/{writer}.json"));
        lake.put(key.as_deref().unwrap_or(STATUS_KEY), json.into()).await
    }
}

impl Status {
    /// Reads the status that the last process without a name left; `None` if none ever ran.
    ///
    /// # Errors
    ///
    /// If the lake can't be read, or what is there is no status.
    pub async fn read(lake: &Lake) -> Result<Option<Self>, LakeError> {
        Self::read_at(lake, STATUS_KEY).await
    }

    /// Reads what each of the processes left that wrote to the lake: one without a name, and those with names.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub async fn read_all(lake: &Lake) -> Result<Vec<Self>, LakeError> {
        let mut all = Vec::from_iter(Self::read(lake).await?);
        for key in lake.list(STATUS_FOLDER).await? {
            all.extend(Self::read_at(lake, &key).await?);
        }
        Ok(all)
    }

    async fn read_at(lake: &Lake, key: &str) -> Result<Option<Self>, LakeError> {
        let Some(bytes) = lake.get(key).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| LakeError::Corrupt {
            address: lake.address(key),
            reason: error.to_string(),
        })
    }
}
