//! What an import says: for people, and as JSON.

use std::{collections::BTreeMap, sync::Arc};

use base::Report;
use detect::Rule;
use serde_json::{Value as Json, json};

use super::Import;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The largest groups, and some places of each.
    Summary,
    /// Every rule that does not run here, with its place.
    All,
}

impl Detail {
    /// How many groups of a kind are listed.
    const fn groups_max(self) -> usize {
        match self {
            Self::Summary => 15,
            Self::All => usize::MAX,
        }
    }

    /// How many places of a group are listed.
    const fn places_max(self) -> usize {
        match self {
            Self::Summary => 3,
            Self::All => usize::MAX,
        }
    }
}

impl Import {
    /// For people.
    #[must_use]
    pub fn text(&self, detail: Detail) -> String {
        let problems: usize = self.reasons.values().map(Vec::len).sum();
        let mut out = format!(
            "{} files: {} rules load, {} filters, {} correlations, {problems} problems\n",
            self.files,
            self.rules(),
            self.filters,
            self.correlations
        );
        out.push_str(&format!("\nrun here: {} rules\n", self.running.len()));
        let log_sources = self.log_sources();
        let log_sources = log_sources.iter().map(|(name, count)| (*name, *count, Vec::new()));
        groups(log_sources, detail, &mut out);
        self.unrouted_text(detail, &mut out);
        if !self.never.is_empty() {
            out.push_str(&format!("\nnever match: {} rules\n", self.never.len()));
            listed(self.never.iter().map(|(_, why)| why), detail, &mut out);
        }
        if !self.unknown_fields.is_empty() {
            let count = self.unknown_fields.len();
            out.push_str(&format!("\nask for fields that no log source has: {count} places\n"));
            listed(self.unknown_fields.iter(), detail, &mut out);
        }
        if !self.reasons.is_empty() {
            out.push_str(&format!("\ndon't load: {problems} problems\n"));
        }
        for (reason, reports) in &self.reasons {
            out.push_str(&format!("{:>7}  {} {}\n", reports.len(), reason.code, reason.message));
            let places = reports.iter().filter_map(|report| report.place.as_ref());
            listed_places(places.map(ToString::to_string), detail, &mut out);
        }
        out.push_str(&format!(
            "\n{} files can be used, {} have no events here, {} don't load\n",
            self.usable.len(),
            self.without_events.len(),
            self.refused.len()
        ));
        out
    }

    fn unrouted_text(&self, detail: Detail, out: &mut String) {
        let count: usize = self.unrouted.values().map(Vec::len).sum();
        if count == 0 {
            return;
        }
        out.push_str(&format!("\nno log source has the events: {count} rules\n"));
        let unrouted = self.unrouted.iter().map(|(asked, rules)| {
            // What they ask for says it all; their names are for who wants the details.
            let rules = if detail == Detail::All { rules.as_slice() } else { &[] };
            let places = rules.iter().map(|rule| {
                let info = &rule.info;
                format!("{}:{}: {}", info.file, rule.line, info.title)
            });
            (asked.as_str(), self.unrouted.get(asked).map_or(0, Vec::len), places.collect())
        });
        groups(unrouted, detail, out);
    }

    /// How many rules run on the events of each log source. A rule may run on several.
    fn log_sources(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.running.iter().flat_map(|(_, names)| names) {
            *counts.entry(name).or_default() += 1;
        }
        counts
    }

    /// As JSON, whole.
    #[must_use]
    pub fn json(&self) -> Json {
        let reasons = self.reasons.iter().map(|(reason, reports)| {
            json!({ "code": reason.code, "message": reason.message, "problems": reports })
        });
        let running = self.running.iter().map(|(rule, log_sources)| {
            let mut rule = named(rule);
            if let Some(rule) = rule.as_object_mut() {
                rule.insert("log_sources".to_owned(), json!(log_sources));
            }
            rule
        });
        let unrouted = self.unrouted.iter().map(|(asked, rules)| {
            let rules: Vec<Json> = rules.iter().map(named).collect();
            json!({ "logsource": asked, "rules": rules })
        });
        let never = self.never.iter().map(|(rule, why)| {
            let mut rule = named(rule);
            if let Some(rule) = rule.as_object_mut() {
                rule.insert("why".to_owned(), json!(why));
            }
            rule
        });
        json!({
            "files": self.files,
            "rules": self.rules(),
            "filters": self.filters,
            "correlations": self.correlations,
            "log_sources": self.log_sources(),
            "running": running.collect::<Vec<_>>(),
            "unrouted": unrouted.collect::<Vec<_>>(),
            "never": never.collect::<Vec<_>>(),
            "unknown_fields": self.unknown_fields,
            "reasons": reasons.collect::<Vec<_>>(),
            "usable": self.usable.len(),
            "without_events": self.without_events.len(),
            "refused": self.refused.len(),
        })
    }
}

fn named(rule: &Arc<Rule>) -> Json {
    json!({
        "id": rule.info.id,
        "title": rule.info.title,
        "file": rule.info.file,
        "line": rule.line,
    })
}

/// The largest groups first, each with its places.
fn groups<'g>(
    groups: impl Iterator<Item = (&'g str, usize, Vec<String>)>,
    detail: Detail,
    out: &mut String,
) {
    let mut groups: Vec<_> = groups.collect();
    groups.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let rest = groups.split_off(groups.len().min(detail.groups_max()));
    for (name, count, places) in groups {
        out.push_str(&format!("{count:>7}  {name}\n"));
        listed_places(places.into_iter(), detail, out);
    }
    if !rest.is_empty() {
        let count: usize = rest.iter().map(|(_, count, _)| count).sum();
        out.push_str(&format!("{count:>7}  in {} more\n", rest.len()));
    }
}

/// Each with its place.
fn listed<'r>(reports: impl Iterator<Item = &'r Report>, detail: Detail, out: &mut String) {
    let line = |report: &Report| match &report.place {
        Some(place) => format!("{place}: {}", report.message),
        None => report.message.clone(),
    };
    listed_places(reports.map(line), detail, out);
}

fn listed_places(mut places: impl Iterator<Item = String>, detail: Detail, out: &mut String) {
    for place in places.by_ref().take(detail.places_max()) {
        out.push_str(&format!("         {place}\n"));
    }
    let more = places.count();
    if more > 0 {
        out.push_str(&format!("         …and {more} more\n"));
    }
}
