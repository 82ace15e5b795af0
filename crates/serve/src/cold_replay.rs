//! Events made anew from the raw bytes of the cold tier, with the log sources as they are now.
//!
//! # What is promised
//!
//! A row takes the place of the one with the same id, in one commit: nothing is doubled, and nothing is
//! lost. A row whose record can't be decoded any more stays as it is; a row that is missing from its
//! table comes back. Doing it again, wherever it died, comes to the same.
//!
//! Records in the quarantine are left to `dab quarantine replay`, since no rule has seen them. Rules are
//! not run here: they have seen these events, and `dab backtest` asks them again.
//!
//! # How records are found again
//!
//! A batch's manifest says for each object where its records begin and end, how many there are and where
//! the framer stood. Their bytes are among the raw bytes of the batch or of those just before it. If they
//! are cut into other records now, the batch is left alone, as ids are made of the places of records.

mod make;
mod reader;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use base::{EventId, Problem, Report, Timestamp, limits};
use decode::Decoder;
use lake::{
    Lake, LakeError,
    batch::Manifest,
    exchange::{exchange, known},
    reconcile::{Written, committed_in, replayed_ids},
    retain::{quarantine_dropped, warm_dropped_before},
    schema::{declared_fields, with_declared},
    table::Table,
    write::TableWriter,
};

use self::{
    make::{Made, Maker},
    reader::{Left, Part, Reader, Spans, range},
};
use crate::{
    ServeError,
    claims::{self, Claims},
    happening::Nobody,
    lane::blocking,
    stop_signal,
};

/// How often a commit is tried again when upkeep has changed the files.
const ATTEMPTS_MAX: usize = 5;

/// What is replayed.
#[derive(Debug, Clone, Default)]
pub struct ColdReplay {
    /// Only these log sources; all if empty.
    pub log_sources: Vec<String>,
    /// Only batches that were written in this range.
    pub written: Written,
    /// Also brings back the rows of days that retention has dropped.
    pub dropped: bool,
    /// Only says what it would do.
    pub dry_run: bool,
}

/// What was replayed of a log source.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct ColdReplayed {
    /// The log source.
    pub log_source: String,
    /// How many batches.
    pub batches: u64,
    /// How many records they had.
    pub records: u64,
    /// How many rows were made anew in the place of others.
    pub renewed: u64,
    /// How many rows were missing, and are there again.
    pub restored: u64,
    /// How many rows stay as they are, as their records can't be decoded now.
    pub kept: u64,
    /// How many records are in the quarantine, came out of it, or were dropped from it by retention: they are
    /// left alone.
    pub quarantined: u64,
    /// How many records are of days that retention has dropped.
    pub dropped: u64,
    /// How many batches were left alone as retention has dropped their raw bytes.
    pub raw_dropped: u64,
    /// How many batches were left alone as their raw bytes are no longer there, or are cut into other
    /// records now.
    pub left: u64,
    /// Why, for the first batch or record that is as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_problem: Option<Report>,
}

/// Replays what some log sources took in, with the decoders as they are now.
///
/// # Errors
///
/// If the lake can't be used, or another process writes to it. What was done until then is done.
pub async fn replay_cold(
    lake: &Arc<Lake>,
    decoders: &[Arc<Decoder>],
    request: &ColdReplay,
) -> Result<Vec<ColdReplayed>, Problem> {
    let _lock = lake.lock()?;
    let (clock, observer) = (Arc::clone(lake.clock()), Arc::new(Nobody));
    let claims = Claims::new(lake, lake.state()?, clock, observer);
    let (_switch, stop) = stop_signal();
    claims.wait(claims::COLD_REPLAY, true, stop.clone()).await?;
    let replayed = tokio::select! {
        replayed = replay_claimed(lake, decoders, request) => replayed,
        lost = claims.keep(stop) => lost.map(|()| Vec::new()),
    };
    claims.close().await;
    replayed
}

