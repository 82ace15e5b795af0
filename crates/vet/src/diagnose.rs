//! What is worth a look in rules that load: misspelled keys, fields that nobody has, log sources
//! that are not there.
//!
//! All of it is a note, never a problem: a rule may carry keys of others, and most log sources take
//! any field.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use base::{Explain, Need, Problem, Report, SigmaRoute};
use decode::{Grammar, Layout, LogSource};
use detect::{Rule, may_hold, yaml};

use crate::{
    Project,
    mistake::{Kind, Mistake, nearest},
    reaches, suite, walk,
};

/// The keys of rules: those of the Sigma specification, and dab's own.
const KEYS: [&str; 38] = [
    "title",
    "id",
    "name",
    "related",
    "taxonomy",
    "status",
    "description",
    "license",
    "references",
    "author",
    "date",
    "modified",
    "tags",
    "level",
    "scope",
    "falsepositives",
    "fields",
    "logsource",
    "detection",
    "correlation",
    "filter",
    "action",
    "rules",
    "generate",
    "simulation",
    "regression_tests_path",
    "cel",
    "macros",
    "sql",
    "log_source",
    "dedup",
    "dedup_window",
    "tests",
    "policies",
    "playbooks",
    "schedule",
    "lookback",
    "type",
];

/// The keys of `logsource`.
const LOGSOURCE_KEYS: [&str; 4] = ["product", "category", "service", "definition"];

/// More rules that no log source has events for than these are counted, not listed.
const UNROUTED_LISTED_MAX: usize = 20;

impl Project {
    /// Everything that is worth a look in the rules, which were loaded from `roots`: the project's
    /// notes, and what only a closer look finds.
    #[must_use]
    pub fn diagnose(&self, roots: &[PathBuf]) -> Vec<Report> {
        let mut notes = Vec::new();
        self.unknown_keys(roots, &mut notes);
        notes.extend(self.unknown_fields());
        let known = self.known_fields();
        notes.extend(self.rules.iter().filter_map(|rule| self.never_matches(rule, &known)));
        let unrouted: Vec<_> =
            self.rules.iter().filter(|rule| !self.has_events_for(rule)).collect();
        if unrouted.len() > UNROUTED_LISTED_MAX {
            notes.extend(self.notes.iter().cloned());
            return notes;
        }
        for rule in unrouted {
            let message =
                format!("no log source provides what the rule asks for: {}", rule.log_source);
            let place = (rule.line, 1);
            let mistake = Mistake::placed(Kind::Unrouted, &rule.info.file, place, message);
            notes.push(report(mistake.help(self.help_with_route(rule))));
        }
        let others = self.notes.iter().filter(|note| note.code != "DAB0226").cloned();
        notes.extend(others);
        notes
    }

    fn help_with_route(&self, rule: &Rule) -> String {
        let names = self.log_sources.iter().map(|source| source.name.as_str());
        let unknown = rule.log_source.names.iter().find(|name| !names.clone().any(|n| n == *name));
        match unknown.map(|unknown| nearest(unknown, names.clone())) {
            None => {
                "add this route under `sigma:` to the log source that has such events".to_owned()
            }
            Some(Some(near)) => format!("did you mean `{near}`?"),
            Some(None) => format!("use one of {}", names.collect::<Vec<_>>().join(", ")),
        }
    }

    /// Whether events of any log source get to the rule.
    #[must_use]
    pub fn has_events_for(&self, rule: &Rule) -> bool {
        self.log_sources.iter().any(|source| reaches(source, &rule.log_source))
    }

    fn unknown_keys(&self, roots: &[PathBuf], notes: &mut Vec<Report>) {
        let lines: BTreeSet<(&str, u32)> =
            self.rules.iter().map(|rule| (rule.info.file.as_str(), rule.line)).collect();
        // Whatever can't be read was reported when the project was loaded.
        for path in walk::files(&suite::rule_roots(roots), &mut Vec::new()) {
            let shown = path.to_string_lossy();
            if walk::is_tests(&path) {
                continue;
            }
            let Ok(text) = walk::read(&path) else { continue };
            for document in yaml::parse(&text).into_iter().flatten() {
                if !lines.contains(&(shown.as_ref(), document.line)) {
                    continue;
                }
                keys(&document, &KEYS, &shown, "a rule", notes);
                if let Some(source) = document.get("logsource") {
                    keys(source, &LOGSOURCE_KEYS, &shown, "`logsource`", notes);
                }
            }
        }
    }

