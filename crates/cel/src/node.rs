//! The compiled form of an expression: names resolved, functions looked up, literals prepared.

use regex::Regex;

use crate::{
    functions::Function,
    net::Network,
    path::Path,
    value::{CelType, CelValue},
};

/// One operation with its operands.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    /// A constant.
    Literal(CelValue<'static>),
    /// A variable of an enclosing macro, by its place on the stack of variables.
    Local(usize),
    /// A value that is bound to a name, and may have failed.
    Slot(usize),
    /// An expression with names bound to values.
    Bind { values: Vec<Self>, body: Box<Self> },
    /// The first of several names that there is, and else this.
    Qualified(Vec<Path>, Box<Self>),
    /// A field of the event. Where there is no event, the type of that name.
    Field { path: Path, denotes: Option<CelType> },
    /// A field if it is there, and else the type of that name: what `type(…)` is asked about.
    FieldOrType(Path, CelType),
    /// A field of another value.
    Select { operand: Box<Self>, path: Path },
    /// `x.?a`
    OptionalSelect { operand: Box<Self>, path: Path },
    /// `x[?a]`
    OptionalIndex(Box<[Self; 2]>),
    /// An expression over the value of an optional; flat if it gives an optional itself.
    OptionalBind { operand: Box<Self>, body: Box<Self>, is_flat: bool },
    /// Whether the event has a field.
    HasField(Path),
    /// Whether another value has a field.
    HasSelect { operand: Box<Self>, path: Path },
    /// All of them; errors count only if none is false.
    And(Vec<Self>),
    /// Any of them; errors count only if none is true.
    Or(Vec<Self>),
    /// `!x`.
    Not(Box<Self>),
    /// `-x`.
    Negate(Box<Self>),
    /// `a ? b : c`.
    Conditional(Box<[Self; 3]>),
    /// An operator with two operands.
    Binary(Operator, Box<[Self; 2]>),
    /// A list literal.
    List(Vec<Self>),
    /// A list literal with members that may be absent.
    OptionalList(Vec<(bool, Self)>),
    /// A map literal.
    Map(Vec<[Self; 2]>),
    /// A map literal with entries that may be absent.
    OptionalMap(Vec<(bool, [Self; 2])>),
    /// A function; the target of a member call is the first argument.
    Call(Function, Vec<Self>),
    /// `matches` with a literal expression.
    Matches(Box<Self>, Regex),
    /// `net.inCidr` with a literal network.
    InNetwork(Box<Self>, Network),
    /// A macro over the members of a list or map.
    Macro(Box<Macro>),
    /// A test of fields, remembered for explanations.
    Test(Box<Test>),
    /// A function that does not exist, in a program compiled without checks.
    Unknown(std::sync::Arc<str>),
}

/// The operators that need both of their operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Index,
}

/// A macro: an expression evaluated for each member.
#[derive(Debug, Clone)]
pub(crate) struct Macro {
    pub(crate) kind: MacroKind,
    pub(crate) range: Node,
    /// Whether it names two variables: index or key, and value.
    pub(crate) two: bool,
    /// Members for which this is false are left out.
    pub(crate) filter: Option<Node>,
    pub(crate) body: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MacroKind {
    All,
    Exists,
    ExistsOne,
    /// The values of the body, as a list.
    List,
    /// The values of the body under their keys, as a map.
    Map,
    /// The entries of the body's maps, as one map.
    MapEntry,
    /// The members, sorted by the body's values.
    SortBy,
}

/// A boolean expression over fields, the smallest that is not itself made of tests.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) inner: Node,
    /// The fields it reads.
    pub(crate) paths: Vec<Path>,
    /// It in a reader's words.
    pub(crate) text: String,
}
