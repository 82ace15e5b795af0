//! The rule as authored: its common keys, where it is routed, and its body.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
    time::Duration,
};

use base::{Level, RuleInfo, limits};

use crate::{
    error::{RuleError, RuleErrorKind},
    sigma::{
        Detection,
        node::{self, Kind, Node},
    },
};

/// The values that placeholders (`%name%`) stand for, by their names.
pub type Placeholders = BTreeMap<String, Vec<String>>;

/// A rule that can be run.
#[derive(Debug)]
pub struct Rule {
    /// What its matches tell of it.
    pub info: RuleInfo,
    /// Which events it runs on.
    pub log_source: LogSourceSelector,
    /// Its `description`, empty where it has none.
    pub description: String,
    /// Its `status`, such as `stable` or `experimental`; empty where it has none.
    pub status: String,
    /// The line it begins on, from 1.
    pub line: u32,
    pub(crate) body: Body,
}

/// What decides.
#[derive(Debug)]
pub(crate) enum Body {
    Sigma(Detection),
    Cel(cel::Program),
}

/// Which events a rule runs on. A key that is not there asks for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogSourceSelector {
    /// Sigma's `product`, in lower case.
    pub product: Option<String>,
    /// Sigma's `category`, in lower case.
    pub category: Option<String>,
    /// Sigma's `service`, in lower case.
    pub service: Option<String>,
    /// The names under our own key `log_source`: events of these log sources, by their own names.
    pub names: Vec<String>,
}

impl LogSourceSelector {
    /// Whether it asks for anything that only a Sigma route can answer.
    #[must_use]
    pub const fn needs_route(&self) -> bool {
        self.product.is_some() || self.category.is_some() || self.service.is_some()
    }

    /// Whether a route answers all that it asks for.
    #[must_use]
    pub fn accepts(&self, route: &base::SigmaRoute) -> bool {
        let accepts = |asked: &Option<String>, offered: &Option<String>| match (asked, offered) {
            (None, _) => true,
            (Some(asked), Some(offered)) => asked.eq_ignore_ascii_case(offered),
            (Some(_), None) => false,
        };
        accepts(&self.product, &route.product)
            && accepts(&self.category, &route.category)
            && accepts(&self.service, &route.service)
    }

    /// Whether it lets in events of the log source with this name.
    #[must_use]
    pub fn accepts_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|known| known == name)
    }
}

/// Reads one rule file, perhaps with several YAML documents. Never fails as a whole: each document
/// is a rule or a problem. `path` is shown in problems and names a rule without an `id`.
#[must_use]
pub fn load_file(path: &str, text: &str) -> Vec<Result<Rule, RuleError>> {
    load_file_with(path, text, &Placeholders::new())
}

/// As [`load_file`], with values for placeholders.
#[must_use]
pub fn load_file_with(
    path: &str,
    text: &str,
    placeholders: &Placeholders,
) -> Vec<Result<Rule, RuleError>> {
    let mut rules = Vec::new();
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limits::CONFIG_FILE_BYTES_MAX {
        let max = limits::CONFIG_FILE_BYTES_MAX;
        let message = format!("the file has {} bytes, more than {max}", text.len());
        let error = RuleError::at(1, 1, RuleErrorKind::Yaml(message)).in_file(path);
        return vec![Err(error.with_help("split the file into smaller ones"))];
    }
    let mut documents = Documents::default();
    for document in node::parse(text) {
        let document = document.and_then(|node| documents.next(node)).transpose();
        let Some(document) = document else { continue };
        let rule = document.and_then(|node| Rule::read(path, rules.len(), &node, placeholders));
        rules.push(rule.map_err(|error| error.in_file(path)));
    }
    if rules.is_empty() && !documents.has_global {
        let kind = RuleErrorKind::Shape("the file holds no rule".to_owned());
        let error = RuleError::at(1, 1, kind).in_file(path);
        rules.push(Err(error.with_help("write a rule into the file, or remove it")));
    }
    rules
}

/// Rules whose id an earlier rule has already: each is an error at the later one.
#[must_use]
pub fn duplicates(rules: &[Arc<Rule>]) -> Vec<RuleError> {
    let mut seen: HashMap<&str, &Rule> = HashMap::with_capacity(rules.len());
    let mut errors = Vec::new();
    for rule in rules {
        match seen.get(rule.info.id.as_str()) {
            None => {
                seen.insert(&rule.info.id, rule);
            }
            Some(first) => {
                let message = format!(
                    "the id `{}` is that of `{}` in {}:{} too",
                    rule.info.id, first.info.title, first.info.file, first.line
                );
                let kind = RuleErrorKind::Duplicate(message);
                let error = RuleError::at(rule.line, 1, kind).in_file(&rule.info.file);
                errors.push(error.with_help("give one of the two rules another `id`"));
            }
        }
    }
    errors
}

/// Sigma 1's multi-document files: `action: global` lays its keys under the documents that follow,
/// `action: repeat` lays the document over the previous one, `action: reset` forgets both.
#[derive(Default)]
struct Documents {
    global: Option<Node>,
    previous: Option<Node>,
    has_global: bool,
}