async fn replay_claimed(
    lake: &Arc<Lake>,
    decoders: &[Arc<Decoder>],
    request: &ColdReplay,
) -> Result<Vec<ColdReplayed>, Problem> {
    let decoders: BTreeMap<&str, &Arc<Decoder>> =
        decoders.iter().map(|decoder| (decoder.log_source().name.as_str(), decoder)).collect();
    if let Some(unknown) =
        request.log_sources.iter().find(|name| !decoders.contains_key(name.as_str()))
    {
        let known = decoders.keys().copied().collect::<Vec<_>>().join(", ");
        let log_source = unknown.clone();
        return Err(ServeError::UnknownLogSource {
            source_name: "replay".to_owned(),
            log_source,
            known,
        }
        .into());
    }
    let mut done: BTreeMap<String, ColdReplayed> = BTreeMap::new();
    let mut replayed = BTreeMap::new();
    for source in lake.sources().await? {
        let Some((mut next, last)) = committed_in(lake, &source, &request.written).await? else {
            continue;
        };
        let mut reader = Reader::new(Arc::clone(lake), &source);
        while next <= last {
            let (group, after) = group(&mut reader, next, last, request).await?;
            next = after;
            let Some(first) = group.first() else { continue };
            let Some(decoder) = decoders.get(first.log_source.as_str()) else { continue };
            let of = done.entry(first.log_source.clone()).or_default();
            of.log_source.clone_from(&first.log_source);
            let mut work = Work {
                lake,
                decoder,
                request,
                reader: &mut reader,
                replayed: &mut replayed,
                done: of,
            };
            work.group(group).await?;
        }
    }
    Ok(done.into_values().collect())
}

/// The next batches that are replayed in one commit, and where those after them begin.
async fn group(
    reader: &mut Reader,
    first: u64,
    last: u64,
    request: &ColdReplay,
) -> Result<(Vec<Manifest>, u64), LakeError> {
    let (mut group, mut bytes, mut records) = (Vec::<Manifest>::new(), 0, 0);
    let mut days = BTreeSet::new();
    for number in first..=last {
        let manifest = reader.lake.manifest(&reader.source, number).await?;
        if request.written.is_after(&manifest) {
            return Ok((group, last + 1));
        }
        if request.written.is_before(&manifest) {
            continue;
        }
        let names = &request.log_sources;
        let is_asked = names.is_empty() || names.contains(&manifest.log_source);
        let is_other = group.first().is_some_and(|first| {
            first.log_source != manifest.log_source || first.table != manifest.table
        });
        days.extend(
            [manifest.time_min, manifest.time_max].into_iter().flatten().map(Timestamp::day),
        );
        let is_much = bytes + manifest.bytes > limits::REPLAY_BYTES_MAX
            || records + manifest.records > limits::REPLAY_RECORDS_MAX
            || days.len() > limits::BATCH_DAYS_MAX;
        if !group.is_empty() && (is_other || is_much) {
            return Ok((group, number));
        }
        // What has no spans was replayed from the quarantine: its raw bytes are those of another batch.
        if is_asked && !manifest.spans.is_empty() {
            bytes += manifest.bytes;
            records += manifest.records;
            group.push(manifest);
        }
    }
    Ok((group, last + 1))
}

/// Some batches at work.
struct Work<'w> {
    lake: &'w Arc<Lake>,
    decoder: &'w Arc<Decoder>,
    request: &'w ColdReplay,
    reader: &'w mut Reader,
    /// The records that came out of the quarantine, by log source.
    replayed: &'w mut BTreeMap<String, HashSet<EventId>>,
    done: &'w mut ColdReplayed,
}

