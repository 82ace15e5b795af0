//! What every event that a rule matches has: a few tests of single fields, for those who read many
//! events for a rule.
//!
//! Where they fail, the rule does not match; the other direction is not promised. Negations, absence
//! and searches in all fields give nothing.

use base::{Clause, Holds, Need, SigmaRoute};
use cel::{FieldTest as CelTest, Literal, Necessary, Predicate};

use crate::{
    rule::{Body, Rule},
    sigma::{
        Detection, Tree,
        condition::Condition,
        field::FieldTest,
        test::{Comparison, Number, Test},
        text::{Asks, lower},
    },
};

/// How many tests of one clause are told apart: of more, only their fields are looked for.
const CLAUSE_NEEDS_MAX: usize = 32;

/// How many clauses a rule has at most: those that are expected to hold most rarely.
const CLAUSES_MAX: usize = 4;

impl Rule {
    /// What the events that it matches by `route` have: of each clause, one need is met. Those that
    /// are expected to be met most rarely come first. None: nothing is known.
    #[must_use]
    pub fn needs(&self, route: &SigmaRoute) -> Vec<Clause> {
        let mut clauses = self.own_needs(route);
        for (field, values) in &route.when {
            let need = |value: &String| Need { field: field.clone(), holds: part(value) };
            clauses.push(values.iter().map(need).collect());
        }
        let mut clauses: Vec<Clause> = clauses.into_iter().map(short).collect();
        clauses.sort_by(|a, b| weight(a).cmp(&weight(b)).then_with(|| a.cmp(b)));
        clauses.dedup();
        clauses.truncate(CLAUSES_MAX);
        clauses
    }

    /// As [`Rule::needs`]: all that is known, without what the route itself asks for.
    #[must_use]
    pub fn own_needs(&self, route: &SigmaRoute) -> Vec<Clause> {
        let mut clauses = Vec::new();
        if let Body::Cel(program) = &self.body {
            clauses.extend(of_cel(&program.necessary()));
        }
        if let Some(detection) = self.detection() {
            clauses.extend(Analysis { detection, route }.condition(&detection.condition));
        }
        clauses
    }
}

/// Whether a field that has one of these values, as a route lets them in, may meet a need.
#[must_use]
pub fn may_hold(values: &[String], holds: &Holds) -> bool {
    values.iter().any(|value| match holds {
        Holds::Anything => true,
        Holds::Part(part) => lower(value).contains(part) || !value.is_ascii(),
        Holds::Number(number) => Number::parse(value)
            .is_some_and(|value| value.is(Comparison::Equal, Number::Int(*number))),
    })
}

struct Analysis<'d> {
    detection: &'d Detection,
    route: &'d SigmaRoute,
}

impl Analysis<'_> {
    fn condition(&self, condition: &Condition) -> Vec<Clause> {
        match condition {
            Condition::Selection(index) => self.selection(*index),
            Condition::And(all) => all.iter().flat_map(|inner| self.condition(inner)).collect(),
            Condition::Or(all) => any(all.iter().map(|inner| self.condition(inner))),
            Condition::Not(_) | Condition::AtLeast(0, _) => Vec::new(),
            Condition::AtLeast(least, members) if *least == members.len() => {
                members.iter().flat_map(|index| self.selection(*index)).collect()
            }
            Condition::AtLeast(_, members) => {
                any(members.iter().map(|index| self.selection(*index)))
            }
        }
    }

    fn selection(&self, index: usize) -> Vec<Clause> {
        self.detection.selections.get(index).map_or_else(Vec::new, |tree| self.tree(tree))
    }

    fn tree(&self, tree: &Tree) -> Vec<Clause> {
        match tree {
            Tree::All(all) => all.iter().flat_map(|inner| self.tree(inner)).collect(),
            Tree::Any(all) => any(all.iter().map(|inner| self.tree(inner))),
            Tree::Test(test) => self.test(test),
        }
    }

    fn test(&self, test: &FieldTest) -> Vec<Clause> {
        let name = test.field.and_then(|field| self.detection.fields.get(field));
        let Some(name) = name.filter(|_| !test.is_negated) else { return Vec::new() };
        let field = self.route.fields.get(name).unwrap_or(name);
        let clause = |forms: &[Test]| {
            let needs = forms.iter().map(|form| holds(form).map(|holds| (field.clone(), holds)));
            let needs = needs.map(|need| need.map(|(field, holds)| Need { field, holds }));
            needs.collect::<Option<Clause>>()
        };
        if test.all {
            test.values.iter().filter_map(|value| clause(test.forms_of(value))).collect()
        } else {
            clause(&test.forms).into_iter().collect()
        }
    }
}

