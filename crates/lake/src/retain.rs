//! Retention: days that are too old are dropped, and what nothing names any longer is removed.
//!
//! Promises: a table loses whole days, in one commit; a file is removed only if the log does not name
//! it as part of the table, and only after a grace period: since the commit that dropped it, or since
//! it was written if no commit ever named it. So queries that began before go on, and what a running
//! writer has put but not yet committed is left alone. Which days were dropped is written
//! down before the first of them goes, for [`crate::check`] and [`crate::reconcile`].
//!
//! What it does not do: touch the ledger or the state.

mod parts;
mod quarantine;

pub use quarantine::quarantine_dropped;

use std::{collections::BTreeMap, time::Duration};

use base::{Day, Timestamp, fault, limits};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, path::Path};
use serde::{Deserialize, Serialize};

use crate::{Lake, LakeError, index, layout, table::Table};

/// How long what is kept.
#[derive(Debug, Clone)]
pub struct Retention {
    /// What goes for all tables and log sources that have no rule of their own, but for those of
    /// [`Self::exempt`].
    pub all: Keep,
    /// What goes for some, by the name of the table or log source. Tiers that they do not mention are
    /// kept as [`Self::all`] says.
    pub some: BTreeMap<String, Keep>,
    /// The tables that [`Self::all`] does not touch.
    pub exempt: Vec<String>,
    /// For how long what is not needed any longer is kept.
    pub grace: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let grace = Duration::from_secs(limits::VACUUM_GRACE_SECONDS);
        Self { all: Keep::default(), some: BTreeMap::new(), exempt: Vec::new(), grace }
    }
}

/// For how many days each tier is kept; for ever where there is no number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Rows of tables, by the day of their event time.
    pub warm_days: Option<u32>,
    /// Raw bytes, by the day they came in.
    pub cold_days: Option<u32>,
    /// Records of the quarantine, by the day they were put there.
    pub quarantine_days: Option<u32>,
}

/// Where something was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// A table.
    Warm,
    /// The bytes as received.
    Cold,
    /// Records that could not be decoded.
    Quarantine,
    /// Files that are part of nothing.
    Unused,
}

impl Tier {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Quarantine => "quarantine",
            Self::Unused => "unused",
        }
    }
}

/// What was dropped, or would be. Rows that were dropped become unused files, which are removed when
/// their grace is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// From which tier.
    pub tier: Tier,
    /// Of which table or log source.
    pub name: String,
    /// The first day that goes, where it goes by days.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub first_day: Option<Day>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub last_day: Option<Day>,
    /// How many objects.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many rows, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

fn as_text<S: serde::Serializer>(day: &Option<Day>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&day.map(|day| day.to_string()).unwrap_or_default())
}

impl Dropped {
    const fn new(tier: Tier, name: String) -> Self {
        Self { tier, name, first_day: None, last_day: None, files: 0, bytes: 0, rows: None }
    }

    fn add(&mut self, day: Option<Day>, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
        if day.is_some() {
            self.first_day = self.first_day.or(day).min(day);
            self.last_day = self.last_day.max(day);
        }
    }
}

impl Retention {
    fn of(&self, name: &str) -> Keep {
        let all = if self.exempt.iter().any(|exempt| exempt == name) {
            Keep::default()
        } else {
            self.all
        };
        let own = self.some.get(name).copied().unwrap_or_default();
        Keep {
            warm_days: own.warm_days.or(all.warm_days),
            cold_days: own.cold_days.or(all.cold_days),
            quarantine_days: own.quarantine_days.or(all.quarantine_days),
        }
    }
}

/// The first day that is kept, if `days` are.
fn first_kept(now: Timestamp, days: u32) -> Day {
    let days = Duration::from_secs(u64::from(days).saturating_mul(86_400));
    now.minus(days).day()
}

