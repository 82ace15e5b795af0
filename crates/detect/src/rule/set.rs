//! All documents of a project together: filters are applied, and what documents say of each other
//! is checked.

use std::{collections::HashMap, sync::Arc};

use base::RuleInfo;

use super::{Document, Filter, Rule};
use crate::{
    correlate::{self, Correlation},
    error::{RuleError, RuleErrorKind},
    sigma::node::{Kind, Node},
};

/// What the documents of a project become together.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The rules, in order; their ids are unique. Filters are part of them.
    pub rules: Vec<Arc<Rule>>,
    /// The correlations, those that others stand on first.
    pub correlations: Vec<Arc<Correlation>>,
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
            let Some(text) = member.as_word() else {
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
    /// whose filter or correlation is left out run without it, which the problem says.
    #[must_use]
    pub fn assemble(documents: Vec<Document>) -> (Self, Vec<RuleError>) {
        let mut problems = Vec::new();
        let (mut rules, mut correlations, mut filters) = (Vec::new(), Vec::new(), Vec::new());
        for document in documents {
            match document {
                Document::Rule(rule) => rules.push(*rule),
                Document::Filter(filter) => filters.push(*filter),
                Document::Correlation(correlation) => correlations.push(*correlation),
            }
        }
        drop_duplicates(&mut rules, &mut correlations, &mut problems);
        let names = Names::of(&rules, &correlations);
        problems.extend(same_names(&rules, &correlations));
        let mut applied = 0;
        for filter in &filters {
            let before = problems.len();
            let targets = names.filtered(filter, &rules, &mut problems);
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
        let correlations = correlate::resolve(&mut rules, correlations, &mut problems);
        let set = Self {
            rules: rules.into_iter().map(Arc::new).collect(),
            correlations: correlations.into_iter().map(Arc::new).collect(),
            filters: applied,
        };
        (set, problems)
    }
}

/// What a reference may mean, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Rule(usize),
    Correlation(usize),
}

/// Where rules and correlations are, by what they are called.
pub(crate) struct Names {
    /// Ids in lower case: UUIDs are written either way.
    ids: HashMap<String, Target>,
    names: HashMap<String, Target>,
}

/// Every rule and correlation, in the order in which they are looked at.
fn all<'s>(
    rules: &'s [Rule],
    correlations: &'s [Correlation],
) -> impl Iterator<Item = (Target, &'s RuleInfo, u32, Option<&'s str>)> {
    let rules = (0_usize..)
        .zip(rules)
        .map(|(at, rule)| (Target::Rule(at), &rule.info, rule.line, rule.name.as_deref()));
    let correlations = (0_usize..)
        .zip(correlations)
        .map(|(at, one)| (Target::Correlation(at), &one.info, one.line, one.name.as_deref()));
    rules.chain(correlations)
}

impl Names {
    pub(crate) fn of(rules: &[Rule], correlations: &[Correlation]) -> Self {
        let mut names = Self { ids: HashMap::new(), names: HashMap::new() };
        for (target, info, _, name) in all(rules, correlations) {
            names.ids.entry(info.id.to_lowercase()).or_insert(target);
            if let Some(name) = name {
                names.names.entry(name.to_owned()).or_insert(target);
            }
        }
        names
    }

    pub(crate) fn find(&self, reference: &Reference) -> Option<Target> {
        let name = self.names.get(&reference.text);
        name.or_else(|| self.ids.get(&reference.text.to_lowercase())).copied()
    }

    /// The rules that a filter applies to.
    fn filtered(
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
            match self.find(reference) {
                None => problems.push(reference.unknown()),
                Some(Target::Correlation(_)) => {
                    let message =
                        format!("`{}` is a correlation, which no filter changes", reference.text);
                    let error = reference.error(RuleErrorKind::FilteredCorrelation(message));
                    problems.push(error.with_help("name the rules that the correlation is about"));
                }
                Some(Target::Rule(at)) => match rules.get(at) {
                    Some(rule) if !filter.covers(&rule.log_source) => {
                        problems.push(uncovered(filter, reference, rule));
                    }
                    _ => targets.push(at),
                },
            }
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

/// Names that an earlier rule has already.
fn same_names(rules: &[Rule], correlations: &[Correlation]) -> Vec<RuleError> {
    let mut seen: HashMap<&str, (&RuleInfo, u32)> = HashMap::new();
    let mut problems = Vec::new();
    for (_, info, line, name) in all(rules, correlations) {
        let Some(name) = name else { continue };
        let Some((first, first_line)) = seen.get(name) else {
            seen.insert(name, (info, line));
            continue;
        };
        let message = format!(
            "the name `{name}` is that of `{}` in {}:{first_line} too",
            first.title, first.file
        );
        let error = RuleError::at(line, 1, RuleErrorKind::SameName(message));
        let help = "give one of the two rules another `name`; until then it means the first";
        problems.push(error.in_file(&info.file).with_help(help));
    }
    problems
}

fn uncovered(filter: &Filter, reference: &Reference, rule: &Rule) -> RuleError {
    let message = format!(
        "the filter is for {} and not for {}, so `{}` runs without it",
        filter.log_source, rule.log_source, rule.info.title
    );
    let error = reference.error(RuleErrorKind::FilterSource(message));
    error.with_help("give the filter the `logsource` of the rule, or a wider one")
}

/// Drops rules and correlations whose id an earlier one has already.
fn drop_duplicates(
    rules: &mut Vec<Rule>,
    correlations: &mut Vec<Correlation>,
    problems: &mut Vec<RuleError>,
) {
    let mut seen: HashMap<&str, (&RuleInfo, u32)> = HashMap::with_capacity(rules.len());
    let mut is_kept = Vec::with_capacity(rules.len());
    for (_, info, line, _) in all(rules, correlations) {
        let first = seen.get(info.id.as_str());
        is_kept.push(first.is_none());
        let Some((first, first_line)) = first else {
            seen.insert(&info.id, (info, line));
            continue;
        };
        let message = format!(
            "the id `{}` is that of `{}` in {}:{first_line} too",
            info.id, first.title, first.file
        );
        let kind = RuleErrorKind::Duplicate(message);
        let error = RuleError::at(line, 1, kind).in_file(&info.file);
        problems.push(error.with_help("give one of the two rules another `id`"));
    }
    let mut is_kept = is_kept.into_iter();
    rules.retain(|_| is_kept.next().unwrap_or(true));
    correlations.retain(|_| is_kept.next().unwrap_or(true));
}

#[cfg(test)]
mod tests;
