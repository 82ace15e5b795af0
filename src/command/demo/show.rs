//! What the demo's audience sees: events coming in, detections firing and why, and what to try.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base::{Alert, Problem};
use serve::{Happening, Observer, Stop};
use tokio::sync::Notify;

use super::play::Played;
use crate::{
    console::Console,
    host::process::Host,
    output::{self, Output},
};

/// Watches the pipeline, prints what it sees, and lets others wait for it.
#[derive(Debug)]
pub(super) struct Watch {
    console: Console,
    seen: Mutex<Seen>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Seen {
    listening: Option<SocketAddr>,
    /// Events in tables, by table.
    tables: BTreeMap<String, u64>,
    quarantined: u64,
    alerts: Vec<Alert>,
}

impl Watch {
    pub(super) fn new(output: Output, color: bool) -> Self {
        let console = Console { output, color, commits: false };
        Self { console, seen: Mutex::default(), changed: Notify::new() }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Counts for people: whatever a panic left behind is good enough.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until HTTP is on; `None` if the demo is stopped first.
    pub(super) async fn listening(&self, stop: &mut Stop) -> Option<SocketAddr> {
        loop {
            let changed = self.changed.notified();
            if let Some(address) = self.seen().listening {
                return Some(address);
            }
            tokio::select! {
                () = changed => {}
                () = stop.stopped() => return None,
            }
        }
    }

    /// Waits until so many records are in tables or in the quarantine.
    pub(super) async fn wait_for(&self, records: u64, stop: &mut Stop) {
        loop {
            let changed = self.changed.notified();
            let arrived = {
                let seen = self.seen();
                seen.tables.values().sum::<u64>() + seen.quarantined
            };
            if arrived >= records {
                return;
            }
            tokio::select! {
                () = changed => {}
                () = stop.stopped() => return,
            }
        }
    }

    /// Shows how far the play is, where a line can be overwritten.
    pub(super) fn progress(&self, played: u64) {
        use std::io::{IsTerminal as _, Write as _};
        let mut out = std::io::stderr().lock();
        if self.console.output != Output::Table || !out.is_terminal() {
            return;
        }
        let seen = self.seen();
        let stored: u64 = seen.tables.values().sum();
        let alerts = seen.alerts.len();
        let (played, stored) = (output::count(played), output::count(stored));
        write!(out, "\r  {played} records written, {stored} events stored, {alerts} alerts \r")
            .unwrap_or_default();
    }

    fn note(&self, happening: &Happening<'_>) {
        let mut seen = self.seen();
        match happening {
            Happening::Listening(address) => seen.listening = Some(*address),
            Happening::Committed { table, rows, quarantined, .. } => {
                *seen.tables.entry((*table).to_owned()).or_default() += rows;
                seen.quarantined += quarantined;
            }
            Happening::Alert(alert) => seen.alerts.push((*alert).clone()),
            _ => {}
        }
    }
}

impl Observer for Watch {
    fn happened(&self, happening: &Happening<'_>) {
        self.note(happening);
        self.changed.notify_waiters();
        match happening {
            Happening::Listening(_) | Happening::Ready | Happening::Reloaded { .. } => {}
            other => self.console.happened(other),
        }
    }
}

/// Tells what was found, and what to try.
pub(super) async fn summary(
    host: &Host,
    config: &Path,
    played: &Played,
    watch: &Watch,
    output: Output,
) -> Result<(), Problem> {
    if output != Output::Table {
        return Ok(());
    }
    let (tables, alerts) = {
        let seen = watch.seen();
        (seen.tables.clone(), seen.alerts.clone())
    };
    let mebibytes = played.bytes >> 10;
    output::line(&format!(
        "\n── {} events ({} KiB) from {} log sources, {} alerts ──",
        output::count(tables.values().sum()),
        output::count(mebibytes),
        tables.len(),
        alerts.len()
    ));
    for (table, rows) in &tables {
        output::line(&format!("  {table:<16} {:>8} events", output::count(*rows)));
    }
    let worst = alerts.iter().max_by_key(|alert| alert.first_match.rule.level);
    if let Some(alert) = worst {
        let engine = super::super::query::engine(host.lake()?);
        let hit = &alert.first_match;
        output::line(&format!("\n── the events behind “{}” ──", hit.rule.title));
        let query = format!(
            "SELECT time, log_source, event_id, why FROM matches WHERE alert_id = '{}' \
             ORDER BY time LIMIT 5",
            alert.id
        );
        super::super::query::print(&engine.sql(&query).await?, output);
        let event: String = hit.event.chars().take(600).collect();
        output::line(&output::plain(&event));
    }
    searches(config, worst);
    Ok(())
}

fn searches(config: &Path, worst: Option<&Alert>) {
    let program = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let program = program.map_or("dab".into(), |path| {
        let short = here.and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
        short.unwrap_or(path)
    });
    let dab = format!("{} --config {}", program.display(), config.display());
    output::line("\n── to try ──");
    for command in [
        "alerts".to_owned(),
        "search 'lsass' --last 1h".to_owned(),
        "search 'index:linux_sshd Failed | stats count() by source.ip | sort -count'".to_owned(),
        "search 'event.outcome:failure | top 5 user.name'".to_owned(),
        "sql 'SELECT eventName, count(*) AS n FROM aws_cloudtrail GROUP BY eventName ORDER BY n DESC LIMIT 5'".to_owned(),
        "tables".to_owned(),
        "status".to_owned(),
    ] {
        output::line(&format!("  {dab} {command}"));
    }
    if let Some(alert) = worst {
        output::line(&format!("  {dab} search 'event_id:{}'", alert.first_match.event_id));
    }
}
