//! Which fields of an event decide whether a rule matches, and what its match says.

use std::collections::BTreeSet;

use base::SigmaRoute;

use crate::{
    rule::{Body, Rule},
    sigma::Tree,
};

/// What a rule reads of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// The fields, by their names in the event.
    pub fields: BTreeSet<String>,
    /// Whether it searches in all fields.
    pub is_anywhere: bool,
}

impl Rule {
    /// What the rule reads of events that reach it by `route`, and what the route itself reads.
    #[must_use]
    pub fn reads(&self, route: &SigmaRoute) -> Reads {
        let mut reads = Reads::default();
        let mapped = |name: &String| route.fields.get(name).unwrap_or(name).clone();
        reads.fields.extend(route.when.keys().cloned());
        reads.fields.extend(self.info.dedup.iter().map(mapped));
        reads.fields.extend(self.facts.iter().map(mapped));
        if let Body::Cel(program) = &self.body {
            reads.fields.extend(program.fields().iter().cloned());
        }
        if let Some(detection) = self.detection() {
            reads.fields.extend(detection.fields.iter().map(mapped));
            reads.is_anywhere = detection.selections.iter().any(searches);
        }
        reads
    }

    /// The fields that the rule itself names, each with where it first does: line and column from 1.
    #[must_use]
    pub fn field_places(&self) -> Vec<(String, (u32, u32))> {
        let mut places: Vec<(String, (u32, u32))> = Vec::new();
        if let Some(detection) = self.detection() {
            let mut tests = Vec::new();
            detection.selections.iter().for_each(|tree| gather(tree, &mut tests));
            tests.sort_unstable_by_key(|(_, place)| *place);
            for (field, place) in tests {
                let Some(name) = detection.fields.get(field) else { continue };
                if !places.iter().any(|(known, _)| known == name) {
                    places.push((name.clone(), place));
                }
            }
        }
        if let Body::Cel(program) = &self.body {
            places.extend(program.fields().iter().map(|name| (name.clone(), (self.line, 1))));
        }
        places
    }
}

fn gather(tree: &Tree, tests: &mut Vec<(usize, (u32, u32))>) {
    match tree {
        Tree::All(all) | Tree::Any(all) => all.iter().for_each(|inner| gather(inner, tests)),
        Tree::Test(test) => tests.extend(test.field.map(|field| (field, test.place))),
    }
}

/// Whether a selection has a search in all fields.
fn searches(tree: &Tree) -> bool {
    match tree {
        Tree::All(all) | Tree::Any(all) => all.iter().any(searches),
        Tree::Test(test) => test.field.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_what_they_and_their_route_name() {
        let text = "title: T\nlogsource: {product: x}\ndetection:\n  a: {Image: x, b.c: y}\n  k: \
                    [word]\n  condition: a\ndedup: [User]\n---\ntitle: C\ncel: p.q == 1 && \
                    has(r)\n";
        let rules: Vec<Rule> =
            crate::load_file("r.yml", text).into_iter().map(Result::unwrap).collect();
        let route = SigmaRoute {
            when: [("Channel".to_owned(), vec!["x".to_owned()])].into(),
            fields: [("Image".to_owned(), "NewProcessName".to_owned())].into(),
            ..SigmaRoute::default()
        };
        let reads = rules[0].reads(&route);
        let fields: Vec<&str> = reads.fields.iter().map(String::as_str).collect();
        assert_eq!(fields, ["Channel", "NewProcessName", "User", "b.c"]);
        assert!(reads.is_anywhere);
        let reads = rules[1].reads(&SigmaRoute::default());
        assert_eq!(reads.fields, ["p.q".to_owned(), "r".to_owned()].into());
        assert!(!reads.is_anywhere);
    }
}
