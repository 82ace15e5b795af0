//! Which log source a pushed record is for, by what its client calls it.

use super::{Protocol, token::Token};

/// Says that records with such names are a log source's.
#[derive(Debug, Clone)]
pub struct IngestRoute {
    /// The protocol they come by; `None`: any.
    pub via: Option<Protocol>,
    /// Their sourcetype, index, data set or service: texts in which `*` stands for anything. Upper and
    /// lower case are the same.
    pub names: Vec<String>,
    /// The log source.
    pub log_source: String,
}

impl IngestRoute {
    fn takes(&self, via: Protocol, names: &[String]) -> bool {
        let fits = |name: &String| self.names.iter().any(|pattern| matches(pattern, name));
        self.via.is_none_or(|own| own == via) && names.iter().any(fits)
    }
}

/// What others' names mean where neither the settings nor the token say: the sourcetypes of Splunk's
/// add-ons, and the indices of Elastic's shippers.
const KNOWN: &[(&str, &str)] = &[
    ("aws:cloudwatchlogs:vpcflow", "aws_vpc_flow"),
    ("aws:s3:accesslogs", "aws_s3_access"),
    ("aws:elb:accesslogs", "aws_alb"),
    ("azure:monitor:activity", "azure_activity"),
    ("fgt_*", "fortigate"),
    ("fortigate_*", "fortigate"),
    ("google:gcp:pubsub:audit*", "gcp_audit"),
    ("gws:reports:*", "google_workspace"),
    ("kube:audit", "kubernetes_audit"),
    ("linux:audit", "linux_auditd"),
    ("linux_secure", "linux_syslog"),
    ("ms:iis:*", "iis"),
    ("o365:management:activity", "m365_audit"),
    ("okta.system", "okta_system"),
    ("oktaim2:log", "okta_system"),
    ("osquery:results", "osquery"),
    ("pan:*", "palo_alto"),
    ("squid:access*", "squid_access"),
    ("suricata", "suricata_eve"),
    ("sysmon:linux", "linux_sysmon"),
    ("syslog", "linux_syslog"),
    ("system.auth", "linux_syslog"),
    ("system.syslog", "linux_syslog"),
    ("wineventlog", "windows_events"),
    ("winlogbeat*", "windows_events"),
    ("windows.*", "windows_events"),
    ("xmlwineventlog*", "windows_events_xml"),
];

/// The log source of a record: what the settings say; else the token's, if it is for one alone; else the
/// one that is called like it; else what the name is known to mean; else `other`.
pub(super) fn choose(
    (via, names): (Protocol, &[String]),
    routes: &[IngestRoute],
    token: &Token,
    is_log_source: impl Fn(&str) -> bool,
) -> String {
    if let Some(route) = routes.iter().find(|route| route.takes(via, names)) {
        return route.log_source.clone();
    }
    if let [only] = token.log_sources.as_slice() {
        return only.clone();
    }
    let same = names.iter().map(|name| plain(name)).find(|name| is_log_source(name));
    let known = || {
        let mut known = KNOWN.iter();
        let (_, name) = known.find(|(own, _)| names.iter().any(|name| matches(own, name)))?;
        is_log_source(name).then(|| (*name).to_owned())
    };
    same.or_else(known).unwrap_or_else(|| via.log_source().to_owned())
}

/// A name in the letters of log sources: `aws:cloudtrail` is `aws_cloudtrail`.
fn plain(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(letter).collect()
}

/// Whether `name` fits a pattern in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::token::tests::token;

    #[test]
    fn patterns_match_as_written() {
        for (pattern, name, expected) in [
            ("okta", "OKTA", true),
            ("okta", "okta2", false),
            ("pan:*", "pan:traffic", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("logs-*-prod", "logs-web-prod", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_settings_come_first_then_the_token_then_names() {
        let routes = [
            IngestRoute {
                via: Some(Protocol::Elastic),
                names: vec!["web-*".into()],
                log_source: "nginx_access".into(),
            },
            IngestRoute { via: None, names: vec!["mine".into()], log_source: "own".into() },
        ];
        let (any, okta) = (token("any", &[]), token("okta", &["okta_system"]));
        let known = ["aws_cloudtrail", "palo_alto", "own"];
        for (via, names, token, expected) in [
            (Protocol::Elastic, &["web-1"][..], &any, "nginx_access"),
            (Protocol::Hec, &["web-1"], &any, "splunk_hec"),
            (Protocol::Hec, &["x", "mine"], &okta, "own"),
            (Protocol::Hec, &["aws:cloudtrail"], &okta, "okta_system"),
            (Protocol::Hec, &["aws:cloudtrail", "main"], &any, "aws_cloudtrail"),
            (Protocol::Hec, &["pan:threat"], &any, "palo_alto"),
            (Protocol::Elastic, &["winlogbeat-8"], &any, "elastic_bulk"),
            (Protocol::Otel, &[], &any, "otel_logs"),
            (Protocol::Journal, &[], &any, "journald"),
        ] {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            let found = choose((via, &names), &routes, token, |name| known.contains(&name));
            assert_eq!(found, expected, "{via:?} {names:?}");
        }
    }

    #[test]
    fn known_names_lead_to_log_sources_that_come_with_dab() {
        let shipped = decode::shipped();
        let is_shipped =
            |name: &str| shipped.iter().any(|(file, _)| *file == format!("{name}.yml"));
        for (_, name) in KNOWN {
            assert!(is_shipped(name), "{name}");
        }
        for via in [Protocol::Hec, Protocol::Elastic, Protocol::Otel, Protocol::Journal] {
            assert!(is_shipped(via.log_source()), "{via:?}");
        }
    }
}
