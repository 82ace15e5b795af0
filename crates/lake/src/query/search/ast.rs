//! A search line as understood: a condition over events, and what is done with what it finds.

use std::net::IpAddr;

use base::Timestamp;

use super::formula::{Formula, Statement};
use crate::query::{network::Network, pattern::Pattern, regexp::Regexp};

/// A whole search line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Search {
    /// Which tables, by name or pattern, with the place of each in the line; all event tables if
    /// none is named.
    pub(crate) tables: Option<Vec<(Pattern, String, usize)>>,
    /// Which events.
    pub(crate) condition: Node,
    /// What happens to them, in order.
    pub(crate) pipes: Vec<Pipe>,
}

/// A condition over one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    /// Holds always.
    All,
    /// Holds if each part does.
    And(Vec<Self>),
    /// Holds if one part does.
    Or(Vec<Self>),
    /// Holds if the inner does not.
    Not(Box<Self>),
    /// A word or phrase in any field.
    Word(Word),
    /// A test of one field.
    Field(FieldTest),
    /// A test that a value of any field passes.
    AnyField(Test),
}

/// A word or phrase.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) pattern: Pattern,
    /// The number it spells, which is then looked for in numeric fields too.
    pub(crate) number: Option<Number>,
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FieldTest {
    pub(crate) field: String,
    pub(crate) test: Test,
}

/// What is asked of a field's values: one of them must pass.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// There is a value other than null.
    Exists,
    /// The value passes one of these.
    Any(Vec<ValueTest>),
}

/// What is asked of one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ValueTest {
    /// It is this text, or this number.
    Is(Pattern, Option<Number>),
    /// It is larger or smaller.
    Compare(Comparison, Operand),
    /// It is not before the first and not behind the last; without one it has no bound there.
    Range(Option<(Comparison, Operand)>, Option<(Comparison, Operand)>),
    /// The expression is found in it.
    Regexp(Regexp),
    /// It is an address of the network, or this text.
    Network(Network, Pattern),
    /// The word is in it.
    Word(Word),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(crate) const fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

/// What values can be larger or smaller than.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operand {
    Number(Number),
    Time(Timestamp),
    /// Comes from ranges only.
    Address(IpAddr),
}

/// A number as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    /// Reads a decimal number; `None` for anything else, names such as `inf` included.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Ok(int) = text.parse() {
            return Some(Self::Int(int));
        }
        let decimal = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
        let float: f64 = text.chars().all(decimal).then(|| text.parse().ok())??;
        float.is_finite().then_some(Self::Float(float))
    }

    #[expect(clippy::cast_precision_loss, reason = "compared with a float, an int is one too")]
    pub(crate) fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (Self::Int(left), Self::Float(right)) => (left as f64).partial_cmp(&right),
            (Self::Float(left), Self::Int(right)) => left.partial_cmp(&(right as f64)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right),
        }
    }

    pub(crate) fn equals(self, other: Self) -> bool {
        self.compare(other).is_some_and(std::cmp::Ordering::is_eq)
    }
}

/// One command after a `|`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipe {
    pub(crate) command: Command,
    /// Where its name stands in the line.
    pub(crate) at: usize,
}

/// What a command does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Keeps what the condition holds for.
    Where(Node),
    /// Keeps these fields only.
    Keep(Vec<String>),
    /// Leaves these fields out.
    Drop(Vec<String>),
    /// Orders by fields.
    Sort(Vec<SortKey>),
    /// Keeps the first rows.
    Head(usize),
    /// Keeps the last rows.
    Tail(usize),
    /// One row for each set of values of the `by` fields.
    Stats { aggregates: Vec<Aggregate>, by: Vec<String> },
    /// The most (or least) common sets of values.
    Top { count: usize, fields: Vec<String>, rarest: bool },
    /// Other names for fields.
    Rename(Vec<(String, String)>),
    /// Keeps the first row of each set of values.
    Dedup(Vec<String>),
    /// One row for each span of time (and set of values).
    Timechart { span_micros: i64, aggregates: Vec<Aggregate>, by: Vec<String> },
    /// Fields that are computed, one after the other.
    Eval(Vec<(String, Formula)>),
    /// A field for each named group of the expression.
    Rex { field: String, regexp: Regexp },
    /// Columns of a lookup table's row, and the fields that they become; all if none is named.
    Lookup { table: String, field: String, columns: Vec<(String, String)> },
    /// The fields of rows that another search makes.
    Join { keeps_all: bool, on: Vec<String>, search: Box<Search> },
    /// The rows of a statement over the rows so far.
    Sql(Statement),
}

