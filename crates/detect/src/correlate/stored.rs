//! The state of correlations as bytes, so that it outlives the process and a change of rules.
//!
//! Each correlation's part is kept under a fingerprint of what it does: one that was changed starts
//! anew, the others go on.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use base::ObjectHash;
use serde::{Deserialize, Serialize};

use super::{
    Correlation, Correlator,
    amount::Amount,
    correlator::{Counts, Hit, Running, event_id},
    group::{Entry, Group, Held},
};

/// The version of the bytes.
const VERSION: u32 = 1;

/// Why state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A later dab wrote it.
    #[error("the state of correlations has version {0}, which this dab does not know")]
    Newer(u32),
    /// Nobody did.
    #[error("the state of correlations can't be read")]
    Malformed(#[source] serde_json::Error),
}

#[derive(Deserialize)]
struct Head {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    seen: Option<i64>,
    decided: i64,
    released: u64,
    /// By fingerprint.
    correlations: BTreeMap<String, StoredCorrelation>,
}

#[derive(Serialize, Deserialize)]
struct StoredCorrelation {
    /// For people who look at it.
    id: String,
    counts: Counts,
    waiting: Vec<StoredHit>,
    groups: Vec<StoredGroup>,
}

#[derive(Serialize, Deserialize)]
struct StoredHit {
    #[serde(rename = "e")]
    entry: StoredEntry,
    #[serde(rename = "g")]
    group: Vec<String>,
    #[serde(rename = "p")]
    passed: Vec<Vec<String>>,
    #[serde(rename = "l")]
    log_source: Arc<str>,
}

#[derive(Serialize, Deserialize)]
struct StoredGroup {
    #[serde(rename = "g")]
    group: Vec<String>,
    #[serde(rename = "t")]
    touched: u64,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    fired: Option<i64>,
    #[serde(rename = "e")]
    entries: Vec<StoredEntry>,
}

/// Time, event id, member, values.
#[derive(Serialize, Deserialize)]
struct StoredEntry(i64, String, u16, StoredHeld);

/// Amounts are texts: JSON's numbers are not that long everywhere.
#[derive(Serialize, Deserialize)]
enum StoredHeld {
    #[serde(rename = "n")]
    Nothing,
    #[serde(rename = "t")]
    Texts(Vec<String>),
    #[serde(rename = "a")]
    Amounts(Vec<String>),
}

impl Correlator {
    /// The state as bytes: the same for the same state.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        let correlations = self
            .running
            .iter()
            .map(|running| (running.correlation.fingerprint(), StoredCorrelation::of(running)));
        let stored = Stored {
            version: VERSION,
            seen: self.seen,
            decided: self.decided,
            released: self.released,
            correlations: correlations.collect(),
        };
        // Maps with text for keys, numbers and texts: nothing in it can fail to serialize.
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// Goes on from a state. Correlations that are not in it, or have changed, start anew.
    ///
    /// # Errors
    /// If the bytes are no state that this dab knows; nothing is changed then.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let head: Head = serde_json::from_slice(bytes).map_err(RestoreError::Malformed)?;
        if head.version > VERSION {
            return Err(RestoreError::Newer(head.version));
        }
        let mut stored: Stored = serde_json::from_slice(bytes).map_err(RestoreError::Malformed)?;
        self.seen = stored.seen;
        self.decided = stored.decided;
        self.released = stored.released;
        for running in &mut self.running {
            running.clear();
            if let Some(own) = stored.correlations.remove(&running.correlation.fingerprint()) {
                own.restore(running);
            }
        }
        self.reschedule_all();
        Ok(())
    }
}

impl Running {
    fn clear(&mut self) {
        self.waiting.clear();
        self.groups.clear();
        self.events = 0;
        self.counts = Counts::default();
    }
}

impl StoredCorrelation {
    fn of(running: &Running) -> Self {
        let groups = running.groups.iter().map(|(key, group)| StoredGroup {
            group: key.clone(),
            touched: group.touched,
            fired: group.fired,
            entries: group.entries().iter().map(StoredEntry::of).collect(),
        });
        let waiting = running.waiting.values().map(|hit| StoredHit {
            entry: StoredEntry::of(&hit.entry),
            group: hit.group.clone(),
            passed: hit.passed.clone(),
            log_source: Arc::clone(&hit.log_source),
        });
        Self {
            id: running.correlation.info.id.clone(),
            counts: running.counts,
            waiting: waiting.collect(),
            groups: groups.collect(),
        }
    }

    fn restore(self, running: &mut Running) {
        running.counts = self.counts;
        for hit in self.waiting {
            let entry = hit.entry.to_entry();
            let StoredHit { group, passed, log_source, .. } = hit;
            running.waiting.insert(entry.order(), Hit { entry, group, passed, log_source });
        }
        for stored in self.groups {
            let mut group = Group::new(&running.correlation);
            for entry in stored.entries {
                group.add(entry.to_entry(), running.correlation.timespan);
            }
            (group.fired, group.touched) = (stored.fired, stored.touched);
            running.events += group.entries().len();
            running.groups.insert(stored.group, group);
        }
    }
}

impl StoredEntry {
    fn of(entry: &Entry) -> Self {
        let held = match &entry.held {
            Held::Nothing => StoredHeld::Nothing,
            Held::Texts(texts) => {
                StoredHeld::Texts(texts.iter().map(|text| text.as_ref().to_owned()).collect())
            }
            Held::Amounts(amounts) => {
                StoredHeld::Amounts(amounts.iter().map(|amount| amount.0.to_string()).collect())
            }
        };
        Self(entry.time, entry.id.to_string(), entry.member, held)
    }

    fn to_entry(&self) -> Entry {
        let Self(time, id, member, held) = self;
        let held = match held {
            StoredHeld::Nothing => Held::Nothing,
            StoredHeld::Texts(texts) => {
                Held::Texts(texts.iter().map(|text| text.as_str().into()).collect())
            }
            StoredHeld::Amounts(amounts) => {
                let amounts = amounts.iter().filter_map(|text| text.parse().ok().map(Amount));
                Held::Amounts(amounts.collect())
            }
        };
        Entry { time: *time, id: event_id(id), member: *member, held }
    }
}

impl Correlation {
    /// Tells what it does from anything else it could do; its texts for people are no part of it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut parts = vec![self.info.id.clone(), self.kind.as_str().to_owned()];
        parts.push(format!("{} {}", self.timespan, self.lateness));
        parts.push(self.group_by.join("\n"));
        parts.push(self.passed.join("\n"));
        let mut condition = self.condition.expression_words.clone();
        for (operator, limit) in &self.condition.limits {
            // Writing to a string cannot fail.
            writeln!(condition, "{operator:?} {limit}").unwrap_or_default();
        }
        parts.push(format!("{condition} {}", self.condition.percentile));
        parts.push(self.condition.fields.join("\n"));
        for member in &self.members {
            let fields = [&member.group_by, &member.fields, &member.passed];
            parts.push(member.id.clone());
            parts.extend(fields.into_iter().map(|fields| fields.join("\n")));
        }
        let parts = parts.iter().map(String::as_str).collect::<Vec<_>>();
        ObjectHash::of(&parts).to_string()
    }
}
