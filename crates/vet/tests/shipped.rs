//! The detections that come with dab, as a project: every one is whole and passes its own tests, and
//! the reference page lists them all.
//!
//! `UPDATE_EXPECTED=1` writes the page anew, to be proofread.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers of tests, outside of the functions that clippy knows as tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use base::Timestamp;
use dab_vet::{Project, Runner, Suite, load};
use detect::{Rule, yaml};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/detections")
}

fn project() -> Project {
    let project = load(&[root()], &[], true);
    assert_eq!(project.problems, []);
    assert_eq!(project.notes, []);
    project
}

/// The path below `content/detections`.
fn path(rule: &Rule) -> &str {
    let (_, path) = rule.info.file.split_once("content/detections/").expect("a shipped file");
    path
}

fn text(rule: &Rule) -> String {
    fs::read_to_string(&rule.info.file).unwrap()
}

/// A key of a rule's file, as text: empty where it is not there.
fn key(rule: &Rule, name: &str) -> String {
    let document = yaml::parse(&text(rule)).remove(0).unwrap();
    document.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

#[test]
fn every_detection_passes_its_tests() {
    let project = project();
    let suite = Suite::load(&project, &[root()]);
    assert_eq!(suite.problems, []);
    let runner = Runner::new(&project).unwrap();
    let now = Timestamp::parse("2026-11-24T12:00:00Z").unwrap();
    let mut failures = String::new();
    let mut tested: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for case in &suite.cases {
        tested.entry(path(&case.rule)).or_default()[usize::from(case.must_match)] = true;
        if let Some(failure) = runner.run(case, now).failure {
            failures += &case.failure_text(&failure, &dab_vet::trace::Layout::default());
            failures.push('\n');
        }
    }
    assert!(failures.is_empty(), "{failures}");
    println!("{} tests of {} detections passed", suite.cases.len(), tested.len());
    // What it must notice, and what it must let pass.
    let half: Vec<_> = tested.iter().filter(|(_, both)| **both != [true, true]).collect();
    assert!(half.is_empty(), "only one side is tested: {half:?}");
    let untested: Vec<_> = suite.untested.iter().map(|rule| path(rule)).collect();
    assert!(untested.is_empty(), "these have no tests: {untested:?}");
}

#[test]
fn every_detection_says_what_a_reader_asks() {
    for rule in project().rules {
        let path = path(&rule);
        for name in ["title", "id", "status", "description", "author", "date", "level"] {
            assert!(!key(&rule, name).is_empty(), "{path} has no `{name}`");
        }
        assert!(text(&rule).contains("\nfalsepositives:\n  - "), "{path}: `falsepositives`");
        assert!(!techniques(&rule).is_empty(), "{path} names no technique of ATT&CK");
        assert!(!rule.info.dedup.is_empty(), "{path} makes one alert of all its matches");
    }
}

/// The techniques of ATT&CK that the tags name, as it writes them.
fn techniques(rule: &Rule) -> Vec<String> {
    let names = rule.info.tags.iter().filter_map(|tag| tag.strip_prefix("attack.t"));
    let names = names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit()));
    names.map(|name| format!("T{name}")).collect()
}

/// The log sources whose events reach the rule.
fn log_sources(project: &Project, rule: &Rule) -> Vec<String> {
    let asked = &rule.log_source;
    let reaching = project.log_sources.iter().filter(|source| {
        asked.accepts_name(&source.name)
            && (!asked.needs_route() || source.sigma.iter().any(|route| asked.accepts(route)))
    });
    reaching.map(|source| format!("`{}`", source.name)).collect()
}

const HEAD: &str = "\
# Shipped detections

The detections that come with dab, in `content/detections`. Each has its tests beside it: `dab rules test` runs them.
This page is written by a test of `dab-vet`.
";

#[test]
fn the_reference_lists_every_detection() {
    let project = project();
    let mut rows: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for rule in &project.rules {
        let path = path(rule);
        let (group, _) = path.split_once('/').unwrap();
        let format = if key(rule, "cel").is_empty() { "Sigma" } else { "CEL" };
        let row = format!(
            "| [{}](../../content/detections/{path}) | {} | {} | {} | {format} |\n",
            rule.info.title,
            log_sources(&project, rule).join(", "),
            key(rule, "level"),
            techniques(rule).join(", "),
        );
        rows.insert((group, path), row);
    }
    let mut page = HEAD.to_owned();
    let groups: BTreeSet<&str> = rows.keys().map(|(group, _)| *group).collect();
    for group in groups {
        let of_group = rows.iter().filter(|((of, _), _)| *of == group).map(|(_, row)| row);
        let of_group: Vec<&String> = of_group.collect();
        write!(page, "\n## {group} ({})\n\n", of_group.len()).unwrap();
        page += "| detection | log source | level | ATT&CK | format |\n|---|---|---|---|---|\n";
        of_group.into_iter().for_each(|row| page += row);
    }
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/shipped_detections.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &page).unwrap();
    }
    assert_eq!(page, fs::read_to_string(&file).unwrap_or_default(), "{}", file.display());
}
