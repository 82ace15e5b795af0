//! The settings of routes: which records of a mixed stream are which log source's.

use std::sync::Arc;

use base::Problem;
use schemars::JsonSchema;
use serde::Deserialize;
use serve::{SortingRoute, UNCLASSIFIED};

/// Records for which a condition holds are a log source's.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteSettings {
    /// The condition, in CEL: over `syslog.…`, `message` or the fields of a record in JSON, `original` and, of
    /// syslog, `syslog_sender`.
    when: String,
    /// The log source.
    log_source: String,
}

/// An address for records of several log sources.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MixedSettings {
    /// Its name: records are posted to `/ingest/` and it. No log source may be called so.
    pub(crate) name: String,
    /// The log source of records that no route is for; `unclassified` if it is left out.
    #[serde(default)]
    pub(crate) log_source: Option<String>,
    /// Which records are for which log source: the first whose condition holds.
    pub(crate) route: Vec<RouteSettings>,
}

/// What is wrong with the routes of `whose`, and how to put it right.
pub(super) fn mistake(routes: &[RouteSettings], whose: &str) -> Option<(String, &'static str)> {
    for route in routes {
        if let Err(error) = SortingRoute::new(&route.when, &route.log_source) {
            let help = "correct `when` of its `route`";
            return Some((format!("{whose}: `{}`: {error}", route.when), help));
        }
    }
    None
}

/// What is wrong with addresses for mixed records.
pub(super) fn mistake_in_mixed(mixed: &[MixedSettings]) -> Option<(String, &'static str)> {
    let mut seen = std::collections::BTreeSet::new();
    for one in mixed {
        let name = &one.name;
        if !super::can_name_a_source(name) {
            let help = "use 1 to 64 of the characters `A-Z a-z 0-9 _ -`";
            return Some((format!("`{name}` can't name an entry of `ingest.mixed`"), help));
        }
        if !seen.insert(name) {
            let message = format!("two entries of `ingest.mixed` are called `{name}`");
            return Some((message, "rename one of them"));
        }
        if let Some(mistake) = mistake(&one.route, &format!("the entry `{name}` of `ingest.mixed`"))
        {
            return Some(mistake);
        }
    }
    None
}

/// The routes, compiled.
pub(crate) fn routes(settings: &[RouteSettings]) -> Result<Vec<Arc<SortingRoute>>, Problem> {
    let mut routes = Vec::new();
    for route in settings {
        routes.push(Arc::new(SortingRoute::new(&route.when, &route.log_source)?));
    }
    Ok(routes)
}

/// The log source of what no route is for.
pub(crate) fn rest(log_source: Option<&String>) -> String {
    log_source.cloned().unwrap_or_else(|| UNCLASSIFIED.to_owned())
}
