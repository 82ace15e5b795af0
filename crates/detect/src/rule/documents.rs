//! The documents of one file, those of Sigma 1 that build on each other included.

use crate::{
    error::RuleError,
    sigma::node::{Kind, Node},
};

/// Sigma 1's multi-document files: `action: global` lays its keys under the documents that follow,
/// `action: repeat` lays the document over the previous one, `action: reset` forgets both.
#[derive(Default)]
pub(super) struct Documents {
    global: Option<Node>,
    previous: Option<Node>,
    pub(super) has_global: bool,
}

impl Documents {
    /// The rule's document; `None` if the document is no rule by itself.
    pub(super) fn next(&mut self, mut node: Node) -> Result<Option<Node>, RuleError> {
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
