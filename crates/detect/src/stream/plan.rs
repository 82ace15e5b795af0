//! Which rules run on the events of one log source, decided once.

use std::{collections::BTreeMap, sync::Arc};

use base::{FieldPath, SigmaRoute};

use crate::{
    rule::{Asked, Rule},
    sigma::text::lower,
    stream::fields::Fields,
};

/// A log source's rules, grouped by the conditions under which events take their routes.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    paths: Vec<FieldPath>,
    /// From here on, paths may be spelt in any way.
    plain_paths: usize,
    /// Each distinct test of the routes: a field, and the values it may have, in lower case.
    tests: Vec<RouteTest>,
    groups: Vec<Group>,
}

/// A test of the routes: a field, and the values it may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RouteTest {
    pub(crate) path: usize,
    /// In lower case.
    pub(crate) values: Vec<String>,
}

/// Rules that run under the same conditions.
#[derive(Debug)]
pub(crate) struct Group {
    /// Any of these lists of tests, each of which must hold as a whole; empty: always.
    pub(crate) conditions: Vec<Vec<usize>>,
    pub(crate) bounds: Vec<Bound>,
}

/// A rule with the places of its fields under one mapping.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The rule's index.
    pub(crate) rule: usize,
    /// For each field of the detection, its index among the plan's paths.
    pub(crate) paths: Vec<usize>,
    pub(crate) asked: Asked,
    /// Another mapping may lead to the same rule.
    pub(crate) has_twin: bool,
}

/// How an event reaches a rule.
struct Way {
    paths: Vec<usize>,
    asked: Asked,
    /// Empty: always.
    conditions: Vec<Vec<usize>>,
}

