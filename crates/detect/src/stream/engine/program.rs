//! Rules as small programs over predicates.
//!
//! What a rule asks is a tree of nodes, laid out in one list for all rules of a log source. A node
//! is nearly always a predicate that the columns have answered already: a bit. Tests that can't be
//! answered for many rules at once (regular expressions, comparisons of fields) are slow: each is
//! made at most once for an event, only if the rule comes to it, and only if one of the texts that
//! it can't hold without was found.

use crate::sigma::test::Test;

use super::column::Predicate;

/// How much cheaper a negated node must be than others to be asked before them.
const NEGATION_PENALTY: usize = 200;

/// A node's number.
pub(super) type NodeId = u32;

/// A part of one of the program's lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

/// One question of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node {
    /// A predicate of a field.
    Is(Predicate),
    /// A predicate of all strings of the event, which are looked at when they are first asked for;
    /// before it the slot that stands for them.
    IsAnywhere(u32, Predicate),
    /// A slow test.
    Slow(u32),
    /// The field is absent or null.
    Null(u32),
    /// Whether the field is there.
    Exists(u32, bool),
    Not(NodeId),
    All(Span),
    Any(Span),
    AtLeast(u32, Span),
    /// Any of these predicates of a field, in `predicates`.
    AnyOf(Span),
    /// All of these.
    AllOf(Span),
}

/// A test that is made for one value of one field.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) slot: u32,
    /// The slot of the field that it is compared with.
    pub(super) other: Option<u32>,
    pub(super) test: Test,
    /// It can hold only if one of these predicates does.
    pub(super) gate: Span,
}

/// A rule's program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program {
    /// Its first node.
    pub(super) node: NodeId,
    /// The number of its first form.
    pub(super) forms: u32,
}

/// The programs of all rules of a log source.
#[derive(Debug, Default)]
pub(super) struct Programs {
    nodes: Vec<Node>,
    children: Vec<NodeId>,
    predicates: Vec<Predicate>,
    pub(super) slow: Vec<Slow>,
    /// The nodes of the tests' forms, those of a rule side by side.
    forms: Vec<NodeId>,
}

impl Span {
    fn range(self) -> std::ops::Range<usize> {
        to_usize(self.start)..to_usize(self.end)
    }
}

impl Programs {
    pub(super) fn node(&self, id: NodeId) -> Option<Node> {
        self.nodes.get(to_usize(id)).copied()
    }

    pub(super) fn children(&self, span: Span) -> &[NodeId] {
        self.children.get(span.range()).unwrap_or_default()
    }

    pub(super) fn predicates(&self, span: Span) -> &[Predicate] {
        self.predicates.get(span.range()).unwrap_or_default()
    }

    pub(super) fn slow(&self, id: u32) -> Option<&Slow> {
        self.slow.get(to_usize(id))
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        to_u32(self.nodes.len() - 1)
    }

    pub(super) fn add_slow(&mut self, slow: Slow) -> u32 {
        self.slow.push(slow);
        to_u32(self.slow.len() - 1)
    }

    /// Makes room for the forms of a rule; answers with the number of the first.
    pub(super) fn begin_forms(&mut self, count: usize) -> u32 {
        let first = to_u32(self.forms.len());
        self.forms.resize(self.forms.len() + count, NodeId::MAX);
        first
    }

    /// Sets the nodes of forms from the number `first` on.
    pub(super) fn set_forms(&mut self, first: usize, nodes: &[NodeId]) {
        if let Some(places) = self.forms.get_mut(first..first + nodes.len()) {
            places.copy_from_slice(nodes);
        }
    }

    /// The nodes of forms.
    pub(super) fn forms(&self, forms: std::ops::Range<usize>) -> &[NodeId] {
        self.forms.get(forms).unwrap_or_default()
    }

    pub(super) fn add_predicates(&mut self, predicates: &[Predicate]) -> Span {
        let start = to_u32(self.predicates.len());
        self.predicates.extend_from_slice(predicates);
        Span { start, end: to_u32(self.predicates.len()) }
    }

    fn add_children(&mut self, children: &[NodeId]) -> Span {
        let start = to_u32(self.children.len());
        self.children.extend_from_slice(children);
        Span { start, end: to_u32(self.children.len()) }
    }

    /// All of these nodes; what is only bits is asked first.
    pub(super) fn all(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.join(nodes, Node::AllOf, Node::All)
    }

    /// Any of these nodes; what is only bits is asked first.
    pub(super) fn any(&mut self, nodes: Vec<NodeId>) -> NodeId {
        self.join(nodes, Node::AnyOf, Node::Any)
    }

    pub(super) fn at_least(&mut self, least: usize, mut nodes: Vec<NodeId>) -> NodeId {
        if least == nodes.len() {
            return self.all(nodes);
        }
        if least == 1 {
            return self.any(nodes);
        }
        nodes.sort_by_cached_key(|node| self.cost(*node));
        let span = self.add_children(&nodes);
        self.add(Node::AtLeast(to_u32(least), span))
    }

    fn join(
        &mut self,
        nodes: Vec<NodeId>,
        of_bits: impl Fn(Span) -> Node,
        of_nodes: impl Fn(Span) -> Node,
    ) -> NodeId {
        if let [only] = nodes.as_slice() {
            return *only;
        }
        let (mut bits, mut rest) = (Vec::new(), Vec::new());
        for id in nodes {
            match self.node(id) {
                Some(Node::Is(predicate)) => bits.push(predicate),
                _ => rest.push(id),
            }
        }
        match bits.as_slice() {
            [] => {}
            [only] => rest.push(self.add(Node::Is(*only))),
            bits => {
                let span = self.add_predicates(bits);
                rest.push(self.add(of_bits(span)));
            }
        }
        if let [only] = rest.as_slice() {
            return *only;
        }
        // What is negated holds nearly always, and decides nothing.
        let is_negated = |node: NodeId| matches!(self.node(node), Some(Node::Not(_)));
        let penalty = |node: NodeId| if is_negated(node) { NEGATION_PENALTY } else { 0 };
        rest.sort_by_cached_key(|node| self.cost(*node) + penalty(*node));
        let span = self.add_children(&rest);
        self.add(of_nodes(span))
    }

    /// What a node costs to ask, in a rough unit.
    fn cost(&self, id: NodeId) -> usize {
        let sum = |span: Span| self.children(span).iter().map(|child| self.cost(*child)).sum();
        match self.node(id) {
            None | Some(Node::Is(_)) => 1,
            Some(Node::AnyOf(span) | Node::AllOf(span)) => self.predicates(span).len(),
            Some(Node::Null(_) | Node::Exists(..)) => 2,
            Some(Node::Slow(id)) => self.slow(id).map_or(0, |slow| 10 + slow.test.cost()),
            Some(Node::IsAnywhere(..)) => 1000,
            Some(Node::Not(inner)) => self.cost(inner),
            Some(Node::All(span) | Node::Any(span) | Node::AtLeast(_, span)) => sum(span),
        }
    }
}

pub(super) fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
