//! Looking after the lake while the pipeline runs: compaction and retention, on a schedule.
//!
//! Promises: it never stops or delays a source, and what it can't do it tells of and tries again at
//! its next look. It works on a handle of the lake of its own, as any other process would, so that
//! whatever it is doing can be dropped when the pipeline ends.

use std::{sync::Arc, time::Duration};

use base::{Day, Problem, Report, limits};
use lake::{
    Lake,
    compact::{CompactOptions, compact},
    retain::{Retention, retain},
};
use tokio::runtime::Handle;

use crate::{
    Stop,
    happening::Happening,
    lane::{Stages, blocking},
};

/// What is done when.
#[derive(Debug, Clone)]
pub struct Maintenance {
    /// How often it is looked whether something is to be done.
    pub look_every: Duration,
    /// A day that has more small files than this is compacted at once. Days before today are
    /// compacted, and retention is kept, once a day and when the process begins.
    pub small_files_max: usize,
    /// How long what is kept.
    pub retention: Retention,
}

/// Looks after the lake until told to stop.
pub(crate) async fn maintain(stages: Arc<Stages>, maintenance: Maintenance, mut stop: Stop) {
    let mut last = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(maintenance.look_every) => {}
            () = stop.stopped() => return,
        }
        let (lake, todo) = (stages.lake.another_handle(), maintenance.clone());
        let (runtime, mut until) = (Handle::current(), stop.clone());
        // Sorting and encoding would hold up whoever shares the thread.
        let done = blocking("maintenance", move || {
            runtime.block_on(async {
                tokio::select! {
                    done = round(&lake, &todo, last) => Some(done),
                    () = until.stopped() => None,
                }
            })
        });
        let reports = match done.await {
            Ok(Some((day, reports))) => {
                last = day;
                reports
            }
            Ok(None) => return,
            Err(problem) => vec![problem.report()],
        };
        for report in reports {
            tracing::warn!(problem = %report, "a part of the lake's upkeep waits");
            stages
                .observer
                .happened(&Happening::Trouble { source: "maintenance", report: &report });
        }
    }
}

/// Looks once. `last` is the day on which all of it was last done. Answers that day, and what could
/// not be done.
pub(crate) async fn round(
    lake: &Lake,
    maintenance: &Maintenance,
    last: Option<Day>,
) -> (Option<Day>, Vec<Report>) {
    let today = lake.now().day();
    let is_daily = last != Some(today);
    let options = CompactOptions {
        growing_from: Some(if is_daily { today } else { Day::from_days(i32::MIN) }),
        small_files_max: maintenance.small_files_max,
        // Beside batches, which have their own share.
        memory_bytes: limits::COMPACT_MEMORY_BYTES / 2,
        ..CompactOptions::default()
    };
    let mut reports = Vec::new();
    let mut failed = |problem: Problem| reports.push(problem.report());
    match lake.tables(&[]).await {
        Ok(names) => {
            for name in names {
                if let Err(error) = compact(lake, &name, &options).await {
                    failed(error.into());
                }
            }
        }
        Err(error) => failed(error.into()),
    }
    if is_daily && let Err(error) = retain(lake, &maintenance.retention, false).await {
        failed(error.into());
    }
    // What failed of a day's work is tried at the next look.
    (if reports.is_empty() { Some(today) } else { last }, reports)
}