impl Plan {
    /// The plan for the events of the log source `name`.
    pub(crate) fn new(rules: &[Arc<Rule>], name: &str, routes: &[SigmaRoute]) -> Self {
        let mut plan = Self::default();
        let conditions = routes.iter().map(|route| plan.condition(route)).collect::<Vec<_>>();
        let mut groups: BTreeMap<Vec<Vec<usize>>, Vec<Bound>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            if !rule.log_source.accepts_name(name) {
                continue;
            }
            let ways = plan.ways(rule, routes, &conditions);
            let has_twin = ways.len() > 1;
            for way in ways {
                let bound = Bound { rule: index, paths: way.paths, asked: way.asked, has_twin };
                groups.entry(way.conditions).or_default().push(bound);
            }
        }
        plan.plain_paths = plan.paths.len();
        plan.groups =
            groups.into_iter().map(|(conditions, bounds)| Group { conditions, bounds }).collect();
        plan
    }

    /// The plan for log sources that nobody names: only rules that ask for nothing.
    pub(crate) fn of_unselective(rules: &[Arc<Rule>]) -> Self {
        // No log source has an empty name, so no rule that names its log sources accepts it.
        Self::new(rules, "", &[])
    }

    fn path(&mut self, name: &str) -> usize {
        if let Some(index) = self.paths.iter().position(|path| path.as_str() == name) {
            return index;
        }
        self.paths.push(FieldPath::new(name));
        self.paths.len() - 1
    }

    /// Adds a field that may be spelt in any way: its index.
    pub(crate) fn path_in_any_spelling(&mut self, name: &str) -> usize {
        let path = FieldPath::new(name);
        // A single key has one spelling.
        let first = if path.len() == 1 { 0 } else { self.plain_paths };
        let known = self.paths.iter().skip(first).position(|known| *known == path);
        known.map_or_else(
            || {
                self.paths.push(path);
                self.paths.len() - 1
            },
            |at| first + at,
        )
    }

    /// Whether a path may be spelt in any way.
    pub(crate) const fn has_any_spelling(&self, path: usize) -> bool {
        path >= self.plain_paths
    }

    /// A route's condition as tests.
    fn condition(&mut self, route: &SigmaRoute) -> Vec<usize> {
        let mut condition = Vec::with_capacity(route.when.len());
        for (field, values) in &route.when {
            let values = values.iter().map(|value| lower(value)).collect();
            let test = RouteTest { path: self.path(field), values };
            let known = self.tests.iter().position(|known| *known == test);
            condition.push(known.unwrap_or(self.tests.len()));
            if known.is_none() {
                self.tests.push(test);
            }
        }
        condition.sort_unstable();
        condition
    }

    /// How events reach a rule: by routes, or, if it asks for none, as they are.
    fn ways(&mut self, rule: &Rule, routes: &[SigmaRoute], conditions: &[Vec<usize>]) -> Vec<Way> {
        let mut ways = Vec::new();
        if !rule.log_source.needs_route() {
            self.add_way(&mut ways, rule, &SigmaRoute::default(), &[]);
            return ways;
        }
        for (route, condition) in routes.iter().zip(conditions) {
            if rule.log_source.accepts(route) {
                self.add_way(&mut ways, rule, route, condition);
            }
        }
        ways
    }

    /// Adds a way to the rule, or its condition to a way that has the same mapping.
    fn add_way(
        &mut self,
        ways: &mut Vec<Way>,
        rule: &Rule,
        route: &SigmaRoute,
        condition: &[usize],
    ) {
        let mapped =
            |name: &String| route.fields.get(name).map_or_else(|| name.clone(), Clone::clone);
        let names = rule.detection().map_or(&[][..], |detection| detection.fields.as_slice());
        let paths = names.iter().map(|name| self.path(&mapped(name))).collect::<Vec<_>>();
        let asked = Asked::new(rule, &route.fields);
        let is_always = condition.is_empty();
        let known = ways.iter_mut().find(|way| way.paths == paths && way.asked == asked);
        match known {
            None => {
                let conditions = if is_always { Vec::new() } else { vec![condition.to_vec()] };
                ways.push(Way { paths, asked, conditions });
            }
            // A way that is always open stays so.
            Some(way) if way.conditions.is_empty() => {}
            Some(way) if is_always => way.conditions.clear(),
            Some(way) => {
                if !way.conditions.iter().any(|known| known == condition) {
                    way.conditions.push(condition.to_vec());
                    way.conditions.sort();
                }
            }
        }
    }

    pub(crate) fn paths(&self) -> &[FieldPath] {
        &self.paths
    }

    pub(crate) fn tests(&self) -> &[RouteTest] {
        &self.tests
    }

    /// The groups, in the order in which they are evaluated.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The rules that the plan may run, perhaps repeated.
    pub(crate) fn rules(&self) -> impl Iterator<Item = usize> {
        self.groups.iter().flat_map(|group| &group.bounds).map(|bound| bound.rule)
    }

    /// The groups whose conditions hold for an event.
    pub(crate) fn groups_for(&self, fields: &mut Fields<'_>) -> Vec<&[Bound]> {
        let mut results = vec![None; self.tests.len()];
        let mut groups = Vec::with_capacity(8);
        for group in &self.groups {
            let mut conditions = group.conditions.iter();
            if group.conditions.is_empty()
                || conditions.any(|condition| self.holds(condition, fields, &mut results))
            {
                groups.push(group.bounds.as_slice());
            }
        }
        groups
    }

    /// Whether all tests hold; `results` remembers those that were made before.
    fn holds(
        &self,
        condition: &[usize],
        fields: &mut Fields<'_>,
        results: &mut [Option<bool>],
    ) -> bool {
        condition.iter().all(|&index| {
            let (Some(result), Some(test)) = (results.get_mut(index), self.tests.get(index)) else {
                return false;
            };
            *result.get_or_insert_with(|| test.holds(fields))
        })
    }
}

impl RouteTest {
    fn holds(&self, fields: &mut Fields<'_>) -> bool {
        let place = fields.place(self.path);
        fields.found(place).is_some_and(|found| {
            found.leaves().any(|leaf| {
                self.values.iter().any(|value| leaf.text().is_some() && leaf.lower() == value)
            })
        })
    }
}
