//! The settings of what looks after the lake.

use std::{collections::BTreeMap, time::Duration};

use lake::retain::{Keep, Retention};
use schemars::JsonSchema;
use serde::Deserialize;

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
}

impl RetentionSettings {
    /// What is wrong with them, and how to put it right.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        let hours_max = u32::try_from(base::limits::VACUUM_GRACE_SECONDS_MAX / 3600).ok()?;
        if self.grace_hours.is_some_and(|hours| hours == 0 || hours > hours_max) {
            return Some(("`grace_hours` is not 1 to 168".into(), "choose 24 if in doubt"));
        }
        let all = [self.warm_days, self.cold_days].into_iter();
        let some = self.tables.values().flat_map(|keep| [keep.warm_days, keep.cold_days]);
        let is_zero = all.chain(some).any(|days| days == Some(0));
        is_zero.then(|| {
            let help = "write how many days are kept, or leave it out to keep all";
            ("`warm_days` and `cold_days` can't be 0".into(), help)
        })
    }

    pub(crate) fn retention(&self) -> Retention {
        let defaults = Retention::default();
        let keep = |(name, keep): (&String, &KeepSettings)| {
            (name.clone(), Keep { warm_days: keep.warm_days, cold_days: keep.cold_days })
        };
        Retention {
            all: Keep { warm_days: self.warm_days, cold_days: self.cold_days },
            some: self.tables.iter().map(keep).collect(),
            exempt: vec![serve::ALERTS_TABLE.into(), serve::MATCHES_TABLE.into()],
            grace: self
                .grace_hours
                .map_or(defaults.grace, |hours| Duration::from_secs(u64::from(hours) * 3600)),
        }
    }
}