impl Work<'_> {
    async fn group(&mut self, group: Vec<Manifest>) -> Result<(), Problem> {
        let Some(name) = group.first().map(|first| first.table.clone()) else { return Ok(()) };
        let table = self.lake.table(&name).await?;
        let mut parts = Vec::new();
        for manifest in group {
            self.done.batches += 1;
            self.done.records += manifest.records;
            match self.reader.part(&manifest).await? {
                Ok(part) => parts.push(part),
                Err(Left::Dropped) => self.done.raw_dropped += 1,
                Err(Left::Problem(problem)) => self.leave(problem),
            }
        }
        for _ in 0..ATTEMPTS_MAX {
            if self.attempt(&table, &mut parts).await? {
                return Ok(());
            }
        }
        Err(LakeError::Conflict { table: name }.into())
    }

    /// Notes that a batch is left as it is.
    fn leave(&mut self, problem: ServeError) {
        self.done.left += 1;
        self.done.first_problem.get_or_insert_with(|| Problem::from(problem).report());
    }

    /// Replays batches once. Answers whether it is done; if not, the files have changed meanwhile.
    async fn attempt(
        &mut self,
        table: &Arc<Table>,
        parts: &mut Vec<Part>,
    ) -> Result<bool, Problem> {
        let Some(range) = range(parts) else { return Ok(true) };
        let spans = Spans::new(parts);
        let known = known(table, range, &|id| spans.find(id).is_some()).await?;
        let aside = self.aside(parts, &spans).await?;
        let own = with_declared(
            &table.own_fields().await?,
            &declared_fields(&self.decoder.log_source().normalized_columns()),
        );
        let writer = TableWriter::new(table.name(), own.iter(), limits::TABLE_COLUMNS_MAX);
        let before = if self.request.dropped {
            None
        } else {
            warm_dropped_before(self.lake, table.name()).await?
        };
        let (decoder, taken) = (Arc::clone(self.decoder), std::mem::take(parts));
        let made = blocking("replay", move || {
            let mut maker = Maker { decoder, known, aside, before, writer, made: Made::default() };
            let mut refused = Vec::new();
            let mut sound = Vec::new();
            for part in taken {
                match maker.check(&part) {
                    Ok(()) => sound.push(part),
                    Err(problem) => refused.push(problem),
                }
            }
            for part in &sound {
                maker.part(part)?;
            }
            let Maker { known, writer, made, .. } = maker;
            Ok::<_, LakeError>((sound, refused, known, writer.finish()?, made))
        });
        let (sound, refused, known, written, made) = made.await??;
        for problem in refused {
            self.leave(problem);
        }
        *parts = sound;
        if !self.request.dry_run && !made.fresh.is_empty() {
            self.widen(parts, &made).await?;
            match exchange(table, &known, &made.fresh, &written).await {
                Ok(Some(_)) => {}
                Ok(None) | Err(LakeError::Conflict { .. }) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.done.renewed += made.renewed;
        self.done.restored += made.restored;
        self.done.kept += made.kept;
        self.done.quarantined += made.quarantined;
        self.done.dropped += made.dropped;
        self.done.first_problem = self.done.first_problem.take().or(made.first_problem);
        Ok(true)
    }

    /// The records that are left to the quarantine: those that are in it, those that came out of it, and
    /// those that retention has dropped from it.
    async fn aside(
        &mut self,
        parts: &[Part],
        spans: &Spans,
    ) -> Result<HashSet<EventId>, LakeError> {
        let mut aside = HashSet::new();
        for part in parts {
            let Some(key) = &part.manifest.quarantine else { continue };
            let waiting = self.lake.quarantined(key).await?;
            if (waiting.len() as u64) < part.manifest.quarantined {
                let dropped = quarantine_dropped(self.lake, &part.manifest).await?;
                aside.extend(dropped.iter().filter_map(|id| EventId::parse(id)));
            }
            aside.extend(waiting.iter().filter_map(|record| EventId::parse(&record.id)));
        }
        let name = &self.decoder.log_source().name;
        if !self.replayed.contains_key(name) {
            let ids = replayed_ids(self.lake, name).await?;
            let ids = ids.iter().filter_map(|id| EventId::parse(id)).collect();
            self.replayed.insert(name.clone(), ids);
        }
        let replayed = self.replayed.get(name).into_iter().flatten();
        aside.extend(replayed.filter(|id| spans.find(**id).is_some()));
        Ok(aside)
    }

    /// Before rows move to other times: the ledger's record of each batch says where they may be.
    async fn widen(&self, parts: &mut [Part], made: &Made) -> Result<(), LakeError> {
        for part in parts {
            let Some((first, last)) = made.times.get(&part.manifest.number).copied() else {
                continue;
            };
            let manifest = &mut part.manifest;
            let min = manifest.time_min.map_or(first, |known| known.min(first));
            let max = manifest.time_max.map_or(last, |known| known.max(last));
            if (manifest.time_min, manifest.time_max) == (Some(min), Some(max)) {
                continue;
            }
            (manifest.time_min, manifest.time_max) = (Some(min), Some(max));
            self.lake.note_times(&manifest.source, manifest.number, (min, max)).await?;
        }
        Ok(())
    }
}
