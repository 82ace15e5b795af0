//! The rule as authored: its common keys, where it is routed, and its body.

mod documents;
mod filter;
pub(crate) mod keys;
mod matched;
mod set;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock},
};

use base::{RuleInfo, limits};

pub use filter::Filter;
pub(crate) use matched::{Asked, Shared};
pub use set::RuleSet;
pub(crate) use set::{Names, Reference, Target};

use self::{
    documents::Documents,
    keys::{optional_text, read_cel, read_info, read_log_source},
};
use crate::{
    correlate::Correlation,
    definitions::{Definitions, environment_of, is_definitions},
    error::{RuleError, RuleErrorKind},
    sigma::{
        Detection,
        node::{self, Node},
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
    /// Its `name`, by which filters and correlations may call it.
    pub name: Option<String>,
    /// Its matches are for correlations alone: they raise no alert.
    pub is_silent: bool,
    /// Correlations are told of its matches.
    pub is_correlated: bool,
    /// The fields whose values they ask for.
    pub(crate) facts: Vec<String>,
    pub(crate) body: Body,
    /// What filters ask besides, where the body can't take it in: both must hold.
    pub(crate) guard: Option<Detection>,
    /// What its matches share, once there is one.
    shared: OnceLock<Arc<RuleInfo>>,
}

/// What a document of a rule file is.
#[derive(Debug)]
#[non_exhaustive]
pub enum Document {
    /// A rule that runs on single events.
    Rule(Box<Rule>),
    /// A condition that other rules must meet besides their own.
    Filter(Box<Filter>),
    /// A rule about the matches of others.
    Correlation(Box<Correlation>),
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

impl fmt::Display for LogSourceSelector {
    /// What it asks for, in the words of a rule's file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let keys =
            [("product", &self.product), ("category", &self.category), ("service", &self.service)];
        for (key, value) in keys {
            if let Some(value) = value {
                write!(f, "{separator}{key}: {value}")?;
                separator = ", ";
            }
        }
        if !self.names.is_empty() {
            write!(f, "{separator}log_source: {}", self.names.join(", "))?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("any log source") } else { Ok(()) }
    }
}

/// Reads one rule file, perhaps with several YAML documents. Never fails as a whole: each document
/// is one, or a problem. `path` is shown in problems and names a rule without an `id`.
///
/// Documents of definitions are passed over: see [`crate::read_definitions`]. What rules become is decided
/// by all documents together: see [`RuleSet`].
#[must_use]
pub fn load_documents(
    path: &str,
    text: &str,
    definitions: &Definitions,
) -> Vec<Result<Document, RuleError>> {
    let mut all = Vec::new();
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > limits::CONFIG_FILE_BYTES_MAX {
        let max = limits::CONFIG_FILE_BYTES_MAX;
        let message = format!("the file has {} bytes, more than {max}", text.len());
        let error = RuleError::at(1, 1, RuleErrorKind::Yaml(message)).in_file(path);
        return vec![Err(error.with_help("split the file into smaller ones"))];
    }
    let mut documents = Documents::default();
    let mut defines = false;
    for document in node::parse(text) {
        if document.as_ref().is_ok_and(is_definitions) {
            defines = true;
            continue;
        }
        let document = document.and_then(|node| documents.next(node)).transpose();
        let Some(document) = document else { continue };
        let document =
            document.and_then(|node| Document::read(path, all.len(), &node, definitions));
        all.push(document.map_err(|error| error.in_file(path)));
    }
    if all.is_empty() && !documents.has_global && !defines {
        let kind = RuleErrorKind::Shape("the file holds no rule".to_owned());
        let error = RuleError::at(1, 1, kind).in_file(path);
        all.push(Err(error.with_help("write a rule into the file, or remove it")));
    }
    all
}

/// As [`load_documents`], for files that hold rules alone: a filter or correlation, which changes
/// what other rules do, is an error here.
#[must_use]
pub fn load_file(path: &str, text: &str) -> Vec<Result<Rule, RuleError>> {
    load_file_with(path, text, &Definitions::default())
}

/// As [`load_file`], with what the rules share.
#[must_use]
pub fn load_file_with(
    path: &str,
    text: &str,
    definitions: &Definitions,
) -> Vec<Result<Rule, RuleError>> {
    let refuse = |line, title: &str| {
        let message = format!("`{title}` changes what other rules do and can't be run by itself");
        let kind = RuleErrorKind::NotStreamed(message);
        let error = RuleError::at(line, 1, kind).in_file(path);
        Err(error.with_help("load it together with the rules that it names"))
    };
    let rule = |document| match document {
        Document::Rule(rule) => Ok(*rule),
        Document::Filter(filter) => refuse(filter.line, &filter.title),
        Document::Correlation(correlation) => refuse(correlation.line, &correlation.info.title),
    };
    load_documents(path, text, definitions)
        .into_iter()
        .map(|document| document.and_then(rule))
        .collect()
}

impl Document {
    /// Reads one document; `index` counts the documents of the file.
    fn read(
        path: &str,
        index: usize,
        node: &Node,
        definitions: &Definitions,
    ) -> Result<Self, RuleError> {
        if node.get("filter").is_some() {
            return Filter::read(path, index, node, &definitions.placeholders)
                .map(Box::new)
                .map(Self::Filter);
        }
        if node.get("correlation").is_some() {
            return Correlation::read(path, index, node).map(Box::new).map(Self::Correlation);
        }
        Rule::read(path, index, node, definitions).map(Box::new).map(Self::Rule)
    }
}

impl Rule {
    /// Reads one document; `index` counts the documents of the file.
    fn read(
        path: &str,
        index: usize,
        node: &Node,
        definitions: &Definitions,
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
            [(key, value)] if key.as_str() == Some("cel") => {
                let environment = environment_of(path, node, &definitions.environment)?;
                Body::Cel(read_cel(value, &environment, definitions.reaching(&log_source))?)
            }
            [(_, value)] => Body::Sigma(Detection::read(value, &definitions.placeholders)?),
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
            name: optional_text(node, "name")?.filter(|name| !name.trim().is_empty()),
            is_silent: false,
            is_correlated: false,
            facts: Vec::new(),
            body,
            guard: None,
            shared: OnceLock::new(),
        })
    }

    /// The tests that the rule or its filters make of single fields, if there are any.
    pub(crate) const fn detection(&self) -> Option<&Detection> {
        match &self.body {
            Body::Sigma(detection) => Some(detection),
            Body::Cel(_) => self.guard.as_ref(),
        }
    }

    /// Makes another condition part of the rule: it matches where both hold.
    pub(crate) fn and(&mut self, other: &Detection) {
        match (&mut self.body, &mut self.guard) {
            (Body::Sigma(detection), _) | (Body::Cel(_), Some(detection)) => detection.and(other),
            (Body::Cel(_), guard @ None) => *guard = Some(other.clone()),
        }
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
    let Some((key, _)) = node.get_entry("sql") else { return Ok(()) };
    let title = node.get("title").and_then(Node::as_str).unwrap_or("without a title");
    let message =
        format!("`{title}` is a scheduled detection, and those are not run in the stream");
    let error = key.error(RuleErrorKind::NotStreamed(message));
    Err(error.with_help("run its query with `dab sql` until then"))
}

#[cfg(test)]
mod tests;
