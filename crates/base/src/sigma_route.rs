//! How events of a log source appear to Sigma rules.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One way in which a log source's events count as a Sigma `logsource`.
///
/// One event may take several routes: Sysmon's event 13 is both `registry_set` and
/// `registry_event`, and Windows' 4688 is `process_creation` under other field names. A rule runs
/// on an event if every key of its `logsource` that a route names is the same there, and no key of
/// the rule's is missing from the route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigmaRoute {
    /// Such as `windows`, `aws`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Such as `process_creation`, `webserver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Such as `sysmon`, `cloudtrail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Which events take the route: every field named here has one of its values (compared as
    /// text, without regard to case). Empty: all events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Vec<String>>,
    /// Where this route's rules find the fields they name: Sigma's name to the event's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}
