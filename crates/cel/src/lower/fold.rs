//! Computes once what does not depend on the event.

use std::sync::Arc;

use crate::{
    eval::{Evaluation, RegexCache, Root},
    functions::Function,
    node::Node,
    steps::Steps,
    value::{CelMap, CelValue},
};

/// How many steps the value of a constant may take: beyond, it is left as it is.
const STEPS_MAX: u32 = 1000;

/// The value of a node whose operands are constants, or the node. An error stays to be met when the
/// expression is evaluated, as it may be absorbed then.
pub(super) fn fold(node: Node) -> Node {
    match node {
        Node::And(members) => logic(members, false),
        Node::Or(members) => logic(members, true),
        Node::Conditional(parts) => match *parts {
            [Node::Literal(CelValue::Bool(true)), yes, _] => yes,
            [Node::Literal(CelValue::Bool(false)), _, no] => no,
            parts => Node::Conditional(Box::new(parts)),
        },
        Node::Map(entries) if entries.is_empty() => {
            Node::Literal(CelValue::Map(CelMap::Built(Arc::default())))
        }
        node if is_constant(&node) => value(&node).map_or(node, Node::Literal),
        node => node,
    }
}

/// `&&` and `||`, where a constant decides or makes no difference.
fn logic(mut members: Vec<Node>, deciding: bool) -> Node {
    let is = |member: &Node, wanted: bool| match member {
        Node::Literal(CelValue::Bool(value)) => *value == wanted,
        _ => false,
    };
    if members.iter().any(|member| is(member, deciding)) {
        return Node::Literal(CelValue::Bool(deciding));
    }
    members.retain(|member| !is(member, !deciding));
    match (members.is_empty(), deciding) {
        (true, deciding) => Node::Literal(CelValue::Bool(!deciding)),
        (false, false) => Node::And(members),
        (false, true) => Node::Or(members),
    }
}

/// Whether all operands are constants.
fn is_constant(node: &Node) -> bool {
    let literal = |node: &Node| matches!(node, Node::Literal(_));
    match node {
        Node::Not(inner) | Node::Negate(inner) => literal(inner),
        Node::Matches(inner, _) | Node::InNetwork(inner, _) => literal(inner),
        Node::Select { operand, .. }
        | Node::OptionalSelect { operand, .. }
        | Node::HasSelect { operand, .. } => literal(operand),
        Node::Binary(_, operands) | Node::OptionalIndex(operands) => operands.iter().all(literal),
        Node::List(members) => members.iter().all(literal),
        Node::OptionalList(members) => members.iter().all(|(_, member)| literal(member)),
        Node::Map(entries) => entries.iter().flatten().all(literal),
        Node::OptionalMap(entries) => entries.iter().flat_map(|(_, entry)| entry).all(literal),
        Node::Call(function, args) => {
            !matches!(function, Function::Lookup(_)) && args.iter().all(literal)
        }
        _ => false,
    }
}

fn value(node: &Node) -> Option<CelValue<'static>> {
    let regexes = RegexCache::default();
    let mut evaluation =
        Evaluation::new(Root::Values(&[]), &regexes, None).resuming(Steps::new(STEPS_MAX), vec![]);
    evaluation.eval(node).ok().map(CelValue::into_owned)
}
