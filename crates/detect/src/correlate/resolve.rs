//! Finds the rules that correlations name, and decides what is asked of each.

use base::limits;

use super::{Correlation, Member};
use crate::{
    error::{RuleError, RuleErrorKind},
    rule::{Names, Rule, Target},
};

/// The correlations that can be run, those that others stand on first; the rules know what is asked
/// of them. What can't be run is a problem, and so is what stands on it.
pub(crate) fn resolve(
    rules: &mut [Rule],
    mut correlations: Vec<Correlation>,
    problems: &mut Vec<RuleError>,
) -> Vec<Correlation> {
    loop {
        let names = Names::of(rules, &correlations);
        let found = correlations
            .iter()
            .map(|correlation| members(correlation, &names, rules, &correlations))
            .collect::<Vec<_>>();
        let before = correlations.len();
        let mut kept = Vec::with_capacity(before);
        for (mut correlation, found) in correlations.into_iter().zip(found) {
            match found {
                Ok(members) => {
                    correlation.members = members;
                    kept.push(correlation);
                }
                Err(error) => problems.push(error.in_file(&correlation.info.file)),
            }
        }
        correlations = kept;
        if correlations.len() == before {
            break;
        }
    }
    let mut sorted = in_order(correlations, problems);
    ask(rules, &mut sorted);
    wait(&mut sorted);
    sorted
}

/// The rules that a correlation names, with the fields that it asks of each.
fn members(
    correlation: &Correlation,
    names: &Names,
    rules: &[Rule],
    correlations: &[Correlation],
) -> Result<Vec<Member>, RuleError> {
    let mut targets: Vec<Target> = Vec::with_capacity(correlation.references.len());
    for reference in &correlation.references {
        let target = names.find(reference).ok_or_else(|| reference.unknown())?;
        if targets.contains(&target) {
            let message = format!("`{}` is a rule that is named already", reference.text);
            return Err(reference.error(RuleErrorKind::Correlation(message)));
        }
        targets.push(target);
    }
    check_aliases(correlation, names, &targets)?;
    let members = targets.into_iter().filter_map(|target| {
        let (info, at) = match target {
            Target::Rule(at) => (&rules.get(at)?.info, None),
            Target::Correlation(at) => (&correlations.get(at)?.info, Some(at)),
        };
        let aliases = correlation.aliases.iter().filter_map(|alias| {
            let mut fields = alias.fields.iter();
            let (_, field) = fields.find(|(reference, _)| names.find(reference) == Some(target))?;
            Some((alias.name.clone(), field.clone()))
        });
        let mut member = Member {
            id: info.id.clone(),
            title: info.title.clone(),
            correlation: at,
            aliases: aliases.collect(),
            group_by: Vec::new(),
            fields: Vec::new(),
            passed: Vec::new(),
        };
        let fields = |wanted: &[String]| wanted.iter().map(|name| member.field(name)).collect();
        (member.group_by, member.fields, member.passed) = (
            fields(&correlation.group_by),
            fields(&correlation.condition.fields),
            fields(&correlation.passed),
        );
        Some(member)
    });
    Ok(members.collect())
}

/// Aliases must be for the correlation's rules, and those in use for each of them.
fn check_aliases(
    correlation: &Correlation,
    names: &Names,
    targets: &[Target],
) -> Result<(), RuleError> {
    for alias in &correlation.aliases {
        let mut missing = targets.to_vec();
        for (reference, _) in &alias.fields {
            let target = names.find(reference);
            if !target.is_some_and(|target| targets.contains(&target)) {
                let message = format!(
                    "the alias `{}` is for `{}`, which is not among the rules",
                    alias.name, reference.text
                );
                let error = reference.error(RuleErrorKind::Alias(message));
                return Err(error.with_help("name the rule under `rules`, or drop it here"));
            }
            missing.retain(|known| Some(*known) != target);
        }
        let is_used = correlation.group_by.contains(&alias.name)
            || correlation.condition.fields.contains(&alias.name)
            || correlation.passed.contains(&alias.name);
        let missing = correlation
            .references
            .iter()
            .zip(targets)
            .find(|(_, target)| is_used && missing.contains(target));
        if let Some((reference, _)) = missing {
            let message = format!(
                "the alias `{}` has no field for the rule `{}`",
                alias.name, reference.text
            );
            let kind = RuleErrorKind::Alias(message);
            let help = format!("add `{}: <its field>` to the alias", reference.text);
            return Err(RuleError::at(alias.line, alias.column, kind).with_help(help));
        }
    }
    Ok(())
}

