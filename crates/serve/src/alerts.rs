//! After the commit: matches become alerts, alerts become rows and notifications.
//!
//! Everything is done again when a process dies in the middle, and comes out the same: decisions
//! remember their batch, the outbox knows what it has, and tables skip a number they have. The
//! `matches` table is written last; that it has a batch's number means that all is done.

use std::{collections::BTreeSet, sync::Arc};

use base::{
    Clock, ColumnType, Event, EventId, FieldPath, Match, Object, ObjectHash, Origin, Problem,
    Timestamp, Value, fault, limits,
};
use lake::{
    Lake, LakeError,
    schema::{declared_fields, with_declared},
    table::Commit,
    write::TableWriter,
};
use notify::{BatchKey, Decision, Deduplicator, Notification, NotifyError, Outbox};
use tokio::sync::{Mutex, Notify};

use crate::{
    correlations::{Correlations, SOURCE},
    happening::{Happening, Observer},
};

/// The table of alerts: a row for each, when it is raised.
pub const ALERTS_TABLE: &str = "alerts";
/// The table of matches: a row for each, with the alert it belongs to.
pub const MATCHES_TABLE: &str = "matches";

/// The notify stage.
#[derive(Debug)]
pub(crate) struct Alerts {
    pub(crate) lake: Arc<Lake>,
    pub(crate) deduplicator: Deduplicator,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Rung when the outbox has something new.
    pub(crate) posted: Notify,
    /// One batch at a time, so that two sources do not race for the tables' columns, and
    /// correlations see batches one after the other.
    pub(crate) turn: Mutex<Correlations>,
}

/// The number of the last batch of a source whose matches have all become what they become.
pub(crate) async fn last_number(lake: &Lake, source: &str) -> Result<u64, LakeError> {
    let table = lake.table(MATCHES_TABLE).await?;
    let last = table.last_commit_of(&crate::lane::app(source)).await?;
    Ok(last.and_then(|last| u64::try_from(last).ok()).unwrap_or(0))
}

impl Alerts {
    /// Whether the batch's matches have all become what they become.
    pub(crate) async fn has(&self, source: &str, number: u64) -> Result<bool, LakeError> {
        Ok(last_number(&self.lake, source).await? >= number)
    }

    /// Deals with matches of no batch, which dab itself made: under the next number of their name.
    pub(crate) async fn raise(&self, source: &str, matches: &[Match]) -> Result<usize, Problem> {
        let mut last = 0;
        for table in [ALERTS_TABLE, MATCHES_TABLE] {
            let table = self.lake.table(table).await?;
            last = table.take_over(&crate::lane::app(source)).await?.unwrap_or(0).max(last);
        }
        let number = u64::try_from(last).unwrap_or(0) + 1;
        self.process(source, number, matches).await
    }

    /// Deals with the matches of a committed batch, and with what correlations make of them.
    /// Answers how many alerts it raised.
    pub(crate) async fn process(
        &self,
        source: &str,
        number: u64,
        matches: &[Match],
    ) -> Result<usize, Problem> {
        if matches.is_empty() {
            return Ok(0);
        }
        let mut turn = self.turn.lock().await;
        let mut raised = 0;
        while let Some(made) = turn.take_in(source, number, matches).await? {
            raised += self.deal_with(SOURCE, made.number, made.matches).await?;
            turn.done(made.number).await;
        }
        let loud = matches.iter().filter(|found| !found.is_silent()).cloned().collect();
        raised += self.deal_with(source, number, loud).await?;
        Ok(raised)
    }

    /// Ends the wait of correlations for what may be late, where it is over, or in any case.
    pub(crate) async fn end_wait(&self, in_any_case: bool) -> Result<usize, Problem> {
        let mut turn = self.turn.lock().await;
        let mut raised = 0;
        while let Some(made) = turn.end_wait(in_any_case).await? {
            raised += self.deal_with(SOURCE, made.number, made.matches).await?;
            turn.done(made.number).await;
        }
        Ok(raised)
    }

