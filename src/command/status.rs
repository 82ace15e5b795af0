//! `dab status`: what each source is doing.

use std::path::Path;

use base::{Clock as _, Problem, SystemClock, Timestamp};
use lake::Lake;
use serve::Status;

use crate::output::{self, Output};

pub(crate) async fn run(config: &Path, output: Output) -> Result<u8, Problem> {
    let lake = super::query::lake(config)?;
    let all = Status::read_all(&lake).await?;
    if all.is_empty() {
        output::error_line("dab has not run on this lake yet");
    }
    for status in all {
        if output == Output::Json {
            output::line(&serde_json::to_string(&status).unwrap_or_default());
        } else {
            show(&lake, &status, output);
        }
    }
    Ok(crate::FINE)
}

/// Prints what one process is doing.
fn show(lake: &Lake, status: &Status, output: Output) {
    // The lock of a lake in a folder tells for sure; on a bucket, the status must do.
    let is_running = match lake.folder() {
        Some(_) => lake.lock().is_err(),
        None => status.stopped.is_none(),
    };
    let state = if is_running { "running" } else { "not running" };
    output::error_line(&format!(
        "{}{state}; started {}, status of {}; {} detections, {} problems in rules and log sources{}",
        status.writer.as_ref().map(|writer| format!("{writer}: ")).unwrap_or_default(),
        status.started,
        status.updated,
        status.detections,
        status.project_problems,
        status.listening.as_ref().map(|at| format!("; http://{at}")).unwrap_or_default(),
    ));
    let ago = |time: Option<Timestamp>| {
        time.map_or("-".to_owned(), |time| {
            format!("{} s ago", SystemClock.now().since(time).as_secs())
        })
    };
    let rows: Vec<_> = status
        .sources
        .iter()
        .filter(|(_, source)| source.records > 0 || source.errors > 0 || !is_http(source))
        .map(|(name, source)| {
            [
                name.clone(),
                source.rows.to_string(),
                source.quarantined.to_string(),
                source.rate.to_string(),
                source.last_event.map_or("-".to_owned(), |time| time.to_string()),
                source.lag_seconds.map_or("-".to_owned(), |lag| format!("{lag:.1} s")),
                ago(source.last_commit),
                source.alerts.to_string(),
                source.errors.to_string(),
                source.last_error.as_ref().map_or("-".to_owned(), |error| error.message.clone()),
            ]
        })
        .collect();
    let header = [
        "source",
        "events",
        "quarantined",
        "events/s",
        "last event",
        "lag",
        "last commit",
        "alerts",
        "errors",
        "last error",
    ];
    output::rows(header, &rows, output);
    unhealthy(status, output);
    new_fields(status, output);
    rule_errors(status, output);
    held_back(status, output);
}

/// Prints a further table, if it has rows; where only rows of one kind are wanted, they are left to
/// `--output json`.
fn section<const N: usize>(
    title: &str,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    output: Output,
) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() || output != Output::Table {
        return;
    }
    output::line(&format!("\n{title}:"));
    output::rows(header, &rows, output);
}

/// Sources that are not as they should be.
fn unhealthy(status: &Status, output: Output) {
    let rows = status.unhealthy.iter().map(|one| {
        [one.source.clone(), one.kind.clone(), one.since.to_string(), one.message.clone()]
    });
    let title = "sources that are not as they should be";
    section(title, ["source", "trouble", "since", "what"], rows, output);
}

/// Fields that sources never had before.
fn new_fields(status: &Status, output: Output) {
    let with_some = status.sources.iter().filter(|(_, source)| source.new_fields > 0);
    let rows = with_some.map(|(name, source)| {
        let names: Vec<&str> =
            source.new_field_names.iter().map(|field| field.name.as_str()).collect();
        let last = source.new_field_names.last();
        let last = last.map_or("-".to_owned(), |field| field.since.to_string());
        [name.clone(), source.new_fields.to_string(), last, names.join(", ")]
    });
    let title = "fields that sources never had before";
    section(title, ["source", "fields", "last", "the latest"], rows, output);
}

/// Rules that could not be evaluated on some events.
fn rule_errors(status: &Status, output: Output) {
    let rows = status.rule_errors.iter().map(|failed| {
        [
            failed.title.clone(),
            failed.count.to_string(),
            failed.event_id.clone(),
            failed.message.clone(),
            format!("{}:{}", failed.file, failed.line),
        ]
    });
    let title = "rules that could not be evaluated on some events, and did not match them";
    section(title, ["rule", "events", "last event", "message", "file"], rows, output);
}

/// Rules that match too much.
fn held_back(status: &Status, output: Output) {
    let rows = status.held_back.iter().map(|rule| {
        let last = rule.last_event.to_string();
        [rule.title.clone(), rule.count.to_string(), last, rule.file.clone()]
    });
    let title = "rules that matched too often, so that not all of it became alerts";
    section(title, ["rule", "matches held back", "last event", "file"], rows, output);
}

/// Every log source can be posted to; those that never were are not listed.
fn is_http(source: &serve::SourceStatus) -> bool {
    source.last_commit.is_none() && source.bytes == 0
}