impl Command {
    /// The fields that it reads by name. A condition is asked of whole rows, and `fields -` may name
    /// what is not there.
    pub(crate) fn fields(&self) -> Vec<&String> {
        match self {
            Self::Keep(names) | Self::Dedup(names) => names.iter().collect(),
            Self::Sort(keys) => keys.iter().map(|key| &key.field).collect(),
            Self::Rename(pairs) => pairs.iter().map(|(from, _)| from).collect(),
            Self::Top { fields, .. } => fields.iter().collect(),
            Self::Stats { aggregates, by } | Self::Timechart { aggregates, by, .. } => {
                aggregates.iter().filter_map(|one| one.field.as_ref()).chain(by).collect()
            }
            Self::Eval(formulas) => {
                let before = |at: usize| formulas.iter().take(at).map(|(name, _)| name);
                let read = formulas.iter().enumerate().flat_map(|(at, (_, formula))| {
                    formula
                        .fields
                        .iter()
                        .filter(move |field| !before(at).any(|name| name == *field))
                });
                read.collect()
            }
            Self::Rex { field, .. } | Self::Lookup { field, .. } => vec![field],
            Self::Join { on, .. } => on.iter().collect(),
            Self::Where(_) | Self::Drop(_) | Self::Head(_) | Self::Tail(_) | Self::Sql(_) => {
                Vec::new()
            }
        }
    }

    /// What it reads if it is there: the fields that `rex` may leave as they are, the names in a
    /// statement, of which some are its own.
    pub(crate) fn fields_perhaps(&self) -> Vec<String> {
        match self {
            Self::Rex { regexp, .. } => regexp.groups().into_iter().map(str::to_owned).collect(),
            Self::Sql(statement) => statement.fields.clone(),
            _ => Vec::new(),
        }
    }

    /// The fields that it makes, as far as it says.
    pub(crate) fn makes(&self) -> Vec<String> {
        match self {
            Self::Rename(pairs) => pairs.iter().map(|(_, to)| to.clone()).collect(),
            Self::Eval(formulas) => formulas.iter().map(|(name, _)| name.clone()).collect(),
            Self::Rex { regexp, .. } => regexp.groups().into_iter().map(str::to_owned).collect(),
            Self::Lookup { columns, .. } => columns.iter().map(|(_, name)| name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether it makes other rows of the events, with columns of its own.
    pub(crate) const fn ends_events(&self) -> bool {
        matches!(
            self,
            Self::Stats { .. } | Self::Timechart { .. } | Self::Top { .. } | Self::Sql(_)
        )
    }
}

/// A field to order by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortKey {
    pub(crate) field: String,
    pub(crate) descending: bool,
}

/// A figure over many rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Aggregate {
    pub(crate) function: AggregateFunction,
    /// Over which field; `None` for a count of rows.
    pub(crate) field: Option<String>,
    /// The column's name.
    pub(crate) name: String,
}

impl Aggregate {
    /// The number of rows, as `count`.
    pub(crate) fn rows() -> Self {
        Self { function: AggregateFunction::Count, field: None, name: "count".to_owned() }
    }
}

/// The figures there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    Count,
    DistinctCount,
    Sum,
    Average,
    Min,
    Max,
    Values,
    List,
    First,
    Last,
    Median,
    StandardDeviation,
}

impl AggregateFunction {
    /// The names, as written.
    pub(crate) const NAMES: [(&'static str, Self); 18] = [
        ("count", Self::Count),
        ("dc", Self::DistinctCount),
        ("distinct_count", Self::DistinctCount),
        ("dcount", Self::DistinctCount),
        ("sum", Self::Sum),
        ("avg", Self::Average),
        ("mean", Self::Average),
        ("min", Self::Min),
        ("max", Self::Max),
        ("values", Self::Values),
        ("make_set", Self::Values),
        ("list", Self::List),
        ("make_list", Self::List),
        ("first", Self::First),
        ("last", Self::Last),
        ("median", Self::Median),
        ("stdev", Self::StandardDeviation),
        ("stddev", Self::StandardDeviation),
    ];
}
