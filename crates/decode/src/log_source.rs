//! A log source: where events come from, how they are written, and what their fields mean.
//!
//! One YAML file each; `docs/reference/log_sources.md` describes every key. Reading a file does no
//! I/O and reports all its mistakes at once.

mod ecs;
mod error;
mod grammar;
mod grok;
mod read;
mod yaml;

use base::{ColumnType, FieldPath, Place, SigmaRoute};

pub use error::DecodeError;
pub use grammar::{Cef, Dialect, Escapes, Grammar, KeyValue, Payload, Syslog, Table, Text, Xml};

/// A log source as authored, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSource {
    /// Its name: what events carry as `log_source`.
    pub name: String,
    /// What it is, for people.
    pub description: Option<String>,
    /// The table its events go to.
    pub table: String,
    /// How records are written.
    pub format: Format,
    /// What of a nested record is laid flat, in order.
    pub lift: Vec<Lift>,
    /// A program in the Vector Remap Language that changes the event's own fields.
    pub vrl: Option<String>,
    /// Where an event's time is.
    pub time: TimeRule,
    /// Normalized fields.
    pub fields: Vec<FieldRule>,
    /// Lists of values to pivot on: the name after `related.`, and the fields to gather.
    pub related: Vec<(String, Vec<FieldPath>)>,
    /// Fields that lookup tables know.
    pub enrich: Vec<Enrich>,
    /// How its events appear to Sigma rules.
    pub sigma: Vec<SigmaRoute>,
}

/// How a log source's records are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// What separates and structures records.
    pub layout: Layout,
    /// What bytes mean.
    pub encoding: Encoding,
}

/// What separates and structures records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One JSON object a line.
    Ndjson,
    /// JSON values one after another, or in arrays.
    Json {
        /// The array inside each top-level object whose elements are the records.
        records: Option<FieldPath>,
    },
    /// One line of text each.
    Lines(Lines),
    /// Text with a structure of its own, one line or row each.
    Text(Box<Text>),
}

/// Lines of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// Regular expressions whose named groups become fields; the first that matches counts.
    pub patterns: Vec<String>,
    /// The types of groups that are not text.
    pub types: Vec<(String, ColumnType)>,
    /// Whether a line that matches no pattern goes to the quarantine, not into the table with
    /// `message` alone.
    pub quarantine_unmatched: bool,
}

/// What a record's bytes mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8; anything else is rejected.
    #[default]
    Utf8,
    /// ISO 8859-1: every byte is the character of that number.
    Latin1,
}

/// How one part of a nested record comes to stand at the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    /// The members of an object, under their own names.
    Members {
        /// The object.
        from: FieldPath,
        /// Whether it is the members of its members.
        inner: bool,
    },
    /// One value, under another name.
    Value {
        /// The first of these that is a value counts.
        from: Vec<FieldPath>,
        /// The name.
        to: String,
        /// Whether it also stays where it is.
        keep: bool,
    },
    /// What objects say that each name a field and have its value.
    Pairs {
        /// The objects.
        from: FieldPath,
        /// Where they have the name.
        name: Vec<FieldPath>,
        /// Where they have the value.
        value: Vec<FieldPath>,
        /// The object to gather the fields in, if not the top.
        to: Option<FieldPath>,
        /// Whether they also stay where they are.
        keep: bool,
    },
}

/// Where an event's time is and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRule {
    /// The first of these that is there counts.
    pub fields: Vec<FieldPath>,
    /// Whether they are parts of one time instead, to be read with spaces between.
    pub is_joined: bool,
    /// How it is written.
    pub format: TimeFormat,
    /// Seconds east of UTC for times that name no zone. `None`: such times are rejected.
    pub zone_seconds: Option<i32>,
    /// The year of times that name none. `None`: by the time that the event was taken in.
    pub year: Option<i32>,
    /// Whether an event without a time gets the time it was taken in, not a place in quarantine.
    pub missing_is_ingest_time: bool,
    /// The earliest time that is believed, in seconds since 1970.
    pub earliest_seconds: i64,
}

/// How times are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339 and its ISO 8601 relatives.
    Rfc3339,
    /// A number since 1970-01-01 UTC, with this many units in a second.
    Unix {
        /// 1, 1,000, 1,000,000 or 1,000,000,000.
        per_second: i64,
    },
    /// The time of the common log format: `24/Nov/2026:08:00:00 +0000`.
    Clf,
    /// Syslog's times: RFC 3339, or `Nov 24 08:00:00` and its relatives.
    Syslog,
    /// Windows' FILETIME.
    Filetime,
    /// A pattern of `strftime`.
    Pattern(String),
}

