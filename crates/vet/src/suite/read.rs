//! From YAML to tests.

use std::sync::Arc;

use detect::{
    Rule,
    yaml::{Kind as NodeKind, Node, ScalarType},
};

use super::{Case, raw::RawEvent};
use crate::{
    Project,
    mistake::{Kind, Mistake, nearest},
};

const KEYS: [&str; 8] =
    ["name", "rule", "log_source", "event", "events", "match", "title", "dedup"];

/// Reads the tests of one file.
#[derive(Debug)]
pub(super) struct Reader<'r> {
    pub(super) project: &'r Project,
    pub(super) path: &'r str,
    /// The rules that the tests may be for.
    pub(super) rules: &'r [&'r Arc<Rule>],
}

impl Reader<'_> {
    /// Reads a list of tests: each is one, or what is wrong with it.
    pub(super) fn tests(&self, node: &Node) -> Vec<Result<Case, Mistake>> {
        match &node.kind {
            NodeKind::List(members) => members.iter().map(|member| self.test(member)).collect(),
            NodeKind::Scalar(_) if node.is_null() => Vec::new(),
            NodeKind::Scalar(_) | NodeKind::Map(_) => {
                let message = format!("`tests` is a list, and this is {}", node.kind_name());
                vec![Err(self.wrong(node, message).help("begin each test with `- name: …`"))]
            }
        }
    }

    fn test(&self, node: &Node) -> Result<Case, Mistake> {
        let Some(entries) = node.as_map() else {
            let message = format!("a test is a mapping, and this is {}", node.kind_name());
            return Err(self.wrong(node, message));
        };
        for (key, _) in entries {
            let name = key.as_str().unwrap_or_default();
            if !KEYS.contains(&name) {
                let mistake = self.wrong(key, format!("a test has no key `{name}`"));
                return Err(mistake.help(match nearest(name, KEYS.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use one of: {}", KEYS.join(", ")),
                }));
            }
        }
        let Some(name) = self.text(node, "name")?.filter(|name| !name.trim().is_empty()) else {
            return Err(self.wrong(node, "the test has no `name`").help("say what it shows"));
        };
        let rule = Arc::clone(self.rule(node)?);
        let must_match = self.must_match(node)?;
        let title = self.text(node, "title")?;
        let dedup = self.dedup(node, &rule)?;
        for key in ["title", "dedup"] {
            if let Some((key, _)) = node.get_entry(key).filter(|_| !must_match) {
                let message = "a rule that must not match has no alert to look at";
                return Err(self.wrong(key, message).help("remove the key, or say `match: true`"));
            }
        }
        Ok(Case {
            log_source: self.log_source(node, &rule)?,
            events: self.events(node)?,
            rule,
            name,
            file: self.path.to_owned(),
            line: node.line,
            column: node.column,
            must_match,
            title,
            dedup,
        })
    }

    /// The rule that the test is for.
    fn rule(&self, node: &Node) -> Result<&Arc<Rule>, Mistake> {
        let asked = node.get_entry("rule");
        match (asked, self.rules) {
            (None, [only]) => Ok(only),
            (None, _) => {
                let message = "the file beside has several rules, and the test names none";
                let mistake = Mistake::at(Kind::TestRule, self.path, node, message);
                Err(mistake.help("add the rule's `id` to the test, as `rule: …`"))
            }
            (Some((_, value)), rules) => {
                let id = value.as_str().unwrap_or_default();
                rules.iter().find(|rule| rule.info.id == id).copied().ok_or_else(|| {
                    let message = format!("no rule here has the id `{id}`");
                    let ids = rules.iter().map(|rule| rule.info.id.as_str()).collect::<Vec<_>>();
                    Mistake::at(Kind::TestRule, self.path, value, message)
                        .help(format!("use one of: {}", ids.join(", ")))
                })
            }
        }
    }

    fn must_match(&self, node: &Node) -> Result<bool, Mistake> {
        let Some(value) = node.get("match") else {
            let mistake = self.wrong(node, "the test does not say whether the rule must match");
            return Err(mistake.help("add `match: true` or `match: false`"));
        };
        match value.as_scalar().map(|scalar| scalar.scalar_type()) {
            Some(ScalarType::Bool(must)) => Ok(must),
            _ => {
                let message =
                    format!("`match` is a truth value, and this is {}", value.kind_name());
                Err(self.wrong(value, message).help("write `match: true` or `match: false`"))
            }
        }
    }

    fn events(&self, node: &Node) -> Result<Vec<RawEvent>, Mistake> {
        let one = |node: &Node| {
            RawEvent::read(node).map_err(|message| {
                self.wrong(node, message)
                    .help("write the event as its log source delivers it: as a mapping, or as text")
            })
        };
        match (node.get("event"), node.get_entry("events")) {
            (Some(event), None) => Ok(vec![one(event)?]),
            (None, Some((_, list))) => match &list.kind {
                NodeKind::List(members) if !members.is_empty() => members.iter().map(one).collect(),
                _ => Err(self.wrong(list, "`events` is a list of events, and needs at least one")),
            },
            (None, None) => {
                Err(self.wrong(node, "the test has no event").help("add `event` or `events`"))
            }
            (Some(_), Some((key, _))) => {
                Err(self.wrong(key, "a test has `event` or `events`, and this one has both"))
            }
        }
    }

    fn dedup(&self, node: &Node, rule: &Rule) -> Result<Option<Vec<String>>, Mistake> {
        let Some(value) = node.get("dedup") else { return Ok(None) };
        let members = match &value.kind {
            NodeKind::List(members) => members.as_slice(),
            NodeKind::Scalar(_) | NodeKind::Map(_) => std::slice::from_ref(value),
        };
        let mut values = Vec::with_capacity(members.len());
        for member in members {
            let Some(text) = member.as_str() else {
                let message = format!("a value of `dedup` is {}", member.kind_name());
                return Err(self.wrong(member, message));
            };
            values.push(if member.is_null() { String::new() } else { text.to_owned() });
        }
        let fields = &rule.info.dedup;
        if values.len() != fields.len() {
            let message = format!(
                "the test names {} values, and the rule has {} `dedup` fields",
                values.len(),
                fields.len()
            );
            let help = match fields.as_slice() {
                [] => "remove `dedup` from the test, or add it to the rule".to_owned(),
                fields => format!("name a value for each of: {}", fields.join(", ")),
            };
            return Err(self.wrong(value, message).help(help));
        }
        Ok(Some(values))
    }

    /// The log source that the test names, or the only one whose events reach the rule.
    fn log_source(&self, node: &Node, rule: &Rule) -> Result<String, Mistake> {
        let sources = &self.project.log_sources;
        let names = || sources.iter().map(|source| source.name.as_str());
        if let Some((_, value)) = node.get_entry("log_source") {
            let name = value.as_str().unwrap_or_default();
            if names().any(|known| known == name) {
                return Ok(name.to_owned());
            }
            let message = format!("there is no log source `{name}`");
            let mistake = Mistake::at(Kind::TestLogSource, self.path, value, message);
            return Err(mistake.help(match nearest(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("use one of: {}", names().collect::<Vec<_>>().join(", ")),
            }));
        }
        crate::only_log_source(self.project, rule).map_err(|(message, help)| {
            Mistake::at(Kind::TestLogSource, self.path, node, message).help(match help.is_empty() {
                true => "add a route under `sigma:` to the log source that has them".to_owned(),
                false => format!("add `log_source` to the test: one of {}", help.join(", ")),
            })
        })
    }

    fn text(&self, node: &Node, key: &str) -> Result<Option<String>, Mistake> {
        match node.get(key) {
            None => Ok(None),
            Some(value) => match value.as_str() {
                Some(text) => Ok(Some(text.to_owned())),
                None => {
                    let message = format!("`{key}` is text, and this is {}", value.kind_name());
                    Err(self.wrong(value, message))
                }
            },
        }
    }

    fn wrong(&self, node: &Node, message: impl Into<String>) -> Mistake {
        Mistake::at(Kind::Test, self.path, node, message)
    }
}