/// Drops what is too old, and removes what is not needed; with `dry_run`, only says what it would.
///
/// # Errors
///
/// [`LakeError::Unavailable`], [`LakeError::Conflict`]: what was done until then is done, try again.
pub async fn retain(
    lake: &Lake,
    retention: &Retention,
    dry_run: bool,
) -> Result<Vec<Dropped>, LakeError> {
    let mut dropped = Vec::new();
    for name in lake.tables(&[]).await? {
        let table = lake.table(&name).await?;
        if let Some(days) = retention.of(&name).warm_days {
            dropped.push(drop_days(lake, &table, first_kept(lake.now(), days), dry_run).await?);
        }
        dropped.push(vacuum(lake, &table, retention.grace, dry_run).await?);
    }
    for name in lake.folders(layout::COLD).await? {
        if let Some(days) = retention.of(&name).cold_days {
            dropped.push(drop_cold(lake, &name, first_kept(lake.now(), days), dry_run).await?);
        }
    }
    for name in lake.folders(layout::QUARANTINE).await? {
        if let Some(days) = retention.of(&name).quarantine_days {
            let before = first_kept(lake.now(), days);
            dropped.push(quarantine::drop_records(lake, &name, before, dry_run).await?);
        }
    }
    if let Some(folder) = lake.folder() {
        dropped.push(parts::remove(folder, lake.now().minus(retention.grace), dry_run)?);
    }
    dropped.retain(|dropped| dropped.files > 0);
    Ok(dropped)
}

async fn drop_days(
    lake: &Lake,
    table: &Table,
    before: Day,
    dry_run: bool,
) -> Result<Dropped, LakeError> {
    let files = if dry_run {
        let files = table.snapshot().await?.map(|snapshot| snapshot.files).unwrap_or_default();
        files.into_iter().filter(|file| file.day < before).collect()
    } else {
        let snapshot = table.snapshot().await?;
        if snapshot.is_some_and(|snapshot| snapshot.files.iter().any(|file| file.day < before)) {
            let key = layout::warm_dropped(table.name());
            DroppedBefore::of_table(table.name(), before).note(lake, &key).await?;
        }
        table.drop_days(before).await?
    };
    if !dry_run && !files.is_empty() {
        fault::reach(fault::Point::Dropped);
        tracing::info!(table = table.name(), %before, files = files.len(), "dropped old days");
    }
    let mut dropped = Dropped::new(Tier::Warm, table.name().to_owned());
    for file in &files {
        dropped.add(Some(file.day), file.bytes);
    }
    dropped.rows = files.iter().map(|file| file.rows).sum();
    Ok(dropped)
}

/// Removes the files of a table's folder that are not part of it, when their grace is over.
pub(crate) async fn vacuum(
    lake: &Lake,
    table: &Table,
    grace: Duration,
    dry_run: bool,
) -> Result<Dropped, LakeError> {
    // Listed before the log is read: what is committed in between is seen as part of the table.
    let stored = lake.objects(&layout::table(table.name())).await?;
    let mut dropped = Dropped::new(Tier::Unused, table.name().to_owned());
    // A log that is lost can be restored, as long as what it names is there.
    let Some(named) = table.named().await? else { return Ok(dropped) };
    let expired = lake.now().minus(grace);
    let mut leaving = Vec::new();
    for (path, meta) in stored {
        let is_log = path.parts().next().is_some_and(|part| part.as_ref() == "_delta_log");
        // An index goes with its file.
        let data = index::path_of_data(&path).unwrap_or_else(|| path.clone());
        if is_log || named.live.contains(&data) {
            continue;
        }
        let since = named.removed.get(&data).copied().unwrap_or_else(|| written(&meta));
        if since < expired {
            dropped.add(None, meta.size);
            leaving.push(meta.location);
        }
    }
    if !dry_run {
        remove(lake, leaving).await?;
    }
    Ok(dropped)
}

pub(crate) fn written(meta: &ObjectMeta) -> Timestamp {
    Timestamp::from_micros(meta.last_modified.timestamp_micros())
}

async fn remove(lake: &Lake, objects: Vec<Path>) -> Result<(), LakeError> {
    let objects = futures::stream::iter(objects.into_iter().map(Ok)).boxed();
    let mut removed = lake.store().delete_stream(objects);
    loop {
        match removed.try_next().await {
            Ok(Some(_)) => fault::reach(fault::Point::Vacuumed),
            Ok(None) => return Ok(()),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(LakeError::write(lake.address(""), error)),
        }
    }
}

/// Drops the days of a log source's raw bytes before `before`.
async fn drop_cold(
    lake: &Lake,
    log_source: &str,
    before: Day,
    dry_run: bool,
) -> Result<Dropped, LakeError> {
    let mut dropped = Dropped::new(Tier::Cold, log_source.to_owned());
    let mut leaving = Vec::new();
    let folder = format!("{}/{log_source}", layout::COLD);
    for name in lake.folders(&folder).await? {
        let Some(day) = name.strip_prefix("day=").and_then(Day::parse) else { continue };
        if day >= before {
            continue;
        }
        for (_, meta) in lake.objects(&format!("{folder}/{name}")).await? {
            dropped.add(Some(day), meta.size);
            leaving.push(meta.location);
        }
    }
    if !dry_run && !leaving.is_empty() {
        DroppedBefore::of_log_source(log_source, before)
            .note(lake, &layout::cold_dropped(log_source))
            .await?;
        fault::reach(fault::Point::Dropped);
        remove(lake, leaving).await?;
    }
    Ok(dropped)
}

