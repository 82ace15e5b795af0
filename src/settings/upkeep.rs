//! The settings of what looks after the lake and the sources.

use std::{collections::BTreeMap, time::Duration};

use lake::retain::{Keep, Retention};
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{Expected, Health, Maintenance, Silence};

/// How long what is stored is kept. Nothing is dropped that this does not ask for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionSettings {
    /// For how many days events stay in their tables, by their own time; for ever if it is left out.
    /// Does not go for the tables `alerts` and `matches`.
    #[serde(default)]
    warm_days: Option<u32>,
    /// For how many days the bytes as received are kept, by the day they came in; for ever if it is
    /// left out.
    #[serde(default)]
    cold_days: Option<u32>,
    /// For how many days records that could not be decoded wait in the quarantine, by the day they were put
    /// there; for ever if it is left out.
    #[serde(default)]
    quarantine_days: Option<u32>,
    /// What goes for some tables and log sources, by name.
    #[serde(default)]
    tables: BTreeMap<String, KeepSettings>,
    /// For how many hours files are kept that are no longer needed, so that queries and writers that
    /// began before go on: 1 to 168. 24 if it is left out.
    #[serde(default)]
    grace_hours: Option<u32>,
}

/// How long what is stored of a table or log source is kept.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeepSettings {
    /// For how many days its events stay in the table.
    #[serde(default)]
    warm_days: Option<u32>,
    /// For how many days its bytes as received are kept.
    #[serde(default)]
    cold_days: Option<u32>,
    /// For how many days its records wait in the quarantine.
    #[serde(default)]
    quarantine_days: Option<u32>,
}

impl KeepSettings {
    const fn keep(&self) -> Keep {
        let Self { warm_days, cold_days, quarantine_days } = *self;
        Keep { warm_days, cold_days, quarantine_days }
    }
}

impl RetentionSettings {
    /// What is wrong with them, and how to put it right.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        let hours_max = u32::try_from(base::limits::VACUUM_GRACE_SECONDS_MAX / 3600).ok()?;
        if self.grace_hours.is_some_and(|hours| hours == 0 || hours > hours_max) {
            return Some(("`grace_hours` is not 1 to 168".into(), "choose 24 if in doubt"));
        }
        let days = |keep: Keep| [keep.warm_days, keep.cold_days, keep.quarantine_days];
        let some = self.tables.values().map(KeepSettings::keep);
        let is_zero = some.chain([self.all()]).flat_map(days).any(|days| days == Some(0));
        is_zero.then(|| {
            let help = "write how many days are kept, or leave it out to keep all";
            ("`warm_days`, `cold_days` and `quarantine_days` can't be 0".into(), help)
        })
    }

    const fn all(&self) -> Keep {
        let (warm_days, cold_days) = (self.warm_days, self.cold_days);
        Keep { warm_days, cold_days, quarantine_days: self.quarantine_days }
    }

    pub(crate) fn retention(&self) -> Retention {
        let defaults = Retention::default();
        let keep = |(name, keep): (&String, &KeepSettings)| (name.clone(), keep.keep());
        Retention {
            all: self.all(),
            some: self.tables.iter().map(keep).collect(),
            exempt: vec![serve::ALERTS_TABLE.into(), serve::MATCHES_TABLE.into()],
            grace: self
                .grace_hours
                .map_or(defaults.grace, |hours| Duration::from_secs(u64::from(hours) * 3600)),
        }
    }
}

/// How `dab run` looks after the lake: it compacts and keeps to `retention`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MaintenanceSettings {
    /// Whether it does. Where a scheduler runs `dab lake`, it need not.
    #[serde(default = "yes")]
    enabled: bool,
    /// How often it is looked whether something is to be done.
    #[serde(default = "ten_minutes")]
    look_seconds: u64,
    /// A day that has more small files than this is compacted at once; other days when they are over.
    #[serde(default = "two_hundred")]
    small_files_max: usize,
}

impl Default for MaintenanceSettings {
    fn default() -> Self {
        let (look_seconds, small_files_max) = (ten_minutes(), two_hundred());
        Self { enabled: yes(), look_seconds, small_files_max }
    }
}

const fn yes() -> bool {
    true
}

const fn ten_minutes() -> u64 {
    600
}

/// A quarter of an hour of one source that commits every five seconds: few enough files for a query to
/// open, and each byte is written anew some three times before its file is large.
const fn two_hundred() -> usize {
    200
}

impl MaintenanceSettings {
    /// What is wrong with them, and how to put it right.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        let is_zero = self.look_seconds == 0 || self.small_files_max == 0;
        is_zero.then(|| {
            let message = "`look_seconds` and `small_files_max` can't be 0".to_owned();
            (message, "write `enabled: false` to turn maintenance off")
        })
    }

    pub(crate) fn maintenance(&self, retention: &RetentionSettings) -> Option<Maintenance> {
        self.enabled.then(|| Maintenance {
            look_every: Duration::from_secs(self.look_seconds),
            small_files_max: self.small_files_max,
            retention: retention.retention(),
        })
    }
}

/// How `dab run` watches sources: an alert about each that does not do what it did.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthSettings {
    /// Whether it does.
    #[serde(default = "yes")]
    enabled: bool,
    /// How often it looks.
    #[serde(default = "a_minute")]
    look_seconds: u64,
    /// What is expected of some sources, by name; those of HTTP are called `http.<log source>`. What
    /// is left out is learned.
    #[serde(default)]
    sources: BTreeMap<String, ExpectedSettings>,
}

/// What is expected of a source.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExpectedSettings {
    /// For how many minutes it may bring nothing; 0: for ever. Learned if it is left out.
    #[serde(default)]
    silent_after_minutes: Option<u32>,
    /// How many minutes after their time its events may be committed; any if it is left out.
    #[serde(default)]
    lag_minutes_max: Option<u32>,
    /// How many percent of its records may go to the quarantine: 10 if it is left out.
    #[serde(default)]
    quarantined_percent_max: Option<u8>,
    /// Whether an alert tells of fields that it never had: `false` if it is left out.
    #[serde(default)]
    new_fields: bool,
}

const fn a_minute() -> u64 {
    60
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self { enabled: yes(), look_seconds: a_minute(), sources: BTreeMap::new() }
    }
}

impl HealthSettings {
    /// What is wrong with them, and how to put it right.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        if self.look_seconds == 0 {
            let message = "`look_seconds` of `health` can't be 0".to_owned();
            return Some((message, "write `enabled: false` to watch no source"));
        }
        let percent = |of: &ExpectedSettings| of.quarantined_percent_max.unwrap_or(0);
        let (name, _) = self.sources.iter().find(|(_, expected)| percent(expected) > 100)?;
        let message = format!("`quarantined_percent_max` of `{name}` is more than 100");
        Some((message, "write 100 to be told of none"))
    }

    pub(crate) fn health(&self) -> Option<Health> {
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let expected = |expected: &ExpectedSettings| Expected {
            silence: match expected.silent_after_minutes {
                None => Silence::Learned,
                Some(0) => Silence::Never,
                Some(limit) => Silence::After(minutes(limit)),
            },
            lag_max: expected.lag_minutes_max.map(minutes),
            quarantined_percent_max: expected.quarantined_percent_max,
            tells_new_fields: expected.new_fields,
        };
        let of_sources = self.sources.iter().map(|(name, of)| (name.clone(), expected(of)));
        self.enabled.then(|| Health {
            look_every: Duration::from_secs(self.look_seconds),
            sources: of_sources.collect(),
        })
    }
}
