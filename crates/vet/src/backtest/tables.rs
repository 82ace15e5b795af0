//! Which tables a backtest reads, and how much of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base::{Clause, SigmaRoute};
use decode::LogSource;
use detect::Rule;

use super::TableReads;
use crate::reaches;

/// How many needs are asked of each row of a table. Beyond, asking them costs about what it saves:
/// making an event of the row and handing it to the matcher, some 10 µs.
const NEEDS_MAX: usize = 256;

/// What rules ask of a table.
#[derive(Debug, Default)]
struct Asked {
    fields: BTreeSet<String>,
    /// Some rule searches in all fields.
    is_anywhere: bool,
    ways: Vec<Vec<Clause>>,
    /// Of some rule nothing is known, so that every event may match.
    is_open: bool,
}

impl Asked {
    fn add(&mut self, rule: &Rule, route: &SigmaRoute) {
        let reads = rule.reads(route);
        self.fields.extend(reads.fields);
        self.is_anywhere |= reads.is_anywhere;
        let way = rule.needs(route);
        // A need of a field that is not read would never be met.
        self.fields.extend(way.iter().flatten().map(|need| need.field.clone()));
        self.is_open |= way.is_empty();
        if !self.ways.contains(&way) {
            self.ways.push(way);
        }
    }

    /// By all ways in which events of the log source get to the rule.
    fn add_all(&mut self, rule: &Rule, source: &LogSource) {
        if !rule.log_source.needs_route() {
            return self.add(rule, &SigmaRoute::default());
        }
        for route in source.sigma.iter().filter(|route| rule.log_source.accepts(route)) {
            self.add(rule, route);
        }
    }

    fn reads(self, table: Option<&str>) -> TableReads {
        let needs: usize = self.ways.iter().flatten().map(Vec::len).sum();
        let is_open = self.is_open || needs > NEEDS_MAX;
        TableReads {
            table: table.map(str::to_owned),
            fields: (!self.is_anywhere).then_some(self.fields),
            ways: (!is_open).then_some(self.ways),
        }
    }
}

/// Which tables hold events that reach the rules, and what decides there.
pub(super) fn tables(sources: &[LogSource], rules: &[Arc<Rule>]) -> Vec<TableReads> {
    let is_everywhere =
        |rule: &Arc<Rule>| rule.log_source.names.is_empty() && !rule.log_source.needs_route();
    if rules.iter().any(is_everywhere) {
        let mut all = Asked::default();
        for rule in rules {
            if is_everywhere(rule) {
                all.add(rule, &SigmaRoute::default());
                continue;
            }
            let reaching = sources.iter().filter(|source| reaches(source, &rule.log_source));
            reaching.for_each(|source| all.add_all(rule, source));
        }
        return vec![all.reads(None)];
    }
    let mut tables: BTreeMap<&str, Asked> = BTreeMap::new();
    for source in sources {
        for rule in rules.iter().filter(|rule| reaches(source, &rule.log_source)) {
            tables.entry(&source.table).or_default().add_all(rule, source);
        }
    }
    // A log source that a rule names and the project does not have may have left its table.
    for rule in rules.iter().filter(|rule| !rule.log_source.needs_route()) {
        for name in &rule.log_source.names {
            if !sources.iter().any(|source| source.name == *name) {
                tables.entry(name).or_default().add(rule, &SigmaRoute::default());
            }
        }
    }
    tables.into_iter().map(|(table, asked)| asked.reads(Some(table))).collect()
}