    /// Matches to alerts, rows and notifications.
    async fn deal_with(
        &self,
        source: &str,
        number: u64,
        matches: Vec<Match>,
    ) -> Result<usize, Problem> {
        if matches.is_empty() {
            return Ok(0);
        }
        let key = BatchKey { source: source.to_owned(), number };
        let decided = self.deduplicator.process(&key, matches).await?;
        let raised = raised(&decided);
        let now = self.clock.now();
        for notification in &raised {
            self.outbox.enqueue(notification, now).await?;
        }
        fault::reach(fault::Point::Enqueued);
        let rows = raised.iter().map(|raised| alert_row(raised)).collect::<Vec<_>>();
        self.append(ALERTS_TABLE, source, number, ALERT_COLUMNS, rows).await?;
        fault::reach(fault::Point::Alerted);
        let rows = decided.iter().map(|(hit, decision)| match_row(hit, decision, source));
        self.append(MATCHES_TABLE, source, number, MATCH_COLUMNS, rows.collect()).await?;
        for notification in &raised {
            self.observer.happened(&Happening::Alert(&notification.alert));
        }
        self.posted.notify_one();
        Ok(raised.len())
    }

    async fn append(
        &self,
        table: &str,
        source: &str,
        number: u64,
        columns: Columns,
        rows: Vec<Row<'_>>,
    ) -> Result<(), LakeError> {
        if rows.is_empty() {
            return Ok(());
        }
        let object = format!("batch:{source}/{number}");
        let hash = ObjectHash::of(&[&object]);
        let table = self.lake.table(table).await?;
        let columns =
            COMMON_COLUMNS.iter().chain(columns).map(|(name, kind)| (FieldPath::new(*name), *kind));
        let declared = declared_fields(&columns.collect::<Vec<_>>());
        let own = with_declared(&table.known_fields().await?, &declared);
        let mut writer = TableWriter::new(table.name(), own.iter(), limits::TABLE_COLUMNS_MAX);
        let ingest_time = self.clock.now();
        for (offset, row) in (0_u64..).zip(rows) {
            let id = EventId::parse(row.event_id).unwrap_or(EventId { object: hash, offset });
            let event = Event {
                time: row.time,
                ingest_time,
                id,
                log_source: row.log_source,
                origin: Origin { object: object.as_str().into(), offset },
                fields: row.fields,
                normalized: Object::new(),
                json: None,
            };
            writer.append(&event, 0)?;
        }
        let written = writer.finish()?;
        let commit = Commit {
            app: crate::lane::app(source),
            number: i64::try_from(number).unwrap_or(i64::MAX),
            own: written.own,
            files: written.files,
        };
        table.commit(&commit).await.map(drop)
    }
}

/// The alerts that a batch raises, each once.
fn raised(decided: &[(Match, Decision)]) -> Vec<Notification> {
    let mut seen = BTreeSet::new();
    let mut raised = Vec::new();
    for (hit, decision) in decided {
        let Decision::Raise { alert_id, raised_time, .. } = decision else { continue };
        if seen.insert(alert_id.clone()) {
            raised.push(Notification::raised(alert_id.clone(), *raised_time, hit.clone()));
        }
    }
    raised
}

/// A row of one of the two tables.
struct Row<'m> {
    time: Timestamp,
    event_id: &'m str,
    log_source: &'m str,
    fields: Object<'m>,
}

type Columns = &'static [(&'static str, ColumnType)];

/// What both tables say of a match, with the types its columns have from the start.
const COMMON_COLUMNS: Columns = &[
    ("alert_id", ColumnType::Text),
    ("rule_id", ColumnType::Text),
    ("title", ColumnType::Text),
    ("level", ColumnType::Text),
    ("dedup", ColumnType::TextList),
    ("why", ColumnType::TextList),
];

/// What a match says besides.
const MATCH_COLUMNS: Columns = &[("source", ColumnType::Text)];