/// Sorts correlations so that each comes after those it stands on.
fn in_order(correlations: Vec<Correlation>, problems: &mut Vec<RuleError>) -> Vec<Correlation> {
    let below = correlations
        .iter()
        .map(|one| one.members.iter().filter_map(|member| member.correlation).collect::<Vec<_>>())
        .collect::<Vec<_>>();
    let mut depths: Vec<Option<usize>> = vec![None; correlations.len()];
    let mut order = Vec::with_capacity(correlations.len());
    loop {
        let before = order.len();
        for (at, below) in below.iter().enumerate() {
            let known = below.iter().map(|at| depths.get(*at).copied().flatten());
            let deepest = known.collect::<Option<Vec<_>>>();
            if let (Some(depth @ None), Some(deepest)) = (depths.get_mut(at), deepest) {
                *depth = Some(deepest.into_iter().max().map_or(1, |depth| depth + 1));
                order.push(at);
            }
        }
        if order.len() == before {
            break;
        }
    }
    let max = limits::CORRELATION_DEPTH_MAX;
    order.retain(|at| depths.get(*at).copied().flatten().is_some_and(|depth| depth <= max));
    for (at, correlation) in correlations.iter().enumerate() {
        if !order.contains(&at) {
            let is_circle = depths.get(at).copied().flatten().is_none();
            problems.push(unordered(at, is_circle, correlation, &correlations, &below));
        }
    }
    let mut slots = correlations.into_iter().map(Some).collect::<Vec<_>>();
    let mut sorted = Vec::with_capacity(order.len());
    for at in &order {
        let Some(mut correlation) = slots.get_mut(*at).and_then(Option::take) else { continue };
        for member in &mut correlation.members {
            let place = member.correlation.and_then(|old| order.iter().position(|at| *at == old));
            member.correlation = place;
        }
        sorted.push(correlation);
    }
    sorted
}

/// Why a correlation has no place in the order.
fn unordered(
    at: usize,
    is_circle: bool,
    correlation: &Correlation,
    all: &[Correlation],
    below: &[Vec<usize>],
) -> RuleError {
    let title = &correlation.info.title;
    let max = limits::CORRELATION_DEPTH_MAX;
    let kind = if !is_circle {
        let message = format!("`{title}` stands on more than {max} correlations, one on the other");
        RuleErrorKind::CorrelationLimit(message)
    } else if let Some(circle) = circle(at, below) {
        let titles = circle.iter().filter_map(|at| all.get(*at));
        let titles = titles.map(|one| format!("`{}`", one.info.title)).collect::<Vec<_>>();
        RuleErrorKind::Cycle(format!("`{title}` stands on itself: {}", titles.join(" → ")))
    } else {
        RuleErrorKind::Cycle(format!("`{title}` stands on correlations that stand on each other"))
    };
    let (line, column) = correlation
        .references
        .first()
        .map_or((correlation.line, 1), |reference| (reference.line, reference.column));
    RuleError::at(line, column, kind)
        .in_file(&correlation.info.file)
        .with_help("let one of them name the rules below it instead")
}

/// The way from a correlation back to itself, if there is one.
fn circle(start: usize, below: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut ways = vec![vec![start]];
    let mut seen = vec![false; below.len()];
    while let Some(way) = ways.pop() {
        for next in below.get(*way.last()?)? {
            let mut longer = way.clone();
            longer.push(*next);
            if *next == start {
                return Some(longer);
            }
            if let Some(seen @ false) = seen.get_mut(*next) {
                *seen = true;
                ways.push(longer);
            }
        }
    }
    None
}

/// Tells rules, and correlations below others, which fields they are asked for. Those above come
/// last and are looked at first.
fn ask(rules: &mut [Rule], sorted: &mut [Correlation]) {
    for at in (0..sorted.len()).rev() {
        let Some((below, [correlation, ..])) = sorted.split_at_mut_checked(at) else { continue };
        for member in &correlation.members {
            let child = member.correlation.and_then(|at| below.get_mut(at));
            if let Some(child) = child {
                child.ask(member, correlation.generate);
            } else if let Some(rule) = rules.iter_mut().find(|rule| rule.info.id == member.id) {
                rule.ask(member, correlation.generate);
            }
        }
    }
}

/// What stands on others waits as long as they do.
fn wait(sorted: &mut [Correlation]) {
    for at in 0..sorted.len() {
        let Some((below, [correlation, ..])) = sorted.split_at_mut_checked(at) else { continue };
        let below = correlation.members.iter().filter_map(|member| below.get(member.correlation?));
        let lateness = below.map(|child| child.lateness).max().unwrap_or(0);
        correlation.lateness = correlation.lateness.max(lateness);
    }
}

impl Member {
    /// Every field that is asked of it.
    fn asked(&self) -> impl Iterator<Item = &String> {
        [&self.group_by, &self.fields, &self.passed].into_iter().flatten()
    }

    /// What the member calls a field.
    fn field(&self, name: &str) -> String {
        let alias = self.aliases.iter().find(|(alias, _)| alias == name);
        alias.map_or_else(|| name.to_owned(), |(_, field)| field.clone())
    }
}

impl Rule {
    /// Makes its matches carry what a correlation asks of it.
    fn ask(&mut self, member: &Member, generate: bool) {
        self.is_correlated = true;
        self.is_silent |= !generate;
        for name in member.asked() {
            if !self.facts.contains(name) {
                self.facts.push(name.clone());
            }
        }
    }
}

impl Correlation {
    /// Makes its matches carry what another correlation asks of it.
    fn ask(&mut self, member: &Member, generate: bool) {
        self.is_correlated = true;
        self.is_silent |= !generate;
        for name in member.asked() {
            if !self.group_by.contains(name) {
                self.pass(name);
            }
        }
    }

    /// Makes its matches carry a field from the event that completed them.
    fn pass(&mut self, name: &str) {
        if self.passed.iter().any(|known| known == name) {
            return;
        }
        self.passed.push(name.to_owned());
        for member in &mut self.members {
            let field = member.field(name);
            member.passed.push(field);
        }
    }
}