/// What a field holds where a test of it does; `None` if it may be absent then.
fn holds(test: &Test) -> Option<Holds> {
    Some(match test {
        Test::Null | Test::Exists(false) => return None,
        Test::Text(text) => match text.asks() {
            Asks::Anything => Holds::Anything,
            Asks::Exact(text) | Asks::Prefix(text) | Asks::Suffix(text) | Asks::Contains(text) => {
                part(text)
            }
            Asks::Parts(parts) => {
                let parts = parts.into_iter().map(part);
                parts.min_by_key(rarity).unwrap_or(Holds::Anything)
            }
        },
        Test::Number(test) => match test.number {
            // A text that is spelled as the rule does is equal too.
            Number::Int(number) if number.to_string() == test.spelled => Holds::Number(number),
            Number::Int(_) | Number::Float(_) => Holds::Anything,
        },
        Test::Bool(_)
        | Test::Regex(_)
        | Test::Network(_)
        | Test::Compare(..)
        | Test::TimePart(..)
        | Test::Exists(true)
        | Test::Field(..) => Holds::Anything,
    })
}

fn part(text: &str) -> Holds {
    Holds::part_of(&lower(text))
}

/// What one of several asks: of each the clause that holds most rarely, together.
fn any(all: impl Iterator<Item = Vec<Clause>>) -> Vec<Clause> {
    let mut together = Clause::new();
    for clauses in all {
        let Some(rarest) = clauses.into_iter().min_by_key(weight) else { return Vec::new() };
        together.extend(rarest);
    }
    vec![together]
}

/// A clause with each need once; of very many, only the fields are looked for.
fn short(mut clause: Clause) -> Clause {
    clause.sort_unstable();
    clause.dedup();
    if clause.len() > CLAUSE_NEEDS_MAX {
        clause.iter_mut().for_each(|need| need.holds = Holds::Anything);
        clause.dedup();
    }
    clause
}

/// How often a clause is expected to hold, in thousandths.
fn weight(clause: &Clause) -> u32 {
    clause.iter().map(|need| rarity(&need.holds)).sum()
}

/// How often a test is expected to hold, in thousandths: long texts are rare.
fn rarity(holds: &Holds) -> u32 {
    match holds {
        Holds::Anything => 500,
        Holds::Number(_) => 20,
        Holds::Part(text) => 400 / u32::try_from(text.len()).unwrap_or(u32::MAX).max(1),
    }
}

fn of_cel(necessary: &Necessary) -> Option<Clause> {
    let Necessary::AnyOf(predicates) = necessary else { return None };
    predicates.iter().map(of_predicate).collect()
}

