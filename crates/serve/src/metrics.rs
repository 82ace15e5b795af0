//! The status as metrics, in [Prometheus' text format](https://prometheus.io/docs/instrumenting/exposition_formats/)
//! 0.0.4.

use std::fmt::{Display, Write as _};

use base::Timestamp;

use crate::status::{SourceStatus, Status};

/// The `Content-Type` of what [`render`] answers.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a figure of a source becomes text; `None`: it is not known.
type Figure = fn(&SourceStatus) -> Option<f64>;

/// The figures of a source: name, type, what it is, and how to get it.
const OF_SOURCES: &[(&str, &str, &str, Figure)] = &[
    ("records_total", "counter", "Records that came in.", |s| count(s.records)),
    ("events_total", "counter", "Records that became events.", |s| count(s.rows)),
    ("quarantined_total", "counter", "Records that went to the quarantine.", |s| {
        count(s.quarantined)
    }),
    ("bytes_total", "counter", "Raw bytes that came in.", |s| count(s.bytes)),
    ("matches_total", "counter", "Matches of detections.", |s| count(s.matches)),
    ("held_back_total", "counter", "Matches held back, of rules that match too much.", |s| {
        count(s.held_back)
    }),
    ("alerts_total", "counter", "Alerts raised.", |s| count(s.alerts)),
    ("lookups_found_total", "counter", "Rows that lookup tables had for its events.", |s| {
        count(s.lookups.found)
    }),
    ("lookups_absent_total", "counter", "Keys that lookup tables had no row for.", |s| {
        count(s.lookups.absent)
    }),
    ("lookups_without_table_total", "counter", "Keys for lookup tables that are not there.", |s| {
        count(s.lookups.without_table)
    }),
    ("errors_total", "counter", "Problems of the source.", |s| count(s.errors)),
    ("last_event_timestamp_seconds", "gauge", "The latest time of an event.", |s| {
        s.last_event.map(seconds)
    }),
    ("last_commit_timestamp_seconds", "gauge", "When the last batch was committed.", |s| {
        s.last_commit.map(seconds)
    }),
    ("lag_seconds", "gauge", "From the time of the last batch's events to its commit.", |s| {
        s.lag_seconds
    }),
    (
        "new_fields_total",
        "counter",
        "Fields that were in none of the table's events before.",
        |s| count(s.new_fields),
    ),
    ("credential_ends_timestamp_seconds", "gauge", "When its credential ends.", |s| {
        s.credential_ends.map(seconds)
    }),
    ("objects_waiting", "gauge", "Objects of a bucket that wait to be read.", |s| {
        s.objects_waiting.and_then(count)
    }),
    ("announcements_held", "gauge", "Announcements of objects that are not answered yet.", |s| {
        s.announcements_held.and_then(count)
    }),
    ("silent_after_seconds", "gauge", "For how long it may bring nothing.", |s| {
        s.silent_after_seconds.and_then(count)
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "a figure is an option")]
#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
const fn count(count: u64) -> Option<f64> {
    Some(count as f64)
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floats")]
fn seconds(time: Timestamp) -> f64 {
    time.as_micros() as f64 / 1e6
}

/// Writes a status as metrics. Counts begin anew with each process, as Prometheus expects.
pub(crate) fn render(status: &Status) -> String {
    let mut out = Page(String::new());
    out.metric("dab_start_timestamp_seconds", "gauge", "When the process began.");
    out.sample("dab_start_timestamp_seconds", &[], seconds(status.started));
    out.metric("dab_detections", "gauge", "Detections that run.");
    out.sample("dab_detections", &[], status.detections);
    out.metric("dab_project_problems", "gauge", "Rules and log sources with a problem.");
    out.sample("dab_project_problems", &[], status.project_problems);
    for (name, kind, what, figure) in OF_SOURCES {
        let name = format!("dab_source_{name}");
        out.metric(&name, kind, what);
        for (source, of) in &status.sources {
            let Some(value) = figure(of) else { continue };
            out.sample(&name, &[("source", source), ("log_source", &of.log_source)], value);
        }
    }
    out.metric("dab_source_unhealthy", "gauge", "1 for each trouble that a source has.");
    for one in &status.unhealthy {
        out.sample("dab_source_unhealthy", &[("source", &one.source), ("trouble", &one.kind)], 1);
    }
    out.metric("dab_store_requests_total", "counter", "Requests to object stores.");
    for (store, of) in &status.requests {
        let requests =
            [("write", of.writes), ("read", of.reads), ("list", of.lists), ("delete", of.deletes)];
        for (operation, value) in requests {
            let labels = [("store", store.as_str()), ("operation", operation)];
            out.sample("dab_store_requests_total", &labels, value);
        }
    }
    out.metric("dab_store_errors_total", "counter", "Requests to object stores that failed.");
    for (store, of) in &status.requests {
        out.sample("dab_store_errors_total", &[("store", store)], of.errors);
    }
    out.metric("dab_store_bytes_total", "counter", "Bytes to and from object stores.");
    for (store, of) in &status.requests {
        for (direction, value) in [("written", of.bytes_written), ("read", of.bytes_read)] {
            let labels = [("store", store.as_str()), ("direction", direction)];
            out.sample("dab_store_bytes_total", &labels, value);
        }
    }
    out.0
}

struct Page(String);

impl Page {
    fn metric(&mut self, name: &str, kind: &str, what: &str) {
        self.write(&format_args!("# HELP {name} {what}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.write(&name);
        let mut before = '{';
        for (label, text) in labels {
            // The format's escapes for label values.
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            self.write(&format_args!("{before}{label}=\"{text}\""));
            before = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.write(&format_args!("{end} {value}\n"));
    }

    fn write(&mut self, text: &dyn Display) {
        // Writing to a string cannot fail.
        write!(self.0, "{text}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Unhealthy;

    #[test]
    fn a_status_is_rendered_as_prometheus_reads_it() {
        let source = SourceStatus {
            log_source: "okta".to_owned(),
            records: 12,
            rows: 10,
            quarantined: 2,
            last_commit: Timestamp::parse("2026-11-24T08:00:00.25Z"),
            lag_seconds: Some(0.5),
            ..SourceStatus::default()
        };
        let status = Status {
            detections: 3,
            unhealthy: vec![Unhealthy {
                source: "o\"k\\t\na".to_owned(),
                kind: "silent".to_owned(),
                ..Unhealthy::default()
            }],
            requests: [(
                "lake".to_owned(),
                lake::counted::Requests { reads: 7, ..Default::default() },
            )]
            .into(),
            sources: [("okta".to_owned(), source)].into(),
            ..Status::default()
        };
        let page = render(&status);
        for line in [
            "# TYPE dab_source_events_total counter",
            "dab_detections 3",
            "dab_source_events_total{source=\"okta\",log_source=\"okta\"} 10",
            "dab_source_last_commit_timestamp_seconds{source=\"okta\",log_source=\"okta\"} 1795507200.25",
            "dab_source_lag_seconds{source=\"okta\",log_source=\"okta\"} 0.5",
            "dab_source_unhealthy{source=\"o\\\"k\\\\t\\na\",trouble=\"silent\"} 1",
            "dab_store_requests_total{store=\"lake\",operation=\"read\"} 7",
        ] {
            assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
        }
        // Every sample belongs to the metric that was declared last.
        let mut metric = "";
        for line in page.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(declared) => metric = declared.split(' ').next().unwrap(),
                None if line.starts_with('#') => {}
                None => assert!(line.starts_with(metric), "{line} stands under {metric}"),
            }
        }
        assert!(!page.contains("last_event_timestamp_seconds{"), "what is not known is left out");
    }
}