/// How one normalized field gets its value.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRule {
    /// The field, by its ECS name.
    pub name: FieldPath,
    /// The first of these that is there counts.
    pub from: Vec<FieldPath>,
    /// A regular expression whose only group is taken.
    pub capture: Option<String>,
    /// Whether letters are made small.
    pub lower: bool,
    /// What to say instead of a value; `*` stands for all others. A value not listed is left out.
    pub values: Vec<(String, String)>,
    /// The value where there is none. Without `from`: the constant.
    pub default: Option<String>,
    /// The type of the column.
    pub column_type: ColumnType,
}

/// Fields that a lookup table knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrich {
    /// The table.
    pub lookup: String,
    /// What it is asked for: the values of these, in order, until there is a row.
    pub key: Vec<FieldPath>,
    /// What becomes of the row.
    pub fields: Vec<EnrichField>,
    /// Where it is declared.
    pub place: Place,
}

/// A field that is a column of a lookup table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrichField {
    /// The field, by its ECS name.
    pub name: FieldPath,
    /// The table's column.
    pub column: String,
    /// The type of the field.
    pub column_type: ColumnType,
}

impl LogSource {
    /// Reads a log source from YAML. `path` is the file's name, for messages and the default name.
    ///
    /// # Errors
    /// All mistakes, each with its line and column.
    pub fn parse(path: &str, text: &str) -> Result<Self, Vec<DecodeError>> {
        read::log_source(path, text)
    }

    /// The columns that this source normalizes to, with their types, so that its table can declare
    /// them first.
    #[must_use]
    pub fn normalized_columns(&self) -> Vec<(FieldPath, ColumnType)> {
        let fields = self.fields.iter().map(|rule| (rule.name.clone(), rule.column_type));
        let related = self
            .related
            .iter()
            .map(|(name, _)| (FieldPath::new(format!("related.{name}")), ColumnType::TextList));
        let enriched = self.enrich.iter().flat_map(|rule| &rule.fields);
        let enriched = enriched.map(|field| (field.name.clone(), field.column_type));
        let mut columns: Vec<(FieldPath, ColumnType)> = fields.chain(related).collect();
        for column in enriched {
            if columns.iter().all(|(name, _)| *name != column.0) {
                columns.push(column);
            }
        }
        columns
    }
}

/// The log sources that dab ships: file name and text.
#[must_use]
pub const fn shipped() -> &'static [(&'static str, &'static str)] {
    macro_rules! files {
        ($($name:literal),*) => {
            &[$(($name, include_str!(concat!("../../../content/log_sources/", $name)))),*]
        };
    }
    files![
        "apache_access.yml",
        "atlassian_audit.yml",
        "aws_alb.yml",
        "aws_cloudtrail.yml",
        "aws_guardduty.yml",
        "aws_route53_resolver.yml",
        "aws_s3_access.yml",
        "aws_vpc_flow.yml",
        "aws_waf.yml",
        "azure_activity.yml",
        "bitbucket_audit.yml",
        "cisco_asa.yml",
        "cloudflare_audit.yml",
        "cloudflare_gateway_dns.yml",
        "cloudflare_gateway_http.yml",
        "cloudflare_http.yml",
        "crowdstrike_fdr.yml",
        "duo.yml",
        "elastic_bulk.yml",
        "entra_id.yml",
        "fortigate.yml",
        "gcp_audit.yml",
        "github_audit.yml",
        "google_workspace.yml",
        "iis.yml",
        "journald.yml",
        "kubernetes_audit.yml",
        "linux_auditd.yml",
        "linux_sshd.yml",
        "linux_syslog.yml",
        "linux_sysmon.yml",
        "m365_audit.yml",
        "misp_attributes.yml",
        "nginx_access.yml",
        "okta_system.yml",
        "onepassword.yml",
        "opencanary.yml",
        "osquery.yml",
        "otel_logs.yml",
        "palo_alto.yml",
        "salesforce_events.yml",
        "slack_audit.yml",
        "splunk_hec.yml",
        "squid_access.yml",
        "stix_indicators.yml",
        "suricata_eve.yml",
        "unclassified.yml",
        "windows_events.yml",
        "windows_events_xml.yml",
        "zeek.yml",
        "zeek_conn.yml",
        "zeek_dns.yml",
        "zeek_http.yml",
        "zoom_operations.yml"
    ]
}