/// The first day of a table that no retention has dropped; `None` if none ever dropped any.
///
/// # Errors
///
/// [`LakeError::Unavailable`], or [`LakeError::Corrupt`] if the note is not dab's.
pub async fn warm_dropped_before(lake: &Lake, table: &str) -> Result<Option<Day>, LakeError> {
    DroppedBefore::read(lake, &layout::warm_dropped(table)).await
}

/// The first day of a log source's raw bytes that no retention has dropped; `None` if none ever dropped any.
///
/// # Errors
///
/// As [`warm_dropped_before`].
pub async fn cold_dropped_before(lake: &Lake, log_source: &str) -> Result<Option<Day>, LakeError> {
    DroppedBefore::read(lake, &layout::cold_dropped(log_source)).await
}

/// The version of [`DroppedBefore`]'s form that is written.
const DROPPED_VERSION: u32 = 1;

/// Up to which day the raw bytes of a log source, or the rows of a table, were dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DroppedBefore {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    /// Days before this one may be gone, such as `2026-11-24`.
    before: String,
}

impl DroppedBefore {
    /// The first day that no retention has dropped; `None` if none ever dropped anything.
    pub(crate) async fn read(lake: &Lake, key: &str) -> Result<Option<Day>, LakeError> {
        let Some(bytes) = lake.get(key).await? else { return Ok(None) };
        let corrupt = |reason: String| LakeError::corrupt(lake.address(key), reason);
        let read: Self =
            serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
        if read.version > DROPPED_VERSION {
            return Err(corrupt(format!("version {} is newer than this dab", read.version)));
        }
        let day = Day::parse(&read.before);
        day.map(Some).ok_or_else(|| corrupt(format!("`{}` is no day", read.before)))
    }

    fn of_log_source(name: &str, before: Day) -> Self {
        let (version, log_source) = (DROPPED_VERSION, Some(name.to_owned()));
        Self { version, log_source, table: None, before: before.to_string() }
    }

    fn of_table(name: &str, before: Day) -> Self {
        let (version, table) = (DROPPED_VERSION, Some(name.to_owned()));
        Self { version, log_source: None, table, before: before.to_string() }
    }

    async fn note(&self, lake: &Lake, key: &str) -> Result<(), LakeError> {
        let noted = Self::read(lake, key).await?;
        if noted.is_some_and(|noted| Day::parse(&self.before).is_none_or(|day| noted >= day)) {
            return Ok(());
        }
        let json = serde_json::to_vec(self).map_err(|error| LakeError::encode(key, &error))?;
        lake.put(key, json.into()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_the_first_version_is_read_for_ever() {
        let note: DroppedBefore =
            serde_json::from_str(include_str!("../tests/samples/cold-dropped-v1.json")).unwrap();
        assert_eq!((note.version, Day::parse(&note.before)), (1, Day::from_civil(2026, 11, 24)));
    }

    #[test]
    fn rules_of_ones_own_come_first() {
        let keep = |warm_days, cold_days| Keep { warm_days, cold_days, quarantine_days: cold_days };
        let retention = Retention {
            all: keep(Some(365), Some(30)),
            some: BTreeMap::from([
                ("okta".to_owned(), keep(Some(90), None)),
                ("alerts".to_owned(), keep(Some(400), None)),
            ]),
            exempt: vec!["alerts".into(), "matches".into()],
            grace: Duration::ZERO,
        };
        assert_eq!(retention.of("nginx"), keep(Some(365), Some(30)));
        assert_eq!(retention.of("okta"), keep(Some(90), Some(30)));
        assert_eq!(retention.of("alerts"), keep(Some(400), None));
        assert_eq!(retention.of("matches"), keep(None, None));
    }

    #[test]
    fn days_are_whole() {
        let day = |text: &str| Day::parse(text).unwrap();
        for (now, days, first) in [
            ("2026-11-24T00:00:00Z", 1, "2026-11-23"),
            ("2026-11-24T23:59:59Z", 1, "2026-11-23"),
            ("2026-11-24T12:00:00Z", 365, "2025-11-24"),
        ] {
            assert_eq!(first_kept(Timestamp::parse(now).unwrap(), days), day(first), "{now}");
        }
    }
}
