//! Runs rules over what the lake has.

use std::{borrow::Cow, ops::ControlFlow, sync::Arc};

use base::{Clock, Event, EventId, ObjectHash, Origin, Problem};
use lake::{
    Lake,
    query::{Engine, EventScan, QueryError, QuerySettings, StoredEvent, TimeRange},
    schema,
    snapshot::Catalog as _,
};
use vet::{Backtest, Outcome, Spent, TableReads};

use crate::{ALERTS_TABLE, MATCHES_TABLE};

/// What of the lake a backtest reads.
#[derive(Debug, Clone, Copy)]
pub struct BacktestRange {
    /// Events from when to when.
    pub range: TimeRange,
    /// How many bytes of data files at most, over all tables.
    pub bytes_max: u64,
}

/// Runs the rules on trial over the events of the range. `progress` is told of each table how many of
/// its events were read, and how many there are.
///
/// # Errors
///
/// If the lake can't be read, has none of the tables that are to be read, or more was read than may be.
pub async fn backtest(
    lake: Arc<Lake>,
    mut backtest: Backtest,
    asked: BacktestRange,
    clock: &dyn Clock,
    progress: &mut (dyn FnMut(&str, u64, u64) + Send),
) -> Result<(Outcome, Spent), Problem> {
    let started = clock.monotonic();
    let mut spent = Spent::default();
    let scans = scans(&lake, backtest.tables(), asked.range).await?;
    let mut is_cut = false;
    for scan in &scans {
        let bytes_max = asked.bytes_max.saturating_sub(spent.bytes);
        let settings = QuerySettings { bytes_max, ..QuerySettings::default() };
        let engine = Engine::new(Arc::clone(&lake) as _, settings);
        let is_whole = scan.fields.is_none();
        let mut each = |event: StoredEvent<'_>| {
            let taken = look(&mut backtest, event, is_whole);
            is_cut |= taken.is_break();
            taken
        };
        let mut told = |done, total| progress(&scan.table, done, total);
        let Some(stats) = engine.events(scan, &mut each, &mut told).await? else {
            spent.missing.push(scan.table.clone());
            continue;
        };
        spent.events += stats.events;
        spent.asked += stats.handed;
        spent.files_total += stats.files_total;
        spent.files += stats.files;
        spent.bytes += stats.bytes;
        if is_cut {
            break;
        }
    }
    if let [name, ..] = spent.missing.as_slice()
        && spent.missing.len() == scans.len()
    {
        let name = name.clone();
        return Err(QueryError::UnknownTable { name, at: None, near: None }.into());
    }
    let outcome = backtest.finish(clock.now());
    spent.took = clock.monotonic().saturating_sub(started);
    Ok((outcome, spent))
}

fn look(backtest: &mut Backtest, stored: StoredEvent<'_>, is_whole: bool) -> ControlFlow<()> {
    let id = EventId::parse(stored.event_id).unwrap_or_else(|| EventId {
        object: ObjectHash::of(&[stored.event_id]),
        offset: stored.offset,
    });
    let (time, ingest_time, log_source) = (stored.time, stored.ingest_time, stored.log_source);
    let origin = Origin { object: Cow::Borrowed(stored.object), offset: stored.offset };
    let (fields, normalized) = stored.split(backtest.normalized(log_source));
    // The text that the record had is not kept with its row.
    let json = None;
    let event = Event { time, ingest_time, id, log_source, origin, fields, normalized, json };
    backtest.take(event, is_whole)
}

/// The tables to read. Where every table is asked for: those that hold events, but dab's own.
async fn scans(
    lake: &Lake,
    reads: &[TableReads],
    range: TimeRange,
) -> Result<Vec<EventScan>, Problem> {
    let mut scans = Vec::new();
    for TableReads { table, fields, ways } in reads {
        let names = match table {
            Some(name) => vec![name.clone()],
            None => event_tables(lake).await?,
        };
        let scan = |table| EventScan { table, range, fields: fields.clone(), ways: ways.clone() };
        scans.extend(names.into_iter().map(scan));
    }
    Ok(scans)
}

async fn event_tables(lake: &Lake) -> Result<Vec<String>, Problem> {
    let mut tables = Vec::new();
    for name in lake.table_names().await? {
        if [ALERTS_TABLE, MATCHES_TABLE].contains(&name.as_str()) {
            continue;
        }
        let Some(snapshot) = lake.snapshot(&name).await? else { continue };
        let has = |column: &&str| snapshot.schema.field_with_name(column).is_ok();
        if [schema::TIME, schema::EVENT_ID, schema::LOG_SOURCE, schema::REST].iter().all(has) {
            tables.push(name);
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests;