impl Documents {
    /// The rule's document; `None` if the document is no rule by itself.
    fn next(&mut self, mut node: Node) -> Result<Option<Node>, RuleError> {
        if node.is_null() {
            return Ok(None);
        }
        let Kind::Map(entries) = &mut node.kind else {
            return Err(
                node.shape(format!("a rule is a mapping, and this is {}", node.kind_name()))
            );
        };
        let action = entries.iter().position(|(key, _)| key.as_str() == Some("action"));
        let Some((_, action)) = action.map(|index| entries.remove(index)) else {
            let merged = match &self.global {
                Some(global) => global.clone().merged(node),
                None => node,
            };
            self.previous = Some(merged.clone());
            return Ok(Some(merged));
        };
        match action.as_str() {
            Some("global") => {
                self.has_global = true;
                self.global = Some(match self.global.take() {
                    Some(global) => global.merged(node),
                    None => node,
                });
                Ok(None)
            }
            Some("reset") => {
                self.global = None;
                self.previous = None;
                let is_empty = node.as_map().is_none_or(<[_]>::is_empty);
                Ok((!is_empty).then_some(node))
            }
            Some("repeat") => match self.previous.take() {
                Some(previous) => {
                    let merged = previous.merged(node);
                    self.previous = Some(merged.clone());
                    Ok(Some(merged))
                }
                None => Err(action.shape("`action: repeat` has no document before it to repeat")),
            },
            _ => {
                let error = action.shape("there is no such `action`");
                Err(error.with_help("use `global`, `reset` or `repeat`"))
            }
        }
    }
}

impl Rule {
    /// Reads one document; `index` counts the documents of the file.
    fn read(
        path: &str,
        index: usize,
        node: &Node,
        placeholders: &Placeholders,
    ) -> Result<Self, RuleError> {
        refuse_other_kinds(node)?;
        let info = read_info(path, index, node)?;
        let log_source = read_log_source(node)?;
        let bodies = ["detection", "cel"]
            .into_iter()
            .filter_map(|key| node.get_entry(key))
            .collect::<Vec<_>>();
        let body = match bodies.as_slice() {
            [] => {
                let error = node.shape("the rule has neither `detection` nor `cel`");
                return Err(error.with_help("add a `detection` with selections and a `condition`"));
            }
            [(key, value)] if key.as_str() == Some("cel") => Body::Cel(read_cel(value)?),
            [(_, value)] => Body::Sigma(Detection::read(value, placeholders)?),
            [_, (key, _), ..] => {
                let error = key.shape("a rule has `detection` or `cel`, and this one has both");
                return Err(error.with_help("split it into two rules"));
            }
        };
        Ok(Self {
            info,
            log_source,
            description: optional_text(node, "description")?.unwrap_or_default(),
            status: optional_text(node, "status")?.unwrap_or_default(),
            line: node.line,
            body,
        })
    }

    /// What kind of body it has: `sigma` or `cel`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.body {
            Body::Sigma(_) => "sigma",
            Body::Cel(_) => "cel",
        }
    }
}

/// Documents that are detections, only none that run on one event at a time.
fn refuse_other_kinds(node: &Node) -> Result<(), RuleError> {
    let title = node.get("title").and_then(Node::as_str).unwrap_or("without a title");
    let refuse = |key: &Node, message: String, help: String| {
        Err(key.error(RuleErrorKind::NotStreamed(message)).with_help(help))
    };
    if let Some((key, value)) = node.get_entry("correlation") {
        let kind = value.get("type").and_then(Node::as_str).unwrap_or("without a type");
        let message = format!(
            "the correlation `{title}` ({kind}) is not run yet by the stream evaluator: it raises \
             no alerts"
        );
        return refuse(key, message, referenced_help(value, "run, each by itself"));
    }
    if let Some((key, value)) = node.get_entry("filter") {
        let message = format!(
            "the filter `{title}` is not applied yet by the stream evaluator: the rules it names \
             run without it"
        );
        return refuse(key, message, referenced_help(value, "run unfiltered"));
    }
    if let Some((key, _)) = node.get_entry("sql") {
        let message =
            format!("`{title}` is a scheduled detection, and those are not run in the stream");
        let help = "run its query with `dab sql` until then".to_owned();
        return refuse(key, message, help);
    }
    Ok(())
}

fn referenced_help(value: &Node, what: &str) -> String {
    let names = match value.get("rules").map(|rules| &rules.kind) {
        Some(Kind::List(members)) => members.iter().filter_map(Node::as_str).collect(),
        Some(Kind::Scalar(scalar)) => vec![scalar.text.as_str()],
        Some(Kind::Map(_)) | None => Vec::new(),
    };
    if names.is_empty() {
        format!("expect that the rules it names {what}")
    } else {
        format!("expect that these rules {what}: {}", names.join(", "))
    }
}

