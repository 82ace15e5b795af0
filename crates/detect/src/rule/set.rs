//! All documents of a project together: filters are applied, and what documents say of each other
//! is checked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Document, Filter, Rule};
use crate::{
    error::{RuleError, RuleErrorKind},
    sigma::node::{Kind, Node},
};

/// What the documents of a project become together.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The rules, in order; their ids are unique. Filters are part of them.
    pub rules: Vec<Arc<Rule>>,
    /// How many filters are applied.
    pub filters: usize,
}

/// Another rule, by its id or name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) text: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Reference {
    /// Reads one reference, or a list of them.
    pub(crate) fn read_all(node: &Node) -> Result<Vec<Self>, RuleError> {
        let members = match &node.kind {
            Kind::List(members) => members.as_slice(),
            Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(node),
        };
        let mut all: Vec<Self> = Vec::with_capacity(members.len());
        for member in members {
            let text = member.as_str().filter(|text| !text.trim().is_empty());
            let Some(text) = text else {
                let message = format!("`rules` must name rules, and holds {}", member.kind_name());
                return Err(member.shape(message));
            };
            if all.iter().any(|known| known.text == text) {
                return Err(member.shape(format!("`rules` names `{text}` twice")));
            }
            all.push(Self { text: text.to_owned(), line: member.line, column: member.column });
        }
        Ok(all)
    }

    pub(crate) const fn error(&self, kind: RuleErrorKind) -> RuleError {
        RuleError::at(self.line, self.column, kind)
    }

    pub(crate) fn unknown(&self) -> RuleError {
        let message = format!("no rule has the id or name `{}`", self.text);
        self.error(RuleErrorKind::Reference(message))
            .with_help("correct it, or solve the problem that is reported for the rule it means")
    }
}

impl RuleSet {
    /// Puts documents together. A document that can't take part is a problem and is left out; rules
    /// whose filter is left out run without it, which the problem says.
    #[must_use]
    pub fn assemble(documents: Vec<Document>) -> (Self, Vec<RuleError>) {
        let mut problems = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        let mut filters = Vec::new();
        for document in documents {
            match document {
                Document::Rule(rule) => rules.push(*rule),
                Document::Filter(filter) => filters.push(*filter),
            }
        }
        drop_duplicates(&mut rules, &mut problems);
        let names = Names::of(&rules, &mut problems);
        let mut applied = 0;
        for filter in &filters {
            let before = problems.len();
            let targets = names.targets(filter, &rules, &mut problems);
            problems.iter_mut().skip(before).for_each(|problem| {
                *problem = problem.clone().in_file(&filter.file);
            });
            applied += usize::from(!targets.is_empty());
            for target in targets {
                if let Some(rule) = rules.get_mut(target) {
                    rule.and(&filter.detection);
                }
            }
        }
        let rules = rules.into_iter().map(Arc::new).collect();
        (Self { rules, filters: applied }, problems)
    }
}

/// Where rules are, by what they are called.
struct Names {
    /// Ids in lower case: UUIDs are written either way.
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl Names {
    fn of(rules: &[Rule], problems: &mut Vec<RuleError>) -> Self {
        let ids = rules.iter().enumerate().map(|(at, rule)| (rule.info.id.to_lowercase(), at));
        let mut all = Self { ids: ids.collect(), names: HashMap::new() };
        for (at, rule) in rules.iter().enumerate() {
            let Some(name) = &rule.name else { continue };
            let Some(first) = all.names.get(name).and_then(|first| rules.get(*first)) else {
                all.names.insert(name.clone(), at);
                continue;
            };
            let message = format!(
                "the name `{name}` is that of `{}` in {}:{} too",
                first.info.title, first.info.file, first.line
            );
            let error = RuleError::at(rule.line, 1, RuleErrorKind::SameName(message));
            let help = "give one of the two rules another `name`; until then it means the first";
            problems.push(error.in_file(&rule.info.file).with_help(help));
        }
        all
    }

    fn find(&self, reference: &Reference) -> Option<usize> {
        let name = self.names.get(&reference.text);
        name.or_else(|| self.ids.get(&reference.text.to_lowercase())).copied()
    }

    /// The rules that a filter applies to.
    fn targets(
        &self,
        filter: &Filter,
        rules: &[Rule],
        problems: &mut Vec<RuleError>,
    ) -> Vec<usize> {
        let Some(references) = &filter.rules else {
            let covered = rules.iter().enumerate();
            let covered = covered.filter(|(_, rule)| filter.covers(&rule.log_source));
            let targets = covered.map(|(at, _)| at).collect::<Vec<_>>();
            if targets.is_empty() {
                let (line, column) = filter.rules_place;
                let message = format!("the filter `{}` applies to no rule", filter.title);
                let error = RuleError::at(line, column, RuleErrorKind::Idle(message));
                problems.push(error.with_help("correct its `logsource`, or remove the filter"));
            }
            return targets;
        };
        let mut targets = Vec::with_capacity(references.len());
        for reference in references {
            let found = self.find(reference).and_then(|at| Some((at, rules.get(at)?)));
            match found {
                None => problems.push(reference.unknown()),
                Some((at, rule)) if filter.covers(&rule.log_source) => targets.push(at),
                Some((_, rule)) => problems.push(uncovered(filter, reference, rule)),
            }
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

fn uncovered(filter: &Filter, reference: &Reference, rule: &Rule) -> RuleError {
    let message = format!(
        "the filter is for {} and not for {}, so `{}` runs without it",
        filter.log_source, rule.log_source, rule.info.title
    );
    let error = reference.error(RuleErrorKind::FilterSource(message));
    error.with_help("give the filter the `logsource` of the rule, or a wider one")
}

/// Drops rules whose id an earlier rule has already.
fn drop_duplicates(rules: &mut Vec<Rule>, problems: &mut Vec<RuleError>) {
    let mut seen: HashMap<&str, &Rule> = HashMap::with_capacity(rules.len());
    let mut repeats = HashSet::new();
    for (at, rule) in rules.iter().enumerate() {
        let Some(first) = seen.get(rule.info.id.as_str()) else {
            seen.insert(&rule.info.id, rule);
            continue;
        };
        let message = format!(
            "the id `{}` is that of `{}` in {}:{} too",
            rule.info.id, first.info.title, first.info.file, first.line
        );
        let kind = RuleErrorKind::Duplicate(message);
        let error = RuleError::at(rule.line, 1, kind).in_file(&rule.info.file);
        problems.push(error.with_help("give one of the two rules another `id`"));
        repeats.insert(at);
    }
    let mut at = 0..;
    rules.retain(|_| at.next().is_none_or(|at| !repeats.contains(&at)));
}

#[cfg(test)]
mod tests;