fn of_predicate(predicate: &Predicate) -> Option<Need> {
    let holds = match &predicate.test {
        CelTest::Equals(Literal::Null) => return None,
        CelTest::Equals(Literal::Text(text))
        | CelTest::StartsWith(text)
        | CelTest::EndsWith(text)
        | CelTest::Contains(text) => part(text),
        CelTest::Equals(Literal::Int(number)) => Holds::Number(*number),
        CelTest::Exists
        | CelTest::IsObject
        | CelTest::Equals(Literal::Bool(_))
        | CelTest::InNetwork(_) => Holds::Anything,
    };
    Some(Need { field: predicate.field.clone(), holds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rule: &str, route: &SigmaRoute) -> Vec<String> {
        let rules: Vec<Rule> =
            crate::load_file("r.yml", rule).into_iter().map(Result::unwrap).collect();
        let need = |need: &Need| match &need.holds {
            Holds::Anything => format!("{}?", need.field),
            Holds::Part(text) => format!("{}~{text}", need.field),
            Holds::Number(number) => format!("{}={number}", need.field),
        };
        let clauses = rules[0].needs(route);
        clauses.iter().map(|c| c.iter().map(need).collect::<Vec<_>>().join(" | ")).collect()
    }

    fn check(detection: &str, expected: &[&str]) {
        let rule = format!("title: T\nlogsource: {{product: x}}\ndetection: {{{detection}}}\n");
        assert_eq!(told(&rule, &SigmaRoute::default()), expected, "{detection}");
    }

    #[test]
    fn what_a_condition_needs_is_found() {
        check("s: {a: Word, b|endswith: '\\x.exe'}, condition: s", &["b~x.exe", "a~word"]);
        check("s: {a: [one, three]}, t: {b: 7}, condition: s or t", &["a~one | a~three | b=7"]);
        check("s: {a: one}, t: {b: 7}, condition: s and not t", &["a~one"]);
        check("s: {a: one}, t: {b: 7}, condition: not s", &[]);
        check("s: {a: one}, t: {b: null}, condition: s or t", &[]);
        check("s: {a: null, b: 4}, condition: s", &["b=4"]);
        check("s: {a|re: x.*y}, condition: s", &["a?"]);
        check("s: {a|contains|all: [one, three]}, condition: s", &["a~three", "a~one"]);
        check("s1: {a: 1}, s2: {a: 2}, condition: 1 of s*", &["a=1 | a=2"]);
        check("s1: {a: 1}, s2: {b: 2}, condition: all of s*", &["a=1", "b=2"]);
        check("s: [word], condition: s", &[]);
        check("s: {a|cidr: 10.0.0.0/8, b: 0x10, c: 1.5}, condition: s", &["a?", "b?", "c?"]);
        check("s: {a: 'x*LONG\u{e9}r?y'}, condition: s", &["a~long"]);
    }

    #[test]
    fn many_values_are_cut_to_their_fields() {
        let values: Vec<String> = (0..50).map(|n| format!("value{n}")).collect();
        check(&format!("s: {{a: [{}], b: 1}}, condition: s", values.join(", ")), &["b=1", "a?"]);
    }

    #[test]
    fn routes_map_fields_and_have_needs_of_their_own() {
        let route = SigmaRoute {
            when: [("Channel".to_owned(), vec!["Security".to_owned(), "Other".to_owned()])].into(),
            fields: [("Image".to_owned(), "NewProcessName".to_owned())].into(),
            ..SigmaRoute::default()
        };
        let rule = "title: T\nlogsource: {product: x}\ndetection: {s: {Image: a}, condition: s}\n";
        let expected = ["Channel~other | Channel~security", "NewProcessName~a"];
        assert_eq!(told(rule, &route), expected);
    }

    #[test]
    fn values_of_a_route_are_compared_as_values_of_events_are() {
        let values = ["4688".to_owned(), "Security".to_owned()];
        for (holds, expected) in [
            (Holds::Anything, true),
            (Holds::Part("68".to_owned()), true),
            (Holds::Part("sysmon".to_owned()), false),
            (Holds::Number(4688), true),
            (Holds::Number(1), false),
        ] {
            assert_eq!(may_hold(&values, &holds), expected, "{holds:?}");
        }
    }

    #[test]
    fn expressions_need_what_their_own_analysis_finds() {
        let rule = |cel: &str| format!("title: T\ncel: |\n  {cel}\n");
        let none = SigmaRoute::default();
        assert_eq!(told(&rule("a.b == 'Word' && c > 1"), &none), ["a.b~word"]);
        assert_eq!(told(&rule("a == 1 || b.startsWith('Xy')"), &none), ["a=1 | b~xy"]);
        assert_eq!(told(&rule("!has(a)"), &none), [""; 0]);
        assert_eq!(told(&rule("has(a) || b == 1"), &none), ["a? | b=1"]);
        assert_eq!(told(&rule("a == null"), &none), [""; 0]);
    }
}
