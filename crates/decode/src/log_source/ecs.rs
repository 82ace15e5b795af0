//! The types of the fields that log sources normalize to.
//!
//! Names and types are those of the Elastic Common Schema 9. Only what is not text is listed here:
//! most of it is.

use base::ColumnType;

/// Fields that ECS defines as `long` or `integer` and that logs really have.
const INT: &[&str] = &[
    "client.as.number",
    "client.bytes",
    "client.packets",
    "client.port",
    "client.nat.port",
    "cloud.instance.count",
    "destination.as.number",
    "destination.bytes",
    "destination.nat.port",
    "destination.packets",
    "destination.port",
    "error.number",
    "event.duration",
    "event.sequence",
    "event.severity",
    "file.size",
    "http.request.body.bytes",
    "http.request.bytes",
    "http.response.body.bytes",
    "http.response.bytes",
    "http.response.status_code",
    "log.origin.file.line",
    "log.syslog.facility.code",
    "log.syslog.priority",
    "log.syslog.severity.code",
    "network.bytes",
    "network.packets",
    "process.args_count",
    "process.exit_code",
    "process.parent.args_count",
    "process.parent.pid",
    "process.parent.thread.id",
    "process.pid",
    "process.thread.id",
    "process.uptime",
    "server.as.number",
    "server.bytes",
    "server.nat.port",
    "server.packets",
    "server.port",
    "source.as.number",
    "source.bytes",
    "source.nat.port",
    "source.packets",
    "source.port",
    "url.port",
];

/// Fields that ECS defines as `float`.
const FLOAT: &[&str] = &["event.risk_score", "event.risk_score_norm"];

/// Fields that ECS defines as `boolean`.
const BOOL: &[&str] = &["process.interactive", "tls.established", "tls.resumed"];

/// Fields of which an event usually has several values.
const LISTS: &[&str] = &[
    "dns.resolved_ip",
    "host.ip",
    "host.mac",
    "process.args",
    "process.parent.args",
    "tags",
    "user.roles",
];

/// The type of a field that does not say.
pub(super) fn column_type(name: &str) -> ColumnType {
    if INT.contains(&name) {
        ColumnType::Int
    } else if FLOAT.contains(&name) {
        ColumnType::Float
    } else if BOOL.contains(&name) {
        ColumnType::Bool
    } else if LISTS.contains(&name) {
        ColumnType::TextList
    } else {
        ColumnType::Text
    }
}