    /// The fields that each log source names.
    pub(crate) fn known_fields(&self) -> KnownFields<'_> {
        self.log_sources.iter().map(|source| (source.name.as_str(), Fields::of(source))).collect()
    }

    /// Why a rule whose log source is there can match none of its events: whichever way they come,
    /// it asks for a field that they don't have, or for a value that the way does not let in.
    pub(crate) fn never_matches(&self, rule: &Rule, known: &KnownFields<'_>) -> Option<Report> {
        let reaching = self.log_sources.iter().filter(|s| reaches(s, &rule.log_source));
        let mut fields = BTreeSet::new();
        let mut sources = BTreeSet::new();
        for source in reaching {
            sources.insert(format!("`{}`", source.name));
            for route in routes(source, rule) {
                fields.extend(impossible(rule, route, known.get(source.name.as_str()))?);
            }
        }
        let (sources, fields) = (Vec::from_iter(sources), Vec::from_iter(fields));
        let first = fields.first()?;
        let named = rule.field_places().into_iter().find(|(name, _)| name == first);
        let place = named.map_or((rule.line, 1), |(_, place)| place);
        let message = format!(
            "the rule never matches: no event of {} that reaches it has what it asks of `{}`",
            sources.join(", "),
            fields.join("`, `")
        );
        Some(report(
            Mistake::placed(Kind::Never, &rule.info.file, place, message)
                .help("compare it with the routes under `sigma:` in the log source"),
        ))
    }

    /// The fields that rules name and no log source has that they run on.
    pub(crate) fn unknown_fields(&self) -> Vec<Report> {
        let mut notes = Vec::new();
        let known = self.known_fields();
        for rule in &self.rules {
            let sources: Vec<&LogSource> =
                self.log_sources.iter().filter(|s| reaches(s, &rule.log_source)).collect();
            if sources.is_empty() {
                continue;
            }
            for (name, place) in rule.field_places() {
                let mut routes = sources.iter().flat_map(|source| {
                    let fields = known.get(source.name.as_str());
                    routes(source, rule).into_iter().map(move |route| (route, fields))
                });
                let has = |(route, fields): (Option<&SigmaRoute>, Option<&Fields>)| {
                    let name = route.and_then(|route| route.fields.get(&name)).unwrap_or(&name);
                    fields.is_none_or(|fields| fields.may_have(name))
                };
                if routes.any(has) {
                    continue;
                }
                let near = sources
                    .iter()
                    .filter_map(|source| known.get(source.name.as_str()))
                    .find_map(|fields| fields.near(&name));
                let names = sources.iter().map(|source| format!("`{}`", source.name));
                let names = names.collect::<Vec<_>>().join(", ");
                let message = format!("the field `{name}` is not one of {names}");
                notes.push(report(
                    Mistake::placed(Kind::Field, &rule.info.file, place, message).help(
                        match near {
                            Some(near) => format!("did you mean `{near}`?"),
                            None => "add it to the log source, or map it in the route's `fields`"
                                .to_owned(),
                        },
                    ),
                ));
            }
        }
        notes
    }
}

/// The fields that each log source names, by its name.
pub(crate) type KnownFields<'p> = BTreeMap<&'p str, Fields>;

/// The fields of which a rule asks what no event has that comes by a route; `None` if there may be
/// such events.
fn impossible(
    rule: &Rule,
    route: Option<&SigmaRoute>,
    fields: Option<&Fields>,
) -> Option<BTreeSet<String>> {
    let none = SigmaRoute::default();
    let route = route.unwrap_or(&none);
    let is_impossible = |need: &Need| {
        let is_absent =
            fields.is_some_and(|fields| fields.is_closed && !fields.may_have(&need.field));
        let let_in = route.when.get(&need.field);
        is_absent || let_in.is_some_and(|values| !may_hold(values, &need.holds))
    };
    let clauses = rule.own_needs(route);
    let clause = clauses.into_iter().find(|clause| clause.iter().all(is_impossible))?;
    Some(clause.into_iter().map(|need| need.field).collect())
}

/// The routes by which events of the log source get to the rule; `None`: as they are.
fn routes<'s>(source: &'s LogSource, rule: &Rule) -> Vec<Option<&'s SigmaRoute>> {
    if !rule.log_source.needs_route() {
        return vec![None];
    }
    source.sigma.iter().filter(|route| rule.log_source.accepts(route)).map(Some).collect()
}

