//! Rule sets out of YAML, and matches out of thin air.

use std::sync::Arc;

use base::{EventId, Explain, Fact, Facts, Level, Match, ObjectHash, RuleInfo, Timestamp};

use crate::{Correlation, Correlator, Definitions, RuleSet, load_documents};

/// Base rules `a`, `b` and `c`, by name and id.
pub(super) const RULES: &str = "title: A\nid: id-a\nname: a\ndetection: {s: {x: 1}, condition: s}\n---\n\
    title: B\nid: id-b\nname: b\ndetection: {s: {x: 2}, condition: s}\n---\n\
    title: C\nid: id-c\nname: c\ncel: x == 3\n";

/// Puts documents together; the problems come as `line:column code text`, where the document's first
/// line is 1.
pub(super) fn assemble(text: &str) -> (RuleSet, Vec<String>) {
    let none = Definitions::default();
    let mut problems = Vec::new();
    let mut documents = Vec::new();
    for found in load_documents("c.yml", text, &none)
        .into_iter()
        .chain(load_documents("r.yml", RULES, &none))
    {
        match found {
            Ok(document) => documents.push(document),
            Err(problem) => problems.push(problem),
        }
    }
    let (set, more) = RuleSet::assemble(documents);
    problems.extend(more);
    let shown = problems.iter().map(|problem| {
        format!("{}:{} {} {problem}", problem.line, problem.column, problem.code().0)
    });
    (set, shown.collect())
}

/// A document with a title, an id, and this below `correlation`.
pub(super) fn document(id: &str, correlation: &str) -> String {
    format!("title: {id}\nid: {id}\nname: {id}\ncorrelation: {{{correlation}}}\n")
}

/// The correlations of documents without a problem.
pub(super) fn correlations(text: &str) -> Vec<Arc<Correlation>> {
    let (set, problems) = assemble(text);
    assert_eq!(problems, [""; 0], "{text}");
    set.correlations
}

pub(super) fn correlator(text: &str) -> Correlator {
    Correlator::new(&correlations(text))
}

pub(super) fn at(seconds: f64) -> Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "tests use small numbers")]
    Timestamp::parse("2026-11-24T08:00:00Z").unwrap().plus_micros((seconds * 1e6) as i64)
}

/// A match of a base rule, some seconds after eight, with fields such as `u=bob n=1,2`.
pub(super) fn hit(rule: &str, seconds: f64, id: u64, fields: &str) -> Match {
    let fields = fields.split_whitespace().filter_map(|field| field.split_once('='));
    let fields = fields.map(|(name, values)| Fact {
        name: name.to_owned(),
        values: values.split(',').map(ToOwned::to_owned).collect(),
    });
    Match {
        rule: Arc::new(RuleInfo {
            id: format!("id-{rule}"),
            title: String::new(),
            level: Level::Low,
            tags: Vec::new(),
            dedup: Vec::new(),
            dedup_window_seconds: 0,
            file: String::new(),
        }),
        time: at(seconds),
        event_id: EventId { object: ObjectHash::of(&["x"]), offset: id }.to_string().into(),
        log_source: "source".into(),
        reasons: Vec::new(),
        dedup_values: Vec::new(),
        event: "".into(),
        facts: Some(Box::new(Facts { is_silent: true, fields: fields.collect() })),
    }
}

/// What matched: `rule@seconds values`.
pub(super) fn shown(found: &Match) -> String {
    let seconds = (found.time.as_micros() - at(0.0).as_micros()) / 100_000;
    let seconds = format!("{}.{}", seconds / 10, seconds % 10);
    let seconds = seconds.strip_suffix(".0").unwrap_or(&seconds);
    format!("{}@{seconds} {}", found.rule.id, found.dedup_values.join(" ")).trim_end().to_owned()
}

/// Feeds hits in order, then lets all be decided.
pub(super) fn run(text: &str, hits: &[Match]) -> Vec<String> {
    let mut correlator = correlator(text);
    let mut found = correlator.process(hits, Timestamp::MAX);
    found.extend(correlator.settle());
    found.iter().map(shown).collect()
}

/// Checks what a correlation of this body makes of hits, each `rule seconds fields`.
pub(super) fn check(correlation: &str, hits: &[&str], expected: &[&str]) {
    let hits = (0_u64..).zip(hits).map(|(id, text)| {
        let (rule, rest) = text.split_once(' ').unwrap();
        let (seconds, fields) = rest.split_once(' ').unwrap_or((rest, ""));
        hit(rule, seconds.parse().unwrap(), id, fields)
    });
    let hits = hits.collect::<Vec<_>>();
    assert_eq!(run(&document("x", correlation), &hits), expected, "{correlation}");
}