/// What an alert says besides.
const ALERT_COLUMNS: Columns = &[
    ("tags", ColumnType::TextList),
    ("rule_file", ColumnType::Text),
    ("event_time", ColumnType::Text),
    ("event", ColumnType::Text),
];

fn match_row<'m>(hit: &'m Match, decision: &'m Decision, source: &'m str) -> Row<'m> {
    let mut fields = common_fields(hit, decision.alert_id());
    fields.push("source", Value::text(source));
    Row { time: hit.time, event_id: &hit.event_id, log_source: &hit.log_source, fields }
}

fn alert_row(notification: &Notification) -> Row<'_> {
    let alert = &notification.alert;
    let hit = &alert.first_match;
    let mut fields = common_fields(hit, &alert.id);
    let tags = hit.rule.tags.iter().map(|tag| Value::text(tag.as_str())).collect();
    fields.push("tags", Value::List(tags));
    fields.push("rule_file", Value::text(hit.rule.file.as_str()));
    fields.push("event_time", Value::text(hit.time.to_string()));
    fields.push("event", Value::text(&*hit.event));
    Row { time: alert.raised_time, event_id: &hit.event_id, log_source: &hit.log_source, fields }
}

fn common_fields<'m>(hit: &'m Match, alert_id: &'m str) -> Object<'m> {
    let dedup = hit.rule.dedup.iter().zip(&hit.dedup_values);
    let dedup = dedup.map(|(field, value)| Value::text(format!("{field}={value}"))).collect();
    let why = hit
        .reasons
        .iter()
        .map(|reason| Value::text(format!("{} {} ({})", reason.field, reason.test, reason.value)));
    let mut fields = Object::with_capacity(COMMON_COLUMNS.len() + ALERT_COLUMNS.len());
    fields.push("alert_id", Value::text(alert_id));
    fields.push("rule_id", Value::text(hit.rule.id.as_str()));
    fields.push("title", Value::text(hit.rule.title.as_str()));
    fields.push("level", Value::text(hit.rule.level.as_str()));
    fields.push("dedup", Value::List(dedup));
    fields.push("why", Value::List(why.collect()));
    fields
}

/// Ends the wait of correlations when its time has come, until told to stop.
pub(crate) async fn end_waits(alerts: Arc<Alerts>, mut stop: crate::Stop) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(WAIT_PAUSE) => {}
            () = stop.stopped() => return,
        }
        if let Err(problem) = alerts.end_wait(false).await {
            tracing::warn!(error = %problem, "correlations wait: their state is away");
        }
    }
}

/// How often it is looked whether a wait is over.
const WAIT_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Delivers what waits in the outbox, until told to stop.
pub(crate) async fn deliver(alerts: Arc<Alerts>, mut stop: crate::Stop) {
    loop {
        let pause = match deliver_round(&alerts).await {
            Ok(pause) => pause,
            Err(problem) => {
                tracing::warn!(error = %problem, "notifications wait: the state store is away");
                DELIVERY_PAUSE
            }
        };
        tokio::select! {
            () = alerts.posted.notified() => {}
            () = tokio::time::sleep(pause) => {}
            () = stop.stopped() => return,
        }
    }
}

/// The longest wait between two looks at the outbox.
const DELIVERY_PAUSE: std::time::Duration = std::time::Duration::from_secs(30);

/// Delivers what is due. Answers how long to wait for the next.
pub(crate) async fn deliver_round(alerts: &Alerts) -> Result<std::time::Duration, NotifyError> {
    let now = alerts.clock.now();
    let report = alerts.outbox.deliver_due(now).await?;
    for trouble in &report.dead {
        alerts.observer.happened(&Happening::DeliveryGivenUp(trouble));
    }
    if report.failed > 0 {
        alerts.observer.happened(&Happening::DeliveryFailed(report.failed));
    }
    let next = report.next_due.map_or(DELIVERY_PAUSE, |due| due.since(alerts.clock.now()));
    Ok(next.clamp(std::time::Duration::from_millis(100), DELIVERY_PAUSE))
}