fn keys(
    node: &yaml::Node,
    known: &[&'static str],
    path: &str,
    what: &str,
    notes: &mut Vec<Report>,
) {
    for (key, _) in node.as_map().unwrap_or_default() {
        let name = key.as_str().unwrap_or_default();
        if known.contains(&name) {
            continue;
        }
        let message = format!("{what} has no key `{name}`: it is ignored");
        let mistake = Mistake::at(Kind::Key, path, key, message);
        notes.push(report(match nearest(name, known.iter().copied()) {
            Some(near) => mistake.help(format!("did you mean `{near}`?")),
            None => mistake,
        }));
    }
}

/// The fields that a log source names.
#[derive(Debug)]
pub(crate) struct Fields {
    names: BTreeSet<String>,
    /// Whether its events have no others: lines of text have what their patterns capture.
    is_closed: bool,
}

impl Fields {
    fn of(source: &LogSource) -> Self {
        let mut names: BTreeSet<String> =
            source.normalized_columns().iter().map(|(path, _)| path.as_str().to_owned()).collect();
        let from = source.fields.iter().flat_map(|rule| &rule.from);
        let related = source.related.iter().flat_map(|(_, paths)| paths);
        let paths = from.chain(related).chain(&source.time.fields);
        names.extend(paths.map(|path| path.as_str().to_owned()));
        for route in &source.sigma {
            names.extend(route.fields.values().chain(route.when.keys()).cloned());
        }
        let is_closed = add_fields(&source.format.layout, &mut names);
        Self { names, is_closed }
    }

    /// Whether events may have a field: any, unless it looks like a slip of the finger.
    fn may_have(&self, name: &str) -> bool {
        if self.names.contains(name) || (!self.is_closed && self.near(name).is_none()) {
            return true;
        }
        // An object around a field that is known, or something inside of one.
        let around = |known: &String| known.strip_prefix(name).is_some_and(|s| s.starts_with('.'));
        let inside =
            |known: &String| name.strip_prefix(known.as_str()).is_some_and(|s| s.starts_with('.'));
        self.names.iter().any(|known| around(known) || inside(known))
    }

    /// The field that was probably meant: one whose name differs in a slip of the finger.
    fn near(&self, name: &str) -> Option<&str> {
        if self.names.contains(name) {
            return None;
        }
        self.names.iter().map(String::as_str).find(|other| is_slip(name, other))
    }
}

/// Whether one name is probably the other, mistyped: they differ in the case of letters, or in one
/// part of at least six letters by two that are swapped, or one that is missing. One more or less at
/// the end is no slip: `Hash` and `Hashes` are two fields.
fn is_slip(name: &str, other: &str) -> bool {
    let (name, other) = (name.to_lowercase(), other.to_lowercase());
    if name == other {
        return true;
    }
    let (left, right) = (name.split('.').collect::<Vec<_>>(), other.split('.').collect::<Vec<_>>());
    if left.len() != right.len() {
        return false;
    }
    let mut differing = left.iter().zip(&right).filter(|(left, right)| left != right);
    let (Some((left, right)), None) = (differing.next(), differing.next()) else { return false };
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let (short, long) = if left.len() < right.len() { (&left, &right) } else { (&right, &left) };
    if short.len() < 6 {
        return false;
    }
    let same = short.iter().zip(long.iter()).take_while(|(a, b)| a == b).count();
    let behind = |text: &[char], at: usize| text.get(at..).unwrap_or_default().to_vec();
    match long.len() - short.len() {
        0 => {
            let is_swapped =
                short.get(same) == long.get(same + 1) && short.get(same + 1) == long.get(same);
            is_swapped && behind(short, same + 2) == behind(long, same + 2)
        }
        1 => {
            let is_inside = same + 1 < long.len();
            let is_letter = long.get(same).is_some_and(|char| char.is_alphabetic());
            is_inside && is_letter && behind(short, same) == behind(long, same + 1)
        }
        _ => false,
    }
}

/// Adds the fields that records of this layout have. Answers whether they have no others.
fn add_fields(layout: &Layout, names: &mut BTreeSet<String>) -> bool {
    match layout {
        Layout::Lines(lines) => {
            names.extend(lines.patterns.iter().flat_map(|pattern| groups(pattern)));
            names.insert("message".to_owned());
            true
        }
        Layout::Text(text) => match &text.grammar {
            Grammar::Syslog(syslog) => {
                names.extend(["syslog".to_owned(), "message".to_owned()]);
                let mut is_closed = true;
                for payload in &syslog.payloads {
                    is_closed &= add_fields(&payload.layout, names);
                }
                is_closed
            }
            _ => false,
        },
        Layout::Ndjson | Layout::Json { .. } => false,
    }
}

/// The named groups of a pattern that is known to compile.
fn groups(pattern: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = pattern;
    while let Some((_, behind)) = rest.split_once("(?") {
        let named = behind.strip_prefix("P<").or_else(|| behind.strip_prefix('<'));
        if let Some((name, _)) = named.and_then(|named| named.split_once('>')) {
            names.push(name.to_owned());
        }
        rest = behind;
    }
    names
}

fn report(mistake: impl Explain + Send + Sync + 'static) -> Report {
    Problem::from(mistake).report()
}

#[cfg(test)]
mod tests {
    use std::fs;

    const RULES: &str = "\
title: T
id: t
lvel: high
x-custom: 1
logsource: {product: aws, service: cloudtrail, produkt: x}
detection:
  s: {evnetName: X, requestParameters.anything: y, eventSource: z, userIdentity: '*'}
  condition: s
---
title: L
id: l
logsource: {product: linux, service: sshd}
detection:
  s: {user: root, colour: red}
  condition: s
---
title: M
id: m
logsource: {product: moon}
detection: {s: {a: b}, condition: s}
---
title: W
id: w
logsource: {product: windows, category: image_load}
detection:
  s: {Image: x, EventID: [10, 11]}
  condition: s
---
title: N
id: n
logsource: {product: linux, service: sshd}
detection: {s: {color: red, user: root}, t: {user: eve}, condition: s or t}
---
title: K
id: k
log_source: okta_sytem
macros:
  - {name: is_it, parameters: [{name: text, type: string}], body: text == 'x'}
cel: eventType == 'x'
";

    #[test]
    fn slips_of_the_finger_are_told_from_other_fields() {
        for (name, other, expected) in [
            ("evnetName", "eventName", true),
            ("eventname", "eventName", true),
            ("userIdentity.tpye", "userIdentity.type", false),
            ("userIdentiy.type", "userIdentity.type", true),
            ("CommandLine", "ComandLine", true),
            ("userIdentity.type", "userIdentity.arn", false),
            ("Hash", "Hashes", false),
            ("SourcePort", "SourcePorts", false),
            ("Param12", "Param1", false),
            ("SourceIp", "SourceIPs", false),
            ("TargetUserSid", "TargetUserName", false),
            ("event.outcome", "event_outcome", false),
        ] {
            assert_eq!(super::is_slip(name, other), expected, "{name} {other}");
        }
    }

    #[test]
    fn what_is_probably_wrong_is_noted_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yml");
        fs::write(&path, RULES).unwrap();
        let roots = [path];
        let project = crate::load(&roots, &[], true);
        assert_eq!(project.problems, []);
        let shown: String =
            project.diagnose(&roots).iter().map(|note| format!("{note}\n")).collect();
        let shown = shown.replace(&format!("{}/", folder.path().display()), "");
        let expected = "\
error[DAB0243]: a rule has no key `lvel`: it is ignored
  --> rules.yml:3:1
  help: did you mean `level`?
error[DAB0243]: a rule has no key `x-custom`: it is ignored
  --> rules.yml:4:1
error[DAB0243]: `logsource` has no key `produkt`: it is ignored
  --> rules.yml:5:48
  help: did you mean `product`?
error[DAB0244]: the field `evnetName` is not one of `aws_cloudtrail`
  --> rules.yml:7:7
  help: did you mean `eventName`?
error[DAB0244]: the field `colour` is not one of `linux_sshd`, `linux_syslog`
  --> rules.yml:14:19
  help: add it to the log source, or map it in the route's `fields`
error[DAB0244]: the field `color` is not one of `linux_sshd`, `linux_syslog`
  --> rules.yml:32:17
  help: add it to the log source, or map it in the route's `fields`
error[DAB0246]: the rule never matches: no event of `linux_sshd`, `linux_syslog` that reaches it has what it asks of `colour`
  --> rules.yml:14:19
  help: compare it with the routes under `sigma:` in the log source
error[DAB0246]: the rule never matches: no event of `windows_events_xml`, `windows_events` that reaches it has what it asks of `EventID`
  --> rules.yml:26:17
  help: compare it with the routes under `sigma:` in the log source
error[DAB0226]: no log source provides what the rule asks for: product: moon
  --> rules.yml:17:1
  help: add this route under `sigma:` to the log source that has such events
error[DAB0226]: no log source provides what the rule asks for: log_source: okta_sytem
  --> rules.yml:34:1
  help: did you mean `okta_system`?
";
        assert_eq!(shown, expected, "\n{shown}");
    }
}