fn read_info(path: &str, index: usize, node: &Node) -> Result<RuleInfo, RuleError> {
    let Some(title) = optional_text(node, "title")?.filter(|title| !title.trim().is_empty()) else {
        return Err(node.shape("the rule has no `title`").with_help("add a `title`"));
    };
    let id = match optional_text(node, "id")?.filter(|id| !id.trim().is_empty()) {
        Some(id) => id,
        None => file_id(path, index),
    };
    let window = match node.get("dedup_window").filter(|value| !value.is_null()) {
        None => limits::DEDUP_WINDOW_SECONDS_DEFAULT,
        Some(value) => value
            .as_str()
            .and_then(parse_duration)
            .ok_or_else(|| {
                let shown = value.as_str().unwrap_or_else(|| value.kind_name());
                let error =
                    value.shape(format!("`dedup_window` is `{shown}`, which is no duration"));
                error.with_help("write it as `30m`, `1h` or `2d`")
            })?
            .as_secs(),
    };
    Ok(RuleInfo {
        id,
        title,
        level: read_level(node)?,
        tags: texts(node, "tags")?,
        dedup: texts(node, "dedup")?,
        dedup_window_seconds: window,
        file: path.to_owned(),
    })
}

fn read_level(node: &Node) -> Result<Level, RuleError> {
    let Some(value) = node.get("level").filter(|value| !value.is_null()) else {
        return Ok(Level::default());
    };
    let levels = [Level::Informational, Level::Low, Level::Medium, Level::High, Level::Critical];
    let text = value.as_str().unwrap_or_default();
    let level = levels.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(text));
    level.ok_or_else(|| {
        let error = value.shape(format!("there is no level `{text}`"));
        let names = levels.map(Level::as_str).join(", ");
        error.with_help(format!("use one of {names}"))
    })
}

fn read_log_source(node: &Node) -> Result<LogSourceSelector, RuleError> {
    let names = texts(node, "log_source")?;
    if let Some(value) = node.get("log_source").filter(|_| names.iter().any(String::is_empty)) {
        let error = value.shape("`log_source` names a log source without a name");
        return Err(error.with_help("drop the key to run the rule on all log sources"));
    }
    let mut selector = LogSourceSelector { names, ..LogSourceSelector::default() };
    let Some(value) = node.get("logsource").filter(|value| !value.is_null()) else {
        return Ok(selector);
    };
    if value.as_map().is_none() {
        let message = format!("`logsource` must be a mapping, and is {}", value.kind_name());
        let error = value.shape(message);
        return Err(error.with_help("add `product`, `category` or `service` to `logsource`"));
    }
    let lower = |key| -> Result<Option<String>, RuleError> {
        Ok(optional_text(value, key)?.map(|text| text.to_lowercase()))
    };
    selector.product = lower("product")?;
    selector.category = lower("category")?;
    selector.service = lower("service")?;
    Ok(selector)
}

fn read_cel(value: &Node) -> Result<cel::Program, RuleError> {
    let Some(scalar) = value.as_scalar().filter(|_| !value.is_null()) else {
        let message = format!("`cel` must be an expression, and is {}", value.kind_name());
        return Err(value.shape(message));
    };
    cel::Program::compile(&scalar.text).map_err(|error| {
        let (line, column) = scalar.position_of(char_at(&scalar.text, error.line, error.column));
        RuleError::at(line, column, RuleErrorKind::Cel(Box::new(error)))
    })
}

/// The number of characters before a line and column, both from 1.
fn char_at(text: &str, line: u32, column: u32) -> usize {
    let lines = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let before = text.split_inclusive('\n').take(lines).map(|line| line.chars().count());
    before.sum::<usize>() + usize::try_from(column.saturating_sub(1)).unwrap_or(0)
}

/// The file's name without its extension, and for all but the first document its number.
fn file_id(path: &str, index: usize) -> String {
    let stem = Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy());
    if index == 0 { stem.into_owned() } else { format!("{stem}-{}", index + 1) }
}

fn optional_text(node: &Node, key: &str) -> Result<Option<String>, RuleError> {
    match node.get(key) {
        None => Ok(None),
        Some(value) if value.is_null() => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(value.shape(format!("`{key}` must be text, and is {}", value.kind_name()))),
        },
    }
}

/// A list of texts, or a single one.
fn texts(node: &Node, key: &str) -> Result<Vec<String>, RuleError> {
    let Some(value) = node.get(key).filter(|value| !value.is_null()) else {
        return Ok(Vec::new());
    };
    let members = match &value.kind {
        Kind::List(members) => members.as_slice(),
        Kind::Scalar(_) | Kind::Map(_) => std::slice::from_ref(value),
    };
    let text = |member: &Node| match member.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => {
            let message =
                format!("`{key}` must be a list of texts, and holds {}", member.kind_name());
            Err(member.shape(message))
        }
    };
    members.iter().map(text).collect()
}

/// Reads `45s`, `30m`, `1h`, `2d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = text.chars().next_back()?;
    let number = text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
