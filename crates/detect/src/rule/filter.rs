//! Filters: what a place knows to be harmless, said once for many rules.
//!
//! Sigma filters specification 2.0. A filter adds `and (its condition)` to the rules it names, so
//! an exception is written `condition: not selection`.

use super::{
    LogSourceSelector, Placeholders,
    keys::{read_info, read_log_source},
    set::Reference,
};
use crate::{
    error::RuleError,
    sigma::{
        Detection,
        node::{Kind, Node},
    },
};

/// A condition that rules must meet besides their own.
#[derive(Debug)]
pub struct Filter {
    /// Its `id`, or its file name where it has none.
    pub id: String,
    /// Its `title`.
    pub title: String,
    /// The file it was loaded from.
    pub file: String,
    /// The line it begins on, from 1.
    pub line: u32,
    /// The log sources whose rules it applies to.
    pub log_source: LogSourceSelector,
    /// The rules it names; `None`: all that its log source lets in.
    pub(super) rules: Option<Vec<Reference>>,
    /// Where `rules` stands.
    pub(super) rules_place: (u32, u32),
    pub(super) detection: Detection,
}

impl Filter {
    pub(super) fn read(
        path: &str,
        index: usize,
        node: &Node,
        placeholders: &Placeholders,
    ) -> Result<Self, RuleError> {
        let info = read_info(path, index, node)?;
        let Some((key, value)) = node.get_entry("filter") else {
            return Err(node.shape("the document has no `filter`"));
        };
        let detection = Detection::read_filter(value, placeholders)?;
        if node.get("logsource").or_else(|| node.get("log_source")).is_none() {
            let error = node.shape("the filter has no `logsource`");
            return Err(error.with_help("add the `logsource` of the rules that it applies to"));
        }
        let Some(rules) = value.get("rules") else {
            let error = key.shape("the filter has no `rules`");
            return Err(
                error.with_help("name rules by their `id` or `name`, or write `rules: any`")
            );
        };
        Ok(Self {
            id: info.id,
            title: info.title,
            file: info.file,
            line: node.line,
            log_source: read_log_source(node)?,
            rules: read_rules(rules)?,
            rules_place: (rules.line, rules.column),
            detection,
        })
    }

    /// Whether its log source lets in rules with this one.
    pub(super) fn covers(&self, asked: &LogSourceSelector) -> bool {
        let holds =
            |filter: &Option<String>, rule: &Option<String>| filter.is_none() || filter == rule;
        let own = &self.log_source;
        holds(&own.product, &asked.product)
            && holds(&own.category, &asked.category)
            && holds(&own.service, &asked.service)
            && (own.names.is_empty()
                || (!asked.names.is_empty()
                    && asked.names.iter().all(|name| own.names.contains(name))))
    }
}

fn read_rules(node: &Node) -> Result<Option<Vec<Reference>>, RuleError> {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.is_plain || !scalar.text.is_empty() => {
            let is_all = ["any", "all"].iter().any(|word| scalar.text.eq_ignore_ascii_case(word));
            if is_all {
                return Ok(None);
            }
        }
        // pySigma takes an empty list for all rules.
        Kind::List(members) if members.is_empty() => return Ok(None),
        Kind::Scalar(_) | Kind::List(_) | Kind::Map(_) => {}
    }
    Reference::read_all(node).map(Some)
}
